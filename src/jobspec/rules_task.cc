#include "jobspec/decoder.h"

#include <algorithm>

namespace nl::jobspec {
namespace {

using hcl::BodyBlock;
using model::TaskSpec;

const Rules& change_script_rules() {
    using model::ChangeScriptSpec;
    static const Rules kRules{
        .arguments =
            {
                arg("command", &ChangeScriptSpec::command),
                arg("args", &ChangeScriptSpec::args),
                arg("timeout", &ChangeScriptSpec::timeout),
                arg("fail_on_error", &ChangeScriptSpec::fail_on_error),
                arg("run_on_first_render", &ChangeScriptSpec::run_on_first_render),
            }
    };
    return kRules;
}

const Rules& wait_rules() {
    using model::WaitConfig;
    static const Rules kRules{
        .arguments = {arg("min", &WaitConfig::min), arg("max", &WaitConfig::max)}
    };
    return kRules;
}

const Rules& template_rules() {
    using model::TemplateSpec;
    static const Rules kRules{
        .arguments =
            {arg("source", &TemplateSpec::source_path),
             arg("data", &TemplateSpec::embedded_tmpl),
             arg("destination", &TemplateSpec::dest_path),
             arg("change_mode", &TemplateSpec::change_mode),
             arg("change_signal", &TemplateSpec::change_signal),
             arg("once", &TemplateSpec::once),
             arg("splay", &TemplateSpec::splay),
             arg("perms", &TemplateSpec::perms),
             arg("uid", &TemplateSpec::uid),
             arg("gid", &TemplateSpec::gid),
             arg("left_delimiter", &TemplateSpec::left_delim),
             arg("right_delimiter", &TemplateSpec::right_delim),
             arg("env", &TemplateSpec::envvars),
             arg("error_on_missing_key", &TemplateSpec::err_missing_key),
             arg("vault_grace", &TemplateSpec::vault_grace)},
        .blocks =
            {
                {"change_script",
                 {},
                 Times::Once,
                 [](void* t, const BodyBlock& b, Decoder& d) {
                     model::ChangeScriptSpec script;
                     script.timeout = seconds(5);
                     script.fail_on_error = false;
                     d.read(change_script_rules(), &script, b.body);
                     static_cast<TemplateSpec*>(t)->change_script = script;
                 },
                 &change_script_rules},
                block("wait", &TemplateSpec::wait, &wait_rules),
            }
    };
    return kRules;
}

const Rules& artifact_rules() {
    using model::TaskArtifactSpec;
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {
                    arg("source", &TaskArtifactSpec::getter_source),
                    arg("destination", &TaskArtifactSpec::relative_dest),
                    arg("mode", &TaskArtifactSpec::getter_mode),
                    arg("insecure", &TaskArtifactSpec::getter_insecure),
                    arg("chown", &TaskArtifactSpec::chown),
                }
        };
        add_map(rules, "options", &TaskArtifactSpec::getter_options);
        add_map(rules, "headers", &TaskArtifactSpec::getter_headers);
        return rules;
    }();
    return kRules;
}

const Rules& lifecycle_rules() {
    using model::TaskLifecycleConfig;
    static const Rules kRules{
        .arguments =
            {arg("hook", &TaskLifecycleConfig::hook, Need::Required),
             arg("sidecar", &TaskLifecycleConfig::sidecar)}
    };
    return kRules;
}

const Rules& dispatch_payload_rules() {
    static const Rules kRules{.arguments = {arg("file", &model::DispatchPayloadConfig::file)}};
    return kRules;
}

const Rules& csi_plugin_rules() {
    using model::TaskCSIPluginConfig;
    static const Rules kRules{
        .arguments =
            {
                arg("id", &TaskCSIPluginConfig::id),
                arg("type", &TaskCSIPluginConfig::type),
                arg("mount_dir", &TaskCSIPluginConfig::mount_dir),
                arg("stage_publish_base_dir", &TaskCSIPluginConfig::stage_publish_base_dir),
                arg("health_timeout", &TaskCSIPluginConfig::health_timeout),
            }
    };
    return kRules;
}

const Rules& action_rules() {
    using model::Action;
    static const Rules kRules{
        .arguments = {arg("command", &Action::command, Need::Required), arg("args", &Action::args)}
    };
    return kRules;
}

const Rules& schedule_cron_rules() {
    using model::TaskScheduleCron;
    static const Rules kRules{
        .arguments =
            {arg("start", &TaskScheduleCron::start),
             arg("end", &TaskScheduleCron::end),
             arg("timezone", &TaskScheduleCron::timezone)}
    };
    return kRules;
}

const Rules& schedule_rules() {
    static const Rules kRules{
        .blocks = {block("cron", &model::TaskSchedule::cron, &schedule_cron_rules)}
    };
    return kRules;
}

void read_template(void* t, const BodyBlock& b, Decoder& d) {
    model::TemplateSpec out;
    out.change_mode = "restart";
    out.splay = seconds(5);
    out.perms = "0644";
    out.err_missing_key = false;
    d.read(template_rules(), &out, b.body);
    static_cast<TaskSpec*>(t)->templates.push_back(std::move(out));
}

/// The one without a name, or named "default", is the task's own.
void read_identity(void* t, const BodyBlock& b, Decoder& d) {
    model::WorkloadIdentity identity;
    d.read(identity_rules(), &identity, b.body);
    auto& task = *static_cast<TaskSpec*>(t);
    if (identity.name.empty() || identity.name == "default") {
        task.identity = std::move(identity);
    } else {
        task.identities.push_back(std::move(identity));
    }
}

void read_scaling(void* t, const BodyBlock& b, Decoder& d) {
    model::ScalingPolicySpec policy;
    const std::string& label = b.labels.at(0);
    if (label == "cpu" || label == "mem") {
        policy.type = "vertical_" + label;
    } else {
        d.error(
            "Invalid scaling policy name",
            "scaling policy name must be \"cpu\" or \"mem\"",
            b.label_ranges.at(0)
        );
    }
    d.read(scaling_rules(), &policy, b.body);
    static_cast<TaskSpec*>(t)->scaling_policies.push_back(std::move(policy));
}

}  // namespace

void read_vault(Box<model::VaultSpec>& to, const BodyBlock& b, Decoder& d) {
    model::VaultSpec vault;
    vault.env = true;
    vault.disable_file = false;
    vault.change_mode = "restart";
    d.read(vault_rules(), &vault, b.body);
    to = std::move(vault);
}

const Rules& task_rules() {
    static const Rules kRules = [] {
        Rules rules{
            .arguments =
                {arg("driver", &TaskSpec::driver),
                 arg("user", &TaskSpec::user),
                 arg("kill_timeout", &TaskSpec::kill_timeout),
                 arg("leader", &TaskSpec::leader),
                 arg("shutdown_delay", &TaskSpec::shutdown_delay),
                 arg("max_run_duration", &TaskSpec::max_run_duration),
                 arg("kill_signal", &TaskSpec::kill_signal),
                 arg("kind", &TaskSpec::kind)},
            .blocks =
                {
                    free_block("config", &TaskSpec::config),
                    blocks("service", &TaskSpec::services, &service_rules),
                    {"vault",
                     {},
                     Times::Once,
                     [](void* t, const BodyBlock& b, Decoder& d) {
                         read_vault(static_cast<TaskSpec*>(t)->vault, b, d);
                     },
                     &vault_rules},
                    labelled(
                        "secret", "name", &TaskSpec::secrets, &model::Secret::name, &secret_rules
                    ),
                    block("consul", &TaskSpec::consul, &consul_rules),
                    {"template", {}, Times::Many, read_template, &template_rules},
                    block("resources", &TaskSpec::resources, &resources_rules),
                    block("restart", &TaskSpec::restart_policy, &restart_rules),
                    block("dispatch_payload", &TaskSpec::dispatch_payload, &dispatch_payload_rules),
                    block("lifecycle", &TaskSpec::lifecycle, &lifecycle_rules),
                    block("logs", &TaskSpec::log_config, &log_rules),
                    blocks("artifact", &TaskSpec::artifacts, &artifact_rules),
                    blocks("volume_mount", &TaskSpec::volume_mounts, &volume_mount_rules),
                    {"scaling", {"name"}, Times::Many, read_scaling, &scaling_rules},
                    block("csi_plugin", &TaskSpec::csi_plugin_config, &csi_plugin_rules),
                    {"identity", {}, Times::Many, read_identity, &identity_rules},
                    labelled(
                        "action", "name", &TaskSpec::actions, &model::Action::name, &action_rules
                    ),
                    block("schedule", &TaskSpec::schedule, &schedule_rules),
                }
        };
        add_map(rules, "env", &TaskSpec::env);
        add_map(rules, "meta", &TaskSpec::meta);
        add_placement<TaskSpec>(rules, false);
        return rules;
    }();
    return kRules;
}

}  // namespace nl::jobspec
