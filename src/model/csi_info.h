#pragma once
// What a node knows of its CSI plugins.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct CSIControllerInfo {
    bool supports_create_delete{};
    bool supports_attach_detach{};
    bool supports_list_volumes{};
    bool supports_get_capacity{};
    bool supports_create_delete_snapshot{};
    bool supports_list_snapshots{};
    bool supports_clone{};
    bool supports_read_only_attach{};
    bool supports_expand{};
    bool supports_list_volumes_attached_nodes{};
    bool supports_condition{};
    bool supports_get{};

    NL_FIELDS(
        CSIControllerInfo,
        (1, supports_create_delete),
        (2, supports_attach_detach),
        (3, supports_list_volumes),
        (4, supports_get_capacity),
        (5, supports_create_delete_snapshot),
        (6, supports_list_snapshots),
        (7, supports_clone),
        (8, supports_read_only_attach),
        (9, supports_expand),
        (10, supports_list_volumes_attached_nodes),
        (11, supports_condition),
        (12, supports_get)
    )
};

struct CSITopology {
    StringMap segments{};

    NL_FIELDS(CSITopology, (1, segments))
};

struct CSINodeInfo {
    std::string id{};
    std::int64_t max_volumes{};
    Box<CSITopology> accessible_topology{};
    bool requires_node_stage_volume{};
    bool supports_stats{};
    bool supports_expand{};
    bool supports_condition{};

    NL_FIELDS(
        CSINodeInfo,
        (1, id),
        (2, max_volumes),
        (3, accessible_topology),
        (4, requires_node_stage_volume),
        (5, supports_stats),
        (6, supports_expand),
        (7, supports_condition)
    )
};

struct CSIInfo {
    std::string plugin_id{};
    std::string alloc_id{};
    bool healthy{};
    std::string health_description{};
    WallTime update_time{};
    std::string provider{};
    std::string provider_version{};
    bool requires_controller_plugin{};
    bool requires_topologies{};
    Box<CSIControllerInfo> controller_info{};
    Box<CSINodeInfo> node_info{};

    NL_FIELDS(
        CSIInfo,
        (1, plugin_id),
        (2, alloc_id),
        (3, healthy),
        (4, health_description),
        (5, update_time),
        (6, provider),
        (7, provider_version),
        (8, requires_controller_plugin),
        (9, requires_topologies),
        (10, controller_info),
        (11, node_info)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::CSIControllerInfo>();
extern template const StructType& struct_type<model::CSITopology>();
extern template const StructType& struct_type<model::CSINodeInfo>();
extern template const StructType& struct_type<model::CSIInfo>();
}  // namespace nl::codec
