#include "drivers/task_usage.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

namespace nl::drivers {
namespace {

struct ProcessUse {
    std::int64_t session{};
    std::int64_t user_ticks{};
    std::int64_t system_ticks{};
    std::int64_t start_ticks{};
    std::int64_t rss_pages{};
};

bool read_stat(int pid, ProcessUse& use) {
    std::ifstream in(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(in, text);
    const std::size_t end = text.rfind(')');
    if (end == std::string::npos) {
        return false;
    }
    // proc(5): state ppid pgrp session, then fields 14, 15 (times), 22 (start), 24 (resident
    // pages).
    std::istringstream fields(text.substr(end + 2));
    std::string word;
    for (int field = 3; fields >> word; ++field) {
        const std::int64_t n = std::strtoll(word.c_str(), nullptr, 10);
        use.session = field == 6 ? n : use.session;
        use.user_ticks = field == 14 ? n : use.user_ticks;
        use.system_ticks = field == 15 ? n : use.system_ticks;
        use.start_ticks = field == 22 ? n : use.start_ticks;
        use.rss_pages = field == 24 ? n : use.rss_pages;
    }
    return true;
}

std::vector<int> processes(int pid, const std::string& procs) {
    std::vector<int> pids;
    if (!procs.empty()) {
        std::ifstream in(procs);
        for (int one = 0; in >> one;) {
            pids.push_back(one);
        }
    }
    if (!pids.empty()) {
        return pids;
    }
    DIR* dir = ::opendir("/proc");
    if (dir == nullptr) {
        return {pid};
    }
    while (const dirent* entry = ::readdir(dir)) {
        const int one = std::atoi(entry->d_name);
        if (one > 0 && ::getsid(one) == pid) {
            pids.push_back(one);
        }
    }
    ::closedir(dir);
    return pids;
}

std::int64_t clock_ns(clockid_t clock) {
    timespec t{};
    ::clock_gettime(clock, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

model::ResourceUsage usage_of(std::int64_t rss, double user, double system, double mhz) {
    model::ResourceUsage usage;
    usage.memory_stats.ensure().rss = rss;
    usage.memory_stats->usage = rss;
    usage.memory_stats->measured = {"RSS", "Usage"};
    usage.cpu_stats.ensure().user_mode = user;
    usage.cpu_stats->system_mode = system;
    usage.cpu_stats->percent = user + system;
    usage.cpu_stats->total_ticks = (user + system) / 100.0 * mhz;
    usage.cpu_stats->measured = {"System Mode", "User Mode", "Percent"};
    return usage;
}

}  // namespace

Result<model::TaskResourceUsage> UsageSampler::sample(
    const std::string& id, int pid, const std::string& procs, double core_mhz
) {
    const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const std::int64_t page = ::sysconf(_SC_PAGESIZE);
    const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
    Before sum{now, 0, 0};
    std::int64_t rss = 0;
    std::int64_t first_start = -1;
    model::TaskResourceUsage out;
    for (const int one : processes(pid, procs)) {
        ProcessUse use;
        if (!read_stat(one, use)) {
            continue;
        }
        sum.user_ticks += use.user_ticks;
        sum.system_ticks += use.system_ticks;
        rss += use.rss_pages * page;
        first_start =
            first_start < 0 || use.start_ticks < first_start ? use.start_ticks : first_start;
        const double alive = static_cast<double>(now) / 1e9 -
                             static_cast<double>(use.start_ticks) / ticks_per_second;
        const double scale = alive > 0 ? 100.0 / ticks_per_second / alive : 0;
        out.pids.emplace(
            std::to_string(one),
            usage_of(
                use.rss_pages * page,
                static_cast<double>(use.user_ticks) * scale,
                static_cast<double>(use.system_ticks) * scale,
                core_mhz
            )
        );
    }
    if (first_start < 0) {
        return fail(ErrorCode::NotFound, "task \"{}\" has no process", id);
    }
    Before before{
        static_cast<std::int64_t>(static_cast<double>(first_start) / ticks_per_second * 1e9), 0, 0
    };
    {
        const std::scoped_lock lock(mutex_);
        const auto [at, fresh] = before_.try_emplace(id, sum);
        if (!fresh) {
            before = std::exchange(at->second, sum);
        }
    }
    const double seconds = static_cast<double>(now - before.at_ns) / 1e9;
    const double scale = seconds > 0 ? 100.0 / ticks_per_second / seconds : 0;
    // A process that ended took its time with it; less than before means just that.
    const auto since = [&](std::int64_t a, std::int64_t b) {
        return a > b ? static_cast<double>(a - b) * scale : 0.0;
    };
    out.resource_usage = usage_of(
        rss,
        since(sum.user_ticks, before.user_ticks),
        since(sum.system_ticks, before.system_ticks),
        core_mhz
    );
    out.timestamp = clock_ns(CLOCK_REALTIME);
    return out;
}

void UsageSampler::forget(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    before_.erase(id);
}

}  // namespace nl::drivers
