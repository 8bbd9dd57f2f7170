#include "drivers/host_stats.h"

#include "drivers/fingerprint/cpu.h"

#include <sys/statvfs.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

namespace nl::drivers {
namespace {

/// Disks that one answer tells of.
constexpr std::size_t kDisksMax = 64;

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// What the file system at `mountpoint` holds; nothing where it does not say.
std::optional<model::DiskStats> disk_stats(std::string device, const std::string& mountpoint) {
    struct statvfs disk{};
    if (statvfs(mountpoint.c_str(), &disk) != 0 || disk.f_blocks == 0) {
        return {};
    }
    model::DiskStats stats;
    stats.device = std::move(device);
    stats.mountpoint = mountpoint;
    const auto block = static_cast<std::int64_t>(disk.f_frsize);
    stats.size = static_cast<std::int64_t>(disk.f_blocks) * block;
    stats.available = static_cast<std::int64_t>(disk.f_bavail) * block;
    stats.used = stats.size - static_cast<std::int64_t>(disk.f_bfree) * block;
    // Of what those who are not root may use.
    const std::int64_t usable = stats.used + stats.available;
    stats.used_percent =
        usable > 0 ? static_cast<double>(stats.used) / static_cast<double>(usable) * 100 : 0;
    if (disk.f_files > 0) {
        stats.inodes_used_percent = static_cast<double>(disk.f_files - disk.f_ffree) /
                                    static_cast<double>(disk.f_files) * 100;
    }
    return stats;
}

/// The file systems on block devices, each device once for each place it is mounted at.
std::vector<model::DiskStats> mounted_disks() {
    std::vector<model::DiskStats> out;
    std::istringstream mounts(slurp("/proc/self/mounts"));
    std::string line;
    while (std::getline(mounts, line) && out.size() < kDisksMax) {
        std::istringstream in(line);
        std::string device;
        std::string mountpoint;
        in >> device >> mountpoint;
        if (!device.starts_with("/dev/")) {
            continue;
        }
        if (auto stats = disk_stats(device, mountpoint)) {
            out.push_back(std::move(*stats));
        }
    }
    return out;
}

}  // namespace

HostStatsReader::HostStatsReader() : mhz_(read_cpu("").mhz) {}

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
            cpu.total_ticks = cpu.total_percent / 100 * static_cast<double>(mhz_);
        }
        out.cpu_ticks_consumed += cpu.total_ticks;
        out.cpu.push_back(std::move(cpu));
    }

    if (auto folder = disk_stats("", alloc_dir)) {
        folder->mountpoint.clear();
        out.alloc_dir_stats = std::move(*folder);
    }
    out.disk_stats = mounted_disks();
    out.uptime = static_cast<std::int64_t>(std::strtod(slurp("/proc/uptime").c_str(), nullptr));
    return out;
}

}  // namespace nl::drivers
