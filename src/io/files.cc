#include "io/files.h"

#include "io/entropy.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace nl::io {

namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int get() const { return fd_; }

private:
    int fd_;
};

/// The error of the last system call, as a sentence about `path`.
std::unexpected<Error> system_error(const char* what, const std::string& path) {
    const int number = errno;
    ErrorCode code = ErrorCode::Unavailable;
    if (number == ENOENT || number == ENOTDIR) {
        code = ErrorCode::NotFound;
    } else if (number == EACCES || number == EPERM || number == EROFS) {
        code = ErrorCode::PermissionDenied;
    } else if (number == EEXIST) {
        code = ErrorCode::AlreadyExists;
    } else if (number == ENOSPC || number == EDQUOT) {
        code = ErrorCode::ResourceExhausted;
    }
    return fail(code, "cannot {} \"{}\": {}", what, path, std::generic_category().message(number));
}

Result<void> write_all(int fd, BytesView content, const std::string& path) {
    while (!content.empty()) {
        const ssize_t wrote = ::write(fd, content.data(), content.size());
        if (wrote < 0) {
            if (errno == EINTR) {
                continue;
            }
            return system_error("write", path);
        }
        content.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
}

std::string parent_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<Bytes> read_file(const std::string& path, std::size_t max_bytes) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) {
        return system_error("read", path);
    }
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) {
        return system_error("read", path);
    }
    if (S_ISDIR(info.st_mode)) {
        return fail(ErrorCode::InvalidArgument, "cannot read \"{}\": it is a directory", path);
    }
    // Pipes and files of /proc tell no size, so it only guides the first allocation.
    Bytes out;
    std::size_t used = 0;
    for (;;) {
        if (used == out.size()) {
            const auto told = static_cast<std::size_t>(std::max<off_t>(info.st_size, 0));
            const std::size_t want = std::max<std::size_t>(told + 1, used * 2 + 4096);
            out.resize(std::min(want, max_bytes + 1));
        }
        const ssize_t got = ::read(file.get(), out.data() + used, out.size() - used);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return system_error("read", path);
        }
        if (got == 0) {
            break;
        }
        used += static_cast<std::size_t>(got);
        if (used > max_bytes) {
            return fail(
                ErrorCode::TooLarge, "\"{}\" is larger than the limit of {} bytes", path, max_bytes
            );
        }
    }
    out.resize(used);
    return out;
}

Result<void> write_file_atomic(const std::string& path, BytesView content, unsigned mode) {
    const std::string temporary = fmt::format("{}.tmp-{:016x}", path, random_seed());
    const auto write_temporary = [&]() -> Result<void> {
        const Descriptor file(
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        );
        if (file.get() < 0) {
            return system_error("create", temporary);
        }
        NL_TRY_VOID(write_all(file.get(), content, temporary));
        // The mode given, whatever the umask of the process.
        if (::fchmod(file.get(), mode) != 0) {
            return system_error("set the permissions of", temporary);
        }
        if (::fsync(file.get()) != 0) {
            return system_error("sync", temporary);
        }
        return {};
    };
    auto written = write_temporary();
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
        written = system_error("rename to", path);
    }
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    return sync_directory(parent_of(path));
}

Result<void> make_directories(const std::string& path, unsigned mode) {
    std::size_t at = 0;
    while (at != std::string::npos) {
        at = path.find('/', at + 1);
        const std::string part = path.substr(0, at);
        if (part.empty() || ::mkdir(part.c_str(), mode) == 0) {
            continue;
        }
        const int number = errno;
        struct stat info{};
        if (::stat(part.c_str(), &info) == 0) {
            if (S_ISDIR(info.st_mode)) {
                continue;
            }
            return fail(
                ErrorCode::InvalidArgument,
                "cannot make directory \"{}\": \"{}\" is not a directory",
                path,
                part
            );
        }
        errno = number;
        return system_error("make directory", part);
    }
    return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) {
        return system_error("list", path);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
        std::string name(entry->d_name);
        if (name != "." && name != "..") {
            names.push_back(std::move(name));
        }
    }
    const int number = errno;
    ::closedir(directory);
    if (number != 0) {
        errno = number;
        return system_error("list", path);
    }
    std::ranges::sort(names);
    return names;
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0) {
        return system_error("remove", path);
    }
    return {};
}

Result<void> sync_directory(const std::string& path) {
    const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) {
        return system_error("open directory", path);
    }
    if (::fsync(directory.get()) != 0) {
        return system_error("sync directory", path);
    }
    return {};
}

bool exists(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0;
}

}  // namespace nl::io
