#include "drivers/process_stats.h"

#include <dirent.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace nl::drivers {
namespace {

struct ProcessTimes {
    int session{0};
    double user{0};
    double system{0};
    std::int64_t rss_bytes{0};
};

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

bool read_process(const std::string& pid, ProcessTimes& out) {
    const std::string stat = slurp("/proc/" + pid + "/stat");
    // The command's name stands in parentheses and may hold anything.
    const std::size_t end = stat.rfind(')');
    if (end == std::string::npos) {
        return false;
    }
    std::istringstream in(stat.substr(end + 2));
    std::string field;
    std::vector<std::string> fields;
    while (in >> field) {
        fields.push_back(field);
    }
    if (fields.size() < 22) {
        return false;
    }
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    out.session = static_cast<int>(std::strtol(fields[3].c_str(), nullptr, 10));
    out.user = std::strtod(fields[11].c_str(), nullptr) / ticks;
    out.system = std::strtod(fields[12].c_str(), nullptr) / ticks;
    out.rss_bytes = std::strtoll(fields[21].c_str(), nullptr, 10) * sysconf(_SC_PAGESIZE);
    return true;
}

model::ResourceUsage usage_of(const ProcessTimes& t) {
    model::ResourceUsage out;
    auto& memory = out.memory_stats.ensure();
    memory.rss = t.rss_bytes;
    memory.usage = t.rss_bytes;
    memory.measured = {"RSS"};
    auto& cpu = out.cpu_stats.ensure();
    cpu.user_mode = t.user;
    cpu.system_mode = t.system;
    cpu.percent = 0;
    cpu.total_ticks = t.user + t.system;
    cpu.measured = {"System Mode", "User Mode", "Percent"};
    return out;
}

}  // namespace

Result<model::TaskResourceUsage> session_usage(int pid, WallTime now) {
    DIR* proc = opendir("/proc");
    if (proc == nullptr) {
        return fail(ErrorCode::Unavailable, "/proc cannot be read");
    }
    ProcessTimes sum;
    model::TaskResourceUsage out;
    bool any = false;
    while (const dirent* entry =
               readdir(proc)) {  // NOLINT(concurrency-mt-unsafe): the stream is this call's own.
        const std::string name = entry->d_name;
        ProcessTimes one;
        if (name.empty() || name[0] < '0' || name[0] > '9' || !read_process(name, one) ||
            one.session != pid) {
            continue;
        }
        any = true;
        sum.user += one.user;
        sum.system += one.system;
        sum.rss_bytes += one.rss_bytes;
        out.pids[name] = usage_of(one);
    }
    closedir(proc);
    if (!any) {
        return fail(ErrorCode::NotFound, "no process of the task is left");
    }
    out.resource_usage = usage_of(sum);
    out.timestamp = now.unix_ns;
    return out;
}

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
