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
/// A name for the instance that is a file name everywhere: "<alloc>.<task>.<attempt>" with what
/// file names or container engines refuse replaced, and then told apart by a checksum.
std::string instance_name(const client::TaskId& id);
/// The instance's group as an OCI runtime is told it: below the root of every hierarchy.
std::string oci_cgroups_path(const CgroupRoot& root, const client::TaskId& id);
/// Every folder that the runtime then makes, for those who kill and remove them.
std::vector<std::string> oci_cgroup_folders(const CgroupRoot& root, const client::TaskId& id);
/// Where the kernel counts what it ended for lack of memory; "" without groups.
std::string oom_file(const CgroupRoot& root, const client::TaskId& id);
/// Whether swap is counted, so that a limit of it can be set.
bool counts_swap(const CgroupRoot& root);
/// The file that lists the instance's processes; "" without groups.
std::string procs_file(const CgroupRoot& root, const client::TaskId& id);

}  // namespace nl::drivers
