#include "supervisor/programs/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace nl::supervisor {
namespace {

std::uint64_t sum_of(const ExitRecord& record) {
    // FNV-1a over all but the sum: it guards against torn and zero-filled records, not against an
    // attacker (the directory is ours).
    const auto* bytes = reinterpret_cast<const unsigned char*>(&record);
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (std::size_t i = 0; i < offsetof(ExitRecord, sum); ++i) {
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    }
    return hash;
}

std::int64_t in_ns(const timeval& t) {
    return (t.tv_sec * 1'000'000LL + t.tv_usec) * 1'000;
}

}  // namespace

Journal::Journal() : fd_(open(kJournalName, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

Journal::~Journal() {
    if (fd_ >= 0) {
        close(fd_);
    }
}

bool Journal::append(ExitRecord record) {
    record.sum = sum_of(record);
    flock(fd_, LOCK_EX);
    const ssize_t n = write(fd_, &record, sizeof record);
    flock(fd_, LOCK_UN);
    return n == static_cast<ssize_t>(sizeof record);
}

void Journal::sync() {
    fdatasync(fd_);
}

std::vector<ExitRecord> Journal::read_new() {
    std::vector<ExitRecord> found;
    flock(fd_, LOCK_SH);
    struct stat info{};
    if (fstat(fd_, &info) == 0 && info.st_size < read_at_) {
        read_at_ = 0;
    }
    ExitRecord record;
    while (pread(fd_, &record, sizeof record, read_at_) == static_cast<ssize_t>(sizeof record)) {
        read_at_ += static_cast<std::int64_t>(sizeof record);
        if (record.magic == ExitRecord{}.magic && record.sum == sum_of(record)) {
            found.push_back(record);
        }
    }
    flock(fd_, LOCK_UN);
    return found;
}

void Journal::maybe_compact() {
    struct stat info{};
    flock(fd_, LOCK_EX);
    // Anything beyond what was read would be lost: wait for the next time.
    if (fstat(fd_, &info) == 0 && info.st_size >= kJournalCompactBytes &&
        info.st_size == read_at_ && ftruncate(fd_, 0) == 0) {
        read_at_ = 0;
    }
    flock(fd_, LOCK_UN);
}

std::optional<Ended> wait_for(int id_type, int id, int options) {
    Ended ended;
    long rc = 0;
    do {
        // The libc call has no usage argument, the kernel's has.
        rc = syscall(SYS_waitid, id_type, id, &ended.info, options, &ended.usage);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 || ended.info.si_pid == 0) {
        return std::nullopt;
    }
    return ended;
}

ExitRecord make_record(const Ended& ended) {
    ExitRecord record;
    record.pid = ended.info.si_pid;
    record.start_time = start_time_of(ended.info.si_pid);
    if (ended.info.si_code == CLD_EXITED) {
        record.exit_code = ended.info.si_status;
    } else {
        record.signal = ended.info.si_status;
        // As a shell and Nomad report it.
        record.exit_code = 128 + ended.info.si_status;
    }
    record.at_unix_ns = unix_now_ns();
    record.user_ns = in_ns(ended.usage.ru_utime);
    record.system_ns = in_ns(ended.usage.ru_stime);
    record.max_rss_kb = ended.usage.ru_maxrss;
    return record;
}

std::uint64_t start_time_of(int pid) {
    char path[40];
    std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    char text[1024];
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = 0;
    // The name may hold spaces and brackets: count fields after its last bracket.
    const char* at = std::strrchr(text, ')');
    if (at == nullptr) {
        return 0;
    }
    at += 1;
    for (int field = 3; field <= 22 && at != nullptr; ++field) {
        at = std::strchr(at, ' ');
        if (at != nullptr) {
            ++at;
        }
    }
    return at == nullptr ? 0 : std::strtoull(at, nullptr, 10);
}

std::int64_t unix_now_ns() {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

}  // namespace nl::supervisor
