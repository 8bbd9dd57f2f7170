// Rules of constraints, affinities, spreads, networks and volumes.

#include "expr/pattern_adapter.h"
#include "expr/version.h"
#include "jobspec/findings.h"

#include <charconv>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using expr::VersionConstraint;
using expr::VersionSyntax;
using model::TaskGroup;

/// The first part of a version constraint that is none, as Nomad tells it; "" if all are fine.
std::string version_error(std::string_view text, VersionSyntax syntax) {
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view part = text.substr(0, comma);
        if (!VersionConstraint::parse(part, syntax)) {
            return fmt::format("Malformed constraint: {}", part);
        }
        if (comma == std::string_view::npos) {
            return "";
        }
        text.remove_prefix(comma + 1);
    }
}

/// What a node can answer for in a constraint: literals, and names of these kinds.
void check_attribute(std::string_view target, Mistakes& out) {
    if (!target.starts_with('$')) {
        return;
    }
    if (!target.starts_with("${")) {
        out.add("attribute {} is missing an opening brace", quoted(target));
        return;
    }
    if (!target.ends_with('}')) {
        out.add("attribute {} is missing a closing brace", quoted(target));
        return;
    }
    const bool known = one_of(
                           target,
                           {"${node.unique.id}",
                            "${node.datacenter}",
                            "${node.unique.name}",
                            "${node.class}",
                            "${node.pool}"}
                       ) ||
                       target.starts_with("${attr.") || target.starts_with("${device.") ||
                       target.starts_with("${meta.");
    if (!known) {
        out.add("unsupported attribute {}", quoted(target));
    }
}

/// The operand's demands on the right side; `noun` and `set` are how constraints and affinities
/// name themselves. False for an operator that is none of those both know.
bool check_operand(
    std::string_view operand,
    const std::string& right,
    std::string_view noun,
    std::string_view set,
    Mistakes& out
) {
    if (one_of(operand, {"set_contains", "set_contains_all", "set_contains_any"})) {
        if (right.empty()) {
            out.add("{} an RTarget", set);
        }
    } else if (operand == "regexp") {
        if (const std::string why = expr::pattern_error(right); !why.empty()) {
            out.add("Regular expression failed to compile: {}", why);
        }
    } else if (operand == "version" || operand == "semver") {
        const bool strict = operand == "semver";
        const std::string why =
            version_error(right, strict ? VersionSyntax::Strict : VersionSyntax::Lenient);
        if (!why.empty()) {
            out.add("{} {} is invalid: {}", strict ? "Semver" : "Version", noun, why);
        }
    } else if (one_of(operand, {"=", "==", "is", "!=", "not", "<", "<=", ">", ">="})) {
        if (right.empty()) {
            out.add("Operator {} requires an RTarget", quoted(operand));
        }
    } else {
        return false;
    }
    return true;
}

void check_distinct_property(const std::string& count_text, Mistakes& out) {
    if (count_text.empty()) {
        return;
    }
    std::uint64_t count = 0;
    const char* end = count_text.data() + count_text.size();
    const auto [at, failed] = std::from_chars(count_text.data(), end, count);
    if (failed == std::errc::result_out_of_range) {
        out.add(
            "Failed to convert RTarget {0} to uint64: strconv.ParseUint: parsing {0}: value out of "
            "range",
            quoted(count_text)
        );
    } else if (failed != std::errc() || at != end) {
        out.add(
            "Failed to convert RTarget {0} to uint64: strconv.ParseUint: parsing {0}: invalid "
            "syntax",
            quoted(count_text)
        );
    } else if (count < 1) {
        out.add("Distinct Property must have an allowed count of 1 or greater: {} < 1", count);
    }
}

void check_constraint(const model::Constraint& c, Mistakes& out) {
    if (c.operand.empty()) {
        out.add("Missing constraint operand");
    }
    if (c.operand == "distinct_hosts") {
        return;  // Asks for no attribute.
    }
    if (c.operand == "distinct_property") {
        check_distinct_property(c.r_target, out);
    } else if (c.operand == "is_set" || c.operand == "is_not_set") {
        if (!c.r_target.empty()) {
            out.add("Operator {} does not support an RTarget", quoted(c.operand));
        }
    } else if (!check_operand(
                   c.operand, c.r_target, "constraint", "Set contains constraint requires", out
               )) {
        out.add("Unknown constraint type {}", quoted(c.operand));
    }
    if (c.l_target.empty()) {
        out.add("no attribute provided but is required by operator");
    } else {
        check_attribute(c.l_target, out);
    }
}

void check_affinity(const model::Affinity& a, Mistakes& out) {
    if (a.operand.empty()) {
        out.add("Missing affinity operand");
    }
    if (!check_operand(a.operand, a.r_target, "affinity", "Set contains operators require", out)) {
        out.add("Unknown affinity operator {}", quoted(a.operand));
    }
    if (a.l_target.empty()) {
        out.add("No LTarget provided but is required");
    }
    if (a.weight == 0) {
        out.add("Affinity weight cannot be zero");
    }
    if (a.weight > 100 || a.weight < -100) {
        out.add("Affinity weight must be within the range [-100,100]");
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
        if (level == Level::Task && one_of(op, {"distinct_hosts", "distinct_property"})) {
            out.add("Constraint {} has disallowed Operand at task level: {}", i + 1, op);
        }
    }
}

void check_affinities(const std::vector<model::Affinity>& affinities, Mistakes& out) {
    for (std::size_t i = 0; i < affinities.size(); ++i) {
        Mistakes inner;
        check_affinity(affinities[i], inner);
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
                inner.add("Spread target value {} already defined", quoted(target.value));
            }
            if (target.percent < 0 || target.percent > 100) {
                inner.add(
                    "Spread target percentage for value {} must be between 0 and 100",
                    quoted(target.value)
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

namespace {

/// Labels and static ports of a group, its tasks' networks included.
class Ports {
public:
    explicit Ports(Mistakes& out) : out_(out) {}

    void group_port(const model::Port& port, const model::NetworkResource& network) {
        check_label(port, "taskgroup network", true);
        check_static(port, "taskgroup network", port.ignore_collision);
        if (port.to < -1) {
            out_.add("Port {} cannot be mapped to negative value {}", quoted(port.label), port.to);
        } else if (port.to > kMaxPort) {
            out_.add(
                "Port {} cannot be mapped to a port ({}) greater than {}",
                quoted(port.label),
                port.to,
                kMaxPort
            );
        }
        if (port.ignore_collision && !network.mode.empty() && network.mode != "host") {
            out_.add(
                "Port {} collision may not be ignored on non-host network mode {}",
                quoted(port.label),
                quoted(network.mode)
            );
        }
    }

    void task_port(const model::Port& port, const model::Task& task) {
        check_label(port, task.name, false);
        check_static(port, task.name, false);
    }

private:
    static constexpr std::int64_t kMaxPort = 65535;

    void check_label(const model::Port& port, const std::string& owner, bool remember) {
        if (const auto other = labels_.find(port.label); other != labels_.end()) {
            out_.add("Port label {} already in use by {}", port.label, other->second);
        } else if (remember) {
            labels_.emplace(port.label, owner);
        }
    }

    void check_static(const model::Port& port, const std::string& owner, bool may_collide) {
        if (port.value == 0) {
            return;
        }
        auto& taken = statics_[port.host_network.empty() ? "default" : port.host_network];
        if (const auto other = taken.find(port.value); other != taken.end()) {
            if (!may_collide) {
                out_.add("Static port {} already reserved by {}", port.value, other->second);
            }
        } else if (port.value > kMaxPort) {
            out_.add("Port {} ({}) cannot be greater than {}", port.label, port.value, kMaxPort);
        } else if (port.value < 0) {
            out_.add("Port {} ({}) cannot be negative", port.label, port.value);
        } else {
            taken.emplace(port.value, owner + ":" + port.label);
        }
    }

    Mistakes& out_;
    std::map<std::string, std::string, std::less<>> labels_;
    std::map<std::string, std::map<std::int64_t, std::string>> statics_;
};

/// As DNS allows: labels of 1 to 63 bytes, 255 together.
bool is_domain_name(std::string_view name) {
    constexpr std::size_t kLongestName = 254;
    constexpr std::size_t kLongestLabel = 63;
    if (name == ".") {
        return true;
    }
    if (name.ends_with('.')) {
        name.remove_suffix(1);
    }
    if (name.empty() || name.size() > kLongestName) {
        return false;
    }
    while (true) {
        const std::size_t dot = name.find('.');
        const std::string_view label = name.substr(0, dot);
        if (label.empty() || label.size() > kLongestLabel) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(dot + 1);
    }
}

}  // namespace

void check_networks(const TaskGroup& group, Mistakes& out) {
    Ports ports(out);
    std::set<std::string_view> cni_keys;
    for (const model::NetworkResource& network : group.networks) {
        for (const auto* list : {&network.reserved_ports, &network.dynamic_ports}) {
            for (const model::Port& port : *list) {
                ports.group_port(port, network);
            }
        }
        if (network.cni) {
            for (const auto& [key, value] : network.cni->args) {
                if (!cni_keys.insert(key).second) {
                    out.add("duplicate CNI arg {}", quoted(key));
                }
                if (key.find(';') != std::string::npos) {
                    out.add("invalid ';' character in CNI arg key {}", quoted(key));
                }
                if (value.find(';') != std::string::npos) {
                    out.add("invalid ';' character in CNI arg value {}", quoted(value));
                }
            }
        }
        // A name with parts that the node fills in is looked at there.
        if (!network.hostname.empty() && network.hostname.find("${") == std::string::npos &&
            !is_domain_name(network.hostname)) {
            out.add("Hostname is not a valid DNS name");
        }
    }
    for (const model::Task& task : group.tasks) {
        if (!task.resources) {
            continue;
        }
        for (const model::NetworkResource& network : task.resources->networks) {
            for (const auto* list : {&network.reserved_ports, &network.dynamic_ports}) {
                for (const model::Port& port : *list) {
                    ports.task_port(port, task);
                }
            }
        }
    }
}

namespace {

void check_host_volume(const model::VolumeRequest& v, Mistakes& out) {
    if (v.mount_options) {
        out.add("host volumes cannot have mount options");
    }
    if (v.access_mode == "single-node-reader-only") {
        if (!v.read_only) {
            out.add("{} volumes must be read-only", v.access_mode);
        }
    } else if (!one_of(
                   v.access_mode,
                   {"",
                    "single-node-writer",
                    "single-node-single-writer",
                    "single-node-multi-writer"}
               )) {
        out.add("host volumes cannot be mounted with {} access mode", v.access_mode);
    }
}

void check_csi_volume(const model::VolumeRequest& v, std::int64_t count, Mistakes& out) {
    if (v.attachment_mode.empty()) {
        out.add("CSI volumes must have an attachment mode");
    } else if (v.attachment_mode == "block-device" && v.mount_options) {
        out.add("block devices cannot have mount options");
    }
    const bool shared = count > 1 && !v.per_alloc;
    const std::string& mode = v.access_mode;
    const auto read_only = [&] {
        if (!v.read_only) {
            out.add("{} volumes must be read-only", mode);
        }
    };
    const auto only = [&](std::string_view who) {
        out.add("volume with {} access mode allows only one {}", mode, who);
    };
    if (mode.empty()) {
        out.add("CSI volumes must have an access mode");
    } else if (mode == "single-node-reader-only") {
        read_only();
        if (shared) {
            only("reader");
        }
    } else if (mode == "single-node-writer") {
        if (shared) {
            only("reader or writer");
        }
    } else if (mode == "multi-node-reader-only") {
        read_only();
    } else if (mode == "multi-node-single-writer" && shared && !v.read_only) {
        only("writer");
    }
}

}  // namespace

void check_volumes(const TaskGroup& group, const model::Job& job, Mistakes& out) {
    for (const auto& [name, v] : group.volumes) {
        const std::string title = fmt::format("Task group volume validation for {} failed: ", name);
        if (v.type != "host" && v.type != "csi") {
            out.add("{}volume has unrecognized type {}", title, v.type);
            continue;
        }
        Mistakes inner;
        if (v.source.empty()) {
            inner.add("volume has an empty source");
        }
        if (v.per_alloc) {
            if (is_system(job)) {
                inner.add("volume cannot be per_alloc for system or sysbatch jobs");
            }
            if (group.update && group.update->canary > 0) {
                inner.add("volume cannot be per_alloc when canaries are in use");
            }
            if (v.sticky) {
                inner.add("volume cannot be per_alloc and sticky at the same time");
            }
        }
        if (v.type == "host") {
            check_host_volume(v, inner);
        } else {
            check_csi_volume(v, group.count, inner);
        }
        out.add_nested(title, inner);
    }
}

}  // namespace nl::jobspec
