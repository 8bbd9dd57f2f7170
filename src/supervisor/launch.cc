#include "supervisor/launch.h"

#include "supervisor/embedded.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace nl::supervisor {
namespace {

/// Linux 5.14: clone3 into a control group, pidfd, close_range, and their mended corners.
constexpr int kKernelMajor = 5;
constexpr int kKernelMinor = 14;

std::string read_file(const std::string& path) {
    std::string out;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return out;
    }
    char bytes[65536];
    ssize_t n = 0;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        out.append(bytes, static_cast<std::size_t>(n));
    }
    close(fd);
    return out;
}

Result<bool> write_program(const std::string& path, std::string_view content) {
    const std::string there = read_file(path);
    if (there == content) {
        return false;
    }
    const std::string temporary = path + ".new";
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    bool ok = fd >= 0;
    for (std::size_t at = 0; ok && at < content.size();) {
        const ssize_t n = write(fd, content.data() + at, content.size() - at);
        ok = n > 0;
        at += ok ? static_cast<std::size_t>(n) : 0;
    }
    const int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (!ok || rename(temporary.c_str(), path.c_str()) != 0) {
        return fail(
            ErrorCode::Unavailable,
            "cannot write the supervisor's program {}: {}",
            path,
            std::strerror(ok ? errno : error)
        );
    }
    return !there.empty();
}

Result<void> check_kernel() {
    utsname name{};
    int major = 0;
    int minor = 0;
    if (uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
        (major < kKernelMajor || (major == kKernelMajor && minor < kKernelMinor))) {
        return fail(
            ErrorCode::FailedPrecondition,
            "this kernel is Linux {}; a node needs {}.{} or newer to run tasks",
            name.release,
            kKernelMajor,
            kKernelMinor
        );
    }
    return {};
}

}  // namespace

Result<bool> write_programs(const std::string& directory) {
    NL_TRY_VOID(check_kernel());
    std::error_code error;
    std::filesystem::create_directories(directory + "/bin", error);
    if (error) {
        return fail(
            ErrorCode::Unavailable,
            "cannot make the supervisor's directory {}: {}",
            directory,
            error.message()
        );
    }
    chmod(directory.c_str(), 0700);
    NL_TRY(
        const bool guardian_replaced, write_program(directory + "/bin/guardian", guardian_program())
    );
    NL_TRY(
        const bool supervisor_replaced,
        write_program(directory + "/bin/supervisor", supervisor_program())
    );
    return guardian_replaced || supervisor_replaced;
}

Result<void> start_guardian(const std::string& directory) {
    const std::string program = directory + "/bin/guardian";
    const std::string log = directory + "/supervisor.log";
    char* argv[] = {
        const_cast<char*>("nomad-lite-guardian"), const_cast<char*>(directory.c_str()), nullptr
    };
    // The guardian hands its environment to nobody: a task's is given whole.
    char* envp[] = {nullptr};
    const pid_t pid = fork();
    if (pid < 0) {
        return fail(
            ErrorCode::Unavailable, "cannot start the supervisor: {}", std::strerror(errno)
        );
    }
    if (pid == 0) {
        // Between fork and exec only calls that need no lock: the agent has threads.
        setsid();
        if (fork() != 0) {
            _exit(0);
        }
        const int null_fd = open("/dev/null", O_RDONLY);
        const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(null_fd, 0);
        dup2(log_fd, 1);
        dup2(log_fd, 2);
        syscall(SYS_close_range, 3U, ~0U, 0U);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        execve(program.c_str(), argv, envp);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return {};
}

Result<int> connect_once(const std::string& directory) {
    const int dir = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return fail(
            ErrorCode::Unavailable,
            "cannot open the supervisor's directory {}: {}",
            directory,
            std::strerror(errno)
        );
    }
    // A socket's path may have 107 bytes only; through /proc it has few, wherever the data
    // directory is.
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/agent.sock", dir);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok =
        fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int error = errno;
    close(dir);
    if (!ok) {
        if (fd >= 0) {
            close(fd);
        }
        return fail(
            ErrorCode::Unavailable,
            "no supervisor answers in {}: {}",
            directory,
            std::strerror(error)
        );
    }
    return fd;
}

Result<int> connect_or_start(const std::string& directory) {
    if (auto fd = connect_once(directory)) {
        return fd;
    }
    NL_TRY_VOID(start_guardian(directory));
    // The first answer takes a millisecond or two; the pause grows so that a slow machine is not
    // kept busy.
    int pause_ms = 1;
    for (int waited = 0; waited < kStartDeadlineMs; waited += pause_ms) {
        poll(nullptr, 0, pause_ms);
        if (auto fd = connect_once(directory)) {
            return fd;
        }
        pause_ms = pause_ms < 50 ? pause_ms * 2 : 50;
    }
    return fail(
        ErrorCode::Unavailable,
        "the supervisor in {} did not answer within {} s; see supervisor.log there",
        directory,
        kStartDeadlineMs / 1000
    );
}

}  // namespace nl::supervisor
