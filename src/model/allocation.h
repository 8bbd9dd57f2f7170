#pragma once
// An allocation: a group of a job placed on a node.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/alloc_metric.h"
#include "model/enums.h"
#include "model/job.h"
#include "model/resources.h"
#include "model/task.h"
#include "model/task_state.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct AllocatedCpuResources {
    std::int64_t cpu_shares{};
    std::vector<std::int64_t> reserved_cores{};

    NL_FIELDS(AllocatedCpuResources, (1, cpu_shares), (2, reserved_cores))
};

struct AllocatedMemoryResources {
    std::int64_t memory_mb{};
    std::int64_t memory_max_mb{};

    NL_FIELDS(AllocatedMemoryResources, (1, memory_mb), (2, memory_max_mb))
};

struct AllocatedDeviceResource {
    std::string vendor{};
    std::string type{};
    std::string name{};
    std::vector<std::string> device_ids{};

    NL_FIELDS(AllocatedDeviceResource, (1, vendor), (2, type), (3, name), (4, device_ids))
};

struct AllocatedTaskResources {
    Box<AllocatedCpuResources> cpu{};
    Box<AllocatedMemoryResources> memory{};
    std::vector<NetworkResource> networks{};
    std::vector<AllocatedDeviceResource> devices{};

    NL_FIELDS(AllocatedTaskResources, (1, cpu), (2, memory), (3, networks), (4, devices))
};

struct AllocatedPortMapping {
    std::string label{};
    std::int64_t value{};
    std::int64_t to{};
    std::string host_ip{};
    bool ignore_collision{};

    NL_FIELDS(
        AllocatedPortMapping, (1, label), (2, value), (3, to), (4, host_ip), (5, ignore_collision)
    )
};

struct AllocatedSharedResources {
    std::vector<NetworkResource> networks{};
    std::int64_t disk_mb{};
    std::vector<AllocatedPortMapping> ports{};

    NL_FIELDS(AllocatedSharedResources, (1, networks), (2, disk_mb), (3, ports))
};

struct AllocatedResources {
    Map<AllocatedTaskResources> tasks{};
    Map<TaskLifecycleConfig> task_lifecycles{};
    Box<AllocatedSharedResources> shared{};

    NL_FIELDS(AllocatedResources, (1, tasks), (2, task_lifecycles), (3, shared))
};

struct DesiredTransition {
    std::optional<bool> migrate{};
    std::optional<bool> reschedule{};
    std::optional<bool> force_reschedule{};
    std::optional<bool> no_shutdown_delay{};
    std::optional<bool> migrate_disable_placement{};

    NL_FIELDS(
        DesiredTransition,
        (1, migrate),
        (2, reschedule),
        (3, force_reschedule),
        (4, no_shutdown_delay),
        (5, migrate_disable_placement)
    )
};

struct AllocState {
    std::int64_t field{};
    std::string value{};
    WallTime time{};

    NL_FIELDS(AllocState, (1, field), (2, value), (3, time))
};

struct AllocDeploymentStatus {
    std::optional<bool> healthy{};
    WallTime timestamp{};
    bool canary{};
    Index modify_index{};

    NL_FIELDS(AllocDeploymentStatus, (1, healthy), (2, timestamp), (3, canary), (4, modify_index))
};

struct RescheduleEvent {
    std::int64_t reschedule_time{};
    Uuid prev_alloc_id{};
    Uuid prev_node_id{};
    Duration delay{};

    NL_FIELDS(
        RescheduleEvent, (1, reschedule_time), (2, prev_alloc_id), (3, prev_node_id), (4, delay)
    )
};

struct RescheduleTracker {
    std::vector<RescheduleEvent> events{};
    std::string last_reschedule{};

    NL_FIELDS(RescheduleTracker, (1, events), (2, last_reschedule))
};

struct AllocNetworkStatus {
    std::string interface_name{};
    std::string address{};
    std::string address_ipv6{};
    Box<DNSConfig> dns{};

    NL_FIELDS(AllocNetworkStatus, (1, interface_name), (2, address), (3, address_ipv6), (4, dns))
};

struct Allocation {
    Uuid id{};
    std::string namespace_{};
    Uuid eval_id{};
    std::string name{};
    Uuid node_id{};
    std::string node_name{};
    std::string job_id{};
    std::shared_ptr<const Job> job{};
    std::string task_group{};
    Box<Resources> resources{};
    Box<Resources> shared_resources{};
    Map<Resources> task_resources{};
    Box<AllocatedResources> allocated_resources{};
    Box<AllocMetric> metrics{};
    AllocDesiredStatus desired_status{};
    std::string desired_description{};
    Box<DesiredTransition> desired_transition{};
    AllocClientStatus client_status{};
    std::string client_description{};
    Map<TaskState> task_states{};
    std::vector<AllocState> alloc_states{};
    Uuid previous_allocation{};
    Uuid next_allocation{};
    Uuid deployment_id{};
    Box<AllocDeploymentStatus> deployment_status{};
    Box<RescheduleTracker> reschedule_tracker{};
    Box<AllocNetworkStatus> network_status{};
    Uuid followup_eval_id{};
    std::vector<Uuid> preempted_allocations{};
    Uuid preempted_by_allocation{};
    std::string signing_key_id{};
    Index create_index{};
    Index modify_index{};
    Index alloc_modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        Allocation,
        (1, id),
        (2, namespace_),
        (3, eval_id),
        (4, name),
        (5, node_id),
        (6, node_name),
        (7, job_id),
        (8, job),
        (9, task_group),
        (10, resources),
        (11, shared_resources),
        (12, task_resources),
        (13, allocated_resources),
        (14, metrics),
        (15, desired_status),
        (16, desired_description),
        (17, desired_transition),
        (18, client_status),
        (19, client_description),
        (20, task_states),
        (21, alloc_states),
        (22, previous_allocation),
        (23, next_allocation),
        (24, deployment_id),
        (25, deployment_status),
        (26, reschedule_tracker),
        (27, network_status),
        (28, followup_eval_id),
        (29, preempted_allocations),
        (30, preempted_by_allocation),
        (31, signing_key_id),
        (32, create_index),
        (33, modify_index),
        (34, alloc_modify_index),
        (35, create_time),
        (36, modify_time)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::AllocatedCpuResources>();
extern template const StructType& struct_type<model::AllocatedMemoryResources>();
extern template const StructType& struct_type<model::AllocatedDeviceResource>();
extern template const StructType& struct_type<model::AllocatedTaskResources>();
extern template const StructType& struct_type<model::AllocatedPortMapping>();
extern template const StructType& struct_type<model::AllocatedSharedResources>();
extern template const StructType& struct_type<model::AllocatedResources>();
extern template const StructType& struct_type<model::DesiredTransition>();
extern template const StructType& struct_type<model::AllocState>();
extern template const StructType& struct_type<model::AllocDeploymentStatus>();
extern template const StructType& struct_type<model::RescheduleEvent>();
extern template const StructType& struct_type<model::RescheduleTracker>();
extern template const StructType& struct_type<model::AllocNetworkStatus>();
extern template const StructType& struct_type<model::Allocation>();
}  // namespace nl::codec
