// The environment and the driver's configuration, with every variable replaced. An unknown one
// stops the task here.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class DriverConfigHook final : public TaskHook {
public:
    std::string_view name() const override { return "driver_config"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        c.spec.env = c.env.variables();
        auto config = c.env.expand_config(Value(c.task.config));
        if (!config) {
            return std::unexpected(HookError{HookFailure::Validation, config.error().message});
        }
        c.spec.config = std::move(*config->as_map());
        return std::vector<FileWork>{};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_driver_config_hook() {
    return std::make_unique<DriverConfigHook>();
}

}  // namespace nl::client
