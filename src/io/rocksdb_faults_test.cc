// The log store on a disk that fails: no space, failed writes and syncs, lost power.
#include "io/files.h"
#include "io/rocksdb_log_store.h"
#include "io/testing/faulty_env.h"
#include "io/testing/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace nl::io {
namespace {

using testing::FaultyEnv;

class Rig {
public:
    Rig() = default;
    explicit Rig(std::uint64_t reserve) : reserve_(reserve) {}

    Result<env::Recovered> open() {
        const std::lock_guard lock(mutex_);
        done_.clear();
        store_ = std::make_unique<RocksDbLogStore>(
            RocksDbLogStore::Options{
                .directory = dir_.path() + "/log", .reserve_bytes = reserve_, .env = faulty.env()
            },
            [this](env::Completion completion) {
                const std::lock_guard guard(mutex_);
                done_.push_back(std::move(completion));
                changed_.notify_all();
            },
            [this](bool full) {
                const std::lock_guard guard(mutex_);
                full_ = full;
                changed_.notify_all();
            }
        );
        asked_ = 0;
        return store_->recover();
    }
    void close() { store_.reset(); }
    void append(std::uint64_t index, std::size_t size = 100) {
        env::LogBatch batch;
        batch.hard_state = "term 1";
        batch.records.push_back({Index(index), Term(1), Bytes(size, 'x')});
        store_->append(std::move(batch), Ticket(++asked_));
    }
    std::size_t done() {
        const std::lock_guard lock(mutex_);
        return done_.size();
    }
    void wait_all() {
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, kLong, [&] { return done_.size() == asked_; }));
    }
    void wait_full(bool full) {
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, kLong, [&] { return full_ == full; }));
    }
    std::vector<env::Completion> completions() {
        const std::lock_guard lock(mutex_);
        return done_;
    }
    RocksDbLogStore& store() { return *store_; }

    FaultyEnv faulty;

private:
    static constexpr std::chrono::seconds kLong{60};
    TempDir dir_;
    std::uint64_t reserve_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<env::Completion> done_;
    std::uint64_t asked_{0};
    bool full_{false};
    std::unique_ptr<RocksDbLogStore> store_;
};

TEST(RocksDbFaults, AFullDiskIsWaitedForAndNothingIsLost) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    for (std::uint64_t i = 1; i <= 20; ++i) {
        rig.append(i);
    }
    rig.wait_all();
    // Some of the next batch still finds room: what is torn must not come back.
    rig.faulty.set_full(true, 60);
    for (std::uint64_t i = 21; i <= 40; ++i) {
        rig.append(i);
    }
    rig.wait_full(true);
    EXPECT_LT(rig.done(), 40u);
    rig.faulty.set_full(false);
    rig.wait_all();
    rig.wait_full(false);
    for (const env::Completion& one : rig.completions()) {
        EXPECT_TRUE(one.result) << one.result.error().message;
    }
    rig.close();
    const auto recovered = rig.open();
    ASSERT_TRUE(recovered) << recovered.error().message;
    EXPECT_EQ(recovered->last, Index(40));
    EXPECT_TRUE(recovered->damaged.empty());
    EXPECT_TRUE(rig.store().read(Index(1), Index(40), SIZE_MAX));
}

TEST(RocksDbFaults, AServerKilledOnAFullDiskStartsAgainWhenThereIsRoom) {
    Rig rig;
    ASSERT_TRUE(rig.open());
    rig.append(1);
    rig.wait_all();
    rig.faulty.set_full(true);
    rig.append(2);
    rig.wait_full(true);
    rig.close();
    rig.faulty.lose_unsynced();
    rig.faulty.set_full(false);
    const auto recovered = rig.open();
    ASSERT_TRUE(recovered) << recovered.error().message;
    // Entry 2 was never acknowledged.
    EXPECT_EQ(recovered->last, Index(1));
    EXPECT_TRUE(recovered->damaged.empty());
}

TEST(RocksDbFaults, TooLittleFreeSpaceIsToldBeforeAWriteFails) {
    Rig rig(std::uint64_t{1} << 60);
    ASSERT_TRUE(rig.open());
    rig.append(1);
    rig.wait_all();
    rig.wait_full(true);
    EXPECT_TRUE(rig.completions().front().result);
}

TEST(RocksDbFaults, AFailedSyncIsNeverRetried) {
    for (const bool of_sync : {true, false}) {
        Rig rig;
        ASSERT_TRUE(rig.open());
        rig.append(1);
        rig.wait_all();
        of_sync ? rig.faulty.fail_syncs(true) : rig.faulty.fail_writes(true);
        rig.append(2);
        rig.wait_all();
        // The disk is well again, but what it holds is not known.
        rig.faulty.fail_syncs(false);
        rig.faulty.fail_writes(false);
        rig.append(3);
        rig.wait_all();
        const auto done = rig.completions();
        ASSERT_EQ(done.size(), 3u);
        EXPECT_TRUE(done[0].result);
        ASSERT_FALSE(done[1].result);
        EXPECT_EQ(done[1].result.error().code, ErrorCode::Unavailable);
        EXPECT_THAT(done[1].result.error().message, ::testing::HasSubstr("Input/output error"));
        EXPECT_FALSE(done[2].result);
    }
}

TEST(RocksDbFaults, WhatIsAcknowledgedSurvivesLossOfPowerAndATornTailIsDropped) {
    Rig rig;
    std::uint64_t acknowledged = 0;
    std::uint64_t next = 1;
    for (std::size_t round = 0; round < 12; ++round) {
        const auto recovered = rig.open();
        ASSERT_TRUE(recovered) << recovered.error().message;
        EXPECT_GE(recovered->last.value, acknowledged);
        EXPECT_TRUE(recovered->damaged.empty());
        next = recovered->last.value + 1;
        for (int i = 0; i < 10; ++i) {
            rig.append(next++, 300);
        }
        rig.wait_all();
        acknowledged = next - 1;
        // Power fails in the middle of a write: it reaches the file and is never synced.
        rig.faulty.fail_syncs(true);
        rig.append(next++, 300);
        rig.wait_all();
        rig.close();
        rig.faulty.lose_unsynced(round * 37);
        rig.faulty.fail_syncs(false);
    }
}

}  // namespace
}  // namespace nl::io
