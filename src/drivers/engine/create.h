#pragma once
// A task of the docker or podman driver as the container the engine is asked for: the job's
// configuration (field lists in create.cc), what the node allows, and what the allocation has. No
// engine is asked; files are looked at only to resolve where a mount really leads.

#include "base/error.h"
#include "base/value.h"
#include "client/driver.h"

#include <string>
#include <vector>

namespace nl::drivers {

enum class Engine : unsigned char { Docker, Podman };

/// What the node's owner lets jobs ask for (plugin "docker" { config { ... } }).
struct EnginePolicy {
    Engine engine{};
    std::string endpoint;
    bool allow_privileged{};
    bool allow_host_network{};
    std::vector<std::string> allow_caps;
    std::vector<std::string> allow_runtimes{"runc", "nvidia"};
    /// Device paths of the node that jobs may name.
    std::vector<std::string> allow_devices;
    /// security_opt beyond no-new-privileges.
    std::vector<std::string> allow_security_opts;
    bool volumes_enabled{};
    std::string selinux_label;
    /// For tasks that were given NVIDIA's cards.
    std::string nvidia_runtime{"nvidia"};
    std::vector<std::string> extra_labels;
    std::int64_t pids_limit{};
    bool disable_log_collection{};
    std::string infra_image;
    Duration infra_image_pull_timeout{minutes(5)};
    Duration pull_activity_timeout{minutes(2)};
    bool gc_image{true};
    Duration gc_image_delay{minutes(3)};
    bool gc_container{true};
    bool gc_dangling{true};
    bool gc_dangling_dry_run{};
    Duration gc_dangling_period{minutes(5)};
    Duration gc_dangling_grace{minutes(5)};
    /// A file in the form of ~/.docker/config.json.
    std::string auth_file;
    std::string auth_helper;
    std::string logging_type;
    StringMap logging_config;
    std::int64_t total_compute{};
};

/// Errors: InvalidArgument, naming the option.
Result<EnginePolicy> read_policy(Engine engine, const ValueMap& block);

struct RegistryLogin {
    std::string username;
    std::string password;
    std::string email;
    std::string server;
    bool empty() const { return username.empty() && password.empty(); }
};

/// One task, ready for the engine.
struct ContainerPlan {
    std::string name;
    std::string image;
    /// A tar file on the node to load the image from, or "".
    std::string load;
    bool force_pull{};
    Duration pull_timeout{minutes(5)};
    RegistryLogin login;
    bool auth_soft_fail{};
    bool tty{};
    /// The engine's logs can be read back and are: they go into the task's log files.
    bool collect_logs{};
    /// POST /containers/create
    Value create;
    /// Whether the task's sandbox is to be joined, and under which extra names.
};

/// Labels that tell whose container it is.
inline constexpr const char* kAllocLabel = "com.hashicorp.nomad.alloc_id";
inline constexpr const char* kTaskLabel = "com.hashicorp.nomad.task_name";
inline constexpr const char* kInstanceLabel = "nomad-lite.instance";
inline constexpr const char* kNodeLabel = "nomad-lite.node_id";

/// `files` is where resolv.conf and hosts of the task may be written (their paths go into mounts).
/// Errors: InvalidArgument (the configuration), PermissionDenied (the node does not allow it).
Result<ContainerPlan> plan_container(
    const EnginePolicy& policy, const client::TaskSpec& task, const std::string& files
);

/// "name:tag" -> name and tag ("latest" if it has none); a digest stays with the name.
struct ImageName {
    std::string repository;
    std::string tag;
    bool digest{};
};
ImageName parse_image(const std::string& image);

}  // namespace nl::drivers
