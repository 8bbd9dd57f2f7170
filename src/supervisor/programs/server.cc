#include "supervisor/programs/server.h"

#include "supervisor/programs/held.h"
#include "supervisor/programs/spawn.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace nl::supervisor {
namespace {

constexpr const char* kSocketName = "agent.sock";
constexpr std::uint64_t kSerialMask = (1ULL << 56) - 1;

std::int64_t monotonic_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

std::string fifo_path(std::uint64_t serial, const char* end) {
    return "fifo/" + std::to_string(serial) + end;
}

std::string read_boot_id() {
    char text[40] = {};
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, 36);
    if (fd >= 0) {
        close(fd);
    }
    return std::string(text, n > 0 ? static_cast<std::size_t>(n) : 0);
}

TaskInfo info_of(const Task& task) {
    TaskInfo info;
    info.id = task.id;
    info.pid = task.pid;
    info.start_time = static_cast<std::int64_t>(task.start_time);
    info.started_unix_ns = task.started_unix_ns;
    info.running = task.state != Task::State::Exited;
    return info;
}

std::string failure_text(const Task& task, const SpawnFailure& failure) {
    // A program beside a task has no group of its own: it enters the task's, which goes with it.
    if (task.cgroups.empty() && failure.step == kSpawnCgroupStep && failure.error == ENOENT) {
        return "the task is not running any more";
    }
    return std::string("cannot ") + kSpawnSteps[failure.step] + ": " + std::strerror(failure.error);
}

/// One end of a redirected stream. Opened without blocking, so that a pipe nobody holds costs the
/// task and not the supervisor; the task itself gets it blocking.
int open_end(const std::string& path, int mode, const SpawnSpec& spec) {
    const int access = spec.controlling_terminal ? O_RDWR : mode;
    const int fd = ::open(path.c_str(), access | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        fcntl(fd, F_SETFL, access);
    }
    return fd;
}

std::string exited_frame(const Task& task) {
    FieldWriter w;
    task.exit.write(w);
    return make_frame(Kind::Exited, 0, w.out());
}

}  // namespace

ExitInfo Server::exit_from(const ExitRecord& record) {
    ExitInfo exit;
    exit.exit_code = record.exit_code;
    exit.signal = record.signal;
    exit.at_unix_ns = record.at_unix_ns;
    exit.user_ns = record.user_ns;
    exit.system_ns = record.system_ns;
    exit.max_rss_kb = record.max_rss_kb;
    return exit;
}

ExitInfo Server::exit_unknown() {
    ExitInfo exit;
    exit.unknown = true;
    exit.exit_code = -1;
    exit.at_unix_ns = unix_now_ns();
    return exit;
}

Server::Server(int guardian_pid, int guardian_socket, std::uint64_t task_file_limit)
    : guardian_pid_(guardian_pid),
      guardian_socket_(guardian_socket),
      task_file_limit_(task_file_limit),
      boot_id_(read_boot_id()) {}

bool Server::open() {
    for (const char* folder : {"tasks", "fifo"}) {
        mkdir(folder, 0700);
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    guardian_fd_ = static_cast<int>(syscall(SYS_pidfd_open, guardian_pid_, 0));
    // A guardian that died before it could be watched: the parent is another by now.
    if (guardian_fd_ < 0 || getppid() != guardian_pid_) {
        guardian_lost_ = true;
    } else {
        watch(guardian_fd_, Source::Guardian, 0, EPOLLIN);
        fcntl(guardian_socket_, F_SETFD, FD_CLOEXEC);
        watch(guardian_socket_, Source::Notice, 0, EPOLLIN);
    }
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, kSocketName, sizeof address.sun_path - 1);
    unlink(kSocketName);
    if (epoll_ < 0 || listener_ < 0 || !journal_.ok() ||
        bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        chmod(kSocketName, 0600) != 0) {
        std::fprintf(stderr, "supervisor: cannot open its socket: %s\n", std::strerror(errno));
        return false;
    }
    // Adopt first, listen then: an agent that reaches us finds every task.
    adopt_all();
    if (listen(listener_, static_cast<int>(kMaxConnections)) != 0) {
        return false;
    }
    return watch(listener_, Source::Listener, 0, EPOLLIN);
}

bool Server::watch(int fd, Source source, std::uint64_t serial, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<std::uint64_t>(source) << 56 | serial;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

int Server::run() {
    if (guardian_lost_) {
        become_guardian();
    }
    epoll_event events[128];
    while (true) {
        const int n = epoll_wait(epoll_, events, 128, timeout_ms());
        for (int i = 0; i < n; ++i) {
            dispatch(
                static_cast<Source>(events[i].data.u64 >> 56),
                events[i].data.u64 & kSerialMask,
                events[i].events
            );
        }
        timers();
        if (journal_dirty_) {
            // After the answers have left: the write is in the page cache already, the sync is for
            // loss of power.
            journal_.sync();
            journal_dirty_ = false;
        }
    }
}

void Server::dispatch(Source source, std::uint64_t serial, std::uint32_t events) {
    switch (source) {
        case Source::Listener:
            accept_agents();
            return;
        case Source::Guardian:
            become_guardian();
            return;
        case Source::Notice: {
            char bytes[256];
            const ssize_t n = recv(guardian_socket_, bytes, sizeof bytes, MSG_DONTWAIT);
            if (n == 0 || (n < 0 && errno != EAGAIN)) {
                // The guardian is gone; its pidfd says so too.
                epoll_ctl(epoll_, EPOLL_CTL_DEL, guardian_socket_, nullptr);
            }
            ++exits_since_compaction_;
            for (const std::uint64_t timed : timed_) {
                Task& task = *tasks_.at(timed);
                task.recheck_at_ns = task.recheck_at_ns != 0 ? 1 : 0;
            }
            return;
        }
        case Source::Connection:
            if ((events & EPOLLOUT) != 0) {
                flush(serial);
            }
            if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
                read_from(serial);
            }
            return;
        case Source::Pidfd:
        case Source::Gate:
        case Source::Stdout:
        case Source::Stderr: {
            // An event that was fetched in the same round as the task's end has nobody left.
            const auto at = tasks_.find(serial);
            if (at == tasks_.end()) {
                return;
            }
            Task& task = *at->second;
            if (source == Source::Gate) {
                gate_spoke(task);
            } else if (source == Source::Stdout) {
                pump(task, task.out, source);
            } else if (source == Source::Stderr) {
                pump(task, task.err, source);
            } else if (task.own_child) {
                reap_own(task);
            } else {
                look_for_exit(task);
            }
            return;
        }
    }
}

void Server::pump(Task& task, LogStream& stream, Source source) {
    if (stream.fd() >= 0 && stream.pump() == LogStream::Pumped::Stuck) {
        // The disk is full or the folder is gone. The task waits at its full FIFO; look again later
        // instead of spinning.
        epoll_event event{};
        event.data.u64 = static_cast<std::uint64_t>(source) << 56 | task.serial;
        epoll_ctl(epoll_, EPOLL_CTL_MOD, stream.fd(), &event);
        stuck_.push_back({task.serial, monotonic_ns() + kStuckPauseNs});
    }
}

// ---- agents

void Server::accept_agents() {
    while (true) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        ucred peer{};
        socklen_t size = sizeof peer;
        const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
                           (peer.uid == 0 || peer.uid == geteuid());
        if (!known || connections_.size() >= kMaxConnections) {
            close(fd);
            continue;
        }
        const std::uint64_t serial = next_serial_++;
        connections_[serial].fd = fd;
        watch(fd, Source::Connection, serial, EPOLLIN);
    }
}

void Server::read_from(std::uint64_t serial) {
    const auto at = connections_.find(serial);
    if (at == connections_.end()) {
        return;
    }
    char bytes[65536];
    const ssize_t n = read(at->second.fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        drop(serial);
        return;
    }
    at->second.in.append(bytes, static_cast<std::size_t>(n));
    // Taken out, so that serving may drop the connection.
    std::string in = std::move(at->second.in);
    std::size_t used = 0;
    while (connections_.count(serial) != 0) {
        const std::string_view rest = std::string_view(in).substr(used);
        const auto header = peek_header(rest);
        if (header && header->length > kMaxFrameBytes) {
            drop(serial);
            return;
        }
        if (!header || rest.size() < kFrameHeaderBytes + header->length) {
            break;
        }
        serve(serial, *header, rest.substr(kFrameHeaderBytes, header->length));
        used += kFrameHeaderBytes + header->length;
    }
    const auto still = connections_.find(serial);
    if (still != connections_.end()) {
        in.erase(0, used);
        still->second.in = std::move(in);
    }
}

void Server::send(std::uint64_t connection, std::string_view frame) {
    const auto at = connections_.find(connection);
    if (at == connections_.end()) {
        return;
    }
    if (at->second.out.size() + frame.size() > kMaxUnsentBytes) {
        drop(connection);
        return;
    }
    at->second.out.append(frame);
    flush(connection);
}

void Server::flush(std::uint64_t serial) {
    const auto at = connections_.find(serial);
    if (at == connections_.end()) {
        return;
    }
    Connection& c = at->second;
    while (!c.out.empty()) {
        const ssize_t n = ::send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            drop(serial);
            return;
        }
        if (n < 0) {
            break;
        }
        c.out.erase(0, static_cast<std::size_t>(n));
    }
    if (c.wants_write == c.out.empty()) {
        c.wants_write = !c.out.empty();
        epoll_event event{};
        event.events = EPOLLIN | (c.wants_write ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
        event.data.u64 = static_cast<std::uint64_t>(Source::Connection) << 56 | serial;
        epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
    }
}

void Server::drop(std::uint64_t serial) {
    const auto at = connections_.find(serial);
    if (at != connections_.end()) {
        close(at->second.fd);
        connections_.erase(at);
    }
}

void Server::fail(std::uint64_t connection, std::uint64_t request, int error, std::string message) {
    Words words;
    words.error = error;
    words.message = std::move(message);
    send(connection, make_frame(Kind::Failure, request, words.encode()));
}

void Server::serve(std::uint64_t connection, const FrameHeader& header, std::string_view payload) {
    if (header.kind == Kind::Spawn) {
        const auto spec = SpawnSpec::decode(payload);
        if (!spec || spec->id.empty() || spec->path.empty() || spec->argv.empty()) {
            fail(connection, header.id, EINVAL, "the request to start a task is damaged");
            return;
        }
        on_spawn(connection, header.id, *spec);
        return;
    }
    const Words words = Words::decode(payload);
    switch (header.kind) {
        case Kind::Hello:
            on_hello(connection, header.id, words);
            return;
        case Kind::Signal:
            on_signal(connection, header.id, words);
            return;
        case Kind::Stop:
            on_stop(connection, header.id, words);
            return;
        case Kind::Destroy:
            on_destroy(connection, header.id, words);
            return;
        case Kind::Ack:
            on_ack(connection, header.id, words);
            return;
        case Kind::List:
            on_list(connection, header.id);
            return;
        case Kind::Shutdown:
            for (const auto& [serial, task] : tasks_) {
                if (task->state != Task::State::Exited) {
                    fail(connection, header.id, EBUSY, "tasks are running");
                    return;
                }
            }
            if (!removals_.empty()) {
                fail(
                    connection, header.id, EBUSY, "control groups of ended tasks are being removed"
                );
                return;
            }
            send(connection, make_frame(Kind::Reply, header.id, ""));
            unlink(kSocketName);
            _exit(0);
        case Kind::Restart:
            send(connection, make_frame(Kind::Reply, header.id, ""));
            journal_.sync();
            _exit(75);
        case Kind::Spawn:
        case Kind::Reply:
        case Kind::Failure:
        case Kind::TaskInfo:
        case Kind::Exited:
            break;
    }
    fail(connection, header.id, ENOSYS, "this supervisor does not know the request");
}

void Server::on_hello(std::uint64_t connection, std::uint64_t request, const Words& words) {
    Words answer;
    answer.version = words.version < kProtocolVersion ? words.version : kProtocolVersion;
    answer.supervisor_pid = getpid();
    answer.guardian_pid = guardian_pid_;
    send(connection, make_frame(Kind::Reply, request, answer.encode()));
    const auto at = connections_.find(connection);
    if (at == connections_.end() || at->second.greeted) {
        return;
    }
    at->second.greeted = true;
    for (const auto& [serial, task] : tasks_) {
        if (task->state == Task::State::Exited) {
            send(connection, exited_frame(*task));
        }
    }
}

void Server::on_spawn(std::uint64_t connection, std::uint64_t request, const SpawnSpec& spec) {
    if (Task* known = find(spec.id); known != nullptr) {
        if (known->destroy) {
            fail(connection, request, EBUSY, "the task is being destroyed");
            return;
        }
        if (known->state == Task::State::Starting) {
            known->spawn_waiters.emplace_back(connection, request);
            return;
        }
        FieldWriter w;
        info_of(*known).write(w);
        send(connection, make_frame(Kind::Reply, request, w.out()));
        if (known->state == Task::State::Exited) {
            send(connection, exited_frame(*known));
        }
        return;
    }
    if (tasks_.size() >= kMaxTasks) {
        fail(connection, request, EAGAIN, "the node's supervisor holds its limit of 32768 tasks");
        return;
    }
    auto task = std::make_unique<Task>();
    task->id = spec.id;
    task->serial = next_serial_++;
    task->own_child = true;
    if (!spec.borrowed_cgroups) {
        task->cgroups = spec.cgroups;
        if (!spec.cgroup2.empty()) {
            task->cgroups.push_back(spec.cgroup2);
        }
    }
    task->cgroups.insert(task->cgroups.end(), spec.owned_cgroups.begin(), spec.owned_cgroups.end());
    task->owns_cgroups = !spec.owned_cgroups.empty();
    task->stdout_prefix = spec.stdout_prefix;
    task->stderr_prefix = spec.stderr_prefix;
    task->log_max_files = spec.log_max_files;
    task->log_max_bytes = spec.log_max_bytes;
    SpawnFailure failure;
    const bool redirected = !spec.stdout_path.empty();
    if (redirected) {
        task->stdout_prefix.clear();
        task->stderr_prefix.clear();
    } else if (!task->out.open(
            fifo_path(task->serial, ".out"),
            spec.stdout_prefix,
            spec.log_max_files,
            spec.log_max_bytes
        ) ||
        !task->err.open(
            fifo_path(task->serial, ".err"),
            spec.stderr_prefix,
            spec.log_max_files,
            spec.log_max_bytes
        )) {
        const int error = errno;
        task->out.finish();
        task->err.finish();
        fail(
            connection,
            request,
            error,
            std::string("cannot open the task's log files: ") + std::strerror(error)
        );
        return;
    }
    hold(*task);
    const int in = redirected ? open_end(spec.stdin_path, O_RDONLY, spec) : -1;
    const int out =
        redirected ? open_end(spec.stdout_path, O_WRONLY, spec) : task->out.open_task_end();
    const int err =
        redirected ? open_end(spec.stderr_path, O_WRONLY, spec) : task->err.open_task_end();
    SpawnedChild child;
    if (out < 0 || err < 0 || (redirected && in < 0)) {
        failure = {errno, 8};
    } else if (make_cgroups(spec, failure)) {
        child = spawn(spec, {out, err, task_file_limit_, record_path(task->serial), in}, failure);
    }
    for (const int fd : {in, out, err}) {
        if (fd >= 0) {
            close(fd);
        }
    }
    if (child.pid < 0) {
        task->out.finish();
        task->err.finish();
        send_hold(guardian_socket_, {0, task->serial}, nullptr, 0);
        remove_cgroups(task->cgroups);
        fail(connection, request, failure.error, failure_text(*task, failure));
        return;
    }
    task->pid = child.pid;
    task->pidfd = child.pidfd;
    task->gate = child.gate;
    task->start_time = start_time_of(child.pid);
    task->started_unix_ns = unix_now_ns();
    task->spawn_waiters.emplace_back(connection, request);
    Task& t = *task;
    by_id_[t.id] = t.serial;
    tasks_[t.serial] = std::move(task);
    if (!write_record(t)) {
        // Nobody could find it again: end it before it begins (closing the gate does).
        const int error = errno;
        close(t.gate);
        t.gate = -1;
        t.spawn_waiters.clear();
        t.destroy = true;
        by_id_.erase(t.id);
        watch(t.pidfd, Source::Pidfd, t.serial, EPOLLIN);
        fail(
            connection,
            request,
            error,
            std::string("cannot write the task's record: ") + std::strerror(error)
        );
        return;
    }
    watch(t.pidfd, Source::Pidfd, t.serial, EPOLLIN);
    watch(t.gate, Source::Gate, t.serial, EPOLLIN);
    if (t.out.fd() >= 0) {
        watch(t.out.fd(), Source::Stdout, t.serial, EPOLLIN);
    }
    if (t.err.fd() >= 0) {
        watch(t.err.fd(), Source::Stderr, t.serial, EPOLLIN);
    }
    const ssize_t ignored = ::send(t.gate, "g", 1, MSG_NOSIGNAL);
    static_cast<void>(ignored);
}

void Server::on_signal(std::uint64_t connection, std::uint64_t request, const Words& words) {
    Task* task = find(words.id);
    if (task == nullptr || task->state == Task::State::Exited) {
        fail(connection, request, ESRCH, "the task is not running");
        return;
    }
    const auto number = static_cast<int>(words.signal);
    const bool sent = words.whole
                          ? signal_all(*task, number) > 0
                          : syscall(SYS_pidfd_send_signal, task->pidfd, number, nullptr, 0) == 0;
    if (!sent) {
        const int error = errno;
        fail(
            connection,
            request,
            error,
            std::string("cannot signal the task: ") + std::strerror(error)
        );
        return;
    }
    send(connection, make_frame(Kind::Reply, request, ""));
}

void Server::on_stop(std::uint64_t connection, std::uint64_t request, const Words& words) {
    Task* task = find(words.id);
    if (task != nullptr && task->state != Task::State::Exited) {
        if (words.timeout_ns > 0) {
            // Said again, the first deadline stands unless the new one is nearer.
            const std::int64_t at = monotonic_ns() + words.timeout_ns;
            const bool first = task->kill_at_ns == 0;
            task->kill_at_ns = first || at < task->kill_at_ns ? at : task->kill_at_ns;
            timed_.insert(task->serial);
            if (first) {
                syscall(
                    SYS_pidfd_send_signal, task->pidfd, static_cast<int>(words.signal), nullptr, 0
                );
                write_record(*task);
            }
        } else {
            signal_all(*task, SIGKILL);
        }
    }
    send(connection, make_frame(Kind::Reply, request, ""));
}

void Server::on_destroy(std::uint64_t connection, std::uint64_t request, const Words& words) {
    Task* task = find(words.id);
    if (task == nullptr || task->state == Task::State::Exited) {
        if (task != nullptr) {
            erase(task->serial);
        }
        send(connection, make_frame(Kind::Reply, request, ""));
        return;
    }
    task->destroy = true;
    task->destroy_waiters.emplace_back(connection, request);
    signal_all(*task, SIGKILL);
}

void Server::on_ack(std::uint64_t connection, std::uint64_t request, const Words& words) {
    Task* task = find(words.id);
    if (task != nullptr && task->state == Task::State::Exited) {
        erase(task->serial);
    }
    send(connection, make_frame(Kind::Reply, request, ""));
}

void Server::on_list(std::uint64_t connection, std::uint64_t request) {
    for (const auto& [serial, task] : tasks_) {
        FieldWriter w;
        info_of(*task).write(w);
        send(connection, make_frame(Kind::TaskInfo, request, w.out()));
    }
    send(connection, make_frame(Kind::Reply, request, ""));
}

// ---- tasks

Task* Server::find(std::string_view id) {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? nullptr : tasks_.at(at->second).get();
}

void Server::gate_spoke(Task& task) {
    SpawnFailure failure;
    const ssize_t n = read(task.gate, &failure, sizeof failure);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    close(task.gate);
    task.gate = -1;
    const bool failed = n == static_cast<ssize_t>(sizeof failure);
    for (const auto& [connection, request] : std::exchange(task.spawn_waiters, {})) {
        if (failed) {
            fail(connection, request, failure.error, failure_text(task, failure));
        } else {
            FieldWriter w;
            info_of(task).write(w);
            send(connection, make_frame(Kind::Reply, request, w.out()));
        }
    }
    if (failed) {
        // It ends by itself at once; nobody is told of that end, and the id is free for another
        // try.
        task.destroy = true;
        by_id_.erase(task.id);
    } else {
        task.state = Task::State::Running;
    }
}

void Server::reap_own(Task& task) {
    constexpr int kPidfdType = 3;  // P_PIDFD
    const auto ended = wait_for(kPidfdType, task.pidfd, WEXITED | WNOHANG | WNOWAIT);
    if (!ended) {
        return;
    }
    if (task.gate >= 0) {
        gate_spoke(task);
        if (task.gate >= 0) {
            // Still open at its end: a descendant holds it. Cannot be, exec closes it; treat it as
            // started.
            close(task.gate);
            task.gate = -1;
        }
    }
    // While it is a zombie its pid and process group belong to it: kill the rest now. Then write
    // down, then reap.
    signal_all(task, SIGKILL);
    const ExitRecord record = make_record(*ended);
    if (!task.destroy) {
        journal_.append(record);
        journal_dirty_ = true;
    }
    wait_for(kPidfdType, task.pidfd, WEXITED | WNOHANG);
    finish(task, exit_from(record));
}

bool Server::never_started(const Task& task, const ExitRecord& record) const {
    // It waited at the gate when our predecessor died, and removed its record itself: for the agent
    // it never was.
    return record.signal == 0 && record.exit_code == kNeverStartedExit &&
           access(record_path(task.serial).c_str(), F_OK) != 0;
}

void Server::look_for_exit(Task& task) {
    for (const ExitRecord& record : journal_.read_new()) {
        found_[{record.pid, record.start_time}] = record;
    }
    const auto at = found_.find({task.pid, task.start_time});
    if (at != found_.end()) {
        const ExitRecord record = at->second;
        found_.erase(at);
        task.recheck_at_ns = 0;
        task.destroy = task.destroy || never_started(task, record);
        signal_cgroups(task.cgroups, SIGKILL);
        finish(task, exit_from(record));
        return;
    }
    if (start_time_of(task.pid) != task.start_time) {
        // Gone without a record: the guardian that should have reaped it was dead.
        task.recheck_at_ns = 0;
        signal_cgroups(task.cgroups, SIGKILL);
        finish(task, exit_unknown());
        return;
    }
    // A zombie that the guardian has not got to. Its pidfd stays readable, so it is no use to wait
    // for that.
    epoll_ctl(epoll_, EPOLL_CTL_DEL, task.pidfd, nullptr);
    task.recheck_at_ns = monotonic_ns() + kRecheckNs;
    timed_.insert(task.serial);
}

void Server::finish(Task& task, ExitInfo exit) {
    if (task.out.fd() >= 0 || task.err.fd() >= 0) {
        task.out.finish();
        task.err.finish();
        send_hold(guardian_socket_, {0, task.serial}, nullptr, 0);
    }
    ++exits_since_compaction_;
    timed_.erase(task.serial);
    task.recheck_at_ns = 0;
    close(task.pidfd);
    task.pidfd = -1;
    task.kill_at_ns = 0;
    task.state = Task::State::Exited;
    exit.id = task.id;
    task.exit = std::move(exit);
    remove_cgroups(std::exchange(task.cgroups, {}));
    if (task.destroy) {
        for (const auto& [connection, request] : std::exchange(task.destroy_waiters, {})) {
            send(connection, make_frame(Kind::Reply, request, ""));
        }
        erase(task.serial);
        return;
    }
    write_record(task);
    const std::string frame = exited_frame(task);
    std::vector<std::uint64_t> told;
    for (const auto& [serial, connection] : connections_) {
        if (connection.greeted) {
            told.push_back(serial);
        }
    }
    for (const std::uint64_t serial : told) {
        send(serial, frame);
    }
}

void Server::erase(std::uint64_t serial) {
    const auto at = tasks_.find(serial);
    unlink(record_path(serial).c_str());
    timed_.erase(serial);
    const auto named = by_id_.find(at->second->id);
    if (named != by_id_.end() && named->second == serial) {
        by_id_.erase(named);
    }
    tasks_.erase(at);
}

int Server::signal_all(Task& task, int signal) {
    // A group of a container runtime does not hold the first process, which is signalled besides.
    int reached = signal_cgroups(task.cgroups, signal);
    const bool first_is_inside = reached > 0 && !task.owns_cgroups;
    if (!first_is_inside) {
        reached += kill(-task.pid, signal) == 0 ? 1 : 0;
    }
    return task.cgroups.empty() ? reached + signal_session(task.pid, signal) : reached;
}

void Server::remove_cgroups(std::vector<std::string> folders) {
    std::erase_if(folders, [](const std::string& folder) {
        return rmdir(folder.c_str()) == 0 || errno == ENOENT;
    });
    if (!folders.empty()) {
        removals_.push_back({std::move(folders), 0, monotonic_ns() + kCgroupRemovalPauseNs});
    }
}

// ---- what a successor needs

std::string Server::record_path(std::uint64_t serial) const {
    return "tasks/" + std::to_string(serial);
}

bool Server::write_record(const Task& task) {
    FieldWriter w;
    info_of(task).write(w);
    w.text(50, task.stdout_prefix);
    w.text(51, task.stderr_prefix);
    w.number(52, task.log_max_files);
    w.number(53, task.log_max_bytes);
    w.list(54, task.cgroups);
    w.number(55, task.kill_at_ns);
    w.text(56, boot_id_);
    w.number(57, task.owns_cgroups ? 1 : 0);
    if (task.state == Task::State::Exited) {
        task.exit.write(w);
    }
    const std::string path = record_path(task.serial);
    const std::string temporary = path + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    const ssize_t n = write(fd, w.out().data(), w.out().size());
    close(fd);
    if (n != static_cast<ssize_t>(w.out().size())) {
        unlink(temporary.c_str());
        errno = ENOSPC;
        return false;
    }
    return rename(temporary.c_str(), path.c_str()) == 0;
}

void Server::timers() {
    const std::int64_t now = monotonic_ns();
    std::vector<std::uint64_t> recheck;
    for (const std::uint64_t serial : timed_) {
        Task& task = *tasks_.at(serial);
        if (task.kill_at_ns != 0 && task.kill_at_ns <= now) {
            // Again in a while, should one process have slipped through between reading the group
            // and killing it.
            task.kill_at_ns = now + kStuckPauseNs;
            signal_all(task, SIGKILL);
        }
        if (task.recheck_at_ns != 0 && task.recheck_at_ns <= now) {
            recheck.push_back(serial);
        }
    }
    for (const std::uint64_t serial : recheck) {
        look_for_exit(*tasks_.at(serial));
    }
    for (Removal& removal : removals_) {
        if (removal.at_ns > now) {
            continue;
        }
        signal_cgroups(removal.folders, SIGKILL);
        std::erase_if(removal.folders, [](const std::string& folder) {
            return rmdir(folder.c_str()) == 0 || errno == ENOENT;
        });
        removal.at_ns = now + kCgroupRemovalPauseNs;
        if (!removal.folders.empty() && ++removal.tries >= kCgroupRemovalTries) {
            std::fprintf(
                stderr,
                "supervisor: control group %s is still in use and stays\n",
                removal.folders.front().c_str()
            );
            removal.folders.clear();
        }
    }
    std::erase_if(removals_, [](const Removal& removal) { return removal.folders.empty(); });
    for (Stuck& stuck : stuck_) {
        const auto at = stuck.at_ns <= now ? tasks_.find(stuck.serial) : tasks_.end();
        if (at == tasks_.end()) {
            continue;
        }
        for (const Source source : {Source::Stdout, Source::Stderr}) {
            const LogStream& stream = source == Source::Stdout ? at->second->out : at->second->err;
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = static_cast<std::uint64_t>(source) << 56 | stuck.serial;
            if (stream.fd() >= 0) {
                epoll_ctl(epoll_, EPOLL_CTL_MOD, stream.fd(), &event);
            }
        }
    }
    std::erase_if(stuck_, [&](const Stuck& stuck) { return stuck.at_ns <= now; });
    if (exits_since_compaction_ < kExitsBetweenCompactions) {
        return;
    }
    exits_since_compaction_ = 0;
    bool awaited = false;
    for (const auto& [serial, task] : tasks_) {
        awaited = awaited || (!task->own_child && task->state != Task::State::Exited);
    }
    if (!awaited) {
        found_.clear();
        journal_.read_new();
        journal_.maybe_compact();
    }
}

int Server::timeout_ms() const {
    std::int64_t at = INT64_MAX;
    for (const std::uint64_t serial : timed_) {
        const Task& task = *tasks_.at(serial);
        at = task.kill_at_ns != 0 && task.kill_at_ns < at ? task.kill_at_ns : at;
        at = task.recheck_at_ns != 0 && task.recheck_at_ns < at ? task.recheck_at_ns : at;
    }
    for (const Removal& removal : removals_) {
        at = removal.at_ns < at ? removal.at_ns : at;
    }
    for (const Stuck& stuck : stuck_) {
        at = stuck.at_ns < at ? stuck.at_ns : at;
    }
    if (at == INT64_MAX) {
        return -1;
    }
    const std::int64_t left = at - monotonic_ns();
    return left <= 0 ? 0 : static_cast<int>(left / 1'000'000) + 1;
}

void Server::hold(const Task& task) {
    int fds[2];
    std::size_t count = 0;
    for (const int fd : {task.out.fd(), task.err.fd()}) {
        if (fd >= 0) {
            fds[count++] = fd;
        }
    }
    // Fails only without a guardian, and then there is nobody to hold it.
    if (count > 0) {
        send_hold(guardian_socket_, {1, task.serial}, fds, count);
    }
}

void Server::become_guardian() {
    // The tasks stay children of this process through exec; the new guardian reaps them and starts
    // a supervisor that adopts them.
    journal_.sync();
    // The FIFOs go along open, so that not a byte in them is lost in between; the guardian takes
    // its own hold and closes these.
    for (const auto& [serial, task] : tasks_) {
        for (const int fd : {task->out.fd(), task->err.fd()}) {
            if (fd >= 0) {
                fcntl(fd, F_SETFD, 0);
            }
        }
    }
    setenv("NL_TASK_FILE_LIMIT", std::to_string(task_file_limit_).c_str(), 1);
    char here[4096];
    if (getcwd(here, sizeof here) != nullptr) {
        execl("bin/guardian", "nomad-lite-guardian", here, nullptr);
    }
    std::fprintf(
        stderr,
        "supervisor: the guardian died and bin/guardian cannot be started: %s\n",
        std::strerror(errno)
    );
    // Without a guardian a supervisor still works; only its own death would lose exit codes. Stop
    // watching the dead one.
    if (guardian_fd_ >= 0) {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, guardian_fd_, nullptr);
    }
}

}  // namespace nl::supervisor
