#pragma once
// The java driver: a class or a jar on the node's Java runtime, isolated as exec. Configuration as
// Nomad's: class, class_path, jar_path, jvm_options, args, pid_mode, ipc_mode, cap_add, cap_drop,
// work_dir. The runtime's version is asked for once, on a thread of its own.

#include "client/driver.h"
#include "drivers/oci_tasks.h"
#include "drivers/workers.h"

#include <mutex>
#include <optional>

namespace nl::drivers {

class JavaDriver final : public client::Driver {
public:
    explicit JavaDriver(OciTasks& tasks) : tasks_(tasks), workers_("java", 1) {}

    std::string_view name() const override { return "java"; }
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
    void tell(Ticket ticket);

    OciTasks& tasks_;
    std::mutex mutex_;
    bool asked_{false};
    StringMap version_;
    Workers workers_;
};

/// What `java -version` says: driver.java.version, .runtime, .vm. Empty if it says nothing usable.
StringMap parse_java_version(std::string_view text);

}  // namespace nl::drivers
