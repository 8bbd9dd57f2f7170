#pragma once
// The small static program between the supervisor and an OCI runtime (programs/shim_main.cc),
// carried inside the binary and written into the client's directory.

#include "base/error.h"

#include <string>
#include <string_view>

namespace nl::drivers {

/// What the shim exits with when the container never ran.
inline constexpr int kShimNotStarted = 125;

/// The program itself; `pause` as its only argument makes it wait for its end.
std::string_view shim_program();

/// Writes the program below `directory` if it is not there as it should be; its path.
Result<std::string> install_shim(const std::string& directory);

}  // namespace nl::drivers
