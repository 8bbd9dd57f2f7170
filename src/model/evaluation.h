#pragma once
// An evaluation: the request to bring a job, or what a node holds of it, to its desired state.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/alloc_metric.h"
#include "model/enums.h"
#include "model/plan_annotations.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct EvaluationStub {
    Uuid id{};
    std::string namespace_{};
    std::int64_t priority{};
    std::string type{};
    std::string triggered_by{};
    std::string job_id{};
    Uuid node_id{};
    Uuid deployment_id{};
    EvalStatus status{};
    std::string status_description{};
    WallTime wait_until{};
    Uuid next_eval{};
    Uuid previous_eval{};
    Uuid blocked_eval{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        EvaluationStub,
        (1, id),
        (2, namespace_),
        (3, priority),
        (4, type),
        (5, triggered_by),
        (6, job_id),
        (7, node_id),
        (8, deployment_id),
        (9, status),
        (10, status_description),
        (11, wait_until),
        (12, next_eval),
        (13, previous_eval),
        (14, blocked_eval),
        (15, create_index),
        (16, modify_index),
        (17, create_time),
        (18, modify_time)
    )
};

struct Evaluation {
    Uuid id{};
    std::string namespace_{};
    std::int64_t priority{};
    std::string type{};
    std::string triggered_by{};
    std::string job_id{};
    Index job_modify_index{};
    Uuid node_id{};
    Index node_modify_index{};
    Uuid deployment_id{};
    EvalStatus status{};
    std::string status_description{};
    Duration wait{};
    WallTime wait_until{};
    Uuid next_eval{};
    Uuid previous_eval{};
    Uuid blocked_eval{};
    std::vector<EvaluationStub> related_evals{};
    Map<AllocMetric> failed_tg_allocs{};
    Box<PlanAnnotations> plan_annotations{};
    Map<bool> class_eligibility{};
    std::string quota_limit_reached{};
    std::vector<std::string> missing_non_node_resources{};
    bool escaped_computed_class{};
    bool annotate_plan{};
    Map<std::int64_t> queued_allocations{};
    std::string leader_acl{};
    Index snapshot_index{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        Evaluation,
        (1, id),
        (2, namespace_),
        (3, priority),
        (4, type),
        (5, triggered_by),
        (6, job_id),
        (7, job_modify_index),
        (8, node_id),
        (9, node_modify_index),
        (10, deployment_id),
        (11, status),
        (12, status_description),
        (13, wait),
        (14, wait_until),
        (15, next_eval),
        (16, previous_eval),
        (17, blocked_eval),
        (18, related_evals),
        (19, failed_tg_allocs),
        (20, plan_annotations),
        (21, class_eligibility),
        (22, quota_limit_reached),
        (23, missing_non_node_resources),
        (24, escaped_computed_class),
        (25, annotate_plan),
        (26, queued_allocations),
        (27, leader_acl),
        (28, snapshot_index),
        (29, create_index),
        (30, modify_index),
        (31, create_time),
        (32, modify_time)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::EvaluationStub>();
extern template const StructType& struct_type<model::Evaluation>();
}  // namespace nl::codec
