// The simulator: runs the lives of many Raft groups, each from its seed, each twice. Stops at the
// first broken promise and says how to see it again.
//     sim --seeds N [--seed FIRST]       N seeds from FIRST (1) on
//     sim --seed S --trace               one seed, with its story
#include "sim/replica_world.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

int usage() {
    fmt::print(stderr, "usage: sim [--seeds N] [--seed FIRST] [--trace]\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    std::optional<std::uint64_t> count;
    std::uint64_t first = 1;
    bool trace = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (arg == "--trace") {
            trace = true;
        } else if ((arg == "--seeds" || arg == "--seed") && i + 1 < argc) {
            const auto value = number(argv[++i]);
            if (!value) {
                return usage();
            }
            if (arg == "--seeds") {
                count = value;
            } else {
                first = *value;
            }
        } else {
            return usage();
        }
    }
    const auto begin = std::chrono::steady_clock::now();
    std::size_t acknowledged = 0;
    std::size_t reads = 0;
    std::uint64_t hash = 0;
    const std::uint64_t total = count.value_or(1);
    for (std::uint64_t seed = first; seed < first + total; ++seed) {
        const auto story = [](const std::string& line) { fmt::print("{}\n", line); };
        const auto one =
            trace ? nl::sim::run_replicas(seed, story) : nl::sim::run_replicas(seed, {});
        std::string violation = one.violation;
        if (violation.empty() && nl::sim::run_replicas(seed, {}).hash != one.hash) {
            violation = "two runs of the seed differ";
        }
        if (!violation.empty()) {
            fmt::print("seed {}: {}\nsee it again: sim --seed {} --trace\n", seed, violation, seed);
            return 1;
        }
        acknowledged += one.acknowledged;
        reads += one.reads;
        hash = hash * 0x100000001b3ULL ^ one.hash;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print(
        "{} seeds from {} kept every promise: {} acknowledged writes, {} reads, hash {:016x}, "
        "{:.0f} seeds/s (each run twice)\n",
        total,
        first,
        acknowledged,
        reads,
        hash,
        static_cast<double>(total) / took.count()
    );
    return 0;
}
