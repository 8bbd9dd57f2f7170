#pragma once
// What the files of ACL routes share: answering that ACLs are off, lists of mistakes in Nomad's
// words, and ids that are secrets. Internal to api.

#include "api/access.h"
#include "api/context.h"
#include "api/outcome.h"
#include "api/request.h"
#include "api/routes.h"

#include <string>
#include <string_view>
#include <vector>

namespace nl::api {

/// As text_response, without the statuses that some texts fix elsewhere.
Response coded_response(std::int64_t status, std::string text);

/// The handler of a route that needs ACLs: 400 without them.
template <auto Handler>
Outcome with_acls(const Request& request, const PathValues& path, const Context& context) {
    return context.agent->acl_enabled ? Outcome(Handler(request, path, context))
                                      : Outcome(coded_response(400, "ACL support disabled"));
}

/// Nomad's form of a list of problems: "2 errors occurred:\n\t* a\n\t* b\n\n".
std::string problems_text(const std::vector<std::string>& problems);
/// 400: "policy 0 invalid: ..." and its like.
Response invalid_response(std::string_view noun, const std::vector<std::string>& problems);

/// ^[a-zA-Z0-9-]{1,128}$ with `more` allowed too.
bool is_name(std::string_view name, std::string_view more = "");
inline constexpr std::size_t kDescriptionCharsMax = 256;

/// A new id that nobody can guess. Different for each n.
Uuid secret_id(const Context& context, std::uint64_t n = 0);

/// What a row is compared by: a digest of its parts.
Blob content_hash(const std::vector<std::string>& parts);

/// The names of the policies that the caller's token or identity holds, through roles too.
std::vector<std::string> policies_of(const Context& context, const Caller& caller);

}  // namespace nl::api
