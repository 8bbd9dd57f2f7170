#pragma once
// From a request's job to the job that is registered: reading, defaults, checks against the cluster
// and against the job it replaces. The one place of api that knows jobspec.
// Source: Nomad HTTP API, 1.1.

#include "api/context.h"
#include "api/request.h"
#include "base/error.h"
#include "base/value.h"
#include "model/job.h"
#include "policy/capability.h"

#include <expected>
#include <string>
#include <vector>

namespace nl::api {

struct Intake {
    model::Job job;
    /// Nomad's text for warnings, or "".
    std::string warnings;
    /// What is wrong with the job; such a job may not be registered.
    std::vector<std::string> errors;
};

/// Reads the `Job` of a body, with region and namespace by precedence (query, body, job, default),
/// defaults filled in and checked. Errors: an answer with Nomad's status and text.
std::expected<Intake, Response> take_job(
    const Request& request, const Value& body, const Context& context
);

/// "1 error occurred:\n\t* ...\n\n" and "2 warnings:\n\n* ...".
std::string errors_text(const std::vector<std::string>& errors);
std::string warnings_text(const std::vector<std::string>& warnings);

/// Whether the caller may bring this job into its namespace, with the volumes it mounts. Errors:
/// PermissionDenied.
Result<void> check_job_access(
    const model::Job& job, policy::CapabilitySet any_of, const Context& context
);

/// Whether the job may be registered here and over `old` (null for a new one). Errors: Internal,
/// with Nomad's texts.
Result<void> check_registration(
    const model::Job& job, const model::Job* old, const Context& context
);

}  // namespace nl::api
