// The group's volumes that the task mounts. A driver with a file system of its own mounts them
// inside it; for the others they are put below the task's directory.

#include "client/hooks/task_hook.h"

namespace nl::client {
namespace {

class VolumesHook final : public TaskHook {
public:
    std::string_view name() const override { return "volumes"; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        std::vector<FileWork> work;
        for (const model::VolumeMount& mount : c.task.volume_mounts) {
            const auto request = c.group.volumes.find(mount.volume);
            if (request == c.group.volumes.end()) {
                return refuse(fmt::format("the group has no volume \"{}\"", mount.volume));
            }
            if (request->second.type != "host") {
                return refuse(fmt::format(
                    "volume \"{}\" is of type \"{}\", and this node mounts those of type host only",
                    mount.volume,
                    request->second.type
                ));
            }
            std::string source = c.env.expand(request->second.source);
            if (request->second.per_alloc) {
                source += fmt::format("[{}]", alloc_index(c.alloc.name));
            }
            const auto volume = c.node.host_volumes.find(source);
            if (volume == c.node.host_volumes.end()) {
                return refuse(fmt::format("this node has no host volume \"{}\"", source));
            }
            TaskMount spec;
            spec.host_path = volume->second.path;
            const std::string destination = c.env.expand(mount.destination);
            spec.task_path = destination.starts_with('/') ? destination : "/" + destination;
            spec.read_only =
                mount.read_only || request->second.read_only || volume->second.read_only;
            spec.propagation = mount.propagation_mode;
            if (!has_own_files(c.task.driver)) {
                work.emplace_back(env::MountVolume{
                    c.alloc.id,
                    c.task.name,
                    spec.host_path,
                    spec.task_path.substr(1),
                    spec.read_only,
                    spec.propagation
                });
            }
            c.spec.mounts.push_back(std::move(spec));
        }
        return work;
    }

private:
    static std::unexpected<HookError> refuse(std::string message) {
        return std::unexpected(HookError{HookFailure::Setup, std::move(message)});
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_volumes_hook() {
    return std::make_unique<VolumesHook>();
}

}  // namespace nl::client
