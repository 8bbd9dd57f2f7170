#pragma once
// How values look on the screen: aligned tables, key = value blocks, short ids, times and sizes, in
// the forms that Nomad's users and their scripts know. All pure text; colours come from cli/ui.h.

#include "base/time.h"
#include "cli/json.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::cli {

using Row = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Columns two spaces apart, left aligned; an empty cell becomes "<none>". No final newline.
std::string table(const std::vector<Row>& rows);

/// "Key = Value" lines with the keys padded to one width. No final newline.
std::string key_values(const Pairs& pairs);

enum class IdLength : unsigned char { Short, Full };

/// The first 8 characters, or all of them.
std::string short_id(std::string_view id, IdLength length);

/// Seconds in RFC 3339 with the local offset; "" for a time before 1970-01-01T00:00:01Z.
std::string local_time(WallTime time, int offset_seconds);

/// The two largest units of the distance: "1h3m ago", "5s from now", "0s ago".
std::string time_distance(WallTime time, WallTime now);

/// A duration without its trailing zero units: "1h" for "1h0m0s".
std::string short_duration(Duration duration);

/// Binary units as "1.1 MiB", "256 MiB", "512 B".
std::string binary_size(std::uint64_t bytes);

/// Reads either nanoseconds as a number or RFC 3339 text; the zero time when it is neither.
WallTime read_time(Doc value);

/// Text repeated items joined: "a,b".
std::string join(const std::vector<std::string>& items, std::string_view separator);
std::vector<std::string> texts(const Value::List& list);

/// Characters that the terminal shows: UTF-8 counts as characters, colour codes as nothing.
std::size_t visible_width(std::string_view text);

}  // namespace nl::cli
