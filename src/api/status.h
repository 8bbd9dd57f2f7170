#pragma once
// Errors as HTTP answers: plain text, no newline, the status by the error's code, or, where Nomad's
// routes give another one, by `HttpError`. Some texts fix their status whatever the code.
// Source: Nomad HTTP API, 0.3.

#include "api/request.h"
#include "base/error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace nl::api {

/// The status for a code; the one exhaustive switch.
std::int64_t http_status(ErrorCode code);

/// A plain-text answer. The four texts that Nomad maps to 403 or 400 by their ending do so here.
Response text_response(std::int64_t status, std::string text);
Response error_response(const Error& error);

/// A JSON body; headers of reads and writes are added by the caller.
Response json_response(std::string json);
Response empty_response();

inline constexpr std::string_view kPermissionDenied = "Permission denied";
inline constexpr std::string_view kTokenNotFound = "ACL token not found";
inline constexpr std::string_view kInvalidMethod = "Invalid method";
inline constexpr std::string_view kNoLeader = "No cluster leader";
inline constexpr std::string_view kEnterpriseOnly = "Nomad Enterprise only endpoint";

}  // namespace nl::api
