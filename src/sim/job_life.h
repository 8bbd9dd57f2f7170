#pragma once
// Whole lives of jobs in virtual time: the leader's duties, the state and the scheduler as they
// are, nodes that do as they are told, and faults by a seed: leaders fall, commands are lost on
// their way, nodes are cut off, lose their power and come back, calendars jump. (Raft itself is
// simulated in replica_world; here the log never forks.) Each run states what must hold at every
// state there is and what must hold when the faults have ceased.
//
// A seed gives the same run each time. Source: reliability rows 15, 16, 59, 61 to 63.

#include <cstddef>
#include <cstdint>
#include <string>

namespace nl::sim {

struct LifeFaults {
    bool leader_loss{false};
    bool lost_commands{false};
    bool node_loss{false};
    bool clock_jumps{false};
    /// The states before a violation are told with it.
    bool trace{false};
};

struct LifeOutcome {
    /// What did not hold, and when; empty if all did.
    std::string violation;
    /// What was done, to see that a run is not idle.
    std::size_t steps{0};
    std::size_t promoted{0};
    std::size_t failed{0};
    std::size_t reverted{0};
    std::size_t successful{0};
};

/// Rolling updates to good and bad versions, with and without canaries. While no node is lost:
/// never fewer than count - max_parallel allocations serve, never more than count and the canaries
/// live. At the end a good version runs everywhere and is stable; a bad one was given up, and with
/// auto_revert the last stable version runs.
LifeOutcome run_updates(std::uint64_t seed, const LifeFaults& faults);

/// Drains of nodes under services, batch and system jobs. While no node is lost: never fewer than
/// count - migrate.max_parallel serve before a deadline passes. At the end drained nodes are empty
/// and every service runs in full.
LifeOutcome run_drains(std::uint64_t seed, const LifeFaults& faults);

/// Batch jobs whose tasks fail now and then. At the end every index has completed, once it has it
/// is not run again, and the job is dead.
LifeOutcome run_batches(std::uint64_t seed, const LifeFaults& faults);

/// A service whose tasks fail, with any reschedule policy and any `disconnect` block, that is scaled,
/// changed in priority and relieved of single allocations meanwhile. No chain of replacements is
/// longer than its policy allows. At the end each name lives once and nothing else runs on any node;
/// a place is empty only if its allocation has failed and may not be tried again, or was stopped
/// for good.
LifeOutcome run_services(std::uint64_t seed, const LifeFaults& faults);

/// Periodic jobs of each `missed` policy, a parameterized job with max_parallel and retention, and a
/// job with a time to live, with garbage collected all the while. Every time is launched at most
/// once, with "run_all" none is left out; where overlap is prohibited two never run; never more than
/// max_parallel dispatched children run; nothing is stopped before its time; of finished children
/// just the last few are kept, and none goes before it has finished.
LifeOutcome run_schedules(std::uint64_t seed, const LifeFaults& faults);

}  // namespace nl::sim
