#pragma once
// Linux capabilities as jobs name them ("net_admin", "CAP_NET_ADMIN", "all") and what a node lets
// them ask for. Shared by every driver that isolates. After capabilities(7); the default set is the
// container engines' without net_raw, which lets a task read and forge its neighbours' packets.

#include "base/error.h"

#include <string>
#include <vector>

namespace nl::drivers {

/// What a job may ask for, and what a task that runs as root has, unless the node says otherwise.
std::vector<std::string> default_capabilities();

/// Lower case, without "cap_". "all" stays.
std::string capability_name(const std::string& text);

/// (`base` + add) - drop, sorted, each as "CAP_...". `add` = all adds everything allowed; `drop` =
/// all drops everything in `base`. Errors: PermissionDenied (asks for what `allowed` lacks),
/// InvalidArgument (no such capability).
Result<std::vector<std::string>> resolve_capabilities(
    const std::vector<std::string>& base,
    const std::vector<std::string>& allowed,
    const std::vector<std::string>& add,
    const std::vector<std::string>& drop
);

}  // namespace nl::drivers
