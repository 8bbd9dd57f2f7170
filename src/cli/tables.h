#pragma once
// The tables and blocks that several commands share: lists of jobs, allocations, nodes, evaluations
// and deployments, and the reasons for a failed placement.

#include "cli/context.h"

#include <string>
#include <string_view>
#include <vector>

namespace nl::cli {

std::string job_table(const Context& context, const Value::List& jobs, bool with_namespace);
/// "service", "batch/periodic", "batch/parameterized", …
std::string job_type(Doc job);
/// "running", "dead (stopped)", …
std::string job_status_word(Doc job);

/// Newest first. "No allocations placed" for an empty list.
std::string allocation_table(const Context& context, const Value::List& allocations);

struct NodeColumns {
    bool os{false};
    /// Running allocations by node id, shown when not empty.
    std::map<std::string, std::string> running;
};
std::string node_table(
    const Context& context, const Value::List& nodes, const NodeColumns& columns
);

/// As `eval list` prints it.
std::string evaluation_list_table(const Context& context, const Value::List& evaluations);
/// As `deployment list` prints it.
std::string deployment_table(const Context& context, const Value::List& deployments);
/// ID, Job ID, … Description.
std::string deployment_pairs(const Context& context, Doc deployment);
/// The table under "Deployed".
std::string deployment_groups(const Context& context, Doc deployment);

/// "1 error", "2 errors".
std::string plural(std::int64_t count, std::string_view word);

/// The bullets of an AllocMetric, each line after `indent`.
std::string metric_lines(const Context& context, Doc metric, std::string_view indent, bool scores);

/// "Task Group "g" (failed to place 2 allocations):" and its bullets, for each failed group.
std::string failed_groups(const Context& context, Doc failed, std::string_view indent);

/// "N/A - In Progress", "true" or "false".
std::string placement_failures(Doc evaluation);

}  // namespace nl::cli
