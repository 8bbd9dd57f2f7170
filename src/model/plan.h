#pragma once
// What a scheduler pass decided, and what of it the servers committed. Made by sched, checked by
// server/plan_applier, stored by state/commands/plan_results. A plan never carries allocations: a
// placement names its node, its group and its name index; the id follows from the plan's seed, the
// resources from the job's group unless ports, cores or devices were assigned. So a plan of
// thousands stays small in memory and in the log. Plain values, no behaviour but the id rule.

#include "base/codec.h"
#include "model/alloc_metric.h"
#include "model/allocation.h"
#include "model/deployment.h"
#include "model/enums.h"
#include "model/evaluation.h"
#include "model/job.h"
#include "model/plan_annotations.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nl::model {

/// One group of one job version, in one pass: what all its placements share.
struct PlanGroup {
    std::string task_group{};
    /// The job version placed; differs from the plan's job when an unpromoted deployment makes the
    /// scheduler replace an allocation of the older version.
    std::uint64_t job_version{};
    /// Why these nodes: shared by the group's placements (scores of single placements stand there).
    Box<AllocMetric> metrics{};

    NL_FIELDS(PlanGroup, (1, task_group), (2, job_version), (3, metrics))
};

struct Placement {
    /// The allocation's id is Uuid::derived(plan.id_seed, number); unique within the plan.
    std::uint32_t number{};
    /// Position in Plan::groups.
    std::uint32_t group{};
    Uuid node_id{};
    /// The N of "job.group[N]".
    std::uint32_t name_index{};
    /// The final (normalized) score of the node.
    double score{};
    bool canary{};
    /// Whole, and only if it says more than the group's resources: ports, cores, devices.
    Box<AllocatedResources> resources{};
    /// The allocation this one replaces; its next_allocation is set when the plan is applied.
    Uuid previous_allocation{};
    Box<RescheduleTracker> reschedule_tracker{};
    /// Allocations evicted for this one; each is also in Plan::preemptions.
    std::vector<Uuid> preempted_allocations{};

    NL_FIELDS(
        Placement,
        (1, number),
        (2, group),
        (3, node_id),
        (4, name_index),
        (5, score),
        (6, canary),
        (7, resources),
        (8, previous_allocation),
        (9, reschedule_tracker),
        (10, preempted_allocations)
    )
};

/// An allocation that goes on with another version of its job, without a restart.
struct InPlaceUpdate {
    Uuid alloc_id{};
    /// Position in Plan::groups: names the new job version.
    std::uint32_t group{};
    /// Absent: the group's resources with the ports, cores and devices the allocation has.
    Box<AllocatedResources> resources{};
    /// Takes part in the plan's (or the running) deployment from now on.
    bool join_deployment{};

    NL_FIELDS(InPlaceUpdate, (1, alloc_id), (2, group), (3, resources), (4, join_deployment))
};

/// An allocation that shall stop, or whose client status the servers decide (lost, unknown).
struct PlannedStop {
    Uuid alloc_id{};
    /// One of the texts of Nomad's DesiredDescription, e.g. "alloc is being migrated".
    std::string description{};
    /// Set when the node can no longer speak for itself: Lost or Unknown.
    std::optional<AllocClientStatus> client_status{};
    std::string client_description{};
    Uuid followup_eval_id{};
    /// False: desired status stays `run` (a disconnected allocation becomes unknown, a failed one
    /// waits for its delayed rescheduling).
    bool stop{};
    /// Set on an allocation that is replaced by rescheduling ("ok" or "no placement").
    std::string last_reschedule{};

    NL_FIELDS(
        PlannedStop,
        (1, alloc_id),
        (2, description),
        (3, client_status),
        (4, client_description),
        (5, followup_eval_id),
        (6, stop),
        (7, last_reschedule)
    )
};

struct PlannedPreemption {
    Uuid alloc_id{};
    Uuid by_alloc_id{};

    NL_FIELDS(PlannedPreemption, (1, alloc_id), (2, by_alloc_id))
};

struct DeploymentStatusUpdate {
    Uuid deployment_id{};
    DeploymentStatus status{};
    std::string status_description{};

    NL_FIELDS(DeploymentStatusUpdate, (1, deployment_id), (2, status), (3, status_description))
};

struct Plan {
    Uuid eval_id{};
    std::int64_t priority{};
    bool all_at_once{};
    std::shared_ptr<const Job> job{};
    /// The state the decision was made from.
    Index snapshot_index{};
    /// Allocation ids derive from it; drawn by the scheduler from its seeded Rng.
    Uuid id_seed{};
    std::vector<PlanGroup> groups{};
    std::vector<Placement> placements{};
    std::vector<InPlaceUpdate> updates{};
    std::vector<PlannedStop> stops{};
    std::vector<PlannedPreemption> preemptions{};
    /// A deployment to create, or the running one with changed counts.
    Box<Deployment> deployment{};
    /// The deployment new placements belong to; nil for none.
    Uuid deployment_id{};
    std::vector<DeploymentStatusUpdate> deployment_updates{};
    Box<PlanAnnotations> annotations{};

    /// The evaluation as it shall stand after this plan: status, failed_tg_allocs,
    /// queued_allocations, class_eligibility, blocked_eval, next_eval.
    Box<Evaluation> eval{};
    /// Evaluations to create with it: blocked, delayed rescheduling, rolling update.
    std::vector<Evaluation> follow_ups{};

    NL_FIELDS(
        Plan,
        (1, eval_id),
        (2, priority),
        (3, all_at_once),
        (4, job),
        (5, snapshot_index),
        (6, id_seed),
        (7, groups),
        (8, placements),
        (9, updates),
        (10, stops),
        (11, preemptions),
        (12, deployment),
        (13, deployment_id),
        (14, deployment_updates),
        (15, annotations),
        (16, eval),
        (17, follow_ups)
    )

    /// The id the placement's allocation will have.
    Uuid alloc_id(const Placement& placement) const {
        return Uuid::derived(id_seed, placement.number);
    }
    /// True if applying it would change nothing but the evaluation.
    bool is_no_op() const {
        return placements.empty() && updates.empty() && stops.empty() && preemptions.empty() &&
               !deployment && deployment_updates.empty();
    }
};

/// What the plan applier committed of a plan.
struct PlanResult {
    /// The index the plan was applied at; 0 if nothing was.
    Index alloc_index{};
    /// Not 0: some placements were refused; schedule again on a state at least this new.
    Index refresh_index{};
    /// `number` of each refused placement.
    std::vector<std::uint32_t> rejected_placements{};
    std::vector<Uuid> rejected_nodes{};
    Uuid deployment_id{};

    NL_FIELDS(
        PlanResult,
        (1, alloc_index),
        (2, refresh_index),
        (3, rejected_placements),
        (4, rejected_nodes),
        (5, deployment_id)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::PlanGroup>();
extern template const StructType& struct_type<model::Placement>();
extern template const StructType& struct_type<model::InPlaceUpdate>();
extern template const StructType& struct_type<model::PlannedStop>();
extern template const StructType& struct_type<model::PlannedPreemption>();
extern template const StructType& struct_type<model::DeploymentStatusUpdate>();
extern template const StructType& struct_type<model::Plan>();
extern template const StructType& struct_type<model::PlanResult>();
}  // namespace nl::codec
