#include "jobspec/validate.h"

#include "expr/cron.h"
#include "jobspec/findings.h"

#include <algorithm>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::Job;
using model::TaskGroup;

void check_periodic(
    const model::PeriodicConfig& p, const ValidateOptions& options, Mistakes& out
) {
    if (!p.spec.empty() && !p.specs.empty()) {
        out.add("Only cron or crons may be used");
    }
    std::vector<std::string> all = p.specs;
    if (!p.spec.empty()) {
        all.push_back(p.spec);
    }
    if (all.empty()) {
        out.add("Must specify a spec");
    }
    if (!expr::is_utc(p.time_zone) &&
        (options.zones == nullptr || options.zones->find(p.time_zone) == nullptr)) {
        out.add("Invalid time zone \"{}\": unknown time zone {}", p.time_zone, p.time_zone);
    }
    if (!p.missed.empty() && p.missed != "skip" && p.missed != "run_once" &&
        p.missed != "run_all") {
        out.add("periodic missed must be skip, run_once or run_all, not \"{}\"", p.missed);
    }
    if (p.spec_type != "cron" && p.spec_type != "_internal_test") {
        out.add("Unknown periodic specification type \"{}\"", p.spec_type);
        return;
    }
    for (const std::string& spec : all) {
        if (const auto cron = expr::Cron::parse(spec); !cron) {
            out.add("Invalid cron spec \"{}\": {}", spec, cron.error().message);
        }
    }
}

void check_parameterized(const model::ParameterizedJobConfig& p, Mistakes& out) {
    if (p.payload != "optional" && p.payload != "required" && p.payload != "forbidden") {
        out.add("Unknown payload requirement: {}", quoted(p.payload));
    }
    if (p.max_parallel < 0) {
        out.add("Parameterized job max_parallel can't be negative");
    }
    std::vector<std::string> both;
    for (const std::string& key : p.meta_optional) {
        if (std::ranges::find(p.meta_required, key) != p.meta_required.end()) {
            both.push_back(key);
        }
    }
    if (!both.empty()) {
        out.add(
            "Required and optional meta keys should be disjoint. Following keys exist in both: {}",
            fmt::format("[{}]", fmt::join(both, " "))
        );
    }
}

void check_job_head(const Job& job, Mistakes& out) {
    if (job.region.empty() && !job.multiregion) {
        out.add("Missing job region");
    }
    if (job.id.empty()) {
        out.add("Missing job ID");
    } else if (job.id.find(' ') != std::string::npos) {
        out.add("Job ID contains a space");
    } else if (job.id.find('\0') != std::string::npos) {
        out.add("Job ID contains a null character");
    }
    if (job.name.empty()) {
        out.add("Missing job name");
    } else if (job.name.find('\0') != std::string::npos) {
        out.add("Job Name contains a null character");
    }
    if (job.namespace_.empty()) {
        out.add("Job must be in a namespace");
    }
    if (job.type.empty()) {
        out.add("Missing job type");
    } else if (!one_of(job.type, {"service", "batch", "system", "sysbatch", "core"})) {
        out.add("Invalid job type: {}", quoted(job.type));
    }
    if (job.datacenters.empty() && !job.multiregion) {
        out.add("Missing job datacenters");
    }
    for (const std::string& datacenter : job.datacenters) {
        if (datacenter.empty()) {
            out.add("Job datacenter must be non-empty string");
        }
    }
    if (job.task_groups.empty()) {
        out.add("Missing job task groups");
    }
    check_constraints(job.constraints, Level::Job, out);
    if (job.type != "system") {
        check_affinities(job.affinities, out);
        check_spreads(job.spreads, out);
    } else {
        if (!job.affinities.empty()) {
            out.add("System jobs may not have an affinity block");
        }
        if (!job.spreads.empty()) {
            out.add("System jobs may not have a spread block");
        }
    }
    constexpr std::size_t kLongestText = 1000;
    if (job.ui && job.ui->description.size() > kLongestText) {
        out.add(
            "UI description must be under 1000 characters, currently {}", job.ui->description.size()
        );
    }
    if (job.version_tag && job.version_tag->description.size() > kLongestText) {
        out.add(
            "Tagged version description must be under 1000 characters, currently {}",
            job.version_tag->description.size()
        );
    }
}

/// What whoever submits a job may not ask for, though it can be a job's.
void check_submission(const Job& job, const ValidateOptions& options, Mistakes& out) {
    if (job.type == "core") {
        out.add("job type cannot be core");
    }
    if (!job.payload.bytes.empty()) {
        out.add("job can't be submitted with a payload, only dispatched");
    }
    if (job.priority < 1 || job.priority > options.priority_max) {
        out.add("job priority must be between [1, {}]", options.priority_max);
    }
    std::int64_t total = 0;
    const auto named = [&](const model::Service& s, std::string_view parent) {
        // A Consul service's identity is named by the servers.
        if (s.identity && s.identity->name.empty() && s.provider != "consul") {
            out.add("Service {} in {} has an identity with an empty name", s.name, parent);
        }
    };
    for (const TaskGroup& group : job.task_groups) {
        total += group.count;
        for (const model::Service& s : group.services) {
            named(s, fmt::format("task group {}", group.name));
        }
        for (const model::Task& task : group.tasks) {
            for (const model::Service& s : task.services) {
                named(s, fmt::format("task {}", task.name));
            }
        }
    }
    if (options.count_max > 0 && total > options.count_max) {
        out.add(
            "total count was greater than configured job_max_count: {} > {}",
            total,
            options.count_max
        );
    }
}

/// Blocks for services that this cluster has no part in: one sentence each, for the whole job.
void check_integrations(const Job& job, const ValidateOptions& options, Mistakes& out) {
    for (const TaskGroup& group : job.task_groups) {
        Mistakes connect;
        check_connect(group, connect);
        if (!connect.empty()) {
            out.add_each("", connect);
            break;
        }
    }
    const auto vault = [&]() -> std::string {
        for (const TaskGroup& group : job.task_groups) {
            for (const model::Task& task : group.tasks) {
                if (task.vault && !options.vault) {
                    return fmt::format(
                        "Vault {} not enabled but used in the job",
                        quoted(task.vault->cluster.empty() ? "default" : task.vault->cluster)
                    );
                }
                if (task.vault && !one_of(task.vault->cluster, {"", "default"})) {
                    return "non-default Vault cluster requires Nomad Enterprise";
                }
            }
        }
        return "";
    };
    if (const std::string why = vault(); !why.empty()) {
        out.add("{}", why);
    }
    const auto other_consul = [](const std::string& cluster) {
        return !one_of(cluster, {"", "default"});
    };
    const auto in_services = [&](const std::vector<model::Service>& services) {
        return std::ranges::any_of(services, [&](const model::Service& s) {
            return s.provider == "consul" && other_consul(s.cluster);
        });
    };
    for (const TaskGroup& group : job.task_groups) {
        bool other =
            (group.consul && other_consul(group.consul->cluster)) || in_services(group.services);
        for (const model::Task& task : group.tasks) {
            other = other || in_services(task.services) ||
                    (task.consul && other_consul(task.consul->cluster));
        }
        if (other) {
            out.add("non-default Consul cluster requires Nomad Enterprise");
            break;
        }
    }
}

void check_job(const Job& job, const ValidateOptions& options, Mistakes& out) {
    check_integrations(job, options, out);
    check_job_head(job, out);
    std::map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < job.task_groups.size(); ++i) {
        const TaskGroup& group = job.task_groups[i];
        if (group.name.empty()) {
            out.add("Job task group {} missing name", i + 1);
        } else if (const auto [first, fresh] = seen.emplace(group.name, i); !fresh) {
            out.add(
                "Job task group {} redefines '{}' from group {}",
                i + 1,
                group.name,
                first->second + 1
            );
        }
        if (group.shutdown_delay && *group.shutdown_delay < Duration{}) {
            out.add("ShutdownDelay must be a positive value");
        }
        if (job.type == "system" && group.count > 1) {
            out.add(
                "Job task group {} has count {}. Count cannot exceed 1 with system scheduler",
                group.name,
                group.count
            );
        }
    }
    for (const TaskGroup& group : job.task_groups) {
        Mistakes inner;
        check_group(group, job, inner);
        out.add_nested(fmt::format("Task group {} validation failed: ", group.name), inner);
    }
    if (job.periodic && job.periodic->enabled) {
        if (job.type != "batch" && job.type != "sysbatch") {
            out.add("Periodic can only be used with \"batch\" or \"sysbatch\" scheduler");
        }
        Mistakes inner;
        check_periodic(*job.periodic, options, inner);
        out.add_nested("", inner);
    }
    if (job.parameterized_job) {
        if (job.type != "batch" && job.type != "sysbatch") {
            out.add("Parameterized job can only be used with \"batch\" or \"sysbatch\" scheduler");
        }
        Mistakes inner;
        check_parameterized(*job.parameterized_job, inner);
        out.add_nested("", inner);
    }
    if (job.retain && (job.retain->runs < 0 || job.retain->age < Duration{})) {
        out.add("retain runs and age can't be negative");
    }
    if (job.ttl && *job.ttl <= Duration{}) {
        out.add("ttl must be greater than zero");
    }
    if (job.max_run_duration && *job.max_run_duration <= Duration{}) {
        out.add("job max_run_duration must be greater than zero");
    }
    if (job.multiregion) {
        out.add("Multiregion jobs are unlicensed.");
    }
    check_submission(job, options, out);
    const auto scheduled = [](const TaskGroup& group) {
        return std::ranges::any_of(group.tasks, [](const model::Task& task) {
            return task.schedule.has_value();
        });
    };
    if (std::ranges::any_of(job.task_groups, scheduled)) {
        out.add("task schedules requires Nomad Enterprise");
    }
}

void job_warnings(const Job& job, const ValidateOptions& options, Mistakes& out) {
    bool promotes = false;
    bool all_promote = true;
    for (const TaskGroup& group : job.task_groups) {
        Mistakes inner;
        group_warnings(group, inner);
        out.add_nested(fmt::format("Group {} has warnings: ", quoted(group.name)), inner);
        if (group.update) {
            promotes = promotes || group.update->auto_promote;
            // Without canaries there is nothing to promote.
            all_promote = all_promote && (group.update->canary == 0 || group.update->auto_promote);
        }
    }
    for (const TaskGroup& group : job.task_groups) {
        shutdown_warnings(group, out);
    }
    if (promotes && !all_promote) {
        out.add("auto_promote must be true for all groups to enable automatic promotion");
    }
    if (job.periodic && !job.periodic->spec.empty()) {
        out.add("cron is deprecated and may be removed in a future release. Use crons instead");
    }
    for (const TaskGroup& group : job.task_groups) {
        for (const model::Task& task : group.tasks) {
            for (const auto& identity : task.identities) {
                if (identity.name.starts_with("vault_") && !task.vault) {
                    out.add(
                        "Task {} has an identity called {} but no vault block",
                        task.name,
                        identity.name
                    );
                }
            }
        }
    }
    for (const TaskGroup& group : job.task_groups) {
        for (const model::Task& task : group.tasks) {
            if (!options.memory_oversubscription && task.resources &&
                task.resources->memory_max_mb != 0) {
                out.add(
                    "Memory oversubscription is not enabled; Task \"{}.{}\" memory_max value will "
                    "be ignored. Update the Scheduler Configuration to allow oversubscription.",
                    group.name,
                    task.name
                );
            }
        }
    }
}

}  // namespace

std::string errors_text(const std::vector<std::string>& errors) {
    return errors.empty() ? "" : joined(errors);
}

std::string warnings_text(const std::vector<std::string>& warnings) {
    if (warnings.empty()) {
        return "";
    }
    std::string out =
        fmt::format("{} warning{}:\n", warnings.size(), warnings.size() == 1 ? "" : "s");
    for (std::string_view w : warnings) {
        while (w.ends_with('\n') || w.ends_with(' ') || w.ends_with('\t')) {
            w.remove_suffix(1);
        }
        out += fmt::format("\n* {}", w);
    }
    return out;
}

Findings validate(const Job& job, const ValidateOptions& options) {
    Mistakes errors;
    check_job(job, options, errors);
    Mistakes warnings;
    job_warnings(job, options, warnings);
    return {.errors = errors.list(), .warnings = warnings.list()};
}

}  // namespace nl::jobspec
