#pragma once
// One scheduling pass: an evaluation and a snapshot in, a plan out. Pure: the same inputs give the
// same plan, on any thread. Stages, a file each: reconcile (what should change), feasible (where
// may it), rank (where best), placer (one node after another), and here the assembly of the plan
// with the evaluation as it shall stand afterwards. Every decision leaves its reason in the plan.
//
// Source: contracts.md, sched; Nomad's scheduling concepts.

#include "base/rng.h"
#include "base/time.h"
#include "model/evaluation.h"
#include "model/plan.h"
#include "state/snapshot.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nl::sched {

/// Plans made for one evaluation before it is given up because others keep taking the room.
inline constexpr int kMaxServiceAttempts = 5;
inline constexpr int kMaxBatchAttempts = 2;

/// What the job's namespace may still take; the caller counts what it has.
struct Quota {
    std::string name;
    /// By all live allocations under the quota.
    state::ResourceSum used;
    std::optional<std::int64_t> cpu_limit;
    std::optional<std::int64_t> memory_limit_mb;
};

struct Input {
    const model::Evaluation& eval;
    const state::Snapshot& snapshot;
    /// The caller's calendar: decides which delayed reschedules are due.
    WallTime now;
    Rng rng;
    /// Null: nothing limits the namespace.
    const Quota* quota{nullptr};
    /// A dry run: the job to assume in place of the one in the snapshot, with version and indexes
    /// as they would be. Null: the snapshot's.
    std::shared_ptr<const model::Job> proposed{};
};

/// Never fails: an evaluation that cannot be understood gives a plan that only ends it as failed.
model::Plan schedule(Input input);

/// The evaluation given up after too many conflicting plans: it ends as failed, and a blocked one
/// (triggered by max-plan-attempts) takes its place.
model::Plan give_up(const model::Evaluation& eval, Index snapshot_index, Rng rng);

int max_attempts(std::string_view job_type);

}  // namespace nl::sched
