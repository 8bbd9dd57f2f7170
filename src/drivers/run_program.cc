#include "drivers/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace nl::drivers {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const std::string& text : texts) {
        out.push_back(const_cast<char*>(text.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

struct Pipe {
    int ends[2]{-1, -1};
    bool open() { return ::pipe2(ends, O_CLOEXEC) == 0; }
    void close_end(int which) {
        if (ends[which] >= 0) {
            ::close(ends[which]);
            ends[which] = -1;
        }
    }
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
};

}  // namespace

std::string find_in_path(const std::string& name) {
    std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    if (const char* own = std::getenv("PATH"); own != nullptr) {
        path = std::string(own) + ":" + path;
    }
    std::size_t from = 0;
    while (from < path.size()) {
        const std::size_t colon = std::min(path.find(':', from), path.size());
        const std::string place = path.substr(from, colon - from) + "/" + name;
        struct stat info{};
        if (place.starts_with('/') && ::stat(place.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
            (info.st_mode & 0111) != 0) {
            return place;
        }
        from = colon + 1;
    }
    return "";
}

Result<ProgramResult> run_program(
    const std::vector<std::string>& argv,
    Duration timeout,
    const std::string& input,
    const std::vector<std::string>& env,
    bool separate
) {
    Pipe in;
    Pipe out;
    Pipe err;
    if (!in.open() || !out.open() || !err.open()) {
        return fail(ErrorCode::Unavailable, "no pipe for {}: {}", argv[0], std::strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.ends[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.ends[1], 1);
    ::posix_spawn_file_actions_adddup2(&actions, separate ? err.ends[1] : out.ends[1], 2);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    );
    const std::vector<char*> words = pointers(argv);
    const std::vector<char*> environment = pointers(env);
    pid_t pid = -1;
    const int error = ::posix_spawn(
        &pid,
        argv[0].c_str(),
        &actions,
        &attributes,
        words.data(),
        env.empty() ? environ : environment.data()
    );
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        return fail(
            error == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
            "{} cannot be run: {}",
            argv[0],
            std::strerror(error)
        );
    }
    in.close_end(0);
    out.close_end(1);
    err.close_end(1);
    for (const int fd : {in.ends[1], out.ends[0], err.ends[0]}) {
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    ProgramResult result;
    std::size_t written = 0;
    if (input.empty()) {
        in.close_end(1);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout.ns);
    bool late = false;
    while (out.ends[0] >= 0 || err.ends[0] >= 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now()
        );
        if (left.count() <= 0) {
            late = true;
            break;
        }
        pollfd items[3] = {
            {out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}, {in.ends[1], POLLOUT, 0}
        };
        if (::poll(items, 3, static_cast<int>(left.count())) < 0 && errno != EINTR) {
            break;
        }
        const auto take = [](Pipe& pipe, std::string& into) {
            char bytes[16384];
            const ssize_t n = ::read(pipe.ends[0], bytes, sizeof bytes);
            if (n > 0) {
                if (into.size() < kMaxProgramOutput) {
                    into.append(bytes, static_cast<std::size_t>(n));
                }
            } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                pipe.close_end(0);
            }
        };
        if (items[0].revents != 0) {
            take(out, result.output);
        }
        if (items[1].revents != 0) {
            take(err, result.errors);
        }
        if (items[2].revents != 0) {
            // The agent ignores SIGPIPE: a program that reads no further is no harm.
            const ssize_t n = ::write(in.ends[1], input.data() + written, input.size() - written);
            if (n > 0) {
                written += static_cast<std::size_t>(n);
            }
            if (n < 0 && errno != EAGAIN) {
                in.close_end(1);
            }
            if (written == input.size()) {
                in.close_end(1);
            }
        }
    }
    if (late) {
        ::kill(-pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (late) {
        return fail(
            ErrorCode::Timeout, "{} did not end within {}", argv[0], nl::to_string(timeout)
        );
    }
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
}

}  // namespace nl::drivers
