// Tries code with made-up inputs.
//
// usage: fuzz list
//        fuzz NAME [SEED] [--seconds N] [--runs N] [--only N] [--show] [FOLDER...]
//
// Input N of a seed is always the same one. Before each run its number goes into a page of memory
// shared with a parent, so that after a crash or a hang (an input may take kInputSeconds of a
// processor) the parent says which input it was and how to have it again:
// `fuzz NAME SEED --only N --show`.

#include "tests/fuzz/inputs.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>

namespace nl::fuzz {
namespace {

constexpr long kInputSeconds = 20;
constexpr std::uint64_t kForever = ~0ULL;
constexpr std::size_t kMostFiles = 2'000;

struct Options {
    std::string name;
    std::uint64_t seed{1};
    std::uint64_t seconds{10};
    std::uint64_t runs{kForever};
    std::optional<std::uint64_t> only;
    bool show{false};
    std::vector<std::string> folders;
};

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t n = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
    return failed == std::errc() && end == text.data() + text.size() ? std::optional(n)
                                                                     : std::nullopt;
}

std::optional<Options> read_options(std::span<char*> arguments) {
    Options out;
    bool seeded = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view word = arguments[i];
        const auto value = [&]() -> std::optional<std::uint64_t> {
            return i + 1 < arguments.size() ? number(arguments[++i]) : std::nullopt;
        };
        if (word == "--show") {
            out.show = true;
        } else if (word == "--seconds" || word == "--runs" || word == "--only") {
            const auto n = value();
            if (!n) {
                return std::nullopt;
            }
            if (word == "--only") {
                out.only = *n;
            } else {
                (word == "--runs" ? out.runs : out.seconds) = *n;
            }
        } else if (word.starts_with("--")) {
            return std::nullopt;
        } else if (out.name.empty()) {
            out.name = word;
        } else if (const auto seed = number(word); seed && !seeded) {
            out.seed = *seed;
            seeded = true;
        } else {
            out.folders.emplace_back(word);
        }
    }
    return out.name.empty() ? std::nullopt : std::optional(out);
}

std::vector<std::string> read_files(const Options& options, const Target& target) {
    namespace fs = std::filesystem;
    std::vector<std::string> paths;
    for (const std::string& folder : options.folders) {
        std::error_code failed;
        for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
             at.increment(failed)) {
            const std::string path = at->path().string();
            if (!target.file_ending.empty() && path.ends_with(target.file_ending) &&
                paths.size() < kMostFiles) {
                paths.push_back(path);
            }
        }
    }
    std::ranges::sort(paths);
    std::vector<std::string> out;
    for (const std::string& path : paths) {
        std::ifstream in(path, std::ios::binary);
        std::string text{std::istreambuf_iterator<char>(in), {}};
        if (text.size() <= kMaxInputBytes) {
            out.push_back(std::move(text));
        }
    }
    return out;
}

struct Progress {
    volatile std::uint64_t number;
    volatile std::uint64_t runs;
    volatile std::uint64_t bytes;
};

void try_inputs(
    const Options& options, const Target& target, const Inputs& inputs, Progress& progress
) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::seconds(options.seconds);
    for (std::uint64_t n = 0; n < options.runs; ++n) {
        if (n % 16 == 0 && Clock::now() >= end) {
            return;
        }
        progress.number = n;
        const std::string input = inputs.make(n);
        // Of the processor, not of the clock: the machine may have other work.
        const ::itimerval limit{.it_interval = {}, .it_value = {.tv_sec = kInputSeconds}};
        ::setitimer(ITIMER_PROF, &limit, nullptr);
        target.run(input);
        progress.runs = progress.runs + 1;
        progress.bytes = progress.bytes + input.size();
    }
}

int run(const Options& options, const Target& target) {
    const Inputs inputs(target, options.seed, read_files(options, target));
    if (options.only) {
        const std::string input = inputs.make(*options.only);
        if (options.show) {
            fmt::print("{}", input);
            return 0;
        }
        target.run(input);
        return 0;
    }
    void* page = ::mmap(
        nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
    );
    if (page == MAP_FAILED) {
        fmt::print(stderr, "no memory to share with the process that runs the inputs\n");
        return 2;
    }
    auto& progress = *new (page) Progress{};
    const pid_t child = ::fork();
    if (child == 0) {
        try_inputs(options, target, inputs, progress);
        std::exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) {
        fmt::print(stderr, "the process that runs the inputs could not be started\n");
        return 2;
    }
    fmt::print(
        "{} seed {}: {} inputs, {} bytes\n",
        target.name,
        options.seed,
        progress.runs,
        progress.bytes
    );
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    fmt::print(
        stderr,
        "{}: input {} of seed {} {}; to have it again: fuzz {} {} --only {}{}\n",
        target.name,
        progress.number,
        options.seed,
        WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF
            ? fmt::format("took more than {} seconds", kInputSeconds)
            : std::string("crashed"),
        target.name,
        options.seed,
        progress.number,
        options.folders.empty() ? std::string()
                                : fmt::format(" {}", fmt::join(options.folders, " "))
    );
    return 1;
}

}  // namespace
}  // namespace nl::fuzz

int main(int argc, char** argv) {
    using namespace nl::fuzz;
    const auto options =
        read_options({argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)});
    if (options && options->name == "list") {
        for (const Target& target : targets()) {
            fmt::print("{}\n", target.name);
        }
        return 0;
    }
    if (options) {
        for (const Target& target : targets()) {
            if (target.name == options->name) {
                return run(*options, target);
            }
        }
        fmt::print(
            stderr, "there is no fuzz target \"{}\"; `fuzz list` names them\n", options->name
        );
        return 2;
    }
    fmt::print(
        stderr,
        "usage: fuzz list | fuzz NAME [SEED] [--seconds N] [--runs N] [--only N] [--show] "
        "[FOLDER...]\n"
    );
    return 2;
}
