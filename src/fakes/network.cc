#include "fakes/network.h"

#include <algorithm>

namespace nl::fakes {

void Network::send(Delivery delivery) {
    if (cut_.contains({delivery.from, delivery.to})) {
        return;
    }
    const auto percent = [this](int p) {
        return p > 0 && rng_.chance(static_cast<std::uint64_t>(p), 100);
    };
    const int copies = percent(faults_.duplicate_percent) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        if (percent(faults_.loss_percent)) {
            continue;
        }
        const Duration longest =
            percent(1) ? std::max(faults_.delay_rare, faults_.delay_max) : faults_.delay_max;
        const Duration delay =
            nanoseconds(rng_.between(faults_.delay_min.ns, std::max(longest, faults_.delay_min).ns)
            );
        queue_.push({.due = now_ + delay, .order = ++order_, .delivery = delivery});
    }
}

std::optional<Delivery> Network::take_due(Instant now) {
    if (queue_.empty() || queue_.top().due > now) {
        return std::nullopt;
    }
    Delivery out = queue_.top().delivery;
    queue_.pop();
    return out;
}

}  // namespace nl::fakes
