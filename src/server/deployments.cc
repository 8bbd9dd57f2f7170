#include "server/deployments.h"

#include "server/node_evals.h"
#include "state/commands/deployment.h"
#include "state/commands/eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace nl::server {
namespace {

using model::DeploymentStatus;

constexpr Duration kRepeatAfter = seconds(5);

bool has_checks(const model::TaskGroup& group) {
    const auto any = [](const std::vector<model::Service>& services) {
        return std::ranges::any_of(services, [](const auto& s) { return !s.checks.empty(); });
    };
    return any(group.services) ||
           std::ranges::any_of(group.tasks, [&](const auto& task) { return any(task.services); });
}

/// Since when all of the allocation's tasks run; nullopt while one does not.
std::optional<WallTime> running_since(const state::AllocView& alloc) {
    if (alloc.client_status() != model::AllocClientStatus::Running) {
        return std::nullopt;
    }
    const auto states = alloc.task_states();
    WallTime since;
    for (const model::Task& task : alloc.group().tasks) {
        if (task.lifecycle && !task.lifecycle->sidecar) {
            continue;
        }
        const auto at = states.find(task.name);
        if (at == states.end() || at->second.state != "running") {
            return std::nullopt;
        }
        since = std::max(since, at->second.started_at);
    }
    return since;
}

struct Look {
    std::vector<Uuid> healthy;
    std::vector<Uuid> unhealthy;
    bool fails_with_revert{false};
    /// The next time at which the answer may be another.
    std::optional<WallTime> next;

    void later(WallTime at) { next = next ? std::min(*next, at) : at; }
};

/// Judges what no one has judged yet: by task states where that is asked for or nothing better
/// exists, and by the healthy deadline in any case.
Look look_at(const state::Snapshot& snapshot, const model::Deployment& d, WallTime wall) {
    Look look;
    for (const state::AllocView alloc : snapshot.allocs_of_deployment(d.id)) {
        const auto state = d.task_groups.find(alloc.task_group());
        if (state == d.task_groups.end() || !alloc.group().update || alloc.server_terminal()) {
            continue;
        }
        if (alloc.healthy().has_value()) {
            look.fails_with_revert |= !*alloc.healthy() && state->second.auto_revert;
            continue;
        }
        const model::UpdateStrategy& update = *alloc.group().update;
        if (alloc.client_terminal()) {
            look.unhealthy.push_back(alloc.id());
            look.fails_with_revert |= state->second.auto_revert;
            continue;
        }
        if (update.health_check == "manual") {
            continue;
        }
        const bool by_tasks = update.health_check == "task_states" || !has_checks(alloc.group());
        if (const auto since = by_tasks ? running_since(alloc) : std::nullopt) {
            const WallTime ripe = *since + update.min_healthy_time;
            if (ripe <= wall) {
                look.healthy.push_back(alloc.id());
                continue;
            }
            look.later(ripe);
        }
        const WallTime deadline = WallTime{alloc.create_time()} + update.healthy_deadline;
        if (update.healthy_deadline.ns > 0 && deadline <= wall) {
            look.unhealthy.push_back(alloc.id());
            look.fails_with_revert |= state->second.auto_revert;
        } else if (update.healthy_deadline.ns > 0) {
            look.later(deadline);
        }
    }
    return look;
}

/// The newest version below the deployment's that once was stable.
std::shared_ptr<const model::Job> last_stable(
    const state::Snapshot& snapshot, const model::Deployment& d
) {
    std::shared_ptr<const model::Job> found;
    for (const state::JobVersionRow& row : snapshot.job_versions(d.namespace_, d.job_id)) {
        if (row.job->stable && row.job->version < d.job_version) {
            found = row.job;
        }
    }
    return found;
}

bool is_complete(const model::DeploymentState& s) {
    return s.healthy_allocs >= std::max(s.desired_total, s.desired_canaries) &&
           (s.desired_canaries == 0 || s.promoted);
}

}  // namespace

void Deployments::rebuild(const state::Snapshot& snapshot, Instant now) {
    for (const model::Deployment& d : snapshot.deployments()) {
        if (model::is_active(d.status)) {
            changed(d.id, now);
        }
    }
}

void Deployments::changed(const Uuid& deployment, Instant now) {
    Watch& watch = watches_[deployment];
    watch.due = std::min(watch.due, now + options_.batch);
}

Instant Deployments::next_deadline() const {
    Instant next = Instant::max();
    for (const auto& [id, watch] : watches_) {
        next = std::min(next, watch.due);
    }
    return next;
}

std::vector<state::Command> Deployments::tick(
    const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
) {
    std::vector<state::Command> commands;
    for (auto at = watches_.begin(); at != watches_.end();) {
        auto& [id, watch] = *at;
        if (watch.due > now) {
            ++at;
            continue;
        }
        watch.due = Instant::max();
        const model::Deployment* d = snapshot.deployment(id);
        if (d == nullptr || !model::is_active(d->status)) {
            at = watches_.erase(at);
            continue;
        }
        ++at;
        const auto job = snapshot.job(d->namespace_, d->job_id);
        if (d->status == DeploymentStatus::Paused || job == nullptr || job->stop) {
            continue;
        }
        const Look look = look_at(snapshot, *d, wall);
        model::Evaluation eval = job_evaluation(*job, "deployment-watcher", wall, rng);
        eval.deployment_id = d->id;
        eval.priority = d->eval_priority > 0 ? d->eval_priority : job->priority;

        bool overdue = false;
        std::int64_t healthy = static_cast<std::int64_t>(look.healthy.size());
        bool promotable = false;
        bool waits_for_operator = false;
        std::optional<WallTime> next = look.next;
        for (const auto& [name, state] : d->task_groups) {
            healthy += state.healthy_allocs;
            if (!is_complete(state) && state.progress_deadline.ns > 0 &&
                !state.require_progress_by.is_zero()) {
                const bool promoted = state.desired_canaries == 0 || state.promoted;
                overdue |= promoted && state.require_progress_by <= wall;
                next =
                    next ? std::min(*next, state.require_progress_by) : state.require_progress_by;
            }
            if (state.desired_canaries > 0 && !state.promoted) {
                promotable |= state.auto_promote;
                waits_for_operator |=
                    !state.auto_promote || state.healthy_allocs < state.desired_canaries;
            }
        }
        if (next) {
            // Wall time may jump; a second at least lies between two looks, a minute at most.
            const Duration wait = std::clamp(*next - wall, seconds(1), minutes(1));
            watch.due = now + wait;
        }
        if (look.fails_with_revert || overdue) {
            // Asked again only if the command is lost on its way.
            watch.due = now + kRepeatAfter;
            std::string text = overdue && !look.fails_with_revert
                                   ? "Failed due to progress deadline"
                                   : "Failed due to unhealthy allocations";
            state::commands::DeploymentAllocHealth command;
            command.deployment_id = d->id;
            command.healthy = look.healthy;
            command.unhealthy = look.unhealthy;
            const bool reverts = std::ranges::any_of(d->task_groups, [](const auto& item) {
                return item.second.auto_revert;
            });
            if (reverts) {
                if (const auto stable = last_stable(snapshot, *d)) {
                    text += fmt::format(" - rolling back to job version {}", stable->version);
                    command.rollback = state::commands::JobRegister{.job = stable};
                } else {
                    text += " - no stable job version to auto revert to";
                }
            }
            command.update =
                model::DeploymentStatusUpdate{d->id, DeploymentStatus::Failed, std::move(text)};
            command.eval = std::move(eval);
            commands.push_back(state::make_command(command, wall, rng.next()));
            continue;
        }
        if (!look.healthy.empty() || !look.unhealthy.empty()) {
            watch.healthy_seen = healthy;
            state::commands::DeploymentAllocHealth command;
            command.deployment_id = d->id;
            command.healthy = look.healthy;
            command.unhealthy = look.unhealthy;
            command.eval = std::move(eval);
            commands.push_back(state::make_command(command, wall, rng.next()));
            continue;
        }
        if (promotable && !waits_for_operator) {
            state::commands::DeploymentPromote command;
            command.deployment_id = d->id;
            command.eval = std::move(eval);
            commands.push_back(state::make_command(command, wall, rng.next()));
            continue;
        }
        if (healthy != watch.healthy_seen) {
            state::commands::EvalUpsert command;
            command.evals.push_back(std::move(eval));
            commands.push_back(state::make_command(command, wall, rng.next()));
        }
        watch.healthy_seen = healthy;
    }
    return commands;
}

}  // namespace nl::server
