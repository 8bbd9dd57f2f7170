#pragma once
// JSON text and free-form values. Reading accepts RFC 8259 JSON up to a depth and size; writing
// escapes as Go does without HTML escaping.

#include "base/error.h"
#include "base/value.h"

#include <string>
#include <string_view>

namespace nl::wire {

/// Deepest nesting of arrays and objects that is read.
inline constexpr std::size_t kMaxJsonDepth = 256;

/// Errors: InvalidArgument, naming what is wrong.
Result<Value> parse_json(std::string_view text);

enum class Layout : unsigned char { Compact, Pretty };

/// Pretty is indented by four spaces, as `?pretty` and `-json` print it.
std::string write_json(const Value& value, Layout layout = Layout::Compact);

/// Appends `text` quoted and escaped; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// Shortest decimal form that reads back to the same double; integers without a point.
void append_json_number(std::string& out, double number);

/// Indents compact JSON text by four spaces a level.
std::string prettify(std::string_view compact);

}  // namespace nl::wire
