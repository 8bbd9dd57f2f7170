#include "agent/client_metrics.h"

#include "model/enums.h"

#include <utility>

namespace nl::agent {
namespace {

/// Statuses that have an end of their own are counted together.
std::string shown_status(model::AllocClientStatus status) {
    const std::string_view text = model::to_string(status);
    return text == "pending" || text == "running" ? std::string(text) : "terminal";
}

std::int64_t count_of(const std::map<std::string, std::int64_t>& counts, const char* name) {
    const auto at = counts.find(name);
    return at == counts.end() ? 0 : at->second;
}

}  // namespace

ClientLoad client_load(const model::Node& node, const std::vector<client::AllocSummary>& allocs) {
    ClientLoad load;
    for (const client::AllocSummary& alloc : allocs) {
        ++load.allocs[shown_status(alloc.client_status)];
        for (const auto& [state, count] : alloc.tasks) {
            load.tasks[state] += count;
        }
        if (!alloc.terminal) {
            load.cpu += alloc.cpu;
            load.memory_mb += alloc.memory_mb;
            load.memory_max_mb += alloc.memory_max_mb;
            load.disk_mb += alloc.disk_mb;
        }
    }
    if (node.node_resources) {
        const model::NodeResources& has = *node.node_resources;
        load.cpu_free = (has.cpu ? has.cpu->cpu_shares : 0) - load.cpu;
        load.memory_free_mb = (has.memory ? has.memory->memory_mb : 0) - load.memory_mb;
        load.disk_free_mb = (has.disk ? has.disk->disk_mb : 0) - load.disk_mb;
        for (const model::NetworkResource& network : has.networks) {
            load.network_free[network.device] = network.mbits;
        }
    }
    if (node.reserved_resources) {
        const model::NodeReservedResources& kept = *node.reserved_resources;
        load.cpu_free -= kept.cpu ? kept.cpu->cpu_shares : 0;
        load.memory_free_mb -= kept.memory ? kept.memory->memory_mb : 0;
        load.disk_free_mb -= kept.disk ? kept.disk->disk_mb : 0;
    }
    if (const auto eligible = model::to_string(node.scheduling_eligibility); !eligible.empty()) {
        load.eligibility = eligible;
    }
    return load;
}

void add_client_metrics(
    api::Metrics& metrics,
    const StringMap& labels,
    const ClientLoad& load,
    const model::HostStats& host,
    CpuTicks& ticks
) {
    const auto gauge = [&](std::string name, auto value, const StringMap& given) {
        metrics.gauges.push_back(
            {.name = "nomad.client." + std::move(name),
             .labels = given,
             .value = static_cast<double>(value)}
        );
    };
    for (const char* status : {"migrating", "blocked", "pending", "running", "terminal"}) {
        gauge(std::string("allocations.") + status, count_of(load.allocs, status), labels);
    }
    for (const char* state : {"pending", "running", "dead"}) {
        gauge(std::string("tasks.") + state, count_of(load.tasks, state), labels);
    }
    gauge("allocated.cpu", load.cpu, labels);
    gauge("allocated.memory", load.memory_mb, labels);
    gauge("allocated.max_memory", load.memory_max_mb, labels);
    gauge("allocated.disk", load.disk_mb, labels);
    gauge("unallocated.cpu", load.cpu_free, labels);
    gauge("unallocated.memory", load.memory_free_mb, labels);
    gauge("unallocated.disk", load.disk_free_mb, labels);
    for (const auto& [device, mbits] : load.network_free) {
        StringMap given = labels;
        given["device"] = device;
        gauge("unallocated.network", mbits, given);
    }
    gauge("uptime", host.uptime, labels);
    if (host.memory) {
        gauge("host.memory.total", host.memory->total, labels);
        gauge("host.memory.available", host.memory->available, labels);
        gauge("host.memory.used", host.memory->used, labels);
        gauge("host.memory.free", host.memory->free, labels);
    }
    for (const model::CPUStats& cpu : host.cpu) {
        StringMap given = labels;
        given["cpu"] = cpu.cpu;
        gauge("host.cpu.total_percent", cpu.total_percent, given);
        gauge("host.cpu.total", cpu.total_percent, given);
        gauge("host.cpu.user", cpu.user, given);
        gauge("host.cpu.system", cpu.system, given);
        gauge("host.cpu.idle", cpu.idle, given);
        gauge("host.cpu.total_ticks", cpu.total_ticks, given);
        double& sum = ticks.by_cpu[cpu.cpu];
        sum += cpu.total_ticks;
        metrics.counters.push_back(
            {.name = "nomad.client.host.cpu.total_ticks_count",
             .labels = given,
             .count = ++ticks.reads,
             .sum = sum}
        );
    }
    for (const model::DiskStats& disk : host.disk_stats) {
        StringMap given = labels;
        given["disk"] = disk.device;
        gauge("host.disk.size", disk.size, given);
        gauge("host.disk.used", disk.used, given);
        gauge("host.disk.available", disk.available, given);
        gauge("host.disk.used_percent", disk.used_percent, given);
        gauge("host.disk.inodes_percent", disk.inodes_used_percent, given);
    }
}

}  // namespace nl::agent
