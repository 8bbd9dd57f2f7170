#include "server/node_evals.h"
#include "sim/life.h"
#include "state/commands/deployment.h"
#include "state/commands/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace nl::sim {
namespace {

using model::AllocClientStatus;
using model::AllocDesiredStatus;
using sched::testing::make_job;
using server::testing::Cluster;
using server::testing::FakeFate;

// ---- updates

/// What was updated in place is looked at anew, and serves all the while.
bool serves_on(const state::AllocView& alloc, Cluster& cluster) {
    if (serves(alloc)) {
        return true;
    }
    if (alloc.desired_status() != AllocDesiredStatus::Run || alloc.healthy().has_value()) {
        return false;
    }
    const auto node = cluster.nodes().find(alloc.node_id());
    const auto task = node->second.tasks.find(alloc.id());
    return task != node->second.tasks.end() && task->second.was_healthy &&
           task->second.status == AllocClientStatus::Running;
}

struct UpdatePlan {
    std::int64_t count{1};
    model::UpdateStrategy update;
    std::optional<model::ReschedulePolicy> reschedule;
};

UpdatePlan draw_update(Rng& rng) {
    UpdatePlan plan;
    plan.count = rng.between(1, 6);
    model::UpdateStrategy& u = plan.update;
    u.stagger = seconds(30);
    u.max_parallel = rng.between(1, plan.count + 1);
    u.health_check = "checks";
    u.min_healthy_time = seconds(rng.between(1, 10));
    u.healthy_deadline = seconds(rng.between(20, 50));
    u.progress_deadline =
        rng.below(5) == 0 ? Duration{} : u.healthy_deadline + seconds(rng.between(40, 100));
    u.auto_revert = rng.below(2) == 0;
    if (rng.below(3) == 0) {
        u.canary = rng.between(1, std::min<std::int64_t>(plan.count, 2));
        u.auto_promote = rng.below(2) == 0;
    }
    if (rng.below(4) != 0) {
        plan.reschedule = model::ReschedulePolicy{
            .delay = seconds(rng.between(5, 15)),
            .delay_function = "exponential",
            .max_delay = minutes(2),
            .unlimited = true
        };
    }
    return plan;
}

enum class Version { Good, Crashes, Sick };

model::Job version_of(const UpdatePlan& plan, int number, Version kind) {
    model::Job job = make_job("web", "service", plan.count);
    model::TaskGroup& group = job.task_groups[0];
    group.update = plan.update;
    if (plan.reschedule) {
        group.reschedule_policy = *plan.reschedule;
    }
    // With a check the servers leave the judgement to the nodes.
    model::Service service;
    service.name = "web";
    service.checks.push_back(model::ServiceCheck{.name = "alive", .type = "tcp"});
    group.services.push_back(std::move(service));
    group.tasks[0].env["VERSION"] = std::to_string(number);
    group.tasks[0].env["KIND"] = kind == Version::Good      ? "good"
                                 : kind == Version::Crashes ? "crashes"
                                                            : "sick";
    return job;
}

std::string kind_of(const model::Job& job) {
    return job.task_groups[0].tasks[0].env.at("KIND");
}

/// An operator who promotes healthy canaries, some time.
void promote(Life& life, bool surely) {
    const auto snapshot = life.cluster.snapshot();
    const model::Deployment* d = snapshot.latest_deployment("default", "web");
    if (d == nullptr || d->status != model::DeploymentStatus::Running) {
        return;
    }
    for (const auto& [name, state] : d->task_groups) {
        if (state.desired_canaries > 0 && !state.promoted && !state.auto_promote &&
            state.healthy_allocs >= state.desired_canaries && (surely || life.rng.below(4) == 0)) {
            state::commands::DeploymentPromote command;
            command.deployment_id = d->id;
            command.eval = server::job_evaluation(
                *snapshot.job("default", "web"), "deployment-watcher", life.cluster.wall, life.rng
            );
            life.outcome.promoted += life.cluster.command(command) ? 1U : 0U;
        }
    }
}

/// An operator who pauses a deployment, some time, and resumes it.
void pause_or_resume(Life& life, bool surely_resume) {
    const auto snapshot = life.cluster.snapshot();
    const model::Deployment* d = snapshot.latest_deployment("default", "web");
    if (d == nullptr) {
        return;
    }
    const bool paused = d->status == model::DeploymentStatus::Paused;
    const bool acts = paused ? surely_resume || life.rng.below(3) == 0
                             : d->status == model::DeploymentStatus::Running && !surely_resume &&
                                   life.rng.below(15) == 0;
    if (!acts) {
        return;
    }
    state::commands::DeploymentStatusSet command;
    command.update = {
        d->id,
        paused ? model::DeploymentStatus::Running : model::DeploymentStatus::Paused,
        paused ? "Deployment is running" : "Deployment is paused"
    };
    if (paused) {
        command.eval = server::job_evaluation(
            *snapshot.job("default", "web"), "deployment-watcher", life.cluster.wall, life.rng
        );
    }
    static_cast<void>(life.cluster.command(command));
}

std::string check_update(
    const state::Snapshot& snapshot,
    Cluster& cluster,
    const UpdatePlan& plan,
    const std::string& when
) {
    std::int64_t well = 0;
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
        well += serves_on(alloc, cluster) ? 1 : 0;
    }
    if (well < plan.count - plan.update.max_parallel) {
        return fmt::format(
            "{}: {} of {} serve with max_parallel {}\n{}",
            when,
            well,
            plan.count,
            plan.update.max_parallel,
            picture(snapshot, "web")
        );
    }
    std::int64_t living = 0;
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
        living += wants_to_run(alloc) ? 1 : 0;
    }
    if (living > plan.count + plan.update.canary) {
        return fmt::format(
            "{}: {} live where {} and {} canaries are wanted\n{}",
            when,
            living,
            plan.count,
            plan.update.canary,
            picture(snapshot, "web")
        );
    }
    return "";
}

/// What is still to be hoped for, or "" when the last version has come to its end.
std::string unsettled_update(
    const state::Snapshot& snapshot, const UpdatePlan& plan, Version last, bool nodes_were_lost
) {
    const auto job = snapshot.job("default", "web");
    const model::Deployment* d = snapshot.latest_deployment("default", "web");
    if (d == nullptr || model::is_active(d->status)) {
        return "the deployment goes on";
    }
    const std::int64_t well = serving(snapshot, "web");
    const bool good = last == Version::Good;
    if (good || plan.update.auto_revert) {
        if (kind_of(*job) != "good") {
            return "a bad version is registered";
        }
        if (d->status != model::DeploymentStatus::Successful || d->job_version != job->version) {
            return "the last version is not deployed";
        }
        if (!job->stable) {
            return "the last version is not stable";
        }
        std::int64_t current = 0;
        for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
            current += serves(alloc) && alloc.job().version == job->version ? 1 : 0;
        }
        if (well != plan.count || current != plan.count) {
            return fmt::format("{} serve, {} of them of the last version", well, current);
        }
        return "";
    }
    if (d->status != model::DeploymentStatus::Failed) {
        return "the bad version's deployment did not fail";
    }
    if (!nodes_were_lost && well < plan.count - plan.update.max_parallel) {
        return fmt::format("only {} serve", well);
    }
    return "";
}

}  // namespace

LifeOutcome run_updates(std::uint64_t seed, const LifeFaults& faults) {
    Life life(seed, faults);
    Cluster& cluster = life.cluster;
    const UpdatePlan plan = draw_update(life.rng);
    cluster.fate = [&](const model::Allocation&, const model::Job& job) {
        FakeFate fate;
        const std::string kind = kind_of(job);
        if (kind == "crashes") {
            fate.ends_after = seconds(life.rng.between(0, 3));
        }
        fate.healthy = kind == "good";
        return fate;
    };
    int number = 0;
    cluster.run_job(version_of(plan, number, Version::Good));
    for (int round = 0; round < kSettlingRounds; ++round) {
        life.step(seconds(2));
        if (unsettled_update(cluster.snapshot(), plan, Version::Good, false).empty()) {
            break;
        }
    }
    if (const auto why = unsettled_update(cluster.snapshot(), plan, Version::Good, false);
        !why.empty()) {
        life.violate("the first version: " + why + "\n" + picture(cluster.snapshot(), "web"));
        return life.outcome;
    }
    if (!faults.node_loss) {
        cluster.watch = [&](const state::Snapshot& snapshot) {
            life.remember(snapshot, "web");
            if (life.good()) {
                life.violate(check_update(
                    snapshot, cluster, plan, fmt::format("seed {} index {}", seed, snapshot.index())
                ));
            }
        };
    }
    const auto draw = [&] {
        const std::uint64_t chance = life.rng.below(5);
        return chance < 3 ? Version::Good : chance == 3 ? Version::Crashes : Version::Sick;
    };
    life.begin_faults();
    for (int step = 0; step < kFaultySteps && life.good(); ++step) {
        if (life.rng.below(12) == 0) {
            cluster.run_job(version_of(plan, ++number, draw()));
        }
        promote(life, false);
        pause_or_resume(life, false);
        life.step(seconds(life.rng.between(0, 12)));
    }
    life.end_faults();
    pause_or_resume(life, true);
    // What nodes report when they are back is about versions before the last.
    life.step(minutes(3));
    const Version last = draw();
    cluster.run_job(version_of(plan, ++number, last));
    std::string why = "nothing was looked at";
    for (int round = 0; round < kSettlingRounds && life.good() && !why.empty(); ++round) {
        promote(life, true);
        life.step(seconds(5));
        why = unsettled_update(cluster.snapshot(), plan, last, faults.node_loss);
    }
    if (!why.empty()) {
        life.violate(fmt::format(
            "seed {} at the end ({}): {}\n{}",
            seed,
            last == Version::Good ? "good" : "bad",
            why,
            picture(cluster.snapshot(), "web")
        ));
    }
    const auto snapshot = cluster.snapshot();
    for (const model::Deployment& d : snapshot.deployments()) {
        life.outcome.failed += d.status == model::DeploymentStatus::Failed ? 1U : 0U;
        life.outcome.successful += d.status == model::DeploymentStatus::Successful ? 1U : 0U;
        life.outcome.reverted +=
            d.status_description.find("rolling back to job version") != std::string::npos ? 1U : 0U;
    }
    return life.outcome;
}

// ---- drains

LifeOutcome run_drains(std::uint64_t seed, const LifeFaults& faults) {
    Life life(seed, faults);
    Cluster& cluster = life.cluster;
    cluster.fate = [&](const model::Allocation& alloc, const model::Job&) {
        FakeFate fate;
        if (alloc.job_id == "work") {
            fate.ends_after = seconds(life.rng.between(10, 300));
            fate.ends_with = AllocClientStatus::Complete;
        }
        return fate;
    };
    const std::int64_t count = life.rng.between(2, 6);
    const std::int64_t parallel = life.rng.between(1, 2);
    model::Job web = make_job("web", "service", count);
    web.task_groups[0].migrate = model::MigrateStrategy{
        .max_parallel = parallel,
        .health_check = "task_states",
        .min_healthy_time = seconds(5),
        .healthy_deadline = minutes(1)
    };
    web.task_groups[0].reschedule_policy = model::ReschedulePolicy{
        .delay = seconds(5), .delay_function = "constant", .unlimited = true
    };
    cluster.run_job(std::move(web));
    cluster.run_job(make_job("everywhere", "system", 1));
    cluster.run_job(make_job("work", "batch", 3));
    cluster.advance(seconds(30));
    bool forced = false;
    if (!faults.node_loss) {
        cluster.watch = [&](const state::Snapshot& snapshot) {
            const std::int64_t well = serving(snapshot, "web");
            if (!forced && well < count - parallel && life.good()) {
                life.violate(fmt::format(
                    "seed {} index {}: {} of {} serve with max_parallel {}\n{}",
                    seed,
                    snapshot.index(),
                    well,
                    count,
                    parallel,
                    picture(snapshot, "web")
                ));
            }
        };
    }
    std::set<Uuid> drained;
    const auto drain = [&](const Uuid& id, Duration deadline, bool ignore_system) {
        state::commands::NodeDrain command;
        command.node_id = id;
        model::DrainStrategy& strategy = command.strategy.ensure();
        strategy.deadline = deadline;
        strategy.ignore_system_jobs = ignore_system;
        strategy.started_at = cluster.wall;
        if (deadline.ns > 0) {
            strategy.force_deadline = cluster.wall + deadline;
        }
        if (cluster.command(command)) {
            drained.insert(id);
            ++life.outcome.promoted;
        }
    };
    life.begin_faults();
    for (int step = 0; step < kFaultySteps && life.good(); ++step) {
        if (life.rng.below(8) == 0 && drained.size() + 1 < cluster.nodes().size()) {
            // No deadline, one far away, or one that forces soon.
            const std::uint64_t how = life.rng.below(5);
            forced |= how == 0;
            auto at = cluster.nodes().begin();
            std::advance(at, static_cast<long>(life.rng.below(cluster.nodes().size())));
            drain(
                at->first,
                how == 0  ? seconds(1)
                : how < 3 ? Duration{}
                          : hours(1),
                life.rng.below(2) == 0
            );
        }
        if (life.rng.below(15) == 0 && !drained.empty()) {
            const Uuid id = *drained.begin();
            drained.erase(id);
            state::commands::NodeDrain command;
            command.node_id = id;
            command.mark_eligible = true;
            static_cast<void>(cluster.command(command));
        }
        life.step(seconds(life.rng.between(0, 10)));
    }
    life.end_faults();
    const auto unsettled = [&]() -> std::string {
        const auto snapshot = cluster.snapshot();
        if (serving(snapshot, "web") != count) {
            return fmt::format("{} of {} serve", serving(snapshot, "web"), count);
        }
        for (const Uuid& id : drained) {
            const model::Node* node = snapshot.node(id);
            if (node->drain_strategy) {
                return "a drain goes on";
            }
            if (node->scheduling_eligibility != model::NodeEligibility::Ineligible) {
                return "a drained node takes work";
            }
            for (const state::AllocView alloc : snapshot.allocs_of_node(id)) {
                if (!alloc.terminal() && alloc.job().type != "system") {
                    return fmt::format("{} is still on a drained node", alloc.job_id());
                }
            }
        }
        return "";
    };
    std::string why = "nothing was looked at";
    for (int round = 0; round < kSettlingRounds * 2 && life.good() && !why.empty(); ++round) {
        life.step(seconds(10));
        why = unsettled();
    }
    if (!why.empty()) {
        life.violate(fmt::format(
            "seed {} at the end: {}\n{}{}{}",
            seed,
            why,
            picture(cluster.snapshot(), "web"),
            picture(cluster.snapshot(), "work"),
            picture(cluster.snapshot(), "everywhere")
        ));
    }
    return life.outcome;
}

// ---- batches

LifeOutcome run_batches(std::uint64_t seed, const LifeFaults& faults) {
    Life life(seed, faults);
    Cluster& cluster = life.cluster;
    cluster.fate = [&](const model::Allocation&, const model::Job&) {
        FakeFate fate;
        fate.ends_after = seconds(life.rng.between(1, 40));
        fate.ends_with =
            life.rng.below(4) == 0 ? AllocClientStatus::Failed : AllocClientStatus::Complete;
        return fate;
    };
    const std::int64_t count = life.rng.between(1, 12);
    model::Job work = make_job("work", "batch", count);
    work.task_groups[0].reschedule_policy = model::ReschedulePolicy{
        .delay = seconds(5),
        .delay_function = life.rng.below(2) == 0 ? "fibonacci" : "constant",
        .max_delay = minutes(1),
        .unlimited = true
    };
    if (life.rng.below(2) == 0) {
        work.task_groups[0].disconnect = model::DisconnectStrategy{
            .lost_after = minutes(2), .replace = true, .reconcile = "best_score"
        };
    }
    // The index of each allocation that was made after its index had completed.
    std::map<std::uint32_t, Index> completed;
    cluster.watch = [&](const state::Snapshot& snapshot) {
        for (const state::AllocView alloc : snapshot.allocs_of_job("default", "work")) {
            const auto done = completed.find(alloc.name_index());
            if (alloc.client_status() == AllocClientStatus::Complete &&
                alloc.desired_status() == AllocDesiredStatus::Run) {
                completed.emplace(alloc.name_index(), snapshot.index());
            } else if (done != completed.end() && alloc.create_index() > done->second &&
                       life.good()) {
                life.violate(fmt::format(
                    "seed {}: index {} runs again after it has completed\n{}",
                    seed,
                    alloc.name_index(),
                    picture(snapshot, "work")
                ));
            }
        }
    };
    life.begin_faults();
    cluster.run_job(std::move(work));
    for (int step = 0; step < kFaultySteps && life.good(); ++step) {
        life.step(seconds(life.rng.between(0, 10)));
    }
    life.end_faults();
    const auto unsettled = [&]() -> std::string {
        const auto snapshot = cluster.snapshot();
        std::set<std::uint32_t> done;
        for (const state::AllocView alloc : snapshot.allocs_of_job("default", "work")) {
            if (alloc.client_status() == AllocClientStatus::Complete) {
                done.insert(alloc.name_index());
            } else if (!alloc.terminal()) {
                return "something runs";
            }
        }
        if (static_cast<std::int64_t>(done.size()) != count) {
            return fmt::format("{} of {} have completed", done.size(), count);
        }
        return snapshot.job("default", "work")->status == "dead" ? "" : "the job is not dead";
    };
    std::string why = "nothing was looked at";
    for (int round = 0; round < kSettlingRounds && life.good() && !why.empty(); ++round) {
        life.step(seconds(10));
        why = unsettled();
    }
    if (!why.empty()) {
        life.violate(fmt::format(
            "seed {} at the end: {}\n{}", seed, why, picture(cluster.snapshot(), "work")
        ));
    }
    return life.outcome;
}

}  // namespace nl::sim
