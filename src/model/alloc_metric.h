#pragma once
// Why a placement was made, or could not be: counts and scores.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"
#include "model/resources.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct NodeScoreMeta {
    Uuid node_id{};
    Map<double> scores{};
    double norm_score{};

    NL_FIELDS(NodeScoreMeta, (1, node_id), (2, scores), (3, norm_score))
};

struct AllocMetric {
    std::int64_t nodes_evaluated{};
    std::int64_t nodes_filtered{};
    std::int64_t nodes_in_pool{};
    std::string node_pool{};
    Map<std::int64_t> nodes_available{};
    Map<std::int64_t> class_filtered{};
    Map<std::int64_t> constraint_filtered{};
    std::int64_t nodes_exhausted{};
    Map<std::int64_t> class_exhausted{};
    Map<std::int64_t> dimension_exhausted{};
    std::vector<std::string> quota_exhausted{};
    Map<Resources> resources_exhausted{};
    Map<double> scores{};
    std::vector<NodeScoreMeta> score_meta_data{};
    Duration allocation_time{};
    std::int64_t coalesced_failures{};

    NL_FIELDS(
        AllocMetric,
        (1, nodes_evaluated),
        (2, nodes_filtered),
        (3, nodes_in_pool),
        (4, node_pool),
        (5, nodes_available),
        (6, class_filtered),
        (7, constraint_filtered),
        (8, nodes_exhausted),
        (9, class_exhausted),
        (10, dimension_exhausted),
        (11, quota_exhausted),
        (12, resources_exhausted),
        (13, scores),
        (14, score_meta_data),
        (15, allocation_time),
        (16, coalesced_failures)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::NodeScoreMeta>();
extern template const StructType& struct_type<model::AllocMetric>();
}  // namespace nl::codec
