#pragma once
// Small answers of write routes.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct AllocStopResponse {
    Uuid eval_id{};

    NL_FIELDS(AllocStopResponse, (1, eval_id))
};

struct EvalDeleteResponse {
    std::int64_t count{};

    NL_FIELDS(EvalDeleteResponse, (1, count))
};

struct DeploymentUpdateResponse {
    Uuid eval_id{};
    Index eval_create_index{};
    Index deployment_modify_index{};
    std::optional<std::int64_t> reverted_job_version{};

    NL_FIELDS(
        DeploymentUpdateResponse,
        (1, eval_id),
        (2, eval_create_index),
        (3, deployment_modify_index),
        (4, reverted_job_version)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::AllocStopResponse>();
extern template const StructType& struct_type<model::EvalDeleteResponse>();
extern template const StructType& struct_type<model::DeploymentUpdateResponse>();
}  // namespace nl::codec
