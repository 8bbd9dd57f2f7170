#pragma once
// What handling a request leads to, as a value: an answer, a wait, a stream of bytes or a two-way
// session. `handle` never waits; the agent's pump (or a test) carries out what an outcome asks for
// and calls its continuation with the event and a fresh Context, on any thread, one call at a time.
//
// The pump's duties:
//   Response   answer it.
//   Parked     start what `on` names; when it ends, call resume once; treat its outcome likewise.
//              When the client leaves, forget it (and cancel what can be cancelled).
//   Stream     open `source`, feed machine->on() with Opened, then with what the source gives and
//              with Tick when a step's `wake` is reached; write the bytes; see StreamStep.
//   Session    switch to WebSocket (400 if the request is no handshake), feed machine->on() with
//              Opened, then with the client's messages and what the node's call gives.
// A continuation holds no snapshot: a parked read costs its captures and a watch.
// Source: contracts.md's `api`; http_api.md 0.6.

#include "api/request.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "server/node_protocol.h"
#include "state/command.h"
#include "state/watch.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace nl::api {

struct Context;
/// api/events.h
struct RenderedEvents;

// ---- what a parked request waits for, and how it ends

/// A change of any key after `seen`, or the time. Ends in Woken.
struct WaitChange {
    std::vector<state::WatchKey> keys;
    /// The index of the snapshot that was looked at.
    Index seen;
    Instant deadline;
};
struct Woken {
    bool timed_out = false;
};

/// A command to propose; the pump forwards it to the leader if this server is not it. Ends in
/// Proposed, with a Context whose snapshot has applied it.
struct WaitProposal {
    state::Command command;
    /// How long until Timeout.
    Duration deadline = seconds(30);
};
struct Applied {
    Index index;
    /// The state's refusal, if it refused.
    Result<void> result;
    Index conflict_index;
};
/// Errors: NotLeader (no leader known), ResourceExhausted (the queue is full), Timeout (outcome
/// unknown), Unavailable.
struct Proposed {
    Result<Applied> result = fail(ErrorCode::Internal, "not proposed");
};

/// A call on a node, its items collected. Ends in NodeAnswered.
struct WaitNode {
    Uuid node;
    server::CallRequest request;
};
/// At most kCallItemsMax items and kCallBytesMax bytes. Errors: NotFound with one of Nomad's texts
/// (`Unknown node "<id>"`, `No path to node`), and whatever the node says.
struct NodeAnswered {
    Result<std::vector<Bytes>> items = fail(ErrorCode::Internal, "not asked");
};
inline constexpr std::size_t kCallItemsMax = 65'536;
inline constexpr std::size_t kCallBytesMax = 64U << 20;

/// Something only the servers' own machinery can do.
struct RemovePeer {
    ServerId server;
};
struct TransferLeadership {
    /// 0: whoever is fit.
    ServerId to;
};
struct JoinServers {
    std::vector<std::string> addresses;
};
struct ForceLeave {
    std::string name;
};
/// As SIGHUP: read the configuration again.
struct ReloadAgent {};
/// The servers a client tries, "host:port".
struct SetServers {
    std::vector<std::string> addresses;
};
/// Raw bytes of a profile or trace of this process ("cmdline", "heap", "goroutine" ...).
struct ReadProfile {
    std::string name;
    Duration span;
};
struct CollectGarbage {};
struct ReconcileSummaries {};
/// Entries of the log as they are stored, for the seed's log listing.
struct ReadLog {
    Index first;
    std::uint64_t count = 0;
};
/// The whole state as a file (docs/formats/snapshot_archive.md).
struct SaveSnapshot {};
/// Such a file replaces the whole state. Errors: InvalidArgument, Corruption, TooLarge.
struct RestoreSnapshot {
    Bytes archive;
};
/// The seed's drain: finish what runs here, take nothing new, hand over leadership.
struct DrainServer {};
/// The content of the file that allows the ACL bootstrap once more.
struct ReadBootstrapReset {};
/// A new active root key; `full` also encrypts every variable anew.
struct RotateRootKey {
    bool full = false;
    /// Zero: active at once; else the key is published first and becomes active then.
    WallTime publish;
};
/// The holder of a variable's lock is alive.
struct RenewLock {
    std::string namespace_;
    std::string path;
    std::string lock_id;
};
/// Keys of the gossip keyring, kept because clients ask for them (nothing is encrypted with them).
struct GossipKeyring {
    enum class Op : unsigned char { List, Install, Use, Remove } op = Op::List;
    std::string key;
};
struct WaitServer {
    std::variant<
        RemovePeer,
        TransferLeadership,
        JoinServers,
        ForceLeave,
        CollectGarbage,
        ReconcileSummaries,
        ReadLog,
        SaveSnapshot,
        RestoreSnapshot,
        DrainServer,
        ReloadAgent,
        SetServers,
        ReadProfile,
        ReadBootstrapReset,
        RotateRootKey,
        RenewLock,
        GossipKeyring>
        call;
};
struct LogLine {
    Index index;
    Term term;
    /// Empty for entries that hold no command.
    Bytes command;
};
struct ServerAnswered {
    Result<void> result;
    /// JoinServers: how many were reached.
    std::int64_t joined = 0;
    /// TransferLeadership: who leads now.
    ServerId leader;
    /// ReadLog.
    std::vector<LogLine> log;
    /// ReadProfile. SaveSnapshot: the file.
    Bytes bytes;
    /// ReadBootstrapReset: the file's text, "" without one. RotateRootKey: the key's id. SaveSnapshot: what
    /// the file's Digest header says.
    std::string text;
    /// RotateRootKey. RestoreSnapshot: the index from which the restored state counts.
    Index index;
    /// GossipKeyring: every key, the primary first.
    std::vector<std::string> keys;
};

using Wait = std::variant<WaitChange, WaitProposal, WaitNode, WaitServer>;
using WaitEnd = std::variant<Woken, Proposed, NodeAnswered, ServerAnswered>;

// ---- streams

/// A call on a node whose items are passed on as they come, with credit for what was taken.
using NodeSource = WaitNode;
/// What is applied from `from` on (0: from the oldest kept), each as its Effects.
struct EventSource {
    Index from;
};
/// The agent's own log lines of at least this level.
struct LogSource {
    std::string level;
    bool json = false;
};
using StreamSource = std::variant<NodeSource, EventSource, LogSource>;

struct Opened {};
/// One item of a node call, or one log line.
struct Item {
    Bytes bytes;
};
/// One applied command. `lost` says that older ones are no longer kept.
struct EffectsItem {
    std::shared_ptr<const state::Effects> effects;
    bool lost = false;
    /// The same effects as events, made once for every reader; null: make them.
    std::shared_ptr<const RenderedEvents> rendered;
};
/// The source ended; an error ends the stream.
struct SourceEnded {
    Result<void> result;
};
struct Tick {};
using StreamInput = std::variant<Opened, Item, EffectsItem, SourceEnded, Tick>;

struct StreamStep {
    /// Answer this instead of a stream; only before any bytes.
    std::optional<Response> instead;
    /// To be sent and flushed. When the client's buffer is full the pump holds its source back.
    Bytes bytes;
    bool end = false;
    /// End by cutting the connection: the client must see that something is missing.
    bool cut = false;
    /// Call with Tick at this time if nothing else came before.
    Instant wake = Instant::max();
};
class StreamMachine {
public:
    StreamMachine() = default;
    StreamMachine(const StreamMachine&) = delete;
    StreamMachine& operator=(const StreamMachine&) = delete;
    virtual ~StreamMachine() = default;

    virtual StreamStep on(const StreamInput& input, const Context& context) = 0;
};
struct Stream {
    std::vector<NameValue> headers;
    StreamSource source;
    std::unique_ptr<StreamMachine> machine;
};

// ---- sessions (WebSocket)

/// A whole message of the client.
struct ClientMessage {
    Bytes text;
};
struct ClientClosed {};
using SessionInput = std::variant<Opened, ClientMessage, ClientClosed, Item, SourceEnded, Tick>;
struct SessionClose {
    /// A WebSocket close code (RFC 6455 7.4.1).
    std::uint16_t code = 1000;
    std::string reason;
};
struct SessionStep {
    /// Text messages to the client.
    std::vector<Bytes> messages;
    /// Opens a call on a node, whose items and end follow as inputs; once in a session.
    std::optional<NodeSource> open;
    /// Items to the node's call.
    std::vector<Bytes> to_node;
    /// Ends the session, after the messages.
    std::optional<SessionClose> close;
    /// Call with Tick at this time if nothing else came before.
    Instant wake = Instant::max();
};
class SessionMachine {
public:
    SessionMachine() = default;
    SessionMachine(const SessionMachine&) = delete;
    SessionMachine& operator=(const SessionMachine&) = delete;
    virtual ~SessionMachine() = default;

    virtual SessionStep on(const SessionInput& input, const Context& context) = 0;
};
struct Session {
    std::unique_ptr<SessionMachine> machine;
};

struct Parked;
using Outcome = std::variant<Response, Parked, Stream, Session>;

struct Parked {
    Wait on;
    std::function<Outcome(const Context&, WaitEnd)> resume;
};

}  // namespace nl::api
