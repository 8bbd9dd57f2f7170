#pragma once
// What the servers keep about a job beside its definition: summary, scaling events, source.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct TaskGroupSummary {
    std::int64_t queued{};
    std::int64_t complete{};
    std::int64_t failed{};
    std::int64_t running{};
    std::int64_t starting{};
    std::int64_t lost{};
    std::int64_t unknown{};

    NL_FIELDS(
        TaskGroupSummary,
        (1, queued),
        (2, complete),
        (3, failed),
        (4, running),
        (5, starting),
        (6, lost),
        (7, unknown)
    )
};

struct JobChildrenSummary {
    std::int64_t pending{};
    std::int64_t running{};
    std::int64_t dead{};

    NL_FIELDS(JobChildrenSummary, (1, pending), (2, running), (3, dead))
};

struct JobSummary {
    std::string job_id{};
    std::string namespace_{};
    Map<TaskGroupSummary> summary{};
    Box<JobChildrenSummary> children{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        JobSummary,
        (1, job_id),
        (2, namespace_),
        (3, summary),
        (4, children),
        (5, create_index),
        (6, modify_index)
    )
};

struct ScalingEvent {
    std::int64_t time{};
    std::optional<std::int64_t> count{};
    std::int64_t previous_count{};
    std::string message{};
    bool error{};
    ValueMap meta{};
    std::optional<std::string> eval_id{};
    Index create_index{};

    NL_FIELDS(
        ScalingEvent,
        (1, time),
        (2, count),
        (3, previous_count),
        (4, message),
        (5, error),
        (6, meta),
        (7, eval_id),
        (8, create_index)
    )
};

struct JobSubmission {
    std::string source{};
    std::string format{};
    StringMap variable_flags{};
    std::string variables{};
    std::string namespace_{};
    std::string job_id{};
    std::uint64_t version{};
    Index job_modify_index{};

    NL_FIELDS(
        JobSubmission,
        (1, source),
        (2, format),
        (3, variable_flags),
        (4, variables),
        (5, namespace_),
        (6, job_id),
        (7, version),
        (8, job_modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::TaskGroupSummary>();
extern template const StructType& struct_type<model::JobChildrenSummary>();
extern template const StructType& struct_type<model::JobSummary>();
extern template const StructType& struct_type<model::ScalingEvent>();
extern template const StructType& struct_type<model::JobSubmission>();
}  // namespace nl::codec
