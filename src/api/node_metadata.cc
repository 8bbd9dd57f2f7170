// Metadata of a node that changes while it runs. Source: Nomad HTTP API, 11.
#include "api/body.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "base/codec.h"
#include "model/node_answers.h"
#include "server/node_protocol.h"
#include "wire/json.h"

#include <fmt/format.h>

namespace nl::api {
namespace {

using server::CallMethod;

/// A call to the node that is named, or this agent's own.
std::expected<WaitNode, Response> metadata_call(
    CallMethod method, const std::string& named, const Context& context
) {
    WaitNode call;
    call.request.method = method;
    if (named.empty()) {
        if (context.agent->node_id.is_nil()) {
            return std::unexpected(text_response(400, "No local Node and node_id not provided"));
        }
        call.node = context.agent->node_id;
        return call;
    }
    const auto id = path_uuid(named, "node");
    if (!id) {
        return std::unexpected(error_response(id.error()));
    }
    if (context.state.node(*id) == nullptr) {
        return std::unexpected(text_response(404, fmt::format("Unknown node \"{}\"", named)));
    }
    call.node = *id;
    return call;
}

Outcome answer(WaitNode call) {
    return ask_node(std::move(call), [](const Context&, const NodeAnswered& answered) -> Outcome {
        if (!answered.items) {
            return error_response(answered.items.error());
        }
        if (answered.items->empty()) {
            return text_response(500, "the node gave no answer");
        }
        const auto item = decode<model::NodeMetaResponse>(answered.items->front());
        return item ? json_response(wire::to_json(*item)) : error_response(item.error());
    });
}

Outcome get(const Request& request, const PathValues&, const Context& context) {
    auto call = metadata_call(CallMethod::Metadata, text_param(request, "node_id"), context);
    return call ? answer(std::move(*call)) : Outcome(std::move(call.error()));
}

Outcome put(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    std::string named = text_member(*body, "NodeID");
    if (named.empty()) {
        named = text_param(request, "node_id");
    }
    auto call = metadata_call(CallMethod::SetMetadata, named, context);
    if (!call) {
        return std::move(call.error());
    }
    const Value* meta = member(*body, "Meta");
    const Value::Map* keys = meta != nullptr ? meta->as_map() : nullptr;
    if (keys == nullptr || keys->empty()) {
        return text_response(400, "missing required Meta object");
    }
    for (const auto& [key, value] : *keys) {
        if (key.empty()) {
            return text_response(400, "metadata keys must not be empty");
        }
        if (value.is_null()) {
            call->request.unset.push_back(key);
        } else if (const std::string* text = value.as_string()) {
            call->request.set[key] = *text;
        } else {
            return text_response(
                400, fmt::format("the value of metadata key \"{}\" must be text or null", key)
            );
        }
    }
    return answer(std::move(*call));
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/client/metadata",
     Where::Server,
     "node:read",
     "node_id",
     "A node's metadata.",
     get},
    {kPut,
     "/v1/client/metadata",
     Where::Server,
     "node:write",
     "node_id",
     "Change a node's metadata while it runs.",
     put},
};

}  // namespace

std::span<const Route> node_metadata_routes() {
    return kRoutes;
}

}  // namespace nl::api
