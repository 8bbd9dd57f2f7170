#include "jobspec/validate.h"

#include "expr/cron.h"
#include "jobspec/findings.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::Job;
using model::TaskGroup;

std::string joined(const std::vector<std::string>& all) {
    std::string out = fmt::format("{} error{} occurred:\n", all.size(), all.size() == 1 ? "" : "s");
    bool first = true;
    for (const std::string& one : all) {
        out += first ? "\t* " : "\n\t* ";
        first = false;
        out += one;
    }
    return out + "\n\n";
}

void check_restart(const model::RestartPolicy& policy, Mistakes& out) {
    constexpr Duration kLeast = seconds(5);
    if (policy.mode != "delay" && policy.mode != "fail") {
        out.add("Unsupported restart mode: \"{}\"", policy.mode);
        if (policy.mode.empty()) {
            return;
        }
    }
    if (policy.attempts == 0 && policy.mode == "delay") {
        out.add(
            "Restart policy \"{}\" with {} attempts is ambiguous", policy.mode, policy.attempts
        );
    }
    if (policy.interval < kLeast) {
        out.add(
            "Interval can not be less than {} (got {})",
            to_string(kLeast),
            to_string(policy.interval)
        );
    }
    if (policy.delay * policy.attempts > policy.interval) {
        out.add(
            "Nomad can't restart the TaskGroup {} times in an interval of {} with a delay of {}",
            policy.attempts,
            to_string(policy.interval),
            to_string(policy.delay)
        );
    }
}

/// Time that `attempts` take with the policy's growing delays.
Duration needed(const model::ReschedulePolicy& p) {
    constexpr std::int64_t kMaxRounds = 10'000;
    Duration sum{};
    Duration delay = p.delay;
    Duration before{};
    for (std::int64_t i = 0; i < std::min(p.attempts, kMaxRounds); ++i) {
        sum = sum + delay;
        if (p.delay_function == "exponential") {
            delay = std::min(delay * 2, p.max_delay);
        } else if (p.delay_function == "fibonacci") {
            const Duration next = std::min(delay + before, p.max_delay);
            before = delay;
            delay = before == Duration{} ? next : std::max(next, delay);
        }
    }
    return sum;
}

void check_reschedule(const model::ReschedulePolicy& p, Mistakes& out) {
    constexpr Duration kLeastDelay = seconds(5);
    constexpr Duration kLeastInterval = seconds(15);
    if (p.attempts == 0 && !p.unlimited) {
        return;  // Never.
    }
    if (p.attempts > 0) {
        if (p.interval <= Duration{}) {
            out.add("Interval must be a non zero value if Attempts > 0");
        }
        if (p.unlimited) {
            out.add(
                "Reschedule Policy with Attempts = {}, Interval = {}, and Unlimited = {} is "
                "ambiguous",
                p.attempts,
                to_string(p.interval),
                p.unlimited
            );
            out.add("If Attempts >0, Unlimited cannot also be set to true");
        }
    }
    bool fine = true;
    if (p.delay < kLeastDelay) {
        out.add(
            "Delay cannot be less than {} (got {})", to_string(kLeastDelay), to_string(p.delay)
        );
        fine = false;
    }
    const bool known = p.delay_function == "constant" || p.delay_function == "exponential" ||
                       p.delay_function == "fibonacci";
    if (!known) {
        out.add(
            "Invalid delay function \"{}\", must be one of [\"constant\" \"exponential\" "
            "\"fibonacci\"]",
            p.delay_function
        );
        fine = false;
    }
    if (p.delay_function != "constant") {
        if (p.max_delay < kLeastDelay) {
            out.add(
                "Max Delay cannot be less than {} (got {})",
                to_string(kLeastDelay),
                to_string(p.delay)
            );
            fine = false;
        }
        if (p.max_delay < p.delay) {
            out.add(
                "Max Delay cannot be less than Delay {} (got {})",
                to_string(p.delay),
                to_string(p.max_delay)
            );
            fine = false;
        }
    }
    if (p.unlimited) {
        return;
    }
    if (p.interval < kLeastInterval) {
        out.add(
            "Interval cannot be less than {} (got {})",
            to_string(kLeastInterval),
            to_string(p.interval)
        );
        return;
    }
    const Duration time = needed(p);
    if (fine && time > p.interval) {
        out.add(
            "Nomad can't make {} attempts in {} with initial delay {} and delay function \"{}\"",
            p.attempts,
            to_string(p.interval),
            to_string(p.delay),
            p.delay_function
        );
        out.add(
            "Set the interval to at least {} to accommodate {} attempts",
            to_string(time),
            p.attempts
        );
    }
}

void check_update(const model::UpdateStrategy& u, Mistakes& out) {
    if (u.health_check != "checks" && u.health_check != "task_states" &&
        u.health_check != "manual") {
        out.add("Invalid health check given: \"{}\"", u.health_check);
    }
    if (u.max_parallel < 0) {
        out.add("Max parallel can not be less than zero: {} < 0", u.max_parallel);
    }
    if (u.canary < 0) {
        out.add("Canary count can not be less than zero: {} < 0", u.canary);
    }
    if (u.canary == 0 && u.auto_promote) {
        out.add("Auto Promote requires a Canary count greater than zero");
    }
    if (u.min_healthy_time < Duration{}) {
        out.add(
            "Minimum healthy time may not be less than zero: {}", to_string(u.min_healthy_time)
        );
    }
    if (u.healthy_deadline <= Duration{}) {
        out.add("Healthy deadline must be greater than zero: {}", to_string(u.healthy_deadline));
    }
    if (u.progress_deadline < Duration{}) {
        out.add("Progress deadline must be zero or greater: {}", to_string(u.progress_deadline));
    }
    if (u.min_healthy_time >= u.healthy_deadline) {
        out.add(
            "Minimum healthy time must be less than healthy deadline: {} > {}",
            to_string(u.min_healthy_time),
            to_string(u.healthy_deadline)
        );
    }
    if (u.progress_deadline != Duration{} && u.healthy_deadline >= u.progress_deadline) {
        out.add(
            "Healthy deadline must be less than progress deadline: {} > {}",
            to_string(u.healthy_deadline),
            to_string(u.progress_deadline)
        );
    }
    if (u.stagger <= Duration{}) {
        out.add("Stagger must be greater than zero: {}", to_string(u.stagger));
    }
}

void check_migrate(const model::MigrateStrategy& m, Mistakes& out) {
    if (m.max_parallel < 0) {
        out.add("MaxParallel must be >= 0 but found {}", m.max_parallel);
    }
    if (m.health_check != "checks" && m.health_check != "task_states") {
        out.add("Invalid HealthCheck: \"{}\"", m.health_check);
    }
    if (m.min_healthy_time < Duration{}) {
        out.add("MinHealthyTime is {} and must be >= 0", to_string(m.min_healthy_time));
    }
    if (m.healthy_deadline < Duration{}) {
        out.add("HealthyDeadline is {} and must be >= 0", to_string(m.healthy_deadline));
    }
    if (m.min_healthy_time > m.healthy_deadline) {
        out.add("MinHealthyTime must be less than HealthyDeadline");
    }
}

void check_disconnect(const model::DisconnectStrategy& d, const Job& job, Mistakes& out) {
    if (d.lost_after < Duration{}) {
        out.add("lost_after cannot be a negative duration");
    }
    if (d.stop_on_client_after) {
        if (*d.stop_on_client_after < Duration{}) {
            out.add("stop_on_client_after cannot be a negative duration");
        }
        if (job.type != "service" && job.type != "batch") {
            out.add("stop_on_client_after can only be used in batch and service job types");
        }
        if (d.lost_after > Duration{}) {
            out.add("disconnect cannot be configured with both lost_after and stop_on_client_after"
            );
        }
    }
    static constexpr std::array<std::string_view, 5> kKnown{
        "", "best_score", "longest_running", "keep_original", "keep_replacement"
    };
    if (std::ranges::find(kKnown, d.reconcile) == kKnown.end()) {
        out.add("reconcile option is invalid: {}", d.reconcile);
    }
}

void check_scaling(const model::ScalingPolicy& s, const TaskGroup& group, Mistakes& out) {
    if (s.max < 0) {
        out.add("maximum count must be specified and non-negative");
    } else if (s.max < s.min) {
        out.add("maximum count must not be less than minimum count");
    }
    if (s.min < 0) {
        out.add("minimum count must be specified and non-negative");
    }
    if (s.enabled && group.count < s.min) {
        out.add(
            "Task group count must not be less than minimum count in scaling policy: {} < {}",
            group.count,
            s.min
        );
    }
    if (s.enabled && s.max < group.count) {
        out.add(
            "Task group count must not be greater than maximum count in scaling policy: {} > {}",
            group.count,
            s.max
        );
    }
    if (s.type != "horizontal") {
        out.add("scaling policy type \"{}\" is not valid", s.type);
    }
}

void check_tasks(const TaskGroup& group, Mistakes& out) {
    std::map<std::string_view, std::size_t> seen;
    std::size_t leaders = 0;
    std::size_t mains = 0;
    for (std::size_t i = 0; i < group.tasks.size(); ++i) {
        const model::Task& task = group.tasks[i];
        if (task.name.empty()) {
            out.add("Task {} missing name", i + 1);
        } else if (const auto [first, fresh] = seen.emplace(task.name, i); !fresh) {
            out.add("Task {} redefines '{}' from task {}", i + 1, task.name, first->second + 1);
        }
        leaders += task.leader ? 1U : 0U;
        mains += task.lifecycle ? 0U : 1U;
    }
    if (leaders > 1) {
        out.add("Only one task may be marked as leader");
    }
    if (mains == 0 && !group.tasks.empty()) {
        out.add("Task group must have at least one task without a lifecycle");
    }
}

void check_group(const TaskGroup& group, const Job& job, Mistakes& out) {
    if (group.name.empty()) {
        out.add("Missing task group name");
    }
    if (group.name.find('\0') != std::string::npos) {
        out.add("Task group name contains null character");
    }
    if (group.count < 0) {
        out.add("Task group count can't be negative");
    }
    if (group.tasks.empty()) {
        out.add("Missing tasks for task group");
    }
    if (group.disconnect) {
        check_disconnect(*group.disconnect, job, out);
    }
    if (group.max_client_disconnect && group.stop_after_client_disconnect) {
        out.add(
            "Task Group cannot be configured with both max_client_disconnect and "
            "stop_after_client_disconnect"
        );
    }
    if (group.max_client_disconnect && *group.max_client_disconnect < Duration{}) {
        out.add("max_client_disconnect cannot be negative");
    }
    if (group.max_run_duration) {
        if (*group.max_run_duration <= Duration{}) {
            out.add("max_run_duration must be greater than zero");
        }
        // A job's own holds for services too; then it is the longest life of one allocation.
        if (job.type != "batch" && job.type != "sysbatch" &&
            group.max_run_duration != job.max_run_duration) {
            out.add("max_run_duration may only be used with batch and sysbatch jobs");
        }
    }
    check_constraints(group.constraints, Level::Group, out);
    if (job.type == "system" || job.type == "sysbatch") {
        if (!group.affinities.empty()) {
            out.add("System jobs may not have an affinity block");
        }
        if (!group.spreads.empty()) {
            out.add("System jobs may not have a spread block");
        }
    } else {
        check_affinities(group.affinities, out);
    }
    if (group.restart_policy) {
        check_restart(*group.restart_policy, out);
    } else {
        out.add("Task Group {} should have a restart policy", group.name);
    }
    if (job.type != "system" && job.type != "sysbatch") {
        check_spreads(group.spreads, out);
    }
    const bool system = job.type == "system" || job.type == "sysbatch";
    if (system && group.reschedule_policy) {
        out.add("System or sysbatch jobs should not have a reschedule policy");
    } else if (group.reschedule_policy) {
        check_reschedule(*group.reschedule_policy, out);
    }
    if (group.ephemeral_disk && group.ephemeral_disk->size_mb < 10) {
        out.add("minimum DiskMB value is 10; got {}", group.ephemeral_disk->size_mb);
    }
    if (group.update) {
        if (job.type != "service" && job.type != "system") {
            out.add("Job type \"{}\" does not allow update block", job.type);
        } else {
            check_update(*group.update, out);
        }
    }
    if (group.migrate) {
        if (job.type == "service") {
            check_migrate(*group.migrate, out);
        } else {
            out.add("Job type \"{}\" does not allow migrate block", job.type);
        }
    }
    check_tasks(group, out);
    Mistakes network;
    check_networks(group, network);
    out.add_nested("Task group network validation failed: ", network);
    check_volumes(group, out);
    Mistakes services;
    check_services(group.services, group, nullptr, services);
    out.add_nested("Task group service validation failed: ", services);
    if (group.scaling) {
        Mistakes scaling;
        check_scaling(*group.scaling, group, scaling);
        out.add_nested("Task group scaling policy validation failed: ", scaling);
        if (system) {
            out.add("System jobs may not have a scaling policy");
        }
    }
    if (group.shutdown_delay && *group.shutdown_delay < Duration{}) {
        out.add("ShutdownDelay must be a positive value");
    }
    for (const model::Task& task : group.tasks) {
        Mistakes inner;
        check_task(task, group, job, inner);
        out.add_nested(fmt::format("Task {} validation failed: ", task.name), inner);
    }
}

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
        out.add("Invalid payload requirement: \"{}\"", p.payload);
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

void check_job(const Job& job, const ValidateOptions& options, Mistakes& out) {
    if (job.region.empty()) {
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
    static constexpr std::array<std::string_view, 4> kTypes{
        "service", "batch", "system", "sysbatch"
    };
    if (job.type.empty()) {
        out.add("Missing job type");
    } else if (job.type == "core") {
        out.add("job type cannot be core");
    } else if (std::ranges::find(kTypes, job.type) == kTypes.end()) {
        out.add("Invalid job type: \"{}\"", job.type);
    }
    if (job.priority < 1 || job.priority > options.priority_max) {
        out.add("job priority must be between [1, {}]", options.priority_max);
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
    const bool system = job.type == "system" || job.type == "sysbatch";
    if (system) {
        if (!job.affinities.empty()) {
            out.add("System jobs may not have an affinity block");
        }
        if (!job.spreads.empty()) {
            out.add("System jobs may not have a spread block");
        }
    } else {
        check_affinities(job.affinities, out);
        check_spreads(job.spreads, out);
    }
    std::map<std::string_view, std::size_t> seen;
    std::int64_t total = 0;
    for (std::size_t i = 0; i < job.task_groups.size(); ++i) {
        const TaskGroup& group = job.task_groups[i];
        total += std::max<std::int64_t>(group.count, 0);
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
        if (job.type == "system" && group.count > 1) {
            out.add(
                "Job task group {} has count {}. Count cannot exceed 1 with system scheduler",
                group.name,
                group.count
            );
        }
    }
    if (total > options.count_max) {
        out.add(
            "total count was greater than configured job_max_count: {} > {}",
            total,
            options.count_max
        );
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
    if (job.ui && job.ui->description.size() > 1000) {
        out.add(
            "UI description must be under 1000 characters, currently {}", job.ui->description.size()
        );
    }
}

void job_warnings(const Job& job, const ValidateOptions& options, Mistakes& out) {
    if (job.periodic && !job.periodic->spec.empty()) {
        out.add("cron is deprecated and may be removed in a future release. Use crons instead");
    }
    for (const TaskGroup& group : job.task_groups) {
        Mistakes inner;
        bool delayed = group.shutdown_delay.value_or(Duration{}) > Duration{};
        bool serves = false;
        const auto plain = [](const model::Service& s) { return !s.connect; };
        serves = std::ranges::any_of(group.services, plain);
        for (const auto* list : {&group.services}) {
            for (const model::Service& service : *list) {
                if (service.connect && service.connect->sidecar_task) {
                    // The proxy's task is made from this block.
                    model::Task sidecar;
                    sidecar.name = service.connect->sidecar_task->name;
                    sidecar.identities = service.connect->sidecar_task->identities;
                    Mistakes task;
                    task_warnings(sidecar, task);
                    inner.add_nested(fmt::format("Task \"{}\" has warnings: ", sidecar.name), task);
                }
            }
        }
        for (const model::Task& task : group.tasks) {
            Mistakes found;
            task_warnings(task, found);
            inner.add_nested(fmt::format("Task \"{}\" has warnings: ", task.name), found);
            serves = serves || std::ranges::any_of(task.services, plain);
            delayed = delayed || task.shutdown_delay > Duration{};
        }
        out.add_nested(fmt::format("Group \"{}\" has warnings: ", group.name), inner);
        if (serves && !delayed) {
            out.add(
                "group \"{}\" defines services, but neither the group nor any of its tasks have "
                "shutdown_delay set",
                group.name
            );
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
}

}  // namespace

void Mistakes::add_nested(std::string_view title, const Mistakes& inner) {
    if (!inner.empty()) {
        list_.push_back(std::string(title) + joined(inner.list()));
    }
}

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
