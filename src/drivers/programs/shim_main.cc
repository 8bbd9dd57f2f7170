// Between the supervisor and a container that an OCI runtime makes: one small process a task, the
// supervisor's child. It has the runtime create and start the container, which inherits its output,
// hands signals on, waits for the container's first process and ends as that did: same exit code,
// same signal. The container is a child of this process because it is a child subreaper; the
// runtime itself is gone once the task runs. Statically linked, no exceptions, one thread.
//
// nomad-lite-shim BUNDLE RUNTIME ROOT ID OOM_FILE; `nomad-lite-shim pause` only waits for a signal.
// In BUNDLE it writes `status` once ("started <pid>" or "error <why>") and `oom` if the kernel
// ended the task for its memory. OOM_FILE is the control group's memory.events or
// memory.oom_control.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

/// What the shim ends with when the container never ran; the driver reads `status` and tells
/// nobody.
constexpr int kNotStartedExit = 125;
constexpr std::size_t kMaxLogBytes = 16384;
constexpr std::size_t kMaxMessageBytes = 2048;

const char* bundle;

void path_in_bundle(char (&out)[4096], const char* name) {
    std::snprintf(out, sizeof out, "%s/%s", bundle, name);
}

/// All at once: whoever waits for the file must not see half of it.
void write_file(const char* name, const char* text) {
    char path[4096];
    char temporary[4096];
    path_in_bundle(path, name);
    std::snprintf(temporary, sizeof temporary, "%s/.%s", bundle, name);
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    const ssize_t ignored = write(fd, text, std::strlen(text));
    static_cast<void>(ignored);
    close(fd);
    rename(temporary, path);
}

std::size_t read_file(const char* path, char* out, std::size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        out[0] = 0;
        return 0;
    }
    std::size_t used = 0;
    while (used + 1 < size) {
        const ssize_t n = read(fd, out + used, size - 1 - used);
        if (n <= 0) {
            break;
        }
        used += static_cast<std::size_t>(n);
    }
    close(fd);
    out[used] = 0;
    return used;
}

/// The message of the last line of the runtime's JSON log that has one.
void runtime_message(char (&out)[kMaxMessageBytes]) {
    static char log[kMaxLogBytes];
    char path[4096];
    path_in_bundle(path, "runtime.log");
    read_file(path, log, sizeof log);
    const char* found = nullptr;
    for (const char* at = log; (at = std::strstr(at, "\"msg\":\"")) != nullptr;) {
        at += 7;
        found = at;
    }
    std::size_t n = 0;
    for (const char* c = found; c != nullptr && *c != 0 && *c != '"' && n + 1 < sizeof out; ++c) {
        if (*c == '\\' && c[1] != 0) {
            ++c;
            out[n++] = *c == 'n' ? ' ' : *c;
            continue;
        }
        out[n++] = *c;
    }
    out[n] = 0;
}

/// Runs the runtime and waits for it; what else ends meanwhile is left for later. Its exit status.
int run(char* const* argv, bool quiet) {
    const pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        if (quiet) {
            const int null_fd = open("/dev/null", O_RDWR);
            for (int fd = 0; fd < 3; ++fd) {
                dup2(null_fd, fd);
            }
        }
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0) {
        return -1;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return status;
}

/// "oom_kill N" of the control group's events.
long oom_kills(const char* path) {
    char text[1024];
    if (read_file(path, text, sizeof text) == 0) {
        return 0;
    }
    const char* at = std::strstr(text, "oom_kill ");
    return at == nullptr ? 0 : std::strtol(at + 9, nullptr, 10);
}

[[noreturn]] void not_started(const char* runtime) {
    char message[kMaxMessageBytes];
    char text[kMaxMessageBytes + 16];
    runtime_message(message);
    if (message[0] == 0) {
        std::snprintf(message, sizeof message, "%s could not make the container", runtime);
    }
    std::snprintf(text, sizeof text, "error %s", message);
    write_file("status", text);
    _exit(kNotStartedExit);
}

[[noreturn]] void end_as(int status) {
    if (WIFSIGNALED(status)) {
        const rlimit none{0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(WTERMSIG(status), SIG_DFL);
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, WTERMSIG(status));
        kill(getpid(), WTERMSIG(status));
        sigprocmask(SIG_UNBLOCK, &one, nullptr);
        _exit(128 + WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

}  // namespace

/// A container's only process that holds its network namespace and does nothing else.
[[noreturn]] static void wait_for_end() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    while (true) {
        siginfo_t info;
        const int number = sigwaitinfo(&all, &info);
        while (waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        if (number == SIGTERM || number == SIGINT || number == SIGQUIT) {
            _exit(0);
        }
    }
}

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "pause") == 0) {
        wait_for_end();
    }
    if (argc != 6) {
        return 2;
    }
    bundle = argv[1];
    char* runtime = argv[2];
    char* root = argv[3];
    char* id = argv[4];
    const char* oom_file = argv[5];
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "nomad-lite-shim");
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);

    char log[4096];
    char pid_file[4096];
    path_in_bundle(log, "runtime.log");
    path_in_bundle(pid_file, "pid");
    char log_word[] = "--log";
    char format_word[] = "--log-format";
    char json_word[] = "json";
    char root_word[] = "--root";
    char create_word[] = "create";
    char bundle_word[] = "--bundle";
    char pid_word[] = "--pid-file";
    char start_word[] = "start";
    char* const create[] = {
        runtime,
        log_word,
        log,
        format_word,
        json_word,
        root_word,
        root,
        create_word,
        bundle_word,
        argv[1],
        pid_word,
        pid_file,
        id,
        nullptr
    };
    // Its complaints go to its log; the task's standard error stays the task's.
    if (run(create, false) != 0) {
        not_started(runtime);
    }
    char text[32];
    read_file(pid_file, text, sizeof text);
    const auto first = static_cast<pid_t>(std::strtol(text, nullptr, 10));
    char* const start[] = {
        runtime, log_word, log, format_word, json_word, root_word, root, start_word, id, nullptr
    };
    if (first <= 0 || run(start, true) != 0) {
        if (first > 0) {
            kill(first, SIGKILL);
        }
        not_started(runtime);
    }
    char words[64];
    std::snprintf(words, sizeof words, "started %d", first);
    write_file("status", words);
    // Nothing is written from here on; an open end would keep the task's FIFO from ending.
    const int null_fd = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) {
        dup2(null_fd, fd);
    }
    close(null_fd);
    int first_status = 0;
    bool ended = false;
    while (true) {
        int status = 0;
        pid_t pid = 0;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == first) {
                first_status = status;
                ended = true;
            }
        }
        if (ended) {
            break;
        }
        siginfo_t info;
        const int number = sigwaitinfo(&all, &info);
        if (number > 0 && number != SIGCHLD) {
            kill(first, number);
        }
    }
    if (oom_kills(oom_file) > 0) {
        write_file("oom", "1");
    }
    end_as(first_status);
}
