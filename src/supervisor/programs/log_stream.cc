#include "supervisor/programs/log_stream.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nl::supervisor {
namespace {

constexpr std::int64_t kPeekBytes = 64 << 10;

/// The highest N for which <prefix>.N exists, or -1.
std::int64_t highest_index(const std::string& prefix) {
    const std::size_t slash = prefix.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : prefix.substr(0, slash);
    const std::string name = (slash == std::string::npos ? prefix : prefix.substr(slash + 1)) + ".";
    std::int64_t highest = -1;
    DIR* dir = opendir(folder.c_str());
    if (dir == nullptr) {
        return highest;
    }
    while (const dirent* entry = readdir(dir)) {
        if (std::strncmp(entry->d_name, name.c_str(), name.size()) == 0) {
            char* end = nullptr;
            const long long n = std::strtoll(entry->d_name + name.size(), &end, 10);
            if (*end == 0 && end != entry->d_name + name.size() && n > highest) {
                highest = n;
            }
        }
    }
    closedir(dir);
    return highest;
}

/// A pipe to look into: tee(2) copies what a FIFO holds without taking it. One for the whole
/// program, made when first needed.
struct Scratch {
    int ends[2] = {-1, -1};
    char bytes[kPeekBytes];
};

Scratch& scratch() {
    static Scratch the;
    if (the.ends[0] < 0 && pipe2(the.ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        the.ends[0] = -1;
    }
    return the;
}

}  // namespace

LogStream::~LogStream() {
    if (fifo_fd_ >= 0) {
        close(fifo_fd_);
    }
    if (file_fd_ >= 0) {
        close(file_fd_);
    }
}

bool LogStream::open(
    std::string fifo, std::string prefix, std::int64_t max_files, std::int64_t max_bytes
) {
    fifo_ = std::move(fifo);
    prefix_ = std::move(prefix);
    max_files_ = max_files < 1 ? 1 : max_files;
    max_bytes_ = max_bytes < 1 ? 1 : max_bytes;
    if (prefix_.empty()) {
        return true;
    }
    if (mkfifo(fifo_.c_str(), 0600) != 0 && errno != EEXIST) {
        return false;
    }
    fifo_fd_ = ::open(fifo_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const std::int64_t highest = highest_index(prefix_);
    index_ = highest < 0 ? 0 : highest;
    return fifo_fd_ >= 0 && open_file();
}

int LogStream::open_task_end() const {
    return ::open(prefix_.empty() ? "/dev/null" : fifo_.c_str(), O_RDWR | O_CLOEXEC);
}

bool LogStream::open_file() {
    const std::string path = prefix_ + "." + std::to_string(index_);
    // Not O_APPEND: splice refuses such files. The only writer is this stream.
    file_fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file_fd_ < 0) {
        return false;
    }
    size_ = lseek(file_fd_, 0, SEEK_END);
    return size_ >= 0;
}

bool LogStream::rotate() {
    close(file_fd_);
    file_fd_ = -1;
    ++index_;
    if (!open_file()) {
        --index_;
        return false;
    }
    const std::int64_t oldest_gone = index_ - max_files_;
    // Usually one file; more when the count was lowered. A gap ends the walk.
    for (std::int64_t n = oldest_gone; n >= 0; --n) {
        if (unlink((prefix_ + "." + std::to_string(n)).c_str()) != 0) {
            break;
        }
    }
    return true;
}

std::int64_t LogStream::fitting(std::int64_t available) {
    const std::int64_t room = max_bytes_ - size_;
    if (available <= room) {
        return available;
    }
    if (room <= 0) {
        return 0;
    }
    Scratch& s = scratch();
    if (s.ends[0] < 0) {
        return room;
    }
    const std::int64_t wanted = room < kPeekBytes ? room : kPeekBytes;
    const ssize_t copied =
        tee(fifo_fd_, s.ends[1], static_cast<std::size_t>(wanted), SPLICE_F_NONBLOCK);
    if (copied <= 0) {
        return room;
    }
    ssize_t got = 0;
    while (got < copied) {
        const ssize_t n = read(s.ends[0], s.bytes + got, static_cast<std::size_t>(copied - got));
        if (n <= 0) {
            break;
        }
        got += n;
    }
    if (got < room) {
        // More than can be looked at fits: take that much and look again.
        return got;
    }
    const void* newline = memrchr(s.bytes, '\n', static_cast<std::size_t>(got));
    if (newline != nullptr) {
        return static_cast<const char*>(newline) - s.bytes + 1;
    }
    // A line that would fit into a fresh file goes there whole; a longer one is cut.
    return size_ > 0 ? 0 : room;
}

LogStream::Pumped LogStream::pump() {
    if (fifo_fd_ < 0) {
        return Pumped::Idle;
    }
    std::int64_t moved = 0;
    while (moved < kMaxBytesPerPump) {
        int available = 0;
        if (ioctl(fifo_fd_, FIONREAD, &available) != 0 || available <= 0) {
            return Pumped::Idle;
        }
        if (file_fd_ < 0 && !open_file()) {
            return Pumped::Stuck;
        }
        const std::int64_t take = fitting(available);
        if (take == 0) {
            if (!rotate()) {
                return Pumped::Stuck;
            }
            continue;
        }
        const ssize_t n = splice(
            fifo_fd_,
            nullptr,
            file_fd_,
            nullptr,
            static_cast<std::size_t>(take),
            SPLICE_F_NONBLOCK | SPLICE_F_MOVE
        );
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 && errno == EAGAIN ? Pumped::Idle : Pumped::Stuck;
        }
        size_ += n;
        moved += n;
    }
    return Pumped::More;
}

void LogStream::finish() {
    // What a task left is bounded by the FIFO (64 KiB), so this ends.
    for (int rounds = 0; rounds < 64 && pump() == Pumped::More; ++rounds) {
    }
    if (fifo_fd_ >= 0) {
        close(fifo_fd_);
        fifo_fd_ = -1;
        unlink(fifo_.c_str());
    }
    if (file_fd_ >= 0) {
        close(file_fd_);
        file_fd_ = -1;
    }
}

}  // namespace nl::supervisor
