#include "supervisor/programs/spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nl::supervisor {

const char* const kSpawnSteps[] = {
    "prepare the start",            // 0
    "make a process",               // 1
    "enter the control group",      // 2
    "set the resource limits",      // 3
    "set oom_score_adj",            // 4
    "switch to the user",           // 5
    "enter the working directory",  // 6
    "execute the command",          // 7
    "open the output",              // 8
    "take the terminal",            // 9
    "enter the network namespace",  // 10
};

namespace {

enum Step {
    kPrepare,
    kClone,
    kCgroup,
    kLimits,
    kOom,
    kUser,
    kDirectory,
    kExec,
    kOutput,
    kTerminal,
    kNetwork
};
static_assert(kCgroup == kSpawnCgroupStep);
constexpr int kGateFd = 3;

bool write_text(const char* path, const char* text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const auto length = static_cast<ssize_t>(std::strlen(text));
    const bool ok = write(fd, text, static_cast<std::size_t>(length)) == length;
    const int error = errno;
    close(fd);
    errno = error;
    return ok;
}

[[noreturn]] void give_up(Step step) {
    const SpawnFailure failure{errno, step};
    const ssize_t ignored = write(kGateFd, &failure, sizeof failure);
    static_cast<void>(ignored);
    _exit(kNeverStartedExit);
}

void set_limits(const SpawnSpec& spec, std::uint64_t file_limit) {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && file_limit > 0 && file_limit < files.rlim_max) {
        files.rlim_cur = file_limit;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (const std::string& text : spec.rlimits) {
        char* at = nullptr;
        const auto resource = static_cast<int>(std::strtol(text.c_str(), &at, 10));
        rlimit limit{};
        limit.rlim_cur = *at == ':' ? std::strtoull(at + 1, &at, 10) : 0;
        limit.rlim_max = *at == ':' ? std::strtoull(at + 1, &at, 10) : limit.rlim_cur;
        if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) {
            give_up(kLimits);
        }
    }
}

void switch_user(const SpawnSpec& spec) {
    if (!spec.change_user) {
        return;
    }
    gid_t groups[64];
    std::size_t count = 0;
    for (const std::string& text : spec.groups) {
        if (count < 64) {
            groups[count++] = static_cast<gid_t>(std::strtoul(text.c_str(), nullptr, 10));
        }
    }
    if (setgroups(count, groups) != 0 || setgid(static_cast<gid_t>(spec.gid)) != 0 ||
        setuid(static_cast<uid_t>(spec.uid)) != 0) {
        give_up(kUser);
    }
}

void enter_network(const SpawnSpec& spec) {
    if (spec.net_ns.empty()) {
        return;
    }
    const int fd = open(spec.net_ns.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
        give_up(kNetwork);
    }
    close(fd);
}

/// The child's whole way; only calls that are safe after a fork.
[[noreturn]] void become_task(
    const SpawnSpec& spec,
    const SpawnWith& with,
    const int (&fds)[4],
    char* const* argv,
    char* const* envp
) {
    // The descriptors are all above 3 (see spawn), so no dup2 overwrites one that is still needed.
    for (int i = 0; i < 4; ++i) {
        dup2(fds[i], i);
    }
    fcntl(kGateFd, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, 4U, ~0U, 0U);
    setsid();
    if (spec.controlling_terminal && ioctl(0, TIOCSCTTY, 0) != 0) {
        give_up(kTerminal);
    }
    for (const std::string& folder : spec.cgroups) {
        char path[4096];
        std::snprintf(path, sizeof path, "%s/cgroup.procs", folder.c_str());
        if (!write_text(path, "0")) {
            give_up(kCgroup);
        }
    }
    set_limits(spec, with.file_limit);
    if (spec.oom_score_adj != 0) {
        char number[24];
        std::snprintf(number, sizeof number, "%lld", static_cast<long long>(spec.oom_score_adj));
        if (!write_text("/proc/self/oom_score_adj", number)) {
            give_up(kOom);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; ++s) {
        std::signal(s, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, nullptr);
    char go = 0;
    ssize_t n = 0;
    do {
        n = read(kGateFd, &go, 1);
    } while (n < 0 && errno == EINTR);
    if (n != 1) {
        unlink(with.record.c_str());
        _exit(kNeverStartedExit);
    }
    enter_network(spec);
    switch_user(spec);
    if (!spec.cwd.empty() && chdir(spec.cwd.c_str()) != 0) {
        give_up(kDirectory);
    }
    umask(022);
    execve(spec.path.c_str(), argv, envp);
    give_up(kExec);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        out.push_back(const_cast<char*>(text.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

bool make_folders(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        mkdir(path.substr(0, at).c_str(), 0755);
    }
    return mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

/// Descriptor numbers 0 to 3 are the child's; anything else must lie above.
int above_three(int fd) {
    if (fd < 0 || fd > 3) {
        return fd;
    }
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 4);
    close(fd);
    return moved;
}

}  // namespace

bool make_cgroups(const SpawnSpec& spec, SpawnFailure& failure) {
    if (spec.borrowed_cgroups) {
        return true;
    }
    for (const std::string& folder : spec.cgroups) {
        if (!make_folders(folder)) {
            failure = {errno, kCgroup};
            return false;
        }
    }
    if (!spec.cgroup2.empty() && !make_folders(spec.cgroup2)) {
        failure = {errno, kCgroup};
        return false;
    }
    for (const std::string& setting : spec.cgroup_settings) {
        const std::size_t at = setting.find('=');
        // A control file that this kernel lacks costs a limit, not the task: the driver decides
        // beforehand what is essential.
        if (at != std::string::npos) {
            write_text(setting.substr(0, at).c_str(), setting.c_str() + at + 1);
        }
    }
    return true;
}

SpawnedChild spawn(const SpawnSpec& spec, const SpawnWith& with, SpawnFailure& failure) {
    SpawnedChild child;
    int gate[2] = {-1, -1};
    const int null_fd = above_three(
        with.stdin_fd >= 0 ? fcntl(with.stdin_fd, F_DUPFD_CLOEXEC, 4)
                           : open("/dev/null", O_RDONLY | O_CLOEXEC)
    );
    if (null_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) != 0) {
        failure = {errno, kPrepare};
        if (null_fd >= 0) {
            close(null_fd);
        }
        return child;
    }
    gate[1] = above_three(gate[1]);
    const int cgroup_fd =
        spec.cgroup2.empty() ? -1 : open(spec.cgroup2.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::vector<char*> argv = pointers(spec.argv);
    const std::vector<char*> envp = pointers(spec.env);

    clone_args args{};
    args.flags = CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0);
    args.pidfd = reinterpret_cast<std::uint64_t>(&child.pidfd);
    args.exit_signal = SIGCHLD;
    args.cgroup = cgroup_fd >= 0 ? static_cast<__u64>(cgroup_fd) : 0;
    if (!spec.cgroup2.empty() && cgroup_fd < 0) {
        failure = {errno, kCgroup};
    } else {
        const long pid = syscall(SYS_clone3, &args, sizeof args);
        if (pid == 0) {
            const int fds[4] = {null_fd, with.stdout_fd, with.stderr_fd, gate[1]};
            become_task(spec, with, fds, argv.data(), envp.data());
        }
        child.pid = static_cast<pid_t>(pid);
        if (pid < 0) {
            failure = {errno, cgroup_fd >= 0 ? kCgroup : kClone};
        }
    }
    close(null_fd);
    close(gate[1]);
    if (cgroup_fd >= 0) {
        close(cgroup_fd);
    }
    if (child.pid < 0) {
        close(gate[0]);
        return child;
    }
    fcntl(gate[0], F_SETFL, O_NONBLOCK);
    child.gate = gate[0];
    return child;
}

int signal_cgroups(const std::vector<std::string>& folders, int signal) {
    int reached = 0;
    for (const std::string& folder : folders) {
        const std::string path = folder + "/cgroup.procs";
        FILE* file = std::fopen(path.c_str(), "re");
        if (file == nullptr) {
            continue;
        }
        int pid = 0;
        while (std::fscanf(file, "%d", &pid) == 1) {
            if (pid > 0 && kill(pid, signal) == 0) {
                ++reached;
            }
        }
        std::fclose(file);
    }
    return reached;
}

int signal_session(pid_t session, int signal) {
    int reached = 0;
    DIR* dir = opendir("/proc");
    if (dir == nullptr) {
        return 0;
    }
    while (const dirent* entry = readdir(dir)) {
        const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
        if (pid > 0 && getsid(pid) == session && kill(pid, signal) == 0) {
            ++reached;
        }
    }
    closedir(dir);
    return reached;
}

}  // namespace nl::supervisor
