// What a supervisor does with the tasks of its predecessor.

#include "supervisor/programs/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace nl::supervisor {
namespace {

constexpr std::size_t kMaxRecordBytes = 1U << 20;

std::string read_all(const std::string& path) {
    std::string out;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return out;
    }
    char bytes[4096];
    ssize_t n = 0;
    while (out.size() < kMaxRecordBytes && (n = read(fd, bytes, sizeof bytes)) > 0) {
        out.append(bytes, static_cast<std::size_t>(n));
    }
    close(fd);
    return out;
}

}  // namespace

void Server::adopt_all() {
    std::vector<std::uint64_t> serials;
    if (DIR* dir = opendir("tasks"); dir != nullptr) {
        while (const dirent* entry = readdir(dir)) {
            char* end = nullptr;
            const unsigned long long serial = std::strtoull(entry->d_name, &end, 10);
            if (serial != 0 && *end == 0) {
                serials.push_back(serial);
            } else if (std::strstr(entry->d_name, ".new") != nullptr) {
                unlink((std::string("tasks/") + entry->d_name).c_str());
            }
        }
        closedir(dir);
    }
    for (const std::uint64_t serial : serials) {
        next_serial_ = serial >= next_serial_ ? serial + 1 : next_serial_;
    }
    for (const ExitRecord& record : journal_.read_new()) {
        found_[{record.pid, record.start_time}] = record;
    }
    for (const std::uint64_t serial : serials) {
        adopt(record_path(serial), serial);
    }
    // FIFOs of tasks that were never let go.
    if (DIR* dir = opendir("fifo"); dir != nullptr) {
        while (const dirent* entry = readdir(dir)) {
            const unsigned long long serial = std::strtoull(entry->d_name, nullptr, 10);
            if (serial != 0 && tasks_.count(serial) == 0) {
                unlink((std::string("fifo/") + entry->d_name).c_str());
            }
        }
        closedir(dir);
    }
}

void Server::adopt(const std::string& file, std::uint64_t serial) {
    auto task = std::make_unique<Task>();
    TaskInfo info;
    std::string boot_id;
    const std::string text = read_all(file);
    FieldReader r(text);
    while (r.next()) {
        info.read(r);
        task->exit.read(r);
        switch (r.tag()) {
            case 50:
                task->stdout_prefix = r.text();
                break;
            case 51:
                task->stderr_prefix = r.text();
                break;
            case 52:
                task->log_max_files = r.number();
                break;
            case 53:
                task->log_max_bytes = r.number();
                break;
            case 54:
                task->cgroups.push_back(r.text());
                break;
            case 55:
                task->kill_at_ns = r.number();
                break;
            case 56:
                boot_id = r.text();
                break;
            case 57:
                task->owns_cgroups = r.number() != 0;
                break;
            default:
                break;
        }
    }
    if (r.damaged() || info.id.empty() || by_id_.count(info.id) != 0) {
        unlink(file.c_str());
        return;
    }
    task->id = info.id;
    task->serial = serial;
    task->pid = static_cast<int>(info.pid);
    task->start_time = static_cast<std::uint64_t>(info.start_time);
    task->started_unix_ns = info.started_unix_ns;
    Task& t = *task;
    by_id_[t.id] = serial;
    tasks_[serial] = std::move(task);
    if (!info.running) {
        t.state = Task::State::Exited;
        return;
    }
    t.state = Task::State::Running;
    t.out.open(
        "fifo/" + std::to_string(serial) + ".out", t.stdout_prefix, t.log_max_files, t.log_max_bytes
    );
    t.err.open(
        "fifo/" + std::to_string(serial) + ".err", t.stderr_prefix, t.log_max_files, t.log_max_bytes
    );
    t.pidfd = static_cast<int>(syscall(SYS_pidfd_open, t.pid, 0));
    hold(t);
    if (t.kill_at_ns != 0) {
        timed_.insert(serial);
    }
    // Process numbers of another boot mean other processes.
    if (t.pidfd < 0 || boot_id != boot_id_ || start_time_of(t.pid) != t.start_time) {
        const auto at = boot_id == boot_id_ ? found_.find({t.pid, t.start_time}) : found_.end();
        t.destroy = at != found_.end() && never_started(t, at->second);
        finish(t, at != found_.end() ? exit_from(at->second) : exit_unknown());
        return;
    }
    watch(t.pidfd, Source::Pidfd, serial, EPOLLIN);
    if (t.out.fd() >= 0) {
        watch(t.out.fd(), Source::Stdout, serial, EPOLLIN);
    }
    if (t.err.fd() >= 0) {
        watch(t.err.fd(), Source::Stderr, serial, EPOLLIN);
    }
}

}  // namespace nl::supervisor
