#pragma once
// When a failed allocation may be tried again: the group's reschedule policy over the attempts
// already made. Source: jobspec reference, section 3, reschedule.

#include "base/time.h"
#include "model/allocation.h"
#include "model/job.h"

#include <optional>

namespace nl::sched {

/// Attempts remembered for a policy without a limit; enough for every delay function.
inline constexpr std::size_t kMaxPastReschedules = 5;

/// The wait before the next attempt, from the attempts in `tracker` (may be null).
Duration next_reschedule_delay(
    const model::ReschedulePolicy& policy,
    const model::RescheduleTracker* tracker,
    WallTime failed_at
);

/// When an allocation that failed at `failed_at` may be replaced; nullopt if the policy is off or
/// its attempts are used up.
std::optional<WallTime> next_reschedule_time(
    const model::ReschedulePolicy& policy,
    const model::RescheduleTracker* tracker,
    WallTime failed_at
);

/// The replacement's tracker: the failed one's attempts that still count, and this one.
model::RescheduleTracker extended_tracker(
    const model::ReschedulePolicy& policy,
    const model::RescheduleTracker* tracker,
    const model::RescheduleEvent& attempt
);

}  // namespace nl::sched
