#pragma once
// Whether an allocation can go on under a new version of its job (in place) or must be replaced
// (destructive). Compares what was asked for, never what was given. Source: jobspec reference,
// section 8.

#include "model/job.h"

#include <string_view>

namespace nl::sched {

/// The group of that name; nullptr if the job has none.
const model::TaskGroup* find_group(const model::Job& job, std::string_view name);

/// True if going from `before` to `after` needs new tasks for this group. Both jobs must have it.
bool needs_replacement(
    const model::Job& before, const model::Job& after, std::string_view group_name
);

/// A task's meta as it sees it: the task's over the group's over the job's.
StringMap combined_meta(
    const model::Job& job, const model::TaskGroup& group, const model::Task& task
);

}  // namespace nl::sched
