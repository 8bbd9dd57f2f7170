#include "sched/assemble.h"

#include "base/check.h"

#include <fmt/format.h>

namespace nl::sched {
namespace {

constexpr std::string_view kLastRescheduleOk = "ok";
constexpr std::string_view kLastRescheduleFailed = "no placement";

model::Evaluation ended(const model::Evaluation& eval) {
    model::Evaluation out = eval;
    out.status = model::EvalStatus::Complete;
    out.status_description.clear();
    out.failed_tg_allocs.clear();
    out.queued_allocations.clear();
    out.class_eligibility.clear();
    out.escaped_computed_class = false;
    return out;
}

}  // namespace

Assembly::Assembly(const Input& input, std::shared_ptr<const model::Job> job, Rng& rng)
    : in_(input), job_(std::move(job)), rng_(rng), eval_(ended(input.eval)) {
    plan_.eval_id = in_.eval.id;
    plan_.priority = in_.eval.priority;
    plan_.snapshot_index = in_.snapshot.index();
    plan_.id_seed = Uuid::random(rng_);
    plan_.job = job_;
    eval_.snapshot_index = in_.snapshot.index();
    if (job_ != nullptr) {
        plan_.all_at_once = job_->all_at_once;
        for (const auto& group : job_->task_groups) {
            if (!job_->stop) {
                eval_.queued_allocations[group.name] = 0;
            }
        }
    }
}

std::uint32_t Assembly::group_number(const model::Job& job, std::string_view group) {
    for (std::uint32_t i = 0; i < plan_.groups.size(); ++i) {
        if (plan_.groups[i].job_version == job.version && plan_.groups[i].task_group == group) {
            return i;
        }
    }
    plan_.groups.push_back({.task_group = std::string(group), .job_version = job.version});
    job_of_group_.push_back(&job);
    return static_cast<std::uint32_t>(plan_.groups.size() - 1);
}

void Assembly::stop(const StopRequest& request) {
    NL_ASSERT(request.alloc != nullptr);
    model::PlannedStop stop;
    stop.alloc_id = request.alloc->id;
    stop.description = request.description;
    stop.client_status = request.client_status;
    stop.stop = request.stop;
    stop.followup_eval_id = request.followup_eval_id;
    if (const auto at = followed_.find(request.alloc->id); at != followed_.end()) {
        stop.followup_eval_id = at->second;
        followed_.erase(at);
    }
    if (request.rescheduled) {
        stop.last_reschedule = kLastRescheduleOk;
    }
    plan_.stops.push_back(std::move(stop));
}

void Assembly::place(const PlaceRequest& request, Placed placed) {
    model::Placement p;
    p.number = next_number_++;
    p.group = group_number(*request.job, request.group);
    p.node_id = placed.node_id;
    p.name_index = request.name_index;
    p.score = placed.score;
    p.canary = request.canary;
    p.resources = std::move(placed.resources);
    p.previous_allocation = request.previous == nullptr ? Uuid{} : request.previous->id;
    p.reschedule_tracker = request.tracker;
    for (const Uuid& victim : placed.preempted) {
        plan_.preemptions.push_back({.alloc_id = victim, .by_alloc_id = plan_.alloc_id(p)});
        ++preemptions_[std::string(request.group)];
    }
    p.preempted_allocations = std::move(placed.preempted);
    plan_.placements.push_back(std::move(p));
    if (request.stop_previous) {
        stop(*request.stop_previous);
    }
}

void Assembly::fail(const PlaceRequest& request, Placer& placer) {
    const std::string group(request.group);
    ++eval_.queued_allocations[group];
    const auto at = eval_.failed_tg_allocs.find(group);
    if (at != eval_.failed_tg_allocs.end()) {
        ++at->second.coalesced_failures;
    } else {
        eval_.failed_tg_allocs.emplace(group, placer.explain(*request.job, request.group));
    }
    const ExistingAlloc* previous = request.previous;
    if (request.is_reschedule && previous != nullptr &&
        (previous->tracker == nullptr || previous->tracker->last_reschedule != kLastRescheduleFailed
        )) {
        model::PlannedStop note;
        note.alloc_id = previous->id;
        note.last_reschedule = kLastRescheduleFailed;
        plan_.stops.push_back(std::move(note));
    }
}

void Assembly::update_in_place(
    const ExistingAlloc& alloc, std::string_view group, bool in_deployment
) {
    NL_ASSERT(job_ != nullptr);
    plan_.updates.push_back(
        {.alloc_id = alloc.id, .group = group_number(*job_, group), .join_deployment = in_deployment
        }
    );
}

model::Evaluation Assembly::next_eval(std::string_view triggered_by, std::string_view description) {
    model::Evaluation next;
    next.id = Uuid::random(rng_);
    next.namespace_ = eval_.namespace_;
    next.priority = eval_.priority;
    next.type = eval_.type;
    next.triggered_by = triggered_by;
    next.job_id = eval_.job_id;
    next.job_modify_index = job_ == nullptr ? eval_.job_modify_index : job_->modify_index;
    next.status = model::EvalStatus::Pending;
    next.status_description = description;
    next.previous_eval = eval_.id;
    next.create_time = in_.now.unix_ns;
    next.modify_time = in_.now.unix_ns;
    return next;
}

void Assembly::follow_up(const FollowUp& follow_up) {
    model::Evaluation eval = next_eval(
        follow_up.triggered_by,
        follow_up.triggered_by == "alloc-failure" ? "created for delayed rescheduling" : ""
    );
    eval.wait_until = follow_up.at;
    for (const ExistingAlloc* alloc : follow_up.allocs) {
        followed_[alloc->id] = eval.id;
    }
    plan_.follow_ups.push_back(std::move(eval));
}

void Assembly::use_deployment(const Changes& changes, const model::Deployment* current) {
    plan_.deployment_updates = changes.deployment_updates;
    if (changes.new_deployment) {
        plan_.deployment = changes.new_deployment;
        plan_.deployment->id = Uuid::random(rng_);
        plan_.deployment_id = plan_.deployment->id;
    } else if (current != nullptr && job_ != nullptr && model::is_active(current->status) &&
               current->job_version == job_->version &&
               current->job_create_index == job_->create_index) {
        plan_.deployment_id = current->id;
    }
    if (!plan_.deployment_id.is_nil()) {
        eval_.deployment_id = plan_.deployment_id;
    }
}

void Assembly::annotate(const Changes& changes) {
    model::PlanAnnotations& annotations = eval_.plan_annotations.ensure();
    annotations = {};
    for (const auto& [name, group] : changes.groups) {
        model::DesiredUpdates& counts = annotations.desired_tg_updates[name];
        counts = group.counts;
        const auto evicted = preemptions_.find(name);
        counts.preemptions = evicted == preemptions_.end() ? 0 : evicted->second;
    }
    for (const model::PlannedPreemption& preemption : plan_.preemptions) {
        if (const auto alloc = in_.snapshot.alloc(preemption.alloc_id)) {
            annotations.preempted_allocs.push_back(alloc->stub());
        }
    }
    if (in_.eval.annotate_plan) {
        plan_.annotations = annotations;
    }
}

void Assembly::block(const Placer& placer) {
    const auto describe = [&](model::Evaluation& eval) {
        eval.status = model::EvalStatus::Blocked;
        eval.class_eligibility = placer.class_eligibility();
        eval.escaped_computed_class = placer.escaped();
        eval.quota_limit_reached = placer.quota_reached();
        eval.snapshot_index = in_.snapshot.index();
    };
    if (in_.eval.status == model::EvalStatus::Blocked) {
        // It waited before and waits on, under its own id.
        describe(eval_);
        eval_.status_description = "created to place remaining allocations";
        return;
    }
    model::Evaluation blocked =
        next_eval("queued-allocs", "created to place remaining allocations");
    describe(blocked);
    eval_.blocked_eval = blocked.id;
    plan_.follow_ups.push_back(std::move(blocked));
}

model::Plan Assembly::finish(Placer* placer) {
    for (const auto& [alloc, eval] : followed_) {
        model::PlannedStop note;
        note.alloc_id = alloc;
        note.followup_eval_id = eval;
        plan_.stops.push_back(std::move(note));
    }
    if (placer != nullptr) {
        std::vector<std::uint8_t> placed_in(plan_.groups.size(), 0);
        for (const model::Placement& p : plan_.placements) {
            placed_in[p.group] = 1;
        }
        for (std::uint32_t g = 0; g < plan_.groups.size(); ++g) {
            if (placed_in[g] != 0) {
                plan_.groups[g].metrics =
                    placer->explain(*job_of_group_[g], plan_.groups[g].task_group);
            }
        }
        if (!eval_.failed_tg_allocs.empty()) {
            block(*placer);
        }
    }
    plan_.eval = std::move(eval_);
    return std::move(plan_);
}

model::Plan Assembly::refuse(const Input& input, std::string reason) {
    model::Plan plan;
    plan.eval_id = input.eval.id;
    plan.priority = input.eval.priority;
    plan.snapshot_index = input.snapshot.index();
    model::Evaluation eval = ended(input.eval);
    eval.status = model::EvalStatus::Failed;
    eval.status_description = std::move(reason);
    plan.eval = std::move(eval);
    return plan;
}

}  // namespace nl::sched
