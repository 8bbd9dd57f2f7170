#pragma once
// Whether a request may use a route. With ACLs off everything is allowed. With ACLs on, routes open
// to all stay open, a management token may do everything, and any other token is refused until
// policies are evaluated (policy room): never the other way round.
// Source: http_api.md 0.4.

#include "api/context.h"
#include "api/request.h"
#include "api/routes.h"
#include "base/error.h"

#include <string_view>

namespace nl::api {

/// The secret a request carries: X-Nomad-Token, else a bearer token, else "".
std::string_view token_of(const Request& request);

/// Errors: PermissionDenied with Nomad's text.
Result<void> authorize(const Request& request, const Route& route, const Context& context);

}  // namespace nl::api
