#pragma once
// Runs a program of the node to its end and collects what it says: versions, network plugins.
// Blocking; for threads that may wait.

#include "base/error.h"
#include "base/time.h"

#include <string>
#include <vector>

namespace nl::drivers {

inline constexpr std::size_t kMaxProgramOutput = 1 << 20;

struct ProgramResult {
    /// 128 + signal if one ended it.
    int exit_code{};
    /// Standard output and error together, unless `separate` was asked for.
    std::string output;
    std::string errors;
};

/// Whole path of a program in the usual places and the agent's PATH, or "".
std::string find_in_path(const std::string& name);

/// `env` "NAME=value" replaces the environment unless empty. Errors: NotFound, Timeout,
/// Unavailable.
Result<ProgramResult> run_program(
    const std::vector<std::string>& argv,
    Duration timeout,
    const std::string& input = "",
    const std::vector<std::string>& env = {},
    bool separate = false
);

}  // namespace nl::drivers
