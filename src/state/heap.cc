#include "state/heap.h"

#include <utility>

namespace nl::state {

Heap::~Heap() {
    for (auto& batch : batches_) {
        free_all(batch.objects);
    }
    free_all(pending_);
}

std::uint64_t Heap::publish() {
    if (!pending_.empty()) {
        batches_.push_back({epoch_, std::move(pending_)});
        pending_.clear();
    }
    return epoch_++;
}

void Heap::collect(std::uint64_t oldest) {
    // A batch of epoch e was part of snapshots of epochs below e only.
    while (!batches_.empty() && batches_.front().epoch <= oldest) {
        free_all(batches_.front().objects);
        batches_.pop_front();
    }
}

std::size_t Heap::waiting() const {
    std::size_t count = pending_.size();
    for (const auto& batch : batches_) {
        count += batch.objects.size();
    }
    return count;
}

void Heap::free_all(std::vector<Retired>& objects) {
    for (const auto& retired : objects) {
        retired.drop(retired.object);
    }
    objects.clear();
}

}  // namespace nl::state
