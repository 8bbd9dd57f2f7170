#pragma once
// Shell completion: `completion bash|zsh|fish` prints a script, `-autocomplete-install` adds a line
// to the user's shell start files as Nomad does, and the hidden command `complete` answers the
// scripts' questions from the table of commands.

#include "cli/command.h"
#include "cli/environment.h"

#include <string>
#include <vector>

namespace nl::cli {

/// What may stand next, one word each, for the words typed so far (without the program's name). The
/// last one is the unfinished word.
std::vector<std::string> complete(const Registry& registry, const std::vector<std::string>& words);

/// The script for "bash", "zsh" or "fish"; "" for any other shell.
std::string completion_script(const std::string& shell, const std::string& program);

/// Adds to or removes from ~/.bashrc, ~/.zshrc and fish's configuration, where they exist.
int run_autocomplete_setup(
    const std::vector<std::string>& words,
    const Environment& environment,
    const std::string& program
);

Command completion_command();
Command complete_command();

}  // namespace nl::cli
