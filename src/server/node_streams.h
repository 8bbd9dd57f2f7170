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
#include "server/node_protocol.h"
#include "state/command.h"
#include "state/commands/alloc.h"
#include "state/effects.h"
#include "state/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
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

    explicit NodeStreams(std::vector<std::string> servers) : servers_(std::move(servers)) {}

    void opened(SessionId session);
    void frame(SessionId session, NodeToServer frame, const Now& at);
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
    struct Session {
        Uuid node;
        Stage stage{Stage::New};
        std::uint64_t next_call{1};
        /// This session's numbers of calls, to the caller's.
        std::map<std::uint64_t, std::uint64_t> calls;
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
    void call_data(SessionId id, CallData data);
    void call_end(SessionId id, const CallEnd& end);
    void send(SessionId id, ServerToNode frame) { out_.send.push_back({id, std::move(frame)}); }
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
