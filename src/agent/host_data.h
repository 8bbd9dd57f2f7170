#pragma once
// What `GET /v1/agent/host` tells of this machine. Source: Nomad HTTP API, 12.

#include "base/value.h"

#include <string>

namespace nl::agent {

/// Reads files and interfaces; environment variables that may hold secrets are left out.
Value host_data(const std::string& data_dir);

}  // namespace nl::agent
