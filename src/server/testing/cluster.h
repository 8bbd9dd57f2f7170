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

/// What becomes of an allocation on its node.
struct FakeFate {
    /// Its task ends by itself after this long.
    std::optional<Duration> ends_after;
    model::AllocClientStatus ends_with{model::AllocClientStatus::Failed};
    /// Its node finds it healthy after min_healthy_time; otherwise unhealthy at its deadline.
    bool healthy{true};
};

/// An allocation on a node, as a client would run and judge it.
struct FakeTask {
    model::AllocClientStatus status{model::AllocClientStatus::Running};
    WallTime started;
    WallTime ended;
    std::optional<Instant> ends;
    model::AllocClientStatus ends_with{};
    Uuid deployment;
    std::optional<Instant> judged;
    bool verdict{true};
    std::optional<bool> healthy;
    WallTime healthy_at;
    /// It was found healthy once; an update in place does not change that.
    bool was_healthy{false};
};

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
    /// When it tries again after it was refused.
    Instant comes_again = Instant::max();
    std::uint64_t sequence{0};
    std::set<Uuid> running;
    std::map<Uuid, FakeTask> tasks;
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
    /// The leader dies with everything it had in memory.
    void lose_leader() {
        queue_.clear();
        handle(LostLeadership{});
        settle();
        for (auto& [id, node] : nodes_) {
            node.connected = false;
            node.registered = false;
        }
    }
    /// The same, and the same state gets a new one.
    void fail_over() {
        lose_leader();
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
    /// Cut off: what it runs goes on.
    void silence(FakeNode& node) { node.silent = true; }
    /// Without power: what it runs is gone, and failed when it is back.
    void crash(FakeNode& node) {
        node.silent = true;
        for (auto& [id, task] : node.tasks) {
            if (!model::is_terminal(task.status)) {
                end_task(node, id, task, model::AllocClientStatus::Failed);
            }
        }
    }
    /// Its tasks were started anew meanwhile, as by their restart policy.
    void restart_tasks(FakeNode& node) {
        for (auto& [id, task] : node.tasks) {
            task.started = wall;
        }
    }
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
    /// A command already made.
    Result<void> commit(const state::Command& made) {
        const auto effects = apply(made, std::nullopt);
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
        const bool waits = job.parameterized_job &&
                           (!job.dispatched || job.parameterized_job->max_parallel > 0);
        if (!job.periodic && !waits) {
            registration.eval = std::move(eval);
        }
        registration.job = std::make_shared<const model::Job>(std::move(job));
        static_cast<void>(command(registration));
    }
    /// The node says that an allocation ended.
    void end_alloc(FakeNode& node, const Uuid& alloc, model::AllocClientStatus status) {
        FakeTask& task = node.tasks[alloc];
        end_task(node, alloc, task, status);
        report(node, {alloc});
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
                next = std::min({next, next_of_tasks(node), node.comes_again});
            }
            if (next > end) {
                break;
            }
            pass(std::max(next, now + milliseconds(1)));
            for (auto& [id, node] : nodes_) {
                run_tasks(node);
                if (node.comes_again <= now) {
                    node.comes_again = Instant::max();
                    if (!node.silent && !node.connected) {
                        connect(node);
                    }
                }
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
    /// What becomes of an allocation; by default it runs for ever and is healthy.
    std::function<FakeFate(const model::Allocation&, const model::Job&)> fate;
    /// Looks at every state there is.
    std::function<void(const state::Snapshot&)> watch;
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
        if (watch) {
            watch(store_.snapshot());
        }
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
                    node.comes_again = now + seconds(1);
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
        for (const Uuid& gone : frame.allocs->removed) {
            node.tasks.erase(gone);
            node.running.erase(gone);
        }
        std::vector<Uuid> news;
        for (const PushedAlloc& pushed : frame.allocs->changed) {
            const model::Allocation& alloc = pushed.alloc;
            const auto known = node.tasks.find(alloc.id);
            if (model::is_terminal(alloc.client_status)) {
                // Written off or told before; a task that still runs is stopped.
                if (known != node.tasks.end() && !model::is_terminal(known->second.status)) {
                    end_task(node, alloc.id, known->second, model::AllocClientStatus::Complete);
                    news.push_back(alloc.id);
                }
                continue;
            }
            if (alloc.desired_status != model::AllocDesiredStatus::Run) {
                FakeTask& task = node.tasks[alloc.id];
                if (!model::is_terminal(task.status)) {
                    end_task(node, alloc.id, task, model::AllocClientStatus::Complete);
                }
                news.push_back(alloc.id);
                continue;
            }
            if (known == node.tasks.end()) {
                const model::Job& job = *frame.allocs->jobs.at(pushed.job - 1);
                begin_task(node, alloc, job);
                news.push_back(alloc.id);
                continue;
            }
            if (known->second.deployment != alloc.deployment_id) {
                known->second.healthy.reset();
                judge_later(alloc, *frame.allocs->jobs.at(pushed.job - 1), known->second);
            }
            // What was said while nobody led is said again.
            const auto& told = alloc.deployment_status;
            const bool untold = known->second.healthy.has_value() && !alloc.deployment_id.is_nil() &&
                                (!told || told->healthy != known->second.healthy);
            if (known->second.status != alloc.client_status || untold) {
                news.push_back(alloc.id);
            }
        }
        if (!news.empty()) {
            report(node, news);
        }
    }

    void begin_task(FakeNode& node, const model::Allocation& alloc, const model::Job& job) {
        FakeTask& task = node.tasks[alloc.id];
        task.started = wall;
        node.running.insert(alloc.id);
        if (node.ends_with) {
            end_task(node, alloc.id, task, *node.ends_with);
            return;
        }
        const FakeFate fated = fate ? fate(alloc, job) : FakeFate{};
        task.verdict = fated.healthy;
        task.ends_with = fated.ends_with;
        if (fated.ends_after) {
            task.ends = now + *fated.ends_after;
        }
        judge_later(alloc, job, task);
    }

    void judge_later(const model::Allocation& alloc, const model::Job& job, FakeTask& task) {
        task.deployment = alloc.deployment_id;
        task.judged.reset();
        for (const model::TaskGroup& group : job.task_groups) {
            if (group.name == alloc.task_group && group.update && !task.deployment.is_nil() &&
                group.update->health_check != "manual") {
                task.judged = now + (task.verdict ? group.update->min_healthy_time
                                                  : group.update->healthy_deadline);
            }
        }
    }

    void end_task(
        FakeNode& node, const Uuid& id, FakeTask& task, model::AllocClientStatus status
    ) {
        node.running.erase(id);
        task.status = status;
        task.ended = wall;
        task.ends.reset();
        task.judged.reset();
        if (status == model::AllocClientStatus::Failed && !task.deployment.is_nil() &&
            !task.healthy) {
            task.healthy = false;
            task.healthy_at = wall;
        }
    }

    static Instant next_of_tasks(const FakeNode& node) {
        Instant next = Instant::max();
        for (const auto& [id, task] : node.tasks) {
            next = std::min({next, task.ends.value_or(next), task.judged.value_or(next)});
        }
        return next;
    }

    void run_tasks(FakeNode& node) {
        std::vector<Uuid> news;
        for (auto& [id, task] : node.tasks) {
            if (task.judged && *task.judged <= now) {
                task.judged.reset();
                task.healthy = task.verdict;
                task.was_healthy |= task.verdict;
                task.healthy_at = wall;
                news.push_back(id);
            }
            if (task.ends && *task.ends <= now) {
                end_task(node, id, task, task.ends_with);
                news.push_back(id);
            }
        }
        if (!news.empty() && node.registered) {
            report(node, news);
        }
    }

    /// Says how the allocations are, if anybody listens.
    void report(FakeNode& node, const std::vector<Uuid>& news) {
        if (node.silent) {
            return;
        }
        NodeToServer frame;
        frame.statuses = StatusBatch{.sequence = ++node.sequence};
        for (const Uuid& id : news) {
            const FakeTask& fake = node.tasks.at(id);
            AllocStatus s;
            s.alloc_id = id;
            s.client_status = fake.status;
            const bool done = model::is_terminal(fake.status);
            model::TaskState task;
            task.state = done ? "dead" : "running";
            task.failed = fake.status == model::AllocClientStatus::Failed;
            task.started_at = fake.started;
            task.finished_at = done ? fake.ended : WallTime{};
            s.task_states["t"] = task;
            s.modify_time = wall.unix_ns;
            if (fake.healthy) {
                s.deployment_status = model::AllocDeploymentStatus{
                    .healthy = fake.healthy, .timestamp = fake.healthy_at
                };
            }
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
