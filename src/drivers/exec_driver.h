#pragma once
// The exec driver: a command in a container of its own, made from the node's programs (chroot_env)
// or from a directory of the task (`image`), without any right it did not ask for. Configuration as
// Nomad's: command, args, pid_mode, ipc_mode, cap_add, cap_drop, work_dir, oom_score_adj; and
// image.

#include "client/driver.h"
#include "drivers/oci_tasks.h"

namespace nl::drivers {

class ExecDriver final : public client::Driver {
public:
    explicit ExecDriver(OciTasks& tasks) : tasks_(tasks) {}

    std::string_view name() const override { return "exec"; }
    void fingerprint(Ticket ticket) override;
    void start(const client::TaskSpec& spec, Ticket ticket) override;
    void recover(const client::TaskHandle& handle, Ticket ticket) override {
        tasks_.supervised().recover(handle, ticket);
    }
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) override {
        tasks_.stop(id, signal, timeout, ticket);
    }
    void signal(const client::TaskId& id, int signal, Ticket ticket) override {
        tasks_.signal(id, signal, ticket);
    }
    void stats(const client::TaskId& id, Ticket ticket) override;
    Result<model::TaskResourceUsage> usage(const client::TaskId& id) override {
        return tasks_.supervised().usage(id);
    }
    void destroy(const client::TaskId& id, Ticket ticket) override { tasks_.destroy(id, ticket); }
    Result<std::unique_ptr<client::ExecProcess>> exec(
        const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
    ) override {
        return tasks_.exec(id, spec, std::move(handlers));
    }

private:
    OciTasks& tasks_;
};

}  // namespace nl::drivers
