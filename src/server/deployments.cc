#include "server/deployments.h"

#include "sched/reschedule.h"
#include "server/node_evals.h"
#include "server/rollback.h"
#include "state/commands/alloc.h"
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
/// Nodes judge health; only after this long beyond the time for it do the servers, and not before
/// they have led for as long.
constexpr Duration kNodeMaySay = seconds(10);

using Deadline = Deployments::Deadline;

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

struct Clocks {
    Instant now;
    WallTime wall;
};

/// When `at` comes, which was at most `most` away when it was set. What was fixed before stays,
/// whatever became of the calendar.
Instant fix(
    Deadline& deadline, WallTime at, Duration most, const Clocks& clocks
) {
    if (deadline.at != at) {
        const Duration away = std::clamp(at - clocks.wall, kNodeMaySay, std::max(most, kNodeMaySay));
        deadline.at = at;
        deadline.due = clocks.now + away;
    }
    return deadline.due;
}

/// The same for one of many; only what is asked for again is kept in `after`.
Instant fix(
    std::map<Uuid, Deadline>& before,
    std::map<Uuid, Deadline>& after,
    const Uuid& id,
    WallTime at,
    Duration most,
    const Clocks& clocks
) {
    const auto known = before.find(id);
    Deadline& deadline = after.emplace(id, known == before.end() ? Deadline{} : known->second)
                             .first->second;
    return fix(deadline, at, most, clocks);
}

struct Look {
    std::vector<Uuid> healthy;
    std::vector<Uuid> unhealthy;
    /// Unhealthy ones that may be tried again.
    std::vector<Uuid> may_retry;
    /// One of the allocations ends the deployment, and whether its group wants to go back.
    bool fails{false};
    bool fails_with_revert{false};
    /// The next time at which the answer may be another.
    Instant next = Instant::max();
    std::map<Uuid, Deadline> ripe;
    std::map<Uuid, Deadline> judged;
};

/// The group's policy lets an allocation that failed now be tried again, at once or later.
bool may_try_again(const state::AllocView& alloc, WallTime wall) {
    const auto& policy = alloc.group().reschedule_policy;
    return policy && sched::next_reschedule_time(
                         *policy, alloc.details().reschedule_tracker.get(), wall
                     )
                         .has_value();
}

/// What an unhealthy allocation means: the deployment's end if there is no deadline until which
/// another may do better, or nothing left to try.
void judge_unhealthy(
    const state::AllocView& alloc, const model::DeploymentState& state, WallTime wall, Look& look
) {
    if (alloc.server_terminal() || !alloc.details().next_allocation.is_nil()) {
        return;
    }
    if (state.progress_deadline.ns == 0 || !may_try_again(alloc, wall)) {
        look.fails = true;
        look.fails_with_revert |= state.auto_revert;
    } else if (!alloc.details().desired_transition.reschedule.value_or(false)) {
        look.may_retry.push_back(alloc.id());
    }
}

/// Takes in what nodes have judged, and judges what no node did: an allocation that ended, and,
/// after a while, by task states and deadline, one whose node has forgotten about it.
Look look_at(
    const state::Snapshot& snapshot,
    const model::Deployment& d,
    std::map<Uuid, Deadline>& ripe_before,
    std::map<Uuid, Deadline>& judged_before,
    const Clocks& clocks
) {
    Look look;
    const WallTime wall = clocks.wall;
    for (const state::AllocView alloc : snapshot.allocs_of_deployment(d.id)) {
        const auto state = d.task_groups.find(alloc.task_group());
        if (state == d.task_groups.end() || !alloc.group().update) {
            continue;
        }
        if (alloc.healthy().has_value()) {
            if (!*alloc.healthy()) {
                judge_unhealthy(alloc, state->second, wall, look);
            }
            continue;
        }
        if (alloc.server_terminal()) {
            continue;
        }
        const model::UpdateStrategy& update = *alloc.group().update;
        if (alloc.client_terminal()) {
            if (alloc.client_status() != model::AllocClientStatus::Lost) {
                look.unhealthy.push_back(alloc.id());
                judge_unhealthy(alloc, state->second, wall, look);
            }
            continue;
        }
        if (update.health_check == "manual" ||
            alloc.client_status() == model::AllocClientStatus::Unknown) {
            continue;
        }
        const bool by_tasks = update.health_check == "task_states" || !has_checks(alloc.group());
        if (const auto since = by_tasks ? running_since(alloc) : std::nullopt) {
            const Duration span = update.min_healthy_time + kNodeMaySay;
            const Instant ripe = fix(
                ripe_before,
                look.ripe,
                alloc.id(),
                std::max(*since, WallTime{d.create_time}) + span,
                span,
                clocks
            );
            if (ripe <= clocks.now) {
                look.healthy.push_back(alloc.id());
                continue;
            }
            look.next = std::min(look.next, ripe);
        }
        if (update.healthy_deadline.ns <= 0) {
            continue;
        }
        // One updated in place is older than its part in the deployment.
        const WallTime joined{std::max(alloc.create_time(), d.create_time)};
        const Duration span = update.healthy_deadline + kNodeMaySay;
        const Instant deadline =
            fix(judged_before, look.judged, alloc.id(), joined + span, span, clocks);
        if (deadline <= clocks.now) {
            look.unhealthy.push_back(alloc.id());
            judge_unhealthy(alloc, state->second, wall, look);
        } else {
            look.next = std::min(look.next, deadline);
        }
    }
    return look;
}

/// When the group must have made progress. Each allocation that becomes healthy gives it the whole
/// time again.
Instant progress_by(
    Deadline& known, const model::DeploymentState& state, const Clocks& clocks
) {
    if (known.at != WallTime{} && state.healthy_allocs > known.healthy) {
        known.at = state.require_progress_by;
        known.due = clocks.now + state.progress_deadline;
    }
    known.healthy = state.healthy_allocs;
    return fix(known, state.require_progress_by, state.progress_deadline, clocks);
}

/// Every canary is healthy, or everything is, where canaries are promoted or not asked for.
bool has_what_it_needs(const model::DeploymentState& s) {
    const bool canaries = s.desired_canaries > 0 && !s.promoted;
    return s.healthy_allocs >= (canaries ? s.desired_canaries : s.desired_total);
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

void Deployments::look_again(Instant now) {
    for (auto& [id, watch] : watches_) {
        watch.healthy_seen = -1;
        watch.due = std::min(watch.due, now + kRepeatAfter);
    }
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
        const Clocks clocks{now, wall};
        Look look = look_at(snapshot, *d, watch.ripe, watch.judged, clocks);
        watch.ripe = std::move(look.ripe);
        watch.judged = std::move(look.judged);
        model::Evaluation eval = job_evaluation(*job, "deployment-watcher", wall, rng);
        eval.deployment_id = d->id;
        eval.priority = d->eval_priority > 0 ? d->eval_priority : job->priority;

        bool overdue = false;
        bool overdue_with_revert = false;
        std::int64_t healthy = static_cast<std::int64_t>(look.healthy.size());
        bool promotable = false;
        bool waits_for_operator = false;
        Instant next = look.next;
        for (const auto& [name, state] : d->task_groups) {
            healthy += state.healthy_allocs;
            if (!has_what_it_needs(state) && state.progress_deadline.ns > 0 &&
                !state.require_progress_by.is_zero()) {
                const Instant by = progress_by(watch.progress[name], state, clocks);
                if (by <= now) {
                    overdue = true;
                    overdue_with_revert |= state.auto_revert;
                } else {
                    next = std::min(next, by);
                }
            }
            if (state.desired_canaries > 0 && !state.promoted) {
                promotable |= state.auto_promote;
                waits_for_operator |=
                    !state.auto_promote || state.healthy_allocs < state.desired_canaries;
            }
        }
        watch.due = next;
        if (look.fails || overdue) {
            // Asked again only if the command is lost on its way.
            watch.due = now + kRepeatAfter;
            Rollback rollback = plan_rollback(
                snapshot,
                *d,
                look.fails ? "Failed due to unhealthy allocations"
                           : "Failed due to progress deadline",
                look.fails ? look.fails_with_revert : overdue_with_revert
            );
            state::commands::DeploymentAllocHealth command;
            command.deployment_id = d->id;
            command.healthy = look.healthy;
            command.unhealthy = look.unhealthy;
            if (rollback.job != nullptr) {
                command.rollback = state::commands::JobRegister{
                    .job = std::move(rollback.job), .keep_versions = options_.keep_versions
                };
            }
            command.update = model::DeploymentStatusUpdate{
                d->id, DeploymentStatus::Failed, std::move(rollback.description)
            };
            command.eval = std::move(eval);
            commands.push_back(state::make_command(command, wall, rng.next()));
            continue;
        }
        if (!look.healthy.empty() || !look.unhealthy.empty()) {
            watch.due = std::min(watch.due, now + kRepeatAfter);
            watch.healthy_seen = healthy;
            state::commands::DeploymentAllocHealth command;
            command.deployment_id = d->id;
            command.healthy = look.healthy;
            command.unhealthy = look.unhealthy;
            command.eval = std::move(eval);
            commands.push_back(state::make_command(command, wall, rng.next()));
            continue;
        }
        if (!look.may_retry.empty()) {
            state::commands::AllocDesiredTransition command;
            for (const Uuid& alloc : look.may_retry) {
                model::DesiredTransition transition;
                transition.reschedule = true;
                command.items.push_back({alloc, transition});
            }
            command.evals.push_back(std::move(eval));
            commands.push_back(state::make_command(command, wall, rng.next()));
            watch.due = std::min(watch.due, now + kRepeatAfter);
            continue;
        }
        if (promotable && !waits_for_operator) {
            watch.due = std::min(watch.due, now + kRepeatAfter);
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
