#pragma once
// A step before a task starts. Hooks run in the order of `make_task_hooks`; each looks at the task,
// may change the TaskSpec that the driver will get, and answers the file work that must be done
// before the next one. Each is idempotent: a restart runs them again. After Nomad's
// client/allocrunner/taskrunner hooks; one file a hook.

#include "client/runner_context.h"
#include "client/task_env.h"
#include "env/task_files.h"
#include "model/allocation.h"

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

namespace nl::client {

using FileWork = decltype(env::FileCall::work);

/// Which event a failed hook leaves.
enum class HookFailure : unsigned char { Validation, Setup, Hook, Artifact };

struct HookError {
    HookFailure kind{HookFailure::Hook};
    std::string message;
};

struct TaskHookContext {
    const model::Allocation& alloc;
    const model::TaskGroup& group;
    const model::Task& task;
    const model::Node& node;
    const RunnerSettings& settings;
    const TaskPaths& paths;
    const TaskEnv& env;
    /// Built up by the hooks.
    TaskSpec& spec;
    /// For the task's list.
    std::vector<model::TaskEvent>& events;
    /// Set by a hook that has to be asked again when something has come (templates).
    bool wait{};
    /// The allocation's namespace, if it has one.
    const NetworkState* network{};
};

class TaskHook {
public:
    virtual ~TaskHook() = default;
    virtual std::string_view name() const = 0;
    /// Done once for a task, not again when it is restarted.
    virtual bool once() const { return false; }
    /// What a failure of the hook's file work is.
    virtual HookFailure work_failure() const { return HookFailure::Setup; }
    virtual std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& context
    ) const = 0;
};

/// Every hook, in order.
std::vector<std::unique_ptr<TaskHook>> make_task_hooks();

std::unique_ptr<TaskHook> make_validate_hook();
std::unique_ptr<TaskHook> make_task_dir_hook();
std::unique_ptr<TaskHook> make_dispatch_payload_hook();
std::unique_ptr<TaskHook> make_artifacts_hook();
std::unique_ptr<TaskHook> make_volumes_hook();
std::unique_ptr<TaskHook> make_logs_hook();
std::unique_ptr<TaskHook> make_resources_hook();
std::unique_ptr<TaskHook> make_network_hook();
std::unique_ptr<TaskHook> make_driver_config_hook();
std::unique_ptr<TaskHook> make_devices_hook();

}  // namespace nl::client
