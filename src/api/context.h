#pragma once
// What a request is handled with: the state as it is now, the time, chance, and what the agent
// knows of itself and of the cluster. Made afresh for every call by the agent (or a test); holds no
// reference that outlives the call.

#include "api/metrics.h"
#include "base/fields.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "base/value.h"
#include "expr/zone.h"
#include "state/snapshot.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nl::policy {
class AclCache;
struct Keyring;
}  // namespace nl::policy

namespace nl::api {

struct Caller;

/// A server of the cluster as this one sees it.
struct Peer {
    ServerId id;
    /// As Nomad's serf name: "node.region".
    std::string name;
    std::string region;
    std::string datacenter;
    /// "host:port" of the RPC port.
    std::string address;
    std::string http_address;
    /// As reported to Nomad's clients, and our own.
    std::string version;
    std::string own_version;
    bool voter = true;
    /// Heard from within the last seconds.
    bool alive = true;
    Duration last_contact;
};

struct ClusterView {
    ServerId self;
    /// 0: none known.
    ServerId leader;
    Term term;
    Index commit_index;
    Index applied_index;
    Index last_log_index;
    Index first_log_index;
    /// Since the leader was last heard from; 0 on the leader.
    Duration last_contact;
    std::vector<Peer> peers;
    bool draining = false;

    bool is_leader() const { return leader == self && self != ServerId{}; }
    const Peer* peer(ServerId id) const;
    const Peer* leader_peer() const { return peer(leader); }
};

struct AgentView {
    std::string name;
    std::string region = "global";
    std::string datacenter = "dc1";
    bool server = false;
    bool client = false;
    /// The node of this agent, if it is a client.
    Uuid node_id;
    /// Nomad's version this API is that of, and our own.
    std::string version;
    std::string own_version;
    std::string http_address;
    std::string rpc_address;
    bool acl_enabled = false;
    /// Bounds of a token's lifetime.
    Duration acl_token_ttl_min = minutes(1);
    Duration acl_token_ttl_max = hours(24);
    /// The issuer of workload identities; "" switches discovery off.
    std::string oidc_issuer;
    bool prometheus_metrics = true;
    /// For `agent/health`: this client has a session to a server.
    bool client_connected = false;
    std::string client_problem;
    /// Whole configuration as `agent/self` shows it, secrets redacted.
    Value config;
    /// Groups of `agent/self`'s stats.
    Map<StringMap> stats;
    /// What `agent/host` tells of the machine.
    Value host;
    /// Profiles may be taken.
    bool enable_debug = false;
    /// Scheduler workers of this server, and the kinds of evaluations they take.
    std::int64_t num_schedulers = 0;
    std::vector<std::string> enabled_schedulers;
    /// RPC addresses of the servers a client knows.
    std::vector<std::string> known_servers;
    /// For the time zones of periodic jobs; null knows UTC only.
    std::shared_ptr<const expr::ZoneSource> zones;
    /// Versions kept of each job; 0: Nomad's default.
    std::uint32_t job_tracked_versions = 0;
    /// The largest payload of a dispatched job, in bytes.
    std::size_t dispatch_payload_max = 1'048'576;
    /// The drivers that may run a seed's job, best first (docker, exec, raw_exec).
    std::string seed_driver = "raw_exec";
    std::string seed_image = "alpine:latest";
};

struct Context {
    /// Empty on an agent without a server: routes of the state are then forwarded by the agent.
    state::Snapshot state;
    WallTime wall;
    Instant now;
    /// From the system's entropy, new for each call: ids, secrets, jitter.
    std::array<std::uint64_t, 4> entropy{};
    /// The same, for secrets alone: nothing made of it is ever stored or shown except the secret.
    std::array<char, 64> secret_entropy{};
    ClusterView cluster;
    /// Shared by calls; never null.
    std::shared_ptr<const AgentView> agent;
    /// Null where they are not collected.
    std::shared_ptr<const Metrics> metrics;
    /// Compiled policies; null: each request compiles those it needs.
    std::shared_ptr<policy::AclCache> acl_cache;
    /// The root keys this server can read; null before there are any.
    std::shared_ptr<const policy::Keyring> keyring;
    /// Who asks (api/access.h): handle() finds out before it calls anything that looks.
    mutable std::shared_ptr<const Caller> caller;
    /// A server has admitted the request (`/v1/acl/admission`): set on an agent without one, which
    /// cannot know tokens itself, and only for routes that this agent answers alone.
    bool vouched = false;

    Rng rng() const { return Rng(entropy[0] ^ entropy[1]); }
};

}  // namespace nl::api
