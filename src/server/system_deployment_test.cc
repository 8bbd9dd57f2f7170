// Updates of system jobs: in steps by health, canaries as a share of the nodes, and back again.

#include "server/node_evals.h"
#include "server/testing/cluster.h"
#include "state/commands/deployment.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace nl::server {
namespace {

using sched::testing::make_job;
using sched::testing::make_node;
using testing::Cluster;
using testing::FakeFate;

model::Job everywhere(std::int64_t canary) {
    model::Job job = make_job("everywhere", "system", 1);
    job.task_groups[0].update = model::UpdateStrategy{
        .stagger = seconds(30),
        .max_parallel = 1,
        .health_check = "task_states",
        .min_healthy_time = seconds(5),
        .healthy_deadline = minutes(1),
        .progress_deadline = minutes(2),
        .auto_revert = true,
        .canary = canary,
    };
    return job;
}

class SystemDeployment : public ::testing::Test {
protected:
    void SetUp() override {
        cluster.lead();
        for (std::uint64_t n = 1; n <= 4; ++n) {
            cluster.add_node(make_node(Uuid::derived(Uuid{}, n), fmt::format("n{}", n), 4000, 8192));
        }
        cluster.fate = [](const model::Allocation&, const model::Job& job) {
            FakeFate fate;
            if (job.task_groups[0].tasks[0].env.contains("BAD")) {
                fate.ends_after = seconds(1);
            }
            return fate;
        };
        // Once everything runs, at most one of four nodes is without a healthy one.
        cluster.watch = [this](const state::Snapshot& now) {
            std::size_t well = 0;
            for (const state::AllocView alloc : now.allocs_of_job("default", "everywhere")) {
                well += alloc.desired_status() == model::AllocDesiredStatus::Run &&
                                alloc.client_status() == model::AllocClientStatus::Running &&
                                alloc.healthy().value_or(alloc.deployment_id().is_nil())
                            ? 1U
                            : 0U;
            }
            most = std::max(most, well);
            if (most == 4) {
                least = std::min(least, well);
            }
        };
    }
    const model::Deployment* latest() {
        snapshot = cluster.snapshot();
        return snapshot.latest_deployment("default", "everywhere");
    }
    std::map<std::uint64_t, int> versions() {
        std::map<std::uint64_t, int> out;
        const auto s = cluster.snapshot();
        for (const Uuid& id : cluster.live("everywhere")) {
            ++out[s.alloc(id)->job().version];
        }
        return out;
    }

    Cluster cluster;
    state::Snapshot snapshot;
    std::size_t most{0};
    std::size_t least{4};
};

using Versions = std::map<std::uint64_t, int>;

TEST_F(SystemDeployment, RollsNodeByNode) {
    cluster.run_job(everywhere(0));
    cluster.advance(seconds(30));
    ASSERT_NE(latest(), nullptr);
    EXPECT_EQ(latest()->status, model::DeploymentStatus::Successful);
    EXPECT_EQ(latest()->task_groups.at("g").desired_total, 4);
    model::Job job = everywhere(0);
    job.task_groups[0].tasks[0].env["VERSION"] = "1";
    cluster.run_job(job);
    cluster.advance(seconds(2));
    EXPECT_EQ(latest()->status_description, "Deployment is running");
    cluster.fail_over();
    cluster.advance(minutes(2));
    EXPECT_EQ(versions(), (Versions{{1, 4}}));
    EXPECT_EQ(latest()->status_description, "Deployment completed successfully");
    EXPECT_TRUE(snapshot.job("default", "everywhere")->stable);
    EXPECT_EQ(least, 3U);
    // A node more gets one, and that is no new deployment.
    const Uuid last = latest()->id;
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 5), "n5", 4000, 8192));
    cluster.advance(seconds(30));
    EXPECT_EQ(versions(), (Versions{{1, 5}}));
    EXPECT_EQ(latest()->id, last);
}

TEST_F(SystemDeployment, CanariesAreAShareOfTheNodes) {
    cluster.run_job(everywhere(50));
    cluster.advance(seconds(30));
    model::Job job = everywhere(50);
    job.task_groups[0].tasks[0].env["VERSION"] = "1";
    cluster.run_job(job);
    cluster.advance(minutes(5));
    EXPECT_EQ(versions(), (Versions{{0, 2}, {1, 2}}));
    const model::DeploymentState state = latest()->task_groups.at("g");
    EXPECT_EQ(state.desired_canaries, 2);
    EXPECT_EQ(state.placed_canaries.size(), 2U);
    EXPECT_EQ(latest()->status_description, "Deployment is running but requires manual promotion");
    Rng rng(1);
    state::commands::DeploymentPromote promote;
    promote.deployment_id = latest()->id;
    promote.eval = job_evaluation(
        *snapshot.job("default", "everywhere"), "deployment-watcher", cluster.wall, rng
    );
    ASSERT_TRUE(cluster.command(promote).has_value());
    cluster.advance(minutes(1));
    EXPECT_EQ(versions(), (Versions{{1, 4}}));
    EXPECT_EQ(latest()->status, model::DeploymentStatus::Successful);
}

TEST_F(SystemDeployment, ABadOneGoesBack) {
    cluster.run_job(everywhere(0));
    cluster.advance(seconds(30));
    model::Job job = everywhere(0);
    job.task_groups[0].tasks[0].env["BAD"] = "1";
    cluster.run_job(job);
    cluster.advance(minutes(5));
    EXPECT_EQ(versions(), (Versions{{2, 4}}));
    EXPECT_EQ(latest()->status, model::DeploymentStatus::Successful);
    EXPECT_EQ(least, 3U);
    bool failed = false;
    for (const model::Deployment& d : snapshot.deployments()) {
        failed |= d.status_description ==
                  "Failed due to unhealthy allocations - rolling back to job version 0";
    }
    EXPECT_TRUE(failed) << "a system job has no reschedule policy: the first failure ends it";
}

}  // namespace
}  // namespace nl::server
