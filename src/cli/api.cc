#include "cli/api.h"

#include "base/bytes.h"
#include "cli/flags.h"

#include <algorithm>

namespace nl::cli {

namespace {

Error status_error(const HttpReply& reply) {
    std::string text = reply.body;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    ErrorCode code = ErrorCode::Internal;
    if (reply.status == 404) {
        code = ErrorCode::NotFound;
    } else if (reply.status == 403) {
        code = ErrorCode::PermissionDenied;
    } else if (reply.status == 409) {
        code = ErrorCode::Conflict;
    } else if (reply.status == 400) {
        code = ErrorCode::InvalidArgument;
    }
    return {code, fmt::format("Unexpected response code: {} ({})", reply.status, text)};
}

}  // namespace

std::string percent_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", byte);
        }
    }
    return out;
}

std::string api_path(std::initializer_list<std::string_view> segments) {
    std::string out = "/v1";
    for (const std::string_view segment : segments) {
        out += '/';
        out += percent_encode(segment);
    }
    return out;
}

std::string HttpReply::header(std::string_view lower_case_name) const {
    for (const auto& [name, value] : headers) {
        if (name == lower_case_name) {
            return value;
        }
    }
    return {};
}

Api::Api(std::unique_ptr<Http> http, ApiSettings settings)
    : http_(std::move(http)), settings_(std::move(settings)) {}

std::string Api::target(const std::string& path, Query query) const {
    const auto has = [&](std::string_view name) {
        return std::ranges::any_of(query, [&](const auto& item) { return item.first == name; });
    };
    if (!settings_.region.empty() && !has("region")) {
        query.emplace_back("region", settings_.region);
    }
    if (!settings_.namespace_.empty() && !has("namespace")) {
        query.emplace_back("namespace", settings_.namespace_);
    }
    std::string out = path;
    char separator = path.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [name, value] : query) {
        out += separator;
        out += percent_encode(name);
        out += '=';
        out += percent_encode(value);
        separator = '&';
    }
    return out;
}

Headers Api::headers() const {
    Headers out;
    if (!settings_.token.empty()) {
        out.emplace_back("X-Nomad-Token", settings_.token);
    }
    if (!settings_.basic_auth.empty()) {
        out.emplace_back("Authorization", "Basic " + base64_encode(settings_.basic_auth));
    }
    return out;
}

Result<HttpReply> Api::exchange(
    const std::string& method, const std::string& path, Query query, std::string body, Headers extra
) {
    HttpRequest request{
        .method = method,
        .target = target(path, std::move(query)),
        .headers = headers(),
        .body = std::move(body)
    };
    for (auto& header : extra) {
        request.headers.push_back(std::move(header));
    }
    NL_TRY(HttpReply reply, http_->send(request));
    next_token_ = reply.header("x-nomad-nexttoken");
    last_index_ =
        static_cast<std::uint64_t>(parse_integer(reply.header("x-nomad-index")).value_or(0));
    return reply;
}

Result<Value> Api::call(
    const std::string& method, const std::string& path, Query query, std::string body
) {
    NL_TRY(const HttpReply reply, exchange(method, path, std::move(query), std::move(body)));
    if (reply.status != 200) {
        return std::unexpected(status_error(reply));
    }
    if (reply.body.find_first_not_of(" \n\r\t") == std::string::npos) {
        return Value();
    }
    auto parsed = parse_json(reply.body);
    if (!parsed) {
        return fail(
            ErrorCode::Internal, "the answer of {} {} is {}", method, path, parsed.error().message
        );
    }
    return parsed;
}

Result<Value> Api::get(const std::string& path, Query query) {
    return call("GET", path, std::move(query), {});
}

Result<Value> Api::put(const std::string& path, Query query, const Value& body) {
    return call(
        "PUT",
        path,
        std::move(query),
        body.is_null() ? std::string() : write_json(body, JsonStyle::Compact)
    );
}

Result<Value> Api::post(const std::string& path, Query query, const Value& body) {
    return call(
        "POST",
        path,
        std::move(query),
        body.is_null() ? std::string() : write_json(body, JsonStyle::Compact)
    );
}

Result<Value> Api::remove(const std::string& path, Query query, const Value& body) {
    return call(
        "DELETE",
        path,
        std::move(query),
        body.is_null() ? std::string() : write_json(body, JsonStyle::Compact)
    );
}

Result<std::string> Api::get_text(const std::string& path, Query query) {
    NL_TRY(HttpReply reply, exchange("GET", path, std::move(query), {}));
    if (reply.status != 200) {
        return std::unexpected(status_error(reply));
    }
    return std::move(reply.body);
}

Result<void> Api::stream(const std::string& path, Query query, const OnBytes& on_bytes) {
    const HttpRequest request{
        .method = "GET", .target = target(path, std::move(query)), .headers = headers(), .body = {}
    };
    NL_TRY(const HttpReply reply, http_->stream(request, on_bytes));
    if (reply.status != 200) {
        return std::unexpected(status_error(reply));
    }
    return {};
}

}  // namespace nl::cli
