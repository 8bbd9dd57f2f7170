#pragma once
// env::LogStore on RocksDB (docs/adr/0003-rocksdb.md). One writer thread: append() only enqueues;
// the thread takes everything that waits and writes it as one synchronous RocksDB batch, so many
// appends share one fdatasync. Order of calls: open, recover, then the rest, all from one owner.
// Every batch carries a sequence number and the checksum of the batch before it, and every entry
// its own checksum: a batch that is lost in the middle, and a flipped bit, are found by recover()
// and read(), never skipped. After a failed write or fsync nothing more is written: the node has to
// stop. A full disk is no failure: the database is opened anew, which shows what is on disk, and the
// rest is written when there is room.
// Layout: docs/formats/log_store.md.

#include "env/log_store.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace nl::io {

class LogDatabase;
struct LogLink;

class RocksDbLogStore final : public env::LogStore {
public:
    /// Called on the writer thread once for each ticket, in the order of the calls; it must not
    /// block (post it to the owner's loop).
    using OnCompletion = std::function<void(env::Completion)>;

    /// Called on the writer thread: true when the disk has no room, false when it has again. What
    /// was appended meanwhile waits and is written then; nothing is lost or reordered.
    using OnSpace = std::function<void(bool full)>;

    struct Options {
        /// Made if it is not there. Belongs to this store alone.
        std::string directory;
        /// With less than this free the disk counts as full, so that what is under way (votes,
        /// the end of what was accepted, RocksDB's own files) still has room. 0: only when a write
        /// finds none.
        std::uint64_t reserve_bytes{32 << 20};
        /// RocksDB's way to the files; null is the system's. Must outlive the store.
        rocksdb::Env* env{nullptr};
    };

    /// append() waits when this much is queued; Raft's own bounds keep it far below.
    static constexpr std::size_t kQueuedBytesMax = 512 * 1024 * 1024;
    /// One RocksDB batch takes no more than this, so that a long queue shows its progress.
    static constexpr std::size_t kBatchBytesMax = 16 * 1024 * 1024;

    RocksDbLogStore(Options options, OnCompletion on_completion, OnSpace on_space = nullptr);
    /// Writes what is queued, then closes.
    ~RocksDbLogStore() override;

    void append(env::LogBatch batch, Ticket ticket) override;
    Result<std::vector<env::LogRecord>> read(Index first, Index last, std::size_t max_bytes)
        override;
    void compact(Index through, Ticket ticket) override;
    void reset(Index through, Term term, Ticket ticket) override;
    /// Opens the directory. A log damaged in the middle is set aside beside the directory (name
    /// with ".damaged-N"), what is whole is copied into a new one, and the damage is reported, at
    /// every start until the log is whole again past it or begins anew by reset(). Errors:
    /// Corruption when nothing can be read, Unavailable when another process has it open or the
    /// disk refuses.
    Result<env::Recovered> recover() override;

    void forget_damage(Ticket ticket) override;

private:
    struct Append {
        std::uint64_t number;
        std::optional<Bytes> hard_state;
        std::vector<std::shared_ptr<const env::LogRecord>> records;
    };
    struct Compact {
        Index through;
        Term term;
    };
    struct Reset {
        Index through;
        Term term;
    };
    struct ForgetDamage {};
    struct Job {
        std::variant<Append, Compact, Reset, ForgetDamage> work;
        Ticket ticket;
        std::size_t bytes;
    };
    struct Pending {
        std::uint64_t number;
        std::shared_ptr<const env::LogRecord> record;
    };

    void enqueue(Job job);
    void write_loop();
    Result<void> write(const std::vector<Job>& jobs);
    Result<void> write_when_there_is_room(const std::vector<Job>& jobs);
    Result<bool> reopen(const std::vector<Job>& jobs);
    bool is_free(std::uint64_t bytes) const;
    void look_at_space();
    void tell_space(bool full);

    Options options_;
    OnCompletion on_completion_;
    OnSpace on_space_;
    /// Held by readers, and by the writer while it opens the database anew.
    mutable std::mutex database_mutex_;
    std::unique_ptr<LogDatabase> database_;
    /// The last batch that surely is on disk; set while the database is opened anew.
    std::unique_ptr<LogLink> known_link_;

    // The owner's view, which runs ahead of the disk.
    Index first_{1};
    Index last_{0};
    std::uint64_t next_number_{1};

    std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable room_;
    std::deque<Job> queue_;
    std::size_t queued_bytes_{0};
    /// Records that are not on disk yet; read() looks here first. Always the end of the log.
    std::map<Index, Pending> pending_;
    bool stopping_{false};
    /// Writer's own: why nothing is written any more.
    std::optional<Error> failure_;
    bool full_{false};
    std::thread writer_;
};

}  // namespace nl::io
