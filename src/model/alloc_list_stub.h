#pragma once
// The short form of an allocation in lists.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/allocation.h"
#include "model/enums.h"
#include "model/task_state.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct AllocListStub {
    Uuid id{};
    Uuid eval_id{};
    std::string name{};
    std::string namespace_{};
    Uuid node_id{};
    std::string node_name{};
    std::string job_id{};
    std::string job_type{};
    std::uint64_t job_version{};
    std::string task_group{};
    Box<AllocatedResources> allocated_resources{};
    AllocDesiredStatus desired_status{};
    std::string desired_description{};
    AllocClientStatus client_status{};
    std::string client_description{};
    Box<DesiredTransition> desired_transition{};
    Map<TaskState> task_states{};
    Box<AllocDeploymentStatus> deployment_status{};
    Uuid followup_eval_id{};
    Uuid next_allocation{};
    Box<RescheduleTracker> reschedule_tracker{};
    std::vector<Uuid> preempted_allocations{};
    Uuid preempted_by_allocation{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        AllocListStub,
        (1, id),
        (2, eval_id),
        (3, name),
        (4, namespace_),
        (5, node_id),
        (6, node_name),
        (7, job_id),
        (8, job_type),
        (9, job_version),
        (10, task_group),
        (11, allocated_resources),
        (12, desired_status),
        (13, desired_description),
        (14, client_status),
        (15, client_description),
        (16, desired_transition),
        (17, task_states),
        (18, deployment_status),
        (19, followup_eval_id),
        (20, next_allocation),
        (21, reschedule_tracker),
        (22, preempted_allocations),
        (23, preempted_by_allocation),
        (24, create_index),
        (25, modify_index),
        (26, create_time),
        (27, modify_time)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::AllocListStub>();
}  // namespace nl::codec
