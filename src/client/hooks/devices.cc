// The devices that the scheduler gave the task: those with a path of their own on the node are
// handed to the driver; NVIDIA's cards are named in the environment, where its container runtime
// looks.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class DevicesHook final : public TaskHook {
public:
    std::string_view name() const override { return "devices"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        c.spec.devices.clear();
        if (!c.alloc.allocated_resources) {
            return std::vector<FileWork>{};
        }
        const auto at = c.alloc.allocated_resources->tasks.find(c.task.name);
        if (at == c.alloc.allocated_resources->tasks.end()) {
            return std::vector<FileWork>{};
        }
        std::string cards;
        for (const model::AllocatedDeviceResource& device : at->second.devices) {
            for (const std::string& id : device.device_ids) {
                if (id.starts_with("/dev/")) {
                    c.spec.devices.push_back({id, id, "rwm"});
                } else if (device.vendor == "nvidia") {
                    cards += (cards.empty() ? "" : ",") + id;
                }
            }
        }
        if (!cards.empty()) {
            c.spec.env.insert_or_assign("NVIDIA_VISIBLE_DEVICES", cards);
        }
        return std::vector<FileWork>{};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_devices_hook() {
    return std::make_unique<DevicesHook>();
}

}  // namespace nl::client
