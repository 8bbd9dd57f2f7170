// The dry run of a registration: what the scheduler would do. Source: Nomad HTTP API, 1.2.
#include "api/body.h"
#include "api/job_intake.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "jobspec/diff.h"
#include "model/job_answers.h"
#include "sched/scheduler.h"
#include "server/periodic.h"
#include "state/commands/job.h"
#include "wire/json.h"

namespace nl::api {
namespace {

/// The job as it would be stored over `old`, without storing it; null if nothing would change.
std::shared_ptr<const model::Job> proposed(
    model::Job job, const model::Job* old, const Context& context
) {
    if (old != nullptr && !state::commands::spec_changed(*old, job)) {
        return nullptr;
    }
    const Index next = context.state.index().next();
    job.create_index = old != nullptr ? old->create_index : next;
    job.version = old != nullptr ? old->version + 1 : 0;
    job.modify_index = next;
    job.job_modify_index = next;
    return std::make_shared<const model::Job>(std::move(job));
}

/// What is tried out for a job that is never placed itself: one child of it.
std::shared_ptr<const model::Job> as_child(std::shared_ptr<const model::Job> job) {
    if (!job->periodic && !job->parameterized_job) {
        return job;
    }
    auto child = std::make_shared<model::Job>(*job);
    child->periodic.reset();
    child->parameterized_job.reset();
    return child;
}

/// When a periodic job would be launched first; no time if it is none, or is switched off, or has
/// no launch left.
WallTime next_launch(const model::Job& job, const Context& context) {
    if (!job.periodic || !job.periodic->enabled || job.stop) {
        return {};
    }
    const auto launches = server::Launches::of(*job.periodic, context.agent->zones.get());
    return launches ? launches->next(context.wall).value_or(WallTime{}) : WallTime{};
}

Outcome plan(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto intake = take_job(request, *body, context);
    if (!intake) {
        return intake.error();
    }
    model::Job& job = intake->job;
    if (job.id != path[0]) {
        return text_response(400, "Job ID does not match");
    }
    if (!intake->errors.empty()) {
        return text_response(500, errors_text(intake->errors));
    }
    if (const auto allowed = check_job_access(
            job,
            policy::bit(policy::Capability::SubmitJob) | policy::bit(policy::Capability::PlanJob),
            context
        );
        !allowed) {
        return error_response(allowed.error());
    }
    const auto old = context.state.job(job.namespace_, job.id);
    if (const auto allowed = check_registration(job, old.get(), context); !allowed) {
        return error_response(allowed.error());
    }
    model::JobPlanResponse out;
    out.warnings = intake->warnings;
    out.job_modify_index = old != nullptr ? old->job_modify_index : Index(0);

    job.submit_time = context.wall.unix_ns;
    model::Evaluation eval = new_eval(job, "job-register", context);
    eval.annotate_plan = true;
    const auto fresh = proposed(job, old.get(), context);
    eval.job_modify_index = fresh != nullptr ? fresh->job_modify_index : old->job_modify_index;
    const model::Plan made = sched::schedule(
        {.eval = eval,
         .snapshot = context.state,
         .now = context.wall,
         .rng = context.rng(),
         .proposed = as_child(fresh != nullptr ? fresh : old)}
    );
    out.next_periodic_launch = next_launch(job, context);
    out.annotations = made.annotations;
    out.created_evals = made.follow_ups;
    if (made.eval) {
        out.failed_tg_allocs = made.eval->failed_tg_allocs;
    }
    if (bool_member(*body, "Diff")) {
        model::JobDiff found = jobspec::diff(old.get(), &job, jobspec::DiffContext::WholeObjects);
        if (out.annotations) {
            jobspec::annotate(found, *out.annotations);
        }
        out.diff = std::move(found);
    }
    return write_response(wire::to_json(out), context.state.index());
}

constexpr Route kRoutes[] = {
    {kPut,
     "/v1/job/{id*}/plan",
     Where::Server,
     "some-ns:submit-job|some-ns:plan-job",
     "",
     "What registering a job would do.",
     plan},
};

}  // namespace

std::span<const Route> job_plan_routes() {
    return kRoutes;
}

}  // namespace nl::api
