#include "state/columns.h"

#include "model/node.h"

#include <algorithm>
#include <limits>

namespace nl::state {
namespace {

std::int32_t clamp(std::int64_t value) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(
        value, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()
    ));
}

void drop_chunk(void* chunk) {
    delete static_cast<NodeChunk*>(chunk);
}

ResourceSum capacity(const model::Node& node) {
    ResourceSum sum;
    if (node.node_resources) {
        const model::NodeResources& have = *node.node_resources;
        sum.cpu = have.cpu ? have.cpu->cpu_shares : 0;
        sum.memory_mb = have.memory ? have.memory->memory_mb : 0;
        sum.disk_mb = have.disk ? have.disk->disk_mb : 0;
    }
    if (node.reserved_resources) {
        const model::NodeReservedResources& kept = *node.reserved_resources;
        sum.cpu -= kept.cpu ? kept.cpu->cpu_shares : 0;
        sum.memory_mb -= kept.memory ? kept.memory->memory_mb : 0;
        sum.disk_mb -= kept.disk ? kept.disk->disk_mb : 0;
    }
    return sum;
}

}  // namespace

NodeChunk& Columns::writable(Heap& heap, Slot slot) {
    const std::uint32_t number = slot / kNodeChunk;
    while (chunks_.end() <= number) {
        auto* fresh = new NodeChunk();
        fresh->born = heap.epoch();
        chunks_.add(heap, fresh);
    }
    slot_end_ = std::max(slot_end_, slot + 1);
    auto* chunk = static_cast<NodeChunk*>(chunks_.at(number));
    if (chunk->born != heap.epoch()) {
        auto* copy = new NodeChunk(*chunk);
        copy->born = heap.epoch();
        chunks_.set(heap, number, copy);
        heap.retire(chunk, drop_chunk);
        chunk = copy;
    }
    return *chunk;
}

void Columns::set_node(Heap& heap, Slot slot, const model::Node& node, const Words& words) {
    NodeChunk& chunk = writable(heap, slot);
    const std::uint32_t i = place_of(slot);
    const bool ready = node.status == model::NodeStatus::Ready;
    const bool eligible = node.scheduling_eligibility == model::NodeEligibility::Eligible;
    chunk.flags[i] = static_cast<std::uint8_t>(
        kNodePresent | (ready ? kNodeReady : 0) | (eligible ? kNodeEligible : 0) |
        (node.drain_strategy ? kNodeDraining : 0)
    );
    const ResourceSum sum = capacity(node);
    chunk.cpu[i] = clamp(sum.cpu);
    chunk.memory[i] = clamp(sum.memory_mb);
    chunk.disk[i] = clamp(sum.disk_mb);
    chunk.max_allocs[i] = clamp(node.node_max_allocs);
    chunk.computed_class[i] = words.computed_class;
    chunk.node_class[i] = words.node_class;
    chunk.datacenter[i] = words.datacenter;
    chunk.pool[i] = words.pool;
}

void Columns::remove_node(Heap& heap, Slot slot) {
    NodeChunk& chunk = writable(heap, slot);
    const std::uint32_t i = place_of(slot);
    chunk.flags[i] = 0;
    for (auto* column :
         {&chunk.cpu,
          &chunk.memory,
          &chunk.disk,
          &chunk.cpu_used,
          &chunk.memory_used,
          &chunk.memory_max_used,
          &chunk.disk_used,
          &chunk.live_allocs,
          &chunk.max_allocs}) {
        (*column)[i] = 0;
    }
}

void Columns::use(Heap& heap, Slot slot, const ResourceSum& takes, int sign) {
    NodeChunk& chunk = writable(heap, slot);
    const std::uint32_t i = place_of(slot);
    const auto add = [sign](std::int32_t& column, std::int64_t value) {
        column = clamp(column + sign * value);
    };
    add(chunk.cpu_used[i], takes.cpu);
    add(chunk.memory_used[i], takes.memory_mb);
    add(chunk.memory_max_used[i], takes.memory_max_mb);
    add(chunk.disk_used[i], takes.disk_mb);
    add(chunk.live_allocs[i], 1);
}

void Columns::destroy() {
    for (std::uint32_t number = 0; number < chunks_.end(); ++number) {
        drop_chunk(chunks_.at(number));
    }
    chunks_.destroy();
    slot_end_ = 0;
}

}  // namespace nl::state
