// What consensus costs a user, on servers that are processes of their own with durable logs:
//   consensus_bench w1         writes with 1, 16, 64 and 256 clients, on 3 and on 5 servers, for
//   --seconds (10) each
//   consensus_bench b7         failover over 50 kills, then quiet for 10 minutes (--rounds, --seconds)
//   consensus_bench writes     small durable writes a second (PUT /v1/namespace) with --clients
//   connections to the leader of --servers servers, for --seconds (W1)
//   consensus_bench failover   the leader is killed with SIGKILL --rounds times; time to the next
//   accepted write, and whether everything acknowledged is still there (B7)
//   consensus_bench quiet      both cores saturated for --seconds by a load of writes and by threads
//   that spin; elections that should not have been (B7)
// Options: --binary PATH --servers N --clients N --seconds N --rounds N. Prints the machine's limits
// first.

#include "bench/support.h"
#include "wire/value_json.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

extern char** environ;  // NOLINT

namespace nl::bench {
namespace {

struct Options {
    std::string what;
    std::string binary = "build/release/bin/nomad-lite";
    int servers = 3;
    int clients = 16;
    /// 0: what the measurement takes by itself.
    int seconds = 0;
    int rounds = 0;
    int seconds_or(int otherwise) const { return seconds > 0 ? seconds : otherwise; }
    int rounds_or(int otherwise) const { return rounds > 0 ? rounds : otherwise; }
};

Options parse(int argc, char** argv) {
    Options out;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const auto next = [&] { return std::string(i + 1 < argc ? argv[++i] : ""); };
        const auto number = [&] { return std::atoi(next().c_str()); };  // NOLINT
        if (word == "--binary") {
            out.binary = next();
        } else if (word == "--servers") {
            out.servers = number();
        } else if (word == "--clients") {
            out.clients = number();
        } else if (word == "--seconds") {
            out.seconds = number();
        } else if (word == "--rounds") {
            out.rounds = number();
        } else if (!word.starts_with("-")) {
            out.what = word;
        } else {
            give_up("unknown option " + word);
        }
    }
    if (out.servers < 1 || out.clients < 1 || out.seconds < 0 || out.rounds < 0) {
        give_up("--servers, --clients, --seconds and --rounds must be at least 1");
    }
    return out;
}

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void pause_ms(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

/// A port that was free a moment ago.
int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    close(fd);
    if (!bound) {
        give_up("no free port");
    }
    return ntohs(address.sin_port);
}

/// Servers on loopback in a folder of their own.
class Servers {
public:
    Servers(std::string binary, int count) : binary_(std::move(binary)) {
        std::string pattern = "/var/tmp/nomad-lite-bench.XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) {
            give_up("cannot make a folder in /var/tmp");
        }
        folder_ = pattern;
        std::string join;
        for (int i = 0; i < count; ++i) {
            all_.push_back({.port = free_port()});
            join += fmt::format("{}\"127.0.0.1:{}\"", i > 0 ? ", " : "", all_.back().port);
        }
        for (int i = 0; i < count; ++i) {
            std::ofstream config(path(i) + ".hcl");
            config << fmt::format(
                "data_dir = \"{0}\"\nname = \"s{1}\"\nbind_addr = \"127.0.0.1\"\n"
                "ports {{\n  http = 0\n  rpc = {2}\n  serf = {2}\n}}\nserver {{\n  enabled = true\n"
                "  bootstrap_expect = {3}\n  server_join {{\n    retry_join = [{4}]\n  }}\n}}\n",
                path(i), i, all_[static_cast<std::size_t>(i)].port, count, join
            );
        }
        for (int i = 0; i < count; ++i) {
            start(i);
        }
        leader();
    }
    Servers(const Servers&) = delete;
    Servers& operator=(const Servers&) = delete;
    ~Servers() {
        for (int i = 0; i < count(); ++i) {
            end(i);
        }
        const std::string command = "rm -rf '" + folder_ + "'";
        if (std::system(command.c_str()) != 0) {  // NOLINT(concurrency-mt-unsafe)
            std::fprintf(stderr, "bench: %s could not be removed\n", folder_.c_str());
        }
    }

    int count() const { return static_cast<int>(all_.size()); }
    const std::string& folder() const { return folder_; }
    bool is_up(int i) const { return at(i).pid > 0; }
    void start(int i) {
        std::remove((path(i) + "/addresses.json").c_str());
        const std::string config = path(i) + ".hcl";
        std::vector<std::string> words{binary_, "agent", "-config", config};
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        const std::string log = path(i) + ".log";
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(
            &actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644
        );
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        if (posix_spawn(&at(i).pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
            give_up("cannot start " + binary_);
        }
        posix_spawn_file_actions_destroy(&actions);
        at(i).http.clear();
    }
    /// SIGKILL, as a crash.
    void end(int i) {
        if (at(i).pid > 0) {
            kill(at(i).pid, SIGKILL);
            waitpid(at(i).pid, nullptr, 0);
            at(i).pid = -1;
        }
    }
    std::string http(int i) {
        for (int n = 0; at(i).http.empty() && n < 20'000; ++n) {
            const auto parsed = wire::parse_json(slurp(path(i) + "/addresses.json"));
            if (parsed && parsed->as_map() != nullptr && parsed->as_map()->contains("http")) {
                at(i).http = *parsed->as_map()->at("http").as_string();
            } else {
                pause_ms(1);
            }
        }
        if (at(i).http.empty()) {
            give_up("a server does not listen:\n" + slurp(path(i) + ".log"));
        }
        return at(i).http;
    }
    std::unique_ptr<io::http::HttpClient> connect(int i) {
        auto client = io::http::HttpClient::open({.address = "http://" + http(i)});
        if (!client) {
            give_up(client.error().message);
        }
        return std::move(*client);
    }
    /// Waits until one of the living knows of a living leader.
    int leader() {
        for (int n = 0; n < 20'000; ++n) {
            for (int i = 0; i < count(); ++i) {
                if (!is_up(i)) {
                    continue;
                }
                const auto answer =
                    connect(i)->send({.method = "GET", .target = "/v1/status/leader?stale"});
                for (int l = 0; answer && l < count(); ++l) {
                    const std::string place = fmt::format("\"127.0.0.1:{}\"", at(l).port);
                    if (is_up(l) && answer->body.find(place) != std::string::npos) {
                        return l;
                    }
                }
            }
            pause_ms(5);
        }
        give_up("there is no leader");
    }
    /// How often any server became leader.
    int elections() const {
        int found = 0;
        for (int i = 0; i < count(); ++i) {
            const std::string log = slurp(path(i) + ".log");
            for (std::size_t p = 0; (p = log.find("this server leads", p)) != std::string::npos; ++p) {
                ++found;
            }
        }
        return found;
    }
    double cpu() const {
        double sum = 0;
        for (int i = 0; i < count(); ++i) {
            sum += is_up(i) ? cpu_seconds(at(i).pid) : 0;
        }
        return sum;
    }
    std::int64_t rss_kb(int i) const { return memory_of(at(i).pid).rss_kb; }

private:
    struct Server {
        int port{0};
        pid_t pid{-1};
        std::string http{};
    };
    Server& at(int i) { return all_[static_cast<std::size_t>(i)]; }
    const Server& at(int i) const { return all_[static_cast<std::size_t>(i)]; }
    std::string path(int i) const { return fmt::format("{}/s{}", folder_, i); }

    std::string binary_;
    std::string folder_;
    std::vector<Server> all_;
};

void print_limits(const std::string& folder) {
    const Limits limits = machine_limits(folder);
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

std::string small_write(const std::string& name, std::int64_t value) {
    return fmt::format("{{\"Name\":\"{}\",\"Description\":\"{}\"}}", name, value);
}

void writes(const Options& o) {
    Servers servers(o.binary, o.servers);
    print_limits(servers.folder());
    const int leader = servers.leader();
    std::vector<std::vector<double>> times(static_cast<std::size_t>(o.clients));
    std::atomic<std::int64_t> done{0};
    std::atomic<std::int64_t> failed{0};
    const double cpu_before = servers.cpu();
    const double own_before = cpu_seconds(getpid());
    const std::int64_t start = monotonic_ns();
    const std::int64_t end = start + o.seconds * 1'000'000'000LL;
    std::vector<std::thread> threads;
    for (int c = 0; c < o.clients; ++c) {
        threads.emplace_back([&, c] {
            auto client = servers.connect(leader);
            const std::string name = fmt::format("bench-{}", c);
            for (std::int64_t i = 0; monotonic_ns() < end; ++i) {
                const std::int64_t before = monotonic_ns();
                const auto answer = client->send(
                    {.method = "PUT", .target = "/v1/namespace", .body = small_write(name, i)}
                );
                if (!answer || answer->status != 200) {
                    ++failed;
                    pause_ms(5);
                    continue;
                }
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
    const double cpu = servers.cpu() - cpu_before;
    const double own = cpu_seconds(getpid()) - own_before;
    report(
        "writes",
        {{"servers", o.servers},
         {"clients", o.clients},
         {"writes", done.load()},
         {"refused", failed.load()},
         {"per_second", static_cast<double>(done.load()) / seconds},
         {"p50_ms", percentile(all, 0.5)},
         {"p99_ms", percentile(all, 0.99)},
         {"servers_cpu_seconds", cpu},
         {"load_cpu_seconds", own},
         {"leader_rss_kb", servers.rss_kb(leader)}},
        fmt::format(
            "{:.0f} durable writes/s with {} clients on {} servers, p50 {:.2f} ms, p99 {:.2f} ms, {} "
            "refused; {:.2f} cores of servers and {:.2f} of load",
            static_cast<double>(done.load()) / seconds,
            o.clients,
            o.servers,
            percentile(all, 0.5),
            percentile(all, 0.99),
            failed.load(),
            cpu / seconds,
            own / seconds
        )
    );
}

// Kills the leader; milliseconds until one of the others has accepted a write.
double kill_leader(Servers& servers, int leader, std::set<std::string>& acknowledged, int round) {
    std::vector<std::unique_ptr<io::http::HttpClient>> links;
    for (int i = 0; i < servers.count(); ++i) {
        if (i != leader) {
            links.push_back(servers.connect(i));
        }
    }
    std::atomic<std::int64_t> accepted{0};
    const std::int64_t start = monotonic_ns();
    servers.end(leader);
    std::vector<std::thread> threads;
    std::mutex mutex;
    for (std::size_t l = 0; l < links.size(); ++l) {
        threads.emplace_back([&, l] {
            const std::string name = fmt::format("failover-{}-{}", round, l);
            while (accepted == 0 && monotonic_ns() - start < 60'000'000'000LL) {
                const auto answer = links[l]->send(
                    {.method = "PUT", .target = "/v1/namespace", .body = small_write(name, 1)}
                );
                if (answer && answer->status == 200) {
                    std::int64_t none = 0;
                    accepted.compare_exchange_strong(none, monotonic_ns());
                    const std::lock_guard lock(mutex);
                    acknowledged.insert(name);
                }
            }
        });
    }
    for (std::thread& t : threads) {
        t.join();
    }
    if (accepted == 0) {
        give_up("no write was accepted for a minute");
    }
    return static_cast<double>(accepted - start) / 1e6;
}

void failover(const Options& o) {
    Servers servers(o.binary, o.servers);
    print_limits(servers.folder());
    std::set<std::string> acknowledged;
    std::vector<double> ms;
    for (int round = 0; round < o.rounds; ++round) {
        const int leader = servers.leader();
        auto client = servers.connect(leader);
        const std::string name = fmt::format("before-{}", round);
        const auto answer = client->send(
            {.method = "PUT", .target = "/v1/namespace", .body = small_write(name, round)}
        );
        if (answer && answer->status == 200) {
            acknowledged.insert(name);
        }
        ms.push_back(kill_leader(servers, leader, acknowledged, round));
        servers.start(leader);
        // It has caught up when it shows what was written while it was away.
        auto back = servers.connect(leader);
        for (int n = 0; n < 20'000; ++n) {
            const auto seen =
                back->send({.method = "GET", .target = "/v1/namespaces?stale&prefix=failover-"});
            if (seen && seen->body.find(fmt::format("failover-{}-", round)) != std::string::npos) {
                break;
            }
            pause_ms(2);
        }
    }
    auto client = servers.connect(servers.leader());
    const auto all = client->send({.method = "GET", .target = "/v1/namespaces"});
    int lost = 0;
    for (const std::string& name : acknowledged) {
        lost += !all || all->body.find("\"" + name + "\"") == std::string::npos ? 1 : 0;
    }
    report(
        "failover",
        {{"servers", o.servers},
         {"kills", o.rounds},
         {"p50_ms", percentile(ms, 0.5)},
         {"p99_ms", percentile(ms, 0.99)},
         {"min_ms", percentile(ms, 0)},
         {"max_ms", percentile(ms, 1)},
         {"acknowledged", static_cast<std::int64_t>(acknowledged.size())},
         {"lost", lost}},
        fmt::format(
            "leader killed -> next write accepted, {} kills of {} servers: p50 {:.0f} ms, p99 {:.0f} "
            "ms, min {:.0f}, max {:.0f}; {} of {} acknowledged writes lost",
            o.rounds,
            o.servers,
            percentile(ms, 0.5),
            percentile(ms, 0.99),
            percentile(ms, 0),
            percentile(ms, 1),
            lost,
            acknowledged.size()
        )
    );
    if (lost > 0) {
        give_up("acknowledged writes were lost");
    }
}

void quiet(const Options& o) {
    Servers servers(o.binary, o.servers);
    print_limits(servers.folder());
    const int leader = servers.leader();
    const int before = servers.elections();
    const std::int64_t end = monotonic_ns() + o.seconds * 1'000'000'000LL;
    std::atomic<std::int64_t> done{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
        threads.emplace_back([end] {
            // One core's worth of somebody else's work.
            volatile std::uint64_t sum = 0;
            while (monotonic_ns() < end) {
                for (int n = 0; n < 100'000; ++n) {
                    sum = sum + static_cast<std::uint64_t>(n);
                }
            }
        });
    }
    for (int c = 0; c < o.clients; ++c) {
        threads.emplace_back([&, c] {
            auto client = servers.connect(leader);
            const std::string name = fmt::format("quiet-{}", c);
            for (std::int64_t i = 0; monotonic_ns() < end; ++i) {
                const auto answer = client->send(
                    {.method = "PUT", .target = "/v1/namespace", .body = small_write(name, i)}
                );
                done += answer && answer->status == 200 ? 1 : 0;
            }
        });
    }
    for (std::thread& t : threads) {
        t.join();
    }
    const int elections = servers.elections() - before;
    report(
        "quiet",
        {{"servers", o.servers},
         {"seconds", o.seconds},
         {"writes", done.load()},
         {"elections", elections}},
        fmt::format(
            "{} elections that should not have been in {} s with all cores saturated, {} servers, {} "
            "writes meanwhile",
            elections,
            o.seconds,
            o.servers,
            done.load()
        )
    );
}

void w1(Options o) {
    o.seconds = o.seconds_or(10);
    for (const int servers : {3, 5}) {
        for (const int clients : {1, 16, 64, 256}) {
            o.servers = servers;
            o.clients = clients;
            writes(o);
        }
    }
}

void b7(Options o) {
    o.rounds = o.rounds_or(50);
    o.seconds = o.seconds_or(600);
    failover(o);
    quiet(o);
}

int run(int argc, char** argv) {
    Options o = parse(argc, argv);
    if (o.what == "w1") {
        w1(o);
        return 0;
    }
    if (o.what == "b7") {
        b7(o);
        return 0;
    }
    o.seconds = o.seconds_or(5);
    o.rounds = o.rounds_or(5);
    if (o.what == "writes") {
        writes(o);
    } else if (o.what == "failover") {
        failover(o);
    } else if (o.what == "quiet") {
        quiet(o);
    } else {
        give_up(
            "usage: consensus_bench w1|b7|writes|failover|quiet [--binary PATH] [--servers N] "
            "[--clients N] [--seconds N] [--rounds N]"
        );
    }
    return 0;
}

}  // namespace
}  // namespace nl::bench

int main(int argc, char** argv) {
    return nl::bench::run(argc, argv);
}
