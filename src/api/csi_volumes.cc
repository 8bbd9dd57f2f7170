// Routes of CSI volumes, their snapshots and plugins. A plugin is what nodes report of it; a volume
// is refused while no node reports its plugin. Source: Nomad HTTP API, 6.
#include "api/csi_volumes.h"

#include "api/access.h"
#include "api/body.h"
#include "api/named.h"
#include "api/params.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "model/csi.h"
#include "state/commands/records.h"
#include "wire/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace nl::api {
namespace {

using policy::bit;
using policy::Capability;
using state::TableId;
namespace commands = state::commands;

constexpr policy::CapabilitySet kSeeVolumes =
    bit(Capability::CsiListVolume) | bit(Capability::CsiReadVolume) |
    bit(Capability::CsiMountVolume) | bit(Capability::ListJobs);

// ---- plugins, as the nodes report them

using Plugins = std::map<std::string, model::CSIPlugin>;

void add_report(Plugins& all, const model::Node& node, const model::CSIInfo& info, bool controller) {
    model::CSIPlugin& plugin = all[info.plugin_id];
    plugin.id = info.plugin_id;
    plugin.provider = info.provider;
    plugin.version = info.provider_version;
    plugin.controller_required = plugin.controller_required || info.requires_controller_plugin;
    plugin.create_index = plugin.create_index == Index{}
                              ? node.create_index
                              : std::min(plugin.create_index, node.create_index);
    plugin.modify_index = std::max(plugin.modify_index, node.modify_index);
    auto& expected = controller ? plugin.controllers_expected : plugin.nodes_expected;
    auto& healthy = controller ? plugin.controllers_healthy : plugin.nodes_healthy;
    ++expected;
    healthy += info.healthy && node.status == model::NodeStatus::Ready ? 1 : 0;
    (controller ? plugin.controllers : plugin.nodes)[node.id.str()] = info;
}

Plugins plugins_of(const state::Snapshot& state) {
    Plugins all;
    for (const model::Node& node : state.nodes()) {
        for (const auto& [id, info] : node.csi_controller_plugins) {
            add_report(all, node, info, true);
        }
        for (const auto& [id, info] : node.csi_node_plugins) {
            add_report(all, node, info, false);
        }
    }
    return all;
}

std::optional<model::CSIPlugin> plugin_of(const state::Snapshot& state, const std::string& id) {
    Plugins all = plugins_of(state);
    const auto found = all.find(id);
    return found == all.end() ? std::nullopt : std::optional(std::move(found->second));
}

model::CSIPluginListStub plugin_stub(const model::CSIPlugin& plugin) {
    model::CSIPluginListStub stub;
    stub.id = plugin.id;
    stub.provider = plugin.provider;
    stub.controller_required = plugin.controller_required;
    stub.controllers_healthy = plugin.controllers_healthy;
    stub.controllers_expected = plugin.controllers_expected;
    stub.nodes_healthy = plugin.nodes_healthy;
    stub.nodes_expected = plugin.nodes_expected;
    stub.create_index = plugin.create_index;
    stub.modify_index = plugin.modify_index;
    return stub;
}

Outcome list_plugins(const Request& request, const PathValues&, const Context& context) {
    if (text_param(request, "type") != "csi") {
        return text_response(404, "resource not found");
    }
    return read(request, context, [](const Context& c, const ReadOptions& options) -> Result<Look> {
        const Plugins all = plugins_of(c.state);
        std::vector<const model::CSIPlugin*> rows;
        for (const auto& [id, plugin] : all) {
            if (id.starts_with(options.prefix)) {
                rows.push_back(&plugin);
            }
        }
        const auto id_of = [](const model::CSIPlugin& row) { return row.id; };
        NL_TRY(Look look, list_named(rows, options, id_of, plugin_stub));
        return of_table(std::move(look), c, TableId::Nodes);
    });
}

Outcome get_plugin(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            auto plugin = plugin_of(c.state, id);
            if (!plugin) {
                return missing(c, TableId::Nodes, "plugin not found");
            }
            // Of the plugin's allocations those that the caller may see.
            for (const auto* reports : {&plugin->controllers, &plugin->nodes}) {
                for (const auto& [node, info] : *reports) {
                    const auto alloc_id = Uuid::parse(info.alloc_id);
                    const auto alloc = alloc_id ? c.state.alloc(*alloc_id) : std::nullopt;
                    if (alloc && may(c, alloc->namespace_(), Capability::ReadJob)) {
                        plugin->allocations.push_back(alloc->stub());
                    }
                }
            }
            return Look{
                json_response(wire::to_json(*plugin)),
                plugin->modify_index,
                {state::watch_table(TableId::Nodes)},
                {}
            };
        }
    );
}

// ---- volumes

/// The volume with what its plugin says now; secrets stay here.
model::CSIVolume shown(const model::CSIVolume& volume, const state::Snapshot& state) {
    model::CSIVolume out = volume;
    out.secrets.clear();
    if (const auto plugin = plugin_of(state, volume.plugin_id)) {
        out.provider = plugin->provider;
        out.provider_version = plugin->version;
        out.controller_required = plugin->controller_required;
        out.controllers_healthy = plugin->controllers_healthy;
        out.controllers_expected = plugin->controllers_expected;
        out.nodes_healthy = plugin->nodes_healthy;
        out.nodes_expected = plugin->nodes_expected;
        out.schedulable =
            plugin->nodes_healthy > 0 &&
            (!plugin->controller_required || plugin->controllers_healthy > 0);
    } else {
        out.schedulable = false;
    }
    return out;
}

model::CSIVolListStub volume_stub(const model::CSIVolume& row) {
    model::CSIVolListStub stub;
    stub.id = row.id;
    stub.namespace_ = row.namespace_;
    stub.name = row.name;
    stub.external_id = row.external_id;
    stub.topologies = row.topologies;
    stub.access_mode = row.access_mode;
    stub.attachment_mode = row.attachment_mode;
    stub.current_readers = static_cast<std::int64_t>(row.read_allocs.size());
    stub.current_writers = static_cast<std::int64_t>(row.write_allocs.size());
    stub.schedulable = row.schedulable;
    stub.plugin_id = row.plugin_id;
    stub.provider = row.provider;
    stub.controller_required = row.controller_required;
    stub.controllers_healthy = row.controllers_healthy;
    stub.controllers_expected = row.controllers_expected;
    stub.nodes_healthy = row.nodes_healthy;
    stub.nodes_expected = row.nodes_expected;
    stub.resource_exhausted = row.resource_exhausted;
    stub.create_index = row.create_index;
    stub.modify_index = row.modify_index;
    stub.create_time = row.create_time;
    stub.modify_time = row.modify_time;
    return stub;
}

bool is_on_node(const model::CSIVolume& volume, std::string_view node) {
    const auto on = [&](const auto& entry) { return entry.second.node_id.str() == node; };
    return std::ranges::any_of(volume.read_allocs, on) ||
           std::ranges::any_of(volume.write_allocs, on);
}

std::string secretless_json(const model::CSIVolume& volume, const state::Snapshot& state) {
    model::CSIVolume out = shown(volume, state);
    std::vector<model::AllocListStub> users;
    for (auto* claims : {&out.read_allocs, &out.write_allocs}) {
        for (const auto& [id, claim] : *claims) {
            if (const auto alloc = state.alloc(claim.id)) {
                users.push_back(alloc->stub());
            }
        }
        claims->clear();
    }
    std::string json = wire::to_json(out);
    json.pop_back();
    return json + ",\"Allocations\":" + (users.empty() ? "[]" : wire::to_json(users)) + "}";
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const model::CSIVolume* row = c.state.csi_volume(ns, id);
            if (row == nullptr) {
                return missing(c, TableId::CsiVolumes, "volume not found");
            }
            return Look{
                json_response(secretless_json(*row, c.state)),
                row->modify_index,
                {watch_list(TableId::CsiVolumes, ns), state::watch_table(TableId::Nodes)},
                {}
            };
        }
    );
}

std::string problems_of(const model::CSIVolume& volume) {
    std::string out;
    const auto add = [&out](std::string_view text) {
        out += fmt::format("{}{}", out.empty() ? "" : ", ", text);
    };
    if (volume.id.empty()) {
        add("missing volume id");
    }
    if (volume.plugin_id.empty()) {
        add("missing plugin id");
    }
    if (!volume.snapshot_id.empty() && !volume.clone_id.empty()) {
        add("only one of snapshot_id and clone_id is allowed");
    }
    if (volume.requested_capabilities.empty()) {
        add("must include at least one capability block");
    }
    return out.empty() ? out : "validation: " + out;
}

std::string no_plugin(std::string_view id) {
    return fmt::format("no CSI plugin named: {} could be found", id);
}

/// The volumes of the body, checked, or why not.
std::expected<std::vector<model::CSIVolume>, Response> read_volumes(
    const Request& request, const PathValues& path, const Context& context
) {
    const auto body = body_object(request);
    if (!body) {
        return std::unexpected(error_response(body.error()));
    }
    const Value* given = member(*body, "Volumes");
    const Value::List* list = given != nullptr ? given->as_list() : nullptr;
    if (list == nullptr || list->empty()) {
        return std::unexpected(text_response(400, "missing volume definition"));
    }
    std::vector<model::CSIVolume> out;
    for (const Value& one : *list) {
        auto volume = wire::from_value<model::CSIVolume>(one);
        if (!volume) {
            return std::unexpected(error_response(volume.error()));
        }
        if (!path.values.empty() && volume->id != path[0]) {
            return std::unexpected(text_response(400, "Volume ID does not match request path"));
        }
        volume->namespace_ =
            volume->namespace_.empty() ? namespace_of(request) : volume->namespace_;
        if (!may(context, volume->namespace_, Capability::CsiWriteVolume)) {
            return std::unexpected(denied());
        }
        if (context.state.namespace_(volume->namespace_) == nullptr) {
            return std::unexpected(text_response(
                500, fmt::format("nonexistent namespace \"{}\"", volume->namespace_)
            ));
        }
        if (auto problems = problems_of(*volume); !problems.empty()) {
            return std::unexpected(text_response(500, std::move(problems)));
        }
        out.push_back(std::move(*volume));
    }
    return out;
}

Outcome store(const Request& request, const PathValues& path, const Context& context) {
    auto volumes = read_volumes(request, path, context);
    if (!volumes) {
        return volumes.error();
    }
    commands::CsiVolumeUpsert command;
    for (model::CSIVolume& volume : *volumes) {
        const auto plugin = plugin_of(context.state, volume.plugin_id);
        if (!plugin) {
            return text_response(500, no_plugin(volume.plugin_id));
        }
        const auto* old = context.state.csi_volume(volume.namespace_, volume.id);
        if (old != nullptr &&
            (old->plugin_id != volume.plugin_id || old->external_id != volume.external_id)) {
            return text_response(
                500, fmt::format("volume exists: {}", volume.id)
            );
        }
        if (old != nullptr) {
            volume.read_allocs = old->read_allocs;
            volume.write_allocs = old->write_allocs;
        }
        volume.create_time = old != nullptr ? old->create_time : context.wall.unix_ns;
        volume.modify_time = context.wall.unix_ns;
        command.rows.push_back(volume);
    }
    return propose(
        command,
        context,
        [rows = command.rows](const Context& c, const Applied& applied) -> Outcome {
            std::vector<model::CSIVolume> stored;
            for (const model::CSIVolume& row : rows) {
                if (const auto* found = c.state.csi_volume(row.namespace_, row.id)) {
                    stored.push_back(shown(*found, c.state));
                }
            }
            return write_response(
                "{\"Volumes\":" + wire::to_json(stored) + ",\"Warnings\":\"\"}", applied.index
            );
        }
    );
}

/// Only a plugin's controller can make a volume, and nodes here run none.
Outcome create(const Request& request, const PathValues& path, const Context& context) {
    const auto volumes = read_volumes(request, path, context);
    if (!volumes) {
        return volumes.error();
    }
    return text_response(500, no_plugin(volumes->front().plugin_id));
}

Outcome deregister(const Request& request, const PathValues& path, const Context& context) {
    const auto force = bool_param(request, "force");
    if (!force) {
        return text_response(400, "invalid force value");
    }
    const std::string ns = namespace_of(request);
    const auto* row = context.state.csi_volume(ns, path[0]);
    if (row == nullptr) {
        return text_response(500, fmt::format("volume not found: {}", path[0]));
    }
    const bool used = !row->read_allocs.empty() || !row->write_allocs.empty();
    if (used && !force->value_or(false)) {
        return text_response(500, fmt::format("volume in use: {}", path[0]));
    }
    commands::CsiVolumeDelete command;
    command.names = {{ns, path[0]}};
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

Outcome remove(const Request& request, const PathValues& path, const Context& context) {
    const auto* row = context.state.csi_volume(namespace_of(request), path[0]);
    return row == nullptr ? text_response(500, fmt::format("volume not found: {}", path[0]))
                          : text_response(500, no_plugin(row->plugin_id));
}

Outcome detach(const Request& request, const PathValues& path, const Context& context) {
    const std::string node = text_param(request, "node");
    if (node.empty()) {
        return text_response(400, "detach requires node ID");
    }
    const auto* row = context.state.csi_volume(namespace_of(request), path[0]);
    if (row == nullptr) {
        return text_response(500, fmt::format("volume not found: {}", path[0]));
    }
    model::CSIVolume freed = *row;
    const auto on_node = [&](const auto& entry) { return entry.second.node_id.str() == node; };
    std::erase_if(freed.read_allocs, on_node);
    std::erase_if(freed.write_allocs, on_node);
    commands::CsiVolumeUpsert command;
    command.rows.push_back(std::move(freed));
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

/// What only a running plugin knows: the volumes and snapshots it keeps.
Outcome ask_plugin(const Request& request, const PathValues&, const Context&) {
    const std::string plugin = text_param(request, "plugin_id");
    if (plugin.empty()) {
        return text_response(400, "must provide a plugin ID");
    }
    return text_response(500, no_plugin(plugin));
}

Outcome create_snapshot(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const Value* given = member(*body, "Snapshots");
    const Value::List* list = given != nullptr ? given->as_list() : nullptr;
    if (list == nullptr || list->empty()) {
        return text_response(400, "missing snapshot definition");
    }
    const std::string volume = text_member(list->front(), "SourceVolumeID");
    const auto* row = context.state.csi_volume(namespace_of(request), volume);
    return row == nullptr
               ? text_response(500, fmt::format("no such volume: {}", volume))
               : text_response(500, no_plugin(row->plugin_id));
}

Outcome delete_snapshot(const Request& request, const PathValues& path, const Context& context) {
    if (text_param(request, "snapshot_id").empty()) {
        return text_response(400, "must provide a snapshot ID");
    }
    return ask_plugin(request, path, context);
}

constexpr Route kRoutes[] = {
    {kPut,
     "/v1/volumes",
     Where::Leader,
     "some-ns:csi-write-volume&plugin:read",
     "",
     "Register CSI volumes.",
     store},
    {kGet,
     "/v1/volumes/external",
     Where::Server,
     "ns:csi-list-volume",
     "plugin_id per_page next_token",
     "Volumes a CSI plugin keeps.",
     ask_plugin},
    {kGet,
     "/v1/volumes/snapshot",
     Where::Server,
     "ns:csi-list-volume",
     "plugin_id per_page next_token",
     "Snapshots a CSI plugin keeps.",
     ask_plugin},
    {kPut,
     "/v1/volumes/snapshot",
     Where::Leader,
     "ns:csi-write-volume",
     "",
     "Snapshot a CSI volume.",
     create_snapshot},
    {kDelete,
     "/v1/volumes/snapshot",
     Where::Leader,
     "ns:csi-write-volume",
     "plugin_id snapshot_id",
     "Delete a snapshot of a CSI volume.",
     delete_snapshot},
    {kPut,
     "/v1/volume/csi/{id}/create",
     Where::Leader,
     "some-ns:csi-write-volume",
     "",
     "Create a CSI volume.",
     create},
    {kDelete,
     "/v1/volume/csi/{id}/delete",
     Where::Leader,
     "ns:csi-write-volume",
     "",
     "Delete a CSI volume and what it holds.",
     remove},
    {kDelete,
     "/v1/volume/csi/{id}/detach",
     Where::Leader,
     "ns:csi-mount-volume",
     "node",
     "Detach a CSI volume from a node.",
     detach},
    {kGet, "/v1/volume/csi/{id*}", Where::Server, "ns:csi-read-volume", "", "A CSI volume.", get},
    {kPut,
     "/v1/volume/csi/{id*}",
     Where::Leader,
     "some-ns:csi-write-volume&plugin:read",
     "",
     "Register a CSI volume.",
     store},
    {kDelete,
     "/v1/volume/csi/{id*}",
     Where::Leader,
     "ns:csi-write-volume",
     "force",
     "Forget a CSI volume.",
     deregister},
    {kGet, "/v1/plugins", Where::Server, "plugin:list", "type", "List CSI plugins.", list_plugins},
    {kGet, "/v1/plugin/csi/{id*}", Where::Server, "plugin:read", "", "A CSI plugin.", get_plugin},
};

}  // namespace

Outcome list_csi_volumes(const Request& request, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         plugin = text_param(request, "plugin_id"),
         node = text_param(request, "node_id")](
            const Context& c, const ReadOptions& options
        ) -> Result<Look> {
            std::vector<const model::CSIVolume*> rows;
            for (const auto& row : c.state.csi_volumes()) {
                if (visible(c, ns, row.namespace_, kSeeVolumes) &&
                    row.id.starts_with(options.prefix) &&
                    (plugin.empty() || row.plugin_id == plugin) &&
                    (node.empty() || is_on_node(row, node))) {
                    rows.push_back(&row);
                }
            }
            NL_TRY(
                Look look,
                list_named(
                    rows,
                    options,
                    [](const auto& row) { return row.namespace_ + "." + row.id; },
                    [&](const auto& row) { return volume_stub(shown(row, c.state)); }
                )
            );
            look.index = c.state.table_index(TableId::CsiVolumes);
            look.keys = {watch_list(TableId::CsiVolumes, ns)};
            return look;
        }
    );
}

std::span<const Route> csi_volume_routes() {
    return kRoutes;
}

}  // namespace nl::api
