#pragma once
// A client node: identity, resources, attributes, drivers, drain and status.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/csi_info.h"
#include "model/enums.h"
#include "model/resources.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct LegacyNodeCpuResources {
    std::int64_t cpu_shares{};
    std::int64_t total_cpu_cores{};
    std::vector<std::int64_t> reservable_cpu_cores{};

    NL_FIELDS(
        LegacyNodeCpuResources, (1, cpu_shares), (2, total_cpu_cores), (3, reservable_cpu_cores)
    )
};

struct TopologyCore {
    std::int64_t socket_id{};
    std::int64_t node_id{};
    std::int64_t id{};
    std::int64_t grade{};
    bool disable{};
    std::int64_t base_speed{};
    std::int64_t max_speed{};
    std::int64_t guess_speed{};

    NL_FIELDS(
        TopologyCore,
        (1, socket_id),
        (2, node_id),
        (3, id),
        (4, grade),
        (5, disable),
        (6, base_speed),
        (7, max_speed),
        (8, guess_speed)
    )
};

struct Topology {
    std::vector<std::int64_t> nodes{};
    std::vector<std::vector<std::int64_t>> distances{};
    std::vector<TopologyCore> cores{};
    std::int64_t override_total_compute{};
    std::int64_t override_withold_compute{};

    NL_FIELDS(
        Topology,
        (1, nodes),
        (2, distances),
        (3, cores),
        (4, override_total_compute),
        (5, override_withold_compute)
    )
};

struct NodeProcessorResources {
    Box<Topology> topology{};

    NL_FIELDS(NodeProcessorResources, (1, topology))
};

struct NodeMemoryResources {
    std::int64_t memory_mb{};

    NL_FIELDS(NodeMemoryResources, (1, memory_mb))
};

struct NodeDiskResources {
    std::int64_t disk_mb{};

    NL_FIELDS(NodeDiskResources, (1, disk_mb))
};

struct NodeDeviceLocality {
    std::string pci_bus_id{};

    NL_FIELDS(NodeDeviceLocality, (1, pci_bus_id))
};

struct NodeDevice {
    std::string id{};
    bool healthy{};
    std::string health_description{};
    Box<NodeDeviceLocality> locality{};

    NL_FIELDS(NodeDevice, (1, id), (2, healthy), (3, health_description), (4, locality))
};

struct Attribute {
    std::optional<double> float_{};
    std::optional<std::int64_t> int_{};
    std::optional<std::string> string{};
    std::optional<bool> bool_{};
    std::string unit{};

    NL_FIELDS(Attribute, (1, float_), (2, int_), (3, string), (4, bool_), (5, unit))
};

struct NodeDeviceResource {
    std::string vendor{};
    std::string type{};
    std::string name{};
    std::vector<NodeDevice> instances{};
    Map<Attribute> attributes{};

    NL_FIELDS(
        NodeDeviceResource, (1, vendor), (2, type), (3, name), (4, instances), (5, attributes)
    )
};

struct NodeNetworkAddress {
    std::string family{};
    std::string alias{};
    std::string address{};
    std::string reserved_ports{};
    std::string gateway{};

    NL_FIELDS(
        NodeNetworkAddress, (1, family), (2, alias), (3, address), (4, reserved_ports), (5, gateway)
    )
};

struct NodeNetworkResource {
    std::string mode{};
    std::string device{};
    std::string mac_address{};
    std::int64_t speed{};
    std::vector<NodeNetworkAddress> addresses{};

    NL_FIELDS(
        NodeNetworkResource, (1, mode), (2, device), (3, mac_address), (4, speed), (5, addresses)
    )
};

struct NodeResources {
    Box<LegacyNodeCpuResources> cpu{};
    Box<NodeProcessorResources> processors{};
    Box<NodeMemoryResources> memory{};
    Box<NodeDiskResources> disk{};
    std::vector<NodeDeviceResource> devices{};
    std::vector<NodeNetworkResource> node_networks{};
    std::vector<NetworkResource> networks{};
    std::int64_t min_dynamic_port{};
    std::int64_t max_dynamic_port{};

    NL_FIELDS(
        NodeResources,
        (1, cpu),
        (2, processors),
        (3, memory),
        (4, disk),
        (5, devices),
        (6, node_networks),
        (7, networks),
        (8, min_dynamic_port),
        (9, max_dynamic_port)
    )
};

struct NodeReservedCpuResources {
    std::int64_t cpu_shares{};
    std::vector<std::int64_t> reserved_cpu_cores{};

    NL_FIELDS(NodeReservedCpuResources, (1, cpu_shares), (2, reserved_cpu_cores))
};

struct NodeReservedMemoryResources {
    std::int64_t memory_mb{};

    NL_FIELDS(NodeReservedMemoryResources, (1, memory_mb))
};

struct NodeReservedDiskResources {
    std::int64_t disk_mb{};

    NL_FIELDS(NodeReservedDiskResources, (1, disk_mb))
};

struct NodeReservedNetworkResources {
    std::string reserved_host_ports{};

    NL_FIELDS(NodeReservedNetworkResources, (1, reserved_host_ports))
};

struct NodeReservedResources {
    Box<NodeReservedCpuResources> cpu{};
    Box<NodeReservedMemoryResources> memory{};
    Box<NodeReservedDiskResources> disk{};
    Box<NodeReservedNetworkResources> networks{};

    NL_FIELDS(NodeReservedResources, (1, cpu), (2, memory), (3, disk), (4, networks))
};

struct DrainStrategy {
    Duration deadline{};
    bool ignore_system_jobs{};
    WallTime force_deadline{};
    WallTime started_at{};

    NL_FIELDS(
        DrainStrategy, (1, deadline), (2, ignore_system_jobs), (3, force_deadline), (4, started_at)
    )
};

struct NodeEvent {
    std::string message{};
    std::string subsystem{};
    StringMap details{};
    WallTime timestamp{};
    Index create_index{};

    NL_FIELDS(
        NodeEvent, (1, message), (2, subsystem), (3, details), (4, timestamp), (5, create_index)
    )
};

struct DriverInfo {
    StringMap attributes{};
    bool detected{};
    bool healthy{};
    std::string health_description{};
    WallTime update_time{};

    NL_FIELDS(
        DriverInfo,
        (1, attributes),
        (2, detected),
        (3, healthy),
        (4, health_description),
        (5, update_time)
    )
};

struct ClientHostVolumeConfig {
    std::string name{};
    std::string path{};
    bool read_only{};
    std::string id{};

    NL_FIELDS(ClientHostVolumeConfig, (1, name), (2, path), (3, read_only), (4, id))
};

struct ClientHostNetworkConfig {
    std::string name{};
    std::string cidr{};
    std::string interface{};
    std::string reserved_ports{};

    NL_FIELDS(ClientHostNetworkConfig, (1, name), (2, cidr), (3, interface), (4, reserved_ports))
};

struct DrainMetadata {
    WallTime started_at{};
    WallTime updated_at{};
    std::string status{};
    std::string accessor_id{};
    StringMap meta{};

    NL_FIELDS(
        DrainMetadata, (1, started_at), (2, updated_at), (3, status), (4, accessor_id), (5, meta)
    )
};

struct Node {
    Uuid id{};
    Uuid secret_id{};
    std::string datacenter{};
    std::string name{};
    std::string cgroup_parent{};
    std::string http_addr{};
    bool tls_enabled{};
    StringMap attributes{};
    Box<NodeResources> node_resources{};
    Box<NodeReservedResources> reserved_resources{};
    StringMap links{};
    StringMap meta{};
    std::string node_class{};
    std::string node_pool{};
    std::string computed_class{};
    Box<DrainStrategy> drain_strategy{};
    NodeEligibility scheduling_eligibility{};
    NodeStatus status{};
    std::string status_description{};
    std::string identity_signing_key_id{};
    std::int64_t status_updated_at{};
    std::vector<NodeEvent> events{};
    Map<DriverInfo> drivers{};
    Map<CSIInfo> csi_controller_plugins{};
    Map<CSIInfo> csi_node_plugins{};
    Map<ClientHostVolumeConfig> host_volumes{};
    bool gc_volumes_on_node_gc{};
    Map<ClientHostNetworkConfig> host_networks{};
    Box<DrainMetadata> last_drain{};
    std::int64_t node_max_allocs{};
    Index last_missed_heartbeat_index{};
    Index last_alloc_update_index{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        Node,
        (1, id),
        (2, secret_id),
        (3, datacenter),
        (4, name),
        (5, cgroup_parent),
        (6, http_addr),
        (7, tls_enabled),
        (8, attributes),
        (9, node_resources),
        (10, reserved_resources),
        (11, links),
        (12, meta),
        (13, node_class),
        (14, node_pool),
        (15, computed_class),
        (16, drain_strategy),
        (17, scheduling_eligibility),
        (18, status),
        (19, status_description),
        (20, identity_signing_key_id),
        (21, status_updated_at),
        (22, events),
        (23, drivers),
        (24, csi_controller_plugins),
        (25, csi_node_plugins),
        (26, host_volumes),
        (27, gc_volumes_on_node_gc),
        (28, host_networks),
        (29, last_drain),
        (30, node_max_allocs),
        (31, last_missed_heartbeat_index),
        (32, last_alloc_update_index),
        (33, create_index),
        (34, modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::LegacyNodeCpuResources>();
extern template const StructType& struct_type<model::TopologyCore>();
extern template const StructType& struct_type<model::Topology>();
extern template const StructType& struct_type<model::NodeProcessorResources>();
extern template const StructType& struct_type<model::NodeMemoryResources>();
extern template const StructType& struct_type<model::NodeDiskResources>();
extern template const StructType& struct_type<model::NodeDeviceLocality>();
extern template const StructType& struct_type<model::NodeDevice>();
extern template const StructType& struct_type<model::Attribute>();
extern template const StructType& struct_type<model::NodeDeviceResource>();
extern template const StructType& struct_type<model::NodeNetworkAddress>();
extern template const StructType& struct_type<model::NodeNetworkResource>();
extern template const StructType& struct_type<model::NodeResources>();
extern template const StructType& struct_type<model::NodeReservedCpuResources>();
extern template const StructType& struct_type<model::NodeReservedMemoryResources>();
extern template const StructType& struct_type<model::NodeReservedDiskResources>();
extern template const StructType& struct_type<model::NodeReservedNetworkResources>();
extern template const StructType& struct_type<model::NodeReservedResources>();
extern template const StructType& struct_type<model::DrainStrategy>();
extern template const StructType& struct_type<model::NodeEvent>();
extern template const StructType& struct_type<model::DriverInfo>();
extern template const StructType& struct_type<model::ClientHostVolumeConfig>();
extern template const StructType& struct_type<model::ClientHostNetworkConfig>();
extern template const StructType& struct_type<model::DrainMetadata>();
extern template const StructType& struct_type<model::Node>();
}  // namespace nl::codec
