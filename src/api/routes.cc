#include "api/routes.h"

#include "api/access.h"
#include "api/elsewhere.h"
#include "api/route_list.h"
#include "api/status.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace nl::api {
namespace {

/// What of the request outlives its handling: how to write the answer.
struct Finish {
    bool pretty = false;
    bool cors = false;
};

void finish_response(Response& response, Finish how) {
    if (how.pretty && !response.body.empty()) {
        const bool json = std::ranges::any_of(response.headers, [](const NameValue& field) {
            return field.name == "Content-Type" && field.value == "application/json";
        });
        if (json) {
            response.body = wire::prettify(response.body);
        }
    }
    if (how.cors) {
        response.headers.push_back({"Access-Control-Allow-Origin", "*"});
        response.headers.push_back({"Access-Control-Allow-Credentials", "true"});
    }
}

Outcome finished(Outcome outcome, Finish how) {
    if (auto* response = std::get_if<Response>(&outcome)) {
        finish_response(*response, how);
    } else if (auto* parked = std::get_if<Parked>(&outcome)) {
        parked->resume = [resume = std::move(parked->resume), how](
                             const Context& context, WaitEnd end
                         ) { return finished(resume(context, std::move(end)), how); };
    } else if (auto* stream = std::get_if<Stream>(&outcome); stream != nullptr && how.cors) {
        stream->headers.push_back({"Access-Control-Allow-Origin", "*"});
        stream->headers.push_back({"Access-Control-Allow-Credentials", "true"});
    }
    return outcome;
}

/// Browsers on another server's page read these (http_api.md 0.1).
bool has_cors(std::string_view path) {
    constexpr std::array<std::string_view, 6> kPrefixes{
        "/v1/client/fs/",
        "/v1/client/stats",
        "/v1/client/allocation/",
        "/v1/client/metadata",
        "/v1/vars",
        "/v1/var/",
    };
    return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
        return path.starts_with(prefix);
    });
}

Methods method_bit(std::string_view method) {
    if (method == "GET" || method == "HEAD") {
        return kGet;
    }
    if (method == "PUT" || method == "POST") {
        return kPut;
    }
    return method == "DELETE" ? kDelete : 0;
}

/// Below some paths Nomad looks at the rest itself, and words what it does not know.
Response unknown_path(std::string_view path) {
    for (const std::string_view below : {"/v1/allocation/", "/v1/client/allocation/"}) {
        if (path.starts_with(below) && path.size() > below.size()) {
            return text_response(404, "resource not found");
        }
    }
    for (const std::string_view call : {"ls", "stat", "readat", "cat", "stream", "logs"}) {
        if (path == fmt::format("/v1/client/fs/{}/", call)) {
            return text_response(400, "must provide a valid alloc id");
        }
    }
    return text_response(404, "404 page not found\n");
}

std::string_view first_segment(std::string_view text) {
    return text.substr(0, text.find('/'));
}

}  // namespace

const Peer* ClusterView::peer(ServerId id) const {
    const auto found = std::ranges::find(peers, id, &Peer::id);
    return found == peers.end() || id == ServerId{} ? nullptr : &*found;
}

bool match_pattern(std::string_view pattern, std::string_view path, PathValues& values) {
    const std::size_t brace = pattern.find('{');
    if (brace == std::string_view::npos) {
        return pattern == path;
    }
    if (!path.starts_with(pattern.substr(0, brace))) {
        return false;
    }
    const std::size_t close = pattern.find('}', brace);
    const bool greedy = pattern[close - 1] == '*';
    const std::string_view rest_pattern = pattern.substr(close + 1);
    const std::string_view rest = path.substr(brace);
    const std::size_t depth = values.values.size();
    // A greedy parameter takes as much as it can; patterns have at most two, paths are short.
    std::size_t end = greedy ? rest.size() : first_segment(rest).size();
    while (end > 0) {
        values.values.emplace_back(rest.substr(0, end));
        if (match_pattern(rest_pattern, rest.substr(end), values)) {
            return true;
        }
        values.values.resize(depth);
        if (!greedy) {
            return false;
        }
        const std::size_t slash = rest.rfind('/', end - 1);
        end = slash == std::string_view::npos ? 0 : slash;
    }
    return false;
}

std::span<const Route> routes() {
    // Built on the stack of the first call and kept: the rows themselves are constants.
    static const std::vector<Route> kAll = [] {
        std::vector<Route> all;
        const auto add = [&all](std::span<const Route> rows) {
            all.insert(all.end(), rows.begin(), rows.end());
        };
        add(exec_routes());
        add(agent_control_routes());
        add(node_metadata_routes());
        add(eval_delete_routes());
        add(job_parse_routes());
        add(job_plan_routes());
        add(explain_routes());
        add(job_write_routes());
        add(job_routes());
        add(node_pool_routes());
        add(node_routes());
        add(allocation_routes());
        add(evaluation_routes());
        add(deployment_routes());
        add(namespace_routes());
        add(acl_token_routes());
        add(acl_policy_routes());
        add(acl_login_routes());
        add(variable_routes());
        add(keyring_routes());
        add(client_routes());
        add(agent_routes());
        add(status_routes());
        add(search_routes());
        add(operator_routes());
        add(service_routes());
        add(host_volume_routes());
        add(volume_routes());
        add(csi_volume_routes());
        add(event_routes());
        add(dashboard_routes());
        return all;
    }();
    return kAll;
}

Found find_route(std::string_view method, std::string_view path) {
    const Methods bit = method_bit(method);
    Found found;
    for (const Route& route : routes()) {
        PathValues values;
        if (!match_pattern(route.pattern, path, values)) {
            continue;
        }
        if ((route.methods & bit) != 0) {
            found.route = &route;
            found.values = std::move(values);
            found.wrong_method = false;
            return found;
        }
        found.wrong_method = true;
    }
    return found;
}

Outcome handle(const Request& request, const Context& context) {
    const auto pretty = request.param("pretty");
    const Finish how{pretty && *pretty != "0", has_cors(request.path)};
    if (request.method == "OPTIONS" && how.cors) {
        Response preflight{200, {}, {}};
        preflight.headers.push_back({"Access-Control-Allow-Methods", "HEAD, GET, PUT, POST, DELETE"}
        );
        preflight.headers.push_back({"Access-Control-Allow-Headers", "*"});
        finish_response(preflight, how);
        return preflight;
    }
    const Found found = find_route(request.method, request.path);
    if (found.route == nullptr) {
        return finished(
            found.wrong_method ? text_response(405, std::string(kInvalidMethod))
                               : unknown_path(request.path),
            how
        );
    }
    const Route& route = *found.route;
    if (route.speaks == Speaks::WebSocket) {
        // Its token may come in the first message: the session asks for access itself.
        return route.handler(request, found.values, context);
    }
    if (asks_other_region(request, route, context)) {
        return finished(text_response(500, std::string(kNoRegion)), how);
    }
    if (route.where != Where::Local && !context.state) {
        return finished(text_response(500, std::string(kNoLeader)), how);
    }
    return finished(handle_admitted(request, route, found.values, context), how);
}

}  // namespace nl::api
