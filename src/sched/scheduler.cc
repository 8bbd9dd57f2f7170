#include "sched/scheduler.h"

#include "base/check.h"
#include "sched/assemble.h"
#include "sched/placer.h"
#include "sched/reconcile.h"
#include "sched/system.h"

#include <fmt/format.h>

#include <utility>

namespace nl::sched {
namespace {

/// A periodic or parameterized job is never placed itself: only its children are.
bool is_template(const model::Job& job) {
    return (job.periodic && job.periodic->enabled) || (job.parameterized_job && !job.dispatched);
}

model::Plan schedule_by_count(const Input& in, std::shared_ptr<const model::Job> job, Rng& rng) {
    const auto allocs = existing_allocs(in.snapshot, in.eval.namespace_, in.eval.job_id);
    const model::Deployment* deployment =
        in.snapshot.latest_deployment(in.eval.namespace_, in.eval.job_id);
    const bool placing = job != nullptr && !job->stop;
    std::optional<Placer> placer;
    if (placing) {
        placer.emplace(in, *job, rng);
        placer->add_existing(allocs);
    }
    const Changes changes = reconcile(
        {.job = job.get(),
         .allocs = allocs,
         .deployment = deployment,
         .eval_id = in.eval.id,
         .eval_priority = in.eval.priority,
         .now = in.now,
         .fits_in_place = [&](const ExistingAlloc& alloc, const model::TaskGroup& group
                          ) { return placer->allows_in_place(alloc, group); }}
    );
    Assembly assembly(in, job, rng);
    assembly.use_deployment(changes, deployment);
    for (const FollowUp& follow_up : changes.follow_ups) {
        assembly.follow_up(follow_up);
    }
    // What goes makes room for what comes.
    for (const StopRequest& stop : changes.stops) {
        assembly.stop(stop);
        if (placing) {
            placer->release(*stop.alloc);
        }
    }
    std::size_t wanted = 0;
    for (const auto& [name, group] : changes.groups) {
        wanted += group.place.size();
    }
    assembly.expect(wanted);
    std::vector<const PlaceRequest*> failed;
    bool freed_since = false;
    const auto place = [&](const PlaceRequest& request, bool last_try) {
        NL_ASSERT(placing);
        if (request.stop_previous) {
            placer->release(*request.previous);
        }
        if (auto placed = placer->place(request)) {
            freed_since |= !failed.empty() && request.stop_previous.has_value();
            assembly.place(request, std::move(*placed));
            return;
        }
        if (last_try) {
            assembly.fail(request, *placer);
        } else {
            failed.push_back(&request);
        }
        // Better the old one than none.
        if (request.stop_previous) {
            placer->take_back(*request.previous);
        }
    };
    for (const auto& [name, group] : changes.groups) {
        for (const ExistingAlloc* alloc : group.in_place) {
            assembly.update_in_place(*alloc, name, group.in_deployment);
        }
        for (const PlaceRequest& request : group.place) {
            place(request, false);
        }
    }
    // What was replaced after a failure may have left the room that was missing. Otherwise trying
    // again only tells why.
    for (const PlaceRequest* request : failed) {
        if (freed_since || !assembly.has_failed(request->group)) {
            place(*request, true);
        } else {
            assembly.fail(*request, *placer);
        }
    }
    assembly.annotate(changes);
    return assembly.finish(placing ? &*placer : nullptr);
}

}  // namespace

int max_attempts(std::string_view job_type) {
    return job_type == "service" || job_type == "system" ? kMaxServiceAttempts : kMaxBatchAttempts;
}

model::Plan schedule(Input input) {
    Rng rng = input.rng;
    auto job = input.proposed != nullptr
                   ? input.proposed
                   : input.snapshot.job(input.eval.namespace_, input.eval.job_id);
    if (job != nullptr && is_template(*job)) {
        return Assembly::refuse(
            input, fmt::format("job \"{}\" is periodic or parameterized", input.eval.job_id)
        );
    }
    // The job knows better than the evaluation what it is.
    const std::string_view type = job != nullptr ? job->type : input.eval.type;
    if (type == "service" || type == "batch") {
        return schedule_by_count(input, std::move(job), rng);
    }
    if (type == "system" || type == "sysbatch") {
        return schedule_by_node(input, std::move(job), rng);
    }
    return Assembly::refuse(
        input, fmt::format("evaluation type \"{}\" is not a scheduler", input.eval.type)
    );
}

model::Plan give_up(const model::Evaluation& eval, Index snapshot_index, Rng rng) {
    model::Plan plan;
    plan.eval_id = eval.id;
    plan.priority = eval.priority;
    plan.snapshot_index = snapshot_index;
    model::Evaluation ended = eval;
    ended.status = model::EvalStatus::Failed;
    ended.status_description =
        fmt::format("maximum attempts reached ({})", max_attempts(eval.type));
    model::Evaluation blocked = eval;
    blocked.id = Uuid::random(rng);
    blocked.status = model::EvalStatus::Blocked;
    blocked.triggered_by = "max-plan-attempts";
    blocked.status_description = "created due to placement conflicts";
    blocked.previous_eval = eval.id;
    blocked.blocked_eval = Uuid{};
    blocked.escaped_computed_class = true;
    blocked.snapshot_index = snapshot_index;
    blocked.wait_until = WallTime{};
    ended.blocked_eval = blocked.id;
    plan.eval = std::move(ended);
    plan.follow_ups.push_back(std::move(blocked));
    return plan;
}

}  // namespace nl::sched
