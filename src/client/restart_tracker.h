#pragma once
// When a task that ended or could not start is started again: Nomad's restart policy (attempts in
// an interval, delay with jitter, mode fail or delay). A value: its counters are stored with the
// task, so that a restart of the agent does not forgive failures.

#include "base/rng.h"
#include "base/time.h"
#include "client/driver.h"
#include "model/task_blocks.h"

#include <cstdint>
#include <string>

namespace nl::client {

/// The part that is stored.
struct RestartCounters {
    std::int64_t count{};
    WallTime window_start;
    NL_FIELDS(RestartCounters, (1, count), (2, window_start))
};

enum class RestartVerdict : unsigned char {
    /// Start again after the delay.
    Restart,
    /// It ended well and has no more to do.
    Complete,
    /// It is not started again, and has failed.
    Fail,
};

struct RestartDecision {
    RestartVerdict verdict{};
    Duration delay;
    /// Nomad's words.
    std::string reason;
};

class RestartTracker {
public:
    /// `restart_on_success`: a service's task runs again even after exit code 0.
    RestartTracker(model::RestartPolicy policy, bool restart_on_success, RestartCounters counters)
        : policy_(std::move(policy)),
          restart_on_success_(restart_on_success),
          counters_(counters) {}

    RestartDecision after_exit(const ExitResult& result, WallTime now, Rng& rng);
    /// Somebody outside found it failing (check_restart): it counts as a failure.
    RestartDecision after_failure(WallTime now, Rng& rng) { return count_failure(now, rng); }
    RestartDecision after_start_error(bool recoverable, WallTime now, Rng& rng);
    const RestartCounters& counters() const { return counters_; }

private:
    RestartDecision count_failure(WallTime now, Rng& rng);

    model::RestartPolicy policy_;
    bool restart_on_success_;
    RestartCounters counters_;
};

}  // namespace nl::client
