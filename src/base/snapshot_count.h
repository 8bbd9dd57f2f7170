#pragma once
// The one atomic of the pure modules: how many handles of a published state are held. Readers on
// any thread add and release; the owner of the state asks whether anyone is left. A release
// happens-before the owner's `idle()` that sees it, so what a reader looked at may then be freed.

#include <atomic>
#include <cstdint>

namespace nl {

class SnapshotCount {
public:
    explicit SnapshotCount(std::uint64_t initial = 0) : handles_(initial) {}

    /// The caller holds a handle already, or is the owner.
    void add() { handles_.fetch_add(1, std::memory_order_relaxed); }
    /// True for the last handle.
    bool release() { return handles_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
    bool idle() const { return handles_.load(std::memory_order_acquire) == 0; }

private:
    std::atomic<std::uint64_t> handles_;
};

}  // namespace nl
