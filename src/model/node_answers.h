#pragma once
// Answers of the node routes.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"
#include "model/node.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct NodeListStub {
    std::string address{};
    Uuid id{};
    StringMap attributes{};
    std::string datacenter{};
    std::string name{};
    std::string node_pool{};
    std::string node_class{};
    std::string version{};
    bool drain{};
    NodeEligibility scheduling_eligibility{};
    NodeStatus status{};
    std::string status_description{};
    Map<DriverInfo> drivers{};
    Map<ClientHostVolumeConfig> host_volumes{};
    Box<NodeResources> node_resources{};
    Box<NodeReservedResources> reserved_resources{};
    Box<DrainMetadata> last_drain{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        NodeListStub,
        (1, address),
        (2, id),
        (3, attributes),
        (4, datacenter),
        (5, name),
        (6, node_pool),
        (7, node_class),
        (8, version),
        (9, drain),
        (10, scheduling_eligibility),
        (11, status),
        (12, status_description),
        (13, drivers),
        (14, host_volumes),
        (15, node_resources),
        (16, reserved_resources),
        (17, last_drain),
        (18, create_index),
        (19, modify_index)
    )
};

struct NodeServerInfo {
    std::string rpc_advertise_addr{};
    std::int64_t rpc_major_version{};
    std::int64_t rpc_minor_version{};
    std::string datacenter{};

    NL_FIELDS(
        NodeServerInfo,
        (1, rpc_advertise_addr),
        (2, rpc_major_version),
        (3, rpc_minor_version),
        (4, datacenter)
    )
};

struct NodeUpdateResponse {
    Duration heartbeat_ttl{};
    std::vector<Uuid> eval_ids{};
    Index eval_create_index{};
    Index node_modify_index{};
    std::int64_t features{};
    std::string leader_rpc_addr{};
    std::int64_t num_nodes{};
    std::vector<NodeServerInfo> servers{};
    std::string scheduling_eligibility{};
    std::optional<std::string> signed_identity{};

    NL_FIELDS(
        NodeUpdateResponse,
        (1, heartbeat_ttl),
        (2, eval_ids),
        (3, eval_create_index),
        (4, node_modify_index),
        (5, features),
        (6, leader_rpc_addr),
        (7, num_nodes),
        (8, servers),
        (9, scheduling_eligibility),
        (10, signed_identity)
    )
};

struct NodeDrainUpdateResponse {
    Index node_modify_index{};
    std::vector<Uuid> eval_ids{};
    Index eval_create_index{};

    NL_FIELDS(
        NodeDrainUpdateResponse, (1, node_modify_index), (2, eval_ids), (3, eval_create_index)
    )
};

struct NodeEligibilityUpdateResponse {
    Index node_modify_index{};
    std::vector<Uuid> eval_ids{};
    Index eval_create_index{};

    NL_FIELDS(
        NodeEligibilityUpdateResponse, (1, node_modify_index), (2, eval_ids), (3, eval_create_index)
    )
};

struct NodeMetaResponse {
    StringMap meta{};
    Map<std::optional<std::string>> dynamic{};
    StringMap static_{};

    NL_FIELDS(NodeMetaResponse, (1, meta), (2, dynamic), (3, static_))
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::NodeListStub>();
extern template const StructType& struct_type<model::NodeServerInfo>();
extern template const StructType& struct_type<model::NodeUpdateResponse>();
extern template const StructType& struct_type<model::NodeDrainUpdateResponse>();
extern template const StructType& struct_type<model::NodeEligibilityUpdateResponse>();
extern template const StructType& struct_type<model::NodeMetaResponse>();
}  // namespace nl::codec
