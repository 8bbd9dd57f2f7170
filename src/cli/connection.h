#pragma once
// How a command reaches a server: what flags and variables say of the address, TLS, token, region
// and namespace. Used by Context for its API and by sessions, which need a connection of their own.

#include "cli/api.h"
#include "cli/context.h"

namespace nl::cli {

struct Connection {
    HttpOptions http;
    ApiSettings api;
};
Connection connection_of(const Context& context);

/// The path and query of a call, with the settings' region and namespace where the query has none.
std::string call_target(const ApiSettings& settings, const std::string& path, Query query);
/// The token, or the user and password.
Headers call_headers(const ApiSettings& settings);

}  // namespace nl::cli
