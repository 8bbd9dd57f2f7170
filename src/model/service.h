#pragma once
// Services a group or task offers, and their checks.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/connect.h"
#include "model/enums.h"
#include "model/task_blocks.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

template <template <class> class F>
struct CheckRestartOf {
    std::int64_t limit{};
    F<Duration> grace{};
    bool ignore_warnings{};

    NL_FIELDS(CheckRestartOf, (1, limit), (2, grace), (3, ignore_warnings))
};
using CheckRestart = CheckRestartOf<Set>;
using CheckRestartSpec = CheckRestartOf<Opt>;

template <template <class> class F>
struct ServiceCheckOf {
    std::string name{};
    std::string type{};
    std::string command{};
    std::vector<std::string> args{};
    std::string path{};
    std::string protocol{};
    std::string port_label{};
    bool expose{};
    std::string address_mode{};
    Duration interval{};
    Duration timeout{};
    std::string initial_status{};
    std::string notes{};
    std::string tls_server_name{};
    bool tls_skip_verify{};
    std::string method{};
    Map<std::vector<std::string>> header{};
    Box<CheckRestartOf<F>> check_restart{};
    std::string grpc_service{};
    bool grpc_use_tls{};
    std::string task_name{};
    std::int64_t success_before_passing{};
    std::int64_t failures_before_critical{};
    std::int64_t failures_before_warning{};
    std::string body{};
    std::string on_update{};
    std::string advertise{};

    NL_FIELDS(
        ServiceCheckOf,
        (1, name),
        (2, type),
        (3, command),
        (4, args),
        (5, path),
        (6, protocol),
        (7, port_label),
        (8, expose),
        (9, address_mode),
        (10, interval),
        (11, timeout),
        (12, initial_status),
        (13, notes),
        (14, tls_server_name),
        (15, tls_skip_verify),
        (16, method),
        (17, header),
        (18, check_restart),
        (19, grpc_service),
        (20, grpc_use_tls),
        (21, task_name),
        (22, success_before_passing),
        (23, failures_before_critical),
        (24, failures_before_warning),
        (25, body),
        (26, on_update),
        (27, advertise)
    )
};
using ServiceCheck = ServiceCheckOf<Set>;
using ServiceCheckSpec = ServiceCheckOf<Opt>;

struct ServiceWeights {
    std::int64_t passing{};
    std::int64_t warning{};

    NL_FIELDS(ServiceWeights, (1, passing), (2, warning))
};

template <template <class> class F>
struct ServiceOf {
    std::string name{};
    std::string task_name{};
    std::string port_label{};
    std::string address_mode{};
    std::string address{};
    bool enable_tag_override{};
    std::vector<std::string> tags{};
    std::vector<std::string> canary_tags{};
    std::vector<ServiceCheckOf<F>> checks{};
    Box<ConsulConnectOf<F>> connect{};
    StringMap meta{};
    StringMap canary_meta{};
    Box<ServiceWeights> weights{};
    StringMap tagged_addresses{};
    std::string namespace_{};
    std::string on_update{};
    std::string provider{};
    std::string cluster{};
    Box<WorkloadIdentity> identity{};
    std::string kind{};
    Box<CheckRestartOf<F>> check_restart{};

    NL_FIELDS(
        ServiceOf,
        (1, name),
        (2, task_name),
        (3, port_label),
        (4, address_mode),
        (5, address),
        (6, enable_tag_override),
        (7, tags),
        (8, canary_tags),
        (9, checks),
        (10, connect),
        (11, meta),
        (12, canary_meta),
        (13, weights),
        (14, tagged_addresses),
        (15, namespace_),
        (16, on_update),
        (17, provider),
        (18, cluster),
        (19, identity),
        (20, kind),
        (21, check_restart)
    )
};
using Service = ServiceOf<Set>;
using ServiceSpec = ServiceOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::CheckRestart>();
extern template const StructType& struct_type<model::ServiceCheck>();
extern template const StructType& struct_type<model::ServiceWeights>();
extern template const StructType& struct_type<model::Service>();
}  // namespace nl::codec
