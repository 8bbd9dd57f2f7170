#pragma once
// System and sysbatch jobs: one allocation of each group on every node that may run it. Compares
// node by node instead of by count; a node that cannot is no failure, one that has no room is.
// A sysbatch allocation that is done stays done. Source: Nomad's scheduler types.

#include "base/rng.h"
#include "model/plan.h"
#include "sched/scheduler.h"

#include <memory>

namespace nl::sched {

model::Plan schedule_by_node(const Input& in, std::shared_ptr<const model::Job> job, Rng& rng);

}  // namespace nl::sched
