#pragma once
// Query parameters as Nomad reads them: booleans as Go's ParseBool, waiting, paging, and the region
// and namespace of a request. Source: Nomad HTTP API, 0.5 to 0.7.

#include "api/request.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/strong.h"
#include "base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nl::api {

inline constexpr Duration kWaitDefault = seconds(300);
inline constexpr Duration kWaitMax = seconds(300);
/// A blocking read waits up to a sixteenth longer, so that many do not wake at once.
inline constexpr std::int64_t kWaitJitterParts = 16;

/// Go's ParseBool.
std::optional<bool> parse_bool(std::string_view text);

/// A missing parameter gives nothing; an empty one (`?resources`) is an error, as in Nomad.
/// Errors: InvalidArgument (400).
Result<std::optional<bool>> bool_param(const Request& request, std::string_view name);
/// As bool_param with a default, answering 500 for a bad value as most of Nomad's routes do.
Result<bool> flag(const Request& request, std::string_view name, bool otherwise = false);

/// The text of a parameter, "" when missing.
std::string text_param(const Request& request, std::string_view name);

/// The namespace asked for: the parameter, else "default".
std::string namespace_of(const Request& request);
inline constexpr std::string_view kAllNamespaces = "*";

struct ReadOptions {
    /// Answer only once the result's index is above this; 0 answers at once.
    Index min_index;
    Duration wait = kWaitDefault;
    bool stale = false;
    std::string prefix;
    std::string filter;
    std::uint64_t per_page = 0;
    std::string next_token;
    bool reverse = false;
};
/// Errors: InvalidArgument with Nomad's texts.
Result<ReadOptions> read_options(const Request& request);

/// The wait with its jitter.
Duration jittered(Duration wait, Rng& rng);

}  // namespace nl::api
