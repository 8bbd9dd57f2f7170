#include "tests/fuzz/inputs.h"

#include <algorithm>

namespace nl::fuzz {
namespace {

constexpr int kDeepest = 6;
constexpr std::uint64_t kMostChanges = 8;

/// Bytes that have been trouble to somebody before.
constexpr std::string_view kBytes[] = {
    std::string_view("\0", 1),
    "\n",
    "\r\n",
    "\t",
    "\"",
    "\\",
    "\x7F",
    "\x80",
    "\xFF",
    "\xC3\xA9",
    "\xE2\x80\xA8",
    "e\xCC\x81",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB",
    "\xED\xA0\x80",
    "$",
    "%",
    "{",
    "}",
    "~",
    "<<",
    "0",
    "9",
    "-1",
    "1e400",
    "18446744073709551616",
    "999999999999999999999999999999999999999999",
};

std::string_view pick(Rng& rng, std::span<const std::string_view> from) {
    return from[rng.below(from.size())];
}

}  // namespace

Inputs::Inputs(const Target& target, std::uint64_t seed, std::vector<std::string> files)
    : target_(target), seed_(seed), begins_(std::move(files)) {
    for (const std::string_view text : target.seeds) {
        begins_.emplace_back(text);
    }
}

std::string Inputs::make(std::uint64_t number) const {
    Rng rng(seed_ * 0x9E3779B97F4A7C15ULL + number);
    std::string input = begin(rng);
    for (std::uint64_t n = rng.below(kMostChanges + 1); n > 0; --n) {
        change(input, rng);
    }
    if (input.size() > kMaxInputBytes) {
        input.resize(kMaxInputBytes);
    }
    return input;
}

std::string Inputs::begin(Rng& rng) const {
    if (!begins_.empty() && rng.chance(2, 3)) {
        return begins_[rng.below(begins_.size())];
    }
    return sentence(rng, 0);
}

/// Words in a row, some of them nested in brackets: most are wrong, many nearly right.
std::string Inputs::sentence(Rng& rng, int depth) const {
    constexpr std::string_view kPairs[][2] = {
        {"(", ")"},
        {"[", "]"},
        {"{ ", " }"},
        {"\"", "\""},
        {"${", "}"},
        {"%{ ", " }"},
        {"{\n", "\n}\n"},
        {"<<E\n", "\nE\n"},
        {"/*", "*/"},
    };
    std::string out;
    for (std::uint64_t n = 1 + rng.below(6); n > 0; --n) {
        if (depth < kDeepest && rng.chance(1, 3)) {
            const auto& pair = kPairs[rng.below(std::size(kPairs))];
            out += pair[0];
            out += sentence(rng, depth + 1);
            out += pair[1];
        } else {
            out += pick(rng, target_.words);
        }
        if (rng.chance(1, 3)) {
            out += rng.chance(1, 4) ? '\n' : ' ';
        }
    }
    return out;
}

void Inputs::change(std::string& input, Rng& rng) const {
    const std::size_t at = rng.below(input.size() + 1);
    const std::size_t length = std::min<std::size_t>(rng.below(32) + 1, input.size() - at);
    switch (rng.below(9)) {
        case 0:
            input.insert(at, pick(rng, target_.words));
            break;
        case 1:
            input.insert(at, pick(rng, kBytes));
            break;
        case 2:
            input.erase(at, length);
            break;
        case 3:
            input.insert(rng.below(input.size() + 1), input.substr(at, length));
            break;
        case 4:
            if (at < input.size()) {
                input[at] = static_cast<char>(rng.below(256));
            }
            break;
        case 5:
            input.replace(at, length, pick(rng, target_.words));
            break;
        case 6:
            input.insert(at, sentence(rng, 2));
            break;
        case 7: {
            // Deep nesting and long runs find missing bounds.
            const std::string_view word = pick(rng, target_.words);
            std::string many;
            for (std::uint64_t n = rng.below(400); n > 0; --n) {
                many += word;
            }
            input.insert(at, many);
            break;
        }
        default:
            if (!begins_.empty()) {
                const std::string& other = begins_[rng.below(begins_.size())];
                const std::size_t from = rng.below(other.size() + 1);
                input.insert(at, other.substr(from, rng.below(200)));
            }
            break;
    }
}

}  // namespace nl::fuzz
