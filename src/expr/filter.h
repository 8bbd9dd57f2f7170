#pragma once
// Filter expressions of list endpoints: `Status == "ready" and Meta.rack in ["a"]`-like conditions
// on an object seen as a free-form value with its JSON names. Parsing and evaluating are bounded;
// evaluation never fails: a selector that names nothing matches only what nothing matches.
// Source: Nomad HTTP API, 0.8 (go-bexpr's grammar).

#include "base/error.h"
#include "base/value.h"

#include <cstddef>
#include <memory>
#include <string_view>

namespace nl::expr {

/// Longest expression and deepest nesting that are read.
inline constexpr std::size_t kMaxFilterBytes = 16 << 10;
inline constexpr int kMaxFilterDepth = 64;

struct FilterNode;

class Filter {
public:
    /// Matches everything.
    Filter() = default;
    /// "" matches everything. Errors: InvalidArgument, `line:column (offset): ...`.
    static Result<Filter> parse(std::string_view text);

    bool matches(const Value& object) const;
    bool matches_all() const { return root_ == nullptr; }

private:
    std::shared_ptr<const FilterNode> root_;
};

}  // namespace nl::expr
