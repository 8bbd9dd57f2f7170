#pragma once
// The JSON of the model as JSON Schema (OpenAPI 3.0), made from the same field lists and spellings
// that write and read it, so that a description cannot say anything else.

#include <string>
#include <string_view>

namespace nl::wire {

/// `"Job":{...},"TaskGroup":{...}`: every noun that answers or bodies consist of, and what they are
/// made of, by name.
std::string schemas_json();

/// Whether `noun` is among them.
bool has_schema(std::string_view noun);

}  // namespace nl::wire
