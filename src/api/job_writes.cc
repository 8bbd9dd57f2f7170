// Routes that write jobs. Source: Nomad HTTP API, 1.
#include "api/access.h"
#include "api/body.h"
#include "api/job_batch.h"
#include "api/job_intake.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/job_answers.h"
#include "state/commands/alloc.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "wire/json.h"

#include <algorithm>
#include <charconv>

namespace nl::api {
namespace {

namespace commands = state::commands;
using policy::bit;
using policy::Capability;

/// A job's source larger than this is not kept.
constexpr std::size_t kSourceBytesMax = 1'000'000;
constexpr std::string_view kRegistrationDisabled =
    "Job registration, dispatch, and scale are disabled by the scheduler configuration";

bool is_scheduled(const model::Job& job) {
    return !job.periodic && (!job.parameterized_job || job.dispatched);
}

std::string enforced(std::uint64_t index, std::string_view why) {
    return fmt::format("Enforcing job modify index {}: {}", index, why);
}

/// The text with which a check index refuses, or "".
std::string check_index_problem(const model::Job* old, std::uint64_t index) {
    if (index == 0) {
        return old != nullptr ? enforced(index, "job already exists") : "";
    }
    if (old == nullptr) {
        return enforced(index, "job does not exist");
    }
    if (old->job_modify_index != Index(index)) {
        return enforced(
            index,
            fmt::format("job exists with conflicting job modify index: {}", old->job_modify_index)
        );
    }
    return "";
}

/// Answers a registration from the state that holds it.
Answering register_answer(
    const std::string& ns, const std::string& id, const Uuid& eval, std::string warnings
) {
    return [ns, id, eval, warnings = std::move(warnings)](
               const Context& c, const Applied& applied
           ) -> Outcome {
        model::JobRegisterResponse out;
        out.eval_id = eval;
        out.eval_create_index = eval.is_nil() ? Index(0) : applied.index;
        const auto job = c.state.job(ns, id);
        // The job may have been purged again by now.
        out.job_modify_index = job != nullptr ? job->job_modify_index : applied.index;
        out.warnings = warnings;
        return write_envelope(wire::to_json(out), applied.index);
    };
}

void preserve(model::Job& job, const model::Job& old, const Value& body) {
    const bool counts = bool_member(body, "PreserveCounts");
    const bool resources = bool_member(body, "PreserveResources");
    for (auto& group : job.task_groups) {
        const auto before = std::ranges::find(old.task_groups, group.name, &model::TaskGroup::name);
        if (before == old.task_groups.end()) {
            continue;
        }
        if (counts) {
            group.count = before->count;
        }
        for (auto& task : group.tasks) {
            const auto same = std::ranges::find(before->tasks, task.name, &model::Task::name);
            if (resources && same != before->tasks.end()) {
                task.resources = same->resources;
            }
        }
    }
}

/// Takes a job's source; a too large one is left out with a warning.
void take_submission(
    const Value& body, commands::JobRegister& command, std::vector<std::string>& warnings
) {
    const Value* given = member(body, "Submission");
    if (given == nullptr) {
        return;
    }
    auto submission = wire::from_value<model::JobSubmission>(*given);
    if (!submission || submission->source.empty()) {
        return;
    }
    if (submission->source.size() + submission->variables.size() > kSourceBytesMax) {
        warnings.push_back(fmt::format(
            "job source size of {} exceeds maximum of 1 MB and will be discarded",
            submission->source.size()
        ));
        return;
    }
    submission->namespace_ = command.job->namespace_;
    submission->job_id = command.job->id;
    command.submission = std::move(*submission);
}

Outcome register_job(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto intake = take_job(request, *body, context);
    if (!intake) {
        return intake.error();
    }
    model::Job& job = intake->job;
    if (!path.values.empty() && job.id != path[0]) {
        return text_response(400, "Job ID does not match name");
    }
    const auto priority = int_member(*body, "EvalPriority").value_or(0);
    if (priority != 0 && (priority < 1 || priority > 100)) {
        return text_response(400, "Eval priority must be between 1 and 100 inclusively");
    }
    if (context.state.scheduler_config().reject_job_registration) {
        return text_response(403, std::string(kRegistrationDisabled));
    }
    if (!intake->errors.empty()) {
        return text_response(500, errors_text(intake->errors));
    }
    if (const auto allowed =
            check_job_access(job, bit(Capability::SubmitJob) | bit(Capability::RegisterJob), context);
        !allowed) {
        return error_response(allowed.error());
    }
    const auto old = context.state.job(job.namespace_, job.id);
    if (const auto allowed = check_registration(job, old.get(), context); !allowed) {
        return error_response(allowed.error());
    }
    commands::JobRegister command;
    command.enforce_index = bool_member(*body, "EnforceIndex");
    if (command.enforce_index) {
        const auto index = int_member(*body, "JobModifyIndex").value_or(0);
        command.check_index = Index(static_cast<std::uint64_t>(std::max<std::int64_t>(0, index)));
        const std::string problem = check_index_problem(old.get(), command.check_index.value);
        if (!problem.empty()) {
            return text_response(500, problem);
        }
    }
    if (old != nullptr) {
        preserve(job, *old, *body);
    }
    job.submit_time = context.wall.unix_ns;
    Uuid eval_id;
    if (is_scheduled(job)) {
        model::Evaluation eval = new_eval(job, "job-register", context);
        if (priority != 0) {
            eval.priority = priority;
        }
        eval_id = eval.id;
        command.eval = std::move(eval);
    }
    command.job = std::make_shared<const model::Job>(std::move(job));
    command.keep_versions = context.agent->job_tracked_versions;
    std::vector<std::string> more;
    take_submission(*body, command, more);
    std::string warnings = intake->warnings;
    if (!more.empty()) {
        warnings = warnings.empty() ? warnings_text(more) : warnings + "\n\n* " + more.front();
    }
    return propose(
        command,
        context,
        register_answer(command.job->namespace_, command.job->id, eval_id, std::move(warnings))
    );
}

Outcome deregister(const Request& request, const PathValues& path, const Context& context) {
    const auto purge = flag(request, "purge");
    const auto global = flag(request, "global");
    const auto no_delay = flag(request, "no_shutdown_delay");
    for (const auto* parameter : {&purge, &global, &no_delay}) {
        if (!*parameter) {
            return error_response(parameter->error());
        }
    }
    std::int64_t priority = 0;
    if (const std::string text = text_param(request, "eval_priority"); !text.empty()) {
        const auto [end, failed] =
            std::from_chars(text.data(), text.data() + text.size(), priority);
        if (failed != std::errc() || end != text.data() + text.size()) {
            return text_response(
                400, fmt::format("strconv.Atoi: parsing \"{}\": invalid syntax", text)
            );
        }
        if (priority < 1 || priority > 100) {
            return text_response(400, "Eval priority must be between 1 and 100 inclusively");
        }
    }
    const std::string ns = namespace_of(request);
    const auto job = context.state.job(ns, path[0]);
    if (job == nullptr) {
        return write_envelope(wire::to_json(model::JobDeregisterResponse{}), Index(0));
    }
    if (!may(
            context,
            ns,
            bit(Capability::SubmitJob) |
                bit(*purge ? Capability::PurgeJob : Capability::DeregisterJob)
        )) {
        return denied();
    }
    commands::JobDeregister command;
    command.namespace_ = ns;
    command.job_id = path[0];
    command.purge = *purge;
    command.no_shutdown_delay = *no_delay;
    command.keep_versions = context.agent->job_tracked_versions;
    Uuid eval_id;
    if (is_scheduled(*job)) {
        model::Evaluation eval = new_eval(*job, "job-deregister", context);
        if (priority != 0) {
            eval.priority = priority;
        }
        eval_id = eval.id;
        command.eval = std::move(eval);
    }
    return propose(command, context, [eval_id](const Context&, const Applied& applied) -> Outcome {
        model::JobDeregisterResponse out;
        out.eval_id = eval_id;
        out.eval_create_index = applied.index;
        out.job_modify_index = applied.index;
        return write_envelope(wire::to_json(out), applied.index);
    });
}

Outcome validate(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto intake = take_job(request, *body, context);
    if (!intake) {
        return intake.error();
    }
    if (!may(context, intake->job.namespace_, Capability::ReadJob)) {
        return denied();
    }
    model::JobValidateResponse out;
    out.driver_config_validated = true;
    out.validation_errors = intake->errors;
    out.warnings = intake->warnings;
    if (!intake->errors.empty()) {
        out.error = errors_text(intake->errors);
    }
    return json_response(wire::to_json(out));
}

Outcome evaluate(const Request& request, const PathValues& path, const Context& context) {
    const auto body = optional_body(request);
    if (!body) {
        return error_response(body.error());
    }
    bool force = false;
    if (!request.body.empty()) {
        const std::string id = text_member(*body, "JobID");
        if (id.empty()) {
            return text_response(400, "Job ID must be specified");
        }
        if (id != path[0]) {
            return text_response(400, "JobID not same as job name");
        }
        if (const Value* options = member(*body, "EvalOptions")) {
            force = bool_member(*options, "ForceReschedule");
        }
    }
    const auto job = context.state.job(namespace_of(request), path[0]);
    if (job == nullptr) {
        return text_response(500, "job not found");
    }
    if (job->periodic) {
        return text_response(500, "can't evaluate periodic job");
    }
    if (!is_scheduled(*job)) {
        return text_response(500, "can't evaluate parameterized job");
    }
    model::Evaluation eval = new_eval(*job, "job-register", context);
    eval.job_modify_index = job->job_modify_index;
    auto answer = register_answer(job->namespace_, job->id, eval.id, "");
    if (!force) {
        return propose(commands::EvalUpsert{{eval}}, context, std::move(answer));
    }
    commands::AllocDesiredTransition command;
    for (const state::AllocView alloc : context.state.allocs_of_job(job->namespace_, job->id)) {
        const bool failed = alloc.client_status() == model::AllocClientStatus::Failed &&
                            alloc.details().next_allocation.is_nil() && !alloc.server_terminal();
        if (failed) {
            commands::TransitionItem item;
            item.alloc_id = alloc.id();
            item.transition.force_reschedule = true;
            command.items.push_back(std::move(item));
        }
    }
    command.evals = {eval};
    return propose(command, context, std::move(answer));
}

// ---- versions

Outcome revert(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string id = text_member(*body, "JobID");
    if (id.empty()) {
        return text_response(400, "JobID must be specified");
    }
    if (id != path[0]) {
        return text_response(400, "Job ID does not match");
    }
    const std::string ns = namespace_of(request);
    const auto version = static_cast<std::uint64_t>(int_member(*body, "JobVersion").value_or(0));
    const auto current = context.state.job(ns, id);
    if (current == nullptr) {
        return text_response(500, fmt::format("job \"{}\" not found", id));
    }
    if (current->version == version) {
        return text_response(500, "can't revert to current version");
    }
    const auto wanted = context.state.job_version(ns, id, version);
    if (wanted == nullptr) {
        return text_response(
            500,
            fmt::format("job \"{}\" in namespace \"{}\" at version {} not found", id, ns, version)
        );
    }
    commands::JobRegister command;
    if (const auto prior = int_member(*body, "EnforcePriorVersion")) {
        if (current->version != static_cast<std::uint64_t>(*prior)) {
            return text_response(
                500,
                fmt::format(
                    "Current job has version {}; enforcing version {}", current->version, *prior
                )
            );
        }
        command.enforce_index = true;
        command.check_index = current->job_modify_index;
    }
    model::Job job = *wanted;
    job.version_tag.reset();
    job.stable = false;
    job.submit_time = context.wall.unix_ns;
    Uuid eval_id;
    if (is_scheduled(job)) {
        command.eval = new_eval(job, "job-register", context);
        eval_id = command.eval->id;
    }
    if (const auto* source = context.state.job_submission(ns, id, version)) {
        command.submission = *source;
    }
    command.job = std::make_shared<const model::Job>(std::move(job));
    command.keep_versions = context.agent->job_tracked_versions;
    // Alone among the writes this one has a read's headers too.
    return propose(
        command,
        context,
        [answer = register_answer(ns, id, eval_id, "")](const Context& c, const Applied& applied) {
            Outcome out = answer(c, applied);
            if (auto* response = std::get_if<Response>(&out)) {
                response->headers.push_back({"X-Nomad-KnownLeader", "false"});
                response->headers.push_back({"X-Nomad-LastContact", "0"});
            }
            return out;
        }
    );
}

Outcome stable(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string id = text_member(*body, "JobID");
    if (id.empty()) {
        return text_response(400, "JobID must be specified");
    }
    if (id != path[0]) {
        return text_response(400, "Job ID does not match");
    }
    commands::JobStability command;
    command.namespace_ = namespace_of(request);
    command.job_id = id;
    command.version = static_cast<std::uint64_t>(int_member(*body, "JobVersion").value_or(0));
    command.stable = bool_member(*body, "Stable");
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_response("{}", applied.index);
    });
}

Outcome tag_version(const Request& request, const PathValues& path, const Context& context) {
    commands::JobVersionTagSet command;
    command.keep_versions = context.agent->job_tracked_versions;
    command.namespace_ = namespace_of(request);
    command.job_id = path[0];
    const std::string& name = path[1];
    const auto job = context.state.job(command.namespace_, command.job_id);
    if (job == nullptr) {
        return text_response(404, fmt::format("job \"{}\" not found", path[0]));
    }
    model::JobTagResponse out;
    if (request.method == "DELETE") {
        bool known = false;
        for (const auto& row : context.state.job_versions(command.namespace_, path[0])) {
            known = known || (row.job->version_tag && row.job->version_tag->name == name);
        }
        if (!known) {
            return text_response(
                404, fmt::format("tag \"{}\" not found on job \"{}\"", name, path[0])
            );
        }
        command.remove = name;
    } else {
        const auto body = body_object(request);
        if (!body) {
            return error_response(body.error());
        }
        const auto version = int_member(*body, "Version");
        command.version = version ? static_cast<std::uint64_t>(*version) : job->version;
        command.tag =
            model::JobVersionTag{name, text_member(*body, "Description"), context.wall.unix_ns};
        out = {name, command.tag->description, command.tag->tagged_time};
    }
    return propose(command, context, [out](const Context&, const Applied& applied) -> Outcome {
        return write_envelope(wire::to_json(out), applied.index);
    });
}

// ---- children

/// A job derived from a periodic or parameterized one.
model::Job child_of(const model::Job& parent, std::string id, const Context& context) {
    model::Job child = parent;
    child.id = id;
    child.name = std::move(id);
    child.parent_id = parent.id;
    child.stop = false;
    child.stable = false;
    child.version = 0;
    child.version_tag.reset();
    child.status.clear();
    child.create_index = Index(0);
    child.modify_index = Index(0);
    child.job_modify_index = Index(0);
    child.submit_time = context.wall.unix_ns;
    return child;
}

struct DispatchRequest {
    Bytes payload;
    StringMap meta;
    std::string id_prefix;
    std::int64_t priority = 0;
    std::string token;
};

std::string bracketed(const std::vector<std::string>& names) {
    return fmt::format("[{}]", fmt::join(names, " "));
}

/// Nomad's text for what the parameterized job refuses, or "".
std::string dispatch_problem(
    const model::ParameterizedJobConfig& config, const DispatchRequest& d, std::size_t payload_max
) {
    if (config.payload == "required" && d.payload.empty()) {
        return "Payload is not provided but required by parameterized job";
    }
    if (config.payload == "forbidden" && !d.payload.empty()) {
        return "Payload provided but forbidden by parameterized job";
    }
    if (d.payload.size() > payload_max) {
        return fmt::format("Payload exceeds maximum size; {} > {}", d.payload.size(), payload_max);
    }
    const auto lists = [](const std::vector<std::string>& list, const std::string& name) {
        return std::ranges::find(list, name) != list.end();
    };
    std::vector<std::string> unknown;
    for (const auto& [name, value] : d.meta) {
        if (!lists(config.meta_required, name) && !lists(config.meta_optional, name)) {
            unknown.push_back(name);
        }
    }
    if (!unknown.empty()) {
        return "Dispatch request included unpermitted metadata keys: " + bracketed(unknown);
    }
    std::vector<std::string> absent;
    for (const auto& name : config.meta_required) {
        if (!d.meta.contains(name)) {
            absent.push_back(name);
        }
    }
    if (!absent.empty()) {
        return "Dispatch did not provide required meta keys: " + bracketed(absent);
    }
    return "";
}

/// What a dispatch with a token that was used before is told.
Response dispatched_before(const model::Job& child, Index index) {
    model::JobDispatchResponse known;
    known.dispatched_job_id = child.id;
    known.job_create_index = child.create_index;
    return write_response(wire::to_json(known), index);
}

Outcome dispatch_job(
    const std::string& ns, const std::string& id, const DispatchRequest& d, const Context& context
) {
    if (context.state.scheduler_config().reject_job_registration) {
        return text_response(403, std::string(kRegistrationDisabled));
    }
    const auto parent = context.state.job(ns, id);
    if (parent == nullptr) {
        return text_response(500, "parameterized job not found");
    }
    if (!parent->parameterized_job || parent->dispatched) {
        return text_response(
            500, fmt::format("Specified job \"{}\" is not a parameterized job", id)
        );
    }
    if (parent->stop) {
        return text_response(500, fmt::format("Specified job \"{}\" is stopped", id));
    }
    const std::string problem =
        dispatch_problem(*parent->parameterized_job, d, context.agent->dispatch_payload_max);
    if (!problem.empty()) {
        return text_response(500, problem);
    }
    if (!d.token.empty()) {
        if (const auto child = context.state.dispatched_with(ns, id, d.token)) {
            return dispatched_before(*child, context.state.index());
        }
    }
    const std::string suffix = new_id(context, 1).str().substr(0, 8);
    model::Job child = child_of(
        *parent,
        fmt::format(
            "{}/dispatch-{}{}-{}",
            id,
            d.id_prefix.empty() ? "" : d.id_prefix + "-",
            context.wall.unix_ns / 1'000'000'000,
            suffix
        ),
        context
    );
    child.dispatched = true;
    child.dispatch_idempotency_token = d.token;
    child.payload.bytes = d.payload;
    for (const auto& [name, value] : d.meta) {
        child.meta.insert_or_assign(name, value);
    }
    if (d.priority != 0) {
        child.priority = d.priority;
    }
    commands::JobRegister command;
    Uuid eval_id;
    // A child that is periodic itself is launched by the clock, not now; one of a job that limits
    // how many run at once is let go by the leader (server/dispatcher).
    if (!child.periodic && child.parameterized_job->max_parallel <= 0) {
        command.eval = new_eval(child, "job-register", context);
        eval_id = command.eval->id;
    }
    command.job = std::make_shared<const model::Job>(std::move(child));
    return propose(
        command,
        context,
        [child_id = command.job->id, eval_id](const Context&, const Applied& applied) -> Outcome {
            model::JobDispatchResponse out;
            out.dispatched_job_id = child_id;
            out.eval_id = eval_id;
            out.eval_create_index = eval_id.is_nil() ? Index(0) : applied.index;
            out.job_create_index = applied.index;
            return write_response(wire::to_json(out), applied.index);
        },
        // Somebody else was first with the token: both are told the child that exists.
        [ns, id, token = d.token](const Context& c, const Applied& applied) -> Outcome {
            if (applied.result.error().code == ErrorCode::AlreadyExists) {
                if (const auto first = c.state.dispatched_with(ns, id, token)) {
                    return dispatched_before(*first, applied.index);
                }
            }
            return text_response(500, applied.result.error().message);
        }
    );
}

Outcome dispatch(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string id = text_member(*body, "JobID");
    if (!id.empty() && id != path[0]) {
        return text_response(400, "Job ID does not match");
    }
    DispatchRequest d;
    auto payload = base64_decode(text_member(*body, "Payload"));
    if (!payload) {
        return error_response(payload.error());
    }
    d.payload = std::move(*payload);
    d.meta = text_map_member(*body, "Meta");
    d.id_prefix = text_member(*body, "IdPrefixTemplate");
    d.priority = int_member(*body, "Priority").value_or(0);
    d.token = text_param(request, "idempotency_token");
    if (d.priority < 0 || d.priority > 100) {
        return text_response(500, "dispatch job priority must be between [1, 100]");
    }
    return dispatch_job(namespace_of(request), path[0], d, context);
}

Outcome dispatch_payload(const Request& request, const PathValues& path, const Context& context) {
    DispatchRequest d;
    d.payload = request.body;
    d.token = text_param(request, "idempotency_token");
    return dispatch_job(namespace_of(request), path[0], d, context);
}

Outcome force_periodic(const Request& request, const PathValues& path, const Context& context) {
    const auto job = context.state.job(namespace_of(request), path[0]);
    if (job == nullptr) {
        return text_response(500, "job not found");
    }
    if (!job->periodic) {
        return text_response(500, "can't force launch non-periodic job");
    }
    model::Job child = child_of(
        *job, fmt::format("{}/periodic-{}", job->id, context.wall.unix_ns / 1'000'000'000), context
    );
    child.periodic.reset();
    commands::JobRegister command;
    command.eval = new_eval(child, "periodic-job", context);
    command.job = std::make_shared<const model::Job>(std::move(child));
    return propose(
        command,
        context,
        [eval_id = command.eval->id](const Context&, const Applied& applied) -> Outcome {
            model::PeriodicForceResponse out;
            out.eval_id = eval_id;
            out.eval_create_index = applied.index;
            return write_response(wire::to_json(out), applied.index);
        }
    );
}

// ---- scaling

struct ScaleRequest {
    std::optional<std::int64_t> count;
    std::string group;
    bool error = false;
};

/// Nomad's answer to a count that may not be, or nothing.
std::optional<Response> scale_problem(
    const ScaleRequest& scale,
    const model::TaskGroup& group,
    const model::Job& job,
    const Context& context
) {
    if (scale.error && scale.count) {
        return text_response(400, "scaling action should not contain count if error=true");
    }
    if (!scale.count) {
        return {};
    }
    const bool everywhere = job.type == "system" || job.type == "sysbatch";
    if (everywhere && (*scale.count < 0 || *scale.count > 1)) {
        return text_response(
            400, fmt::format("jobs of type \"{}\" can only be scaled between 0 and 1", job.type)
        );
    }
    if (*scale.count < 0) {
        return text_response(400, "scaling action count can't be negative");
    }
    if (group.scaling && *scale.count < group.scaling->min) {
        return text_response(
            400,
            fmt::format(
                "group count was less than scaling policy minimum: {} < {}",
                *scale.count,
                group.scaling->min
            )
        );
    }
    if (group.scaling && *scale.count > group.scaling->max) {
        return text_response(
            400,
            fmt::format(
                "group count was greater than scaling policy maximum: {} > {}",
                *scale.count,
                group.scaling->max
            )
        );
    }
    const auto* deployment = context.state.latest_deployment(job.namespace_, job.id);
    if (deployment != nullptr && model::is_active(deployment->status) &&
        deployment->job_create_index == job.create_index) {
        return text_response(400, "job scaling blocked due to active deployment");
    }
    return {};
}

Outcome scale(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    ScaleRequest wanted;
    wanted.count = int_member(*body, "Count");
    wanted.error = bool_member(*body, "Error");
    if (const Value* target = member(*body, "Target")) {
        wanted.group = text_member(*target, "Group");
        const std::string named = text_member(*target, "Job");
        if (!named.empty() && named != path[0]) {
            return text_response(400, "job ID in payload did not match URL");
        }
    }
    if (wanted.group.empty()) {
        return text_response(400, "missing task group name for scaling action");
    }
    if (wanted.count && context.state.scheduler_config().reject_job_registration) {
        return text_response(403, std::string(kRegistrationDisabled));
    }
    const std::string ns = namespace_of(request);
    const auto job = context.state.job(ns, path[0]);
    if (job == nullptr) {
        return text_response(404, fmt::format("job \"{}\" not found", path[0]));
    }
    const auto group = std::ranges::find(job->task_groups, wanted.group, &model::TaskGroup::name);
    if (group == job->task_groups.end()) {
        return text_response(
            400,
            fmt::format(
                "task group \"{}\" specified for scaling does not exist in job", wanted.group
            )
        );
    }
    if (auto problem = scale_problem(wanted, *group, *job, context)) {
        return std::move(*problem);
    }
    const auto check = int_member(*body, "JobModifyIndex").value_or(0);
    if (check > 0) {
        const std::string problem =
            check_index_problem(job.get(), static_cast<std::uint64_t>(check));
        if (!problem.empty()) {
            return text_response(500, problem);
        }
    }
    commands::JobScale command;
    command.namespace_ = ns;
    command.job_id = job->id;
    command.group = wanted.group;
    command.event.time = context.wall.unix_ns;
    command.event.count = wanted.count;
    command.event.previous_count = group->count;
    command.event.message = text_member(*body, "Message");
    command.event.error = wanted.error;
    if (const Value* meta = member(*body, "Meta"); meta != nullptr && meta->as_map() != nullptr) {
        command.event.meta = *meta->as_map();
    }
    Uuid eval_id;
    if (wanted.count) {
        model::Job scaled = *job;
        std::ranges::find(scaled.task_groups, wanted.group, &model::TaskGroup::name)->count =
            *wanted.count;
        scaled.submit_time = context.wall.unix_ns;
        commands::JobRegister registration;
        if (is_scheduled(scaled)) {
            registration.eval = new_eval(scaled, "job-scaling", context);
            eval_id = registration.eval->id;
            command.event.eval_id = eval_id.str();
        }
        registration.job = std::make_shared<const model::Job>(std::move(scaled));
        registration.keep_versions = context.agent->job_tracked_versions;
        command.registration = std::move(registration);
    }
    return propose(command, context, register_answer(ns, job->id, eval_id, ""));
}

constexpr std::string_view kSubmit = "some-ns:submit-job|some-ns:register-job";

constexpr Route kRoutes[] = {
    {kPut, "/v1/jobs", Where::Leader, kSubmit, "", "Register a job.", register_job},
    {kPut, "/v1/jobs/batch", Where::Leader, kSubmit, "", "Register many jobs.", register_batch},
    {kPut, "/v1/validate/job", Where::Server, "some-ns:read-job", "", "Check a job.", validate},
    {kPut,
     "/v1/job/{id*}/evaluate",
     Where::Leader,
     "ns:submit-job|ns:evaluate-job",
     "",
     "Evaluate a job again.",
     evaluate},
    {kPut,
     "/v1/job/{id*}/periodic/force",
     Where::Leader,
     "ns:dispatch-job|ns:submit-job|ns:force-periodic-job",
     "",
     "Launch a periodic job now.",
     force_periodic},
    {kPut,
     "/v1/job/{id*}/dispatch/payload",
     Where::Leader,
     "ns:dispatch-job",
     "idempotency_token",
     "Dispatch with the body as payload.",
     dispatch_payload},
    {kPut,
     "/v1/job/{id*}/dispatch",
     Where::Leader,
     "ns:dispatch-job",
     "idempotency_token",
     "Run a parameterized job.",
     dispatch},
    {kPut,
     "/v1/job/{id*}/revert",
     Where::Leader,
     "ns:submit-job|ns:revert-job",
     "",
     "Go back to a version.",
     revert},
    {kPut,
     "/v1/job/{id*}/stable",
     Where::Leader,
     "ns:submit-job|ns:stable-job",
     "",
     "Mark a version as stable.",
     stable},
    {kPut,
     "/v1/job/{id*}/scale",
     Where::Leader,
     "ns:scale-job|ns:submit-job",
     "",
     "Change a count.",
     scale},
    {kPut | kDelete,
     "/v1/job/{id*}/versions/{name}/tag",
     Where::Leader,
     "ns:submit-job|ns:tag-job-version",
     "",
     "Name a version, or take a name away.",
     tag_version},
    {kPut, "/v1/job/{id*}", Where::Leader, kSubmit, "", "Register a job.", register_job},
    {kDelete,
     "/v1/job/{id*}",
     Where::Leader,
     "ns:submit-job|ns:deregister-job|ns:purge-job",
     "purge global eval_priority no_shutdown_delay",
     "Stop a job.",
     deregister},
};

}  // namespace

std::span<const Route> job_write_routes() {
    return kRoutes;
}

}  // namespace nl::api
