#pragma once
// Computed classes: nodes that answer every constraint on non-unique attributes alike have the same
// class, so the scheduler checks a class once. Pure.

#include "model/node.h"

#include <string>

namespace nl::state {

/// "v1:" and a 64-bit hash over datacenter, class, pool, attributes and meta without the `unique.`
/// ones, drivers and their health, devices, host volumes, host networks and their modes, CSI
/// plugins and their health.
std::string computed_class(const model::Node& node);

}  // namespace nl::state
