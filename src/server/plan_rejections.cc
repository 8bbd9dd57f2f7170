#include "server/plan_rejections.h"

namespace nl::server {

void PlanRejections::rejected(const Uuid& node, WallTime now) {
    if (!options_.enabled) {
        return;
    }
    forget_old(now);
    std::deque<WallTime>& times = times_[node];
    times.push_back(now);
    while (!times.empty() && times.front() + options_.window < now) {
        times.pop_front();
    }
    if (times.size() < options_.threshold) {
        return;
    }
    times_.erase(node);
    while (!named_.empty() && named_.front() + options_.window < now) {
        named_.pop_front();
    }
    if (named_.size() < options_.named_max) {
        named_.push_back(now);
        suspects_.push_back(node);
    }
}

/// Once a window, so that nodes refused long ago take no memory.
void PlanRejections::forget_old(WallTime now) {
    if (swept_ + options_.window >= now) {
        return;
    }
    swept_ = now;
    std::erase_if(times_, [&](const auto& item) {
        return item.second.back() + options_.window < now;
    });
}

}  // namespace nl::server
