#include "api/params.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace nl::api {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size()) {
        return {};
    }
    return value;
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
    constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
    constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
    if (std::ranges::find(kTrue, text) != kTrue.end()) {
        return true;
    }
    if (std::ranges::find(kFalse, text) != kFalse.end()) {
        return false;
    }
    return {};
}

Result<std::optional<bool>> bool_param(const Request& request, std::string_view name) {
    const auto text = request.param(name);
    if (!text || text->empty()) {
        return std::optional<bool>();
    }
    const auto value = parse_bool(*text);
    if (!value) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse value of \"{}\" ({}) as a bool: strconv.ParseBool: parsing \"{}\": "
            "invalid syntax",
            name,
            *text,
            *text
        );
    }
    return value;
}

Result<bool> flag(const Request& request, std::string_view name, bool otherwise) {
    const auto value = bool_param(request, name);
    if (!value) {
        return fail(ErrorCode::Internal, "{}", value.error().message);
    }
    return value->value_or(otherwise);
}

std::string text_param(const Request& request, std::string_view name) {
    return std::string(request.param(name).value_or(""));
}

std::string namespace_of(const Request& request) {
    std::string out = text_param(request, "namespace");
    return out.empty() ? "default" : out;
}

Result<ReadOptions> read_options(const Request& request) {
    ReadOptions out;
    if (const auto text = request.param("stale")) {
        const auto value = text->empty() ? std::optional(true) : parse_bool(*text);
        if (!value) {
            return fail(
                ErrorCode::InvalidArgument,
                "Expect `true` or `false` for `stale` query string parameter, got {}",
                *text
            );
        }
        out.stale = *value;
    }
    if (const auto text = request.param("index"); text && !text->empty()) {
        const auto value = parse_number(*text);
        if (!value) {
            return fail(ErrorCode::InvalidArgument, "Invalid index");
        }
        out.min_index = Index(*value);
    }
    if (const auto text = request.param("wait"); text && !text->empty()) {
        const auto value = parse_duration(*text);
        if (!value) {
            return fail(ErrorCode::InvalidArgument, "Invalid wait time");
        }
        out.wait = value->ns <= 0 ? kWaitDefault : std::min(*value, kWaitMax);
    }
    if (const auto text = request.param("per_page"); text && !text->empty()) {
        const auto value = parse_number(*text);
        if (!value || *value > INT32_MAX) {
            return fail(
                ErrorCode::InvalidArgument, "Expect a number for `per_page` query string parameter"
            );
        }
        out.per_page = *value;
    }
    out.prefix = text_param(request, "prefix");
    out.filter = text_param(request, "filter");
    out.next_token = text_param(request, "next_token");
    out.reverse = text_param(request, "reverse") == "true";
    return out;
}

Duration jittered(Duration wait, Rng& rng) {
    const std::int64_t spread = wait.ns / kWaitJitterParts;
    return spread <= 0 ? wait : wait + Duration{rng.between(0, spread)};
}

}  // namespace nl::api
