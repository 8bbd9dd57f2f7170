#pragma once
// The docker and podman drivers: one implementation over the engines' common REST API (Docker
// Engine API, version 1.40 and later). A task is a container; its output goes into the task's log
// files (logs.h), its end is told by the engine, and both are found again by an agent that comes
// back. The engine is asked on threads of this driver, never on the node's loop.

#include "client/driver.h"
#include "drivers/engine/create.h"
#include "drivers/engine/http.h"
#include "drivers/engine/images.h"
#include "drivers/event_sink.h"
#include "drivers/workers.h"
#include "io/loop.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace nl::drivers {

class EngineDriver final : public client::Driver {
public:
    /// `directory` holds a small folder for each task.
    EngineDriver(EnginePolicy policy, std::string directory, double core_mhz, EventSink sink);
    ~EngineDriver() override;

    std::string_view name() const override {
        return policy_.engine == Engine::Docker ? "docker" : "podman";
    }
    void fingerprint(Ticket ticket) override;
    void start(const client::TaskSpec& spec, Ticket ticket) override;
    void recover(const client::TaskHandle& handle, Ticket ticket) override;
    void stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) override;
    void signal(const client::TaskId& id, int signal, Ticket ticket) override;
    void stats(const client::TaskId& id, Ticket ticket) override;
    void destroy(const client::TaskId& id, Ticket ticket) override;
    Result<model::TaskResourceUsage> usage(const client::TaskId& id) override;
    Result<std::unique_ptr<client::ExecProcess>> exec(
        const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
    ) override;

    /// A container that only holds a network namespace for an allocation: its id and the
    /// namespace's path. Idempotent; blocks.
    struct Sandbox {
        std::string container;
        std::string net_ns;
    };
    Result<Sandbox> make_sandbox(
        const Uuid& alloc, const std::string& hostname, const std::string& node_id
    );
    void remove_sandbox(const Uuid& alloc);

private:
    struct Kept;
    struct Task;
    struct CpuBefore {
        std::int64_t at_ns{};
        std::int64_t total_ns{};
        std::int64_t user_ns{};
        std::int64_t system_ns{};
    };

    void look(Ticket ticket, Duration timeout, bool closely);
    void run_start(const client::TaskSpec& spec, Ticket ticket);
    Result<std::string> create_container(const ContainerPlan& plan, const client::TaskSpec& spec);
    Result<std::string> ensure_pause_image();
    void adopt(std::shared_ptr<Task> task);
    void watch(const std::shared_ptr<Task>& task);
    void follow_logs(const std::shared_ptr<Task>& task);
    void end_task(const std::shared_ptr<Task>& task, client::ExitResult result);
    std::shared_ptr<Task> find(const client::TaskId& id);
    Result<std::string> container_of(const client::TaskId& id);
    void remove_container(const std::string& id);
    void done(const client::TaskId& id, Ticket ticket, Result<void> result);
    std::string folder(const client::TaskId& id) const;
    void reap_threads(bool all);
    void collect();
    void remove_dangling();

    EnginePolicy policy_;
    std::string directory_;
    double core_mhz_;
    EventSink sink_;
    EngineClient engine_;
    EngineCancel stop_;
    Images images_;
    std::mutex mutex_;
    std::map<client::TaskId, std::shared_ptr<Task>> tasks_;
    std::vector<std::pair<std::shared_ptr<std::atomic<bool>>, std::thread>> threads_;
    std::map<client::TaskId, CpuBefore> cpu_before_;
    std::string node_id_;
    bool was_detected_{false};
    io::EventLoop loop_;
    Workers workers_;
};

}  // namespace nl::drivers
