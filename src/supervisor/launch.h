#pragma once
// Getting a supervisor to talk to: writes the two programs into its directory, starts the guardian
// outside the agent (own session, all descriptors closed, not in the agent's control group), and
// connects. Calls block for milliseconds; errors say what to do.

#include "base/error.h"

#include <string>

namespace nl::supervisor {

/// How long a guardian that was just started may take until its supervisor answers.
inline constexpr int kStartDeadlineMs = 5000;

/// True if a program on disk was replaced: the running supervisor is an older one.
Result<bool> write_programs(const std::string& directory);

/// Starts a guardian in `directory`. A second one in the same directory ends at once by itself.
Result<void> start_guardian(const std::string& directory);

/// A connected socket, or Unavailable if nobody listens.
Result<int> connect_once(const std::string& directory);

/// Connects, starting a guardian if nobody listens.
Result<int> connect_or_start(const std::string& directory);

}  // namespace nl::supervisor
