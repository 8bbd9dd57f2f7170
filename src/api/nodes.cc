// Routes of nodes. Source: Nomad HTTP API, 2.
#include "api/access.h"
#include "api/body.h"
#include "api/listing.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/shown_alloc.h"
#include "api/writing.h"
#include "state/commands/eval.h"
#include "state/commands/node.h"
#include "wire/json.h"

#include <set>

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

std::expected<NodeStubOptions, Response> stub_options(const Request& request) {
    NodeStubOptions out;
    const auto resources = bool_param(request, "resources");
    const auto os = bool_param(request, "os");
    if (!resources || !os) {
        return std::unexpected(error_response(resources ? os.error() : resources.error()));
    }
    out.resources = resources->value_or(false);
    out.os = os->value_or(false);
    return out;
}

Outcome list(const Request& request, const PathValues&, const Context& context) {
    const auto stubs = stub_options(request);
    if (!stubs) {
        return stubs.error();
    }
    return read(
        request,
        context,
        [stubs = *stubs](const Context& c, const ReadOptions& given) -> Result<Look> {
            NL_TRY_VOID(check_uuid_prefix(given.prefix));
            ReadOptions options = given;
            options.reverse = false;
            std::vector<const model::Node*> rows;
            for (const auto& node : options.prefix.empty()
                                        ? c.state.nodes()
                                        : c.state.nodes_with_prefix(options.prefix)) {
                rows.push_back(&node);
            }
            NL_TRY(Look look, list_nodes(std::move(rows), options, stubs));
            look.index = c.state.table_index(TableId::Nodes);
            look.keys = {state::watch_table(TableId::Nodes)};
            return look;
        }
    );
}

/// A node as shown: without its secret, and whether it drains.
std::string node_json(const model::Node& node) {
    model::Node shown = node;
    shown.secret_id = Uuid{};
    std::string json = wire::to_json(shown);
    json.pop_back();
    return json + fmt::format(",\"Drain\":{}}}", node.drain_strategy.has_value());
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "node"));
            const auto* node = c.state.node(id);
            if (node == nullptr) {
                return missing(c, TableId::Nodes, "node not found");
            }
            return Look{
                json_response(node_json(*node)),
                node->modify_index,
                {state::watch_row(TableId::Nodes, id)},
                {}
            };
        }
    );
}

Outcome allocations(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [text = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            NL_TRY(const Uuid id, path_uuid(text, "node"));
            std::string json = "[";
            for (const state::AllocView alloc : c.state.allocs_of_node(id)) {
                if (!may(c, alloc.namespace_(), policy::Capability::ReadJob)) {
                    continue;
                }
                if (json.size() > 1) {
                    json += ',';
                }
                wire::append_json(json, shown_alloc(alloc, c.state));
            }
            return Look{
                json_response(json + "]"),
                c.state.table_index(TableId::Allocs),
                {state::watch_of_node(TableId::Allocs, id)},
                {}
            };
        }
    );
}

/// Evaluations for every job that a change of the node may concern: those with allocations on it,
/// and all system jobs.
std::vector<model::Evaluation> node_evals(
    const Context& context, const model::Node& node, std::string_view trigger
) {
    std::map<std::pair<std::string, std::string>, std::shared_ptr<const model::Job>> jobs;
    for (const state::AllocView alloc : context.state.allocs_of_node(node.id)) {
        if (auto job = context.state.job(alloc.namespace_(), alloc.job_id())) {
            jobs.emplace(std::pair(alloc.namespace_(), alloc.job_id()), std::move(job));
        }
    }
    for (const auto& row : context.state.jobs()) {
        const bool everywhere = row.job->type == "system" || row.job->type == "sysbatch";
        if (everywhere && !row.job->stop && !row.job->periodic && !row.job->parameterized_job) {
            jobs.emplace(std::pair(row.job->namespace_, row.job->id), row.job);
        }
    }
    std::vector<model::Evaluation> out;
    for (const auto& [name, job] : jobs) {
        model::Evaluation eval = new_eval(*job, trigger, context);
        eval.id = new_id(context, out.size());
        eval.node_id = node.id;
        eval.node_modify_index = node.modify_index;
        eval.job_modify_index = job->modify_index;
        out.push_back(std::move(eval));
    }
    return out;
}

std::vector<Uuid> ids_of(const std::vector<model::Evaluation>& evals) {
    std::vector<Uuid> out;
    for (const auto& eval : evals) {
        out.push_back(eval.id);
    }
    return out;
}

/// The node of a write, or the answer that there is none.
std::expected<const model::Node*, Response> target(const PathValues& path, const Context& context) {
    const auto id = path_uuid(path[0], "node");
    if (!id) {
        return std::unexpected(error_response(id.error()));
    }
    const auto* node = context.state.node(*id);
    if (node == nullptr) {
        return std::unexpected(text_response(500, "node not found"));
    }
    return node;
}

Outcome evaluate(const Request&, const PathValues& path, const Context& context) {
    const auto node = target(path, context);
    if (!node) {
        return node.error();
    }
    commands::EvalUpsert command{node_evals(context, **node, "node-update")};
    model::NodeUpdateResponse out;
    out.eval_ids = ids_of(command.evals);
    out.node_modify_index = (*node)->modify_index;
    if (command.evals.empty()) {
        return write_response(wire::to_json(out), context.state.index());
    }
    return propose(command, context, [out](const Context&, const Applied& applied) -> Outcome {
        model::NodeUpdateResponse answer = out;
        answer.eval_create_index = applied.index;
        return write_response(wire::to_json(answer), applied.index);
    });
}

template <class Answer>
Answering node_answer(const std::vector<model::Evaluation>& evals) {
    return [ids = ids_of(evals)](const Context&, const Applied& applied) -> Outcome {
        Answer out;
        out.node_modify_index = applied.index;
        out.eval_ids = ids;
        out.eval_create_index = ids.empty() ? Index(0) : applied.index;
        return write_response(wire::to_json(out), applied.index);
    };
}

model::NodeEvent node_event(std::string message, std::string subsystem, const Context& context) {
    model::NodeEvent event;
    event.message = std::move(message);
    event.subsystem = std::move(subsystem);
    event.timestamp = context.wall;
    return event;
}

Outcome drain(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const auto node = target(path, context);
    if (!node) {
        return node.error();
    }
    commands::NodeDrain command;
    command.node_id = (*node)->id;
    command.mark_eligible = bool_member(*body, "MarkEligible");
    command.meta = text_map_member(*body, "Meta");
    if (const Value* spec = member(*body, "DrainSpec")) {
        model::DrainStrategy strategy;
        strategy.deadline = Duration{int_member(*spec, "Deadline").value_or(0)};
        strategy.ignore_system_jobs = bool_member(*spec, "IgnoreSystemJobs");
        strategy.started_at = context.wall;
        if (strategy.deadline.ns > 0) {
            strategy.force_deadline = context.wall + strategy.deadline;
        }
        command.strategy = strategy;
        command.event = node_event("Node drain strategy set", "Drain", context);
    } else {
        command.event = node_event("Node drain strategy unset", "Drain", context);
        if ((*node)->drain_strategy) {
            command.evals = node_evals(context, **node, "node-update");
        }
    }
    return propose(command, context, node_answer<model::NodeDrainUpdateResponse>(command.evals));
}

Outcome eligibility(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const auto node = target(path, context);
    if (!node) {
        return node.error();
    }
    const std::string wanted = text_member(*body, "Eligibility");
    const auto parsed = model::parse_enum<model::NodeEligibility>(wanted);
    if (!parsed || wanted.empty()) {
        return text_response(500, fmt::format("invalid scheduling eligibility \"{}\"", wanted));
    }
    const bool eligible = *parsed == model::NodeEligibility::Eligible;
    if (eligible && (*node)->drain_strategy) {
        return text_response(
            500, "can not set node's scheduling eligibility to eligible while it is draining"
        );
    }
    commands::NodeEligibilityUpdate command;
    command.node_id = (*node)->id;
    command.eligibility = *parsed;
    command.event = node_event(
        eligible ? "Node marked as eligible for scheduling"
                 : "Node marked as ineligible for scheduling",
        "Cluster",
        context
    );
    if (eligible && (*node)->scheduling_eligibility != *parsed) {
        command.evals = node_evals(context, **node, "node-update");
    }
    return propose(
        command, context, node_answer<model::NodeEligibilityUpdateResponse>(command.evals)
    );
}

Outcome purge(const Request&, const PathValues& path, const Context& context) {
    const auto node = target(path, context);
    if (!node) {
        return node.error();
    }
    commands::NodeDeregister command;
    command.nodes = {(*node)->id};
    command.evals = node_evals(context, **node, "node-update");
    return propose(command, context, node_answer<model::NodeUpdateResponse>(command.evals));
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/nodes", Where::Server, "node:read", "resources os", "List nodes.", list},
    {kGet,
     "/v1/node/{id}/allocations",
     Where::Server,
     "node:read",
     "",
     "Allocations of a node.",
     allocations},
    {kPut,
     "/v1/node/{id}/evaluate",
     Where::Leader,
     "node:write",
     "",
     "Evaluate a node's jobs.",
     evaluate},
    {kPut, "/v1/node/{id}/drain", Where::Leader, "node:write", "", "Begin or end a drain.", drain},
    {kPut,
     "/v1/node/{id}/eligibility",
     Where::Leader,
     "node:write",
     "",
     "Whether new work may come to a node.",
     eligibility},
    {kPut, "/v1/node/{id}/purge", Where::Leader, "node:write", "", "Forget a node.", purge},
    {kGet, "/v1/node/{id}", Where::Server, "node:read", "", "A node.", get},
};

}  // namespace

std::span<const Route> node_routes() {
    return kRoutes;
}

}  // namespace nl::api
