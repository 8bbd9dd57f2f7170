#include "state/packed_states.h"

#include "base/check.h"
#include "model/task_event_words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

namespace nl::state {
namespace {

struct TaskStates {
    Map<model::TaskState> tasks{};
    NL_FIELDS(TaskStates, (1, tasks))
};

/// A type's position plus one stands for it. Stored: new ones go to the end, up to 31.
constexpr std::array<std::string_view, 21> kTypes{
    "Received",
    "Task Setup",
    "Building Task Directory",
    "Downloading Artifacts",
    "Driver",
    "Started",
    "Terminated",
    "Restarting",
    "Not Restarting",
    "Killing",
    "Killed",
    "Signaling",
    "Setup Failure",
    "Driver Failure",
    "Restart Signaled",
    "Sibling Task Failed",
    "Waiting for shutdown delay",
    "Leader Task Dead",
    "Main Tasks Dead",
    "Template",
    "Failed Artifact Download",
};

void pack_type(std::string& type) {
    const auto known = std::ranges::find(kTypes, type);
    if (known != kTypes.end()) {
        type.assign(1, static_cast<char>(known - kTypes.begin() + 1));
    }
}

void unpack_type(std::string& type) {
    if (type.size() == 1 && type[0] > 0 && static_cast<std::size_t>(type[0]) <= kTypes.size()) {
        type = kTypes[static_cast<std::size_t>(type[0]) - 1];
    }
}

}  // namespace

PackedStates::PackedStates(const Map<model::TaskState>& tasks) {
    if (tasks.empty()) {
        return;
    }
    TaskStates packed{tasks};
    for (auto& [name, state] : packed.tasks) {
        for (model::TaskEvent& event : state.events) {
            pack_type(event.type);
        }
    }
    hold(encode(packed));
}

Result<PackedStates> PackedStates::from_bytes(BytesView bytes) {
    PackedStates states;
    if (!bytes.empty()) {
        NL_TRY(const TaskStates checked, decode<TaskStates>(bytes));
        static_cast<void>(checked);
        states.hold(bytes);
    }
    return states;
}

void PackedStates::hold(BytesView bytes) {
    NL_ASSERT(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
    const auto size = static_cast<std::uint32_t>(bytes.size());
    auto data = std::make_shared<char[]>(sizeof(size) + bytes.size());
    std::memcpy(data.get(), &size, sizeof(size));
    std::memcpy(data.get() + sizeof(size), bytes.data(), bytes.size());
    data_ = std::move(data);
}

BytesView PackedStates::bytes() const {
    if (data_ == nullptr) {
        return {};
    }
    std::uint32_t size = 0;
    std::memcpy(&size, data_.get(), sizeof(size));
    return {data_.get() + sizeof(size), size};
}

Map<model::TaskState> PackedStates::tasks() const {
    if (data_ == nullptr) {
        return {};
    }
    auto states = decode<TaskStates>(bytes());
    NL_ASSERT(states.has_value());
    for (auto& [name, state] : states->tasks) {
        for (model::TaskEvent& event : state.events) {
            unpack_type(event.type);
            event.display_message = model::display_message(event);
        }
    }
    return std::move(states->tasks);
}

}  // namespace nl::state
