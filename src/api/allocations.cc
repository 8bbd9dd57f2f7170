// Routes that read allocations, evaluations and deployments. Source: Nomad HTTP API, 3 to 5.
#include "api/body.h"
#include "api/json_text.h"
#include "api/listing.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/shown_alloc.h"
#include "api/status.h"
#include "api/writing.h"
#include "expr/filter_fields.h"
#include "model/answers.h"
#include "server/rollback.h"
#include "state/commands/alloc.h"
#include "state/commands/deployment.h"
#include "wire/json.h"
#include "wire/partial.h"

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

Outcome list(const Request& request, const PathValues&, const Context& context) {
    const auto stubs = alloc_stub_options(request);
    if (!stubs) {
        return error_response(stubs.error());
    }
    return read(
        request,
        context,
        [ns = namespace_of(request),
         stubs = *stubs](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY_VOID(check_uuid_prefix(options.prefix));
            auto allocs = views(
                options.prefix.empty() ? c.state.allocs()
                                       : c.state.allocs_with_prefix(options.prefix)
            );
            std::erase_if(allocs, [&](const state::AllocView& alloc) {
                return !visible(c, ns, alloc.namespace_());
            });
            NL_TRY(Look look, list_allocs(std::move(allocs), options, stubs));
            look.index = c.state.table_index(TableId::Allocs);
            look.keys = {watch_list(TableId::Allocs, ns)};
            return look;
        }
    );
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "alloc"));
            const auto alloc = c.state.alloc(id);
            if (!alloc) {
                return missing(c, TableId::Allocs, "alloc not found");
            }
            return Look{
                json_response(wire::to_json(shown_alloc(*alloc, c.state))),
                alloc->modify_index(),
                {state::watch_row(TableId::Allocs, id)},
                {}
            };
        }
    );
}

Outcome stop(const Request& request, const PathValues& path, const Context& context) {
    const auto no_delay = flag(request, "no_shutdown_delay");
    const auto reschedule = flag(request, "reschedule");
    // Ours: with replace=false nothing takes its place until the job changes.
    const std::string replace = text_param(request, "replace");
    if (!replace.empty() && replace != "true" && replace != "false") {
        return text_response(400, "replace must be true or false");
    }
    const auto id = path_uuid(path[0], "alloc");
    if (!no_delay || !reschedule || !id) {
        return error_response(
            !id ? id.error() : (!no_delay ? no_delay.error() : reschedule.error())
        );
    }
    const auto alloc = context.state.alloc(*id);
    if (!alloc) {
        return text_response(404, "allocation not found");
    }
    const auto job = context.state.job(alloc->namespace_(), alloc->job_id());
    model::Evaluation eval = new_eval(job ? *job : alloc->job(), "alloc-stop", context);
    if (job) {
        eval.job_modify_index = job->modify_index;
    }
    commands::AllocDesiredTransition command;
    command.items.resize(1);
    command.items[0].alloc_id = *id;
    command.items[0].transition.migrate = !*reschedule;
    if (*reschedule) {
        command.items[0].transition.reschedule = true;
    }
    if (replace == "false") {
        command.items[0].transition.migrate = true;
        command.items[0].transition.migrate_disable_placement = true;
    }
    if (*no_delay) {
        command.items[0].transition.no_shutdown_delay = true;
    }
    command.evals = {eval};
    return propose(command, context, [eval_id = eval.id](const Context&, const Applied& applied) {
        return write_response(wire::to_json(model::AllocStopResponse{eval_id}), applied.index);
    });
}

Outcome services(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "alloc"));
            if (!c.state.alloc(id)) {
                return missing(c, TableId::Allocs, "allocation not found");
            }
            std::vector<const model::ServiceRegistration*> rows;
            for (const auto& service : c.state.services_of_alloc(id)) {
                rows.push_back(&service);
            }
            NL_TRY(
                Look look,
                list_page(
                    rows,
                    options,
                    TokenKind::Text,
                    [](const auto* s) { return SortToken{0, s->namespace_ + "." + s->id}; },
                    [](const auto* s) { return wire::to_value(*s); },
                    [](std::string& out, const auto* s) { wire::append_json(out, *s); }
                )
            );
            look.index = c.state.table_index(TableId::Services);
            look.keys = {state::watch_table(TableId::Services)};
            return look;
        }
    );
}

// ---- evaluations

Outcome list_evals(const Request& request, const PathValues&, const Context& context) {
    const std::string status = text_param(request, "status");
    const std::string job = text_param(request, "job");
    if (!text_param(request, "filter").empty() && (!status.empty() || !job.empty())) {
        return text_response(400, "Filter expression cannot be used with other filter parameters");
    }
    return read(
        request,
        context,
        [ns = namespace_of(request),
         status,
         job](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY_VOID(check_uuid_prefix(options.prefix));
            std::vector<const model::Evaluation*> rows;
            const auto range = options.prefix.empty() ? c.state.evals()
                                                      : c.state.evals_with_prefix(options.prefix);
            for (const auto& eval : range) {
                if (visible(c, ns, eval.namespace_) && (job.empty() || eval.job_id == job) &&
                    (status.empty() || model::to_string(eval.status) == status)) {
                    rows.push_back(&eval);
                }
            }
            NL_TRY(Look look, list_by_creation(std::move(rows), options));
            look.index = c.state.table_index(TableId::Evals);
            look.keys = {watch_list(TableId::Evals, ns)};
            return look;
        }
    );
}

Outcome count_evals(const Request& request, const PathValues&, const Context& context) {
    return read_envelope(
        request,
        context,
        [ns = namespace_of(request)](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY_VOID(check_uuid_prefix(options.prefix));
            NL_TRY(const expr::Filter filter, list_filter(options));
            const std::vector<std::string> fields = expr::filter_fields(options.filter);
            std::size_t count = 0;
            const auto range = options.prefix.empty() ? c.state.evals()
                                                      : c.state.evals_with_prefix(options.prefix);
            for (const auto& eval : range) {
                const bool counts =
                    visible(c, ns, eval.namespace_) &&
                    (filter.matches_all() ||
                     filter.matches(wire::to_partial_value(eval, fields)));
                count += counts ? 1 : 0;
            }
            return Look{
                json_response(fmt::format("{{\"Count\":{}}}", count)),
                c.state.table_index(TableId::Evals),
                {watch_list(TableId::Evals, ns)},
                {}
            };
        }
    );
}

model::EvaluationStub eval_stub(const model::Evaluation& eval) {
    return {
        .id = eval.id,
        .namespace_ = eval.namespace_,
        .priority = eval.priority,
        .type = eval.type,
        .triggered_by = eval.triggered_by,
        .job_id = eval.job_id,
        .node_id = eval.node_id,
        .deployment_id = eval.deployment_id,
        .status = eval.status,
        .status_description = eval.status_description,
        .wait_until = eval.wait_until,
        .next_eval = eval.next_eval,
        .previous_eval = eval.previous_eval,
        .blocked_eval = eval.blocked_eval,
        .create_index = eval.create_index,
        .modify_index = eval.modify_index,
        .create_time = eval.create_time,
        .modify_time = eval.modify_time,
    };
}

/// Evaluations that led to this one or followed from it, at most this many.
constexpr std::size_t kRelatedEvalsMax = 256;

std::vector<model::EvaluationStub> related_evals(const Context& c, const model::Evaluation& eval) {
    std::vector<Uuid> todo{eval.id};
    std::vector<model::EvaluationStub> out;
    std::vector<Uuid> seen{eval.id};
    while (!todo.empty() && out.size() < kRelatedEvalsMax) {
        const auto* at = c.state.eval(todo.back());
        todo.pop_back();
        if (at == nullptr) {
            continue;
        }
        if (at->id != eval.id) {
            out.push_back(eval_stub(*at));
        }
        for (const Uuid& next : {at->next_eval, at->previous_eval, at->blocked_eval}) {
            if (!next.is_nil() && std::ranges::find(seen, next) == seen.end()) {
                seen.push_back(next);
                todo.push_back(next);
            }
        }
    }
    return out;
}

Outcome get_eval(const Request& request, const PathValues& path, const Context& context) {
    const auto related = flag(request, "related");
    if (!related) {
        return error_response(related.error());
    }
    return read(
        request,
        context,
        [text = path[0], related = *related](const Context& c, const ReadOptions&) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "eval"));
            const auto* eval = c.state.eval(id);
            if (eval == nullptr) {
                return missing(c, TableId::Evals, "eval not found");
            }
            std::string json;
            if (related) {
                model::Evaluation copy = *eval;
                copy.related_evals = related_evals(c, *eval);
                json = wire::to_json(copy);
            } else {
                json = wire::to_json(*eval);
            }
            return Look{
                json_response(std::move(json)),
                eval->modify_index,
                {state::watch_row(TableId::Evals, id)},
                {}
            };
        }
    );
}

Outcome eval_allocations(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions& given) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "eval"));
            ReadOptions whole = given;
            whole.prefix.clear();
            NL_TRY(Look look, list_allocs(views(c.state.allocs_of_eval(id)), whole, {}));
            look.index = c.state.table_index(TableId::Allocs);
            look.keys = {state::watch_of_eval(TableId::Allocs, id)};
            return look;
        }
    );
}

// ---- deployments

Outcome list_deployments(const Request& request, const PathValues&, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request)](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY_VOID(check_uuid_prefix(options.prefix));
            std::vector<const model::Deployment*> rows;
            const auto range = options.prefix.empty()
                                   ? c.state.deployments()
                                   : c.state.deployments_with_prefix(options.prefix);
            for (const auto& deployment : range) {
                if (visible(c, ns, deployment.namespace_)) {
                    rows.push_back(&deployment);
                }
            }
            NL_TRY(Look look, list_by_creation(std::move(rows), options));
            look.index = c.state.table_index(TableId::Deployments);
            look.keys = {watch_list(TableId::Deployments, ns)};
            return look;
        }
    );
}

Outcome get_deployment(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "deployment"));
            const auto* deployment = c.state.deployment(id);
            if (deployment == nullptr) {
                return missing(c, TableId::Deployments, "deployment not found");
            }
            return Look{
                json_response(wire::to_json(*deployment)),
                deployment->modify_index,
                {state::watch_row(TableId::Deployments, id)},
                {}
            };
        }
    );
}

Outcome deployment_allocations(
    const Request& request, const PathValues& path, const Context& context
) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions& given) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "deployment"));
            ReadOptions whole = given;
            whole.prefix.clear();
            NL_TRY(Look look, list_allocs(views(c.state.allocs_of_deployment(id)), whole, {}));
            look.index = c.state.table_index(TableId::Allocs);
            look.keys = {state::watch_of_deployment(TableId::Allocs, id)};
            return look;
        }
    );
}

/// What a write to a deployment works on.
struct DeploymentTarget {
    const model::Deployment* deployment;
    std::shared_ptr<const model::Job> job;
    Value body;
};
std::expected<DeploymentTarget, Response> deployment_target(
    const Request& request, const PathValues& path, const Context& context, bool needs_body
) {
    const auto id = path_uuid(path[0], "deployment");
    if (!id) {
        return std::unexpected(error_response(id.error()));
    }
    auto body = needs_body ? body_object(request) : optional_body(request);
    if (!body) {
        return std::unexpected(error_response(body.error()));
    }
    if (needs_body) {
        const std::string named = text_member(*body, "DeploymentID");
        if (named.empty()) {
            return std::unexpected(text_response(400, "DeploymentID must be specified"));
        }
        if (named != path[0]) {
            return std::unexpected(text_response(400, "Deployment ID does not match"));
        }
    }
    const auto* deployment = context.state.deployment(*id);
    if (deployment == nullptr) {
        return std::unexpected(text_response(404, "deployment not found"));
    }
    return DeploymentTarget{
        deployment, context.state.job(deployment->namespace_, deployment->job_id), std::move(*body)
    };
}

Box<model::Evaluation> deployment_eval(const DeploymentTarget& target, const Context& context) {
    if (target.job == nullptr) {
        return {};
    }
    model::Evaluation eval = new_eval(*target.job, "deployment-watcher", context);
    eval.deployment_id = target.deployment->id;
    eval.job_modify_index = target.job->modify_index;
    return eval;
}

Answering deployment_answer(
    const Box<model::Evaluation>& eval, std::optional<std::uint64_t> reverted = {}
) {
    return [id = eval ? eval->id : Uuid{}, reverted](
               const Context&, const Applied& applied
           ) -> Outcome {
        model::DeploymentUpdateResponse out;
        out.eval_id = id;
        out.eval_create_index = id.is_nil() ? Index(0) : applied.index;
        out.deployment_modify_index = applied.index;
        if (reverted) {
            out.reverted_job_version = static_cast<std::int64_t>(*reverted);
        }
        return write_response(wire::to_json(out), applied.index);
    };
}

Outcome fail_deployment(const Request& request, const PathValues& path, const Context& context) {
    auto target = deployment_target(request, path, context, false);
    if (!target) {
        return target.error();
    }
    if (!model::is_active(target->deployment->status)) {
        return text_response(500, "can't fail terminal deployment");
    }
    commands::DeploymentStatusSet command;
    command.update.deployment_id = target->deployment->id;
    command.update.status = model::DeploymentStatus::Failed;
    const bool reverts = std::ranges::any_of(target->deployment->task_groups, [](const auto& g) {
        return g.second.auto_revert;
    });
    auto rollback = server::plan_rollback(
        context.state, *target->deployment, "Deployment marked as failed", reverts
    );
    command.update.status_description = std::move(rollback.description);
    std::optional<std::uint64_t> reverted;
    if (rollback.job != nullptr) {
        reverted = rollback.job->version;
        command.rollback = commands::JobRegister{
            .job = std::move(rollback.job), .keep_versions = context.agent->job_tracked_versions
        };
    }
    command.eval = deployment_eval(*target, context);
    return propose(command, context, deployment_answer(command.eval, reverted));
}

Outcome pause_deployment(const Request& request, const PathValues& path, const Context& context) {
    auto target = deployment_target(request, path, context, true);
    if (!target) {
        return target.error();
    }
    const bool pause = bool_member(target->body, "Pause");
    if (!model::is_active(target->deployment->status)) {
        return text_response(
            500, pause ? "can't pause terminal deployment" : "can't resume terminal deployment"
        );
    }
    commands::DeploymentStatusSet command;
    command.update.deployment_id = target->deployment->id;
    command.update.status =
        pause ? model::DeploymentStatus::Paused : model::DeploymentStatus::Running;
    command.update.status_description = pause ? "Deployment is paused" : "Deployment is running";
    if (!pause) {
        command.eval = deployment_eval(*target, context);
    }
    return propose(command, context, deployment_answer(command.eval));
}

Outcome promote_deployment(const Request& request, const PathValues& path, const Context& context) {
    auto target = deployment_target(request, path, context, true);
    if (!target) {
        return target.error();
    }
    if (!model::is_active(target->deployment->status)) {
        return text_response(500, "can't promote terminal deployment");
    }
    const bool canaries = std::ranges::any_of(target->deployment->task_groups, [](const auto& g) {
        return g.second.desired_canaries > 0 && !g.second.promoted;
    });
    if (!canaries) {
        return text_response(500, "no canaries to promote");
    }
    commands::DeploymentPromote command;
    command.deployment_id = target->deployment->id;
    if (!bool_member(target->body, "All")) {
        command.groups = text_list_member(target->body, "Groups");
    }
    command.eval = deployment_eval(*target, context);
    return propose(command, context, deployment_answer(command.eval));
}

Outcome set_health(const Request& request, const PathValues& path, const Context& context) {
    auto target = deployment_target(request, path, context, true);
    if (!target) {
        return target.error();
    }
    if (!model::is_active(target->deployment->status)) {
        return text_response(500, "can't set health of allocations for a terminal deployment");
    }
    commands::DeploymentAllocHealth command;
    command.deployment_id = target->deployment->id;
    const auto ids = [&](std::string_view name, std::vector<Uuid>& out) -> Result<void> {
        for (const auto& text : text_list_member(target->body, name)) {
            NL_TRY(const Uuid id, Uuid::parse(text));
            out.push_back(id);
        }
        return {};
    };
    auto parsed = ids("HealthyAllocationIDs", command.healthy);
    if (parsed) {
        parsed = ids("UnhealthyAllocationIDs", command.unhealthy);
    }
    if (!parsed) {
        return error_response(parsed.error());
    }
    if (command.healthy.empty() && command.unhealthy.empty()) {
        return text_response(500, "must specify at least one healthy/unhealthy allocation ID");
    }
    std::optional<std::uint64_t> reverted;
    if (!command.unhealthy.empty()) {
        // An operator's word ends the deployment at once.
        const bool reverts = std::ranges::any_of(command.unhealthy, [&](const Uuid& id) {
            const auto alloc = context.state.alloc(id);
            const auto& groups = target->deployment->task_groups;
            const auto group = alloc ? groups.find(alloc->task_group()) : groups.end();
            return group != groups.end() && group->second.auto_revert;
        });
        auto rollback = server::plan_rollback(
            context.state, *target->deployment, "Failed due to unhealthy allocations", reverts
        );
        command.update = model::DeploymentStatusUpdate{
            target->deployment->id,
            model::DeploymentStatus::Failed,
            std::move(rollback.description)
        };
        if (rollback.job != nullptr) {
            reverted = rollback.job->version;
            command.rollback = commands::JobRegister{
                .job = std::move(rollback.job),
                .keep_versions = context.agent->job_tracked_versions
            };
        }
    }
    command.eval = deployment_eval(*target, context);
    return propose(command, context, deployment_answer(command.eval, reverted));
}

Outcome unblock_deployment(const Request& request, const PathValues& path, const Context& context) {
    auto target = deployment_target(request, path, context, false);
    if (!target) {
        return target.error();
    }
    if (!model::is_active(target->deployment->status)) {
        return text_response(500, "can't unblock terminal deployment");
    }
    commands::DeploymentStatusSet command;
    command.update.deployment_id = target->deployment->id;
    command.update.status = model::DeploymentStatus::Successful;
    command.update.status_description = "Deployment completed successfully";
    command.eval = deployment_eval(*target, context);
    return propose(command, context, deployment_answer(command.eval));
}

constexpr Route kAllocRoutes[] = {
    {kGet,
     "/v1/allocations",
     Where::Server,
     "ns:read-job",
     "resources task_states",
     "List allocations.",
     list},
    {kPut,
     "/v1/allocation/{id}/stop",
     Where::Leader,
     "alloc:alloc-lifecycle",
     "no_shutdown_delay reschedule replace",
     "Stop an allocation and place another.",
     stop},
    {kGet,
     "/v1/allocation/{id}/services",
     Where::Server,
     "alloc:read-job",
     "",
     "Services of an allocation.",
     services},
    {kGet, "/v1/allocation/{id}", Where::Server, "alloc:read-job", "", "An allocation.", get},
};

constexpr Route kEvalRoutes[] = {
    {kGet,
     "/v1/evaluations",
     Where::Server,
     "ns:read-job",
     "status job",
     "List evaluations.",
     list_evals},
    {kGet,
     "/v1/evaluations/count",
     Where::Server,
     "ns:read-job",
     "",
     "Count evaluations.",
     count_evals},
    {kGet,
     "/v1/evaluation/{id}/allocations",
     Where::Server,
     "eval:read-job",
     "",
     "Allocations of an evaluation.",
     eval_allocations},
    {kGet,
     "/v1/evaluation/{id}",
     Where::Server,
     "eval:read-job",
     "related",
     "An evaluation.",
     get_eval},
};

constexpr Route kDeploymentRoutes[] = {
    {kGet,
     "/v1/deployments",
     Where::Server,
     "ns:read-job",
     "",
     "List deployments.",
     list_deployments},
    {kGet,
     "/v1/deployment/allocations/{id}",
     Where::Server,
     "deployment:read-job",
     "",
     "Allocations of a deployment.",
     deployment_allocations},
    {kPut,
     "/v1/deployment/fail/{id}",
     Where::Leader,
     "deployment:submit-job|deployment:fail-deployment",
     "",
     "Fail a deployment.",
     fail_deployment},
    {kPut,
     "/v1/deployment/pause/{id}",
     Where::Leader,
     "deployment:submit-job|deployment:pause-deployment",
     "",
     "Pause or resume a deployment.",
     pause_deployment},
    {kPut,
     "/v1/deployment/promote/{id}",
     Where::Leader,
     "deployment:submit-job|deployment:promote-deployment",
     "",
     "Promote canaries.",
     promote_deployment},
    {kPut,
     "/v1/deployment/allocation-health/{id}",
     Where::Leader,
     "deployment:submit-job|deployment:set-alloc-health-deployment",
     "",
     "Set the health of allocations.",
     set_health},
    {kPut,
     "/v1/deployment/unblock/{id}",
     Where::Leader,
     "deployment:submit-job|deployment:unblock-deployment",
     "",
     "Unblock a deployment.",
     unblock_deployment},
    {kGet, "/v1/deployment/{id}", Where::Server, "deployment:read-job", "", "A deployment.", get_deployment
    },
};

}  // namespace

std::span<const Route> allocation_routes() {
    return kAllocRoutes;
}
std::span<const Route> evaluation_routes() {
    return kEvalRoutes;
}
std::span<const Route> deployment_routes() {
    return kDeploymentRoutes;
}

}  // namespace nl::api
