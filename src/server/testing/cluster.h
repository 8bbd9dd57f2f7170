#pragma once
// A whole cluster without Raft, disk or network, in virtual time: a store, the leader with its
// duties, the scheduler run inline, and nodes that speak the node protocol and do as they are told.
// Used by tests to drive jobs through their lives.

#include "base/rng.h"
#include "sched/scheduler.h"
#include "sched/testing/world.h"
#include "server/leader.h"
#include "state/store.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::server::testing {

/// A node that starts what it is given at once and reports it.
struct FakeNode {
    model::Node node;
    SessionId session;
    bool connected{false};
    /// Does not answer, as after a power cut.
    bool silent{false};
    bool registered{false};
    Duration ttl;
    Instant next_beat = Instant::max();
    std::uint64_t sequence{0};
    std::set<Uuid> running;
    /// Tasks end at once with this instead of running.
    std::optional<model::AllocClientStatus> ends_with;
    std::uint64_t frames{0};
};

class Cluster {
public:
    explicit Cluster(LeaderOptions options = {}) : leader_(std::move(options)) {}

    void lead() {
        handle(BecameLeader{store_.snapshot(), Term{++term_}, term_ * 77});
        settle();
    }
    /// The leader dies with everything it had in memory; the same state gets a new one.
    void fail_over() {
        queue_.clear();
        handle(LostLeadership{});
        settle();
        for (auto& [id, node] : nodes_) {
            node.connected = false;
            node.registered = false;
        }
        lead();
        for (auto& [id, node] : nodes_) {
            if (!node.silent) {
                connect(node);
            }
        }
        settle();
    }

    FakeNode& add_node(const model::Node& node) {
        FakeNode& fake = nodes_[node.id];
        fake.node = node;
        connect(fake);
        settle();
        return fake;
    }
    void connect(FakeNode& node) {
        node.session = SessionId{++last_session_};
        node.connected = true;
        queue_.emplace_back(NodeOpened{node.session});
        NodeToServer hello;
        hello.hello = NodeHello{.protocol = kNodeProtocolVersion, .node = node.node};
        queue_.emplace_back(NodeFrame{node.session, std::move(hello)});
    }
    void silence(FakeNode& node) { node.silent = true; }
    void wake(FakeNode& node) {
        node.silent = false;
        queue_.emplace_back(NodeClosed{node.session});
        connect(node);
        settle();
    }

    template <class Body>
    Result<void> command(const Body& body) {
        const auto effects = apply(state::make_command(body, wall, rng_.next()), std::nullopt);
        settle();
        return effects;
    }
    void run_job(model::Job job) {
        job.submit_time = wall.unix_ns;
        model::Evaluation eval;
        eval.id = Uuid::random(rng_);
        eval.namespace_ = job.namespace_;
        eval.job_id = job.id;
        eval.type = job.type;
        eval.priority = job.priority;
        eval.triggered_by = "job-register";
        eval.status = model::EvalStatus::Pending;
        state::commands::JobRegister registration;
        if (!job.periodic) {
            registration.eval = std::move(eval);
        }
        registration.job = std::make_shared<const model::Job>(std::move(job));
        static_cast<void>(command(registration));
    }
    /// The node says that an allocation ended.
    void end_alloc(FakeNode& node, const Uuid& alloc, model::AllocClientStatus status) {
        node.running.erase(alloc);
        report(node, {{alloc, status}});
        settle();
    }

    /// Lets time pass; everything that is due happens in order.
    void advance(Duration span) {
        const Instant end = now + span;
        settle();
        while (true) {
            Instant next = leader_.next_deadline();
            for (const auto& [id, node] : nodes_) {
                if (node.registered && !node.silent) {
                    next = std::min(next, node.next_beat);
                }
            }
            if (next > end) {
                break;
            }
            pass(std::max(next, now + milliseconds(1)));
            for (auto& [id, node] : nodes_) {
                if (node.registered && !node.silent && node.next_beat <= now) {
                    node.next_beat = now + node.ttl / 3;
                    NodeToServer beat;
                    beat.heartbeat = NodeHeartbeat{++node.sequence};
                    queue_.emplace_back(NodeFrame{node.session, std::move(beat)});
                }
            }
            handle(Tick{});
            settle();
        }
        if (end > now) {
            pass(end);
        }
    }

    state::Snapshot snapshot() { return store_.snapshot(); }
    std::vector<Uuid> live(const std::string& job) {
        std::vector<Uuid> out;
        const state::Snapshot s = store_.snapshot();
        for (const state::AllocView alloc : s.allocs_of_job("default", job)) {
            if (!alloc.terminal()) {
                out.push_back(alloc.id());
            }
        }
        return out;
    }
    FakeNode& node_of(const Uuid& alloc) {
        const state::Snapshot s = store_.snapshot();
        return nodes_.at(s.alloc(alloc)->node_id());
    }
    std::map<Uuid, FakeNode>& nodes() { return nodes_; }
    LeaderStatus status() const { return leader_.status(); }
    /// Proposals that shall be lost on their way.
    std::function<bool(const state::Command&)> lose;

    Instant now{1'000'000'000};
    WallTime wall{1'700'000'000'000'000'000};

private:
    void pass(Instant to) {
        wall = wall + (to - now);
        now = to;
    }
    void handle(LeaderEvent event) { carry_out(leader_.on(std::move(event), now, wall)); }

    Result<void> apply(const state::Command& command, std::optional<Ticket> ticket) {
        auto effects = std::make_shared<std::vector<state::Effects>>();
        effects->push_back(store_.apply(++index_, command));
        const Result<void> result = effects->front().result;
        queue_.emplace_back(StateApplied{effects, store_.snapshot()});
        if (ticket) {
            queue_.emplace_back(CommandResult{
                *ticket,
                result ? Result<Index>(index_) : Result<Index>(std::unexpected(result.error()))
            });
        }
        return result;
    }

    void settle() {
        std::size_t steps = 0;
        while (!queue_.empty()) {
            LeaderEvent event = std::move(queue_.front());
            queue_.pop_front();
            handle(std::move(event));
            NL_ASSERT(++steps < 200'000);
        }
    }

    void carry_out(LeaderEffects effects) {
        for (LeaderProposal& proposal : effects.propose) {
            if (lose && lose(proposal.command)) {
                queue_.emplace_back(CommandResult{
                    proposal.ticket,
                    fail(ErrorCode::Timeout, "the command was not committed in time")
                });
                continue;
            }
            // Through the codec, as the log does it.
            const auto command = decode<state::Command>(encode(proposal.command));
            NL_ASSERT(command.has_value());
            static_cast<void>(apply(*command, proposal.ticket));
        }
        for (const EvalWork& work : effects.work) {
            queue_.emplace_back(EvalDone{
                work.token, sched::schedule({*work.eval, work.snapshot, work.wall, Rng(work.seed)})
            });
        }
        for (NodeSend& send : effects.send) {
            for (auto& [id, node] : nodes_) {
                if (node.session == send.session && node.connected && !node.silent) {
                    receive(node, send.frame);
                }
            }
        }
        for (const NodeRefuse& refuse : effects.refuse) {
            for (auto& [id, node] : nodes_) {
                if (node.session == refuse.session) {
                    node.connected = false;
                    node.registered = false;
                }
            }
        }
    }

    void receive(FakeNode& node, const ServerToNode& frame) {
        ++node.frames;
        if (frame.registered) {
            node.registered = true;
            node.ttl = frame.registered->heartbeat_ttl;
            node.next_beat = now + node.ttl / 3;
        }
        if (frame.heartbeat_ack) {
            node.ttl = frame.heartbeat_ack->heartbeat_ttl;
        }
        if (!frame.allocs) {
            return;
        }
        std::vector<std::pair<Uuid, model::AllocClientStatus>> news;
        for (const PushedAlloc& pushed : frame.allocs->changed) {
            const model::Allocation& alloc = pushed.alloc;
            if (model::is_terminal(alloc.client_status)) {
                continue;
            }
            if (alloc.desired_status != model::AllocDesiredStatus::Run) {
                node.running.erase(alloc.id);
                news.emplace_back(alloc.id, model::AllocClientStatus::Complete);
            } else if (node.ends_with) {
                news.emplace_back(alloc.id, *node.ends_with);
            } else if (node.running.insert(alloc.id).second ||
                       alloc.client_status != model::AllocClientStatus::Running) {
                news.emplace_back(alloc.id, model::AllocClientStatus::Running);
            }
        }
        if (!news.empty()) {
            report(node, news);
        }
    }

    void report(
        FakeNode& node, const std::vector<std::pair<Uuid, model::AllocClientStatus>>& news
    ) {
        NodeToServer frame;
        frame.statuses = StatusBatch{.sequence = ++node.sequence};
        for (const auto& [id, status] : news) {
            AllocStatus s;
            s.alloc_id = id;
            s.client_status = status;
            const bool done = model::is_terminal(status);
            model::TaskState task;
            task.state = done ? "dead" : "running";
            task.failed = status == model::AllocClientStatus::Failed;
            task.started_at = wall;
            task.finished_at = done ? wall : WallTime{};
            s.task_states["t"] = task;
            s.modify_time = wall.unix_ns;
            frame.statuses->statuses.push_back(std::move(s));
        }
        queue_.emplace_back(NodeFrame{node.session, std::move(frame)});
    }

    state::Store store_;
    Leader leader_;
    Index index_{10};
    std::uint64_t term_{0};
    std::uint64_t last_session_{0};
    Rng rng_{5};
    std::deque<LeaderEvent> queue_;
    std::map<Uuid, FakeNode> nodes_;
};

}  // namespace nl::server::testing
