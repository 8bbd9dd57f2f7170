#include "client/alloc_runner.h"

#include "client/task_env.h"
#include "client/task_events.h"

#include <algorithm>
#include <utility>

namespace nl::client {

AllocRunner::AllocRunner(
    std::shared_ptr<const model::Allocation> alloc, const RestoredAlloc* restored
)
    : alloc_(std::move(alloc)), group_(group_of(*alloc_)), restored_(restored != nullptr) {
    NL_ASSERT(group_ != nullptr);
    for (const model::Task& task : group_->tasks) {
        const TaskRecord* record = nullptr;
        if (restored != nullptr) {
            const auto at = restored->tasks.find(task.name);
            record = at == restored->tasks.end() ? nullptr : &at->second;
        }
        tasks_.push_back(std::make_unique<TaskRunner>(alloc_, *group_, task, record));
    }
    health_reported_ = restored != nullptr && restored->health_reported;
    network_phase_ = needs_namespace(*group_) ? Network::Wanted : Network::None;
}

AllocRunner::Role AllocRunner::role_of(const model::Task& task) {
    if (!task.lifecycle || task.lifecycle->hook.empty()) {
        return Role::Main;
    }
    const bool sidecar = task.lifecycle->sidecar;
    if (task.lifecycle->hook == "prestart") {
        return sidecar ? Role::PrestartSidecar : Role::Prestart;
    }
    if (task.lifecycle->hook == "poststart") {
        return sidecar ? Role::PoststartSidecar : Role::Poststart;
    }
    return Role::Poststop;
}

template <class Predicate>
bool AllocRunner::every(Role role, Predicate predicate) const {
    return std::ranges::all_of(tasks_, [&](const auto& runner) {
        return role_of(runner->task()) != role || predicate(*runner);
    });
}

TaskRunner* AllocRunner::find(const std::string& name) {
    const auto at = std::ranges::find_if(tasks_, [&](const auto& runner) {
        return runner->task().name == name;
    });
    return at == tasks_.end() ? nullptr : at->get();
}

bool AllocRunner::has_task(const std::string& name) const {
    return std::ranges::any_of(tasks_, [&](const auto& runner) {
        return runner->task().name == name;
    });
}

bool AllocRunner::task_started(const std::string& name) const {
    return std::ranges::any_of(tasks_, [&](const auto& runner) {
        return runner->task().name == name && !runner->state().started_at.is_zero();
    });
}

bool AllocRunner::terminal() const {
    return std::ranges::all_of(tasks_, [](const auto& runner) { return runner->dead(); });
}

void AllocRunner::start(RunnerContext& c) {
    stopping_ = alloc_->desired_status != model::AllocDesiredStatus::Run;
    if (restored_) {
        for (const auto& runner : tasks_) {
            runner->recover(c);
        }
    }
    if (!terminal()) {
        const Ticket ticket = c.tickets.issue(alloc_->id);
        directory_ticket_ = ticket;
        c.out.files.push_back({ticket, env::MakeAllocDir{alloc_->id}});
    }
    coordinate(c);
}

void AllocRunner::update(RunnerContext& c, std::shared_ptr<const model::Allocation> alloc) {
    // A push without a job tells only what is desired.
    if (!alloc->job) {
        auto merged = std::make_shared<model::Allocation>(*alloc_);
        merged->desired_status = alloc->desired_status;
        merged->desired_description = alloc->desired_description;
        merged->desired_transition = alloc->desired_transition;
        merged->modify_index = alloc->modify_index;
        alloc = std::move(merged);
    }
    const model::TaskGroup* group = group_of(*alloc);
    if (group == nullptr || *alloc == *alloc_) {
        return;
    }
    const bool new_deployment = alloc->deployment_id != alloc_->deployment_id;
    // The old job stays alive until every runner looks at the new one.
    const std::shared_ptr<const model::Allocation> before = std::exchange(alloc_, std::move(alloc));
    group_ = group;
    for (const auto& runner : tasks_) {
        for (const model::Task& task : group_->tasks) {
            if (task.name == runner->task().name) {
                runner->update(alloc_, *group_, task);
            }
        }
    }
    // A task that the new version lacks cannot be: that is a destructive change, which makes
    // another allocation.
    record_changed_ = true;
    if (new_deployment) {
        healthy_.reset();
        healthy_since_.reset();
        health_deadline_.reset();
        health_reported_ = false;
    }
    stopping_ = stopping_ || alloc_->desired_status != model::AllocDesiredStatus::Run;
    coordinate(c);
}

void AllocRunner::stop(RunnerContext& c) {
    stopping_ = true;
    coordinate(c);
}

void AllocRunner::destroy(RunnerContext& c) {
    destroyed_ = true;
    stop(c);
}

void AllocRunner::fail_all(RunnerContext& c, const std::string& error) {
    setup_error_ = "failed to setup alloc: " + error;
    for (const auto& runner : tasks_) {
        runner->abandon(c, events::setup_failure(setup_error_));
    }
    status_changed_ = true;
}

void AllocRunner::on_files(RunnerContext& c, Ticket ticket, const Result<void>& result) {
    if (directory_ticket_ == ticket) {
        directory_ticket_.reset();
        directory_ready_ = result.has_value();
        if (!result) {
            fail_all(c, result.error().message);
        }
    }
    for (const auto& runner : tasks_) {
        runner->on_files(c, ticket, result);
    }
    coordinate(c);
}

void AllocRunner::coordinate_network(RunnerContext& c) {
    const bool made = network_phase_ == Network::Asked || network_phase_ == Network::Ready;
    if (terminal() && (made || (network_phase_ == Network::Wanted && restored_))) {
        network_phase_ = Network::Gone;
        c.out.networks.push_back({c.tickets.issue(alloc_->id), alloc_->id, TearDownNetwork{}});
        return;
    }
    if (network_phase_ != Network::Wanted || !directory_ready_ || terminal()) {
        return;
    }
    network_phase_ = Network::Asked;
    network_ticket_ = c.tickets.issue(alloc_->id);
    SetUpNetwork work;
    work.network = group_->networks.front();
    if (alloc_->allocated_resources && alloc_->allocated_resources->shared) {
        work.ports = alloc_->allocated_resources->shared->ports;
    }
    for (const auto& runner : tasks_) {
        if (runner->task().driver == "docker") {
            work.engine = "docker";
        }
    }
    work.labels = {
        {"NOMAD_ALLOC_ID", alloc_->id.str()},
        {"NOMAD_GROUP_NAME", alloc_->task_group},
        {"NOMAD_JOB_ID", alloc_->job_id},
        {"NOMAD_NAMESPACE", alloc_->namespace_},
        {"NOMAD_REGION", c.settings.region}
    };
    c.out.networks.push_back({*network_ticket_, alloc_->id, std::move(work)});
}

void AllocRunner::on_network(RunnerContext& c, const NetworkDone& event) {
    if (!network_ticket_ || *network_ticket_ != event.ticket || network_phase_ != Network::Asked) {
        return;
    }
    network_ticket_.reset();
    if (event.result) {
        network_phase_ = Network::Ready;
        network_ = std::make_shared<const NetworkState>(*event.result);
        for (const auto& runner : tasks_) {
            runner->set_network(network_);
        }
        status_changed_ = true;
    } else {
        setup_error_ = fmt::format(
            "failed to setup alloc: pre-run hook \"network\" failed: {}",
            event.result.error().message
        );
        const model::TaskEvent reason = events::setup_failure(setup_error_);
        for (const auto& runner : tasks_) {
            // Found again after a restart, it runs in a network that is gone.
            if (runner->running()) {
                runner->kill(c, reason, true);
            } else {
                runner->abandon(c, reason);
            }
        }
        status_changed_ = true;
    }
    coordinate(c);
}

void AllocRunner::on_driver(RunnerContext& c, const DriverEvent& event) {
    if (TaskRunner* runner = find(event.id.task)) {
        runner->on_driver(c, event);
        coordinate(c);
    }
}

void AllocRunner::tick(RunnerContext& c) {
    for (const auto& runner : tasks_) {
        runner->tick(c);
    }
    coordinate(c);
}

Instant AllocRunner::deadline() const {
    Instant at = Instant::max();
    for (const auto& runner : tasks_) {
        at = std::min(at, runner->deadline());
    }
    if (!healthy_ && healthy_since_ && group_->update) {
        at = std::min(at, *healthy_since_ + group_->update->min_healthy_time);
    }
    if (!healthy_ && health_deadline_) {
        at = std::min(at, *health_deadline_);
    }
    return at;
}

void AllocRunner::kill_all_but_poststop(
    RunnerContext& c, const model::TaskEvent* reason, const std::string& except
) {
    const bool no_delay = alloc_->desired_transition &&
                          alloc_->desired_transition->no_shutdown_delay &&
                          *alloc_->desired_transition->no_shutdown_delay;
    for (const auto& runner : tasks_) {
        if (role_of(runner->task()) != Role::Poststop && runner->task().name != except &&
            !runner->dead()) {
            runner->kill(c, reason != nullptr ? std::optional(*reason) : std::nullopt, no_delay);
        }
    }
}

void AllocRunner::coordinate(RunnerContext& c) {
    coordinate_network(c);
    const bool network_ready = network_phase_ == Network::None || network_phase_ == Network::Ready;
    const auto dead = [](const TaskRunner& runner) { return runner.dead(); };
    const auto up = [](const TaskRunner& runner) { return runner.running() || runner.dead(); };
    const auto begin = [&](Role role) {
        for (const auto& runner : tasks_) {
            if (role_of(runner->task()) == role) {
                runner->begin(c);
            }
        }
    };
    const TaskRunner* leader = nullptr;
    const TaskRunner* failed = nullptr;
    for (const auto& runner : tasks_) {
        leader = runner->task().leader ? runner.get() : leader;
        failed = failed == nullptr && runner->dead() && runner->failed() &&
                         role_of(runner->task()) != Role::Poststop
                     ? runner.get()
                     : failed;
    }
    if (stopping_) {
        // The leader goes first; the others while it is dying keep serving it.
        if (leader != nullptr && !leader->dead()) {
            find(leader->task().name)->kill(c, std::nullopt, false);
        }
        if (leader == nullptr || leader->dead()) {
            kill_all_but_poststop(c, nullptr, "");
        }
    } else if (failed != nullptr) {
        const model::TaskEvent reason = events::sibling_failed(failed->task().name);
        kill_all_but_poststop(c, &reason, failed->task().name);
    } else if (leader != nullptr && leader->dead()) {
        const model::TaskEvent reason = events::leader_dead();
        kill_all_but_poststop(c, &reason, leader->task().name);
    } else if (every(Role::Main, dead)) {
        const model::TaskEvent reason = events::main_tasks_dead();
        kill_all_but_poststop(c, &reason, "");
    } else if (directory_ready_ && network_ready) {
        begin(Role::Prestart);
        begin(Role::PrestartSidecar);
        if (every(Role::Prestart, dead) && every(Role::PrestartSidecar, up)) {
            begin(Role::Main);
        }
        if (every(Role::Main, up)) {
            begin(Role::Poststart);
            begin(Role::PoststartSidecar);
        }
    }
    const bool others_dead = std::ranges::all_of(tasks_, [](const auto& runner) {
        return role_of(runner->task()) == Role::Poststop || runner->dead();
    });
    if (others_dead && directory_ready_ && network_ready) {
        begin(Role::Poststop);
    }
    coordinate_network(c);
    watch_health(c);
}

void AllocRunner::watch_health(RunnerContext& c) {
    if (alloc_->deployment_id.is_nil() || healthy_ || health_reported_ || stopping_ ||
        !group_->update || group_->update->health_check == "manual") {
        return;
    }
    if (!health_deadline_) {
        health_deadline_ = c.now.instant + group_->update->healthy_deadline;
    }
    const bool all_run =
        every(Role::Main, [](const TaskRunner& runner) { return runner.running(); });
    const bool any_failed = std::ranges::any_of(tasks_, [](const auto& runner) {
        return runner->dead() && runner->failed();
    });
    if (!all_run) {
        healthy_since_.reset();
    } else if (!healthy_since_) {
        healthy_since_ = c.now.instant;
    }
    if (any_failed || c.now.instant >= *health_deadline_) {
        healthy_ = false;
    } else if (healthy_since_ &&
               c.now.instant - *healthy_since_ >= group_->update->min_healthy_time) {
        healthy_ = true;
    }
    if (healthy_) {
        healthy_at_ = c.now.wall;
        health_reported_ = true;
        record_changed_ = true;
        status_changed_ = true;
    }
}

Result<void> AllocRunner::restart(RunnerContext& c, const std::string& task, bool all) {
    if (!task.empty()) {
        TaskRunner* runner = find(task);
        if (runner == nullptr) {
            return fail(ErrorCode::NotFound, "Could not find task runner for task: {}", task);
        }
        return runner->restart(c, "User requested task to restart");
    }
    bool any = false;
    for (const auto& runner : tasks_) {
        if (runner->phase() == TaskRunner::Phase::Running &&
            (all || role_of(runner->task()) == Role::Main)) {
            NL_TRY_VOID(runner->restart(
                c,
                all ? "User requested all tasks to restart"
                    : "User requested running tasks to restart"
            ));
            any = true;
        }
    }
    if (!any) {
        return fail(
            ErrorCode::FailedPrecondition, "no task of allocation \"{}\" is running", alloc_->id
        );
    }
    return {};
}

Result<void> AllocRunner::signal(RunnerContext& c, const std::string& task, int number) {
    if (!task.empty()) {
        TaskRunner* runner = find(task);
        if (runner == nullptr) {
            return fail(ErrorCode::NotFound, "Task not found");
        }
        return runner->signal(c, number);
    }
    Result<void> result;
    for (const auto& runner : tasks_) {
        if (runner->running()) {
            if (auto sent = runner->signal(c, number); !sent) {
                result = sent;
            }
        }
    }
    return result;
}

server::AllocStatus AllocRunner::status() const {
    server::AllocStatus status;
    status.alloc_id = alloc_->id;
    bool failed = false;
    bool running = false;
    bool pending = false;
    for (const auto& runner : tasks_) {
        const model::TaskState& state = runner->state();
        status.task_states.emplace(runner->task().name, state);
        failed = failed || (state.state == "dead" && state.failed);
        running = running || state.state == "running";
        // A poststop task that waits for its hour says nothing of the allocation.
        pending =
            pending || (state.state == "pending" && role_of(runner->task()) != Role::Poststop);
    }
    using enum model::AllocClientStatus;
    if (failed) {
        status.client_status = Failed;
        status.client_description = setup_error_.empty() ? "Failed tasks" : setup_error_;
    } else if (running) {
        status.client_status = Running;
        status.client_description = "Tasks are running";
    } else if (pending) {
        status.client_status = Pending;
        status.client_description = "No tasks have started";
    } else if (terminal()) {
        status.client_status = Complete;
        status.client_description = "All tasks have completed";
    } else {
        status.client_status = Running;
        status.client_description = "Tasks are running";
    }
    if (network_) {
        status.network_status = network_->status;
    }
    if (healthy_) {
        status.deployment_status.ensure().healthy = healthy_;
        status.deployment_status->timestamp = healthy_at_;
        if (alloc_->deployment_status) {
            status.deployment_status->canary = alloc_->deployment_status->canary;
        }
    }
    return status;
}

std::vector<TaskId> AllocRunner::running_tasks() const {
    std::vector<TaskId> out;
    for (const auto& runner : tasks_) {
        if (runner->running()) {
            out.push_back({alloc_->id, runner->task().name, runner->record().attempt});
        }
    }
    return out;
}

bool AllocRunner::flush(RunnerContext& c) {
    std::vector<StateWrite> writes;
    if (std::exchange(record_changed_, false)) {
        writes.push_back(save_alloc(*alloc_, health_reported_));
    }
    for (const auto& runner : tasks_) {
        if (runner->take_changed()) {
            writes.push_back(save_task(alloc_->id, runner->task().name, runner->record()));
            status_changed_ = true;
        }
    }
    for (StateWrite& write : writes) {
        c.out.state.push_back(std::move(write));
    }
    return std::exchange(status_changed_, false);
}

}  // namespace nl::client
