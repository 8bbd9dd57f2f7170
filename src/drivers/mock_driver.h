#pragma once
// The mock_driver: runs nothing and behaves as its configuration says, for tests of job files,
// schedules and restart policies. Options as Nomad's: run_for, exit_code, exit_signal,
// exit_err_msg, signal_error, start_error, start_error_recoverable, start_block_for, kill_after,
// plugin_exit_after, stdout_string, stdout_repeat, stdout_repeat_duration (and stderr_*),
// driver_ip, driver_advertise, driver_port_map, exec_command. Found again after a restart of the
// agent: it runs for what is left of run_for.

#include "client/driver.h"
#include "drivers/event_sink.h"
#include "io/loop.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace nl::drivers {

class MockDriver final : public client::Driver {
public:
    explicit MockDriver(EventSink sink);
    ~MockDriver() override;

    std::string_view name() const override { return "mock_driver"; }
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

private:
    struct Task;
    void begin(std::shared_ptr<Task> task, Ticket ticket, bool again);
    void write_output(const std::shared_ptr<Task>& task, bool standard_error, std::int64_t left);
    void finish(const std::shared_ptr<Task>& task, const client::ExitResult& result);
    std::shared_ptr<Task> find(const client::TaskId& id);

    EventSink sink_;
    std::mutex mutex_;
    std::map<client::TaskId, std::shared_ptr<Task>> tasks_;
    io::EventLoop loop_;
};

}  // namespace nl::drivers
