#include "jobspec/decoder.h"
#include "jobspec/sugar.h"

namespace nl::jobspec {
namespace {

using hcl::BodyBlock;
using model::JobSpec;
using model::TaskGroupSpec;
using model::TaskSpec;

const Rules& update_rules() {
    using model::UpdateStrategySpec;
    static const Rules kRules{
        .arguments =
            {
                arg("stagger", &UpdateStrategySpec::stagger),
                arg("max_parallel", &UpdateStrategySpec::max_parallel),
                arg("health_check", &UpdateStrategySpec::health_check),
                arg("min_healthy_time", &UpdateStrategySpec::min_healthy_time),
                arg("healthy_deadline", &UpdateStrategySpec::healthy_deadline),
                arg("progress_deadline", &UpdateStrategySpec::progress_deadline),
                arg("auto_revert", &UpdateStrategySpec::auto_revert),
                arg("auto_promote", &UpdateStrategySpec::auto_promote),
                arg("canary", &UpdateStrategySpec::canary),
            }
    };
    return kRules;
}

const Rules& migrate_rules() {
    using model::MigrateStrategySpec;
    static const Rules kRules{
        .arguments =
            {
                arg("max_parallel", &MigrateStrategySpec::max_parallel),
                arg("health_check", &MigrateStrategySpec::health_check),
                arg("min_healthy_time", &MigrateStrategySpec::min_healthy_time),
                arg("healthy_deadline", &MigrateStrategySpec::healthy_deadline),
            }
    };
    return kRules;
}

const Rules& reschedule_rules() {
    using model::ReschedulePolicySpec;
    static const Rules kRules{
        .arguments =
            {
                arg("attempts", &ReschedulePolicySpec::attempts),
                arg("interval", &ReschedulePolicySpec::interval),
                arg("delay", &ReschedulePolicySpec::delay),
                arg("delay_function", &ReschedulePolicySpec::delay_function),
                arg("max_delay", &ReschedulePolicySpec::max_delay),
                arg("unlimited", &ReschedulePolicySpec::unlimited),
            }
    };
    return kRules;
}

const Rules& disconnect_rules() {
    using model::DisconnectStrategySpec;
    static const Rules kRules{
        .arguments =
            {
                arg("lost_after", &DisconnectStrategySpec::lost_after),
                arg("stop_on_client_after", &DisconnectStrategySpec::stop_on_client_after),
                arg("replace", &DisconnectStrategySpec::replace),
                arg("reconcile", &DisconnectStrategySpec::reconcile),
            }
    };
    return kRules;
}

const Rules& ephemeral_disk_rules() {
    using model::EphemeralDiskSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("size", &EphemeralDiskSpec::size_mb),
                arg("sticky", &EphemeralDiskSpec::sticky),
                arg("migrate", &EphemeralDiskSpec::migrate),
            }
    };
    return kRules;
}

const Rules& mount_options_rules() {
    using model::CSIMountOptions;
    static const Rules kRules{
        .arguments =
            {arg("fs_type", &CSIMountOptions::fs_type),
             arg("mount_flags", &CSIMountOptions::mount_flags)}
    };
    return kRules;
}

const Rules& volume_rules() {
    using model::VolumeRequest;
    static const Rules kRules{
        .arguments =
            {arg("type", &VolumeRequest::type),
             arg("source", &VolumeRequest::source),
             arg("read_only", &VolumeRequest::read_only),
             arg("sticky", &VolumeRequest::sticky),
             arg("access_mode", &VolumeRequest::access_mode),
             arg("attachment_mode", &VolumeRequest::attachment_mode),
             arg("per_alloc", &VolumeRequest::per_alloc)},
        .blocks = {block("mount_options", &VolumeRequest::mount_options, &mount_options_rules)}
    };
    return kRules;
}

/// As the task's, but the upper bound must be given.
const Rules& group_scaling_rules() {
    static const Rules kRules = [] {
        Rules rules = scaling_rules();
        for (ArgumentRule& rule : rules.arguments) {
            rule.required = rule.name == "max";
        }
        return rules;
    }();
    return kRules;
}

/// A group or job with what is pushed down to its tasks.
template <class T>
struct WithSugar {
    T noun;
    Sugar sugar;
};
using GroupTarget = WithSugar<TaskGroupSpec>;

void read_task(std::vector<TaskSpec>& to, const BodyBlock& b, Decoder& d) {
    TaskSpec task;
    task.name = b.labels.at(0);
    d.read(task_rules(), &task, b.body);
    to.push_back(std::move(task));
}

void read_secret(std::vector<model::Secret>& to, const BodyBlock& b, Decoder& d) {
    model::Secret secret;
    secret.name = b.labels.at(0);
    d.read(secret_rules(), &secret, b.body);
    to.push_back(std::move(secret));
}

const Rules& ui_link_rules() {
    using model::JobUILink;
    static const Rules kRules{
        .arguments = {arg("label", &JobUILink::label), arg("url", &JobUILink::url)}
    };
    return kRules;
}

const Rules& ui_rules() {
    using model::JobUIConfig;
    static const Rules kRules{
        .arguments = {arg("description", &JobUIConfig::description)},
        .blocks = {blocks("link", &JobUIConfig::links, &ui_link_rules)}
    };
    return kRules;
}

const Rules& periodic_rules() {
    using model::PeriodicConfigSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("enabled", &PeriodicConfigSpec::enabled),
                arg("cron", &PeriodicConfigSpec::spec),
                arg("crons", &PeriodicConfigSpec::specs),
                arg("prohibit_overlap", &PeriodicConfigSpec::prohibit_overlap),
                arg("time_zone", &PeriodicConfigSpec::time_zone),
                arg("missed", &PeriodicConfigSpec::missed),
            }
    };
    return kRules;
}

const Rules& parameterized_rules() {
    using model::ParameterizedJobConfig;
    static const Rules kRules{
        .arguments =
            {
                arg("payload", &ParameterizedJobConfig::payload),
                arg("meta_required", &ParameterizedJobConfig::meta_required),
                arg("meta_optional", &ParameterizedJobConfig::meta_optional),
                arg("max_parallel", &ParameterizedJobConfig::max_parallel),
            }
    };
    return kRules;
}

const Rules& retain_rules() {
    using model::RetainSpec;
    static const Rules kRules{
        .arguments = {arg("runs", &RetainSpec::runs), arg("age", &RetainSpec::age)}
    };
    return kRules;
}

const Rules& strategy_rules() {
    using model::MultiregionStrategySpec;
    static const Rules kRules{
        .arguments =
            {arg("max_parallel", &MultiregionStrategySpec::max_parallel),
             arg("on_failure", &MultiregionStrategySpec::on_failure)}
    };
    return kRules;
}

const Rules& region_rules() {
    using model::MultiregionRegionSpec;
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {arg("count", &MultiregionRegionSpec::count),
                 arg("datacenters", &MultiregionRegionSpec::datacenters),
                 arg("node_pool", &MultiregionRegionSpec::node_pool)}
        };
        add_map(rules, "meta", &MultiregionRegionSpec::meta);
        return rules;
    }();
    return kRules;
}

const Rules& multiregion_rules() {
    using model::MultiregionSpec;
    static const Rules kRules{
        .blocks =
            {block("strategy", &MultiregionSpec::strategy, &strategy_rules),
             labelled(
                 "region",
                 "name",
                 &MultiregionSpec::regions,
                 &model::MultiregionRegionSpec::name,
                 &region_rules
             )}
    };
    return kRules;
}

/// Entries of a table for T as entries for something that holds a T in `noun`.
template <class Outer>
void adapt(Rules& into, const Rules& from) {
    for (const ArgumentRule& rule : from.arguments) {
        into.arguments.push_back(
            {rule.name,
             [set = rule.set](void* t, const hcl::BodyAttribute& a, Decoder& d) {
                 set(&static_cast<Outer*>(t)->noun, a, d);
             },
             rule.required}
        );
    }
    for (const BlockRule& rule : from.blocks) {
        into.blocks.push_back(
            {rule.type,
             rule.labels,
             rule.times,
             [read = rule.read](void* t, const BodyBlock& b, Decoder& d) {
                 read(&static_cast<Outer*>(t)->noun, b, d);
             },
             rule.inside}
        );
    }
}

template <class Outer>
void add_sugar(Rules& rules) {
    rules.blocks.push_back(
        {"vault",
         {},
         Times::Once,
         [](void* t, const BodyBlock& b, Decoder& d) {
             read_vault(static_cast<Outer*>(t)->sugar.vault, b, d);
         },
         &vault_rules}
    );
    rules.blocks.push_back(
        {"secret",
         {"name"},
         Times::Many,
         [](void* t, const BodyBlock& b, Decoder& d) {
             read_secret(static_cast<Outer*>(t)->sugar.secrets, b, d);
         },
         &secret_rules}
    );
}

}  // namespace

const Rules& group_rules() {
    static const Rules kRules = [] {
        Rules plain{
            .arguments =
                {arg("count", &TaskGroupSpec::count),
                 arg("shutdown_delay", &TaskGroupSpec::shutdown_delay),
                 arg("max_run_duration", &TaskGroupSpec::max_run_duration),
                 arg("stop_after_client_disconnect", &TaskGroupSpec::stop_after_client_disconnect),
                 arg("max_client_disconnect", &TaskGroupSpec::max_client_disconnect),
                 arg("prevent_reschedule_on_lost", &TaskGroupSpec::prevent_reschedule_on_lost)},
            .blocks =
                {
                    {"task",
                     {"name"},
                     Times::Many,
                     [](void* t, const BodyBlock& b, Decoder& d) {
                         read_task(static_cast<TaskGroupSpec*>(t)->tasks, b, d);
                     },
                     &task_rules},
                    blocks("network", &TaskGroupSpec::networks, &network_rules),
                    blocks("service", &TaskGroupSpec::services, &service_rules),
                    {"volume",
                     {"name"},
                     Times::Many,
                     [](void* t, const BodyBlock& b, Decoder& d) {
                         model::VolumeRequest volume;
                         volume.name = b.labels.at(0);
                         d.read(volume_rules(), &volume, b.body);
                         static_cast<TaskGroupSpec*>(t)->volumes.insert_or_assign(
                             b.labels[0], std::move(volume)
                         );
                     },
                     &volume_rules},
                    block("restart", &TaskGroupSpec::restart_policy, &restart_rules),
                    block("reschedule", &TaskGroupSpec::reschedule_policy, &reschedule_rules),
                    block("update", &TaskGroupSpec::update, &update_rules),
                    block("migrate", &TaskGroupSpec::migrate, &migrate_rules),
                    block("disconnect", &TaskGroupSpec::disconnect, &disconnect_rules),
                    block("ephemeral_disk", &TaskGroupSpec::ephemeral_disk, &ephemeral_disk_rules),
                    {"scaling",
                     {},
                     Times::Once,
                     [](void* t, const BodyBlock& b, Decoder& d) {
                         model::ScalingPolicySpec policy;
                         policy.type = "horizontal";
                         d.read(group_scaling_rules(), &policy, b.body);
                         static_cast<TaskGroupSpec*>(t)->scaling = std::move(policy);
                     },
                     &group_scaling_rules},
                    block("consul", &TaskGroupSpec::consul, &consul_rules),
                }
        };
        add_map(plain, "meta", &TaskGroupSpec::meta);
        add_placement<TaskGroupSpec>(plain, true);
        Rules rules;
        adapt<GroupTarget>(rules, plain);
        add_sugar<GroupTarget>(rules);
        return rules;
    }();
    return kRules;
}

const Rules& job_rules() {
    static const Rules kRules = [] {
        Rules plain{
            .arguments =
                {arg("id", &JobSpec::id),
                 arg("name", &JobSpec::name),
                 arg("region", &JobSpec::region),
                 arg("namespace", &JobSpec::namespace_),
                 arg("type", &JobSpec::type),
                 arg("priority", &JobSpec::priority),
                 arg("all_at_once", &JobSpec::all_at_once),
                 arg("datacenters", &JobSpec::datacenters),
                 arg("node_pool", &JobSpec::node_pool),
                 arg("ttl", &JobSpec::ttl),
                 arg("max_run_duration", &JobSpec::max_run_duration)},
            .blocks =
                {
                    {"group",
                     {"name"},
                     Times::Many,
                     [](void* t, const BodyBlock& b, Decoder& d) {
                         GroupTarget group;
                         group.noun.name = b.labels.at(0);
                         d.read(group_rules(), &group, b.body);
                         push_down(group.sugar, group.noun);
                         static_cast<JobSpec*>(t)->task_groups.push_back(std::move(group.noun));
                     },
                     &group_rules},
                    block("update", &JobSpec::update, &update_rules),
                    block("migrate", &JobSpec::migrate, &migrate_rules),
                    block("reschedule", &JobSpec::reschedule, &reschedule_rules),
                    {"periodic",
                     {},
                     Times::Once,
                     [](void* t, const BodyBlock& b, Decoder& d) {
                         model::PeriodicConfigSpec periodic;
                         d.read(periodic_rules(), &periodic, b.body);
                         if (periodic.spec || !periodic.specs.empty()) {
                             periodic.spec_type = "cron";
                         }
                         static_cast<JobSpec*>(t)->periodic = std::move(periodic);
                     },
                     &periodic_rules},
                    block("parameterized", &JobSpec::parameterized_job, &parameterized_rules),
                    block("retain", &JobSpec::retain, &retain_rules),
                    block("multiregion", &JobSpec::multiregion, &multiregion_rules),
                    block("ui", &JobSpec::ui, &ui_rules),
                }
        };
        add_map(plain, "meta", &JobSpec::meta);
        add_placement<JobSpec>(plain, true);
        Rules rules;
        adapt<JobTarget>(rules, plain);
        rules.blocks.push_back(
            {"task",
             {"name"},
             Times::Many,
             [](void* t, const BodyBlock& b, Decoder& d) {
                 read_task(static_cast<JobTarget*>(t)->tasks, b, d);
             },
             &task_rules}
        );
        add_sugar<JobTarget>(rules);
        return rules;
    }();
    return kRules;
}

void push_down(const Sugar& sugar, TaskGroupSpec& group) {
    for (TaskSpec& task : group.tasks) {
        if (sugar.vault && !task.vault) {
            task.vault = sugar.vault;
        }
        task.secrets.insert(task.secrets.end(), sugar.secrets.begin(), sugar.secrets.end());
    }
}

}  // namespace nl::jobspec
