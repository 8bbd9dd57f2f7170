// Routes about the agent and the cluster: status, members, health, metrics.
// Source: Nomad HTTP API, 12 and 13; JSON conventions, 6.
#include "api/body.h"
#include "api/elsewhere.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/operator.h"
#include "wire/json.h"
#include "wire/value_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <expected>
#include <set>

namespace nl::api {
namespace {

struct HostAndPort {
    std::string host;
    std::int64_t port = 0;
};
HostAndPort split(std::string_view address) {
    HostAndPort out;
    const std::size_t colon = address.rfind(':');
    std::string_view host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    out.host = host;
    if (colon != std::string_view::npos) {
        const std::string_view digits = address.substr(colon + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    }
    return out;
}

model::ServerMember member_of(const Peer& peer, const Context& context) {
    model::ServerMember out;
    const HostAndPort at = split(peer.address);
    out.name = peer.name;
    out.addr = at.host;
    out.port = at.port;
    out.status = peer.alive ? "alive" : "failed";
    out.protocol_min = 1;
    out.protocol_max = 5;
    out.protocol_cur = 2;
    out.delegate_min = 2;
    out.delegate_max = 5;
    out.delegate_cur = 4;
    out.tags = {
        {"role", "nomad"},
        {"region", peer.region},
        {"dc", peer.datacenter},
        {"id", fmt::format("{}", peer.id)},
        {"build", peer.version},
        {"vsn", "1"},
        {"raft_vsn", "3"},
        {"rpc_addr", at.host},
        {"port", fmt::format("{}", at.port)},
        {"nomad_lite", peer.own_version},
    };
    out.tags.emplace("revision", "");
    out.tags.emplace("expect", fmt::format("{}", context.cluster.peers.size()));
    if (context.cluster.peers.size() == 1) {
        out.tags.emplace("bootstrap", "1");
    }
    return out;
}

Outcome leader(const Request&, const PathValues&, const Context& context) {
    const Peer* peer = context.cluster.leader_peer();
    return json_response(json_quote(peer != nullptr ? peer->address : ""));
}

Outcome peers(const Request&, const PathValues&, const Context& context) {
    Value::List out;
    for (const Peer& peer : context.cluster.peers) {
        out.emplace_back(peer.address);
    }
    return json_response(wire::write_json(out));
}

Outcome regions(const Request&, const PathValues&, const Context& context) {
    std::set<std::string> names{context.agent->region};
    for (const Peer& peer : context.cluster.peers) {
        if (!peer.region.empty()) {
            names.insert(peer.region);
        }
    }
    return json_response(wire::write_json(Value::List(names.begin(), names.end())));
}

Outcome self(const Request&, const PathValues&, const Context& context) {
    const AgentView& agent = *context.agent;
    std::string member = "{}";
    if (const Peer* peer = context.cluster.peer(context.cluster.self)) {
        member = wire::to_json(member_of(*peer, context));
    }
    Value::Map stats;
    for (const auto& [group, values] : agent.stats) {
        Value::Map lines;
        for (const auto& [key, value] : values) {
            lines.emplace(key, value);
        }
        stats.emplace(group, std::move(lines));
    }
    return json_response(fmt::format(
        "{{\"config\":{},\"member\":{},\"stats\":{}}}",
        wire::write_json(agent.config),
        member,
        wire::write_json(stats)
    ));
}

Outcome members(const Request&, const PathValues&, const Context& context) {
    model::ServerMembersResponse out;
    out.server_name = context.agent->name;
    out.server_region = context.agent->region;
    out.server_dc = context.agent->datacenter;
    for (const Peer& peer : context.cluster.peers) {
        out.members.push_back(member_of(peer, context));
    }
    return json_response(wire::to_json(out));
}

Outcome health(const Request& request, const PathValues&, const Context& context) {
    const std::string type = text_param(request, "type");
    const AgentView& agent = *context.agent;
    bool good = true;
    std::string out = "{";
    const auto add = [&](std::string_view name, bool ok, std::string_view message) {
        out += fmt::format(
            "{}\"{}\":{{\"message\":{},\"ok\":{}}}",
            out.size() > 1 ? "," : "",
            name,
            json_quote(ok ? "ok" : message),
            ok
        );
        good = good && ok;
    };
    if ((type.empty() && agent.client) || type == "client") {
        if (!agent.client) {
            add("client", false, "client not enabled");
        } else {
            add("client", agent.client_connected, agent.client_problem);
        }
    }
    if ((type.empty() && agent.server) || type == "server") {
        if (!agent.server) {
            add("server", false, "server not enabled");
        } else {
            add("server", context.cluster.leader != ServerId{}, kNoLeader);
        }
    }
    out += "}";
    return good ? json_response(out) : text_response(500, out);
}

Outcome servers(const Request&, const PathValues&, const Context& context) {
    if (!context.agent->client) {
        return text_response(501, std::string(kInvalidMethod));
    }
    std::set<std::string> addresses;
    for (const Peer& peer : context.cluster.peers) {
        addresses.insert(peer.address);
    }
    addresses.insert(context.agent->known_servers.begin(), context.agent->known_servers.end());
    return json_response(wire::write_json(Value::List(addresses.begin(), addresses.end())));
}

Outcome join(const Request& request, const PathValues&, const Context& context) {
    if (!context.agent->server) {
        return text_response(501, std::string(kInvalidMethod));
    }
    JoinServers call;
    for (const auto& [name, value] : request.query) {
        if (name == "address" && !value.empty()) {
            call.addresses.push_back(value);
        }
    }
    if (call.addresses.empty()) {
        return text_response(400, "missing address to join");
    }
    return ask_servers({std::move(call)}, [](const Context&, const ServerAnswered& answered) {
        return json_response(fmt::format(
            "{{\"error\":{},\"num_joined\":{},\"warning\":\"\"}}",
            json_quote(answered.result ? "" : answered.result.error().message),
            answered.joined
        ));
    });
}

Outcome force_leave(const Request& request, const PathValues&, const Context& context) {
    if (!context.agent->server) {
        return text_response(501, std::string(kInvalidMethod));
    }
    const std::string node = text_param(request, "node");
    if (node.empty()) {
        return text_response(400, "missing node to force leave");
    }
    return ask_servers({ForceLeave{node}}, [](const Context&, const ServerAnswered& answered) {
        return answered.result ? empty_response()
                               : text_response(500, answered.result.error().message);
    });
}

Outcome metrics(const Request& request, const PathValues&, const Context& context) {
    static const Metrics kNone;
    const Metrics& found = context.metrics ? *context.metrics : kNone;
    if (text_param(request, "format") == "prometheus") {
        if (!context.agent->prometheus_metrics) {
            return text_response(415, "Prometheus is not enabled");
        }
        return Response{
            200,
            {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
            metrics_prometheus(found)
        };
    }
    return json_response(metrics_json(found, context.wall));
}

Outcome collect_garbage(const Request&, const PathValues&, const Context&) {
    return ask_servers({CollectGarbage{}}, [](const Context&, const ServerAnswered& answered) {
        return answered.result ? empty_response() : error_response(answered.result.error());
    });
}

Outcome reconcile(const Request&, const PathValues&, const Context&) {
    return ask_servers({ReconcileSummaries{}}, [](const Context&, const ServerAnswered& answered) {
        return answered.result ? empty_response() : error_response(answered.result.error());
    });
}

Outcome openapi(const Request&, const PathValues&, const Context& context) {
    return json_response(openapi_json(context.agent->own_version));
}

/// Passes log lines on: bare with `plain`, else as frames (JSON conventions 5.2).
class Monitor final : public StreamMachine {
public:
    explicit Monitor(bool plain) : plain_(plain) {}

    StreamStep on(const StreamInput& input, const Context& context) override {
        constexpr Duration kHeartbeat = seconds(1);
        StreamStep step;
        if (const auto* item = std::get_if<Item>(&input)) {
            step.bytes = plain_ ? item->bytes
                                : fmt::format("{{\"Data\":\"{}\"}}", base64_encode(item->bytes));
        } else if (const auto* ended = std::get_if<SourceEnded>(&input)) {
            step.end = true;
            if (!ended->result && sent_) {
                step.cut = true;
            } else if (!ended->result) {
                step.instead = error_response(ended->result.error());
            }
            return step;
        } else if (std::holds_alternative<Tick>(input) && !plain_) {
            step.bytes = "{}";
        }
        if (!plain_) {
            step.wake = context.now + kHeartbeat;
        }
        sent_ = sent_ || !step.bytes.empty();
        return step;
    }

private:
    bool plain_;
    bool sent_ = false;
};

/// Where the log that is asked for is written: here, or on another node.
std::expected<StreamSource, Response> log_source(
    const Request& request, const std::string& level, bool json, const Context& context
) {
    const std::string node = text_param(request, "node_id");
    const std::string server = text_param(request, "server_id");
    if (!node.empty() && !server.empty()) {
        return std::unexpected(text_response(400, "Cannot target node and server simultaneously"));
    }
    if (!server.empty() && !is_own_server(server, context)) {
        return std::unexpected(text_response(404, fmt::format("unknown Nomad server {}", server)));
    }
    if (node.empty() || node == context.agent->node_id.str()) {
        return LogSource{level, json};
    }
    const auto id = path_uuid(node, "node");
    if (!id) {
        return std::unexpected(error_response(id.error()));
    }
    if (!context.state || context.state.node(*id) == nullptr) {
        return std::unexpected(text_response(404, fmt::format("Unknown node \"{}\"", node)));
    }
    WaitNode call;
    call.node = *id;
    call.request.method = server::CallMethod::AgentLog;
    call.request.log_level = level;
    call.request.log_json = json;
    return call;
}

Outcome monitor(const Request& request, const PathValues&, const Context& context) {
    const auto plain = flag(request, "plain");
    const auto json = flag(request, "log_json");
    const auto location = flag(request, "log_include_location");
    if (!plain || !json || !location) {
        return error_response(!plain ? plain.error() : !json ? json.error() : location.error());
    }
    std::string level = text_param(request, "log_level");
    level = level.empty() ? "info" : level;
    constexpr std::array<std::string_view, 5> kLevels{"trace", "debug", "info", "warn", "error"};
    if (std::ranges::none_of(kLevels, [&](std::string_view known) {
            return std::ranges::equal(known, level, {}, {}, [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            });
        })) {
        return text_response(400, fmt::format("Unknown log level: {}", level));
    }
    auto source = log_source(request, level, *json, context);
    if (!source) {
        return source.error();
    }
    Stream stream;
    stream.headers = {
        {"Content-Type", *plain ? "text/plain" : "application/json"},
        {"X-Content-Type-Options", "nosniff"}
    };
    stream.source = std::move(*source);
    stream.machine = std::make_unique<Monitor>(*plain);
    return stream;
}

constexpr Route kAgentRoutes[] = {
    {kGet, "/v1/agent/self", Where::Local, "agent:read", "", "This agent.", self},
    {kGet, "/v1/agent/members", Where::Local, "node:read", "", "The servers.", members},
    {kGet, "/v1/agent/health", Where::Local, "anon", "type", "Whether this agent is well.", health},
    {kGet,
     "/v1/agent/servers",
     Where::Local,
     "agent:read",
     "",
     "The servers this client knows.",
     servers},
    {kPut, "/v1/agent/join", Where::Local, "agent:write", "address", "Join a cluster.", join},
    {kPut,
     "/v1/agent/force-leave",
     Where::Leader,
     "agent:write",
     "node prune",
     "Remove a failed server.",
     force_leave},
    {kGet,
     "/v1/agent/monitor",
     Where::Local,
     "agent:read",
     "log_level log_json log_include_location plain node_id server_id",
     "Follow this agent's log.",
     monitor},
    {kGet, "/v1/metrics", Where::Local, "anon", "format", "Measurements of this agent.", metrics},
    {kGet, "/v1/openapi.json", Where::Local, "anon", "", "This description.", openapi},
};

constexpr Route kStatusRoutes[] = {
    {kGet, "/v1/status/leader", Where::Local, "anon", "", "The leader's address.", leader},
    {kGet, "/v1/status/peers", Where::Local, "anon", "", "The servers' addresses.", peers},
    {kGet, "/v1/regions", Where::Local, "anon", "", "Regions.", regions},
    {kPut, "/v1/system/gc", Where::Leader, "management", "", "Collect garbage now.", collect_garbage
    },
    {kPut,
     "/v1/system/reconcile/summaries",
     Where::Leader,
     "management",
     "",
     "Count the jobs' summaries again.",
     reconcile},
};

}  // namespace

std::span<const Route> agent_routes() {
    return kAgentRoutes;
}
std::span<const Route> status_routes() {
    return kStatusRoutes;
}

}  // namespace nl::api
