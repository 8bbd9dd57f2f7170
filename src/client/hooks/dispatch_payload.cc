// The payload of a dispatched job, written to local/<file> where the task asks for it.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class DispatchPayloadHook final : public TaskHook {
public:
    std::string_view name() const override { return "dispatch_payload"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        if (!c.task.dispatch_payload || c.task.dispatch_payload->file.empty() ||
            c.alloc.job->payload.bytes.empty()) {
            return std::vector<FileWork>{};
        }
        return std::vector<FileWork>{env::WriteTaskFile{
            c.alloc.id,
            c.task.name,
            "local/" + c.task.dispatch_payload->file,
            c.alloc.job->payload.bytes,
            0644,
            -1,
            -1,
            c.task.user
        }};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_dispatch_payload_hook() {
    return std::make_unique<DispatchPayloadHook>();
}

}  // namespace nl::client
