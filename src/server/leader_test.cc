// Whole lives of jobs through the leader's duties, in virtual time.

#include "server/testing/cluster.h"
#include "state/commands/node.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nl::server {
namespace {

using sched::testing::make_job;
using sched::testing::make_node;
using testing::Cluster;
using testing::FakeNode;

Uuid node_id(std::uint64_t n) {
    return Uuid::derived(Uuid{}, n);
}

void add_nodes(Cluster& cluster, std::uint64_t count, std::int64_t cpu = 4000) {
    for (std::uint64_t n = 1; n <= count; ++n) {
        cluster.add_node(make_node(node_id(n), "n" + std::to_string(n), cpu, 8192));
    }
}

std::size_t running(Cluster& cluster, const std::string& job) {
    const auto snapshot = cluster.snapshot();
    return static_cast<std::size_t>(std::ranges::count_if(cluster.live(job), [&](const Uuid& id) {
        return snapshot.alloc(id)->client_status() == model::AllocClientStatus::Running;
    }));
}

model::Job service(std::string id, std::int64_t count) {
    model::Job job = make_job(std::move(id), "service", count);
    job.task_groups[0].reschedule_policy = model::ReschedulePolicy{
        .delay = seconds(30), .delay_function = "constant", .unlimited = true
    };
    return job;
}

std::size_t evals_with(Cluster& cluster, model::EvalStatus status) {
    std::size_t n = 0;
    const auto snapshot = cluster.snapshot();
    for (const model::Evaluation& eval : snapshot.evals()) {
        n += eval.status == status ? 1 : 0;
    }
    return n;
}

TEST(Leader, PlacesAJobAndItRuns) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 3);
    cluster.run_job(service("web", 3));
    EXPECT_EQ(running(cluster, "web"), 3U);
    EXPECT_EQ(evals_with(cluster, model::EvalStatus::Complete), 1U);
    EXPECT_EQ(evals_with(cluster, model::EvalStatus::Pending), 0U);
    EXPECT_EQ(cluster.snapshot().job("default", "web")->status, "running");
    EXPECT_EQ(cluster.status().plans_accepted, 1U);
    EXPECT_EQ(cluster.status().broker.unacked, 0U);
}

TEST(Leader, BatchJobEndsAndStaysDone) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 1);
    cluster.nodes().begin()->second.ends_with = model::AllocClientStatus::Complete;
    cluster.run_job(make_job("once", "batch", 2));
    EXPECT_TRUE(cluster.live("once").empty());
    EXPECT_EQ(cluster.snapshot().job("default", "once")->status, "dead");
    cluster.advance(minutes(2));
    const auto snapshot = cluster.snapshot();
    std::size_t allocs = 0;
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", "once")) {
        EXPECT_EQ(alloc.client_status(), model::AllocClientStatus::Complete);
        ++allocs;
    }
    EXPECT_EQ(allocs, 2U) << "nothing is run a second time";
}

TEST(Leader, ASilentNodeIsLostAndItsWorkReplaced) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 3);
    cluster.run_job(service("web", 6));
    ASSERT_EQ(running(cluster, "web"), 6U);
    FakeNode& lost = cluster.node_of(cluster.live("web").front());
    cluster.silence(lost);
    cluster.advance(minutes(2));
    EXPECT_EQ(cluster.snapshot().node(lost.node.id)->status, model::NodeStatus::Down);
    EXPECT_EQ(running(cluster, "web"), 6U);
    const auto snapshot = cluster.snapshot();
    std::size_t lost_allocs = 0;
    for (const state::AllocView alloc : snapshot.allocs_of_node(lost.node.id)) {
        EXPECT_EQ(alloc.client_status(), model::AllocClientStatus::Lost);
        EXPECT_EQ(alloc.desired_status(), model::AllocDesiredStatus::Stop);
        ++lost_allocs;
    }
    EXPECT_GT(lost_allocs, 0U);
    // The node comes back: it is ready again and nothing runs twice.
    cluster.wake(lost);
    cluster.advance(minutes(1));
    EXPECT_EQ(cluster.snapshot().node(lost.node.id)->status, model::NodeStatus::Ready);
    EXPECT_EQ(cluster.live("web").size(), 6U);
}

TEST(Leader, AFailedAllocationIsRescheduledAfterItsDelay) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 2);
    cluster.run_job(service("web", 1));
    const Uuid first = cluster.live("web").front();
    FakeNode& node = cluster.node_of(first);
    cluster.end_alloc(node, first, model::AllocClientStatus::Failed);
    EXPECT_TRUE(cluster.live("web").empty());
    cluster.advance(seconds(20));
    EXPECT_TRUE(cluster.live("web").empty()) << "the delay is 30 seconds";
    cluster.advance(seconds(15));
    ASSERT_EQ(running(cluster, "web"), 1U);
    const auto snapshot = cluster.snapshot();
    const auto next = *snapshot.alloc(cluster.live("web").front());
    EXPECT_EQ(next.details().previous_allocation, first);
    EXPECT_EQ(snapshot.alloc(first)->details().next_allocation, next.id());
    ASSERT_TRUE(next.details().reschedule_tracker);
    EXPECT_EQ(next.details().reschedule_tracker->events.size(), 1U);
    EXPECT_NE(next.node_id(), node.node.id) << "the node that failed it comes last";
}

TEST(Leader, WhatDoesNotFitWaitsForRoom) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 1, 1000);
    cluster.run_job(service("web", 4));
    EXPECT_EQ(running(cluster, "web"), 2U);
    EXPECT_EQ(cluster.status().blocked, 1U);
    const auto summary = [&] {
        return cluster.snapshot().job_summary("default", "web")->summary.at("g").queued;
    };
    EXPECT_EQ(summary(), 2);
    cluster.add_node(make_node(node_id(9), "n9", 4000, 8192));
    EXPECT_EQ(running(cluster, "web"), 4U);
    EXPECT_EQ(cluster.status().blocked, 0U);
    EXPECT_EQ(summary(), 0);
}

TEST(Leader, StoppedWorkFreesItsRoomForWhatWaits) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 1, 1000);
    cluster.run_job(service("first", 2));
    cluster.run_job(service("second", 2));
    EXPECT_EQ(running(cluster, "second"), 0U);
    model::Job stopped = service("first", 2);
    stopped.stop = true;
    cluster.run_job(stopped);
    EXPECT_EQ(running(cluster, "first"), 0U);
    EXPECT_EQ(running(cluster, "second"), 2U);
}

TEST(Leader, AnUpdateRollsInStepsWhenAllocationsBecomeHealthy) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 3);
    model::Job job = service("web", 3);
    job.task_groups[0].update = model::UpdateStrategy{
        .max_parallel = 1,
        .health_check = "task_states",
        .min_healthy_time = seconds(10),
        .healthy_deadline = minutes(5),
        .progress_deadline = minutes(10),
    };
    cluster.run_job(job);
    cluster.advance(seconds(15));
    ASSERT_EQ(
        cluster.snapshot().latest_deployment("default", "web")->status,
        model::DeploymentStatus::Successful
    );
    EXPECT_TRUE(cluster.snapshot().job("default", "web")->stable);
    job.task_groups[0].tasks[0].env["version"] = "2";
    cluster.run_job(job);
    const auto updated = [&] {
        const auto snapshot = cluster.snapshot();
        return std::ranges::count_if(cluster.live("web"), [&](const Uuid& id) {
            return snapshot.alloc(id)->job().version == 1;
        });
    };
    EXPECT_EQ(updated(), 1);
    cluster.advance(seconds(12));
    EXPECT_EQ(updated(), 2);
    cluster.advance(seconds(12));
    EXPECT_EQ(updated(), 3);
    EXPECT_EQ(running(cluster, "web"), 3U);
    cluster.advance(seconds(12));
    EXPECT_EQ(
        cluster.snapshot().latest_deployment("default", "web")->status,
        model::DeploymentStatus::Successful
    );
}

TEST(Leader, CanariesWaitForPromotionAndThenTakeOver) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 3);
    model::Job job = service("web", 2);
    job.task_groups[0].update = model::UpdateStrategy{
        .max_parallel = 1,
        .health_check = "task_states",
        .min_healthy_time = seconds(10),
        .healthy_deadline = minutes(5),
        .progress_deadline = minutes(10),
        .auto_promote = true,
        .canary = 1,
    };
    cluster.run_job(job);
    cluster.advance(seconds(15));
    job.task_groups[0].tasks[0].env["version"] = "2";
    cluster.run_job(job);
    EXPECT_EQ(cluster.live("web").size(), 3U) << "the canary stands beside the old ones";
    cluster.advance(minutes(2));
    EXPECT_EQ(cluster.live("web").size(), 2U);
    const auto snapshot = cluster.snapshot();
    for (const Uuid& id : cluster.live("web")) {
        EXPECT_EQ(snapshot.alloc(id)->job().version, 1U);
    }
    EXPECT_EQ(
        snapshot.latest_deployment("default", "web")->status, model::DeploymentStatus::Successful
    );
}

TEST(Leader, ABadUpdateGoesBackToTheStableVersion) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 2);
    model::Job job = service("web", 2);
    job.task_groups[0].update = model::UpdateStrategy{
        .max_parallel = 1,
        .health_check = "task_states",
        .min_healthy_time = seconds(5),
        .healthy_deadline = minutes(5),
        .progress_deadline = minutes(10),
        .auto_revert = true,
    };
    cluster.run_job(job);
    cluster.advance(seconds(10));
    cluster.fate = [](const model::Allocation&, const model::Job& placed) {
        testing::FakeFate fate;
        if (placed.task_groups[0].tasks[0].env.contains("version")) {
            fate.ends_after = seconds(1);
        }
        return fate;
    };
    job.task_groups[0].tasks[0].env["version"] = "bad";
    cluster.run_job(job);
    cluster.advance(minutes(5));
    EXPECT_EQ(cluster.snapshot().job("default", "web")->version, 1U)
        << "it is tried again until the progress deadline";
    cluster.advance(minutes(8));
    const auto snapshot = cluster.snapshot();
    EXPECT_EQ(snapshot.job("default", "web")->version, 2U);
    EXPECT_FALSE(snapshot.job("default", "web")->task_groups[0].tasks[0].env.contains("version"));
    EXPECT_EQ(running(cluster, "web"), 2U);
    bool failed = false;
    for (const model::Deployment& d : snapshot.deployments()) {
        failed |= d.status == model::DeploymentStatus::Failed &&
                  d.status_description.ends_with("rolling back to job version 0");
    }
    EXPECT_TRUE(failed);
}

TEST(Leader, SystemJobsFollowTheNodes) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 2);
    cluster.run_job(make_job("agent", "system", 1));
    EXPECT_EQ(running(cluster, "agent"), 2U);
    cluster.add_node(make_node(node_id(9), "n9", 4000, 8192));
    EXPECT_EQ(running(cluster, "agent"), 3U);
    cluster.silence(cluster.nodes().at(node_id(9)));
    cluster.advance(minutes(2));
    EXPECT_EQ(cluster.live("agent").size(), 2U);
    cluster.wake(cluster.nodes().at(node_id(9)));
    EXPECT_EQ(running(cluster, "agent"), 3U);
}

TEST(Leader, ADrainMovesServicesAFewAtATimeAndThenEnds) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 2);
    cluster.run_job(service("web", 4));
    cluster.run_job(make_job("agent", "system", 1));
    const Uuid drained = cluster.node_of(cluster.live("web").front()).node.id;
    state::commands::NodeDrain drain;
    drain.node_id = drained;
    drain.strategy = model::DrainStrategy{.deadline = hours(1)};
    ASSERT_TRUE(cluster.command(drain));
    std::size_t fewest = 4;
    for (int i = 0; i < 20; ++i) {
        cluster.advance(milliseconds(500));
        fewest = std::min(fewest, cluster.live("web").size());
    }
    const auto snapshot = cluster.snapshot();
    for (const state::AllocView alloc : snapshot.allocs_of_node(drained)) {
        EXPECT_TRUE(alloc.client_terminal());
    }
    EXPECT_FALSE(snapshot.node(drained)->drain_strategy);
    EXPECT_EQ(snapshot.node(drained)->scheduling_eligibility, model::NodeEligibility::Ineligible);
    EXPECT_EQ(running(cluster, "web"), 4U);
    EXPECT_GE(fewest, 3U);
}

TEST(Leader, ANewLeaderGoesOnWhereTheOldOneEnded) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 2);
    // The old leader loses every plan: jobs are registered, nothing is placed.
    cluster.lose = [](const state::Command& c) {
        return c.type == state::CommandType::PlanResults;
    };
    cluster.run_job(service("web", 3));
    EXPECT_TRUE(cluster.live("web").empty());
    cluster.lose = nullptr;
    cluster.fail_over();
    EXPECT_EQ(running(cluster, "web"), 3U);
    cluster.fail_over();
    cluster.advance(minutes(5));
    EXPECT_EQ(running(cluster, "web"), 3U);
    for (const auto& [id, node] : cluster.nodes()) {
        EXPECT_EQ(cluster.snapshot().node(id)->status, model::NodeStatus::Ready);
    }
}

TEST(Leader, ALostPlanIsTriedAgain) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 2);
    int lost = 0;
    cluster.lose = [&](const state::Command& c) {
        return c.type == state::CommandType::PlanResults && lost++ == 0;
    };
    cluster.run_job(service("web", 2));
    EXPECT_TRUE(cluster.live("web").empty());
    cluster.advance(seconds(5));
    EXPECT_EQ(running(cluster, "web"), 2U);
}

TEST(Leader, APeriodicJobIsLaunchedOnTimeAndOnce) {
    Cluster cluster;
    cluster.lead();
    add_nodes(cluster, 1);
    cluster.nodes().begin()->second.ends_with = model::AllocClientStatus::Complete;
    model::Job job = make_job("tick", "batch", 1);
    job.periodic = model::PeriodicConfig{
        .enabled = true, .spec = "* * * * *", .spec_type = "cron", .time_zone = "UTC"
    };
    cluster.run_job(job);
    const auto children = [&] {
        std::size_t n = 0;
        const auto snapshot = cluster.snapshot();
        for (const state::JobRow& row : snapshot.jobs_of_parent("default", "tick")) {
            n += row.job != nullptr ? 1U : 0U;
        }
        return n;
    };
    EXPECT_EQ(children(), 0U);
    cluster.advance(minutes(3));
    EXPECT_EQ(children(), 3U);
    cluster.fail_over();
    EXPECT_EQ(children(), 3U);
    cluster.advance(minutes(1));
    EXPECT_EQ(children(), 4U);
}

TEST(Leader, SessionsAreRefusedWithoutLeadership) {
    Leader leader(LeaderOptions{});
    const auto effects = leader.on(NodeOpened{SessionId{1}}, Instant{1}, WallTime{1});
    ASSERT_EQ(effects.refuse.size(), 1U);
    EXPECT_EQ(effects.refuse[0].reason.code, ErrorCode::NotLeader);
    const auto call = leader.on(CallOpen{5, Uuid{}, {}}, Instant{2}, WallTime{2});
    ASSERT_EQ(call.call_finished.size(), 1U);
    EXPECT_EQ(leader.next_deadline(), Instant::max());
}

TEST(Leader, ADrainWithNowhereToGoEndsAtItsDeadline) {
    Cluster cluster;
    cluster.lead();
    FakeNode& node = cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 4000, 80'000));
    cluster.run_job(make_job("web", "service", 2));
    cluster.run_job(make_job("work", "batch", 1));
    state::commands::NodeDrain drain;
    drain.node_id = node.node.id;
    model::DrainStrategy& strategy = drain.strategy.ensure();
    strategy.deadline = minutes(5);
    strategy.started_at = cluster.wall;
    strategy.force_deadline = cluster.wall + minutes(5);
    ASSERT_TRUE(cluster.command(drain).has_value());
    cluster.advance(minutes(4));
    EXPECT_EQ(cluster.live("web").size(), 2U) << "better the old ones than none, until then";
    cluster.fail_over();
    cluster.advance(minutes(2));
    EXPECT_TRUE(cluster.live("web").empty());
    EXPECT_TRUE(cluster.live("work").empty());
    EXPECT_TRUE(node.running.empty());
    EXPECT_FALSE(cluster.snapshot().node(node.node.id)->drain_strategy);
    // Their places wait for a node.
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 2), "n2", 4000, 80'000));
    cluster.advance(minutes(1));
    EXPECT_EQ(cluster.live("web").size(), 2U);
    EXPECT_EQ(cluster.live("work").size(), 1U);
}

TEST(Leader, ManyJobsForOneNodeAreNoFaultOfTheNode) {
    Cluster cluster;
    cluster.fate = [](const model::Allocation&, const model::Job&) {
        return testing::FakeFate{
            .ends_after = milliseconds(300), .ends_with = model::AllocClientStatus::Complete
        };
    };
    cluster.lead();
    // Room for eight at once; the plans of the others are refused while those are on their way.
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 4000, 80'000));
    state::commands::JobBatchRegister all;
    Rng rng(3);
    for (int n = 0; n < 250; ++n) {
        model::Job job = make_job("j" + std::to_string(n), "batch", 1);
        job.submit_time = cluster.wall.unix_ns;
        auto& one = all.jobs.emplace_back();
        one.eval = model::Evaluation{
            .id = Uuid::random(rng),
            .namespace_ = "default",
            .priority = 50,
            .type = "batch",
            .triggered_by = "job-register",
            .job_id = job.id,
            .status = model::EvalStatus::Pending
        };
        one.job = std::make_shared<const model::Job>(std::move(job));
    }
    ASSERT_TRUE(cluster.command(all).has_value());
    cluster.advance(seconds(30));
    const auto snapshot = cluster.snapshot();
    for (const model::Node& node : snapshot.nodes()) {
        EXPECT_EQ(node.scheduling_eligibility, model::NodeEligibility::Eligible);
    }
    for (const state::JobRow& row : snapshot.jobs()) {
        EXPECT_EQ(row.job->status, "dead") << row.job->id;
    }
}

}  // namespace
}  // namespace nl::server
