#include "server/plan_applier.h"

#include "base/check.h"
#include "sched/assign.h"
#include "sched/update_kind.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace nl::server {
namespace {

/// Evaluations for jobs that lose allocations get ids of their own, apart from the placements'.
constexpr std::uint64_t kFirstPreemptionEval = std::uint64_t{1} << 40;

bool takes_new_work(const model::Node& node) {
    return node.status == model::NodeStatus::Ready &&
           node.scheduling_eligibility == model::NodeEligibility::Eligible && !node.drain_strategy;
}

}  // namespace

struct PlanApplier::Sorted {
    Sorted(const state::Snapshot& snapshot, const model::Plan& made) : plan(made) {
        for (const model::PlanGroup& group : plan.groups) {
            asks.push_back(ask_of(snapshot, group));
        }
        by_node.reserve(plan.placements.size());
        for (std::uint32_t i = 0; i < plan.placements.size(); ++i) {
            NL_ASSERT(plan.placements[i].group < plan.groups.size());
            by_node.emplace_back(plan.placements[i].node_id, i);
        }
        std::ranges::sort(by_node);
        const auto goes = [&](const Uuid& id) {
            if (const auto alloc = snapshot.alloc(id); alloc && !alloc->terminal()) {
                stops[alloc->node_id()].push_back(id);
            }
        };
        for (const model::PlannedStop& stop : plan.stops) {
            if (stop.stop) {
                goes(stop.alloc_id);
            }
        }
        for (const model::PlannedPreemption& preemption : plan.preemptions) {
            goes(preemption.alloc_id);
        }
    }

    state::ResourceSum ask_of(const state::Snapshot& snapshot, const model::PlanGroup& group)
        const {
        if (plan.job == nullptr) {
            return {};
        }
        const auto job =
            plan.job->version == group.job_version
                ? plan.job
                : snapshot.job_version(plan.job->namespace_, plan.job->id, group.job_version);
        const model::TaskGroup* found =
            job == nullptr ? nullptr : sched::find_group(*job, group.task_group);
        return found == nullptr ? state::ResourceSum{} : state::sum_of(*found);
    }

    /// Its own resources if they are named, else what its group asks for.
    state::ResourceSum takes(const model::Placement& placement) const {
        return placement.resources ? state::sum_of(*placement.resources) : asks[placement.group];
    }

    const model::Plan& plan;
    std::vector<state::ResourceSum> asks;
    /// Node and position in the plan's placements, in order.
    std::vector<std::pair<Uuid, std::uint32_t>> by_node;
    std::map<Uuid, std::vector<Uuid>> stops;
};

/// One node as it will be when everything that is on its way has come true.
struct PlanApplier::NodeCheck {
    NodeCheck(const state::Snapshot& snapshot, const Uuid& id)
        : state(snapshot), node_id(id), slot(snapshot.node_slot(id)) {
        if (slot == state::kNoSlot) {
            return;
        }
        chunk = &snapshot.columns().chunk_of(slot);
        at = state::Columns::place_of(slot);
        used = {
            .cpu = chunk->cpu_used[at],
            .memory_mb = chunk->memory_used[at],
            .memory_max_mb = 0,
            .disk_mb = chunk->disk_used[at]
        };
        live = chunk->live_allocs[at];
    }

    bool is_open() const { return slot != state::kNoSlot && takes_new_work(*state.node_at(slot)); }

    /// What stops here makes room, once.
    void free(const Uuid& id) {
        const auto alloc = state.alloc(id);
        if (!alloc || alloc->terminal() || alloc->node_id() != node_id ||
            !stopped.insert(id).second) {
            return;
        }
        const state::ResourceSum takes = alloc->takes();
        used.cpu -= takes.cpu;
        used.memory_mb -= takes.memory_mb;
        used.disk_mb -= takes.disk_mb;
        --live;
    }

    void count(const Reservation& reservation) {
        const auto here = reservation.find(node_id);
        if (here == reservation.end()) {
            return;
        }
        for (const Uuid& id : here->second.stopped) {
            free(id);
        }
        used += here->second.takes;
        live += here->second.placed;
        reservations.push_back(&here->second);
    }

    bool has_room(const state::ResourceSum& takes) const {
        return used.cpu + takes.cpu <= chunk->cpu[at] &&
               used.memory_mb + takes.memory_mb <= chunk->memory[at] &&
               used.disk_mb + takes.disk_mb <= chunk->disk[at] &&
               (chunk->max_allocs[at] == 0 || live < chunk->max_allocs[at]);
    }

    /// Ports, cores and devices; gathered only if some placement names any.
    sched::NodeUse& names() {
        if (!known) {
            known.emplace(*state.node_at(slot));
            for (const state::AllocView alloc : state.allocs_of_node(node_id)) {
                if (!alloc.terminal() && alloc.own_resources() != nullptr &&
                    !stopped.contains(alloc.id())) {
                    known->add(*alloc.own_resources());
                }
            }
            for (const OnNode* reserved : reservations) {
                for (const model::AllocatedResources& resources : reserved->named) {
                    known->add(resources);
                }
            }
        }
        return *known;
    }

    const state::Snapshot& state;
    Uuid node_id;
    state::Slot slot;
    const state::NodeChunk* chunk{nullptr};
    std::uint32_t at{0};
    state::ResourceSum used;
    std::int64_t live{0};
    std::set<Uuid> stopped;
    std::vector<const OnNode*> reservations;
    std::optional<sched::NodeUse> known;
};

void PlanApplier::submit(std::uint64_t token, model::Plan plan) {
    queue_.push_back({token, std::move(plan)});
}

std::vector<std::uint32_t> PlanApplier::rejected(
    const state::Snapshot& snapshot, const Sorted& sorted, const Reservation& pending
) const {
    const model::Plan& plan = sorted.plan;
    std::vector<std::uint32_t> out;
    for (std::size_t first = 0; first < sorted.by_node.size();) {
        const Uuid node = sorted.by_node[first].first;
        std::size_t last = first;
        while (last < sorted.by_node.size() && sorted.by_node[last].first == node) {
            ++last;
        }
        NodeCheck check(snapshot, node);
        const bool open = check.is_open();
        if (open) {
            if (const auto stops = sorted.stops.find(node); stops != sorted.stops.end()) {
                for (const Uuid& id : stops->second) {
                    check.free(id);
                }
            }
            for (const InFlight& command : in_flight_) {
                if (!command.applied) {
                    check.count(command.reservation);
                }
            }
            check.count(pending);
        }
        for (; first < last; ++first) {
            const model::Placement& placement = plan.placements[sorted.by_node[first].second];
            const state::ResourceSum takes = sorted.takes(placement);
            const bool fits =
                open && check.has_room(takes) &&
                !(placement.resources && check.names().conflicts(*placement.resources));
            if (!fits) {
                out.push_back(placement.number);
                continue;
            }
            check.used += takes;
            ++check.live;
            if (placement.resources) {
                check.names().add(*placement.resources);
            }
        }
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

bool PlanApplier::others_were_faster(
    const state::Snapshot& snapshot,
    const model::Plan& plan,
    const Reservation& pending,
    const Uuid& node
) const {
    const auto holds = [&](const Reservation& reservation) { return reservation.contains(node); };
    const model::Node* known = snapshot.node(node);
    if (holds(pending) || known == nullptr || known->modify_index > plan.snapshot_index ||
        std::ranges::any_of(in_flight_, [&](const InFlight& command) {
            return !command.applied && holds(command.reservation);
        })) {
        return true;
    }
    for (const state::AllocView alloc : snapshot.allocs_of_node(node)) {
        if (alloc.modify_index() > plan.snapshot_index) {
            return true;
        }
    }
    return false;
}

void PlanApplier::reserve(
    const state::Snapshot& snapshot,
    const Sorted& sorted,
    const state::commands::AcceptedPlan& accepted,
    Reservation& reservation
) const {
    for (const state::commands::AcceptedPlacement& placement : accepted.placements) {
        OnNode& here = reservation[accepted.nodes[placement.node]];
        here.takes += placement.resources ? state::sum_of(*placement.resources)
                                          : sorted.asks[placement.group];
        ++here.placed;
        if (placement.resources) {
            here.named.push_back(*placement.resources);
        }
    }
    const auto goes = [&](const Uuid& id) {
        if (const auto alloc = snapshot.alloc(id)) {
            reservation[alloc->node_id()].stopped.push_back(id);
        }
    };
    for (const model::PlannedStop& stop : accepted.stops) {
        if (stop.stop) {
            goes(stop.alloc_id);
        }
    }
    for (const model::PlannedPreemption& preemption : accepted.preemptions) {
        goes(preemption.alloc_id);
    }
}

namespace {

/// Jobs that lose allocations to the plan look for new places at once, each once.
void add_preemption_evals(
    const state::Snapshot& snapshot,
    const model::Plan& plan,
    state::commands::AcceptedPlan& accepted,
    WallTime now
) {
    std::set<std::pair<std::string, std::string>> seen;
    for (const model::PlannedPreemption& preemption : accepted.preemptions) {
        const auto alloc = snapshot.alloc(preemption.alloc_id);
        if (!alloc || !seen.emplace(alloc->namespace_(), alloc->job_id()).second) {
            continue;
        }
        const model::Job& job = alloc->job();
        model::Evaluation eval;
        eval.id = Uuid::derived(plan.id_seed, kFirstPreemptionEval + seen.size());
        eval.namespace_ = job.namespace_;
        eval.priority = job.priority;
        eval.type = job.type;
        eval.triggered_by = "preemption";
        eval.job_id = job.id;
        eval.status = model::EvalStatus::Pending;
        eval.create_time = now.unix_ns;
        eval.modify_time = now.unix_ns;
        accepted.evals.push_back(std::move(eval));
    }
}

}  // namespace

std::optional<state::commands::PlanResults> PlanApplier::take_command(
    const state::Snapshot& snapshot, Ticket ticket, WallTime now
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
        const Sorted sorted(snapshot, plan);
        const std::vector<std::uint32_t> refused = rejected(snapshot, sorted, flight.reservation);
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
        if (!refused.empty()) {
            std::set<Uuid> nodes;
            for (const model::Placement& placement : plan.placements) {
                if (is_refused(placement)) {
                    keep.insert(placement.previous_allocation);
                    nodes.insert(placement.node_id);
                }
            }
            outcome.result.rejected_nodes.assign(nodes.begin(), nodes.end());
            for (const Uuid& node : nodes) {
                if (!others_were_faster(snapshot, plan, flight.reservation, node)) {
                    rejections_.rejected(node, now);
                }
            }
        }
        state::commands::AcceptedPlan accepted =
            state::commands::accept(plan, is_refused, outcome.complete);
        std::erase_if(accepted.stops, [&](const model::PlannedStop& stop) {
            return stop.stop && !stop.client_status && keep.contains(stop.alloc_id);
        });
        placements += accepted.placements.size();
        reserve(snapshot, sorted, accepted, flight.reservation);
        add_preemption_evals(snapshot, plan, accepted, now);
        if (!accepted.placements.empty()) {
            flight.marks.insert(Uuid::derived(plan.id_seed, accepted.placements.front().number));
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
            flight.refused.push_back(std::move(outcome));
            continue;
        }
        outcome.progress = !accepted.placements.empty() || !accepted.stops.empty();
        command.plans.push_back(std::move(accepted));
        flight.outcomes.push_back(std::move(outcome));
    }
    if (command.plans.empty()) {
        auto& waits = in_flight_.empty() ? outcomes_ : in_flight_.back().refused;
        std::ranges::move(flight.refused, std::back_inserter(waits));
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
                   effects.evals, [&](const auto& eval) { return flight.marks.contains(eval->id); }
               ) ||
               std::ranges::any_of(effects.allocs, [&](const auto& change) {
                   return change.created && flight.marks.contains(change.id);
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
    for (PlanOutcome& outcome : at->refused) {
        if (result) {
            outcome.result.refresh_index = *result;
        }
        outcomes_.push_back(std::move(outcome));
    }
    in_flight_.erase(at);
}

}  // namespace nl::server
