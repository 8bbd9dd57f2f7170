#include "client/task_runner.h"

#include "client/signals.h"
#include "client/task_events.h"

#include <utility>

namespace nl::client {
namespace {

/// A service's main tasks and every sidecar run again after a good end; batch tasks and one-off
/// life-cycle tasks are then complete.
bool restarts_on_success(const model::Job& job, const model::Task& task) {
    if (task.lifecycle && !task.lifecycle->hook.empty()) {
        return task.lifecycle->sidecar;
    }
    return job.type == "service" || job.type == "system";
}

model::RestartPolicy policy_of(const model::TaskGroup& group, const model::Task& task) {
    if (task.restart_policy) {
        return *task.restart_policy;
    }
    return group.restart_policy ? *group.restart_policy : model::RestartPolicy{};
}

}  // namespace

TaskRunner::TaskRunner(
    std::shared_ptr<const model::Allocation> alloc,
    const model::TaskGroup& group,
    const model::Task& task,
    const TaskRecord* record
)
    : alloc_(std::move(alloc)),
      group_(&group),
      task_(&task),
      restarts_(
          policy_of(group, task),
          restarts_on_success(*alloc_->job, task),
          record != nullptr ? record->restarts : RestartCounters{}
      ),
      hooks_(make_task_hooks()) {
    state_.state = "pending";
    if (record != nullptr) {
        state_ = record->state;
        attempt_ = record->attempt;
        starting_ = record->starting;
        if (record->handle) {
            handle_ = *record->handle;
        }
        if (state_.state == "dead") {
            phase_ = Phase::Dead;
        }
    }
}

void TaskRunner::update(
    std::shared_ptr<const model::Allocation> alloc,
    const model::TaskGroup& group,
    const model::Task& task
) {
    alloc_ = std::move(alloc);
    group_ = &group;
    task_ = &task;
    restarts_ = RestartTracker(
        policy_of(group, task), restarts_on_success(*alloc_->job, task), restarts_.counters()
    );
}

TaskId TaskRunner::id() const {
    return {alloc_->id, task_->name, attempt_};
}

TaskRecord TaskRunner::record() const {
    TaskRecord record;
    record.state = state_;
    record.attempt = attempt_;
    if (handle_) {
        record.handle = *handle_;
    }
    record.restarts = restarts_.counters();
    record.starting = phase_ == Phase::Starting;
    return record;
}

void TaskRunner::add_event(RunnerContext& c, model::TaskEvent event) {
    append_event(state_, std::move(event), c.now.wall);
    changed_ = true;
}

void TaskRunner::call(RunnerContext& c, decltype(DriverCall::what) what) {
    driver_ticket_ = c.tickets.issue(alloc_->id);
    c.out.drivers.push_back({driver_ticket_, task_->driver, id(), std::move(what)});
}

void TaskRunner::recover(RunnerContext& c) {
    if (handle_ && phase_ != Phase::Dead) {
        phase_ = Phase::Recovering;
        call(c, CallRecover{*handle_});
        return;
    }
    if (starting_ && phase_ != Phase::Dead) {
        // Stopped between the order to start and its answer. Starting is idempotent: the same
        // attempt is started again.
        --attempt_;
        return;
    }
    if (attempt_ > 0) {
        // Its end was written down; that the driver was told to forget it is not certain.
        call(c, CallDestroy{});
        handle_.reset();
    }
}

void TaskRunner::begin(RunnerContext& c) {
    if (phase_ != Phase::Waiting) {
        return;
    }
    if (state_.events.empty()) {
        add_event(c, events::received());
    }
    phase_ = Phase::Setup;
    next_hook_ = 0;
    spec_ = TaskSpec{};
    if (attempt_ == 0) {
        add_event(c, events::setup("Building Task Directory"));
    }
    run_hooks(c);
}

void TaskRunner::run_hooks(RunnerContext& c) {
    const TaskPaths paths = host_paths(c.settings.alloc_root, alloc_->id, task_->name);
    const TaskPaths seen = has_own_files(task_->driver) ? own_paths() : paths;
    const TaskEnv env(
        {*alloc_,
         *alloc_->job,
         *group_,
         *task_,
         c.node,
         c.settings.region,
         c.settings.parent_cgroup,
         seen,
         network_.get()}
    );
    while (next_hook_ < hooks_.size()) {
        if (kill_wanted_) {
            die(c, false);
            return;
        }
        const TaskHook& hook = *hooks_[next_hook_];
        TaskHookContext context{
            *alloc_, *group_, *task_, c.node, c.settings, paths, env, spec_, network_.get()
        };
        auto work = hook.prestart(context);
        if (!work) {
            hook_failed(c, hook.name(), work.error());
            return;
        }
        ++next_hook_;
        files_error_.clear();
        for (FileWork& item : *work) {
            const Ticket ticket = c.tickets.issue(alloc_->id);
            files_.emplace(ticket, hook.name());
            c.out.files.push_back({ticket, std::move(item)});
        }
        if (!files_.empty()) {
            return;
        }
    }
    if (kill_wanted_) {
        die(c, false);
        return;
    }
    start(c);
}

void TaskRunner::on_files(RunnerContext& c, Ticket ticket, const Result<void>& result) {
    const auto at = files_.find(ticket);
    if (at == files_.end()) {
        return;
    }
    const std::string hook = at->second;
    files_.erase(at);
    if (!result && files_error_.empty()) {
        files_error_ = result.error().message;
    }
    if (!files_.empty()) {
        return;
    }
    if (!files_error_.empty()) {
        hook_failed(c, hook, {HookFailure::Setup, std::exchange(files_error_, {})});
        return;
    }
    run_hooks(c);
}

void TaskRunner::hook_failed(RunnerContext& c, std::string_view hook, const HookError& error) {
    switch (error.kind) {
        case HookFailure::Validation:
            add_event(c, events::failed_validation(error.message));
            // The same words would be refused again.
            add_event(c, events::not_restarting("Error was unrecoverable"));
            die(c, true);
            return;
        case HookFailure::Setup:
            add_event(c, events::setup_failure(fmt::format("{}: {}", hook, error.message)));
            break;
        case HookFailure::Hook:
            add_event(c, events::hook_failed(std::string(hook), error.message));
            break;
    }
    decide(c, restarts_.after_start_error(true, c.now.wall, c.rng));
}

void TaskRunner::start(RunnerContext& c) {
    ++attempt_;
    changed_ = true;
    spec_.id = id();
    spec_.driver = task_->driver;
    spec_.job_id = alloc_->job->id;
    spec_.group = group_->name;
    spec_.namespace_ = alloc_->namespace_;
    spec_.job_name = alloc_->job->name;
    spec_.alloc_name = alloc_->name;
    spec_.node_id = c.node.id.str();
    spec_.node_name = c.node.name;
    phase_ = Phase::Starting;
    call(c, CallStart{std::exchange(spec_, {})});
}

void TaskRunner::on_driver(RunnerContext& c, const DriverEvent& event) {
    const bool answer = event.ticket == driver_ticket_ && event.ticket.value != 0;
    if (event.id.attempt != attempt_) {
        return;
    }
    if (const auto* started = std::get_if<Started>(&event.what)) {
        if (phase_ != Phase::Starting || !answer) {
            return;
        }
        handle_ = started->handle;
        state_.state = "running";
        state_.failed = false;
        state_.started_at = started->at;
        state_.finished_at = {};
        phase_ = Phase::Running;
        add_event(c, events::started());
        if (kill_wanted_) {
            kill_wanted_ = false;
            kill(c, std::nullopt, skip_shutdown_delay_);
        }
    } else if (const auto* failed = std::get_if<StartFailed>(&event.what)) {
        if (phase_ != Phase::Starting || !answer) {
            return;
        }
        add_event(c, events::driver_failure(failed->error.message));
        if (kill_wanted_) {
            die(c, true);
            return;
        }
        decide(c, restarts_.after_start_error(failed->recoverable, c.now.wall, c.rng));
    } else if (std::get_if<Recovered>(&event.what) != nullptr) {
        if (phase_ != Phase::Recovering || !answer) {
            return;
        }
        phase_ = Phase::Running;
        if (kill_wanted_) {
            kill_wanted_ = false;
            kill(c, std::nullopt, skip_shutdown_delay_);
        }
    } else if (const auto* lost = std::get_if<RecoverFailed>(&event.what)) {
        if (phase_ != Phase::Recovering || !answer) {
            return;
        }
        add_event(c, events::failed_restoring(lost->error.message));
        handle_.reset();
        state_.state = "pending";
        phase_ = Phase::Waiting;
        if (kill_wanted_) {
            die(c, false);
        }
    } else if (const auto* exited = std::get_if<Exited>(&event.what)) {
        on_exit(c, exited->result);
    } else if (const auto* message = std::get_if<DriverMessage>(&event.what)) {
        add_event(c, events::driver_message(message->message));
    } else if (const auto* done = std::get_if<CallDone>(&event.what)) {
        if (answer && !done->result && phase_ == Phase::Stopping) {
            // It could not be asked politely: end it now instead of waiting for the grace.
            deadline_ = c.now.instant;
        }
    }
}

void TaskRunner::on_exit(RunnerContext& c, const ExitResult& result) {
    switch (phase_) {
        case Phase::Starting:
        case Phase::Running:
        case Phase::Recovering:
        case Phase::ShutdownDelay:
        case Phase::Stopping:
            break;
        case Phase::Waiting:
        case Phase::Setup:
        case Phase::Restarting:
        case Phase::Dead:
            // Told twice; the first time it was handled.
            return;
    }
    const bool stopping = phase_ == Phase::Stopping || phase_ == Phase::ShutdownDelay;
    deadline_ = Instant::max();
    add_event(c, events::terminated(result));
    // The record with this end is written before the driver forgets it: effects are carried out in
    // that order.
    call(c, CallDestroy{});
    handle_.reset();
    if (std::exchange(restart_wanted_, false) && !kill_wanted_) {
        decide(c, {RestartVerdict::Restart, {}, ""});
        return;
    }
    if (stopping || kill_wanted_) {
        add_event(c, events::killed());
        die(c, false);
        return;
    }
    decide(c, restarts_.after_exit(result, c.now.wall, c.rng));
}

void TaskRunner::decide(RunnerContext& c, const RestartDecision& decision) {
    if (kill_wanted_) {
        die(c, false);
        return;
    }
    switch (decision.verdict) {
        case RestartVerdict::Complete:
            die(c, false);
            return;
        case RestartVerdict::Fail:
            add_event(c, events::not_restarting(decision.reason));
            die(c, true);
            return;
        case RestartVerdict::Restart:
            break;
    }
    state_.state = "pending";
    ++state_.restarts;
    state_.last_restart = c.now.wall;
    add_event(c, events::restarting(decision.reason, decision.delay));
    phase_ = Phase::Restarting;
    deadline_ = c.now.instant + decision.delay;
    if (decision.delay.ns <= 0) {
        tick(c);
    }
}

void TaskRunner::tick(RunnerContext& c) {
    if (deadline_ > c.now.instant) {
        return;
    }
    deadline_ = Instant::max();
    if (phase_ == Phase::Restarting) {
        phase_ = Phase::Waiting;
        begin(c);
    } else if (phase_ == Phase::ShutdownDelay) {
        stop_now(c);
    } else if (phase_ == Phase::Stopping) {
        call(c, CallDestroy{});
        handle_.reset();
        model::TaskEvent event = events::killed();
        event.kill_error = "the task did not end after its kill signal and was destroyed";
        event.details["kill_error"] = event.kill_error;
        add_event(c, std::move(event));
        die(c, false);
    }
}

void TaskRunner::kill(
    RunnerContext& c, std::optional<model::TaskEvent> reason, bool skip_shutdown_delay
) {
    if (kill_wanted_ || phase_ == Phase::Dead) {
        return;
    }
    kill_wanted_ = true;
    skip_shutdown_delay_ = skip_shutdown_delay;
    if (reason) {
        add_event(c, std::move(*reason));
    }
    switch (phase_) {
        case Phase::Waiting:
            die(c, false);
            return;
        case Phase::Restarting:
            add_event(c, events::killed());
            die(c, false);
            return;
        case Phase::Setup:
        case Phase::Starting:
        case Phase::Recovering:
        case Phase::ShutdownDelay:
        case Phase::Stopping:
        case Phase::Dead:
            // Each looks at kill_wanted_ when what it waits for has come.
            return;
        case Phase::Running:
            break;
    }
    if (task_->shutdown_delay.ns > 0 && !skip_shutdown_delay) {
        add_event(c, events::shutdown_delay(task_->shutdown_delay));
        phase_ = Phase::ShutdownDelay;
        deadline_ = c.now.instant + task_->shutdown_delay;
        return;
    }
    stop_now(c);
}

Duration TaskRunner::kill_timeout(const RunnerContext& c) const {
    return task_->kill_timeout > c.settings.max_kill_timeout ? c.settings.max_kill_timeout
                                                             : task_->kill_timeout;
}

void TaskRunner::stop_now(RunnerContext& c) {
    const Duration timeout = kill_timeout(c);
    add_event(c, events::killing(timeout, ""));
    phase_ = Phase::Stopping;
    deadline_ = c.now.instant + timeout + kStopGrace;
    const int signal =
        task_->kill_signal.empty() ? kSigInt : parse_signal(task_->kill_signal).value_or(kSigInt);
    call(c, CallStop{signal, timeout});
}

Result<void> TaskRunner::restart(RunnerContext& c, std::string reason) {
    if (phase_ != Phase::Running) {
        return fail(ErrorCode::FailedPrecondition, "Task not running");
    }
    add_event(c, events::restart_signaled(std::move(reason)));
    restart_wanted_ = true;
    const Duration timeout = kill_timeout(c);
    const int signal =
        task_->kill_signal.empty() ? kSigInt : parse_signal(task_->kill_signal).value_or(kSigInt);
    call(c, CallStop{signal, timeout});
    return {};
}

Result<void> TaskRunner::signal(RunnerContext& c, int number) {
    if (!running()) {
        return fail(ErrorCode::FailedPrecondition, "Task not running");
    }
    add_event(c, events::signaling(signal_name(number), "User sent signal"));
    call(c, CallSignal{number});
    return {};
}

void TaskRunner::abandon(RunnerContext& c, model::TaskEvent event) {
    if (phase_ != Phase::Dead) {
        add_event(c, std::move(event));
        die(c, true);
    }
}

void TaskRunner::die(RunnerContext& c, bool failed) {
    phase_ = Phase::Dead;
    deadline_ = Instant::max();
    state_.state = "dead";
    state_.failed = failed;
    state_.finished_at = c.now.wall;
    changed_ = true;
}

}  // namespace nl::client
