#pragma once
// What the ACL commands share: how tokens, policies, roles, auth methods and binding rules look.

#include "cli/context.h"

#include <string>

namespace nl::cli {

/// As Go prints a time: "2026-11-23 09:06:48.485995553 +0000 UTC"; "<none>" for none.
std::string go_time(Doc value);
/// "[a b]", as Go prints a list.
std::string go_list(Doc list);
/// The whole of a token, as `acl token info` prints it.
void show_token(const Context& context, Doc token);

/// One command that reads an object, changes nothing and prints it.
ArgumentRule one_argument(std::string_view name);
FlagSpec text_flag(std::string name, std::string help);
FlagSpec list_flag(std::string name, std::string help);

/// Deletes the object at the path and says so. `noun` as in "Error deleting <noun>: …".
int delete_object(
    Context& context, const std::string& path, std::string_view noun, const std::string& done
);

}  // namespace nl::cli
