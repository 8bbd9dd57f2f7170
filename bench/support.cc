#include "bench/support.h"

#include "wire/value_json.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

extern char** environ;  // NOLINT

namespace nl::bench {
namespace {

constexpr int kStartTries = 3000;
constexpr int kLimitRounds = 200;

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void pause_ms(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

pid_t spawn(const std::vector<std::string>& arguments, const std::string& log) {
    std::vector<char*> argv;
    for (const std::string& a : arguments) {
        argv.push_back(const_cast<char*>(a.c_str()));  // NOLINT
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        give_up(fmt::format("cannot start {}: error {}", arguments[0], error));
    }
    return pid;
}

}  // namespace

std::int64_t monotonic_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

void give_up(const std::string& why) {
    std::fprintf(stderr, "bench: %s\n", why.c_str());
    std::exit(1);
}

Agent::Agent(std::string binary) : binary_(std::move(binary)) {
    std::string pattern = "/var/tmp/nomad-lite-bench.XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
        give_up("cannot make a folder in /var/tmp");
    }
    folder_ = pattern;
    std::ofstream config(folder_ + "/agent.hcl");
    config << "data_dir = \"" << folder_
           << "/data\"\nbind_addr = \"127.0.0.1\"\nlog_level = \"WARN\"\n"
           << "ports {\n  http = 0\n  rpc = 0\n  serf = 0\n}\nserver {\n  enabled = true\n  "
              "bootstrap_expect = 1\n}\n"
           << "client {\n  enabled = true\n}\nplugin \"raw_exec\" {\n  config {\n    enabled = "
              "true\n  }\n}\n";
}

Agent::~Agent() {
    if (pid_ > 0) {
        const std::vector<pid_t> family = family_of(pid_);
        kill(pid_, SIGTERM);
        for (int i = 0; i < 500 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
            pause_ms(10);
        }
        for (const pid_t member : family) {
            kill(member, SIGKILL);
        }
        // The node's supervisor and guardian belong to no family and replace each other.
        const std::string leftovers = "for g in $(pgrep -f '[n]omad-lite-guardian " + folder_ +
                                      "'); do kill -STOP $g; pkill -9 -P $g; kill -9 $g; done";
        if (std::system(leftovers.c_str()) == -1) {  // NOLINT(concurrency-mt-unsafe)
            std::fprintf(stderr, "bench: the supervisor of %s could not be ended\n", folder_.c_str());
        }
    }
    const std::string command = "rm -rf '" + folder_ + "'";
    if (std::system(command.c_str()) != 0) {  // NOLINT(concurrency-mt-unsafe)
        std::fprintf(stderr, "bench: %s could not be removed\n", folder_.c_str());
    }
}

void Agent::start() {
    std::remove((folder_ + "/data/addresses.json").c_str());
    pid_ = spawn({binary_, "agent", "-config", folder_ + "/agent.hcl"}, folder_ + "/agent.log");
    for (int i = 0; i < kStartTries; ++i) {
        const auto parsed = wire::parse_json(slurp(folder_ + "/data/addresses.json"));
        if (parsed && parsed->as_map() != nullptr && parsed->as_map()->contains("http")) {
            address_ = *parsed->as_map()->at("http").as_string();
            break;
        }
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            give_up("the agent ended:\n" + slurp(folder_ + "/agent.log"));
        }
        pause_ms(1);
    }
    if (address_.empty()) {
        give_up("the agent does not listen");
    }
    auto client = connect();
    for (int i = 0; i < kStartTries; ++i) {
        const auto answer = client->send({.method = "GET", .target = "/v1/status/leader"});
        if (answer && answer->status == 200 && answer->body.size() > 2) {
            return;
        }
        pause_ms(1);
    }
    give_up("there is no leader");
}

std::unique_ptr<io::http::HttpClient> Agent::connect() const {
    auto client = io::http::HttpClient::open({.address = "http://" + address_});
    if (!client) {
        give_up(client.error().message);
    }
    return std::move(*client);
}

void Agent::wait_node() {
    auto client = connect();
    for (int i = 0; i < kStartTries; ++i) {
        const Value nodes = request(*client, "GET", "/v1/nodes");
        if (nodes.as_list() != nullptr && !nodes.as_list()->empty() &&
            nodes.as_list()->front().as_map()->at("Status") == Value("ready")) {
            return;
        }
        pause_ms(1);
    }
    give_up("the node is not ready");
}

Value request(
    io::http::HttpClient& client,
    const std::string& method,
    const std::string& target,
    const std::string& body
) {
    const auto answer = client.send({.method = method, .target = target, .body = body});
    if (!answer) {
        give_up(method + " " + target + ": " + answer.error().message);
    }
    if (answer->status != 200) {
        give_up(fmt::format("{} {}: {} {}", method, target, answer->status, answer->body));
    }
    const auto value = wire::parse_json(answer->body);
    return value ? *value : Value();
}

Memory memory_of(pid_t pid) {
    Memory out;
    std::istringstream in(slurp(fmt::format("/proc/{}/smaps_rollup", pid)));
    std::string line;
    while (std::getline(in, line)) {
        if (line.starts_with("Rss:")) {
            out.rss_kb = std::strtoll(line.c_str() + 4, nullptr, 10);
        } else if (line.starts_with("Pss:")) {
            out.pss_kb = std::strtoll(line.c_str() + 4, nullptr, 10);
        }
    }
    return out;
}

double cpu_seconds(pid_t pid) {
    const std::string stat = slurp(fmt::format("/proc/{}/stat", pid));
    const std::size_t end = stat.rfind(')');
    if (end == std::string::npos) {
        return 0;
    }
    std::istringstream in(stat.substr(end + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) {
        in >> skipped;
    }
    long user = 0;
    long system = 0;
    in >> user >> system;
    return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> family_of(pid_t pid) {
    std::vector<std::pair<pid_t, pid_t>> parents;
    if (DIR* proc = opendir("/proc"); proc != nullptr) {
        while (const dirent* entry = readdir(proc)) {          // NOLINT(concurrency-mt-unsafe)
            const pid_t candidate = std::atoi(entry->d_name);  // NOLINT
            if (candidate <= 0) {
                continue;
            }
            const std::string stat = slurp(fmt::format("/proc/{}/stat", candidate));
            const std::size_t end = stat.rfind(')');
            if (end != std::string::npos) {
                parents.emplace_back(candidate, std::atoi(stat.c_str() + end + 4));  // NOLINT
            }
        }
        closedir(proc);
    }
    std::set<pid_t> family{pid};
    for (bool grew = true; grew;) {
        grew = false;
        for (const auto& [child, parent] : parents) {
            grew = (family.contains(parent) && family.insert(child).second) || grew;
        }
    }
    return {family.begin(), family.end()};
}

Limits machine_limits(const std::string& folder) {
    Limits out;
    const std::string path = folder + "/limits";
    const int fd = open(path.c_str(), O_CREAT | O_RDWR, 0600);
    const std::string block(4096, 'x');
    std::vector<double> times;
    for (int i = 0; fd >= 0 && i < kLimitRounds; ++i) {
        const std::int64_t start = monotonic_ns();
        if (write(fd, block.data(), block.size()) < 0 || fdatasync(fd) != 0) {
            break;
        }
        times.push_back(static_cast<double>(monotonic_ns() - start) / 1e3);
    }
    close(fd);
    unlink(path.c_str());
    out.fdatasync_p50_us = percentile(times, 0.5);
    const std::int64_t start = monotonic_ns();
    for (int i = 0; i < kLimitRounds; ++i) {
        const pid_t pid = spawn({"/bin/true"}, "/dev/null");
        waitpid(pid, nullptr, 0);
    }
    out.spawn_per_second = kLimitRounds / (static_cast<double>(monotonic_ns() - start) / 1e9);
    return out;
}

double percentile(std::vector<double> values, double p) {
    if (values.empty()) {
        return 0;
    }
    std::sort(values.begin(), values.end());
    const auto at = static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5);
    return values[std::min(at, values.size() - 1)];
}

void report(const std::string& name, Value::Map figures, const std::string& line) {
    figures["bench"] = name;
    std::printf(
        "%s\n%s: %s\n",
        wire::write_json(Value(std::move(figures))).c_str(),
        name.c_str(),
        line.c_str()
    );
    std::fflush(stdout);
}

std::string shell_job(
    const std::string& id, const std::string& type, int count, const std::string& script
) {
    const Value::Map task{
        {"Name", "t"},
        {"Driver", "raw_exec"},
        {"Config", Value::Map{{"command", "/bin/sh"}, {"args", Value::List{"-c", script}}}},
        {"Resources", Value::Map{{"CPU", 1}, {"MemoryMB", 10}}},
        {"LogConfig", Value::Map{{"MaxFiles", 1}, {"MaxFileSizeMB", 1}}}
    };
    const Value::Map group{
        {"Name", "g"},
        {"Count", count},
        {"EphemeralDisk", Value::Map{{"SizeMB", 10}}},
        {"Update", type == "service" ? Value(Value::Map{{"MaxParallel", 0}}) : Value()},
        {"Tasks", Value::List{task}}
    };
    return wire::write_json(Value(Value::Map{
        {"Job",
         Value::Map{
             {"ID", id},
             {"Name", id},
             {"Type", type},
             {"Datacenters", Value::List{"*"}},
             {"TaskGroups", Value::List{group}}
         }}
    }));
}

}  // namespace nl::bench
