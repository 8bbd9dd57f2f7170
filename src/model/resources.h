#pragma once
// What a task or group asks for: cpu, memory, devices, cores, networks and ports.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/constraint.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct DNSConfig {
    std::vector<std::string> servers{};
    std::vector<std::string> searches{};
    std::vector<std::string> options{};

    NL_FIELDS(DNSConfig, (1, servers), (2, searches), (3, options))
};

struct Port {
    std::string label{};
    std::int64_t value{};
    std::int64_t to{};
    std::string host_network{};
    bool ignore_collision{};

    NL_FIELDS(Port, (1, label), (2, value), (3, to), (4, host_network), (5, ignore_collision))
};

struct CNIConfig {
    StringMap args{};

    NL_FIELDS(CNIConfig, (1, args))
};

template <template <class> class F>
struct NetworkResourceOf {
    std::string mode{};
    std::string device{};
    std::string cidr{};
    std::string ip{};
    std::string hostname{};
    F<std::int64_t> mbits{};
    Box<DNSConfig> dns{};
    std::vector<Port> reserved_ports{};
    std::vector<Port> dynamic_ports{};
    Box<CNIConfig> cni{};

    NL_FIELDS(
        NetworkResourceOf,
        (1, mode),
        (2, device),
        (3, cidr),
        (4, ip),
        (5, hostname),
        (6, mbits),
        (7, dns),
        (8, reserved_ports),
        (9, dynamic_ports),
        (10, cni)
    )
};
using NetworkResource = NetworkResourceOf<Set>;
using NetworkResourceSpec = NetworkResourceOf<Opt>;

template <template <class> class F>
struct RequestedDeviceOf {
    std::string name{};
    F<std::int64_t> count{};
    std::vector<Constraint> constraints{};
    std::vector<AffinityOf<F>> affinities{};

    NL_FIELDS(RequestedDeviceOf, (1, name), (2, count), (3, constraints), (4, affinities))
};
using RequestedDevice = RequestedDeviceOf<Set>;
using RequestedDeviceSpec = RequestedDeviceOf<Opt>;

struct NUMA {
    std::string affinity{};
    std::vector<std::string> devices{};

    NL_FIELDS(NUMA, (1, affinity), (2, devices))
};

template <template <class> class F>
struct ResourcesOf {
    F<std::int64_t> cpu{};
    F<std::int64_t> cores{};
    F<std::int64_t> memory_mb{};
    F<std::int64_t> memory_max_mb{};
    F<std::int64_t> disk_mb{};
    F<std::int64_t> iops{};
    std::vector<NetworkResourceOf<F>> networks{};
    std::vector<RequestedDeviceOf<F>> devices{};
    Box<NUMA> numa{};
    F<std::int64_t> secrets_mb{};

    NL_FIELDS(
        ResourcesOf,
        (1, cpu),
        (2, cores),
        (3, memory_mb),
        (4, memory_max_mb),
        (5, disk_mb),
        (6, iops),
        (7, networks),
        (8, devices),
        (9, numa),
        (10, secrets_mb)
    )
};
using Resources = ResourcesOf<Set>;
using ResourcesSpec = ResourcesOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::DNSConfig>();
extern template const StructType& struct_type<model::Port>();
extern template const StructType& struct_type<model::CNIConfig>();
extern template const StructType& struct_type<model::NetworkResource>();
extern template const StructType& struct_type<model::RequestedDevice>();
extern template const StructType& struct_type<model::NUMA>();
extern template const StructType& struct_type<model::Resources>();
}  // namespace nl::codec
