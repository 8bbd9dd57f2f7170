#pragma once
// Time as values. The pure core never asks a clock: Instant (monotonic) and WallTime (calendar)
// come in as arguments. Text forms follow Go, because Nomad's clients read and write them:
// durations as time.Duration prints ("1h30m0s", "1.5s", "200ms"), wall times as RFC 3339 with
// nanoseconds.

#include "base/error.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace nl {

/// A signed span in nanoseconds.
struct Duration {
    std::int64_t ns{0};

    friend constexpr auto operator<=>(const Duration&, const Duration&) = default;
    friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
    friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
    friend constexpr Duration operator*(Duration a, std::int64_t n) { return {a.ns * n}; }
    friend constexpr Duration operator/(Duration a, std::int64_t n) { return {a.ns / n}; }
    constexpr std::int64_t ms() const { return ns / 1'000'000; }
    constexpr double seconds() const { return static_cast<double>(ns) / 1e9; }
};

constexpr Duration nanoseconds(std::int64_t n) {
    return {n};
}
constexpr Duration microseconds(std::int64_t n) {
    return {n * 1'000};
}
constexpr Duration milliseconds(std::int64_t n) {
    return {n * 1'000'000};
}
constexpr Duration seconds(std::int64_t n) {
    return {n * 1'000'000'000};
}
constexpr Duration minutes(std::int64_t n) {
    return seconds(n * 60);
}
constexpr Duration hours(std::int64_t n) {
    return minutes(n * 60);
}

/// A point on a process's monotonic clock (or the simulator's virtual one). Only differences mean
/// anything.
struct Instant {
    std::int64_t ns{0};

    friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
    friend constexpr Instant operator+(Instant a, Duration d) { return {a.ns + d.ns}; }
    friend constexpr Instant operator-(Instant a, Duration d) { return {a.ns - d.ns}; }
    friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
    static constexpr Instant max() { return {INT64_MAX}; }
};

/// Nanoseconds since the Unix epoch, UTC. `WallTime{}` (0) stands for Go's zero time: it prints as
/// 0001-01-01T00:00:00Z.
struct WallTime {
    std::int64_t unix_ns{0};

    friend constexpr auto operator<=>(const WallTime&, const WallTime&) = default;
    friend constexpr WallTime operator+(WallTime a, Duration d) { return {a.unix_ns + d.ns}; }
    friend constexpr WallTime operator-(WallTime a, Duration d) { return {a.unix_ns - d.ns}; }
    friend constexpr Duration operator-(WallTime a, WallTime b) { return {a.unix_ns - b.unix_ns}; }
    constexpr bool is_zero() const { return unix_ns == 0; }
};

/// As Go's time.Duration.String: "0s", "1.5s", "1h0m0s", "250ms", "3µs".
std::string to_string(Duration d);

/// As Go's time.ParseDuration: a signed sequence of numbers with units ns us µs ms s m h; "0" needs
/// none. Errors: InvalidArgument with Go's wording, `time: invalid duration "x"`, unknown unit,
/// missing unit.
Result<Duration> parse_duration(std::string_view text);

/// RFC 3339 with as many fractional digits as needed (Go's RFC3339Nano), always in UTC with a
/// trailing Z.
std::string to_rfc3339(WallTime t);
/// Accepts RFC 3339 with any offset; the zero time of Go gives WallTime{}. Errors: InvalidArgument.
Result<WallTime> parse_rfc3339(std::string_view text);

/// A calendar date and time of day in UTC.
struct CivilTime {
    std::int64_t year{1970};
    int month{1}, day{1}, hour{0}, minute{0}, second{0};
    std::int64_t nanosecond{0};
};
CivilTime to_civil(WallTime t);
WallTime from_civil(const CivilTime& c);

}  // namespace nl
