#pragma once
// A request and its answer as values, free of sockets. io/http makes a Request from bytes; api
// answers with an Outcome (api/outcome.h).

#include "base/bytes.h"
#include "base/fields.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::api {

struct NameValue {
    std::string name;
    std::string value;
    NL_FIELDS(NameValue, (1, name), (2, value))
};

struct Request {
    std::string method;
    /// Percent-decoded path without the query, for example "/v1/job/a/b".
    std::string path;
    /// The raw path as sent: an encoded slash is kept apart from a plain one.
    std::string raw_path;
    /// Decoded query parameters in order; a bare `stale` has the value "".
    std::vector<NameValue> query;
    /// Names in lower case.
    std::vector<NameValue> headers;
    Bytes body;
    /// The client's address, "ip:port"; empty for a forwarded request without one.
    std::string peer;
    /// The common name of the client's verified TLS certificate, if any.
    std::string tls_common_name;
    NL_FIELDS(
        Request,
        (1, method),
        (2, path),
        (3, raw_path),
        (4, query),
        (5, headers),
        (6, body),
        (7, peer),
        (8, tls_common_name)
    )

    /// The first parameter of that name.
    std::optional<std::string_view> param(std::string_view name) const;
    /// The first header of that (lower-case) name.
    std::optional<std::string_view> header(std::string_view name) const;
};

struct Response {
    std::int64_t status{};
    std::vector<NameValue> headers;
    Bytes body;
    NL_FIELDS(Response, (1, status), (2, headers), (3, body))
};

}  // namespace nl::api
