#pragma once
// The second kind of frames of a node's session (io::Frame::kind "more"): services the node offers
// and what its tasks want to know of the servers' state. Apart from node_protocol.h, which is what
// every reader of calls includes. Each frame is the binary form of NodeMore or ServerMore with
// exactly one member set; order and loss are those of the session. Owned by the node side, the
// server side is server/node_watches.cc. Plain values, no behaviour.

#include "base/codec.h"
#include "base/fields.h"
#include "base/uuid.h"
#include "model/service_registration.h"
#include "model/variable.h"
#include "server/node_protocol.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::server {

/// Further methods of calls (node_protocol.h).
/// The request's `path` is the binary form of a model::HostVolume; each answers a VolumeAnswer.
inline constexpr CallMethod kCallVolumeCreate = static_cast<CallMethod>(40);
inline constexpr CallMethod kCallVolumeRegister = static_cast<CallMethod>(41);
inline constexpr CallMethod kCallVolumeDelete = static_cast<CallMethod>(42);

/// Watches of one node at once; more are refused with ResourceExhausted.
inline constexpr std::size_t kMaxWatches = 65536;
/// Service instances in one ServiceBatch at most, but for a full one.
inline constexpr std::size_t kMaxServicesPerBatch = 1024;

/// Where a dynamic host volume lies and how large it is.
struct VolumeAnswer {
    std::string host_path;
    std::int64_t capacity_bytes{};
    NL_FIELDS(VolumeAnswer, (1, host_path), (2, capacity_bytes))
};

/// Service instances the node offers or no longer offers. One batch is on its way; ServiceAck frees
/// the next. `full`: the instances in it are all the node has, others registered in its name go.
struct ServiceBatch {
    std::uint64_t sequence{};
    bool full{};
    std::vector<model::ServiceRegistration> upsert;
    /// Ids.
    std::vector<std::string> remove;
    NL_FIELDS(ServiceBatch, (1, sequence), (2, full), (3, upsert), (4, remove))
};

enum class WatchKind : unsigned char {
    Variable = 0,      // VariableAnswer
    VariableList = 1,  // VariableListAnswer
    Service = 2,       // ServiceAnswer
    Services = 3,      // ServiceNamesAnswer
    Alloc = 4,         // AllocAnswer: the end of an allocation on another node
};

/// Something of the servers' state that an allocation's task wants to know, now and whenever it
/// changes, with the rights of that task. Sent again on every new session.
struct WatchRequest {
    /// Chosen by the node, unique within it.
    std::uint64_t watch{};
    WatchKind kind{};
    std::string namespace_;
    /// Path, prefix or service name; for Alloc the allocation's id.
    std::string name;
    Uuid alloc_id;
    std::string task;
    /// Ends the watch; nothing else is read.
    bool stop{};
    NL_FIELDS(
        WatchRequest,
        (1, watch),
        (2, kind),
        (3, namespace_),
        (4, name),
        (5, alloc_id),
        (6, task),
        (7, stop)
    )
};

struct NodeMore {
    Box<ServiceBatch> services;
    Box<WatchRequest> watch;
    NL_FIELDS(NodeMore, (1, services), (2, watch))
};

struct ServiceAck {
    std::uint64_t sequence{};
    NL_FIELDS(ServiceAck, (1, sequence))
};

struct VariableAnswer {
    bool found{};
    model::VariableDecrypted variable;
    NL_FIELDS(VariableAnswer, (1, found), (2, variable))
};
struct VariableListAnswer {
    std::vector<model::VariableMetadata> variables;
    NL_FIELDS(VariableListAnswer, (1, variables))
};
struct ServiceAnswer {
    std::vector<model::ServiceRegistration> services;
    NL_FIELDS(ServiceAnswer, (1, services))
};
struct ServiceNamesAnswer {
    std::vector<model::ServiceRegistrationStub> services;
    NL_FIELDS(ServiceNamesAnswer, (1, services))
};
struct AllocAnswer {
    bool found{};
    bool terminal{};
    Uuid node_id;
    NL_FIELDS(AllocAnswer, (1, found), (2, terminal), (3, node_id))
};

/// What a watch sees: once soon after it was asked for, and after every change.
struct WatchUpdate {
    std::uint64_t watch{};
    /// ErrorCode + 1, or 0: the binary form of the kind's answer is in `data`.
    std::uint64_t error{};
    std::string message;
    Bytes data;
    NL_FIELDS(WatchUpdate, (1, watch), (2, error), (3, message), (4, data))
};

struct ServerMore {
    Box<ServiceAck> service_ack;
    Box<WatchUpdate> watch;
    NL_FIELDS(ServerMore, (1, service_ack), (2, watch))
};

}  // namespace nl::server

namespace nl::codec {
extern template const StructType& struct_type<server::VolumeAnswer>();
extern template const StructType& struct_type<server::ServiceBatch>();
extern template const StructType& struct_type<server::WatchRequest>();
extern template const StructType& struct_type<server::NodeMore>();
extern template const StructType& struct_type<server::ServiceAck>();
extern template const StructType& struct_type<server::VariableAnswer>();
extern template const StructType& struct_type<server::VariableListAnswer>();
extern template const StructType& struct_type<server::ServiceAnswer>();
extern template const StructType& struct_type<server::ServiceNamesAnswer>();
extern template const StructType& struct_type<server::AllocAnswer>();
extern template const StructType& struct_type<server::WatchUpdate>();
extern template const StructType& struct_type<server::ServerMore>();
}  // namespace nl::codec
