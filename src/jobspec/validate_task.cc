#include "jobspec/findings.h"

#include <algorithm>
#include <set>

namespace nl::jobspec {
namespace {

using model::Task;
using model::TaskGroup;

bool one_of(std::string_view text, std::initializer_list<std::string_view> known) {
    return std::ranges::find(known, text) != known.end();
}

void check_resources(const model::Resources& r, Mistakes& out) {
    if (r.cores > 0 && r.cpu > 0) {
        out.add("Task can only ask for 'cpu' or 'cores' resource, not both.");
    }
    if (r.cores < 0) {
        out.add("cores must not be negative; got {}", r.cores);
    }
    if (r.cpu < 1 && r.cores == 0) {
        out.add("minimum CPU value is 1; got {}", r.cpu);
    }
    if (r.memory_mb < 10) {
        out.add("minimum MemoryMB value is 10; got {}", r.memory_mb);
    }
    if (r.memory_max_mb != 0 && r.memory_max_mb != -1 && r.memory_max_mb < r.memory_mb) {
        out.add(
            "MemoryMaxMB value ({}) should be larger than MemoryMB value ({})",
            r.memory_max_mb,
            r.memory_mb
        );
    }
    if (r.secrets_mb > r.memory_mb) {
        out.add(
            "SecretsMB value ({}) cannot be greater than MemoryMB value ({})",
            r.secrets_mb,
            r.memory_mb
        );
    }
    std::size_t at = 0;
    for (const auto& device : r.devices) {
        Mistakes inner;
        if (device.name.empty()) {
            inner.add(
                "device name must be given as one of the following: type, vendor/type, or "
                "vendor/type/name"
            );
        }
        check_constraints(device.constraints, Level::Group, inner);
        check_affinities(device.affinities, inner);
        out.add_nested(fmt::format("device {} validation failed: ", ++at), inner);
    }
    if (r.numa && !one_of(r.numa->affinity, {"none", "prefer", "require"})) {
        out.add("numa affinity must be one of none, prefer, or require");
    }
}

void check_log(const model::LogConfig& log, const TaskGroup& group, Mistakes& out) {
    if (log.max_files < 1) {
        out.add("minimum number of files is 1; got {}", log.max_files);
    }
    if (log.max_file_size_mb < 1) {
        out.add("minimum file size is 1MB; got {}", log.max_file_size_mb);
    }
    const std::int64_t disk = group.ephemeral_disk ? group.ephemeral_disk->size_mb : 0;
    const std::int64_t use = log.max_files * log.max_file_size_mb;
    if (!log.disabled && group.ephemeral_disk && disk <= use) {
        out.add("log storage ({} MB) must be less than requested disk capacity ({} MB)", use, disk);
    }
}

/// Whether a path below the task's folder stays there.
bool escapes(std::string_view path) {
    int depth = 0;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part == "..") {
            --depth;
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
        if (depth < 0) {
            return true;
        }
    }
    return false;
}

void check_template(const model::Template& t, Mistakes& out) {
    if (t.source_path.empty() && t.embedded_tmpl.empty()) {
        out.add("Must specify a source path or have an embedded template");
    }
    if (t.dest_path.empty()) {
        out.add("Must specify a destination for the template");
    } else if (escapes(t.dest_path)) {
        out.add("template destination escapes");
    }
    if (!one_of(t.change_mode, {"noop", "restart", "signal", "script"})) {
        out.add(
            "Invalid change mode given: \"{}\". Valid modes: noop, signal, restart, script",
            t.change_mode
        );
    }
    if (t.change_mode == "signal" && t.change_signal.empty()) {
        out.add("Must specify signal value when change mode is signal");
    }
    if (t.change_mode == "signal" && t.envvars) {
        out.add("cannot use signals with env var templates");
    }
    if (t.change_mode == "script") {
        if (!t.change_script) {
            out.add("must specify change script configuration value when change mode is script");
        } else if (t.change_script->command.empty()) {
            out.add("must specify script path value when change mode is script");
        }
    }
    if (t.splay < Duration{}) {
        out.add("Must specify positive splay value");
    }
    const bool octal = !t.perms.empty() && t.perms.size() <= 6 &&
                       std::ranges::all_of(t.perms, [](char c) { return c >= '0' && c <= '7'; });
    if (!t.perms.empty() && !octal) {
        out.add("Failed to parse \"{}\" as octal: a file mode such as 0644 is needed", t.perms);
    }
    if (t.wait) {
        if (!t.wait->min || !t.wait->max) {
            out.add("wait min and max must both be set");
        } else if (*t.wait->min > *t.wait->max) {
            out.add(
                "wait min {} is greater than max {}",
                to_string(*t.wait->min),
                to_string(*t.wait->max)
            );
        }
    }
}

bool is_word(std::string_view name, std::string_view also, std::size_t longest) {
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               also.find(c) != std::string_view::npos;
    });
}

void check_identity(const model::WorkloadIdentity& id, Mistakes& out) {
    if (!id.name.empty() && !is_word(id.name, "-_", 128)) {
        out.add("invalid name \"{}\": must match regex ^[a-zA-Z0-9-_]{{1,128}}$", id.name);
    }
    for (std::size_t i = 0; i < id.audience.size(); ++i) {
        if (id.audience[i].empty()) {
            out.add("an empty string is an invalid audience ({})", i + 1);
        }
    }
    if (!one_of(id.change_mode, {"", "noop", "restart", "signal"})) {
        out.add("invalid change mode \"{}\": must be noop, restart or signal", id.change_mode);
    } else if (id.change_mode == "signal" && id.change_signal.empty()) {
        out.add("must specify signal value when change_mode=\"signal\"");
    } else if (id.change_mode != "signal" && !id.change_signal.empty()) {
        out.add("change_signal is only valid when change_mode=\"signal\"");
    }
    if (id.ttl < Duration{}) {
        out.add("ttl must be >= 0");
    }
    if (!id.filepath.empty() && !id.file) {
        out.add("file parameter must be true in order to specify filepath");
    }
    if ((id.name.empty() || id.name == "default") && id.ttl > Duration{}) {
        out.add("ttl for default identity not yet supported");
    }
}

void check_vault(const model::Vault& v, Mistakes& out) {
    if (!one_of(v.change_mode, {"noop", "restart", "signal"})) {
        out.add("Unknown change mode \"{}\"", v.change_mode);
    }
    if (v.change_mode == "signal" && v.change_signal.empty()) {
        out.add("Signal must be specified when using change mode \"signal\"");
    }
    if (v.cluster != "default" && !v.cluster.empty()) {
        out.add(
            "Vault cluster \"{}\" is not available: multiple clusters are unlicensed", v.cluster
        );
    }
}

void check_files(const Task& task, Mistakes& out) {
    std::set<std::string_view> destinations;
    for (std::size_t i = 0; i < task.templates.size(); ++i) {
        Mistakes inner;
        check_template(task.templates[i], inner);
        out.add_nested(fmt::format("Template {} validation failed: ", i + 1), inner);
        if (!task.templates[i].dest_path.empty() &&
            !destinations.insert(task.templates[i].dest_path).second) {
            out.add("Template {} has same destination as an earlier template", i + 1);
        }
    }
    for (std::size_t i = 0; i < task.artifacts.size(); ++i) {
        const auto& artifact = task.artifacts[i];
        Mistakes inner;
        if (artifact.getter_source.empty()) {
            inner.add("source must be specified");
        }
        if (!one_of(artifact.getter_mode, {"any", "file", "dir"})) {
            inner.add(
                "invalid artifact mode \"{}\"; must be one of: any, file, dir", artifact.getter_mode
            );
        }
        if (escapes(artifact.relative_dest)) {
            inner.add("destination escapes allocation directory");
        }
        out.add_nested(fmt::format("Artifact {} validation failed: ", i + 1), inner);
    }
}

void check_extras(const Task& task, const TaskGroup& group, Mistakes& out) {
    if (task.lifecycle) {
        if (task.lifecycle->hook.empty()) {
            out.add("no lifecycle hook provided");
        } else if (!one_of(task.lifecycle->hook, {"prestart", "poststart", "poststop"})) {
            out.add("invalid hook: {}", task.lifecycle->hook);
        }
    }
    if (task.dispatch_payload && task.dispatch_payload->file.empty()) {
        out.add("Dispatch Payload validation failed: file must be specified");
    }
    if (task.dispatch_payload && escapes(task.dispatch_payload->file)) {
        out.add("Dispatch Payload validation failed: file escapes the local folder");
    }
    for (std::size_t i = 0; i < task.volume_mounts.size(); ++i) {
        const auto& mount = task.volume_mounts[i];
        Mistakes inner;
        if (mount.volume.empty()) {
            inner.add("volume mount must name a volume");
        } else if (!group.volumes.contains(mount.volume)) {
            inner.add("Volume Mount ({}) references undefined volume {}", i, mount.volume);
        }
        if (mount.destination.empty()) {
            inner.add("volume mount destination is empty");
        }
        if (!one_of(mount.propagation_mode, {"", "private", "host-to-task", "bidirectional"})) {
            inner.add(
                "Volume Mount ({}) has an invalid propagation mode: \"{}\"",
                i,
                mount.propagation_mode
            );
        }
        if (!one_of(mount.selinux_label, {"", "z", "Z"})) {
            inner.add(
                "selinux_label must be \"\", \"z\" or \"Z\"; got \"{}\"", mount.selinux_label
            );
        }
        out.add_nested(fmt::format("Volume mount {} validation failed: ", i + 1), inner);
    }
    for (const auto& policy : task.scaling_policies) {
        out.add("scaling policy type \"{}\" is not valid", policy.type);
    }
    if (task.csi_plugin_config) {
        const auto& plugin = *task.csi_plugin_config;
        if (plugin.id.empty()) {
            out.add("CSIPluginConfig must have a non-empty PluginID");
        }
        if (!one_of(plugin.type, {"node", "controller", "monolith"})) {
            out.add(
                "CSIPluginConfig PluginType must be one of 'node', 'controller', or "
                "'monolith', got: \"{}\"",
                plugin.type
            );
        }
    }
    std::set<std::string_view> seen;
    for (const auto& action : task.actions) {
        Mistakes inner;
        if (action.command.empty()) {
            inner.add("command cannot be empty");
        }
        const bool bad =
            action.name.empty() || action.name.size() > 128 ||
            action.name.find_first_of(std::string_view(" \t\n\r\0", 5)) != std::string::npos;
        if (bad) {
            inner.add("invalid name \"{}\"", action.name);
        }
        out.add_nested(fmt::format("Action {} validation failed: ", action.name), inner);
        if (!seen.insert(action.name).second) {
            out.add("Action {} defined multiple times", action.name);
        }
    }
    std::set<std::string_view> secrets;
    for (const auto& secret : task.secrets) {
        Mistakes inner;
        if (!is_word(secret.name, "_", 128)) {
            inner.add("secret name \"{}\" must match regex ^[a-zA-Z0-9_]{{1,128}}$", secret.name);
        }
        if (secret.provider.empty()) {
            inner.add("secret provider cannot be empty");
        }
        if (secret.path.empty()) {
            inner.add("secret path cannot be empty");
        }
        if (secret.provider == "vault" && !task.vault) {
            inner.add("secret provider vault needs a vault block");
        }
        const bool built_in = secret.provider == "nomad" || secret.provider == "vault";
        if (built_in && !secret.env.empty()) {
            inner.add("only custom plugins take env");
        }
        if (!built_in && !secret.config.empty()) {
            inner.add("custom plugins take no config");
        }
        out.add_nested(fmt::format("Secret {} validation failed: ", secret.name), inner);
        if (!secrets.insert(secret.name).second) {
            out.add("Secret {} defined multiple times", secret.name);
        }
    }
}

}  // namespace

void check_task(const Task& task, const TaskGroup& group, const model::Job& job, Mistakes& out) {
    if (task.name.empty()) {
        out.add("Missing task name");
    }
    if (task.max_run_duration && *task.max_run_duration <= Duration{}) {
        out.add("task max_run_duration must be greater than zero");
    }
    if (task.name.find_first_of("/\\") != std::string::npos) {
        out.add("Task name cannot include slashes");
    } else if (task.name.find('\0') != std::string::npos) {
        out.add("Task name cannot include null characters");
    } else if (task.name == "alloc") {
        out.add("Task name cannot be \"alloc\"");
    }
    if (task.driver.empty()) {
        out.add("Missing task driver");
    }
    if (task.kill_timeout < Duration{}) {
        out.add("KillTimeout must be a positive value");
    } else if (group.update && group.update->progress_deadline > Duration{} &&
               task.kill_timeout > group.update->progress_deadline) {
        out.add(
            "KillTimeout ({}) longer than the group's ProgressDeadline ({})",
            to_string(task.kill_timeout),
            to_string(group.update->progress_deadline)
        );
    }
    if (task.shutdown_delay < Duration{}) {
        out.add("ShutdownDelay must be a positive value");
    }
    if (task.resources) {
        Mistakes inner;
        check_resources(*task.resources, inner);
        for (const std::string& one : inner.list()) {
            out.add("{}", one);
        }
    } else {
        out.add("Missing task resources");
    }
    if (task.log_config) {
        Mistakes inner;
        check_log(*task.log_config, group, inner);
        out.add_nested("", inner);
    } else {
        out.add("Missing Log Config");
    }
    check_constraints(task.constraints, Level::Task, out);
    if (job.type == "system" || job.type == "sysbatch") {
        if (!task.affinities.empty()) {
            out.add("System jobs may not have an affinity block");
        }
    } else {
        check_affinities(task.affinities, out);
    }
    Mistakes services;
    check_services(task.services, group, &task, services);
    out.add_nested("", services);
    if (task.vault) {
        Mistakes inner;
        check_vault(*task.vault, inner);
        out.add_nested("Vault validation failed: ", inner);
    }
    check_files(task, out);
    if (task.identity) {
        Mistakes inner;
        check_identity(*task.identity, inner);
        out.add_nested("Identity validation failed: ", inner);
    }
    std::set<std::string_view> names;
    for (const auto& identity : task.identities) {
        Mistakes inner;
        check_identity(identity, inner);
        out.add_nested(fmt::format("Identity[{}] validation failed: ", identity.name), inner);
        if (!names.insert(identity.name).second) {
            out.add("Identity {} is defined more than once", identity.name);
        }
    }
    check_extras(task, group, out);
}

void task_warnings(const Task& task, Mistakes& out) {
    if (task.resources && task.resources->iops != 0) {
        out.add(
            "IOPS has been deprecated as of Nomad 0.9.0. Please remove IOPS from resource "
            "block."
        );
    }
    if (task.resources && !task.resources->networks.empty()) {
        out.add(
            "task network resources have been deprecated as of Nomad 0.12.0. Please configure "
            "networking via group network block."
        );
    }
    for (std::size_t i = 0; i < task.templates.size(); ++i) {
        if (task.templates[i].vault_grace != Duration{}) {
            out.add(
                "Template[{}] VaultGrace has been deprecated as of Nomad 0.11 and ignored "
                "since Vault 0.5. Please remove VaultGrace / vault_grace from template block.",
                i
            );
        }
    }
    for (const auto& id : task.identities) {
        Mistakes inner;
        if (id.audience.empty()) {
            inner.add("Identity[{}] identities without an audience are insecure", id.name);
        }
        if (id.audience.size() > 1) {
            inner.add(
                "Identity[{}] while multiple audiences is allowed, it is more secure to use "
                "1 audience per identity",
                id.name
            );
        }
        if (id.env && id.change_mode != "restart") {
            inner.add(
                "Identity[{}] using env=true without change_mode=\"restart\" may result in "
                "task not getting updated identity",
                id.name
            );
        }
        if (id.ttl == Duration{}) {
            inner.add("Identity[{}] identities without an expiration are insecure", id.name);
        }
        out.add_nested("", inner);
    }
}

}  // namespace nl::jobspec
