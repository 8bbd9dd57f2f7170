#pragma once
// What of a chosen node an allocation gets by name: ports, cpu cores, device instances. Decides on
// one node only, from what its live allocations hold; a node that cannot give everything says which
// dimension is used up. Source: jobspec reference (network, resources.cores, resources.device).

#include "base/rng.h"
#include "model/allocation.h"
#include "model/job.h"
#include "model/node.h"
#include "sched/regex_adapter.h"

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::sched {

inline constexpr std::int64_t kDefaultMinDynamicPort = 20000;
inline constexpr std::int64_t kDefaultMaxDynamicPort = 32000;

/// Whether the group needs more of a node than amounts.
bool needs_assignment(const model::TaskGroup& group);
std::int64_t cores_asked(const model::TaskGroup& group);
/// The cpu one of the node's cores stands for, in MHz; 0 if the node has no cores to reserve.
std::int64_t cpu_per_core(const model::Node& node);

/// What is taken on a node, by name. Small sorted lists: a node has few allocations.
class NodeUse {
public:
    explicit NodeUse(const model::Node& node);
    void add(const model::AllocatedResources& resources);

    /// The group's resources on this node with everything named. Ports are drawn from `rng`.
    /// Error: the dimension that is used up, as AllocMetric::dimension_exhausted names it.
    std::expected<model::AllocatedResources, std::string> assign(
        const model::TaskGroup& group, model::AllocatedResources base, RegexCache& regexes, Rng& rng
    ) const;

    /// Whether two allocations hold one port, core or device: a plan made from an older state may
    /// not be carried out.
    bool conflicts(const model::AllocatedResources& resources) const;

private:
    struct Address {
        std::string ip;
        std::string device;
        std::string network;
        /// Sorted.
        std::vector<std::uint16_t> taken;
    };

    const Address* address(std::string_view network) const;
    std::expected<std::vector<std::int64_t>, std::string> pick_cores(
        std::span<const std::int64_t> free, const model::Resources& asked
    ) const;
    std::expected<void, std::string> assign_ports(
        const model::TaskGroup& group, model::AllocatedSharedResources& shared, Rng& rng
    ) const;
    std::expected<void, std::string> assign_cores(
        const model::TaskGroup& group, model::AllocatedResources& out
    ) const;
    std::expected<void, std::string> assign_devices(
        const model::TaskGroup& group, model::AllocatedResources& out, RegexCache& regexes
    ) const;

    const model::Node* node_;
    std::vector<Address> addresses_;
    /// Both sorted.
    std::vector<std::int64_t> cores_;
    std::vector<std::string> devices_;
};

}  // namespace nl::sched
