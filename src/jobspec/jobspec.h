#pragma once
// Job files to jobs as written: HCL or the JSON form of HCL, with variables, locals, functions and
// the sugar Nomad's parser knows. References to names that are neither variables nor locals are
// kept as text for the node to fill in. Pure: time, entropy, files and environment are handed in.
// Source: jobspec.md sections 1 to 6.

#include "base/error.h"
#include "base/time.h"
#include "hcl/functions.h"
#include "model/job.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace nl::jobspec {

struct NamedText {
    std::string name;
    std::string text;
};

/// What to do with a value for a variable that the job file doesn't declare.
enum class Undeclared : unsigned char { Refuse, Warn };

struct ParseInput {
    std::string source;
    std::string filename{"input.hcl"};
    /// -var-file, in order; later ones win.
    std::vector<NamedText> variable_files;
    /// What POST /v1/jobs/parse calls Variables; names it does not know are passed over.
    std::string variables_content;
    /// -var name=value, in order; later ones win.
    std::vector<std::pair<std::string, std::string>> variable_flags;
    /// The process environment; NOMAD_VAR_name counts.
    StringMap environment;
    Undeclared undeclared{Undeclared::Refuse};
    WallTime now;
    std::function<void(std::span<std::uint8_t>)> entropy;
    /// Null where file functions are disabled.
    const hcl::FileAccess* files{nullptr};
};

struct ParseOutput {
    model::JobSpec job;
    std::vector<std::string> warnings;
};

/// Errors: InvalidArgument, `input.hcl:3,5-9: Summary; Detail`, several lines for several mistakes.
Result<ParseOutput> parse(const ParseInput& input);

}  // namespace nl::jobspec
