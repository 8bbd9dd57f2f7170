#include "sched/update_kind.h"

#include "base/check.h"

#include <algorithm>

namespace nl::sched {
namespace {

using model::Job;
using model::NetworkResource;
using model::Task;
using model::TaskGroup;

bool ports_differ(const std::vector<model::Port>& a, const std::vector<model::Port>& b) {
    // The same ports written in another order are the same ports.
    return a.size() != b.size() || !std::ranges::all_of(a, [&](const auto& port) {
               return std::ranges::count(b, port) > 0;
           });
}

bool networks_differ(const std::vector<NetworkResource>& a, const std::vector<NetworkResource>& b) {
    if (a.size() != b.size()) {
        return true;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        const NetworkResource& x = a[i];
        const NetworkResource& y = b[i];
        if (x.mode != y.mode || x.hostname != y.hostname || x.mbits != y.mbits || x.dns != y.dns ||
            x.cni != y.cni || ports_differ(x.reserved_ports, y.reserved_ports) ||
            ports_differ(x.dynamic_ports, y.dynamic_ports)) {
            return true;
        }
    }
    return false;
}

bool resources_differ(const Box<model::Resources>& before, const Box<model::Resources>& after) {
    const model::Resources none;
    const model::Resources& a = before ? *before : none;
    const model::Resources& b = after ? *after : none;
    return a.cpu != b.cpu || a.cores != b.cores || a.memory_mb != b.memory_mb ||
           a.memory_max_mb != b.memory_max_mb || a.devices != b.devices || a.numa != b.numa ||
           a.secrets_mb != b.secrets_mb || networks_differ(a.networks, b.networks);
}

bool logging_disabled(const Task& task) {
    return task.log_config && task.log_config->disabled;
}

/// The service-mesh sides of services: other changes to a service are made in place.
bool connect_differs(
    const std::vector<model::Service>& before, const std::vector<model::Service>& after
) {
    const auto meshed = [](const std::vector<model::Service>& services) {
        std::vector<const model::Service*> out;
        for (const auto& service : services) {
            if (service.connect) {
                out.push_back(&service);
            }
        }
        return out;
    };
    return !std::ranges::equal(
        meshed(before),
        meshed(after),
        [](const model::Service* a, const model::Service* b) {
            return a->name == b->name && a->port_label == b->port_label && a->connect == b->connect;
        }
    );
}

bool tasks_differ(
    const Job& before_job,
    const TaskGroup& before_group,
    const Task& before,
    const Job& after_job,
    const TaskGroup& after_group,
    const Task& after
) {
    return before.driver != after.driver || before.user != after.user ||
           before.config != after.config || before.env != after.env ||
           before.artifacts != after.artifacts || before.vault != after.vault ||
           before.templates != after.templates || before.secrets != after.secrets ||
           before.identity != after.identity || before.identities != after.identities ||
           before.volume_mounts != after.volume_mounts ||
           before.csi_plugin_config != after.csi_plugin_config || before.consul != after.consul ||
           before.lifecycle != after.lifecycle || before.kind != after.kind ||
           logging_disabled(before) != logging_disabled(after) ||
           resources_differ(before.resources, after.resources) ||
           connect_differs(before.services, after.services) ||
           combined_meta(before_job, before_group, before) !=
               combined_meta(after_job, after_group, after);
}

}  // namespace

const TaskGroup* find_group(const Job& job, std::string_view name) {
    const auto at = std::ranges::find(job.task_groups, name, &TaskGroup::name);
    return at == job.task_groups.end() ? nullptr : &*at;
}

StringMap combined_meta(const Job& job, const TaskGroup& group, const Task& task) {
    StringMap meta = task.meta;
    meta.insert(group.meta.begin(), group.meta.end());
    meta.insert(job.meta.begin(), job.meta.end());
    return meta;
}

bool needs_replacement(const Job& before, const Job& after, std::string_view group_name) {
    const TaskGroup* a = find_group(before, group_name);
    const TaskGroup* b = find_group(after, group_name);
    NL_ASSERT(a != nullptr);
    NL_ASSERT(b != nullptr);
    if (a->tasks.size() != b->tasks.size() || a->ephemeral_disk != b->ephemeral_disk ||
        a->volumes != b->volumes || a->consul != b->consul ||
        networks_differ(a->networks, b->networks) || connect_differs(a->services, b->services)) {
        return true;
    }
    return !std::ranges::all_of(b->tasks, [&](const Task& task) {
        const auto old = std::ranges::find(a->tasks, task.name, &Task::name);
        return old != a->tasks.end() && !tasks_differ(before, *a, *old, after, *b, task);
    });
}

}  // namespace nl::sched
