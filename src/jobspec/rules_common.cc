#include "jobspec/decoder.h"

namespace nl::jobspec {

using hcl::BodyBlock;

namespace {

/// A constraint as written: the shorthands stand beside attribute, operator and value.
struct Written {
    std::string attribute;
    std::string op;
    std::string value;
    std::optional<std::string> version;
    std::optional<std::string> semver;
    std::optional<std::string> regexp;
    std::optional<std::string> set_contains;
    std::optional<std::string> set_contains_all;
    std::optional<std::string> set_contains_any;
    std::optional<bool> distinct_hosts;
    std::optional<std::string> distinct_property;
    std::optional<bool> is_set;
    std::optional<std::int64_t> weight;
};

}  // namespace

const Rules& constraint_rules() {
    static const Rules kRules{
        .arguments =
            {
                arg("attribute", &Written::attribute),
                arg("operator", &Written::op),
                arg("value", &Written::value),
                arg("version", &Written::version),
                arg("semver", &Written::semver),
                arg("regexp", &Written::regexp),
                arg("set_contains", &Written::set_contains),
                arg("set_contains_all", &Written::set_contains_all),
                arg("set_contains_any", &Written::set_contains_any),
                arg("distinct_hosts", &Written::distinct_hosts),
                arg("distinct_property", &Written::distinct_property),
                arg("is_set", &Written::is_set),
            }
    };
    return kRules;
}

const Rules& affinity_rules() {
    static const Rules kRules{
        .arguments =
            {
                arg("attribute", &Written::attribute),
                arg("operator", &Written::op),
                arg("value", &Written::value),
                arg("version", &Written::version),
                arg("semver", &Written::semver),
                arg("regexp", &Written::regexp),
                arg("set_contains", &Written::set_contains),
                arg("set_contains_all", &Written::set_contains_all),
                arg("set_contains_any", &Written::set_contains_any),
                arg("weight", &Written::weight),
            }
    };
    return kRules;
}

namespace {

void shorthand(Written& w, std::string_view op, const std::optional<std::string>& value) {
    if (value) {
        w.op = op;
        w.value = *value;
    }
}

}  // namespace

void read_constraint(std::vector<model::Constraint>& to, const BodyBlock& from, Decoder& d) {
    Written w;
    d.read(constraint_rules(), &w, from.body);
    // The last of this order wins where several are given.
    shorthand(w, "version", w.version);
    shorthand(w, "semver", w.semver);
    shorthand(w, "regexp", w.regexp);
    shorthand(w, "set_contains", w.set_contains);
    if (w.distinct_hosts) {
        w.op = "distinct_hosts";
        w.value = *w.distinct_hosts ? "true" : "false";
    }
    if (w.distinct_property) {
        w.op = "distinct_property";
        w.attribute = *w.distinct_property;
    }
    to.push_back(
        {.l_target = w.attribute, .r_target = w.value, .operand = w.op.empty() ? "=" : w.op}
    );
}

void read_affinity(std::vector<model::AffinitySpec>& to, const BodyBlock& from, Decoder& d) {
    Written w;
    d.read(affinity_rules(), &w, from.body);
    shorthand(w, "version", w.version);
    shorthand(w, "semver", w.semver);
    shorthand(w, "regexp", w.regexp);
    shorthand(w, "set_contains_any", w.set_contains_any);
    shorthand(w, "set_contains_all", w.set_contains_all);
    shorthand(w, "set_contains", w.set_contains);
    if (w.weight && (*w.weight < -128 || *w.weight > 127)) {
        d.error(
            "Unsuitable value type",
            "Unsuitable value: an affinity's weight must be from -100 to 100",
            from.header_range
        );
    }
    to.push_back(
        {.l_target = w.attribute,
         .r_target = w.value,
         .operand = w.op.empty() ? "=" : w.op,
         .weight = w.weight}
    );
}

const Rules& spread_rules() {
    using model::SpreadSpec;
    using model::SpreadTarget;
    static const Rules kTarget{.arguments = {arg("percent", &SpreadTarget::percent)}};
    static const Rules kRules{
        .arguments = {arg("attribute", &SpreadSpec::attribute), arg("weight", &SpreadSpec::weight)},
        .blocks = {labelled(
            "target",
            "name",
            &SpreadSpec::spread_target,
            &SpreadTarget::value,
            +[]() -> const Rules& { return kTarget; }
        )}
    };
    return kRules;
}

const Rules& restart_rules() {
    using model::RestartPolicySpec;
    static const Rules kRules{
        .arguments =
            {
                arg("attempts", &RestartPolicySpec::attempts),
                arg("interval", &RestartPolicySpec::interval),
                arg("delay", &RestartPolicySpec::delay),
                arg("mode", &RestartPolicySpec::mode),
                arg("render_templates", &RestartPolicySpec::render_templates),
            }
    };
    return kRules;
}

const Rules& log_rules() {
    using model::LogConfigSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("max_files", &LogConfigSpec::max_files),
                arg("max_file_size", &LogConfigSpec::max_file_size_mb),
                arg("disabled", &LogConfigSpec::disabled),
                arg("enabled", &LogConfigSpec::enabled),
            }
    };
    return kRules;
}

const Rules& identity_rules() {
    using model::WorkloadIdentity;
    static const Rules kRules{
        .arguments =
            {
                arg("name", &WorkloadIdentity::name),
                arg("aud", &WorkloadIdentity::audience),
                arg("change_mode", &WorkloadIdentity::change_mode),
                arg("change_signal", &WorkloadIdentity::change_signal),
                arg("env", &WorkloadIdentity::env),
                arg("file", &WorkloadIdentity::file),
                arg("filepath", &WorkloadIdentity::filepath),
                arg("service_name", &WorkloadIdentity::service_name),
                arg("ttl", &WorkloadIdentity::ttl),
                arg("extra_claims", &WorkloadIdentity::extra_claims),
            }
    };
    return kRules;
}

const Rules& volume_mount_rules() {
    using model::VolumeMountSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("volume", &VolumeMountSpec::volume),
                arg("destination", &VolumeMountSpec::destination),
                arg("read_only", &VolumeMountSpec::read_only),
                arg("propagation_mode", &VolumeMountSpec::propagation_mode),
                arg("selinux_label", &VolumeMountSpec::selinux_label),
            }
    };
    return kRules;
}

const Rules& consul_rules() {
    using model::Consul;
    static const Rules kRules{
        .arguments =
            {
                arg("namespace", &Consul::namespace_),
                arg("cluster", &Consul::cluster),
                arg("partition", &Consul::partition),
            }
    };
    return kRules;
}

const Rules& vault_rules() {
    using model::VaultSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("policies", &VaultSpec::policies),
                arg("role", &VaultSpec::role),
                arg("namespace", &VaultSpec::namespace_),
                arg("cluster", &VaultSpec::cluster),
                arg("env", &VaultSpec::env),
                arg("disable_file", &VaultSpec::disable_file),
                arg("change_mode", &VaultSpec::change_mode),
                arg("change_signal", &VaultSpec::change_signal),
                arg("allow_token_expiration", &VaultSpec::allow_token_expiration),
            }
    };
    return kRules;
}

const Rules& secret_rules() {
    using model::Secret;
    static const Rules kRules = [] {
        Rules rules{
            .arguments = {arg("provider", &Secret::provider), arg("path", &Secret::path)},
            .blocks = {free_block("config", &Secret::config)}
        };
        add_map(rules, "env", &Secret::env);
        return rules;
    }();
    return kRules;
}

const Rules& scaling_rules() {
    using model::ScalingPolicySpec;
    static const Rules kRules{
        .arguments =
            {arg("enabled", &ScalingPolicySpec::enabled),
             arg("min", &ScalingPolicySpec::min),
             arg("max", &ScalingPolicySpec::max),
             arg("type", &ScalingPolicySpec::type)},
        .blocks = {free_block("policy", &ScalingPolicySpec::policy)}
    };
    return kRules;
}

namespace {

const Rules& port_rules() {
    using model::Port;
    static const Rules kRules{
        .arguments =
            {
                arg("static", &Port::value),
                arg("to", &Port::to),
                arg("host_network", &Port::host_network),
                arg("ignore_collision", &Port::ignore_collision),
            }
    };
    return kRules;
}

const Rules& dns_rules() {
    using model::DNSConfig;
    static const Rules kRules{
        .arguments =
            {
                arg("servers", &DNSConfig::servers),
                arg("searches", &DNSConfig::searches),
                arg("options", &DNSConfig::options),
            }
    };
    return kRules;
}

const Rules& cni_rules() {
    static const Rules kRules = [] {
        Rules rules;
        add_map(rules, "args", &model::CNIConfig::args);
        return rules;
    }();
    return kRules;
}

const Rules& device_rules() {
    using model::RequestedDeviceSpec;
    static const Rules kRules = [] {
        Rules rules{.arguments = {arg("count", &RequestedDeviceSpec::count)}};
        add_placement<RequestedDeviceSpec>(rules, false);
        return rules;
    }();
    return kRules;
}

const Rules& numa_rules() {
    using model::NUMA;
    static const Rules kRules{
        .arguments = {arg("affinity", &NUMA::affinity), arg("devices", &NUMA::devices)}
    };
    return kRules;
}

}  // namespace

const Rules& network_rules() {
    using model::NetworkResourceSpec;
    static const Rules kRules{
        .arguments =
            {arg("mode", &NetworkResourceSpec::mode),
             arg("device", &NetworkResourceSpec::device),
             arg("cidr", &NetworkResourceSpec::cidr),
             arg("ip", &NetworkResourceSpec::ip),
             arg("hostname", &NetworkResourceSpec::hostname),
             arg("mbits", &NetworkResourceSpec::mbits)},
        .blocks =
            {
                {"port",
                 {"label"},
                 Times::Many,
                 [](void* t, const BodyBlock& b, Decoder& d) {
                     model::Port port;
                     port.label = b.labels.at(0);
                     d.read(port_rules(), &port, b.body);
                     auto& network = *static_cast<NetworkResourceSpec*>(t);
                     (port.value > 0 ? network.reserved_ports : network.dynamic_ports)
                         .push_back(std::move(port));
                 },
                 &port_rules},
                block("dns", &NetworkResourceSpec::dns, &dns_rules),
                block("cni", &NetworkResourceSpec::cni, &cni_rules),
            }
    };
    return kRules;
}

const Rules& resources_rules() {
    using model::RequestedDeviceSpec;
    using model::ResourcesSpec;
    static const Rules kRules{
        .arguments =
            {arg("cpu", &ResourcesSpec::cpu),
             arg("cores", &ResourcesSpec::cores),
             arg("memory", &ResourcesSpec::memory_mb),
             arg("memory_max", &ResourcesSpec::memory_max_mb),
             arg("secrets", &ResourcesSpec::secrets_mb),
             arg("disk", &ResourcesSpec::disk_mb),
             arg("iops", &ResourcesSpec::iops)},
        .blocks =
            {
                blocks("network", &ResourcesSpec::networks, &network_rules),
                labelled(
                    "device",
                    "name",
                    &ResourcesSpec::devices,
                    &RequestedDeviceSpec::name,
                    &device_rules
                ),
                block("numa", &ResourcesSpec::numa, &numa_rules),
            }
    };
    return kRules;
}

}  // namespace nl::jobspec
