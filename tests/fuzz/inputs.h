#pragma once
// Inputs for fuzzing, each made from the seed and its number alone, so that any of them can be had
// again: a seed input or a sentence of a small grammar, changed a few times at random. Not thread
// safe; owned by whoever runs a target.

#include "base/rng.h"
#include "tests/fuzz/target.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::fuzz {

/// Longer inputs are cut.
inline constexpr std::size_t kMaxInputBytes = 16 * 1024;

class Inputs {
public:
    /// `files` are further inputs to begin with.
    Inputs(const Target& target, std::uint64_t seed, std::vector<std::string> files);

    std::string make(std::uint64_t number) const;

private:
    std::string begin(Rng& rng) const;
    void change(std::string& input, Rng& rng) const;
    std::string sentence(Rng& rng, int depth) const;

    const Target& target_;
    std::uint64_t seed_;
    std::vector<std::string> begins_;
};

}  // namespace nl::fuzz
