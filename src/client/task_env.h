#pragma once
// The environment of a task: every NOMAD_ variable of the job specification (section 7), then the
// task's own `env` block, interpolated. What the host adds is the driver's business. Pure: the same
// allocation and node give the same environment.

#include "base/value.h"
#include "client/interpolate.h"
#include "client/network.h"
#include "model/allocation.h"
#include "model/node.h"

#include <optional>
#include <string>
#include <string_view>

namespace nl::client {

/// Where the task's directories are, as the task sees them.
struct TaskPaths {
    std::string alloc_dir;
    std::string task_dir;
    std::string local_dir;
    std::string secrets_dir;
    std::string logs_dir;
};
/// For drivers without a file system of their own: the node's paths.
TaskPaths host_paths(std::string_view alloc_root, const Uuid& alloc, std::string_view task);
/// For drivers whose tasks see files of their own (has_own_files).
TaskPaths own_paths();

struct TaskEnvInputs {
    const model::Allocation& alloc;
    const model::Job& job;
    const model::TaskGroup& group;
    const model::Task& task;
    const model::Node& node;
    std::string_view region;
    std::string_view parent_cgroup;
    /// As the task sees them.
    const TaskPaths& paths;
    /// The allocation's namespace, if it has one.
    const NetworkState* network{};
};

class TaskEnv {
public:
    explicit TaskEnv(const TaskEnvInputs& inputs);

    const StringMap& variables() const { return variables_; }
    /// What hooks found out; goes over what is there.
    void add(const StringMap& more);
    /// For env blocks, services, artifacts: what is unknown stays as it is written.
    std::string expand(std::string_view text) const;
    /// For a driver's configuration. Errors: InvalidArgument for a variable that nobody knows.
    Result<Value> expand_config(const Value& config) const;

private:
    std::optional<std::string> look_up(std::string_view name, bool with_env_index) const;

    StringMap variables_;
    const model::Node* node_;
    std::string region_;
};

/// The group of an allocation's job; null if the job lacks it.
const model::TaskGroup* group_of(const model::Allocation& alloc);
/// "job.group[7]" -> 7.
std::int64_t alloc_index(std::string_view alloc_name);

}  // namespace nl::client
