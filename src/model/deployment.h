#pragma once
// A deployment: the supervised change from one job version to the next.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct DeploymentState {
    bool auto_revert{};
    bool auto_promote{};
    Duration progress_deadline{};
    WallTime require_progress_by{};
    bool promoted{};
    std::vector<Uuid> placed_canaries{};
    std::int64_t desired_canaries{};
    std::int64_t desired_total{};
    std::int64_t placed_allocs{};
    std::int64_t healthy_allocs{};
    std::int64_t unhealthy_allocs{};

    NL_FIELDS(
        DeploymentState,
        (1, auto_revert),
        (2, auto_promote),
        (3, progress_deadline),
        (4, require_progress_by),
        (5, promoted),
        (6, placed_canaries),
        (7, desired_canaries),
        (8, desired_total),
        (9, placed_allocs),
        (10, healthy_allocs),
        (11, unhealthy_allocs)
    )
};

struct Deployment {
    Uuid id{};
    std::string namespace_{};
    std::string job_id{};
    std::uint64_t job_version{};
    Index job_modify_index{};
    Index job_spec_modify_index{};
    Index job_create_index{};
    bool is_multiregion{};
    Map<DeploymentState> task_groups{};
    DeploymentStatus status{};
    std::string status_description{};
    std::int64_t eval_priority{};
    Index create_index{};
    Index modify_index{};
    std::int64_t create_time{};
    std::int64_t modify_time{};

    NL_FIELDS(
        Deployment,
        (1, id),
        (2, namespace_),
        (3, job_id),
        (4, job_version),
        (5, job_modify_index),
        (6, job_spec_modify_index),
        (7, job_create_index),
        (8, is_multiregion),
        (9, task_groups),
        (10, status),
        (11, status_description),
        (12, eval_priority),
        (13, create_index),
        (14, modify_index),
        (15, create_time),
        (16, modify_time)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::DeploymentState>();
extern template const StructType& struct_type<model::Deployment>();
}  // namespace nl::codec
