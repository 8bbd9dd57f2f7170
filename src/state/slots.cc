#include "state/slots.h"

#include "base/check.h"

namespace nl::state {
namespace {

// A free slot holds the next free one, told from a row by its lowest bit (rows are aligned).
void* free_link(Slot next) {
    return reinterpret_cast<void*>((static_cast<std::uintptr_t>(next) << 1) | 1U);
}
bool is_free(const void* item) {
    return (reinterpret_cast<std::uintptr_t>(item) & 1U) != 0;
}
Slot link_of(const void* item) {
    return static_cast<Slot>(reinterpret_cast<std::uintptr_t>(item) >> 1);
}

}  // namespace

void* Slots::raw(Slot slot) const {
    const Page* page = root_;
    for (unsigned level = levels_; level > 1; --level) {
        if (page == nullptr) {
            return nullptr;
        }
        page = static_cast<const Page*>(page->items[(slot >> (kBits * (level - 1))) & (kPage - 1)]);
    }
    return page == nullptr ? nullptr : page->items[slot & (kPage - 1)];
}

void* Slots::at(Slot slot) const {
    if (slot >= next_) {
        return nullptr;
    }
    void* item = raw(slot);
    return is_free(item) ? nullptr : item;
}

Slots::Page* Slots::writable(Heap& heap, Page* page) {
    if (page == nullptr) {
        auto* fresh = new Page();
        fresh->born = heap.epoch();
        return fresh;
    }
    if (page->born == heap.epoch()) {
        return page;
    }
    auto* copy = new Page(*page);
    copy->born = heap.epoch();
    heap.retire(page, [](void* p) { delete static_cast<Page*>(p); });
    return copy;
}

void Slots::put(Heap& heap, Slot slot, void* item) {
    while (levels_ == 0 || (levels_ * kBits < 32 && (slot >> (kBits * levels_)) != 0)) {
        auto* top = writable(heap, nullptr);
        top->items[0] = root_;
        root_ = top;
        ++levels_;
    }
    root_ = writable(heap, root_);
    Page* page = root_;
    for (unsigned level = levels_; level > 1; --level) {
        void*& place = page->items[(slot >> (kBits * (level - 1))) & (kPage - 1)];
        place = writable(heap, static_cast<Page*>(place));
        page = static_cast<Page*>(place);
    }
    page->items[slot & (kPage - 1)] = item;
}

Slot Slots::add(Heap& heap, void* row) {
    Slot slot = free_;
    if (slot != kNoSlot) {
        free_ = link_of(raw(slot));
    } else {
        slot = next_++;
        NL_ASSERT(slot != kNoSlot);
    }
    put(heap, slot, row);
    ++used_;
    return slot;
}

void Slots::set(Heap& heap, Slot slot, void* row) {
    NL_ASSERT(slot < next_);
    put(heap, slot, row);
}

void Slots::remove(Heap& heap, Slot slot) {
    NL_ASSERT(at(slot) != nullptr);
    put(heap, slot, free_link(free_));
    free_ = slot;
    --used_;
}

void Slots::destroy_page(Page* page, unsigned level) {
    if (page == nullptr) {
        return;
    }
    if (level > 1) {
        for (void* child : page->items) {
            destroy_page(static_cast<Page*>(child), level - 1);
        }
    }
    delete page;
}

void Slots::destroy() {
    destroy_page(root_, levels_);
    *this = Slots{};
}

}  // namespace nl::state
