#pragma once
// The node's local state: one record for each allocation and one for each of its tasks, written as
// they change, so that a restart finds its tasks again. A record that cannot be read costs that
// task or allocation only: the servers push it again. Keys: "alloc/<id>", "task/<id>/<task>".
// Values: the binary form of the structs below (base/codec.h).

#include "client/driver.h"
#include "client/effects.h"
#include "client/restart_tracker.h"
#include "env/blob_store.h"
#include "model/allocation.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace nl::client {

struct AllocRecord {
    model::Allocation alloc;
    /// Its health was reported to a deployment.
    bool health_reported{};
    NL_FIELDS(AllocRecord, (1, alloc), (2, health_reported))
};

struct TaskRecord {
    model::TaskState state;
    std::uint64_t attempt{};
    Box<TaskHandle> handle;
    RestartCounters restarts;
    /// The driver was told to start this attempt; whether it has is not known.
    bool starting{};
    /// Names of hooks that are not run again.
    std::vector<std::string> hooks_done;
    /// Of each template's last rendering.
    Map<std::uint64_t> template_checks;
    NL_FIELDS(
        TaskRecord,
        (1, state),
        (2, attempt),
        (3, handle),
        (4, restarts),
        (5, starting),
        (6, hooks_done),
        (7, template_checks)
    )
};

struct RestoredAlloc {
    std::shared_ptr<const model::Allocation> alloc;
    bool health_reported{};
    std::map<std::string, TaskRecord, std::less<>> tasks;
};

struct RestoredState {
    std::map<Uuid, RestoredAlloc> allocs;
    /// Keys that could not be read, for the log.
    std::vector<std::string> damaged;
};

RestoredState restore(const env::BlobsLoaded& loaded);

StateWrite save_alloc(const model::Allocation& alloc, bool health_reported);
StateWrite save_task(const Uuid& alloc, const std::string& task, const TaskRecord& record);
StateWrite erase_alloc(const Uuid& alloc);
StateWrite erase_task(const Uuid& alloc, const std::string& task);

}  // namespace nl::client
