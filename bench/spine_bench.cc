// The first figures a user feels, on one agent that is server and client with a durable log:
//   spine_bench coldstart   exec of the agent -> it answers with a leader known (S1)
//   spine_bench latency     PUT /v1/jobs -> the task's process runs, and -> its status `running` is
//   visible to a blocking read (B4) spine_bench memory      resident and proportional memory and
//   cpu of agent and helpers with --count idle tasks (B8) spine_bench register    durable job
//   registrations a second over HTTP, with --clients connections (W2 on one server)
// Options: --binary PATH --rounds N --count N --clients N. Prints the machine's limits first.

#include "bench/support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace nl::bench {
namespace {

struct Options {
    std::string what;
    std::string binary = "build/release/bin/nomad-lite";
    int rounds = 3;
    int count = 50;
    int clients = 16;
};

Options parse(int argc, char** argv) {
    Options out;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const auto next = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
        if (word == "--binary") {
            out.binary = next();
        } else if (word == "--rounds") {
            out.rounds = std::atoi(next().c_str());  // NOLINT
        } else if (word == "--count") {
            out.count = std::atoi(next().c_str());  // NOLINT
        } else if (word == "--clients") {
            out.clients = std::atoi(next().c_str());  // NOLINT
        } else if (!word.starts_with("-")) {
            out.what = word;
        } else {
            give_up("unknown option " + word);
        }
    }
    if (out.rounds < 1 || out.count < 1 || out.clients < 1) {
        give_up("--rounds, --count and --clients must be at least 1");
    }
    return out;
}

void print_limits(const Agent& agent) {
    const Limits limits = machine_limits(agent.folder());
    report(
        "limits",
        {{"fdatasync_p50_us", limits.fdatasync_p50_us},
         {"spawn_per_second", limits.spawn_per_second}},
        fmt::format(
            "fdatasync of 4 KiB p50 {:.0f} us, spawn and wait {:.0f}/s",
            limits.fdatasync_p50_us,
            limits.spawn_per_second
        )
    );
}

void coldstart(const Options& o) {
    std::vector<double> ms;
    for (int i = 0; i < o.rounds; ++i) {
        Agent agent(o.binary);
        if (i == 0) {
            print_limits(agent);
        }
        const std::int64_t start = monotonic_ns();
        agent.start();
        ms.push_back(static_cast<double>(monotonic_ns() - start) / 1e6);
    }
    report(
        "coldstart",
        {{"rounds", o.rounds},
         {"p50_ms", percentile(ms, 0.5)},
         {"min_ms", percentile(ms, 0)},
         {"max_ms", percentile(ms, 1)}},
        fmt::format(
            "exec to leader known, {} rounds: median {:.1f} ms, min {:.1f}, max {:.1f}",
            o.rounds,
            percentile(ms, 0.5),
            percentile(ms, 0),
            percentile(ms, 1)
        )
    );
}

void latency(const Options& o) {
    Agent agent(o.binary);
    print_limits(agent);
    agent.start();
    agent.wait_node();
    const std::string fifo = agent.folder() + "/fifo";
    if (mkfifo(fifo.c_str(), 0600) != 0) {
        give_up("cannot make a fifo");
    }
    const int fd = open(fifo.c_str(), O_RDWR);
    auto writer = agent.connect();
    std::vector<double> runs;
    std::vector<double> visible;
    for (int i = 0; i < o.count * o.rounds; ++i) {
        const std::string id = fmt::format("latency-{}", i);
        const std::int64_t start = monotonic_ns();
        std::int64_t seen = 0;
        std::thread watcher([&] {
            auto reader = agent.connect();
            std::string index = "0";
            while (seen == 0) {
                const auto answer = reader->send(
                    {.target = "/v1/job/" + id + "/allocations?wait=10s&index=" + index}
                );
                if (!answer || answer->status != 200) {
                    give_up("the allocations cannot be read");
                }
                if (answer->body.find("\"ClientStatus\":\"running\"") != std::string::npos ||
                    answer->body.find("\"ClientStatus\":\"complete\"") != std::string::npos) {
                    seen = monotonic_ns();
                }
                for (const auto& header : answer->headers) {
                    if (header.name == "x-nomad-index") {
                        index = header.value;
                    }
                }
            }
        });
        request(
            *writer,
            "PUT",
            "/v1/jobs",
            shell_job(id, "batch", 1, "echo x > " + fifo + "; exec sleep 1")
        );
        char byte = 0;
        while (read(fd, &byte, 1) == 1 && byte != '\n') {
        }
        runs.push_back(static_cast<double>(monotonic_ns() - start) / 1e6);
        watcher.join();
        visible.push_back(static_cast<double>(seen - start) / 1e6);
    }
    close(fd);
    report(
        "latency",
        {{"jobs", o.count * o.rounds},
         {"runs_p50_ms", percentile(runs, 0.5)},
         {"runs_p99_ms", percentile(runs, 0.99)},
         {"visible_p50_ms", percentile(visible, 0.5)},
         {"visible_p99_ms", percentile(visible, 0.99)}},
        fmt::format(
            "submit to process runs p50 {:.2f} ms, p99 {:.2f}; to `running` visible p50 {:.2f} ms, "
            "p99 {:.2f}; {} jobs",
            percentile(runs, 0.5),
            percentile(runs, 0.99),
            percentile(visible, 0.5),
            percentile(visible, 0.99),
            o.count * o.rounds
        )
    );
}

void memory(const Options& o) {
    Agent agent(o.binary);
    print_limits(agent);
    agent.start();
    agent.wait_node();
    auto client = agent.connect();
    const Memory idle = memory_of(agent.pid());
    request(*client, "PUT", "/v1/jobs", shell_job("idle", "service", o.count, "exec sleep 3600"));
    for (int i = 0; i < 600; ++i) {
        const Value summary = request(*client, "GET", "/v1/job/idle/summary");
        const Value& group = summary.as_map()->at("Summary").as_map()->at("g");
        if (group.as_map()->at("Running") == Value(o.count)) {
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const double cpu_before = cpu_seconds(agent.pid());
    const std::int64_t start = monotonic_ns();
    std::this_thread::sleep_for(std::chrono::seconds(o.rounds));
    const double cpu = (cpu_seconds(agent.pid()) - cpu_before) /
                       (static_cast<double>(monotonic_ns() - start) / 1e9) * 100;
    const Memory busy = memory_of(agent.pid());
    // Helpers: what belongs to this agent beside it and the tasks themselves.
    std::int64_t helpers_kb = 0;
    int helpers = 0;
    FILE* list = popen(("pgrep -f '" + agent.folder() + "'").c_str(), "r");  // NOLINT
    int pid = 0;
    while (list != nullptr && std::fscanf(list, "%d", &pid) == 1) {  // NOLINT
        if (pid != agent.pid() && pid != getpid() && memory_of(pid).pss_kb > 0) {
            helpers_kb += memory_of(pid).pss_kb;
            ++helpers;
        }
    }
    if (list != nullptr) {
        pclose(list);
    }
    report(
        "memory",
        {{"tasks", o.count},
         {"agent_idle_rss_kb", idle.rss_kb},
         {"agent_rss_kb", busy.rss_kb},
         {"agent_pss_kb", busy.pss_kb},
         {"helper_processes", helpers},
         {"helpers_pss_kb", helpers_kb},
         {"agent_cpu_percent", cpu}},
        fmt::format(
            "agent {:.1f} MB RSS ({:.1f} MB before any job), {:.1f} MB PSS, {:.2f} % cpu, with {} "
            "idle tasks; {} helper processes with {:.1f} "
            "MB PSS together",
            static_cast<double>(busy.rss_kb) / 1024,
            static_cast<double>(idle.rss_kb) / 1024,
            static_cast<double>(busy.pss_kb) / 1024,
            cpu,
            o.count,
            helpers,
            static_cast<double>(helpers_kb) / 1024
        )
    );
}

void registrations(const Options& o) {
    Agent agent(o.binary);
    print_limits(agent);
    agent.start();
    std::atomic<int> done{0};
    std::vector<std::vector<double>> times(static_cast<std::size_t>(o.clients));
    const std::int64_t start = monotonic_ns();
    const std::int64_t end = start + o.rounds * 1'000'000'000LL;
    std::vector<std::thread> threads;
    for (int c = 0; c < o.clients; ++c) {
        threads.emplace_back([&, c] {
            auto client = agent.connect();
            for (int i = 0; monotonic_ns() < end; ++i) {
                const std::int64_t before = monotonic_ns();
                // Wants a node that is not there, so that only registration and its evaluation are
                // measured.
                std::string job = shell_job(fmt::format("r-{}-{}", c, i), "batch", 1, "true");
                const std::string_view mark = "\"Datacenters\":[\"*\"]";
                job.replace(job.find(mark), mark.size(), "\"Datacenters\":[\"nowhere\"]");
                request(*client, "PUT", "/v1/jobs", job);
                times[static_cast<std::size_t>(c)].push_back(
                    static_cast<double>(monotonic_ns() - before) / 1e6
                );
                ++done;
            }
        });
    }
    for (std::thread& t : threads) {
        t.join();
    }
    const double seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
    std::vector<double> all;
    for (const auto& t : times) {
        all.insert(all.end(), t.begin(), t.end());
    }
    const Memory after = memory_of(agent.pid());
    report(
        "register",
        {{"clients", o.clients},
         {"jobs", done.load()},
         {"per_second", done.load() / seconds},
         {"p50_ms", percentile(all, 0.5)},
         {"p99_ms", percentile(all, 0.99)},
         {"agent_rss_kb", after.rss_kb},
         {"agent_cpu_seconds", cpu_seconds(agent.pid())}},
        fmt::format(
            "{:.0f} durable registrations/s with {} clients, p50 {:.2f} ms, p99 {:.2f} ms; agent "
            "{:.1f} MB after {} jobs",
            done.load() / seconds,
            o.clients,
            percentile(all, 0.5),
            percentile(all, 0.99),
            static_cast<double>(after.rss_kb) / 1024,
            done.load()
        )
    );
}

int run(int argc, char** argv) {
    const Options o = parse(argc, argv);
    if (o.what == "coldstart") {
        coldstart(o);
    } else if (o.what == "latency") {
        latency(o);
    } else if (o.what == "memory") {
        memory(o);
    } else if (o.what == "register") {
        registrations(o);
    } else {
        give_up(
            "usage: spine_bench coldstart|latency|memory|register [--binary PATH] [--rounds N] "
            "[--count N] [--clients N]"
        );
    }
    return 0;
}

}  // namespace
}  // namespace nl::bench

int main(int argc, char** argv) {
    return nl::bench::run(argc, argv);
}
