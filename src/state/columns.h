#pragma once
// What the scheduler ranks by, column-wise: capacity (reserved part taken off), use by live
// allocations, words as numbers. A node keeps its slot (the one of its row) as long as it is
// registered. Chunks of 1,024 nodes, copied on the first change after a snapshot; they belong to
// the snapshot they were taken from and have its index. Readers compute nothing here but lookups.

#include "state/alloc_row.h"
#include "state/heap.h"
#include "state/slots.h"

#include <array>
#include <cstdint>

namespace nl::model {
struct Node;
}

namespace nl::state {

inline constexpr std::uint32_t kNodeChunk = 1024;

/// Bits of NodeChunk::flags.
inline constexpr std::uint8_t kNodePresent = 1;
inline constexpr std::uint8_t kNodeReady = 2;
inline constexpr std::uint8_t kNodeEligible = 4;
inline constexpr std::uint8_t kNodeDraining = 8;

struct NodeChunk {
    std::uint64_t born{};
    std::array<std::uint8_t, kNodeChunk> flags{};
    /// MHz, MiB, MiB: what may be given to allocations.
    std::array<std::int32_t, kNodeChunk> cpu{};
    std::array<std::int32_t, kNodeChunk> memory{};
    std::array<std::int32_t, kNodeChunk> disk{};
    /// The sums over the node's non-terminal allocations.
    std::array<std::int32_t, kNodeChunk> cpu_used{};
    std::array<std::int32_t, kNodeChunk> memory_used{};
    std::array<std::int32_t, kNodeChunk> memory_max_used{};
    std::array<std::int32_t, kNodeChunk> disk_used{};
    std::array<std::int32_t, kNodeChunk> live_allocs{};
    /// The node's own limit (node_max_allocs); 0 for none.
    std::array<std::int32_t, kNodeChunk> max_allocs{};
    /// Numbers of words: Snapshot::words(). Equal computed classes answer every constraint on
    /// non-unique attributes alike.
    std::array<std::uint32_t, kNodeChunk> computed_class{};
    std::array<std::uint32_t, kNodeChunk> node_class{};
    std::array<std::uint32_t, kNodeChunk> datacenter{};
    std::array<std::uint32_t, kNodeChunk> pool{};

    /// Ready, eligible and not draining: may get new allocations.
    bool schedulable(std::uint32_t i) const {
        return (flags[i] & (kNodePresent | kNodeReady | kNodeEligible | kNodeDraining)) ==
               (kNodePresent | kNodeReady | kNodeEligible);
    }
};

class Columns {
public:
    /// One more than the highest node slot.
    std::uint32_t slot_end() const { return slot_end_; }
    std::uint32_t chunk_count() const { return (slot_end_ + kNodeChunk - 1) / kNodeChunk; }
    /// Slots chunk * kNodeChunk and following.
    const NodeChunk& chunk(std::uint32_t number) const {
        return *static_cast<const NodeChunk*>(chunks_.at(number));
    }
    const NodeChunk& chunk_of(Slot slot) const { return chunk(slot / kNodeChunk); }
    static std::uint32_t place_of(Slot slot) { return slot % kNodeChunk; }

    /// The numbers the store found for a node's words.
    struct Words {
        std::uint32_t computed_class;
        std::uint32_t node_class;
        std::uint32_t datacenter;
        std::uint32_t pool;
    };

    // For the store only.
    void set_node(Heap& heap, Slot slot, const model::Node& node, const Words& words);
    void remove_node(Heap& heap, Slot slot);
    /// An allocation begins (sign 1) or ends (sign -1) to take from the node.
    void use(Heap& heap, Slot slot, const ResourceSum& takes, int sign);
    void destroy();

private:
    NodeChunk& writable(Heap& heap, Slot slot);

    Slots chunks_;
    std::uint32_t slot_end_ = 0;
};

}  // namespace nl::state
