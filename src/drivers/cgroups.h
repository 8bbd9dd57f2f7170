#pragma once
// Where tasks' control groups go on this machine: cgroup v2, v1, or none (no rights). One group an
// instance, named so that a restart never meets the group of the run before. After the kernel's
// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.

#include "client/driver.h"
#include "supervisor/protocol.h"

#include <string>

namespace nl::drivers {

enum class CgroupMode : unsigned char { None, V1, V2 };

struct CgroupRoot {
    CgroupMode mode{};
    /// The mount, "/sys/fs/cgroup"; for v1 the hierarchy that tasks are put into.
    std::string mount;
    /// "nomad" (v1) or "nomad.slice" (v2).
    std::string parent;
};

/// Looks at the mounts and tries whether a group can be made.
CgroupRoot find_cgroups(const std::string& parent);

/// Adds the instance's group and its cpu weight to the spec. `memory` limits are for drivers that
/// isolate.
void add_cgroup(const CgroupRoot& root, const client::TaskSpec& task, supervisor::SpawnSpec& spec);
/// The file that lists the instance's processes; "" without groups.
std::string procs_file(const CgroupRoot& root, const client::TaskId& id);

}  // namespace nl::drivers
