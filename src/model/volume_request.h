#pragma once
// The volumes a group asks for.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct CSIMountOptions {
    std::string fs_type{};
    std::vector<std::string> mount_flags{};

    NL_FIELDS(CSIMountOptions, (1, fs_type), (2, mount_flags))
};

struct VolumeRequest {
    std::string name{};
    std::string type{};
    std::string source{};
    bool read_only{};
    bool sticky{};
    std::string access_mode{};
    std::string attachment_mode{};
    Box<CSIMountOptions> mount_options{};
    bool per_alloc{};

    NL_FIELDS(
        VolumeRequest,
        (1, name),
        (2, type),
        (3, source),
        (4, read_only),
        (5, sticky),
        (6, access_mode),
        (7, attachment_mode),
        (8, mount_options),
        (9, per_alloc)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::CSIMountOptions>();
extern template const StructType& struct_type<model::VolumeRequest>();
}  // namespace nl::codec
