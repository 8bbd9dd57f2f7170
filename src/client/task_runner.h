#pragma once
// One task of an allocation, from its hooks to its end: a state machine on events. Owned by its
// AllocRunner, which decides when it may begin (life-cycle order) and when it must end. Effects go
// to the context; what changed is asked for afterwards.
//
//   Waiting -> Setup (hooks) -> Starting -> Running -> (Restarting -> Setup ...) -> Dead
//                  Running -> ShutdownDelay -> Stopping -> Dead           Recovering -> Running |
//                  Setup
// Invariant: the driver holds at most one instance of a task (attempt), and only in Starting,
// Running, ShutdownDelay, Stopping, Recovering.

#include "client/hooks/task_hook.h"
#include "client/local_state.h"
#include "client/restart_tracker.h"
#include "client/runner_context.h"
#include "client/task_env.h"
#include "client/template_runner.h"
#include "model/allocation.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nl::client {

/// After signal, timeout and this long without an end, the driver is told to destroy what is left.
inline constexpr Duration kStopGrace = seconds(10);

class TaskRunner {
public:
    enum class Phase : unsigned char {
        Waiting,
        Setup,
        Starting,
        Running,
        Restarting,
        ShutdownDelay,
        Stopping,
        Recovering,
        Dead
    };

    /// `record` is what the local state held, if anything.
    TaskRunner(
        std::shared_ptr<const model::Allocation> alloc,
        const model::TaskGroup& group,
        const model::Task& task,
        const TaskRecord* record
    );

    /// The allocation changed in place; takes effect at the next start.
    void update(
        std::shared_ptr<const model::Allocation> alloc,
        const model::TaskGroup& group,
        const model::Task& task
    );
    /// Finds the task again after a restart of the agent. Only once, before anything else.
    void recover(RunnerContext& c);
    /// Out of Waiting.
    void begin(RunnerContext& c);
    /// Ends it for good; `reason` comes first in its events. Again: no effect.
    void kill(
        RunnerContext& c, std::optional<model::TaskEvent> reason, bool skip_shutdown_delay = false
    );
    /// Ends it for good, as failed.
    void kill_as_failed(RunnerContext& c, model::TaskEvent reason, std::string kill_reason);
    /// What a restart counts as.
    enum class RestartKind : unsigned char { Wanted, Failure };
    /// Ends the instance and starts the next one, at once or as the restart policy says. Errors:
    /// FailedPrecondition if it is not running.
    Result<void> restart(
        RunnerContext& c, std::string reason, RestartKind kind = RestartKind::Wanted
    );
    Result<void> signal(RunnerContext& c, int number);
    /// It never ran and never will: the allocation failed before.
    void abandon(RunnerContext& c, model::TaskEvent event);

    /// Something for its list of events, from outside.
    void say(RunnerContext& c, model::TaskEvent event) { add_event(c, std::move(event)); }

    /// The allocation's namespace, before the task begins.
    void set_network(std::shared_ptr<const NetworkState> network) { network_ = std::move(network); }

    void on_files(RunnerContext& c, const env::FileDone& done);
    void on_driver(RunnerContext& c, const DriverEvent& event);
    void on_watch(RunnerContext& c, const server::WatchUpdate& update);
    void on_script(RunnerContext& c, const ScriptDone& done);
    void tick(RunnerContext& c);
    Instant deadline() const;

    const model::Task& task() const { return *task_; }
    const model::TaskState& state() const { return state_; }
    Phase phase() const { return phase_; }
    bool dead() const { return phase_ == Phase::Dead; }
    bool failed() const { return state_.failed; }
    bool running() const { return phase_ == Phase::Running || phase_ == Phase::ShutdownDelay; }
    /// Its services are to be offered.
    bool serving() const { return phase_ == Phase::Running && !kill_wanted_ && !restart_wanted_; }
    std::uint64_t attempt() const { return attempt_; }
    bool waits_for(Ticket ticket) const {
        return files_.contains(ticket) || driver_ticket_ == ticket;
    }
    /// True once after each change of what is stored and reported.
    bool take_changed() { return std::exchange(changed_, false); }
    TaskRecord record() const;

private:
    void run_hooks(RunnerContext& c);
    void start(RunnerContext& c);
    void hook_failed(RunnerContext& c, std::string_view hook, const HookError& error);
    void on_exit(RunnerContext& c, const ExitResult& result);
    void decide(RunnerContext& c, const RestartDecision& decision);
    TaskEnv make_env(const RunnerContext& c) const;
    /// After anything that may have moved the templates on.
    void follow_templates(RunnerContext& c);
    void apply_change(RunnerContext& c, const TemplateRunner::Change& change);
    void template_failed(RunnerContext& c);
    void stop_now(RunnerContext& c);
    void die(RunnerContext& c, bool failed);
    void add_event(RunnerContext& c, model::TaskEvent event);
    void call(RunnerContext& c, decltype(DriverCall::what) what);
    Duration kill_timeout(const RunnerContext& c) const;
    TaskId id() const;

    std::shared_ptr<const model::Allocation> alloc_;
    const model::TaskGroup* group_;
    const model::Task* task_;
    Phase phase_ = Phase::Waiting;
    model::TaskState state_;
    std::uint64_t attempt_ = 0;
    std::optional<TaskHandle> handle_;
    RestartTracker restarts_;
    std::vector<std::unique_ptr<TaskHook>> hooks_;
    std::size_t next_hook_ = 0;
    TaskSpec spec_;
    std::shared_ptr<const NetworkState> network_;
    /// File work of the hook that is running.
    std::map<Ticket, std::string> files_;
    std::string files_error_;
    Ticket driver_ticket_;
    Instant deadline_{Instant::max()};
    bool starting_ = false;
    bool kill_wanted_ = false;
    bool restart_wanted_ = false;
    RestartKind restart_kind_{};
    bool kill_fails_ = false;
    std::string kill_reason_;
    std::vector<std::string> hooks_done_;
    std::unique_ptr<TemplateRunner> templates_;
    bool waits_for_templates_ = false;
    bool restart_again_ = false;
    bool skip_shutdown_delay_ = false;
    bool changed_ = false;
};

}  // namespace nl::client
