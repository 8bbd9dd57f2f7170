#pragma once
// Which of a node's device instances answer a request: matching by vendor, type and name, device
// constraints and affinities with units. Source: jobspec reference, section 4 (device targets) and
// resources.device.

#include "model/job.h"
#include "model/node.h"
#include "model/resources.h"
#include "sched/regex_adapter.h"

#include <optional>
#include <string>
#include <string_view>

namespace nl::sched {

/// "gpu", "nvidia/gpu" or "nvidia/gpu/1080ti" against a device of the node.
bool device_has_name(const model::NodeDeviceResource& device, std::string_view name);

/// Whether the device passes the request's name and constraints.
bool device_matches(
    const model::NodeDeviceResource& device,
    const model::RequestedDevice& request,
    RegexCache& regexes
);

/// The request's affinities on the device: the sum of the weights that hold (over the sum of their
/// magnitudes, -1 to 1); 0 without affinities.
double device_affinity(
    const model::NodeDeviceResource& device,
    const model::RequestedDevice& request,
    RegexCache& regexes
);

/// The best affinity over the node's matching devices, summed over the group's requests.
double best_device_affinity(
    const model::TaskGroup& group, const model::Node& node, RegexCache& regexes
);

/// Whether the group's device requests make one node better than another.
bool ranks_devices(const model::TaskGroup& group);

/// A quantity with an optional unit in base units ("10 GiB"), and what it measures.
struct Quantity {
    double value{0};
    std::string_view measure;
};
std::optional<Quantity> parse_quantity(std::string_view text);

}  // namespace nl::sched
