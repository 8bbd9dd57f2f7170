#pragma once
// A service's Consul Connect block, kept and shown as clients send it.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"
#include "model/resources.h"
#include "model/task_blocks.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct ConsulMeshGateway {
    std::string mode{};

    NL_FIELDS(ConsulMeshGateway, (1, mode))
};

struct ConsulUpstream {
    std::string destination_name{};
    std::string destination_namespace{};
    std::string destination_partition{};
    std::string destination_peer{};
    std::string destination_type{};
    std::int64_t local_bind_port{};
    std::string datacenter{};
    std::string local_bind_address{};
    std::string local_bind_socket_path{};
    std::string local_bind_socket_mode{};
    Box<ConsulMeshGateway> mesh_gateway{};
    ValueMap config{};

    NL_FIELDS(
        ConsulUpstream,
        (1, destination_name),
        (2, destination_namespace),
        (3, destination_partition),
        (4, destination_peer),
        (5, destination_type),
        (6, local_bind_port),
        (7, datacenter),
        (8, local_bind_address),
        (9, local_bind_socket_path),
        (10, local_bind_socket_mode),
        (11, mesh_gateway),
        (12, config)
    )
};

struct ConsulExposePath {
    std::string path{};
    std::string protocol{};
    std::int64_t local_path_port{};
    std::string listener_port{};

    NL_FIELDS(ConsulExposePath, (1, path), (2, protocol), (3, local_path_port), (4, listener_port))
};

struct ConsulExposeConfig {
    std::vector<ConsulExposePath> paths{};

    NL_FIELDS(ConsulExposeConfig, (1, paths))
};

struct ConsulTransparentProxy {
    std::string uid{};
    std::int64_t outbound_port{};
    std::vector<std::string> exclude_inbound_ports{};
    std::vector<std::int64_t> exclude_outbound_ports{};
    std::vector<std::string> exclude_outbound_cidrs{};
    std::vector<std::string> exclude_uids{};
    bool no_dns{};

    NL_FIELDS(
        ConsulTransparentProxy,
        (1, uid),
        (2, outbound_port),
        (3, exclude_inbound_ports),
        (4, exclude_outbound_ports),
        (5, exclude_outbound_cidrs),
        (6, exclude_uids),
        (7, no_dns)
    )
};

struct ConsulProxy {
    std::string local_service_address{};
    std::int64_t local_service_port{};
    std::vector<ConsulUpstream> upstreams{};
    Box<ConsulExposeConfig> expose{};
    Box<ConsulTransparentProxy> transparent_proxy{};
    ValueMap config{};

    NL_FIELDS(
        ConsulProxy,
        (1, local_service_address),
        (2, local_service_port),
        (3, upstreams),
        (4, expose),
        (5, transparent_proxy),
        (6, config)
    )
};

struct ConsulSidecarService {
    std::vector<std::string> tags{};
    std::string port{};
    Box<ConsulProxy> proxy{};
    bool disable_default_tcp_check{};
    StringMap meta{};

    NL_FIELDS(
        ConsulSidecarService,
        (1, tags),
        (2, port),
        (3, proxy),
        (4, disable_default_tcp_check),
        (5, meta)
    )
};

template <template <class> class F>
struct SidecarTaskOf {
    std::string name{};
    std::string driver{};
    std::string user{};
    ValueMap config{};
    StringMap env{};
    Box<ResourcesOf<F>> resources{};
    StringMap meta{};
    std::optional<Duration> kill_timeout{};
    Box<LogConfigOf<F>> log_config{};
    std::optional<Duration> shutdown_delay{};
    std::string kill_signal{};
    std::vector<VolumeMountOf<F>> volume_mounts{};
    std::vector<WorkloadIdentity> identities{};

    NL_FIELDS(
        SidecarTaskOf,
        (1, name),
        (2, driver),
        (3, user),
        (4, config),
        (5, env),
        (6, resources),
        (7, meta),
        (8, kill_timeout),
        (9, log_config),
        (10, shutdown_delay),
        (11, kill_signal),
        (12, volume_mounts),
        (13, identities)
    )
};
using SidecarTask = SidecarTaskOf<Set>;
using SidecarTaskSpec = SidecarTaskOf<Opt>;

struct ConsulGatewayBindAddress {
    std::string name{};
    std::string address{};
    std::int64_t port{};

    NL_FIELDS(ConsulGatewayBindAddress, (1, name), (2, address), (3, port))
};

template <template <class> class F>
struct ConsulGatewayProxyOf {
    F<Duration> connect_timeout{};
    bool envoy_gateway_bind_tagged_addresses{};
    Map<ConsulGatewayBindAddress> envoy_gateway_bind_addresses{};
    bool envoy_gateway_no_default_bind{};
    std::string envoy_dns_discovery_type{};
    ValueMap config{};

    NL_FIELDS(
        ConsulGatewayProxyOf,
        (1, connect_timeout),
        (2, envoy_gateway_bind_tagged_addresses),
        (3, envoy_gateway_bind_addresses),
        (4, envoy_gateway_no_default_bind),
        (5, envoy_dns_discovery_type),
        (6, config)
    )
};
using ConsulGatewayProxy = ConsulGatewayProxyOf<Set>;
using ConsulGatewayProxySpec = ConsulGatewayProxyOf<Opt>;

struct ConsulGatewayTLSSDSConfig {
    std::string cluster_name{};
    std::string cert_resource{};

    NL_FIELDS(ConsulGatewayTLSSDSConfig, (1, cluster_name), (2, cert_resource))
};

struct ConsulGatewayTLSConfig {
    bool enabled{};
    std::string tls_min_version{};
    std::string tls_max_version{};
    std::vector<std::string> cipher_suites{};
    Box<ConsulGatewayTLSSDSConfig> sds{};

    NL_FIELDS(
        ConsulGatewayTLSConfig,
        (1, enabled),
        (2, tls_min_version),
        (3, tls_max_version),
        (4, cipher_suites),
        (5, sds)
    )
};

struct ConsulHTTPHeaderModifiers {
    StringMap add{};
    StringMap set{};
    std::vector<std::string> remove{};

    NL_FIELDS(ConsulHTTPHeaderModifiers, (1, add), (2, set), (3, remove))
};

struct ConsulIngressService {
    std::string name{};
    std::vector<std::string> hosts{};
    Box<ConsulGatewayTLSConfig> tls{};
    Box<ConsulHTTPHeaderModifiers> request_headers{};
    Box<ConsulHTTPHeaderModifiers> response_headers{};
    std::int64_t max_connections{};
    std::int64_t max_pending_requests{};
    std::int64_t max_concurrent_requests{};

    NL_FIELDS(
        ConsulIngressService,
        (1, name),
        (2, hosts),
        (3, tls),
        (4, request_headers),
        (5, response_headers),
        (6, max_connections),
        (7, max_pending_requests),
        (8, max_concurrent_requests)
    )
};

struct ConsulIngressListener {
    std::int64_t port{};
    std::string protocol{};
    std::vector<ConsulIngressService> services{};

    NL_FIELDS(ConsulIngressListener, (1, port), (2, protocol), (3, services))
};

struct ConsulIngressConfigEntry {
    Box<ConsulGatewayTLSConfig> tls{};
    std::vector<ConsulIngressListener> listeners{};

    NL_FIELDS(ConsulIngressConfigEntry, (1, tls), (2, listeners))
};

struct ConsulLinkedService {
    std::string name{};
    std::string ca_file{};
    std::string cert_file{};
    std::string key_file{};
    std::string sni{};

    NL_FIELDS(ConsulLinkedService, (1, name), (2, ca_file), (3, cert_file), (4, key_file), (5, sni))
};

struct ConsulTerminatingConfigEntry {
    std::vector<ConsulLinkedService> services{};

    NL_FIELDS(ConsulTerminatingConfigEntry, (1, services))
};

struct ConsulMeshConfigEntry {
    NL_FIELDS(ConsulMeshConfigEntry)
};

template <template <class> class F>
struct ConsulGatewayOf {
    Box<ConsulGatewayProxyOf<F>> proxy{};
    Box<ConsulIngressConfigEntry> ingress{};
    Box<ConsulTerminatingConfigEntry> terminating{};
    Box<ConsulMeshConfigEntry> mesh{};

    NL_FIELDS(ConsulGatewayOf, (1, proxy), (2, ingress), (3, terminating), (4, mesh))
};
using ConsulGateway = ConsulGatewayOf<Set>;
using ConsulGatewaySpec = ConsulGatewayOf<Opt>;

template <template <class> class F>
struct ConsulConnectOf {
    bool native{};
    Box<ConsulSidecarService> sidecar_service{};
    Box<SidecarTaskOf<F>> sidecar_task{};
    Box<ConsulGatewayOf<F>> gateway{};

    NL_FIELDS(ConsulConnectOf, (1, native), (2, sidecar_service), (3, sidecar_task), (4, gateway))
};
using ConsulConnect = ConsulConnectOf<Set>;
using ConsulConnectSpec = ConsulConnectOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::ConsulMeshGateway>();
extern template const StructType& struct_type<model::ConsulUpstream>();
extern template const StructType& struct_type<model::ConsulExposePath>();
extern template const StructType& struct_type<model::ConsulExposeConfig>();
extern template const StructType& struct_type<model::ConsulTransparentProxy>();
extern template const StructType& struct_type<model::ConsulProxy>();
extern template const StructType& struct_type<model::ConsulSidecarService>();
extern template const StructType& struct_type<model::SidecarTask>();
extern template const StructType& struct_type<model::ConsulGatewayBindAddress>();
extern template const StructType& struct_type<model::ConsulGatewayProxy>();
extern template const StructType& struct_type<model::ConsulGatewayTLSSDSConfig>();
extern template const StructType& struct_type<model::ConsulGatewayTLSConfig>();
extern template const StructType& struct_type<model::ConsulHTTPHeaderModifiers>();
extern template const StructType& struct_type<model::ConsulIngressService>();
extern template const StructType& struct_type<model::ConsulIngressListener>();
extern template const StructType& struct_type<model::ConsulIngressConfigEntry>();
extern template const StructType& struct_type<model::ConsulLinkedService>();
extern template const StructType& struct_type<model::ConsulTerminatingConfigEntry>();
extern template const StructType& struct_type<model::ConsulMeshConfigEntry>();
extern template const StructType& struct_type<model::ConsulGateway>();
extern template const StructType& struct_type<model::ConsulConnect>();
}  // namespace nl::codec
