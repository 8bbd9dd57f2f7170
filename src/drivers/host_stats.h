#pragma once
// What processes use, read from /proc. A task is a session (setsid at its start): everything with
// its session id belongs to it.

#include "base/error.h"
#include "base/time.h"
#include "model/client_stats.h"

#include <cstdint>
#include <map>
#include <string>

namespace nl::drivers {

/// The machine: memory, cpu time shares since the last call with this object, its disks and the one
/// that holds `alloc_dir`.
class HostStatsReader {
public:
    HostStatsReader();
    model::HostStats read(const std::string& alloc_dir, WallTime now);

private:
    struct Times {
        double user{0}, system{0}, idle{0}, total{0};
    };
    /// A tick is a MHz used for a second.
    std::int64_t mhz_;
    std::map<std::string, Times> last_;
};

}  // namespace nl::drivers
