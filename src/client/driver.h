#pragma once
// What a task driver is to the node: calls with a Ticket that return at once, and DriverEvents that
// come back into the node's loop. client::Node never calls a driver itself: it answers DriverCalls
// (client/effects.h) and whoever runs it hands them on with `perform`. A driver may be called from
// one thread; it posts events from any. Every call is idempotent: start of a task instance that
// already runs answers Started again, stop or destroy of one that is gone succeeds. After Nomad's
// driver plugins (TaskConfig, TaskHandle, ExitResult), without a process between.

#include "base/bytes.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "base/value.h"
#include "model/client_stats.h"
#include "model/node.h"
#include "model/resources.h"

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace nl::client {

/// One run of a task: a restart is a new instance, so that nothing of the old one is taken for the
/// new.
struct TaskId {
    Uuid alloc;
    std::string task;
    std::uint64_t attempt{};
    NL_FIELDS(TaskId, (1, alloc), (2, task), (3, attempt))

    friend std::strong_ordering operator<=>(const TaskId& a, const TaskId& b) {
        if (const auto c = a.alloc <=> b.alloc; c != 0) {
            return c;
        }
        if (const auto c = a.task <=> b.task; c != 0) {
            return c;
        }
        return a.attempt <=> b.attempt;
    }
    /// "<alloc>/<task>/<attempt>"
    std::string str() const;
    static Result<TaskId> parse(std::string_view text);
};

/// A directory or file of the node that the task sees under another path: volumes, devices' extras.
struct TaskMount {
    std::string host_path;
    std::string task_path;
    bool read_only{};
    /// "private" (also ""), "host-to-task" or "bidirectional".
    std::string propagation;
    NL_FIELDS(TaskMount, (1, host_path), (2, task_path), (3, read_only), (4, propagation))
};

/// A device node of the node. `permissions` of r, w and m; "" is "rwm".
struct TaskDevice {
    std::string host_path;
    std::string task_path;
    std::string permissions;
    NL_FIELDS(TaskDevice, (1, host_path), (2, task_path), (3, permissions))
};

/// A port the scheduler gave: `value` on the node, `to` inside (0: the same).
struct TaskPort {
    std::string label;
    std::int64_t value{};
    std::int64_t to{};
    std::string host_ip;
    NL_FIELDS(TaskPort, (1, label), (2, value), (3, to), (4, host_ip))
};

/// The allocation's network as its tasks join it.
struct TaskNetwork {
    /// "" or "host", "bridge", "none", "cni/<name>".
    std::string mode;
    /// A network namespace to enter; "": the node's.
    std::string net_ns;
    /// The container that holds the namespace, for engines that join containers only; "" for none.
    std::string sandbox;
    std::string hostname;
    /// The address inside; "" where there is none of its own.
    std::string ip;
    Box<model::DNSConfig> dns;
    std::vector<TaskPort> ports;
    NL_FIELDS(
        TaskNetwork,
        (1, mode),
        (2, net_ns),
        (3, sandbox),
        (4, hostname),
        (5, ip),
        (6, dns),
        (7, ports)
    )
};

/// All a driver needs; everything is interpolated, paths are the node's.
struct TaskSpec {
    TaskId id;
    std::string driver;
    std::string job_id;
    std::string group;
    std::string namespace_;
    /// The driver's own block.
    ValueMap config;
    /// The complete environment but for what the host adds (drivers that pass the host's put it
    /// below).
    StringMap env;
    /// "" is the driver's default.
    std::string user;
    std::string alloc_dir;
    std::string task_dir;
    /// Log files are <logs_dir>/<task>.stdout.0 and so on.
    std::string logs_dir;
    std::int64_t log_max_files{};
    std::int64_t log_max_file_bytes{};
    bool logs_disabled{};
    std::int64_t cpu_shares{};
    std::int64_t memory_mb{};
    std::int64_t memory_max_mb{};
    std::vector<std::int64_t> cores;
    std::string job_name;
    std::string alloc_name;
    std::string node_id;
    std::string node_name;
    std::vector<TaskMount> mounts;
    std::vector<TaskDevice> devices;
    TaskNetwork network;
    NL_FIELDS(
        TaskSpec,
        (1, id),
        (2, driver),
        (3, job_id),
        (4, group),
        (5, namespace_),
        (6, config),
        (7, env),
        (8, user),
        (9, alloc_dir),
        (10, task_dir),
        (11, logs_dir),
        (12, log_max_files),
        (13, log_max_file_bytes),
        (14, logs_disabled),
        (15, cpu_shares),
        (16, memory_mb),
        (17, memory_max_mb),
        (18, cores),
        (19, job_name),
        (20, alloc_name),
        (21, node_id),
        (22, node_name),
        (23, mounts),
        (24, devices),
        (25, network)
    )
};

/// Whether tasks of this driver see a file system of their own, in which the allocation's
/// directories are /alloc, /local and /secrets, instead of the node's.
bool has_own_files(std::string_view driver);

/// What finds a running task again after the agent restarted. Kept in the node's local state.
struct TaskHandle {
    TaskId id;
    std::string driver;
    std::uint64_t version{};
    /// The driver's own words.
    Bytes state;
    NL_FIELDS(TaskHandle, (1, id), (2, driver), (3, version), (4, state))
};

struct ExitResult {
    std::int64_t exit_code{};
    /// The signal that ended it, or 0.
    std::int64_t signal{};
    bool oom_killed{};
    /// Why the code is not to be trusted ("" if it is): it came to its end while nobody watched.
    std::string error;
    /// Node's clock; 0 if the driver does not know.
    WallTime finished_at;
    NL_FIELDS(
        ExitResult, (1, exit_code), (2, signal), (3, oom_killed), (4, error), (5, finished_at)
    )

    bool succeeded() const { return exit_code == 0 && signal == 0 && error.empty(); }
};

// ---- what comes back

struct Fingerprinted {
    std::string driver;
    model::DriverInfo info;
};
struct Started {
    TaskHandle handle;
    WallTime at;
};
struct StartFailed {
    Error error;
    /// A restart may help (Nomad's recoverable errors).
    bool recoverable{};
};
/// The task still runs, or its end follows as Exited.
struct Recovered {
    TaskHandle handle;
};
/// The driver knows nothing of it: it is to be started again.
struct RecoverFailed {
    Error error;
};
/// Once for each instance that was Started or Recovered; again after a restart of the agent until
/// `destroy`.
struct Exited {
    ExitResult result;
};
/// The end of stop, signal and destroy.
struct CallDone {
    Result<void> result;
};
struct StatsAnswer {
    Result<model::TaskResourceUsage> usage;
};
/// Words for the task's event list (event type Driver), for instance the progress of a pull.
struct DriverMessage {
    std::string message;
};

struct DriverEvent {
    /// Of the call it answers; 0 for Exited, DriverMessage and a fingerprint that nobody asked for.
    Ticket ticket;
    TaskId id;
    std::variant<
        Fingerprinted,
        Started,
        StartFailed,
        Recovered,
        RecoverFailed,
        Exited,
        CallDone,
        StatsAnswer,
        DriverMessage>
        what;
};

// ---- programs run beside a task (`alloc exec`, actions, script checks)

/// A program to run in a task's surroundings: its user, environment, directory, control groups and
/// whatever else keeps the task in.
struct ExecSpec {
    /// The program and its arguments; found as the task's own command would be.
    std::vector<std::string> command;
    /// Give it a terminal: its output is then all Stdout.
    bool tty{};
    /// Of the terminal; 0 until somebody says.
    std::int64_t rows{};
    std::int64_t columns{};
};
enum class ExecOutput : unsigned char { Stdout, Stderr };
/// Called one after another, on the driver's threads.
struct ExecHandlers {
    /// May block while the receiver is slow: the program is then held back.
    std::function<void(ExecOutput which, Bytes data)> on_output;
    /// Once, last, after all output: the exit code (128 + signal if one ended it), or why there is
    /// none.
    std::function<void(Result<std::int64_t> exit_code)> on_end;
};
/// A program that was started. Calls return at once and may come from any thread; after the end
/// they do nothing.
class ExecProcess {
public:
    ExecProcess() = default;
    ExecProcess(const ExecProcess&) = delete;
    ExecProcess& operator=(const ExecProcess&) = delete;
    /// Kills the program if it still runs; no handler is called afterwards.
    virtual ~ExecProcess() = default;

    /// Bytes for its standard input. False: too much waits already, nothing was taken.
    virtual bool write(Bytes data) = 0;
    virtual void close_stdin() = 0;
    virtual void resize(std::int64_t rows, std::int64_t columns) = 0;
    virtual void kill() = 0;
};

class Driver {
public:
    Driver() = default;
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    virtual ~Driver() = default;

    /// The name that jobs use.
    virtual std::string_view name() const = 0;
    /// Ends as Fingerprinted.
    virtual void fingerprint(Ticket ticket) = 0;
    /// Ends as Started or StartFailed.
    virtual void start(const TaskSpec& spec, Ticket ticket) = 0;
    /// Ends as Recovered or RecoverFailed.
    virtual void recover(const TaskHandle& handle, Ticket ticket) = 0;
    /// Sends `signal` to the task, and kills all of it after `timeout`. Ends as CallDone when the
    /// signal is on its way; the end of the task is its Exited.
    virtual void stop(const TaskId& id, int signal, Duration timeout, Ticket ticket) = 0;
    /// Ends as CallDone.
    virtual void signal(const TaskId& id, int signal, Ticket ticket) = 0;
    /// Ends as StatsAnswer.
    virtual void stats(const TaskId& id, Ticket ticket) = 0;
    /// What a running task uses, at once: from any thread, and may block for a moment.
    /// Errors: NotFound (it does not run).
    virtual Result<model::TaskResourceUsage> usage(const TaskId& id) = 0;
    /// Kills what is left of an instance and forgets it with its exit code. Ends as CallDone.
    virtual void destroy(const TaskId& id, Ticket ticket) = 0;
    /// Runs a program beside the running task. Unlike the other calls it may come from any thread
    /// and may block for a moment; the handlers may be called before it returns. A driver that
    /// cannot do this leaves it.
    /// Errors: NotFound (the task doesn't run, no such command), Unimplemented, Unavailable.
    virtual Result<std::unique_ptr<ExecProcess>> exec(
        const TaskId& id, const ExecSpec& spec, ExecHandlers handlers
    );
};

// ---- calls as values

struct CallFingerprint {};
struct CallStart {
    TaskSpec spec;
};
struct CallRecover {
    TaskHandle handle;
};
struct CallStop {
    int signal{};
    Duration timeout;
};
struct CallSignal {
    int signal{};
};
struct CallStats {};
struct CallDestroy {};

struct DriverCall {
    Ticket ticket;
    std::string driver;
    TaskId id;
    std::variant<
        CallFingerprint,
        CallStart,
        CallRecover,
        CallStop,
        CallSignal,
        CallStats,
        CallDestroy>
        what;
};

/// Hands a call to the driver it names.
void perform(Driver& driver, const DriverCall& call);

}  // namespace nl::client
