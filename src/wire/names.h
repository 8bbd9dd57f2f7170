#pragma once
// The only place that knows how a field is spelt in JSON and which fields have a form of their own.
// A field's JSON name is made from its snake_case name by joining the words, each capitalised or,
// if it is an acronym of the table, as Nomad writes it
// (`kill_timeout` is KillTimeout, `job_id` is JobID); the exceptions are listed by type and field.
// Source: Nomad API 2.0, JSON conventions.

#include <string>
#include <string_view>

namespace nl::wire {

/// The JSON name of a field of the noun `type`.
std::string json_name(std::string_view type, std::string_view field);

/// Fields that are left out while they hold their zero value.
bool omits_empty(std::string_view type, std::string_view field);

/// Fields that Nomad does not have: left out while empty, in a job as written too.
bool is_addition(std::string_view type, std::string_view field);

/// Fields that exist only in a job as written, not in a job as scheduled.
bool only_as_written(std::string_view type, std::string_view field);

/// Durations that are written as Go duration text instead of integer nanoseconds.
bool duration_as_text(std::string_view type, std::string_view field);

/// Numbers of 64 bits that are written as true (not 0) or false.
bool number_as_bool(std::string_view type, std::string_view field);

/// Lists and maps that are written as [] or {} when empty; all others are null, as a nil Go slice.
bool empty_not_null(std::string_view type, std::string_view field);

}  // namespace nl::wire
