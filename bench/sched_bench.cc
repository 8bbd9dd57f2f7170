// What the scheduler alone costs, in one process and on one thread (no log, no network):
//   sched_bench grid   placements a second on Nomad's own grid: nodes x allocations x spread (B2)
//   sched_bench size   cost against size: 100 to 100,000 nodes, 1 to 1,000,000 pending allocations
//   sched_bench one    one cell over and over, for a profiler: --nodes N --count N [--spread]
//                      [--ports]
// Options: --rounds N (each figure is the median of so many passes), --racks N. Nodes and jobs are
// those of Nomad's own benchmark: 14,000 MHz and 32,000 MiB a node, 6,000 and 6,000 an allocation,
// two datacenters, racks in the metadata. Prints one JSON line and one readable line a figure.

#include "sched/scheduler.h"
#include "state/command.h"
#include "state/commands/job.h"
#include "state/commands/node.h"
#include "state/commands/plan_results.h"
#include "state/store.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nl::bench {
namespace {

struct Options {
    std::string what;
    std::int64_t rounds = 15;
    std::int64_t racks = 50;
    std::int64_t nodes = 5000;
    std::int64_t count = 600;
    bool spread = false;
    bool ports = false;
};

struct Shape {
    std::int64_t nodes{0};
    std::int64_t count{0};
    std::int64_t racks{50};
    bool spread{false};
    bool ports{false};
    /// What an allocation asks for; both in MHz and MiB.
    std::int64_t ask{6000};
    std::int64_t node_cpu{14'000};
    std::int64_t node_memory{32'000};
};

struct Cost {
    double median_s{0};
    double min_s{0};
    double max_s{0};
    std::size_t placed{0};
};

[[noreturn]] void give_up(const std::string& why) {
    fmt::print(stderr, "sched_bench: {}\n", why);
    std::exit(1);  // NOLINT: one thread
}

double now_s() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

class Cluster {
public:
    explicit Cluster(const Shape& shape) : shape_(shape) {
        for (std::int64_t i = 0; i < shape.nodes; ++i) {
            add_node(i);
        }
        job_ = job();
        apply(state::commands::JobRegister{.job = job_});
    }

    /// One pass from the snapshot to the plan; the plan is not applied, so every pass is the same
    /// work.
    double pass(std::size_t& placed) {
        const state::Snapshot snapshot = store_.snapshot();
        const model::Evaluation eval = evaluation();
        const double start = now_s();
        const model::Plan plan = sched::schedule(
            {.eval = eval, .snapshot = snapshot, .now = kNow, .rng = Rng(rng_.next())}
        );
        const double took = now_s() - start;
        placed = plan.placements.size();
        return took;
    }

    Cost measure(std::int64_t rounds) {
        Cost cost;
        std::vector<double> times;
        for (std::int64_t i = 0; i < rounds; ++i) {
            times.push_back(pass(cost.placed));
        }
        std::ranges::sort(times);
        cost.median_s = times[times.size() / 2];
        cost.min_s = times.front();
        cost.max_s = times.back();
        return cost;
    }

private:
    static constexpr WallTime kNow{1'700'000'000'000'000'000};

    template <class Body>
    void apply(const Body& body) {
        store_.apply(++index_, state::make_command(body, kNow, rng_.next()));
    }

    void add_node(std::int64_t number) {
        model::Node node;
        node.id = Uuid::random(rng_);
        node.secret_id = Uuid::random(rng_);
        node.name = fmt::format("node-{}", number);
        node.datacenter = number % 2 == 0 ? "dc-1" : "dc-2";
        node.node_pool = "default";
        node.status = model::NodeStatus::Ready;
        node.attributes["kernel.name"] = "linux";
        node.attributes["arch"] = "x86";
        node.attributes["unique.hostname"] = node.name;
        node.meta["rack"] = fmt::format("r{}", number % shape_.racks);
        node.drivers["exec"] = {.detected = true, .healthy = true};
        model::NodeResources& r = node.node_resources.ensure();
        r.cpu = model::LegacyNodeCpuResources{.cpu_shares = shape_.node_cpu, .total_cpu_cores = 4};
        r.memory = model::NodeMemoryResources{shape_.node_memory};
        r.disk = model::NodeDiskResources{100'000};
        r.node_networks.push_back(
            {.mode = "host",
             .device = "eth0",
             .addresses = {{.alias = "default", .address = "192.168.0.100"}}}
        );
        r.min_dynamic_port = 20000;
        r.max_dynamic_port = 32000;
        apply(state::commands::NodeRegister{.node = std::move(node)});
    }

    std::shared_ptr<const model::Job> job() const {
        model::Job j;
        j.id = "bench";
        j.name = j.id;
        j.namespace_ = "default";
        j.region = "global";
        j.type = "service";
        j.priority = 50;
        j.datacenters = {"dc-1", "dc-2"};
        j.node_pool = "default";
        if (shape_.spread) {
            j.spreads.push_back({.attribute = "${meta.rack}", .weight = 50});
        }
        model::TaskGroup group;
        group.name = "web";
        group.count = shape_.count;
        group.ephemeral_disk = model::EphemeralDisk{.size_mb = 10};
        if (shape_.ports) {
            model::NetworkResource network;
            network.mode = "host";
            network.dynamic_ports = {{.label = "http"}, {.label = "admin"}};
            group.networks.push_back(std::move(network));
        }
        model::Task task;
        task.name = "web";
        task.driver = "exec";
        task.resources = model::Resources{.cpu = shape_.ask, .memory_mb = shape_.ask};
        group.tasks.push_back(std::move(task));
        j.task_groups.push_back(std::move(group));
        return std::make_shared<const model::Job>(std::move(j));
    }

    model::Evaluation evaluation() {
        model::Evaluation eval;
        eval.id = Uuid::random(rng_);
        eval.namespace_ = "default";
        eval.job_id = "bench";
        eval.type = "service";
        eval.priority = 50;
        eval.triggered_by = "job-register";
        eval.status = model::EvalStatus::Pending;
        return eval;
    }

    Shape shape_;
    state::Store store_;
    Index index_{10};
    Rng rng_{7};
    std::shared_ptr<const model::Job> job_;
};

void print(std::string_view name, const Shape& shape, const Cost& cost) {
    const double rate = static_cast<double>(cost.placed) / cost.median_s;
    fmt::print(
        "{{\"bench\":\"{}\",\"nodes\":{},\"wanted\":{},\"placed\":{},\"spread\":{},\"ports\":{},"
        "\"median_us\":{:.1f},\"min_us\":{:.1f},\"max_us\":{:.1f},\"placements_per_second\":{:.0f}}"
        "}\n",
        name,
        shape.nodes,
        shape.count,
        cost.placed,
        shape.spread,
        shape.ports,
        cost.median_s * 1e6,
        cost.min_s * 1e6,
        cost.max_s * 1e6,
        rate
    );
    fmt::print(
        "{}: {} nodes, {} wanted, {} placed{}{}: {:.0f} us a pass (min {:.0f}, max {:.0f}), "
        "{:.0f} placements/s\n",
        name,
        shape.nodes,
        shape.count,
        cost.placed,
        shape.spread ? ", spread over racks" : "",
        shape.ports ? ", two ports each" : "",
        cost.median_s * 1e6,
        cost.min_s * 1e6,
        cost.max_s * 1e6,
        rate
    );
    std::fflush(stdout);
}

void grid(const Options& o) {
    for (const std::int64_t nodes : {500, 1000, 5000, 10'000}) {
        for (const bool spread : {false, true}) {
            for (const std::int64_t count : {50, 300, 600, 900, 1200}) {
                const Shape shape{
                    .nodes = nodes,
                    .count = count,
                    .racks = o.racks,
                    .spread = spread,
                    .ports = o.ports
                };
                print("sched_grid", shape, Cluster(shape).measure(o.rounds));
            }
        }
    }
}

/// Room for everything: what is measured is the choosing, not the failing.
void size(const Options& o) {
    for (const std::int64_t nodes : {100, 1000, 10'000, 100'000}) {
        for (const std::int64_t count : {1, 100, 10'000, 1'000'000}) {
            Shape shape{
                .nodes = nodes, .count = count, .racks = o.racks, .spread = o.spread, .ask = 10
            };
            const std::int64_t each = count / nodes + 10;
            shape.node_cpu = std::max<std::int64_t>(shape.node_cpu, 10 * each);
            shape.node_memory = std::max<std::int64_t>(shape.node_memory, 10 * each);
            const std::int64_t rounds =
                count >= 1'000'000 ? std::min<std::int64_t>(o.rounds, 3) : o.rounds;
            print("sched_size", shape, Cluster(shape).measure(rounds));
        }
    }
    // All of it fails: what a pass costs that places nothing.
    for (const std::int64_t nodes : {100, 1000, 10'000, 100'000}) {
        const Shape shape{.nodes = nodes, .count = 1000, .racks = o.racks, .ask = 20'000};
        const Cost cost = Cluster(shape).measure(o.rounds);
        fmt::print(
            "sched_full: {} nodes, 1000 wanted, {} placed: {:.0f} us a pass\n",
            nodes,
            cost.placed,
            cost.median_s * 1e6
        );
    }
}

void one(const Options& o) {
    const Shape shape{
        .nodes = o.nodes,
        .count = o.count,
        .racks = o.racks,
        .spread = o.spread,
        .ports = o.ports,
        .ask = o.count > o.nodes * 2 ? 10 : 6000
    };
    print("sched_one", shape, Cluster(shape).measure(o.rounds));
}

Options parse(int argc, char** argv) {
    Options o;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto number = [&]() -> std::int64_t {
            const std::string_view text = i + 1 < argc ? argv[++i] : "";
            std::int64_t n = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
            if (error != std::errc{} || end != text.data() + text.size() || n < 1) {
                give_up(fmt::format("{} wants a number of at least 1", word));
            }
            return n;
        };
        if (word == "--rounds") {
            o.rounds = number();
        } else if (word == "--racks") {
            o.racks = number();
        } else if (word == "--nodes") {
            o.nodes = number();
        } else if (word == "--count") {
            o.count = number();
        } else if (word == "--spread") {
            o.spread = true;
        } else if (word == "--ports") {
            o.ports = true;
        } else if (!word.starts_with("-")) {
            o.what = word;
        } else {
            give_up(fmt::format("unknown option {}", word));
        }
    }
    return o;
}

int run(int argc, char** argv) {
    const Options o = parse(argc, argv);
    if (o.what == "grid") {
        grid(o);
    } else if (o.what == "size") {
        size(o);
    } else if (o.what == "one") {
        one(o);
    } else {
        give_up(
            "usage: sched_bench grid|size|one [--rounds N] [--racks N] [--nodes N] [--count N] "
            "[--spread] [--ports]"
        );
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    fmt::print(
        "cpu {}.{:02} s, peak memory {} MB\n",
        usage.ru_utime.tv_sec + usage.ru_stime.tv_sec,
        (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 10'000 % 100,
        usage.ru_maxrss / 1024
    );
    return 0;
}

}  // namespace
}  // namespace nl::bench

int main(int argc, char** argv) {
    return nl::bench::run(argc, argv);
}
