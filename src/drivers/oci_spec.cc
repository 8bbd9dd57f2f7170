#include "drivers/oci_spec.h"

#include <algorithm>
#include <string_view>

namespace nl::drivers {
namespace {

constexpr std::int64_t kMb = 1024 * 1024;
constexpr std::int64_t kEnosys = 38;
/// CLONE_NEW*: cgroup, ns, uts, ipc, user, pid, net.
constexpr std::int64_t kNamespaceFlags = 0x7E020000;

Value strings(const std::vector<std::string>& list) {
    Value::List out;
    for (const std::string& one : list) {
        out.push_back(one);
    }
    return out;
}

Value::List words(std::initializer_list<const char*> list) {
    Value::List out;
    for (const char* one : list) {
        out.push_back(one);
    }
    return out;
}

Value mount(
    const char* destination,
    const char* type,
    const char* source,
    std::initializer_list<const char*> options
) {
    return Value::Map{
        {"destination", destination},
        {"type", type},
        {"source", source},
        {"options", words(options)}
    };
}

Value bind(const OciMount& m) {
    Value::List options = words({"rbind"});
    options.push_back(m.propagation);
    options.push_back(m.read_only ? "ro" : "rw");
    if (m.safe) {
        options.push_back("nosuid");
        options.push_back("nodev");
    }
    return Value::Map{
        {"destination", m.destination},
        {"type", "bind"},
        {"source", m.source},
        {"options", std::move(options)}
    };
}

Value::List mounts(const OciInput& in) {
    Value::List out;
    out.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
    out.push_back(
        mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"})
    );
    out.push_back(mount(
        "/dev/pts",
        "devpts",
        "devpts",
        {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
    ));
    if (in.host_ipc) {
        out.push_back(bind({.source = "/dev/shm", .destination = "/dev/shm"}));
    } else {
        out.push_back(mount(
            "/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}
        ));
        out.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
    }
    out.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    for (const OciMount& m : in.mounts) {
        out.push_back(bind(m));
    }
    return out;
}

/// A filter holds for the instruction sets it names; the machine's others are named with it.
Value::List architectures() {
#if defined(__x86_64__)
    return words({"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"});
#elif defined(__aarch64__)
    return words({"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"});
#else
    return {};
#endif
}

Value::List namespaces(const OciInput& in) {
    Value::List out;
    const auto own = [&](const char* type) { out.push_back(Value::Map{{"type", type}}); };
    own("mount");
    own("uts");
    own("cgroup");
    if (!in.host_pid) {
        own("pid");
    }
    if (!in.host_ipc) {
        own("ipc");
    }
    if (!in.net_ns.empty()) {
        out.push_back(Value::Map{{"type", "network"}, {"path", in.net_ns}});
    }
    return out;
}

Value resources(const OciInput& in) {
    Value::List rules;
    rules.push_back(Value::Map{{"allow", false}, {"access", "rwm"}});
    for (const OciDevice& d : in.devices) {
        rules.push_back(Value::Map{
            {"allow", true},
            {"type", std::string(1, d.type)},
            {"major", d.major},
            {"minor", d.minor},
            {"access", d.permissions}
        });
    }
    Value::Map cpu;
    if (in.cpu_shares > 0) {
        cpu["shares"] = in.cpu_shares;
    }
    if (!in.cpus.empty()) {
        cpu["cpus"] = in.cpus;
    }
    Value::Map out{{"devices", std::move(rules)}, {"cpu", std::move(cpu)}};
    if (in.memory_mb > 0) {
        Value::Map memory{{"limit", in.memory_mb * kMb}};
        if (in.memory_soft_mb > 0) {
            memory["reservation"] = in.memory_soft_mb * kMb;
        }
        if (in.swap_is_counted) {
            memory["swap"] = in.memory_mb * kMb;
        }
        out["memory"] = std::move(memory);
    }
    if (in.pids_max > 0) {
        out["pids"] = Value::Map{{"limit", in.pids_max}};
    }
    return out;
}

}  // namespace

Value oci_seccomp(const std::vector<std::string>& capabilities) {
    const auto has = [&](std::string_view name) {
        return std::ranges::find(capabilities, name) != capabilities.end();
    };
    Value::List rules;
    const auto refuse = [&](std::initializer_list<const char*> names) {
        rules.push_back(Value::Map{
            {"names", words(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", std::int64_t{1}}
        });
    };
    // The kernel's keyrings are not namespaced; the rest is old, or for the machine's owner.
    refuse(
        {"add_key",
         "keyctl",
         "request_key",
         "acct",
         "kexec_load",
         "kexec_file_load",
         "reboot",
         "swapon",
         "swapoff",
         "init_module",
         "finit_module",
         "delete_module",
         "create_module",
         "query_module",
         "get_kernel_syms",
         "nfsservctl",
         "quotactl",
         "quotactl_fd",
         "sysfs",
         "_sysctl",
         "uselib",
         "ustat",
         "vm86",
         "vm86old",
         "lookup_dcookie",
         "userfaultfd",
         "iopl",
         "ioperm",
         "io_uring_setup",
         "io_uring_enter",
         "io_uring_register",
         "vhangup",
         "personality"}
    );
    if (!has("CAP_SYS_TIME")) {
        refuse(
            {"settimeofday",
             "clock_settime",
             "clock_settime64",
             "stime",
             "clock_adjtime",
             "clock_adjtime64",
             "adjtimex"}
        );
    }
    if (!has("CAP_SYS_PTRACE")) {
        refuse({"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"});
    }
    if (!has("CAP_DAC_READ_SEARCH")) {
        refuse({"open_by_handle_at", "name_to_handle_at"});
    }
    if (!has("CAP_BPF") && !has("CAP_SYS_ADMIN")) {
        refuse({"bpf"});
    }
    if (!has("CAP_PERFMON") && !has("CAP_SYS_ADMIN")) {
        refuse({"perf_event_open"});
    }
    if (!has("CAP_SYS_NICE")) {
        refuse({"mbind", "set_mempolicy", "move_pages", "migrate_pages"});
    }
    if (!has("CAP_SYS_ADMIN")) {
        refuse(
            {"mount",
             "umount",
             "umount2",
             "pivot_root",
             "unshare",
             "setns",
             "fsopen",
             "fsconfig",
             "fsmount",
             "fspick",
             "move_mount",
             "open_tree",
             "mount_setattr",
             "fanotify_init",
             "setdomainname",
             "sethostname",
             "syslog"}
        );
        // A masked comparison means "equals", so each flag has a rule of its own.
        for (std::int64_t flag = 1; flag <= kNamespaceFlags; flag <<= 1) {
            if ((kNamespaceFlags & flag) != 0) {
                rules.push_back(Value::Map{
                    {"names", words({"clone"})},
                    {"action", "SCMP_ACT_ERRNO"},
                    {"errnoRet", std::int64_t{1}},
                    {"args",
                     Value::List{Value::Map{
                         {"index", std::int64_t{0}},
                         {"value", flag},
                         {"valueTwo", flag},
                         {"op", "SCMP_CMP_MASKED_EQ"}
                     }}}
                });
            }
        }
        // Its flags lie in memory, where no filter sees them: say that there is none, and the C
        // library takes clone.
        rules.push_back(Value::Map{
            {"names", words({"clone3"})}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kEnosys}
        });
    }
    return Value::Map{
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"architectures", architectures()},
        {"syscalls", std::move(rules)}
    };
}

Value oci_process(const OciInput& in, bool terminal) {
    Value::List groups;
    for (const std::uint32_t gid : in.user.groups) {
        groups.push_back(std::int64_t{gid});
    }
    const Value caps = strings(in.capabilities);
    // A user that is not root keeps only ambient capabilities over an exec.
    const bool root = in.user.uid == 0;
    Value::Map process{
        {"terminal", terminal},
        {"user",
         Value::Map{
             {"uid", std::int64_t{in.user.uid}},
             {"gid", std::int64_t{in.user.gid}},
             {"additionalGids", std::move(groups)}
         }},
        {"args", strings(in.args)},
        {"env", strings(in.env)},
        {"cwd", in.cwd},
        {"capabilities",
         Value::Map{
             {"bounding", caps},
             {"effective", caps},
             {"permitted", caps},
             {"inheritable", root ? Value(Value::List{}) : caps},
             {"ambient", root ? Value(Value::List{}) : caps}
         }},
        {"noNewPrivileges", in.no_new_privileges}
    };
    if (in.oom_score_adj != 0) {
        process["oomScoreAdj"] = in.oom_score_adj;
    }
    return process;
}

Value oci_config(const OciInput& in) {
    Value::List devices;
    for (const OciDevice& d : in.devices) {
        devices.push_back(Value::Map{
            {"path", d.path},
            {"type", std::string(1, d.type)},
            {"major", d.major},
            {"minor", d.minor},
            {"fileMode", d.mode},
            {"uid", std::int64_t{0}},
            {"gid", std::int64_t{0}}
        });
    }
    Value::Map linux_part{
        {"namespaces", namespaces(in)},
        {"resources", resources(in)},
        {"cgroupsPath", in.cgroups_path},
        {"rootfsPropagation", "rslave"},
        {"devices", std::move(devices)},
        {"maskedPaths",
         words(
             {"/proc/acpi",
              "/proc/asound",
              "/proc/kcore",
              "/proc/keys",
              "/proc/latency_stats",
              "/proc/timer_list",
              "/proc/timer_stats",
              "/proc/sched_debug",
              "/proc/scsi",
              "/sys/firmware",
              "/sys/devices/virtual/powercap"}
         )},
        {"readonlyPaths",
         words({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})}
    };
    if (in.seccomp) {
        linux_part["seccomp"] = oci_seccomp(in.capabilities);
    }
    Value::Map out{
        {"ociVersion", "1.0.2"},
        {"process", oci_process(in, false)},
        {"root", Value::Map{{"path", in.root}, {"readonly", in.root_read_only}}},
        {"mounts", mounts(in)},
        {"linux", std::move(linux_part)}
    };
    if (!in.hostname.empty()) {
        out["hostname"] = in.hostname;
    }
    return out;
}

}  // namespace nl::drivers
