#pragma once
// Blocks that tasks, groups and sidecars share.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

template <template <class> class F>
struct RestartPolicyOf {
    F<std::int64_t> attempts{};
    F<Duration> interval{};
    F<Duration> delay{};
    F<std::string> mode{};
    F<bool> render_templates{};

    NL_FIELDS(
        RestartPolicyOf, (1, attempts), (2, interval), (3, delay), (4, mode), (5, render_templates)
    )
};
using RestartPolicy = RestartPolicyOf<Set>;
using RestartPolicySpec = RestartPolicyOf<Opt>;

template <template <class> class F>
struct LogConfigOf {
    F<std::int64_t> max_files{};
    F<std::int64_t> max_file_size_mb{};
    F<bool> disabled{};
    F<bool> enabled{};

    NL_FIELDS(LogConfigOf, (1, max_files), (2, max_file_size_mb), (3, disabled), (4, enabled))
};
using LogConfig = LogConfigOf<Set>;
using LogConfigSpec = LogConfigOf<Opt>;

struct Consul {
    std::string namespace_{};
    std::string cluster{};
    std::string partition{};

    NL_FIELDS(Consul, (1, namespace_), (2, cluster), (3, partition))
};

struct WorkloadIdentity {
    std::string name{};
    std::vector<std::string> audience{};
    std::string change_mode{};
    std::string change_signal{};
    bool env{};
    bool file{};
    std::string filepath{};
    std::string service_name{};
    Duration ttl{};
    std::vector<std::string> extra_claims{};

    NL_FIELDS(
        WorkloadIdentity,
        (1, name),
        (2, audience),
        (3, change_mode),
        (4, change_signal),
        (5, env),
        (6, file),
        (7, filepath),
        (8, service_name),
        (9, ttl),
        (10, extra_claims)
    )
};

template <template <class> class F>
struct VolumeMountOf {
    F<std::string> volume{};
    F<std::string> destination{};
    F<bool> read_only{};
    F<std::string> propagation_mode{};
    F<std::string> selinux_label{};

    NL_FIELDS(
        VolumeMountOf,
        (1, volume),
        (2, destination),
        (3, read_only),
        (4, propagation_mode),
        (5, selinux_label)
    )
};
using VolumeMount = VolumeMountOf<Set>;
using VolumeMountSpec = VolumeMountOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::RestartPolicy>();
extern template const StructType& struct_type<model::LogConfig>();
extern template const StructType& struct_type<model::Consul>();
extern template const StructType& struct_type<model::WorkloadIdentity>();
extern template const StructType& struct_type<model::VolumeMount>();
}  // namespace nl::codec
