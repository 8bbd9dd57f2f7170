#include "jobspec/canonicalize.h"

#include "jobspec/admit.h"

#include <algorithm>

namespace nl::jobspec {
namespace {

using model::JobSpec;
using model::TaskGroupSpec;
using model::TaskSpec;

template <class T, class U>
void fill(std::optional<T>& field, U&& value) {
    if (!field) {
        field = T(std::forward<U>(value));
    }
}

void fill_text(std::string& field, std::string_view value) {
    if (field.empty()) {
        field = value;
    }
}

/// What `over` sets wins over `base`, field by field; for blocks whose fields are all optional
/// scalars.
template <class T>
T merged(const T& base, const T& over) {
    T out = base;
    std::vector<void*> targets;
    visit_fields(out, [&](FieldInfo, auto& member) { targets.push_back(&member); });
    std::size_t at = 0;
    visit_fields(over, [&](FieldInfo, const auto& member) {
        using Member = std::remove_cvref_t<decltype(member)>;
        auto& target = *static_cast<Member*>(targets[at++]);
        if (!codec::is_default(member)) {
            target = member;
        }
    });
    return out;
}

bool is_batch(const JobSpec& job) {
    return job.type == "batch" || job.type == "sysbatch";
}

void defaults(model::UpdateStrategySpec& update) {
    fill(update.max_parallel, 1);
    fill(update.stagger, seconds(30));
    fill(update.health_check, "checks");
    fill(update.healthy_deadline, minutes(5));
    fill(update.progress_deadline, minutes(10));
    fill(update.min_healthy_time, seconds(10));
    fill(update.auto_revert, false);
    fill(update.canary, 0);
    fill(update.auto_promote, false);
}

model::RestartPolicySpec default_restart(const JobSpec& job) {
    model::RestartPolicySpec out;
    out.attempts = is_batch(job) ? 3 : 2;
    out.interval = is_batch(job) ? hours(24) : minutes(30);
    out.delay = seconds(15);
    out.mode = "fail";
    out.render_templates = false;
    return out;
}

model::ReschedulePolicySpec default_reschedule(const JobSpec& job) {
    model::ReschedulePolicySpec out;
    out.attempts = 0;
    out.interval = Duration{};
    out.delay = Duration{};
    out.delay_function = "";
    out.max_delay = Duration{};
    out.unlimited = false;
    if (job.type == "service") {
        out.delay = seconds(30);
        out.delay_function = "exponential";
        out.max_delay = hours(1);
        out.unlimited = true;
    } else if (job.type == "batch") {
        out.attempts = 1;
        out.interval = hours(24);
        out.delay = seconds(5);
        out.delay_function = "constant";
    }
    return out;
}

model::MigrateStrategySpec default_migrate() {
    model::MigrateStrategySpec out;
    out.max_parallel = 1;
    out.health_check = "checks";
    out.min_healthy_time = seconds(10);
    out.healthy_deadline = minutes(5);
    return out;
}

void defaults(model::ResourcesSpec& r) {
    if (!r.cores) {
        r.cores = 0;
        fill(r.cpu, 100);
    }
    // With cores asked for, the share of the cpu follows from them.
    fill(r.cpu, 0);
    fill(r.memory_mb, 300);
    for (auto& device : r.devices) {
        fill(device.count, 1);
        for (auto& affinity : device.affinities) {
            fill(affinity.weight, 50);
        }
    }
    if (r.numa) {
        fill_text(r.numa->affinity, "none");
    }
}

void defaults(model::LogConfigSpec& log) {
    fill(log.max_files, 10);
    fill(log.max_file_size_mb, 10);
    if (!log.disabled) {
        log.disabled = log.enabled ? !*log.enabled : false;
    }
}

void defaults(model::VolumeMountSpec& mount) {
    fill(mount.propagation_mode, "private");
    fill(mount.read_only, false);
    fill(mount.selinux_label, "");
}

std::string last_part(std::string_view path) {
    const std::size_t slash = path.find_last_of('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

void defaults(model::TaskArtifactSpec& artifact) {
    fill(artifact.getter_mode, "any");
    fill(artifact.getter_insecure, false);
    if (!artifact.getter_source || artifact.getter_source->empty()) {
        fill(artifact.relative_dest, "local/");
    } else if (!artifact.relative_dest) {
        // A single file is named like its source.
        artifact.relative_dest = *artifact.getter_mode == "file"
                                     ? "local/" + last_part(*artifact.getter_source)
                                     : "local/";
    }
}

void defaults(model::TemplateSpec& t) {
    fill(t.source_path, "");
    fill(t.dest_path, "");
    fill(t.embedded_tmpl, "");
    fill(t.change_mode, "restart");
    if (!t.change_signal) {
        t.change_signal = t.change_mode == "signal" ? "SIGHUP" : "";
    } else {
        for (char& c : *t.change_signal) {
            c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        }
    }
    if (t.change_script) {
        fill(t.change_script->command, "");
        fill(t.change_script->timeout, seconds(5));
        fill(t.change_script->fail_on_error, false);
    }
    fill(t.once, false);
    fill(t.splay, seconds(5));
    fill(t.perms, "0644");
    fill(t.left_delim, "{{");
    fill(t.right_delim, "}}");
    fill(t.envvars, false);
    fill(t.vault_grace, Duration{});
    fill(t.err_missing_key, false);
}

void defaults(model::VaultSpec& vault) {
    fill(vault.env, true);
    fill(vault.disable_file, false);
    fill(vault.namespace_, "");
    fill_text(vault.cluster, "default");
    fill(vault.change_mode, "restart");
    fill(vault.change_signal, vault.change_mode == "signal" ? "SIGHUP" : "");
    fill(vault.allow_token_expiration, false);
}

void defaults(model::CheckRestartSpec& restart) {
    fill(restart.grace, seconds(1));
}

void defaults(model::ServiceSpec& service, std::string_view name) {
    fill_text(service.name, name);
    fill_text(service.address_mode, "auto");
    fill_text(service.on_update, "require_healthy");
    fill_text(service.provider, "consul");
    fill_text(service.cluster, "default");
    if (service.check_restart) {
        defaults(*service.check_restart);
    }
    for (auto& check : service.checks) {
        fill_text(check.on_update, service.on_update);
        if (service.check_restart) {
            check.check_restart = check.check_restart
                                      ? merged(*service.check_restart, *check.check_restart)
                                      : *service.check_restart;
        }
        if (check.check_restart) {
            defaults(*check.check_restart);
        }
    }
    if (service.connect && service.connect->sidecar_task) {
        auto& task = *service.connect->sidecar_task;
        if (task.resources) {
            defaults(*task.resources);
        }
        if (task.log_config) {
            defaults(*task.log_config);
        }
        if (!task.kill_timeout) {
            task.kill_timeout = seconds(5);
        }
        for (auto& mount : task.volume_mounts) {
            defaults(mount);
        }
    }
    if (service.connect && service.connect->gateway && service.connect->gateway->proxy) {
        fill(service.connect->gateway->proxy->connect_timeout, seconds(5));
    }
}

template <class Affinities>
void default_weights(Affinities& list) {
    for (auto& item : list) {
        fill(item.weight, 50);
    }
}

void canonicalize_task(TaskSpec& task, const TaskGroupSpec& group, const JobSpec& job) {
    defaults(task.resources.ensure());
    fill(task.kill_timeout, seconds(5));
    defaults(task.log_config.ensure());
    if (task.lifecycle && task.lifecycle->hook.empty()) {
        task.lifecycle.reset();
    }
    for (auto& artifact : task.artifacts) {
        defaults(artifact);
    }
    if (task.vault) {
        defaults(*task.vault);
    }
    if (task.consul) {
        fill_text(task.consul->cluster, "default");
    }
    for (auto& t : task.templates) {
        defaults(t);
    }
    default_weights(task.affinities);
    for (auto& mount : task.volume_mounts) {
        defaults(mount);
    }
    task.restart_policy = task.restart_policy ? merged(*group.restart_policy, *task.restart_policy)
                                              : *group.restart_policy;
    if (task.csi_plugin_config) {
        auto& plugin = *task.csi_plugin_config;
        fill_text(plugin.mount_dir, "/csi");
        fill_text(plugin.stage_publish_base_dir, "/local/csi");
        if (plugin.health_timeout == Duration{}) {
            plugin.health_timeout = seconds(30);
        }
    }
    for (auto& policy : task.scaling_policies) {
        fill(policy.enabled, true);
        fill(policy.min, 0);
    }
    const std::string name = *job.name + "-" + *group.name + "-" + task.name;
    for (auto& service : task.services) {
        defaults(service, name);
    }
}

void canonicalize_group(TaskGroupSpec& group, const JobSpec& job) {
    fill(group.name, "");
    if (!group.count) {
        group.count = group.scaling && group.scaling->min ? *group.scaling->min : 1;
    }
    if (group.scaling) {
        fill(group.scaling->enabled, true);
        fill(group.scaling->min, *group.count);
        fill_text(group.scaling->type, "horizontal");
    }
    auto& disk = group.ephemeral_disk.ensure();
    fill(disk.sticky, false);
    fill(disk.migrate, false);
    fill(disk.size_mb, 300);
    if (group.disconnect) {
        fill(group.disconnect->lost_after, Duration{});
        if (!group.disconnect->replace) {
            group.disconnect->replace = true;
        }
        fill(group.disconnect->reconcile, "best_score");
    }
    if (group.consul) {
        fill_text(group.consul->cluster, "default");
    }

    if (job.reschedule) {
        group.reschedule_policy = group.reschedule_policy
                                      ? merged(*job.reschedule, *group.reschedule_policy)
                                      : *job.reschedule;
    }
    const auto reschedule = default_reschedule(job);
    group.reschedule_policy =
        group.reschedule_policy ? merged(reschedule, *group.reschedule_policy) : reschedule;

    if (job.type == "service") {
        auto migrate = job.migrate ? merged(default_migrate(), *job.migrate) : default_migrate();
        group.migrate = group.migrate ? merged(migrate, *group.migrate) : migrate;
    }
    if (job.update) {
        group.update = group.update ? merged(*job.update, *group.update) : *job.update;
    }
    if (group.update) {
        defaults(*group.update);
    }
    const auto restart = default_restart(job);
    group.restart_policy = group.restart_policy ? merged(restart, *group.restart_policy) : restart;

    default_weights(group.spreads);
    default_weights(group.affinities);
    for (auto& task : group.tasks) {
        canonicalize_task(task, group, job);
    }
    const std::string name = *job.name + "-" + *group.name;
    for (auto& service : group.services) {
        defaults(service, name);
    }
}

// ---- between the two forms

template <class From, class To>
void convert(const From& from, To& to);

template <class From, class To>
void convert_struct(const From& from, To& to) {
    std::vector<void*> targets;
    std::vector<int> numbers;
    visit_fields(to, [&](FieldInfo info, auto& member) {
        targets.push_back(&member);
        numbers.push_back(info.number);
    });
    // Both forms come from one list, so the n-th member of one is the n-th of the other; its type
    // follows from a second visit.
    std::size_t at = 0;
    visit_fields(from, [&](FieldInfo info, const auto& member) {
        std::size_t inner = 0;
        const std::size_t wanted = at++;
        NL_ASSERT(numbers[wanted] == info.number);
        visit_fields(to, [&](FieldInfo, auto& target) {
            if (inner++ == wanted) {
                using F = std::remove_cvref_t<decltype(member)>;
                using T = std::remove_cvref_t<decltype(target)>;
                if constexpr (requires { convert(std::declval<const F&>(), std::declval<T&>()); }) {
                    convert(member, target);
                }
            }
        });
    });
}

template <class From, class To>
void convert(const From& from, To& to) {
    if constexpr (std::is_same_v<From, To>) {
        to = from;
    } else if constexpr (kIsOptional<From> && !kIsOptional<To>) {
        if constexpr (std::is_same_v<typename From::value_type, To>) {
            to = from ? *from : To{};
        }
    } else if constexpr (kIsOptional<To> && !kIsOptional<From>) {
        if constexpr (std::is_same_v<typename To::value_type, From>) {
            to = from;
        }
    } else if constexpr (kIsBox<From> && kIsBox<To>) {
        to.reset();
        if (from) {
            convert(*from, to.ensure());
        }
    } else if constexpr (kIsVector<From> && kIsVector<To>) {
        to.clear();
        for (const auto& item : from) {
            convert(item, to.emplace_back());
        }
    } else if constexpr (HasFields<From> && HasFields<To>) {
        if constexpr (From::kNlTypeName == To::kNlTypeName) {
            convert_struct(from, to);
        }
    }
}

}  // namespace

void canonicalize(JobSpec& job) {
    fill(job.id, "");
    fill(job.name, *job.id);
    fill(job.parent_id, "");
    fill(job.namespace_, "default");
    fill(job.priority, 50);
    fill(job.stop, false);
    fill(job.region, "global");
    fill(job.node_pool, "");
    fill(job.type, "service");
    fill(job.all_at_once, false);
    fill(job.consul_namespace, "");
    fill(job.vault_namespace, "");
    fill(job.nomad_token_id, "");
    fill(job.status, "");
    fill(job.status_description, "");
    fill(job.stable, false);
    fill(job.version, 0U);
    fill(job.create_index, Index{});
    fill(job.modify_index, Index{});
    fill(job.job_modify_index, Index{});
    if (job.periodic) {
        fill(job.periodic->enabled, true);
        fill(job.periodic->spec, "");
        fill(job.periodic->spec_type, "cron");
        fill(job.periodic->prohibit_overlap, false);
        if (!job.periodic->time_zone || job.periodic->time_zone->empty()) {
            job.periodic->time_zone = "UTC";
        }
    }
    if (job.update) {
        defaults(*job.update);
    } else if (job.type == "service" || job.type == "system") {
        defaults(job.update.ensure());
    }
    if (job.multiregion) {
        auto& strategy = job.multiregion->strategy.ensure();
        fill(strategy.max_parallel, 0);
        fill(strategy.on_failure, "");
        for (auto& region : job.multiregion->regions) {
            fill(region.count, 1);
        }
    }
    for (auto& group : job.task_groups) {
        canonicalize_group(group, job);
    }
    default_weights(job.spreads);
    default_weights(job.affinities);
}

model::Job to_job(const JobSpec& spec) {
    JobSpec full = spec;
    canonicalize(full);
    model::Job job;
    convert_struct(full, job);
    if (job.datacenters.empty()) {
        job.datacenters = {"*"};
    }
    if (job.node_pool.empty()) {
        job.node_pool = "default";
    }
    if (job.parameterized_job && job.parameterized_job->payload.empty()) {
        job.parameterized_job->payload = "optional";
    }
    for (auto& group : job.task_groups) {
        if (job.max_run_duration && !group.max_run_duration) {
            group.max_run_duration = job.max_run_duration;
        }
    }
    // A job's own reschedule and migrate blocks have been merged into its groups; the stored form
    // has none.
    job.reschedule.reset();
    job.migrate.reset();
    for (auto& group : job.task_groups) {
        if (job.type == "system" || job.type == "sysbatch") {
            group.reschedule_policy.reset();
        }
        if (group.ephemeral_disk && group.ephemeral_disk->migrate) {
            group.ephemeral_disk->sticky = true;
        }
    }
    admit(job);
    return job;
}

JobSpec to_spec(const model::Job& job) {
    JobSpec spec;
    convert_struct(job, spec);
    return spec;
}

}  // namespace nl::jobspec
