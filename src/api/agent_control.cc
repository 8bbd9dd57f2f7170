// Routes that change or look into one agent: schedulers, known servers, reload, host, profiles.
// Source: Nomad HTTP API, 12.
#include "api/body.h"
#include "api/elsewhere.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::api {
namespace {

constexpr std::string_view kServerOnly = "Server only endpoint";

Value::List texts(const std::vector<std::string>& list) {
    return {list.begin(), list.end()};
}

Outcome schedulers(const Request&, const PathValues&, const Context& context) {
    const AgentView& agent = *context.agent;
    if (!agent.server) {
        return text_response(400, std::string(kServerOnly));
    }
    const bool leads = context.cluster.is_leader();
    Value::List workers;
    for (std::int64_t i = 0; i < agent.num_schedulers; ++i) {
        workers.emplace_back(Value::Map{
            {"id", new_id(context, static_cast<std::uint64_t>(i)).str()},
            {"enabled_schedulers", texts(agent.enabled_schedulers)},
            {"started", "0001-01-01T00:00:00Z"},
            {"status", leads ? "Started" : "Paused"},
            {"workload_status", "WaitingToDequeue"}
        });
    }
    return json_response(wire::write_json(Value::Map{
        {"server_id", fmt::format("{}.{}", agent.name, agent.region)},
        {"schedulers", std::move(workers)}
    }));
}

std::string scheduler_config_json(const AgentView& agent) {
    return wire::write_json(Value::Map{
        {"server_id", fmt::format("{}.{}", agent.name, agent.region)},
        {"num_schedulers", agent.num_schedulers},
        {"enabled_schedulers", texts(agent.enabled_schedulers)}
    });
}

Outcome scheduler_config(const Request&, const PathValues&, const Context& context) {
    return context.agent->server ? json_response(scheduler_config_json(*context.agent))
                                 : text_response(400, std::string(kServerOnly));
}

/// The number of workers is the configuration's; what is asked for is checked and, if it differs,
/// refused in so many words.
Outcome set_scheduler_config(const Request& request, const PathValues&, const Context& context) {
    const AgentView& agent = *context.agent;
    if (!agent.server) {
        return text_response(400, std::string(kServerOnly));
    }
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const auto count = int_member(*body, "num_schedulers");
    if (count && *count != agent.num_schedulers) {
        return text_response(
            400,
            fmt::format(
                "this server runs {} schedulers; change server.num_schedulers in its configuration",
                agent.num_schedulers
            )
        );
    }
    for (const std::string& kind : text_list_member(*body, "enabled_schedulers")) {
        if (std::ranges::find(agent.enabled_schedulers, kind) == agent.enabled_schedulers.end()) {
            return text_response(400, fmt::format("scheduler \"{}\" is not enabled here", kind));
        }
    }
    return json_response(scheduler_config_json(agent));
}

Outcome set_servers(const Request& request, const PathValues&, const Context& context) {
    if (!context.agent->client) {
        return text_response(501, std::string(kInvalidMethod));
    }
    SetServers call;
    for (const auto& [name, value] : request.query) {
        if (name == "address" && !value.empty()) {
            call.addresses.push_back(value);
        }
    }
    if (call.addresses.empty()) {
        return text_response(400, "missing server address");
    }
    return ask_servers({std::move(call)}, [](const Context&, const ServerAnswered& answered) {
        return answered.result ? empty_response() : error_response(answered.result.error());
    });
}

Outcome reload(const Request&, const PathValues&, const Context&) {
    return ask_servers({ReloadAgent{}}, [](const Context&, const ServerAnswered& answered) {
        return answered.result ? empty_response()
                               : text_response(500, answered.result.error().message);
    });
}

Outcome host(const Request& request, const PathValues&, const Context& context) {
    const std::string node = text_param(request, "node_id");
    const std::string server = text_param(request, "server_id");
    if (!node.empty() && !server.empty()) {
        return text_response(400, "Can only set one of node_id or server_id");
    }
    if (node.empty() && server.empty()) {
        return json_response(wire::write_json(context.agent->host));
    }
    const auto answer = [](std::string_view id, std::string_view data) {
        return json_response(
            fmt::format("{{\"AgentID\":{},\"HostData\":{}}}", json_quote(id), data)
        );
    };
    if (!server.empty()) {
        if (is_own_server(server, context)) {
            return answer(server, wire::write_json(context.agent->host));
        }
        return text_response(404, fmt::format("unknown Nomad server {}", server));
    }
    const auto id = path_uuid(node, "node");
    if (!id) {
        return error_response(id.error());
    }
    if (*id == context.agent->node_id) {
        return answer(node, wire::write_json(context.agent->host));
    }
    if (!context.state || context.state.node(*id) == nullptr) {
        return text_response(404, fmt::format("Unknown node \"{}\"", node));
    }
    WaitNode call;
    call.node = *id;
    call.request.method = server::CallMethod::AgentHost;
    return ask_node(
        std::move(call),
        [node, answer](const Context&, const NodeAnswered& answered) -> Outcome {
            if (!answered.items) {
                return error_response(answered.items.error());
            }
            return answered.items->empty() ? text_response(500, "the node gave no answer")
                                           : answer(node, answered.items->front());
        }
    );
}

Outcome profile(const Request& request, const PathValues& path, const Context& context) {
    if (!context.agent->enable_debug) {
        return text_response(404, "404 page not found\n");
    }
    ReadProfile call;
    call.name = path[0];
    call.span = seconds(1);
    const std::string span = text_param(request, "seconds");
    if (!span.empty()) {
        const auto parsed = parse_duration(span + "s");
        if (!parsed || parsed->ns <= 0 || *parsed > seconds(60)) {
            return text_response(400, "seconds must be a number from 1 to 60");
        }
        call.span = *parsed;
    }
    return ask_servers({std::move(call)}, [](const Context&, ServerAnswered answered) -> Outcome {
        if (!answered.result) {
            return error_response(answered.result.error());
        }
        return Response{
            200, {{"Content-Type", "application/octet-stream"}}, std::move(answered.bytes)
        };
    });
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/agent/schedulers",
     Where::Local,
     "agent:read",
     "",
     "This server's scheduler workers.",
     schedulers},
    {kGet,
     "/v1/agent/schedulers/config",
     Where::Local,
     "agent:read",
     "",
     "How many scheduler workers this server runs.",
     scheduler_config},
    {kPut,
     "/v1/agent/schedulers/config",
     Where::Local,
     "agent:write",
     "",
     "Check the configuration of the scheduler workers.",
     set_scheduler_config},
    {kPut,
     "/v1/agent/servers",
     Where::Local,
     "agent:write",
     "address",
     "Set the servers this client tries.",
     set_servers},
    {kPut,
     "/v1/agent/reload",
     Where::Local,
     "agent:write",
     "",
     "Read this agent's configuration again.",
     reload},
    {kGet,
     "/v1/agent/host",
     Where::Local,
     "agent:write",
     "node_id server_id",
     "The machine this agent runs on.",
     host},
    {kGet,
     "/v1/agent/pprof/{name}",
     Where::Local,
     "agent:write",
     "seconds debug gc node_id server_id",
     "A profile of this agent.",
     profile},
};

}  // namespace

std::span<const Route> agent_control_routes() {
    return kRoutes;
}

}  // namespace nl::api
