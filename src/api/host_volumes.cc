// Routes of dynamic host volumes: made on a node by its plugin, written down when they are there.
// Source: Nomad HTTP API, 13.
#include "api/body.h"
#include "api/listing.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/route_list.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/host_volume.h"
#include "sched/operators.h"
#include "sched/regex_adapter.h"
#include "server/node_more.h"
#include "state/commands/records.h"
#include "wire/json.h"

#include <algorithm>
#include <array>
#include <optional>

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

bool is_plugin_name(std::string_view name) {
    return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

/// What is wrong with a volume as it was sent, one sentence each.
std::vector<std::string> problems_of(const model::HostVolume& volume, bool registering) {
    std::vector<std::string> out;
    if (volume.name.empty()) {
        out.emplace_back("missing name");
    } else if (volume.name.find_first_of("/\\ ") != std::string::npos) {
        out.emplace_back("invalid name: it may hold neither blanks nor slashes");
    }
    if (volume.requested_capabilities.empty()) {
        out.emplace_back("must include at least one capability block");
    }
    constexpr std::array<std::string_view, 5> kAccess{
        "single-node-reader-only",
        "single-node-writer",
        "single-node-single-writer",
        "single-node-multi-writer",
        ""
    };
    for (const auto& capability : volume.requested_capabilities) {
        if (std::ranges::find(kAccess, capability.access_mode) == kAccess.end()) {
            out.push_back(fmt::format("invalid access mode: \"{}\"", capability.access_mode));
        }
        if (capability.attachment_mode != "file-system" &&
            capability.attachment_mode != "block-device" && !capability.attachment_mode.empty()) {
            out.push_back(fmt::format("invalid attachment mode: \"{}\"", capability.attachment_mode)
            );
        }
    }
    if (volume.requested_capacity_max_bytes > 0 &&
        volume.requested_capacity_max_bytes < volume.requested_capacity_min_bytes) {
        out.push_back(fmt::format(
            "capacity_max ({}) must be larger than capacity_min ({})",
            volume.requested_capacity_max_bytes,
            volume.requested_capacity_min_bytes
        ));
    }
    for (const model::Constraint& constraint : volume.constraints) {
        if (constraint.operand == "distinct_hosts" || constraint.operand == "distinct_property") {
            out.push_back(
                fmt::format("invalid constraint: \"{}\" is not for volumes", constraint.operand)
            );
        }
    }
    if (registering) {
        if (volume.node_id.empty()) {
            out.emplace_back("missing node ID");
        }
        if (!volume.host_path.starts_with('/')) {
            out.emplace_back("host path must be an absolute path");
        }
    } else if (!is_plugin_name(volume.plugin_id)) {
        // A name with a slash in it would be a program anywhere on the node.
        out.push_back(fmt::format("invalid plugin ID \"{}\"", volume.plugin_id));
    }
    return out;
}

std::string problems_text(const std::vector<std::string>& problems) {
    std::string out =
        fmt::format("{} error{} occurred:\n", problems.size(), problems.size() == 1 ? "" : "s");
    for (const std::string& problem : problems) {
        out += "\t* " + problem + "\n";
    }
    return out + "\n";
}

/// Whether a volume may be made on a node, and if not why.
Result<void> fits(
    const model::Node& node,
    const model::HostVolume& volume,
    bool registering,
    sched::RegexCache& regexes
) {
    if (node.status != model::NodeStatus::Ready) {
        return fail(ErrorCode::FailedPrecondition, "node {} is not ready", node.id);
    }
    if (!volume.node_pool.empty() && volume.node_pool != "all" &&
        node.node_pool != volume.node_pool) {
        return fail(
            ErrorCode::FailedPrecondition,
            "node {} is not in node pool \"{}\"",
            node.id,
            volume.node_pool
        );
    }
    if (!registering &&
        !node.attributes.contains("plugins.host_volume." + volume.plugin_id + ".version")) {
        return fail(
            ErrorCode::FailedPrecondition,
            "node {} has no host volume plugin \"{}\"",
            node.id,
            volume.plugin_id
        );
    }
    if (const auto same = node.host_volumes.find(volume.name);
        same != node.host_volumes.end() && same->second.id != volume.id) {
        return fail(
            ErrorCode::AlreadyExists, "node {} has a volume \"{}\" already", node.id, volume.name
        );
    }
    for (const model::Constraint& c : volume.constraints) {
        std::string left;
        std::string right;
        if (!sched::holds(
                c.operand,
                sched::resolve_target(c.l_target, node, left),
                sched::resolve_target(c.r_target, node, right),
                regexes
            )) {
            return fail(
                ErrorCode::FailedPrecondition,
                "node {} does not fit: {} {} {}",
                node.id,
                c.l_target,
                c.operand,
                c.r_target
            );
        }
    }
    return {};
}

Result<Uuid> choose_node(
    const Context& context, const model::HostVolume& volume, bool registering
) {
    sched::RegexCache regexes;
    if (!volume.node_id.empty()) {
        NL_TRY(const Uuid id, Uuid::parse(volume.node_id));
        const model::Node* node = context.state.node(id);
        if (node == nullptr) {
            return fail(ErrorCode::NotFound, "no such node {}", volume.node_id);
        }
        NL_TRY_VOID(fits(*node, volume, registering, regexes));
        return id;
    }
    std::optional<Uuid> best;
    std::size_t least = 0;
    for (const auto& node : context.state.nodes()) {
        if (!fits(node, volume, registering, regexes)) {
            continue;
        }
        // Spread: the one with the fewest volumes.
        if (!best || node.host_volumes.size() < least) {
            best = node.id;
            least = node.host_volumes.size();
        }
    }
    if (!best) {
        return fail(
            ErrorCode::FailedPrecondition,
            "no node meets constraints for volume \"{}\"",
            volume.name
        );
    }
    return *best;
}

std::string volume_body(const model::HostVolume& volume) {
    return "{\"Volume\":" + wire::to_json(volume) + ",\"Warnings\":\"\"}";
}

Outcome make(const Request& request, const Context& context, bool registering) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const Value* given = member(*body, "Volume");
    if (given == nullptr) {
        return text_response(400, "missing volume definition");
    }
    auto volume = wire::from_value<model::HostVolume>(*given);
    if (!volume) {
        return error_response(volume.error());
    }
    if (volume->namespace_.empty()) {
        volume->namespace_ = namespace_of(request);
    }
    if (context.state.namespace_(volume->namespace_) == nullptr) {
        return text_response(500, fmt::format("namespace \"{}\" not found", volume->namespace_));
    }
    const model::HostVolume* known = nullptr;
    if (!volume->id.empty()) {
        known = context.state.host_volume(volume->namespace_, volume->id);
        if (known == nullptr && !registering) {
            return text_response(
                500, fmt::format("cannot update volume \"{}\": volume does not exist", volume->id)
            );
        }
        if (!Uuid::parse(volume->id)) {
            return text_response(400, fmt::format("invalid volume ID \"{}\"", volume->id));
        }
    }
    if (known != nullptr) {
        if ((!volume->node_id.empty() && volume->node_id != known->node_id) ||
            volume->name != known->name) {
            return text_response(500, "node ID and name of a volume cannot be updated");
        }
        volume->node_id = known->node_id;
        volume->plugin_id = volume->plugin_id.empty() ? known->plugin_id : volume->plugin_id;
        volume->create_index = known->create_index;
        volume->create_time = known->create_time;
    } else {
        volume->id = volume->id.empty() ? new_id(context).str() : volume->id;
        volume->create_time = context.wall.unix_ns;
        volume->create_index = {};
    }
    const auto problems = problems_of(*volume, registering);
    if (!problems.empty()) {
        return text_response(500, "volume validation failed: " + problems_text(problems));
    }
    const auto node = choose_node(context, *volume, registering);
    if (!node) {
        return text_response(
            500,
            fmt::format("could not place volume \"{}\": {}", volume->name, node.error().message)
        );
    }
    volume->node_id = node->str();
    volume->node_pool = context.state.node(*node)->node_pool;
    volume->state = "pending";
    volume->modify_time = context.wall.unix_ns;
    WaitNode call;
    call.node = *node;
    call.request.method = registering ? server::kCallVolumeRegister : server::kCallVolumeCreate;
    call.request.path = encode(*volume);
    return ask_node(
        std::move(call),
        [v = std::move(*volume
         )](const Context& now, const NodeAnswered& answered) mutable -> Outcome {
            if (!answered.items) {
                return text_response(
                    500,
                    fmt::format(
                        "could not create volume \"{}\": {}", v.name, answered.items.error().message
                    )
                );
            }
            const auto made =
                answered.items->empty()
                    ? Result<server::VolumeAnswer>(fail(ErrorCode::Internal, "no answer"))
                    : decode<server::VolumeAnswer>(answered.items->front());
            if (!made) {
                return error_response(made.error());
            }
            v.host_path = made->host_path;
            v.capacity_bytes = made->capacity_bytes;
            v.state = "ready";
            commands::HostVolumeUpsert command;
            command.rows.push_back(v);
            return propose(
                command,
                now,
                [ns = v.namespace_,
                 id = v.id](const Context& c, const Applied& applied) -> Outcome {
                    const auto* row = c.state.host_volume(ns, id);
                    return row == nullptr ? text_response(500, "volume not found")
                                          : write_response(volume_body(*row), applied.index);
                }
            );
        }
    );
}

Outcome create(const Request& request, const PathValues&, const Context& context) {
    return make(request, context, false);
}
Outcome register_one(const Request& request, const PathValues&, const Context& context) {
    return make(request, context, true);
}

/// Allocations that use the volume now.
std::vector<Uuid> users_of(const Context& context, const model::HostVolume& volume) {
    std::vector<Uuid> out;
    const auto node = Uuid::parse(volume.node_id);
    if (!node) {
        return out;
    }
    for (const state::AllocView alloc : context.state.allocs_of_node(*node)) {
        if (alloc.client_terminal() || alloc.namespace_() != volume.namespace_) {
            continue;
        }
        for (const auto& [name, request] : alloc.group().volumes) {
            if (request.type == "host" &&
                (request.source == volume.name || volume.name.starts_with(request.source + "["))) {
                out.push_back(alloc.id());
                break;
            }
        }
    }
    return out;
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const model::HostVolume* row = c.state.host_volume(ns, id);
            if (row == nullptr) {
                return missing(c, TableId::HostVolumes, "volume not found");
            }
            return Look{
                json_response(wire::to_json(*row)),
                row->modify_index,
                {watch_list(TableId::HostVolumes, ns)},
                {}
            };
        }
    );
}

Outcome remove(const Request& request, const PathValues& path, const Context& context) {
    const auto force = bool_param(request, "force");
    if (!force) {
        return text_response(400, "invalid force value");
    }
    const std::string ns = namespace_of(request);
    const model::HostVolume* row = context.state.host_volume(ns, path[0]);
    if (row == nullptr) {
        return text_response(500, fmt::format("no such volume: {}", path[0]));
    }
    if (const auto users = users_of(context, *row); !users.empty()) {
        std::string list;
        for (const Uuid& user : users) {
            list += (list.empty() ? "" : " ") + user.str();
        }
        return text_response(
            500, fmt::format("volume {} in use by allocations: [{}]", path[0], list)
        );
    }
    commands::HostVolumeDelete command;
    command.names = {{ns, path[0]}};
    const auto answer = [](const Context&, const Applied& applied) -> Outcome {
        return write_response("{}", applied.index);
    };
    const auto node = Uuid::parse(row->node_id);
    if (!node || context.state.node(*node) == nullptr) {
        return propose(command, context, answer);
    }
    WaitNode call;
    call.node = *node;
    call.request.method = server::kCallVolumeDelete;
    call.request.path = encode(*row);
    return ask_node(
        std::move(call),
        [command, answer, force = force->value_or(false)](
            const Context& now, const NodeAnswered& answered
        ) -> Outcome {
            if (!answered.items && !force) {
                return text_response(
                    500, fmt::format("could not delete volume: {}", answered.items.error().message)
                );
            }
            return propose(command, now, answer);
        }
    );
}

Outcome claims(const Request& request, const PathValues&, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         job = text_param(request, "job_id"),
         group = text_param(request, "task_group"),
         volume = text_param(request, "volume_name")](
            const Context& c, const ReadOptions& options
        ) -> Result<Look> {
            std::vector<const model::TaskGroupHostVolumeClaim*> rows;
            for (const auto& row : c.state.host_volume_claims()) {
                if (visible(
                        c, ns, row.namespace_, policy::bit(policy::Capability::HostVolumeRead)
                    ) &&
                    row.id.starts_with(options.prefix) && (job.empty() || row.job_id == job) &&
                    (group.empty() || row.task_group_name == group) &&
                    (volume.empty() || row.volume_name == volume)) {
                    rows.push_back(&row);
                }
            }
            NL_TRY(
                Look look,
                list_page(
                    rows,
                    options,
                    TokenKind::Text,
                    [](const auto* row) { return SortToken{0, row->id}; },
                    [](const auto* row) { return wire::to_value(*row); },
                    [](std::string& out, const auto* row) { wire::append_json(out, *row); }
                )
            );
            look.index = c.state.table_index(TableId::HostVolumeClaims);
            look.keys = {state::watch_table(TableId::HostVolumeClaims)};
            return look;
        }
    );
}

Outcome remove_claim(const Request& request, const PathValues& path, const Context& context) {
    const std::string ns = namespace_of(request);
    bool known = false;
    for (const auto& row : context.state.host_volume_claims()) {
        // A claim of another namespace is none that the caller can see.
        known =
            known ||
            (row.id == path[0] &&
             visible(context, ns, row.namespace_, policy::bit(policy::Capability::HostVolumeDelete))
            );
    }
    if (!known) {
        return text_response(404, "claim not found");
    }
    commands::HostVolumeClaimDelete command;
    command.names = {path[0]};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

constexpr Route kRoutes[] = {
    {kPut,
     "/v1/volume/host/create",
     Where::Leader,
     "ns:host-volume-create",
     "",
     "Create a host volume.",
     create},
    {kPut,
     "/v1/volume/host/register",
     Where::Leader,
     "ns:host-volume-register",
     "",
     "Register a host volume.",
     register_one},
    {kGet, "/v1/volume/host/{id}", Where::Server, "ns:host-volume-read", "", "A host volume.", get},
    {kDelete,
     "/v1/volume/host/{id}",
     Where::Leader,
     "ns:host-volume-delete",
     "force",
     "Delete a host volume.",
     remove},
    {kGet,
     "/v1/volumes/claims",
     Where::Server,
     "ns:host-volume-read",
     "job_id task_group volume_name",
     "Claims of sticky host volumes.",
     claims},
    {kDelete,
     "/v1/volumes/claim/{id}",
     Where::Leader,
     "ns:host-volume-delete",
     "",
     "Give up a claim.",
     remove_claim},
};

}  // namespace

std::span<const Route> host_volume_routes() {
    return kRoutes;
}

}  // namespace nl::api
