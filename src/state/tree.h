#pragma once
// An ordered index: a persistent B+-tree of 12-byte entries, each an 8-byte order-preserving prefix
// of the row's key and the row's slot. Rows with equal prefixes are told apart by the caller's
// comparison, which looks at the rows. Nodes are plain pointers, copied on the first change of an
// epoch and retired in the heap; a copy of the 16-byte object is a complete, immutable version.
// Inner nodes repeat the first entry of each child exactly, so no entry names a row that is gone.

#include "state/heap.h"
#include "state/slots.h"

#include <array>
#include <cstdint>

namespace nl::state {

struct Entry {
    std::uint32_t high;
    std::uint32_t low;
    Slot slot;

    std::uint64_t prefix() const { return static_cast<std::uint64_t>(high) << 32 | low; }
    static Entry of(std::uint64_t prefix, Slot slot) {
        return {static_cast<std::uint32_t>(prefix >> 32), static_cast<std::uint32_t>(prefix), slot};
    }
};

/// A key to look for. `compare` is asked only when prefixes are equal: below, at or above zero as
/// the row in `slot` comes before, is, or comes after the key.
struct Probe {
    std::uint64_t prefix;
    int (*compare)(const void* context, Slot slot);
    const void* context;
};

inline constexpr std::size_t kTreeFanout = 64;
inline constexpr std::size_t kTreeDepth = 10;

struct TreeNode;

/// A position in one version of a tree; valid while that version lives.
class Cursor {
public:
    bool at_end() const { return depth_ == 0 || steps_[depth_ - 1].position >= count(); }
    /// Not at the end.
    const Entry& entry() const;
    void next();
    /// Moves back; false at the beginning (the cursor then stays).
    bool prev();

    friend bool operator==(const Cursor& a, const Cursor& b);

private:
    friend class Tree;
    struct Step {
        const TreeNode* node;
        std::uint32_t position;
    };
    std::uint32_t count() const;
    void descend_first();

    std::array<Step, kTreeDepth> steps_{};
    std::uint32_t depth_ = 0;
};

class Tree {
public:
    std::uint64_t size() const { return size_; }

    Cursor begin() const;
    Cursor end() const;
    /// The first entry that does not come before the key.
    Cursor lower_bound(const Probe& probe) const;
    /// The first entry that comes after the key.
    Cursor upper_bound(const Probe& probe) const;
    /// The slot of the key; kNoSlot if there is none.
    Slot find(const Probe& probe) const;

    /// The key must not be there yet; its row is already reachable through its slot.
    void insert(Heap& heap, const Probe& probe, Slot slot);
    /// The key must be there, and its row still reachable.
    void erase(Heap& heap, const Probe& probe);

    /// Frees all nodes; the object is empty afterwards. Only when no reader is left.
    void destroy();

private:
    Cursor bound(const Probe& probe, bool after_equal) const;

    TreeNode* root_ = nullptr;
    std::uint64_t size_ = 0;
};

}  // namespace nl::state
