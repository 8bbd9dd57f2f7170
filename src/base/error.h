#pragma once
// Errors as values: the closed list of codes, and Result. Nothing here throws. The code says how a
// caller (and in the end api/status.cc) treats the failure; the message is one clear sentence:
// lower case, no full stop, naming the object and the limit.

#include <fmt/format.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace nl {

enum class ErrorCode : unsigned char {
    NotFound,
    AlreadyExists,
    InvalidArgument,
    FailedPrecondition,
    Conflict,
    Aborted,
    Cancelled,
    NotLeader,
    Unauthenticated,
    PermissionDenied,
    ResourceExhausted,
    TooLarge,
    Unavailable,
    Timeout,
    Corruption,
    Unimplemented,
    Internal,
};

/// The code's name as it appears in logs, for example "not found".
std::string_view to_string(ErrorCode code);

struct [[nodiscard]] Error {
    ErrorCode code{ErrorCode::Internal};
    std::string message;

    friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for `return fail(ErrorCode::NotFound, "job \"{}\" not found", id);`.
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(
    ErrorCode code, fmt::format_string<Args...> format, Args&&... args
) {
    return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace nl

#define NL_CONCAT_INNER(a, b) a##b
#define NL_CONCAT(a, b) NL_CONCAT_INNER(a, b)

/// `NL_TRY(const auto job, parse(text));` declares job or returns the error of the Result.
#define NL_TRY(declaration, expression)                                          \
    auto NL_CONCAT(nl_try_, __LINE__) = (expression);                            \
    if (!NL_CONCAT(nl_try_, __LINE__)) {                                         \
        return std::unexpected(std::move(NL_CONCAT(nl_try_, __LINE__)).error()); \
    }                                                                            \
    declaration = std::move(*NL_CONCAT(nl_try_, __LINE__))

/// As NL_TRY, for a Result<void>.
#define NL_TRY_VOID(expression)                                       \
    do {                                                              \
        if (auto nl_try_result = (expression); !nl_try_result) {      \
            return std::unexpected(std::move(nl_try_result).error()); \
        }                                                             \
    } while (false)
