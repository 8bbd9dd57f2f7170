#pragma once
// The tasks that run under the node's supervisor: what every driver built on it shares (raw_exec
// now; exec, java and qemu stand on it too). Turns the supervisor's answers and ends into
// DriverEvents. Owned by the agent, outlives the drivers. Thread-safe; events are posted from the
// supervisor client's thread.

#include "client/driver.h"
#include "drivers/cgroups.h"
#include "drivers/task_usage.h"
#include "supervisor/client.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace nl::drivers {

class SupervisedExec;

using EventSink = std::function<void(client::DriverEvent)>;

class Supervised {
public:
    struct Options {
        /// <data_dir>/client/supervisor
        std::string directory;
        std::string parent_cgroup{"nomad"};
        bool use_cgroups{true};
        /// For statistics: the speed of a core.
        double core_mhz{1000};
    };
    /// Starts or finds the supervisor. `sink` may be called before this returns.
    static Result<std::unique_ptr<Supervised>> open(Options options, EventSink sink);

    void start(
        const std::string& driver,
        const client::TaskSpec& task,
        supervisor::SpawnSpec spec,
        Ticket ticket
    );
    void recover(const client::TaskHandle& handle, Ticket ticket);
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket);
    void signal(const client::TaskId& id, int signal, Ticket ticket);
    void destroy(const client::TaskId& id, Ticket ticket);
    /// What a running task was started with, for programs run beside it: user, environment,
    /// directory and control groups, of a task found again from what the kernel knows of it.
    /// Errors: NotFound (it doesn't run).
    Result<supervisor::SpawnSpec> surroundings(const client::TaskId& id) const;
    /// Runs `program` (path and argv resolved by the driver) beside the task. Waits for its start.
    Result<std::unique_ptr<client::ExecProcess>> exec(
        const client::TaskId& id,
        supervisor::SpawnSpec program,
        const client::ExecSpec& asked,
        client::ExecHandlers handlers
    );
    Result<model::TaskResourceUsage> usage(const client::TaskId& id);
    /// Ends what runs here although nobody knows it (the local state lost its record). `known` are
    /// TaskId::str() of live instances.
    void destroy_all_but(std::set<std::string> known);

    EventSink& sink() { return sink_; }
    const CgroupRoot& cgroups() const { return cgroups_; }
    supervisor::SupervisorClient& client() { return *client_; }

private:
    Supervised(Options options, EventSink sink);
    void on_exit(const supervisor::ExitInfo& exit);
    void done(const client::TaskId& id, Ticket ticket, Result<void> result);
    void forget_exec(const std::string& name);
    void end_left_execs();
    class Exec;

    Options options_;
    EventSink sink_;
    CgroupRoot cgroups_;
    UsageSampler sampler_;
    mutable std::mutex mutex_;
    /// First processes, for statistics.
    std::map<std::string, int> pids_;
    /// What the tasks that this agent started were started with.
    std::map<std::string, supervisor::SpawnSpec> specs_;
    /// Programs beside tasks, by their names at the supervisor.
    std::map<std::string, SupervisedExec*> execs_;
    std::uint64_t next_exec_{1};
    /// Ends that were told and not yet destroyed: a recover after them tells them again.
    std::map<std::string, client::ExitResult> exits_;
    /// Last: its thread calls on_exit.
    std::unique_ptr<supervisor::SupervisorClient> client_;
};

}  // namespace nl::drivers
