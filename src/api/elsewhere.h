#pragma once
// Requests that are meant for somebody else: another region, another agent.

#include "api/context.h"
#include "api/request.h"
#include "api/routes.h"

#include <string>
#include <string_view>

namespace nl::api {

/// Regions are not joined: there is a way to one's own only.
inline constexpr std::string_view kNoRegion = "No path to region";
/// Whether the request asks another region than the agent's, of a route that has one.
bool asks_other_region(const Request& request, const Route& route, const Context& context);

/// Another agent that a request for a Local route names with `node_id` or `server_id`: the leader,
/// which holds the nodes' sessions, or the server at an RPC address. Neither: this agent answers.
struct OtherAgent {
    bool leader = false;
    std::string address;
};
OtherAgent other_agent(const Request& request, const Route& route, const Context& context);
/// Whether `server_id` names this server.
bool is_own_server(std::string_view server_id, const Context& context);

}  // namespace nl::api
