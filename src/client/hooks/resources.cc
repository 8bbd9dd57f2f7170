// What the scheduler gave the task: cpu, memory, cores.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class ResourcesHook final : public TaskHook {
public:
    std::string_view name() const override { return "resources"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        if (c.task.resources) {
            c.spec.cpu_shares = c.task.resources->cpu;
            c.spec.memory_mb = c.task.resources->memory_mb;
            c.spec.memory_max_mb = c.task.resources->memory_max_mb;
        }
        if (!c.alloc.allocated_resources) {
            return std::vector<FileWork>{};
        }
        const auto at = c.alloc.allocated_resources->tasks.find(c.task.name);
        if (at == c.alloc.allocated_resources->tasks.end()) {
            return std::vector<FileWork>{};
        }
        if (at->second.cpu) {
            c.spec.cpu_shares = at->second.cpu->cpu_shares;
            c.spec.cores = at->second.cpu->reserved_cores;
        }
        if (at->second.memory) {
            c.spec.memory_mb = at->second.memory->memory_mb;
            c.spec.memory_max_mb = at->second.memory->memory_max_mb;
        }
        return std::vector<FileWork>{};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_resources_hook() {
    return std::make_unique<ResourcesHook>();
}

}  // namespace nl::client
