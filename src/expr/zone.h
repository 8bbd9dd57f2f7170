#pragma once
// A time zone as a value: which offset from UTC holds from which moment on. The rules come from
// outside (io/time_zones reads the system's database) and are handed in, so that whoever computes
// with them stays pure. Plain values; share them as pointers to const.
// Source: RFC 8536 (TZif), section 3.2, whose transitions these are.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nl::expr {

struct ZoneChange {
    /// Seconds since the Unix epoch, UTC: the first second at which `offset` holds.
    std::int64_t at{0};
    /// Seconds east of UTC.
    std::int32_t offset{0};
};

struct Zone {
    std::string name;
    /// Ascending by `at`; the first entry's `at` is the smallest value there is.
    /// Invariant: not empty.
    std::vector<ZoneChange> changes{{std::numeric_limits<std::int64_t>::min(), 0}};

    /// The index in `changes` of what holds at a moment.
    std::size_t index_at(std::int64_t unix_seconds) const;
    std::int32_t offset_at(std::int64_t unix_seconds) const {
        return changes[index_at(unix_seconds)].offset;
    }
};

/// Where zones come from.
class ZoneSource {
public:
    virtual ~ZoneSource() = default;
    /// The zone of an IANA name ("Europe/Berlin"); null if there is none. The same name always
    /// gives the same zone. Any thread.
    virtual std::shared_ptr<const Zone> find(std::string_view name) const = 0;
};

/// Names that need no source: "" and "UTC".
inline bool is_utc(std::string_view zone) {
    return zone.empty() || zone == "UTC";
}

}  // namespace nl::expr
