#pragma once
// Memory of the versioned store. Tree nodes, slot pages and rows carry no reference count: what a
// change replaces is retired with the epoch of the change and freed once no snapshot older than
// that is held. Written by the store's owner only; readers never touch it. An object made in the
// running epoch has been seen by nobody, so it may be changed in place and freed at once.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace nl::state {

class Heap {
public:
    using Drop = void (*)(void*);

    Heap() = default;
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;
    ~Heap();

    /// The epoch under construction; published snapshots have smaller ones.
    std::uint64_t epoch() const { return epoch_; }
    /// Ends the epoch: everything made so far is visible from now on. Returns the epoch ended.
    std::uint64_t publish();

    /// `object` is no longer part of the state under construction.
    void retire(void* object, Drop drop) { pending_.push_back({object, drop}); }
    /// Frees what only snapshots older than epoch `oldest` could see.
    void collect(std::uint64_t oldest);

    /// Retired objects not freed yet; for tests and metrics.
    std::size_t waiting() const;

private:
    struct Retired {
        void* object;
        Drop drop;
    };
    struct Batch {
        std::uint64_t epoch;
        std::vector<Retired> objects;
    };

    static void free_all(std::vector<Retired>& objects);

    std::uint64_t epoch_ = 1;
    std::vector<Retired> pending_;
    std::deque<Batch> batches_;
};

}  // namespace nl::state
