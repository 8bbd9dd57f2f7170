#include "io/rocksdb_log_store.h"

#include "base/check.h"
#include "io/internal/log_database.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

namespace nl::io {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

/// What one record costs in memory besides its data, roughly.
constexpr std::size_t kRecordOverhead = 64;
/// Between two looks at a disk that was full.
constexpr std::chrono::milliseconds kSpaceInterval{200};
/// Opening the database anew reads all of it, so it is not tried before there is this much room.
constexpr std::uint64_t kRoomToTry = 8 << 20;

}  // namespace

RocksDbLogStore::RocksDbLogStore(Options options, OnCompletion on_completion, OnSpace on_space)
    : options_(std::move(options)),
      on_completion_(std::move(on_completion)),
      on_space_(std::move(on_space)) {}

RocksDbLogStore::~RocksDbLogStore() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        work_.notify_one();
    }
    if (writer_.joinable()) {
        writer_.join();
    }
}

Result<env::Recovered> RocksDbLogStore::recover() {
    NL_ASSERT(!database_);
    env::Recovered recovered;
    NL_TRY(database_, LogDatabase::open(options_.directory, recovered, options_.env));
    first_ = recovered.first;
    last_ = recovered.last;
    writer_ = std::thread([this] { write_loop(); });
    ::pthread_setname_np(writer_.native_handle(), "log-writer");
    return recovered;
}

void RocksDbLogStore::append(env::LogBatch batch, Ticket ticket) {
    Append work{.number = next_number_++, .hard_state = std::move(batch.hard_state), .records = {}};
    std::size_t bytes = work.hard_state ? work.hard_state->size() : 0;
    work.records.reserve(batch.records.size());
    for (env::LogRecord& record : batch.records) {
        NL_ASSERT(work.records.empty() || record.index == work.records.back()->index.next());
        bytes += record.data.size() + kRecordOverhead;
        work.records.push_back(std::make_shared<const env::LogRecord>(std::move(record)));
    }
    if (!work.records.empty()) {
        const Index first = work.records.front()->index;
        NL_ASSERT(first >= first_);
        NL_ASSERT(first <= last_.next());
        last_ = work.records.back()->index;
        const std::lock_guard lock(mutex_);
        pending_.erase(pending_.lower_bound(first), pending_.end());
        for (const auto& record : work.records) {
            pending_.emplace_hint(pending_.end(), record->index, Pending{work.number, record});
        }
    }
    enqueue({std::move(work), ticket, bytes});
}

Result<std::vector<env::LogRecord>> RocksDbLogStore::read(
    Index first, Index last, std::size_t max_bytes
) {
    NL_ASSERT(database_);
    if (first > last) {
        return std::vector<env::LogRecord>();
    }
    if (first < first_ || last > last_) {
        return fail(
            ErrorCode::NotFound,
            "log entries {} to {} are not there: the log holds {} to {}",
            first,
            last,
            first_,
            last_
        );
    }
    std::vector<std::shared_ptr<const env::LogRecord>> waiting;
    {
        const std::lock_guard lock(mutex_);
        for (auto it = pending_.lower_bound(first); it != pending_.end() && it->first <= last;
             ++it) {
            waiting.push_back(it->second.record);
        }
    }
    std::vector<env::LogRecord> records;
    std::size_t bytes = 0;
    const Index on_disk = waiting.empty() ? last : waiting.front()->index - 1;
    if (first <= on_disk) {
        const std::lock_guard lock(database_mutex_);
        if (!database_) {
            return fail(ErrorCode::Unavailable, "the log waits for room on its disk");
        }
        NL_TRY(records, database_->read(first, on_disk, max_bytes));
        if (records.back().index < on_disk) {
            return records;
        }
        for (const env::LogRecord& record : records) {
            bytes += record.data.size();
        }
    }
    for (const auto& record : waiting) {
        bytes += record->data.size();
        if (!records.empty() && bytes > max_bytes) {
            break;
        }
        records.push_back(*record);
    }
    return records;
}

void RocksDbLogStore::compact(Index through, Ticket ticket) {
    if (through < first_) {
        enqueue({Append{.number = next_number_++, .hard_state = {}, .records = {}}, ticket, 0});
        return;
    }
    const auto entry = read(through, through, 0);
    if (!entry) {
        on_completion_({ticket, std::unexpected(entry.error())});
        return;
    }
    first_ = through.next();
    enqueue({Compact{through, entry->front().term}, ticket, 0});
}

void RocksDbLogStore::reset(Index through, Term term, Ticket ticket) {
    first_ = through.next();
    last_ = through;
    {
        const std::lock_guard lock(mutex_);
        pending_.clear();
    }
    enqueue({Reset{through, term}, ticket, 0});
}

void RocksDbLogStore::forget_damage(Ticket ticket) {
    enqueue({ForgetDamage{}, ticket, 0});
}

void RocksDbLogStore::enqueue(Job job) {
    NL_ASSERT(writer_.joinable());
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return queued_bytes_ < kQueuedBytesMax; });
    queued_bytes_ += job.bytes;
    queue_.push_back(std::move(job));
    work_.notify_one();
}

void RocksDbLogStore::write_loop() {
    std::vector<Job> jobs;
    for (;;) {
        std::size_t bytes = 0;
        {
            std::unique_lock lock(mutex_);
            const auto has_work = [&] { return stopping_ || !queue_.empty(); };
            if (!full_) {
                work_.wait(lock, has_work);
            } else if (!work_.wait_for(lock, kSpaceInterval, has_work)) {
                lock.unlock();
                look_at_space();
                continue;
            }
            if (queue_.empty()) {
                return;
            }
            while (!queue_.empty() &&
                   (jobs.empty() || bytes + queue_.front().bytes <= kBatchBytesMax)) {
                bytes += queue_.front().bytes;
                jobs.push_back(std::move(queue_.front()));
                queue_.pop_front();
            }
        }
        Result<void> result =
            failure_ ? std::unexpected(*failure_) : write_when_there_is_room(jobs);
        if (!result && !failure_) {
            failure_ = result.error();
        }
        {
            const std::lock_guard lock(mutex_);
            queued_bytes_ -= bytes;
            room_.notify_one();
            // After a failure what was read before must still be there, so nothing is dropped.
            if (result) {
                const auto* last = &jobs.back();
                for (const Job& job : jobs) {
                    if (std::holds_alternative<Append>(job.work)) {
                        last = &job;
                    }
                }
                if (const auto* append = std::get_if<Append>(&last->work)) {
                    // Numbers never fall along the log, so what is done stands at the front.
                    while (!pending_.empty() && pending_.begin()->second.number <= append->number) {
                        pending_.erase(pending_.begin());
                    }
                }
            }
        }
        for (const Job& job : jobs) {
            on_completion_({job.ticket, result});
        }
        jobs.clear();
        if (result) {
            look_at_space();
        }
    }
}

void RocksDbLogStore::tell_space(bool full) {
    if (std::exchange(full_, full) != full && on_space_) {
        on_space_(full);
    }
}

bool RocksDbLogStore::is_free(std::uint64_t bytes) const {
    std::error_code error;
    const auto space = std::filesystem::space(options_.directory, error);
    return error || space.available >= bytes;
}

void RocksDbLogStore::look_at_space() {
    // Once full, twice the reserve must be free, so that it does not change with every write.
    tell_space(!is_free(options_.reserve_bytes * (full_ ? 2 : 1)));
}

Result<void> RocksDbLogStore::write_when_there_is_room(const std::vector<Job>& jobs) {
    Result<void> result = write(jobs);
    while (!result && result.error().code == ErrorCode::ResourceExhausted) {
        tell_space(true);
        {
            std::unique_lock lock(mutex_);
            if (work_.wait_for(lock, kSpaceInterval, [&] { return stopping_; })) {
                return result;
            }
        }
        if (options_.reserve_bytes > 0 && !is_free(kRoomToTry)) {
            continue;
        }
        // RocksDB does not go on after a failed write; what it holds on disk is known only by
        // reading it again.
        const auto done = reopen(jobs);
        if (!done) {
            result = std::unexpected(done.error());
        } else {
            result = *done ? Result<void>() : write(jobs);
        }
    }
    return result;
}

// Whether the batch that found no room is on disk after all.
Result<bool> RocksDbLogStore::reopen(const std::vector<Job>& jobs) {
    const std::lock_guard lock(database_mutex_);
    if (database_) {
        known_link_ = std::make_unique<LogLink>(database_->link());
        database_.reset();
    }
    env::Recovered recovered;
    auto opened = LogDatabase::open(options_.directory, recovered, options_.env);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    const LogLink& link = (*opened)->link();
    const bool same = link.sequence == known_link_->sequence &&
                      link.checksum == known_link_->checksum;
    const bool one_more = link.sequence == known_link_->sequence + 1 &&
                          link.previous == known_link_->checksum;
    if (!recovered.damaged.empty() || !(same || one_more) || jobs.empty()) {
        return fail(
            ErrorCode::Corruption,
            "the log in \"{}\" does not hold what was written before the disk was full",
            options_.directory
        );
    }
    database_ = std::move(*opened);
    return one_more;
}

Result<void> RocksDbLogStore::write(const std::vector<Job>& jobs) {
    if (!database_) {
        return fail(ErrorCode::ResourceExhausted, "the log is not open: its disk is full");
    }
    LogDatabase::Batch batch(*database_);
    for (const Job& job : jobs) {
        std::visit(
            Overloaded{
                [&](const Append& append) {
                    if (append.hard_state) {
                        batch.put_hard_state(*append.hard_state);
                    }
                    batch.put_records(append.records);
                },
                [&](const Compact& compact) { batch.compact(compact.through, compact.term); },
                [&](const Reset& reset) { batch.reset(reset.through, reset.term); },
                [&](const ForgetDamage&) { batch.forget_damage(); },
            },
            job.work
        );
    }
    return batch.commit();
}

}  // namespace nl::io
