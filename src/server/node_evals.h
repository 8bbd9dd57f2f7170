#pragma once
// The evaluations a change of a node calls for: one for each job with allocations there, and, when
// the node takes new work, one for each system job that may run on it. Used by the leader's duties
// and by whoever proposes a change of a node. Pure.

#include "base/rng.h"
#include "base/time.h"
#include "model/evaluation.h"
#include "model/node.h"
#include "state/snapshot.h"

#include <string_view>
#include <vector>

namespace nl::server {

/// `node` as it will be after the change. `triggered_by` as Evaluation names it, "node-update" or
/// "node-drain".
std::vector<model::Evaluation> node_evaluations(
    const state::Snapshot& snapshot,
    const model::Node& node,
    std::string_view triggered_by,
    WallTime wall,
    Rng& rng
);

/// A pending evaluation of the job.
model::Evaluation job_evaluation(
    const model::Job& job, std::string_view triggered_by, WallTime wall, Rng& rng
);

}  // namespace nl::server
