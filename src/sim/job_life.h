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

}  // namespace nl::sim
