#include "drivers/mock_driver.h"

#include "drivers/config.h"
#include "io/clock.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace nl::drivers {
namespace {

/// What a program run beside the task does.
struct MockExec {
    Duration run_for{};
    std::int64_t exit_code{};
    std::int64_t exit_signal{};
    std::string exit_err_msg;
    std::string stdout_string;
    std::int64_t stdout_repeat{};
    Duration stdout_repeat_duration{};
    std::string stderr_string;
    std::int64_t stderr_repeat{};
    Duration stderr_repeat_duration{};
    NL_FIELDS(
        MockExec,
        (1, run_for),
        (2, exit_code),
        (3, exit_signal),
        (4, exit_err_msg),
        (5, stdout_string),
        (6, stdout_repeat),
        (7, stdout_repeat_duration),
        (8, stderr_string),
        (9, stderr_repeat),
        (10, stderr_repeat_duration)
    )
};

struct MockConfig {
    Duration run_for{};
    std::int64_t exit_code{};
    std::int64_t exit_signal{};
    std::string exit_err_msg;
    std::string signal_error;
    std::string start_error;
    bool start_error_recoverable{};
    Duration start_block_for{};
    Duration kill_after{};
    Duration plugin_exit_after{};
    std::string stdout_string;
    std::int64_t stdout_repeat{};
    Duration stdout_repeat_duration{};
    std::string stderr_string;
    std::int64_t stderr_repeat{};
    Duration stderr_repeat_duration{};
    std::string driver_ip;
    bool driver_advertise{};
    std::string driver_port_map;
    Box<MockExec> exec_command;
    NL_FIELDS(
        MockConfig,
        (1, run_for),
        (2, exit_code),
        (3, exit_signal),
        (4, exit_err_msg),
        (5, signal_error),
        (6, start_error),
        (7, start_error_recoverable),
        (8, start_block_for),
        (9, kill_after),
        (10, plugin_exit_after),
        (11, stdout_string),
        (12, stdout_repeat),
        (13, stdout_repeat_duration),
        (14, stderr_string),
        (15, stderr_repeat),
        (16, stderr_repeat_duration),
        (17, driver_ip),
        (18, driver_advertise),
        (19, driver_port_map),
        (20, exec_command)
    )
};

/// What finds the task again: how it was started, and when.
struct MockHandle {
    client::TaskSpec spec;
    WallTime started;
    NL_FIELDS(MockHandle, (1, spec), (2, started))
};

}  // namespace

struct MockDriver::Task {
    client::TaskSpec spec;
    MockConfig config;
    WallTime started;
    bool ended{};
    client::ExitResult result;
    std::vector<io::EventLoop::TimerId> timers;
};

MockDriver::MockDriver(EventSink sink) : sink_(std::move(sink)), loop_({.name = "mock-driver"}) {
    loop_.start();
}

MockDriver::~MockDriver() {
    loop_.stop();
}

void MockDriver::fingerprint(Ticket ticket) {
    model::DriverInfo info;
    info.detected = true;
    info.healthy = true;
    info.health_description = "Healthy";
    info.attributes["driver.mock_driver"] = "true";
    sink_({ticket, {}, client::Fingerprinted{"mock_driver", std::move(info)}});
}

std::shared_ptr<MockDriver::Task> MockDriver::find(const client::TaskId& id) {
    const std::scoped_lock lock(mutex_);
    const auto at = tasks_.find(id);
    return at == tasks_.end() ? nullptr : at->second;
}

void MockDriver::start(const client::TaskSpec& spec, Ticket ticket) {
    if (const auto known = find(spec.id)) {
        begin(known, ticket, true);
        return;
    }
    auto config = read_config<MockConfig>("driver mock_driver", spec.config);
    if (!config) {
        sink_({ticket, spec.id, client::StartFailed{std::move(config.error()), false}});
        return;
    }
    auto task = std::make_shared<Task>();
    task->spec = spec;
    task->config = std::move(*config);
    loop_.run_at(io::now() + task->config.start_block_for, [this, task, ticket] {
        if (!task->config.start_error.empty()) {
            sink_(
                {ticket,
                 task->spec.id,
                 client::StartFailed{
                     Error{ErrorCode::Unavailable, task->config.start_error},
                     task->config.start_error_recoverable
                 }}
            );
            return;
        }
        task->started = io::wall_now();
        {
            const std::scoped_lock lock(mutex_);
            tasks_.emplace(task->spec.id, task);
        }
        begin(task, ticket, false);
    });
}

void MockDriver::begin(std::shared_ptr<Task> task, Ticket ticket, bool again) {
    client::TaskHandle handle{
        task->spec.id, "mock_driver", 1, encode(MockHandle{task->spec, task->started})
    };
    sink_({ticket, task->spec.id, client::Started{std::move(handle), task->started}});
    if (again) {
        if (task->ended) {
            sink_({{}, task->spec.id, client::Exited{task->result}});
        }
        return;
    }
    loop_.must_post([this, task] {
        write_output(task, false, task->config.stdout_repeat);
        write_output(task, true, task->config.stderr_repeat);
    });
    const Duration passed = io::wall_now() - task->started;
    const MockConfig& c = task->config;
    // The first of the two ends it: its time is over, or the (imagined) plugin dies with it.
    const bool dies = c.plugin_exit_after.ns > 0 && c.plugin_exit_after < c.run_for;
    const Duration span = dies ? c.plugin_exit_after : c.run_for;
    const auto timer =
        loop_.run_at(io::now() + (span > passed ? span - passed : Duration{}), [this, task, dies] {
            client::ExitResult result;
            result.exit_code = task->config.exit_code;
            result.signal = task->config.exit_signal;
            result.error = dies ? "the plugin exited" : task->config.exit_err_msg;
            finish(task, result);
        });
    const std::scoped_lock lock(mutex_);
    task->timers.push_back(timer);
}

void MockDriver::write_output(
    const std::shared_ptr<Task>& task, bool standard_error, std::int64_t left
) {
    const MockConfig& c = task->config;
    const std::string& text = standard_error ? c.stderr_string : c.stdout_string;
    if (text.empty() || task->ended || task->spec.logs_disabled) {
        return;
    }
    const std::string path = fmt::format(
        "{}/{}.{}.0", task->spec.logs_dir, task->spec.id.task, standard_error ? "stderr" : "stdout"
    );
    const int fd =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0) {
        const ssize_t ignored = ::write(fd, text.data(), text.size());
        static_cast<void>(ignored);
        ::close(fd);
    }
    if (left <= 0) {
        return;
    }
    const Duration pause = standard_error ? c.stderr_repeat_duration : c.stdout_repeat_duration;
    const auto timer = loop_.run_at(io::now() + pause, [this, task, standard_error, left] {
        write_output(task, standard_error, left - 1);
    });
    const std::scoped_lock lock(mutex_);
    task->timers.push_back(timer);
}

void MockDriver::finish(const std::shared_ptr<Task>& task, const client::ExitResult& result) {
    std::vector<io::EventLoop::TimerId> timers;
    {
        const std::scoped_lock lock(mutex_);
        if (std::exchange(task->ended, true)) {
            return;
        }
        task->result = result;
        task->result.finished_at = io::wall_now();
        timers.swap(task->timers);
    }
    for (const auto timer : timers) {
        loop_.cancel(timer);
    }
    sink_({{}, task->spec.id, client::Exited{task->result}});
}

void MockDriver::recover(const client::TaskHandle& handle, Ticket ticket) {
    if (const auto known = find(handle.id)) {
        sink_({ticket, handle.id, client::Recovered{handle}});
        if (known->ended) {
            sink_({{}, handle.id, client::Exited{known->result}});
        }
        return;
    }
    auto state = decode<MockHandle>(handle.state);
    auto config = state ? read_config<MockConfig>("driver mock_driver", state->spec.config)
                        : std::unexpected(state.error());
    if (!config) {
        sink_({ticket, handle.id, client::RecoverFailed{config.error()}});
        return;
    }
    auto task = std::make_shared<Task>();
    task->spec = std::move(state->spec);
    task->config = std::move(*config);
    task->started = state->started;
    // What it had to say it said before.
    task->config.stdout_string.clear();
    task->config.stderr_string.clear();
    {
        const std::scoped_lock lock(mutex_);
        tasks_.emplace(task->spec.id, task);
    }
    sink_({ticket, handle.id, client::Recovered{handle}});
    const Duration passed = io::wall_now() - task->started;
    const Duration span = task->config.run_for;
    const auto timer =
        loop_.run_at(io::now() + (span > passed ? span - passed : Duration{}), [this, task] {
            client::ExitResult result;
            result.exit_code = task->config.exit_code;
            result.signal = task->config.exit_signal;
            result.error = task->config.exit_err_msg;
            finish(task, result);
        });
    const std::scoped_lock lock(mutex_);
    task->timers.push_back(timer);
}

void MockDriver::stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
    if (const auto task = find(id)) {
        // kill_after is how long it takes to obey; whoever waits less kills it.
        const bool killed = task->config.kill_after > timeout;
        const Duration span = killed ? timeout : task->config.kill_after;
        loop_.run_at(io::now() + span, [this, task, signal, killed] {
            client::ExitResult result;
            result.signal = killed ? 9 : signal;
            result.exit_code = 128 + result.signal;
            finish(task, result);
        });
    }
    sink_({ticket, id, client::CallDone{}});
}

void MockDriver::signal(const client::TaskId& id, int signal, Ticket ticket) {
    static_cast<void>(signal);
    const auto task = find(id);
    Result<void> result;
    if (!task || task->ended) {
        result = fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
    } else if (!task->config.signal_error.empty()) {
        result = fail(ErrorCode::FailedPrecondition, "{}", task->config.signal_error);
    }
    sink_({ticket, id, client::CallDone{std::move(result)}});
}

Result<model::TaskResourceUsage> MockDriver::usage(const client::TaskId& id) {
    const auto task = find(id);
    if (!task || task->ended) {
        return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
    }
    model::TaskResourceUsage usage;
    usage.timestamp = io::wall_now().unix_ns;
    usage.resource_usage.ensure().memory_stats.ensure().measured = {"RSS"};
    usage.resource_usage->cpu_stats.ensure().measured = {"Percent"};
    return usage;
}

/// Says what exec_command says and ends as it ends; takes input and drops it.
class MockExecProcess final : public client::ExecProcess {
public:
    struct State {
        std::mutex mutex;
        bool over{};
        client::ExecHandlers handlers;
        void end(Result<std::int64_t> code) {
            const std::scoped_lock lock(mutex);
            if (!std::exchange(over, true)) {
                handlers.on_end(std::move(code));
            }
        }
    };
    explicit MockExecProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~MockExecProcess() override {
        const std::scoped_lock lock(state_->mutex);
        state_->over = true;
    }
    bool write(Bytes) override { return true; }
    void close_stdin() override {}
    void resize(std::int64_t, std::int64_t) override {}
    void kill() override { state_->end(std::int64_t{128 + 9}); }

private:
    std::shared_ptr<State> state_;
};

Result<std::unique_ptr<client::ExecProcess>> MockDriver::exec(
    const client::TaskId& id, const client::ExecSpec&, client::ExecHandlers handlers
) {
    const auto task = find(id);
    if (!task || task->ended) {
        return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
    }
    if (!task->config.exec_command) {
        return fail(ErrorCode::FailedPrecondition, "the task's configuration has no exec_command");
    }
    const MockExec& mock = *task->config.exec_command;
    auto state = std::make_shared<MockExecProcess::State>();
    state->handlers = std::move(handlers);
    for (std::int64_t i = 0; i <= mock.stdout_repeat && !mock.stdout_string.empty(); ++i) {
        state->handlers.on_output(client::ExecOutput::Stdout, mock.stdout_string);
    }
    for (std::int64_t i = 0; i <= mock.stderr_repeat && !mock.stderr_string.empty(); ++i) {
        state->handlers.on_output(client::ExecOutput::Stderr, mock.stderr_string);
    }
    loop_.run_at(io::now() + mock.run_for, [state, mock] {
        if (!mock.exit_err_msg.empty()) {
            state->end(fail(ErrorCode::Unavailable, "{}", mock.exit_err_msg));
        } else {
            state->end(mock.exit_signal > 0 ? 128 + mock.exit_signal : mock.exit_code);
        }
    });
    return std::make_unique<MockExecProcess>(std::move(state));
}

void MockDriver::stats(const client::TaskId& id, Ticket ticket) {
    sink_({ticket, id, client::StatsAnswer{usage(id)}});
}

void MockDriver::destroy(const client::TaskId& id, Ticket ticket) {
    std::shared_ptr<Task> task;
    {
        const std::scoped_lock lock(mutex_);
        if (auto node = tasks_.extract(id); !node.empty()) {
            task = std::move(node.mapped());
            task->ended = true;
            for (const auto timer : task->timers) {
                loop_.cancel(timer);
            }
        }
    }
    sink_({ticket, id, client::CallDone{}});
}

}  // namespace nl::drivers
