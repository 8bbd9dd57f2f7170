#pragma once
// The qemu driver: a virtual machine as a process under the node's supervisor. Images come from the
// allocation's directory or from folders that the node's owner names; arguments are kept from
// reaching files of the node. Configuration as Nomad's: image_path, emulator, machine_type,
// drive_interface, accelerator, graceful_shutdown, guest_agent, args, port_map.

#include "client/driver.h"
#include "drivers/supervised.h"
#include "drivers/users.h"
#include "drivers/workers.h"

#include <mutex>
#include <string>
#include <vector>

namespace nl::drivers {

struct QemuOptions {
    /// Folders of the node that images may come from.
    std::vector<std::string> image_paths;
    /// Names of emulator programs; empty: every qemu-system-*.
    std::vector<std::string> emulators;
    /// Flags of `args`; empty: those that cannot reach out of the machine.
    std::vector<std::string> args_allowlist;
    UserPolicy users;
};

class QemuDriver final : public client::Driver {
public:
    QemuDriver(QemuOptions options, Supervised& tasks);

    std::string_view name() const override { return "qemu"; }
    void fingerprint(Ticket ticket) override;
    void start(const client::TaskSpec& spec, Ticket ticket) override;
    void recover(const client::TaskHandle& handle, Ticket ticket) override {
        tasks_.recover(handle, ticket);
    }
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) override;
    void signal(const client::TaskId& id, int signal, Ticket ticket) override {
        tasks_.signal(id, signal, ticket);
    }
    void stats(const client::TaskId& id, Ticket ticket) override;
    Result<model::TaskResourceUsage> usage(const client::TaskId& id) override {
        return tasks_.usage(id);
    }
    void destroy(const client::TaskId& id, Ticket ticket) override { tasks_.destroy(id, ticket); }
    void close() { workers_.stop(); }

    /// The command line of a task. Errors: InvalidArgument, PermissionDenied, NotFound.
    Result<supervisor::SpawnSpec> make_spec(const client::TaskSpec& task) const;

private:
    void tell(Ticket ticket);

    QemuOptions options_;
    Supervised& tasks_;
    std::mutex mutex_;
    bool asked_{false};
    std::string version_;
    Workers workers_;
};

}  // namespace nl::drivers
