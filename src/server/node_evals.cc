#include "server/node_evals.h"

#include "sched/operators.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace nl::server {
namespace {

bool is_system(const model::Job& job) {
    return job.type == "system" || job.type == "sysbatch";
}

bool may_run_on(const model::Job& job, const model::Node& node) {
    const std::string_view pool = node.node_pool.empty() ? "default" : node.node_pool;
    const std::string_view wanted = job.node_pool.empty() ? "default" : job.node_pool;
    return (wanted == "all" || wanted == pool) &&
           (job.datacenters.empty() ||
            std::ranges::any_of(job.datacenters, [&](const std::string& pattern) {
                return sched::glob_matches(pattern, node.datacenter);
            }));
}

}  // namespace

model::Evaluation job_evaluation(
    const model::Job& job, std::string_view triggered_by, WallTime wall, Rng& rng
) {
    model::Evaluation eval;
    eval.id = Uuid::random(rng);
    eval.namespace_ = job.namespace_;
    eval.priority = job.priority;
    eval.type = job.type;
    eval.triggered_by = triggered_by;
    eval.job_id = job.id;
    eval.job_modify_index = job.modify_index;
    eval.status = model::EvalStatus::Pending;
    eval.create_time = wall.unix_ns;
    eval.modify_time = wall.unix_ns;
    return eval;
}

std::vector<model::Evaluation> node_evaluations(
    const state::Snapshot& snapshot,
    const model::Node& node,
    std::string_view triggered_by,
    WallTime wall,
    Rng& rng
) {
    std::vector<model::Evaluation> evals;
    std::set<std::pair<std::string, std::string>> done;
    const auto add = [&](const model::Job& job) {
        if (!done.emplace(job.namespace_, job.id).second) {
            return;
        }
        model::Evaluation eval = job_evaluation(job, triggered_by, wall, rng);
        eval.node_id = node.id;
        eval.node_modify_index = node.modify_index;
        evals.push_back(std::move(eval));
    };
    for (const state::AllocView alloc : snapshot.allocs_of_node(node.id)) {
        // One told to stop and still running counts too: on a lost node it must be written off.
        if (!alloc.client_terminal()) {
            add(alloc.job());
        }
    }
    const bool takes_work = node.status == model::NodeStatus::Ready &&
                            node.scheduling_eligibility == model::NodeEligibility::Eligible &&
                            !node.drain_strategy;
    if (takes_work) {
        for (const state::JobRow& row : snapshot.jobs()) {
            const model::Job& job = *row.job;
            if (is_system(job) && !job.stop && may_run_on(job, node) &&
                !(job.periodic && job.periodic->enabled) &&
                !(job.parameterized_job && !job.dispatched)) {
                add(job);
            }
        }
    }
    return evals;
}

}  // namespace nl::server
