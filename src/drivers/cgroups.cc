#include "drivers/cgroups.h"

#include "base/bytes.h"

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
    const std::string name = instance_name(id);
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

std::string instance_name(const client::TaskId& id) {
    constexpr std::size_t kLongestTask = 100;
    std::string task = id.task.substr(0, kLongestTask);
    std::ranges::replace_if(
        task,
        [](char c) {
            return !(
                (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '_' || c == '-' || c == '.'
            );
        },
        '_'
    );
    if (task != id.task) {
        task += fmt::format("-{:08x}", crc32c(id.task));
    }
    return fmt::format("{}.{}.{}", id.alloc.str(), task, id.attempt);
}

std::string oci_cgroups_path(const CgroupRoot& root, const client::TaskId& id) {
    const std::string name = instance_name(id);
    return root.mode == CgroupMode::V2 ? fmt::format("/{}/share.slice/{}.scope", root.parent, name)
                                       : fmt::format("/{}/{}", root.parent, name);
}

std::vector<std::string> oci_cgroup_folders(const CgroupRoot& root, const client::TaskId& id) {
    const std::string path = oci_cgroups_path(root, id);
    if (root.mode == CgroupMode::V2) {
        return {root.mount + path};
    }
    std::vector<std::string> out;
    if (root.mode == CgroupMode::V1) {
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(kMount, error)) {
            if (entry.is_directory(error) && !entry.is_symlink(error) &&
                std::filesystem::exists(entry.path() / "cgroup.procs", error)) {
                out.push_back(entry.path().string() + path);
            }
        }
        std::ranges::sort(out);
    }
    return out;
}

std::string oom_file(const CgroupRoot& root, const client::TaskId& id) {
    switch (root.mode) {
        case CgroupMode::None:
            return "";
        case CgroupMode::V1:
            return fmt::format(
                "{}/memory{}/memory.oom_control", kMount, oci_cgroups_path(root, id)
            );
        case CgroupMode::V2:
            return group_folder(root, id) + "/memory.events";
    }
    return "";
}

bool counts_swap(const CgroupRoot& root) {
    std::error_code error;
    return root.mode == CgroupMode::V2 ||
           std::filesystem::exists(
               std::string(kMount) + "/memory/memory.memsw.limit_in_bytes", error
           );
}

std::string procs_file(const CgroupRoot& root, const client::TaskId& id) {
    return root.mode == CgroupMode::None ? "" : group_folder(root, id) + "/cgroup.procs";
}

}  // namespace nl::drivers
