#include "sim/job_life.h"

#include <gtest/gtest.h>

namespace nl::sim {
namespace {

constexpr LifeFaults kEverything{
    .leader_loss = true, .lost_commands = true, .node_loss = true, .clock_jumps = true
};

using Run = LifeOutcome (*)(std::uint64_t, const LifeFaults&);

LifeOutcome all(Run run, const LifeFaults& faults, std::uint64_t seeds) {
    LifeOutcome sum;
    for (std::uint64_t seed = 1; seed <= seeds && sum.violation.empty(); ++seed) {
        LifeOutcome one = run(seed, faults);
        if (!one.violation.empty()) {
            LifeFaults traced = faults;
            traced.trace = true;
            one = run(seed, traced);
        }
        sum.violation = one.violation;
        sum.steps += one.steps;
        sum.promoted += one.promoted;
        sum.failed += one.failed;
        sum.reverted += one.reverted;
        sum.successful += one.successful;
    }
    return sum;
}

TEST(JobLife, UpdatesKeepTheirPromises) {
    const LifeOutcome out = all(run_updates, {}, 100);
    ASSERT_EQ(out.violation, "");
    EXPECT_GT(out.successful, 200U);
    EXPECT_GT(out.failed, 30U);
    EXPECT_GT(out.reverted, 10U);
    EXPECT_GT(out.promoted, 5U);
}
TEST(JobLife, UpdatesWhileLeadersFall) {
    ASSERT_EQ(all(run_updates, {.leader_loss = true, .lost_commands = true}, 400).violation, "");
}
TEST(JobLife, UpdatesWhileCalendarsJump) {
    ASSERT_EQ(all(run_updates, {.leader_loss = true, .clock_jumps = true}, 400).violation, "");
}
TEST(JobLife, UpdatesWhileNodesAreLost) {
    ASSERT_EQ(all(run_updates, kEverything, 400).violation, "");
}

TEST(JobLife, DrainsKeepTheirPromises) {
    const LifeOutcome out = all(run_drains, {}, 100);
    ASSERT_EQ(out.violation, "");
    EXPECT_GT(out.promoted, 100U);
}
TEST(JobLife, DrainsUnderFaults) {
    ASSERT_EQ(all(run_drains, {.leader_loss = true, .lost_commands = true}, 100).violation, "");
    ASSERT_EQ(all(run_drains, kEverything, 150).violation, "");
}

TEST(JobLife, BatchesComplete) {
    ASSERT_EQ(all(run_batches, {}, 100).violation, "");
}
TEST(JobLife, BatchesUnderFaults) {
    ASSERT_EQ(all(run_batches, {.leader_loss = true, .lost_commands = true}, 100).violation, "");
    ASSERT_EQ(all(run_batches, kEverything, 150).violation, "");
}

TEST(JobLife, ServicesEndWithTheirCount) {
    const LifeOutcome out = all(run_services, {}, 200);
    ASSERT_EQ(out.violation, "");
    EXPECT_GT(out.promoted, 500U) << "scaled";
}
TEST(JobLife, ServicesUnderFaults) {
    ASSERT_EQ(all(run_services, {.leader_loss = true, .node_loss = true}, 300).violation, "");
    ASSERT_EQ(all(run_services, kEverything, 300).violation, "");
}

TEST(JobLife, SchedulesKeepTheirTimes) {
    const LifeOutcome out = all(run_schedules, {}, 15);
    ASSERT_EQ(out.violation, "");
    EXPECT_GT(out.successful, 15U * 20U) << "launched";
}
TEST(JobLife, SchedulesUnderFaults) {
    ASSERT_EQ(all(run_schedules, {.leader_loss = true, .lost_commands = true}, 15).violation, "");
    ASSERT_EQ(all(run_schedules, kEverything, 15).violation, "");
}

}  // namespace
}  // namespace nl::sim
