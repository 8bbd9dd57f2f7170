// operator debug: what the servers and nodes say of themselves over a while, as one file to look
// into elsewhere: agents, logs, metrics, and the state's lists at every interval.

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/frames.h"
#include "cli/tar.h"
#include "io/snapshot_archive.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

namespace nl::cli {

namespace {

/// What one agent's log may add to the bundle.
constexpr std::size_t kLogBytesMax = 64U << 20;
/// How often the end of the capture is looked for.
constexpr Duration kTick = milliseconds(100);

struct Endpoint {
    const char* file;
    std::vector<std::string_view> path;
    Query query;
};

/// What is asked at every interval.
std::vector<Endpoint> interval_endpoints() {
    return {
        {"allocations.json", {"allocations"}, {{"namespace", "*"}}},
        {"deployments.json", {"deployments"}, {{"namespace", "*"}}},
        {"evaluations.json", {"evaluations"}, {{"namespace", "*"}}},
        {"jobs.json", {"jobs"}, {{"namespace", "*"}}},
        {"services.json", {"services"}, {{"namespace", "*"}}},
        {"nodes.json", {"nodes"}, {{"resources", "true"}}},
        {"node-pools.json", {"node", "pools"}, {}},
        {"namespaces.json", {"namespaces"}, {}},
        {"csi-volumes.json", {"volumes"}, {{"type", "csi"}, {"namespace", "*"}}},
        {"host-volumes.json", {"volumes"}, {{"type", "host"}, {"namespace", "*"}}},
        {"csi-plugins.json", {"plugins"}, {{"type", "csi"}}},
        {"metrics.json", {"metrics"}, {}},
        {"operator-raft.json", {"operator", "raft", "configuration"}, {}},
        {"operator-autopilot-health.json", {"operator", "autopilot", "health"}, {}},
        {"operator-scheduler.json", {"operator", "scheduler", "configuration"}, {}},
    };
}

std::string joined(const std::vector<std::string_view>& segments) {
    std::string path = "/v1";
    for (const std::string_view segment : segments) {
        path += "/" + percent_encode(segment);
    }
    return path;
}

std::vector<std::string> words_of(const std::string& list) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t comma = std::min(list.find(',', at), list.size());
        if (comma > at) {
            out.push_back(list.substr(at, comma - at));
        }
        at = comma + 1;
    }
    return out;
}

/// Files of the bundle by name, gathered by several threads.
class Bundle {
public:
    void set(const std::string& name, std::string content) {
        const std::lock_guard lock(mutex_);
        files_[name] = std::move(content);
    }
    void append(const std::string& name, std::string_view content) {
        const std::lock_guard lock(mutex_);
        std::string& file = files_[name];
        file += content.substr(0, kLogBytesMax - std::min(kLogBytesMax, file.size()));
    }
    std::map<std::string, std::string> take() {
        const std::lock_guard lock(mutex_);
        return std::move(files_);
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::string> files_;
};

/// The log of one server or node, until told to end.
class LogFollower {
public:
    LogFollower(std::unique_ptr<Api> api, Query query, std::string file, Bundle& bundle)
        : thread_([this,
                   api = std::shared_ptr<Api>(std::move(api)),
                   query = std::move(query),
                   file = std::move(file),
                   &bundle] {
              FrameReader reader([&](const Frame& frame) {
                  bundle.append(file, frame.data);
                  return true;
              });
              // Heartbeats come every second: the end is seen soon enough.
              const auto done =
                  api->stream(api_path({"agent", "monitor"}), query, [&](std::string_view part) {
                      return !ending_ && reader.feed(part);
                  });
              if (!done && !ending_) {
                  bundle.append(file, "the log ended: " + done.error().message + "\n");
              }
          }) {}
    ~LogFollower() {
        ending_ = true;
        thread_.join();
    }
    LogFollower(const LogFollower&) = delete;
    LogFollower& operator=(const LogFollower&) = delete;

private:
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

struct Chosen {
    std::vector<std::string> servers;
    std::vector<std::string> nodes;
    std::size_t servers_of = 0;
    std::size_t nodes_of = 0;
};

class Debug {
public:
    Debug(Context& context, Api& api) : context_(context), api_(api) {}

    int run() {
        const Duration duration = context_.flags().duration("duration");
        const Duration interval = context_.flags().duration("interval");
        if (duration.ns <= 0 || interval.ns <= 0 || interval > duration) {
            return context_.usage_error(
                "Error: -duration and -interval must be above 0, and -interval not above -duration"
            );
        }
        if (!choose()) {
            return 1;
        }
        const std::string stamp = time_stamp();
        root_ = "nomad-debug-" + stamp;
        announce(duration, interval);
        static_parts();
        {
            const auto logs = follow_logs();
            capture(duration, interval);
        }
        return write(stamp);
    }

private:
    std::string time_stamp() const {
        std::string text = to_rfc3339(context_.env().now()).substr(0, 19);
        std::erase(text, ':');
        std::ranges::replace(text, 'T', '-');
        return text + "Z";
    }

    bool choose() {
        const auto self = api_.get(api_path({"agent", "self"}));
        if (!self) {
            context_.fail("Error querying agent info: {}", self.error().message);
            return false;
        }
        region_ = Doc(*self)["config"]["Region"].text();
        const auto members = api_.get(api_path({"agent", "members"}));
        const auto nodes = api_.get(api_path({"nodes"}));
        if (!members || !nodes) {
            context_.fail(
                "Error looking for servers and nodes: {}",
                (members ? nodes.error() : members.error()).message
            );
            return false;
        }
        const std::vector<std::string> servers = words_of(context_.text("server-id"));
        const auto wanted_server = [&](const std::string& name) {
            return std::ranges::any_of(servers, [&](const std::string& word) {
                return word == "all" || word == "leader" || word == name ||
                       name.starts_with(word + ".");
            });
        };
        if (std::ranges::find(servers, "leader") != servers.end()) {
            chosen_.servers = {"leader"};
            chosen_.servers_of = Doc(*members)["Members"].list().size();
        } else {
            for (const Value& item : Doc(*members)["Members"].list()) {
                ++chosen_.servers_of;
                if (wanted_server(Doc(item)["Name"].text())) {
                    chosen_.servers.push_back(Doc(item)["Name"].text());
                }
            }
        }
        const std::vector<std::string> ids = words_of(context_.text("node-id"));
        const std::string node_class = context_.text("node-class");
        const auto most = static_cast<std::size_t>(
            std::max<std::int64_t>(context_.flags().integer("max-nodes"), 0)
        );
        for (const Value& item : Doc(*nodes).list()) {
            const Doc node(item);
            const std::string id = node["ID"].text();
            ++chosen_.nodes_of;
            const bool wanted = std::ranges::any_of(ids, [&](const std::string& word) {
                return word == "all" || id.starts_with(word);
            });
            if (wanted && (node_class.empty() || node["NodeClass"].text() == node_class) &&
                (most == 0 || chosen_.nodes.size() < most)) {
                chosen_.nodes.push_back(id);
            }
        }
        bundle_.set("cluster/agent-self.json", write_json(*self, JsonStyle::Indented));
        bundle_.set("cluster/members.json", write_json(*members, JsonStyle::Indented));
        return true;
    }

    void announce(Duration duration, Duration interval) const {
        const auto some = [](const std::vector<std::string>& names, std::size_t of, bool shorten) {
            std::vector<std::string> shown;
            for (const std::string& name : names) {
                shown.push_back(shorten ? short_id(name, IdLength::Short) : name);
            }
            return fmt::format("({}/{}) [{}]", names.size(), of, join(shown, " "));
        };
        context_.line("Starting debugger...\n");
        context_.ui().line(key_values({
            {"Region", region_},
            {"Servers", some(chosen_.servers, chosen_.servers_of, false)},
            {"Clients", some(chosen_.nodes, chosen_.nodes_of, true)},
            {"Interval", short_duration(interval)},
            {"Duration", short_duration(duration)},
        }));
        context_.line("\nCapturing cluster data...");
        if (context_.on("verbose")) {
            for (const std::string& node : chosen_.nodes) {
                context_.line("    Client {}", node);
            }
        }
    }

    void fetch(const std::string& file, const std::string& path, Query query) {
        if (context_.on("stale")) {
            query.emplace_back("stale", "");
        }
        const auto reply = api_.exchange("GET", path, std::move(query), "");
        // An agent that says why not is part of the picture.
        if (!reply) {
            bundle_.set(file, reply.error().message + "\n");
        } else {
            bundle_.set(
                file,
                reply->status == 200 && parse_json(reply->body) ? indent_json(reply->body, 2)
                                                                : reply->body
            );
        }
    }

    void static_parts() {
        fetch("cluster/regions.json", api_path({"regions"}), {});
        fetch("cluster/keyring.json", api_path({"operator", "keyring", "keys"}), {});
        for (const std::string& server : chosen_.servers) {
            fetch(
                fmt::format("server/{}/agent-host.json", server),
                api_path({"agent", "host"}),
                {{"server_id", server}}
            );
        }
        for (const std::string& node : chosen_.nodes) {
            fetch(
                fmt::format("client/{}/agent-host.json", node),
                api_path({"agent", "host"}),
                {{"node_id", node}}
            );
            fetch(
                fmt::format("client/{}/stats.json", node),
                api_path({"client", "stats"}),
                {{"node_id", node}}
            );
        }
    }

    std::vector<std::unique_ptr<LogFollower>> follow_logs() {
        std::vector<std::unique_ptr<LogFollower>> out;
        const auto follow = [&](const char* name, const char* folder, const std::string& id) {
            auto api = context_.open_api();
            if (api == nullptr) {
                return;
            }
            Query query{{"log_level", context_.text("log-level")}, {name, id}};
            if (context_.on("log-include-location")) {
                query.emplace_back("log_include_location", "true");
            }
            out.push_back(std::make_unique<LogFollower>(
                std::move(api),
                std::move(query),
                fmt::format("{}/{}/monitor.log", folder, id),
                bundle_
            ));
        };
        for (const std::string& server : chosen_.servers) {
            follow("server_id", "server", server);
        }
        for (const std::string& node : chosen_.nodes) {
            follow("node_id", "client", node);
        }
        return out;
    }

    void capture(Duration duration, Duration interval) {
        const WallTime end = context_.env().now() + duration;
        for (int round = 0;; ++round) {
            context_.line("    Capture interval {:04}", round);
            for (const Endpoint& one : interval_endpoints()) {
                fetch(fmt::format("nomad/{:04}/{}", round, one.file), joined(one.path), one.query);
            }
            const WallTime next = context_.env().now() + interval;
            while (context_.env().now() < std::min(next, end)) {
                context_.env().sleep(kTick);
            }
            if (context_.env().now() >= end) {
                return;
            }
        }
    }

    int write(const std::string& stamp) {
        const auto files = bundle_.take();
        std::string index = fmt::format("Made {} of region {}:\n", stamp, region_);
        for (const auto& [name, content] : files) {
            index += fmt::format("  {} ({} bytes)\n", name, content.size());
        }
        TarWriter tar(context_.env().now());
        tar.add(root_ + "/index.txt", index);
        for (const auto& [name, content] : files) {
            if (!tar.add(root_ + "/" + name, content)) {
                context_.ui().warn(fmt::format("{} has too long a name and is left out", name));
            }
        }
        std::string target = root_ + ".tar.gz";
        if (const std::string folder = context_.text("output"); !folder.empty()) {
            target = folder + "/" + target;
        }
        const auto written = context_.env().write_file(target, io::gzip(tar.take()));
        if (!written) {
            return context_.fail("Error creating archive: {}", written.error().message);
        }
        context_.line("\nCreated debug archive: {}", target);
        return 0;
    }

    Context& context_;
    Api& api_;
    std::string region_;
    std::string root_;
    Chosen chosen_;
    Bundle bundle_;
};

int run_debug(Context& context) {
    Api* api = context.api();
    return api == nullptr ? 1 : Debug(context, *api).run();
}

}  // namespace

Command operator_debug_command() {
    const auto text = [](const char* name, const char* help, const char* fallback) {
        return FlagSpec{
            .name = name, .kind = FlagKind::Text, .help = help, .fallback = fallback
        };
    };
    return {
        .path = "operator debug",
        .usage = "[options]",
        .synopsis = "Gather what the servers and nodes say of themselves into one file",
        .help =
            "Follows the logs of servers and nodes for a while, asks for the lists of jobs, "
            "allocations,\nnodes and so on at every interval, and writes all of it to a tar.gz.\n\n"
            "Example:\n\n  $ nomad-lite operator debug -duration 1m -interval 10s",
        .flags =
            {{.name = "duration",
              .kind = FlagKind::Duration,
              .help = "How long the logs are followed.",
              .fallback = "5m"},
             {.name = "interval",
              .kind = FlagKind::Duration,
              .help = "The time between two captures of the lists.",
              .fallback = "30s"},
             text("log-level", "The least level of the logs' lines.", "TRACE"),
             {.name = "log-include-location",
              .kind = FlagKind::Bool,
              .help = "With the source's file and line."},
             {.name = "max-nodes",
              .kind = FlagKind::Integer,
              .help = "The most nodes that are asked; 0 is all.",
              .fallback = "10"},
             text("node-class", "Only nodes of this class.", ""),
             text("node-id", "Prefixes of the nodes' ids, or all.", "all"),
             text("server-id", "Names of servers, leader or all.", "all"),
             {.name = "stale", .kind = FlagKind::Bool, .help = "Let any server answer."},
             text("output", "The folder of the file; else this one.", ""),
             {.name = "verbose", .kind = FlagKind::Bool, .help = "Say more."}},
        .arguments = {},
        .run = run_debug,
        .aliases = {"debug"},
    };
}

}  // namespace nl::cli
