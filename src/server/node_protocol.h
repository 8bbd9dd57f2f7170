#pragma once
// What travels in a node's session: one bidirectional stream that the node opens and keeps (service
// Node.Session on the RPC port). Each frame is the binary form (base/codec.h) of NodeToServer or
// ServerToNode with exactly one member set. Frames of one direction arrive in order and none is
// lost while the stream lives; after it broke, the node opens another, says NodeHello and gets the
// whole allocation set. Owned by the node side (client::Node makes and reads them); the server side
// is server/node_streams. Plain values, no behaviour.
//
// Order: NodeHello -> Registered, then AllocChanges with full = true, then changes as they happen.
// Statuses: one batch in flight, StatusAck frees the next. Calls (files, logs, statistics, restart,
// signal) run over the same stream: the server opens with Call, the node answers with any number of
// CallData and one CallEnd, never more bytes than the server granted by Credit.

#include "base/codec.h"
#include "base/fields.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/allocation.h"
#include "model/node.h"
#include "model/task_state.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nl::server {

inline constexpr std::uint64_t kNodeProtocolVersion = 1;
/// A frame may not be larger; allocation sets are split into several AllocChanges (only the first
/// has `full`, only the last `end`).
inline constexpr std::size_t kMaxNodeFrameBytes = 8U << 20;
/// Allocations in one AllocChanges at most.
inline constexpr std::size_t kMaxAllocsPerFrame = 512;
/// Statuses in one StatusBatch at most.
inline constexpr std::size_t kMaxStatusesPerBatch = 1024;
/// Bytes of CallData the node may have sent beyond what was granted: the credit a call begins with.
inline constexpr std::uint64_t kInitialCallCredit = 256U << 10;
/// Calls open on one session at once; more are refused with ResourceExhausted.
inline constexpr std::size_t kMaxOpenCalls = 256;
/// Input of one call that waits for its program.
inline constexpr std::size_t kMaxCallInputBytes = 4U << 20;

// ---- node to server

/// The first frame: registers the node, or updates it when it is sent again on a living stream.
struct NodeHello {
    std::uint64_t protocol{};
    /// Id, secret, datacenter, attributes, resources, drivers, meta. Status is what the node asks
    /// for (ready).
    model::Node node;
    NL_FIELDS(NodeHello, (1, protocol), (2, node))
};

struct NodeHeartbeat {
    std::uint64_t sequence{};
    NL_FIELDS(NodeHeartbeat, (1, sequence))
};

/// What only the node knows of an allocation. Replaces what it said of it before.
struct AllocStatus {
    Uuid alloc_id;
    model::AllocClientStatus client_status{};
    std::string client_description;
    Map<model::TaskState> task_states;
    Box<model::AllocDeploymentStatus> deployment_status;
    Box<model::AllocNetworkStatus> network_status;
    /// Node's clock, nanoseconds since the Unix epoch.
    std::int64_t modify_time{};
    NL_FIELDS(
        AllocStatus,
        (1, alloc_id),
        (2, client_status),
        (3, client_description),
        (4, task_states),
        (5, deployment_status),
        (6, network_status),
        (7, modify_time)
    )
};

struct StatusBatch {
    std::uint64_t sequence{};
    std::vector<AllocStatus> statuses;
    NL_FIELDS(StatusBatch, (1, sequence), (2, statuses))
};

struct CallData {
    std::uint64_t call{};
    /// One item: the binary form of what the method answers (see the methods below), or raw bytes.
    Bytes data;
    NL_FIELDS(CallData, (1, call), (2, data))
};

struct CallEnd {
    std::uint64_t call{};
    /// ErrorCode + 1, or 0 for success.
    std::uint64_t error{};
    std::string message;
    NL_FIELDS(CallEnd, (1, call), (2, error), (3, message))
};

struct NodeToServer {
    Box<NodeHello> hello;
    Box<NodeHeartbeat> heartbeat;
    Box<StatusBatch> statuses;
    Box<CallData> call_data;
    Box<CallEnd> call_end;
    NL_FIELDS(
        NodeToServer, (1, hello), (2, heartbeat), (3, statuses), (4, call_data), (5, call_end)
    )
};

// ---- server to node

struct Registered {
    std::uint64_t protocol{};
    /// The node is down if nothing is heard from it for this long; it sends a heartbeat every third
    /// of it.
    Duration heartbeat_ttl;
    /// RPC addresses to try when this server goes.
    std::vector<std::string> servers;
    model::NodeStatus status{};
    model::NodeEligibility eligibility{};
    NL_FIELDS(
        Registered, (1, protocol), (2, heartbeat_ttl), (3, servers), (4, status), (5, eligibility)
    )
};

struct HeartbeatAck {
    std::uint64_t sequence{};
    Duration heartbeat_ttl;
    std::vector<std::string> servers;
    NL_FIELDS(HeartbeatAck, (1, sequence), (2, heartbeat_ttl), (3, servers))
};

/// An allocation as the node needs it. Its job stands once in the frame: `alloc.job` is null and
/// `job` is 1 + its place in AllocChanges::jobs (0: none, for instance when only the desired status
/// matters).
struct PushedAlloc {
    model::Allocation alloc;
    std::uint64_t job{};
    NL_FIELDS(PushedAlloc, (1, alloc), (2, job))
};

struct AllocChanges {
    /// State index the changes belong to.
    Index index;
    /// The allocations of this frame and of those that follow it up to `end` are all the node has;
    /// others it holds are to go.
    bool full{};
    /// The last frame of a set.
    bool end{};
    std::vector<std::shared_ptr<const model::Job>> jobs;
    std::vector<PushedAlloc> changed;
    /// Forgotten by the servers: stop if running, then remove.
    std::vector<Uuid> removed;
    NL_FIELDS(AllocChanges, (1, index), (2, full), (3, end), (4, jobs), (5, changed), (6, removed))
};

struct StatusAck {
    std::uint64_t sequence{};
    NL_FIELDS(StatusAck, (1, sequence))
};

/// The work of a call. Its answer is written beside each; every answer item is one CallData.
enum class CallMethod : unsigned char {
    FsList = 0,      // model::AllocFileInfo, one item each
    FsStat = 1,      // model::AllocFileInfo
    FsReadAt = 2,    // raw bytes
    FsStream = 3,    // FileFrame
    Logs = 4,        // FileFrame
    AllocStats = 5,  // model::AllocResourceUsage
    HostStats = 6,   // model::HostStats
    Restart = 7,     // nothing
    Signal = 8,      // nothing
    Gc = 9,          // nothing: every terminal allocation, or the one named
    FsCat = 10,      // raw bytes
    Exec = 30,       // ExecOutput; takes ExecInput
    Checks = 31,     // model::CheckQueryResult, one item each
    Metadata = 32,   // model::NodeMetaResponse
    SetMetadata = 33,  // model::NodeMetaResponse
    AgentLog = 34,     // raw bytes: lines
    AgentHost = 35,    // JSON text
    Profile = 36,      // raw bytes
};

/// Parameters of every method; each reads the few it needs.
struct CallRequest {
    CallMethod method{};
    Uuid alloc_id;
    std::string path;
    std::int64_t offset{};
    /// Bytes; 0 is no limit.
    std::int64_t limit{};
    /// "start" or "end" ("" is start).
    std::string origin;
    bool follow{};
    std::string task;
    /// "stdout" or "stderr".
    std::string log_type;
    std::string signal;
    bool all_tasks{};
    /// Exec: the program and its arguments, and whether it gets a terminal.
    std::vector<std::string> command;
    bool tty{};
    /// SetMetadata: keys to set, and keys to remove.
    StringMap set;
    std::vector<std::string> unset;
    /// AgentLog: the least level, and whether lines are JSON.
    std::string log_level;
    bool log_json{};
    NL_FIELDS(
        CallRequest,
        (1, method),
        (2, alloc_id),
        (3, path),
        (4, offset),
        (5, limit),
        (6, origin),
        (7, follow),
        (8, task),
        (9, log_type),
        (10, signal),
        (11, all_tasks),
        (30, command),
        (31, tty),
        (32, set),
        (33, unset),
        (34, log_level),
        (35, log_json)
    )
};

/// A piece of a file or log; JSON conventions 5.2. Offset is the one after the piece. All empty:
/// still alive.
struct FileFrame {
    Bytes data;
    std::string file;
    std::int64_t offset{};
    std::string file_event;
    NL_FIELDS(FileFrame, (1, data), (2, file), (3, offset), (4, file_event))
};

/// What a program run by Exec says. Exactly one member says something.
struct ExecOutput {
    Bytes stdout_data;
    Bytes stderr_data;
    bool exited{};
    std::int64_t exit_code{};
    NL_FIELDS(ExecOutput, (1, stdout_data), (2, stderr_data), (3, exited), (4, exit_code))
};
/// What it is told.
struct ExecInput {
    Bytes stdin_data;
    bool close_stdin{};
    /// Of the terminal; 0: unchanged.
    std::int64_t rows{};
    std::int64_t columns{};
    NL_FIELDS(ExecInput, (1, stdin_data), (2, close_stdin), (3, rows), (4, columns))
};

struct Call {
    /// Unique within the session.
    std::uint64_t call{};
    CallRequest request;
    NL_FIELDS(Call, (1, call), (2, request))
};

struct Credit {
    std::uint64_t call{};
    /// Bytes the receiver took and the node may send again.
    std::uint64_t bytes{};
    NL_FIELDS(Credit, (1, call), (2, bytes))
};

/// Something for a call under way (Exec: ExecInput). Bounded by whoever sends it: a node that has
/// more than kMaxCallInputBytes of it waiting ends the call.
struct CallInput {
    std::uint64_t call{};
    Bytes data;
    NL_FIELDS(CallInput, (1, call), (2, data))
};

struct CallCancel {
    std::uint64_t call{};
    NL_FIELDS(CallCancel, (1, call))
};

struct ServerToNode {
    Box<Registered> registered;
    Box<HeartbeatAck> heartbeat_ack;
    Box<AllocChanges> allocs;
    Box<StatusAck> status_ack;
    Box<Call> call;
    Box<Credit> credit;
    Box<CallCancel> cancel;
    Box<CallInput> input;
    NL_FIELDS(
        ServerToNode,
        (1, registered),
        (2, heartbeat_ack),
        (3, allocs),
        (4, status_ack),
        (5, call),
        (6, credit),
        (7, cancel),
        (8, input)
    )
};

}  // namespace nl::server

namespace nl::codec {
extern template const StructType& struct_type<server::NodeHello>();
extern template const StructType& struct_type<server::NodeHeartbeat>();
extern template const StructType& struct_type<server::AllocStatus>();
extern template const StructType& struct_type<server::StatusBatch>();
extern template const StructType& struct_type<server::CallData>();
extern template const StructType& struct_type<server::CallEnd>();
extern template const StructType& struct_type<server::NodeToServer>();
extern template const StructType& struct_type<server::Registered>();
extern template const StructType& struct_type<server::HeartbeatAck>();
extern template const StructType& struct_type<server::PushedAlloc>();
extern template const StructType& struct_type<server::AllocChanges>();
extern template const StructType& struct_type<server::StatusAck>();
extern template const StructType& struct_type<server::CallRequest>();
extern template const StructType& struct_type<server::FileFrame>();
extern template const StructType& struct_type<server::ExecOutput>();
extern template const StructType& struct_type<server::ExecInput>();
extern template const StructType& struct_type<server::Call>();
extern template const StructType& struct_type<server::Credit>();
extern template const StructType& struct_type<server::CallInput>();
extern template const StructType& struct_type<server::CallCancel>();
extern template const StructType& struct_type<server::ServerToNode>();
}  // namespace nl::codec
