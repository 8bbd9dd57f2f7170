#pragma once
// The difference between two versions of a job, as a plan and the list of versions report it:
// fields and objects that were added, deleted or edited, by the names they have in JSON; groups and
// tasks matched by name. `annotate` adds what a scheduler's dry run says the changes come to.
// Source: Nomad HTTP API 1.2; jobspec.md section 8.

#include "model/job.h"
#include "model/job_diff.h"
#include "model/plan_annotations.h"

namespace nl::jobspec {

/// Whether the unchanged fields of changed objects are shown too, as type "None".
enum class DiffContext : unsigned char { OnlyChanges, WholeObjects };

/// Null stands for no job: everything is added, or deleted.
model::JobDiff diff(const model::Job* before, const model::Job* after, DiffContext context);

void annotate(model::JobDiff& diff, const model::PlanAnnotations& annotations);

}  // namespace nl::jobspec
