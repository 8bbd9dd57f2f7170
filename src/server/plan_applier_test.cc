#include "server/plan_applier.h"

#include "sched/testing/world.h"
#include "state/commands/settings.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nl::server {
namespace {

using sched::testing::make_job;
using sched::testing::make_node;
using sched::testing::World;

Uuid node_id(std::uint64_t n) {
    return Uuid::derived(Uuid{}, n);
}

/// A world with one node that has room for four allocations, and two jobs that want three each.
struct Contended {
    explicit Contended(std::int64_t static_port = 0) {
        world.add_node(make_node(node_id(1), "n1", 2000, 8192));
        for (const char* id : {"a", "b"}) {
            model::Job job = make_job(id, "service", static_port == 0 ? 3 : 1);
            if (static_port != 0) {
                model::NetworkResource network;
                network.reserved_ports.push_back({.label = "http", .value = static_port});
                job.task_groups[0].networks.push_back(network);
            }
            world.add_job(job);
        }
        // Both decide from the same state.
        first = world.plan(world.evaluation("a", "service"), 1);
        second = world.plan(world.evaluation("b", "service"), 2);
    }
    World world;
    model::Plan first;
    model::Plan second;
};

TEST(PlanApplier, TwoPlansForOneRoomInOneCommand) {
    Contended c;
    ASSERT_EQ(c.first.placements.size(), 3U);
    ASSERT_EQ(c.second.placements.size(), 3U);
    PlanApplier applier({});
    applier.submit(1, c.first);
    applier.submit(2, c.second);
    const auto command = applier.take_command(c.world.snapshot(), Ticket{1});
    ASSERT_TRUE(command);
    ASSERT_EQ(command->plans.size(), 2U);
    EXPECT_EQ(command->plans[0].placements.size(), 3U);
    EXPECT_EQ(command->plans[1].placements.size(), 1U) << "only one more fits";
    EXPECT_TRUE(command->plans[1].evals.empty()) << "its evaluation goes on";
    const auto effects = c.world.apply(*command);
    applier.applied(effects);
    applier.finished(Ticket{1}, effects.index);
    const auto outcomes = applier.take_outcomes();
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_TRUE(outcomes[0].complete);
    EXPECT_FALSE(outcomes[1].complete);
    EXPECT_EQ(outcomes[1].result.rejected_placements.size(), 2U);
    EXPECT_EQ(outcomes[1].result.refresh_index, effects.index);
    EXPECT_EQ(applier.in_flight(), 0U);
}

TEST(PlanApplier, ARefusalIsToldWhenWhatRefusedItIsInTheState) {
    Contended c(8080);
    PlanApplier applier({});
    const state::Snapshot before = c.world.snapshot();
    applier.submit(1, c.first);
    const auto flying = applier.take_command(before, Ticket{1});
    ASSERT_TRUE(flying);
    applier.submit(2, c.second);
    const auto effects = c.world.apply(*flying);
    // The second wants the same port: there is nothing of it to commit, but as long as the state
    // does not hold the first, another try would end the same.
    ASSERT_FALSE(applier.take_command(before, Ticket{2}));
    EXPECT_TRUE(applier.take_outcomes().empty());
    applier.applied(effects);
    applier.finished(Ticket{1}, effects.index);
    const auto outcomes = applier.take_outcomes();
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_TRUE(outcomes[0].complete);
    EXPECT_EQ(outcomes[1].token, 2U);
    EXPECT_FALSE(outcomes[1].complete);
    EXPECT_FALSE(outcomes[1].progress);
    EXPECT_EQ(outcomes[1].result.refresh_index, effects.index);
}

TEST(PlanApplier, WhatIsOnItsWayCountsUntilItIsInTheState) {
    Contended c;
    PlanApplier applier({});
    applier.submit(1, c.first);
    const state::Snapshot before = c.world.snapshot();
    const auto flying = applier.take_command(before, Ticket{1});
    ASSERT_TRUE(flying);
    applier.submit(2, c.second);
    const auto next = applier.take_command(before, Ticket{2});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->plans[0].placements.size(), 1U);
    // Had the first been lost, its room would be free again.
    applier.finished(Ticket{1}, fail(ErrorCode::Timeout, "lost"));
    applier.finished(Ticket{2}, fail(ErrorCode::Timeout, "lost"));
    for (const auto& outcome : applier.take_outcomes()) {
        EXPECT_TRUE(outcome.failed);
    }
    applier.submit(3, c.second);
    EXPECT_EQ(applier.take_command(before, Ticket{3})->plans[0].placements.size(), 3U);
}

TEST(PlanApplier, APortIsGivenOnce) {
    Contended c(8080);
    ASSERT_EQ(c.second.placements.size(), 1U);
    c.world.commit(c.first);
    PlanApplier applier({});
    applier.submit(2, c.second);
    EXPECT_FALSE(applier.take_command(c.world.snapshot(), Ticket{1}));
    const auto outcomes = applier.take_outcomes();
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_EQ(outcomes[0].result.rejected_nodes, std::vector<Uuid>{node_id(1)});
}

TEST(PlanApplier, ANodeThatWentMeanwhileTakesNothing) {
    Contended c;
    c.world.set_status(node_id(1), model::NodeStatus::Down);
    PlanApplier applier({});
    applier.submit(1, c.first);
    EXPECT_FALSE(applier.take_command(c.world.snapshot(), Ticket{1}));
    EXPECT_EQ(applier.placements_rejected(), 3U);
}

TEST(PlanApplier, AllAtOnceIsAllOrNothing) {
    Contended c;
    c.world.commit(c.first);
    c.second.all_at_once = true;
    PlanApplier applier({});
    applier.submit(2, c.second);
    EXPECT_FALSE(applier.take_command(c.world.snapshot(), Ticket{1}));
    EXPECT_EQ(applier.take_outcomes().at(0).result.rejected_placements.size(), 3U);
}

TEST(PlanApplier, CommandsOnTheirWayAreBounded) {
    Contended c;
    PlanApplier applier({.max_plans = 1, .max_in_flight = 1});
    applier.submit(1, c.first);
    applier.submit(2, c.second);
    EXPECT_EQ(applier.take_command(c.world.snapshot(), Ticket{1})->plans.size(), 1U);
    EXPECT_FALSE(applier.take_command(c.world.snapshot(), Ticket{2}));
    EXPECT_EQ(applier.waiting(), 1U);
}

TEST(PlanApplier, EvictedJobsAreEvaluatedEvenIfThePlanIsCutShort) {
    World world;
    world.add_node(make_node(node_id(1), "n1", 1000, 8192));
    state::commands::SchedulerConfigSet config;
    config.config = world.snapshot().scheduler_config();
    config.config.preemption_config.ensure().service_scheduler_enabled = true;
    world.apply(config);
    model::Job low = make_job("low", "service", 2);
    low.priority = 20;
    world.add_job(low);
    world.commit(world.plan(world.evaluation("low", "service"), 1));
    model::Job high = make_job("high", "service", 1);
    high.priority = 80;
    world.add_job(high);
    const model::Plan plan = world.plan(world.evaluation("high", "service"), 2);
    ASSERT_EQ(plan.preemptions.size(), 1U);
    PlanApplier applier({});
    applier.submit(1, plan);
    const auto command = applier.take_command(world.snapshot(), Ticket{1}, world.now);
    ASSERT_TRUE(command);
    const auto& evals = command->plans.at(0).evals;
    const auto evicted = std::ranges::find(evals, "low", &model::Evaluation::job_id);
    ASSERT_NE(evicted, evals.end());
    EXPECT_EQ(evicted->triggered_by, "preemption");
    EXPECT_EQ(evicted->priority, 20);
    // Meanwhile the room of the evicted one is given once only.
    applier.submit(2, plan);
    EXPECT_FALSE(applier.take_command(world.snapshot(), Ticket{2}, world.now));
}

TEST(PlanRejections, ANodeIsNamedOnceItReachesTheThreshold) {
    PlanRejections rejections({.threshold = 3, .window = minutes(5), .named_max = 1});
    WallTime now{1'000'000'000'000};
    rejections.rejected(node_id(1), now);
    rejections.rejected(node_id(1), now);
    // Too long ago to count.
    now = now + minutes(6);
    rejections.rejected(node_id(1), now);
    rejections.rejected(node_id(1), now);
    EXPECT_TRUE(rejections.take_suspects().empty());
    rejections.rejected(node_id(1), now);
    EXPECT_EQ(rejections.take_suspects(), std::vector<Uuid>{node_id(1)});
    // One a window: a mistake of ours must not empty the cluster.
    for (int i = 0; i < 3; ++i) {
        rejections.rejected(node_id(2), now);
    }
    EXPECT_TRUE(rejections.take_suspects().empty());
    now = now + minutes(6);
    for (int i = 0; i < 3; ++i) {
        rejections.rejected(node_id(2), now);
    }
    EXPECT_EQ(rejections.take_suspects(), std::vector<Uuid>{node_id(2)});
}

}  // namespace
}  // namespace nl::server
