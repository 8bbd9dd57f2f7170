#pragma once
// The table of routes: what the API is. From it come the dispatch, the OpenAPI page, the metrics'
// labels and the tests of access. A pattern is a path with parameters: `{id}` takes one segment,
// `{id*}` one or more (ids of jobs and variables contain slashes). The first row that fits wins, so
// longer patterns stand before shorter ones. One file for each noun adds its rows (api/jobs.cc
// ...), listed in api/route_list.h. Source: http_api.md.

#include "api/context.h"
#include "api/outcome.h"
#include "api/request.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::api {

/// The values of a pattern's parameters, decoded, in order.
struct PathValues {
    std::vector<std::string> values;
    const std::string& operator[](std::size_t i) const { return values[i]; }
};

/// Methods of a row, as bits.
using Methods = unsigned;
inline constexpr Methods kGet = 1;
inline constexpr Methods kPut = 2;  ///< PUT and POST: Nomad takes either.
inline constexpr Methods kDelete = 4;
inline constexpr Methods kAny = kGet | kPut | kDelete;

/// Where a request must be handled.
enum class Where : unsigned char {
    Local,   ///< Any agent answers for itself.
    Server,  ///< Needs the state: the leader, or any server with `stale`.
    Leader,  ///< Writes: the leader.
};

/// How a row speaks.
enum class Speaks : unsigned char {
    Http,
    /// A session: its handler checks access itself, once the token is known, and refuses by closing.
    WebSocket,
};

struct Route {
    Methods methods;
    std::string_view pattern;
    Where where;
    /// "anon", "management", "node:read", "ns:read-job|ns:submit-job" ...: http_api.md's ACL
    /// column.
    std::string_view rule;
    /// Names of query parameters beyond the common ones, separated by spaces.
    std::string_view parameters;
    /// One line for people.
    std::string_view summary;
    Outcome (*handler)(const Request&, const PathValues&, const Context&);
    Speaks speaks = Speaks::Http;
};

/// Every row, in order of matching.
std::span<const Route> routes();

/// Whether a decoded path fits a pattern, and its parameters.
bool match_pattern(std::string_view pattern, std::string_view path, PathValues& values);

struct Found {
    /// Null: no row has this path.
    const Route* route = nullptr;
    PathValues values;
    /// A row has the path but none the method.
    bool wrong_method = false;
};
Found find_route(std::string_view method, std::string_view path);

/// Finds the row, checks access, and handles the request; also answers what concerns every route:
/// unknown paths, `pretty`, CORS.
Outcome handle(const Request& request, const Context& context);

/// OpenAPI 3.0 description made from the table.
std::string openapi_json(std::string_view version);

}  // namespace nl::api
