#include "fakes/network.h"

#include <algorithm>
#include <utility>

namespace nl::fakes {

namespace {

/// Messages a clogged link holds; more are lost.
constexpr std::size_t kCloggedMax = 512;

}  // namespace

void Network::send(Delivery delivery) {
    if (cut_.contains({delivery.from, delivery.to})) {
        return;
    }
    if (const auto clog = clogged_.find({delivery.from, delivery.to}); clog != clogged_.end()) {
        if (clog->second.size() < kCloggedMax) {
            clog->second.push_back(std::move(delivery));
        }
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
    if (percent(faults_.replay_percent)) {
        const Duration late = nanoseconds(rng_.between(0, faults_.replay_max.ns));
        queue_.push({.due = now_ + late, .order = ++order_, .delivery = std::move(delivery)});
    }
}

void Network::sever(ServerId from, ServerId to) {
    cut(from, to);
    std::priority_queue<Flight> kept;
    for (; !queue_.empty(); queue_.pop()) {
        const Delivery& delivery = queue_.top().delivery;
        if (delivery.from != from || delivery.to != to) {
            kept.push(queue_.top());
        }
    }
    queue_ = std::move(kept);
}

void Network::unclog(ServerId from, ServerId to) {
    auto clog = clogged_.extract({from, to});
    if (clog.empty()) {
        return;
    }
    for (Delivery& delivery : clog.mapped()) {
        send(std::move(delivery));
    }
}

void Network::unclog_all() {
    while (!clogged_.empty()) {
        const auto link = clogged_.begin()->first;
        unclog(link.first, link.second);
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
