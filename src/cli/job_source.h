#pragma once
// A job as a command gets it: from a file, standard input or a URL, in HCL or JSON, with variables.
// HCL is read here, so that file functions and -var see the user's machine. Used by job run, plan
// and validate.

#include "cli/context.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::cli {

struct JobSource {
    /// The job as the API takes it.
    Value job;
    /// {Source, Format, VariableFlags, Variables}: kept by the server so that the text can be seen
    /// again.
    Value submission;
};

/// -json, -hcl2-strict, -var, -var-file.
std::vector<FlagSpec> job_source_flags();

/// Prints what is wrong and answers nothing on failure. `path` may be "-". Sets the API's namespace
/// to the job's own, and the job's to that of -namespace when it has none.
std::optional<JobSource> read_job(Context& context, Api& api, const std::string& path);

}  // namespace nl::cli
