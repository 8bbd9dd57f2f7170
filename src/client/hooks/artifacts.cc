// Downloads, once for a task however often it is restarted. What cannot be had now may be had
// later: the restart policy decides.

#include "client/hooks/task_hook.h"
#include "client/task_events.h"

namespace nl::client {
namespace {

class ArtifactsHook final : public TaskHook {
public:
    std::string_view name() const override { return "artifacts"; }
    bool once() const override { return true; }
    HookFailure work_failure() const override { return HookFailure::Artifact; }

    std::expected<std::vector<FileWork>, HookError> prestart(TaskHookContext& c) const override {
        std::vector<FileWork> work;
        for (const model::TaskArtifact& artifact : c.task.artifacts) {
            env::FetchArtifact fetch;
            fetch.alloc = c.alloc.id;
            fetch.task = c.task.name;
            fetch.source = c.env.expand(artifact.getter_source);
            fetch.destination = c.env.expand(
                artifact.relative_dest.empty() ? std::string("local/") : artifact.relative_dest
            );
            fetch.mode = artifact.getter_mode.empty() ? "any" : artifact.getter_mode;
            for (const auto& [key, value] : artifact.getter_options) {
                fetch.options[key] = c.env.expand(value);
            }
            for (const auto& [key, value] : artifact.getter_headers) {
                fetch.headers[key] = c.env.expand(value);
            }
            fetch.insecure = artifact.getter_insecure;
            fetch.chown = artifact.chown;
            fetch.user = c.task.user;
            work.emplace_back(std::move(fetch));
        }
        if (!work.empty()) {
            c.events.push_back(events::downloading_artifacts());
        }
        return work;
    }
};

}  // namespace

std::unique_ptr<TaskHook> make_artifacts_hook() {
    return std::make_unique<ArtifactsHook>();
}

}  // namespace nl::client
