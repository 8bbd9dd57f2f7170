#pragma once
// Whether a job makes sense: every rule that needs no cluster to be checked, all broken ones at
// once and in Nomad's words. Works on the stored form. Source: jobspec.md sections 2 to 6, the
// rules marked "Server".

#include "expr/zone.h"
#include "model/job.h"

#include <string>
#include <vector>

namespace nl::jobspec {

struct ValidateOptions {
    std::int64_t priority_max{100};
    std::int64_t count_max{50'000};
    /// Whether the scheduler lets tasks use more memory than they reserve.
    bool memory_oversubscription{false};
    /// Whether the servers are joined to a Vault.
    bool vault{false};
    /// For the time zones of periodic jobs; null knows UTC only. Outlives the call.
    const expr::ZoneSource* zones{nullptr};
};

struct Findings {
    /// What is wrong; a group's mistakes are one entry, as Nomad nests them.
    std::vector<std::string> errors;
    std::vector<std::string> warnings;
};

Findings validate(const model::Job& job, const ValidateOptions& options = {});

/// "2 errors occurred:\n\t* a\n\t* b\n\n"; "" for none.
std::string errors_text(const std::vector<std::string>& errors);
/// "2 warnings:\n\n* a\n* b"; "" for none.
std::string warnings_text(const std::vector<std::string>& warnings);

}  // namespace nl::jobspec
