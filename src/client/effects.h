#pragma once
// What the node's core takes in and gives out (contracts.md, "env"): it never acts itself. Whoever
// runs it carries out an Effects in the order of its fields, and hands the ends of calls back as
// events. One owner, one thread.

#include "base/bytes.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "client/driver.h"
#include "client/network.h"
#include "env/blob_store.h"
#include "env/log_store.h"
#include "env/task_files.h"
#include "server/node_protocol.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace nl::client {

/// Both clocks, read once for an event.
struct Now {
    Instant instant;
    WallTime wall;
};

/// Writes or, without data, erases a record of the local state.
struct StateWrite {
    std::string key;
    std::optional<Bytes> data;
    env::Durability durability{env::Durability::Process};
};

/// Files, logs and statistics that a server asks for: the agent reads them and answers with
/// CallData and CallEnd on the session. The allocation exists and has the task, if one is named.
struct ReadCall {
    std::uint64_t call{};
    server::CallRequest request;
    /// AllocStats: the instances that run.
    std::vector<TaskId> tasks;
};

struct Effects {
    /// First: what a restart must find. A failed write is logged; the node goes on (the servers
    /// hold the truth).
    std::vector<StateWrite> state;
    std::vector<env::FileCall> files;
    std::vector<DriverCall> drivers;
    /// Namespaces of allocations, made and removed.
    std::vector<NetworkCall> networks;
    /// Frames for the session, in order. Dropped if it is down: everything that matters is sent
    /// again on the next one.
    std::vector<server::NodeToServer> send;
    std::vector<ReadCall> reads;
    /// Calls that the server no longer wants, and credit it granted.
    std::vector<server::CallCancel> cancelled;
    std::vector<server::Credit> credits;
    /// What programs run beside tasks are told.
    std::vector<server::CallInput> inputs;

    bool empty() const {
        return state.empty() && files.empty() && drivers.empty() && networks.empty() &&
               send.empty() && reads.empty() && cancelled.empty() && credits.empty() &&
               inputs.empty();
    }
};

// ---- events

/// A session to a server was opened; the node says hello on it.
struct SessionUp {};
struct SessionDown {
    std::string reason;
};
struct FromServer {
    server::ServerToNode frame;
};
struct FilesDone {
    env::Completion completion;
};
/// Time went by; due when `Node::next_deadline` is reached. Earlier does no harm.
struct Tick {};
/// What the machine offers changed, or was read for the first time.
struct FactsChanged {
    model::Node facts;
};
/// The agent has answered a ReadCall to its end (its data went as CallData, straight to the
/// session).
struct ReadEnded {
    std::uint64_t call{};
    Result<void> result;
};
/// The agent leaves; running tasks stay, they belong to the supervisor.
struct Leave {};

using Event = std::variant<
    SessionUp,
    SessionDown,
    FromServer,
    DriverEvent,
    FilesDone,
    NetworkDone,
    Tick,
    FactsChanged,
    ReadEnded,
    Leave>;

}  // namespace nl::client
