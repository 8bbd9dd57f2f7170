#include "server/broker.h"

#include "server/blocked_evals.h"
#include "server/heartbeats.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace nl::server {
namespace {

using EvalPtr = std::shared_ptr<const model::Evaluation>;

constexpr Instant kStart{1'000'000'000};
constexpr WallTime kWall{1'700'000'000'000'000'000};

EvalPtr eval(std::uint64_t n, std::string job, std::int64_t priority = 50) {
    model::Evaluation e;
    e.id = Uuid::derived(Uuid{}, n);
    e.namespace_ = "default";
    e.job_id = std::move(job);
    e.priority = priority;
    e.create_index = Index{n};
    return std::make_shared<const model::Evaluation>(std::move(e));
}

TEST(Broker, HighestPriorityFirstThenOldest) {
    Broker broker({});
    broker.enqueue(eval(3, "c", 50), kStart, kWall);
    broker.enqueue(eval(2, "b", 50), kStart, kWall);
    broker.enqueue(eval(4, "d", 90), kStart, kWall);
    EXPECT_EQ(broker.take(kStart)->eval->job_id, "d");
    EXPECT_EQ(broker.take(kStart)->eval->job_id, "b");
    EXPECT_EQ(broker.take(kStart)->eval->job_id, "c");
    EXPECT_FALSE(broker.take(kStart));
}

TEST(Broker, OneOfAJobAtATimeAndTheNewestOfThoseBehindIt) {
    Broker broker({});
    broker.enqueue(eval(1, "web"), kStart, kWall);
    const auto first = broker.take(kStart);
    ASSERT_TRUE(first);
    broker.enqueue(eval(2, "web"), kStart, kWall);
    broker.enqueue(eval(4, "web"), kStart, kWall);
    broker.enqueue(eval(3, "web"), kStart, kWall);
    EXPECT_FALSE(broker.take(kStart));
    EXPECT_EQ(broker.status().pending, 3U);
    EXPECT_TRUE(broker.ack(first->token, kStart));
    const auto next = broker.take(kStart);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->eval->create_index, Index{4});
    const auto superseded = broker.take_superseded();
    ASSERT_EQ(superseded.size(), 2U);
    EXPECT_FALSE(broker.ack(first->token, kStart)) << "a token counts once";
}

TEST(Broker, NacksDelayAndThenFail) {
    Broker broker({.delivery_limit = 3});
    broker.enqueue(eval(1, "web"), kStart, kWall);
    Instant now = kStart;
    for (int attempt = 1; attempt <= 3; ++attempt) {
        const auto delivery = broker.take(now);
        ASSERT_TRUE(delivery) << attempt;
        EXPECT_EQ(delivery->attempt, attempt);
        EXPECT_TRUE(broker.nack(delivery->token, now));
        EXPECT_FALSE(broker.take(now));
        if (attempt < 3) {
            EXPECT_EQ(broker.next_deadline(), now + seconds(attempt == 1 ? 1 : 20));
            now = broker.next_deadline();
            broker.tick(now);
        }
    }
    EXPECT_EQ(broker.take_failed().size(), 1U);
    EXPECT_EQ(broker.next_deadline(), Instant::max());
}

TEST(Broker, AnUnansweredDeliveryComesBack) {
    Broker broker({});
    broker.enqueue(eval(1, "web"), kStart, kWall);
    const auto lost = broker.take(kStart);
    ASSERT_TRUE(lost);
    broker.tick(kStart + seconds(59));
    EXPECT_TRUE(broker.touch(lost->token, kStart + seconds(59)));
    broker.tick(kStart + seconds(61));
    EXPECT_EQ(broker.status().unacked, 1U) << "it was kept alive";
    broker.tick(kStart + seconds(120));
    EXPECT_FALSE(broker.touch(lost->token, kStart + seconds(120)));
    broker.tick(kStart + seconds(121));
    EXPECT_TRUE(broker.take(kStart + seconds(121)));
}

TEST(Broker, WaitsUntilItsTime) {
    Broker broker({});
    auto later = std::make_shared<model::Evaluation>(*eval(1, "web"));
    later->wait_until = kWall + seconds(30);
    broker.enqueue(later, kStart, kWall);
    EXPECT_FALSE(broker.take(kStart));
    EXPECT_EQ(broker.status().waiting, 1U);
    broker.tick(kStart + seconds(29));
    EXPECT_FALSE(broker.take(kStart));
    broker.tick(kStart + seconds(30));
    EXPECT_TRUE(broker.take(kStart + seconds(30)));
}

TEST(BlockedEvals, OnlyClassesThatMayHelpWakeIt) {
    BlockedEvals blocked;
    auto waits = std::make_shared<model::Evaluation>(*eval(1, "web"));
    waits->class_eligibility = {{"big", true}, {"small", false}};
    waits->snapshot_index = Index{10};
    blocked.block(waits, Instant{});
    const Uuid node = Uuid::derived(Uuid{}, 7);
    blocked.capacity_changed("small", node, Index{11});
    EXPECT_TRUE(blocked.take_ready().empty());
    blocked.capacity_changed("big", node, Index{12});
    EXPECT_EQ(blocked.take_ready().size(), 1U);
    EXPECT_EQ(blocked.size(), 0U);
    // What happened after its snapshot is not missed, what came before does not count.
    blocked.block(waits, Instant{});
    EXPECT_EQ(blocked.take_ready().size(), 1U);
    auto newer = std::make_shared<model::Evaluation>(*waits);
    newer->snapshot_index = Index{12};
    blocked.block(newer, Instant{});
    EXPECT_TRUE(blocked.take_ready().empty());
    blocked.capacity_changed("never seen", node, Index{13});
    EXPECT_EQ(blocked.take_ready().size(), 1U);
}

TEST(BlockedEvals, OneOfAJob) {
    BlockedEvals blocked;
    blocked.block(eval(1, "web"), Instant{});
    blocked.block(eval(2, "web"), Instant{});
    const auto duplicates = blocked.take_duplicates();
    ASSERT_EQ(duplicates.size(), 1U);
    EXPECT_EQ(duplicates[0]->create_index, Index{1});
    blocked.forget_job({"default", "web"});
    EXPECT_EQ(blocked.size(), 0U);
}

TEST(Heartbeats, SilenceIsNoticedAndTimeGrowsWithTheCluster) {
    Heartbeats beats({.min_ttl = seconds(10), .max_per_second = 50, .grace = seconds(10)}, Rng(1));
    const Uuid node = Uuid::derived(Uuid{}, 1);
    const Duration ttl = beats.heard(node, kStart);
    EXPECT_GE(ttl, seconds(10));
    EXPECT_LE(ttl, seconds(20));
    EXPECT_TRUE(beats.take_missed(kStart + ttl + seconds(9)).empty());
    EXPECT_EQ(beats.take_missed(kStart + ttl + seconds(10)).size(), 1U);
    EXPECT_TRUE(beats.take_missed(kStart + hours(1)).empty()) << "handed out once";
    for (std::uint64_t n = 1; n <= 5000; ++n) {
        beats.expect(Uuid::derived(Uuid{}, n), kStart);
    }
    EXPECT_GE(beats.heard(node, kStart), seconds(100));
}

}  // namespace
}  // namespace nl::server
