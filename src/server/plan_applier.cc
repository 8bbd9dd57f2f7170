#include "server/plan_applier.h"

#include "base/check.h"
#include "sched/assign.h"
#include "sched/update_kind.h"

#include <algorithm>
#include <utility>

namespace nl::server {
namespace {

/// What one placement takes: its own resources if they are named, else what its group asks for.
state::ResourceSum takes_of(
    const state::Snapshot& snapshot, const model::Plan& plan, const model::Placement& placement
) {
    if (placement.resources) {
        return state::sum_of(*placement.resources);
    }
    const model::PlanGroup& group = plan.groups[placement.group];
    const auto job =
        plan.job != nullptr && plan.job->version == group.job_version
            ? plan.job
            : snapshot.job_version(plan.job->namespace_, plan.job->id, group.job_version);
    const model::TaskGroup* found =
        job == nullptr ? nullptr : sched::find_group(*job, group.task_group);
    return found == nullptr ? state::ResourceSum{} : state::sum_of(*found);
}

bool takes_new_work(const model::Node& node) {
    return node.status == model::NodeStatus::Ready &&
           node.scheduling_eligibility == model::NodeEligibility::Eligible && !node.drain_strategy;
}

}  // namespace

void PlanApplier::submit(std::uint64_t token, model::Plan plan) {
    queue_.push_back({token, std::move(plan)});
}

bool PlanApplier::fits(
    const state::Snapshot& snapshot,
    const model::Plan& plan,
    const Reservation& pending,
    const Uuid& node_id,
    const std::vector<const model::Placement*>& placements,
    std::vector<std::uint32_t>& rejected
) const {
    const auto reject_from = [&](std::size_t first) {
        for (std::size_t i = first; i < placements.size(); ++i) {
            rejected.push_back(placements[i]->number);
        }
        return false;
    };
    const state::Slot slot = snapshot.node_slot(node_id);
    if (slot == state::kNoSlot || !takes_new_work(*snapshot.node_at(slot))) {
        return reject_from(0);
    }
    const model::Node& node = *snapshot.node_at(slot);
    const state::NodeChunk& chunk = snapshot.columns().chunk_of(slot);
    const std::uint32_t at = state::Columns::place_of(slot);
    state::ResourceSum used{
        .cpu = chunk.cpu_used[at],
        .memory_mb = chunk.memory_used[at],
        .memory_max_mb = 0,
        .disk_mb = chunk.disk_used[at]
    };
    std::int64_t live = chunk.live_allocs[at];

    // What this plan and those on their way stop here makes room, once.
    std::set<Uuid> stopped;
    const auto free = [&](const Uuid& id) {
        const auto alloc = snapshot.alloc(id);
        if (!alloc || alloc->terminal() || alloc->node_id() != node_id ||
            !stopped.insert(id).second) {
            return;
        }
        const state::ResourceSum takes = alloc->takes();
        used.cpu -= takes.cpu;
        used.memory_mb -= takes.memory_mb;
        used.disk_mb -= takes.disk_mb;
        --live;
    };
    for (const model::PlannedStop& stop : plan.stops) {
        if (stop.stop) {
            free(stop.alloc_id);
        }
    }
    for (const model::PlannedPreemption& preemption : plan.preemptions) {
        free(preemption.alloc_id);
    }
    const auto count_reservation = [&](const Reservation& reservation) {
        for (const Uuid& id : reservation.stopped) {
            free(id);
        }
        for (const auto& taken : reservation.taken) {
            if (taken.node == node_id) {
                used += taken.takes;
                ++live;
            }
        }
    };
    for (const InFlight& command : in_flight_) {
        if (!command.applied) {
            count_reservation(command.reservation);
        }
    }
    count_reservation(pending);

    std::optional<sched::NodeUse> names;
    const auto known_names = [&]() -> sched::NodeUse& {
        if (names) {
            return *names;
        }
        names.emplace(node);
        for (const state::AllocView alloc : snapshot.allocs_of_node(node_id)) {
            if (!alloc.terminal() && !stopped.contains(alloc.id()) &&
                alloc.own_resources() != nullptr) {
                names->add(*alloc.own_resources());
            }
        }
        const auto add = [&](const Reservation& reservation) {
            for (const auto& taken : reservation.taken) {
                if (taken.node == node_id && taken.resources) {
                    names->add(*taken.resources);
                }
            }
        };
        for (const InFlight& command : in_flight_) {
            if (!command.applied) {
                add(command.reservation);
            }
        }
        add(pending);
        return *names;
    };

    bool all = true;
    for (const model::Placement* placement : placements) {
        const state::ResourceSum takes = takes_of(snapshot, plan, *placement);
        const bool room = used.cpu + takes.cpu <= chunk.cpu[at] &&
                          used.memory_mb + takes.memory_mb <= chunk.memory[at] &&
                          used.disk_mb + takes.disk_mb <= chunk.disk[at] &&
                          (chunk.max_allocs[at] == 0 || live < chunk.max_allocs[at]);
        const bool clash = placement->resources && known_names().conflicts(*placement->resources);
        if (!room || clash) {
            rejected.push_back(placement->number);
            all = false;
            continue;
        }
        used += takes;
        ++live;
        if (placement->resources) {
            known_names().add(*placement->resources);
        }
    }
    return all;
}

std::vector<std::uint32_t> PlanApplier::rejected(
    const state::Snapshot& snapshot, const model::Plan& plan, const Reservation& pending
) const {
    std::map<Uuid, std::vector<const model::Placement*>> by_node;
    for (const model::Placement& placement : plan.placements) {
        NL_ASSERT(placement.group < plan.groups.size());
        by_node[placement.node_id].push_back(&placement);
    }
    std::vector<std::uint32_t> out;
    for (const auto& [node, placements] : by_node) {
        fits(snapshot, plan, pending, node, placements, out);
    }
    if (!out.empty() && plan.all_at_once) {
        out.clear();
        for (const model::Placement& placement : plan.placements) {
            out.push_back(placement.number);
        }
    }
    std::ranges::sort(out);
    return out;
}

std::optional<state::commands::PlanResults> PlanApplier::take_command(
    const state::Snapshot& snapshot, Ticket ticket
) {
    if (queue_.empty() || in_flight_.size() >= options_.max_in_flight) {
        return std::nullopt;
    }
    state::commands::PlanResults command;
    InFlight flight;
    flight.ticket = ticket;
    std::size_t placements = 0;
    while (!queue_.empty() && command.plans.size() < options_.max_plans &&
           (command.plans.empty() ||
            placements + queue_.front().plan.placements.size() <= options_.max_placements)) {
        const Queued item = std::move(queue_.front());
        queue_.pop_front();
        const model::Plan& plan = item.plan;
        const std::vector<std::uint32_t> refused = rejected(snapshot, plan, flight.reservation);
        const auto is_refused = [&](const model::Placement& placement) {
            return std::ranges::binary_search(refused, placement.number);
        };
        PlanOutcome outcome;
        outcome.token = item.token;
        outcome.complete = refused.empty();
        outcome.result.rejected_placements = refused;
        outcome.result.deployment_id = plan.deployment_id;
        // A replaced allocation runs on if its replacement was refused.
        std::set<Uuid> keep;
        for (const model::Placement& placement : plan.placements) {
            if (is_refused(placement)) {
                keep.insert(placement.previous_allocation);
                const auto& nodes = outcome.result.rejected_nodes;
                if (std::ranges::find(nodes, placement.node_id) == nodes.end()) {
                    outcome.result.rejected_nodes.push_back(placement.node_id);
                }
                continue;
            }
            ++placements;
            flight.marks.insert(plan.alloc_id(placement));
            flight.reservation.taken.push_back(
                {placement.node_id, takes_of(snapshot, plan, placement), placement.resources}
            );
        }
        state::commands::AcceptedPlan accepted =
            state::commands::accept(plan, is_refused, outcome.complete);
        std::erase_if(accepted.stops, [&](const model::PlannedStop& stop) {
            return stop.stop && !stop.client_status && keep.contains(stop.alloc_id);
        });
        for (const model::PlannedStop& stop : accepted.stops) {
            if (stop.stop) {
                flight.reservation.stopped.insert(stop.alloc_id);
            }
        }
        for (const model::Evaluation& eval : accepted.evals) {
            flight.marks.insert(eval.id);
        }
        placements_rejected_ += refused.size();
        plans_accepted_ += outcome.complete ? 1 : 0;
        const bool nothing = accepted.placements.empty() && accepted.stops.empty() &&
                             accepted.updates.empty() && accepted.evals.empty() &&
                             !accepted.deployment && accepted.deployment_updates.empty();
        if (nothing) {
            // Refused whole: there is nothing to commit, only to try again.
            outcome.result.refresh_index = snapshot.index();
            outcomes_.push_back(std::move(outcome));
            continue;
        }
        command.plans.push_back(std::move(accepted));
        flight.outcomes.push_back(std::move(outcome));
    }
    if (command.plans.empty()) {
        return std::nullopt;
    }
    in_flight_.push_back(std::move(flight));
    return command;
}

void PlanApplier::applied(const state::Effects& effects) {
    if (effects.command != state::CommandType::PlanResults) {
        return;
    }
    const auto is_marked = [&](const InFlight& flight) {
        return std::ranges::any_of(
                   effects.allocs,
                   [&](const auto& change) {
                       return change.created && flight.marks.contains(change.id);
                   }
               ) ||
               std::ranges::any_of(effects.evals, [&](const auto& eval) {
                   return flight.marks.contains(eval->id);
               });
    };
    for (InFlight& flight : in_flight_) {
        if (!flight.applied && is_marked(flight)) {
            flight.applied = true;
            return;
        }
    }
}

void PlanApplier::finished(Ticket ticket, const Result<Index>& result) {
    const auto at = std::ranges::find(in_flight_, ticket, &InFlight::ticket);
    if (at == in_flight_.end()) {
        return;
    }
    for (PlanOutcome& outcome : at->outcomes) {
        if (result) {
            outcome.result.alloc_index = *result;
            outcome.result.refresh_index = outcome.complete ? Index{} : *result;
        } else {
            outcome.failed = true;
            outcome.complete = false;
        }
        outcomes_.push_back(std::move(outcome));
    }
    in_flight_.erase(at);
}

}  // namespace nl::server
