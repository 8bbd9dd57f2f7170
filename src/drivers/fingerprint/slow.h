#pragma once
// What takes longer to find out about a machine than a node takes to start: graphics cards
// (NVIDIA's management library, loaded at run time where it is installed) and the cloud it runs in
// (told from the firmware's words; only then is the metadata address asked, briefly). Blocking; for
// a thread that may wait.

#include "base/error.h"
#include "base/value.h"
#include "model/node.h"

#include <string>
#include <vector>

namespace nl::drivers {

/// Devices by vendor, type and model; empty without the library or a card.
std::vector<model::NodeDeviceResource> find_nvidia_devices();

/// Devices that the node's owner names: plugin "devices" { config { device { vendor, type, name,
/// paths, attributes } } }. One whose path is not there is unhealthy. Errors: InvalidArgument.
/// Quick.
Result<std::vector<model::NodeDeviceResource>> configured_devices(const ValueMap& block);

/// platform.<cloud>.* and unique.platform.<cloud>.*; empty elsewhere. `wanted` names clouds to ask
/// though the firmware does not name them ("env_aws", "env_gce", "env_azure", "env_digitalocean");
/// `refused` those never to ask. Takes a few seconds at most.
StringMap cloud_attributes(
    const std::vector<std::string>& wanted, const std::vector<std::string>& refused
);

}  // namespace nl::drivers
