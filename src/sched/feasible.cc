#include "sched/feasible.h"

#include "model/csi.h"
#include "model/host_volume.h"
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

/// A volume that only one allocation may write to.
bool is_single_writer(std::string_view access_mode) {
    return access_mode == "single-node-writer" || access_mode == "multi-node-single-writer" ||
           access_mode == "single-node-single-writer";
}

bool is_read_only(std::string_view access_mode) {
    return access_mode == "single-node-reader-only" || access_mode == "multi-node-reader-only";
}

std::string source_of(const model::VolumeRequest& request, std::uint32_t name_index) {
    return request.per_alloc ? fmt::format("{}[{}]", request.source, name_index) : request.source;
}

/// Every segment the topology names holds on the node.
bool is_within(const model::CSITopology& topology, const model::CSITopology& node) {
    return std::ranges::all_of(topology.segments, [&](const auto& segment) {
        const auto at = node.segments.find(segment.first);
        return at != node.segments.end() && at->second == segment.second;
    });
}

}  // namespace

Feasibility::Feasibility(
    const model::Job& job,
    const model::TaskGroup& group,
    const state::Snapshot& snapshot,
    RegexCache& regexes
)
    : job_(job), group_(group), snapshot_(snapshot), regexes_(regexes) {
    add(job.constraints, nullptr);
    add(group.constraints, &group);
    for (const model::Task& task : group.tasks) {
        add(task.constraints, &group);
        if (std::ranges::find(drivers_, task.driver) == drivers_.end()) {
            drivers_.push_back(task.driver);
        }
    }
    for (const auto& [name, request] : group.volumes) {
        has_own_volumes_ |= request.per_alloc;
        has_claims_ |= request.type == "csi" || !snapshot.host_volumes().empty();
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
        if (request.type != "host" || request.per_alloc) {
            continue;
        }
        const auto at = node.host_volumes.find(request.source);
        if (at == node.host_volumes.end() || (at->second.read_only && !request.read_only)) {
            return reason("missing compatible host volumes");
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

const std::string* Feasibility::check_node(const model::Node& node) {
    for (const Rule& rule : unique_) {
        if (!passes(rule, node)) {
            return &rule.text;
        }
    }
    if (!has_claims_) {
        return nullptr;
    }
    for (const auto& [name, request] : group_.volumes) {
        if (request.per_alloc) {
            continue;
        }
        const std::string* why = request.type == "csi"
                                     ? check_csi_volume(node, request, request.source)
                                     : check_host_volume(node, request, request.source);
        if (why != nullptr) {
            return why;
        }
    }
    return nullptr;
}

const std::string* Feasibility::check_index(const model::Node& node, std::uint32_t name_index) {
    for (const auto& [name, request] : group_.volumes) {
        if (!request.per_alloc) {
            continue;
        }
        const std::string source = source_of(request, name_index);
        const std::string* why = request.type == "csi" ? check_csi_volume(node, request, source)
                                                       : check_host_volume(node, request, source);
        if (why != nullptr) {
            return why;
        }
    }
    return nullptr;
}

const std::string* Feasibility::check_host_volume(
    const model::Node& node, const model::VolumeRequest& request, const std::string& source
) {
    const auto at = node.host_volumes.find(source);
    if (at == node.host_volumes.end() || (at->second.read_only && !request.read_only)) {
        return reason("missing compatible host volumes");
    }
    if (at->second.id.empty()) {
        return nullptr;
    }
    // One that was made through the API: it must be ready, offer what is asked for and be free.
    const model::HostVolume* volume = snapshot_.host_volume(job_.namespace_, at->second.id);
    if (volume == nullptr || volume->state != "ready") {
        return reason("missing compatible host volumes");
    }
    const auto offers = [&](const model::HostVolumeCapability& c) {
        return (request.access_mode.empty() || c.access_mode == request.access_mode) &&
               (request.attachment_mode.empty() || c.attachment_mode == request.attachment_mode);
    };
    if (!volume->requested_capabilities.empty() &&
        std::ranges::none_of(volume->requested_capabilities, offers)) {
        return reason("missing compatible host volumes");
    }
    if (request.read_only || !is_single_writer(request.access_mode)) {
        return nullptr;
    }
    for (const state::AllocView alloc : snapshot_.allocs_of_node(node.id)) {
        if (alloc.terminal() ||
            (alloc.job_id() == job_.id && alloc.namespace_() == job_.namespace_)) {
            continue;
        }
        for (const auto& [name, other] : alloc.group().volumes) {
            if (other.type == "host" && !other.read_only &&
                source_of(other, alloc.name_index()) == source) {
                return reason("missing compatible host volumes");
            }
        }
    }
    return nullptr;
}

bool Feasibility::is_own(const model::Allocation& claim) const {
    return claim.job_id == job_.id && claim.namespace_ == job_.namespace_;
}

std::int64_t Feasibility::csi_volumes_on(const model::Node& node, const std::string& plugin) const {
    std::int64_t n = 0;
    for (const state::AllocView alloc : snapshot_.allocs_of_node(node.id)) {
        if (alloc.terminal()) {
            continue;
        }
        for (const auto& [name, request] : alloc.group().volumes) {
            if (request.type != "csi") {
                continue;
            }
            const model::CSIVolume* volume =
                snapshot_.csi_volume(alloc.namespace_(), source_of(request, alloc.name_index()));
            n += volume != nullptr && volume->plugin_id == plugin ? 1 : 0;
        }
    }
    return n;
}

const std::string* Feasibility::check_csi_volume(
    const model::Node& node, const model::VolumeRequest& request, const std::string& source
) {
    const model::CSIVolume* volume = snapshot_.csi_volume(job_.namespace_, source);
    if (volume == nullptr || volume->plugin_id.empty()) {
        return reason(fmt::format("missing CSI Volume {}", source));
    }
    const std::string& plugin = volume->plugin_id;
    const auto at = node.csi_node_plugins.find(plugin);
    if (at == node.csi_node_plugins.end()) {
        return reason(fmt::format("CSI plugin {} is missing from client {}", plugin, node.id.str())
        );
    }
    if (!at->second.healthy) {
        return reason(fmt::format("CSI plugin {} is unhealthy on client {}", plugin, node.id.str())
        );
    }
    const model::CSINodeInfo* info = at->second.node_info.get();
    if (info != nullptr && info->max_volumes > 0 &&
        csi_volumes_on(node, plugin) >= info->max_volumes) {
        return reason(fmt::format(
            "CSI plugin {} has the maximum number of volumes on client {}", plugin, node.id.str()
        ));
    }
    if (!volume->topologies.empty()) {
        const model::CSITopology* here =
            info == nullptr ? nullptr : info->accessible_topology.get();
        if (here == nullptr || std::ranges::none_of(volume->topologies, [&](const auto& topology) {
                return is_within(topology, *here);
            })) {
            return reason("did not meet topology requirement");
        }
    }
    if (request.read_only) {
        return volume->schedulable
                   ? nullptr
                   : reason(fmt::format(
                         "CSI volume {} is unschedulable or has exhausted its available reader "
                         "claims",
                         source
                     ));
    }
    if (!volume->schedulable || is_read_only(volume->access_mode)) {
        return reason(fmt::format("CSI volume {} is unschedulable or is read-only", source));
    }
    const std::string_view mode =
        volume->access_mode.empty() ? std::string_view(request.access_mode) : volume->access_mode;
    const bool taken =
        is_single_writer(mode) && std::ranges::any_of(volume->write_allocs, [&](const auto& claim) {
            const auto writer = Uuid::parse(claim.first);
            const auto alloc = writer ? snapshot_.alloc(*writer) : std::nullopt;
            return alloc ? !alloc->terminal() && (alloc->job_id() != job_.id ||
                                                  alloc->namespace_() != job_.namespace_)
                         : !is_own(claim.second);
        });
    return taken ? reason(fmt::format(
                       "CSI volume {} has exhausted its available writer claims", source
                   ))
                 : nullptr;
}

bool has_unique_affinities(const model::Job& job, const model::TaskGroup& group) {
    const auto unique = [](const std::vector<model::Affinity>& affinities) {
        return std::ranges::any_of(affinities, [](const model::Affinity& a) {
            return is_unique_target(a.l_target) || is_unique_target(a.r_target);
        });
    };
    return unique(job.affinities) || unique(group.affinities) ||
           std::ranges::any_of(group.tasks, [&](const model::Task& task) {
               return unique(task.affinities);
           });
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
