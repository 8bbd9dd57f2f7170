#include "client/status_batcher.h"

#include <utility>

namespace nl::client {

void StatusBatcher::add(server::AllocStatus status) {
    const Uuid id = status.alloc_id;
    pending_.insert_or_assign(id, std::move(status));
}

std::optional<server::StatusBatch> StatusBatcher::take() {
    if (!in_flight_.empty() || pending_.empty()) {
        return std::nullopt;
    }
    server::StatusBatch batch;
    batch.sequence = ++sequence_;
    while (!pending_.empty() && batch.statuses.size() < server::kMaxStatusesPerBatch) {
        auto node = pending_.extract(pending_.begin());
        batch.statuses.push_back(node.mapped());
        in_flight_.insert(std::move(node));
    }
    return batch;
}

void StatusBatcher::acknowledged(std::uint64_t sequence) {
    if (sequence == sequence_) {
        in_flight_.clear();
    }
}

void StatusBatcher::session_lost() {
    // merge() keeps what is pending already: it is newer.
    pending_.merge(in_flight_);
    in_flight_.clear();
}

void StatusBatcher::forget(const Uuid& alloc) {
    pending_.erase(alloc);
    in_flight_.erase(alloc);
}

}  // namespace nl::client
