#pragma once
// The Go text templates that `-t` takes, over JSON values (expr/template.h). Field names are those
// of the JSON answers. A field that is not there prints "<no value>", as a missing map key does in
// Go.

#include "base/error.h"
#include "base/value.h"

#include <string>
#include <string_view>

namespace nl::cli {

/// Errors: InvalidArgument, naming what cannot be read or evaluated.
Result<std::string> expand_template(std::string_view form, const Value& value);

}  // namespace nl::cli
