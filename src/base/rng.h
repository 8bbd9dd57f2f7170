#pragma once
// A seeded, portable source of chance (xoshiro256**, seeded by splitmix64): the same seed gives the
// same numbers with every compiler and library. Owned by value; `fork` gives an independent stream.
// Not for keys or secrets: those come from env::Entropy.

#include "base/check.h"

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace nl {

class Rng {
public:
    explicit Rng(std::uint64_t seed) {
        for (auto& word : state_) {
            word = split_mix(seed);
        }
    }

    std::uint64_t next() {
        const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = rotate_left(state_[3], 45);
        return result;
    }

    /// Uniform in [0, bound); bound must be above 0. Unbiased (Lemire's multiply and reject).
    std::uint64_t below(std::uint64_t bound) {
        NL_ASSERT(bound > 0);
        __extension__ using Wide = unsigned __int128;
        const std::uint64_t threshold = (0 - bound) % bound;
        while (true) {
            const Wide product = static_cast<Wide>(next()) * bound;
            if (static_cast<std::uint64_t>(product) >= threshold) {
                return static_cast<std::uint64_t>(product >> 64);
            }
        }
    }

    /// Uniform in [low, high].
    std::int64_t between(std::int64_t low, std::int64_t high) {
        NL_ASSERT(low <= high);
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
    }

    /// True with probability numerator / denominator.
    bool chance(std::uint64_t numerator, std::uint64_t denominator) {
        return below(denominator) < numerator;
    }

    /// Fisher-Yates.
    template <class T>
    void shuffle(std::span<T> items) {
        for (std::size_t i = items.size(); i > 1; --i) {
            std::swap(items[i - 1], items[below(i)]);
        }
    }

    /// A stream of its own, so that one part's use of chance doesn't move another's.
    Rng fork() { return Rng(next()); }

private:
    static constexpr std::uint64_t rotate_left(std::uint64_t x, int k) {
        return (x << k) | (x >> (64 - k));
    }
    static constexpr std::uint64_t split_mix(std::uint64_t& seed) {
        std::uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }

    std::array<std::uint64_t, 4> state_{};
};

}  // namespace nl
