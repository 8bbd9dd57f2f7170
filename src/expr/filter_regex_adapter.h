#pragma once
// The one place of expr that knows RE2: linear time, so safe on a user's expression.

#include "base/error.h"

#include <memory>
#include <string_view>

namespace re2 {
class RE2;
}

namespace nl::expr {

class FilterRegex {
public:
    /// Errors: InvalidArgument.
    static Result<FilterRegex> compile(std::string_view pattern);
    bool found_in(std::string_view text) const;

private:
    std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace nl::expr
