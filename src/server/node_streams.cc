#include "server/node_streams.h"

#include "base/check.h"
#include "server/node_evals.h"
#include "state/commands/node.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace nl::server {
namespace {

/// Whether registering `said` over `known` would change nothing.
bool is_known_as(const model::Node& known, const model::Node& said) {
    return known.status == model::NodeStatus::Ready && known.secret_id == said.secret_id &&
           known.datacenter == said.datacenter && known.name == said.name &&
           known.http_addr == said.http_addr && known.tls_enabled == said.tls_enabled &&
           known.attributes == said.attributes && known.node_resources == said.node_resources &&
           known.reserved_resources == said.reserved_resources && known.links == said.links &&
           known.meta == said.meta && known.node_class == said.node_class &&
           known.node_pool == said.node_pool && known.drivers == said.drivers &&
           known.host_volumes == said.host_volumes && known.host_networks == said.host_networks &&
           known.csi_node_plugins == said.csi_node_plugins &&
           known.csi_controller_plugins == said.csi_controller_plugins &&
           known.cgroup_parent == said.cgroup_parent &&
           known.node_max_allocs == said.node_max_allocs;
}

ErrorCode code_of(std::uint64_t wire) {
    return wire == 0 || wire > static_cast<std::uint64_t>(ErrorCode::Internal) + 1
               ? ErrorCode::Internal
               : static_cast<ErrorCode>(wire - 1);
}

}  // namespace

void NodeStreams::opened(SessionId session) {
    sessions_.try_emplace(session);
}

void NodeStreams::refuse(SessionId id, Error reason) {
    out_.refuse.push_back({id, std::move(reason)});
    closed(id);
}

void NodeStreams::closed(SessionId id) {
    const auto at = sessions_.find(id);
    if (at == sessions_.end()) {
        return;
    }
    const Session session = std::move(at->second);
    sessions_.erase(at);
    forget_watches(id, session);
    if (const auto owner = by_node_.find(session.node);
        owner != by_node_.end() && owner->second == id) {
        by_node_.erase(owner);
    }
    for (const auto& [number, call] : session.calls) {
        calls_.erase(call);
        out_.call_finished.push_back(
            {call, fail(ErrorCode::Unavailable, "the stream to node {} broke", session.node)}
        );
    }
}

void NodeStreams::frame(SessionId id, NodeToServer frame, const Now& at) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) {
        return;
    }
    if (frame.hello) {
        hello(id, std::move(*frame.hello), at);
        return;
    }
    if (found->second.stage == Stage::New) {
        refuse(id, {ErrorCode::FailedPrecondition, "a node session begins with a hello"});
    } else if (frame.heartbeat) {
        heartbeat(id, *frame.heartbeat, at);
    } else if (frame.statuses) {
        statuses(id, std::move(*frame.statuses), at);
    } else if (frame.call_data) {
        call_data(id, std::move(*frame.call_data));
    } else if (frame.call_end) {
        call_end(id, *frame.call_end);
    }
}

// --- registration

void NodeStreams::hello(SessionId id, NodeHello hello, const Now& at) {
    Session& session = sessions_.at(id);
    model::Node& node = hello.node;
    if (hello.protocol != kNodeProtocolVersion) {
        refuse(
            id,
            {ErrorCode::FailedPrecondition,
             fmt::format(
                 "node protocol {} is not spoken here, but {}", hello.protocol, kNodeProtocolVersion
             )}
        );
        return;
    }
    if (node.id.is_nil() || (!session.node.is_nil() && session.node != node.id)) {
        refuse(id, {ErrorCode::InvalidArgument, "a node session belongs to one node id"});
        return;
    }
    if (const auto other = by_node_.find(node.id); other != by_node_.end() && other->second != id) {
        refuse(other->second, {ErrorCode::Aborted, "the node opened a newer session"});
    }
    session.node = node.id;
    by_node_[node.id] = id;
    const model::Node* known = at.snapshot.node(node.id);
    if (known != nullptr && known->secret_id != node.secret_id) {
        refuse(
            id,
            {ErrorCode::PermissionDenied,
             fmt::format("node secret does not match the registered one of node {}", node.id)}
        );
        return;
    }
    if (known != nullptr && is_known_as(*known, node)) {
        go_live(id, at);
        return;
    }
    node.status = model::NodeStatus::Ready;
    node.status_updated_at = at.wall.unix_ns / 1'000'000'000;
    state::commands::NodeRegister command;
    if (known == nullptr || known->status != model::NodeStatus::Ready) {
        model::Node after = node;
        if (known != nullptr) {
            after.drain_strategy = known->drain_strategy;
            after.scheduling_eligibility = known->scheduling_eligibility;
        }
        command.evals = node_evaluations(at.snapshot, after, "node-update", at.wall, at.rng);
    }
    command.node = std::move(node);
    session.stage = session.stage == Stage::Live ? Stage::Live : Stage::Registering;
    const std::uint64_t tag = next_tag_++;
    registrations_[tag] = {id};
    out_.commands.emplace_back(tag, state::make_command(command, at.wall, at.rng.next()));
}

void NodeStreams::go_live(SessionId id, const Now& at) {
    Session& session = sessions_.at(id);
    const model::Node* node = at.snapshot.node(session.node);
    if (node == nullptr) {
        refuse(id, {ErrorCode::NotFound, fmt::format("node {} is not registered", session.node)});
        return;
    }
    session.stage = Stage::Live;
    ServerToNode answer;
    answer.registered = Registered{
        .protocol = kNodeProtocolVersion,
        .heartbeat_ttl = at.heartbeats.heard(session.node, at.now),
        .servers = servers_,
        .status = node->status,
        .eligibility = node->scheduling_eligibility
    };
    send(id, std::move(answer));
    std::vector<state::AllocView> allocs;
    for (const state::AllocView alloc : at.snapshot.allocs_of_node(session.node)) {
        allocs.push_back(alloc);
    }
    send_allocs(id, allocs, {}, at.snapshot.index(), true);
}

void NodeStreams::heartbeat(SessionId id, const NodeHeartbeat& beat, const Now& at) {
    const Session& session = sessions_.at(id);
    if (session.stage != Stage::Live) {
        return;
    }
    const model::Node* node = at.snapshot.node(session.node);
    if (node == nullptr) {
        refuse(id, {ErrorCode::NotFound, fmt::format("node {} is not registered", session.node)});
        return;
    }
    ServerToNode answer;
    answer.heartbeat_ack = HeartbeatAck{
        .sequence = beat.sequence,
        .heartbeat_ttl = at.heartbeats.heard(session.node, at.now),
        .servers = servers_
    };
    send(id, std::move(answer));
    if (node->status == model::NodeStatus::Ready) {
        return;
    }
    // It was written off and lives: its allocations are looked at again.
    model::Node after = *node;
    after.status = model::NodeStatus::Ready;
    state::commands::NodeStatusUpdate command;
    command.nodes.push_back(
        {.node_id = session.node,
         .status = model::NodeStatus::Ready,
         .event =
             model::NodeEvent{
                 .message = "Node heartbeat was received again",
                 .subsystem = "Cluster",
                 .timestamp = at.wall
             }}
    );
    command.evals = node_evaluations(at.snapshot, after, "node-update", at.wall, at.rng);
    out_.commands.emplace_back(next_tag_++, state::make_command(command, at.wall, at.rng.next()));
}

// --- allocations to nodes

void NodeStreams::send_allocs(
    SessionId id,
    const std::vector<state::AllocView>& allocs,
    std::vector<Uuid> removed,
    Index index,
    bool full
) {
    std::size_t next = 0;
    bool first = true;
    do {
        AllocChanges frame;
        frame.index = index;
        frame.full = full && first;
        if (first) {
            frame.removed = std::move(removed);
            removed.clear();
        }
        std::map<const model::Job*, std::uint64_t> jobs;
        for (; next < allocs.size() && frame.changed.size() < kMaxAllocsPerFrame; ++next) {
            const state::AllocView& view = allocs[next];
            PushedAlloc pushed;
            const auto [at, fresh] =
                jobs.try_emplace(view.job_ptr().get(), static_cast<std::uint64_t>(jobs.size() + 1));
            if (fresh) {
                frame.jobs.push_back(view.job_ptr());
            }
            pushed.job = at->second;
            pushed.alloc = view.expand();
            pushed.alloc.job = nullptr;
            pushed.alloc.metrics.reset();
            frame.changed.push_back(std::move(pushed));
        }
        frame.end = next == allocs.size();
        ServerToNode message;
        message.allocs = std::move(frame);
        send(id, std::move(message));
        first = false;
    } while (next < allocs.size());
}

void NodeStreams::state_changed(const std::vector<state::Effects>& effects, const Now& at) {
    struct Push {
        std::set<Uuid> changed;
        std::vector<Uuid> removed;
    };
    std::map<SessionId, Push> pushes;
    for (const state::Effects& e : effects) {
        for (const state::AllocChange& change : e.allocs) {
            const auto session = by_node_.find(change.node_id);
            if (session == by_node_.end() || sessions_.at(session->second).stage != Stage::Live) {
                continue;
            }
            if (change.deleted) {
                pushes[session->second].removed.push_back(change.id);
            } else if (change.created || change.for_node) {
                pushes[session->second].changed.insert(change.id);
            }
        }
        for (const state::NodeChange& change : e.nodes) {
            const auto session = by_node_.find(change.id);
            if (change.deleted && session != by_node_.end()) {
                refuse(
                    session->second,
                    {ErrorCode::NotFound, fmt::format("node {} was removed", change.id)}
                );
            }
        }
    }
    for (auto& [session, push] : pushes) {
        if (!sessions_.contains(session)) {
            continue;
        }
        std::vector<state::AllocView> allocs;
        for (const Uuid& id : push.changed) {
            if (const auto alloc = at.snapshot.alloc(id)) {
                allocs.push_back(*alloc);
            }
        }
        send_allocs(session, allocs, std::move(push.removed), at.snapshot.index(), false);
    }
    watch_changes(effects, at);
}

// --- statuses

void NodeStreams::statuses(SessionId id, StatusBatch batch, const Now& at) {
    const Uuid node = sessions_.at(id).node;
    for (AllocStatus& status : batch.statuses) {
        const auto alloc = at.snapshot.alloc(status.alloc_id);
        // A node speaks for its own allocations only.
        if (!alloc || alloc->node_id() != node) {
            continue;
        }
        state::commands::AllocReport report;
        report.alloc_id = status.alloc_id;
        report.client_status = status.client_status;
        report.client_description = std::move(status.client_description);
        report.task_states = std::move(status.task_states);
        report.deployment_status = std::move(status.deployment_status);
        report.network_status = std::move(status.network_status);
        report.modify_time = status.modify_time;
        reports_waiting_.reports.push_back(std::move(report));
    }
    reports_waiting_.acks.emplace_back(id, batch.sequence);
    flush_reports(at);
}

std::vector<model::Evaluation> NodeStreams::report_evals(
    const std::vector<state::commands::AllocReport>& reports, const Now& at
) const {
    std::vector<model::Evaluation> evals;
    std::set<std::tuple<std::string, std::string>> done;
    for (const auto& report : reports) {
        const auto alloc = at.snapshot.alloc(report.alloc_id);
        if (!alloc || alloc->server_terminal() || alloc->client_status() == report.client_status) {
            continue;
        }
        const bool failed = report.client_status == model::AllocClientStatus::Failed;
        const bool returned = alloc->client_status() == model::AllocClientStatus::Unknown;
        // A service does not end by itself, however well its tasks did.
        const bool ended = report.client_status == model::AllocClientStatus::Complete &&
                           alloc->job().type == "service";
        if (!failed && !returned && !ended) {
            continue;
        }
        const auto job = at.snapshot.job(alloc->namespace_(), alloc->job_id());
        if (job == nullptr || job->stop || !done.emplace(job->namespace_, job->id).second) {
            continue;
        }
        evals.push_back(
            job_evaluation(*job, returned ? "reconnect" : "alloc-failure", at.wall, at.rng)
        );
    }
    return evals;
}

void NodeStreams::flush_reports(const Now& at) {
    if (reports_tag_ != 0 || reports_waiting_.acks.empty()) {
        return;
    }
    reports_out_ = std::exchange(reports_waiting_, {});
    if (reports_out_.reports.size() > kMaxReportsPerCommand) {
        // The rest, and every acknowledgement, follows with the next command.
        const auto middle =
            reports_out_.reports.begin() + static_cast<std::ptrdiff_t>(kMaxReportsPerCommand);
        reports_waiting_.reports.assign(
            std::make_move_iterator(middle), std::make_move_iterator(reports_out_.reports.end())
        );
        reports_out_.reports.erase(middle, reports_out_.reports.end());
        reports_waiting_.acks = std::exchange(reports_out_.acks, {});
    }
    if (reports_out_.reports.empty()) {
        // Nothing the state needs to know.
        for (const auto& [session, sequence] : std::exchange(reports_out_, {}).acks) {
            if (sessions_.contains(session)) {
                ServerToNode ack;
                ack.status_ack = StatusAck{.sequence = sequence};
                send(session, std::move(ack));
            }
        }
        return;
    }
    reports_tag_ = next_tag_++;
    state::commands::AllocClientUpdate command;
    command.reports = std::move(reports_out_.reports);
    command.evals = report_evals(command.reports, at);
    out_.commands.emplace_back(reports_tag_, state::make_command(command, at.wall, at.rng.next()));
}

void NodeStreams::finished(std::uint64_t tag, const Result<Index>& result, const Now& at) {
    if (const auto found = registrations_.find(tag); found != registrations_.end()) {
        const SessionId id = found->second.session;
        registrations_.erase(found);
        if (!sessions_.contains(id)) {
            return;
        }
        if (result) {
            go_live(id, at);
        } else {
            refuse(id, result.error());
        }
        return;
    }
    if (service_commands_.contains(tag)) {
        service_written(tag, result);
        return;
    }
    if (tag != reports_tag_) {
        return;
    }
    reports_tag_ = 0;
    for (const auto& [session, sequence] : std::exchange(reports_out_, {}).acks) {
        if (!sessions_.contains(session)) {
            continue;
        }
        if (result) {
            ServerToNode ack;
            ack.status_ack = StatusAck{.sequence = sequence};
            send(session, std::move(ack));
        } else {
            // What became of the reports is unknown: the node comes again and repeats them.
            refuse(session, result.error());
        }
    }
    flush_reports(at);
}

// --- calls

void NodeStreams::call_open(std::uint64_t call, const Uuid& node, CallRequest request) {
    const auto owner = by_node_.find(node);
    if (owner == by_node_.end() || sessions_.at(owner->second).stage != Stage::Live) {
        out_.call_finished.push_back(
            {call, fail(ErrorCode::Unavailable, "node {} is not connected", node)}
        );
        return;
    }
    Session& session = sessions_.at(owner->second);
    if (session.calls.size() >= kMaxOpenCalls) {
        out_.call_finished.push_back(
            {call,
             fail(
                 ErrorCode::ResourceExhausted,
                 "node {} has {} calls open already, which is the limit",
                 node,
                 kMaxOpenCalls
             )}
        );
        return;
    }
    const std::uint64_t number = session.next_call++;
    session.calls[number] = call;
    calls_[call] = {owner->second, number};
    ServerToNode message;
    message.call = server::Call{.call = number, .request = std::move(request)};
    send(owner->second, std::move(message));
}

void NodeStreams::call_grant(std::uint64_t call, std::uint64_t bytes) {
    const auto at = calls_.find(call);
    if (at == calls_.end()) {
        return;
    }
    ServerToNode message;
    message.credit = Credit{.call = at->second.number, .bytes = bytes};
    send(at->second.session, std::move(message));
}

void NodeStreams::call_input(std::uint64_t call, Bytes data) {
    const auto at = calls_.find(call);
    if (at == calls_.end()) {
        return;
    }
    ServerToNode message;
    message.input = CallInput{.call = at->second.number, .data = std::move(data)};
    send(at->second.session, std::move(message));
}

void NodeStreams::call_stop(std::uint64_t call) {
    const auto at = calls_.find(call);
    if (at == calls_.end()) {
        return;
    }
    const Call stopped = at->second;
    calls_.erase(at);
    sessions_.at(stopped.session).calls.erase(stopped.number);
    ServerToNode message;
    message.cancel = CallCancel{.call = stopped.number};
    send(stopped.session, std::move(message));
}

void NodeStreams::call_data(SessionId id, CallData data) {
    const Session& session = sessions_.at(id);
    const auto at = session.calls.find(data.call);
    // What was under way when the caller stopped is of no use to anybody.
    if (at != session.calls.end()) {
        out_.call_output.push_back({at->second, std::move(data.data)});
    }
}

void NodeStreams::call_end(SessionId id, const CallEnd& end) {
    Session& session = sessions_.at(id);
    const auto at = session.calls.find(end.call);
    if (at == session.calls.end()) {
        return;
    }
    Result<void> result;
    if (end.error != 0) {
        result = std::unexpected(Error{code_of(end.error), end.message});
    }
    out_.call_finished.push_back({at->second, std::move(result)});
    calls_.erase(at->second);
    session.calls.erase(at);
}

}  // namespace nl::server
