#include "client/hooks/task_hook.h"

namespace nl::client {

std::vector<std::unique_ptr<TaskHook>> make_task_hooks() {
    std::vector<std::unique_ptr<TaskHook>> hooks;
    hooks.push_back(make_validate_hook());
    hooks.push_back(make_task_dir_hook());
    hooks.push_back(make_dispatch_payload_hook());
    hooks.push_back(make_volumes_hook());
    hooks.push_back(make_artifacts_hook());
    hooks.push_back(make_logs_hook());
    hooks.push_back(make_resources_hook());
    hooks.push_back(make_network_hook());
    hooks.push_back(make_driver_config_hook());
    hooks.push_back(make_devices_hook());
    return hooks;
}

}  // namespace nl::client
