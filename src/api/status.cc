#include "api/status.h"

#include "base/check.h"

#include <array>
#include <utility>

namespace nl::api {
namespace {

struct FixedText {
    std::string_view ending;
    std::int64_t status;
};
constexpr std::array<FixedText, 4> kFixedTexts{{
    {kPermissionDenied, 403},
    {kTokenNotFound, 403},
    {"Job registration, dispatch, and scale are disabled by the scheduler configuration", 403},
    {"Filter expression cannot be used with other filter parameters", 400},
}};

}  // namespace

std::int64_t http_status(ErrorCode code) {
    switch (code) {
        case ErrorCode::NotFound:
            return 404;
        case ErrorCode::InvalidArgument:
            return 400;
        case ErrorCode::Conflict:
            return 409;
        case ErrorCode::Unauthenticated:
        case ErrorCode::PermissionDenied:
            return 403;
        case ErrorCode::TooLarge:
            return 413;
        case ErrorCode::ResourceExhausted:
            return 429;
        case ErrorCode::Unimplemented:
            return 501;
        case ErrorCode::Timeout:
            return 504;
        // Nomad answers all of these with 500 and the text.
        case ErrorCode::AlreadyExists:
        case ErrorCode::FailedPrecondition:
        case ErrorCode::Aborted:
        case ErrorCode::Cancelled:
        case ErrorCode::NotLeader:
        case ErrorCode::Unavailable:
        case ErrorCode::Corruption:
        case ErrorCode::Internal:
            return 500;
    }
    NL_UNREACHABLE();
}

Response text_response(std::int64_t status, std::string text) {
    for (const auto& [ending, fixed] : kFixedTexts) {
        if (text.ends_with(ending)) {
            status = fixed;
            text = std::string(ending);
            break;
        }
    }
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

Response error_response(const Error& error) {
    return text_response(http_status(error.code), error.message);
}

Response json_response(std::string json) {
    return {200, {{"Content-Type", "application/json"}}, std::move(json)};
}

Response empty_response() {
    return {200, {}, {}};
}

}  // namespace nl::api
