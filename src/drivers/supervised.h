#pragma once
// The tasks that run under the node's supervisor: what every driver built on it shares (raw_exec
// now; exec, java and qemu stand on it too). Turns the supervisor's answers and ends into
// DriverEvents. Owned by the agent, outlives the drivers. Thread-safe; events are posted from the
// supervisor client's thread.

#include "client/driver.h"
#include "drivers/cgroups.h"
#include "drivers/event_sink.h"
#include "drivers/task_usage.h"
#include "supervisor/client.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace nl::drivers {

class SupervisedExec;

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

    /// Called once the process executes; answers whether what it stands for has started. The
    /// instance counts as started only then, and its end is told after that.
    using Confirm = std::function<void(std::function<void(Result<void>)> answer)>;
    /// A spec that owns control groups of its own gets none from here.
    void start(
        const std::string& driver,
        const client::TaskSpec& task,
        supervisor::SpawnSpec spec,
        Ticket ticket,
        Confirm confirm = {}
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
    /// Without an event: `done` comes on the supervisor client's thread.
    void destroy(const client::TaskId& id, std::function<void(Result<void>)> done);
    /// Adds what only the driver knows to an end. Set before anything runs.
    void set_exit_note(std::function<void(const client::TaskId&, client::ExitResult&)> note) {
        exit_note_ = std::move(note);
    }
    /// Whether it has not ended, as far as was told.
    bool is_running(const client::TaskId& id);
    /// Of its first process; "" if it does not run.
    std::string working_directory(const client::TaskId& id);
    Result<model::TaskResourceUsage> usage(const client::TaskId& id);
    /// Ends what runs here although nobody knows it (the local state lost its record). `known` are
    /// TaskId::str() of live instances.
    void destroy_all_but(std::set<std::string> known);

    /// Ends the client's thread: nothing is called back afterwards. Tasks run on.
    void close() { client_.reset(); }

    EventSink& sink() { return sink_; }
    const CgroupRoot& cgroups() const { return cgroups_; }
    supervisor::SupervisorClient& client() { return *client_; }

private:
    Supervised(Options options, EventSink sink);
    void on_exit(const supervisor::ExitInfo& exit);
    void confirmed(
        const std::string& driver,
        const client::TaskId& id,
        const supervisor::TaskInfo& info,
        Ticket ticket,
        const Result<void>& result
    );
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
    /// Instances whose start is not confirmed, with their end if it came.
    std::map<std::string, std::optional<client::ExitResult>> unconfirmed_;
    std::function<void(const client::TaskId&, client::ExitResult&)> exit_note_;
    /// Last: its thread calls on_exit.
    std::unique_ptr<supervisor::SupervisorClient> client_;
};

}  // namespace nl::drivers
