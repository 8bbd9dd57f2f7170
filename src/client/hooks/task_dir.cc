// The task's directory: local/, secrets/, tmp/.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class TaskDirHook final : public TaskHook {
public:
    std::string_view name() const override { return "task_dir"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        c.spec.alloc_dir = c.paths.alloc_dir;
        c.spec.task_dir = c.paths.task_dir;
        c.spec.user = c.task.user;
        return std::vector<FileWork>{env::MakeTaskDir{
            c.alloc.id,
            c.task.name,
            c.task.user,
            c.task.resources ? c.task.resources->secrets_mb : 0,
            !has_own_files(c.task.driver)
        }};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_task_dir_hook() {
    return std::make_unique<TaskDirHook>();
}

}  // namespace nl::client
