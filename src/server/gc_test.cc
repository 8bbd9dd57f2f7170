// What is collected and what is kept: thresholds, retention, bounded entries of the log.

#include "server/gc.h"
#include "server/testing/cluster.h"
#include "state/commands/eval.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

namespace nl::server {
namespace {

using sched::testing::make_job;
using sched::testing::make_node;
using testing::Cluster;

void begin(Cluster& cluster) {
    cluster.lead();
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 40'000, 80'000)).ends_with =
        model::AllocClientStatus::Complete;
}

void dispatch(Cluster& cluster, int n) {
    model::Job child = *cluster.snapshot().job("default", "parent");
    child.parent_id = "parent";
    child.id = fmt::format("parent/dispatch-{:03}", n);
    child.name = child.id;
    child.dispatched = true;
    child.status.clear();
    cluster.run_job(std::move(child));
}

model::Job parent(std::optional<model::Retain> retain) {
    model::Job job = make_job("parent", "batch", 1);
    job.parameterized_job = model::ParameterizedJobConfig{.payload = "optional"};
    if (retain) {
        job.retain = *retain;
    }
    return job;
}

std::set<std::string> children(Cluster& cluster) {
    std::set<std::string> out;
    const auto snapshot = cluster.snapshot();
    for (const state::JobRow& row : snapshot.jobs_of_parent("default", "parent")) {
        out.insert(row.job->id.substr(row.job->id.rfind('-') + 1));
    }
    return out;
}

TEST(Gc, FinishedRunsGoAfterTheirThresholds) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(make_job("once", "batch", 2));
    cluster.advance(hours(20));
    EXPECT_NE(cluster.snapshot().job("default", "once"), nullptr) << "evaluations keep it for a day";
    cluster.advance(hours(6));
    const auto snapshot = cluster.snapshot();
    EXPECT_EQ(snapshot.job("default", "once"), nullptr);
    EXPECT_TRUE(snapshot.evals().empty());
    EXPECT_TRUE(snapshot.allocs().empty());
}

TEST(Gc, TheLastRunsAreKeptAndOlderOnesGoAtOnce) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(parent(model::Retain{.runs = 3}));
    for (int n = 1; n <= 7; ++n) {
        dispatch(cluster, n);
    }
    cluster.advance(minutes(6));
    EXPECT_EQ(children(cluster), (std::set<std::string>{"005", "006", "007"}));
    cluster.advance(hours(24 * 30));
    EXPECT_EQ(children(cluster), (std::set<std::string>{"005", "006", "007"}));
    EXPECT_EQ(cluster.snapshot().allocs().count(), 3U) << "their allocations stay with them";
    dispatch(cluster, 8);
    cluster.advance(minutes(6));
    EXPECT_EQ(children(cluster), (std::set<std::string>{"006", "007", "008"}));
}

TEST(Gc, ARunIsKeptForItsAge) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(parent(model::Retain{.runs = 10, .age = hours(72)}));
    dispatch(cluster, 1);
    cluster.advance(hours(71));
    EXPECT_EQ(children(cluster).size(), 1U);
    cluster.advance(hours(2));
    EXPECT_TRUE(children(cluster).empty());
}

TEST(Gc, AnOperatorDoesNotCollectWhatIsToBeKept) {
    Cluster cluster;
    begin(cluster);
    cluster.run_job(parent(model::Retain{.runs = 1}));
    dispatch(cluster, 1);
    dispatch(cluster, 2);
    cluster.run_job(make_job("once", "batch", 1));
    Gc gc({});
    for (const state::Command& command : gc.collect(cluster.snapshot(), cluster.wall, true)) {
        ASSERT_TRUE(cluster.commit(command).has_value());
    }
    EXPECT_EQ(children(cluster), (std::set<std::string>{"002"}));
    EXPECT_EQ(cluster.snapshot().job("default", "once"), nullptr);
}

TEST(Gc, EntriesAreBoundedAndTheRestFollows) {
    LeaderOptions options;
    options.gc.max_per_command = 10;
    Cluster cluster(options);
    begin(cluster);
    for (int n = 0; n < 60; ++n) {
        cluster.run_job(make_job(fmt::format("j{}", n), "batch", 1));
    }
    std::size_t largest = 0;
    cluster.lose = [&](const state::Command& command) {
        if (command.type == state::CommandType::EvalDelete) {
            const auto body = *decode<state::commands::EvalDelete>(command.body.bytes);
            largest = std::max(largest, body.evals.size() + body.allocs.size());
        }
        return false;
    };
    cluster.advance(hours(26));
    EXPECT_TRUE(cluster.snapshot().allocs().empty());
    EXPECT_GT(largest, 0U);
    EXPECT_LE(largest, 12U) << "an evaluation and its allocations are not torn apart";
}

}  // namespace
}  // namespace nl::server
