#pragma once
// Answers of the job routes.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/alloc_metric.h"
#include "model/enums.h"
#include "model/evaluation.h"
#include "model/job.h"
#include "model/job_diff.h"
#include "model/job_records.h"
#include "model/plan_annotations.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct JobListStub {
    std::string id{};
    std::string parent_id{};
    std::string name{};
    std::string namespace_{};
    std::vector<std::string> datacenters{};
    std::string node_pool{};
    Box<Multiregion> multiregion{};
    std::string type{};
    std::int64_t priority{};
    bool periodic{};
    bool parameterized_job{};
    bool stop{};
    std::string status{};
    std::string status_description{};
    Box<JobSummary> job_summary{};
    Index create_index{};
    Index modify_index{};
    Index job_modify_index{};
    std::int64_t submit_time{};
    StringMap meta{};

    NL_FIELDS(
        JobListStub,
        (1, id),
        (2, parent_id),
        (3, name),
        (4, namespace_),
        (5, datacenters),
        (6, node_pool),
        (7, multiregion),
        (8, type),
        (9, priority),
        (10, periodic),
        (11, parameterized_job),
        (12, stop),
        (13, status),
        (14, status_description),
        (15, job_summary),
        (16, create_index),
        (17, modify_index),
        (18, job_modify_index),
        (19, submit_time),
        (20, meta)
    )
};

struct JobStatusesDeployment {
    bool canary{};
    std::optional<bool> healthy{};

    NL_FIELDS(JobStatusesDeployment, (1, canary), (2, healthy))
};

struct JobStatusesAlloc {
    Uuid id{};
    std::string group{};
    AllocClientStatus client_status{};
    Uuid node_id{};
    Box<JobStatusesDeployment> deployment_status{};
    std::uint64_t job_version{};
    Uuid followup_eval_id{};
    bool has_paused_task{};

    NL_FIELDS(
        JobStatusesAlloc,
        (1, id),
        (2, group),
        (3, client_status),
        (4, node_id),
        (5, deployment_status),
        (6, job_version),
        (7, followup_eval_id),
        (8, has_paused_task)
    )
};

struct JobStatusesLatestDeployment {
    Uuid id{};
    bool is_active{};
    std::uint64_t job_version{};
    DeploymentStatus status{};
    std::string status_description{};
    bool all_auto_promote{};
    bool requires_promotion{};

    NL_FIELDS(
        JobStatusesLatestDeployment,
        (1, id),
        (2, is_active),
        (3, job_version),
        (4, status),
        (5, status_description),
        (6, all_auto_promote),
        (7, requires_promotion)
    )
};

struct JobStatusesJob {
    std::string id{};
    std::string namespace_{};
    std::string name{};
    std::string type{};
    std::string node_pool{};
    std::vector<std::string> datacenters{};
    std::int64_t priority{};
    std::uint64_t version{};
    std::int64_t submit_time{};
    Index modify_index{};
    std::vector<JobStatusesAlloc> allocs{};
    std::int64_t group_count_sum{};
    std::vector<std::string> child_statuses{};
    std::string parent_id{};
    Box<JobStatusesLatestDeployment> latest_deployment{};
    bool stop{};
    bool is_pack{};
    std::string status{};

    NL_FIELDS(
        JobStatusesJob,
        (1, id),
        (2, namespace_),
        (3, name),
        (4, type),
        (5, node_pool),
        (6, datacenters),
        (7, priority),
        (8, version),
        (9, submit_time),
        (10, modify_index),
        (11, allocs),
        (12, group_count_sum),
        (13, child_statuses),
        (14, parent_id),
        (15, latest_deployment),
        (16, stop),
        (17, is_pack),
        (18, status)
    )
};

struct JobRegisterResponse {
    Uuid eval_id{};
    Index eval_create_index{};
    Index job_modify_index{};
    std::string warnings{};

    NL_FIELDS(
        JobRegisterResponse,
        (1, eval_id),
        (2, eval_create_index),
        (3, job_modify_index),
        (4, warnings)
    )
};

struct JobDeregisterResponse {
    Uuid eval_id{};
    Index eval_create_index{};
    Index job_modify_index{};
    std::string volume_eval_id{};
    Index volume_eval_index{};

    NL_FIELDS(
        JobDeregisterResponse,
        (1, eval_id),
        (2, eval_create_index),
        (3, job_modify_index),
        (4, volume_eval_id),
        (5, volume_eval_index)
    )
};

struct JobPlanResponse {
    Box<PlanAnnotations> annotations{};
    Map<AllocMetric> failed_tg_allocs{};
    Index job_modify_index{};
    std::vector<Evaluation> created_evals{};
    Box<JobDiff> diff{};
    WallTime next_periodic_launch{};
    std::string warnings{};

    NL_FIELDS(
        JobPlanResponse,
        (1, annotations),
        (2, failed_tg_allocs),
        (3, job_modify_index),
        (4, created_evals),
        (5, diff),
        (6, next_periodic_launch),
        (7, warnings)
    )
};

struct JobValidateResponse {
    bool driver_config_validated{};
    std::vector<std::string> validation_errors{};
    std::string error{};
    std::string warnings{};

    NL_FIELDS(
        JobValidateResponse,
        (1, driver_config_validated),
        (2, validation_errors),
        (3, error),
        (4, warnings)
    )
};

struct JobVersionsResponse {
    std::vector<Job> versions{};
    std::vector<JobDiff> diffs{};

    NL_FIELDS(JobVersionsResponse, (1, versions), (2, diffs))
};

struct JobDispatchResponse {
    std::string dispatched_job_id{};
    Uuid eval_id{};
    Index eval_create_index{};
    Index job_create_index{};

    NL_FIELDS(
        JobDispatchResponse,
        (1, dispatched_job_id),
        (2, eval_id),
        (3, eval_create_index),
        (4, job_create_index)
    )
};

struct TaskGroupScaleStatus {
    std::int64_t desired{};
    std::int64_t placed{};
    std::int64_t running{};
    std::int64_t healthy{};
    std::int64_t unhealthy{};
    std::vector<ScalingEvent> events{};

    NL_FIELDS(
        TaskGroupScaleStatus,
        (1, desired),
        (2, placed),
        (3, running),
        (4, healthy),
        (5, unhealthy),
        (6, events)
    )
};

struct JobScaleStatus {
    std::string job_id{};
    std::string namespace_{};
    Index job_create_index{};
    Index job_modify_index{};
    bool job_stopped{};
    Map<TaskGroupScaleStatus> task_groups{};

    NL_FIELDS(
        JobScaleStatus,
        (1, job_id),
        (2, namespace_),
        (3, job_create_index),
        (4, job_modify_index),
        (5, job_stopped),
        (6, task_groups)
    )
};

struct ScalingPolicyListStub {
    std::string id{};
    bool enabled{};
    std::string type{};
    StringMap target{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ScalingPolicyListStub,
        (1, id),
        (2, enabled),
        (3, type),
        (4, target),
        (5, create_index),
        (6, modify_index)
    )
};

struct PeriodicForceResponse {
    Uuid eval_id{};
    Index eval_create_index{};

    NL_FIELDS(PeriodicForceResponse, (1, eval_id), (2, eval_create_index))
};

struct JobStabilityResponse {
    NL_FIELDS(JobStabilityResponse)
};

struct JobTagResponse {
    std::string name{};
    std::string description{};
    std::int64_t tagged_time{};

    NL_FIELDS(JobTagResponse, (1, name), (2, description), (3, tagged_time))
};

struct JobAction {
    std::string name{};
    std::string command{};
    std::vector<std::string> args{};
    std::string task_name{};
    std::string task_group_name{};

    NL_FIELDS(JobAction, (1, name), (2, command), (3, args), (4, task_name), (5, task_group_name))
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::JobListStub>();
extern template const StructType& struct_type<model::JobStatusesDeployment>();
extern template const StructType& struct_type<model::JobStatusesAlloc>();
extern template const StructType& struct_type<model::JobStatusesLatestDeployment>();
extern template const StructType& struct_type<model::JobStatusesJob>();
extern template const StructType& struct_type<model::JobRegisterResponse>();
extern template const StructType& struct_type<model::JobDeregisterResponse>();
extern template const StructType& struct_type<model::JobPlanResponse>();
extern template const StructType& struct_type<model::JobValidateResponse>();
extern template const StructType& struct_type<model::JobVersionsResponse>();
extern template const StructType& struct_type<model::JobDispatchResponse>();
extern template const StructType& struct_type<model::TaskGroupScaleStatus>();
extern template const StructType& struct_type<model::JobScaleStatus>();
extern template const StructType& struct_type<model::ScalingPolicyListStub>();
extern template const StructType& struct_type<model::PeriodicForceResponse>();
extern template const StructType& struct_type<model::JobStabilityResponse>();
extern template const StructType& struct_type<model::JobTagResponse>();
extern template const StructType& struct_type<model::JobAction>();
}  // namespace nl::codec
