#include "drivers/engine/logs.h"

#include "base/time.h"
#include "io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <sstream>

namespace nl::drivers {
namespace {

/// A frame: which stream, three zero bytes, length (big endian), then the entry.
constexpr std::size_t kFrameHeader = 8;
constexpr std::size_t kMaxEntry = std::size_t{16} << 20;

}  // namespace

RotatedLog::RotatedLog(std::string prefix, std::int64_t max_files, std::int64_t max_bytes)
    : prefix_(std::move(prefix)),
      max_files_(std::max<std::int64_t>(max_files, 1)),
      max_bytes_(std::max<std::int64_t>(max_bytes, 4096)) {}

RotatedLog::~RotatedLog() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

std::string RotatedLog::path(std::int64_t index) const {
    return fmt::format("{}.{}", prefix_, index);
}

void RotatedLog::open_newest() {
    const std::filesystem::path whole(prefix_);
    const std::string name = whole.filename().string() + ".";
    std::int64_t newest = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(whole.parent_path(), error)) {
        const std::string file = entry.path().filename().string();
        std::int64_t number = 0;
        if (file.starts_with(name)) {
            std::from_chars(file.data() + name.size(), file.data() + file.size(), number);
            newest = std::max(newest, number);
        }
    }
    index_ = newest;
    open_file();
}

void RotatedLog::open_at(std::int64_t index, std::int64_t size) {
    index_ = index;
    for (std::int64_t later = index + 1; ::unlink(path(later).c_str()) == 0; ++later) {
    }
    if (open_file() && size < size_ && ::ftruncate(fd_, size) == 0) {
        size_ = size;
    }
}

bool RotatedLog::open_file() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
    // A task may write in the folder: a link it made is not followed.
    fd_ =
        ::open(path(index_).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    struct stat info{};
    size_ = fd_ >= 0 && ::fstat(fd_, &info) == 0 ? info.st_size : 0;
    return fd_ >= 0;
}

bool RotatedLog::write(std::string_view bytes) {
    if (bytes.empty()) {
        return true;
    }
    if (size_ > 0 && size_ + static_cast<std::int64_t>(bytes.size()) > max_bytes_) {
        ++index_;
        if (!open_file()) {
            --index_;
            return false;
        }
        ::unlink(path(index_ - max_files_).c_str());
    }
    if (fd_ < 0 && !open_file()) {
        return false;
    }
    const std::int64_t before = size_;
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            // Half an entry would be told twice.
            size_ = ::ftruncate(fd_, before) == 0 ? before : size_;
            return false;
        }
        size_ += n;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::string unix_time_of(std::string_view stamp) {
    const auto time = parse_rfc3339(stamp);
    if (!time) {
        return "";
    }
    return fmt::format("{}.{:09d}", time->unix_ns / 1'000'000'000, time->unix_ns % 1'000'000'000);
}

LogSink::LogSink(
    std::string out_prefix,
    std::string err_prefix,
    std::int64_t max_files,
    std::int64_t max_bytes,
    std::string position,
    bool tty
)
    : out_(std::move(out_prefix), max_files, max_bytes),
      err_(std::move(err_prefix), max_files, max_bytes),
      position_(std::move(position)),
      tty_(tty) {
    std::istringstream in(io::read_file(position_).value_or(""));
    std::int64_t out_index = 0;
    std::int64_t out_size = 0;
    std::int64_t err_index = 0;
    std::int64_t err_size = 0;
    if (in >> stamp_ >> ties_ >> out_index >> out_size >> err_index >> err_size) {
        out_.open_at(out_index, out_size);
        err_.open_at(err_index, err_size);
    } else {
        stamp_.clear();
        ties_ = 0;
        out_.open_newest();
        err_.open_newest();
        // A place to come back to, should the first batch be cut short.
        save();
    }
    begin();
}

void LogSink::begin() {
    buffer_.clear();
    repeated_ = 0;
    stamp_ = stamp_ == "-" ? "" : stamp_;
    after_newest_ = stamp_.empty();
}

bool LogSink::save() {
    const std::string text = fmt::format(
        "{} {} {} {} {} {}\n",
        stamp_.empty() ? "-" : stamp_,
        ties_,
        out_.index(),
        out_.size(),
        err_.index(),
        err_.size()
    );
    const std::string temporary = position_ + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return whole && ::rename(temporary.c_str(), position_.c_str()) == 0;
}

bool LogSink::feed(std::string_view bytes) {
    buffer_.append(bytes);
    std::size_t used = 0;
    bool ok = true;
    while (ok) {
        const std::string_view rest = std::string_view(buffer_).substr(used);
        if (tty_) {
            const std::size_t end = rest.find('\n');
            if (end == std::string_view::npos) {
                break;
            }
            ok = entry(false, rest.substr(0, end + 1));
            used += end + 1;
            continue;
        }
        if (rest.size() < kFrameHeader) {
            break;
        }
        std::size_t length = 0;
        for (std::size_t i = 4; i < kFrameHeader; ++i) {
            length = length << 8 | static_cast<unsigned char>(rest[i]);
        }
        if (length > kMaxEntry) {
            buffer_.clear();
            return false;
        }
        if (rest.size() < kFrameHeader + length) {
            break;
        }
        ok = entry(rest[0] == 2, rest.substr(kFrameHeader, length));
        used += kFrameHeader + length;
    }
    buffer_.erase(0, used);
    return ok && save();
}

bool LogSink::entry(bool standard_error, std::string_view text) {
    const std::size_t space = text.find(' ');
    const std::string stamp(text.substr(0, space));
    const bool stamped = space != std::string_view::npos && stamp.size() >= 20 && stamp[10] == 'T';
    if (!stamped) {
        return (standard_error ? err_ : out_).write(text);
    }
    if (!after_newest_) {
        // The engine tells again what it said at the time asked for.
        const std::string a = unix_time_of(stamp);
        const std::string b = unix_time_of(stamp_);
        if (a == b && repeated_ < ties_) {
            ++repeated_;
            return true;
        }
        if (a.size() == b.size() && a < b) {
            return true;
        }
        after_newest_ = true;
    }
    if (!(standard_error ? err_ : out_).write(text.substr(space + 1))) {
        return false;
    }
    ties_ = stamp == stamp_ ? ties_ + 1 : 1;
    stamp_ = stamp;
    return true;
}

}  // namespace nl::drivers
