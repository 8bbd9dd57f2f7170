#pragma once
// The RocksDB database under RocksDbLogStore: its keys and values, the chain of batches, and what
// is checked when it is opened. Synchronous; one writer at a time, readers beside it. Layout:
// docs/formats/log_store.md.

#include "base/codec.h"
#include "env/log_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nl::io {

/// One link of the chain: what the log looked like after the batch `sequence`. Stored with every
/// batch, so that the loss of any other batch shows.
struct LogLink {
    std::uint64_t sequence{};
    std::uint32_t previous{};
    std::uint32_t checksum{};
    /// The log after this batch; empty: first = last + 1.
    Index first;
    Index last;
    /// The batch that wrote term and vote last; 0 for none.
    std::uint64_t hard_state_sequence{};
    NL_FIELDS(
        LogLink,
        (1, sequence),
        (2, previous),
        (3, checksum),
        (4, first),
        (5, last),
        (6, hard_state_sequence)
    )
};

/// What the log begins after.
struct LogBase {
    Index index;
    Term term;
    NL_FIELDS(LogBase, (1, index), (2, term))
};

struct LogDamage {
    Index first;
    Index last;
    std::string reason;
    NL_FIELDS(LogDamage, (1, first), (2, last), (3, reason))
};
struct LogDamages {
    std::vector<LogDamage> ranges;
    NL_FIELDS(LogDamages, (1, ranges))
};

class LogDatabase {
public:
    /// Opens or makes the database and checks everything in it. Damage in the middle is salvaged as
    /// RocksDbLogStore::recover describes.
    static Result<std::unique_ptr<LogDatabase>> open(
        const std::string& directory, env::Recovered& recovered, rocksdb::Env* env = nullptr
    );

    /// One synchronous, atomic write made of several steps.
    class Batch {
    public:
        explicit Batch(LogDatabase& database);
        void put_hard_state(BytesView bytes);
        /// Replaces what is at or after the first index.
        void put_records(const std::vector<std::shared_ptr<const env::LogRecord>>& records);
        void compact(Index through, Term term);
        void reset(Index through, Term term);
        void forget_damage();
        void put_damage(const LogDamages& damages);
        Result<void> commit();

    private:
        void put(const std::string& key, const Bytes& value);
        void erase(const std::string& from, const std::string& to);

        LogDatabase& database_;
        rocksdb::WriteBatch writes_;
        LogLink link_;
        std::uint32_t sum_;
    };

    /// first..last from disk, as far as they fit; at least one. Any thread.
    Result<std::vector<env::LogRecord>> read(Index first, Index last, std::size_t max_bytes) const;
    const LogLink& link() const { return link_; }

private:
    explicit LogDatabase(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}

    /// Fills `recovered` from what is whole; an error says where it ceases to be.
    Result<void> scan(env::Recovered& recovered);
    Result<void> scan_links(const LogBase& base);
    /// Whether what cannot be read may be a write that a crash cut off.
    enum class End { MayBeTorn, Lost };
    static Result<std::unique_ptr<LogDatabase>> salvage(
        const std::string& directory,
        const Error& reason,
        End end,
        env::Recovered& recovered,
        rocksdb::Env* env
    );
    /// What can still be read behind damage in the middle: how far the log went, term and vote.
    struct Behind {
        Index last;
        std::optional<Bytes> hard_state;
    };
    static std::optional<Behind> look_behind_damage(const std::string& directory, rocksdb::Env* env);
    Result<void> put_format();

    std::unique_ptr<rocksdb::DB> db_;
    LogLink link_;
};

}  // namespace nl::io
