#pragma once
// The raw_exec driver: a command as the agent's user (or the task's), without isolation, under the
// node's supervisor. Configuration as Nomad's: command, args, work_dir, oom_score_adj,
// denied_envvars; the cgroup overrides are refused. In a group with a network of its own the
// command runs in that network namespace.

#include "client/driver.h"
#include "drivers/supervised.h"

#include <memory>
#include <string>
#include <vector>

namespace nl::drivers {

struct RawExecOptions {
    bool enabled{false};
    /// The agent's environment, which tasks get below their own.
    StringMap host_env;
    /// Names that tasks don't get from the host (Nomad's env.denylist).
    std::vector<std::string> denied_env;
};

/// Nomad's default for env.denylist.
std::vector<std::string> default_denied_env();

class RawExec final : public client::Driver {
public:
    RawExec(RawExecOptions options, Supervised& tasks);

    std::string_view name() const override { return "raw_exec"; }
    void fingerprint(Ticket ticket) override;
    void start(const client::TaskSpec& spec, Ticket ticket) override;
    void recover(const client::TaskHandle& handle, Ticket ticket) override {
        tasks_.recover(handle, ticket);
    }
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) override {
        tasks_.stop(id, signal, timeout, ticket);
    }
    void signal(const client::TaskId& id, int signal, Ticket ticket) override {
        tasks_.signal(id, signal, ticket);
    }
    void stats(const client::TaskId& id, Ticket ticket) override;
    Result<model::TaskResourceUsage> usage(const client::TaskId& id) override {
        return tasks_.usage(id);
    }
    void destroy(const client::TaskId& id, Ticket ticket) override { tasks_.destroy(id, ticket); }
    Result<std::unique_ptr<client::ExecProcess>> exec(
        const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
    ) override;

private:
    Result<supervisor::SpawnSpec> make_spec(const client::TaskSpec& task) const;

    RawExecOptions options_;
    Supervised& tasks_;
};

}  // namespace nl::drivers
