#pragma once
// What a client measures of its node and of what runs there, under Nomad's names and labels.

#include "api/metrics.h"
#include "base/fields.h"
#include "client/node.h"
#include "model/client_stats.h"
#include "model/node.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nl::agent {

/// What is placed on the node, and what is left of it.
struct ClientLoad {
    std::map<std::string, std::int64_t> allocs;
    std::map<std::string, std::int64_t> tasks;
    std::int64_t cpu{};
    std::int64_t memory_mb{};
    std::int64_t memory_max_mb{};
    std::int64_t disk_mb{};
    std::int64_t cpu_free{};
    std::int64_t memory_free_mb{};
    std::int64_t disk_free_mb{};
    /// By device, in Mbit/s.
    std::map<std::string, std::int64_t> network_free;
    std::string eligibility = "eligible";
};
ClientLoad client_load(const model::Node& node, const std::vector<client::AllocSummary>& allocs);

/// Ticks counted since the start, which the host's measurements only give as a rate.
struct CpuTicks {
    std::map<std::string, double> by_cpu;
    std::uint64_t reads{};
};

void add_client_metrics(
    api::Metrics& metrics,
    const StringMap& labels,
    const ClientLoad& load,
    const model::HostStats& host,
    CpuTicks& ticks
);

}  // namespace nl::agent
