#pragma once
// The Raft log on an env::LogStore: gives each entry and the hard state their bytes and checks them
// on the way back. An entry's checksum covers its content and its position, so that a record that
// ended up at another index is noticed like a flipped bit. Owned by server::Replica, on its thread.
// Never truncates what it cannot read: damage is reported, not repaired here. Format:
// docs/formats/log.md.

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"
#include "env/log_store.h"
#include "raft/core.h"
#include "raft/message.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace nl::storage {

/// First byte of every record; a higher one is of a newer version and refused.
inline constexpr std::uint8_t kLogFormatVersion = 1;

Bytes encode_record(const raft::Entry& entry);
/// Errors: Corruption, naming the index and what is wrong.
Result<raft::Entry> decode_record(const env::LogRecord& record);
/// `sequence` grows with each write, so that two copies can be told apart.
Bytes encode_hard_state(const raft::HardState& hard, std::uint64_t sequence);
struct StoredHardState {
    raft::HardState hard;
    std::uint64_t sequence{0};
};
/// Errors: Corruption.
Result<StoredHardState> decode_hard_state(BytesView bytes);

/// What a log store held, checked.
struct Opened {
    raft::HardState hard;
    /// Bounds of what is whole: base = first - 1.
    raft::LogStart start;
    /// Damage found by the store or by the checks here; then `start` ends before it and
    /// start.repair_through is set.
    std::vector<env::DamagedRange> damaged;
    bool fresh{false};
};

class Log {
public:
    explicit Log(env::LogStore& store) : store_(&store) {}

    /// Reads everything back; called once, first. Errors: Corruption when term and vote cannot be
    /// read: a server that does not know its vote must not take part.
    Result<Opened> open();

    /// One synchronous batch: term and vote if given, then the entries, which replace whatever
    /// stands at or behind the first.
    void append(
        const std::optional<raft::HardState>& hard,
        const std::vector<raft::Entry>& entries,
        Ticket ticket
    );
    /// Entries first..last as far as they fit, at least one. Errors: Corruption, NotFound.
    Result<std::vector<raft::Entry>> read(Index first, Index last, std::size_t bytes_max) const;
    void compact(Index through, Ticket ticket) { store_->compact(through, ticket); }
    void reset(Index through, Term term, Ticket ticket) { store_->reset(through, term, ticket); }

private:
    env::LogStore* store_;
    std::uint64_t sequence_{0};
};

}  // namespace nl::storage
