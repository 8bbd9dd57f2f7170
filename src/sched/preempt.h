#pragma once
// Which allocations of a node must go so that a more important one has room: only those of jobs at
// least kPriorityDistance below, the least important first, of equals those whose size is closest
// to what is missing; and none that could stay. Decides on one node; which node is best the placer
// says. Pure. Source: Nomad's preemption concepts (priority distance 10, resource distance,
// preference for jobs that have not lost more than their migrate.max_parallel yet).

#include "base/uuid.h"
#include "state/alloc_row.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace nl::sched {

inline constexpr std::int64_t kPriorityDistance = 10;

struct Victim {
    Uuid id;
    std::int64_t priority{0};
    state::ResourceSum takes;
    /// Allocations of its job and group this plan already evicts, and how many may go at once
    /// (0: no preference).
    std::int64_t already_gone{0};
    std::int64_t max_parallel{0};
};

/// What must be free and what is; a node's limit of allocations counts as `allocs`.
struct Room {
    std::int64_t cpu{0};
    std::int64_t memory{0};
    std::int64_t disk{0};
    std::int64_t allocs{0};
};

/// The positions (in `victims`) of those to evict; empty if no set of them makes room. `fits` says
/// whether everything asked for by name (ports, cores, devices) could be had without them; it is
/// asked only when the amounts suffice.
std::vector<std::size_t> choose_victims(
    std::span<const Victim> victims,
    const Room& needed,
    const Room& free,
    const std::function<bool(std::span<const std::size_t>)>& fits
);

/// The part "preemption" of a node's score: near 1 for unimportant victims, near 0 for many or
/// important ones.
double preemption_score(std::span<const std::int64_t> priorities);

}  // namespace nl::sched
