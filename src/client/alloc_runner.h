#pragma once
// One allocation on this node: its directory, its tasks in life-cycle order, its state for the
// servers, its records in the local state. A value machine owned by client::Node. Order of tasks
// (job specification, lifecycle): prestart, then main, then poststart once the main ones run, and
// poststop when they are dead; sidecars end with the main tasks; a leader's end ends the others; a
// failed task ends its siblings.

#include "client/check_runner.h"
#include "client/local_state.h"
#include "client/runner_context.h"
#include "client/task_runner.h"
#include "model/allocation.h"
#include "server/node_protocol.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::client {

class AllocRunner {
public:
    /// `alloc->job` must be set and hold the group. `restored` is what the local state held, if
    /// anything.
    AllocRunner(std::shared_ptr<const model::Allocation> alloc, const RestoredAlloc* restored);
    AllocRunner(const AllocRunner&) = delete;
    AllocRunner& operator=(const AllocRunner&) = delete;

    /// Once, first. A restored one finds its tasks again; a new one makes its directory and begins.
    void start(RunnerContext& c);
    /// Pushed again: stop, or changed in place.
    void update(RunnerContext& c, std::shared_ptr<const model::Allocation> alloc);
    /// Ends every task, in order.
    void stop(RunnerContext& c);
    /// The servers forgot it: end it, then remove it.
    void destroy(RunnerContext& c);
    /// `task` empty: every main task, or all that run if `all`. Errors: NotFound,
    /// FailedPrecondition.
    Result<void> restart(RunnerContext& c, const std::string& task, bool all);
    Result<void> signal(RunnerContext& c, const std::string& task, int number);

    void on_files(RunnerContext& c, const env::FileDone& done);
    void on_check(RunnerContext& c, const CheckDone& done);
    void on_script(RunnerContext& c, const ScriptDone& done);
    void on_watch(RunnerContext& c, const std::string& task, const server::WatchUpdate& update);
    void on_driver(RunnerContext& c, const DriverEvent& event);
    void on_network(RunnerContext& c, const NetworkDone& event);
    void tick(RunnerContext& c);
    Instant deadline() const;

    const model::Allocation& alloc() const { return *alloc_; }
    bool has_task(const std::string& name) const;
    /// Whether the task has run, so that there are logs.
    bool task_started(const std::string& name) const;
    bool stopping() const { return stopping_; }
    bool restored() const { return restored_; }
    /// Every task is dead.
    bool terminal() const;
    bool to_be_removed() const { return destroyed_ && terminal(); }
    server::AllocStatus status() const;
    /// The instances that run now, for statistics.
    std::vector<TaskId> running_tasks() const;
    /// Instances a driver may hold or be told to start next, as TaskId::str().
    void add_instances(std::set<std::string>& to) const;
    std::vector<model::CheckQueryResult> check_results() const { return checks_.results(); }
    /// How long it may run without hearing from a server; nullopt for ever.
    std::optional<Duration> stop_after_disconnect() const;
    /// Writes what changed to the local state. True if the servers are to be told.
    bool flush(RunnerContext& c);

private:
    enum class Role : unsigned char {
        Prestart,
        PrestartSidecar,
        Main,
        Poststart,
        PoststartSidecar,
        Poststop
    };
    static Role role_of(const model::Task& task);

    void coordinate(RunnerContext& c);
    /// Asks for the allocation's namespace once its directory is there, and for its end when every
    /// task is dead.
    void coordinate_network(RunnerContext& c);
    void fail_all(RunnerContext& c, const std::string& error);
    void kill_all_but_poststop(
        RunnerContext& c, const model::TaskEvent* reason, const std::string& except
    );
    void kill_roles(
        RunnerContext& c,
        std::initializer_list<Role> roles,
        const model::TaskEvent* reason,
        const std::string& except
    );
    void stop_in_order(RunnerContext& c);
    void watch_health(RunnerContext& c);
    void watch_limits(RunnerContext& c);
    void watch_tasks_limits(RunnerContext& c);
    void sync_services(RunnerContext& c);
    void fail_running(RunnerContext& c, const model::TaskEvent& event, const std::string& reason);
    TaskEnv env_of(const RunnerContext& c, const model::Task& task) const;
    bool no_shutdown_delay() const;
    TaskRunner* find(const std::string& name);
    struct HealthParams {
        std::string check;
        Duration min_healthy_time;
        Duration healthy_deadline;
    };
    HealthParams health_params() const;
    template <class Predicate>
    bool every(Role role, Predicate predicate) const;

    std::shared_ptr<const model::Allocation> alloc_;
    const model::TaskGroup* group_;
    std::vector<std::unique_ptr<TaskRunner>> tasks_;
    bool restored_;
    bool directory_ready_ = false;
    std::optional<Ticket> directory_ticket_;
    std::string setup_error_;
    /// Data of the allocation before this one is on its way into the directory.
    std::optional<Ticket> moving_ticket_;
    enum class Network : unsigned char { None, Wanted, Asked, Ready, Gone };
    Network network_phase_ = Network::None;
    std::optional<Ticket> network_ticket_;
    std::shared_ptr<const NetworkState> network_;
    bool stopping_ = false;
    bool destroyed_ = false;
    bool begun_ = false;
    /// What it had mounted was given back.
    bool released_ = false;
    /// Services are taken back before the tasks are ended, and the group's shutdown delay follows.
    enum class StopStage : unsigned char { None, Deregistering, Delay, Killing };
    StopStage stop_stage_ = StopStage::None;
    Instant stop_due_{Instant::max()};
    CheckRunner checks_;
    /// Attempt of each task whose services are offered; key "" is the group's.
    std::map<std::string, std::uint64_t> offered_;
    std::map<std::string, ServiceInstances> instances_;
    std::map<std::string, std::uint64_t> attempts_seen_;
    std::optional<Ticket> measuring_ticket_;
    Instant measure_due_{Instant::max()};
    Instant run_until_{Instant::max()};
    /// The end of a task's present run, of tasks that have a max_run_duration.
    struct TaskUntil {
        WallTime began;
        Duration limit;
        Instant at;
    };
    std::map<std::string, TaskUntil> task_until_;
    bool record_changed_ = true;
    bool status_changed_ = true;
    /// Deployment health: since when all tasks run, when it must be healthy at the latest, and what
    /// was said.
    std::optional<Instant> healthy_since_;
    std::optional<Instant> health_deadline_;
    std::optional<bool> healthy_;
    WallTime healthy_at_;
    bool health_reported_ = false;
};

}  // namespace nl::client
