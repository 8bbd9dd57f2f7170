#pragma once
// `${...}` in task strings at run time (job specification, section 7): NOMAD_ variables, env["X"],
// node., attr. and meta. A doubled dollar sign stands for one. What is not known is kept as written
// in most places; in a driver's configuration it is an error.

#include "base/error.h"
#include "base/value.h"
#include "model/node.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace nl::client {

enum class Unknown : unsigned char { Keep, Refuse };

/// Replacement for the text between the braces; nullopt if it is unknown.
using Lookup = std::function<std::optional<std::string>(std::string_view)>;

/// Errors (with Refuse): InvalidArgument, in the words of HCL's diagnostics.
Result<std::string> interpolate(std::string_view text, const Lookup& lookup, Unknown unknown);
/// Every string in a free-form value, keys left alone. Nesting is bounded by what the codec reads.
Result<Value> interpolate(const Value& value, const Lookup& lookup, Unknown unknown);

/// What a node answers for "node.…", "attr.…" and "meta.…".
std::optional<std::string> node_variable(
    const model::Node& node, std::string_view region, std::string_view name
);

}  // namespace nl::client
