#pragma once
// How a store comes into being: with what every cluster has, or from a saved state. Internal.

#include "state/version.h"

namespace nl::state {

/// Namespace `default`, node pools `default` and `all`, configurations, an empty cluster row.
void seed_defaults(Core& core);

}  // namespace nl::state
