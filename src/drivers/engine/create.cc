#include "drivers/engine/create.h"

#include "drivers/capabilities.h"
#include "drivers/cgroups.h"
#include "drivers/config.h"
#include "io/files.h"

#include <algorithm>
#include <filesystem>
#include <thread>

namespace nl::drivers {
namespace {

constexpr std::int64_t kMb = 1024 * 1024;

// ---- the plugin's block

struct DanglingBlock {
    bool enabled{true};
    bool dry_run{};
    Duration period{minutes(5)};
    Duration creation_grace{minutes(5)};
    NL_FIELDS(DanglingBlock, (1, enabled), (2, dry_run), (3, period), (4, creation_grace))
};
struct GcBlock {
    bool image{true};
    Duration image_delay{minutes(3)};
    bool container{true};
    Box<DanglingBlock> dangling_containers;
    NL_FIELDS(GcBlock, (1, image), (2, image_delay), (3, container), (4, dangling_containers))
};
struct VolumesBlock {
    bool enabled{};
    std::string selinuxlabel;
    NL_FIELDS(VolumesBlock, (1, enabled), (2, selinuxlabel))
};
struct PluginAuthBlock {
    std::string config;
    std::string helper;
    NL_FIELDS(PluginAuthBlock, (1, config), (2, helper))
};
struct LoggingBlock {
    std::string type;
    std::string driver;
    StringMap config;
    StringMap options;
    NL_FIELDS(LoggingBlock, (1, type), (2, driver), (3, config), (4, options))
};
struct TlsBlock {
    std::string cert;
    std::string key;
    std::string ca;
    NL_FIELDS(TlsBlock, (1, cert), (2, key), (3, ca))
};
struct EnginePlugin {
    std::string endpoint;
    std::string socket_path;
    bool allow_privileged{};
    bool allow_host_network{};
    std::vector<std::string> allow_caps;
    std::vector<std::string> allow_runtimes;
    std::vector<std::string> allow_devices;
    std::vector<std::string> allow_security_opts;
    std::vector<std::string> extra_labels;
    Box<GcBlock> gc;
    Box<VolumesBlock> volumes;
    Box<PluginAuthBlock> auth;
    Box<LoggingBlock> logging;
    Box<TlsBlock> tls;
    std::string nvidia_runtime;
    std::string infra_image;
    Duration infra_image_pull_timeout{minutes(5)};
    Duration pull_activity_timeout{minutes(2)};
    std::int64_t pids_limit{};
    bool disable_log_collection{};
    bool disable_cpuset_management{};
    bool recover_stopped{};
    Duration image_pull_timeout{};
    std::string windows_allow_insecure_container_admin;
    std::vector<std::string> extra_hosts;
    std::string dns_servers;
    NL_FIELDS(
        EnginePlugin,
        (1, endpoint),
        (2, socket_path),
        (3, allow_privileged),
        (4, allow_host_network),
        (5, allow_caps),
        (6, allow_runtimes),
        (7, allow_devices),
        (8, allow_security_opts),
        (9, extra_labels),
        (10, gc),
        (11, volumes),
        (12, auth),
        (13, logging),
        (14, tls),
        (15, nvidia_runtime),
        (16, infra_image),
        (17, infra_image_pull_timeout),
        (18, pull_activity_timeout),
        (19, pids_limit),
        (20, disable_log_collection),
        (21, disable_cpuset_management),
        (22, recover_stopped),
        (23, image_pull_timeout),
        (24, windows_allow_insecure_container_admin),
        (25, extra_hosts),
        (26, dns_servers)
    )
};

// ---- the task's block

struct AuthBlock {
    std::string username;
    std::string password;
    std::string email;
    std::string server_address;
    bool tls_verify{true};
    NL_FIELDS(
        AuthBlock, (1, username), (2, password), (3, email), (4, server_address), (5, tls_verify)
    )
};
struct DeviceBlock {
    std::string host_path;
    std::string container_path;
    std::string cgroup_permissions;
    NL_FIELDS(DeviceBlock, (1, host_path), (2, container_path), (3, cgroup_permissions))
    static constexpr std::array<std::string_view, 1> kRequired{"host_path"};
};
struct BindOptions {
    std::string propagation;
    NL_FIELDS(BindOptions, (1, propagation))
};
struct TmpfsOptions {
    std::int64_t size{};
    std::int64_t mode{};
    NL_FIELDS(TmpfsOptions, (1, size), (2, mode))
};
struct VolumeDriver {
    std::string name;
    StringMap options;
    NL_FIELDS(VolumeDriver, (1, name), (2, options))
};
struct VolumeOptions {
    bool no_copy{};
    StringMap labels;
    Box<VolumeDriver> driver_config;
    std::string subpath;
    NL_FIELDS(VolumeOptions, (1, no_copy), (2, labels), (3, driver_config), (4, subpath))
};
struct MountBlock {
    std::string type{"volume"};
    std::string target;
    std::string source;
    bool readonly{};
    Box<BindOptions> bind_options;
    Box<TmpfsOptions> tmpfs_options;
    Box<VolumeOptions> volume_options;
    NL_FIELDS(
        MountBlock,
        (1, type),
        (2, target),
        (3, source),
        (4, readonly),
        (5, bind_options),
        (6, tmpfs_options),
        (7, volume_options)
    )
    static constexpr std::array<std::string_view, 1> kRequired{"target"};
};
struct HealthBlock {
    bool disable{};
    NL_FIELDS(HealthBlock, (1, disable))
};

struct ContainerConfig {
    std::string image;
    std::string command;
    std::vector<std::string> args;
    std::vector<std::string> entrypoint;
    std::vector<std::string> ports;
    Map<std::int64_t> port_map;
    std::string network_mode;
    std::vector<std::string> volumes;
    std::vector<MountBlock> mount;
    std::vector<MountBlock> mounts;
    StringMap labels;
    Box<AuthBlock> auth;
    bool auth_soft_fail{};
    bool force_pull{};
    bool privileged{};
    std::vector<std::string> cap_add;
    std::vector<std::string> cap_drop;
    std::string cgroupns;
    bool cpu_hard_limit{};
    std::int64_t cpu_cfs_period{};
    std::string cpuset_cpus;
    std::int64_t memory_hard_limit{};
    std::vector<DeviceBlock> devices;
    std::vector<std::string> dns_servers;
    std::vector<std::string> dns_search_domains;
    std::vector<std::string> dns_options;
    std::vector<std::string> extra_hosts;
    std::vector<std::string> group_add;
    Box<HealthBlock> healthchecks;
    std::string hostname;
    Duration image_pull_timeout{minutes(5)};
    bool init{};
    bool interactive{};
    std::string ipc_mode;
    std::string ipv4_address;
    std::string ipv6_address;
    std::string isolation;
    std::string load;
    Box<LoggingBlock> logging;
    std::string mac_address;
    std::vector<std::string> network_aliases;
    std::int64_t oom_score_adj{};
    std::string pid_mode;
    std::int64_t pids_limit{};
    bool readonly_rootfs{};
    std::string runtime;
    std::vector<std::string> security_opt;
    std::int64_t shm_size{};
    StringMap storage_opt;
    StringMap sysctl;
    bool tty{};
    StringMap ulimit;
    std::string userns_mode;
    std::string uts_mode;
    std::string volume_driver;
    std::string work_dir;
    bool advertise_ipv6_address{};
    std::int64_t container_exists_attempts{};
    // podman's spellings
    std::string working_dir;
    std::string userns;
    std::vector<std::string> tmpfs;
    std::vector<std::string> dns;
    std::string memory_reservation;
    std::string memory_swap;
    std::int64_t memory_swappiness{-1};
    std::string init_path;
    std::string apparmor_profile;
    std::vector<std::string> selinux_opts;
    std::string socket;
    NL_FIELDS(
        ContainerConfig,
        (1, image),
        (2, command),
        (3, args),
        (4, entrypoint),
        (5, ports),
        (6, port_map),
        (7, network_mode),
        (8, volumes),
        (9, mount),
        (10, mounts),
        (11, labels),
        (12, auth),
        (13, auth_soft_fail),
        (14, force_pull),
        (15, privileged),
        (16, cap_add),
        (17, cap_drop),
        (18, cgroupns),
        (19, cpu_hard_limit),
        (20, cpu_cfs_period),
        (21, cpuset_cpus),
        (22, memory_hard_limit),
        (23, devices),
        (24, dns_servers),
        (25, dns_search_domains),
        (26, dns_options),
        (27, extra_hosts),
        (28, group_add),
        (29, healthchecks),
        (30, hostname),
        (31, image_pull_timeout),
        (32, init),
        (33, interactive),
        (34, ipc_mode),
        (35, ipv4_address),
        (36, ipv6_address),
        (37, isolation),
        (38, load),
        (39, logging),
        (40, mac_address),
        (41, network_aliases),
        (42, oom_score_adj),
        (43, pid_mode),
        (44, pids_limit),
        (45, readonly_rootfs),
        (46, runtime),
        (47, security_opt),
        (48, shm_size),
        (49, storage_opt),
        (50, sysctl),
        (51, tty),
        (52, ulimit),
        (53, userns_mode),
        (54, uts_mode),
        (55, volume_driver),
        (56, work_dir),
        (57, advertise_ipv6_address),
        (58, container_exists_attempts),
        (59, working_dir),
        (60, userns),
        (61, tmpfs),
        (62, dns),
        (63, memory_reservation),
        (64, memory_swap),
        (65, memory_swappiness),
        (66, init_path),
        (67, apparmor_profile),
        (68, selinux_opts),
        (69, socket)
    )
    static constexpr std::array<std::string_view, 1> kRequired{"image"};
};

Value list(const std::vector<std::string>& items) {
    Value::List out;
    for (const std::string& item : items) {
        out.push_back(item);
    }
    return out;
}

Value map(const StringMap& items) {
    Value::Map out;
    for (const auto& [key, value] : items) {
        out.emplace(key, value);
    }
    return out;
}

template <class... Args>
std::unexpected<Error> refused(fmt::format_string<Args...> format, Args&&... args) {
    return fail(ErrorCode::PermissionDenied, format, std::forward<Args>(args)...);
}

bool holds(const std::vector<std::string>& all, const std::string& one) {
    return std::ranges::find(all, one) != all.end();
}

/// What a job may not have because it reaches beyond its container.
Result<void> check_rights(const EnginePolicy& policy, const ContainerConfig& c) {
    if (c.privileged && !policy.allow_privileged) {
        return refused("Docker privileged mode is disabled on this Nomad agent");
    }
    const auto host_mode = [&](const std::string& mode, const char* what) -> Result<void> {
        const bool foreign = mode == "host" || mode.starts_with("container:") ||
                             mode.starts_with("ns:") || mode.starts_with("pod:");
        if (foreign && !policy.allow_privileged) {
            return refused(
                "{} = \"{}\" is not allowed on this node (allow_privileged is off)", what, mode
            );
        }
        return {};
    };
    NL_TRY_VOID(host_mode(c.pid_mode, "pid_mode"));
    NL_TRY_VOID(host_mode(c.ipc_mode, "ipc_mode"));
    NL_TRY_VOID(host_mode(c.uts_mode, "uts_mode"));
    NL_TRY_VOID(host_mode(c.userns_mode, "userns_mode"));
    NL_TRY_VOID(host_mode(c.userns, "userns"));
    NL_TRY_VOID(host_mode(c.cgroupns, "cgroupns"));
    if (c.network_mode == "host") {
        if (!policy.allow_privileged && !policy.allow_host_network) {
            return refused(
                "network_mode = \"host\" is not allowed on this node (allow_host_network is off)"
            );
        }
    } else {
        NL_TRY_VOID(host_mode(c.network_mode, "network_mode"));
    }
    for (const DeviceBlock& device : c.devices) {
        const std::string real = std::filesystem::weakly_canonical(device.host_path).string();
        if (!policy.allow_privileged && !holds(policy.allow_devices, real)) {
            return refused("device {} is not in the node's allow_devices", device.host_path);
        }
    }
    for (const std::string& option : c.security_opt) {
        const bool tightens = option == "no-new-privileges" || option == "no-new-privileges:true" ||
                              option == "no-new-privileges=true";
        if (!tightens && !policy.allow_privileged && !holds(policy.allow_security_opts, option)) {
            return refused("security_opt \"{}\" is not in the node's allow_security_opts", option);
        }
    }
    if (!c.apparmor_profile.empty() && !policy.allow_privileged &&
        !holds(policy.allow_security_opts, "apparmor=" + c.apparmor_profile)) {
        return refused(
            "apparmor_profile \"{}\" is not in the node's allow_security_opts", c.apparmor_profile
        );
    }
    if (!c.runtime.empty() && !holds(policy.allow_runtimes, c.runtime)) {
        return refused("requested runtime \"{}\" is not allowed", c.runtime);
    }
    if (!c.isolation.empty()) {
        return fail(ErrorCode::InvalidArgument, "isolation is for Windows only");
    }
    if (!c.socket.empty()) {
        return fail(ErrorCode::InvalidArgument, "config: socket is set by the node, not by a job");
    }
    return {};
}

/// Where a bind mount really leads, once every link is followed.
Result<std::string> resolve_source(
    const EnginePolicy& policy, const client::TaskSpec& task, const std::string& source
) {
    if (source.find('\0') != std::string::npos || source.find(':') != std::string::npos) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" is no path for a mount", source);
    }
    const std::filesystem::path written =
        source.starts_with('/') ? source : task.task_dir + "/" + source;
    std::error_code error;
    const std::string real = std::filesystem::weakly_canonical(written, error).string();
    const std::string base =
        std::filesystem::canonical(std::filesystem::path(task.alloc_dir).parent_path(), error)
            .string();
    if (error || real.empty()) {
        return fail(ErrorCode::InvalidArgument, "mount source {} cannot be resolved", source);
    }
    const bool inside = real.starts_with(base + "/");
    if (!inside && !policy.volumes_enabled) {
        return refused(
            "volumes are not enabled; cannot mount host paths: {} is outside of the allocation's "
            "directory",
            source
        );
    }
    // The engine's own socket is every right on the node, whatever the volumes policy says.
    if (!policy.allow_privileged &&
        (real.ends_with("/docker.sock") || real.ends_with("/podman.sock") || real == "/" ||
         real.ends_with("/containerd.sock"))) {
        return refused("mount source {} would give the task every right on the node", real);
    }
    return real;
}

Value mount_value(
    const std::string& source,
    const std::string& target,
    bool read_only,
    const std::string& propagation
) {
    Value::Map out{
        {"Type", "bind"}, {"Source", source}, {"Target", target}, {"ReadOnly", read_only}
    };
    if (!propagation.empty()) {
        out["BindOptions"] = Value::Map{{"Propagation", propagation}};
    }
    return out;
}

Result<void> add_mount(
    const EnginePolicy& policy,
    const client::TaskSpec& task,
    const MountBlock& mount,
    Value::List& out
) {
    const std::string target = mount.target.starts_with('/') ? mount.target : "/" + mount.target;
    if (mount.type == "bind") {
        NL_TRY(const std::string source, resolve_source(policy, task, mount.source));
        out.push_back(mount_value(
            source,
            target,
            mount.readonly,
            mount.bind_options ? mount.bind_options->propagation : ""
        ));
        return {};
    }
    if (mount.type == "tmpfs") {
        Value::Map options;
        if (mount.tmpfs_options && mount.tmpfs_options->size > 0) {
            options["SizeBytes"] = mount.tmpfs_options->size;
        }
        if (mount.tmpfs_options && mount.tmpfs_options->mode > 0) {
            options["Mode"] = mount.tmpfs_options->mode;
        }
        out.push_back(Value::Map{
            {"Type", "tmpfs"},
            {"Target", target},
            {"ReadOnly", mount.readonly},
            {"TmpfsOptions", std::move(options)}
        });
        return {};
    }
    if (mount.type != "volume") {
        return fail(
            ErrorCode::InvalidArgument,
            "config: mount.type must be \"bind\", \"tmpfs\" or \"volume\", got \"{}\"",
            mount.type
        );
    }
    if (mount.source.find('/') != std::string::npos) {
        return fail(
            ErrorCode::InvalidArgument, "volume mount source \"{}\" is no volume name", mount.source
        );
    }
    Value::Map options;
    if (mount.volume_options) {
        const VolumeOptions& v = *mount.volume_options;
        options["NoCopy"] = v.no_copy;
        options["Labels"] = map(v.labels);
        if (!v.subpath.empty()) {
            options["Subpath"] = v.subpath;
        }
        if (v.driver_config) {
            // A driver's options can name any device or directory of the node.
            if (!policy.volumes_enabled) {
                return refused("volumes are not enabled; cannot use volume driver options");
            }
            options["DriverConfig"] = Value::Map{
                {"Name", v.driver_config->name}, {"Options", map(v.driver_config->options)}
            };
        }
    }
    out.push_back(Value::Map{
        {"Type", "volume"},
        {"Source", mount.source},
        {"Target", target},
        {"ReadOnly", mount.readonly},
        {"VolumeOptions", std::move(options)}
    });
    return {};
}

Result<Value::List> all_mounts(
    const EnginePolicy& policy,
    const client::TaskSpec& task,
    const ContainerConfig& c,
    const std::string& files,
    Value::List& binds
) {
    Value::List out;
    out.push_back(mount_value(task.alloc_dir, "/alloc", false, ""));
    out.push_back(mount_value(task.task_dir + "/local", "/local", false, ""));
    out.push_back(mount_value(task.task_dir + "/secrets", "/secrets", false, ""));
    for (const client::TaskMount& mount : task.mounts) {
        out.push_back(mount_value(
            mount.host_path,
            mount.task_path,
            mount.read_only,
            mount.propagation == "host-to-task"    ? "rslave"
            : mount.propagation == "bidirectional" ? "rshared"
                                                   : ""
        ));
    }
    for (const auto* mounts : {&c.mount, &c.mounts}) {
        for (const MountBlock& mount : *mounts) {
            NL_TRY_VOID(add_mount(policy, task, mount, out));
        }
    }
    if (!c.volume_driver.empty() && !policy.volumes_enabled) {
        return refused("volumes are not enabled; cannot use volume driver \"{}\"", c.volume_driver);
    }
    for (const std::string& volume : c.volumes) {
        const std::size_t first = volume.find(':');
        if (first == std::string::npos || first == 0) {
            return fail(ErrorCode::InvalidArgument, "invalid docker volume: \"{}\"", volume);
        }
        const std::size_t second = volume.find(':', first + 1);
        const std::string target = volume.substr(
            first + 1, second == std::string::npos ? std::string::npos : second - first - 1
        );
        const std::string mode = second == std::string::npos ? "" : volume.substr(second + 1);
        const std::string source = volume.substr(0, first);
        if (!c.volume_driver.empty()) {
            binds.push_back(volume);
            continue;
        }
        NL_TRY(const std::string real, resolve_source(policy, task, source));
        std::string options = mode;
        if (!policy.selinux_label.empty()) {
            options += (options.empty() ? "" : ",") + policy.selinux_label;
        }
        binds.push_back(fmt::format("{}:{}{}{}", real, target, options.empty() ? "" : ":", options)
        );
    }
    for (const std::string& item : c.tmpfs) {
        out.push_back(Value::Map{{"Type", "tmpfs"}, {"Target", item}});
    }
    // A joined namespace has its own names; the engine refuses to be told them.
    const client::TaskNetwork& network = task.network;
    if (!network.net_ns.empty()) {
        std::string resolv;
        if (network.dns) {
            for (const std::string& server : network.dns->servers) {
                resolv += "nameserver " + server + "\n";
            }
            if (!network.dns->searches.empty()) {
                resolv += fmt::format("search {}\n", fmt::join(network.dns->searches, " "));
            }
            if (!network.dns->options.empty()) {
                resolv += fmt::format("options {}\n", fmt::join(network.dns->options, " "));
            }
            NL_TRY_VOID(io::make_directories(files, 0711));
            NL_TRY_VOID(io::write_file_atomic(files + "/resolv.conf", resolv, 0644));
            out.push_back(mount_value(files + "/resolv.conf", "/etc/resolv.conf", true, ""));
        }
        if (!network.ip.empty()) {
            NL_TRY_VOID(io::make_directories(files, 0711));
            const std::string name =
                network.hostname.empty() ? task.id.alloc.str().substr(0, 8) : network.hostname;
            std::string hosts = fmt::format(
                "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{} {}\n",
                network.ip,
                name
            );
            for (const std::string& extra : c.extra_hosts) {
                const std::size_t colon = extra.find(':');
                if (colon != std::string::npos) {
                    hosts += extra.substr(colon + 1) + " " + extra.substr(0, colon) + "\n";
                }
            }
            NL_TRY_VOID(io::write_file_atomic(files + "/hosts", hosts, 0644));
            out.push_back(mount_value(files + "/hosts", "/etc/hosts", true, ""));
        }
    }
    return out;
}

Result<void> add_ports(
    const client::TaskSpec& task, const ContainerConfig& c, Value::Map& exposed, Value::Map& bound
) {
    const auto publish = [&](const client::TaskPort& port, std::int64_t inside) {
        for (const char* protocol : {"tcp", "udp"}) {
            const std::string key = fmt::format("{}/{}", inside, protocol);
            exposed[key] = Value::Map{};
            Value::List all;
            if (const auto at = bound.find(key); at != bound.end()) {
                all = *at->second.as_list();
            }
            all.push_back(
                Value::Map{{"HostIp", port.host_ip}, {"HostPort", std::to_string(port.value)}}
            );
            bound[key] = std::move(all);
        }
    };
    const auto find = [&](const std::string& label) -> const client::TaskPort* {
        const auto at = std::ranges::find(task.network.ports, label, &client::TaskPort::label);
        return at == task.network.ports.end() ? nullptr : &*at;
    };
    for (const std::string& label : c.ports) {
        const client::TaskPort* port = find(label);
        if (port == nullptr) {
            return fail(
                ErrorCode::InvalidArgument, "Port \"{}\" not found, check network block", label
            );
        }
        publish(*port, port->to > 0 ? port->to : port->value);
    }
    for (const auto& [label, inside] : c.port_map) {
        const client::TaskPort* port = find(label);
        if (port == nullptr) {
            return fail(
                ErrorCode::InvalidArgument, "Port \"{}\" not found, check network block", label
            );
        }
        publish(*port, inside);
    }
    return {};
}

Result<Value::List> ulimits(const StringMap& wanted) {
    Value::List out;
    for (const auto& [name, text] : wanted) {
        const std::size_t colon = text.find(':');
        std::int64_t soft = 0;
        const std::string first = text.substr(0, colon);
        const std::string second = colon == std::string::npos ? first : text.substr(colon + 1);
        std::int64_t hard = 0;
        const auto read = [](const std::string& word, std::int64_t& into) {
            const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), into);
            return !word.empty() && error == std::errc{} && end == word.data() + word.size();
        };
        if (!read(first, soft) || !read(second, hard)) {
            return fail(
                ErrorCode::InvalidArgument, "Malformed ulimit specification {}: \"{}\"", name, text
            );
        }
        out.push_back(Value::Map{{"Name", name}, {"Soft", soft}, {"Hard", hard}});
    }
    return out;
}

/// The engine keeps as much of the output as the task's own log files do: what is written while no
/// agent runs is read later.
Value log_config(
    const EnginePolicy& policy, const client::TaskSpec& task, const ContainerConfig& c
) {
    if (c.logging) {
        StringMap options = c.logging->config;
        options.insert(c.logging->options.begin(), c.logging->options.end());
        const std::string& type = c.logging->type.empty() ? c.logging->driver : c.logging->type;
        return Value::Map{{"Type", type.empty() ? "json-file" : type}, {"Config", map(options)}};
    }
    if (!policy.logging_type.empty()) {
        return Value::Map{{"Type", policy.logging_type}, {"Config", map(policy.logging_config)}};
    }
    if (policy.engine == Engine::Podman) {
        return Value::Map{{"Type", "k8s-file"}};
    }
    return Value::Map{
        {"Type", "json-file"},
        {"Config",
         Value::Map{
             {"max-size", std::to_string(std::max<std::int64_t>(task.log_max_file_bytes, kMb))},
             {"max-file", std::to_string(std::max<std::int64_t>(task.log_max_files, 2))}
         }}
    };
}

void add_limits(
    const EnginePolicy& policy,
    const client::TaskSpec& task,
    const ContainerConfig& c,
    Value::Map& host
) {
    host["CpuShares"] = std::max<std::int64_t>(task.cpu_shares, 2);
    std::int64_t wall = task.memory_max_mb == 0 ? task.memory_mb : task.memory_max_mb;
    std::int64_t soft = task.memory_max_mb == 0 ? 0 : task.memory_mb;
    if (c.memory_hard_limit > 0) {
        wall = c.memory_hard_limit;
        soft = task.memory_mb;
    }
    if (wall > 0) {
        host["Memory"] = wall * kMb;
        // Swap would hide what the limit is for.
        host["MemorySwap"] = wall * kMb;
    }
    if (soft > 0 && (wall <= 0 || soft < wall)) {
        host["MemoryReservation"] = soft * kMb;
    }
    if (c.memory_swappiness >= 0) {
        host["MemorySwappiness"] = c.memory_swappiness;
    }
    if (!task.cores.empty()) {
        host["CpusetCpus"] = fmt::format("{}", fmt::join(task.cores, ","));
    } else if (!c.cpuset_cpus.empty()) {
        host["CpusetCpus"] = c.cpuset_cpus;
    }
    if (c.cpu_hard_limit && policy.total_compute > 0) {
        const std::int64_t period = c.cpu_cfs_period > 0 ? c.cpu_cfs_period : 100000;
        const auto cores =
            static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
        host["CpuPeriod"] = period;
        host["CpuQuota"] =
            std::max<std::int64_t>(1000, task.cpu_shares * period * cores / policy.total_compute);
    }
    const std::int64_t pids = c.pids_limit > 0 ? c.pids_limit : policy.pids_limit;
    if (pids > 0) {
        host["PidsLimit"] = pids;
    }
    if (c.oom_score_adj != 0) {
        host["OomScoreAdj"] = c.oom_score_adj;
    }
    if (c.shm_size > 0) {
        host["ShmSize"] = c.shm_size;
    }
}

StringMap labels_of(
    const EnginePolicy& policy, const client::TaskSpec& task, const ContainerConfig& c
) {
    StringMap out = c.labels;
    out.insert_or_assign(kAllocLabel, task.id.alloc.str());
    out.insert_or_assign(kInstanceLabel, task.id.str());
    out.insert_or_assign(kNodeLabel, task.node_id);
    const std::pair<const char*, std::string> extra[] = {
        {"job_name", task.job_name},
        {"job_id", task.job_id},
        {"task_group_name", task.group},
        {"task_name", task.id.task},
        {"namespace", task.namespace_},
        {"node_name", task.node_name},
        {"node_id", task.node_id}
    };
    for (const auto& [name, value] : extra) {
        const bool wanted = std::ranges::any_of(policy.extra_labels, [&](const std::string& glob) {
            return glob == "*" || glob == name ||
                   (glob.ends_with('*') &&
                    std::string_view(name).starts_with(glob.substr(0, glob.size() - 1)));
        });
        if (wanted) {
            out.insert_or_assign(std::string("com.hashicorp.nomad.") + name, value);
        }
    }
    return out;
}

}  // namespace

ImageName parse_image(const std::string& image) {
    const std::size_t at = image.find('@');
    if (at != std::string::npos) {
        return {image, "", true};
    }
    const std::size_t slash = image.rfind('/');
    const std::size_t colon = image.rfind(':');
    if (colon == std::string::npos || (slash != std::string::npos && colon < slash)) {
        return {image, "latest", false};
    }
    return {image.substr(0, colon), image.substr(colon + 1), false};
}

Result<EnginePolicy> read_policy(Engine engine, const ValueMap& block) {
    const bool docker = engine == Engine::Docker;
    NL_TRY(
        const EnginePlugin plugin,
        read_config<EnginePlugin>(docker ? "plugin \"docker\"" : "plugin \"podman\"", block)
    );
    EnginePolicy out;
    out.engine = engine;
    out.endpoint = plugin.endpoint.empty() ? plugin.socket_path : plugin.endpoint;
    if (out.endpoint.empty()) {
        out.endpoint = docker ? "unix:///var/run/docker.sock" : "unix:///run/podman/podman.sock";
    }
    if (!out.endpoint.starts_with("unix:///") && !out.endpoint.starts_with("tcp://")) {
        return fail(
            ErrorCode::InvalidArgument,
            "plugin \"{}\": endpoint must be unix:///path or tcp://host:port, got \"{}\"",
            docker ? "docker" : "podman",
            out.endpoint
        );
    }
    if (plugin.tls) {
        return fail(
            ErrorCode::InvalidArgument,
            "plugin \"docker\": tls to the engine is not taken; use its unix socket"
        );
    }
    out.allow_privileged = plugin.allow_privileged;
    out.allow_host_network = plugin.allow_host_network;
    out.allow_caps = plugin.allow_caps.empty() ? default_capabilities() : plugin.allow_caps;
    if (!plugin.allow_runtimes.empty()) {
        out.allow_runtimes = plugin.allow_runtimes;
    }
    if (!plugin.nvidia_runtime.empty()) {
        out.nvidia_runtime = plugin.nvidia_runtime;
    }
    out.allow_devices = plugin.allow_devices;
    out.allow_security_opts = plugin.allow_security_opts;
    out.extra_labels = plugin.extra_labels;
    out.pids_limit = plugin.pids_limit;
    out.disable_log_collection = plugin.disable_log_collection;
    out.infra_image = plugin.infra_image;
    out.infra_image_pull_timeout = plugin.infra_image_pull_timeout;
    out.pull_activity_timeout = plugin.pull_activity_timeout;
    if (plugin.volumes) {
        out.volumes_enabled = plugin.volumes->enabled;
        out.selinux_label = plugin.volumes->selinuxlabel;
    } else if (!docker) {
        // As its users know it: podman's volumes are on unless they are turned off.
        out.volumes_enabled = false;
    }
    if (plugin.gc) {
        out.gc_image = plugin.gc->image;
        out.gc_image_delay = plugin.gc->image_delay;
        out.gc_container = plugin.gc->container;
        if (plugin.gc->dangling_containers) {
            const DanglingBlock& d = *plugin.gc->dangling_containers;
            out.gc_dangling = d.enabled;
            out.gc_dangling_dry_run = d.dry_run;
            out.gc_dangling_period = d.period;
            out.gc_dangling_grace = d.creation_grace;
        }
    }
    if (plugin.auth) {
        out.auth_file = plugin.auth->config;
        out.auth_helper = plugin.auth->helper;
    }
    if (plugin.logging) {
        out.logging_type =
            plugin.logging->type.empty() ? plugin.logging->driver : plugin.logging->type;
        out.logging_config = plugin.logging->config;
    }
    return out;
}

Result<ContainerPlan> plan_container(
    const EnginePolicy& policy, const client::TaskSpec& task, const std::string& files
) {
    const bool docker = policy.engine == Engine::Docker;
    NL_TRY(
        ContainerConfig c,
        read_config<ContainerConfig>(docker ? "driver docker" : "driver podman", task.config)
    );
    NL_TRY_VOID(check_rights(policy, c));
    NL_TRY(
        const std::vector<std::string> caps,
        resolve_capabilities(policy.allow_caps, policy.allow_caps, c.cap_add, c.cap_drop)
    );
    ContainerPlan plan;
    plan.name = fmt::format("{}-{}", task.id.task, task.id.alloc.str());
    std::ranges::replace_if(
        plan.name,
        [](char ch) {
            return !(
                (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                ch == '_' || ch == '-' || ch == '.'
            );
        },
        '_'
    );
    plan.image = c.image.starts_with("docker://") ? c.image.substr(9) : c.image;
    plan.force_pull = c.force_pull;
    plan.pull_timeout = c.image_pull_timeout;
    plan.auth_soft_fail = c.auth_soft_fail;
    plan.tty = c.tty;
    if (c.auth) {
        plan.login = {c.auth->username, c.auth->password, c.auth->email, c.auth->server_address};
    }
    if (!c.load.empty()) {
        client::TaskSpec local = task;
        EnginePolicy strict = policy;
        strict.volumes_enabled = false;
        NL_TRY(plan.load, resolve_source(strict, local, "local/" + c.load));
    }
    Value::List binds;
    NL_TRY(Value::List mounts, all_mounts(policy, task, c, files, binds));
    Value::Map exposed;
    Value::Map bound;
    const bool joined = !task.network.net_ns.empty() || task.network.mode == "none";
    if (!joined && c.network_mode != "host" && c.network_mode != "none") {
        NL_TRY_VOID(add_ports(task, c, exposed, bound));
    }

    Value::Map host;
    host["Mounts"] = std::move(mounts);
    host["Binds"] = std::move(binds);
    host["PortBindings"] = std::move(bound);
    host["AutoRemove"] = false;
    host["Privileged"] = c.privileged;
    host["ReadonlyRootfs"] = c.readonly_rootfs;
    host["LogConfig"] = log_config(policy, task, c);
    if (!c.privileged) {
        host["CapDrop"] = Value::List{Value("ALL")};
        Value::List names;
        for (const std::string& cap : caps) {
            names.push_back(docker ? cap.substr(4) : cap);
        }
        host["CapAdd"] = std::move(names);
    }
    add_limits(policy, task, c, host);
    NL_TRY(Value::List limits, ulimits(c.ulimit));
    if (!limits.empty()) {
        host["Ulimits"] = std::move(limits);
    }
    if (joined) {
        host["NetworkMode"] = task.network.mode == "none"     ? std::string("none")
                              : !task.network.sandbox.empty() ? "container:" + task.network.sandbox
                                                              : "ns:" + task.network.net_ns;
    } else if (!c.network_mode.empty()) {
        host["NetworkMode"] = c.network_mode;
    }
    const std::pair<const char*, const std::string*> words[] = {
        {"PidMode", &c.pid_mode},
        {"IpcMode", &c.ipc_mode},
        {"UTSMode", &c.uts_mode},
        {"UsernsMode", &c.userns_mode},
        {"CgroupnsMode", &c.cgroupns},
        {"Runtime", &c.runtime},
        {"VolumeDriver", &c.volume_driver}
    };
    for (const auto& [key, value] : words) {
        if (!value->empty()) {
            host[key] = *value;
        }
    }
    if (!c.userns.empty()) {
        host["UsernsMode"] = c.userns;
    }
    if (c.runtime.empty() && task.env.contains("NVIDIA_VISIBLE_DEVICES")) {
        host["Runtime"] = policy.nvidia_runtime;
    }
    if (!joined) {
        std::vector<std::string> servers = c.dns_servers;
        servers.insert(servers.end(), c.dns.begin(), c.dns.end());
        std::vector<std::string> searches = c.dns_search_domains;
        std::vector<std::string> options = c.dns_options;
        if (task.network.dns && servers.empty()) {
            servers = task.network.dns->servers;
            searches = task.network.dns->searches;
            options = task.network.dns->options;
        }
        host["Dns"] = list(servers);
        host["DnsSearch"] = list(searches);
        host["DnsOptions"] = list(options);
        host["ExtraHosts"] = list(c.extra_hosts);
    }
    std::vector<std::string> security = c.security_opt;
    if (!c.apparmor_profile.empty()) {
        security.push_back("apparmor=" + c.apparmor_profile);
    }
    host["SecurityOpt"] = list(security);
    host["GroupAdd"] = list(c.group_add);
    host["StorageOpt"] = map(c.storage_opt);
    host["Sysctls"] = map(c.sysctl);
    if (c.init) {
        host["Init"] = true;
    }
    Value::List devices;
    for (const DeviceBlock& device : c.devices) {
        devices.push_back(Value::Map{
            {"PathOnHost", device.host_path},
            {"PathInContainer",
             device.container_path.empty() ? device.host_path : device.container_path},
            {"CgroupPermissions",
             device.cgroup_permissions.empty() ? "rwm" : device.cgroup_permissions}
        });
    }
    for (const client::TaskDevice& device : task.devices) {
        devices.push_back(Value::Map{
            {"PathOnHost", device.host_path},
            {"PathInContainer", device.task_path.empty() ? device.host_path : device.task_path},
            {"CgroupPermissions", device.permissions.empty() ? "rwm" : device.permissions}
        });
    }
    host["Devices"] = std::move(devices);

    Value::Map body;
    body["Image"] = plan.image;
    std::vector<std::string> command = c.args;
    if (!c.command.empty()) {
        command.insert(command.begin(), c.command);
    }
    if (!command.empty()) {
        body["Cmd"] = list(command);
    }
    if (!c.entrypoint.empty()) {
        body["Entrypoint"] = list(c.entrypoint);
    }
    Value::List env;
    for (const auto& [name, value] : task.env) {
        env.push_back(name + "=" + value);
    }
    body["Env"] = std::move(env);
    if (!task.user.empty()) {
        body["User"] = task.user;
    }
    const std::string& folder = c.work_dir.empty() ? c.working_dir : c.work_dir;
    if (!folder.empty()) {
        body["WorkingDir"] = folder;
    }
    body["Tty"] = c.tty;
    body["OpenStdin"] = c.interactive;
    body["Labels"] = map(labels_of(policy, task, c));
    body["ExposedPorts"] = std::move(exposed);
    const std::string& hostname = c.hostname.empty() ? task.network.hostname : c.hostname;
    if (!hostname.empty() && !joined) {
        body["Hostname"] = hostname;
    }
    if (!c.mac_address.empty()) {
        body["MacAddress"] = c.mac_address;
    }
    if (c.healthchecks && c.healthchecks->disable) {
        body["Healthcheck"] = Value::Map{{"Test", Value::List{Value("NONE")}}};
    }
    if (!joined &&
        (!c.network_aliases.empty() || !c.ipv4_address.empty() || !c.ipv6_address.empty())) {
        Value::Map ipam;
        if (!c.ipv4_address.empty()) {
            ipam["IPv4Address"] = c.ipv4_address;
        }
        if (!c.ipv6_address.empty()) {
            ipam["IPv6Address"] = c.ipv6_address;
        }
        body["NetworkingConfig"] = Value::Map{
            {"EndpointsConfig",
             Value::Map{
                 {c.network_mode.empty() ? "bridge" : c.network_mode,
                  Value::Map{{"Aliases", list(c.network_aliases)}, {"IPAMConfig", std::move(ipam)}}}
             }}
        };
    }
    const std::string* log_type = host["LogConfig"].as_map()->at("Type").as_string();
    plan.collect_logs =
        !task.logs_disabled && !policy.disable_log_collection && *log_type != "none";
    body["HostConfig"] = std::move(host);
    plan.create = std::move(body);
    return plan;
}

}  // namespace nl::drivers
