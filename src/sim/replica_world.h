#pragma once
// One seed's life of a Raft group: whole replicas on faulty disks and a faulty network, in virtual
// time, with clients that write and read. First faults and promises (safety), then everything is
// mended and the group must work again (liveness). The seed decides everything, so a failure is
// repeated by its number alone.

#include "base/strong.h"

#include <cstdint>
#include <functional>
#include <string>

namespace nl::sim {

struct Outcome {
    /// Empty: every promise was kept.
    std::string violation;
    std::size_t acknowledged{0};
    std::size_t reads{0};
    std::size_t elections{0};
    /// Over the final states and the number of steps: two runs of a seed must agree.
    std::uint64_t hash{0};
};

/// `trace`, if given, gets a line for everything worth telling.
Outcome run_replicas(std::uint64_t seed, const std::function<void(const std::string&)>& trace);

}  // namespace nl::sim
