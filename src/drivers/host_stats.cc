#include "drivers/host_stats.h"

#include <sys/statvfs.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace nl::drivers {
namespace {

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

}  // namespace

model::HostStats HostStatsReader::read(const std::string& alloc_dir, WallTime now) {
    model::HostStats out;
    out.timestamp = now.unix_ns;
    auto& memory = out.memory.ensure();
    std::istringstream meminfo(slurp("/proc/meminfo"));
    std::string key;
    std::int64_t kb = 0;
    std::string unit;
    while (meminfo >> key >> kb) {
        std::getline(meminfo, unit);
        if (key == "MemTotal:") {
            memory.total = kb * 1024;
        } else if (key == "MemFree:") {
            memory.free = kb * 1024;
        } else if (key == "MemAvailable:") {
            memory.available = kb * 1024;
        }
    }
    memory.used = memory.total - memory.available;

    std::istringstream stat(slurp("/proc/stat"));
    std::string line;
    while (std::getline(stat, line)) {
        if (!line.starts_with("cpu") || line.starts_with("cpu ")) {
            continue;
        }
        std::istringstream in(line);
        std::string name;
        double user = 0;
        double nice = 0;
        double system = 0;
        double idle = 0;
        double iowait = 0;
        double irq = 0;
        double softirq = 0;
        double steal = 0;
        in >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
        const Times fresh{
            .user = user + nice,
            .system = system + irq + softirq,
            .idle = idle + iowait,
            .total = user + nice + system + idle + iowait + irq + softirq + steal
        };
        const Times before = std::exchange(last_[name], fresh);
        const double span = fresh.total - before.total;
        model::CPUStats cpu;
        cpu.cpu = name;
        if (span > 0) {
            cpu.user = (fresh.user - before.user) / span * 100;
            cpu.system = (fresh.system - before.system) / span * 100;
            cpu.idle = (fresh.idle - before.idle) / span * 100;
            cpu.total_percent = cpu.user + cpu.system;
        }
        out.cpu.push_back(std::move(cpu));
    }

    struct statvfs disk{};
    if (statvfs(alloc_dir.c_str(), &disk) == 0) {
        model::DiskStats stats;
        stats.mountpoint = alloc_dir;
        const auto block = static_cast<std::int64_t>(disk.f_frsize);
        stats.size = static_cast<std::int64_t>(disk.f_blocks) * block;
        stats.available = static_cast<std::int64_t>(disk.f_bavail) * block;
        stats.used = stats.size - static_cast<std::int64_t>(disk.f_bfree) * block;
        stats.used_percent =
            stats.size > 0 ? static_cast<double>(stats.used) / static_cast<double>(stats.size) * 100
                           : 0;
        stats.inodes_used_percent = disk.f_files > 0
                                        ? static_cast<double>(disk.f_files - disk.f_ffree) /
                                              static_cast<double>(disk.f_files) * 100
                                        : 0;
        out.alloc_dir_stats = stats;
        out.disk_stats.push_back(std::move(stats));
    }
    out.uptime = static_cast<std::int64_t>(std::strtod(slurp("/proc/uptime").c_str(), nullptr));
    return out;
}

}  // namespace nl::drivers
