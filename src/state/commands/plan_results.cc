#include "state/commands/plan_results.h"

#include "state/applying.h"

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace nl::state::commands {
namespace {

constexpr double kScoreScale = 1e6;

/// A row's out-of-line part, changed.
class Edit {
public:
    explicit Edit(const AllocRow& old) : row(old), details(AllocView(old).details()) {}

    void store(Applying& a) {
        row.details = details == AllocDetails{}
                          ? nullptr
                          : std::make_shared<const AllocDetails>(std::move(details));
        a.put_alloc(std::move(row), true);
    }

    AllocRow row;
    AllocDetails details;
};

/// Ports, cores and devices of an allocation that goes on with another version of its group.
model::AllocatedResources carry_over(
    const model::AllocatedResources& own, const model::TaskGroup& group
) {
    model::AllocatedResources fresh = group_resources(group);
    for (auto& [name, task] : fresh.tasks) {
        const auto old = own.tasks.find(name);
        if (old == own.tasks.end()) {
            continue;
        }
        task.networks = old->second.networks;
        task.devices = old->second.devices;
        if (old->second.cpu && !old->second.cpu->reserved_cores.empty()) {
            task.cpu = old->second.cpu;
        }
    }
    if (own.shared) {
        fresh.shared.ensure().networks = own.shared->networks;
        fresh.shared->ports = own.shared->ports;
    }
    return fresh;
}

class PlanApplication {
public:
    PlanApplication(Applying& a, const AcceptedPlan& plan) : a_(a), plan_(plan) {}

    void run() {
        for (const model::DeploymentStatusUpdate& update : plan_.deployment_updates) {
            if (model::Deployment* deployment = a_.deployment(update.deployment_id)) {
                deployment->status = update.status;
                deployment->status_description = update.status_description;
                if (update.status == model::DeploymentStatus::Successful) {
                    a_.mark_stable(*deployment);
                }
            }
        }
        if (plan_.deployment) {
            put_deployment(*plan_.deployment);
        }
        if (plan_.deployment) {
            deployed_version_ = plan_.deployment->job_version;
        } else if (const auto* known = a_.tables().deployments.find<DeploymentById>({plan_.deployment_id})) {
            deployed_version_ = known->job_version;
        }
        for (const model::PlanGroup& group : plan_.groups) {
            shares_.push_back(
                a_.share(plan_.namespace_, plan_.job_id, group.job_version, group.task_group)
            );
            metrics_.push_back(
                group.metrics ? std::make_shared<const model::AllocMetric>(*group.metrics) : nullptr
            );
        }
        for (const Uuid& node : plan_.nodes) {
            tags_.push_back(a_.node_tag(node));
        }
        for (const model::PlannedStop& stop : plan_.stops) {
            apply_stop(stop);
        }
        for (const model::PlannedPreemption& preemption : plan_.preemptions) {
            apply_preemption(preemption);
        }
        for (const model::InPlaceUpdate& update : plan_.updates) {
            apply_update(update);
        }
        for (const AcceptedPlacement& placement : plan_.placements) {
            place(placement);
        }
        for (const model::Evaluation& eval : plan_.evals) {
            a_.put_eval(eval);
        }
    }

private:
    /// Counts are the state's business: a known deployment keeps its own.
    void put_deployment(model::Deployment deployment) {
        const model::Deployment* known = a_.deployment(deployment.id);
        for (auto& [group, state] : deployment.task_groups) {
            const auto* old = known == nullptr || !known->task_groups.contains(group)
                                  ? nullptr
                                  : &known->task_groups.find(group)->second;
            state.placed_allocs = old != nullptr ? old->placed_allocs : 0;
            state.healthy_allocs = old != nullptr ? old->healthy_allocs : 0;
            state.unhealthy_allocs = old != nullptr ? old->unhealthy_allocs : 0;
            state.placed_canaries = old != nullptr ? old->placed_canaries : std::vector<Uuid>{};
            if (old != nullptr) {
                state.promoted = state.promoted || old->promoted;
                state.require_progress_by = old->require_progress_by;
            } else if (state.progress_deadline.ns != 0) {
                state.require_progress_by = a_.time() + state.progress_deadline;
            }
        }
        if (known != nullptr) {
            deployment.create_index = known->create_index;
            deployment.create_time = known->create_time;
        }
        a_.put_deployment(std::move(deployment));
    }

    void apply_stop(const model::PlannedStop& stop) {
        const AllocRow* old = a_.alloc(stop.alloc_id);
        if (old == nullptr) {
            return;
        }
        Edit edit(*old);
        if (stop.stop) {
            edit.row.desired = model::AllocDesiredStatus::Stop;
        }
        if (!stop.description.empty()) {
            set_desired_description(edit.row, edit.details, stop.description);
        }
        if (stop.client_status.has_value()) {
            if (*stop.client_status != old->client &&
                (*stop.client_status == model::AllocClientStatus::Unknown ||
                 old->client == model::AllocClientStatus::Unknown)) {
                edit.details.alloc_states.push_back(
                    {0, std::string(model::to_string(*stop.client_status)), a_.time()}
                );
            }
            edit.row.client = *stop.client_status;
            if (!stop.client_description.empty()) {
                set_client_description(edit.row, edit.details, stop.client_description);
            }
        }
        if (!stop.followup_eval_id.is_nil()) {
            edit.details.followup_eval_id = stop.followup_eval_id;
        }
        if (!stop.last_reschedule.empty()) {
            edit.details.reschedule_tracker.ensure().last_reschedule = stop.last_reschedule;
        }
        edit.store(a_);
    }

    void apply_preemption(const model::PlannedPreemption& preemption) {
        const AllocRow* old = a_.alloc(preemption.alloc_id);
        if (old == nullptr) {
            return;
        }
        Edit edit(*old);
        edit.row.desired = model::AllocDesiredStatus::Evict;
        set_desired_description(
            edit.row, edit.details, fmt::format("Preempted by alloc ID {}", preemption.by_alloc_id)
        );
        edit.details.preempted_by_allocation = preemption.by_alloc_id;
        edit.store(a_);
    }

    void apply_update(const model::InPlaceUpdate& update) {
        const AllocRow* old = a_.alloc(update.alloc_id);
        if (old == nullptr || update.group >= shares_.size() || shares_[update.group] == nullptr) {
            return;
        }
        Edit edit(*old);
        edit.row.share = shares_[update.group];
        edit.row.eval_id = plan_.eval_id;
        if (update.resources) {
            edit.details.resources = update.resources;
        } else if (edit.details.resources) {
            edit.details.resources =
                carry_over(*old->details->resources, edit.row.share->task_group());
        }
        set_desired_description(edit.row, edit.details, "alloc updating in-place");
        if (update.join_deployment && edit.row.deployment_id != plan_.deployment_id) {
            edit.row.deployment_id = plan_.deployment_id;
            edit.details.deployment_status.reset();
        }
        if (metrics_[update.group] != nullptr) {
            edit.row.metrics = metrics_[update.group];
        }
        edit.store(a_);
    }

    void place(const AcceptedPlacement& placement) {
        if (placement.group >= shares_.size() || placement.node >= tags_.size() ||
            shares_[placement.group] == nullptr || tags_[placement.node] == nullptr) {
            return;
        }
        AllocRow row{};
        row.id = Uuid::derived(plan_.id_seed, placement.number);
        if (a_.alloc(row.id) != nullptr) {
            return;
        }
        row.eval_id = plan_.eval_id;
        // One of the version before, put in the place of another while canaries wait, is no part of
        // the deployment.
        if (shares_[placement.group]->job->version == deployed_version_) {
            row.deployment_id = plan_.deployment_id;
        }
        row.share = shares_[placement.group];
        row.node = tags_[placement.node];
        row.metrics = metrics_[placement.group];
        row.name_index = placement.name_index;
        row.score = static_cast<float>(static_cast<double>(placement.score) / kScoreScale);
        AllocDetails details;
        details.resources = placement.resources;
        details.previous_allocation = placement.previous_allocation;
        details.reschedule_tracker = placement.reschedule_tracker;
        details.preempted_allocations = placement.preempted_allocations;
        if (placement.canary) {
            details.deployment_status.ensure().canary = true;
        }
        if (details != AllocDetails{}) {
            row.details = std::make_shared<const AllocDetails>(std::move(details));
        }
        const Uuid id = row.id;
        a_.put_alloc(std::move(row), true);
        if (!placement.previous_allocation.is_nil()) {
            if (const AllocRow* previous = a_.alloc(placement.previous_allocation)) {
                Edit edit(*previous);
                edit.details.next_allocation = id;
                edit.store(a_);
            }
        }
    }

    Applying& a_;
    const AcceptedPlan& plan_;
    /// The version the plan's deployment is about.
    std::optional<std::uint64_t> deployed_version_;
    std::vector<std::shared_ptr<const GroupShare>> shares_;
    std::vector<std::shared_ptr<const model::AllocMetric>> metrics_;
    std::vector<std::shared_ptr<const NodeTag>> tags_;
};

}  // namespace

AcceptedPlan accept(
    const model::Plan& plan,
    const std::function<bool(const model::Placement&)>& refused,
    bool with_evals
) {
    AcceptedPlan accepted;
    accepted.eval_id = plan.eval_id;
    if (plan.job != nullptr) {
        accepted.namespace_ = plan.job->namespace_;
        accepted.job_id = plan.job->id;
    } else if (plan.eval) {
        accepted.namespace_ = plan.eval->namespace_;
        accepted.job_id = plan.eval->job_id;
    }
    accepted.id_seed = plan.id_seed;
    accepted.groups = plan.groups;
    std::map<Uuid, std::uint32_t> nodes;
    // What was to make room for a refused placement, or to be replaced by it, stays.
    std::set<Uuid> refused_ids;
    std::set<Uuid> kept;
    for (const model::Placement& placement : plan.placements) {
        if (refused && refused(placement)) {
            refused_ids.insert(plan.alloc_id(placement));
            kept.insert(placement.previous_allocation);
            continue;
        }
        const auto [node, fresh] =
            nodes.try_emplace(placement.node_id, static_cast<std::uint32_t>(accepted.nodes.size()));
        if (fresh) {
            accepted.nodes.push_back(placement.node_id);
        }
        AcceptedPlacement& one = accepted.placements.emplace_back();
        one.number = placement.number;
        one.group = placement.group;
        one.node = node->second;
        one.name_index = placement.name_index;
        one.score = std::llround(placement.score * kScoreScale);
        one.canary = placement.canary;
        one.resources = placement.resources;
        one.previous_allocation = placement.previous_allocation;
        one.reschedule_tracker = placement.reschedule_tracker;
        one.preempted_allocations = placement.preempted_allocations;
    }
    accepted.updates = plan.updates;
    for (const model::PlannedStop& stop : plan.stops) {
        // A node that is lost cannot keep anything.
        if (!kept.contains(stop.alloc_id) || stop.client_status.has_value()) {
            accepted.stops.push_back(stop);
        }
    }
    for (const model::PlannedPreemption& preemption : plan.preemptions) {
        if (!refused_ids.contains(preemption.by_alloc_id)) {
            accepted.preemptions.push_back(preemption);
        }
    }
    accepted.deployment = plan.deployment;
    accepted.deployment_id = plan.deployment_id;
    accepted.deployment_updates = plan.deployment_updates;
    if (with_evals) {
        if (plan.eval) {
            accepted.evals.push_back(*plan.eval);
        }
        accepted.evals.insert(accepted.evals.end(), plan.follow_ups.begin(), plan.follow_ups.end());
    }
    return accepted;
}

Result<void> apply(Applying& a, const PlanResults& command) {
    for (const AcceptedPlan& plan : command.plans) {
        PlanApplication(a, plan).run();
    }
    return {};
}

}  // namespace nl::state::commands
