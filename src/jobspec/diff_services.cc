// Differences of services, their checks, and what connects them to a Consul mesh.

#include "jobspec/diff_parts.h"

#include <fmt/format.h>

#include <set>

namespace nl::jobspec::differences {
namespace {

using model::ConsulConnect;
using model::ConsulGateway;
using model::ConsulGatewayProxy;
using model::ConsulGatewayTLSConfig;
using model::ConsulHTTPHeaderModifiers;
using model::ConsulIngressConfigEntry;
using model::ConsulIngressListener;
using model::ConsulIngressService;
using model::ConsulLinkedService;
using model::ConsulProxy;
using model::ConsulSidecarService;
using model::ConsulTerminatingConfigEntry;
using model::ConsulTransparentProxy;
using model::ConsulUpstream;
using model::Service;
using model::ServiceCheck;
using model::SidecarTask;

/// "host:port", with brackets around an IPv6 address.
std::string joined(const model::ConsulGatewayBindAddress& a) {
    return a.address.find(':') == std::string::npos ? fmt::format("{}:{}", a.address, a.port)
                                                    : fmt::format("[{}]:{}", a.address, a.port);
}

std::vector<std::string> as_texts(const std::vector<std::int64_t>& numbers) {
    std::vector<std::string> out;
    for (const std::int64_t n : numbers) {
        out.push_back(std::to_string(n));
    }
    return out;
}

/// Makes the objects of connect blocks; the context is that of the whole difference.
struct ConnectForms {
    DiffContext context;

    std::optional<ObjectDiff> tls(
        const Box<ConsulGatewayTLSConfig>& before, const Box<ConsulGatewayTLSConfig>& after
    ) const {
        return object(
            Form<ConsulGatewayTLSConfig>{
                .name = "TLS",
                .parts =
                    [c = context](
                        const ConsulGatewayTLSConfig& old,
                        const ConsulGatewayTLSConfig& now,
                        Objects& out
                    ) {
                        add(text_set("CipherSuites", old.cipher_suites, now.cipher_suites, c), out);
                        add(plain("SDS", old.sds, now.sds, c), out);
                    },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> headers(
        std::string_view name,
        const Box<ConsulHTTPHeaderModifiers>& before,
        const Box<ConsulHTTPHeaderModifiers>& after
    ) const {
        return object(
            Form<ConsulHTTPHeaderModifiers>{
                .name = name,
                .parts = [c = context](
                             const ConsulHTTPHeaderModifiers& old,
                             const ConsulHTTPHeaderModifiers& now,
                             Objects& out
                         ) { add(text_set("Remove", old.remove, now.remove, c), out); },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> ingress(
        const Box<ConsulIngressConfigEntry>& before, const Box<ConsulIngressConfigEntry>& after
    ) const {
        const Form<ConsulIngressService> service{
            .name = "ConsulIngressService",
            .texts =
                [](const ConsulIngressService& s) {
                    Texts out = texts_of(
                        s, {"MaxConnections", "MaxPendingRequests", "MaxConcurrentRequests"}
                    );
                    const auto limit = [&](const char* name, std::int64_t n) {
                        if (n != 0) {
                            out.emplace(name, std::to_string(n));
                        }
                    };
                    limit("MaxConnections", s.max_connections);
                    limit("MaxPendingRequests", s.max_pending_requests);
                    limit("MaxConcurrentRequests", s.max_concurrent_requests);
                    return out;
                },
            .parts =
                [this](
                    const ConsulIngressService& old, const ConsulIngressService& now, Objects& out
                ) {
                    add(text_set("Hosts", old.hosts, now.hosts, context), out);
                    add(tls(old.tls, now.tls), out);
                    add(headers("RequestHeaders", old.request_headers, now.request_headers), out);
                    add(headers("ResponseHeaders", old.response_headers, now.response_headers),
                        out);
                },
            .context = context
        };
        const Form<ConsulIngressListener> listener{
            .name = "Listener",
            .parts =
                [&](const ConsulIngressListener& old, const ConsulIngressListener& now, Objects& out
                ) {
                    add(by_key(
                            service,
                            old.services,
                            now.services,
                            [](const ConsulIngressService& s) { return s.name; }
                        ),
                        out);
                },
            .context = context
        };
        return object(
            Form<ConsulIngressConfigEntry>{
                .name = "Ingress",
                .parts =
                    [&](const ConsulIngressConfigEntry& old,
                        const ConsulIngressConfigEntry& now,
                        Objects& out) {
                        add(tls(old.tls, now.tls), out);
                        add(by_key(
                                listener,
                                old.listeners,
                                now.listeners,
                                [](const ConsulIngressListener& l) {
                                    return fmt::format("{}/{}", l.protocol, l.port);
                                }
                            ),
                            out);
                    },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> gateway_proxy(
        const Box<ConsulGatewayProxy>& before, const Box<ConsulGatewayProxy>& after
    ) const {
        return object(
            Form<ConsulGatewayProxy>{
                .name = "Proxy",
                .texts =
                    [](const ConsulGatewayProxy& p) {
                        Texts out = texts_of(p);
                        out.insert_or_assign("ConnectTimeout", to_string(p.connect_timeout));
                        return out;
                    },
                .parts =
                    [c = context](
                        const ConsulGatewayProxy& old, const ConsulGatewayProxy& now, Objects& out
                    ) {
                        ValueMap was;
                        ValueMap is;
                        for (const auto& [name, a] : old.envoy_gateway_bind_addresses) {
                            was.emplace(name, joined(a));
                        }
                        for (const auto& [name, a] : now.envoy_gateway_bind_addresses) {
                            is.emplace(name, joined(a));
                        }
                        add(config("EnvoyGatewayBindAddresses", was, is, c), out);
                        add(config("Config", old.config, now.config, c), out);
                    },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> gateway(
        const Box<ConsulGateway>& before, const Box<ConsulGateway>& after
    ) const {
        const Form<ConsulLinkedService> linked{.name = "Service", .context = context};
        const Form<ConsulTerminatingConfigEntry> terminating{
            .name = "Terminating",
            .parts =
                [&](const ConsulTerminatingConfigEntry& old,
                    const ConsulTerminatingConfigEntry& now,
                    Objects& out) {
                    add(by_key(
                            linked,
                            old.services,
                            now.services,
                            [](const ConsulLinkedService& s) { return s.name; }
                        ),
                        out);
                },
            .context = context
        };
        return object(
            Form<ConsulGateway>{
                .name = "Gateway",
                .parts =
                    [&](const ConsulGateway& old, const ConsulGateway& now, Objects& out) {
                        add(gateway_proxy(old.proxy, now.proxy), out);
                        add(ingress(old.ingress, now.ingress), out);
                        add(object(terminating, old.terminating, now.terminating), out);
                        add(object<model::ConsulMeshConfigEntry>(
                                {.name = "Mesh", .context = context}, old.mesh, now.mesh
                            ),
                            out);
                    },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> transparent_proxy(
        const Box<ConsulTransparentProxy>& before, const Box<ConsulTransparentProxy>& after
    ) const {
        return object(
            Form<ConsulTransparentProxy>{
                .name = "TransparentProxy",
                .parts =
                    [](const ConsulTransparentProxy& old,
                       const ConsulTransparentProxy& now,
                       Objects& out) {
                        const auto set = [&](std::string_view name,
                                             const std::vector<std::string>& was,
                                             const std::vector<std::string>& is) {
                            if (std::set<std::string>(was.begin(), was.end()) !=
                                std::set<std::string>(is.begin(), is.end())) {
                                add(text_set(name, was, is, DiffContext::WholeObjects), out);
                            }
                        };
                        set("ExcludeInboundPorts",
                            old.exclude_inbound_ports,
                            now.exclude_inbound_ports);
                        set("ExcludeOutboundPorts",
                            as_texts(old.exclude_outbound_ports),
                            as_texts(now.exclude_outbound_ports));
                        set("ExcludeOutboundCIDRs",
                            old.exclude_outbound_cidrs,
                            now.exclude_outbound_cidrs);
                        set("ExcludeUIDs", old.exclude_uids, now.exclude_uids);
                    },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> proxy(const Box<ConsulProxy>& before, const Box<ConsulProxy>& after)
        const {
        const Form<ConsulUpstream> upstream{
            .name = "ConsulUpstreams",
            .parts =
                [c = context](const ConsulUpstream& old, const ConsulUpstream& now, Objects& out) {
                    add(plain("MeshGateway", old.mesh_gateway, now.mesh_gateway, c), out);
                    if (both(old, now)) {
                        add(config("Config", old.config, now.config, c), out);
                    }
                },
            .context = context
        };
        const Form<model::ConsulExposeConfig> expose{
            .name = "Expose",
            .parts =
                [c = context](
                    const model::ConsulExposeConfig& old,
                    const model::ConsulExposeConfig& now,
                    Objects& out
                ) {
                    add(by_content<model::ConsulExposePath>(
                            {.name = "Paths", .context = c}, old.paths, now.paths
                        ),
                        out);
                },
            .context = context
        };
        return object(
            Form<ConsulProxy>{
                .name = "ConsulProxy",
                .parts =
                    [&](const ConsulProxy& old, const ConsulProxy& now, Objects& out) {
                        add(by_key(
                                upstream,
                                old.upstreams,
                                now.upstreams,
                                [](const ConsulUpstream& u) {
                                    return u.datacenter + "/" + u.destination_name;
                                }
                            ),
                            out);
                        add(object(expose, old.expose, now.expose), out);
                        add(transparent_proxy(old.transparent_proxy, now.transparent_proxy), out);
                        add(config("Config", old.config, now.config, context), out);
                    },
                .context = context
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> sidecar_task(
        const Box<SidecarTask>& before, const Box<SidecarTask>& after
    ) const {
        return object(
            Form<SidecarTask>{
                .name = "SidecarTask",
                .parts =
                    [c = context](const SidecarTask& old, const SidecarTask& now, Objects& out) {
                        add(config("Config", old.config, now.config, c), out);
                        add(resources(old.resources, now.resources, c), out);
                        add(identities(old.identities, now.identities, c), out);
                        add(plain("LogConfig", old.log_config, now.log_config, c), out);
                        add(volume_mounts(old.volume_mounts, now.volume_mounts, c), out);
                    },
            },
            before,
            after
        );
    }

    std::optional<ObjectDiff> connect(
        const Box<ConsulConnect>& before, const Box<ConsulConnect>& after
    ) const {
        const Form<ConsulSidecarService> sidecar{
            .name = "SidecarService",
            .parts =
                [this](
                    const ConsulSidecarService& old, const ConsulSidecarService& now, Objects& out
                ) {
                    add(proxy(old.proxy, now.proxy), out);
                    if (both(old, now)) {
                        add(text_set("Tags", old.tags, now.tags, DiffContext::OnlyChanges), out);
                    }
                },
            .context = context
        };
        return object(
            Form<ConsulConnect>{
                .name = "ConsulConnect",
                .parts =
                    [&](const ConsulConnect& old, const ConsulConnect& now, Objects& out) {
                        add(object(sidecar, old.sidecar_service, now.sidecar_service), out);
                        add(sidecar_task(old.sidecar_task, now.sidecar_task), out);
                        add(gateway(old.gateway, now.gateway), out);
                    },
                .context = context
            },
            before,
            after
        );
    }
};

std::optional<ObjectDiff> header(
    const Map<std::vector<std::string>>& before,
    const Map<std::vector<std::string>>& after,
    DiffContext context
) {
    if (before == after) {
        return std::nullopt;
    }
    ObjectDiff out{.name = "Header"};
    out.type = before.empty() ? kAdded : after.empty() ? kDeleted : kEdited;
    compare_texts(flattened(before), flattened(after), context, out.fields);
    return out;
}

Form<ServiceCheck> check_form(DiffContext context) {
    return {
        .name = "Check",
        .parts =
            [context](const ServiceCheck& old, const ServiceCheck& now, Objects& out) {
                add(header(old.header, now.header, context), out);
                add(object<model::CheckRestart>(
                        {.name = "CheckRestart", .context = context},
                        old.check_restart,
                        now.check_restart
                    ),
                    out);
                if (both(old, now) && old.args != now.args) {
                    const auto list = [](const std::vector<std::string>& args) {
                        return ValueMap{{"Args", Value(Value::List(args.begin(), args.end()))}};
                    };
                    add(config("Args", list(old.args), list(now.args), context), out);
                }
            },
        .context = context
    };
}

/// Only what is set.
Texts weights_texts(const model::ServiceWeights& w) {
    Texts out;
    if (w.passing > 0) {
        out.emplace("Passing", std::to_string(w.passing));
    }
    if (w.warning > 0) {
        out.emplace("Warning", std::to_string(w.warning));
    }
    return out;
}

/// Services have no id of their own: name, port and place together say which is which.
int likeness(const Service& old, std::size_t old_at, const Service& now, std::size_t now_at) {
    constexpr int kEnough = 3;
    const int score = (old_at == now_at ? 1 : 0) + (old.port_label == now.port_label ? 2 : 0) +
                      (old.name == now.name ? 3 : 0);
    return score >= kEnough ? score : 0;
}

}  // namespace

Objects services(
    const std::vector<Service>& before, const std::vector<Service>& after, DiffContext context
) {
    const ConnectForms forms{context};
    return by_likeness<Service>(
        {.name = "Service",
         .parts =
             [&](const Service& old, const Service& now, Objects& out) {
                 add(text_set("CanaryTags", old.canary_tags, now.canary_tags, context), out);
                 add(text_set("Tags", old.tags, now.tags, context), out);
                 add(by_key(
                         check_form(context),
                         old.checks,
                         now.checks,
                         [](const ServiceCheck& c) { return c.name; }
                     ),
                     out);
                 add(forms.connect(old.connect, now.connect), out);
                 add(object(identity_form(context), old.identity, now.identity), out);
                 add(object<model::ServiceWeights>(
                         {.name = "Weights", .texts = weights_texts, .context = context},
                         old.weights,
                         now.weights
                     ),
                     out);
             },
         .context = context},
        before,
        after,
        likeness
    );
}

}  // namespace nl::jobspec::differences
