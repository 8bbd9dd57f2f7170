#include "server/leader.h"

#include "base/check.h"
#include "sched/scheduler.h"
#include "server/blocked_evals.h"
#include "server/node_evals.h"
#include "state/commands/eval.h"
#include "state/commands/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace nl::server {
namespace {

constexpr std::string_view kSupersededText = "canceled after more recent eval was processed";
constexpr std::string_view kFailedText = "evaluation reached delivery limit";
/// A new evaluation takes the place of one that failed, after this wait.
constexpr Duration kFailedFollowUpWait = minutes(1);

template <class... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

/// Whether the node's loss leaves an allocation that may come back before it is given up.
bool waits_for_reconnect(const state::Snapshot& snapshot, const Uuid& node) {
    for (const state::AllocView alloc : snapshot.allocs_of_node(node)) {
        if (alloc.terminal()) {
            continue;
        }
        const model::TaskGroup& group = alloc.group();
        if ((group.disconnect &&
             (group.disconnect->lost_after.ns > 0 || !group.disconnect->replace.value_or(true))) ||
            group.prevent_reschedule_on_lost ||
            group.max_client_disconnect.value_or(Duration{}).ns > 0) {
            return true;
        }
    }
    return false;
}

template <class T>
void move_all(std::vector<T>& to, std::vector<T>& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    from.clear();
}

}  // namespace

void LeaderEffects::append(LeaderEffects&& other) {
    move_all(propose, other.propose);
    move_all(work, other.work);
    move_all(send, other.send);
    move_all(send_more, other.send_more);
    move_all(refuse, other.refuse);
    move_all(call_output, other.call_output);
    move_all(call_finished, other.call_finished);
}

struct Leader::Duties {
    Duties(const LeaderOptions& leader_options, BecameLeader begin, Instant now, WallTime wall)
        : options(leader_options),
          snapshot(std::move(begin.snapshot)),
          term(begin.term),
          rng(begin.seed),
          broker(options.broker),
          heartbeats(options.heartbeats, rng.fork()),
          applier(options.plans),
          streams({options.servers, options.open_variable, options.may_read}),
          deployments(options.deployments),
          drainer(options.drains),
          periodic(options.zones),
          gc(options.gc) {
        for (const model::Node& node : snapshot.nodes()) {
            if (node.status == model::NodeStatus::Ready ||
                node.status == model::NodeStatus::Initializing) {
                heartbeats.expect(node.id, now);
            }
        }
        for (const model::Evaluation& eval : snapshot.evals()) {
            auto known = std::make_shared<const model::Evaluation>(eval);
            if (eval.status == model::EvalStatus::Blocked) {
                // Room may have come while nobody led, or just before: it is looked for once.
                broker.enqueue(std::move(known), now, wall);
            } else {
                take_in(known, now, wall);
            }
        }
        deployments.rebuild(snapshot, now);
        drainer.rebuild(snapshot, now);
        periodic.rebuild(snapshot, now, wall);
        dispatcher.rebuild(snapshot, now, wall);
        gc.start(now);
    }

    NodeStreams::Now at(Instant now, WallTime wall) {
        return {snapshot, now, wall, rng, heartbeats};
    }

    Ticket propose(state::Command command) {
        const Ticket ticket{next_ticket++};
        out.propose.push_back({ticket, std::move(command)});
        return ticket;
    }

    // --- evaluations

    void take_in(const std::shared_ptr<const model::Evaluation>& eval, Instant now, WallTime wall) {
        switch (eval->status) {
            case model::EvalStatus::Pending:
                broker.enqueue(eval, now, wall);
                return;
            case model::EvalStatus::Blocked:
                broker.forget(eval->id);
                blocked.block(eval, now);
                return;
            case model::EvalStatus::Complete:
                // Everything is placed: what the job waited for before has no use any more.
                if (eval->failed_tg_allocs.empty()) {
                    blocked.forget_job({eval->namespace_, eval->job_id});
                }
                [[fallthrough]];
            case model::EvalStatus::Failed:
            case model::EvalStatus::Canceled:
                broker.forget(eval->id);
                blocked.forget(eval->id);
                return;
        }
        NL_UNREACHABLE();
    }

    void work(const StateApplied& event, Instant now, WallTime wall) {
        snapshot = event.snapshot;
        for (const state::Effects& effects : *event.effects) {
            applier.applied(effects);
            for (const auto& eval : effects.evals) {
                take_in(eval, now, wall);
            }
            for (const state::NodeChange& change : effects.nodes) {
                node_changed(change, effects, now);
            }
            for (const state::AllocChange& change : effects.allocs) {
                if (change.is_terminal && !change.was_terminal) {
                    capacity_freed(change.node_id, effects.index);
                }
                if (change.before != change.after || change.created || change.is_terminal) {
                    if (const auto alloc = snapshot.alloc(change.id);
                        alloc && !alloc->deployment_id().is_nil()) {
                        deployments.changed(alloc->deployment_id(), now);
                    }
                }
            }
            if (!effects.allocs.empty()) {
                drainer.nudge(now);
            }
            for (const Uuid& deployment : effects.deployments) {
                deployments.changed(deployment, now);
            }
            for (const state::Change& change : effects.changes) {
                if (change.table == state::TableId::PeriodicLaunches) {
                    periodic.changed(change.namespace_, change.key, snapshot, now, wall);
                }
                if (change.table == state::TableId::Jobs) {
                    periodic.changed(change.namespace_, change.key, snapshot, now, wall);
                    dispatcher.changed(change.namespace_, change.key, snapshot, now, wall);
                    if (change.kind != state::Change::Kind::Update || job_stopped(change)) {
                        blocked.forget_job({change.namespace_, change.key});
                    }
                }
            }
        }
        streams.state_changed(*event.effects, at(now, wall));
    }

    bool job_stopped(const state::Change& change) const {
        const auto job = snapshot.job(change.namespace_, change.key);
        return job == nullptr || job->stop;
    }

    void capacity_freed(const Uuid& node, Index index) {
        if (const model::Node* known = snapshot.node(node)) {
            blocked.capacity_changed(known->computed_class, node, index);
        }
    }

    void node_changed(const state::NodeChange& change, const state::Effects& effects, Instant now) {
        const bool ready = change.after == model::NodeStatus::Ready;
        if (change.deleted || (!ready && change.after != model::NodeStatus::Initializing)) {
            heartbeats.forget(change.id);
        } else if (change.created || change.before != change.after) {
            heartbeats.expect(change.id, now);
        }
        if (!change.deleted && ready &&
            (change.created || change.before != change.after || change.capacity_changed ||
             change.eligibility_changed || change.drain_changed)) {
            capacity_freed(change.id, effects.index);
        }
        if (change.drain_changed || change.deleted) {
            drainer.changed(change.id, snapshot, now);
        }
    }

    void feed_workers(Instant now, WallTime wall) {
        while (with_workers < options.workers) {
            auto delivery = broker.take(now);
            if (!delivery) {
                return;
            }
            attempts[delivery->token] = 1;
            hand_out(delivery->token, delivery->eval, wall);
        }
    }

    void hand_out(
        std::uint64_t token, std::shared_ptr<const model::Evaluation> eval, WallTime wall
    ) {
        ++with_workers;
        evals_out[token] = eval;
        out.work.push_back({token, std::move(eval), snapshot, wall, rng.next()});
    }

    void on_eval_done(EvalDone done, Instant now) {
        NL_ASSERT(with_workers > 0);
        --with_workers;
        if (!broker.touch(done.token, now)) {
            // The delivery ended meanwhile (superseded, or too slow): its plan must not count.
            drop(done.token);
            return;
        }
        if (!done.plan) {
            broker.nack(done.token, now);
            drop(done.token);
            return;
        }
        applier.submit(done.token, std::move(*done.plan));
    }

    void drop(std::uint64_t token) {
        attempts.erase(token);
        evals_out.erase(token);
    }

    void on_plan_outcome(const PlanOutcome& outcome, Instant now, WallTime wall) {
        const auto eval = evals_out.find(outcome.token);
        if (eval == evals_out.end()) {
            return;
        }
        if (outcome.failed) {
            broker.nack(outcome.token, now);
            drop(outcome.token);
            return;
        }
        if (outcome.complete) {
            broker.ack(outcome.token, now);
            drop(outcome.token);
            return;
        }
        if (!broker.touch(outcome.token, now)) {
            drop(outcome.token);
            return;
        }
        // Somebody else took the room: once more on what is there now.
        // As long as each try places something, it is no use giving up.
        int& attempt = attempts[outcome.token];
        if (outcome.progress) {
            attempt = 0;
        }
        if (attempt >= sched::max_attempts(eval->second->type)) {
            applier.submit(
                outcome.token, sched::give_up(*eval->second, snapshot.index(), rng.fork())
            );
            return;
        }
        ++attempt;
        hand_out(outcome.token, eval->second, wall);
    }

    /// Evaluations the broker and the blocked list are done with, as one command.
    void settle_evals(Instant now, WallTime wall) {
        for (const auto& eval : blocked.take_ready()) {
            broker.enqueue(eval, now, wall);
        }
        state::commands::EvalUpsert command;
        const auto cancel = [&](const std::shared_ptr<const model::Evaluation>& eval) {
            model::Evaluation ended = *eval;
            ended.status = model::EvalStatus::Canceled;
            ended.status_description = kSupersededText;
            command.evals.push_back(std::move(ended));
        };
        for (const auto& eval : broker.take_superseded()) {
            cancel(eval);
        }
        for (const auto& eval : blocked.take_duplicates()) {
            cancel(eval);
        }
        for (const auto& eval : broker.take_failed()) {
            model::Evaluation ended = *eval;
            ended.status = model::EvalStatus::Failed;
            ended.status_description = kFailedText;
            model::Evaluation again = *eval;
            again.id = Uuid::random(rng);
            again.status = model::EvalStatus::Pending;
            again.triggered_by = "failed-follow-up";
            again.previous_eval = eval->id;
            again.wait_until = wall + kFailedFollowUpWait;
            again.create_time = wall.unix_ns;
            again.create_index = Index{};
            again.modify_index = Index{};
            ended.next_eval = again.id;
            command.evals.push_back(std::move(ended));
            command.evals.push_back(std::move(again));
        }
        if (!command.evals.empty()) {
            propose(state::make_command(command, wall, rng.next()));
        }
    }

    // --- nodes

    void on_missed(const std::vector<Uuid>& missed, WallTime wall) {
        state::commands::NodeStatusUpdate command;
        for (const Uuid& id : missed) {
            const model::Node* node = snapshot.node(id);
            if (node == nullptr || node->status == model::NodeStatus::Down) {
                continue;
            }
            model::Node after = *node;
            after.status = waits_for_reconnect(snapshot, id) ? model::NodeStatus::Disconnected
                                                             : model::NodeStatus::Down;
            command.nodes.push_back(
                {.node_id = id,
                 .status = after.status,
                 .description = "heartbeat missed",
                 .event =
                     model::NodeEvent{
                         .message = "Node heartbeat missed",
                         .subsystem = "Cluster",
                         .timestamp = wall
                     }}
            );
            auto evals = node_evaluations(snapshot, after, "node-update", wall, rng);
            move_all(command.evals, evals);
        }
        if (!command.nodes.empty()) {
            const Ticket ticket = propose(state::make_command(command, wall, rng.next()));
            lost_nodes[ticket] = missed;
        }
    }

    // --- one round

    void run(Instant now, WallTime wall) {
        broker.tick(now);
        blocked.tick(now);
        on_missed(heartbeats.take_missed(now), wall);
        for (auto& command : deployments.tick(snapshot, now, wall, rng)) {
            deployment_tickets.insert(propose(std::move(command)));
        }
        for (auto& command : drainer.tick(snapshot, now, wall, rng)) {
            propose(std::move(command));
        }
        for (auto& command : periodic.tick(snapshot, now, wall, rng)) {
            propose(std::move(command));
        }
        for (auto& command : dispatcher.tick(snapshot, now, wall, rng)) {
            propose(std::move(command));
        }
        for (auto& command : gc.tick(snapshot, now, wall)) {
            propose(std::move(command));
        }
        settle_evals(now, wall);
        while (auto command = applier.take_command(snapshot, Ticket{next_ticket}, wall)) {
            propose(state::make_command(*command, wall, rng.next()));
        }
        for (const PlanOutcome& outcome : applier.take_outcomes()) {
            on_plan_outcome(outcome, now, wall);
        }
        for (const Uuid& node : applier.take_suspects()) {
            state::commands::NodeEligibilityUpdate command;
            command.node_id = node;
            command.eligibility = model::NodeEligibility::Ineligible;
            command.event = model::NodeEvent{
                .message =
                    "Node marked as ineligible for scheduling due to multiple plan "
                    "rejections",
                .subsystem = "Scheduler",
                .timestamp = wall
            };
            propose(state::make_command(command, wall, rng.next()));
        }
        broker.pause(snapshot.scheduler_config().pause_eval_broker);
        feed_workers(now, wall);
        // What an outcome gave back to the broker or the blocked list above.
        settle_evals(now, wall);
        NodeStreams::Output streamed = streams.take_output();
        for (auto& [tag, command] : streamed.commands) {
            stream_tags[propose(std::move(command))] = tag;
        }
        move_all(out.send, streamed.send);
        move_all(out.send_more, streamed.send_more);
        move_all(out.refuse, streamed.refuse);
        move_all(out.call_output, streamed.call_output);
        move_all(out.call_finished, streamed.call_finished);
    }

    void on_result(const CommandResult& event, Instant now, WallTime wall) {
        applier.finished(event.ticket, event.result);
        if (const auto tag = stream_tags.find(event.ticket); tag != stream_tags.end()) {
            const std::uint64_t value = tag->second;
            stream_tags.erase(tag);
            streams.finished(value, event.result, at(now, wall));
        }
        if (deployment_tickets.erase(event.ticket) > 0 && !event.result &&
            event.result.error().code != ErrorCode::FailedPrecondition &&
            event.result.error().code != ErrorCode::NotFound) {
            deployments.look_again(now);
        }
        if (auto lost = lost_nodes.extract(event.ticket); !lost.empty() && !event.result) {
            // It could not be written down: the nodes get another while, then it is tried again.
            for (const Uuid& node : lost.mapped()) {
                heartbeats.heard(node, now);
            }
        }
    }

    Instant next_deadline() const {
        return std::min(
            {broker.next_deadline(),
             blocked.next_deadline(),
             heartbeats.next_deadline(),
             deployments.next_deadline(),
             drainer.next_deadline(),
             periodic.next_deadline(),
             dispatcher.next_deadline(),
             gc.next_deadline()}
        );
    }

    const LeaderOptions& options;
    state::Snapshot snapshot;
    Term term;
    Rng rng;
    Broker broker;
    BlockedEvals blocked;
    Heartbeats heartbeats;
    PlanApplier applier;
    NodeStreams streams;
    Deployments deployments;
    Drainer drainer;
    Periodic periodic;
    Dispatcher dispatcher;
    Gc gc;
    std::uint64_t next_ticket{1};
    std::size_t with_workers{0};
    /// By delivery: the evaluation, and how many plans were made for it.
    std::map<std::uint64_t, std::shared_ptr<const model::Evaluation>> evals_out;
    std::map<std::uint64_t, int> attempts;
    std::map<Ticket, std::uint64_t> stream_tags;
    std::map<Ticket, std::vector<Uuid>> lost_nodes;
    std::set<Ticket> deployment_tickets;
    LeaderEffects out;
};

Leader::Leader(LeaderOptions options) : options_(std::move(options)) {}
Leader::~Leader() = default;

LeaderEffects Leader::on(LeaderEvent event, Instant now, WallTime wall) {
    LeaderEffects effects;
    const auto not_leading = [&](SessionId session) {
        effects.refuse.push_back({session, {ErrorCode::NotLeader, "this server does not lead"}});
    };
    std::visit(
        Overloaded{
            [&](BecameLeader& e) {
                NL_ASSERT(duties_ == nullptr);
                duties_ = std::make_unique<Duties>(options_, std::move(e), now, wall);
                // Answers to what an earlier term asked are known by their older numbers.
                duties_->next_ticket = next_ticket_;
                duties_->broker.begin_tokens(first_token_);
            },
            [&](LostLeadership&) {
                if (duties_ != nullptr) {
                    next_ticket_ = duties_->next_ticket;
                    first_token_ = duties_->broker.next_token();
                    duties_.reset();
                }
                for (const SessionId session : std::exchange(sessions_, {})) {
                    not_leading(session);
                }
                for (const std::uint64_t call : std::exchange(calls_, {})) {
                    effects.call_finished.push_back(
                        {call, fail(ErrorCode::NotLeader, "this server does not lead any more")}
                    );
                }
            },
            [&](StateApplied& e) {
                if (duties_ != nullptr) {
                    duties_->work(e, now, wall);
                }
            },
            [&](CommandResult& e) {
                if (duties_ != nullptr) {
                    duties_->on_result(e, now, wall);
                }
            },
            [&](EvalDone& e) {
                if (duties_ != nullptr && e.token >= first_token_) {
                    duties_->on_eval_done(std::move(e), now);
                }
            },
            [&](NodeOpened& e) {
                if (duties_ == nullptr) {
                    not_leading(e.session);
                    return;
                }
                sessions_.push_back(e.session);
                duties_->streams.opened(e.session);
            },
            [&](NodeFrame& e) {
                if (duties_ != nullptr) {
                    duties_->streams.frame(e.session, std::move(e.frame), duties_->at(now, wall));
                }
            },
            [&](NodeMoreFrame& e) {
                if (duties_ != nullptr) {
                    duties_->streams.more(e.session, std::move(e.frame), duties_->at(now, wall));
                }
            },
            [&](NodeClosed& e) {
                std::erase(sessions_, e.session);
                if (duties_ != nullptr) {
                    duties_->streams.closed(e.session);
                }
            },
            [&](CallOpen& e) {
                if (duties_ == nullptr) {
                    effects.call_finished.push_back(
                        {e.call, fail(ErrorCode::NotLeader, "this server does not lead")}
                    );
                    return;
                }
                calls_.insert(e.call);
                duties_->streams.call_open(e.call, e.node, std::move(e.request));
            },
            [&](CallGrant& e) {
                if (duties_ != nullptr) {
                    duties_->streams.call_grant(e.call, e.bytes);
                }
            },
            [&](CallStop& e) {
                calls_.erase(e.call);
                if (duties_ != nullptr) {
                    duties_->streams.call_stop(e.call);
                }
            },
            [&](CallSend& e) {
                if (duties_ != nullptr) {
                    duties_->streams.call_input(e.call, std::move(e.data));
                }
            },
            [&](Tick&) {},
        },
        event
    );
    if (duties_ != nullptr) {
        duties_->run(now, wall);
        effects.append(std::exchange(duties_->out, {}));
    }
    for (const NodeRefuse& refused : effects.refuse) {
        std::erase(sessions_, refused.session);
    }
    for (const CallFinished& finished : effects.call_finished) {
        calls_.erase(finished.call);
    }
    return effects;
}

Instant Leader::next_deadline() const {
    return duties_ == nullptr ? Instant::max() : duties_->next_deadline();
}

LeaderStatus Leader::status() const {
    LeaderStatus s;
    if (duties_ == nullptr) {
        return s;
    }
    s.leading = true;
    s.term = duties_->term;
    s.broker = duties_->broker.status();
    s.blocked = duties_->blocked.size();
    s.plans_waiting = duties_->applier.waiting();
    s.plans_in_flight = duties_->applier.in_flight();
    s.plans_accepted = duties_->applier.plans_accepted();
    s.placements_rejected = duties_->applier.placements_rejected();
    s.heartbeats = duties_->heartbeats.size();
    s.sessions = duties_->streams.sessions();
    s.calls = duties_->streams.calls();
    return s;
}

}  // namespace nl::server
