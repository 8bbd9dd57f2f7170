#pragma once
// The raw_exec driver: a command as a plain process, without isolation, through the node's
// supervisor, which owns the process, its output and its exit code and outlives the agent. Off
// unless the agent's configuration enables it. Calls from one thread; events are posted from the
// supervisor client's reader. After Nomad's raw_exec driver (jobspec.md section 5).

#include "client/driver.h"
#include "supervisor/client.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace nl::drivers {

/// Names of the host's variables that never reach a task.
std::vector<std::string> default_env_denylist();

class RawExecDriver final : public client::Driver {
public:
    using OnEvent = std::function<void(client::DriverEvent)>;
    struct Options {
        bool enabled{false};
        /// Users that may not be asked for.
        std::vector<std::string> denied_users;
        std::vector<std::string> denied_envvars;
        /// The host's environment, which tasks inherit below their own.
        StringMap host_env;
    };

    RawExecDriver(Options options, supervisor::SupervisorClient& supervisor, OnEvent on_event);
    ~RawExecDriver() override;

    std::string_view name() const override { return "raw_exec"; }
    void fingerprint(Ticket ticket) override;
    void start(const client::TaskSpec& spec, Ticket ticket) override;
    void recover(const client::TaskHandle& handle, Ticket ticket) override;
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) override;
    void signal(const client::TaskId& id, int signal, Ticket ticket) override;
    void stats(const client::TaskId& id, Ticket ticket) override;
    void destroy(const client::TaskId& id, Ticket ticket) override;

    /// From the supervisor client: a task ended. False if it is none of this driver's.
    bool on_exit(const supervisor::ExitInfo& info);

private:
    struct Shared;

    Result<supervisor::SpawnSpec> make_spec(const client::TaskSpec& spec) const;
    void done(const client::TaskId& id, Ticket ticket, Result<void> result);

    Options options_;
    supervisor::SupervisorClient& supervisor_;
    OnEvent on_event_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace nl::drivers
