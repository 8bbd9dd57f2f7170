#include "jobspec/findings.h"

#include <algorithm>
#include <map>
#include <set>

namespace nl::jobspec {
namespace {

using model::Task;
using model::TaskGroup;

void check_resources(const model::Resources& r, Mistakes& out) {
    if (r.cores > 0 && r.cpu > 0) {
        out.add("Task can only ask for 'cpu' or 'cores' resource, not both.");
    }
    if (r.cores < 0) {
        out.add("cores value ({}) cannot be negative", r.cores);
    }
    Mistakes least;
    if (r.cpu < 1 && r.cores == 0) {
        least.add("minimum CPU value is 1; got {}", r.cpu);
    }
    if (r.memory_mb < 10) {
        least.add("minimum MemoryMB value is 10; got {}", r.memory_mb);
    }
    out.add_nested("", least);
    std::set<std::string_view> devices;
    for (std::size_t i = 0; i < r.devices.size(); ++i) {
        const auto& device = r.devices[i];
        Mistakes inner;
        if (device.name.empty()) {
            inner.add(
                "device name must be given as one of the following: type, vendor/type, or "
                "vendor/type/name"
            );
        }
        std::vector<model::Constraint> plain;
        for (std::size_t c = 0; c < device.constraints.size(); ++c) {
            const std::string& op = device.constraints[c].operand;
            if (one_of(op, {"distinct_hosts", "distinct_property"})) {
                inner.add(
                    "Constraint {} validation failed: using unsupported operand {}",
                    c + 1,
                    quoted(op)
                );
            } else {
                plain.push_back(device.constraints[c]);
            }
        }
        check_constraints(plain, Level::Group, inner);
        check_affinities(device.affinities, inner);
        out.add_nested(fmt::format("device {} failed validation: ", i + 1), inner);
        devices.insert(device.name);
    }
    if (r.numa) {
        for (const std::string& device : r.numa->devices) {
            if (!devices.contains(device)) {
                out.add("numa device {} not requested as task resource", quoted(device));
            }
        }
        if (!one_of(r.numa->affinity, {"none", "prefer", "require"})) {
            out.add("numa affinity must be one of none, prefer, or require");
        }
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
            "SecretsMB value ({}) cannot be larger than MemoryMB value ({})",
            r.secrets_mb,
            r.memory_mb
        );
    }
    if (r.secrets_mb < 0) {
        out.add("SecretsMB value ({}) cannot be negative", r.secrets_mb);
    }
}

void check_log(const model::LogConfig& log, const TaskGroup& group, Mistakes& out) {
    if (log.max_files < 1) {
        out.add("minimum number of files is 1; got {}", log.max_files);
    }
    if (log.max_file_size_mb < 1) {
        out.add("minimum file size is 1MB; got {}", log.max_file_size_mb);
    }
    const std::int64_t use = log.max_files * log.max_file_size_mb;
    if (group.ephemeral_disk && group.ephemeral_disk->size_mb <= use) {
        out.add(
            "log storage ({} MB) must be less than requested disk capacity ({} MB)",
            use,
            group.ephemeral_disk->size_mb
        );
    }
}

/// How deep a task's folder and its `local` are inside the allocation's.
constexpr int kTaskDepth = 1;
constexpr int kLocalDepth = 2;

std::string octal_error(std::string_view perms) {
    constexpr std::size_t kMostDigits = 4;  // 12 bits.
    const bool digits = std::ranges::all_of(perms, [](char c) { return c >= '0' && c <= '7'; });
    if (!digits) {
        return fmt::format("strconv.ParseUint: parsing {}: invalid syntax", quoted(perms));
    }
    const std::size_t first = std::min(perms.find_first_not_of('0'), perms.size());
    return perms.size() - first > kMostDigits
               ? fmt::format("strconv.ParseUint: parsing {}: value out of range", quoted(perms))
               : "";
}

void check_template(const model::Template& t, Mistakes& out) {
    if (t.source_path.empty() && t.embedded_tmpl.empty()) {
        out.add("Must specify a source path or have an embedded template");
    }
    if (t.dest_path.empty()) {
        out.add("Must specify a destination for the template");
    }
    if (escapes(t.dest_path, kTaskDepth)) {
        out.add("destination escapes allocation directory");
    }
    if (t.change_mode == "signal") {
        if (t.change_signal.empty()) {
            out.add("Must specify signal value when change mode is signal");
        }
        if (t.envvars) {
            out.add("cannot use signals with env var templates");
        }
    } else if (t.change_mode == "script") {
        if (!t.change_script) {
            out.add("must specify change script configuration value when change mode is script");
        } else if (t.change_script->command.empty()) {
            out.add("must specify script path value when change mode is script");
        }
    } else if (!one_of(t.change_mode, {"noop", "restart"})) {
        out.add("Invalid change mode. Must be one of the following: noop, signal, script, restart");
    }
    if (t.splay < Duration{}) {
        out.add("Must specify positive splay value");
    }
    if (const std::string why = octal_error(t.perms); !why.empty()) {
        out.add("Failed to parse {} as octal: {}", quoted(t.perms), why);
    }
    if (t.wait && t.wait->min && t.wait->max && *t.wait->min > *t.wait->max) {
        out.add(
            "wait min {} is greater than max {}", to_string(*t.wait->min), to_string(*t.wait->max)
        );
    }
}

/// "" or why the checksum an artifact asks for cannot be one.
std::string checksum_problem(const StringMap& options) {
    const auto found = options.find("checksum");
    // With parts that the node fills in it is looked at there.
    if (found == options.end() || found->second.find("${") != std::string::npos) {
        return "";
    }
    std::string_view check = found->second;
    while (!check.empty() && std::string_view(" \t\r\n").find(check.front()) != check.npos) {
        check.remove_prefix(1);
    }
    while (!check.empty() && std::string_view(" \t\r\n").find(check.back()) != check.npos) {
        check.remove_suffix(1);
    }
    if (check.empty()) {
        return "checksum value cannot be empty";
    }
    const std::size_t colon = check.find(':');
    if (colon == check.npos || check.find(':', colon + 1) != check.npos) {
        return fmt::format("checksum must be given as \"type:value\"; got {}", quoted(check));
    }
    const std::string_view type = check.substr(0, colon);
    const std::string_view value = check.substr(colon + 1);
    for (const char c : value) {
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!hex) {
            return fmt::format(
                "invalid checksum: encoding/hex: invalid byte: U+{:04X} '{}'",
                static_cast<unsigned>(static_cast<unsigned char>(c)),
                c
            );
        }
    }
    if (value.size() % 2 != 0) {
        return "invalid checksum: encoding/hex: odd length hex string";
    }
    const std::size_t bytes = type == "md5"      ? 16
                              : type == "sha1"   ? 20
                              : type == "sha256" ? 32
                              : type == "sha512" ? 64
                                                 : 0;
    if (bytes == 0) {
        return fmt::format("unsupported checksum type: {}", type);
    }
    return value.size() == 2 * bytes ? "" : fmt::format("invalid {} checksum: {}", type, value);
}

void check_artifacts(const Task& task, Mistakes& out) {
    for (std::size_t i = 0; i < task.artifacts.size(); ++i) {
        const auto& artifact = task.artifacts[i];
        Mistakes inner;
        if (artifact.getter_source.empty()) {
            inner.add("source must be specified");
        }
        if (!one_of(artifact.getter_mode, {"", "any", "file", "dir"})) {
            inner.add(
                "invalid artifact mode {}; must be one of: any, file, dir",
                quoted(artifact.getter_mode)
            );
        }
        if (escapes(artifact.relative_dest, kTaskDepth)) {
            inner.add("destination escapes allocation directory");
        }
        if (const std::string why = checksum_problem(artifact.getter_options); !why.empty()) {
            inner.add("{}", why);
        }
        out.add_nested(fmt::format("Artifact {} validation failed: ", i + 1), inner);
    }
}

void check_templates(const Task& task, Mistakes& out) {
    std::map<std::string_view, std::size_t> destinations;
    for (std::size_t i = 0; i < task.templates.size(); ++i) {
        Mistakes inner;
        check_template(task.templates[i], inner);
        out.add_nested(fmt::format("Template {} validation failed: ", i + 1), inner);
        const auto [other, fresh] = destinations.emplace(task.templates[i].dest_path, i + 1);
        if (!fresh) {
            out.add("Template {} has same destination as {}", i + 1, other->second);
        }
    }
}

void check_actions(const Task& task, Mistakes& out) {
    constexpr std::size_t kLongestName = 128;
    std::map<std::string_view, int> seen;
    for (const auto& action : task.actions) {
        Mistakes inner;
        if (action.command.empty()) {
            inner.add("command cannot be empty");
        }
        const bool bad =
            action.name.empty() || action.name.size() > kLongestName ||
            action.name.find_first_of(std::string_view(" \t\n\f\r\0", 6)) != std::string::npos;
        if (bad) {
            inner.add("invalid name '{}'", action.name);
        }
        out.add_nested(fmt::format("Action {} validation failed: ", action.name), inner);
        if (++seen[action.name] == 2) {
            out.add("Action {} defined multiple times", action.name);
        }
    }
}

void check_volume_mounts(const Task& task, const TaskGroup& group, Mistakes& out) {
    for (std::size_t i = 0; i < task.volume_mounts.size(); ++i) {
        const auto& mount = task.volume_mounts[i];
        if (!group.volumes.contains(mount.volume)) {
            out.add("Volume Mount ({}) references undefined volume {}", i, mount.volume);
        }
        Mistakes inner;
        if (mount.volume.empty()) {
            inner.add("volume mount references an empty volume");
        }
        if (!one_of(mount.propagation_mode, {"", "private", "host-to-task", "bidirectional"})) {
            inner.add(
                "volume mount has an invalid propagation mode: {}", quoted(mount.propagation_mode)
            );
        }
        if (!one_of(mount.selinux_label, {"", "z", "Z"})) {
            inner.add("volume mount has an invalid SELinux label: \"{}\"", mount.selinux_label);
        }
        if (mount.destination.empty()) {
            inner.add("volume mount has an empty destination");
        }
        Mistakes nested;
        nested.add_nested("", inner);
        for (const std::string& text : nested.list()) {
            out.add("Volume Mount ({}) is invalid: \"{}\"", i, text);
        }
    }
}

/// Whether `path` is inside `folder`, both taken as they are written.
bool is_below(std::string_view folder, std::string_view path) {
    while (folder.size() > 1 && folder.ends_with('/')) {
        folder.remove_suffix(1);
    }
    return path == folder || (path.starts_with(folder) &&
                              (folder.ends_with('/') || path.substr(folder.size()).front() == '/'));
}

void check_csi_plugin(const model::TaskCSIPluginConfig& plugin, Mistakes& out) {
    if (plugin.id.empty()) {
        out.add("CSIPluginConfig must have a non-empty PluginID");
    }
    if (!one_of(plugin.type, {"node", "controller", "monolith"})) {
        out.add(
            "CSIPluginConfig PluginType must be one of 'node', 'controller', or 'monolith', got: "
            "\"{}\"",
            plugin.type
        );
    }
    if (!plugin.stage_publish_base_dir.empty() && !plugin.mount_dir.empty() &&
        is_below(plugin.mount_dir, plugin.stage_publish_base_dir)) {
        out.add(
            "CSIPluginConfig StagePublishBaseDir must not be a subdirectory of MountDir, got: "
            "StagePublishBaseDir=\"{}\" MountDir=\"{}\"",
            plugin.stage_publish_base_dir,
            plugin.mount_dir
        );
    }
}

void check_secrets(const Task& task, Mistakes& out) {
    constexpr std::size_t kLongestName = 128;
    std::set<std::string_view> seen;
    for (const auto& secret : task.secrets) {
        if (!seen.insert(secret.name).second) {
            out.add("Duplicate secret {} found", quoted(secret.name));
        }
        if (secret.provider == "vault" && !task.vault) {
            out.add("Secret {} has provider \"vault\" but no vault block", quoted(secret.name));
        }
        Mistakes inner;
        if (secret.name.empty()) {
            inner.add("secret name cannot be empty");
        }
        if (!is_word(secret.name, "_", kLongestName)) {
            inner.add("secret name must match regex ^[a-zA-Z0-9_]{{1,128}}$");
        }
        if (secret.provider.empty()) {
            inner.add("secret provider cannot be empty");
        }
        if (secret.path.empty()) {
            inner.add("secret path cannot be empty");
        }
        if (one_of(secret.provider, {"nomad", "vault"})) {
            if (!secret.env.empty()) {
                inner.add("{} provider cannot use the env block", secret.provider);
            }
        } else if (!secret.config.empty()) {
            inner.add("custom plugin provider {} cannot use the config block", secret.provider);
        }
        out.add_nested(fmt::format("Secret {} is invalid: ", quoted(secret.name)), inner);
    }
}

void check_schedule(const model::TaskSchedule& schedule, Mistakes& out) {
    if (!schedule.cron) {
        out.add("must specify cron block");
        return;
    }
    const auto check = [&](const char* field, const std::string& text, std::ptrdiff_t fields) {
        if (std::ranges::count(text, ' ') != fields - 1) {
            out.add("{} must contain {} fields", field, fields);
        } else if (text.find_first_of("/,") != std::string::npos) {
            out.add("{} must not contain \"/,\"", field);
        } else {
            return true;
        }
        return false;
    };
    constexpr std::ptrdiff_t kStartFields = 6;
    constexpr std::ptrdiff_t kEndFields = 2;
    static_cast<void>(
        check("cron.start", schedule.cron->start, kStartFields) &&
        check("cron.end", schedule.cron->end, kEndFields)
    );
}

void check_kind(const Task& task, const TaskGroup& group, Mistakes& out) {
    constexpr std::string_view kProxy = "connect-proxy:";
    if (!task.kind.starts_with(kProxy) || task.kind.size() == kProxy.size()) {
        return;
    }
    if (!task.services.empty()) {
        out.add("Connect proxy task must not have a service block");
    }
    if (task.leader) {
        out.add("Connect proxy task must not have leader set");
    }
    const std::string_view service = std::string_view(task.kind).substr(kProxy.size());
    std::vector<std::string_view> names;
    for (const model::Service& s : group.services) {
        if (!s.connect || !s.connect->sidecar_service) {
            continue;
        }
        if (s.name == service) {
            return;
        }
        names.push_back(s.name);
    }
    if (names.empty()) {
        out.add("No Connect services in task group with Connect proxy ({})", quoted(service));
    } else {
        out.add(
            "Connect proxy service name ({}) not found in Connect services from task group: [{}]",
            quoted(service),
            fmt::format("{}", fmt::join(names, " "))
        );
    }
}

}  // namespace

void check_identity(const model::WorkloadIdentity& id, Mistakes& out) {
    constexpr std::size_t kLongestName = 128;
    if (!is_word(id.name, "-_", kLongestName)) {
        out.add("invalid name {}. Must match regex ^[a-zA-Z0-9-_]{{1,128}}$", quoted(id.name));
    }
    for (std::size_t i = 0; i < id.audience.size(); ++i) {
        if (id.audience[i].empty()) {
            out.add("an empty string is an invalid audience ({})", i + 1);
        }
    }
    if (one_of(id.change_mode, {"", "noop", "restart"})) {
        if (!id.change_signal.empty()) {
            out.add(
                "can only use change_signal={} with change_mode=\"signal\"",
                quoted(id.change_signal)
            );
        }
    } else if (id.change_mode == "signal") {
        if (id.change_signal.empty()) {
            out.add("change_signal must be specified when using change_mode=\"signal\"");
        }
    } else {
        out.add("invalid change_mode: {}", id.change_mode);
    }
    if (id.ttl > Duration{} && (id.name.empty() || id.name == "default")) {
        out.add("ttl for default identity not yet supported");
    }
    if (id.ttl < Duration{}) {
        out.add("ttl must be >= 0");
    }
    if (!id.filepath.empty() && !id.file) {
        out.add("file parameter must be true in order to specify filepath");
    }
}

void check_vault(const model::Vault& v, Mistakes& out) {
    if (v.change_mode == "signal") {
        if (v.change_signal.empty()) {
            out.add("Signal must be specified when using change mode \"signal\"");
        }
    } else if (!one_of(v.change_mode, {"noop", "restart"})) {
        out.add("Unknown change mode {}", quoted(v.change_mode));
    }
}

/// A directory and log files are named after the task; file systems take 255 bytes.
constexpr std::size_t kMaxTaskNameBytes = 200;

void check_task(const Task& task, const TaskGroup& group, const model::Job& job, Mistakes& out) {
    if (task.name.empty()) {
        out.add("Missing task name");
    }
    if (task.max_run_duration && *task.max_run_duration <= Duration{}) {
        out.add("task max_run_duration must be greater than zero");
    }
    if (task.name == "alloc" || task.name == "." || task.name == "..") {
        out.add("Task cannot be named \"{}\"", task.name);
    }
    if (task.name.size() > kMaxTaskNameBytes) {
        out.add(
            "Task name is {} bytes long; the limit is {}", task.name.size(), kMaxTaskNameBytes
        );
    }
    if (task.name.find_first_of("/\\") != std::string::npos) {
        out.add("Task name cannot include slashes");
    } else if (task.name.find('\0') != std::string::npos) {
        out.add("Task name cannot include null characters");
    }
    if (task.driver.empty()) {
        out.add("Missing task driver");
    }
    if (task.kill_timeout < Duration{}) {
        out.add("KillTimeout must be a positive value");
    } else if (job.type == "service" && group.update &&
               group.update->progress_deadline > Duration{} &&
               task.kill_timeout > group.update->progress_deadline) {
        // Spelt as Nomad spells it.
        out.add(
            "KillTimout ({}) longer than the group's ProgressDeadline ({})",
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
        out.add_nested("", inner);
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
    if (job.type == "system") {
        if (!task.affinities.empty()) {
            out.add("System jobs may not have an affinity block");
        }
    } else {
        check_affinities(task.affinities, out);
    }
    Mistakes services;
    check_task_services(task, group, services);
    out.add_nested("", services);
    check_artifacts(task, out);
    if (task.vault) {
        Mistakes inner;
        check_vault(*task.vault, inner);
        out.add_nested("Vault validation failed: ", inner);
    }
    check_templates(task, out);
    check_actions(task, out);
    if (task.dispatch_payload && escapes(task.dispatch_payload->file, kLocalDepth)) {
        out.add("Dispatch Payload validation failed: destination escapes allocation directory");
    }
    if (task.lifecycle) {
        if (task.lifecycle->hook.empty()) {
            out.add("Lifecycle validation failed: no lifecycle hook provided");
        } else if (!one_of(task.lifecycle->hook, {"prestart", "poststart", "poststop"})) {
            out.add("Lifecycle validation failed: invalid hook: {}", task.lifecycle->hook);
        }
    }
    check_kind(task, group, out);
    check_volume_mounts(task, group, out);
    if (task.csi_plugin_config) {
        check_csi_plugin(*task.csi_plugin_config, out);
    }
    if (task.identity) {
        Mistakes inner;
        check_identity(*task.identity, inner);
        out.add_nested(fmt::format("Identity {} is invalid: ", quoted(task.identity->name)), inner);
    }
    for (const auto& identity : task.identities) {
        if (identity.name == "default") {
            out.add("Duplicate default identities found");
        }
        Mistakes inner;
        check_identity(identity, inner);
        out.add_nested(fmt::format("Identity {} is invalid: ", quoted(identity.name)), inner);
    }
    check_secrets(task, out);
    if (task.schedule) {
        Mistakes inner;
        check_schedule(*task.schedule, inner);
        out.add_each("Schedule validation failed: ", inner);
    }
}

void identity_warnings(const model::WorkloadIdentity& id, Mistakes& out) {
    if (id.audience.empty()) {
        out.add("identities without an audience are insecure");
    } else if (id.audience.size() > 1) {
        out.add(
            "while multiple audiences is allowed, it is more secure to use 1 audience per identity"
        );
    }
    if (!id.name.empty() && id.name != "default" && id.ttl == Duration{}) {
        out.add("identities without an expiration are insecure");
    }
    if (id.env && id.change_mode != "restart") {
        out.add(
            "using env=true without change_mode=\"restart\" may result in task not getting updated "
            "identity"
        );
    }
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
    service_warnings(task.services, out);
    for (const auto& id : task.identities) {
        Mistakes inner;
        identity_warnings(id, inner);
        Mistakes named;
        named.add_each(fmt::format("Identity[{}] ", id.name), inner);
        out.add_nested("", named);
    }
}

}  // namespace nl::jobspec
