#pragma once
// JSON of everything with a field list. Writing gives every field (see names.h for those that are
// left out); reading matches keys whatever their case, ignores unknown ones, and takes null for
// absent, as Go's encoding/json does for Nomad.
//
// The templates are defined in json_codec.h and instantiated for the model in json_*.cc; a struct
// of another module that needs a JSON form includes json_codec.h in one .cc.

#include "base/error.h"
#include "base/value.h"

#include <string>
#include <string_view>
#include <vector>

namespace nl::wire {

template <class T>
void append_json(std::string& out, const T& object);

/// Compact JSON text.
template <class T>
std::string to_json(const T& object) {
    std::string out;
    append_json(out, object);
    return out;
}

/// A JSON array; [] when empty.
template <class T>
std::string to_json(const std::vector<T>& list) {
    std::string out = "[";
    for (const T& item : list) {
        if (out.size() > 1) {
            out += ',';
        }
        append_json(out, item);
    }
    out += ']';
    return out;
}

/// The same tree as to_json writes, as a value: what filter expressions look at.
template <class T>
Value to_value(const T& object);

/// Errors: InvalidArgument, worded as Go's decoder does and naming the field.
template <class T>
Result<T> from_value(const Value& value);
template <class T>
Result<T> from_json(std::string_view text);

}  // namespace nl::wire
