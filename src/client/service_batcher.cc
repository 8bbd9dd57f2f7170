#include "client/service_batcher.h"

#include <algorithm>
#include <utility>

namespace nl::client {

void ServiceBatcher::set(
    const Uuid& alloc, const std::string& owner, std::vector<model::ServiceRegistration> instances
) {
    std::set<std::string>& mine = owned_[{alloc, owner}];
    std::set<std::string> before = std::exchange(mine, {});
    for (model::ServiceRegistration& instance : instances) {
        before.erase(instance.id);
        mine.insert(instance.id);
        const auto at = wanted_.find(instance.id);
        if (at == wanted_.end() || !(at->second == instance)) {
            dirty_.insert_or_assign(instance.id, alloc);
        }
        std::string id = instance.id;
        wanted_.insert_or_assign(std::move(id), std::move(instance));
    }
    for (const std::string& gone : before) {
        wanted_.erase(gone);
        dirty_.insert_or_assign(gone, alloc);
    }
    if (mine.empty()) {
        owned_.erase({alloc, owner});
    }
}

void ServiceBatcher::remove_all(const Uuid& alloc) {
    std::vector<std::string> owners;
    for (auto at = owned_.lower_bound({alloc, ""}); at != owned_.end() && at->first.first == alloc;
         ++at) {
        owners.push_back(at->first.second);
    }
    for (const std::string& owner : owners) {
        set(alloc, owner, {});
    }
}

std::optional<server::ServiceBatch> ServiceBatcher::take() {
    if (!live_ || busy_ || (!full_due_ && dirty_.empty())) {
        return std::nullopt;
    }
    server::ServiceBatch batch;
    batch.sequence = ++sequence_;
    busy_ = true;
    if (std::exchange(full_due_, false)) {
        batch.full = true;
        for (const auto& [id, instance] : wanted_) {
            batch.upsert.push_back(instance);
        }
        in_flight_ = std::exchange(dirty_, {});
        return batch;
    }
    while (!dirty_.empty() && in_flight_.size() < server::kMaxServicesPerBatch) {
        auto node = dirty_.extract(dirty_.begin());
        const auto at = wanted_.find(node.key());
        if (at != wanted_.end()) {
            batch.upsert.push_back(at->second);
        } else {
            batch.remove.push_back(node.key());
        }
        in_flight_.insert(std::move(node));
    }
    return batch;
}

void ServiceBatcher::acknowledged(std::uint64_t sequence) {
    if (sequence == sequence_) {
        busy_ = false;
        in_flight_.clear();
    }
}

void ServiceBatcher::session_started() {
    live_ = true;
    busy_ = false;
    full_due_ = true;
}

void ServiceBatcher::session_lost() {
    live_ = false;
    busy_ = false;
    dirty_.merge(in_flight_);
    in_flight_.clear();
    full_due_ = true;
}

bool ServiceBatcher::settled(const Uuid& alloc) const {
    const auto is_mine = [&](const auto& entry) { return entry.second == alloc; };
    return std::ranges::none_of(dirty_, is_mine) && std::ranges::none_of(in_flight_, is_mine);
}

bool ServiceBatcher::has_any(const Uuid& alloc) const {
    const auto at = owned_.lower_bound({alloc, ""});
    return at != owned_.end() && at->first.first == alloc;
}

}  // namespace nl::client
