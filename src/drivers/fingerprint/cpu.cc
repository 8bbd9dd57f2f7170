#include "drivers/fingerprint/cpu.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

namespace nl::drivers {
namespace {

/// What is assumed where neither the kernel nor the processor tells.
constexpr std::int64_t kDefaultMhz = 1000;
constexpr std::int64_t kMostCores = 8192;
constexpr std::int64_t kPerformance = 1;

std::string whole_file(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

std::int64_t number_in(const std::string& path) {
    return std::strtoll(whole_file(path).c_str(), nullptr, 10);
}

/// "cpu MHz" and "model name" of /proc/cpuinfo, by processor.
struct CpuInfo {
    std::string model_name;
    std::map<std::int64_t, std::int64_t> mhz;
};

CpuInfo read_cpuinfo(const std::string& root) {
    CpuInfo out;
    std::istringstream in(whole_file(root + "/proc/cpuinfo"));
    std::string line;
    std::int64_t processor = 0;
    while (std::getline(in, line)) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) {
            continue;
        }
        std::string key = line.substr(0, colon);
        key.erase(key.find_last_not_of(" \t") + 1);
        const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
        const std::string value = begin == std::string::npos ? "" : line.substr(begin);
        if (key == "processor") {
            processor = std::strtoll(value.c_str(), nullptr, 10);
        } else if (key == "cpu MHz") {
            out.mhz[processor] =
                static_cast<std::int64_t>(std::strtod(value.c_str(), nullptr) + 0.5);
        } else if (key == "model name" && out.model_name.empty()) {
            out.model_name = value;
        }
    }
    return out;
}

}  // namespace

std::vector<std::int64_t> parse_cpu_list(const std::string& text) {
    std::set<std::int64_t> out;
    std::istringstream in(text);
    std::string part;
    while (std::getline(in, part, ',')) {
        char* end = nullptr;
        const std::int64_t first = std::strtoll(part.c_str(), &end, 10);
        if (end == part.c_str()) {
            continue;
        }
        const std::int64_t last = *end == '-' ? std::strtoll(end + 1, nullptr, 10) : first;
        for (std::int64_t i = first; i <= last && i - first < kMostCores; ++i) {
            out.insert(i);
        }
    }
    return {out.begin(), out.end()};
}

std::string format_cpu_list(const std::vector<std::int64_t>& list) {
    std::string out;
    for (std::size_t i = 0; i < list.size();) {
        std::size_t last = i;
        while (last + 1 < list.size() && list[last + 1] == list[last] + 1) {
            ++last;
        }
        out += fmt::format("{}{}", out.empty() ? "" : ",", list[i]);
        if (last > i) {
            out += fmt::format("-{}", list[last]);
        }
        i = last + 1;
    }
    return out;
}

CpuFacts read_cpu(const std::string& root) {
    CpuFacts out;
    const CpuInfo info = read_cpuinfo(root);
    out.model_name = info.model_name;
    const std::string base = root + "/sys/devices/system";
    std::vector<std::int64_t> cores = parse_cpu_list(whole_file(base + "/cpu/online"));
    if (cores.empty()) {
        const auto count =
            static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
        for (std::int64_t i = 0; i < count; ++i) {
            cores.push_back(i);
        }
    }
    // NUMA: which node has which core, and how far the nodes are from each other.
    std::map<std::int64_t, std::int64_t> node_of;
    for (const std::int64_t node : parse_cpu_list(whole_file(base + "/node/online"))) {
        const std::string folder = fmt::format("{}/node/node{}", base, node);
        out.topology.nodes.push_back(node);
        for (const std::int64_t core : parse_cpu_list(whole_file(folder + "/cpulist"))) {
            node_of[core] = node;
        }
        std::istringstream distances(whole_file(folder + "/distance"));
        std::vector<std::int64_t> row;
        for (std::int64_t d = 0; distances >> d;) {
            row.push_back(d);
        }
        out.topology.distances.push_back(std::move(row));
    }
    if (out.topology.nodes.empty()) {
        out.topology.nodes = {0};
        out.topology.distances = {{10}};
    }
    // Machines with two kinds of cores say which are the small ones.
    std::set<std::int64_t> small;
    for (const std::int64_t core :
         parse_cpu_list(whole_file(root + "/sys/devices/cpu_atom/cpus"))) {
        small.insert(core);
    }
    for (const std::int64_t id : cores) {
        const std::string folder = fmt::format("{}/cpu/cpu{}", base, id);
        model::TopologyCore core;
        core.id = id;
        core.socket_id =
            std::max<std::int64_t>(number_in(folder + "/topology/physical_package_id"), 0);
        core.node_id = node_of.contains(id) ? node_of[id] : 0;
        core.grade = small.contains(id) ? 0 : kPerformance;
        core.base_speed = number_in(folder + "/cpufreq/base_frequency") / 1000;
        core.max_speed = number_in(folder + "/cpufreq/cpuinfo_max_freq") / 1000;
        if (core.base_speed == 0 && core.max_speed == 0) {
            const auto at = info.mhz.find(id);
            core.guess_speed = at != info.mhz.end() && at->second > 0 ? at->second : kDefaultMhz;
        }
        const std::int64_t mhz = core.base_speed > 0  ? core.base_speed
                                 : core.max_speed > 0 ? core.max_speed
                                                      : core.guess_speed;
        out.total_compute += mhz;
        if (core.grade == kPerformance) {
            out.mhz = std::max(out.mhz, mhz);
        } else {
            out.efficiency_mhz = std::max(out.efficiency_mhz, mhz);
            ++out.efficiency_cores;
        }
        out.topology.cores.push_back(core);
    }
    return out;
}

}  // namespace nl::drivers
