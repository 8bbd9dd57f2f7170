#pragma once
// Numbered places for rows: a persistent array (radix tree of pages of 64) from slot to pointer.
// Setting a slot copies the pages above it unless they are of the running epoch. Free slots form a
// list inside the array itself, so a copy of the 32-byte object is a complete, immutable version.
// Slots are a matter of one process: two servers with equal state may number their rows
// differently, so nothing that is replicated may depend on them.

#include "state/heap.h"

#include <array>
#include <cstdint>

namespace nl::state {

using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xffffffff;

class Slots {
public:
    /// nullptr for a free or unknown slot.
    void* at(Slot slot) const;
    /// Number of slots in use.
    std::uint32_t size() const { return used_; }
    /// One more than the highest slot ever given out.
    std::uint32_t end() const { return next_; }

    /// `row` goes into a free slot.
    Slot add(Heap& heap, void* row);
    /// Replaces the pointer of a slot in use; the caller retires the old row.
    void set(Heap& heap, Slot slot, void* row);
    /// Frees the slot; the caller retires the row.
    void remove(Heap& heap, Slot slot);

    /// Frees all pages (not the rows); the object is empty afterwards. Only when no reader is left.
    void destroy();

private:
    static constexpr unsigned kBits = 6;
    static constexpr std::size_t kPage = 1U << kBits;

    struct Page {
        std::uint64_t born;
        std::array<void*, kPage> items;
    };

    static Page* writable(Heap& heap, Page* page);
    static void destroy_page(Page* page, unsigned level);
    void put(Heap& heap, Slot slot, void* item);
    void* raw(Slot slot) const;

    Page* root_ = nullptr;
    unsigned levels_ = 0;
    std::uint32_t next_ = 0;
    std::uint32_t used_ = 0;
    Slot free_ = kNoSlot;
};

}  // namespace nl::state
