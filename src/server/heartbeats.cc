#include "server/heartbeats.h"

#include "base/check.h"

#include <algorithm>

namespace nl::server {

void Heartbeats::set(const Uuid& node, Instant deadline) {
    const auto [at, fresh] = deadlines_.try_emplace(node, deadline);
    if (!fresh) {
        by_deadline_.erase({at->second, node});
        at->second = deadline;
    }
    by_deadline_.insert({deadline, node});
}

void Heartbeats::expect(const Uuid& node, Instant now) {
    set(node, now + options_.failover_ttl);
}

Duration Heartbeats::heard(const Uuid& node, Instant now) {
    NL_ASSERT(options_.max_per_second > 0);
    const auto count = static_cast<std::int64_t>(deadlines_.size());
    const Duration base = std::max(options_.min_ttl, seconds(1) * count / options_.max_per_second);
    // Spread, so that nodes that joined together do not beat together for ever.
    const Duration ttl = base + Duration{rng_.between(0, base.ns)};
    set(node, now + ttl + options_.grace);
    return ttl;
}

void Heartbeats::forget(const Uuid& node) {
    const auto at = deadlines_.find(node);
    if (at == deadlines_.end()) {
        return;
    }
    by_deadline_.erase({at->second, node});
    deadlines_.erase(at);
}

std::vector<Uuid> Heartbeats::take_missed(Instant now) {
    std::vector<Uuid> missed;
    while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
        const Uuid node = by_deadline_.begin()->second;
        forget(node);
        missed.push_back(node);
    }
    return missed;
}

Instant Heartbeats::next_deadline() const {
    return by_deadline_.empty() ? Instant::max() : by_deadline_.begin()->first;
}

}  // namespace nl::server
