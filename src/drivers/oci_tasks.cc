#include "drivers/oci_tasks.h"

#include "drivers/capabilities.h"
#include "drivers/shim.h"
#include "io/files.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace nl::drivers {
namespace {

constexpr std::size_t kWorkers = 4;
/// A runtime that has not made its container by then never will.
constexpr std::chrono::seconds kStartPatience{60};
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kMaxStatusBytes = 4096;

const StringMap& default_chroot() {
    static const StringMap kPaths{
        {"/bin", "/bin"},
        {"/etc", "/etc"},
        {"/lib", "/lib"},
        {"/lib32", "/lib32"},
        {"/lib64", "/lib64"},
        {"/run/resolvconf", "/run/resolvconf"},
        {"/run/systemd/resolve", "/run/systemd/resolve"},
        {"/sbin", "/sbin"},
        {"/usr", "/usr"}
    };
    return kPaths;
}

std::string slurp(const std::string& path) {
    return io::read_file(path, kMaxStatusBytes).value_or("");
}

bool is_there(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0;
}

bool is_program(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0;
}

std::string find_program(const std::string& name) {
    for (const char* folder :
         {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
        if (std::string path = fmt::format("{}/{}", folder, name); is_program(path)) {
            return path;
        }
    }
    return "";
}

/// Waits until the shim says how the start went.
Result<void> wait_for_status(
    const std::string& bundle,
    const std::function<bool()>& still_runs,
    const std::atomic<bool>& stopping
) {
    const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
    const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd >= 0) {
        ::inotify_add_watch(fd, bundle.c_str(), IN_MOVED_TO);
    }
    Result<void> result = fail(
        ErrorCode::Unavailable,
        "the container runtime did not start the task within {} s",
        kStartPatience.count()
    );
    bool gone = false;
    while (true) {
        const std::string status = slurp(bundle + "/status");
        if (status.starts_with("started ")) {
            result = {};
            break;
        }
        if (status.starts_with("error ")) {
            result = fail(
                ErrorCode::FailedPrecondition, "failed to launch command: {}", status.substr(6)
            );
            break;
        }
        if (gone) {
            result = fail(ErrorCode::Unavailable, "the container ended before it started");
            break;
        }
        if (stopping || std::chrono::steady_clock::now() >= deadline) {
            break;
        }
        constexpr int kLookMs = 250;
        pollfd item{fd, POLLIN, 0};
        ::poll(&item, fd >= 0 ? 1 : 0, fd >= 0 ? kLookMs : 10);
        char events[4096];
        const ssize_t ignored = fd >= 0 ? ::read(fd, events, sizeof events) : 0;
        static_cast<void>(ignored);
        // Looked at once more after its end: the status may have come with it.
        gone = !still_runs();
    }
    if (fd >= 0) {
        ::close(fd);
    }
    return result;
}

std::string text_of_lines(const model::DNSConfig& dns) {
    std::string out;
    for (const std::string& server : dns.servers) {
        out += "nameserver " + server + "\n";
    }
    if (!dns.searches.empty()) {
        out += fmt::format("search {}\n", fmt::join(dns.searches, " "));
    }
    if (!dns.options.empty()) {
        out += fmt::format("options {}\n", fmt::join(dns.options, " "));
    }
    return out;
}

const std::vector<OciDevice>& default_devices() {
    static const std::vector<OciDevice> kDevices{
        {"/dev/null", 'c', 1, 3},
        {"/dev/zero", 'c', 1, 5},
        {"/dev/full", 'c', 1, 7},
        {"/dev/random", 'c', 1, 8},
        {"/dev/urandom", 'c', 1, 9},
        {"/dev/tty", 'c', 5, 0}
    };
    return kDevices;
}

}  // namespace

Result<void> remove_bundle_tree(const std::string& path) {
    std::istringstream mounts(io::read_file("/proc/self/mountinfo").value_or(""));
    std::string line;
    std::vector<std::string> below;
    while (std::getline(mounts, line)) {
        std::istringstream fields(line);
        std::string word;
        for (int i = 0; i < 5; ++i) {
            fields >> word;
        }
        if (word.starts_with(path + "/")) {
            below.push_back(word);
        }
    }
    // Innermost last in the file, so from the end.
    for (auto at = below.rbegin(); at != below.rend(); ++at) {
        ::umount2(at->c_str(), MNT_DETACH);
    }
    std::string root = path;
    char* paths[] = {root.data(), nullptr};
    FTS* tree = ::fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr);
    if (tree == nullptr) {
        return {};
    }
    Result<void> result;
    while (const FTSENT* entry = ::fts_read(tree)) {
        int done = 0;
        switch (entry->fts_info) {
            case FTS_DP:
                done = ::rmdir(entry->fts_accpath);
                break;
            case FTS_D:
            case FTS_NS:
            case FTS_DNR:
            case FTS_ERR:
                break;
            default:
                done = ::unlink(entry->fts_accpath);
                break;
        }
        if (done != 0 && errno != ENOENT && result) {
            result = fail(
                ErrorCode::Unavailable,
                "{} cannot be removed: {}",
                entry->fts_path,
                std::strerror(errno)
            );
        }
    }
    ::fts_close(tree);
    return result;
}

OciTasks::OciTasks(OciOptions options, Supervised& tasks)
    : options_(std::move(options)), tasks_(tasks), workers_("oci", kWorkers) {}

void OciTasks::stop() {
    stopping_ = true;
    workers_.stop();
}

void OciTasks::note_exit(const client::TaskId& id, client::ExitResult& result) const {
    result.oom_killed = result.oom_killed || is_there(bundle(id) + "/oom");
}

Result<std::string> OciTasks::runtime() const {
    if (::geteuid() != 0) {
        return fail(ErrorCode::PermissionDenied, "must run as root");
    }
    if (tasks_.cgroups().mode == CgroupMode::None) {
        return fail(ErrorCode::FailedPrecondition, "control groups are not available");
    }
    if (!options_.runtime.empty()) {
        if (!is_program(options_.runtime)) {
            return fail(ErrorCode::NotFound, "the OCI runtime {} is not there", options_.runtime);
        }
        return options_.runtime;
    }
    // crun is the lighter one and wants the unified hierarchy.
    const bool unified = tasks_.cgroups().mode == CgroupMode::V2;
    for (const char* name : {unified ? "crun" : "runc", unified ? "runc" : "crun"}) {
        if (std::string path = find_program(name); !path.empty()) {
            return path;
        }
    }
    return fail(ErrorCode::NotFound, "no OCI runtime (crun or runc) is installed");
}

std::string OciTasks::bundle(const client::TaskId& id) const {
    return fmt::format("{}/bundles/{}", options_.directory, instance_name(id));
}

void OciTasks::start(
    const std::string& driver, const client::TaskSpec& task, OciCommand command, Ticket ticket
) {
    {
        const std::scoped_lock lock(mutex_);
        mine_.insert(instance_name(task.id));
    }
    workers_.post([this, driver, task, command = std::move(command), ticket] {
        const std::string folder = bundle(task.id);
        const bool known =
            slurp(folder + "/status").starts_with("started ") && first_process(task.id).has_value();
        auto spec = known ? Result<supervisor::SpawnSpec>(supervisor::SpawnSpec{})
                          : prepare(driver, task, command);
        if (!spec) {
            remove_bundle(task.id);
            tasks_.sink()({ticket, task.id, client::StartFailed{std::move(spec.error()), false}});
            return;
        }
        if (known) {
            // Asked again for what runs: the supervisor answers what it holds, by the id alone.
            spec->path = "/nonexistent";
            spec->argv = {"-"};
            spec->owned_cgroups = oci_cgroup_folders(tasks_.cgroups(), task.id);
        }
        tasks_.start(
            driver,
            task,
            std::move(*spec),
            ticket,
            [this, id = task.id](std::function<void(Result<void>)> answer) {
                workers_.post([this, id, answer = std::move(answer)] {
                    const Result<void> result = wait_for_status(
                        bundle(id), [this, id] { return tasks_.is_running(id); }, stopping_
                    );
                    if (!result && stopping_) {
                        // Whoever comes next asks again.
                        return;
                    }
                    answer(result);
                    if (!result) {
                        remove_bundle(id);
                    }
                });
            }
        );
    });
}

Result<supervisor::SpawnSpec> OciTasks::prepare(
    const std::string& driver, const client::TaskSpec& task, const OciCommand& command
) const {
    NL_TRY(const std::string runtime_path, runtime());
    NL_TRY(const std::string shim, install_shim(options_.directory));
    const std::string folder = bundle(task.id);
    const std::string name = instance_name(task.id);
    remove_bundle(task.id);
    NL_TRY_VOID(io::make_directories(folder, 0711));
    NL_TRY_VOID(io::make_directories(folder + "/rootfs", 0755));
    NL_TRY_VOID(io::make_directories(runtime_root(), 0700));
    NL_TRY(OciInput in, input(driver, task, command));
    NL_TRY_VOID(
        io::write_file_atomic(folder + "/config.json", wire::write_json(oci_config(in)), 0600)
    );
    // The user's own secrets and nobody else's.
    for (const char* mine : {"/secrets", "/local", "/tmp"}) {
        const std::string path = task.task_dir + mine;
        if (::chown(path.c_str(), in.user.uid, in.user.gid) != 0 && errno != ENOENT) {
            return fail(
                ErrorCode::Unavailable,
                "{} cannot be given to \"{}\": {}",
                path,
                in.user.name,
                std::strerror(errno)
            );
        }
    }
    supervisor::SpawnSpec spec;
    spec.path = shim;
    spec.argv = {
        "nomad-lite-shim",
        folder,
        runtime_path,
        runtime_root(),
        name,
        oom_file(tasks_.cgroups(), task.id)
    };
    spec.env = {std::string("PATH=") + kDefaultPath};
    spec.cwd = folder;
    spec.owned_cgroups = oci_cgroup_folders(tasks_.cgroups(), task.id);
    if (!task.logs_disabled) {
        spec.stdout_prefix = fmt::format("{}/{}.stdout", task.logs_dir, task.id.task);
        spec.stderr_prefix = fmt::format("{}/{}.stderr", task.logs_dir, task.id.task);
        spec.log_max_files = task.log_max_files;
        spec.log_max_bytes = task.log_max_file_bytes;
    }
    return spec;
}

Result<OciInput> OciTasks::input(
    const std::string& driver, const client::TaskSpec& task, const OciCommand& command
) const {
    const std::string user = task.user.empty() ? "nobody" : task.user;
    NL_TRY_VOID(check_user(options_.users, driver, user));
    OciInput in;
    NL_TRY(in.user, find_user(user));
    NL_TRY(
        in.capabilities,
        resolve_capabilities(
            in.user.uid == 0 ? options_.allow_caps : std::vector<std::string>{},
            options_.allow_caps,
            command.cap_add,
            command.cap_drop
        )
    );
    for (const auto& [mode, fallback, host, what] :
         {std::tuple{command.pid_mode, options_.default_pid_mode, &in.host_pid, "pid_mode"},
          std::tuple{command.ipc_mode, options_.default_ipc_mode, &in.host_ipc, "ipc_mode"}}) {
        const std::string& wanted = mode.empty() ? fallback : mode;
        if (wanted != "private" && wanted != "host") {
            return fail(
                ErrorCode::InvalidArgument,
                "{} must be \"private\" or \"host\", got \"{}\"",
                what,
                wanted
            );
        }
        *host = wanted == "host";
    }
    in.root = "rootfs";
    if (!command.image.empty()) {
        std::error_code error;
        const auto root = std::filesystem::canonical(task.task_dir + "/" + command.image, error);
        const auto base = std::filesystem::canonical(task.task_dir, error);
        if (error || !root.string().starts_with(base.string() + "/")) {
            return fail(
                ErrorCode::InvalidArgument,
                "image \"{}\" is not a directory below the task's directory",
                command.image
            );
        }
        in.root = root.string();
    }
    add_files(task, command, in);
    NL_TRY_VOID(add_names(task, in));
    NL_TRY_VOID(add_devices(task, in));

    in.args = command.args;
    if (!in.args.front().starts_with('/')) {
        const std::string& wanted = in.args.front();
        if (is_program(task.task_dir + "/local/" + wanted)) {
            in.args.front() = "/local/" + wanted;
        } else if (wanted.find('/') != std::string::npos) {
            in.args.front() = "/" + wanted;
        }
    }
    StringMap env = task.env;
    env.try_emplace("PATH", kDefaultPath);
    env.try_emplace("HOME", in.user.home.empty() ? "/" : in.user.home);
    env.try_emplace("USER", in.user.name);
    for (const auto& [name, value] : env) {
        in.env.push_back(name + "=" + value);
    }
    in.cwd = command.work_dir.empty() ? "/" : command.work_dir;
    if (!in.cwd.starts_with('/')) {
        return fail(
            ErrorCode::InvalidArgument, "work_dir must be an absolute path, got \"{}\"", in.cwd
        );
    }
    in.cgroups_path = oci_cgroups_path(tasks_.cgroups(), task.id);
    in.cpu_shares = std::max<std::int64_t>(task.cpu_shares, 2);
    in.cpus = fmt::format("{}", fmt::join(task.cores, ","));
    // memory_max is the wall, memory what is given back first under pressure; -1 is no wall.
    in.memory_mb =
        task.memory_max_mb == 0 ? task.memory_mb : std::max<std::int64_t>(task.memory_max_mb, 0);
    in.memory_soft_mb = task.memory_max_mb == 0 ? 0 : task.memory_mb;
    in.swap_is_counted = counts_swap(tasks_.cgroups());
    in.pids_max = options_.pids_max;
    in.oom_score_adj = command.oom_score_adj;
    return in;
}

void OciTasks::add_files(const client::TaskSpec& task, const OciCommand& command, OciInput& in)
    const {
    if (command.image.empty()) {
        const StringMap& paths =
            options_.chroot_env.empty() ? default_chroot() : options_.chroot_env;
        // Sorted by what they are inside, so that a folder comes before what lies in it.
        std::map<std::string, std::string> inside;
        for (const auto& [from, to] : paths) {
            inside.emplace(to, from);
        }
        for (const auto& [to, from] : inside) {
            if (is_there(from)) {
                in.mounts.push_back({.source = from, .destination = to, .read_only = true});
            }
        }
    }
    in.mounts.push_back({.source = task.alloc_dir, .destination = "/alloc", .safe = true});
    in.mounts.push_back({.source = task.task_dir + "/local", .destination = "/local"});
    in.mounts.push_back({.source = task.task_dir + "/secrets", .destination = "/secrets"});
    in.mounts.push_back({.source = task.task_dir + "/tmp", .destination = "/tmp"});
    for (const client::TaskMount& mount : task.mounts) {
        in.mounts.push_back(
            {.source = mount.host_path,
             .destination = mount.task_path,
             .read_only = mount.read_only,
             .safe = true,
             .propagation = mount.propagation == "host-to-task"    ? "rslave"
                            : mount.propagation == "bidirectional" ? "rshared"
                                                                   : "rprivate"}
        );
    }
}

Result<void> OciTasks::add_names(const client::TaskSpec& task, OciInput& in) const {
    const client::TaskNetwork& network = task.network;
    in.net_ns = network.net_ns;
    in.hostname = network.hostname;
    if (in.hostname.empty()) {
        char host[256] = {};
        ::gethostname(host, sizeof host - 1);
        in.hostname = host;
    }
    const std::string folder = bundle(task.id);
    const auto add = [&](const char* name, const std::string& text) -> Result<void> {
        NL_TRY_VOID(io::write_file_atomic(folder + "/" + name, text, 0644));
        in.mounts.push_back(
            {.source = folder + "/" + name,
             .destination = std::string("/etc/") + name,
             .read_only = true}
        );
        return {};
    };
    if (network.dns) {
        NL_TRY_VOID(add("resolv.conf", text_of_lines(*network.dns)));
    } else if (!network.net_ns.empty()) {
        // The node's own resolver on loopback is out of reach from another network namespace.
        std::string text = io::read_file("/run/systemd/resolve/resolv.conf").value_or("");
        if (text.empty()) {
            text = io::read_file("/etc/resolv.conf").value_or("");
        }
        NL_TRY_VOID(add("resolv.conf", text));
    }
    if (!network.net_ns.empty() || !network.hostname.empty()) {
        std::string hosts =
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\n"
            "ff02::2 ip6-allrouters\n";
        hosts += fmt::format("{} {}\n", network.ip.empty() ? "127.0.1.1" : network.ip, in.hostname);
        NL_TRY_VOID(add("hosts", hosts));
    }
    return {};
}

Result<void> OciTasks::add_devices(const client::TaskSpec& task, OciInput& in) const {
    in.devices = default_devices();
    for (const client::TaskDevice& device : task.devices) {
        struct stat info{};
        if (::stat(device.host_path.c_str(), &info) != 0 ||
            !(S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))) {
            return fail(
                ErrorCode::NotFound, "there is no device {} on this node", device.host_path
            );
        }
        in.devices.push_back(
            {.path = device.task_path.empty() ? device.host_path : device.task_path,
             .type = S_ISBLK(info.st_mode) ? 'b' : 'c',
             .major = static_cast<std::int64_t>(major(info.st_rdev)),
             .minor = static_cast<std::int64_t>(minor(info.st_rdev)),
             .mode = static_cast<std::int64_t>(info.st_mode & 0777U),
             .permissions = device.permissions.empty() ? "rwm" : device.permissions}
        );
    }
    return {};
}

Result<int> OciTasks::first_process(const client::TaskId& id) const {
    const std::string status = slurp(bundle(id) + "/status");
    const int pid = status.starts_with("started ")
                        ? static_cast<int>(std::strtol(status.c_str() + 8, nullptr, 10))
                        : 0;
    // The number may have been given to another process since.
    const std::string groups = pid > 0 ? slurp(fmt::format("/proc/{}/cgroup", pid)) : "";
    if (groups.find(instance_name(id)) == std::string::npos) {
        return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
    }
    return pid;
}

Result<std::unique_ptr<client::ExecProcess>> OciTasks::exec(
    const client::TaskId& id, const client::ExecSpec& spec, client::ExecHandlers handlers
) {
    if (spec.command.empty()) {
        return fail(ErrorCode::InvalidArgument, "no command to run was given");
    }
    NL_TRY(const int pid, first_process(id));
    static_cast<void>(pid);
    NL_TRY(const std::string runtime_path, runtime());
    // As the task's own process in all but what it runs.
    const std::string folder = bundle(id);
    NL_TRY(const Bytes text, io::read_file(folder + "/config.json"));
    NL_TRY(Value config, wire::parse_json(text));
    Value::Map* root = config.as_map();
    const auto at = root != nullptr ? root->find("process") : Value::Map::iterator{};
    if (root == nullptr || at == root->end() || at->second.as_map() == nullptr) {
        return fail(ErrorCode::Corruption, "{}/config.json has no process", folder);
    }
    Value::Map process = *at->second.as_map();
    Value::List args;
    for (const std::string& word : spec.command) {
        args.push_back(word);
    }
    process["args"] = std::move(args);
    process["terminal"] = spec.tty;
    if (spec.tty) {
        Value::List env;
        if (const Value::List* had = process["env"].as_list()) {
            env = *had;
        }
        env.push_back("TERM=xterm");
        process["env"] = std::move(env);
        if (spec.rows > 0) {
            process["consoleSize"] = Value::Map{{"height", spec.rows}, {"width", spec.columns}};
        }
    }
    std::string file;
    {
        const std::scoped_lock lock(mutex_);
        file = fmt::format("{}/exec-{}-{}.json", folder, ::getpid(), next_exec_++);
    }
    NL_TRY_VOID(io::write_file_atomic(file, wire::write_json(process), 0600));
    supervisor::SpawnSpec program;
    program.path = runtime_path;
    program.argv = {
        runtime_path,
        "--log",
        folder + "/exec.log",
        "--log-format",
        "json",
        "--root",
        runtime_root(),
        "exec",
        "--process",
        file,
        instance_name(id)
    };
    program.env = {std::string("PATH=") + kDefaultPath, "TERM=xterm"};
    program.cwd = folder;
    return tasks_.exec(id, std::move(program), spec, std::move(handlers));
}

void OciTasks::signal(const client::TaskId& id, int signal, Ticket ticket) {
    const auto pid = first_process(id);
    Result<void> result;
    if (!pid) {
        result = std::unexpected(pid.error());
    } else if (::kill(*pid, signal) != 0) {
        result =
            fail(ErrorCode::InvalidArgument, "cannot signal the task: {}", std::strerror(errno));
    }
    tasks_.sink()({ticket, id, client::CallDone{std::move(result)}});
}

void OciTasks::destroy(const client::TaskId& id, Ticket ticket) {
    tasks_.destroy(id, [this, id, ticket](const Result<void>& result) {
        workers_.post([this, id, ticket, result] {
            remove_bundle(id);
            {
                const std::scoped_lock lock(mutex_);
                mine_.erase(instance_name(id));
            }
            tasks_.sink()({ticket, id, client::CallDone{result}});
        });
    });
}

void OciTasks::remove_bundle(const client::TaskId& id) const {
    for (const std::string& path : {runtime_root() + "/" + instance_name(id), bundle(id)}) {
        if (const auto removed = remove_bundle_tree(path); !removed) {
            io::log_warn("drivers", "{}", removed.error().message);
        }
    }
}

void OciTasks::remove_leftovers() {
    tasks_.client().list([this](Result<std::vector<supervisor::TaskInfo>> known) {
        if (!known) {
            return;
        }
        std::set<std::string> names;
        for (const supervisor::TaskInfo& info : *known) {
            if (const auto id = client::TaskId::parse(info.id)) {
                names.insert(instance_name(*id));
            }
        }
        workers_.post([this, names] {
            for (const std::string& folder : {options_.directory + "/bundles", runtime_root()}) {
                for (const std::string& name :
                     io::list_directory(folder).value_or(std::vector<std::string>{})) {
                    const std::scoped_lock lock(mutex_);
                    if (!names.contains(name) && !mine_.contains(name)) {
                        static_cast<void>(remove_bundle_tree(folder + "/" + name));
                    }
                }
            }
        });
    });
}

}  // namespace nl::drivers
