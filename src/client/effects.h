#pragma once
// What the node's core takes in and gives out (contracts.md, "env"): it never acts itself. Whoever
// runs it carries out an Effects in the order of its fields, and hands the ends of calls back as
// events. One owner, one thread.

#include "base/bytes.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "client/check_runner.h"
#include "client/driver.h"
#include "client/network.h"
#include "env/blob_store.h"
#include "env/task_files.h"
#include "server/node_more.h"

#include <cstdint>
#include <optional>
#include <set>
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

/// A command to run inside a running task (a template's change_script). Ends as ScriptDone.
struct ScriptCall {
    TaskId id;
    std::string driver;
    std::string command;
    std::vector<std::string> args;
    Duration timeout;
    bool fail_on_error{};
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
    std::vector<server::NodeMore> send_more;
    std::vector<ReadCall> reads;
    /// Calls that the server no longer wants, and credit it granted.
    std::vector<server::CallCancel> cancelled;
    std::vector<server::Credit> credits;
    /// What programs run beside tasks are told.
    std::vector<server::CallInput> inputs;
    /// Probes of services, each answered by a CheckDone.
    std::vector<CheckWork> checks;
    std::vector<ScriptCall> scripts;
    /// Every supervised instance (TaskId::str()) that is not named here is nobody's: it is to end.
    std::optional<std::set<std::string>> keep_only;
    /// With keep_only: directories of other allocations are nobody's either.
    std::set<Uuid> keep_allocs;
    /// The room on the disk is to be read soon: a DiskRoom follows.
    bool look_at_disk{};

    bool empty() const {
        return state.empty() && files.empty() && drivers.empty() && networks.empty() &&
               send.empty() && send_more.empty() && reads.empty() && cancelled.empty() &&
               credits.empty() && inputs.empty() && checks.empty() && scripts.empty() &&
               !keep_only && !look_at_disk;
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
struct FromServerMore {
    server::ServerMore frame;
};
struct FilesDone {
    env::FileDone done;
};
struct ScriptDone {
    TaskId id;
    std::string command;
    bool fail_on_error{};
    Result<void> result;
};
/// How full the file system of the allocations is, in percent.
struct DiskRoom {
    double used{};
    double inodes_used{};
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
/// What host volumes the node offers now, by name; `attributes` are its plugins.
struct VolumesChanged {
    Map<model::ClientHostVolumeConfig> volumes;
    StringMap attributes;
};
/// The agent leaves; running tasks stay, they belong to the supervisor.
struct Leave {};

using Event = std::variant<
    SessionUp,
    SessionDown,
    FromServer,
    FromServerMore,
    DriverEvent,
    FilesDone,
    NetworkDone,
    Tick,
    FactsChanged,
    ReadEnded,
    CheckDone,
    ScriptDone,
    DiskRoom,
    VolumesChanged,
    Leave>;

}  // namespace nl::client
