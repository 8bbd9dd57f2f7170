#pragma once
// The configuration of a container (OCI runtime specification 1.0) for one task, as a value: no
// clock, no file. What is not asked for is not given: own mount, pid, ipc and uts namespaces, no
// new privileges, only the capabilities that were resolved, a filter on system calls, limits on
// cpu, memory and the number of processes, and the devices every program needs.

#include "base/value.h"
#include "client/driver.h"
#include "drivers/users.h"

#include <string>
#include <vector>

namespace nl::drivers {

struct OciDevice {
    std::string path;
    char type{'c'};
    std::int64_t major{};
    std::int64_t minor{};
    std::int64_t mode{0666};
    std::string permissions{"rwm"};
};

struct OciMount {
    std::string source;
    std::string destination;
    bool read_only{};
    /// Programs with a set-user-id bit and device files are dead here.
    bool safe{true};
    std::string propagation{"rprivate"};
};

struct OciInput {
    std::string root;
    bool root_read_only{};
    std::vector<std::string> args;
    /// "NAME=value"
    std::vector<std::string> env;
    std::string cwd{"/"};
    TaskUser user;
    /// "CAP_..."
    std::vector<std::string> capabilities;
    bool no_new_privileges{true};
    bool seccomp{true};
    bool host_pid{};
    bool host_ipc{};
    std::string net_ns;
    std::string hostname;
    std::vector<OciMount> mounts;
    std::vector<OciDevice> devices;
    std::string cgroups_path;
    std::int64_t cpu_shares{};
    /// "0,2"; "" for every core.
    std::string cpus;
    /// Megabytes; 0 for none.
    std::int64_t memory_mb{};
    std::int64_t memory_soft_mb{};
    /// Whether the kernel counts swap, so that it can be forbidden.
    bool swap_is_counted{};
    std::int64_t pids_max{};
    std::int64_t oom_score_adj{};
};

Value oci_config(const OciInput& input);

/// The process alone, for a program that is run beside the task.
Value oci_process(const OciInput& input, bool terminal);

/// Programs may not call these (EPERM), unless a capability that exists for them was given.
Value oci_seccomp(const std::vector<std::string>& capabilities);

}  // namespace nl::drivers
