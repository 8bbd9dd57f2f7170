// B6, cpu and memory: how many equal nodes the pods of Alibaba's GPU trace of 2023 (openb,
// Apache-2.0 copy) need when each goes to the node the scheduler scores highest, beside the lower
// bound (the sum of what they ask for over what a node has):
//   packing_bench --data DIR [--rounds N]     each round in another order of pods
// Prints one JSON line and one readable line for each of the trace's lists.

#include "base/rng.h"
#include "sched/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace nl::bench {
namespace {

[[noreturn]] void give_up(const std::string& why) {
    fmt::print(stderr, "packing_bench: {}\n", why);
    std::exit(1);  // NOLINT: one thread
}

std::vector<std::vector<std::string>> read_csv(const std::string& path) {
    std::ifstream in(path);
    if (!in) {
        give_up("cannot read " + path);
    }
    std::vector<std::vector<std::string>> rows;
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
        std::vector<std::string> row;
        std::size_t from = 0;
        while (true) {
            const std::size_t comma = line.find(',', from);
            row.push_back(line.substr(from, comma - from));
            if (comma == std::string::npos) {
                break;
            }
            from = comma + 1;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::int64_t number(const std::string& text) {
    double n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return static_cast<std::int64_t>(n);
}

struct Pod {
    std::int64_t cpu{0};
    std::int64_t memory{0};
};

std::vector<Pod> load(const std::string& folder, const std::string& list) {
    std::vector<Pod> pods;
    for (const auto& row : read_csv(fmt::format("{}/openb_pod_list_{}.csv", folder, list))) {
        pods.push_back({number(row.at(1)), number(row.at(2))});
    }
    return pods;
}

/// Opens nodes of one size as the ranker wants them: a node is used once something is on it.
void nodes_needed(const std::string& folder, int rounds) {
    constexpr std::int32_t kCpu = 128'000;
    constexpr std::int32_t kMemory = 786'432;
    for (const char* list : {"default", "gpuspec33", "multigpu50"}) {
        std::vector<Pod> pods = load(folder, list);
        std::int64_t cpu = 0;
        std::int64_t memory = 0;
        for (const Pod& pod : pods) {
            cpu += pod.cpu;
            memory += pod.memory;
        }
        const std::int64_t bound =
            std::max((cpu + kCpu - 1) / kCpu, (memory + kMemory - 1) / kMemory);
        std::vector<std::int64_t> needed;
        for (int r = 0; r < rounds; ++r) {
            Rng rng(static_cast<std::uint64_t>(r) + 1);
            rng.shuffle(std::span(pods));
            const auto n = static_cast<std::size_t>(bound * 2);
            std::vector<std::int64_t> cpu_used(n, 0);
            std::vector<std::int64_t> memory_used(n, 0);
            for (const Pod& pod : pods) {
                std::optional<std::size_t> best;
                double best_score = -1;
                for (std::size_t i = 0; i < n; ++i) {
                    if (cpu_used[i] + pod.cpu > kCpu || memory_used[i] + pod.memory > kMemory) {
                        continue;
                    }
                    const double score = sched::fit_score(
                        sched::Algorithm::Binpack,
                        kCpu,
                        kMemory,
                        cpu_used[i] + pod.cpu,
                        memory_used[i] + pod.memory
                    );
                    if (score > best_score) {
                        best = i;
                        best_score = score;
                    }
                    if (cpu_used[i] == 0 && memory_used[i] == 0) {
                        // All nodes behind it are empty as well.
                        break;
                    }
                }
                if (!best) {
                    give_up("twice the lower bound is not enough");
                }
                cpu_used[*best] += pod.cpu;
                memory_used[*best] += pod.memory;
            }
            needed.push_back(std::ranges::count_if(memory_used, [](auto m) { return m > 0; }));
        }
        std::ranges::sort(needed);
        const std::int64_t middle = needed[needed.size() / 2];
        fmt::print(
            "{{\"bench\":\"packing_nodes\",\"trace\":\"{}\",\"nodes\":{},\"lower_bound\":{}}}\n",
            list,
            middle,
            bound
        );
        fmt::print(
            "{}: {} pods on {} nodes of 128 cores and 768 GiB (min {}, max {}), lower bound {}: "
            "{:.1f} % above\n",
            list,
            pods.size(),
            middle,
            needed.front(),
            needed.back(),
            bound,
            (static_cast<double>(middle) / static_cast<double>(bound) - 1) * 100
        );
    }
}

int run(int argc, char** argv) {
    std::string folder = "../shared/data";
    int rounds = 3;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--data" && i + 1 < argc) {
            folder = argv[++i];
        } else if (word == "--rounds" && i + 1 < argc) {
            rounds = std::max(1, static_cast<int>(number(argv[++i])));
        } else {
            give_up("usage: packing_bench [--data DIR] [--rounds N]");
        }
    }
    nodes_needed(folder, rounds);
    return 0;
}

}  // namespace
}  // namespace nl::bench

int main(int argc, char** argv) {
    return nl::bench::run(argc, argv);
}
