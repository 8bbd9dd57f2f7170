// B3: many allocations on many nodes through three durable servers, all of it on this machine:
//   c2m_bench --nodes 6100 --allocations 2000000     (the two million container challenge)
// Three `nomad-lite agent` servers with data directories of their own, `nomad-lite bench nodes` for
// the nodes (real protocol, mock tasks), jobs registered over HTTP. Prints when all allocations are
// placed (committed and applied) and when all are reported running, and what the servers cost.
// Options: --binary PATH --nodes N --allocations N --jobs N --clients N --type service|batch
// --limit SECONDS (gives up after so long, telling how far it came) --chaos KILLS.
// With --chaos, the leader (and with it its scheduling workers) and a tenth of the nodes are killed
// in turn (kill -9, the leader is started again, other nodes take the place of the dead ones) while
// the allocations are placed; at the end every job must have exactly the allocations it wants, each
// index once, all running and none on a dead node. What is found wrong is printed; the exit is 1.

#include "bench/support.h"
#include "wire/value_json.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

extern char** environ;  // NOLINT: posix_spawn wants it

namespace nl::bench {
namespace {

constexpr int kServers = 3;
constexpr int kPollMs = 500;

struct Options {
    std::string binary = "build/release/bin/nomad-lite";
    std::int64_t nodes = 6100;
    std::int64_t allocations = 2'000'000;
    std::int64_t jobs = 200;
    std::int64_t clients = 4;
    std::int64_t limit_s = 1800;
    std::int64_t chaos = 0;
    std::string type = "service";
};

Options parse(int argc, char** argv) {
    Options o;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const std::string value = i + 1 < argc ? argv[++i] : "";
        const auto number = [&]() -> std::int64_t {
            const long long n = std::atoll(value.c_str());
            if (n < 1) {
                give_up(word + " wants a number of at least 1");
            }
            return n;
        };
        if (word == "--binary") {
            o.binary = value;
        } else if (word == "--type") {
            o.type = value;
        } else if (word == "--nodes") {
            o.nodes = number();
        } else if (word == "--allocations") {
            o.allocations = number();
        } else if (word == "--jobs") {
            o.jobs = number();
        } else if (word == "--clients") {
            o.clients = number();
        } else if (word == "--chaos") {
            o.chaos = number();
        } else if (word == "--limit") {
            o.limit_s = number();
        } else {
            give_up("unknown option " + word);
        }
    }
    o.jobs = std::min(o.jobs, o.allocations);
    return o;
}

void pause_ms(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        give_up("there is no free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

/// A child that ends with the benchmark.
class Child {
public:
    Child(const std::vector<std::string>& arguments, const std::string& log) {
        std::vector<char*> argv;
        for (const std::string& a : arguments) {
            argv.push_back(const_cast<char*>(a.c_str()));  // NOLINT: posix_spawn's interface
        }
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(
            &actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644
        );
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        const int error = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        if (error != 0) {
            give_up("cannot start " + arguments[0]);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        kill(pid_, SIGTERM);
        for (int i = 0; i < 1000 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
            pause_ms(10);
        }
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    pid_t pid() const { return pid_; }
    void kill_now() const { kill(pid_, SIGKILL); }

private:
    pid_t pid_{-1};
};

class Cluster {
public:
    explicit Cluster(const Options& options) : o_(options) {
        std::string pattern = "/var/tmp/nomad-lite-c2m.XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) {
            give_up("cannot make a folder in /var/tmp");
        }
        folder_ = pattern;
    }
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;
    ~Cluster() {
        nodes_.reset();
        mortal_.reset();
        servers_.clear();
        if (std::system(("rm -rf '" + folder_ + "'").c_str()) != 0) {  // NOLINT: one thread
            std::fprintf(stderr, "bench: %s could not be removed\n", folder_.c_str());
        }
    }

    void start() {
        std::string join;
        for (int i = 0; i < kServers; ++i) {
            ports_.push_back(free_port());
            join += fmt::format("{}\"127.0.0.1:{}\"", i == 0 ? "" : ", ", ports_.back());
            rpc_ += fmt::format("{}127.0.0.1:{}", i == 0 ? "" : ",", ports_.back());
        }
        for (int i = 0; i < kServers; ++i) {
            const std::string name = fmt::format("server{}", i + 1);
            const std::string config = folder_ + "/" + name + ".hcl";
            std::ofstream(config) << fmt::format(
                "data_dir = \"{0}/{1}\"\nname = \"{1}\"\nbind_addr = \"127.0.0.1\"\n"
                "log_level = \"WARN\"\nports {{\n  http = 0\n  rpc = {2}\n  serf = {2}\n}}\n"
                "server {{\n  enabled = true\n  bootstrap_expect = {3}\n  server_join {{\n"
                "    retry_join = [{4}]\n  }}\n}}\n",
                folder_,
                name,
                ports_[static_cast<std::size_t>(i)],
                kServers,
                join
            );
            servers_.push_back(nullptr);
            http_.emplace_back();
            launch(static_cast<std::size_t>(i));
        }
        for (std::size_t i = 0; i < kServers; ++i) {
            find_address(i);
        }
        auto client = connect(0);
        for (int tries = 0; tries < 3000; ++tries) {
            const auto answer = client->send({.method = "GET", .target = "/v1/status/leader"});
            if (answer && answer->status == 200 && answer->body.size() > 2) {
                return;
            }
            pause_ms(10);
        }
        give_up("there is no leader");
    }

    double join_nodes() {
        const std::int64_t begin = monotonic_ns();
        const std::int64_t mortal = o_.chaos > 0 ? std::max<std::int64_t>(1, o_.nodes / 10) : 0;
        nodes_ = simulated("nodes", o_.nodes - mortal);
        if (mortal > 0) {
            mortal_ = simulated("mortal0", mortal);
        }
        return static_cast<double>(monotonic_ns() - begin) / 1e9;
    }

    /// Kills the leader's process and starts it again.
    void replace_leader() {
        for (int tries = 0; tries < 3000; ++tries) {
            for (std::size_t i = 0; i < kServers; ++i) {
                const auto answer =
                    connect(i)->send({.method = "GET", .target = "/v1/status/leader"});
                if (!answer || answer->status != 200) {
                    continue;
                }
                for (std::size_t k = 0; k < kServers; ++k) {
                    if (answer->body.find(fmt::format(":{}\"", ports_[k])) != std::string::npos) {
                        servers_[k]->kill_now();
                        servers_[k].reset();
                        std::remove(address_file(k).c_str());
                        launch(k);
                        find_address(k);
                        return;
                    }
                }
            }
            pause_ms(10);
        }
        give_up("there is no leader to kill");
    }

    /// Kills a tenth of the nodes at once; as many others join.
    void replace_nodes() {
        const std::int64_t mortal = std::max<std::int64_t>(1, o_.nodes / 10);
        mortal_->kill_now();
        mortal_.reset();
        mortal_ = simulated(fmt::format("mortal{}", ++generation_), mortal);
    }

    /// What is wrong with the allocations of the jobs, in words; nothing if each job has exactly
    /// what it wants.
    std::vector<std::string> faults() const {
        constexpr std::size_t kTold = 20;
        std::vector<std::string> out;
        std::set<std::string, std::less<>> ready;
        const Value nodes = ask("/v1/nodes");
        for (const Value& node : *nodes.as_list()) {
            if (node.as_map()->at("Status") == Value("ready")) {
                ready.insert(*node.as_map()->at("ID").as_string());
            }
        }
        for (std::int64_t i = 0; i < o_.jobs && out.size() < kTold; ++i) {
            const Value allocs = ask(fmt::format("/v1/job/c2m-{}/allocations", i));
            std::set<std::string, std::less<>> names;
            std::int64_t wanted = 0;
            for (const Value& alloc : *allocs.as_list()) {
                const Value::Map& a = *alloc.as_map();
                if (a.at("DesiredStatus") != Value("run") || a.at("ClientStatus") == Value("lost")) {
                    continue;
                }
                ++wanted;
                const std::string name = *a.at("Name").as_string();
                if (!names.insert(name).second) {
                    out.push_back(name + " is there twice");
                }
                if (a.at("ClientStatus") != Value("running")) {
                    out.push_back(name + " is " + *a.at("ClientStatus").as_string());
                }
                if (!ready.contains(*a.at("NodeID").as_string())) {
                    out.push_back(name + " is on a node that is not ready");
                }
            }
            if (wanted != count_of(i)) {
                out.push_back(fmt::format("c2m-{} has {} of {}", i, wanted, count_of(i)));
            }
        }
        return out;
    }

    std::unique_ptr<io::http::HttpClient> connect(std::size_t server) const {
        auto client = io::http::HttpClient::open({.address = "http://" + http_[server]});
        if (!client) {
            give_up(client.error().message);
        }
        return std::move(*client);
    }

    std::int64_t count_of(std::int64_t number) const {
        return o_.allocations / o_.jobs + (number < o_.allocations % o_.jobs ? 1 : 0);
    }

    std::string job(std::int64_t number) const {
        const std::int64_t count = count_of(number);
        return fmt::format(
            R"({{"Job":{{"ID":"c2m-{}","Type":"{}","Datacenters":["*"],"TaskGroups":[{{"Name":"g",)"
            R"("Count":{},"EphemeralDisk":{{"SizeMB":120}},"Tasks":[{{"Name":"t",)"
            R"("Driver":"mock_driver","Config":{{"run_for":"1h"}},)"
            R"("Resources":{{"CPU":10,"MemoryMB":10}}}}]}}]}}}})",
            number,
            o_.type,
            count
        );
    }

    double register_jobs() {
        const std::int64_t begin = monotonic_ns();
        std::atomic<std::int64_t> next{0};
        std::vector<std::thread> threads;
        for (std::int64_t c = 0; c < o_.clients; ++c) {
            threads.emplace_back([&, c] {
                auto client = connect(static_cast<std::size_t>(c) % kServers);
                for (std::int64_t i = next++; i < o_.jobs; i = next++) {
                    request(*client, "PUT", "/v1/jobs", job(i));
                }
            });
        }
        for (std::thread& t : threads) {
            t.join();
        }
        return static_cast<double>(monotonic_ns() - begin) / 1e9;
    }

    struct Counts {
        std::int64_t placed{0};
        std::int64_t running{0};
        std::int64_t queued{0};
    };
    Counts counts() const {
        Counts out;
        const Value jobs = ask("/v1/jobs");
        if (jobs.as_list() == nullptr) {
            return out;
        }
        for (const Value& job : *jobs.as_list()) {
            const Value& summary = job.as_map()->at("JobSummary");
            if (summary.as_map() == nullptr) {
                continue;
            }
            for (const auto& [name, group] : *summary.as_map()->at("Summary").as_map()) {
                const auto number = [&](const char* key) {
                    const auto* n = group.as_map()->at(key).as_int();
                    return n == nullptr ? 0 : *n;
                };
                const std::int64_t runs = number("Running");
                out.running += runs;
                out.placed += runs + number("Starting") + number("Complete") + number("Failed");
                out.queued += number("Queued");
            }
        }
        return out;
    }

    std::int64_t disk_bytes() const {
        FILE* p = popen(fmt::format("du -sb '{}/server1'", folder_).c_str(), "r");  // NOLINT
        long long bytes = 0;
        if (p != nullptr) {
            if (std::fscanf(p, "%lld", &bytes) != 1) {  // NOLINT: our own tool's output
                bytes = 0;
            }
            pclose(p);
        }
        return bytes;
    }
    std::vector<pid_t> server_pids() const {
        std::vector<pid_t> out;
        for (const auto& server : servers_) {
            out.push_back(server->pid());
        }
        return out;
    }
    pid_t nodes_pid() const { return nodes_->pid(); }
    const std::string& folder() const { return folder_; }

private:
    std::string address_file(std::size_t server) const {
        return fmt::format("{}/server{}/addresses.json", folder_, server + 1);
    }
    void launch(std::size_t server) {
        const std::string name = fmt::format("server{}", server + 1);
        servers_[server] = std::make_unique<Child>(
            std::vector<std::string>{
                o_.binary, "agent", "-config", fmt::format("{}/{}.hcl", folder_, name)
            },
            folder_ + "/" + name + ".log"
        );
    }
    void find_address(std::size_t server) {
        for (int tries = 0; tries < 3000; ++tries) {
            const auto parsed = wire::parse_json(slurp(address_file(server)));
            if (parsed && parsed->as_map() != nullptr && parsed->as_map()->contains("http")) {
                http_[server] = *parsed->as_map()->at("http").as_string();
                return;
            }
            pause_ms(10);
        }
        give_up(fmt::format(
            "server {} does not listen:\n{}",
            server + 1,
            slurp(fmt::format("{}/server{}.log", folder_, server + 1))
        ));
    }

    /// Starts nodes and returns when they are registered.
    std::unique_ptr<Child> simulated(const std::string& name, std::int64_t count) const {
        // Room for everything, half as much again.
        const std::int64_t each = o_.allocations / o_.nodes + 1;
        const std::string log = fmt::format("{}/{}.log", folder_, name);
        auto child = std::make_unique<Child>(
            std::vector<std::string>{
                o_.binary,
                "bench",
                "nodes",
                fmt::format("-count={}", count),
                "-servers=" + rpc_,
                fmt::format("-cpu={}", each * 15),
                fmt::format("-memory={}", each * 15),
                fmt::format("-disk={}", each * 150)
            },
            log
        );
        const std::string sign = fmt::format("all {} nodes are registered", count);
        for (std::int64_t tries = 0; tries < o_.limit_s * 10; ++tries) {
            if (slurp(log).find(sign) != std::string::npos) {
                return child;
            }
            pause_ms(100);
        }
        give_up("the nodes do not come up:\n" + slurp(log));
    }

    /// GET from whichever server answers.
    Value ask(const std::string& target) const {
        std::string why;
        for (int tries = 0; tries < 3000; ++tries) {
            const auto answer = connect(static_cast<std::size_t>(tries) % kServers)
                                    ->send({.method = "GET", .target = target});
            if (answer && answer->status == 200) {
                auto value = wire::parse_json(answer->body);
                if (value) {
                    return std::move(*value);
                }
            }
            why = answer ? answer->body : answer.error().message;
            pause_ms(10);
        }
        give_up(target + ": " + why);
    }

    const Options& o_;
    std::string folder_;
    std::vector<int> ports_;
    std::string rpc_;
    std::vector<std::string> http_;
    std::vector<std::unique_ptr<Child>> servers_;
    std::unique_ptr<Child> nodes_;
    std::unique_ptr<Child> mortal_;
    int generation_{0};
};

int run(int argc, char** argv) {
    const Options o = parse(argc, argv);
    Cluster cluster(o);
    const Limits limits = machine_limits(cluster.folder());
    fmt::print("fdatasync of 4 KiB p50 {:.0f} us\n", limits.fdatasync_p50_us);
    cluster.start();
    const double joined = cluster.join_nodes();
    fmt::print("{} nodes joined in {:.1f} s\n", o.nodes, joined);
    std::fflush(stdout);

    const std::int64_t begin = monotonic_ns();
    const auto since = [&] { return static_cast<double>(monotonic_ns() - begin) / 1e9; };
    const double registered = cluster.register_jobs();
    std::int64_t kills = 0;
    double placed_s = 0;
    double running_s = 0;
    Cluster::Counts last;
    double told = 0;
    while (since() < static_cast<double>(o.limit_s)) {
        if (kills < o.chaos) {
            pause_ms(kPollMs);
            if (kills % 2 == 0) {
                cluster.replace_leader();
            } else {
                cluster.replace_nodes();
            }
            fmt::print("{:.0f} s: {} killed\n", since(), kills % 2 == 0 ? "leader" : "nodes");
            std::fflush(stdout);
            ++kills;
            continue;
        }
        last = cluster.counts();
        if (placed_s == 0 && last.placed >= o.allocations) {
            placed_s = since();
        }
        if (last.running >= o.allocations && (o.chaos == 0 || cluster.faults().empty())) {
            running_s = since();
            break;
        }
        if (since() - told > 5) {
            told = since();
            fmt::print(
                "{:.0f} s: {} placed, {} running, {} queued\n",
                told,
                last.placed,
                last.running,
                last.queued
            );
            std::fflush(stdout);
        }
        pause_ms(kPollMs);
    }
    std::vector<std::string> faults;
    if (o.chaos > 0) {
        faults = cluster.faults();
        for (const std::string& fault : faults) {
            fmt::print("WRONG: {}\n", fault);
        }
        fmt::print(
            "{} kills: {}\n",
            kills,
            faults.empty() ? "every job has exactly the allocations it wants, none twice"
                           : "the allocations are not what the jobs want"
        );
    }
    double cpu = 0;
    std::int64_t memory_kb = 0;
    for (const pid_t pid : cluster.server_pids()) {
        cpu += cpu_seconds(pid);
        memory_kb = std::max(memory_kb, memory_of(pid).rss_kb);
    }
    const std::int64_t disk = cluster.disk_bytes();
    const auto rate = [&](double seconds) {
        return seconds == 0 ? 0.0 : static_cast<double>(o.allocations) / seconds;
    };
    report(
        "c2m",
        {{"nodes", o.nodes},
         {"allocations", o.allocations},
         {"jobs", o.jobs},
         {"kills", kills},
         {"joined_s", joined},
         {"registered_s", registered},
         {"placed_s", placed_s},
         {"running_s", running_s},
         {"placed", last.placed},
         {"running", last.running},
         {"placed_per_second", rate(placed_s)},
         {"running_per_second", rate(running_s)},
         {"servers_cpu_s", cpu},
         {"nodes_cpu_s", cpu_seconds(cluster.nodes_pid())},
         {"server_rss_kb", memory_kb},
         {"disk_bytes", disk}},
        fmt::format(
            "{} allocations on {} nodes, 3 durable servers: placed in {:.1f} s ({:.0f}/s), running "
            "in {:.1f} s ({:.0f}/s); {:.0f} cpu s of servers, {:.0f} of nodes; a server holds "
            "{:.0f} "
            "MB ({:.0f} B an allocation), its disk {:.0f} MB ({:.0f} B an allocation){}",
            o.allocations,
            o.nodes,
            placed_s,
            rate(placed_s),
            running_s,
            rate(running_s),
            cpu,
            cpu_seconds(cluster.nodes_pid()),
            static_cast<double>(memory_kb) / 1024,
            static_cast<double>(memory_kb) * 1024 / static_cast<double>(o.allocations),
            static_cast<double>(disk) / 1e6,
            static_cast<double>(disk) / static_cast<double>(o.allocations),
            running_s == 0
                ? fmt::format("; NOT FINISHED: {} placed, {} running", last.placed, last.running)
                : ""
        )
    );
    return running_s == 0 || !faults.empty() ? 1 : 0;
}

}  // namespace
}  // namespace nl::bench

int main(int argc, char** argv) {
    return nl::bench::run(argc, argv);
}
