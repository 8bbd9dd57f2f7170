// Simulated nodes from the command line.

#include "agent/simulated_nodes.h"
#include "cli/context.h"
#include "io/clock.h"
#include "io/entropy.h"

#include <chrono>
#include <csignal>
#include <thread>

namespace nl::cli {
namespace {

constexpr std::int64_t kTickMs = 100;

// NOLINTNEXTLINE: a signal handler can reach nothing else.
volatile std::sig_atomic_t interrupted = 0;

std::vector<std::string> split_list(const std::vector<std::string>& lists) {
    std::vector<std::string> out;
    for (const std::string& list : lists) {
        std::size_t from = 0;
        while (from <= list.size()) {
            const std::size_t comma = std::min(list.find(',', from), list.size());
            if (comma > from) {
                out.push_back(list.substr(from, comma - from));
            }
            from = comma + 1;
        }
    }
    return out;
}

int run(Context& context) {
    agent::SimulatedNodes::Options options;
    options.servers = split_list(context.flags().list("servers"));
    options.datacenters = split_list(context.flags().list("dc"));
    if (options.servers.empty()) {
        options.servers = {"127.0.0.1:4647"};
    }
    if (options.datacenters.empty()) {
        options.datacenters = {"dc1"};
    }
    options.pool = context.text("node-pool");
    options.node_class = context.text("node-class");
    options.cpu = context.flags().integer("cpu");
    options.memory_mb = context.flags().integer("memory");
    options.disk_mb = context.flags().integer("disk");
    options.racks = context.flags().integer("racks");
    options.task_time = context.flags().duration("task-time");
    const std::int64_t count = context.flags().integer("count");
    const Duration limit = context.flags().duration("duration");
    constexpr std::int64_t kNodesMax = 1'000'000;
    if (count < 1 || count > kNodesMax) {
        return context.fail("-count must be between 1 and {}", kNodesMax);
    }
    options.count = static_cast<std::size_t>(count);
    options.seed = context.flags().given("seed")
                       ? static_cast<std::uint64_t>(context.flags().integer("seed"))
                       : io::random_seed();
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });

    agent::SimulatedNodes nodes(std::move(options));
    const auto& totals = nodes.totals();
    const Instant begin = io::now();
    Instant said = begin;
    bool all_told = false;
    const auto report = [&](Instant now) {
        context.line(
            "{:>6.1f}s  nodes {}/{}  running {}  complete {}  acknowledged {}  disconnects {}",
            static_cast<double>((now - begin).ns) / 1e9,
            totals.registered.load(),
            count,
            totals.told_running.load(),
            totals.told_complete.load(),
            totals.acknowledged.load(),
            totals.disconnects.load()
        );
    };
    while (interrupted == 0) {
        if (const auto done = nodes.tick(); !done) {
            return context.fail("{}", done.error().message);
        }
        const Instant now = io::now();
        if (!all_told && totals.registered.load() == count) {
            all_told = true;
            context.line(
                "all {} nodes are registered after {:.1f} s",
                count,
                static_cast<double>((now - begin).ns) / 1e9
            );
        }
        if (now - said >= seconds(1)) {
            said = now;
            report(now);
        }
        if (limit.ns > 0 && now - begin >= limit) {
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(kTickMs));
    }
    report(io::now());
    return 0;
}

}  // namespace

Command bench_nodes_command() {
    return {
        .path = "bench nodes",
        .usage = "[options]",
        .synopsis = "Join simulated nodes with mock tasks to a cluster",
        .help =
            "Joins any number of simulated nodes to a real cluster, over the protocol that real "
            "nodes speak. Their tasks are mock ones: they run as soon as they are placed and end "
            "when they are stopped, or after -task-time. Up to 100 nodes share a connection, each "
            "with a stream of its own. Runs until it is interrupted.",
        .flags =
            {
                {.name = "count",
                 .kind = FlagKind::Integer,
                 .help = "How many nodes.",
                 .fallback = "100"},
                {.name = "servers",
                 .kind = FlagKind::List,
                 .help = "RPC addresses of servers, separated by commas. May be given more than "
                         "once. Without it 127.0.0.1:4647."},
                {.name = "dc",
                 .kind = FlagKind::List,
                 .help = "Datacenters, dealt out in turn. Without it dc1."},
                {.name = "node-pool",
                 .kind = FlagKind::Text,
                 .help = "Their node pool.",
                 .fallback = "default"},
                {.name = "node-class",
                 .kind = FlagKind::Text,
                 .help = "Their node class.",
                 .fallback = ""},
                {.name = "cpu",
                 .kind = FlagKind::Integer,
                 .help = "MHz of each node.",
                 .fallback = "100000"},
                {.name = "memory",
                 .kind = FlagKind::Integer,
                 .help = "MB of each node.",
                 .fallback = "262144"},
                {.name = "disk",
                 .kind = FlagKind::Integer,
                 .help = "MB of disk of each node.",
                 .fallback = "1000000"},
                {.name = "racks",
                 .kind = FlagKind::Integer,
                 .help = "Different values of the metadata key \"rack\".",
                 .fallback = "50"},
                {.name = "task-time",
                 .kind = FlagKind::Duration,
                 .help = "Tasks end successfully after this long; 0 is never.",
                 .fallback = "0s"},
                {.name = "duration",
                 .kind = FlagKind::Duration,
                 .help = "Leave after this long; 0 is never.",
                 .fallback = "0s"},
                {.name = "seed",
                 .kind = FlagKind::Integer,
                 .help = "Makes the nodes' ids the same every time."},
            },
        .arguments = {},
        .run = run,
        .family = Family::Local,
    };
}

}  // namespace nl::cli
