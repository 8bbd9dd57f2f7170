#pragma once
// From what a user typed to one object: job ids and the first letters of ids are looked up at the
// server, an exact match wins, several matches are shown as a table. All print their own failure
// and then answer nothing; the command returns 1.

#include "cli/context.h"

#include <optional>
#include <string>
#include <string_view>

namespace nl::cli {

struct FoundJob {
    std::string id;
    std::string namespace_;
    /// The list's entry for the job.
    Value stub;
    /// The argument was not the whole id.
    bool by_prefix{false};
};

/// From here on the context's API works in the job's own namespace.
std::optional<FoundJob> find_job(
    Context& context, Api& api, std::string_view typed, std::string_view filter = ""
);

enum class IdNoun : unsigned char { Allocation, Node, Evaluation, Deployment };

/// The entry of the noun's list whose id starts with what was typed. `several_exit` is set to the
/// exit code when several match.
std::optional<Value> find_by_id(Context& context, Api& api, IdNoun noun, std::string_view typed);

/// The whole allocation, looked up by prefix, or with -job a running one of that job.
std::optional<Value> find_allocation(Context& context, Api& api, std::string_view typed);
std::optional<Value> find_allocation_of_job(
    Context& context, Api& api, std::string_view job, std::string_view group
);
/// The whole node; "" with `self` asks the agent for its own.
std::optional<Value> find_node(Context& context, Api& api, std::string_view typed);
std::optional<std::string> own_node_id(Context& context, Api& api);

/// The task that was named, or the only one of the allocation's group.
std::optional<std::string> choose_task(
    Context& context, const Value& allocation, std::string_view named
);

/// The group of that name inside an allocation's or a plain job; null when it has none.
Doc job_group(Doc job, std::string_view group);

}  // namespace nl::cli
