// Rules of services, their checks, and of what connects them to a Consul mesh.

#include "jobspec/findings.h"

#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::Service;
using model::ServiceCheck;
using model::TaskGroup;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return out;
}

bool needs_port(const ServiceCheck& c) {
    return one_of(c.type, {"grpc", "http", "tcp"});
}

/// Whether it is a URL with a scheme; a check asks for a path.
bool is_absolute(std::string_view path) {
    const std::size_t colon = path.find(':');
    const std::size_t end = path.find_first_of("/?#");
    return colon != std::string_view::npos && colon > 0 && colon < end &&
           std::ranges::all_of(
               path.substr(0, colon),
               [](char c) {
                   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
               }
           );
}

/// A port as a whole number, if it is one.
std::optional<std::int64_t> as_number(std::string_view port) {
    constexpr std::size_t kLongest = 10;
    if (port.empty() || port.size() > kLongest) {
        return std::nullopt;
    }
    std::int64_t n = 0;
    const bool negative = port.front() == '-';
    for (const char c : port.substr(negative ? 1 : 0)) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        n = n * 10 + (c - '0');
    }
    return negative ? -n : n;
}

/// Names with ${...} replaced by a word, since only the node knows what they become.
std::string without_references(std::string_view name) {
    std::string out;
    while (true) {
        const std::size_t open = name.find("${");
        const std::size_t close = open == std::string_view::npos ? open : name.find('}', open);
        if (close == std::string_view::npos) {
            return out + std::string(name);
        }
        out += name.substr(0, open);
        out += "ENV-VAR";
        name.remove_prefix(close + 1);
    }
}

bool is_service_name(std::string_view name) {
    constexpr std::size_t kLongest = 63;
    return is_word(name, "-", kLongest) && name.front() != '-' && name.back() != '-';
}

/// "" or the first rule a check of any provider breaks.
std::string common_problem(const ServiceCheck& c, std::string_view types) {
    constexpr Duration kLeast = seconds(1);
    const std::string type = lower(c.type);
    const bool allowed =
        !type.empty() &&
        (", " + std::string(types) + ",").find(", " + type + ",") != std::string::npos;
    if (!allowed) {
        return fmt::format("invalid check type ({}), must be one of {}", quoted(type), types);
    }
    if (type == "http") {
        if (c.path.empty()) {
            return "http type must have http path";
        }
        if (is_absolute(c.path)) {
            return "http type must have relative http path";
        }
    }
    if (type == "script" && c.command.empty()) {
        return "script type must have a valid script path";
    }
    if (c.interval == Duration{}) {
        return fmt::format(
            "missing required value interval. Interval cannot be less than {}", to_string(kLeast)
        );
    }
    if (c.interval < kLeast) {
        return fmt::format(
            "interval ({}) cannot be lower than {}", to_string(c.interval), to_string(kLeast)
        );
    }
    if (c.timeout == Duration{}) {
        return fmt::format(
            "missing required value timeout. Timeout cannot be less than {}", to_string(kLeast)
        );
    }
    if (c.timeout < kLeast) {
        return fmt::format(
            "timeout ({}) is lower than required minimum timeout {}",
            to_string(c.timeout),
            to_string(kLeast)
        );
    }
    if (!one_of(c.initial_status, {"", "passing", "warning", "critical"})) {
        return fmt::format(
            "invalid initial check state ({}), must be one of \"passing\", \"warning\", "
            "\"critical\" or empty",
            c.initial_status
        );
    }
    if (c.address_mode == "auto") {
        return "invalid address_mode \"auto\" - auto only valid for services";
    }
    if (!one_of(c.address_mode, {"", "host", "driver", "alloc", "alloc_ipv6"})) {
        return fmt::format("invalid address_mode {}", quoted(c.address_mode));
    }
    if (!one_of(c.on_update, {"", "require_healthy", "ignore_warnings", "ignore"})) {
        return fmt::format(
            "on_update must be \"require_healthy\", \"ignore_warnings\", or \"ignore\"; got {}",
            quoted(c.on_update)
        );
    }
    if (!c.check_restart) {
        return "";
    }
    if (c.on_update == "ignore") {
        return "on_update value \"ignore\" is not compatible with check_restart";
    }
    if (c.on_update == "ignore_warnings" && !c.check_restart->ignore_warnings) {
        return "on_update value \"ignore_warnings\" not supported with check_restart "
               "ignore_warnings value \"false\"";
    }
    Mistakes restart;
    if (c.check_restart->limit < 0) {
        restart.add(
            "limit must be greater than or equal to 0 but found {}", c.check_restart->limit
        );
    }
    if (c.check_restart->grace < Duration{}) {
        restart.add(
            "grace period must be greater than or equal to 0 but found {}",
            c.check_restart->grace.ns
        );
    }
    Mistakes nested;
    nested.add_nested("", restart);
    return nested.empty() ? "" : nested.list().front();
}

std::string nomad_problem(const ServiceCheck& c) {
    if (std::string why = common_problem(c, "tcp, http"); !why.empty()) {
        return why;
    }
    const auto only_consul = [](std::string_view what) {
        return fmt::format("{} may only be set for Consul service checks", what);
    };
    if (c.expose) {
        return only_consul("expose");
    }
    if (c.on_update == "ignore_warnings") {
        return "on_update may only be set to ignore_warnings for Consul service checks";
    }
    if (c.check_restart && c.check_restart->ignore_warnings) {
        return "ignore_warnings on check_restart only supported for Consul service checks";
    }
    if (c.address_mode == "driver") {
        return only_consul("address_mode = driver");
    }
    if (c.type == "http" && !c.method.empty() &&
        !one_of(
            upper(c.method),
            {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
        )) {
        return fmt::format("method type {} not supported in Nomad http check", quoted(c.method));
    }
    if (c.success_before_passing != 0) {
        return only_consul("success_before_passing");
    }
    if (c.failures_before_critical != 0) {
        return only_consul("failures_before_critical");
    }
    if (c.failures_before_warning != 0) {
        return only_consul("failures_before_warning");
    }
    if (!c.tls_server_name.empty()) {
        return only_consul("tls_server_name");
    }
    return "";
}

std::string consul_problem(const ServiceCheck& c) {
    if (std::string why = common_problem(c, "grpc, tcp, http, script"); !why.empty()) {
        return why;
    }
    if (c.expose && !one_of(lower(c.type), {"grpc", "http"})) {
        return "expose may only be set on HTTP or gRPC checks";
    }
    const auto threshold = [&](std::string_view name, std::int64_t n) -> std::string {
        if (n < 0) {
            return fmt::format("{} must be non-negative", name);
        }
        return n > 0 && !one_of(c.type, {"tcp", "http", "grpc"})
                   ? fmt::format("{} not supported for check of type {}", name, quoted(c.type))
                   : "";
    };
    for (std::string why :
         {threshold("success_before_passing", c.success_before_passing),
          threshold("failures_before_critical", c.failures_before_critical),
          threshold("failures_before_warning", c.failures_before_warning)}) {
        if (!why.empty()) {
            return why;
        }
    }
    constexpr std::size_t kLongestNotes = 255;
    return c.notes.size() > kLongestNotes ? "notes must not be longer than 255 characters" : "";
}

std::string transparent_proxy_problem(const model::ConsulTransparentProxy& proxy) {
    constexpr std::int64_t kMaxUid = 65535;
    Mistakes out;
    const auto check_uid = [&](std::string_view field, const std::string& uid) {
        const auto n = as_number(uid);
        if (!n || *n < 0) {
            out.add(
                "transparent proxy block has invalid {} field: invalid user ID {}: invalid syntax",
                field,
                quoted(uid)
            );
        } else if (*n > kMaxUid) {
            out.add(
                "transparent proxy block has invalid {} field: invalid user ID {}: value out of "
                "range",
                field,
                quoted(uid)
            );
        }
    };
    for (const std::string& cidr : proxy.exclude_outbound_cidrs) {
        if (cidr.find('/') == std::string::npos) {
            out.add(
                "could not parse transparent proxy excluded outbound CIDR as network prefix: "
                "netip.ParsePrefix({}): no '/'",
                quoted(cidr)
            );
        }
    }
    if (!proxy.uid.empty()) {
        check_uid("UID", proxy.uid);
    }
    for (const std::string& uid : proxy.exclude_uids) {
        check_uid("ExcludeUIDs", uid);
    }
    if (out.list().size() == 1) {
        return out.list().front();
    }
    Mistakes nested;
    nested.add_nested("", out);
    return nested.empty() ? "" : nested.list().front();
}

std::string linked_service_problem(const model::ConsulLinkedService& s) {
    if (s.name.empty()) {
        return "Consul Linked Service requires Name";
    }
    const bool ca = !s.ca_file.empty();
    if ((!s.cert_file.empty() || !s.key_file.empty()) && !ca) {
        return "Consul Linked Service TLS requires CAFile";
    }
    if (s.cert_file.empty() != s.key_file.empty()) {
        return "Consul Linked Service TLS Cert and Key must both be set";
    }
    if (!s.sni.empty() && !ca) {
        return "Consul Linked Service TLS SNI requires CAFile";
    }
    return "";
}

std::string listener_problem(const model::ConsulIngressListener& l) {
    if (l.port <= 0) {
        return "Consul Ingress Listener requires valid Port";
    }
    if (!one_of(l.protocol, {"tcp", "http", "http2", "grpc"})) {
        return fmt::format(
            "Consul Ingress Listener requires protocol of tcp, http, http2, grpc, got {}",
            quoted(l.protocol)
        );
    }
    if (l.services.empty()) {
        return "Consul Ingress Listener requires one or more services";
    }
    for (const auto& s : l.services) {
        if (s.name.empty()) {
            return "Consul Ingress Service requires a name";
        }
        if (l.protocol == "tcp" && s.name == "*") {
            return "Consul Ingress Service doesn't support wildcard name for \"tcp\" protocol";
        }
        if (l.protocol == "tcp" && !s.hosts.empty()) {
            return "Consul Ingress Service doesn't support associating hosts to a service for the "
                   "\"tcp\" protocol";
        }
        if (s.name == "*" && !s.hosts.empty()) {
            return "Consul Ingress Service with a wildcard \"*\" service name can not also specify "
                   "hosts";
        }
    }
    return "";
}

std::string gateway_problem(const model::ConsulGateway& g) {
    if (g.proxy) {
        if (!one_of(g.proxy->envoy_dns_discovery_type, {"", "STRICT_DNS", "LOGICAL_DNS"})) {
            return "Consul Gateway Proxy Envoy DNS Discovery type must be STRICT_DNS or "
                   "LOGICAL_DNS";
        }
        for (const auto& [name, a] : g.proxy->envoy_gateway_bind_addresses) {
            if (a.address.empty()) {
                return "Consul Gateway Bind Address must be set";
            }
            if (a.port <= 0 && a.port != -1) {
                return "Consul Gateway Bind Address must set valid Port";
            }
        }
    }
    if (g.ingress) {
        if (g.ingress->listeners.empty()) {
            return "Consul Ingress Gateway requires at least one listener";
        }
        for (const auto& listener : g.ingress->listeners) {
            if (std::string why = listener_problem(listener); !why.empty()) {
                return why;
            }
        }
    }
    if (g.terminating) {
        if (g.terminating->services.empty()) {
            return "Consul Terminating Gateway requires at least one service";
        }
        for (const auto& service : g.terminating->services) {
            if (std::string why = linked_service_problem(service); !why.empty()) {
                return why;
            }
        }
    }
    const int kinds = (g.ingress ? 1 : 0) + (g.terminating ? 1 : 0) + (g.mesh ? 1 : 0);
    return kinds == 1 ? "" : "One Consul Gateway Configuration must be set";
}

std::string connect_problem(const model::ConsulConnect& c) {
    if (c.sidecar_service && c.sidecar_service->proxy &&
        c.sidecar_service->proxy->transparent_proxy) {
        std::string why = transparent_proxy_problem(*c.sidecar_service->proxy->transparent_proxy);
        if (!why.empty()) {
            return why;
        }
    }
    const int kinds = (c.native ? 1 : 0) + (c.sidecar_service ? 1 : 0) + (c.gateway ? 1 : 0);
    if (kinds != 1) {
        return "Consul Connect must be exclusively native, make use of a sidecar, or represent a "
               "Gateway";
    }
    return c.gateway ? gateway_problem(*c.gateway) : "";
}

void check_checks(const Service& s, Mistakes& out) {
    const bool consul = s.provider == "consul";
    for (const ServiceCheck& c : s.checks) {
        if (s.port_label.empty() && c.port_label.empty() && needs_port(c)) {
            out.add(
                "Check {} invalid: check requires a port but neither check nor service {} have a "
                "port",
                c.name,
                quoted(s.name)
            );
            continue;
        }
        if (consul && c.type == "tcp" && s.connect && s.connect->sidecar_service) {
            out.add(
                "Check {} invalid: tcp checks are not valid for Connect enabled services", c.name
            );
            continue;
        }
        const std::string why = consul ? consul_problem(c) : nomad_problem(c);
        if (!why.empty()) {
            out.add("{}{}", consul ? fmt::format("Check {} invalid: ", c.name) : "", why);
        }
    }
}

void check_service(const Service& s, Mistakes& out) {
    if (!is_service_name(without_references(s.name))) {
        out.add(
            "Service name must be valid per RFC 1123 and can contain only alphanumeric characters "
            "or dashes and must be no longer than 63 characters: {}",
            quoted(s.name)
        );
    }
    if (one_of(s.address_mode, {"host", "driver", "alloc", "alloc_ipv6"})) {
        if (!s.address.empty()) {
            out.add("Service address_mode must be \"auto\" if address is set");
        }
    } else if (!one_of(s.address_mode, {"", "auto"})) {
        out.add(
            "Service address_mode must be \"auto\", \"host\", or \"driver\"; not {}",
            quoted(s.address_mode)
        );
    }
    if (!one_of(s.on_update, {"", "require_healthy", "ignore_warnings", "ignore"})) {
        out.add(
            "Service on_update must be \"require_healthy\", \"ignore_warnings\", or \"ignore\"; "
            "not {}",
            quoted(s.on_update)
        );
    }
    if (s.provider == "consul") {
        check_checks(s, out);
        if (!one_of(
                s.kind,
                {"", "api-gateway", "ingress-gateway", "mesh-gateway", "terminating-gateway"}
            )) {
            out.add("Service {} kind must be one of consul service kind or empty", s.name);
        }
        if (s.connect) {
            if (const std::string why = connect_problem(*s.connect); !why.empty()) {
                out.add("{}", why);
            }
            if (s.connect->native && s.task_name.empty()) {
                out.add("Service {} is Connect Native and requires setting the task", s.name);
            }
            if (s.connect->native && s.port_label.empty()) {
                out.add("Service {} is Connect Native and requires setting the port", s.name);
            }
        }
    } else if (s.provider == "nomad") {
        check_checks(s, out);
        if (s.connect) {
            out.add("Service with provider nomad cannot include Connect blocks");
        }
    } else {
        out.add("Service provider must be \"consul\", or \"nomad\"; not {}", quoted(s.provider));
    }
    if (s.identity && s.identity->audience.empty()) {
        out.add("Service identity must provide at least one target aud value");
    }
}

std::set<std::string_view> labels_of(const model::NetworkResource& network) {
    std::set<std::string_view> out;
    for (const auto* list : {&network.reserved_ports, &network.dynamic_ports}) {
        for (const model::Port& port : *list) {
            out.insert(port.label);
        }
    }
    return out;
}

/// What names a service for the whole group: owner, name and port.
struct Uniqueness {
    std::set<std::string> seen;
    std::set<std::string> twice;
    std::set<std::string_view> providers;

    void add(const Service& s, std::string_view owner) {
        std::string id = fmt::format("{}->{}", owner, s.name);
        if (!s.port_label.empty()) {
            id += ":" + s.port_label;
        }
        if (!seen.insert(id).second) {
            twice.insert(id);
        }
        providers.insert(s.provider);
    }
};

}  // namespace

void check_group_services(const TaskGroup& group, Mistakes& out) {
    Uniqueness all;
    std::set<std::string_view> tasks;
    for (const model::Task& task : group.tasks) {
        tasks.insert(task.name);
        for (const Service& s : task.services) {
            if (!s.task_name.empty() && s.task_name != task.name) {
                out.add(
                    "Service {} is invalid: may only specify task the service belongs to, got {}",
                    s.name,
                    quoted(s.task_name)
                );
            }
            for (const ServiceCheck& c : s.checks) {
                if (!c.task_name.empty() && c.task_name != task.name) {
                    out.add(
                        "Check {} is invalid: may only specify task the check belongs to, got {}",
                        c.name,
                        quoted(c.task_name)
                    );
                }
            }
            all.add(s, task.name);
        }
    }
    for (std::size_t i = 0; i < group.services.size(); ++i) {
        const Service& s = group.services[i];
        all.add(s, "group");
        Mistakes inner;
        check_service(s, inner);
        if (!inner.empty()) {
            out.add_nested(fmt::format("Service[{}] {} validation failed: ", i, s.name), inner);
            continue;
        }
        if (s.address_mode == "driver") {
            out.add(
                "service {} cannot use address_mode=\"driver\", only services defined in a "
                "\"task\" block can use this mode",
                quoted(s.name)
            );
        }
        for (const ServiceCheck& c : s.checks) {
            if (c.task_name.empty()) {
                continue;
            }
            if (c.address_mode == "driver") {
                out.add(
                    "Check {} invalid: cannot use address_mode=\"driver\", only checks defined in "
                    "a \"task\" service block can use this mode",
                    quoted(s.name)
                );
            }
            if (!tasks.contains(c.task_name)) {
                out.add("Check {} invalid: refers to non-existent task {}", c.name, c.task_name);
            }
        }
    }
    if (!all.twice.empty()) {
        out.add("Services are not unique: {}", fmt::format("{}", fmt::join(all.twice, ", ")));
    }
    if (all.providers.size() > 1) {
        out.add("Multiple service providers used: task group services must use the same provider");
    }
}

void check_task_services(const model::Task& task, const TaskGroup& group, Mistakes& out) {
    std::map<std::string, std::set<std::string>> users_of_port;
    std::set<std::string> known;
    for (std::size_t i = 0; i < task.services.size(); ++i) {
        const Service& s = task.services[i];
        Mistakes inner;
        check_service(s, inner);
        out.add_nested(fmt::format("service[{}] {} validation failed: ", i, quoted(s.name)), inner);
        for (const std::string_view mode : {"alloc", "alloc_ipv6"}) {
            if (s.address_mode == mode) {
                out.add(
                    "service {} cannot use address_mode=\"{}\", only services defined in a "
                    "\"group\" block can use this mode",
                    quoted(s.name),
                    mode
                );
            }
        }
        if (!known.insert(s.name + s.port_label).second) {
            out.add("service {} is duplicate", quoted(s.name));
        }
        if (!s.port_label.empty() && !(s.address_mode == "driver" && as_number(s.port_label))) {
            users_of_port[s.port_label].insert(s.name);
        }
        if (s.connect) {
            out.add(
                "service {} cannot have \"connect\" block, only services defined in a \"group\" "
                "block can",
                quoted(s.name)
            );
        }
        std::set<std::string_view> checks;
        for (const ServiceCheck& c : s.checks) {
            if (!checks.insert(c.name).second) {
                out.add("check {} is duplicate", quoted(c.name));
            }
            for (const std::string_view mode : {"alloc", "alloc_ipv6"}) {
                if (c.address_mode == mode) {
                    out.add(
                        "check {} cannot use address_mode=\"{}\", only checks defined in a "
                        "\"group\" service block can use this mode",
                        quoted(s.name),
                        mode
                    );
                }
            }
            if (!needs_port(c)) {
                continue;
            }
            const std::string& port = c.port_label.empty() ? s.port_label : c.port_label;
            if (port.empty()) {
                out.add("check {} is missing a port", quoted(c.name));
                continue;
            }
            const auto number = as_number(port);
            if (number && c.address_mode == "driver") {
                if (*number <= 0) {
                    out.add("check {} has invalid numeric port {}", quoted(c.name), *number);
                }
                continue;
            }
            if (number) {
                out.add(
                    "check {} cannot use a numeric port {} without setting address_mode=\"driver\"",
                    quoted(c.name),
                    *number
                );
                continue;
            }
            users_of_port[port].insert(s.name);
        }
    }
    std::set<std::string_view> labels;
    if (!group.networks.empty()) {
        labels.merge(labels_of(group.networks.front()));
    }
    if (task.resources) {
        for (const model::NetworkResource& network : task.resources->networks) {
            labels.merge(labels_of(network));
        }
    }
    for (const auto& [port, users] : users_of_port) {
        if (!labels.contains(port)) {
            out.add(
                "port label {} referenced by services {} does not exist",
                quoted(port),
                fmt::format("{}", fmt::join(users, ", "))
            );
        }
    }
}

namespace {

std::string network_problem(const TaskGroup& group, std::string_view what, bool host) {
    if (group.networks.size() != 1) {
        return fmt::format(
            "{}: must have exactly one network for Consul Connect: group {} has {} networks",
            what,
            quoted(group.name),
            group.networks.size()
        );
    }
    const std::string& mode = group.networks.front().mode;
    if (mode == "bridge" || (host && mode == "host") || mode.starts_with("cni/")) {
        return "";
    }
    return fmt::format(
        "{}: invalid network mode for Consul Connect: group {} uses network mode {}; must be {}",
        what,
        quoted(group.name),
        quoted(mode),
        host ? "\"bridge\", \"host\", or \"cni/*\"" : "\"bridge\" or \"cni/*\""
    );
}

std::string mesh_problem(const TaskGroup& group, const Service& s) {
    if (s.connect->sidecar_service) {
        if (std::string why = network_problem(group, "connect sidecar", false); !why.empty()) {
            return why;
        }
        if (s.name != lower(s.name)) {
            return fmt::format(
                "Consul Connect service name {} in group {} must not contain uppercase characters",
                quoted(s.name),
                quoted(group.name)
            );
        }
        if (group.name != lower(group.name)) {
            return fmt::format(
                "Consul Connect group {} with service {} must not contain uppercase characters",
                quoted(group.name),
                quoted(s.name)
            );
        }
    } else if (s.connect->native) {
        if (s.task_name.empty() && group.tasks.size() != 1) {
            return fmt::format(
                "task for Consul Connect Native service {}->{} is ambiguous and must be set",
                group.name,
                s.name
            );
        }
        const auto named = [&](const model::Task& t) { return t.name == s.task_name; };
        if (!s.task_name.empty() && std::ranges::none_of(group.tasks, named)) {
            return fmt::format(
                "task {} named by Consul Connect Native service {}->{} does not exist",
                s.task_name,
                group.name,
                s.name
            );
        }
    } else if (s.connect->gateway) {
        return network_problem(group, "connect gateway", true);
    }
    return "";
}

}  // namespace

void check_connect(const TaskGroup& group, Mistakes& out) {
    std::map<std::string, std::string> listeners;
    std::size_t blocks = 0;
    bool transparent = false;
    for (const Service& s : group.services) {
        if (!s.connect || s.provider != "consul") {
            continue;
        }
        ++blocks;
        if (const std::string why = mesh_problem(group, s); !why.empty()) {
            out.add("{}", why);
            return;
        }
        if (!s.connect->sidecar_service || !s.connect->sidecar_service->proxy) {
            continue;
        }
        const model::ConsulProxy& proxy = *s.connect->sidecar_service->proxy;
        for (const auto& up : proxy.upstreams) {
            const std::string listener =
                up.local_bind_socket_path.empty()
                    ? fmt::format("{}:{}", up.local_bind_address, up.local_bind_port)
                    : up.local_bind_socket_path;
            if (const auto [other, fresh] = listeners.emplace(listener, s.name); !fresh) {
                out.add(
                    "Consul Connect services {} and {} in group {} using same address for "
                    "upstreams ({})",
                    quoted(s.name),
                    quoted(other->second),
                    quoted(group.name),
                    listener
                );
                return;
            }
        }
        if (proxy.transparent_proxy) {
            transparent = true;
            for (const auto& network : group.networks) {
                if (network.dns && !(*network.dns == model::DNSConfig{}) &&
                    !proxy.transparent_proxy->no_dns) {
                    out.add(
                        "Consul Connect transparent proxy cannot be used with network.dns unless "
                        "no_dns=true"
                    );
                    return;
                }
            }
            for (const std::string& port : proxy.transparent_proxy->exclude_inbound_ports) {
                const auto has = [&](const model::NetworkResource& n) {
                    return labels_of(n).contains(port);
                };
                if (!as_number(port) && std::ranges::none_of(group.networks, has)) {
                    out.add(
                        "Consul Connect transparent proxy port {} must be numeric or one of "
                        "network.port labels",
                        quoted(port)
                    );
                    return;
                }
            }
        }
    }
    if (transparent && blocks > 1) {
        out.add("Consul Connect transparent proxy requires there is only one connect block");
    }
}

void service_warnings(const std::vector<Service>& services, Mistakes& out) {
    for (const Service& s : services) {
        if (s.identity) {
            Mistakes inner;
            identity_warnings(*s.identity, inner);
            out.add_each(fmt::format("Service {}: ", quoted(s.name)), inner);
        }
    }
}

}  // namespace nl::jobspec
