#pragma once
// What the agent measures of itself, under Nomad's names, for /v1/metrics and agent/self.

#include "agent/client_host.h"
#include "agent/server_host.h"

namespace nl::agent {

/// HTTP requests since the start.
struct RequestCounts {
    std::uint64_t with_token{0};
    std::uint64_t without_token{0};
};

/// Either may be null.
api::Metrics collect_metrics(
    const ServerHost* server, const ClientHost* client, Instant started, RequestCounts requests
);

/// Groups of agent/self's stats; all values text.
Map<StringMap> collect_stats(const ServerHost* server, const ClientHost* client);

}  // namespace nl::agent
