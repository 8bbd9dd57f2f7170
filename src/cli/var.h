#pragma once
// What the commands about variables share: how a variable is written and shown.

#include "cli/acl.h"
#include "cli/context.h"

#include <string>

namespace nl::cli {

/// /v1/var/PATH.
std::string variable_path(const std::string& path);
/// The form to print in: -out, or `on_terminal` on a terminal and json elsewhere.
std::string output_form(const Context& context, std::string_view on_terminal);
/// Prints a variable as json, hcl, table or through -template. 1 for another form.
int show_variable(const Context& context, const Value& variable, const std::string& form);

}  // namespace nl::cli
