#include "jobspec/findings.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::TaskGroup;

bool one_of(std::string_view text, std::initializer_list<std::string_view> known) {
    return std::ranges::find(known, text) != known.end();
}

/// "single-node-writer" and the like.
bool reads_only(std::string_view access_mode) {
    return access_mode.ends_with("reader-only");
}

void check_constraint(const model::Constraint& c, Mistakes& out) {
    if (c.operand.empty()) {
        out.add("Missing constraint operand");
    }
    bool needs_value = true;
    if (c.operand == "distinct_hosts") {
        needs_value = false;
    } else if (c.operand == "distinct_property") {
        needs_value = false;
        if (c.l_target.empty()) {
            out.add("Distinct Property constraint requires an attribute");
        }
        if (!c.r_target.empty()) {
            std::int64_t count = 0;
            for (const char d : c.r_target) {
                if (d < '0' || d > '9' || count > 1'000'000'000) {
                    out.add(
                        "Failed to convert RTarget \"{}\" to uint64: it is no count", c.r_target
                    );
                    return;
                }
                count = count * 10 + (d - '0');
            }
            if (count < 1) {
                out.add(
                    "Distinct Property must have an allowed count of 1 or greater: {} < 1", count
                );
            }
        }
    } else if (c.operand == "is_set" || c.operand == "is_not_set") {
        needs_value = false;
        if (!c.r_target.empty()) {
            out.add("Operator \"{}\" does not support an RTarget", c.operand);
        }
    } else if (!one_of(
                   c.operand,
                   {"",
                    "=",
                    "==",
                    "is",
                    "!=",
                    "not",
                    "<",
                    "<=",
                    ">",
                    ">=",
                    "version",
                    "semver",
                    "regexp",
                    "set_contains",
                    "set_contains_all",
                    "set_contains_any"}
               )) {
        out.add("Unknown constraint type \"{}\"", c.operand);
    }
    if (c.operand != "distinct_hosts" && c.operand != "distinct_property" && c.l_target.empty()) {
        out.add("No LTarget provided but is required by constraint");
    }
    const bool ordered = one_of(c.operand, {"<", "<=", ">", ">=", "regexp", "version", "semver"});
    if (needs_value && ordered && c.r_target.empty()) {
        out.add("Operator \"{}\" requires an RTarget", c.operand);
    }
}

}  // namespace

void check_constraints(
    const std::vector<model::Constraint>& constraints, Level level, Mistakes& out
) {
    for (std::size_t i = 0; i < constraints.size(); ++i) {
        Mistakes inner;
        check_constraint(constraints[i], inner);
        out.add_nested(fmt::format("Constraint {} validation failed: ", i + 1), inner);
        const std::string& op = constraints[i].operand;
        if (level == Level::Task && (op == "distinct_hosts" || op == "distinct_property")) {
            out.add("Constraint {} has disallowed Operand at task level: {}", i + 1, op);
        }
    }
}

void check_affinities(const std::vector<model::Affinity>& affinities, Mistakes& out) {
    for (std::size_t i = 0; i < affinities.size(); ++i) {
        const model::Affinity& a = affinities[i];
        Mistakes inner;
        if (a.operand.empty()) {
            inner.add("Missing affinity operand");
        } else if (!one_of(
                       a.operand,
                       {"=",
                        "==",
                        "is",
                        "!=",
                        "not",
                        "<",
                        "<=",
                        ">",
                        ">=",
                        "version",
                        "semver",
                        "regexp",
                        "set_contains",
                        "set_contains_all",
                        "set_contains_any"}
                   )) {
            inner.add("Unknown affinity operator \"{}\"", a.operand);
        }
        if (a.l_target.empty()) {
            inner.add("No LTarget provided but is required");
        }
        if (a.weight > 100 || a.weight < -100) {
            inner.add("Affinity weight must be within the range [-100,100]");
        }
        if (a.weight == 0) {
            inner.add("Affinity weight cannot be zero");
        }
        out.add_nested(fmt::format("Affinity {} validation failed: ", i + 1), inner);
    }
}

void check_spreads(const std::vector<model::Spread>& spreads, Mistakes& out) {
    for (std::size_t i = 0; i < spreads.size(); ++i) {
        const model::Spread& s = spreads[i];
        Mistakes inner;
        if (s.attribute.empty()) {
            inner.add("Missing spread attribute");
        }
        if (s.weight <= 0 || s.weight > 100) {
            inner.add("Spread block must have a positive weight from 0 to 100");
        }
        std::set<std::string_view> seen;
        std::int64_t sum = 0;
        for (const model::SpreadTarget& target : s.spread_target) {
            if (!seen.insert(target.value).second) {
                inner.add("Spread target value \"{}\" already defined", target.value);
            }
            if (target.percent < 0 || target.percent > 100) {
                inner.add(
                    "Spread target percentage for value \"{}\" must be between 0 and 100",
                    target.value
                );
            }
            sum += target.percent;
        }
        if (sum > 100) {
            inner.add(
                "Sum of spread target percentages must not be greater than 100%; got {}%", sum
            );
        }
        out.add_nested(fmt::format("Spread {} validation failed: ", i + 1), inner);
    }
}

void check_networks(const TaskGroup& group, Mistakes& out) {
    constexpr std::int64_t kMaxPort = 65535;
    std::map<std::string_view, std::string> labels;
    std::map<std::string, std::map<std::int64_t, std::string>> statics;
    const auto ports = [&](const std::vector<model::Port>& list,
                           const std::string& owner,
                           const model::NetworkResource& network) {
        for (const model::Port& port : list) {
            const auto [label, fresh] = labels.emplace(port.label, owner);
            if (!fresh) {
                out.add("Port label {} already in use by {}", port.label, label->second);
            }
            if (port.value != 0) {
                const std::string host_network =
                    port.host_network.empty() ? "default" : port.host_network;
                const auto [used, free] =
                    statics[host_network].emplace(port.value, owner + ":" + port.label);
                if (!free && !port.ignore_collision) {
                    out.add("Static port {} already reserved by {}", port.value, used->second);
                }
                if (port.value > kMaxPort) {
                    out.add("Port {} ({}) cannot be greater than 65535", port.label, port.value);
                } else if (port.value < 0) {
                    out.add("Port {} ({}) cannot be negative", port.label, port.value);
                }
            }
            const bool host = network.mode.empty() || network.mode == "host";
            if (port.ignore_collision && !host) {
                out.add(
                    "Port {} collision may not be ignored on non-host network mode \"{}\"",
                    port.label,
                    network.mode
                );
            }
            if (port.to < -1) {
                out.add("Port {} cannot be mapped to negative value {}", port.label, port.to);
            } else if (port.to > kMaxPort) {
                out.add(
                    "Port {} cannot be mapped to a port ({}) greater than 65535",
                    port.label,
                    port.to
                );
            }
        }
    };
    const auto networks = [&](const std::vector<model::NetworkResource>& list,
                              const std::string& owner) {
        for (const model::NetworkResource& network : list) {
            const bool known_mode = one_of(network.mode, {"", "host", "bridge", "none"}) ||
                                    network.mode.starts_with("cni/");
            if (!known_mode) {
                out.add("Network mode \"{}\" is invalid", network.mode);
            }
            ports(network.reserved_ports, owner, network);
            ports(network.dynamic_ports, owner, network);
            const bool bad_name =
                network.hostname.size() > 253 || std::ranges::any_of(network.hostname, [](char c) {
                    return !(
                        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'
                    );
                });
            // What is filled in later is looked at then.
            if (bad_name && network.hostname.find("${") == std::string::npos) {
                out.add("Hostname is not a valid DNS name");
            }
            if (network.cni) {
                for (const auto& [key, value] : network.cni->args) {
                    if (key.find(';') != std::string::npos ||
                        value.find(';') != std::string::npos) {
                        out.add("invalid ';' character in CNI arg \"{}\"", key);
                    }
                }
            }
        }
    };
    networks(group.networks, "taskgroup network");
    for (const model::Task& task : group.tasks) {
        if (task.resources) {
            networks(task.resources->networks, "task " + task.name);
        }
    }
}

void check_volumes(const TaskGroup& group, Mistakes& out) {
    for (const auto& [name, v] : group.volumes) {
        Mistakes inner;
        if (v.source.empty()) {
            inner.add("volume has an empty source");
        }
        if (v.type == "host") {
            if (!one_of(
                    v.access_mode,
                    {"",
                     "single-node-reader-only",
                     "single-node-writer",
                     "single-node-single-writer",
                     "single-node-multi-writer"}
                )) {
                inner.add("host volumes cannot be mounted with {} access mode", v.access_mode);
            }
            if (v.mount_options) {
                inner.add("host volumes cannot have mount options");
            }
        } else if (v.type == "csi") {
            if (v.attachment_mode.empty()) {
                inner.add("CSI volumes must have an attachment mode");
            }
            if (v.access_mode.empty()) {
                inner.add("CSI volumes must have an access mode");
            }
            if (!one_of(v.attachment_mode, {"", "file-system", "block-device"})) {
                inner.add("unknown attachment mode \"{}\"", v.attachment_mode);
            }
            if (!one_of(
                    v.access_mode,
                    {"",
                     "single-node-reader-only",
                     "single-node-writer",
                     "multi-node-reader-only",
                     "multi-node-single-writer",
                     "multi-node-multi-writer"}
                )) {
                inner.add("unknown access mode \"{}\"", v.access_mode);
            }
            if (v.access_mode.starts_with("single-node") && group.count > 1 && !v.per_alloc) {
                inner.add(
                    "volume with {} access mode allows only one claim but the group has count {}",
                    v.access_mode,
                    group.count
                );
            }
            if (v.attachment_mode == "block-device" && v.mount_options) {
                inner.add("block devices cannot have mount options");
            }
        } else {
            inner.add("volume has unrecognized type {}", v.type.empty() ? "\"\"" : v.type);
        }
        if (reads_only(v.access_mode) && !v.read_only) {
            inner.add("{} volumes must be read-only", v.access_mode);
        }
        if (v.per_alloc && group.update && group.update->canary > 0) {
            inner.add("volume cannot be per_alloc when canaries are in use");
        }
        if (v.per_alloc && v.sticky) {
            inner.add("volume cannot be both per_alloc and sticky");
        }
        out.add_nested(fmt::format("Task group volume validation for {} failed: ", name), inner);
    }
}

namespace {

void check_check(const model::ServiceCheck& c, const model::Service& s, Mistakes& out) {
    constexpr Duration kLeast = seconds(1);
    const bool nomad = s.provider == "nomad";
    if (c.type.empty()) {
        out.add("check type is required");
    } else if (!one_of(c.type, {"http", "tcp", "script", "grpc"})) {
        out.add(
            "invalid check type (\"{}\"), must be one of \"http\", \"tcp\", \"script\" or "
            "\"grpc\" type",
            c.type
        );
    } else if (nomad && !one_of(c.type, {"http", "tcp"})) {
        out.add(
            "invalid check type (\"{}\"), must be one of \"http\" or \"tcp\" for Nomad services",
            c.type
        );
    }
    if (c.type == "http") {
        if (c.path.empty()) {
            out.add("http type must have http path");
        }
        if (c.path.find("://") != std::string::npos) {
            out.add("relative http path required, found a whole URL");
        }
        if (!one_of(c.protocol, {"", "http", "https"})) {
            out.add("invalid check protocol \"{}\", must be http or https", c.protocol);
        }
    }
    if (c.type == "script" && c.command.empty()) {
        out.add("script type must have a valid script path");
    }
    if (c.interval == Duration{}) {
        out.add(
            "missing required value interval. Interval cannot be less than {}", to_string(kLeast)
        );
    } else if (c.interval < kLeast) {
        out.add("interval ({}) cannot be lower than {}", to_string(c.interval), to_string(kLeast));
    }
    if (c.timeout == Duration{}) {
        out.add(
            "missing required value timeout. Timeout cannot be less than {}", to_string(kLeast)
        );
    } else if (c.timeout < kLeast) {
        out.add("timeout ({}) cannot be lower than {}", to_string(c.timeout), to_string(kLeast));
    }
    if (!one_of(c.initial_status, {"", "passing", "warning", "critical"})) {
        out.add(
            "invalid initial check state ({}), must be one of \"\", \"passing\", \"warning\" or "
            "\"critical\"",
            c.initial_status
        );
    }
    if (!one_of(c.address_mode, {"", "host", "driver", "alloc", "alloc_ipv6"})) {
        out.add("invalid address_mode \"{}\"", c.address_mode);
    }
    if (!one_of(c.on_update, {"", "require_healthy", "ignore_warnings", "ignore"})) {
        out.add("invalid on_update - {}", c.on_update);
    }
    if (c.notes.size() > 255) {
        out.add("notes must not be longer than 255 characters");
    }
    if (c.check_restart) {
        if (c.check_restart->limit < 0) {
            out.add(
                "limit must be greater than or equal to 0 but found {}", c.check_restart->limit
            );
        }
        if (c.check_restart->grace < Duration{}) {
            out.add("grace period cannot be negative: {}", to_string(c.check_restart->grace));
        }
        if (c.on_update == "ignore" && c.check_restart->limit > 0) {
            out.add("on_update value \"ignore\" is not compatible with check_restart");
        }
        if (c.on_update == "ignore_warnings" && c.check_restart->limit > 0 &&
            !c.check_restart->ignore_warnings) {
            out.add(
                "on_update value \"ignore_warnings\" not supported with check_restart "
                "ignore_warnings value false"
            );
        }
    }
    if (nomad) {
        if (c.expose) {
            out.add("expose may only be set for Consul service checks");
        }
        if (c.on_update == "ignore_warnings") {
            out.add("on_update may only be set to ignore_warnings for Consul service checks");
        }
        if (c.check_restart && c.check_restart->ignore_warnings) {
            out.add("ignore_warnings on check_restart only supported for Consul service checks");
        }
        if (c.address_mode == "driver") {
            out.add("address_mode = driver may only be set for Consul service checks");
        }
        if (c.success_before_passing != 0 || c.failures_before_critical != 0 ||
            c.failures_before_warning != 0) {
            out.add(
                "success_before_passing, failures_before_critical and failures_before_warning may "
                "only be set for Consul service checks"
            );
        }
        if (!c.tls_server_name.empty()) {
            out.add("tls_server_name may only be set for Consul service checks");
        }
    }
    const bool needs_port = one_of(c.type, {"http", "tcp", "grpc"});
    if (needs_port && c.port_label.empty() && s.port_label.empty()) {
        out.add("check is missing a port and so is its service");
    }
    if (c.type == "tcp" && s.connect && !s.connect->gateway) {
        out.add("tcp checks are not valid for Connect enabled services");
    }
}

bool is_service_name(std::string_view name) {
    if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') {
        return false;
    }
    return std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-';
    });
}

}  // namespace

void check_services(
    const std::vector<model::Service>& services,
    const TaskGroup& group,
    const model::Task* task,
    Mistakes& out
) {
    std::set<std::string_view> labels;
    const auto add_ports = [&](const model::NetworkResource& network) {
        for (const auto* list : {&network.reserved_ports, &network.dynamic_ports}) {
            for (const model::Port& port : *list) {
                labels.insert(port.label);
            }
        }
    };
    std::ranges::for_each(group.networks, add_ports);
    if (task != nullptr && task->resources) {
        std::ranges::for_each(task->resources->networks, add_ports);
    }
    const auto is_port = [&](const std::string& text) {
        const bool number = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
        return number || labels.contains(text) || text.find("${") != std::string::npos;
    };
    std::set<std::string_view> providers;
    std::size_t at = 0;
    for (const model::Service& s : services) {
        Mistakes inner;
        providers.insert(s.provider);
        // Names with parts that the node fills in are looked at there.
        if (s.name.find("${") == std::string::npos && !is_service_name(s.name)) {
            inner.add(
                "Service name must be valid per RFC 1123 and can contain only alphanumeric "
                "characters or dashes and must be no longer than 63 characters"
            );
        }
        if (!one_of(s.provider, {"consul", "nomad"})) {
            inner.add("Service provider must be \"consul\" or \"nomad\"; got \"{}\"", s.provider);
        }
        if (!one_of(s.address_mode, {"", "auto", "host", "driver", "alloc", "alloc_ipv6"})) {
            inner.add(
                "Service address_mode must be \"auto\", \"host\", \"driver\", \"alloc\" or "
                "\"alloc_ipv6\"; not \"{}\"",
                s.address_mode
            );
        }
        if (task == nullptr && s.address_mode == "driver") {
            inner.add(
                "service \"{}\" cannot use address_mode=\"driver\", only services defined in a "
                "\"task\" block can use this mode",
                s.name
            );
        }
        if (!s.address.empty() && !one_of(s.address_mode, {"", "auto"})) {
            inner.add("Service address_mode must be \"auto\" if address is set");
        }
        if (!one_of(s.on_update, {"", "require_healthy", "ignore_warnings", "ignore"})) {
            inner.add(
                "Service on_update must be \"require_healthy\", \"ignore_warnings\", or "
                "\"ignore\"; not \"{}\"",
                s.on_update
            );
        }
        if (s.provider == "nomad" && s.connect) {
            inner.add("Service with provider nomad cannot include Connect blocks");
        }
        if (!s.port_label.empty() && !is_port(s.port_label)) {
            inner.add(
                "port label \"{}\" referenced by service {} does not exist", s.port_label, s.name
            );
        }
        for (const model::ServiceCheck& c : s.checks) {
            Mistakes found;
            check_check(c, s, found);
            if (!c.port_label.empty() && !is_port(c.port_label)) {
                found.add(
                    "port label \"{}\" referenced by check {} does not exist", c.port_label, c.name
                );
            }
            inner.add_nested(fmt::format("Check {} is invalid: ", c.name), found);
        }
        if (s.connect) {
            const int kinds = (s.connect->native ? 1 : 0) + (s.connect->sidecar_service ? 1 : 0) +
                              (s.connect->gateway ? 1 : 0);
            if (kinds != 1) {
                inner.add(
                    "Consul Connect must be exclusively native, make use of a sidecar, or "
                    "represent a Gateway"
                );
            }
        }
        out.add_nested(fmt::format("Service[{}] {} validation failed: ", at, s.name), inner);
        ++at;
    }
    if (providers.size() > 1) {
        out.add("Multiple service providers used: task group services must use the same provider");
    }
}

}  // namespace nl::jobspec
