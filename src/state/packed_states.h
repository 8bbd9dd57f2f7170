#pragma once
// Task states as allocations keep them: encoded, in one piece of memory with its length, the common
// event types as one byte. Immutable; copies share. Internal to state but for its size in the row.

#include "base/bytes.h"
#include "base/codec.h"
#include "base/value.h"
#include "model/task_state.h"

#include <memory>

namespace nl::state {

class PackedStates {
public:
    PackedStates() = default;
    /// No tasks: nothing is kept.
    explicit PackedStates(const Map<model::TaskState>& tasks);
    /// Takes what bytes() gave. Errors: Corruption.
    static Result<PackedStates> from_bytes(BytesView bytes);

    explicit operator bool() const { return data_ != nullptr; }
    BytesView bytes() const;
    Map<model::TaskState> tasks() const;

private:
    void hold(BytesView bytes);

    /// Four bytes of length and the content.
    std::shared_ptr<const char[]> data_;
};

}  // namespace nl::state
