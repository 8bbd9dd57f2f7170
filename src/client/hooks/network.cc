// How the task joins its allocation's network: namespace, ports, names.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class NetworkHook final : public TaskHook {
public:
    std::string_view name() const override { return "network"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        TaskNetwork& network = c.spec.network;
        network = {};
        if (!c.group.networks.empty()) {
            const model::NetworkResource& wanted = c.group.networks.front();
            network.mode = wanted.mode;
            network.hostname = c.env.expand(wanted.hostname);
            network.dns = wanted.dns;
        }
        if (c.network != nullptr) {
            network.net_ns = c.network->net_ns;
            network.sandbox = c.network->sandbox;
            network.ip = c.network->status.address;
            if (!network.dns && c.network->status.dns) {
                network.dns = c.network->status.dns;
            }
        }
        if (c.alloc.allocated_resources && c.alloc.allocated_resources->shared) {
            for (const model::AllocatedPortMapping& port :
                 c.alloc.allocated_resources->shared->ports) {
                network.ports.push_back({port.label, port.value, port.to, port.host_ip});
            }
        }
        // Ports of a network that the task itself asks for, as older jobs do.
        if (c.alloc.allocated_resources) {
            const auto at = c.alloc.allocated_resources->tasks.find(c.task.name);
            if (at != c.alloc.allocated_resources->tasks.end()) {
                for (const model::NetworkResource& own : at->second.networks) {
                    for (const auto* ports : {&own.reserved_ports, &own.dynamic_ports}) {
                        for (const model::Port& port : *ports) {
                            network.ports.push_back({port.label, port.value, port.to, own.ip});
                        }
                    }
                }
            }
        }
        return std::vector<FileWork>{};
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_network_hook() {
    return std::make_unique<NetworkHook>();
}

}  // namespace nl::client
