// The guardian: the first of the supervisor's two static programs. It is a child subreaper and does
// three things: reaps every process that lost its parent, appends what it reaped to the exit
// journal, and starts the supervisor again when it ends. It knows no protocol and keeps no state,
// so that there is nothing in it to go wrong.
//
// usage: nomad-lite-guardian DIRECTORY

#include "supervisor/programs/held.h"
#include "supervisor/programs/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <utility>
#include <vector>

namespace {

using nl::supervisor::Journal;

constexpr const char* kSupervisor = "bin/supervisor";
/// A supervisor that ends sooner than this is started again only after the pause, so that a broken
/// one doesn't burn the processor.
constexpr long kHealthyNs = 1'000'000'000;
constexpr long kFirstPauseNs = 10'000'000;
constexpr long kLongestPauseNs = 2'000'000'000;
/// The supervisor left on purpose: nothing runs any more.
constexpr int kLeftOnPurpose = 0;

long monotonic_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000L + t.tv_nsec;
}

void pause_ns(long ns) {
    timespec t{ns / 1'000'000'000, ns % 1'000'000'000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

/// Under systemd an agent's unit takes every process of its control group with it; this one must
/// not be there.
void leave_service_cgroup() {
    const int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    char text[4096];
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    if (n <= 0) {
        return;
    }
    text[n] = 0;
    if (std::strstr(text, ".service") == nullptr) {
        return;
    }
    const bool unified = std::strstr(text, "name=systemd") == nullptr;
    const char* folder = unified ? "/sys/fs/cgroup/nomad-lite-supervisor"
                                 : "/sys/fs/cgroup/systemd/nomad-lite-supervisor";
    mkdir(folder, 0755);
    char path[128];
    std::snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    const int procs = open(path, O_WRONLY | O_CLOEXEC);
    if (procs >= 0) {
        // Not allowed for an ordinary user: then the unit's KillMode decides, as the manual says.
        const ssize_t ignored = write(procs, "0", 1);
        static_cast<void>(ignored);
        close(procs);
    }
}

/// FIFOs kept open for the supervisor, by its number for the task.
class Held {
public:
    void add(std::uint64_t serial, const int* fds, std::size_t count) {
        auto& kept = fds_[serial];
        for (std::size_t i = 0; i < count; ++i) {
            if (kept.size() < 2) {
                kept.push_back(fds[i]);
            } else {
                close(fds[i]);
            }
        }
    }
    void remove(std::uint64_t serial) {
        for (const int fd : fds_[serial]) {
            close(fd);
        }
        fds_.erase(serial);
    }
    /// Those of a supervisor that became this guardian, or that were left by a pair which is gone.
    void open_all() {
        DIR* dir = opendir("fifo");
        if (dir == nullptr) {
            return;
        }
        while (const dirent* entry = readdir(dir)) {
            const std::uint64_t serial = std::strtoull(entry->d_name, nullptr, 10);
            const int fd = serial == 0
                               ? -1
                               : openat(dirfd(dir), entry->d_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
            if (fd >= 0) {
                add(serial, &fd, 1);
            }
        }
        closedir(dir);
    }

private:
    std::map<std::uint64_t, std::vector<int>> fds_;
};

std::vector<int> open_descriptors() {
    std::vector<int> found;
    DIR* dir = opendir("/proc/self/fd");
    if (dir == nullptr) {
        return found;
    }
    while (const dirent* entry = readdir(dir)) {
        const int fd = std::atoi(entry->d_name);
        if (fd > 2 && fd != dirfd(dir)) {
            found.push_back(fd);
        }
    }
    closedir(dir);
    return found;
}

class Guardian {
public:
    explicit Guardian(std::vector<int> inherited) : inherited_(std::move(inherited)) {}
    int run();

private:
    void start_supervisor();
    void reap_all();
    void take_messages();

    /// Descriptors that were open before this program opened any: FIFOs, if a supervisor became
    /// this guardian.
    std::vector<int> inherited_;
    Journal journal_;
    Held held_;
    /// Own end and the supervisor's; both stay open here, so that what is in flight outlives a
    /// supervisor.
    int sockets_[2] = {-1, -1};
    rlim_t task_file_limit_ = 1024;
    pid_t supervisor_ = -1;
    long started_ = 0;
    long pause_ = kFirstPauseNs;
};

void Guardian::start_supervisor() {
    started_ = monotonic_ns();
    const pid_t guardian = getpid();
    supervisor_ = fork();
    if (supervisor_ != 0) {
        return;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(sockets_[1], nl::supervisor::kGuardianSocket);
    char number[16];
    char limit[24];
    std::snprintf(number, sizeof number, "%d", guardian);
    std::snprintf(limit, sizeof limit, "%llu", static_cast<unsigned long long>(task_file_limit_));
    execl(kSupervisor, "nomad-lite-supervisor", number, limit, nullptr);
    std::fprintf(stderr, "guardian: cannot start %s: %s\n", kSupervisor, std::strerror(errno));
    _exit(127);
}

void Guardian::take_messages() {
    nl::supervisor::HoldMessage message;
    int fds[2] = {-1, -1};
    std::size_t count = 0;
    while (nl::supervisor::receive_hold(sockets_[0], message, fds, count)) {
        if (message.hold != 0) {
            held_.add(message.serial, fds, count);
        } else {
            held_.remove(message.serial);
        }
    }
}

void Guardian::reap_all() {
    bool appended = false;
    // First look, then write down, then reap: whoever finds the process gone finds its record.
    while (const auto ended = nl::supervisor::wait_for(P_ALL, 0, WEXITED | WNOHANG | WNOWAIT)) {
        const pid_t pid = ended->info.si_pid;
        if (pid != supervisor_) {
            journal_.append(nl::supervisor::make_record(*ended));
            appended = true;
            waitpid(pid, nullptr, 0);
            continue;
        }
        waitpid(pid, nullptr, 0);
        if (ended->info.si_code == CLD_EXITED && ended->info.si_status == kLeftOnPurpose) {
            _exit(0);
        }
        const bool healthy = monotonic_ns() - started_ > kHealthyNs;
        pause_ =
            healthy ? kFirstPauseNs : (pause_ * 2 < kLongestPauseNs ? pause_ * 2 : kLongestPauseNs);
        if (!healthy) {
            pause_ns(pause_);
        }
        start_supervisor();
    }
    if (appended) {
        const ssize_t ignored = send(sockets_[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        static_cast<void>(ignored);
        journal_.sync();
    }
}

int Guardian::run() {
    // Two guardians would reap past each other.
    const int lock = open("guardian.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
        return 0;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "nl-guardian");
    for (const int ignored : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) {
        std::signal(ignored, SIG_IGN);
    }
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        // A supervisor that became the guardian has raised the limit already and hands the first
        // one on.
        const char* first = std::getenv("NL_TASK_FILE_LIMIT");
        task_file_limit_ = first != nullptr ? std::strtoull(first, nullptr, 10) : files.rlim_cur;
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    leave_service_cgroup();
    held_.open_all();
    // The FIFOs that came through exec have a hold by their name now.
    for (const int fd : inherited_) {
        close(fd);
    }
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, nullptr);
    const int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || !journal_.ok() ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets_) != 0) {
        std::fprintf(
            stderr,
            "guardian: cannot open the exit journal and its socket: %s\n",
            std::strerror(errno)
        );
        return 1;
    }
    start_supervisor();
    while (true) {
        pollfd waits[2] = {{signals, POLLIN, 0}, {sockets_[0], POLLIN, 0}};
        poll(waits, 2, -1);
        signalfd_siginfo info;
        while (read(signals, &info, sizeof info) > 0) {
        }
        // The messages first: a hold that was sent before the end of its task must be in force.
        take_messages();
        reap_all();
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 || chdir(argv[1]) != 0) {
        std::fprintf(stderr, "usage: nomad-lite-guardian DIRECTORY\n");
        return 2;
    }
    umask(022);
    Guardian guardian(open_descriptors());
    return guardian.run();
}
