#pragma once
// Tasks in containers made by an OCI runtime (runc or crun) under the node's supervisor: what exec
// and java share. A task has a bundle directory (its configuration, an empty root that everything
// is mounted on, the runtime's state) which goes when the instance is destroyed. Tasks, their
// output and exit codes outlive the agent, as the supervisor's do (programs/shim_main.cc stands
// between). Thread-safe; events are posted from threads of its own.

#include "client/driver.h"
#include "drivers/oci_spec.h"
#include "drivers/supervised.h"
#include "drivers/users.h"
#include "drivers/workers.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::drivers {

struct OciOptions {
    /// Bundles and the shim live here.
    std::string directory;
    /// node path -> path inside; empty: the default set.
    StringMap chroot_env;
    std::vector<std::string> allow_caps;
    std::string default_pid_mode{"private"};
    std::string default_ipc_mode{"private"};
    UserPolicy users;
    /// Processes and threads of a task at most; 0: no limit.
    std::int64_t pids_max{8192};
    /// A runtime to use instead of the one that is found.
    std::string runtime;
};

/// What a driver makes of its configuration.
struct OciCommand {
    /// args[0] is looked for in the task's directories and in the container's PATH.
    std::vector<std::string> args;
    std::string pid_mode;
    std::string ipc_mode;
    std::vector<std::string> cap_add;
    std::vector<std::string> cap_drop;
    std::string work_dir;
    /// A directory below the task's that is the root, instead of the node's programs.
    std::string image;
    std::int64_t oom_score_adj{};
};

class OciTasks {
public:
    OciTasks(OciOptions options, Supervised& tasks);

    /// No more waiting and no more answers; before the supervisor's client goes.
    void stop();

    /// Why no task can be isolated here, or the runtime's path.
    Result<std::string> runtime() const;

    void start(
        const std::string& driver, const client::TaskSpec& task, OciCommand command, Ticket ticket
    );
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
        tasks_.stop(id, signal, timeout, ticket);
    }
    void signal(const client::TaskId& id, int signal, Ticket ticket);
    void destroy(const client::TaskId& id, Ticket ticket);
    /// A program in the task's container, with its user, environment and rights.
    Result<std::unique_ptr<client::ExecProcess>> exec(
        const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
    );
    /// The container's first process. Errors: NotFound.
    Result<int> first_process(const client::TaskId& id) const;
    Supervised& supervised() { return tasks_; }
    std::string bundle(const client::TaskId& id) const;
    std::string runtime_root() const { return options_.directory + "/runtime"; }

    /// Adds to an end what the kernel said of it.
    void note_exit(const client::TaskId& id, client::ExitResult& result) const;
    /// Removes bundles whose instances the supervisor does not know.
    void remove_leftovers();

private:
    Result<supervisor::SpawnSpec> prepare(
        const std::string& driver, const client::TaskSpec& task, const OciCommand& command
    ) const;
    Result<OciInput> input(
        const std::string& driver, const client::TaskSpec& task, const OciCommand& command
    ) const;
    void add_files(const client::TaskSpec& task, const OciCommand& command, OciInput& in) const;
    Result<void> add_names(const client::TaskSpec& task, OciInput& in) const;
    Result<void> add_devices(const client::TaskSpec& task, OciInput& in) const;
    void remove_bundle(const client::TaskId& id) const;

    OciOptions options_;
    Supervised& tasks_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    /// Instances of this agent's life: their bundles are nobody's leftovers.
    std::set<std::string> mine_;
    std::uint64_t next_exec_{1};
    /// Last: its threads use the rest.
    mutable Workers workers_;
};

/// Removes a directory without leaving its file system; what is mounted below is unmounted first.
Result<void> remove_bundle_tree(const std::string& path);

}  // namespace nl::drivers
