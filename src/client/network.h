#pragma once
// The network of an allocation as the node's core asks for it: a namespace of its own (modes
// "bridge", "none" and "cni/<name>"), made before its first task and removed after its last.
// Whoever runs the core carries NetworkCalls out (drivers/network) and answers NetworkDone. Both
// calls are idempotent: a set-up that was done answers what it made, also after a restart of the
// agent.

#include "base/error.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "base/value.h"
#include "model/allocation.h"

#include <string>
#include <variant>
#include <vector>

namespace nl::client {

struct SetUpNetwork {
    model::NetworkResource network;
    std::vector<model::AllocatedPortMapping> ports;
    /// An engine that can only join the namespace of a container runs a task of the allocation: its
    /// name ("docker"), or "".
    std::string engine;
    /// For CNI plugins: job, group, namespace, allocation name.
    StringMap labels;
};
struct TearDownNetwork {};

struct NetworkCall {
    Ticket ticket;
    Uuid alloc;
    std::variant<SetUpNetwork, TearDownNetwork> what;
};

/// What was made.
struct NetworkState {
    /// The namespace's path on the node.
    std::string net_ns;
    /// The engine's container that holds it, or "".
    std::string sandbox;
    model::AllocNetworkStatus status;
    NL_FIELDS(NetworkState, (1, net_ns), (2, sandbox), (3, status))
};

/// Answers a NetworkCall; a tear-down's state is empty.
struct NetworkDone {
    Ticket ticket;
    Uuid alloc;
    Result<NetworkState> result;
};

/// Whether the group's network needs a namespace of its own.
inline bool needs_namespace(const model::TaskGroup& group) {
    return !group.networks.empty() && !group.networks.front().mode.empty() &&
           group.networks.front().mode != "host";
}

}  // namespace nl::client
