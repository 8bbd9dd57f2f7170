#include "server/drainer.h"

#include "server/node_evals.h"
#include "state/commands/alloc.h"
#include "state/commands/node.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace nl::server {
namespace {

using GroupKey = std::tuple<std::string, std::string, std::string>;

bool is_system(const model::Job& job) {
    return job.type == "system" || job.type == "sysbatch";
}

bool asked_to_migrate(const state::AllocView& alloc) {
    return alloc.details().desired_transition.migrate.value_or(false);
}

/// Asked to go even if there is nowhere to go to.
bool asked_to_go(const state::AllocView& alloc) {
    const model::DesiredTransition& wish = alloc.details().desired_transition;
    return wish.migrate.value_or(false) && wish.force_reschedule.value_or(false);
}

/// Found healthy by its deployment, or running for as long as the migrate block asks for.
bool runs_well(const state::AllocView& alloc, const model::TaskGroup& group, WallTime wall) {
    if (alloc.client_status() != model::AllocClientStatus::Running) {
        return false;
    }
    if (alloc.healthy().has_value()) {
        return *alloc.healthy();
    }
    const Duration ripe = group.migrate ? group.migrate->min_healthy_time : Duration{};
    if (ripe.ns <= 0) {
        return true;
    }
    WallTime since;
    for (const auto& [name, task] : alloc.task_states()) {
        if (task.state == "running") {
            since = std::max(since, task.started_at);
        }
    }
    return since + ripe <= wall;
}

/// How many more of the group may be moved now: those that run well beyond count less max_parallel.
std::int64_t movable(
    const state::Snapshot& snapshot, const state::AllocView& sample, WallTime wall
) {
    const model::TaskGroup& group = sample.group();
    const std::int64_t parallel = group.migrate ? group.migrate->max_parallel : 1;
    std::int64_t well = 0;
    for (const state::AllocView alloc :
         snapshot.allocs_of_job(sample.namespace_(), sample.job_id())) {
        if (alloc.task_group() == group.name && !alloc.terminal() && !asked_to_migrate(alloc) &&
            runs_well(alloc, group, wall)) {
            ++well;
        }
    }
    return std::max<std::int64_t>(well - (group.count - std::max<std::int64_t>(parallel, 1)), 0);
}

}  // namespace

void Drainer::rebuild(const state::Snapshot& snapshot, Instant now) {
    for (const model::Node& node : snapshot.nodes()) {
        changed(node.id, snapshot, now);
    }
}

void Drainer::changed(const Uuid& node, const state::Snapshot& snapshot, Instant now) {
    const model::Node* known = snapshot.node(node);
    if (known == nullptr || !known->drain_strategy) {
        nodes_.erase(node);
        return;
    }
    nodes_.insert(node);
    due_ = now;
}

void Drainer::nudge(Instant now) {
    if (!nodes_.empty()) {
        due_ = std::min(due_, now);
    }
}

std::vector<state::Command> Drainer::tick(
    const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
) {
    std::vector<state::Command> commands;
    if (nodes_.empty() || now < due_) {
        return commands;
    }
    due_ = now + options_.interval;
    state::commands::AllocDesiredTransition moves;
    std::map<GroupKey, std::int64_t> budget;
    std::set<std::pair<std::string, std::string>> woken;
    const auto move = [&](const state::AllocView& alloc, bool forced) {
        if (moves.items.size() >= options_.max_per_command ||
            (forced ? asked_to_go(alloc) : asked_to_migrate(alloc)) || alloc.server_terminal()) {
            return;
        }
        model::DesiredTransition transition;
        transition.migrate = true;
        if (forced) {
            transition.force_reschedule = true;
        }
        moves.items.push_back({alloc.id(), transition});
        if (woken.emplace(alloc.namespace_(), alloc.job_id()).second) {
            const auto job = snapshot.job(alloc.namespace_(), alloc.job_id());
            moves.evals.push_back(
                job_evaluation(job == nullptr ? alloc.job() : *job, "node-drain", wall, rng)
            );
        }
    };
    for (const Uuid& id : nodes_) {
        const model::Node* node = snapshot.node(id);
        if (node == nullptr || !node->drain_strategy) {
            continue;
        }
        const model::DrainStrategy& strategy = *node->drain_strategy;
        const bool forced = strategy.deadline.ns < 0 ||
                            (!strategy.force_deadline.is_zero() && strategy.force_deadline <= wall);
        std::vector<state::AllocView> system;
        bool others = false;
        for (const state::AllocView alloc : snapshot.allocs_of_node(id)) {
            if (alloc.client_terminal()) {
                continue;
            }
            if (is_system(alloc.job())) {
                system.push_back(alloc);
                continue;
            }
            others = true;
            if (forced) {
                move(alloc, true);
            } else if (alloc.job().type == "service") {
                const GroupKey key{alloc.namespace_(), alloc.job_id(), alloc.task_group()};
                auto room = budget.find(key);
                if (room == budget.end()) {
                    room = budget.emplace(key, movable(snapshot, alloc, wall)).first;
                }
                if (!asked_to_migrate(alloc) && !alloc.server_terminal() && room->second > 0) {
                    --room->second;
                    move(alloc, false);
                }
            }
            // Batch work may finish by itself until the deadline.
        }
        if (strategy.ignore_system_jobs) {
            system.clear();
        }
        if (!others || forced) {
            for (const state::AllocView& alloc : system) {
                move(alloc, forced);
            }
        }
        if (!others && system.empty()) {
            state::commands::NodeDrain done;
            done.node_id = id;
            done.complete = true;
            done.event = model::NodeEvent{
                .message = "Node drain complete", .subsystem = "Drain", .timestamp = wall
            };
            commands.push_back(state::make_command(done, wall, rng.next()));
        }
    }
    if (!moves.items.empty()) {
        commands.push_back(state::make_command(moves, wall, rng.next()));
    }
    return commands;
}

}  // namespace nl::server
