#pragma once
// What processes use, read from /proc. A task is a session (setsid at its start): everything with
// its session id belongs to it.

#include "base/error.h"
#include "base/time.h"
#include "model/client_stats.h"

#include <map>
#include <string>

namespace nl::drivers {

/// The machine: memory, cpu time shares since the last call with this object, the disk that holds
/// `alloc_dir`.
class HostStatsReader {
public:
    model::HostStats read(const std::string& alloc_dir, WallTime now);

private:
    struct Times {
        double user{0}, system{0}, idle{0}, total{0};
    };
    std::map<std::string, Times> last_;
};

}  // namespace nl::drivers
