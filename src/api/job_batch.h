#pragma once
// Many jobs in one call: each is read, checked and answered by itself, and they are committed
// together, a bounded number in each entry of the log. Ours; Nomad has no such route.

#include "api/context.h"
#include "api/outcome.h"
#include "api/request.h"
#include "api/routes.h"

namespace nl::api {

/// Jobs in one call.
inline constexpr std::size_t kBatchJobsMax = 10'000;
/// Jobs in one entry of the log.
inline constexpr std::size_t kBatchJobsAtOnce = 256;

/// PUT /v1/jobs/batch: {"Jobs": [as for PUT /v1/jobs, ...]} gives {"Results": [{"JobID", "Namespace",
/// "EvalID", "JobModifyIndex", "Error", "Warnings"}, ...], "Index"} in the same order, with 200
/// whatever became of each. All jobs are of the namespace the call names.
Outcome register_batch(const Request& request, const PathValues& path, const Context& context);

}  // namespace nl::api
