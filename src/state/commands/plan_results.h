#pragma once
// What of the schedulers' plans was accepted: the largest stream of the log, so it is compact. A
// placement is a node number, a name index and a score, some 20 bytes; the job is named, not
// repeated; metrics stand once for each group; ids follow from the plan's seed. Several plans may
// share a command. Made by server/plan_applier with `accept`, carried out here.

#include "model/plan.h"
#include "state/command.h"

#include <functional>
#include <string>
#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

struct AcceptedPlacement {
    std::uint32_t number{};
    std::uint32_t group{};
    /// Position in AcceptedPlan::nodes.
    std::uint32_t node{};
    std::uint32_t name_index{};
    /// The node's score in millionths, so that it takes few bytes.
    std::int64_t score{};
    bool canary{};
    Box<model::AllocatedResources> resources{};
    Uuid previous_allocation{};
    Box<model::RescheduleTracker> reschedule_tracker{};
    std::vector<Uuid> preempted_allocations{};

    NL_FIELDS(
        AcceptedPlacement,
        (1, number),
        (2, group),
        (3, node),
        (4, name_index),
        (5, score),
        (6, canary),
        (7, resources),
        (8, previous_allocation),
        (9, reschedule_tracker),
        (10, preempted_allocations)
    )
};

struct AcceptedPlan {
    Uuid eval_id{};
    std::string namespace_{};
    std::string job_id{};
    Uuid id_seed{};
    std::vector<model::PlanGroup> groups{};
    std::vector<Uuid> nodes{};
    std::vector<AcceptedPlacement> placements{};
    std::vector<model::InPlaceUpdate> updates{};
    std::vector<model::PlannedStop> stops{};
    std::vector<model::PlannedPreemption> preemptions{};
    Box<model::Deployment> deployment{};
    Uuid deployment_id{};
    std::vector<model::DeploymentStatusUpdate> deployment_updates{};
    /// The evaluation as it stands afterwards, and new ones.
    std::vector<model::Evaluation> evals{};

    NL_FIELDS(
        AcceptedPlan,
        (1, eval_id),
        (2, namespace_),
        (3, job_id),
        (4, id_seed),
        (5, groups),
        (6, nodes),
        (7, placements),
        (8, updates),
        (9, stops),
        (10, preemptions),
        (11, deployment),
        (12, deployment_id),
        (13, deployment_updates),
        (14, evals)
    )
};

/// Placements whose job version or node has gone meanwhile are passed over, and so is everything
/// that names an unknown allocation.
struct PlanResults {
    static constexpr CommandType kType = CommandType::PlanResults;
    std::vector<AcceptedPlan> plans{};
    NL_FIELDS(PlanResults, (1, plans))
};

/// The compact form of a plan without the placements `refused` names. With `with_evals` the plan's
/// own evaluation and its follow-ups are stored with it.
AcceptedPlan accept(
    const model::Plan& plan,
    const std::function<bool(const model::Placement&)>& refused,
    bool with_evals
);

Result<void> apply(Applying& a, const PlanResults& command);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::AcceptedPlacement>();
extern template const StructType& struct_type<state::commands::AcceptedPlan>();
extern template const StructType& struct_type<state::commands::PlanResults>();
}  // namespace nl::codec
