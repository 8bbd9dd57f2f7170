#include "agent/telemetry.h"

#include "agent/agent_main.h"
#include "io/clock.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace nl::agent {
namespace {

constexpr double kPageBytes = 4096;

double resident_bytes() {
    std::ifstream in("/proc/self/statm");
    double total = 0;
    double resident = 0;
    in >> total >> resident;
    return resident * kPageBytes;
}

std::string host_name() {
    char name[256] = {};
    gethostname(name, sizeof(name) - 1);
    return name;
}

std::string_view role_name(raft::Role role) {
    switch (role) {
        case raft::Role::Leader:
            return "Leader";
        case raft::Role::Candidate:
        case raft::Role::PreCandidate:
            return "Candidate";
        case raft::Role::Follower:
            return "Follower";
    }
    return "Follower";
}

}  // namespace

api::Metrics collect_metrics(
    const ServerHost* server, const ClientHost* client, Instant started, RequestCounts requests
) {
    api::Metrics out;
    const std::string host = host_name();
    const auto gauge = [&](std::string name, double value) {
        out.gauges.push_back({.name = std::move(name), .labels = {{"host", host}}, .value = value});
    };
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    gauge("nomad.runtime.alloc_bytes", resident_bytes());
    gauge("nomad.runtime.sys_bytes", resident_bytes());
    gauge("nomad.runtime.uptime_seconds", (io::now() - started).seconds());
    gauge(
        "nomad.runtime.cpu_seconds",
        static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    );
    if (server != nullptr) {
        const server::LeaderStatus duties = server->leader_status();
        gauge("nomad.nomad.broker.total_ready", static_cast<double>(duties.broker.ready));
        gauge("nomad.nomad.broker.total_unacked", static_cast<double>(duties.broker.unacked));
        gauge("nomad.nomad.broker.total_waiting", static_cast<double>(duties.broker.waiting));
        gauge("nomad.nomad.broker.total_pending", static_cast<double>(duties.broker.pending));
        gauge("nomad.nomad.blocked_evals.total_blocked", static_cast<double>(duties.blocked));
        gauge("nomad.nomad.plan.queue_depth", static_cast<double>(duties.plans_waiting));
        gauge("nomad.nomad.plan.in_flight", static_cast<double>(duties.plans_in_flight));
        gauge("nomad.nomad.heartbeat.active", static_cast<double>(duties.heartbeats));
        gauge("nomad.nomad.client.sessions", static_cast<double>(duties.sessions));
        gauge("nomad.nomad.state.watches", static_cast<double>(server->watches()));
        out.counters.push_back(
            {.name = "nomad.nomad.plan.accepted",
             .labels = {{"host", host}},
             .count = duties.plans_accepted,
             .sum = static_cast<double>(duties.plans_accepted)}
        );
        out.counters.push_back(
            {.name = "nomad.nomad.plan.node_rejected",
             .labels = {{"host", host}},
             .count = duties.placements_rejected,
             .sum = static_cast<double>(duties.placements_rejected)}
        );
        if (const auto replica = server->replica_status()) {
            gauge("nomad.raft.term", static_cast<double>(replica->raft.term.value));
            gauge("nomad.raft.commit_index", static_cast<double>(replica->raft.commit.value));
            gauge("nomad.raft.applied_index", static_cast<double>(replica->raft.applied.value));
            gauge("nomad.raft.last_index", static_cast<double>(replica->raft.last.value));
            gauge("nomad.raft.is_leader", replica->raft.role == raft::Role::Leader ? 1 : 0);
            gauge("nomad.raft.proposals_waiting", static_cast<double>(replica->waiting_proposals));
            gauge(
                "nomad.raft.log_writes_in_flight",
                static_cast<double>(replica->log_writes_in_flight)
            );
            gauge(
                "nomad.raft.log_bytes_since_snapshot",
                static_cast<double>(replica->log_bytes_since_snapshot)
            );
            gauge("nomad.raft.reads_waiting", static_cast<double>(replica->waiting_reads));
            gauge(
                "nomad.raft.apply_lag",
                static_cast<double>(replica->raft.commit - replica->raft.applied)
            );
            gauge("nomad.raft.cache_bytes", static_cast<double>(replica->raft.cache_bytes));
            gauge("nomad.raft.snapshot_index", static_cast<double>(replica->snapshot_index.value));
            gauge("nomad.raft.snapshot_running", replica->snapshot_running ? 1 : 0);
            gauge("nomad.raft.snapshot_streams", static_cast<double>(replica->streams_out));
            gauge("nomad.raft.repairing", replica->raft.repairing ? 1 : 0);
            gauge("nomad.raft.disk_full", replica->raft.disk_full ? 1 : 0);
            const ServerHost::RaftFigures figures = server->raft_figures();
            gauge("nomad.raft.replica_queue", static_cast<double>(figures.replica_queue));
            gauge("nomad.raft.applier_queue", static_cast<double>(figures.applier_queue));
            gauge("nomad.raft.requests_remembered", static_cast<double>(figures.requests));
            const auto counter = [&out](const char* name, std::uint64_t count) {
                out.counters.push_back(
                    {.name = name,
                     .labels = {},
                     .count = count,
                     .sum = static_cast<double>(count)}
                );
            };
            counter("nomad.raft.state.leader", figures.became_leader);
            counter("nomad.raft.state.follower", figures.became_follower);
            counter("nomad.raft.state.candidate", figures.became_candidate);
            counter("nomad.raft.messages_malformed", replica->messages_malformed);
            // Nomad's name; how long a command took from being proposed to being applied, in ms.
            out.counters.push_back(
                {.name = "nomad.raft.commitTime",
                 .labels = {},
                 .count = figures.commits,
                 .sum = static_cast<double>(figures.commit_ns) / 1e6}
            );
            gauge("nomad.raft.peers", static_cast<double>(replica->raft.membership.members.size()));
        }
    }
    if (client != nullptr) {
        client->add_metrics(out);
    }
    for (const auto& [who, count] :
         {std::pair("token", requests.with_token), std::pair("anonymous", requests.without_token)}) {
        out.counters.push_back(
            {.name = "nomad.nomad.http.request",
             .labels = {{"host", host}, {"identity", who}},
             .count = count,
             .sum = static_cast<double>(count)}
        );
    }
    return out;
}

Map<StringMap> collect_stats(const ServerHost* server, const ClientHost* client) {
    Map<StringMap> out;
    const auto text = [](auto value) { return fmt::format("{}", value); };
    utsname kernel{};
    uname(&kernel);
    StringMap& runtime = out["runtime"];
    runtime["version"] = std::string("nomad-lite ") + kVersion;
    runtime["arch"] = kernel.machine;
    runtime["kernel.name"] = "linux";
    runtime["cpu_count"] = text(std::thread::hardware_concurrency());
    runtime["max_procs"] = text(std::thread::hardware_concurrency());
    runtime["goroutines"] = "0";
    if (server != nullptr) {
        StringMap& nomad = out["nomad"];
        nomad["server"] = "true";
        nomad["leader"] = server->leader().self ? "true" : "false";
        nomad["leader_addr"] =
            server->leader().self ? server->rpc_address() : server->leader().address;
        nomad["bootstrap"] = "false";
        nomad["known_regions"] = "1";
        if (const auto replica = server->replica_status()) {
            StringMap& raft = out["raft"];
            raft["state"] = role_name(replica->raft.role);
            raft["term"] = text(replica->raft.term);
            raft["commit_index"] = text(replica->raft.commit);
            raft["applied_index"] = text(replica->raft.applied);
            raft["last_log_index"] = text(replica->raft.last);
            raft["last_log_term"] = text(replica->raft.last_term);
            raft["last_snapshot_index"] = text(replica->snapshot_index);
            raft["num_peers"] = text(
                replica->raft.membership.members.empty()
                    ? 0
                    : replica->raft.membership.members.size() - 1
            );
            raft["protocol_version"] = "3";
            out["serf"]["members"] = text(replica->raft.membership.members.size());
        }
    }
    if (client != nullptr) {
        StringMap& node = out["client"];
        node["node_id"] = client->node_id().str();
        node["known_servers"] = client->connected_to();
        node["heartbeat_ttl"] = "";
        node["last_heartbeat"] = "";
    }
    return out;
}

}  // namespace nl::agent
