#include "drivers/supervised.h"

#include "drivers/supervised_exec.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <utility>

namespace nl::drivers {
namespace {

/// Marks programs beside tasks among the supervisor's names.
constexpr std::string_view kExecMark = "/exec-";
constexpr std::chrono::seconds kExecStartMax{10};

/// The whole of a file under /proc.
std::string read_proc(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
}

client::ExitResult result_of(const supervisor::ExitInfo& exit) {
    client::ExitResult result;
    result.exit_code = exit.exit_code;
    result.signal = exit.signal;
    result.finished_at = {exit.at_unix_ns};
    if (exit.unknown) {
        result.error =
            "the exit status is not known: the machine or the supervisor's guardian was gone when "
            "the task ended";
    }
    return result;
}

client::TaskHandle handle_of(
    const std::string& driver, const client::TaskId& id, const supervisor::TaskInfo& info
) {
    supervisor::FieldWriter state;
    info.write(state);
    return {id, driver, 1, state.out()};
}

/// Whether another try may help: a missing command won't appear, a full machine may empty.
bool is_recoverable(ErrorCode code) {
    return code == ErrorCode::Unavailable || code == ErrorCode::ResourceExhausted;
}

}  // namespace

Supervised::Supervised(Options options, EventSink sink)
    : options_(std::move(options)), sink_(std::move(sink)) {
    if (options_.use_cgroups) {
        cgroups_ = find_cgroups(options_.parent_cgroup);
    }
}

Result<std::unique_ptr<Supervised>> Supervised::open(Options options, EventSink sink) {
    std::unique_ptr<Supervised> self(new Supervised(std::move(options), std::move(sink)));
    NL_TRY(
        self->client_,
        supervisor::SupervisorClient::open(
            self->options_.directory,
            [raw = self.get()](const supervisor::ExitInfo& exit) { raw->on_exit(exit); }
        )
    );
    self->end_left_execs();
    return self;
}

void Supervised::on_exit(const supervisor::ExitInfo& exit) {
    if (exit.id.find(kExecMark) != std::string::npos) {
        client_->acknowledge(exit.id);
        const std::scoped_lock lock(mutex_);
        if (const auto found = execs_.find(exit.id); found != execs_.end()) {
            constexpr std::int64_t kSignalBase = 128;
            found->second->exited(
                exit.unknown      ? Result<std::int64_t>(fail(
                                   ErrorCode::Unavailable, "the program's exit status is not known"
                               ))
                : exit.signal > 0 ? Result<std::int64_t>(kSignalBase + exit.signal)
                                  : Result<std::int64_t>(exit.exit_code)
            );
        }
        return;
    }
    const auto id = client::TaskId::parse(exit.id);
    if (!id) {
        return;
    }
    client::ExitResult result = result_of(exit);
    if (exit_note_) {
        exit_note_(*id, result);
    }
    {
        const std::scoped_lock lock(mutex_);
        pids_.erase(exit.id);
        specs_.erase(exit.id);
        if (const auto at = unconfirmed_.find(exit.id); at != unconfirmed_.end()) {
            at->second = result;
            return;
        }
        if (!exits_.emplace(exit.id, result).second) {
            // The supervisor tells it after every reconnect; the node heard it.
            return;
        }
    }
    sampler_.forget(exit.id);
    sink_({{}, *id, client::Exited{result}});
}

void Supervised::done(const client::TaskId& id, Ticket ticket, Result<void> result) {
    sink_({ticket, id, client::CallDone{std::move(result)}});
}

void Supervised::start(
    const std::string& driver,
    const client::TaskSpec& task,
    supervisor::SpawnSpec spec,
    Ticket ticket,
    Confirm confirm
) {
    spec.id = task.id.str();
    if (spec.owned_cgroups.empty()) {
        add_cgroup(cgroups_, task, spec);
    }
    {
        const std::scoped_lock lock(mutex_);
        specs_[spec.id] = spec;
        if (confirm) {
            unconfirmed_.try_emplace(spec.id);
        }
    }
    client_->spawn(
        spec,
        [this, driver, id = task.id, ticket, confirm = std::move(confirm)](
            Result<supervisor::TaskInfo> started
        ) {
            if (!started) {
                {
                    const std::scoped_lock lock(mutex_);
                    unconfirmed_.erase(id.str());
                }
                const bool recoverable = is_recoverable(started.error().code);
                sink_({ticket, id, client::StartFailed{std::move(started.error()), recoverable}});
                return;
            }
            if (confirm) {
                confirm([this, driver, id, ticket, info = *started](const Result<void>& result) {
                    confirmed(driver, id, info, ticket, result);
                });
                return;
            }
            confirmed(driver, id, *started, ticket, {});
        }
    );
}

void Supervised::confirmed(
    const std::string& driver,
    const client::TaskId& id,
    const supervisor::TaskInfo& info,
    Ticket ticket,
    const Result<void>& result
) {
    if (!result) {
        destroy(id, [this, id, ticket, result](const Result<void>&) {
            sink_(
                {ticket,
                 id,
                 client::StartFailed{result.error(), is_recoverable(result.error().code)}}
            );
        });
        return;
    }
    std::optional<client::ExitResult> ended;
    {
        const std::scoped_lock lock(mutex_);
        if (auto node = unconfirmed_.extract(info.id); !node.empty()) {
            ended = node.mapped();
        }
        if (ended) {
            exits_.emplace(info.id, *ended);
        } else if (info.running) {
            pids_[info.id] = static_cast<int>(info.pid);
        }
    }
    sink_({ticket, id, client::Started{handle_of(driver, id, info), WallTime{info.started_unix_ns}}}
    );
    if (ended) {
        sampler_.forget(info.id);
        sink_({{}, id, client::Exited{*ended}});
    }
}

void Supervised::recover(const client::TaskHandle& handle, Ticket ticket) {
    client_->list([this, handle, ticket](Result<std::vector<supervisor::TaskInfo>> tasks) {
        if (!tasks) {
            sink_({ticket, handle.id, client::RecoverFailed{tasks.error()}});
            return;
        }
        const std::string id = handle.id.str();
        for (const supervisor::TaskInfo& info : *tasks) {
            if (info.id != id) {
                continue;
            }
            std::optional<client::ExitResult> ended;
            {
                const std::scoped_lock lock(mutex_);
                if (info.running) {
                    pids_[id] = static_cast<int>(info.pid);
                }
                if (const auto at = exits_.find(id); at != exits_.end()) {
                    ended = at->second;
                }
            }
            sink_({ticket, handle.id, client::Recovered{handle}});
            if (ended) {
                sink_({{}, handle.id, client::Exited{*ended}});
            }
            return;
        }
        sink_(
            {ticket,
             handle.id,
             client::RecoverFailed{Error{ErrorCode::NotFound, "the supervisor knows no such task"}}}
        );
    });
}

void Supervised::stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
    client_->stop(id.str(), signal, timeout, [this, id, ticket](Result<void> result) {
        done(id, ticket, std::move(result));
    });
}

void Supervised::signal(const client::TaskId& id, int signal, Ticket ticket) {
    client_->signal(id.str(), signal, false, [this, id, ticket](Result<void> result) {
        done(id, ticket, std::move(result));
    });
}

void Supervised::destroy(const client::TaskId& id, Ticket ticket) {
    destroy(id, [this, id, ticket](Result<void> result) { done(id, ticket, std::move(result)); });
}

void Supervised::destroy(const client::TaskId& id, std::function<void(Result<void>)> after) {
    client_->destroy(id.str(), [this, id, after = std::move(after)](Result<void> result) {
        {
            const std::scoped_lock lock(mutex_);
            exits_.erase(id.str());
            pids_.erase(id.str());
            specs_.erase(id.str());
            unconfirmed_.erase(id.str());
        }
        if (after) {
            after(std::move(result));
        }
    });
}

std::string Supervised::working_directory(const client::TaskId& id) {
    int pid = 0;
    {
        const std::scoped_lock lock(mutex_);
        const auto at = pids_.find(id.str());
        pid = at == pids_.end() ? 0 : at->second;
    }
    std::error_code error;
    return pid <= 0
               ? ""
               : std::filesystem::read_symlink(fmt::format("/proc/{}/cwd", pid), error).string();
}

bool Supervised::is_running(const client::TaskId& id) {
    const std::scoped_lock lock(mutex_);
    const auto waits = unconfirmed_.find(id.str());
    return waits == unconfirmed_.end() ? !exits_.contains(id.str()) : !waits->second.has_value();
}

Result<model::TaskResourceUsage> Supervised::usage(const client::TaskId& id) {
    int pid = 0;
    {
        const std::scoped_lock lock(mutex_);
        const auto at = pids_.find(id.str());
        if (at == pids_.end()) {
            return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
        }
        pid = at->second;
    }
    return sampler_.sample(id.str(), pid, procs_file(cgroups_, id), options_.core_mhz);
}

void Supervised::destroy_all_but(std::set<std::string> known) {
    client_->list([this,
                   known = std::move(known)](Result<std::vector<supervisor::TaskInfo>> tasks) {
        if (!tasks) {
            return;
        }
        for (const supervisor::TaskInfo& info : *tasks) {
            if (!known.contains(info.id) && info.id.find(kExecMark) == std::string::npos) {
                client_->destroy(info.id, {});
            }
        }
    });
}

// ---- programs beside tasks

/// What a caller holds: ends the program and forgets it when let go.
class Supervised::Exec final : public client::ExecProcess {
public:
    Exec(Supervised& owner, std::string name, std::unique_ptr<SupervisedExec> process)
        : owner_(owner), name_(std::move(name)), process_(std::move(process)) {}
    ~Exec() override {
        // First: nobody finds it any more, then its thread ends.
        owner_.forget_exec(name_);
        process_.reset();
    }
    bool write(Bytes data) override { return process_->write(std::move(data)); }
    void close_stdin() override { process_->close_stdin(); }
    void resize(std::int64_t rows, std::int64_t columns) override {
        process_->resize(rows, columns);
    }
    void kill() override { process_->kill(); }

private:
    Supervised& owner_;
    std::string name_;
    std::unique_ptr<SupervisedExec> process_;
};

void Supervised::forget_exec(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    execs_.erase(name);
}

void Supervised::end_left_execs() {
    // An agent that ended took the listeners of these with it.
    client_->list([this](Result<std::vector<supervisor::TaskInfo>> tasks) {
        if (!tasks) {
            return;
        }
        for (const supervisor::TaskInfo& info : *tasks) {
            const std::scoped_lock lock(mutex_);
            if (info.id.find(kExecMark) != std::string::npos && !execs_.contains(info.id)) {
                client_->destroy(info.id, {});
            }
        }
    });
}

Result<supervisor::SpawnSpec> Supervised::surroundings(const client::TaskId& id) const {
    int pid = 0;
    {
        const std::scoped_lock lock(mutex_);
        const auto running = pids_.find(id.str());
        if (running == pids_.end()) {
            return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
        }
        pid = running->second;
        if (const auto known = specs_.find(id.str()); known != specs_.end()) {
            return known->second;
        }
    }
    supervisor::SpawnSpec spec;
    const std::string proc = fmt::format("/proc/{}", pid);
    std::istringstream environment(read_proc(proc + "/environ"));
    for (std::string entry; std::getline(environment, entry, '\0');) {
        spec.env.push_back(entry);
    }
    char cwd[4096];
    const ssize_t length = ::readlink((proc + "/cwd").c_str(), cwd, sizeof cwd);
    if (length <= 0) {
        return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
    }
    spec.cwd.assign(cwd, static_cast<std::size_t>(length));
    std::istringstream status(read_proc(proc + "/status"));
    for (std::string line; std::getline(status, line);) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name == "Uid:") {
            words >> spec.uid;
        } else if (name == "Gid:") {
            words >> spec.gid;
        } else if (name == "Groups:") {
            for (std::string group; words >> group;) {
                spec.groups.push_back(group);
            }
        }
    }
    spec.change_user = spec.uid != static_cast<std::int64_t>(::geteuid());
    // Only where it has one of its own: entering any takes rights that a small agent lacks.
    std::error_code error;
    if (std::filesystem::read_symlink(proc + "/ns/net", error) !=
        std::filesystem::read_symlink("/proc/self/ns/net", error)) {
        spec.net_ns = proc + "/ns/net";
    }
    client::TaskSpec named;
    named.id = id;
    add_cgroup(cgroups_, named, spec);
    return spec;
}

Result<std::unique_ptr<client::ExecProcess>> Supervised::exec(
    const client::TaskId& id,
    supervisor::SpawnSpec program,
    const client::ExecSpec& asked,
    client::ExecHandlers handlers
) {
    {
        const std::scoped_lock lock(mutex_);
        program.id = fmt::format("{}{}{}-{}", id.str(), kExecMark, ::getpid(), next_exec_++);
    }
    program.borrowed_cgroups = true;
    program.cgroup_settings.clear();
    program.stdout_prefix.clear();
    program.stderr_prefix.clear();
    NL_TRY(auto process, SupervisedExec::make(asked, std::move(handlers), program));
    {
        const std::scoped_lock lock(mutex_);
        execs_[program.id] = process.get();
    }
    auto started = std::make_shared<std::promise<Result<void>>>();
    auto answer = started->get_future();
    client_->spawn(program, [started](Result<supervisor::TaskInfo> info) {
        started->set_value(info ? Result<void>() : std::unexpected(info.error()));
    });
    Result<void> result =
        answer.wait_for(kExecStartMax) == std::future_status::ready
            ? answer.get()
            : fail(ErrorCode::Timeout, "the program was not started within {} s", 10);
    if (!result) {
        forget_exec(program.id);
        client_->destroy(program.id, {});
        return std::unexpected(std::move(result.error()));
    }
    // Stopped, not destroyed: its end is told, and its output read, like any other's.
    process->begin([this, name = program.id] { client_->stop(name, SIGKILL, Duration{}, {}); });
    return std::make_unique<Exec>(*this, program.id, std::move(process));
}

}  // namespace nl::drivers
