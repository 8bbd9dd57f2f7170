#include "sched/reschedule.h"

#include <algorithm>

namespace nl::sched {
namespace {

bool is_enabled(const model::ReschedulePolicy& policy) {
    return policy.unlimited || policy.attempts > 0;
}

}  // namespace

Duration next_reschedule_delay(
    const model::ReschedulePolicy& policy,
    const model::RescheduleTracker* tracker,
    WallTime failed_at
) {
    if (tracker == nullptr || tracker->events.empty()) {
        return policy.delay;
    }
    const auto& events = tracker->events;
    const model::RescheduleEvent& last = events.back();
    Duration delay = policy.delay;
    if (policy.delay_function == "exponential") {
        delay = last.delay * 2;
    } else if (policy.delay_function == "fibonacci") {
        // The second attempt repeats the first delay; so does the one after a reset.
        const bool has_two = events.size() >= 2 && last.delay >= events[events.size() - 2].delay;
        delay = has_two ? last.delay + events[events.size() - 2].delay : last.delay;
    } else {
        return delay;
    }
    delay = std::max(delay, policy.delay);
    if (policy.max_delay.ns > 0 && delay > policy.max_delay) {
        delay = policy.max_delay;
        // One that lived longer than the longest wait has recovered: begin anew.
        if (failed_at - WallTime{last.reschedule_time} > delay) {
            return policy.delay;
        }
    }
    return delay;
}

std::optional<WallTime> next_reschedule_time(
    const model::ReschedulePolicy& policy,
    const model::RescheduleTracker* tracker,
    WallTime failed_at
) {
    if (!is_enabled(policy)) {
        return std::nullopt;
    }
    if (!policy.unlimited && tracker != nullptr) {
        const auto counted = std::ranges::count_if(tracker->events, [&](const auto& event) {
            return failed_at - WallTime{event.reschedule_time} < policy.interval;
        });
        if (counted >= policy.attempts) {
            return std::nullopt;
        }
    }
    return failed_at + next_reschedule_delay(policy, tracker, failed_at);
}

model::RescheduleTracker extended_tracker(
    const model::ReschedulePolicy& policy,
    const model::RescheduleTracker* tracker,
    const model::RescheduleEvent& attempt
) {
    model::RescheduleTracker out;
    if (tracker != nullptr) {
        out.events = tracker->events;
    }
    if (policy.unlimited) {
        const std::size_t keep = kMaxPastReschedules - 1;
        if (out.events.size() > keep) {
            out.events.erase(out.events.begin(), out.events.end() - static_cast<long>(keep));
        }
    } else {
        std::erase_if(out.events, [&](const model::RescheduleEvent& event) {
            return attempt.reschedule_time - event.reschedule_time >= policy.interval.ns;
        });
    }
    out.events.push_back(attempt);
    return out;
}

}  // namespace nl::sched
