#pragma once
// What servers add to a job they take in: names spelled out, identities every task has, and the
// constraints that follow from what the job uses, so that it is placed only where that works. Pure
// and idempotent; works on the stored form. Source: jobspec.md section 4, "Implied constraints";
// sections 5 and 6, defaults.

#include "model/job.h"

namespace nl::jobspec {

/// The sidecar tasks and ports of a group in a Consul mesh. In place.
void admit_connect(model::TaskGroup& group);

/// In place; called by to_job, before validation.
void admit(model::Job& job);

}  // namespace nl::jobspec
