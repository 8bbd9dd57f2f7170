#pragma once
// One seed's life of a Raft group: whole replicas on faulty disks, clocks and a faulty network, in
// virtual time, with clients that write and read. First faults and promises (safety); then either
// all is mended, or only a majority is and the others stay away for good, and the group must work
// again (liveness). The seed decides everything, so a failure is repeated by its number alone.

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
    std::size_t retried{0};
    std::size_t deduplicated{0};
    std::size_t elections{0};
    std::size_t installs{0};
    std::size_t repairs{0};
    /// More servers than a minority were damaged, so that standing still was the only safe thing;
    /// this seed proves nothing about progress.
    bool stood_still{false};
    /// The history was too tangled to be judged within the checker's bound.
    bool unjudged{false};
    /// Over the final states, the answers and the number of steps: two runs of a seed must agree.
    std::uint64_t hash{0};
};

/// `trace`, if given, gets a line for everything worth telling.
Outcome run_replicas(std::uint64_t seed, const std::function<void(const std::string&)>& trace);

}  // namespace nl::sim
