#pragma once
// The servers' side of the nodes' sessions: registrations and heartbeats in, allocation changes out
// at once, statuses in batches (one command on its way, what comes meanwhile is in the next), and
// the calls of files and logs that travel over the same stream. Everything a node says becomes a
// command; everything it is told comes from a snapshot.
//
// Owned by server::Leader, alive only while leading. Holds no copy of the state: after a reconnect
// a node gets its whole set. Source: server/node_protocol.h.

#include "base/error.h"
#include "base/rng.h"
#include "base/strong.h"
#include "base/time.h"
#include "server/heartbeats.h"
#include "server/node_more.h"
#include "server/node_protocol.h"
#include "state/command.h"
#include "state/commands/alloc.h"
#include "state/effects.h"
#include "state/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace nl::server {

/// One node's stream into this server; chosen by whoever accepts streams, never used again.
using SessionId = StrongInt<struct SessionTag>;

/// Reports in one command at most.
inline constexpr std::size_t kMaxReportsPerCommand = 4096;

struct NodeSend {
    SessionId session;
    ServerToNode frame;
};
struct NodeSendMore {
    SessionId session;
    ServerMore frame;
};
/// The session is to end, with this reason.
struct NodeRefuse {
    SessionId session;
    Error reason;
};
/// Some of a call's answer. `data` is one item (see CallMethod).
struct CallOutput {
    std::uint64_t call{0};
    Bytes data;
};
struct CallFinished {
    std::uint64_t call{0};
    Result<void> result;
};

class NodeStreams {
public:
    struct Output {
        std::vector<NodeSend> send;
        std::vector<NodeSendMore> send_more;
        std::vector<NodeRefuse> refuse;
        std::vector<CallOutput> call_output;
        std::vector<CallFinished> call_finished;
        /// Commands; each ends in `finished` with its tag.
        std::vector<std::pair<std::uint64_t, state::Command>> commands;
    };
    /// What every step may look at.
    struct Now {
        const state::Snapshot& snapshot;
        Instant now;
        WallTime wall;
        Rng& rng;
        Heartbeats& heartbeats;
    };

    /// Opens a variable that the state holds encrypted. Errors: as the keyring says.
    using OpenVariable = std::function<
        Result<model::VariableDecrypted>(const state::Snapshot&, const state::VariableRow&)>;
    /// Whether an allocation's task may read what its watch names, beyond what it may by itself.
    using MayRead = std::function<
        bool(const state::Snapshot&, const WatchRequest& request, const state::AllocView& alloc)>;
    struct Options {
        std::vector<std::string> servers;
        OpenVariable open_variable;
        MayRead may_read;
    };

    explicit NodeStreams(Options options)
        : servers_(std::move(options.servers)), options_(std::move(options)) {}

    void opened(SessionId session);
    void frame(SessionId session, NodeToServer frame, const Now& at);
    void more(SessionId session, NodeMore frame, const Now& at);
    void closed(SessionId session);
    /// What was applied: pushes to each node what it must learn. `at.snapshot` is the state after.
    void state_changed(const std::vector<state::Effects>& effects, const Now& at);
    void finished(std::uint64_t tag, const Result<Index>& result, const Now& at);

    void call_open(std::uint64_t call, const Uuid& node, CallRequest request);
    void call_grant(std::uint64_t call, std::uint64_t bytes);
    void call_stop(std::uint64_t call);
    void call_input(std::uint64_t call, Bytes data);

    Output take_output() { return std::exchange(out_, {}); }
    std::size_t sessions() const { return sessions_.size(); }
    std::size_t calls() const { return calls_.size(); }

private:
    enum class Stage { New, Registering, Live };
    struct Watch {
        WatchRequest request;
        /// What was told last: an answer that says the same is not sent again.
        std::optional<Bytes> told;
    };
    struct Session {
        Uuid node;
        Stage stage{Stage::New};
        std::uint64_t next_call{1};
        /// This session's numbers of calls, to the caller's.
        std::map<std::uint64_t, std::uint64_t> calls;
        std::map<std::uint64_t, Watch> watches;
    };
    struct Call {
        SessionId session;
        std::uint64_t number{0};
    };
    struct Registration {
        SessionId session;
    };
    struct Reports {
        std::vector<state::commands::AllocReport> reports;
        std::vector<std::pair<SessionId, std::uint64_t>> acks;
    };

    void hello(SessionId id, NodeHello hello, const Now& at);
    void go_live(SessionId id, const Now& at);
    void heartbeat(SessionId id, const NodeHeartbeat& beat, const Now& at);
    void statuses(SessionId id, StatusBatch batch, const Now& at);
    void flush_reports(const Now& at);
    void services(SessionId id, ServiceBatch batch, const Now& at);
    void service_written(std::uint64_t tag, const Result<Index>& result);
    void watch(SessionId id, WatchRequest request, const Now& at);
    void tell(SessionId id, Watch& watch, const Now& at);
    void watch_changes(const std::vector<state::Effects>& effects, const Now& at);
    Result<Bytes> look(const Uuid& node, const WatchRequest& request, const Now& at) const;
    Result<void> check_variable(const Uuid& node, const WatchRequest& request, const Now& at) const;
    void forget_watches(SessionId id, const Session& session);
    void call_data(SessionId id, CallData data);
    void call_end(SessionId id, const CallEnd& end);
    void send(SessionId id, ServerToNode frame) { out_.send.push_back({id, std::move(frame)}); }
    void send_more(SessionId id, ServerMore frame) {
        out_.send_more.push_back({id, std::move(frame)});
    }
    void refuse(SessionId id, Error reason);
    void send_allocs(
        SessionId id,
        const std::vector<state::AllocView>& allocs,
        std::vector<Uuid> removed,
        Index index,
        bool full
    );
    std::vector<model::Evaluation> report_evals(
        const std::vector<state::commands::AllocReport>& reports, const Now& at
    ) const;

    std::vector<std::string> servers_;
    Options options_;
    /// Which sessions watch something of a kind, by kind, namespace and name ("" where any change
    /// of the namespace matters).
    using WatchName = std::tuple<WatchKind, std::string, std::string>;
    std::map<WatchName, std::set<std::pair<SessionId, std::uint64_t>>> watchers_;
    static WatchName name_of(const WatchRequest& request);
    /// Service commands on their way: whose batch, and how many of its commands are left.
    std::map<std::uint64_t, std::pair<SessionId, std::uint64_t>> service_commands_;
    std::map<std::pair<SessionId, std::uint64_t>, std::size_t> service_batches_;
    std::map<SessionId, Session> sessions_;
    /// Live or registering sessions by node; a newer session of a node ends the older.
    std::map<Uuid, SessionId> by_node_;
    std::map<std::uint64_t, Call> calls_;
    std::uint64_t next_tag_{1};
    std::map<std::uint64_t, Registration> registrations_;
    /// The report command on its way (tag 0: none), and what waits for the next.
    std::uint64_t reports_tag_{0};
    Reports reports_out_;
    Reports reports_waiting_;
    Output out_;
};

}  // namespace nl::server
