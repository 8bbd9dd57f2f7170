// Proves that the simulator sees what it is for: runs it with one planted bug after the other
// (raft/planted.h) until a checker or an assertion of the product notices, and lists the seed that
// did.
//     sim_planted [--seeds N] [--bug NAME]       at most N seeds (2000) for each bug, or this one
//     sim_planted --bug NAME --seed S --trace    the story of one
//     sim_planted --bug none [--seeds N]         without any: nothing may be noticed
#include "raft/planted.h"
#include "sim/replica_world.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace {

struct Planted {
    nl::planted::Bug bug;
    std::string_view name;
    std::string_view what;
};

constexpr Planted kPlanted[] = {
#define NL_PLANTED_ROW(name, what) {nl::planted::Bug::name, #name, what},
    NL_PLANTED_LIST(NL_PLANTED_ROW)
#undef NL_PLANTED_ROW
};

/// What a child tells its parent, also when an assertion ends it.
struct Shared {
    volatile std::uint64_t seed;
    char violation[200];
};

struct Found {
    std::uint64_t seed{0};
    std::string by;
};

// In a process of its own: an assertion that trips is a bug noticed, too.
std::optional<Found> hunt(const Planted& planted, std::uint64_t seeds, Shared& shared) {
    shared.seed = 0;
    shared.violation[0] = '\0';
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        static_cast<void>(std::freopen("/dev/null", "w", stderr));
        nl::planted::chosen = planted.bug;
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            shared.seed = seed;
            const auto outcome = nl::sim::run_replicas(seed, {});
            if (!outcome.violation.empty()) {
                std::strncpy(
                    shared.violation, outcome.violation.c_str(), sizeof shared.violation - 1
                );
                std::_Exit(1);
            }
        }
        std::_Exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) {
        return std::nullopt;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return std::nullopt;
    }
    std::string by = WIFSIGNALED(status) ? "an assertion" : std::string(shared.violation);
    if (const std::size_t line = by.find('\n'); line != std::string::npos) {
        by.resize(line);
    }
    return Found{.seed = shared.seed, .by = std::move(by)};
}

int run_without(std::uint64_t first, std::uint64_t seeds, bool trace) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        const auto story = [](const std::string& line) { fmt::print("{}\n", line); };
        const auto outcome =
            trace ? nl::sim::run_replicas(seed, story) : nl::sim::run_replicas(seed, {});
        if (!outcome.violation.empty()) {
            fmt::print("seed {}: {}\n", seed, outcome.violation);
            return 1;
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{} seeds without a bug, {:.0f}/s\n", seeds, static_cast<double>(seeds) / took.count());
    return 0;
}

int usage() {
    fmt::print(stderr, "usage: sim_planted [--seeds N] [--bug NAME [--seed S --trace]]\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seeds = 2000;
    std::optional<std::uint64_t> seed;
    std::string_view only;
    bool trace = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        const bool more = i + 1 < argc;
        if (arg == "--trace") {
            trace = true;
        } else if (arg == "--bug" && more) {
            only = argv[++i];
        } else if ((arg == "--seeds" || arg == "--seed") && more) {
            const std::string_view text = argv[++i];
            std::uint64_t value = 0;
            if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
                return usage();
            }
            (arg == "--seed" ? seed.emplace(value) : seeds) = value;
        } else {
            return usage();
        }
    }
    if (only == "none") {
        return run_without(seed.value_or(1), seed ? 1 : seeds, trace);
    }
    auto* shared = static_cast<Shared*>(::mmap(
        nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
    ));
    if (shared == MAP_FAILED) {
        fmt::print(stderr, "no shared memory\n");
        return 2;
    }
    int missed = 0;
    int tried = 0;
    for (const Planted& planted : kPlanted) {
        if (!only.empty() && planted.name != only) {
            continue;
        }
        ++tried;
        if (seed) {
            nl::planted::chosen = planted.bug;
            const auto story = [trace](const std::string& line) {
                if (trace) {
                    fmt::print("{}\n", line);
                    std::fflush(stdout);
                }
            };
            const auto outcome = nl::sim::run_replicas(*seed, story);
            fmt::print("seed {}: {}\n", *seed, outcome.violation.empty() ? "nothing noticed" : outcome.violation);
            return outcome.violation.empty() ? 0 : 1;
        }
        const auto begin = std::chrono::steady_clock::now();
        const auto found = hunt(planted, seeds, *shared);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        if (found) {
            fmt::print("{:<26} seed {:>5} {:>6.1f} s  {}\n", planted.name, found->seed, took.count(), found->by);
        } else {
            ++missed;
            fmt::print("{:<26} MISSED in {} seeds: {}\n", planted.name, seeds, planted.what);
        }
        std::fflush(stdout);
    }
    if (tried == 0) {
        return usage();
    }
    fmt::print("{} of {} planted bugs found within {} seeds each\n", tried - missed, tried, seeds);
    return missed == 0 ? 0 : 1;
}
