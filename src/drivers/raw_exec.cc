#include "drivers/raw_exec.h"

#include "drivers/process_stats.h"
#include "io/clock.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace nl::drivers {
namespace {

constexpr std::uint64_t kHandleVersion = 1;
constexpr std::size_t kUserBufferBytes = 16384;
/// Ends kept for tasks that the node has not recovered yet.
constexpr std::size_t kEarlyMax = 16384;
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What finds the process again: enough for statistics without the supervisor's help.
struct HandleState {
    std::int64_t pid{};
    std::int64_t start_time{};
    NL_FIELDS(HandleState, (1, pid), (2, start_time))
};

bool is_executable(const std::string& path) {
    struct stat info{};
    return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           access(path.c_str(), X_OK) == 0;
}

/// As a shell would find it: a path as it is (relative ones below the working directory), a name
/// along PATH.
Result<std::string> find_command(
    const std::string& command, const std::string& cwd, const std::string& path
) {
    if (command.find('/') != std::string::npos) {
        const std::string whole = command.starts_with('/') ? command : cwd + "/" + command;
        if (!is_executable(whole)) {
            return fail(
                ErrorCode::NotFound,
                "fork/exec {}: no such file or directory, or it is not executable",
                whole
            );
        }
        return whole;
    }
    for (const std::string& folder : {cwd, cwd + "/local"}) {
        if (is_executable(folder + "/" + command)) {
            return folder + "/" + command;
        }
    }
    std::string_view rest = path;
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const std::string candidate = std::string(rest.substr(0, colon)) + "/" + command;
        if (is_executable(candidate)) {
            return candidate;
        }
        rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    }
    return fail(ErrorCode::NotFound, "exec: \"{}\": executable file not found in $PATH", command);
}

Result<std::vector<std::string>> text_list(const ValueMap& config, const std::string& key) {
    std::vector<std::string> out;
    const auto found = config.find(key);
    if (found == config.end() || found->second.is_null()) {
        return out;
    }
    const auto* list = found->second.as_list();
    if (list == nullptr) {
        return fail(ErrorCode::InvalidArgument, "raw_exec: \"{}\" must be a list of strings", key);
    }
    for (const Value& item : *list) {
        if (const auto* text = item.as_string()) {
            out.push_back(*text);
        } else if (const auto* number = item.as_int()) {
            out.push_back(fmt::format("{}", *number));
        } else if (const auto* flag = item.as_bool()) {
            out.push_back(*flag ? "true" : "false");
        } else if (const auto* fraction = item.as_double()) {
            out.push_back(fmt::format("{}", *fraction));
        } else {
            return fail(
                ErrorCode::InvalidArgument, "raw_exec: \"{}\" must be a list of strings", key
            );
        }
    }
    return out;
}

Result<void> switch_user(const std::string& user, supervisor::SpawnSpec& spec) {
    if (user.empty()) {
        return {};
    }
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(kUserBufferBytes);
    if (getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return fail(ErrorCode::InvalidArgument, "user \"{}\" does not exist on this node", user);
    }
    if (found->pw_uid == geteuid()) {
        return {};
    }
    if (geteuid() != 0) {
        return fail(
            ErrorCode::PermissionDenied,
            "the agent does not run as root and cannot start a task as user \"{}\"",
            user
        );
    }
    spec.change_user = true;
    spec.uid = found->pw_uid;
    spec.gid = found->pw_gid;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    if (getgrouplist(user.c_str(), found->pw_gid, groups.data(), &count) >= 0) {
        for (int i = 0; i < count; ++i) {
            spec.groups.push_back(fmt::format("{}", groups[static_cast<std::size_t>(i)]));
        }
    }
    return {};
}

}  // namespace

/// Reached by callbacks that may come after the driver is gone.
struct RawExecDriver::Shared {
    std::mutex mutex;
    /// Null once the driver is gone.
    RawExecDriver* driver{nullptr};
    /// Instances of this driver that have not been destroyed, and their processes.
    std::map<client::TaskId, supervisor::TaskInfo> tasks;
    /// Ends told before the node asked for the task again after a restart; told on when it recovers
    /// it.
    std::map<client::TaskId, client::ExitResult> early;
};

std::vector<std::string> default_env_denylist() {
    return {
        "CONSUL_TOKEN",
        "CONSUL_HTTP_TOKEN",
        "CONSUL_HTTP_TOKEN_FILE",
        "NOMAD_TOKEN",
        "VAULT_TOKEN",
        "CONSUL_LICENSE",
        "NOMAD_LICENSE",
        "VAULT_LICENSE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS"
    };
}

RawExecDriver::RawExecDriver(
    Options options, supervisor::SupervisorClient& supervisor, OnEvent on_event
)
    : options_(std::move(options)),
      supervisor_(supervisor),
      on_event_(std::move(on_event)),
      shared_(std::make_shared<Shared>()) {
    shared_->driver = this;
}

RawExecDriver::~RawExecDriver() {
    const std::lock_guard lock(shared_->mutex);
    shared_->driver = nullptr;
}

void RawExecDriver::fingerprint(Ticket ticket) {
    model::DriverInfo info;
    info.detected = true;
    info.healthy = options_.enabled;
    info.health_description = options_.enabled ? "Healthy" : "disabled";
    info.update_time = io::wall_now();
    if (options_.enabled) {
        info.attributes["driver.raw_exec"] = "true";
    }
    info.detected = options_.enabled;
    on_event_(
        {.ticket = ticket,
         .id = {},
         .what = client::Fingerprinted{.driver = "raw_exec", .info = std::move(info)}}
    );
}

Result<supervisor::SpawnSpec> RawExecDriver::make_spec(const client::TaskSpec& spec) const {
    if (!options_.enabled) {
        return fail(ErrorCode::FailedPrecondition, "raw_exec is disabled on this node");
    }
    supervisor::SpawnSpec out;
    out.id = spec.id.str();
    const auto command = spec.config.find("command");
    if (command == spec.config.end() || command->second.as_string() == nullptr ||
        command->second.as_string()->empty()) {
        return fail(ErrorCode::InvalidArgument, "missing command for raw_exec driver");
    }
    out.cwd = spec.task_dir;
    if (const auto work_dir = spec.config.find("work_dir");
        work_dir != spec.config.end() && work_dir->second.as_string() != nullptr &&
        !work_dir->second.as_string()->empty()) {
        if (!work_dir->second.as_string()->starts_with('/')) {
            return fail(
                ErrorCode::InvalidArgument,
                "work_dir must be absolute: {}",
                *work_dir->second.as_string()
            );
        }
        out.cwd = *work_dir->second.as_string();
    }
    if (std::find(options_.denied_users.begin(), options_.denied_users.end(), spec.user) !=
        options_.denied_users.end()) {
        return fail(
            ErrorCode::PermissionDenied,
            "running as user \"{}\" is disallowed on this node",
            spec.user
        );
    }
    NL_TRY_VOID(switch_user(spec.user, out));

    StringMap env = options_.host_env;
    NL_TRY(const std::vector<std::string> denied, text_list(spec.config, "denied_envvars"));
    for (const auto& names : {options_.denied_envvars, denied}) {
        for (const std::string& name : names) {
            env.erase(name);
        }
    }
    for (const auto& [name, value] : spec.env) {
        env.insert_or_assign(name, value);
    }
    if (!env.contains("PATH")) {
        env["PATH"] = kDefaultPath;
    }
    NL_TRY(out.path, find_command(*command->second.as_string(), out.cwd, env["PATH"]));
    for (const auto& [name, value] : env) {
        out.env.push_back(name + "=" + value);
    }
    out.argv.push_back(*command->second.as_string());
    NL_TRY(std::vector<std::string> arguments, text_list(spec.config, "args"));
    out.argv.insert(out.argv.end(), arguments.begin(), arguments.end());
    if (const auto score = spec.config.find("oom_score_adj");
        score != spec.config.end() && score->second.as_int() != nullptr) {
        if (*score->second.as_int() < 0) {
            return fail(
                ErrorCode::InvalidArgument,
                "oom_score_adj must be at least 0, not {}",
                *score->second.as_int()
            );
        }
        out.oom_score_adj = *score->second.as_int();
    }
    if (!spec.logs_disabled) {
        out.stdout_prefix = spec.logs_dir + "/" + spec.id.task + ".stdout";
        out.stderr_prefix = spec.logs_dir + "/" + spec.id.task + ".stderr";
    }
    out.log_max_files = spec.log_max_files;
    out.log_max_bytes = spec.log_max_file_bytes;
    return out;
}

void RawExecDriver::start(const client::TaskSpec& spec, Ticket ticket) {
    const client::TaskId id = spec.id;
    auto made = make_spec(spec);
    if (!made) {
        on_event_(
            {.ticket = ticket,
             .id = id,
             .what = client::StartFailed{.error = made.error(), .recoverable = false}}
        );
        return;
    }
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->tasks[id] = supervisor::TaskInfo{};
    }
    supervisor_.spawn(*made, [shared = shared_, id, ticket](Result<supervisor::TaskInfo> info) {
        const std::lock_guard lock(shared->mutex);
        if (shared->driver == nullptr) {
            return;
        }
        if (!info) {
            shared->tasks.erase(id);
            shared->driver->on_event_(
                {.ticket = ticket,
                 .id = id,
                 .what = client::StartFailed{.error = info.error(), .recoverable = false}}
            );
            return;
        }
        shared->tasks[id] = *info;
        client::TaskHandle handle{
            .id = id, .driver = "raw_exec", .version = kHandleVersion, .state = {}
        };
        handle.state = encode(HandleState{.pid = info->pid, .start_time = info->start_time});
        shared->driver->on_event_(
            {.ticket = ticket,
             .id = id,
             .what =
                 client::Started{.handle = std::move(handle), .at = WallTime{info->started_unix_ns}}
            }
        );
    });
}

void RawExecDriver::recover(const client::TaskHandle& handle, Ticket ticket) {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->tasks[handle.id] = supervisor::TaskInfo{};
    }
    supervisor_.list([shared = shared_,
                      handle,
                      ticket](Result<std::vector<supervisor::TaskInfo>> tasks) {
        const std::lock_guard lock(shared->mutex);
        if (shared->driver == nullptr) {
            return;
        }
        const auto answer = [&](auto what) {
            shared->driver->on_event_({.ticket = ticket, .id = handle.id, .what = std::move(what)});
        };
        if (!tasks) {
            answer(client::RecoverFailed{tasks.error()});
            return;
        }
        const std::string name = handle.id.str();
        for (const supervisor::TaskInfo& info : *tasks) {
            if (info.id == name) {
                shared->tasks[handle.id] = info;
                answer(client::Recovered{handle});
                if (auto ended = shared->early.extract(handle.id); !ended.empty()) {
                    shared->driver->on_event_(
                        {.ticket = Ticket{},
                         .id = handle.id,
                         .what = client::Exited{std::move(ended.mapped())}}
                    );
                }
                return;
            }
        }
        shared->tasks.erase(handle.id);
        answer(client::RecoverFailed{Error{
            ErrorCode::NotFound,
            fmt::format("task \"{}\" is not known to this node's supervisor", handle.id.task)
        }});
    });
}

void RawExecDriver::done(const client::TaskId& id, Ticket ticket, Result<void> result) {
    on_event_({.ticket = ticket, .id = id, .what = client::CallDone{std::move(result)}});
}

void RawExecDriver::stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
    supervisor_
        .stop(id.str(), signal, timeout, [shared = shared_, id, ticket](Result<void> result) {
            const std::lock_guard lock(shared->mutex);
            if (shared->driver != nullptr) {
                // What is gone already needs no stopping.
                const bool gone = !result && result.error().code == ErrorCode::NotFound;
                shared->driver->done(id, ticket, gone ? Result<void>() : std::move(result));
            }
        });
}

void RawExecDriver::signal(const client::TaskId& id, int signal, Ticket ticket) {
    supervisor_
        .signal(id.str(), signal, false, [shared = shared_, id, ticket](Result<void> result) {
            const std::lock_guard lock(shared->mutex);
            if (shared->driver != nullptr) {
                shared->driver->done(id, ticket, std::move(result));
            }
        });
}

void RawExecDriver::stats(const client::TaskId& id, Ticket ticket) {
    std::int64_t pid = 0;
    {
        const std::lock_guard lock(shared_->mutex);
        if (const auto found = shared_->tasks.find(id); found != shared_->tasks.end()) {
            pid = found->second.pid;
        }
    }
    Result<model::TaskResourceUsage> usage =
        pid > 0 ? session_usage(static_cast<int>(pid), io::wall_now())
                : fail(ErrorCode::NotFound, "task \"{}\" does not run", id.task);
    on_event_({.ticket = ticket, .id = id, .what = client::StatsAnswer{std::move(usage)}});
}

void RawExecDriver::destroy(const client::TaskId& id, Ticket ticket) {
    supervisor_.destroy(id.str(), [shared = shared_, id, ticket](Result<void> result) {
        const std::lock_guard lock(shared->mutex);
        shared->tasks.erase(id);
        shared->early.erase(id);
        if (shared->driver != nullptr) {
            const bool gone = !result && result.error().code == ErrorCode::NotFound;
            shared->driver->done(id, ticket, gone ? Result<void>() : std::move(result));
        }
    });
}

bool RawExecDriver::on_exit(const supervisor::ExitInfo& info) {
    const auto id = client::TaskId::parse(info.id);
    if (!id) {
        return false;
    }
    client::ExitResult result{
        .exit_code = info.exit_code,
        .signal = info.signal,
        .oom_killed = false,
        .error = info.unknown ? "its end was not seen, so its exit code is not known" : "",
        .finished_at = WallTime{info.at_unix_ns}
    };
    {
        const std::lock_guard lock(shared_->mutex);
        const auto found = shared_->tasks.find(*id);
        if (found == shared_->tasks.end()) {
            if (shared_->early.size() < kEarlyMax) {
                shared_->early.insert_or_assign(*id, std::move(result));
            }
            return false;
        }
        found->second.running = false;
    }
    on_event_({.ticket = Ticket{}, .id = *id, .what = client::Exited{std::move(result)}});
    return true;
}

}  // namespace nl::drivers
