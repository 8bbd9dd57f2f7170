#include "agent/http_guard.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::agent {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return out;
}

/// Without the port; an IPv6 address keeps its brackets.
std::string host_part(std::string_view authority) {
    const std::size_t bracket = authority.find(']');
    const std::size_t colon =
        authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    std::string host = lower(authority.substr(0, colon));
    if (host.ends_with('.')) {
        host.pop_back();
    }
    return host;
}

bool is_address(std::string_view host) {
    return host.starts_with('[') ||
           (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool is_own_name(std::string_view host, const HttpGuard& guard) {
    return host.empty() || is_address(host) || host == "localhost" ||
           host.ends_with(".localhost") ||
           std::ranges::any_of(guard.names, [&](const std::string& name) {
               return lower(name) == host;
           });
}

api::Response text(std::int64_t status, std::string body) {
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

/// "host:port" of an origin; "" for "null" and what is no origin.
std::string_view authority_of(std::string_view origin) {
    const std::size_t slashes = origin.find("://");
    return slashes == std::string_view::npos ? std::string_view() : origin.substr(slashes + 3);
}

bool carries_token(const api::Request& request) {
    return request.header("x-nomad-token").value_or("") != "" ||
           request.header("authorization").value_or("").starts_with("Bearer ");
}

}  // namespace

std::optional<api::Response> refuse_foreign(const api::Request& request, const HttpGuard& guard) {
    if (request.peer.empty()) {
        // A unix socket: no browser reaches it.
        return {};
    }
    const std::string_view host = request.header("host").value_or("");
    if (guard.loopback_only && !is_own_name(host_part(host), guard)) {
        return text(
            421,
            fmt::format(
                "this agent listens on this machine only and does not answer to the name \"{}\"",
                host_part(host)
            )
        );
    }
    const auto origin = request.header("origin");
    if (!origin || lower(authority_of(*origin)) == lower(host) || carries_token(request)) {
        return {};
    }
    const bool upgrade = request.header("upgrade").has_value();
    const bool reads = (request.method == "GET" || request.method == "HEAD" ||
                        request.method == "OPTIONS") &&
                       !upgrade;
    // A page of another server of the cluster reads files and logs here; on the loopback interface
    // there is no such page.
    if (reads && !guard.loopback_only) {
        return {};
    }
    // The token comes with the first message, and nothing is done before it.
    if (upgrade && guard.acl_enabled && request.param("ws_handshake")) {
        return {};
    }
    return text(
        403, fmt::format("pages of origin \"{}\" may not use this agent without a token", *origin)
    );
}

void add_browser_headers(std::vector<api::NameValue>& headers) {
    bool html = false;
    bool nosniff = false;
    bool policy = false;
    for (const api::NameValue& field : headers) {
        const std::string name = lower(field.name);
        html = html || (name == "content-type" && field.value.starts_with("text/html"));
        nosniff = nosniff || name == "x-content-type-options";
        policy = policy || name == "content-security-policy";
    }
    if (!nosniff) {
        headers.push_back({"X-Content-Type-Options", "nosniff"});
    }
    if (!policy) {
        headers.push_back(
            {"Content-Security-Policy",
             html ? "default-src 'self' data: 'unsafe-inline'; connect-src *; frame-ancestors 'none'"
                  : "default-src 'none'; frame-ancestors 'none'"}
        );
    }
}

}  // namespace nl::agent
