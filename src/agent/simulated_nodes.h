#pragma once
// Simulated nodes: each has a stream of its own to the servers and speaks the protocol that real
// clients speak, so that servers, scheduler and log see a cluster of any size; only the tasks are
// mock ones, which run as soon as they are wanted and end when they are told to, or after a while.
// Up to io::kStreamsPerConnection of them share a connection.
//
// The owner calls tick() a few times a second from one thread; totals() may be read on any.

#include "base/error.h"
#include "base/rng.h"
#include "base/time.h"
#include "io/grpc/node_client.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nl::agent {

class SimNode;

class SimulatedNodes {
public:
    /// Nodes that may be registering at once: a cluster does not start all its machines in one
    /// second.
    static constexpr std::size_t kRegisteringMax = 256;

    struct Options {
        std::size_t count{100};
        /// RPC addresses.
        std::vector<std::string> servers;
        /// Dealt out in turn; at least one.
        std::vector<std::string> datacenters;
        std::string pool{"default"};
        std::string node_class;
        std::int64_t cpu{0};
        std::int64_t memory_mb{0};
        std::int64_t disk_mb{0};
        /// Different values of the metadata key "rack".
        std::int64_t racks{1};
        /// Tasks end successfully after this long; 0 is never.
        Duration task_time{};
        /// Decides the nodes' ids.
        std::uint64_t seed{0};
    };
    struct Totals {
        std::atomic<std::int64_t> registered{0};
        std::atomic<std::int64_t> told_running{0};
        std::atomic<std::int64_t> told_complete{0};
        /// Statuses that the servers have made durable.
        std::atomic<std::int64_t> acknowledged{0};
        std::atomic<std::int64_t> disconnects{0};
    };

    explicit SimulatedNodes(Options options);
    SimulatedNodes(const SimulatedNodes&) = delete;
    SimulatedNodes& operator=(const SimulatedNodes&) = delete;
    ~SimulatedNodes();

    /// Starts nodes that are not there yet, sends heartbeats and what waits.
    Result<void> tick();
    const Totals& totals() const { return totals_; }

private:
    Options options_;
    Totals totals_;
    Rng rng_;
    std::shared_ptr<io::SharedConnections> shared_;
    std::vector<std::unique_ptr<SimNode>> nodes_;
};

}  // namespace nl::agent
