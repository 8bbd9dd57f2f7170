// What a node costs and gives, on one agent that is server and client with a durable log:
//   node_bench short    tasks of /bin/true completed a second, jobs of --count tasks (B5)
//   node_bench logs     a line written by a task -> the same line at a follower over HTTP (L1)
//   node_bench idle     memory of helpers and agent for each of --count idle tasks (B8)
// Options: --binary PATH --rounds N --count N. Prints the machine's limits first.

#include "bench/support.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
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
    int count = 500;
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
        } else if (!word.starts_with("-")) {
            out.what = word;
        } else {
            give_up("unknown option " + word);
        }
    }
    if (out.rounds < 1 || out.count < 1) {
        give_up("--rounds and --count must be at least 1");
    }
    return out;
}

Limits print_limits(const Agent& agent) {
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
    return limits;
}

/// A job whose tasks ask for nearly nothing, so that the node takes all of them at once.
std::string small_job(
    const std::string& id, const std::string& type, int count, const std::string& config
) {
    return fmt::format(
        R"({{"Job":{{"ID":"{0}","Name":"{0}","Type":"{1}","Datacenters":["*"],"TaskGroups":[{{"Name":"g","Count":{2},)"
        R"("RestartPolicy":{{"Attempts":0,"Interval":60000000000,"Delay":15000000000,"Mode":"fail"}},)"
        R"("EphemeralDisk":{{"SizeMB":10}},"Tasks":[{{"Name":"t","Driver":"raw_exec","Config":{3},)"
        R"("LogConfig":{{"MaxFiles":1,"MaxFileSizeMB":1}},"Resources":{{"CPU":1,"MemoryMB":10}}}}]}}]}}}})",
        id,
        type,
        count,
        config
    );
}

std::int64_t summary_of(io::http::HttpClient& client, const std::string& job, const char* field) {
    const Value summary = request(client, "GET", "/v1/job/" + job + "/summary");
    const Value& group = summary.as_map()->at("Summary").as_map()->at("g");
    const Value& value = group.as_map()->at(field);
    return value.as_int() != nullptr ? *value.as_int() : 0;
}

void short_tasks(const Options& o) {
    Agent agent(o.binary);
    const Limits limits = print_limits(agent);
    agent.start();
    agent.wait_node();
    auto client = agent.connect();
    std::vector<double> rates;
    const double cpu_before = cpu_seconds(agent.pid());
    for (int round = 0; round < o.rounds; ++round) {
        const std::string id = fmt::format("short-{}", round);
        const std::int64_t start = monotonic_ns();
        request(
            *client,
            "PUT",
            "/v1/jobs",
            small_job(id, "batch", o.count, R"({"command":"/bin/true"})")
        );
        while (summary_of(*client, id, "Complete") < o.count) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        rates.push_back(o.count / (static_cast<double>(monotonic_ns() - start) / 1e9));
    }
    const double cpu = (cpu_seconds(agent.pid()) - cpu_before) * 1000 / (o.count * o.rounds);
    report(
        "short",
        {{"tasks", o.count * o.rounds},
         {"per_second_median", percentile(rates, 0.5)},
         {"per_second_min", percentile(rates, 0)},
         {"per_second_max", percentile(rates, 1)},
         {"of_spawn_limit", percentile(rates, 0.5) / limits.spawn_per_second},
         {"agent_cpu_ms_a_task", cpu}},
        fmt::format(
            "{} rounds of {} short tasks: median {:.0f}/s (min {:.0f}, max {:.0f}), {:.0f} % of "
            "the spawn "
            "limit; {:.2f} ms of the agent's cpu a task",
            o.rounds,
            o.count,
            percentile(rates, 0.5),
            percentile(rates, 0),
            percentile(rates, 1),
            percentile(rates, 0.5) / limits.spawn_per_second * 100,
            cpu
        )
    );
}

/// A plain connection: the follower's bytes as they come.
int connect_to(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    int port = 0;
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
        give_up("cannot connect to the agent");
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

void logs(const Options& o) {
    Agent agent(o.binary);
    print_limits(agent);
    agent.start();
    agent.wait_node();
    auto client = agent.connect();
    // The task writes the clock that all processes share; a line every 5 ms.
    const std::string script =
        "import sys,time\\nwhile True:\\n  sys.stdout.write('%d\\\\n' % time.monotonic_ns()); "
        "sys.stdout.flush(); time.sleep(0.005)";
    request(
        *client,
        "PUT",
        "/v1/jobs",
        small_job(
            "lines",
            "service",
            1,
            R"({"command":"/usr/bin/python3","args":["-u","-c",")" + script + "\"]}"
        )
    );
    std::string alloc;
    for (int i = 0; i < 2000 && alloc.empty(); ++i) {
        const Value list = request(*client, "GET", "/v1/job/lines/allocations");
        if (list.as_list() != nullptr && !list.as_list()->empty()) {
            const auto& first = *list.as_list()->front().as_map();
            if (first.at("ClientStatus") == Value("running")) {
                alloc = *first.at("ID").as_string();
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const int fd = connect_to(agent.address());
    const std::string ask = fmt::format(
        "GET /v1/client/fs/logs/{}?task=t&type=stdout&follow=true&plain=true&origin=end&offset=0 "
        "HTTP/1.1\r\nHost: {}\r\n\r\n",
        alloc,
        agent.address()
    );
    if (write(fd, ask.data(), ask.size()) < 0) {
        give_up("the follower's request cannot be sent");
    }
    std::vector<double> ms;
    std::string rest;
    std::vector<char> buffer(65536);
    while (static_cast<int>(ms.size()) < o.count) {
        const ssize_t n = read(fd, buffer.data(), buffer.size());
        const std::int64_t seen = monotonic_ns();
        if (n <= 0) {
            give_up("the follower's connection ended: " + rest.substr(0, 200));
        }
        rest.append(buffer.data(), static_cast<std::size_t>(n));
        for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
            std::string line = rest.substr(0, end);
            rest.erase(0, end + 1);
            std::int64_t written = 0;
            // Chunk sizes and headers are no lines of the task: those have 10 digits and more.
            if (line.size() < 10 || line.find_first_not_of("0123456789\r") != std::string::npos) {
                continue;
            }
            std::from_chars(line.data(), line.data() + line.size(), written);
            const double delay = static_cast<double>(seen - written) / 1e6;
            if (delay >= 0 && delay < 60'000) {
                ms.push_back(delay);
            }
        }
    }
    close(fd);
    report(
        "logs",
        {{"lines", static_cast<std::int64_t>(ms.size())},
         {"p50_ms", percentile(ms, 0.5)},
         {"p99_ms", percentile(ms, 0.99)},
         {"max_ms", percentile(ms, 1)}},
        fmt::format(
            "a line written to the same line at a follower: p50 {:.2f} ms, p99 {:.2f}, max {:.2f}; "
            "{} lines",
            percentile(ms, 0.5),
            percentile(ms, 0.99),
            percentile(ms, 1),
            ms.size()
        )
    );
}

/// Memory of this agent's supervisor programs.
std::pair<int, std::int64_t> helpers_of(const Agent& agent) {
    std::int64_t kb = 0;
    int helpers = 0;
    FILE* list = popen(
        ("pgrep -f 'supervisor.*" + agent.folder() + "|" + agent.folder() + ".*supervisor'")
            .c_str(),
        "r"
    );  // NOLINT
    int pid = 0;
    while (list != nullptr && std::fscanf(list, "%d", &pid) == 1) {  // NOLINT
        if (pid != agent.pid() && pid != getpid() && memory_of(pid).pss_kb > 0) {
            kb += memory_of(pid).pss_kb;
            ++helpers;
        }
    }
    if (list != nullptr) {
        pclose(list);
    }
    return {helpers, kb};
}

void idle_tasks(const Options& o) {
    Agent agent(o.binary);
    print_limits(agent);
    agent.start();
    agent.wait_node();
    auto client = agent.connect();
    const auto run = [&](const std::string& id, int count) {
        request(
            *client,
            "PUT",
            "/v1/jobs",
            small_job(id, "service", count, R"({"command":"/bin/sleep","args":["3600"]})")
        );
        while (summary_of(*client, id, "Running") < count) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        std::this_thread::sleep_for(std::chrono::seconds(1));
    };
    run("first", 1);
    const auto [helpers, helpers_before] = helpers_of(agent);
    const Memory agent_before = memory_of(agent.pid());
    run("idle", o.count);
    const auto [helpers_now, helpers_after] = helpers_of(agent);
    const Memory agent_after = memory_of(agent.pid());
    const double cpu_before = cpu_seconds(agent.pid());
    std::this_thread::sleep_for(std::chrono::seconds(o.rounds));
    const double cpu = (cpu_seconds(agent.pid()) - cpu_before) / o.rounds * 100;
    const double helper_kb = static_cast<double>(helpers_after - helpers_before) / o.count;
    const double agent_kb = static_cast<double>(agent_after.pss_kb - agent_before.pss_kb) / o.count;
    report(
        "idle",
        {{"tasks", o.count},
         {"helper_processes", helpers_now},
         {"helpers_pss_kb", helpers_after},
         {"helper_kb_a_task", helper_kb},
         {"agent_kb_a_task", agent_kb},
         {"agent_rss_kb", agent_after.rss_kb},
         {"agent_pss_kb", agent_after.pss_kb},
         {"agent_cpu_percent", cpu}},
        fmt::format(
            "{} idle tasks: helpers {:.1f} KB a task ({} processes, {} KB together), agent {:.1f} "
            "KB a task, "
            "{:.1f} MB RSS, {:.2f} % cpu",
            o.count,
            helper_kb,
            helpers_now,
            helpers_after,
            agent_kb,
            static_cast<double>(agent_after.rss_kb) / 1024,
            cpu
        )
    );
    static_cast<void>(helpers);
}

int run(int argc, char** argv) {
    const Options o = parse(argc, argv);
    if (o.what == "short") {
        short_tasks(o);
    } else if (o.what == "logs") {
        logs(o);
    } else if (o.what == "idle") {
        idle_tasks(o);
    } else {
        give_up("usage: node_bench short|logs|idle [--binary PATH] [--rounds N] [--count N]");
    }
    return 0;
}

}  // namespace
}  // namespace nl::bench

int main(int argc, char** argv) {
    return nl::bench::run(argc, argv);
}
