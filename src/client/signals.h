#pragma once
// Signal names as jobs write them. Numbers are Linux's (x86-64 and arm64 agree).

#include "base/error.h"

#include <string>
#include <string_view>

namespace nl::client {

inline constexpr int kSigInt = 2;
inline constexpr int kSigKill = 9;
inline constexpr int kSigTerm = 15;

/// "SIGTERM", "TERM" or "sigterm" -> 15. Errors: InvalidArgument, `invalid signal "x"`.
Result<int> parse_signal(std::string_view name);
/// "SIGTERM"; "signal 40" for one without a name.
std::string signal_name(int signal);

}  // namespace nl::client
