#pragma once
// A snapshot's way from a leader to a follower: chunks on a channel of their own, a small window,
// an acknowledgement for each chunk that the receiver has written, go-back on loss. Sender and
// receiver are value machines owned by server::Replica; the snapshot store is reached only through
// SnapshotCalls, which a thread that may wait carries out with SnapshotWorker. A stream ends
// delivered (the receiver has the whole snapshot, checked and durable) or failed; a failed one is
// begun anew.

#include "base/bytes.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/strong.h"
#include "base/time.h"
#include "env/snapshot_store.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace nl::server {

struct SnapshotStreamOptions {
    std::size_t chunk_bytes = 256 << 10;
    /// Chunks on their way before the sender waits.
    std::size_t window_chunks = 4;
    /// Chunks without an answer for this long are sent again …
    Duration resend_after = milliseconds(500);
    /// … and a stream that does not move for this long is given up, on either side.
    Duration give_up_after = seconds(10);
};

enum class SnapshotFrameKind : unsigned char {
    /// The first frame: which snapshot this is. Answered like a chunk.
    Begin = 1,
    Chunk = 2,
    /// Everything was sent; the receiver commits and answers with `done`.
    End = 3,
    /// From the receiver: it has written everything before `offset`.
    Ack = 4,
    /// Either side gives up.
    Abort = 5,
};

/// What travels on env::Channel::Snapshot.
struct SnapshotFrame {
    SnapshotFrameKind kind{SnapshotFrameKind::Begin};
    ServerId from;
    ServerId to;
    /// The sender's term and a number it never uses twice in this term: names the stream.
    Term term;
    std::uint64_t stream{0};
    Index index;
    Term log_term;
    Bytes membership;
    std::uint64_t offset{0};
    std::uint32_t crc{0};
    Bytes data;
    bool done{false};

    NL_FIELDS(
        SnapshotFrame,
        (1, kind),
        (2, from),
        (3, to),
        (4, term),
        (5, stream),
        (6, index),
        (7, log_term),
        (8, membership),
        (9, offset),
        (10, crc),
        (11, data),
        (12, done)
    )
};

/// One thing to do with the snapshot store. Calls of one stream are sequential.
struct SnapshotCall {
    enum class Kind : unsigned char { OpenRead, Read, CloseRead, Create, Write, Commit, Abort };
    Kind kind{Kind::OpenRead};
    /// Chosen by the caller, for reading and writing apart; unique while open.
    Ticket stream;
    /// OpenRead: which; Create: its label.
    env::SnapshotMeta meta;
    /// Read: at most this many bytes.
    std::size_t bytes_max{0};
    /// Write.
    Bytes data;
};

/// The answer to every call but CloseRead and Abort.
struct SnapshotAnswer {
    SnapshotCall::Kind kind{SnapshotCall::Kind::OpenRead};
    Ticket stream;
    /// Read: the bytes, empty at the end. Others: empty.
    Result<Bytes> bytes;
};

/// Carries out SnapshotCalls on a store; lives on a thread that may wait.
class SnapshotWorker {
public:
    explicit SnapshotWorker(env::SnapshotStore& store) : store_(store) {}
    /// Nothing for CloseRead and Abort.
    std::optional<SnapshotAnswer> run(const SnapshotCall& call);

private:
    env::SnapshotStore& store_;
    std::map<Ticket, std::unique_ptr<env::SnapshotReader>> readers_;
    std::map<Ticket, std::unique_ptr<env::SnapshotWriter>> writers_;
};

/// What sender and receiver want done; taken by the replica after each input.
struct SnapshotOutput {
    std::vector<SnapshotFrame> send;
    std::vector<SnapshotCall> calls;
};

/// The leader's side: at most one stream for each follower.
class SnapshotSender {
public:
    SnapshotSender(ServerId self, SnapshotStreamOptions options) : self_(self), options_(options) {}

    struct Ended {
        ServerId to;
        bool delivered{false};
    };

    bool is_sending_to(ServerId to) const;
    std::size_t active() const { return streams_.size(); }
    void begin(
        ServerId to, Term term, const env::SnapshotMeta& meta, Instant now, SnapshotOutput& out
    );
    void on_frame(const SnapshotFrame& frame, Instant now, SnapshotOutput& out);
    void on_answer(const SnapshotAnswer& answer, Instant now, SnapshotOutput& out);
    void tick(Instant now, SnapshotOutput& out);
    /// The server leads no more.
    void abandon_all(SnapshotOutput& out);
    Instant next_deadline() const;
    /// Streams that ended since the last call.
    std::vector<Ended> take_ended();

private:
    struct Piece {
        std::uint64_t offset{0};
        Bytes data;
    };
    struct Stream {
        std::uint64_t number{0};
        Term term;
        env::SnapshotMeta meta;
        bool begun{false};  // the receiver answered Begin
        bool reading{false};
        bool at_end{false};
        std::uint64_t read_offset{0};
        std::deque<Piece> window;  // sent, not acknowledged; bounded by window_chunks
        Instant moved_at;
        Instant sent_at;
    };
    SnapshotFrame frame(ServerId to, const Stream& stream, SnapshotFrameKind kind) const;
    void fill(ServerId to, Stream& stream, Instant now, SnapshotOutput& out);
    void resend(ServerId to, Stream& stream, Instant now, SnapshotOutput& out);
    void end(ServerId to, bool delivered, SnapshotOutput& out);

    ServerId self_;
    SnapshotStreamOptions options_;
    std::map<ServerId, Stream> streams_;
    std::uint64_t next_number_{1};
    std::vector<Ended> ended_;
};

/// The follower's side: one stream at a time; a newer one replaces an older.
class SnapshotReceiver {
public:
    SnapshotReceiver(ServerId self, SnapshotStreamOptions options)
        : self_(self), options_(options) {}

    /// A snapshot that is whole and durable in the store.
    struct Received {
        ServerId from;
        Term term;
        env::SnapshotMeta meta;
    };

    bool is_active() const { return stream_.has_value(); }
    /// `have`: what is committed here already; older snapshots are answered as done at once.
    void on_frame(const SnapshotFrame& frame, Index have, Instant now, SnapshotOutput& out);
    void on_answer(const SnapshotAnswer& answer, Instant now, SnapshotOutput& out);
    void tick(Instant now, SnapshotOutput& out);
    Instant next_deadline() const;
    std::optional<Received> take_received();

private:
    struct Stream {
        ServerId from;
        Term term;
        std::uint64_t number{0};
        Ticket ticket;
        env::SnapshotMeta meta;
        std::uint64_t accepted{0};  // bytes handed to the store
        std::uint64_t written{0};   // bytes the store has answered for
        std::deque<std::uint64_t> writing;
        /// Chunks that came before their turn; with `writing`, bounded by twice the window.
        std::map<std::uint64_t, Bytes> early;
        bool created{false};
        bool committing{false};
        Instant moved_at;
    };
    void ack(const Stream& stream, bool done, SnapshotOutput& out) const;
    void abort(SnapshotOutput& out);

    ServerId self_;
    SnapshotStreamOptions options_;
    std::optional<Stream> stream_;
    /// The last stream that was brought to its end, so that a repeated End is answered again.
    std::optional<SnapshotFrame> finished_;
    std::uint64_t next_ticket_{1};
    std::optional<Received> received_;
};

}  // namespace nl::server
