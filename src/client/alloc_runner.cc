#include "client/alloc_runner.h"

#include "client/task_env.h"
#include "client/task_events.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace nl::client {
namespace {

constexpr std::int64_t kMegabyte = 1 << 20;
/// When the disk that an allocation takes is looked at. Walking a small tree costs some 50 µs.
constexpr Duration kFirstMeasure = seconds(2);
constexpr Duration kMeasureEvery = seconds(10);
/// How long the end of an allocation waits for the servers to have taken its services back.
constexpr Duration kDeregisterWithin = seconds(1);

}  // namespace

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
    begun_ = true;
    stopping_ = stopping_ || alloc_->desired_status != model::AllocDesiredStatus::Run;
    if (restored_) {
        for (const auto& runner : tasks_) {
            runner->recover(c);
        }
    }
    if (terminal()) {
        c.out.files.push_back({c.tickets.issue(alloc_->id), env::ReleaseAllocDir{alloc_->id}});
        released_ = true;
    } else {
        const Ticket ticket = c.tickets.issue(alloc_->id);
        directory_ticket_ = ticket;
        c.out.files.push_back({ticket, env::MakeAllocDir{alloc_->id}});
        const bool sticky = group_->ephemeral_disk &&
                            (group_->ephemeral_disk->sticky || group_->ephemeral_disk->migrate);
        if (!restored_ && sticky && !alloc_->previous_allocation.is_nil()) {
            moving_ticket_ = c.tickets.issue(alloc_->id);
            env::MoveAllocData move{alloc_->previous_allocation, alloc_->id, {}};
            for (const model::Task& task : group_->tasks) {
                move.tasks.push_back(task.name);
            }
            c.out.files.push_back({*moving_ticket_, std::move(move)});
        }
        measure_due_ = c.now.instant + kFirstMeasure;
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

void AllocRunner::on_files(RunnerContext& c, const env::FileDone& done) {
    if (directory_ticket_ == done.ticket) {
        directory_ticket_.reset();
        directory_ready_ = done.result.has_value();
        if (!done.result) {
            fail_all(c, done.result.error().message);
        }
    } else if (moving_ticket_ == done.ticket) {
        moving_ticket_.reset();
        if (!done.result) {
            fail_all(c, done.result.error().message);
        }
    } else if (measuring_ticket_ == done.ticket) {
        measuring_ticket_.reset();
        measure_due_ = c.now.instant + kMeasureEvery;
        std::int64_t bytes = 0;
        std::from_chars(done.data.data(), done.data.data() + done.data.size(), bytes);
        const std::int64_t limit_mb = group_->ephemeral_disk ? group_->ephemeral_disk->size_mb : 0;
        if (done.result && limit_mb > 0 && bytes > limit_mb * kMegabyte) {
            fail_running(
                c,
                events::disk_exceeded(limit_mb),
                fmt::format("the allocation takes more than its ephemeral disk of {} MB", limit_mb)
            );
        }
    }
    for (const auto& runner : tasks_) {
        runner->on_files(c, done);
    }
    coordinate(c);
}

void AllocRunner::on_check(RunnerContext& c, const CheckDone& done) {
    const auto restart = checks_.done(done, c.now.instant, c.now.wall);
    if (restart && !stopping_) {
        for (const auto& runner : tasks_) {
            if ((restart->task.empty() || runner->task().name == restart->task) &&
                runner->serving()) {
                static_cast<void>(
                    runner->restart(c, restart->reason, TaskRunner::RestartKind::Failure)
                );
            }
        }
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

void AllocRunner::on_script(RunnerContext& c, const ScriptDone& done) {
    if (TaskRunner* runner = find(done.id.task)) {
        runner->on_script(c, done);
        coordinate(c);
    }
}

void AllocRunner::on_watch(
    RunnerContext& c, const std::string& task, const server::WatchUpdate& update
) {
    if (TaskRunner* runner = find(task)) {
        runner->on_watch(c, update);
        coordinate(c);
    }
}

void AllocRunner::fail_running(
    RunnerContext& c, const model::TaskEvent& event, const std::string& reason
) {
    for (const auto& runner : tasks_) {
        if (role_of(runner->task()) != Role::Poststop) {
            runner->kill_as_failed(c, event, reason);
        }
    }
}

TaskEnv AllocRunner::env_of(const RunnerContext& c, const model::Task& task) const {
    const TaskPaths paths = has_own_files(task.driver)
                                ? own_paths()
                                : host_paths(c.settings.alloc_root, alloc_->id, task.name);
    return TaskEnv(
        {*alloc_,
         *alloc_->job,
         *group_,
         task,
         c.node,
         c.settings.region,
         c.settings.parent_cgroup,
         paths,
         network_.get()}
    );
}

std::optional<Duration> AllocRunner::stop_after_disconnect() const {
    if (group_->disconnect && group_->disconnect->stop_on_client_after) {
        return group_->disconnect->stop_on_client_after;
    }
    return group_->stop_after_client_disconnect;
}

void AllocRunner::add_instances(std::set<std::string>& to) const {
    for (const auto& runner : tasks_) {
        // The next attempt may be on its way to the driver already.
        to.insert(TaskId{alloc_->id, runner->task().name, runner->attempt()}.str());
        to.insert(TaskId{alloc_->id, runner->task().name, runner->attempt() + 1}.str());
    }
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
    at = std::min({at, stop_due_, checks_.deadline(), run_until_});
    for (const auto& [task, until] : task_until_) {
        at = std::min(at, until.at);
    }
    if (terminal() || stopping_) {
        return at;
    }
    if (!measuring_ticket_ && directory_ready_) {
        at = std::min(at, measure_due_);
    }
    if (healthy_ || health_reported_) {
        return at;
    }
    if (healthy_since_) {
        at = std::min(at, *healthy_since_ + health_params().min_healthy_time);
    }
    if (health_deadline_) {
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
        stop_in_order(c);
    } else if (failed != nullptr) {
        const model::TaskEvent reason = events::sibling_failed(failed->task().name);
        kill_all_but_poststop(c, &reason, failed->task().name);
    } else if (leader != nullptr && leader->dead()) {
        const model::TaskEvent reason = events::leader_dead();
        kill_all_but_poststop(c, &reason, leader->task().name);
    } else if (every(Role::Main, dead)) {
        const model::TaskEvent reason = events::main_tasks_dead();
        kill_all_but_poststop(c, &reason, "");
    } else if (directory_ready_ && !moving_ticket_ && network_ready) {
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
    if (terminal() && !released_ && directory_ready_) {
        released_ = true;
        c.out.files.push_back({c.tickets.issue(alloc_->id), env::ReleaseAllocDir{alloc_->id}});
    }
    sync_services(c);
    watch_limits(c);
    coordinate_network(c);
    watch_health(c);
}

bool AllocRunner::no_shutdown_delay() const {
    return alloc_->desired_transition && alloc_->desired_transition->no_shutdown_delay &&
           *alloc_->desired_transition->no_shutdown_delay;
}

void AllocRunner::kill_roles(
    RunnerContext& c,
    std::initializer_list<Role> roles,
    const model::TaskEvent* reason,
    const std::string& except
) {
    for (const auto& runner : tasks_) {
        const Role role = role_of(runner->task());
        if (std::ranges::find(roles, role) != roles.end() && runner->task().name != except &&
            !runner->dead()) {
            runner->kill(
                c, reason != nullptr ? std::optional(*reason) : std::nullopt, no_shutdown_delay()
            );
        }
    }
}

void AllocRunner::stop_in_order(RunnerContext& c) {
    if (stop_stage_ == StopStage::None) {
        const bool offered = c.services.has_any(alloc_->id);
        checks_.clear_all();
        offered_.clear();
        instances_.clear();
        c.services.remove_all(alloc_->id);
        stop_stage_ = StopStage::Deregistering;
        stop_due_ = c.now.instant + (offered ? kDeregisterWithin : Duration{});
    }
    // Clients are sent elsewhere before there is nobody to answer them.
    if (stop_stage_ == StopStage::Deregistering &&
        (c.services.settled(alloc_->id) || c.now.instant >= stop_due_)) {
        stop_stage_ = StopStage::Delay;
        const bool any_runs =
            std::ranges::any_of(tasks_, [](const auto& r) { return r->running(); });
        const bool delay = any_runs && group_->shutdown_delay && !no_shutdown_delay();
        stop_due_ = c.now.instant + (delay ? *group_->shutdown_delay : Duration{});
    }
    if (stop_stage_ == StopStage::Delay && (c.now.instant >= stop_due_ || no_shutdown_delay())) {
        stop_stage_ = StopStage::Killing;
        stop_due_ = Instant::max();
    }
    if (stop_stage_ != StopStage::Killing) {
        return;
    }
    // The leader goes first, the others while it is dying keep serving it; then the main tasks,
    // and their sidecars last.
    for (const auto& runner : tasks_) {
        if (runner->task().leader && !runner->dead()) {
            runner->kill(c, std::nullopt, no_shutdown_delay());
            return;
        }
    }
    kill_roles(c, {Role::Prestart, Role::Main, Role::Poststart}, nullptr, "");
    if (!begun_) {
        // It waited for another one's end: there is nothing to clean up after.
        kill_roles(c, {Role::Poststop}, nullptr, "");
    }
    const auto dead = [](const TaskRunner& runner) { return runner.dead(); };
    if (every(Role::Main, dead) && every(Role::Prestart, dead) && every(Role::Poststart, dead)) {
        kill_roles(c, {Role::PrestartSidecar, Role::PoststartSidecar}, nullptr, "");
    }
}

void AllocRunner::watch_limits(RunnerContext& c) {
    if (terminal() || stopping_) {
        run_until_ = Instant::max();
        task_until_.clear();
        return;
    }
    watch_tasks_limits(c);
    if (group_->max_run_duration && group_->max_run_duration->ns > 0) {
        if (run_until_ == Instant::max()) {
            for (const auto& runner : tasks_) {
                const WallTime began = runner->state().started_at;
                if (!began.is_zero()) {
                    const Duration left = began + *group_->max_run_duration - c.now.wall;
                    run_until_ = std::min(run_until_, c.now.instant + left);
                }
            }
        }
        if (run_until_ <= c.now.instant) {
            run_until_ = Instant::max();
            const std::string why = fmt::format(
                "max_run_duration of {} exceeded", to_string(*group_->max_run_duration)
            );
            setup_error_ = why;
            fail_running(c, events::said("Task hook message", why), why);
        }
    }
    if (!measuring_ticket_ && measure_due_ <= c.now.instant && directory_ready_) {
        measuring_ticket_ = c.tickets.issue(alloc_->id);
        c.out.files.push_back({*measuring_ticket_, env::MeasureAlloc{alloc_->id}});
    }
}

void AllocRunner::watch_tasks_limits(RunnerContext& c) {
    for (const auto& runner : tasks_) {
        const std::string& name = runner->task().name;
        const auto limit = runner->task().max_run_duration;
        if (!limit || limit->ns <= 0 || runner->phase() != TaskRunner::Phase::Running) {
            task_until_.erase(name);
            continue;
        }
        // Fixed when the run is first seen, so that a calendar that is set later does not move it.
        const WallTime began = runner->state().started_at;
        const auto [until, fresh] = task_until_.try_emplace(name);
        if (fresh || until->second.began != began || until->second.limit != *limit) {
            const Duration left =
                std::clamp(began + *limit - c.now.wall, Duration{}, *limit);
            until->second = {began, *limit, c.now.instant + left};
        }
        if (until->second.at <= c.now.instant) {
            task_until_.erase(until);
            const std::string why =
                fmt::format("max_run_duration of {} exceeded", to_string(*limit));
            setup_error_ = fmt::format("task \"{}\": {}", name, why);
            runner->kill_as_failed(c, events::said("Task hook message", why), why);
        }
    }
}

void AllocRunner::sync_services(RunnerContext& c) {
    const bool any_main = std::ranges::any_of(tasks_, [](const auto& runner) {
        return role_of(runner->task()) == Role::Main && runner->serving();
    });
    const auto offer = [&](const std::string& owner,
                           const model::Task& task,
                           const std::vector<model::Service>& services,
                           bool wanted,
                           std::uint64_t attempt) {
        const auto at = offered_.find(owner);
        if (!wanted || services.empty() || stopping_) {
            if (at != offered_.end()) {
                offered_.erase(at);
                instances_.erase(owner);
                checks_.clear(owner);
                c.services.set(alloc_->id, owner, {});
            }
            return;
        }
        if (at != offered_.end() && at->second == attempt) {
            return;
        }
        offered_[owner] = attempt;
        const TaskEnv env = env_of(c, task);
        const model::AllocNetworkStatus* network =
            alloc_->network_status ? &*alloc_->network_status : nullptr;
        ServiceInstances made =
            service_instances({*alloc_, *group_, c.node, network, env, owner, services});
        for (const std::string& problem : made.problems) {
            if (TaskRunner* runner = find(task.name)) {
                runner->say(c, events::said("Task hook message", problem));
            }
        }
        checks_.set(owner, made.checks, c.now.instant);
        instances_[owner] = std::move(made);
        c.services.set(alloc_->id, owner, instances_[owner].registrations);
    };
    const model::Task& first = group_->tasks.front();
    // Once offered, the group's services stay while a main task is being restarted.
    const auto is_dead = [](const TaskRunner& runner) { return runner.dead(); };
    const bool group_wanted = any_main || (offered_.contains("") && !every(Role::Main, is_dead));
    offer("", first, group_->services, group_wanted, 1);
    for (const auto& runner : tasks_) {
        std::uint64_t& seen = attempts_seen_[runner->task().name];
        if (runner->serving() && seen != runner->attempt()) {
            seen = runner->attempt();
            checks_.task_restarted(runner->task().name, c.now.instant);
        }
        offer(
            runner->task().name,
            runner->task(),
            runner->task().services,
            runner->serving(),
            runner->attempt()
        );
    }
    for (CheckWork& work : checks_.take_due(alloc_->id, c.now.instant)) {
        c.out.checks.push_back(std::move(work));
    }
}

AllocRunner::HealthParams AllocRunner::health_params() const {
    if (!alloc_->deployment_id.is_nil() && group_->update) {
        return {
            group_->update->health_check,
            group_->update->min_healthy_time,
            group_->update->healthy_deadline
        };
    }
    if (group_->migrate) {
        return {
            group_->migrate->health_check,
            group_->migrate->min_healthy_time,
            group_->migrate->healthy_deadline
        };
    }
    return {"checks", seconds(10), minutes(5)};
}

void AllocRunner::watch_health(RunnerContext& c) {
    // Of jobs that are not services nobody asks the health.
    if (alloc_->job->type != "service" && alloc_->deployment_id.is_nil()) {
        return;
    }
    const HealthParams params = health_params();
    if (healthy_ || health_reported_ || stopping_ || params.check == "manual") {
        return;
    }
    if (!health_deadline_) {
        health_deadline_ = c.now.instant + params.healthy_deadline;
    }
    const auto runs = [](const TaskRunner& runner) { return runner.running(); };
    const bool checked = params.check != "checks" || checks_.all_pass();
    const bool all_run = every(Role::Main, runs) && every(Role::PrestartSidecar, runs) && checked;
    const bool any_failed = std::ranges::any_of(tasks_, [](const auto& runner) {
        return runner->dead() && runner->failed();
    });
    if (!all_run) {
        healthy_since_.reset();
    } else if (!healthy_since_) {
        healthy_since_ = c.now.instant;
    }
    if (healthy_since_ && c.now.instant - *healthy_since_ >= params.min_healthy_time) {
        healthy_ = true;
    } else if (any_failed || c.now.instant >= *health_deadline_) {
        healthy_ = false;
        const std::string why =
            any_failed ? "Unhealthy because of failed task"
            : !checked
                ? fmt::format(
                      "Services not healthy by deadline of {}", to_string(params.healthy_deadline)
                  )
                : fmt::format(
                      "Task not running for min_healthy_time of {} by healthy_deadline of {}",
                      to_string(params.min_healthy_time),
                      to_string(params.healthy_deadline)
                  );
        for (const auto& runner : tasks_) {
            // Without a deployment nobody waits for its health, and its own words say enough.
            if (!alloc_->deployment_id.is_nil() && role_of(runner->task()) == Role::Main) {
                runner->say(c, events::unhealthy(why));
            }
        }
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
