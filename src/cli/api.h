#pragma once
// The HTTP API as commands call it: paths built from segments (so that a job id may hold a slash),
// region, namespace and token added, answers decoded to Value, failures worded as Nomad's users
// know them. It remembers the last answer's index and next-page token.

#include "base/value.h"
#include "cli/http.h"
#include "cli/json.h"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::cli {

using Query = std::vector<std::pair<std::string, std::string>>;

/// "/v1/" and the segments, each percent-encoded.
std::string api_path(std::initializer_list<std::string_view> segments);
/// Percent-encodes everything but letters, digits and "-._~".
std::string percent_encode(std::string_view text);

struct ApiSettings {
    std::string address;
    std::string region;
    std::string namespace_;
    std::string token;
    /// "user:password", or empty.
    std::string basic_auth;
};

class Api {
public:
    Api(std::unique_ptr<Http> http, ApiSettings settings);

    /// An answer that is not 200 becomes an Error: `Unexpected response code: 404 (job not found)`;
    /// its code is NotFound, PermissionDenied or Conflict for 404, 403, 409, else Internal.
    Result<Value> get(const std::string& path, Query query = {});
    Result<Value> put(const std::string& path, Query query = {}, const Value& body = {});
    Result<Value> post(const std::string& path, Query query = {}, const Value& body = {});
    Result<Value> remove(const std::string& path, Query query = {}, const Value& body = {});
    /// The body as it came.
    Result<std::string> get_text(const std::string& path, Query query = {});
    Result<void> stream(const std::string& path, Query query, const OnBytes& on_bytes);
    /// Whatever the server answers, with its status.
    Result<HttpReply> exchange(
        const std::string& method,
        const std::string& path,
        Query query,
        std::string body,
        Headers headers = {}
    );

    /// X-Nomad-NextToken of the last answer.
    const std::string& next_token() const { return next_token_; }
    std::uint64_t last_index() const { return last_index_; }

    const ApiSettings& settings() const { return settings_; }
    /// From here on, calls go to this namespace (an object's own, found by a prefix lookup).
    void use_namespace(std::string name) { settings_.namespace_ = std::move(name); }

private:
    std::string target(const std::string& path, Query query) const;
    Headers headers() const;
    Result<Value> call(
        const std::string& method, const std::string& path, Query query, std::string body
    );

    std::unique_ptr<Http> http_;
    ApiSettings settings_;
    std::string next_token_;
    std::uint64_t last_index_{0};
};

}  // namespace nl::cli
