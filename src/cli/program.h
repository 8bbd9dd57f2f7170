#pragma once
// The command line as a whole: finds the command, parses its flags, shows help, suggests the
// nearest name for a mistyped one, runs it. The process's main() hands over its arguments and the
// real Environment; tests hand over their own.

#include "cli/command.h"
#include "cli/environment.h"

#include <string>
#include <vector>

namespace nl::cli {

/// `words[0]` is the name the program was called by. Returns the exit code: 0, what the command
/// says, 1 (2 for the seed's commands) for wrong usage, 127 for an unknown command.
int run(const std::vector<std::string>& words, const Environment& environment);

/// As `run`, over a table of commands of the caller's (the root adds its own to make_registry()).
int run(
    const Registry& registry, const std::vector<std::string>& words, const Environment& environment
);

}  // namespace nl::cli
