#pragma once
// Variables and their locks.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct VariableLock {
    std::string id{};
    Duration ttl{};
    Duration lock_delay{};

    NL_FIELDS(VariableLock, (1, id), (2, ttl), (3, lock_delay))
};

struct VariableMetadata {
    std::string namespace_{};
    std::string path{};
    Box<VariableLock> lock{};
    Index create_index{};
    std::int64_t create_time{};
    Index modify_index{};
    std::int64_t modify_time{};

    NL_FIELDS(
        VariableMetadata,
        (1, namespace_),
        (2, path),
        (3, lock),
        (4, create_index),
        (5, create_time),
        (6, modify_index),
        (7, modify_time)
    )
};

struct VariableDecrypted {
    std::string namespace_{};
    std::string path{};
    Box<VariableLock> lock{};
    Index create_index{};
    std::int64_t create_time{};
    Index modify_index{};
    std::int64_t modify_time{};
    StringMap items{};

    NL_FIELDS(
        VariableDecrypted,
        (1, namespace_),
        (2, path),
        (3, lock),
        (4, create_index),
        (5, create_time),
        (6, modify_index),
        (7, modify_time),
        (8, items)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::VariableLock>();
extern template const StructType& struct_type<model::VariableMetadata>();
extern template const StructType& struct_type<model::VariableDecrypted>();
}  // namespace nl::codec
