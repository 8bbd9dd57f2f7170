// Refuses a task that this node cannot run as it is written, before anything is made for it.

#include "client/hooks/task_hook.h"
#include "client/signals.h"

#include <algorithm>

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
        const RunnerSettings& s = c.settings;
        if (std::ranges::find(s.user_checked_drivers, c.task.driver) !=
                s.user_checked_drivers.end() &&
            std::ranges::find(s.denied_users, c.task.user) != s.denied_users.end()) {
            return refuse(
                fmt::format("running as user \"{}\" is disallowed on this node", c.task.user)
            );
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
