#pragma once
// What the seed's commands share: the printing of a job and the form of failures. Field names and
// status words are those of the seed's messages.

#include "cli/commands.h"
#include "cli/context.h"

#include <optional>
#include <string>

namespace nl::cli {

/// `job status ID` in the seed's form, for the Nomad command of that name: nothing when the
/// argument is no UUID or no batch queue knows it.
std::optional<int> try_seed_status(Context& context, const std::string& typed);

/// "Error: …" to standard error; 1.
int seed_failure(const Context& context, const Error& error);
bool wants_json(const Context& context);
/// JSON with two spaces.
void print_seed_json(const Context& context, const Value& value);

Value seed_job_value(const io::seed::JobInfo& job);

}  // namespace nl::cli
