#include "client/task_env.h"

#include <charconv>
#include <utility>

namespace nl::client {
namespace {

/// A name as the shell takes it: anything but letters, digits and '_' becomes '_'.
std::string clean(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        const bool ok =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        c = ok ? c : '_';
    }
    return out;
}

std::string upper(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return out;
}

/// Under the cleaned name, and under the written one where it differs only by '-' and '.', which
/// are legal in an environment.
void put_both(
    StringMap& env, std::string_view prefix, std::string_view name, const std::string& value
) {
    env.insert_or_assign(std::string(prefix) + clean(name), value);
    env.insert_or_assign(std::string(prefix) + std::string(name), value);
}

std::string address(const std::string& ip, std::int64_t port) {
    const bool v6 = ip.find(':') != std::string::npos;
    return v6 ? fmt::format("[{}]:{}", ip, port) : fmt::format("{}:{}", ip, port);
}

void put_port(
    StringMap& env,
    const model::AllocatedPortMapping& port,
    bool bridged,
    const NetworkState* network
) {
    const std::int64_t inside = port.to > 0 ? port.to : port.value;
    put_both(env, "NOMAD_IP_", port.label, port.host_ip);
    put_both(env, "NOMAD_PORT_", port.label, std::to_string(bridged ? inside : port.value));
    put_both(env, "NOMAD_ADDR_", port.label, address(port.host_ip, port.value));
    put_both(env, "NOMAD_HOST_IP_", port.label, port.host_ip);
    put_both(env, "NOMAD_HOST_PORT_", port.label, std::to_string(port.value));
    put_both(env, "NOMAD_HOST_ADDR_", port.label, address(port.host_ip, port.value));
    put_both(env, "NOMAD_ALLOC_PORT_", port.label, std::to_string(inside));
    if (network != nullptr && !network->status.address.empty()) {
        put_both(env, "NOMAD_ALLOC_INTERFACE_", port.label, network->status.interface_name);
        put_both(env, "NOMAD_ALLOC_IP_", port.label, network->status.address);
        put_both(env, "NOMAD_ALLOC_ADDR_", port.label, address(network->status.address, inside));
    }
    const bool v6 = port.host_ip.find(':') != std::string::npos;
    put_both(env, v6 ? "NOMAD_IPv6_" : "NOMAD_IPv4_", port.label, port.host_ip);
}

void put_limits(StringMap& env, const TaskEnvInputs& in) {
    const model::AllocatedTaskResources* allocated = nullptr;
    if (in.alloc.allocated_resources) {
        const auto at = in.alloc.allocated_resources->tasks.find(in.task.name);
        allocated = at == in.alloc.allocated_resources->tasks.end() ? nullptr : &at->second;
    }
    std::int64_t memory = in.task.resources ? in.task.resources->memory_mb : 0;
    std::int64_t memory_max = in.task.resources ? in.task.resources->memory_max_mb : 0;
    std::int64_t cpu = in.task.resources ? in.task.resources->cpu : 0;
    std::string cores;
    if (allocated != nullptr && allocated->memory) {
        memory = allocated->memory->memory_mb;
        memory_max = allocated->memory->memory_max_mb;
    }
    if (allocated != nullptr && allocated->cpu) {
        cpu = allocated->cpu->cpu_shares;
        for (const std::int64_t core : allocated->cpu->reserved_cores) {
            cores += (cores.empty() ? "" : ",") + std::to_string(core);
        }
    }
    env["NOMAD_MEMORY_LIMIT"] = std::to_string(memory);
    if (memory_max > 0) {
        env["NOMAD_MEMORY_MAX_LIMIT"] = std::to_string(memory_max);
    }
    env["NOMAD_CPU_LIMIT"] = std::to_string(cpu);
    env["NOMAD_CPU_CORES"] = cores;
}

void put_meta(StringMap& env, const TaskEnvInputs& in) {
    StringMap meta = in.job.meta;
    for (const StringMap* nearer : {&in.group.meta, &in.task.meta}) {
        for (const auto& [key, value] : *nearer) {
            meta.insert_or_assign(key, value);
        }
    }
    for (const auto& [key, value] : meta) {
        env.insert_or_assign("NOMAD_META_" + clean(key), value);
        env.insert_or_assign("NOMAD_META_" + upper(clean(key)), value);
    }
}

}  // namespace

TaskPaths host_paths(std::string_view alloc_root, const Uuid& alloc, std::string_view task) {
    const std::string root = fmt::format("{}/{}", alloc_root, alloc.str());
    const std::string task_dir = fmt::format("{}/{}", root, task);
    return {
        root + "/alloc", task_dir, task_dir + "/local", task_dir + "/secrets", root + "/alloc/logs"
    };
}

TaskPaths own_paths() {
    return {"/alloc", "/", "/local", "/secrets", "/alloc/logs"};
}

const model::TaskGroup* group_of(const model::Allocation& alloc) {
    if (!alloc.job) {
        return nullptr;
    }
    for (const model::TaskGroup& group : alloc.job->task_groups) {
        if (group.name == alloc.task_group) {
            return &group;
        }
    }
    return nullptr;
}

std::int64_t alloc_index(std::string_view alloc_name) {
    const std::size_t open = alloc_name.rfind('[');
    std::int64_t index = 0;
    if (open != std::string_view::npos) {
        std::from_chars(alloc_name.data() + open + 1, alloc_name.data() + alloc_name.size(), index);
    }
    return index;
}

TaskEnv::TaskEnv(const TaskEnvInputs& in) : node_(&in.node), region_(in.region) {
    StringMap& env = variables_;
    env["NOMAD_ALLOC_DIR"] = in.paths.alloc_dir;
    env["NOMAD_TASK_DIR"] = in.paths.local_dir;
    env["NOMAD_SECRETS_DIR"] = in.paths.secrets_dir;
    put_limits(env, in);
    env["NOMAD_ALLOC_ID"] = in.alloc.id.str();
    env["NOMAD_SHORT_ALLOC_ID"] = in.alloc.id.str().substr(0, 8);
    env["NOMAD_ALLOC_NAME"] = in.alloc.name;
    env["NOMAD_ALLOC_INDEX"] = std::to_string(alloc_index(in.alloc.name));
    env["NOMAD_TASK_NAME"] = in.task.name;
    env["NOMAD_GROUP_NAME"] = in.group.name;
    env["NOMAD_JOB_ID"] = in.job.id;
    env["NOMAD_JOB_NAME"] = in.job.name;
    if (!in.job.parent_id.empty()) {
        env["NOMAD_JOB_PARENT_ID"] = in.job.parent_id;
    }
    env["NOMAD_DC"] = in.node.datacenter;
    env["NOMAD_REGION"] = region_;
    env["NOMAD_NAMESPACE"] = in.alloc.namespace_;
    if (!in.parent_cgroup.empty()) {
        env["NOMAD_PARENT_CGROUP"] = in.parent_cgroup;
    }
    put_meta(env, in);
    if (in.alloc.allocated_resources && in.alloc.allocated_resources->shared) {
        const bool bridged = !in.group.networks.empty() &&
                             !in.group.networks.front().mode.empty() &&
                             in.group.networks.front().mode != "host";
        for (const model::AllocatedPortMapping& port :
             in.alloc.allocated_resources->shared->ports) {
            put_port(env, port, bridged, in.network);
        }
    }
    // The task's own block sees the variables above; its values do not see each other (and
    // `env["X"]` stays as it is written).
    const Lookup lookup = [this](std::string_view name) { return look_up(name, false); };
    StringMap own;
    for (const auto& [key, value] : in.task.env) {
        auto expanded = interpolate(std::string_view(value), lookup, Unknown::Keep);
        own.insert_or_assign(expand(key), std::move(expanded).value_or(value));
    }
    for (auto& [key, value] : own) {
        env.insert_or_assign(key, std::move(value));
    }
}

void TaskEnv::add(const StringMap& more) {
    for (const auto& [key, value] : more) {
        variables_.insert_or_assign(key, value);
    }
}

std::optional<std::string> TaskEnv::look_up(std::string_view name, bool with_env_index) const {
    if (const auto at = variables_.find(name); at != variables_.end()) {
        return at->second;
    }
    if (with_env_index && name.starts_with("env[\"") && name.ends_with("\"]") && name.size() > 7) {
        const auto at = variables_.find(name.substr(5, name.size() - 7));
        return at == variables_.end() ? std::optional<std::string>("") : at->second;
    }
    return node_variable(*node_, region_, name);
}

std::string TaskEnv::expand(std::string_view text) const {
    return interpolate(
               text, [this](std::string_view name) { return look_up(name, true); }, Unknown::Keep
    )
        .value_or(std::string(text));
}

Result<Value> TaskEnv::expand_config(const Value& config) const {
    return interpolate(
        config, [this](std::string_view name) { return look_up(name, true); }, Unknown::Refuse
    );
}

}  // namespace nl::client
