#include "client/restart_tracker.h"

namespace nl::client {
namespace {

/// Up to a quarter on top, so that tasks which failed together don't start together.
Duration with_jitter(Duration delay, Rng& rng) {
    const std::int64_t quarter = delay.ns / 4;
    return quarter > 0 ? delay + Duration{rng.between(0, quarter)} : delay;
}

}  // namespace

RestartDecision RestartTracker::after_exit(const ExitResult& result, WallTime now, Rng& rng) {
    if (result.succeeded() && !restart_on_success_) {
        return {
            RestartVerdict::Complete, {}, "Restart unnecessary as task terminated successfully"
        };
    }
    return count_failure(now, rng);
}

RestartDecision RestartTracker::after_start_error(bool recoverable, WallTime now, Rng& rng) {
    if (policy_.attempts > 0 && !recoverable) {
        return {RestartVerdict::Fail, {}, "Error was unrecoverable"};
    }
    return count_failure(now, rng);
}

RestartDecision RestartTracker::count_failure(WallTime now, Rng& rng) {
    if (policy_.attempts == 0) {
        return {RestartVerdict::Fail, {}, "Policy allows no restarts"};
    }
    if (counters_.window_start.is_zero() || now > counters_.window_start + policy_.interval) {
        counters_.count = 0;
        counters_.window_start = now;
    }
    ++counters_.count;
    if (counters_.count <= policy_.attempts) {
        return {RestartVerdict::Restart, with_jitter(policy_.delay, rng), "Restart within policy"};
    }
    if (policy_.mode == "delay") {
        return {
            RestartVerdict::Restart,
            counters_.window_start + policy_.interval - now,
            "Exceeded allowed attempts, applying a delay"
        };
    }
    return {
        RestartVerdict::Fail,
        {},
        fmt::format(
            "Exceeded allowed attempts {} in interval {} and mode is \"fail\"",
            policy_.attempts,
            to_string(policy_.interval)
        )
    };
}

}  // namespace nl::client
