#include "client/task_runner.h"

#include "client/signals.h"
#include "client/task_events.h"

#include <algorithm>
#include <utility>

namespace nl::client {
namespace {

/// Templates are rendered before the environment and the driver's configuration are put together.
constexpr std::string_view kTemplatesBefore = "driver_config";

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
    if (!task.templates.empty()) {
        std::map<std::string, std::uint64_t> known;
        if (record != nullptr) {
            known.insert(record->template_checks.begin(), record->template_checks.end());
        }
        templates_ = std::make_unique<TemplateRunner>(alloc_, task, std::move(known));
    }
    if (record != nullptr) {
        state_ = record->state;
        attempt_ = record->attempt;
        starting_ = record->starting;
        hooks_done_ = record->hooks_done;
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
    record.hooks_done = hooks_done_;
    if (templates_) {
        for (const auto& [destination, check] : templates_->checks()) {
            record.template_checks.emplace(destination, check);
        }
    }
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
    TaskEnv env = make_env(c);
    waits_for_templates_ = false;
    while (next_hook_ < hooks_.size()) {
        if (kill_wanted_) {
            die(c, false);
            return;
        }
        const TaskHook& hook = *hooks_[next_hook_];
        const std::string name(hook.name());
        if (hook.once() && std::ranges::find(hooks_done_, name) != hooks_done_.end()) {
            ++next_hook_;
            continue;
        }
        if (templates_ && name == kTemplatesBefore) {
            const bool again = restart_again_ && policy_of(*group_, *task_).render_templates;
            restart_again_ = false;
            templates_->begin(c, env.variables(), again);
            if (!templates_->error().empty()) {
                template_failed(c);
                return;
            }
            if (!templates_->ready()) {
                waits_for_templates_ = true;
                return;
            }
            env.add(templates_->env());
        }
        std::vector<model::TaskEvent> said;
        TaskHookContext context{
            *alloc_,
            *group_,
            *task_,
            c.node,
            c.settings,
            paths,
            env,
            spec_,
            said,
            false,
            network_.get()
        };
        auto work = hook.prestart(context);
        for (model::TaskEvent& event : said) {
            add_event(c, std::move(event));
        }
        if (!work) {
            hook_failed(c, hook.name(), work.error());
            return;
        }
        if (context.wait) {
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

TaskEnv TaskRunner::make_env(const RunnerContext& c) const {
    const TaskPaths paths = has_own_files(task_->driver)
                                ? own_paths()
                                : host_paths(c.settings.alloc_root, alloc_->id, task_->name);
    return TaskEnv(
        {*alloc_,
         *alloc_->job,
         *group_,
         *task_,
         c.node,
         c.settings.region,
         c.settings.parent_cgroup,
         paths,
         network_.get()}
    );
}

void TaskRunner::template_failed(RunnerContext& c) {
    const std::string why = "Template failed: " + templates_->error();
    if (phase_ == Phase::Setup) {
        model::TaskEvent event = events::killing({}, why);
        event.fails_task = true;
        add_event(c, std::move(event));
        die(c, true);
        return;
    }
    kill_fails_ = true;
    kill_reason_ = why;
    kill(c, std::nullopt, true);
}

void TaskRunner::apply_change(RunnerContext& c, const TemplateRunner::Change& change) {
    if (phase_ != Phase::Running || kill_wanted_) {
        // It is being started or ended: the files are there for the next one.
        return;
    }
    if (change.restart) {
        static_cast<void>(restart(c, "Template with change_mode restart re-rendered"));
        return;
    }
    for (const std::string& name : change.signals) {
        const auto number = parse_signal(name);
        add_event(c, events::signaling(name, "Template re-rendered"));
        if (number) {
            call(c, CallSignal{*number});
        }
    }
    for (const TemplateRunner::Script& script : change.scripts) {
        c.out.scripts.push_back(
            {id(), task_->driver, script.command, script.args, script.timeout, script.fail_on_error}
        );
    }
}

void TaskRunner::on_script(RunnerContext& c, const ScriptDone& done) {
    if (done.id.attempt != attempt_ || phase_ != Phase::Running) {
        return;
    }
    if (done.result) {
        add_event(
            c,
            events::said(
                "Task hook message", "Template successfully ran the script: " + done.command
            )
        );
        return;
    }
    const std::string why = fmt::format(
        "Template failed to run script {}: {}", done.command, done.result.error().message
    );
    if (done.fail_on_error) {
        kill_as_failed(c, events::said("Task hook failed", why), why);
    } else {
        add_event(c, events::said("Task hook failed", why));
    }
}

void TaskRunner::follow_templates(RunnerContext& c) {
    if (!templates_ || phase_ == Phase::Dead) {
        return;
    }
    if (auto message = templates_->take_message()) {
        add_event(c, events::said("Template", std::move(*message)));
    }
    if (!templates_->error().empty()) {
        if (!kill_wanted_) {
            template_failed(c);
        }
        return;
    }
    if (const auto change = templates_->take_change(c.now.instant)) {
        apply_change(c, *change);
    }
    if (phase_ == Phase::Setup && waits_for_templates_ && templates_->ready()) {
        run_hooks(c);
    }
}

void TaskRunner::on_watch(RunnerContext& c, const server::WatchUpdate& update) {
    if (templates_) {
        templates_->on_watch(c, update);
        follow_templates(c);
        changed_ = true;
    }
}

Instant TaskRunner::deadline() const {
    return templates_ && phase_ != Phase::Dead ? std::min(deadline_, templates_->deadline())
                                               : deadline_;
}

void TaskRunner::on_files(RunnerContext& c, const env::FileDone& done) {
    if (templates_ && templates_->on_files(c, done)) {
        changed_ = true;
        follow_templates(c);
        return;
    }
    const auto at = files_.find(done.ticket);
    if (at == files_.end()) {
        return;
    }
    const std::string hook = at->second;
    files_.erase(at);
    if (!done.result && files_error_.empty()) {
        files_error_ = done.result.error().message;
    }
    if (!files_.empty()) {
        return;
    }
    const TaskHook& ran = *hooks_[next_hook_ - 1];
    if (!files_error_.empty()) {
        hook_failed(c, hook, {ran.work_failure(), std::exchange(files_error_, {})});
        return;
    }
    if (ran.once()) {
        hooks_done_.push_back(hook);
        changed_ = true;
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
        case HookFailure::Artifact:
            add_event(c, events::artifact_failure(error.message));
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
        if (templates_) {
            templates_->begin(c, make_env(c).variables(), false);
        }
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
    if (phase_ == Phase::Starting) {
        // A short program's end overtook the answer to its start.
        state_.started_at = c.now.wall;
        add_event(c, events::started());
    }
    add_event(c, events::terminated(result));
    // The record with this end is written before the driver forgets it: effects are carried out in
    // that order.
    call(c, CallDestroy{});
    handle_.reset();
    if (std::exchange(restart_wanted_, false) && !kill_wanted_) {
        if (restart_kind_ == RestartKind::Failure) {
            decide(c, restarts_.after_failure(c.now.wall, c.rng));
        } else {
            decide(c, {RestartVerdict::Restart, {}, ""});
        }
        return;
    }
    if (stopping || kill_wanted_) {
        add_event(c, events::killed());
        die(c, kill_fails_);
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
    restart_again_ = true;
    add_event(c, events::restarting(decision.reason, decision.delay));
    phase_ = Phase::Restarting;
    deadline_ = c.now.instant + decision.delay;
    if (decision.delay.ns <= 0) {
        tick(c);
    }
}

void TaskRunner::tick(RunnerContext& c) {
    if (templates_ && phase_ != Phase::Dead) {
        templates_->tick(c);
        follow_templates(c);
    }
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
        die(c, kill_fails_);
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
            die(c, kill_fails_);
            return;
        case Phase::Restarting:
            add_event(c, events::killed());
            die(c, kill_fails_);
            return;
        case Phase::Setup:
            // What its hooks still do is of no use to anybody.
            files_.clear();
            add_event(c, events::killed());
            die(c, kill_fails_);
            return;
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

void TaskRunner::kill_as_failed(
    RunnerContext& c, model::TaskEvent reason, std::string kill_reason
) {
    if (kill_wanted_ || phase_ == Phase::Dead) {
        return;
    }
    kill_fails_ = true;
    kill_reason_ = std::move(kill_reason);
    kill(c, std::move(reason), true);
}

Duration TaskRunner::kill_timeout(const RunnerContext& c) const {
    return task_->kill_timeout > c.settings.max_kill_timeout ? c.settings.max_kill_timeout
                                                             : task_->kill_timeout;
}

void TaskRunner::stop_now(RunnerContext& c) {
    const Duration timeout = kill_timeout(c);
    add_event(c, events::killing(timeout, kill_reason_));
    phase_ = Phase::Stopping;
    deadline_ = c.now.instant + timeout + kStopGrace;
    const int signal =
        task_->kill_signal.empty() ? kSigInt : parse_signal(task_->kill_signal).value_or(kSigInt);
    call(c, CallStop{signal, timeout});
}

Result<void> TaskRunner::restart(RunnerContext& c, std::string reason, RestartKind kind) {
    if (phase_ != Phase::Running || restart_wanted_) {
        return fail(ErrorCode::FailedPrecondition, "Task not running");
    }
    add_event(c, events::restart_signaled(std::move(reason)));
    restart_wanted_ = true;
    restart_kind_ = kind;
    const Duration timeout = kill_timeout(c);
    const int signal =
        task_->kill_signal.empty() ? kSigInt : parse_signal(task_->kill_signal).value_or(kSigInt);
    call(c, CallStop{signal, timeout});
    return {};
}

Result<void> TaskRunner::signal(RunnerContext& c, int number) {
    // One that is being restarted takes no signal any more: it is on its way out.
    if (!running() || restart_wanted_) {
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
    if (templates_) {
        templates_->end(c);
    }
    state_.state = "dead";
    state_.failed = failed;
    state_.finished_at = c.now.wall;
    changed_ = true;
}

}  // namespace nl::client
