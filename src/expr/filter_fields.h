#pragma once
// What a filter expression looks at, for whoever makes the objects it is to look at.

#include <string>
#include <string_view>
#include <vector>

namespace nl::expr {

/// The object's own fields that the expression names: an object with only these matches just as the
/// whole one does. None for an expression that cannot be read.
std::vector<std::string> filter_fields(std::string_view expression);

}  // namespace nl::expr
