#include "client/local_state.h"

#include <utility>

namespace nl::client {
namespace {

constexpr std::string_view kAlloc = "alloc/";
constexpr std::string_view kTask = "task/";
constexpr std::size_t kUuidText = 36;

}  // namespace

RestoredState restore(const env::BlobsLoaded& loaded) {
    RestoredState state;
    state.damaged = loaded.damaged;
    for (const env::BlobRecord& record : loaded.records) {
        if (!record.key.starts_with(kAlloc)) {
            continue;
        }
        auto alloc = decode<AllocRecord>(record.data);
        if (!alloc || alloc->alloc.id.is_nil() || !alloc->alloc.job) {
            state.damaged.push_back(record.key);
            continue;
        }
        RestoredAlloc& restored = state.allocs[alloc->alloc.id];
        restored.health_reported = alloc->health_reported;
        restored.alloc = std::make_shared<const model::Allocation>(std::move(alloc->alloc));
    }
    for (const env::BlobRecord& record : loaded.records) {
        if (!record.key.starts_with(kTask) || record.key.size() < kTask.size() + kUuidText + 2) {
            continue;
        }
        const auto id = Uuid::parse(std::string_view(record.key).substr(kTask.size(), kUuidText));
        auto task = decode<TaskRecord>(record.data);
        const auto at = id ? state.allocs.find(*id) : state.allocs.end();
        if (!task || at == state.allocs.end()) {
            state.damaged.push_back(record.key);
            continue;
        }
        at->second.tasks.emplace(record.key.substr(kTask.size() + kUuidText + 1), std::move(*task));
    }
    return state;
}

StateWrite save_alloc(const model::Allocation& alloc, bool health_reported) {
    AllocRecord record;
    record.alloc = alloc;
    record.health_reported = health_reported;
    return {std::string(kAlloc) + alloc.id.str(), encode(record)};
}

StateWrite save_task(const Uuid& alloc, const std::string& task, const TaskRecord& record) {
    return {fmt::format("{}{}/{}", kTask, alloc.str(), task), encode(record)};
}

StateWrite erase_alloc(const Uuid& alloc) {
    return {std::string(kAlloc) + alloc.str(), std::nullopt};
}

StateWrite erase_task(const Uuid& alloc, const std::string& task) {
    return {fmt::format("{}{}/{}", kTask, alloc.str(), task), std::nullopt};
}

}  // namespace nl::client
