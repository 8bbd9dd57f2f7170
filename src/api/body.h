#pragma once
// Request bodies as Nomad reads them: JSON objects whose keys match whatever their case, null like
// absent. Source: Nomad HTTP API, 0.3 and 0.9.

#include "api/request.h"
#include "base/error.h"
#include "base/value.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nl::api {

/// The body as an object. Errors: InvalidArgument, `Request body is empty` or the decoder's text.
Result<Value> body_object(const Request& request);
/// As body_object, an empty body giving an empty object.
Result<Value> optional_body(const Request& request);

/// The member of that name, ignoring case; null for none, for null, and for a value that is no
/// object.
const Value* member(const Value& object, std::string_view name);
std::string text_member(const Value& object, std::string_view name);
bool bool_member(const Value& object, std::string_view name, bool otherwise = false);
std::optional<std::int64_t> int_member(const Value& object, std::string_view name);
/// A map of texts; anything else in it is left out.
StringMap text_map_member(const Value& object, std::string_view name);
std::vector<std::string> text_list_member(const Value& object, std::string_view name);

}  // namespace nl::api
