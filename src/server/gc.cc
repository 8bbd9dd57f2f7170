#include "server/gc.h"

#include "state/commands/deployment.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "state/commands/node.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace nl::server {
namespace {

bool is_old(std::int64_t time_ns, WallTime wall, Duration threshold) {
    return WallTime{time_ns} + threshold <= wall;
}

bool is_batch(std::string_view type) {
    return type == "batch" || type == "sysbatch";
}

bool is_dead(const std::shared_ptr<const model::Job>& job) {
    return job == nullptr || job->stop || job->status == "dead";
}

/// Nothing will be decided from the allocation any more.
bool is_spent(const state::AllocView& alloc, const std::shared_ptr<const model::Job>& job) {
    if (!alloc.client_terminal()) {
        return false;
    }
    if (is_dead(job)) {
        return true;
    }
    // What a batch job has done must be remembered while it lives; a failed service allocation
    // holds its place until it is replaced.
    return !is_batch(job->type) &&
           (alloc.server_terminal() || !alloc.details().next_allocation.is_nil());
}

}  // namespace

std::vector<state::Command> Gc::tick(const state::Snapshot& snapshot, Instant now, WallTime wall) {
    if (now < due_) {
        return {};
    }
    due_ = now + options_.interval;
    return collect(snapshot, wall, false);
}

std::vector<state::Command> Gc::collect(const state::Snapshot& snapshot, WallTime wall, bool force)
    const {
    std::vector<state::Command> commands;
    state::commands::EvalDelete evals;
    std::set<Uuid> going;
    const auto full = [&] {
        return evals.evals.size() + evals.allocs.size() >= options_.max_per_command;
    };
    for (const model::Evaluation& eval : snapshot.evals()) {
        if (full()) {
            break;
        }
        const Duration age =
            is_batch(eval.type) ? options_.batch_eval_threshold : options_.eval_threshold;
        if (!model::is_terminal(eval.status) || (!force && !is_old(eval.modify_time, wall, age))) {
            continue;
        }
        const auto job = snapshot.job(eval.namespace_, eval.job_id);
        bool all = true;
        std::vector<Uuid> spent;
        for (const state::AllocView alloc : snapshot.allocs_of_eval(eval.id)) {
            if (is_spent(alloc, job) && (force || is_old(alloc.modify_time(), wall, age))) {
                spent.push_back(alloc.id());
            } else {
                all = false;
            }
        }
        evals.allocs.insert(evals.allocs.end(), spent.begin(), spent.end());
        if (all) {
            evals.evals.push_back(eval.id);
            going.insert(eval.id);
        }
    }
    if (!evals.evals.empty() || !evals.allocs.empty()) {
        commands.push_back(state::make_command(evals, wall));
    }

    state::commands::JobsReap jobs;
    const std::set<Uuid> going_allocs(evals.allocs.begin(), evals.allocs.end());
    for (const state::JobRow& row : snapshot.jobs()) {
        if (jobs.jobs.size() >= options_.max_per_command) {
            break;
        }
        const model::Job& job = *row.job;
        const bool lasting =
            (job.periodic && job.periodic->enabled) || (job.parameterized_job && !job.dispatched);
        if (job.status != "dead" || (lasting && !job.stop) ||
            (!force && !is_old(job.submit_time, wall, options_.job_threshold))) {
            continue;
        }
        bool clean = true;
        for (const model::Evaluation& eval : snapshot.evals_of_job(job.namespace_, job.id)) {
            clean &= going.contains(eval.id);
        }
        for (const state::AllocView alloc : snapshot.allocs_of_job(job.namespace_, job.id)) {
            clean &= going_allocs.contains(alloc.id());
        }
        if (clean) {
            jobs.jobs.push_back({job.namespace_, job.id});
        }
    }
    if (!jobs.jobs.empty()) {
        commands.push_back(state::make_command(jobs, wall));
    }

    state::commands::DeploymentDelete deployments;
    for (const model::Deployment& d : snapshot.deployments()) {
        if (deployments.deployments.size() >= options_.max_per_command) {
            break;
        }
        if (model::is_active(d.status) ||
            (!force && !is_old(d.modify_time, wall, options_.deployment_threshold))) {
            continue;
        }
        bool live = false;
        for (const state::AllocView alloc : snapshot.allocs_of_deployment(d.id)) {
            live |= !alloc.terminal();
        }
        if (!live) {
            deployments.deployments.push_back(d.id);
        }
    }
    if (!deployments.deployments.empty()) {
        commands.push_back(state::make_command(deployments, wall));
    }

    state::commands::NodeDeregister nodes;
    for (const model::Node& node : snapshot.nodes()) {
        if (nodes.nodes.size() >= options_.max_per_command) {
            break;
        }
        const std::int64_t since = node.status_updated_at * 1'000'000'000;
        if (node.status != model::NodeStatus::Down ||
            (!force && !is_old(since, wall, options_.node_threshold))) {
            continue;
        }
        bool busy = false;
        for (const state::AllocView alloc : snapshot.allocs_of_node(node.id)) {
            busy |= !going_allocs.contains(alloc.id());
        }
        if (!busy) {
            nodes.nodes.push_back(node.id);
        }
    }
    if (!nodes.nodes.empty()) {
        commands.push_back(state::make_command(nodes, wall));
    }
    return commands;
}

}  // namespace nl::server
