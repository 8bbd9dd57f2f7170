// Where the task's output goes, and how much of it is kept.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

constexpr std::int64_t kMegabyte = 1 << 20;
/// What a job without a logs block gets, should a server not have filled it in.
constexpr std::int64_t kDefaultFiles = 10;
constexpr std::int64_t kDefaultFileMb = 10;

class LogsHook final : public TaskHook {
public:
    std::string_view name() const override { return "logs"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        c.spec.logs_dir = c.paths.logs_dir;
        c.spec.log_max_files = c.task.log_config && c.task.log_config->max_files > 0
                                   ? c.task.log_config->max_files
                                   : kDefaultFiles;
        const std::int64_t mb = c.task.log_config && c.task.log_config->max_file_size_mb > 0
                                    ? c.task.log_config->max_file_size_mb
                                    : kDefaultFileMb;
        c.spec.log_max_file_bytes = mb * kMegabyte;
        c.spec.logs_disabled = c.task.log_config && c.task.log_config->disabled;
        return std::vector<FileWork>{};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_logs_hook() {
    return std::make_unique<LogsHook>();
}

}  // namespace nl::client
