#pragma once
// What a browser must not be able to do to an agent through its user: talk to it under a foreign
// name (DNS rebinding), or on behalf of a page of another origin. Requests of programs carry
// neither and pass. Source: RFC 6454 (origins), RFC 9110 15.5.20 (421).

#include "api/request.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::agent {

struct HttpGuard {
    /// Every listener is on the loopback interface: then only its own names lead here. A listener
    /// on a network is reached by names that this agent cannot know.
    bool loopback_only{true};
    /// Names besides addresses and "localhost".
    std::vector<std::string> names;
    bool acl_enabled{false};
};

/// The answer to a request that is refused: 421 for a foreign Host, 403 for a foreign Origin.
std::optional<api::Response> refuse_foreign(const api::Request& request, const HttpGuard& guard);

/// Adds what keeps a browser from guessing types, framing and running what it gets.
void add_browser_headers(std::vector<api::NameValue>& headers);

}  // namespace nl::agent
