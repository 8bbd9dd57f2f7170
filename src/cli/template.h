#pragma once
// The Go text templates that `-t` takes, over JSON values: fields, variables, pipelines, if, range,
// with, and the functions of Go's text/template that make sense here. Field names are those of the
// JSON answers. A field that is not there prints "<no value>", as a missing map key does in Go.
// Source: the package text/template's documentation.

#include "base/error.h"
#include "base/value.h"

#include <string>
#include <string_view>

namespace nl::cli {

/// Errors: InvalidArgument, naming what cannot be read or evaluated.
Result<std::string> expand_template(std::string_view form, const Value& value);

}  // namespace nl::cli
