#pragma once
// Which nodes are still heard of. Every node gets a time to live, longer the more nodes there are
// so that the heartbeats of a large cluster stay bounded; one that is silent for longer (plus a
// grace) is handed out as missed. A new leader gives every node a fresh, longer time: it cannot
// know when the former one heard of them.
//
// Owned by server::Leader. Source: reliability rows 16 and 59; Nomad's heartbeat options.

#include "base/rng.h"
#include "base/time.h"
#include "base/uuid.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

namespace nl::server {

struct HeartbeatOptions {
    Duration min_ttl = seconds(10);
    /// Heartbeats a second that all nodes together may send.
    std::int64_t max_per_second{50};
    /// Silence beyond the TTL that is forgiven.
    Duration grace = seconds(10);
    /// What every live node gets from a new leader.
    Duration failover_ttl = seconds(60);
};

class Heartbeats {
public:
    Heartbeats(HeartbeatOptions options, Rng rng) : options_(options), rng_(rng) {}

    /// A node that was live when this leader began.
    void expect(const Uuid& node, Instant now);
    /// The node was heard of. Returns the TTL it should be told: min_ttl up to twice that, or
    /// longer in a large cluster, spread by chance.
    Duration heard(const Uuid& node, Instant now);
    void forget(const Uuid& node);

    /// Nodes that have been silent for too long; each is handed out once.
    std::vector<Uuid> take_missed(Instant now);
    Instant next_deadline() const;
    std::size_t size() const { return deadlines_.size(); }

private:
    void set(const Uuid& node, Instant deadline);

    HeartbeatOptions options_;
    Rng rng_;
    std::map<Uuid, Instant> deadlines_;
    std::set<std::pair<Instant, Uuid>> by_deadline_;
};

}  // namespace nl::server
