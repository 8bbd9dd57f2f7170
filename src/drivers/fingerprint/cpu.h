#pragma once
// The processors of a machine: cores, sockets, NUMA nodes, speeds. Read from /sys below a root, so
// that any machine can be told from files.

#include "model/node.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::drivers {

struct CpuFacts {
    std::string model_name;
    model::Topology topology;
    /// MHz of the fast cores, and of the slow ones where there are two kinds (else 0).
    std::int64_t mhz{};
    std::int64_t efficiency_mhz{};
    std::int64_t efficiency_cores{};
    /// MHz of all that are not disabled.
    std::int64_t total_compute{};
};

/// `root` is "" for this machine, or a folder that holds sys/ and proc/.
CpuFacts read_cpu(const std::string& root);

/// "0-3,8" -> 0 1 2 3 8. What is not a number is skipped.
std::vector<std::int64_t> parse_cpu_list(const std::string& text);
/// The way back.
std::string format_cpu_list(const std::vector<std::int64_t>& list);

}  // namespace nl::drivers
