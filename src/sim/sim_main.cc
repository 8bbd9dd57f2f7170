// The simulator: runs the lives of many Raft groups, each from its seed, each twice. Stops at the
// first broken promise and says how to see it again.
//     sim --seeds N [--seed FIRST]       N seeds from FIRST (1) on
//     sim --seed S --trace               one seed, with its story
//     sim --check FILE                   judges a history of clients (sim/history.h)
#include "sim/history.h"
#include "sim/replica_world.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
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
    fmt::print(stderr, "usage: sim [--seeds N] [--seed FIRST] [--trace] | sim --check FILE\n");
    return 2;
}

int check(const char* path) {
    constexpr std::uint64_t kSteps = 50'000'000;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        fmt::print(stderr, "cannot read \"{}\"\n", path);
        return 2;
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto ops = nl::sim::parse_history(text);
    if (!ops) {
        fmt::print(stderr, "{}: {}\n", path, ops.error().message);
        return 2;
    }
    const auto verdict = nl::sim::check_history(*ops, kSteps);
    if (!verdict.violation.empty()) {
        fmt::print("{}\n", verdict.violation);
        return 1;
    }
    if (verdict.gave_up) {
        fmt::print("not judged: more than {} steps\n", kSteps);
        return 3;
    }
    fmt::print("{} operations fit one order ({} steps)\n", ops->size(), verdict.steps);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::optional<std::uint64_t> count;
    std::uint64_t first = 1;
    bool trace = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (arg == "--check" && i + 1 < argc) {
            return check(argv[i + 1]);
        }
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
    nl::sim::Outcome sum;
    std::size_t stood_still = 0;
    std::size_t unjudged = 0;
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
        sum.acknowledged += one.acknowledged;
        sum.reads += one.reads;
        sum.retried += one.retried;
        sum.deduplicated += one.deduplicated;
        sum.elections += one.elections;
        sum.installs += one.installs;
        sum.repairs += one.repairs;
        stood_still += one.stood_still ? 1 : 0;
        unjudged += one.unjudged ? 1 : 0;
        sum.hash = sum.hash * 0x100000001b3ULL ^ one.hash;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print(
        "{} seeds from {} kept every promise: {} writes and {} reads acknowledged, {} asked again, "
        "{} of them done already; {} elections, {} snapshots installed, {} logs repaired; {} seeds "
        "stood still for damage, {} histories not judged; hash {:016x}, {:.0f} seeds/s (each run "
        "twice)\n",
        total,
        first,
        sum.acknowledged,
        sum.reads,
        sum.retried,
        sum.deduplicated,
        sum.elections,
        sum.installs,
        sum.repairs,
        stood_still,
        unjudged,
        sum.hash,
        static_cast<double>(total) / took.count()
    );
    return 0;
}
