#include "api/elsewhere.h"

#include <fmt/format.h>

namespace nl::api {

bool asks_other_region(const Request& request, const Route& route, const Context& context) {
    const auto region = request.param("region");
    // What Nomad sends to the servers of the region asked for.
    const bool has_region =
        route.where != Where::Local || route.pattern.starts_with("/v1/status/");
    return has_region && region && !region->empty() && *region != context.agent->region;
}

bool is_own_server(std::string_view server_id, const Context& context) {
    const AgentView& agent = *context.agent;
    return agent.server && (server_id == agent.name ||
                            server_id == fmt::format("{}.{}", agent.name, agent.region) ||
                            server_id == fmt::format("{}", context.cluster.self) ||
                            (server_id == "leader" && context.cluster.is_leader()));
}

OtherAgent other_agent(const Request& request, const Route& route, const Context& context) {
    const auto takes = [&](std::string_view name) {
        return route.where == Where::Local && (" " + std::string(route.parameters) + " ")
                                                      .find(fmt::format(" {} ", name)) !=
                                                  std::string::npos;
    };
    OtherAgent out;
    const auto node = takes("node_id") ? request.param("node_id") : std::nullopt;
    const auto server = takes("server_id") ? request.param("server_id") : std::nullopt;
    const bool names_node = node && !node->empty();
    const bool names_server = server && !server->empty();
    if (names_node == names_server) {
        return out;  // Neither; or both, which the handler refuses.
    }
    if (names_node) {
        out.leader = *node != context.agent->node_id.str() && !context.cluster.is_leader();
        return out;
    }
    if (is_own_server(*server, context)) {
        return out;
    }
    for (const Peer& peer : context.cluster.peers) {
        if (peer.id != context.cluster.self &&
            (*server == peer.name || *server == peer.name.substr(0, peer.name.find('.')) ||
             *server == fmt::format("{}", peer.id) ||
             (*server == "leader" && peer.id == context.cluster.leader))) {
            out.address = peer.address;
        }
    }
    out.leader = out.address.empty() && !context.agent->server;
    return out;
}

}  // namespace nl::api
