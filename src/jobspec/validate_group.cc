// Rules and warnings of groups and of the policies they have.
#include "expr/cron.h"
#include "jobspec/findings.h"

#include <algorithm>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::Job;
using model::TaskGroup;

void check_restart(const model::RestartPolicy& policy, Mistakes& out) {
    constexpr Duration kLeast = seconds(5);
    if (!one_of(policy.mode, {"delay", "fail"})) {
        out.add("Unsupported restart mode: {}", quoted(policy.mode));
    }
    if (policy.attempts == 0 && policy.mode != "fail") {
        out.add(
            "Restart policy {} with {} attempts is ambiguous", quoted(policy.mode), policy.attempts
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

/// How many of a policy's attempts fit into its interval, and how long all of them take.
struct Attempts {
    std::int64_t possible{0};
    Duration needed{};
    bool fit{true};
};

Attempts exponential_attempts(const model::ReschedulePolicy& p) {
    constexpr std::int64_t kMaxRounds = 10'000;
    Attempts out;
    Duration delay = p.delay;
    for (std::int64_t i = 0; i < std::min(p.attempts, kMaxRounds); ++i) {
        // At the ceiling delays add up; below it each is as long as all before together.
        out.needed = delay > p.max_delay ? out.needed + p.max_delay : delay;
        if (out.needed < p.interval) {
            ++out.possible;
        }
        if (delay <= p.max_delay) {
            delay = delay * 2;
        }
    }
    out.fit = out.possible >= p.attempts;
    return out;
}

Attempts fibonacci_attempts(const model::ReschedulePolicy& p) {
    constexpr std::size_t kMaxRounds = 10'000;
    Attempts out;
    std::vector<Duration> slots{p.delay, p.delay};
    bool at_ceiling = false;
    for (std::size_t i = 2; i < kMaxRounds && static_cast<std::int64_t>(i) < p.attempts; ++i) {
        Duration next = at_ceiling ? slots[i - 1] + p.max_delay : slots[i - 1] + slots[i - 2];
        if (!at_ceiling && next > p.max_delay) {
            next = p.max_delay;
            at_ceiling = true;
        }
        slots.push_back(next);
    }
    out.needed = slots.back();
    out.fit = p.interval >= out.needed;
    if (!out.fit) {
        const auto late = std::ranges::find_if(slots, [&](Duration at) { return at > p.interval; });
        out.possible = late - slots.begin();
    }
    return out;
}

Attempts attempts_of(const model::ReschedulePolicy& p) {
    if (p.delay_function == "exponential") {
        return exponential_attempts(p);
    }
    if (p.delay_function == "fibonacci") {
        return fibonacci_attempts(p);
    }
    Attempts out;
    out.needed = p.delay * p.attempts;
    out.fit = p.interval >= out.needed;
    if (!out.fit && p.delay > Duration{}) {
        out.possible = std::max<std::int64_t>(p.interval.ns / p.delay.ns, 0);
    }
    return out;
}

void check_reschedule(const model::ReschedulePolicy& p, Mistakes& out) {
    constexpr Duration kLeastDelay = seconds(5);
    constexpr Duration kLeastInterval = seconds(15);
    if (p.attempts <= 0 && !p.unlimited) {
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
    if (!one_of(p.delay_function, {"constant", "exponential", "fibonacci"})) {
        out.add(
            "Invalid delay function {}, must be one of [\"constant\" \"exponential\" "
            "\"fibonacci\"]",
            quoted(p.delay_function)
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
    }
    const Attempts attempts = fine ? attempts_of(p) : Attempts{};
    if (attempts.fit) {
        return;
    }
    const std::string ceiling =
        p.delay_function == "constant"
            ? fmt::format(" and delay function {}", quoted(p.delay_function))
            : fmt::format(
                  ", delay function {}, and delay ceiling {}",
                  quoted(p.delay_function),
                  to_string(p.max_delay)
              );
    out.add(
        "Nomad can only make {} attempts in {} with initial delay {}{}",
        attempts.possible,
        to_string(p.interval),
        to_string(p.delay),
        ceiling
    );
    constexpr std::int64_t kSecond = seconds(1).ns;
    out.add(
        "Set the interval to at least {} to accommodate {} attempts",
        to_string(Duration{(attempts.needed.ns + kSecond / 2) / kSecond * kSecond}),
        p.attempts
    );
}

void check_update(const model::UpdateStrategy& u, Mistakes& out) {
    if (!one_of(u.health_check, {"checks", "task_states", "manual"})) {
        out.add("Invalid health check given: {}", quoted(u.health_check));
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
    if (m.health_check.empty()) {
        if (m.max_parallel > 0) {
            out.add("Missing HealthCheck");
        }
    } else if (!one_of(m.health_check, {"checks", "task_states"})) {
        out.add("Invalid HealthCheck: {}", quoted(m.health_check));
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
    if (d.stop_on_client_after) {
        if (*d.stop_on_client_after < Duration{}) {
            out.add("stop_after cannot be a negative duration");
        }
        if (!one_of(job.type, {"service", "batch"})) {
            out.add("stop_after can only be used with service or batch job types");
        }
    }
    if (d.lost_after < Duration{}) {
        out.add("lost_after cannot be a negative duration");
    }
    if (d.stop_on_client_after && d.lost_after != Duration{}) {
        out.add("Disconnect cannot be configured with both lost_after and stop_after");
    }
    if (!one_of(
            d.reconcile, {"", "best_score", "longest_running", "keep_original", "keep_replacement"}
        )) {
        out.add("reconcile option is invalid: {}", d.reconcile);
    }
}

void check_scaling(const model::ScalingPolicy& s, const TaskGroup& group, Mistakes& out) {
    const auto invalid = [&](std::string_view why) { out.add("Scaling policy invalid: {}", why); };
    if (s.type.empty()) {
        invalid("missing scaling policy type");
    } else if (s.type != "horizontal") {
        invalid(fmt::format("scaling policy type \"{}\" is not valid", s.type));
    }
    if (s.max < 0) {
        invalid("maximum count must be specified and non-negative");
    } else if (s.max < s.min) {
        invalid("maximum count must not be less than minimum count");
    }
    if (s.min < 0) {
        invalid("minimum count must be specified and non-negative");
    }
    if (s.max < group.count) {
        invalid("task group count must not be greater than maximum count in scaling policy");
    }
    if (group.count < s.min) {
        invalid("task group count must not be less than minimum count in scaling policy");
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
        out.add("Task group {} must have at least one main task", group.name);
    }
}

void check_script_checks(const TaskGroup& group, Mistakes& out) {
    for (const model::Service& service : group.services) {
        for (const model::ServiceCheck& check : service.checks) {
            if (service.task_name.empty() && check.type == "script" && check.task_name.empty()) {
                out.add(
                    "Service [{}]->{} or Check {} must specify task parameter",
                    group.name,
                    service.name,
                    check.name
                );
            }
        }
    }
}

void check_policies(const TaskGroup& group, const Job& job, Mistakes& out) {
    if (group.restart_policy) {
        check_restart(*group.restart_policy, out);
    } else {
        out.add("Task Group {} should have a restart policy", group.name);
    }
    if (job.type != "system") {
        check_spreads(group.spreads, out);
    } else if (!group.spreads.empty()) {
        out.add("System jobs may not have a spread block");
    }
    if (is_system(job)) {
        if (group.reschedule_policy) {
            out.add("System or sysbatch jobs should not have a reschedule policy");
        }
    } else if (group.reschedule_policy) {
        check_reschedule(*group.reschedule_policy, out);
    } else {
        out.add("Task Group {} should have a reschedule policy", group.name);
    }
    if (!group.ephemeral_disk) {
        out.add("Task Group {} should have an ephemeral disk object", group.name);
    } else if (group.ephemeral_disk->size_mb < 10) {
        out.add("minimum DiskMB value is 10; got {}", group.ephemeral_disk->size_mb);
    }
    if (group.update) {
        if (!one_of(job.type, {"service", "system"})) {
            out.add("Job type {} does not allow update block", quoted(job.type));
        }
        check_update(*group.update, out);
    }
    if (group.migrate) {
        if (job.type == "service") {
            check_migrate(*group.migrate, out);
        } else {
            out.add("Job type {} does not allow migrate block", quoted(job.type));
        }
    }
}

}  // namespace

void check_group(const TaskGroup& group, const Job& job, Mistakes& out) {
    if (group.name.empty()) {
        out.add("Missing task group name");
    } else if (group.name.find('\0') != std::string::npos) {
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
    if (group.max_run_duration) {
        if (*group.max_run_duration <= Duration{}) {
            out.add("MaxRunDuration must be greater than zero");
        }
        // A job's own holds for services too; then it is the longest life of one allocation.
        if (job.type != "batch" && job.type != "sysbatch" &&
            group.max_run_duration != job.max_run_duration) {
            out.add("Job type {} does not allow max_run_duration", quoted(job.type));
        }
    }
    check_constraints(group.constraints, Level::Group, out);
    if (job.type != "system") {
        check_affinities(group.affinities, out);
    } else if (!group.affinities.empty()) {
        out.add("System jobs may not have an affinity block");
    }
    check_policies(group, job, out);
    check_tasks(group, out);
    check_volumes(group, job, out);
    Mistakes network;
    check_networks(group, network);
    out.add_nested("Task group network validation failed: ", network);
    Mistakes services;
    check_group_services(group, services);
    out.add_nested("Task group service validation failed: ", services);
    Mistakes scripts;
    check_script_checks(group, scripts);
    out.add_nested("Task group service check validation failed: ", scripts);
    if (group.scaling) {
        Mistakes scaling;
        check_scaling(*group.scaling, group, scaling);
        out.add_nested("Task group scaling policy validation failed: ", scaling);
    }
    for (const model::Task& task : group.tasks) {
        Mistakes inner;
        check_task(task, group, job, inner);
        out.add_nested(fmt::format("Task {} validation failed: ", task.name), inner);
    }
}

/// Services that stop being announced while their tasks still answer.
void shutdown_warnings(const TaskGroup& group, Mistakes& out) {
    std::set<std::string_view> named;
    bool unnamed = false;
    bool task_delays = false;
    for (const model::Service& s : group.services) {
        if (!s.task_name.empty()) {
            named.insert(s.task_name);
            continue;
        }
        if (s.connect && s.connect->sidecar_task) {
            if (!s.connect->sidecar_task->shutdown_delay) {
                out.add(
                    "service {} defines a sidecar task in Consul Connect definition, but the task "
                    "has no shutdown_delay set",
                    quoted(s.name)
                );
            }
            continue;
        }
        // A proxy's own task waits before it stops.
        task_delays = task_delays || (s.connect && !s.connect->native);
        unnamed = true;
    }
    for (const model::Task& task : group.tasks) {
        if (named.contains(task.name) && task.shutdown_delay == Duration{}) {
            out.add(
                "group {} references task {} in a service definition, but the task has no "
                "shutdown_delay set",
                quoted(group.name),
                quoted(task.name)
            );
        }
        if (task.shutdown_delay > Duration{}) {
            task_delays = true;
        } else if (!task.services.empty()) {
            out.add(
                "task {} in group {} defines services, but has no shutdown_delay set",
                quoted(task.name),
                quoted(group.name)
            );
        }
    }
    if (unnamed && !task_delays && group.shutdown_delay.value_or(Duration{}) <= Duration{}) {
        out.add(
            "group {} defines services, but neither the group nor any of its tasks have "
            "shutdown_delay set",
            quoted(group.name)
        );
    }
}

void group_warnings(const TaskGroup& group, Mistakes& out) {
    if (group.update && group.count > 1 && group.update->max_parallel > group.count) {
        out.add(
            "Update max parallel count is greater than task group count ({} > {}). A destructive "
            "change would result in the simultaneous replacement of all allocations.",
            group.update->max_parallel,
            group.count
        );
    }
    if (group.max_client_disconnect) {
        out.add("MaxClientDisconnect is deprecated and ignored in favor of Disconnect.LostAfter");
    }
    if (group.stop_after_client_disconnect) {
        out.add(
            "StopAfterClientDisconnect is deprecated and ignored favor of "
            "Disconnect.StopOnClientAfter"
        );
    }
    if (group.prevent_reschedule_on_lost) {
        out.add("PreventRescheduleOnLost is deprecated and ignored in favor of Disconnect.Replace");
    }
    if (!group.networks.empty() && group.networks.front().mbits > 0) {
        out.add(
            "mbits has been deprecated as of Nomad 0.12.0. Please remove mbits from the network "
            "block"
        );
    }
    service_warnings(group.services, out);
    for (const model::Task& task : group.tasks) {
        Mistakes found;
        task_warnings(task, found);
        out.add_nested(fmt::format("Task {} has warnings: ", quoted(task.name)), found);
    }
}

}  // namespace nl::jobspec
