#pragma once
// What a job file may say above the tasks it is meant for: vault and secret blocks of a job or
// group, and tasks directly under the job. Not part of the module's interface.

#include "model/job.h"

#include <vector>

namespace nl::jobspec {

struct Sugar {
    Box<model::VaultSpec> vault;
    std::vector<model::Secret> secrets;
};

/// What job_rules() fill.
struct JobTarget {
    model::JobSpec noun;
    Sugar sugar;
    std::vector<model::TaskSpec> tasks;
};

/// Gives every task the vault block if it has none of its own, and all the secrets.
void push_down(const Sugar& sugar, model::TaskGroupSpec& group);

}  // namespace nl::jobspec
