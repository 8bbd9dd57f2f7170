#include "jobspec/admit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::Constraint;
using model::Job;
using model::Service;
using model::Task;
using model::TaskGroup;

constexpr std::int64_t kDefaultPriority = 50;
constexpr Duration kDefaultKillTimeout = seconds(5);
constexpr std::string_view kDefaultAudience = "nomadproject.io";

void to_upper(std::string& text) {
    for (char& c : text) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
}

/// "${JOB}-api" with the names a service may be built of.
void spell_out(std::string& name, const Job& job, const TaskGroup& group, std::string_view task) {
    const std::pair<std::string_view, std::string> known[] = {
        {"${JOB}", job.name},
        {"${TASKGROUP}", group.name},
        {"${TASK}", std::string(task)},
        {"${BASE}", fmt::format("{}-{}-{}", job.name, group.name, task)},
    };
    for (const auto& [reference, value] : known) {
        std::size_t at = 0;
        while ((at = name.find(reference, at)) != std::string::npos) {
            name.replace(at, reference.size(), value);
            at += value.size();
        }
    }
}

void admit_service(Service& service, const Job& job, const TaskGroup& group, const Task* task) {
    if (task != nullptr && service.task_name.empty()) {
        service.task_name = task->name;
    }
    spell_out(service.name, job, group, task != nullptr ? task->name : "group");
    if (service.provider == "nomad") {
        service.namespace_ = job.namespace_;
    } else if (service.namespace_.empty() && service.provider == "consul") {
        service.namespace_ = "default";
    }
    if (service.connect && service.connect->native && service.task_name.empty() &&
        group.tasks.size() == 1) {
        service.task_name = group.tasks.front().name;
    }
    for (auto& check : service.checks) {
        if (check.name.empty()) {
            check.name = "service: \"" + service.name + "\" check";
        }
        if (check.task_name.empty()) {
            check.task_name = service.task_name;
        }
        if (check.on_update.empty()) {
            check.on_update = "require_healthy";
        }
    }
}

void admit_identity(model::WorkloadIdentity& identity) {
    if (identity.name.empty()) {
        identity.name = "default";
    }
    if (identity.name == "default") {
        identity.audience = {std::string(kDefaultAudience)};
    }
    to_upper(identity.change_signal);
}

void admit_networks(std::vector<model::NetworkResource>& networks) {
    for (auto& network : networks) {
        for (auto* ports : {&network.reserved_ports, &network.dynamic_ports}) {
            for (model::Port& port : *ports) {
                if (port.host_network.empty()) {
                    port.host_network = "default";
                }
            }
        }
    }
}

void admit_task(Task& task, const Job& job, const TaskGroup& group) {
    for (Service& service : task.services) {
        admit_service(service, job, group, &task);
    }
    if (task.resources) {
        admit_networks(task.resources->networks);
        // A task's share of the disk is its group's business.
        task.resources->disk_mb = 0;
        if (task.resources->numa && task.resources->numa->affinity.empty()) {
            task.resources->numa->affinity = "none";
        }
    }
    if (task.kill_timeout == Duration{}) {
        task.kill_timeout = kDefaultKillTimeout;
    }
    if (task.vault) {
        to_upper(task.vault->change_signal);
    }
    for (auto& identity : task.identities) {
        admit_identity(identity);
    }
    const auto own = std::ranges::find(task.identities, "default", &model::WorkloadIdentity::name);
    if (own != task.identities.end()) {
        task.identity = *own;
        task.identities.erase(own);
    }
    admit_identity(task.identity.ensure());
}

// ---- implied constraints

enum class Match : unsigned char { Whole, Attribute };

/// Adds the constraint unless there is the same one or, by attribute, one of the job's own that
/// takes its place.
void imply(std::vector<Constraint>& constraints, Match match, Constraint implied) {
    const bool there = std::ranges::any_of(constraints, [&](const Constraint& c) {
        return match == Match::Whole ? c == implied : c.l_target == implied.l_target;
    });
    if (!there) {
        constraints.push_back(std::move(implied));
    }
}

Constraint version_at_least(std::string attribute, std::string_view version) {
    return {
        .l_target = "${attr." + std::move(attribute) + "}",
        .r_target = fmt::format(">= {}", version),
        .operand = "semver"
    };
}

std::string versioned(std::string_view product, const std::string& cluster) {
    return cluster.empty() || cluster == "default" ? fmt::format("{}.version", product)
                                                   : fmt::format("{}.{}.version", product, cluster);
}

void imply_vault(TaskGroup& group) {
    std::map<std::string_view, const Task*> by_name;
    for (const Task& task : group.tasks) {
        if (task.vault) {
            by_name.emplace(task.name, &task);
        }
    }
    for (const auto& [name, task] : by_name) {
        const std::string& cluster = task->vault->cluster;
        const bool other = !cluster.empty() && cluster != "default";
        imply(
            group.constraints,
            Match::Attribute,
            version_at_least(versioned("vault", cluster), other ? "1.11.0" : "0.6.1")
        );
    }
}

/// What is neither Nomad's variables nor Vault is a plugin that a node has or has not.
void imply_secrets(TaskGroup& group) {
    for (const Task& task : group.tasks) {
        for (const auto& secret : task.secrets) {
            if (secret.provider.empty() || secret.provider == "nomad" ||
                secret.provider == "vault") {
                continue;
            }
            imply(
                group.constraints,
                Match::Attribute,
                {.l_target = fmt::format("${{attr.plugins.secrets.{}.version}}", secret.provider),
                 .operand = "is_set"}
            );
        }
    }
}

void imply_signals(TaskGroup& group) {
    std::set<std::string> signals;
    for (const Task& task : group.tasks) {
        if (task.vault && task.vault->change_mode == "signal") {
            signals.insert(task.vault->change_signal);
        }
        if (!task.kill_signal.empty()) {
            signals.insert(task.kill_signal);
        }
        for (const auto& t : task.templates) {
            if (t.change_mode == "signal") {
                signals.insert(t.change_signal);
            }
        }
    }
    if (!signals.empty()) {
        imply(
            group.constraints,
            Match::Whole,
            {.l_target = "${attr.os.signals}",
             .r_target = fmt::format("{}", fmt::join(signals, ",")),
             .operand = "set_contains"}
        );
    }
}

void imply_services(TaskGroup& group) {
    bool nomad = false;
    bool nomad_checks = false;
    const auto look = [&](const std::vector<Service>& services) {
        for (const Service& s : services) {
            if (s.provider == "nomad") {
                nomad = true;
                nomad_checks = nomad_checks || !s.checks.empty();
            }
        }
    };
    look(group.services);
    for (const Task& task : group.tasks) {
        look(task.services);
    }
    if (nomad) {
        imply(
            group.constraints,
            Match::Whole,
            {.l_target = "${attr.nomad.service_discovery}", .r_target = "true", .operand = "="}
        );
    }
    if (nomad_checks) {
        imply(group.constraints, Match::Whole, version_at_least("nomad.version", "1.4.0"));
    }
    const auto consul = [](std::vector<Constraint>& to, const std::vector<Service>& services) {
        for (const Service& s : services) {
            if (s.provider == "consul") {
                imply(
                    to, Match::Attribute, version_at_least(versioned("consul", s.cluster), "1.8.0")
                );
            }
        }
    };
    consul(group.constraints, group.services);
    for (Task& task : group.tasks) {
        consul(task.constraints, task.services);
    }
}

void imply_transparent_proxy(TaskGroup& group) {
    const bool wanted = std::ranges::any_of(group.services, [](const Service& s) {
        return s.connect && s.connect->sidecar_service && s.connect->sidecar_service->proxy &&
               s.connect->sidecar_service->proxy->transparent_proxy;
    });
    if (wanted) {
        imply(
            group.constraints,
            Match::Attribute,
            version_at_least("plugins.cni.version.consul-cni", "1.4.2")
        );
        imply(group.constraints, Match::Attribute, version_at_least("nomad.version", "1.8.0-dev"));
    }
}

void imply_numa(TaskGroup& group) {
    const bool wanted = std::ranges::any_of(group.tasks, [](const Task& t) {
        return t.resources && t.resources->numa && t.resources->numa->affinity != "none";
    });
    if (wanted) {
        imply(group.constraints, Match::Whole, version_at_least("nomad.version", "1.6.3-dev"));
        imply(
            group.constraints,
            Match::Whole,
            {.l_target = "${attr.kernel.name}", .r_target = "linux", .operand = "="}
        );
    }
}

}  // namespace

void admit(Job& job) {
    if (job.priority == 0) {
        job.priority = kDefaultPriority;
    }
    for (TaskGroup& group : job.task_groups) {
        for (Service& service : group.services) {
            admit_service(service, job, group, nullptr);
        }
        admit_connect(group);
        admit_networks(group.networks);
        for (Task& task : group.tasks) {
            admit_task(task, job, group);
        }
        imply_vault(group);
        imply_secrets(group);
        imply_numa(group);
        imply_signals(group);
        imply_services(group);
        imply_transparent_proxy(group);
    }
}

}  // namespace nl::jobspec
