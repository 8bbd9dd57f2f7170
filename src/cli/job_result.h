#pragma once
// Waiting for a run to end and handing its result back: the output of its tasks and the exit code.
// For `job dispatch -wait`, so that a dispatched job can stand in a script like a local command.

#include "cli/context.h"

#include <string>

namespace nl::cli {

/// Follows the job until it is dead, then prints what its tasks wrote (standard output to standard
/// output, standard error to standard error), allocations in order of their names. Returns the
/// largest exit code of its tasks; 1 if one failed without one, or if the job is gone.
int wait_for_result(Context& context, Api& api, const std::string& job_id);

}  // namespace nl::cli
