#pragma once
// What can be fuzzed: a name, the code under it, and what inputs are made of. Targets stand beside
// the code they try (src/<module>/<topic>_fuzz.cc) and are listed in targets.cc. A target takes any
// bytes; it may not crash, hang, or exhaust memory, and it aborts where a property does not hold.

#include <span>
#include <string_view>

namespace nl::fuzz {

struct Target {
    std::string_view name;
    void (*run)(std::string_view input);
    /// Words that mean something to the code.
    std::span<const std::string_view> words;
    /// Whole inputs to begin with.
    std::span<const std::string_view> seeds;
    /// Endings of files that are inputs of this kind ("" for none), searched for below the folders
    /// given on the command line.
    std::string_view file_ending;
};

std::span<const Target> targets();

}  // namespace nl::fuzz
