#include "jobspec/decoder.h"

namespace nl::jobspec {
namespace {

using hcl::BodyBlock;

const Rules& check_restart_rules() {
    using model::CheckRestartSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("limit", &CheckRestartSpec::limit),
                arg("grace", &CheckRestartSpec::grace),
                arg("ignore_warnings", &CheckRestartSpec::ignore_warnings),
            }
    };
    return kRules;
}

const Rules& check_rules() {
    using model::ServiceCheckSpec;
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {arg("name", &ServiceCheckSpec::name),
                 arg("type", &ServiceCheckSpec::type),
                 arg("command", &ServiceCheckSpec::command),
                 arg("args", &ServiceCheckSpec::args),
                 arg("path", &ServiceCheckSpec::path),
                 arg("protocol", &ServiceCheckSpec::protocol),
                 arg("port", &ServiceCheckSpec::port_label),
                 arg("expose", &ServiceCheckSpec::expose),
                 arg("address_mode", &ServiceCheckSpec::address_mode),
                 arg("interval", &ServiceCheckSpec::interval),
                 arg("timeout", &ServiceCheckSpec::timeout),
                 arg("initial_status", &ServiceCheckSpec::initial_status),
                 arg("notes", &ServiceCheckSpec::notes),
                 arg("tls_server_name", &ServiceCheckSpec::tls_server_name),
                 arg("tls_skip_verify", &ServiceCheckSpec::tls_skip_verify),
                 arg("method", &ServiceCheckSpec::method),
                 arg("grpc_service", &ServiceCheckSpec::grpc_service),
                 arg("grpc_use_tls", &ServiceCheckSpec::grpc_use_tls),
                 arg("task", &ServiceCheckSpec::task_name),
                 arg("success_before_passing", &ServiceCheckSpec::success_before_passing),
                 arg("failures_before_critical", &ServiceCheckSpec::failures_before_critical),
                 arg("failures_before_warning", &ServiceCheckSpec::failures_before_warning),
                 arg("body", &ServiceCheckSpec::body),
                 arg("on_update", &ServiceCheckSpec::on_update),
                 arg("advertise", &ServiceCheckSpec::advertise)},
            .blocks = {block(
                "check_restart", &ServiceCheckSpec::check_restart, &check_restart_rules
            )}
        };
        add_map(rules, "header", &ServiceCheckSpec::header);
        return rules;
    }();
    return kRules;
}

const Rules& weights_rules() {
    using model::ServiceWeights;
    static const Rules kRules{
        .arguments =
            {arg("passing", &ServiceWeights::passing), arg("warning", &ServiceWeights::warning)}
    };
    return kRules;
}

const Rules& mesh_gateway_rules() {
    static const Rules kRules{.arguments = {arg("mode", &model::ConsulMeshGateway::mode)}};
    return kRules;
}

const Rules& upstream_rules() {
    using model::ConsulUpstream;
    static const Rules kRules{
        .arguments =
            {arg("destination_name", &ConsulUpstream::destination_name),
             arg("destination_namespace", &ConsulUpstream::destination_namespace),
             arg("destination_peer", &ConsulUpstream::destination_peer),
             arg("destination_partition", &ConsulUpstream::destination_partition),
             arg("destination_type", &ConsulUpstream::destination_type),
             arg("local_bind_port", &ConsulUpstream::local_bind_port),
             arg("datacenter", &ConsulUpstream::datacenter),
             arg("local_bind_address", &ConsulUpstream::local_bind_address),
             arg("local_bind_socket_path", &ConsulUpstream::local_bind_socket_path),
             arg("local_bind_socket_mode", &ConsulUpstream::local_bind_socket_mode)},
        .blocks =
            {
                block("mesh_gateway", &ConsulUpstream::mesh_gateway, &mesh_gateway_rules),
                free_block("config", &ConsulUpstream::config),
            }
    };
    return kRules;
}

const Rules& expose_path_rules() {
    using model::ConsulExposePath;
    static const Rules kRules{
        .arguments =
            {
                arg("path", &ConsulExposePath::path),
                arg("protocol", &ConsulExposePath::protocol),
                arg("local_path_port", &ConsulExposePath::local_path_port),
                arg("listener_port", &ConsulExposePath::listener_port),
            }
    };
    return kRules;
}

const Rules& expose_rules() {
    static const Rules kRules{
        .blocks = {blocks("path", &model::ConsulExposeConfig::paths, &expose_path_rules)}
    };
    return kRules;
}

const Rules& transparent_proxy_rules() {
    using model::ConsulTransparentProxy;
    static const Rules kRules{
        .arguments =
            {
                arg("uid", &ConsulTransparentProxy::uid),
                arg("outbound_port", &ConsulTransparentProxy::outbound_port),
                arg("exclude_inbound_ports", &ConsulTransparentProxy::exclude_inbound_ports),
                arg("exclude_outbound_ports", &ConsulTransparentProxy::exclude_outbound_ports),
                arg("exclude_outbound_cidrs", &ConsulTransparentProxy::exclude_outbound_cidrs),
                arg("exclude_uids", &ConsulTransparentProxy::exclude_uids),
                arg("no_dns", &ConsulTransparentProxy::no_dns),
            }
    };
    return kRules;
}

const Rules& proxy_rules() {
    using model::ConsulProxy;
    static const Rules kRules{
        .arguments =
            {arg("local_service_address", &ConsulProxy::local_service_address),
             arg("local_service_port", &ConsulProxy::local_service_port)},
        .blocks =
            {
                blocks("upstreams", &ConsulProxy::upstreams, &upstream_rules),
                block("expose", &ConsulProxy::expose, &expose_rules),
                block(
                    "transparent_proxy", &ConsulProxy::transparent_proxy, &transparent_proxy_rules
                ),
                free_block("config", &ConsulProxy::config),
            }
    };
    return kRules;
}

const Rules& sidecar_service_rules() {
    using model::ConsulSidecarService;
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {arg("tags", &ConsulSidecarService::tags),
                 arg("port", &ConsulSidecarService::port),
                 arg("disable_default_tcp_check", &ConsulSidecarService::disable_default_tcp_check)
                },
            .blocks = {block("proxy", &ConsulSidecarService::proxy, &proxy_rules)}
        };
        add_map(rules, "meta", &ConsulSidecarService::meta);
        return rules;
    }();
    return kRules;
}

const Rules& sidecar_task_rules() {
    using model::SidecarTaskSpec;
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {arg("name", &SidecarTaskSpec::name),
                 arg("driver", &SidecarTaskSpec::driver),
                 arg("user", &SidecarTaskSpec::user),
                 arg("kill_timeout", &SidecarTaskSpec::kill_timeout),
                 arg("shutdown_delay", &SidecarTaskSpec::shutdown_delay),
                 arg("kill_signal", &SidecarTaskSpec::kill_signal)},
            .blocks =
                {
                    free_block("config", &SidecarTaskSpec::config),
                    block("resources", &SidecarTaskSpec::resources, &resources_rules),
                    block("logs", &SidecarTaskSpec::log_config, &log_rules),
                    blocks("volume_mount", &SidecarTaskSpec::volume_mounts, &volume_mount_rules),
                    blocks("identity", &SidecarTaskSpec::identities, &identity_rules),
                }
        };
        add_map(rules, "env", &SidecarTaskSpec::env);
        add_map(rules, "meta", &SidecarTaskSpec::meta);
        return rules;
    }();
    return kRules;
}

const Rules& bind_address_rules() {
    using model::ConsulGatewayBindAddress;
    static const Rules kRules{
        .arguments =
            {arg("address", &ConsulGatewayBindAddress::address),
             arg("port", &ConsulGatewayBindAddress::port)}
    };
    return kRules;
}

const Rules& gateway_proxy_rules() {
    using model::ConsulGatewayProxySpec;
    static const Rules kRules{
        .arguments =
            {arg("connect_timeout", &ConsulGatewayProxySpec::connect_timeout),
             arg("envoy_gateway_bind_tagged_addresses",
                 &ConsulGatewayProxySpec::envoy_gateway_bind_tagged_addresses),
             arg("envoy_gateway_no_default_bind",
                 &ConsulGatewayProxySpec::envoy_gateway_no_default_bind),
             arg("envoy_dns_discovery_type", &ConsulGatewayProxySpec::envoy_dns_discovery_type)},
        .blocks =
            {
                {"envoy_gateway_bind_addresses",
                 {"name"},
                 Times::Many,
                 [](void* t, const BodyBlock& b, Decoder& d) {
                     model::ConsulGatewayBindAddress address;
                     address.name = b.labels.at(0);
                     d.read(bind_address_rules(), &address, b.body);
                     static_cast<ConsulGatewayProxySpec*>(t)
                         ->envoy_gateway_bind_addresses.insert_or_assign(
                             b.labels[0], std::move(address)
                         );
                 },
                 &bind_address_rules},
                free_block("config", &ConsulGatewayProxySpec::config),
            }
    };
    return kRules;
}

const Rules& sds_rules() {
    using model::ConsulGatewayTLSSDSConfig;
    static const Rules kRules{
        .arguments =
            {arg("cluster_name", &ConsulGatewayTLSSDSConfig::cluster_name),
             arg("cert_resource", &ConsulGatewayTLSSDSConfig::cert_resource)}
    };
    return kRules;
}

const Rules& gateway_tls_rules() {
    using model::ConsulGatewayTLSConfig;
    static const Rules kRules{
        .arguments =
            {arg("enabled", &ConsulGatewayTLSConfig::enabled),
             arg("tls_min_version", &ConsulGatewayTLSConfig::tls_min_version),
             arg("tls_max_version", &ConsulGatewayTLSConfig::tls_max_version),
             arg("cipher_suites", &ConsulGatewayTLSConfig::cipher_suites)},
        .blocks = {block("sds", &ConsulGatewayTLSConfig::sds, &sds_rules)}
    };
    return kRules;
}

const Rules& header_rules() {
    using model::ConsulHTTPHeaderModifiers;
    static const Rules kRules = [] {
        Rules rules{.arguments = {arg("remove", &ConsulHTTPHeaderModifiers::remove)}};
        add_map(rules, "add", &ConsulHTTPHeaderModifiers::add);
        add_map(rules, "set", &ConsulHTTPHeaderModifiers::set);
        return rules;
    }();
    return kRules;
}

const Rules& ingress_service_rules() {
    using model::ConsulIngressService;
    static const Rules kRules{
        .arguments =
            {arg("name", &ConsulIngressService::name),
             arg("hosts", &ConsulIngressService::hosts),
             arg("max_connections", &ConsulIngressService::max_connections),
             arg("max_pending_requests", &ConsulIngressService::max_pending_requests),
             arg("max_concurrent_requests", &ConsulIngressService::max_concurrent_requests)},
        .blocks =
            {
                block("tls", &ConsulIngressService::tls, &gateway_tls_rules),
                block("request_headers", &ConsulIngressService::request_headers, &header_rules),
                block("response_headers", &ConsulIngressService::response_headers, &header_rules),
            }
    };
    return kRules;
}

const Rules& listener_rules() {
    using model::ConsulIngressListener;
    static const Rules kRules{
        .arguments =
            {arg("port", &ConsulIngressListener::port),
             arg("protocol", &ConsulIngressListener::protocol)},
        .blocks = {blocks("service", &ConsulIngressListener::services, &ingress_service_rules)}
    };
    return kRules;
}

const Rules& ingress_rules() {
    using model::ConsulIngressConfigEntry;
    static const Rules kRules{
        .blocks =
            {block("tls", &ConsulIngressConfigEntry::tls, &gateway_tls_rules),
             blocks("listener", &ConsulIngressConfigEntry::listeners, &listener_rules)}
    };
    return kRules;
}

const Rules& linked_service_rules() {
    using model::ConsulLinkedService;
    static const Rules kRules{
        .arguments =
            {
                arg("name", &ConsulLinkedService::name),
                arg("ca_file", &ConsulLinkedService::ca_file),
                arg("cert_file", &ConsulLinkedService::cert_file),
                arg("key_file", &ConsulLinkedService::key_file),
                arg("sni", &ConsulLinkedService::sni),
            }
    };
    return kRules;
}

const Rules& terminating_rules() {
    static const Rules kRules{
        .blocks = {blocks(
            "service", &model::ConsulTerminatingConfigEntry::services, &linked_service_rules
        )}
    };
    return kRules;
}

const Rules& mesh_rules() {
    static const Rules kRules;
    return kRules;
}

const Rules& gateway_rules() {
    using model::ConsulGatewaySpec;
    static const Rules kRules{
        .blocks =
            {
                block("proxy", &ConsulGatewaySpec::proxy, &gateway_proxy_rules),
                block("ingress", &ConsulGatewaySpec::ingress, &ingress_rules),
                block("terminating", &ConsulGatewaySpec::terminating, &terminating_rules),
                block("mesh", &ConsulGatewaySpec::mesh, &mesh_rules),
            }
    };
    return kRules;
}

const Rules& connect_rules() {
    using model::ConsulConnectSpec;
    static const Rules kRules{
        .arguments = {arg("native", &ConsulConnectSpec::native)},
        .blocks =
            {
                block(
                    "sidecar_service", &ConsulConnectSpec::sidecar_service, &sidecar_service_rules
                ),
                block("sidecar_task", &ConsulConnectSpec::sidecar_task, &sidecar_task_rules),
                block("gateway", &ConsulConnectSpec::gateway, &gateway_rules),
            }
    };
    return kRules;
}

}  // namespace

const Rules& service_rules() {
    using model::ServiceSpec;
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {arg("name", &ServiceSpec::name),
                 arg("provider", &ServiceSpec::provider),
                 arg("port", &ServiceSpec::port_label),
                 arg("tags", &ServiceSpec::tags),
                 arg("canary_tags", &ServiceSpec::canary_tags),
                 arg("enable_tag_override", &ServiceSpec::enable_tag_override),
                 arg("address", &ServiceSpec::address),
                 arg("address_mode", &ServiceSpec::address_mode),
                 arg("task", &ServiceSpec::task_name),
                 arg("on_update", &ServiceSpec::on_update),
                 arg("cluster", &ServiceSpec::cluster),
                 arg("kind", &ServiceSpec::kind)},
            .blocks =
                {
                    blocks("check", &ServiceSpec::checks, &check_rules),
                    block("check_restart", &ServiceSpec::check_restart, &check_restart_rules),
                    block("connect", &ServiceSpec::connect, &connect_rules),
                    block("identity", &ServiceSpec::identity, &identity_rules),
                    block("weights", &ServiceSpec::weights, &weights_rules),
                }
        };
        add_map(rules, "meta", &ServiceSpec::meta);
        add_map(rules, "canary_meta", &ServiceSpec::canary_meta);
        add_map(rules, "tagged_addresses", &ServiceSpec::tagged_addresses);
        return rules;
    }();
    return kRules;
}

}  // namespace nl::jobspec
