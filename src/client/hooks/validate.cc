// Refuses a task that this node cannot run as it is written, before anything is made for it.

#include "client/hooks/task_hook.h"
#include "client/signals.h"

namespace nl::client {
namespace {

class ValidateHook final : public TaskHook {
public:
    std::string_view name() const override { return "validate"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        const auto driver = c.node.drivers.find(c.task.driver);
        if (driver == c.node.drivers.end() || !driver->second.detected) {
            return refuse(fmt::format("this node has no driver \"{}\"", c.task.driver));
        }
        if (!c.task.kill_signal.empty() && !parse_signal(c.task.kill_signal)) {
            return refuse(fmt::format("kill_signal: invalid signal \"{}\"", c.task.kill_signal));
        }
        // Said here rather than left undone: a task that counts on its files must not start without
        // them.
        if (!c.task.artifacts.empty()) {
            return refuse("this version of the node does not fetch artifacts");
        }
        if (!c.task.templates.empty()) {
            return refuse("this version of the node does not render templates");
        }
        if (!c.task.volume_mounts.empty()) {
            return refuse("this version of the node does not mount volumes");
        }
        return std::vector<FileWork>{};
    }

private:
    static std::unexpected<HookError> refuse(std::string message) {
        return std::unexpected(HookError{HookFailure::Validation, std::move(message)});
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_validate_hook() {
    return std::make_unique<ValidateHook>();
}

}  // namespace nl::client
