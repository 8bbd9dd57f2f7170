#pragma once
// What a constraint's or affinity's two sides mean on a node, and how its operator compares them.
// `resolve_target` turns "${attr.kernel.name}" into the node's value; `holds` applies the operator.
// distinct_hosts and distinct_property are not decided here: they depend on the other placements of
// the plan (sched/feasible). Source: jobspec reference, section 4.

#include "model/node.h"
#include "sched/regex_adapter.h"

#include <optional>
#include <string_view>

namespace nl::sched {

/// The value of a target on a node; nullopt if it is an interpolation the node does not answer.
/// Text that does not start with "${" is itself. The view lives as long as the node and `target`.
std::optional<std::string_view> resolve_target(std::string_view target, const model::Node& node);

/// As resolve_target, into `scratch` where the value must be made first (node ids).
std::optional<std::string_view> resolve_target(
    std::string_view target, const model::Node& node, std::string& scratch
);

/// Whether the target may differ between nodes of one computed class ("unique." in its key).
bool is_unique_target(std::string_view target);

/// Applies an operator other than distinct_hosts and distinct_property. An unknown operator never
/// holds.
bool holds(
    std::string_view operand,
    std::optional<std::string_view> left,
    std::optional<std::string_view> right,
    RegexCache& regexes
);

/// A glob in which `*` stands for any text (datacenter patterns).
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace nl::sched
