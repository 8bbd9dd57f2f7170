#include "sched/feasible.h"

#include "sched/devices.h"
#include "sched/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace nl::sched {
namespace {

std::int64_t parse_limit(std::string_view text) {
    std::int64_t limit = 1;
    std::from_chars(text.data(), text.data() + text.size(), limit);
    return std::max<std::int64_t>(limit, 1);
}

bool driver_is_healthy(const model::Node& node, const std::string& driver) {
    if (const auto at = node.drivers.find(driver); at != node.drivers.end()) {
        return at->second.detected && at->second.healthy;
    }
    const auto at = node.attributes.find("driver." + driver);
    return at != node.attributes.end() && (at->second == "1" || at->second == "true");
}

bool has_host_network(const model::Node& node, std::string_view name) {
    if (node.host_networks.contains(name)) {
        return true;
    }
    return node.node_resources &&
           std::ranges::any_of(node.node_resources->node_networks, [&](const auto& network) {
               return std::ranges::count(
                          network.addresses, name, &model::NodeNetworkAddress::alias
                      ) > 0;
           });
}

bool has_bridge(const model::Node& node) {
    return node.node_resources &&
           std::ranges::count(
               node.node_resources->node_networks, "bridge", &model::NodeNetworkResource::mode
           ) > 0;
}

bool offers_host_volume(const model::Node& node, const model::VolumeRequest& request) {
    // One volume for each allocation is named "source[0]", "source[1]", ...; which of them is free
    // on the node is seen when the allocation's index is known.
    const std::string prefix = request.source + "[";
    return std::ranges::any_of(node.host_volumes, [&](const auto& item) {
        const bool named =
            request.per_alloc ? item.first.starts_with(prefix) : item.first == request.source;
        return named && (!item.second.read_only || request.read_only);
    });
}

}  // namespace

Feasibility::Feasibility(
    const model::Job& job,
    const model::TaskGroup& group,
    VolumePlugins volume_plugins,
    RegexCache& regexes
)
    : group_(group), volume_plugins_(std::move(volume_plugins)), regexes_(regexes) {
    add(job.constraints, nullptr);
    add(group.constraints, &group);
    for (const model::Task& task : group.tasks) {
        add(task.constraints, &group);
        if (std::ranges::find(drivers_, task.driver) == drivers_.end()) {
            drivers_.push_back(task.driver);
        }
    }
}

void Feasibility::add(
    const std::vector<model::Constraint>& constraints, const model::TaskGroup* group
) {
    for (const model::Constraint& c : constraints) {
        if (c.operand == "distinct_hosts") {
            const bool on = c.r_target != "false";
            (group == nullptr ? distinct_hosts_of_job_ : distinct_hosts_of_group_) |= on;
            continue;
        }
        if (c.operand == "distinct_property") {
            distinct_properties_.push_back(
                {c.l_target, parse_limit(c.r_target), group == nullptr ? "" : group->name}
            );
            continue;
        }
        Rule rule{c, fmt::format("{} {} {}", c.l_target, c.operand, c.r_target)};
        while (rule.text.ends_with(' ')) {
            rule.text.pop_back();
        }
        const bool unique = is_unique_target(c.l_target) || is_unique_target(c.r_target);
        (unique ? unique_ : rules_).push_back(std::move(rule));
    }
}

bool Feasibility::passes(const Rule& rule, const model::Node& node) {
    std::string left;
    std::string right;
    const model::Constraint& c = rule.constraint;
    return holds(
        c.operand,
        resolve_target(c.l_target, node, left),
        resolve_target(c.r_target, node, right),
        regexes_
    );
}

const std::string* Feasibility::reason(std::string text) {
    const auto at = std::ranges::find(reasons_, text);
    if (at != reasons_.end()) {
        return &*at;
    }
    reasons_.push_back(std::move(text));
    return &reasons_.back();
}

const std::string* Feasibility::check_class(const model::Node& node) {
    for (const Rule& rule : rules_) {
        if (!passes(rule, node)) {
            return &rule.text;
        }
    }
    for (const std::string& driver : drivers_) {
        if (!driver_is_healthy(node, driver)) {
            return reason("missing drivers");
        }
    }
    for (const auto& [name, request] : group_.volumes) {
        if (request.type == "host" && !offers_host_volume(node, request)) {
            return reason("missing compatible host volumes");
        }
        if (request.type == "csi") {
            const auto plugin = volume_plugins_.find(request.source);
            if (plugin == volume_plugins_.end() || plugin->second.empty()) {
                return reason(fmt::format("missing CSI Volume {}", request.source));
            }
            const auto at = node.csi_node_plugins.find(plugin->second);
            if (at == node.csi_node_plugins.end() || !at->second.healthy) {
                return reason(fmt::format("missing CSI plugin {}", plugin->second));
            }
        }
    }
    for (const model::NetworkResource& network : group_.networks) {
        if (network.mode == "bridge" && !has_bridge(node)) {
            return reason("missing network");
        }
        for (const auto* ports : {&network.reserved_ports, &network.dynamic_ports}) {
            for (const model::Port& port : *ports) {
                if (!port.host_network.empty() && port.host_network != "default" &&
                    !has_host_network(node, port.host_network)) {
                    return reason(fmt::format(
                        "missing host network \"{}\" for port \"{}\"", port.host_network, port.label
                    ));
                }
            }
        }
    }
    for (const model::Task& task : group_.tasks) {
        if (!task.resources) {
            continue;
        }
        for (const auto& request : task.resources->devices) {
            const bool found =
                node.node_resources &&
                std::ranges::any_of(node.node_resources->devices, [&](const auto& device) {
                    return device_matches(device, request, regexes_);
                });
            if (!found) {
                return reason("missing devices");
            }
        }
    }
    return nullptr;
}

const std::string* Feasibility::check(const model::Node& node, std::uint32_t computed_class) {
    auto at = classes_.find(computed_class);
    if (at == classes_.end()) {
        at = classes_.emplace(computed_class, check_class(node)).first;
    }
    if (at->second != nullptr) {
        return at->second;
    }
    for (const Rule& rule : unique_) {
        if (!passes(rule, node)) {
            return &rule.text;
        }
    }
    return nullptr;
}

bool has_affinities(const model::Job& job, const model::TaskGroup& group) {
    return !job.affinities.empty() || !group.affinities.empty() ||
           std::ranges::any_of(group.tasks, [](const auto& t) { return !t.affinities.empty(); });
}

double node_affinity(
    const model::Job& job,
    const model::TaskGroup& group,
    const model::Node& node,
    RegexCache& regexes
) {
    double sum = 0;
    double total = 0;
    const auto add = [&](const std::vector<model::Affinity>& affinities) {
        for (const model::Affinity& a : affinities) {
            std::string left;
            std::string right;
            const auto weight = static_cast<double>(a.weight);
            total += std::abs(weight);
            if (holds(
                    a.operand,
                    resolve_target(a.l_target, node, left),
                    resolve_target(a.r_target, node, right),
                    regexes
                )) {
                sum += weight;
            }
        }
    };
    add(job.affinities);
    add(group.affinities);
    for (const model::Task& task : group.tasks) {
        add(task.affinities);
    }
    return total == 0 ? 0 : sum / total;
}

}  // namespace nl::sched
