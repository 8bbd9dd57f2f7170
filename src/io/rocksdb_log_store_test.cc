#include "io/rocksdb_log_store.h"

#include "io/files.h"
#include "io/testing/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <vector>

namespace nl::io {
namespace {

using ::testing::HasSubstr;

/// A store with its completions gathered, and what they said.
class Store {
public:
    explicit Store(const std::string& directory)
        : store_({.directory = directory}, [this](env::Completion completion) {
              const std::lock_guard lock(mutex_);
              done_.push_back(std::move(completion));
              changed_.notify_all();
          }) {}

    env::Recovered open() {
        auto recovered = store_.recover();
        EXPECT_TRUE(recovered) << recovered.error().message;
        return recovered.value_or(env::Recovered{});
    }
    Ticket append(
        std::uint64_t first, std::uint64_t last, std::uint64_t term, std::size_t size = 20
    ) {
        env::LogBatch batch;
        for (std::uint64_t i = first; i <= last; ++i) {
            batch.records.push_back({Index(i), Term(term), content(i, term, size)});
        }
        store_.append(std::move(batch), ++ticket_);
        return ticket_;
    }
    Ticket hard_state(Bytes bytes) {
        store_.append({.hard_state = std::move(bytes), .records = {}}, ++ticket_);
        return ticket_;
    }
    Ticket compact(std::uint64_t through) {
        store_.compact(Index(through), ++ticket_);
        return ticket_;
    }
    Ticket reset(std::uint64_t through, std::uint64_t term) {
        store_.reset(Index(through), Term(term), ++ticket_);
        return ticket_;
    }
    Ticket forget_damage() {
        store_.forget_damage(++ticket_);
        return ticket_;
    }
    /// Waits until all that was asked for has ended well.
    void settle() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return done_.size() == ticket_.value; });
        for (std::size_t i = 0; i < done_.size(); ++i) {
            EXPECT_EQ(done_[i].ticket, Ticket(i + 1));
            EXPECT_TRUE(done_[i].result) << done_[i].result.error().message;
        }
    }
    void expect_entries(std::uint64_t first, std::uint64_t last, std::uint64_t term) {
        const auto records = store_.read(Index(first), Index(last), SIZE_MAX);
        ASSERT_TRUE(records) << records.error().message;
        ASSERT_EQ(records->size(), last - first + 1);
        for (const env::LogRecord& record : *records) {
            EXPECT_EQ(record.term, Term(term));
            EXPECT_EQ(record.index, Index(first++));
            EXPECT_EQ(record.data, content(record.index.value, term, record.data.size()));
        }
    }
    RocksDbLogStore& store() { return store_; }

private:
    static Bytes content(std::uint64_t index, std::uint64_t term, std::size_t size) {
        Bytes text = fmt::format("entry-{}-{}-", index, term);
        text.resize(size, 'x');
        return text;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<env::Completion> done_;
    Ticket ticket_{0};
    RocksDbLogStore store_;
};

/// The newest write-ahead log that holds `text`, and where.
struct Place {
    std::string path;
    std::size_t offset;
};
Place find_in_wal(const std::string& directory, std::string_view text) {
    const auto names = list_directory(directory);
    for (auto it = names->rbegin(); it != names->rend(); ++it) {
        if (it->ends_with(".log")) {
            const auto bytes = read_file(directory + "/" + *it);
            const std::size_t at = bytes->find(text);
            if (at != Bytes::npos) {
                return {directory + "/" + *it, at};
            }
        }
    }
    ADD_FAILURE() << "no write-ahead log holds " << text;
    return {};
}
void flip(const Place& place) {
    Bytes bytes = *read_file(place.path);
    bytes[place.offset] = static_cast<char>(bytes[place.offset] ^ 0x10);
    ASSERT_TRUE(write_file_atomic(place.path, bytes));
}

TEST(RocksDbLogStore, WhatIsAcknowledgedIsThereAfterReopening) {
    const TempDir dir;
    const std::string path = dir.path() + "/raft/log";
    {
        Store store(path);
        const env::Recovered recovered = store.open();
        EXPECT_TRUE(recovered.fresh);
        EXPECT_EQ(recovered.first, Index(1));
        EXPECT_EQ(recovered.last, Index(0));
        store.append(1, 3, 1);
        store.hard_state("term 2");
        store.append(4, 100, 2);
        store.expect_entries(1, 3, 1);
        store.expect_entries(4, 100, 2);
        store.settle();
        store.expect_entries(4, 100, 2);
    }
    Store store(path);
    const env::Recovered recovered = store.open();
    EXPECT_FALSE(recovered.fresh);
    EXPECT_EQ(recovered.first, Index(1));
    EXPECT_EQ(recovered.last, Index(100));
    EXPECT_EQ(recovered.last_term, Term(2));
    EXPECT_EQ(recovered.hard_state, "term 2");
    EXPECT_TRUE(recovered.damaged.empty());
    store.expect_entries(1, 3, 1);
    store.expect_entries(4, 100, 2);
    EXPECT_EQ(store.store().read(Index(4), Index(100), 45)->size(), 2U);
    EXPECT_EQ(store.store().read(Index(4), Index(100), 0)->size(), 1U);
    EXPECT_EQ(store.store().read(Index(99), Index(101), 45).error().code, ErrorCode::NotFound);
}

TEST(RocksDbLogStore, AConflictingSuffixIsReplaced) {
    const TempDir dir;
    {
        Store store(dir.path());
        store.open();
        store.append(1, 10, 1);
        store.settle();
        store.append(11, 20, 1);
        store.append(6, 7, 2);
        // Before and after it is on disk.
        store.expect_entries(1, 5, 1);
        store.expect_entries(6, 7, 2);
        EXPECT_FALSE(store.store().read(Index(8), Index(8), 1));
        store.settle();
        store.expect_entries(1, 5, 1);
        store.expect_entries(6, 7, 2);
        store.append(8, 8, 2);
        store.settle();
    }
    Store store(dir.path());
    const env::Recovered recovered = store.open();
    EXPECT_EQ(recovered.last, Index(8));
    EXPECT_EQ(recovered.last_term, Term(2));
    store.expect_entries(6, 8, 2);
}

TEST(RocksDbLogStore, CompactionAndResetMoveTheBeginning) {
    const TempDir dir;
    {
        Store store(dir.path());
        store.open();
        store.append(1, 10, 3);
        store.compact(4);
        EXPECT_EQ(store.store().read(Index(4), Index(5), 1).error().code, ErrorCode::NotFound);
        store.expect_entries(5, 10, 3);
        // What is compacted already is no mistake.
        store.compact(2);
        store.settle();
    }
    {
        Store store(dir.path());
        const env::Recovered recovered = store.open();
        EXPECT_EQ(recovered.first, Index(5));
        EXPECT_EQ(recovered.last, Index(10));
        store.compact(10);
        store.settle();
    }
    {
        Store store(dir.path());
        const env::Recovered recovered = store.open();
        EXPECT_EQ(recovered.first, Index(11));
        EXPECT_EQ(recovered.last, Index(10));
        EXPECT_EQ(recovered.last_term, Term(3));
        store.append(11, 12, 4);
        store.reset(1'000, 7);
        store.append(1'001, 1'002, 7);
        store.settle();
        store.expect_entries(1'001, 1'002, 7);
    }
    Store store(dir.path());
    const env::Recovered recovered = store.open();
    EXPECT_EQ(recovered.first, Index(1'001));
    EXPECT_EQ(recovered.last, Index(1'002));
    EXPECT_EQ(recovered.last_term, Term(7));
}

TEST(RocksDbLogStore, ALogLargerThanMemoryBuffersStaysWhole) {
    const TempDir dir;
    {
        Store store(dir.path());
        store.open();
        for (std::uint64_t i = 0; i < 30; ++i) {
            store.append(i * 20 + 1, i * 20 + 20, 1, 32'000);
        }
        store.settle();
        store.compact(100);
        store.settle();
    }
    Store store(dir.path());
    const env::Recovered recovered = store.open();
    EXPECT_EQ(recovered.first, Index(101));
    EXPECT_EQ(recovered.last, Index(600));
    EXPECT_TRUE(recovered.damaged.empty());
    store.expect_entries(101, 600, 1);
}

TEST(RocksDbLogStore, AFlippedByteInTheMiddleIsFoundAndTheWholePartSaved) {
    const TempDir dir;
    const std::string path = dir.path() + "/log";
    {
        Store store(path);
        store.open();
        store.hard_state("term 1");
        for (std::uint64_t i = 1; i <= 50; ++i) {
            store.append(i, i, 1);
            store.settle();
        }
    }
    flip(find_in_wal(path, "entry-20-1-"));
    for (int start = 0; start < 2; ++start) {
        Store store(path);
        const env::Recovered recovered = store.open();
        EXPECT_EQ(recovered.first, Index(1));
        EXPECT_EQ(recovered.last, Index(19));
        EXPECT_EQ(recovered.hard_state, "term 1");
        ASSERT_EQ(recovered.damaged.size(), 1U);
        EXPECT_EQ(recovered.damaged[0].first, Index(20));
        EXPECT_THAT(recovered.damaged[0].reason, HasSubstr(path + ".damaged-1"));
        store.expect_entries(1, 19, 1);
        EXPECT_TRUE(exists(path + ".damaged-1"));
        EXPECT_FALSE(exists(path + ".damaged-2"));
    }
    {
        // The others send what is lost.
        Store store(path);
        store.open();
        store.append(20, 60, 1);
        store.settle();
    }
    Store store(path);
    const env::Recovered recovered = store.open();
    EXPECT_EQ(recovered.last, Index(60));
    EXPECT_TRUE(recovered.damaged.empty());
}

TEST(RocksDbLogStore, AFlippedByteInATableIsFound) {
    const TempDir dir;
    const std::string path = dir.path() + "/log";
    {
        Store store(path);
        store.open();
        for (std::uint64_t i = 1; i <= 600; ++i) {
            store.append(i, i, 1, 32'000);
            store.settle();
        }
    }
    bool flipped = false;
    const auto names = list_directory(path);
    for (const std::string& name : *names) {
        const std::string file = path + "/" + name;
        const std::size_t at =
            name.ends_with(".sst") ? read_file(file)->find("entry-90-1-") : Bytes::npos;
        if (at != Bytes::npos) {
            flip({file, at});
            flipped = true;
        }
    }
    ASSERT_TRUE(flipped);
    Store store(path);
    const env::Recovered recovered = store.open();
    ASSERT_FALSE(recovered.damaged.empty());
    EXPECT_GE(recovered.damaged[0].last, Index(600));
    EXPECT_LT(recovered.last, Index(90));
    EXPECT_EQ(recovered.damaged[0].first, recovered.last.next());
    store.expect_entries(1, recovered.last.value, 1);
}

TEST(RocksDbLogStore, AWriteCutOffAtTheEndIsDropped) {
    const TempDir dir;
    const std::string path = dir.path() + "/log";
    for (const bool garbled : {false, true}) {
        std::filesystem::remove_all(path);
        {
            Store store(path);
            store.open();
            store.append(1, 10, 1);
            store.settle();
            store.append(11, 12, 1);
            store.settle();
        }
        const Place place = find_in_wal(path, "entry-12-1-");
        if (garbled) {
            flip(place);
        } else {
            Bytes bytes = *read_file(place.path);
            bytes.resize(place.offset);
            ASSERT_TRUE(write_file_atomic(place.path, bytes));
        }
        Store store(path);
        const env::Recovered recovered = store.open();
        EXPECT_EQ(recovered.last, Index(10));
        EXPECT_TRUE(recovered.damaged.empty());
        store.append(11, 11, 2);
        store.settle();
        store.expect_entries(11, 11, 2);
    }
}

// What is behind the damage counts: how far this server may have acknowledged, and its newest vote.
TEST(RocksDbLogStore, BehindDamageTheExtentAndTheNewestVoteAreFound) {
    const TempDir dir;
    const std::string path = dir.path() + "/log";
    {
        Store store(path);
        store.open();
        store.hard_state("term 1");
        for (std::uint64_t i = 1; i <= 50; ++i) {
            store.append(i, i, 1);
            store.settle();
        }
        store.hard_state("term 7, voted");
        store.settle();
    }
    flip(find_in_wal(path, "entry-20-1-"));
    Store store(path);
    const env::Recovered recovered = store.open();
    EXPECT_EQ(recovered.last, Index(19));
    EXPECT_EQ(recovered.hard_state, "term 7, voted");
    ASSERT_EQ(recovered.damaged.size(), 1U);
    EXPECT_EQ(recovered.damaged[0].last, Index(50));
}

TEST(RocksDbLogStore, DamageThatWasMadeGoodIsForgotten) {
    const TempDir dir;
    const std::string path = dir.path() + "/log";
    {
        Store store(path);
        store.open();
        store.hard_state("term 1");
        for (std::uint64_t i = 1; i <= 50; ++i) {
            store.append(i, i, 1);
            store.settle();
        }
    }
    flip(find_in_wal(path, "entry-20-1-"));
    {
        Store store(path);
        ASSERT_FALSE(store.open().damaged.empty());
        store.forget_damage();
        store.settle();
    }
    Store store(path);
    EXPECT_TRUE(store.open().damaged.empty());
}

// Without its newest part nobody knows what this server voted for: it must not take part.
TEST(RocksDbLogStore, ALogThatLostItsNewestPartIsRefused) {
    const TempDir dir;
    for (std::uint64_t openings = 1; openings <= 3; ++openings) {
        const std::string path = fmt::format("{}/log-{}", dir.path(), openings);
        // Each opening begins a new file and moves the older ones into a table.
        for (std::uint64_t i = 1; i <= openings; ++i) {
            Store store(path);
            store.open();
            store.hard_state("term 1");
            store.append(i * 10 - 9, i * 10, 1);
            store.settle();
        }
        const Place place = find_in_wal(path, fmt::format("entry-{}-1-", openings * 10 - 5));
        ASSERT_TRUE(remove_file(place.path));
        RocksDbLogStore store({.directory = path}, [](env::Completion) {});
        const auto refused = store.recover();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::Corruption);
        EXPECT_THAT(refused.error().message, HasSubstr("join anew"));
    }
}

TEST(RocksDbLogStore, ALogThatLostItsFileCurrentIsRefusedAndNotANewServer) {
    const TempDir dir;
    const std::string path = dir.path() + "/log";
    {
        Store store(path);
        store.open();
        store.append(1, 10, 1);
        store.settle();
    }
    ASSERT_TRUE(remove_file(path + "/CURRENT"));
    RocksDbLogStore store({.directory = path}, [](env::Completion) {});
    const auto refused = store.recover();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Corruption);
    EXPECT_THAT(refused.error().message, HasSubstr("join anew"));
}

TEST(RocksDbLogStore, TwoProcessesCannotShareADirectory) {
    const TempDir dir;
    Store one(dir.path());
    one.open();
    RocksDbLogStore two({.directory = dir.path()}, [](env::Completion) {});
    const auto refused = two.recover();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
    EXPECT_FALSE(exists(dir.path() + ".damaged-1"));
}

TEST(RocksDbLogStore, WaitingAppendsShareOneWriteAndEndInOrder) {
    const TempDir dir;
    Store store(dir.path());
    store.open();
    for (std::uint64_t i = 1; i <= 2'000; ++i) {
        store.append(i, i, 1);
    }
    store.settle();
    store.expect_entries(1, 2'000, 1);
}

}  // namespace
}  // namespace nl::io
