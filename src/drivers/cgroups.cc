#include "drivers/cgroups.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace nl::drivers {
namespace {

constexpr const char* kMount = "/sys/fs/cgroup";
/// The kernel's bounds for cpu.shares and cpu.weight.
constexpr std::int64_t kMinShares = 2;
constexpr std::int64_t kMaxShares = 262144;

bool can_make_groups(const std::string& folder) {
    const std::string probe = fmt::format("{}/nomad-lite-probe-{}", folder, ::getpid());
    if (::mkdir(probe.c_str(), 0755) != 0) {
        return false;
    }
    ::rmdir(probe.c_str());
    return true;
}

std::string group_folder(const CgroupRoot& root, const client::TaskId& id) {
    // A task's name may hold characters that a file name should not.
    std::string task = id.task;
    std::ranges::replace(task, '/', '_');
    const std::string name = fmt::format("{}.{}.{}", id.alloc.str(), task, id.attempt);
    if (root.mode == CgroupMode::V2) {
        return fmt::format("{}/{}/share.slice/{}.scope", root.mount, root.parent, name);
    }
    return fmt::format("{}/{}/{}", root.mount, root.parent, name);
}

}  // namespace

CgroupRoot find_cgroups(const std::string& parent) {
    if (std::filesystem::exists(std::string(kMount) + "/cgroup.controllers")) {
        return can_make_groups(kMount) ? CgroupRoot{CgroupMode::V2, kMount, parent + ".slice"}
                                       : CgroupRoot{};
    }
    // Any hierarchy can list and kill a task's processes; the one for cpu also weighs them.
    const std::string cpu = std::string(kMount) + "/cpu";
    if (std::filesystem::exists(cpu + "/cgroup.procs") && can_make_groups(cpu)) {
        return {CgroupMode::V1, cpu, parent};
    }
    return {};
}

void add_cgroup(const CgroupRoot& root, const client::TaskSpec& task, supervisor::SpawnSpec& spec) {
    const std::int64_t shares = std::clamp(task.cpu_shares, kMinShares, kMaxShares);
    const std::string folder = group_folder(root, task.id);
    switch (root.mode) {
        case CgroupMode::None:
            return;
        case CgroupMode::V1:
            spec.cgroups.push_back(folder);
            spec.cgroup_settings.push_back(fmt::format("{}/cpu.shares={}", folder, shares));
            return;
        case CgroupMode::V2:
            spec.cgroup2 = folder;
            for (const std::string& level :
                 {root.mount,
                  root.mount + "/" + root.parent,
                  root.mount + "/" + root.parent + "/share.slice"}) {
                spec.cgroup_settings.push_back(
                    level + "/cgroup.subtree_control=+cpu +memory +pids"
                );
            }
            // The usual mapping of shares (2..262144) onto weights (1..10000).
            spec.cgroup_settings.push_back(fmt::format(
                "{}/cpu.weight={}",
                folder,
                1 + (shares - kMinShares) * 9999 / (kMaxShares - kMinShares)
            ));
            return;
    }
}

std::string procs_file(const CgroupRoot& root, const client::TaskId& id) {
    return root.mode == CgroupMode::None ? "" : group_folder(root, id) + "/cgroup.procs";
}

}  // namespace nl::drivers
