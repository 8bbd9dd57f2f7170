// Periodic and dispatched jobs through the leader's duties, in virtual time: what is launched when
// leaders fall, calendars jump and commands are lost.

#include "server/periodic.h"
#include "server/testing/cluster.h"
#include "state/commands/job.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace nl::server {
namespace {

using sched::testing::make_job;
using sched::testing::make_node;
using testing::Cluster;

/// The start of a minute.
constexpr WallTime kStart{1'700'000'040'000'000'000};

model::Job periodic(std::string id, std::string spec, std::string missed = "") {
    model::Job job = make_job(std::move(id), "batch", 1);
    job.periodic = model::PeriodicConfig{
        .enabled = true,
        .specs = {std::move(spec)},
        .spec_type = "cron",
        .time_zone = "UTC",
        .missed = std::move(missed)
    };
    return job;
}

void begin(Cluster& cluster) {
    cluster.wall = kStart;
    cluster.lead();
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 40'000, 80'000)).ends_with =
        model::AllocClientStatus::Complete;
}

/// Seconds after kStart at which children were launched.
std::vector<std::int64_t> launches(Cluster& cluster, const std::string& job) {
    std::vector<std::int64_t> out;
    const auto snapshot = cluster.snapshot();
    for (const state::JobRow& row : snapshot.jobs_of_parent("default", job)) {
        const auto at = row.job->id.rfind('-');
        out.push_back(std::stoll(row.job->id.substr(at + 1)) - kStart.unix_ns / 1'000'000'000);
    }
    std::ranges::sort(out);
    return out;
}

std::size_t runs(Cluster& cluster, const std::string& job) {
    std::size_t n = 0;
    const auto snapshot = cluster.snapshot();
    for (const state::JobRow& row : snapshot.jobs_of_parent("default", job)) {
        n += snapshot.allocs_of_job("default", row.job->id).count();
    }
    return n;
}

using Times = std::vector<std::int64_t>;

TEST(PeriodicDuty, LaunchesAtItsTimes) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * *"));
    cluster.advance(seconds(200));
    EXPECT_EQ(launches(cluster, "cron"), (Times{60, 120, 180}));
    EXPECT_EQ(runs(cluster, "cron"), 3U);
}

TEST(PeriodicDuty, SeveralCronsShareOneJob) {
    Cluster cluster;
    begin(cluster);
    model::Job job = periodic("cron", "*/30 * * * * * *");
    job.periodic->specs.push_back("20 * * * * * *");
    cluster.run_job(std::move(job));
    cluster.advance(seconds(100));
    EXPECT_EQ(launches(cluster, "cron"), (Times{20, 30, 60, 80, 90}));
}

TEST(PeriodicDuty, NoneMissedAndNoneDoubleWhateverSecondTheLeaderFalls) {
    // Every second of two minutes around a launch, and from no wait to a minute without a leader.
    for (const std::int64_t gap : {0, 1, 7, 55}) {
        for (std::int64_t at = 50; at <= 130; ++at) {
            Cluster cluster;
            begin(cluster);
            cluster.run_job(periodic("cron", "* * * * *"));
            cluster.advance(seconds(at));
            cluster.lose_leader();
            cluster.advance(seconds(gap));
            cluster.fail_over();
            cluster.advance(seconds(200 - at - gap));
            ASSERT_EQ(launches(cluster, "cron"), (Times{60, 120, 180}))
                << "leader lost after " << at << " s for " << gap << " s";
            ASSERT_EQ(runs(cluster, "cron"), 3U);
        }
    }
}

TEST(PeriodicDuty, ACommandLostOnItsWayIsProposedAgain) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * *"));
    std::size_t lost = 0;
    cluster.lose = [&](const state::Command& command) {
        return command.type == state::CommandType::PeriodicLaunchUpsert && ++lost <= 2;
    };
    cluster.advance(seconds(110));
    EXPECT_EQ(launches(cluster, "cron"), (Times{60}));
    EXPECT_EQ(runs(cluster, "cron"), 1U);
    EXPECT_EQ(lost, 3U);
}

TEST(PeriodicDuty, ALaunchProposedTwiceIsCarriedOutOnce) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * *"));
    cluster.advance(seconds(61));
    const auto snapshot = cluster.snapshot();
    state::commands::PeriodicLaunchUpsert again;
    again.launch = *snapshot.periodic_launch("default", "cron");
    Rng rng(3);
    auto child = periodic_child(*snapshot.job("default", "cron"), again.launch.launch);
    auto& registration = again.registration.ensure();
    registration.eval = model::Evaluation{.id = Uuid::random(rng), .job_id = child.id};
    registration.job = std::make_shared<const model::Job>(std::move(child));
    const auto evals = snapshot.evals().count();
    EXPECT_TRUE(cluster.command(again).has_value());
    EXPECT_EQ(cluster.snapshot().evals().count(), evals);
    EXPECT_EQ(launches(cluster, "cron"), (Times{60}));
}

struct MissedCase {
    const char* policy;
    Times expected;
};

TEST(PeriodicDuty, WhatAnOutageMissedIsDealtWithByThePolicy) {
    for (const MissedCase& c :
         {MissedCase{"skip", {60, 960}},
          MissedCase{"run_once", {60, 660, 960}},
          MissedCase{"", {60, 660, 960}},
          MissedCase{"run_all", {60, 360, 660, 960}}}) {
        Cluster cluster;
        begin(cluster);
        cluster.run_job(periodic("cron", "*/5 * * * *", c.policy));
        cluster.advance(seconds(70));
        cluster.lose_leader();
        // Without a leader at 360 and 660; the later one is 140 seconds late when one is found.
        cluster.advance(seconds(730));
        cluster.fail_over();
        cluster.advance(seconds(170));
        EXPECT_EQ(launches(cluster, "cron"), c.expected) << c.policy;
    }
}

TEST(PeriodicDuty, RunAllIsBounded) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * * * *", "run_all"));
    cluster.advance(milliseconds(500));
    cluster.lose_leader();
    cluster.advance(hours(1));
    cluster.fail_over();
    EXPECT_LE(launches(cluster, "cron").size(), kMissedRunsMax + 1);
    EXPECT_GE(launches(cluster, "cron").size(), kMissedRunsMax);
}

TEST(PeriodicDuty, ACalendarSetForwardIsAnOutage) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * *"));
    cluster.advance(seconds(70));
    cluster.wall = cluster.wall + hours(1);
    cluster.advance(seconds(60));
    // 3720 is the launch after the jump; of the sixty it jumped over, one is made up for.
    EXPECT_EQ(launches(cluster, "cron"), (Times{60, 3660, 3720}));
}

TEST(PeriodicDuty, ACalendarSetBackRepeatsNothing) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * *"));
    cluster.advance(seconds(130));
    cluster.wall = cluster.wall - seconds(100);
    cluster.advance(seconds(160));
    EXPECT_EQ(launches(cluster, "cron"), (Times{60, 120, 180}));
    EXPECT_EQ(runs(cluster, "cron"), 3U);
}

TEST(PeriodicDuty, NoOverlapWhereItIsProhibited) {
    Cluster cluster;
    begin(cluster);
    cluster.nodes().begin()->second.ends_with.reset();
    model::Job job = periodic("cron", "* * * * *");
    job.periodic->prohibit_overlap = true;
    cluster.run_job(std::move(job));
    cluster.advance(seconds(200));
    ASSERT_EQ(launches(cluster, "cron"), (Times{60}));
    const auto child = cluster.live("cron/periodic-" + std::to_string(kStart.unix_ns / 1'000'000'000 + 60));
    ASSERT_EQ(child.size(), 1U);
    cluster.end_alloc(cluster.node_of(child[0]), child[0], model::AllocClientStatus::Complete);
    cluster.advance(seconds(60));
    EXPECT_EQ(launches(cluster, "cron"), (Times{60, 240}));
}

TEST(PeriodicDuty, AChangedScheduleHoldsFromNowOn) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(periodic("cron", "* * * * *"));
    cluster.advance(seconds(70));
    cluster.run_job(periodic("cron", "*/5 * * * *"));
    cluster.advance(seconds(400));
    // 1,700,000,040 is 22:14:00 UTC: five-minute launches come at 60, 360.
    EXPECT_EQ(launches(cluster, "cron"), (Times{60, 360}));
}

// ---- dispatch

model::Job parent(std::string id, std::int64_t max_parallel) {
    model::Job job = make_job(std::move(id), "batch", 1);
    job.parameterized_job =
        model::ParameterizedJobConfig{.payload = "optional", .max_parallel = max_parallel};
    return job;
}

void dispatch(Cluster& cluster, const std::string& of, int n, std::int64_t priority = 50) {
    model::Job child = *cluster.snapshot().job("default", of);
    child.parent_id = of;
    child.id = of + "/dispatch-" + std::to_string(n);
    child.name = child.id;
    child.dispatched = true;
    child.priority = priority;
    child.status.clear();
    cluster.run_job(std::move(child));
}

std::vector<std::string> running_children(Cluster& cluster, const std::string& of) {
    std::vector<std::string> out;
    const auto snapshot = cluster.snapshot();
    for (const state::JobRow& row : snapshot.jobs_of_parent("default", of)) {
        if (row.job->status == "running") {
            out.push_back(row.job->id.substr(row.job->id.rfind('-') + 1));
        }
    }
    return out;
}

void finish(Cluster& cluster, const std::string& job) {
    for (const Uuid& alloc : cluster.live(job)) {
        cluster.end_alloc(cluster.node_of(alloc), alloc, model::AllocClientStatus::Complete);
    }
}

TEST(Dispatch, OnlyAsManyRunAsTheJobAllows) {
    Cluster cluster;
    begin(cluster);
    cluster.nodes().begin()->second.ends_with.reset();
    cluster.run_job(parent("work", 2));
    for (int n = 1; n <= 4; ++n) {
        dispatch(cluster, "work", n);
    }
    dispatch(cluster, "work", 5, 90);
    using Names = std::vector<std::string>;
    EXPECT_EQ(running_children(cluster, "work"), (Names{"1", "2"}));
    EXPECT_EQ(cluster.snapshot().job_summary("default", "work")->children->pending, 3);
    // The most urgent one goes first, whenever it came.
    finish(cluster, "work/dispatch-1");
    EXPECT_EQ(running_children(cluster, "work"), (Names{"2", "5"}));
    // A new leader goes on where the former one was.
    cluster.fail_over();
    finish(cluster, "work/dispatch-2");
    finish(cluster, "work/dispatch-5");
    EXPECT_EQ(running_children(cluster, "work"), (Names{"3", "4"}));
    finish(cluster, "work/dispatch-3");
    finish(cluster, "work/dispatch-4");
    EXPECT_EQ(cluster.snapshot().job_summary("default", "work")->children->dead, 5);
}

TEST(Dispatch, NeverMoreAtOnceWhenCommandsAreLostAndLeadersFall) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        Rng rng(seed);
        Cluster cluster;
        begin(cluster);
        cluster.nodes().begin()->second.ends_with.reset();
        cluster.run_job(parent("work", 3));
        cluster.lose = [&](const state::Command&) { return rng.below(10) == 0; };
        int sent = 0;
        for (int step = 0; step < 200 && (sent < 25 || step < 100); ++step) {
            if (sent < 25 && rng.below(2) == 0) {
                dispatch(cluster, "work", ++sent);
            }
            const auto now = running_children(cluster, "work");
            ASSERT_LE(now.size(), 3U) << "seed " << seed;
            if (!now.empty() && rng.below(3) == 0) {
                finish(cluster, "work/dispatch-" + now[rng.below(now.size())]);
            }
            if (rng.below(20) == 0) {
                cluster.fail_over();
            }
            cluster.advance(seconds(1));
        }
        cluster.lose = nullptr;
        for (int round = 0; round < 60; ++round) {
            cluster.advance(seconds(6));
            const auto now = running_children(cluster, "work");
            ASSERT_LE(now.size(), 3U) << "seed " << seed;
            for (const auto& name : now) {
                finish(cluster, "work/dispatch-" + name);
            }
        }
        ASSERT_EQ(cluster.snapshot().job_summary("default", "work")->children->dead, 25)
            << "seed " << seed;
    }
}

TEST(Dispatch, AJobExpires) {
    Cluster cluster;
    begin(cluster);
    cluster.nodes().begin()->second.ends_with.reset();
    model::Job job = make_job("preview", "service", 2);
    job.ttl = minutes(30);
    cluster.run_job(std::move(job));
    cluster.advance(minutes(29));
    EXPECT_EQ(cluster.live("preview").size(), 2U);
    cluster.fail_over();
    cluster.advance(minutes(2));
    EXPECT_TRUE(cluster.live("preview").empty());
    EXPECT_TRUE(cluster.snapshot().job("default", "preview")->stop);
}

}  // namespace
}  // namespace nl::server
