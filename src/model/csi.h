#pragma once
// CSI volumes and plugins.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/alloc_list_stub.h"
#include "model/allocation.h"
#include "model/csi_info.h"
#include "model/enums.h"
#include "model/volume_request.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct CSITopologyRequest {
    std::vector<CSITopology> required{};
    std::vector<CSITopology> preferred{};

    NL_FIELDS(CSITopologyRequest, (1, required), (2, preferred))
};

struct CSIVolumeCapability {
    std::string attachment_mode{};
    std::string access_mode{};

    NL_FIELDS(CSIVolumeCapability, (1, attachment_mode), (2, access_mode))
};

struct CSIVolume {
    std::string id{};
    std::string name{};
    std::string external_id{};
    std::string namespace_{};
    Box<CSITopologyRequest> requested_topologies{};
    std::vector<CSITopology> topologies{};
    std::string access_mode{};
    std::string attachment_mode{};
    Box<CSIMountOptions> mount_options{};
    StringMap secrets{};
    StringMap parameters{};
    StringMap context{};
    std::int64_t capacity{};
    std::int64_t requested_capacity_min{};
    std::int64_t requested_capacity_max{};
    std::vector<CSIVolumeCapability> requested_capabilities{};
    std::string clone_id{};
    std::string snapshot_id{};
    Map<Allocation> read_allocs{};
    Map<Allocation> write_allocs{};
    bool schedulable{};
    std::string plugin_id{};
    std::string provider{};
    std::string provider_version{};
    bool controller_required{};
    std::int64_t controllers_healthy{};
    std::int64_t controllers_expected{};
    std::int64_t nodes_healthy{};
    std::int64_t nodes_expected{};
    WallTime resource_exhausted{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        CSIVolume,
        (1, id),
        (2, name),
        (3, external_id),
        (4, namespace_),
        (5, requested_topologies),
        (6, topologies),
        (7, access_mode),
        (8, attachment_mode),
        (9, mount_options),
        (10, secrets),
        (11, parameters),
        (12, context),
        (13, capacity),
        (14, requested_capacity_min),
        (15, requested_capacity_max),
        (16, requested_capabilities),
        (17, clone_id),
        (18, snapshot_id),
        (19, read_allocs),
        (20, write_allocs),
        (21, schedulable),
        (22, plugin_id),
        (23, provider),
        (24, provider_version),
        (25, controller_required),
        (26, controllers_healthy),
        (27, controllers_expected),
        (28, nodes_healthy),
        (29, nodes_expected),
        (30, resource_exhausted),
        (31, create_index),
        (32, modify_index),
        (33, create_time),
        (34, modify_time)
    )
};

struct CSIVolListStub {
    std::string id{};
    std::string namespace_{};
    std::string name{};
    std::string external_id{};
    std::vector<CSITopology> topologies{};
    std::string access_mode{};
    std::string attachment_mode{};
    std::int64_t current_readers{};
    std::int64_t current_writers{};
    bool schedulable{};
    std::string plugin_id{};
    std::string provider{};
    bool controller_required{};
    std::int64_t controllers_healthy{};
    std::int64_t controllers_expected{};
    std::int64_t nodes_healthy{};
    std::int64_t nodes_expected{};
    WallTime resource_exhausted{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        CSIVolListStub,
        (1, id),
        (2, namespace_),
        (3, name),
        (4, external_id),
        (5, topologies),
        (6, access_mode),
        (7, attachment_mode),
        (8, current_readers),
        (9, current_writers),
        (10, schedulable),
        (11, plugin_id),
        (12, provider),
        (13, controller_required),
        (14, controllers_healthy),
        (15, controllers_expected),
        (16, nodes_healthy),
        (17, nodes_expected),
        (18, resource_exhausted),
        (19, create_index),
        (20, modify_index),
        (21, create_time),
        (22, modify_time)
    )
};

struct CSIVolumeExternalStub {
    std::string external_id{};
    std::int64_t capacity_bytes{};
    StringMap volume_context{};
    std::string clone_id{};
    std::string snapshot_id{};
    std::vector<std::string> published_external_node_ids{};
    bool is_abnormal{};
    std::string status{};

    NL_FIELDS(
        CSIVolumeExternalStub,
        (1, external_id),
        (2, capacity_bytes),
        (3, volume_context),
        (4, clone_id),
        (5, snapshot_id),
        (6, published_external_node_ids),
        (7, is_abnormal),
        (8, status)
    )
};

struct CSISnapshot {
    std::string id{};
    std::string external_source_volume_id{};
    std::int64_t size_bytes{};
    std::int64_t create_time{};
    bool is_ready{};
    std::string source_volume_id{};
    std::string plugin_id{};
    std::string name{};
    StringMap secrets{};
    StringMap parameters{};

    NL_FIELDS(
        CSISnapshot,
        (1, id),
        (2, external_source_volume_id),
        (3, size_bytes),
        (4, create_time),
        (5, is_ready),
        (6, source_volume_id),
        (7, plugin_id),
        (8, name),
        (9, secrets),
        (10, parameters)
    )
};

struct CSIPlugin {
    std::string id{};
    std::string provider{};
    std::string version{};
    bool controller_required{};
    Map<CSIInfo> controllers{};
    Map<CSIInfo> nodes{};
    std::vector<AllocListStub> allocations{};
    Value controller_jobs{};
    Value node_jobs{};
    std::int64_t controllers_healthy{};
    std::int64_t controllers_expected{};
    std::int64_t nodes_healthy{};
    std::int64_t nodes_expected{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        CSIPlugin,
        (1, id),
        (2, provider),
        (3, version),
        (4, controller_required),
        (5, controllers),
        (6, nodes),
        (7, allocations),
        (8, controller_jobs),
        (9, node_jobs),
        (10, controllers_healthy),
        (11, controllers_expected),
        (12, nodes_healthy),
        (13, nodes_expected),
        (14, create_index),
        (15, modify_index),
        (16, create_time),
        (17, modify_time)
    )
};

struct CSIPluginListStub {
    std::string id{};
    std::string provider{};
    bool controller_required{};
    std::int64_t controllers_healthy{};
    std::int64_t controllers_expected{};
    std::int64_t nodes_healthy{};
    std::int64_t nodes_expected{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        CSIPluginListStub,
        (1, id),
        (2, provider),
        (3, controller_required),
        (4, controllers_healthy),
        (5, controllers_expected),
        (6, nodes_healthy),
        (7, nodes_expected),
        (8, create_index),
        (9, modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::CSITopologyRequest>();
extern template const StructType& struct_type<model::CSIVolumeCapability>();
extern template const StructType& struct_type<model::CSIVolume>();
extern template const StructType& struct_type<model::CSIVolListStub>();
extern template const StructType& struct_type<model::CSIVolumeExternalStub>();
extern template const StructType& struct_type<model::CSISnapshot>();
extern template const StructType& struct_type<model::CSIPlugin>();
extern template const StructType& struct_type<model::CSIPluginListStub>();
}  // namespace nl::codec
