#pragma once
// Why a group has no place, in whole sentences: every condition a node must meet is asked of every
// node by itself (the scheduler stops at the first that fails), so that one can say how many nodes
// each removes, how many only it keeps away, and which change is the smallest that would make room:
// the node that fails the fewest conditions shows it. Reads a snapshot; changes nothing; costs
// nodes times conditions, so it is for people who ask, not for every pass.

#include "model/job.h"
#include "state/snapshot.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nl::sched {

/// Changes that are named at most, and nodes named with one.
inline constexpr std::size_t kChangesShown = 3;
inline constexpr std::size_t kConditionsPerChange = 4;

struct ExplainedCondition {
    /// "constraint", "driver", "resource", "datacenter", "pool", "node", "volume", "network",
    /// "device" or "plan".
    std::string kind;
    /// What is asked for, as a noun: `the constraint "${attr.kernel.name} = linux"`.
    std::string name;
    /// Nodes that fail it, whatever else they fail.
    std::int64_t nodes_removed{0};
    /// Of them, those that fail nothing else.
    std::int64_t nodes_removed_alone{0};
};

struct ExplainedChange {
    /// What to do, one sentence for each step, all of them needed.
    std::vector<std::string> steps;
    /// Nodes that would have room then (and not with less), and one of them.
    std::int64_t nodes{0};
    std::string example_node;
};

struct ExplainedGroup {
    std::string group;
    /// Allocations that wait for a place.
    std::int64_t queued{0};
    std::int64_t nodes_total{0};
    /// Nodes that would take one more right now.
    std::int64_t nodes_fitting{0};
    std::vector<ExplainedCondition> conditions;
    /// Smallest first.
    std::vector<ExplainedChange> changes;

    /// The whole as plain sentences, one a line.
    std::vector<std::string> sentences() const;
};

/// For a group of the job; `queued` is what its evaluation could not place.
ExplainedGroup explain_group(
    const state::Snapshot& snapshot,
    const model::Job& job,
    const model::TaskGroup& group,
    std::int64_t queued
);

/// For every group of the job that waits for a place, from its newest evaluations.
std::vector<ExplainedGroup> explain_job(const state::Snapshot& snapshot, const model::Job& job);

}  // namespace nl::sched
