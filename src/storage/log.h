#pragma once
// The Raft log on an env::LogStore: gives each entry and the hard state their bytes and checks them
// on the way back. An entry's checksum covers its content and its position, so that a record that
// ended up at another index is noticed like a flipped bit. Owned by server::Replica, on its thread;
// open() first. Never truncates what it cannot read: damage is reported, and the server that finds
// it takes no part in votes until its peers have sent the rest again. Format: docs/formats/log.md.

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"
#include "env/log_store.h"
#include "env/snapshot_store.h"
#include "raft/core.h"
#include "raft/message.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace nl::storage {

/// First byte of every record and hard state; a higher one is of a newer version and refused.
inline constexpr std::uint8_t kLogFormatVersion = 1;

Bytes encode_record(const raft::Entry& entry);
/// Errors: Corruption, naming the index and what is wrong.
Result<raft::Entry> decode_record(const env::LogRecord& record);

struct StoredHardState {
    raft::HardState hard;
    /// Grows with each write, so that of two copies the newer can be told.
    std::uint64_t sequence{0};
};
Bytes encode_hard_state(const StoredHardState& stored);
/// Errors: Corruption.
Result<StoredHardState> decode_hard_state(BytesView bytes);

/// What a log store held, checked and fitted to the snapshot.
struct Opened {
    raft::HardState hard;
    raft::LogStart start;
    /// Damage found by the store or by the checks here; then `start` ends before it and
    /// start.repair_through is set.
    std::vector<env::DamagedRange> damaged;
    /// The log in the store is of no use (it ends before the snapshot or contradicts it):
    /// Log::reset to start.base before any append.
    bool needs_reset{false};
};

class Log {
public:
    explicit Log(env::LogStore& store) : store_(&store) {}

    /// Reads everything back; called once, first. `snapshot` is the one the state was loaded from;
    /// without any, `start` has no base membership. Errors: Corruption when term and vote cannot be
    /// read (a server that does not know its vote must not take part), or when the log begins
    /// behind the snapshot's end.
    Result<Opened> open(const std::optional<env::SnapshotMeta>& snapshot);

    /// One synchronous batch: term and vote if given, then the entries, which replace whatever
    /// stands at or behind the first.
    void append(
        const std::optional<raft::HardState>& hard,
        const std::vector<raft::Entry>& entries,
        Ticket ticket
    );
    /// Entries first..last as far as they fit, at least one. Errors: Corruption, NotFound.
    Result<std::vector<raft::Entry>> read(Index first, Index last, std::size_t bytes_max) const;
    void forget_damage(Ticket ticket) { store_->forget_damage(ticket); }
    void compact(Index through, Ticket ticket) { store_->compact(through, ticket); }
    void reset(Index through, Term term, Ticket ticket) { store_->reset(through, term, ticket); }

private:
    Result<void> scan(const env::Recovered& recovered, Opened& opened);
    Result<void> fit(
        const env::Recovered& recovered, const env::SnapshotMeta& snapshot, Opened& opened
    );

    env::LogStore* store_;
    std::uint64_t sequence_{0};
};

}  // namespace nl::storage
