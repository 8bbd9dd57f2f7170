// What a Consul mesh adds to a group: the task of each sidecar, the port it listens on, and what a
// node must have to run it. Idempotent: a sidecar is known by its kind. Source: Nomad's jobspec
// reference, 6, "connect".
#include "jobspec/admit.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::jobspec {
namespace {

using model::Job;
using model::NetworkResource;
using model::Service;
using model::SidecarTask;
using model::Task;
using model::TaskGroup;

constexpr std::string_view kConsulVersion = ">= 1.8.0";
constexpr Duration kShutdownDelay = seconds(5);
constexpr Duration kKillTimeout = seconds(5);
constexpr std::int64_t kSidecarCpu = 250;
constexpr std::int64_t kSidecarMemoryMb = 128;
constexpr std::int64_t kSidecarLogFiles = 2;
constexpr std::int64_t kSidecarLogFileMb = 2;

/// Sidecars run where the group's own containers do.
std::string driver_for(const TaskGroup& group) {
    const bool podman = std::ranges::any_of(group.tasks, [](const Task& t) {
        return t.driver == "podman";
    });
    const bool docker = std::ranges::any_of(group.tasks, [](const Task& t) {
        return t.driver == "docker";
    });
    return podman && !docker ? "podman" : "docker";
}

Task sidecar(const Service& service, const TaskGroup& group) {
    Task task;
    task.name = "connect-proxy-" + service.name;
    task.kind = "connect-proxy:" + service.name;
    task.driver = driver_for(group);
    task.config = {
        {"image", "${meta.connect.sidecar_image}"},
        {"args",
         Value::List{
             "-c",
             "${NOMAD_SECRETS_DIR}/envoy_bootstrap.json",
             "-l",
             "${meta.connect.log_level}",
             "--concurrency",
             "${meta.connect.proxy_concurrency}",
             "--disable-hot-restart"
         }}
    };
    task.lifecycle.ensure().hook = "prestart";
    task.lifecycle->sidecar = true;
    task.shutdown_delay = kShutdownDelay;
    task.kill_timeout = kKillTimeout;
    auto& logs = task.log_config.ensure();
    logs.max_files = kSidecarLogFiles;
    logs.max_file_size_mb = kSidecarLogFileMb;
    auto& resources = task.resources.ensure();
    resources.cpu = kSidecarCpu;
    resources.memory_mb = kSidecarMemoryMb;
    if (group.restart_policy) {
        task.restart_policy = group.restart_policy;
    }
    const bool other = !service.cluster.empty() && service.cluster != "default";
    const std::string consul = other ? "consul." + service.cluster : "consul";
    task.constraints = {
        {.l_target = fmt::format("${{attr.{}.version}}", consul),
         .r_target = std::string(kConsulVersion),
         .operand = "semver"},
        {.l_target = fmt::format("${{attr.{}.grpc}}", consul), .r_target = "0", .operand = ">"}
    };
    return task;
}

/// What the job says of its sidecar goes over what one is made of.
void merge(const SidecarTask& from, Task& task) {
    const auto text = [](const std::string& given, std::string& to) {
        if (!given.empty()) {
            to = given;
        }
    };
    text(from.name, task.name);
    text(from.user, task.user);
    text(from.kill_signal, task.kill_signal);
    if (!from.driver.empty() && from.driver != task.driver) {
        // Another driver's configuration means nothing to this one.
        task.driver = from.driver;
        task.config = from.config;
    } else {
        for (const auto& [key, value] : from.config) {
            task.config.insert_or_assign(key, value);
        }
    }
    for (const auto& [key, value] : from.env) {
        task.env.insert_or_assign(key, value);
    }
    for (const auto& [key, value] : from.meta) {
        task.meta.insert_or_assign(key, value);
    }
    if (from.resources) {
        auto& resources = task.resources.ensure();
        resources.cpu = from.resources->cpu != 0 ? from.resources->cpu : resources.cpu;
        resources.memory_mb =
            from.resources->memory_mb != 0 ? from.resources->memory_mb : resources.memory_mb;
        resources.memory_max_mb = from.resources->memory_max_mb;
        if (from.resources->cores != 0) {
            resources.cores = from.resources->cores;
            resources.cpu = 0;
        }
        if (!from.resources->devices.empty()) {
            resources.devices = from.resources->devices;
        }
    }
    if (from.log_config) {
        task.log_config = from.log_config;
    }
    if (from.kill_timeout) {
        task.kill_timeout = *from.kill_timeout;
    }
    if (from.shutdown_delay) {
        task.shutdown_delay = *from.shutdown_delay;
    }
    if (!from.volume_mounts.empty()) {
        task.volume_mounts = from.volume_mounts;
    }
    if (!from.identities.empty()) {
        task.identities = from.identities;
    }
}

void add_port(NetworkResource& network, std::string label) {
    for (const auto* ports : {&network.reserved_ports, &network.dynamic_ports}) {
        if (std::ranges::find(*ports, label, &model::Port::label) != ports->end()) {
            return;
        }
    }
    model::Port port;
    port.label = std::move(label);
    port.to = -1;  // The same inside.
    network.dynamic_ports.push_back(std::move(port));
}

}  // namespace

void admit_connect(TaskGroup& group) {
    for (const Service& service : group.services) {
        if (!service.connect || (!service.provider.empty() && service.provider != "consul")) {
            continue;
        }
        if (service.connect->native) {
            const auto own = std::ranges::find(group.tasks, service.task_name, &Task::name);
            if (own != group.tasks.end()) {
                own->kind = "connect-native:" + service.name;
            }
        }
        if (!service.connect->sidecar_service) {
            continue;
        }
        const std::string kind = "connect-proxy:" + service.name;
        if (std::ranges::find(group.tasks, kind, &Task::kind) == group.tasks.end()) {
            Task task = sidecar(service, group);
            if (service.connect->sidecar_task) {
                merge(*service.connect->sidecar_task, task);
            }
            group.tasks.push_back(std::move(task));
        }
        if (service.connect->sidecar_service->port.empty() && !group.networks.empty()) {
            add_port(group.networks.front(), "connect-proxy-" + service.name);
        }
    }
}

}  // namespace nl::jobspec
