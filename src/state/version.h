#pragma once
// What a snapshot handle points to, and what all versions of a store share. Internal to state. The
// core outlives the store as long as a handle is held; the last user frees it.

#include "base/snapshot_count.h"
#include "state/heap.h"
#include "state/tables.h"

#include <cstdint>
#include <deque>
#include <memory>

namespace nl::state {

struct Core;

struct Version {
    Core* core;
    /// The heap's epoch this version ended.
    std::uint64_t epoch;
    Tables tables;
    mutable SnapshotCount handles;
};

struct Core {
    Core() = default;
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    ~Core();

    /// The state under construction.
    Tables tables;
    Heap heap;
    /// Published and perhaps still held, oldest first.
    std::deque<std::unique_ptr<Version>> versions;
    /// The store and every snapshot handle.
    SnapshotCount users{1};
};

}  // namespace nl::state
