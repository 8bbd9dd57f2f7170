#pragma once
// Whether text is a regular expression, for those that check a job before anything is matched.
// Syntax is RE2's, which is Go's. One adapter for the library.

#include <string>
#include <string_view>

namespace nl::expr {

/// What is wrong with the pattern, in the words of Go's regexp package ("error parsing regexp:
/// missing closing ]: `[`"); "" if it compiles.
std::string pattern_error(std::string_view pattern);

}  // namespace nl::expr
