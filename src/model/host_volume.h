#pragma once
// Dynamic host volumes.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/alloc_list_stub.h"
#include "model/constraint.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct HostVolumeCapability {
    std::string attachment_mode{};
    std::string access_mode{};

    NL_FIELDS(HostVolumeCapability, (1, attachment_mode), (2, access_mode))
};

struct HostVolume {
    std::string namespace_{};
    std::string id{};
    std::string name{};
    std::string plugin_id{};
    std::string node_pool{};
    std::string node_id{};
    std::vector<Constraint> constraints{};
    std::int64_t requested_capacity_min_bytes{};
    std::int64_t requested_capacity_max_bytes{};
    std::int64_t capacity_bytes{};
    std::vector<HostVolumeCapability> requested_capabilities{};
    StringMap parameters{};
    std::string host_path{};
    std::string state{};
    Index create_index{};
    std::int64_t create_time{};
    Index modify_index{};
    std::int64_t modify_time{};
    std::vector<AllocListStub> allocations{};

    NL_FIELDS(
        HostVolume,
        (1, namespace_),
        (2, id),
        (3, name),
        (4, plugin_id),
        (5, node_pool),
        (6, node_id),
        (7, constraints),
        (8, requested_capacity_min_bytes),
        (9, requested_capacity_max_bytes),
        (10, capacity_bytes),
        (11, requested_capabilities),
        (12, parameters),
        (13, host_path),
        (14, state),
        (15, create_index),
        (16, create_time),
        (17, modify_index),
        (18, modify_time),
        (19, allocations)
    )
};

struct HostVolumeStub {
    std::string namespace_{};
    std::string id{};
    std::string name{};
    std::string plugin_id{};
    std::string node_pool{};
    std::string node_id{};
    std::int64_t capacity_bytes{};
    std::string state{};
    Index create_index{};
    std::int64_t create_time{};
    Index modify_index{};
    std::int64_t modify_time{};

    NL_FIELDS(
        HostVolumeStub,
        (1, namespace_),
        (2, id),
        (3, name),
        (4, plugin_id),
        (5, node_pool),
        (6, node_id),
        (7, capacity_bytes),
        (8, state),
        (9, create_index),
        (10, create_time),
        (11, modify_index),
        (12, modify_time)
    )
};

struct TaskGroupHostVolumeClaim {
    std::string id{};
    std::string namespace_{};
    std::string job_id{};
    std::string task_group_name{};
    std::string alloc_id{};
    std::string volume_id{};
    std::string volume_name{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        TaskGroupHostVolumeClaim,
        (1, id),
        (2, namespace_),
        (3, job_id),
        (4, task_group_name),
        (5, alloc_id),
        (6, volume_id),
        (7, volume_name),
        (8, create_index),
        (9, modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::HostVolumeCapability>();
extern template const StructType& struct_type<model::HostVolume>();
extern template const StructType& struct_type<model::HostVolumeStub>();
extern template const StructType& struct_type<model::TaskGroupHostVolumeClaim>();
}  // namespace nl::codec
