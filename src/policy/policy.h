#pragma once
// The rules of one ACL policy as its author wrote them, in HCL or JSON: parsed and checked, coarse
// policies expanded to the capabilities they stand for. policy/acl.h makes decisions of them.
// Anything a policy says that is not understood is refused: a rule that is silently left out would
// allow or forbid something else than it says. Source: Nomad's ACL policy specification.

#include "base/error.h"
#include "base/value.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::policy {

/// Longer rules are refused.
inline constexpr std::size_t kRulesBytesMax = 1U << 20;

struct PathRule {
    std::string path;
    std::vector<std::string> capabilities;
};
struct NamespaceRule {
    std::string name;
    std::string policy;
    std::vector<std::string> capabilities;
    /// Present if there is a `variables` block.
    std::optional<std::vector<PathRule>> paths;
};
/// Of node pools and host volumes.
struct NamedRule {
    std::string name;
    std::string policy;
    std::vector<std::string> capabilities;
};
struct OperatorRule {
    std::string policy;
    std::vector<std::string> capabilities;
};

struct Policy {
    std::vector<NamespaceRule> namespaces;
    std::vector<NamedRule> node_pools;
    std::vector<NamedRule> host_volumes;
    std::optional<std::string> agent;
    std::optional<std::string> node;
    std::optional<OperatorRule> operator_;
    std::optional<std::string> quota;
    std::optional<std::string> plugin;
    std::optional<std::string> sentinel;
    std::string raw;
};

/// Empty rules give an empty policy. Errors: InvalidArgument with Nomad's words where it has some.
Result<Policy> parse_policy(std::string_view rules);

/// The rules as `RulesJSON` of a policy shows them.
Value rules_json(const Policy& policy);

}  // namespace nl::policy
