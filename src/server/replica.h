#pragma once
// One server's part in the Raft group, as an event loop that is a value: events in, Effects out. It
// owns the consensus core, encodes and decodes its messages, writes its log, keeps the waiting
// proposals and reads, and moves snapshots between servers in chunks.
//
// Whoever owns it (one thread in production, the simulator in tests) does this, for ever:
//     1. wait for events, or until next_deadline();
//     2. Effects e = replica.on(all events that are waiting, now)      — events handled together
//     share one disk write and message;
//     3. carry out e, field by field in the order of the struct.
// It calls its LogStore itself (append, compact, reset and read return at once); each
// env::Completion the store reports must come back as an event, in the store's order. Everything
// else of the world is reached through Effects.
//
// It must not be used from two threads, must not be fed events out of the past (now never goes
// back), and holds no state machine: `server::Applier` applies what `Effects::committed` hands out
// and reports `Applied`. Source: Ongaro's thesis chapters 3-6; limits from docs/formats/log.md and
// the seed (256 proposals, 5 s).

#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/strong.h"
#include "base/time.h"
#include "env/log_store.h"
#include "env/snapshot_store.h"
#include "env/transport.h"
#include "raft/core.h"
#include "server/snapshot_stream.h"
#include "storage/log.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace nl::server {

struct ReplicaOptions {
    raft::Options raft;
    /// The membership a new cluster is founded with: the same on every founder. Used only while
    /// neither log nor snapshot holds one. Empty for a server that waits to be added to a cluster.
    /// A sole voter becomes leader at once.
    raft::Membership founding;
    /// Recovery from a lost quorum: this membership counts in place of whatever log and snapshot
    /// hold, until the first leader writes it into the log. The operator's word that the other
    /// servers are gone for good; the same on every server that is left.
    std::optional<raft::Membership> recovery;
    /// A proposal not committed within this ends in Timeout; it may still be committed later.
    Duration commit_deadline = seconds(5);
    /// A snapshot is due when the log's bytes since the last one exceed the larger of this and the
    /// last one's size.
    std::uint64_t snapshot_log_bytes_min = 64 << 20;
    /// Entries kept in the log behind a snapshot, for followers that are a little late.
    std::uint64_t trailing_entries = 4096;
    SnapshotStreamOptions stream;
};

// ---- events
// -------------------------------------------------------------------------------------------------------------------

/// Bytes from another server, as the transport delivered them.
struct Inbound {
    ServerId from;
    env::Channel channel{env::Channel::Raft};
    Bytes bytes;
};
/// The log store finished a write. A failed one ends in Effects::fatal.
struct LogDone {
    env::Completion completion;
};
/// A command for the state machine. Ends in exactly one ProposalResult with this ticket. Tickets
/// are the caller's to choose.
struct Propose {
    Ticket ticket;
    Bytes command;
    /// For retries: commands with the same non-nil request are applied once
    /// (server/request_window.h).
    Uuid request;
    /// With a request: an index that was applied where it was first made, before it was made; the
    /// same for every retry.
    Index born;
};
/// A linearizable read. Ends in exactly one ReadResult. Works on followers too (they ask the
/// leader).
struct Read {
    Ticket ticket;
};
/// Ends in a ProposalResult: committed, or why not.
struct ChangeMembership {
    Ticket ticket;
    raft::Change change;
};
/// `to` kNobody: the leader chooses. Ends in a ProposalResult when another leader is known, or with
/// Timeout.
struct TransferLeadership {
    Ticket ticket;
    ServerId to;
};
/// The log store has no room for more, or has again. Meanwhile it keeps what it was given and
/// completes it when there is room; new proposals are refused.
struct DiskSpace {
    bool full{false};
};
/// The state machine has applied everything up to here.
struct Applied {
    Index index;
};
/// The answer to Effects::take_snapshot: it is durable in the snapshot store (meta as committed
/// there), or could not be made.
struct SnapshotSaved {
    Result<env::SnapshotMeta> meta;
};
/// The answer to Effects::install. A failure is fatal: the snapshot was whole when it was committed
/// to the store.
struct SnapshotInstalled {
    Index index;
    Result<void> result;
};

/// SnapshotAnswer (server/snapshot_stream.h) is the answer to one of Effects::snapshot_calls.
using Event = std::variant<
    Inbound,
    LogDone,
    Propose,
    Read,
    ChangeMembership,
    TransferLeadership,
    DiskSpace,
    Applied,
    SnapshotSaved,
    SnapshotInstalled,
    SnapshotAnswer>;

// ---- effects
// ------------------------------------------------------------------------------------------------------------------

struct Send {
    ServerId to;
    env::Channel channel{env::Channel::Raft};
    Bytes bytes;
};

/// One committed entry, in log order without gaps. Noop and Membership entries come too, so that
/// the applied index is gapless; the state machine only applies Command ones.
struct Committed {
    Index index;
    Term term;
    raft::EntryKind kind{raft::EntryKind::Noop};
    Uuid request;
    Index born;
    Bytes data;
    /// The proposal of this server it came from, so that the applier can answer it with the outcome
    /// of applying.
    std::optional<Ticket> ticket;
};

/// Success means committed, at this index; the proposer sees its effect once the state has applied
/// it. Errors: NotLeader (surely not committed: send it to the leader, Replica::leader()),
/// ResourceExhausted (queue or disk full; surely not committed), Unavailable (leadership is being handed
/// over; surely not committed), TooLarge, Timeout (outcome unknown), Conflict and InvalidArgument
/// (membership changes).
struct ProposalResult {
    Ticket ticket;
    Result<Index> result;
};

/// Success: answer from any state that has applied at least this index; with lease reads on, look
/// at the clock after reading and ask again if `valid_until` has passed. Errors: NotLeader,
/// ResourceExhausted, Timeout.
struct ReadResult {
    Ticket ticket;
    Result<Index> index;
    Instant valid_until = Instant::max();
};

/// What to do, in this order.
struct Effects {
    /// The disk failed or the log cannot be trusted: say this and stop the process at once; carry
    /// out nothing else, retry nothing.
    std::optional<Error> fatal;
    /// Addresses changed: tell the transport where each member is (and forget those who left).
    std::optional<raft::Membership> membership;
    std::vector<Send> send;
    /// For the applier, before `committed`: replace the state by this snapshot from the snapshot
    /// store, then report SnapshotInstalled. What was committed earlier and is not applied yet may
    /// be dropped.
    std::optional<env::SnapshotMeta> install;
    /// For the applier, which reports Applied (once per batch is enough).
    std::vector<Committed> committed;
    std::vector<ProposalResult> results;
    std::vector<ReadResult> reads;
    /// Role, term or leader changed. A new leader's duties begin when `opening` is applied; a
    /// former one's end now.
    std::optional<raft::RoleChange> role;
    /// For a thread that may wait on the snapshot store: run each with SnapshotWorker::run, in
    /// order, and feed back the answers.
    std::vector<SnapshotCall> snapshot_calls;
    /// For the applier: save a snapshot of the state as applied now (meta from
    /// AppliedPosition::meta()), then report SnapshotSaved.
    bool take_snapshot{false};
};

/// Follows what was applied, so that a snapshot can be labelled with its index, term and
/// membership. Lives with the applier.
class AppliedPosition {
public:
    AppliedPosition() = default;
    /// After a restart or an install.
    explicit AppliedPosition(const env::SnapshotMeta& meta) : meta_(meta) {}
    /// Call for each committed entry when it is applied.
    void advance(const Committed& entry);
    /// What a snapshot taken now must be created with.
    const env::SnapshotMeta& meta() const { return meta_; }

private:
    env::SnapshotMeta meta_;
};

struct ReplicaStatus {
    raft::Status raft;
    std::size_t waiting_proposals{0};
    std::size_t waiting_reads{0};
    std::size_t log_writes_in_flight{0};
    std::uint64_t log_bytes_since_snapshot{0};
    Index snapshot_index;
    bool snapshot_running{false};
    std::size_t streams_out{0};
    bool receiving_snapshot{false};
    std::uint64_t messages_malformed{0};
};

class Replica {
public:
    /// Reads the whole log back, checking every entry, and continues from `snapshot`
    /// (SnapshotStore::latest, which the caller has already loaded into its state). Committed
    /// entries behind it come with the first Effects. `log` must outlive the replica. Damage in the
    /// log: what is whole before it is kept, and the server neither votes nor leads until its peers
    /// have sent the rest again. Errors: Corruption, when no other server could mend it or
    /// this server's own vote is lost.
    static Result<std::unique_ptr<Replica>> recover(
        ReplicaOptions options,
        Rng rng,
        env::LogStore& log,
        const std::optional<env::SnapshotMeta>& snapshot,
        Instant now
    );

    /// All events that are waiting, in the order in which they came; none for a mere tick.
    Effects on(std::vector<Event> events, Instant now);
    /// When on() wants to be called even if nothing happens.
    Instant next_deadline() const;

    ReplicaStatus status() const;
    /// Who leads, as far as known (raft::kNobody: nobody). Its address:
    /// membership().find(leader()).
    ServerId leader() const { return role_told_.leader; }
    bool is_leader() const { return role_told_.role == raft::Role::Leader; }
    const raft::Membership& membership() const { return core_.membership(); }
    /// See raft::Core::lease_until.
    Instant lease_until() const { return core_.lease_until(); }
    /// Nothing if it is compacted away or beyond the end.
    std::optional<Term> term_at(Index index) const { return core_.term_at(index); }
    /// Entries as the log holds them, for operators: at most `count_max`, from `first` on.
    /// Errors: NotFound (compacted away or beyond the end), Corruption.
    Result<std::vector<raft::Entry>> entries(Index first, std::size_t count_max);

private:
    struct Waiting {
        Ticket ticket;
        Instant deadline;
    };
    /// A log write on its way, with what may be said once it is durable.
    struct Write {
        Ticket ticket;
        std::optional<raft::Persistence> token;
        std::vector<raft::Outbound> after;
    };
    /// An entry is one proposal's only as long as its term is the one it was proposed in.
    using Position = std::pair<Index, Term>;

    Replica(
        ReplicaOptions options,
        Rng rng,
        storage::Log log,
        storage::Opened opened,
        const std::optional<env::SnapshotMeta>& snapshot,
        Instant now
    );

    void handle(Inbound& event, Effects& out);
    void handle(LogDone& event, Effects& out);
    void handle(Propose& event, Effects& out);
    void handle(Read& event, Effects& out);
    void handle(ChangeMembership& event, Effects& out);
    void handle(TransferLeadership& event, Effects& out);
    void handle(DiskSpace& event, Effects& out);
    void handle(Applied& event, Effects& out);
    void handle(SnapshotSaved& event, Effects& out);
    void handle(SnapshotInstalled& event, Effects& out);
    void handle(SnapshotAnswer& event, Effects& out);

    void drain(Effects& out);
    void carry_out(raft::Ready& ready, Effects& out);
    void write(raft::Ready& ready, Effects& out);
    void begin_install(const raft::Snapshot& snapshot, Effects& out);
    void send(raft::Outbound& outbound, Effects& out);
    void send_stored(const raft::Outbound& outbound, Effects& out);
    void hand_out_stored(raft::IndexRange range, Effects& out);
    void hand_out(std::vector<raft::Entry> entries, Effects& out);
    void change_role(const raft::RoleChange& change, Effects& out);
    void finish_read(raft::ReadId id, Result<Index> index, Instant valid_until, Effects& out);
    void wait_for(Position position, Ticket ticket);
    void expire(Effects& out);
    void maybe_take_snapshot(Effects& out);
    void compact();
    void maybe_forget_damage();
    void collect(SnapshotOutput& from, Effects& out);
    void settle_streams(Effects& out);
    void stop_with(Error error, Effects& out);
    Error not_leader() const;

    ReplicaOptions options_;
    Instant now_;
    storage::Log log_;
    raft::Core core_;
    SnapshotSender sender_;
    SnapshotReceiver receiver_;
    std::optional<Error> fatal_;
    /// Proposals that wait for their commit; bounded by kWaitingMax.
    std::map<Position, Waiting> waiting_;
    std::deque<std::pair<Instant, Position>> deadlines_;
    /// Ids grow with time, so the first has the nearest deadline.
    std::map<raft::ReadId, Waiting> reads_;
    std::deque<Waiting> transfers_;
    std::deque<Write> writes_;
    Ticket next_write_{1};
    raft::RoleChange role_told_;
    /// The newest durable snapshot.
    std::optional<env::SnapshotMeta> snapshot_;
    bool snapshot_running_{false};
    /// Term and vote are durable. Before that no snapshot is stored: one without a log would look
    /// like a lost log.
    bool log_begun_{false};
    bool was_repairing_{false};
    std::optional<env::SnapshotMeta> installing_;
    Index compacted_;
    std::uint64_t log_bytes_since_snapshot_{0};
    std::uint64_t malformed_{0};
};

}  // namespace nl::server
