// The dry run of a registration: what the scheduler would do. Source: Nomad HTTP API, 1.2.
#include "api/body.h"
#include "api/job_intake.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/job_answers.h"
#include "sched/scheduler.h"
#include "state/commands/job.h"
#include "state/store.h"
#include "wire/json.h"

namespace nl::api {
namespace {

namespace commands = state::commands;

/// A state of its own with what the snapshot holds, so that trying things out changes nothing.
Result<state::Store> copy_of(const state::Snapshot& snapshot) {
    Bytes image;
    NL_TRY_VOID(state::Store::save(snapshot, [&image](BytesView chunk) -> Result<void> {
        image.append(chunk);
        return {};
    }));
    std::size_t at = 0;
    return state::Store::load([&image, &at](std::size_t max) -> Result<Bytes> {
        Bytes piece = image.substr(at, max);
        at += piece.size();
        return piece;
    });
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

    auto trial = copy_of(context.state);
    if (!trial) {
        return error_response(trial.error());
    }
    job.submit_time = context.wall.unix_ns;
    model::Evaluation eval = new_eval(job, "job-register", context);
    eval.annotate_plan = true;
    commands::JobRegister command;
    command.job = std::make_shared<const model::Job>(job);
    const state::Effects effects =
        trial->apply(trial->index().next(), state::make_command(command, context.wall));
    if (!effects.result) {
        return text_response(500, effects.result.error().message);
    }
    const bool scheduled = !job.periodic && (!job.parameterized_job || job.dispatched);
    if (scheduled) {
        eval.job_modify_index = trial->index();
        const state::Snapshot snapshot = trial->snapshot();
        const model::Plan made = sched::schedule({eval, snapshot, context.wall, context.rng()});
        out.annotations = made.annotations;
        out.created_evals = made.follow_ups;
        if (made.eval) {
            out.failed_tg_allocs = made.eval->failed_tg_allocs;
        }
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
