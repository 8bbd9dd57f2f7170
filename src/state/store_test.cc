// What the store promises to its readers: jobs, allocations and what follows from them.

#include "state/store.h"

#include "state/testing/world.h"

#include <gmock/gmock.h>

namespace nl::state {
namespace {

using model::AllocClientStatus;
using namespace testing;

TEST(Store, HasWhatEveryClusterHas) {
    Store store;
    const Snapshot s = store.snapshot();
    EXPECT_NE(s.namespace_("default"), nullptr);
    EXPECT_NE(s.node_pool("all"), nullptr);
    EXPECT_NE(s.node_pool("default"), nullptr);
    EXPECT_EQ(s.scheduler_config().scheduler_algorithm, "binpack");
    EXPECT_EQ(s.index(), Index(0));
}

TEST(Store, WhatTookAnothersPlaceCountsAsChanged) {
    World w;
    w.add_job(job("web"));
    const Snapshot before = w.store.snapshot();
    EXPECT_EQ(before.table_index(TableId::Nodes), Index(0));
    w.store.replaced(Index(1000));
    const Snapshot after = w.store.snapshot();
    EXPECT_EQ(after.index(), Index(1000));
    for (std::size_t i = 0; i < kTableCount; ++i) {
        EXPECT_EQ(after.table_index(static_cast<TableId>(i)), Index(1000)) << i;
    }
    EXPECT_NE(after.job("default", "web"), nullptr);
    EXPECT_LT(before.table_index(TableId::Jobs), Index(1000));
}

TEST(Store, JobGoesFromPendingOverRunningToDead) {
    World w;
    w.add_node(1);
    auto registered = w.add_job(job("web", 1, "batch"));
    ASSERT_TRUE(registered.result);
    ASSERT_EQ(registered.evals.size(), 1U);
    EXPECT_EQ(registered.evals[0]->job_modify_index, Index(2));
    EXPECT_EQ(w.store.snapshot().job("default", "web")->status, "pending");

    const Uuid alloc = w.place("web", 1, 1)[0];
    EXPECT_EQ(w.store.snapshot().job("default", "web")->status, "running");
    EXPECT_EQ(w.store.snapshot().job_summary("default", "web")->summary.at("web").starting, 1);
    w.report(alloc, AllocClientStatus::Running);
    EXPECT_EQ(w.store.snapshot().job_summary("default", "web")->summary.at("web").running, 1);

    // Finished, but the evaluation is still open.
    w.report(alloc, AllocClientStatus::Complete);
    EXPECT_EQ(w.store.snapshot().job("default", "web")->status, "pending");
    model::Evaluation done = eval(1, "web");
    done.status = model::EvalStatus::Complete;
    w.apply(commands::EvalUpsert{{done}});
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.job("default", "web")->status, "dead");
    EXPECT_EQ(s.job_summary("default", "web")->summary.at("web").complete, 1);
    EXPECT_EQ(s.job_summary("default", "web")->summary.at("web").running, 0);
    EXPECT_EQ(s.alloc(alloc)->task_states().at("server").state, "dead");
}

TEST(Store, SameJobAgainKeepsItsVersion) {
    World w;
    w.add_job(job("web"));
    w.add_job(job("web"));
    EXPECT_EQ(w.store.snapshot().job("default", "web")->version, 0U);
    auto changed = job("web");
    changed.priority = 70;
    w.add_job(changed);
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.job("default", "web")->version, 1U);
    EXPECT_EQ(s.job("default", "web")->create_index, Index(1));
    EXPECT_EQ(s.job("default", "web")->job_modify_index, Index(3));
    EXPECT_EQ(s.job_version("default", "web", 0)->priority, 50);
    EXPECT_EQ(s.evals_of_job("default", "web").count(), 3U);
}

TEST(Store, KeepsSixVersionsAndTheTaggedOnes) {
    World w;
    for (std::int64_t i = 0; i < 4; ++i) {
        auto j = job("web");
        j.priority = 10 + i;
        w.add_job(j);
    }
    commands::JobVersionTagSet tag{"default", "web", 1, {}, {}};
    tag.tag.ensure().name = "golden";
    ASSERT_TRUE(w.apply(tag).result);
    tag.version = 2;
    EXPECT_EQ(w.apply(tag).result.error().code, ErrorCode::AlreadyExists);
    for (std::int64_t i = 0; i < 6; ++i) {
        auto j = job("web");
        j.priority = 30 + i;
        w.add_job(j);
    }
    std::vector<std::uint64_t> versions;
    for (const JobVersionRow& row : w.store.snapshot().job_versions("default", "web")) {
        versions.push_back(row.job->version);
    }
    EXPECT_EQ(versions, (std::vector<std::uint64_t>{1, 4, 5, 6, 7, 8, 9}));
}

TEST(Store, CheckIndexRefuses) {
    World w;
    commands::JobRegister command;
    command.job = std::make_shared<const model::Job>(job("web"));
    command.enforce_index = true;
    command.check_index = Index(7);
    auto refused = w.apply(command);
    ASSERT_FALSE(refused.result);
    EXPECT_EQ(refused.result.error().message, "Enforcing job modify index 7: job does not exist");
    EXPECT_TRUE(refused.changes.empty());
    command.check_index = Index(0);
    EXPECT_TRUE(w.apply(command).result);
    EXPECT_FALSE(w.apply(command).result);
}

TEST(Store, ColumnsFollowAllocations) {
    World w;
    w.add_node(1);
    w.add_job(job("web", 3));
    const auto ids = w.place("web", 1, 3);
    const auto used = [&] {
        const Snapshot s = w.store.snapshot();
        const Slot slot = s.node_slot(id_of(1001));
        const NodeChunk& chunk = s.columns().chunk_of(slot);
        const auto i = Columns::place_of(slot);
        return std::array{
            chunk.cpu_used[i], chunk.memory_used[i], chunk.disk_used[i], chunk.live_allocs[i]
        };
    };
    EXPECT_EQ(used(), (std::array{300, 192, 900, 3}));
    w.report(ids[0], AllocClientStatus::Running);
    EXPECT_EQ(used(), (std::array{300, 192, 900, 3}));
    w.report(ids[0], AllocClientStatus::Failed, true);
    EXPECT_EQ(used(), (std::array{200, 128, 600, 2}));
    // A node that is gone and comes back finds what it still runs.
    w.apply(commands::NodeDeregister{{id_of(1001)}, {}});
    EXPECT_EQ(w.store.snapshot().node(id_of(1001)), nullptr);
    w.add_node(1);
    EXPECT_EQ(used(), (std::array{200, 128, 600, 2}));
    const Snapshot s = w.store.snapshot();
    EXPECT_TRUE(s.columns().chunk(0).schedulable(Columns::place_of(s.node_slot(id_of(1001)))));
}

TEST(Store, AllocationExpands) {
    World w;
    w.add_node(1);
    w.add_job(job("web", 2));
    const auto ids = w.place("web", 1, 2);
    const Snapshot s = w.store.snapshot();
    const model::Allocation a = s.alloc(ids[1])->expand();
    EXPECT_EQ(a.name, "web.web[1]");
    EXPECT_EQ(a.node_name, "node-1");
    EXPECT_EQ(a.job, s.alloc(ids[0])->job_ptr());
    EXPECT_EQ(a.allocated_resources->tasks.at("server").cpu->cpu_shares, 100);
    EXPECT_EQ(a.allocated_resources->shared->disk_mb, 300);
    EXPECT_EQ(a.create_index, a.alloc_modify_index);
    EXPECT_EQ(s.allocs_of_node(id_of(1001)).count(), 2U);
    EXPECT_EQ(s.allocs_of_job("default", "web").count(), 2U);
    EXPECT_EQ(s.allocs_of_job("default", "we").count(), 0U);
    EXPECT_EQ(s.allocs_of_eval(id_of(2000001)).count(), 2U);
    EXPECT_EQ(s.allocs_with_prefix(ids[0].str().substr(0, 11)).count(), 1U);
    EXPECT_EQ(s.allocs_with_prefix("xyz").count(), 0U);
}

TEST(Store, DeploymentCountsAndStability) {
    World w;
    w.add_node(1);
    w.add_job(job("web", 2));
    model::Plan plan;
    plan.eval_id = id_of(2000001);
    plan.job = w.store.snapshot().job("default", "web");
    model::Deployment& d = plan.deployment.ensure();
    d.id = id_of(9);
    d.namespace_ = "default";
    d.job_id = "web";
    d.task_groups["web"].desired_total = 2;
    d.task_groups["web"].progress_deadline = minutes(10);
    w.apply(commands::PlanResults{{commands::accept(plan, {}, false)}});
    const auto ids = w.place("web", 1, 2, d.id);
    EXPECT_EQ(w.store.snapshot().deployment(d.id)->task_groups.at("web").placed_allocs, 2);

    commands::AllocReport report;
    report.alloc_id = ids[0];
    report.client_status = AllocClientStatus::Running;
    report.deployment_status.ensure().healthy = true;
    auto effects = w.apply(commands::AllocClientUpdate{{report}, {}});
    EXPECT_EQ(effects.deployments, std::vector<Uuid>{d.id});
    EXPECT_EQ(w.store.snapshot().deployment(d.id)->task_groups.at("web").healthy_allocs, 1);
    EXPECT_EQ(w.store.snapshot().allocs_of_deployment(d.id).count(), 2U);

    commands::DeploymentStatusSet set;
    set.update = {d.id, model::DeploymentStatus::Successful, "Deployment completed successfully"};
    ASSERT_TRUE(w.apply(set).result);
    EXPECT_TRUE(w.store.snapshot().job("default", "web")->stable);
    EXPECT_FALSE(w.apply(set).result);
}

TEST(Store, PurgedJobStopsNothingByItself) {
    World w;
    w.add_node(1);
    w.add_job(job("web"));
    const Uuid alloc = w.place("web", 1, 1)[0];
    commands::JobDeregister gone{"default", "web", true, false, eval(77, "web")};
    ASSERT_TRUE(w.apply(gone).result);
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.job("default", "web"), nullptr);
    EXPECT_EQ(s.job_summary("default", "web"), nullptr);
    EXPECT_TRUE(s.job_versions("default", "web").empty());
    // The allocation still knows its job; the evaluation will stop it.
    EXPECT_EQ(s.alloc(alloc)->job().id, "web");
    // A new job of the same name does not count the old one's allocations.
    w.add_job(job("web"));
    w.report(alloc, AllocClientStatus::Running);
    EXPECT_EQ(w.store.snapshot().job_summary("default", "web")->summary.at("web").running, 0);
}

TEST(Store, SuccessfulEvaluationCancelsBlockedOnes) {
    World w;
    w.add_job(job("web"));
    model::Evaluation blocked = eval(50, "web");
    blocked.status = model::EvalStatus::Blocked;
    w.apply(commands::EvalUpsert{{blocked}});
    model::Evaluation done = eval(51, "web");
    done.status = model::EvalStatus::Complete;
    auto effects = w.apply(commands::EvalUpsert{{done}});
    EXPECT_EQ(effects.evals.size(), 2U);
    EXPECT_EQ(w.store.snapshot().eval(blocked.id)->status, model::EvalStatus::Canceled);
}

TEST(Store, NodeSecretIsChecked) {
    World w;
    w.add_node(1);
    auto stranger = node(1);
    stranger.secret_id = id_of(1);
    auto refused = w.apply(commands::NodeRegister{stranger, {}});
    EXPECT_EQ(refused.result.error().code, ErrorCode::PermissionDenied);
    EXPECT_EQ(w.store.snapshot().node_by_secret(id_of(500001))->name, "node-1");
    EXPECT_EQ(w.store.snapshot().node_by_secret(id_of(1)), nullptr);
}

TEST(Store, DrainMakesIneligibleUntilItEnds) {
    World w;
    w.add_node(1);
    commands::NodeDrain drain;
    drain.node_id = id_of(1001);
    drain.strategy.ensure().deadline = minutes(5);
    ASSERT_TRUE(w.apply(drain).result);
    EXPECT_EQ(w.store.snapshot().node(drain.node_id)->last_drain->status, "draining");
    EXPECT_EQ(
        w.store.snapshot().node(drain.node_id)->drain_strategy->force_deadline, w.time + minutes(5)
    );
    EXPECT_FALSE(w.apply(commands::NodeEligibilityUpdate{drain.node_id, {}, {}, {}}
    ).result.has_value());
    drain.strategy.reset();
    drain.complete = true;
    w.apply(drain);
    EXPECT_EQ(
        w.store.snapshot().node(drain.node_id)->scheduling_eligibility,
        model::NodeEligibility::Ineligible
    );
    EXPECT_EQ(w.store.snapshot().node(drain.node_id)->last_drain->status, "complete");
}

TEST(Store, VariableCheckAndSet) {
    World w;
    commands::VariableApply set;
    set.op = commands::VariableOp::CheckAndSet;
    set.variable.meta.namespace_ = "default";
    set.variable.meta.path = "a/b";
    ASSERT_TRUE(w.apply(set).result);
    const auto conflict = w.apply(set);
    EXPECT_EQ(conflict.result.error().code, ErrorCode::Conflict);
    EXPECT_EQ(conflict.conflict_index, Index(1));
    set.check_index = Index(1);
    ASSERT_TRUE(w.apply(set).result);
    EXPECT_EQ(w.store.snapshot().variable("default", "a/b")->meta.modify_index, Index(3));
    EXPECT_EQ(w.store.snapshot().variables("default", "a/").count(), 1U);
    EXPECT_EQ(w.store.snapshot().variables("default", "b").count(), 0U);
}

TEST(Store, SnapshotOutlivesTheStore) {
    Snapshot kept;
    {
        World w;
        w.add_job(job("web"));
        kept = w.store.snapshot();
        w.apply(commands::JobDeregister{"default", "web", true, false, {}});
    }
    EXPECT_EQ(kept.job("default", "web")->id, "web");
}

TEST(Store, TablesReportTheirIndex) {
    World w;
    w.add_job(job("web"));
    w.add_node(1);
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.table_index(TableId::Jobs), Index(1));
    EXPECT_EQ(s.table_index(TableId::Nodes), Index(2));
    EXPECT_EQ(s.table_index({TableId::Jobs, TableId::Nodes}), Index(2));
    EXPECT_EQ(s.table_index(TableId::Allocs), Index(0));
}

TEST(Store, UnknownCommandIsRefusedNotFatal) {
    Store store;
    Command strange;
    strange.type = static_cast<CommandType>(9999);
    EXPECT_EQ(store.apply(Index(1), strange).result.error().code, ErrorCode::Unimplemented);
    Command damaged = make_command(commands::EvalUpsert{}, {});
    damaged.body.bytes = "\xff\xff";
    EXPECT_EQ(store.apply(Index(2), damaged).result.error().code, ErrorCode::Corruption);
    EXPECT_EQ(store.index(), Index(2));
}

}  // namespace
}  // namespace nl::state
