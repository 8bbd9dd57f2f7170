#pragma once
// Node pools.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct NodePoolSchedulerConfiguration {
    std::string scheduler_algorithm{};
    std::optional<bool> memory_oversubscription_enabled{};

    NL_FIELDS(
        NodePoolSchedulerConfiguration,
        (1, scheduler_algorithm),
        (2, memory_oversubscription_enabled)
    )
};

struct NodePool {
    std::string name{};
    std::string description{};
    StringMap meta{};
    Box<NodePoolSchedulerConfiguration> scheduler_configuration{};
    Duration node_identity_ttl{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        NodePool,
        (1, name),
        (2, description),
        (3, meta),
        (4, scheduler_configuration),
        (5, node_identity_ttl),
        (6, hash),
        (7, create_index),
        (8, modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::NodePoolSchedulerConfiguration>();
extern template const StructType& struct_type<model::NodePool>();
}  // namespace nl::codec
