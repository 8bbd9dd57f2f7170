#pragma once
// Reads the agent's configuration files: HCL or JSON, a file or a folder of them. Mistakes are
// named with file, line and column.

#include "agent/config.h"

#include <string>
#include <vector>

namespace nl::agent {

/// One document. `name` is shown in errors. Errors: InvalidArgument.
Result<Config> parse_config(std::string_view text, const std::string& name);

/// Files and folders (every *.hcl and *.json in them, sorted), laid over each other in order.
/// Errors: NotFound, PermissionDenied, InvalidArgument.
Result<Config> load_config(const std::vector<std::string>& paths);

}  // namespace nl::agent
