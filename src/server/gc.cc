#include "server/gc.h"

#include "state/commands/deployment.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "state/commands/node.h"
#include "state/commands/records.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace nl::server {
namespace {

/// Between two entries of the log that carry garbage away.
constexpr Duration kNextBatch = seconds(1);

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

/// What a job's `retain` block says of one finished run, beside the server's thresholds.
struct Keep {
    /// Not collected whatever the thresholds say.
    bool always{false};
    /// Collected as soon as nothing depends on it.
    bool never{false};
    /// In place of the thresholds.
    std::optional<Duration> age;
};

/// Looks each parent and job up once.
class Retention {
public:
    Retention(const state::Snapshot& snapshot, WallTime wall)
        : snapshot_(snapshot), wall_(wall) {}

    Keep of(const model::Job& job) {
        if (job.status != "dead" || (job.stop && job.parent_id.empty())) {
            return {};
        }
        const auto parent =
            job.parent_id.empty() ? nullptr : snapshot_.job(job.namespace_, job.parent_id);
        const auto& retain = parent != nullptr ? parent->retain : job.retain;
        if (!retain) {
            return {};
        }
        const bool too_old = retain->age.ns > 0 && is_old(ended(job), wall_, retain->age);
        if (parent == nullptr || retain->runs <= 0) {
            return retain->age.ns > 0 ? Keep{.always = !too_old, .never = too_old} : Keep{};
        }
        const bool kept = newest_of(*parent, retain->runs).contains(job.id) && !too_old;
        return {.always = kept, .never = !kept};
    }

    /// Of a job that goes on: its last finished allocations.
    bool keeps(const state::AllocView& alloc) {
        const auto job = snapshot_.job(alloc.namespace_(), alloc.job_id());
        if (job == nullptr || !job->retain || job->retain->runs <= 0 || job->status == "dead" ||
            job->stop) {
            return false;
        }
        const std::pair key{job->namespace_, job->id};
        auto known = allocs_.find(key);
        if (known == allocs_.end()) {
            std::vector<std::pair<std::int64_t, Uuid>> finished;
            for (const state::AllocView one : snapshot_.allocs_of_job(job->namespace_, job->id)) {
                if (one.client_terminal()) {
                    finished.emplace_back(one.modify_time(), one.id());
                }
            }
            std::ranges::sort(finished, std::greater{});
            if (finished.size() > static_cast<std::size_t>(job->retain->runs)) {
                finished.resize(static_cast<std::size_t>(job->retain->runs));
            }
            std::set<Uuid> ids;
            for (const auto& [at, id] : finished) {
                ids.insert(id);
            }
            known = allocs_.emplace(key, std::move(ids)).first;
        }
        return known->second.contains(alloc.id());
    }

private:
    std::int64_t ended(const model::Job& job) const {
        std::int64_t last = job.submit_time;
        for (const state::AllocView alloc : snapshot_.allocs_of_job(job.namespace_, job.id)) {
            last = std::max(last, alloc.modify_time());
        }
        return last;
    }

    const std::set<std::string>& newest_of(const model::Job& parent, std::int64_t runs) {
        const std::pair key{parent.namespace_, parent.id};
        auto known = children_.find(key);
        if (known == children_.end()) {
            std::vector<std::pair<Index, std::string>> finished;
            for (const state::JobRow& row :
                 snapshot_.jobs_of_parent(parent.namespace_, parent.id)) {
                if (row.job->status == "dead") {
                    finished.emplace_back(row.job->create_index, row.job->id);
                }
            }
            std::ranges::sort(finished, std::greater{});
            std::set<std::string> ids;
            for (auto& [at, id] : finished) {
                if (ids.size() >= static_cast<std::size_t>(runs)) {
                    break;
                }
                ids.insert(std::move(id));
            }
            known = children_.emplace(key, std::move(ids)).first;
        }
        return known->second;
    }

    const state::Snapshot& snapshot_;
    WallTime wall_;
    std::map<std::pair<std::string, std::string>, std::set<std::string>> children_;
    std::map<std::pair<std::string, std::string>, std::set<Uuid>> allocs_;
};

}  // namespace

std::vector<state::Command> Gc::tick(const state::Snapshot& snapshot, Instant now, WallTime wall) {
    if (now < due_) {
        return {};
    }
    auto commands = collect(snapshot, wall, false);
    // What did not fit into one entry of the log goes with the next ones.
    due_ = now + (left_over_ ? kNextBatch : options_.interval);
    return commands;
}

std::vector<state::Command> Gc::collect(const state::Snapshot& snapshot, WallTime wall, bool force) {
    std::vector<state::Command> commands;
    left_over_ = false;
    Retention retention(snapshot, wall);
    state::commands::EvalDelete evals;
    std::set<Uuid> going;
    for (const model::Evaluation& eval : snapshot.evals()) {
        if (evals.evals.size() + evals.allocs.size() >= options_.max_per_command) {
            left_over_ = true;
            break;
        }
        if (!model::is_terminal(eval.status)) {
            continue;
        }
        const auto job = snapshot.job(eval.namespace_, eval.job_id);
        const Keep keep = job == nullptr ? Keep{} : retention.of(*job);
        if (keep.always) {
            continue;
        }
        const Duration age = keep.age.value_or(
            is_batch(eval.type) ? options_.batch_eval_threshold : options_.eval_threshold
        );
        const bool at_once = force || keep.never;
        if (!at_once && !is_old(eval.modify_time, wall, age)) {
            continue;
        }
        bool all = true;
        std::vector<Uuid> spent;
        for (const state::AllocView alloc : snapshot.allocs_of_eval(eval.id)) {
            if (is_spent(alloc, job) && !retention.keeps(alloc) &&
                (at_once || is_old(alloc.modify_time(), wall, age))) {
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
            left_over_ = true;
            break;
        }
        const model::Job& job = *row.job;
        const bool lasting =
            (job.periodic && job.periodic->enabled) || (job.parameterized_job && !job.dispatched);
        if (job.status != "dead" || (lasting && !job.stop)) {
            continue;
        }
        const Keep keep = retention.of(job);
        const Duration threshold = keep.age.value_or(options_.job_threshold);
        if (keep.always ||
            (!force && !keep.never && !is_old(job.submit_time, wall, threshold))) {
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
            left_over_ = true;
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

    // A token that has expired is refused anyway; it goes whoever asks.
    state::commands::AclTokenDelete tokens;
    for (const model::ACLToken& token : snapshot.acl_tokens()) {
        if (token.expiration_time &&
            is_old(token.expiration_time->unix_ns, wall, force ? Duration{} : options_.acl_token_threshold)) {
            if (tokens.names.size() >= options_.max_per_command) {
                left_over_ = true;
                break;
            }
            tokens.names.push_back(token.accessor_id);
        }
    }
    if (!tokens.names.empty()) {
        commands.push_back(state::make_command(tokens, wall));
    }
    state::commands::OneTimeTokenDelete once;
    for (const model::OneTimeToken& token : snapshot.one_time_tokens()) {
        if (token.expires_at <= wall && once.names.size() < options_.max_per_command) {
            once.names.push_back(token.one_time_secret_id);
        }
    }
    if (!once.names.empty()) {
        commands.push_back(state::make_command(once, wall));
    }
    return commands;
}

}  // namespace nl::server
