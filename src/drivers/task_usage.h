#pragma once
// What a task uses, read from /proc for each of its processes (and its control group's list of
// them). Percent is of one core since the sample before, or since the process started. Owned by the
// driver that started the tasks; any thread, under its own lock.

#include "base/error.h"
#include "model/client_stats.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace nl::drivers {

class UsageSampler {
public:
    /// `procs` is a cgroup.procs file or ""; `pid` the first process, whose session is taken
    /// without one.
    Result<model::TaskResourceUsage> sample(
        const std::string& id, int pid, const std::string& procs, double core_mhz
    );
    void forget(const std::string& id);

private:
    struct Before {
        std::int64_t at_ns{};
        std::int64_t user_ticks{};
        std::int64_t system_ticks{};
    };
    std::mutex mutex_;
    std::map<std::string, Before> before_;
};

}  // namespace nl::drivers
