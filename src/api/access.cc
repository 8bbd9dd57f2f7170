#include "api/access.h"

#include "api/status.h"

namespace nl::api {

std::string_view token_of(const Request& request) {
    if (const auto token = request.header("x-nomad-token"); token && !token->empty()) {
        return *token;
    }
    constexpr std::string_view kBearer = "Bearer ";
    const std::string_view header = request.header("authorization").value_or("");
    return header.starts_with(kBearer) ? header.substr(kBearer.size()) : std::string_view{};
}

Result<void> authorize(const Request& request, const Route& route, const Context& context) {
    if (!context.agent->acl_enabled || route.rule == "anon") {
        return {};
    }
    const std::string_view secret = token_of(request);
    if (secret.empty() || !context.state) {
        return fail(ErrorCode::PermissionDenied, "{}", kPermissionDenied);
    }
    const model::ACLToken* token = context.state.acl_token_by_secret(secret);
    if (token == nullptr) {
        return fail(ErrorCode::PermissionDenied, "{}", kTokenNotFound);
    }
    if (token->type != "management") {
        return fail(ErrorCode::PermissionDenied, "{}", kPermissionDenied);
    }
    return {};
}

}  // namespace nl::api
