#pragma once
// Where a Raft log lives: RocksDB in production (io/rocksdb_log_store), faulty memory in the
// simulator (fakes). Entries are opaque bytes with a position; storage::Log encodes them and checks
// them. Calls with a Ticket return at once and end as a Completion in the owner's loop; the
// simulator decides when, in which order, and whether. One owner, one thread.

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace nl::env {

struct LogRecord {
    Index index;
    Term term;
    Bytes data;
};

/// One atomic, synchronous write: everything in it is durable when it completes, or nothing is.
struct LogBatch {
    /// Term and vote, opaque; absent when unchanged.
    std::optional<Bytes> hard_state;
    /// Contiguous, ascending. Whatever the store holds at or after the first index is replaced.
    std::vector<LogRecord> records;
};

/// The end of an asynchronous call. A failed write must never be retried on the same store: the
/// node stops (fsync semantics).
struct Completion {
    Ticket ticket;
    Result<void> result;
};

/// A stretch of the log that exists but does not pass its checks.
struct DamagedRange {
    Index first;
    Index last;
    std::string reason;
};

struct Recovered {
    std::optional<Bytes> hard_state;
    /// Bounds of what is whole and contiguous up to its end; empty log: first = last + 1.
    Index first{1};
    Index last{0};
    Term last_term;
    std::vector<DamagedRange> damaged;
    /// True if the directory held nothing: a new or wiped server.
    bool fresh{true};
};

class LogStore {
public:
    LogStore() = default;
    LogStore(const LogStore&) = delete;
    LogStore& operator=(const LogStore&) = delete;
    virtual ~LogStore() = default;

    virtual void append(LogBatch batch, Ticket ticket) = 0;
    /// Records first..last as far as they fit into max_bytes, at least one if there is any. Sees
    /// appends at once. Errors: Corruption, NotFound (compacted away or beyond the end).
    virtual Result<std::vector<LogRecord>> read(Index first, Index last, std::size_t max_bytes) = 0;
    /// Forgets everything up to and including `through`.
    virtual void compact(Index through, Ticket ticket) = 0;
    /// Forgets the whole log and begins after `through` (a snapshot was installed).
    virtual void reset(Index through, Term term, Ticket ticket) = 0;
    /// Damage that recover() reported has been made good by the other servers: it is not reported
    /// again.
    virtual void forget_damage(Ticket ticket) = 0;
    /// Called once, first. Errors: Corruption when the directory cannot be read at all.
    virtual Result<Recovered> recover() = 0;
};

}  // namespace nl::env
