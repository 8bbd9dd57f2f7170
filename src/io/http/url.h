#pragma once
// The text of request targets: percent-encoding (RFC 3986 2.1), query strings as Go's net/url reads
// them (`+` is a space, a bare key has the value ""), and addresses of servers.

#include "api/request.h"
#include "base/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace nl::io::http {

enum class Plus : unsigned char { IsPlus, IsSpace };

/// Errors: InvalidArgument, `invalid URL escape "%zz"`.
Result<std::string> percent_decode(std::string_view text, Plus plus);
/// Escapes all but RFC 3986's unreserved characters; `keep` names further characters left alone.
std::string percent_encode(std::string_view text, std::string_view keep = {});
/// "a=1&b=x%20y".
std::string encode_query(const std::vector<api::NameValue>& query);

struct Target {
    std::string path;
    std::string raw_path;
    std::vector<api::NameValue> query;
};
/// Origin form ("/v1/jobs?x=1") or absolute form ("http://host/v1/jobs"). Errors: InvalidArgument.
Result<Target> parse_target(std::string_view target);

enum class Scheme : unsigned char { Http, Https, Unix };
struct Address {
    Scheme scheme = Scheme::Http;
    std::string host;
    std::string port;
    /// The socket's path for Unix; else a path prefix without a trailing slash, or "".
    std::string path;

    /// What stands in the Host header.
    std::string authority() const;
};
/// "http://h:1", "https://[::1]:2", "h:1" (http), "unix:///path". The default port is 4646.
Result<Address> parse_address(std::string_view text);

struct HostPort {
    std::string host;
    std::string port;
};
/// "h:1", "[::1]:1", ":1". Errors: InvalidArgument.
Result<HostPort> parse_host_port(std::string_view text);

}  // namespace nl::io::http
