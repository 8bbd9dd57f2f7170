#pragma once
// From a job as written to a job as scheduled. `canonicalize` fills in every default the client
// side of Nomad knows (they depend on the job's type, and a task's block merges over its group's, a
// group's over its job's); `to_job` turns the result into the form that is stored, with the
// servers' own defaults. Both are pure and idempotent. Source: jobspec.md sections 2 to 6.

#include "model/job.h"

namespace nl::jobspec {

/// Defaults, in place.
void canonicalize(model::JobSpec& job);

/// The stored form: canonicalized, unset scalars zero, datacenters ["*"] and node pool "default"
/// where none are named.
model::Job to_job(const model::JobSpec& spec);

/// A stored job as a client would have written it (for revert, plan and scale requests built from
/// it).
model::JobSpec to_spec(const model::Job& job);

}  // namespace nl::jobspec
