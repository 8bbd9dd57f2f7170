#pragma once
// What only the leading server does, as one event loop that is a value: it hands evaluations to
// scheduler workers, checks and commits their plans, keeps the nodes' sessions and heartbeats, and
// runs the smaller duties (deployments, drains, periodic jobs, garbage collection). Composes one
// small machine for each duty; all of them are made anew from a snapshot when leadership begins and
// thrown away when it ends, so nothing is kept that the state does not have.
//
// Whoever owns it (one thread in production, the simulator in tests) does this, for ever:
//     1. wait for events, or until next_deadline();
//     2. LeaderEffects e = leader.on(event, now, wall)  (Tick when only time has passed);
//     3. carry out e: propose the commands, run the work on workers, send the frames.
// Order it may rely on: BecameLeader comes when the term's first entry is applied, with the
// snapshot that has it; StateApplied comes for every later applied batch, in order; CommandResult
// comes after the StateApplied that holds the command's index. Sessions are told to it whether it
// leads or not: without leadership it refuses them with NotLeader, so that the node tries another
// server.
//
// It must not be used from two threads and asks no clock. Source: architecture.md section 1.

#include "base/error.h"
#include "base/rng.h"
#include "base/strong.h"
#include "base/time.h"
#include "model/plan.h"
#include "server/broker.h"
#include "server/deployments.h"
#include "server/dispatcher.h"
#include "server/drainer.h"
#include "server/gc.h"
#include "server/heartbeats.h"
#include "server/node_protocol.h"
#include "server/node_streams.h"
#include "server/periodic.h"
#include "server/plan_applier.h"
#include "state/command.h"
#include "state/effects.h"
#include "state/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace nl::server {

struct LeaderOptions {
    BrokerOptions broker;
    HeartbeatOptions heartbeats;
    PlanApplierOptions plans;
    DeploymentOptions deployments;
    DrainOptions drains;
    GcOptions gc;
    /// For the time zones of periodic jobs; null knows UTC only.
    std::shared_ptr<const expr::ZoneSource> zones;
    /// Evaluations that may be with workers at once.
    std::size_t workers{2};
    /// RPC addresses nodes are told.
    std::vector<std::string> servers;
    /// How a node's tasks read variables (server/node_streams.h).
    NodeStreams::OpenVariable open_variable;
    NodeStreams::MayRead may_read;
};

// ---- events

struct BecameLeader {
    state::Snapshot snapshot;
    Term term;
    std::uint64_t seed{0};
};
struct LostLeadership {};
/// A batch of commands was applied. `snapshot` is the state after the last of them.
struct StateApplied {
    std::shared_ptr<const std::vector<state::Effects>> effects;
    state::Snapshot snapshot;
};
/// How a proposed command ended: the index it was applied at, or why it was not (refused by the
/// state, not committed).
struct CommandResult {
    Ticket ticket;
    Result<Index> result;
};
/// A worker's answer. Error: the evaluation could not be processed.
struct EvalDone {
    std::uint64_t token{0};
    Result<model::Plan> plan;
};
struct NodeOpened {
    SessionId session;
};
struct NodeFrame {
    SessionId session;
    NodeToServer frame;
};
struct NodeMoreFrame {
    SessionId session;
    NodeMore frame;
};
struct NodeClosed {
    SessionId session;
};
/// A request to a node (files, logs, statistics), made by the API. `call` is the caller's to
/// choose.
struct CallOpen {
    std::uint64_t call{0};
    Uuid node;
    CallRequest request;
};
/// The caller took this many bytes of the answer.
struct CallGrant {
    std::uint64_t call{0};
    std::uint64_t bytes{0};
};
struct CallStop {
    std::uint64_t call{0};
};
/// The caller has something for the call (Exec: an encoded ExecInput).
struct CallSend {
    std::uint64_t call{0};
    Bytes data;
};
struct Tick {};

using LeaderEvent = std::variant<
    BecameLeader,
    LostLeadership,
    StateApplied,
    CommandResult,
    EvalDone,
    NodeOpened,
    NodeFrame,
    NodeMoreFrame,
    NodeClosed,
    CallOpen,
    CallGrant,
    CallStop,
    CallSend,
    Tick>;

// ---- effects

/// Ends in exactly one CommandResult with this ticket. Tickets are unique within the Leader only.
struct LeaderProposal {
    Ticket ticket;
    state::Command command;
};
/// To be run by a worker: sched::schedule over these values. Ends in exactly one EvalDone.
struct EvalWork {
    std::uint64_t token{0};
    std::shared_ptr<const model::Evaluation> eval;
    state::Snapshot snapshot;
    WallTime wall;
    std::uint64_t seed{0};
};
struct LeaderEffects {
    std::vector<LeaderProposal> propose;
    std::vector<EvalWork> work;
    std::vector<NodeSend> send;
    std::vector<NodeSendMore> send_more;
    std::vector<NodeRefuse> refuse;
    std::vector<CallOutput> call_output;
    std::vector<CallFinished> call_finished;

    void append(LeaderEffects&& other);
};

struct LeaderStatus {
    bool leading{false};
    Term term;
    Broker::Status broker;
    std::size_t blocked{0};
    std::size_t plans_waiting{0};
    std::size_t plans_in_flight{0};
    std::uint64_t plans_accepted{0};
    std::uint64_t placements_rejected{0};
    std::size_t heartbeats{0};
    std::size_t sessions{0};
    std::size_t calls{0};
};

class Leader {
public:
    explicit Leader(LeaderOptions options);
    Leader(const Leader&) = delete;
    Leader& operator=(const Leader&) = delete;
    ~Leader();

    LeaderEffects on(LeaderEvent event, Instant now, WallTime wall);
    /// When Tick is due if nothing happens before; Instant::max() for never.
    Instant next_deadline() const;
    LeaderStatus status() const;

private:
    struct Duties;

    LeaderOptions options_;
    /// Sessions and calls outlive a term of leadership only until they are refused.
    std::vector<SessionId> sessions_;
    std::set<std::uint64_t> calls_;
    /// Where the next term's numbers begin.
    std::uint64_t next_ticket_{1};
    std::uint64_t first_token_{1};
    /// Present only while leading.
    std::unique_ptr<Duties> duties_;
};

}  // namespace nl::server
