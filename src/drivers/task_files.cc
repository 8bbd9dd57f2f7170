#include "drivers/task_files.h"

#include "drivers/users.h"
#include "io/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace nl::drivers {
namespace {

std::unexpected<Error> from_errno(const std::string& what, int error) {
    ErrorCode code = ErrorCode::Unavailable;
    if (error == ENOENT || error == ENOTDIR) {
        code = ErrorCode::NotFound;
    } else if (error == EACCES || error == EPERM) {
        code = ErrorCode::PermissionDenied;
    } else if (error == EXDEV || error == ELOOP) {
        return fail(
            ErrorCode::InvalidArgument,
            "{}: the path leads outside of the allocation's directory",
            what
        );
    }
    return fail(
        code, "{}: {}", what, std::strerror(error)
    );  // NOLINT(concurrency-mt-unsafe): glibc's is safe.
}

Result<void> make_dir(const std::string& path, mode_t mode) {
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        return from_errno(path, errno);
    }
    // The process's umask must not take away what tasks of other users need.
    if (chmod(path.c_str(), mode) != 0) {
        return from_errno(path, errno);
    }
    return {};
}

Result<void> give_to(const std::string& path, const std::string& user) {
    if (user.empty() || geteuid() != 0) {
        return {};
    }
    // A name that only an image knows is the image's business; a driver that needs it here says so.
    const auto found = find_user(user);
    if (!found) {
        return {};
    }
    if (chown(path.c_str(), found->uid, found->gid) != 0) {
        return from_errno(path, errno);
    }
    return {};
}

}  // namespace

Result<int> open_beneath(
    const std::string& directory, const std::string& relative, int flags, unsigned mode
) {
    const int root = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        return from_errno(directory, errno);
    }
    std::string path = relative;
    while (path.starts_with('/')) {
        path.erase(0, 1);
    }
    if (path.empty()) {
        path = ".";
    }
    open_how how{};
    how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags) | O_CLOEXEC);
    how.mode = (static_cast<unsigned>(flags) & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
    const int error = errno;
    close(root);
    if (fd < 0) {
        return from_errno(relative, error);
    }
    return static_cast<int>(fd);
}

DiskTaskFiles::DiskTaskFiles(std::string root, OnDone on_done)
    : root_(std::move(root)), on_done_(std::move(on_done)), loop_({.name = "task-files"}) {}

Result<std::unique_ptr<DiskTaskFiles>> DiskTaskFiles::open(std::string root, OnDone on_done) {
    NL_TRY_VOID(io::make_directories(root, 0711));
    std::unique_ptr<DiskTaskFiles> out(new DiskTaskFiles(std::move(root), std::move(on_done)));
    out->loop_.start();
    return out;
}

DiskTaskFiles::~DiskTaskFiles() {
    loop_.stop();
}

void DiskTaskFiles::perform(env::FileCall call) {
    loop_.must_post([this, c = std::move(call)] {
        Result<void> result = std::visit([this](const auto& work) { return run(work); }, c.work);
        on_done_({.ticket = c.ticket, .result = std::move(result)});
    });
}

Result<void> DiskTaskFiles::run(const env::MakeAllocDir& work) {
    const std::string base = alloc_dir(work.alloc);
    NL_TRY_VOID(make_dir(base, 0755));
    NL_TRY_VOID(make_dir(base + "/alloc", 0777));
    NL_TRY_VOID(make_dir(base + "/alloc/data", 0777));
    NL_TRY_VOID(make_dir(base + "/alloc/logs", 0777));
    NL_TRY_VOID(make_dir(base + "/alloc/tmp", 01777));
    return {};
}

Result<void> DiskTaskFiles::run(const env::MakeTaskDir& work) {
    if (work.task.empty() || work.task.find('/') != std::string::npos || work.task == "." ||
        work.task == "..") {
        return fail(
            ErrorCode::InvalidArgument, "\"{}\" is no name for a task's directory", work.task
        );
    }
    const std::string base = alloc_dir(work.alloc) + "/" + work.task;
    NL_TRY_VOID(make_dir(base, 0755));
    NL_TRY_VOID(make_dir(base + "/local", 0777));
    NL_TRY_VOID(make_dir(base + "/tmp", 01777));
    NL_TRY_VOID(make_dir(base + "/secrets", 0700));
    NL_TRY_VOID(give_to(base, work.user));
    NL_TRY_VOID(give_to(base + "/local", work.user));
    return give_to(base + "/secrets", work.user);
}

Result<void> DiskTaskFiles::run(const env::WriteTaskFile& work) {
    const std::string base = alloc_dir(work.alloc) + "/" + work.task;
    // Directories on the way are made one by one, each below the task's own.
    std::string prefix;
    std::string_view rest = work.path;
    while (rest.starts_with('/')) {
        rest.remove_prefix(1);
    }
    for (std::size_t slash = rest.find('/'); slash != std::string_view::npos;
         slash = rest.find('/')) {
        const std::string parent = prefix.empty() ? "." : prefix;
        prefix += (prefix.empty() ? "" : "/") + std::string(rest.substr(0, slash));
        rest.remove_prefix(slash + 1);
        NL_TRY(const int folder, open_beneath(base, parent, O_RDONLY | O_DIRECTORY, 0));
        const std::string name =
            prefix.substr(prefix.rfind('/') == std::string::npos ? 0 : prefix.rfind('/') + 1);
        const int made = name == ".." ? -1 : mkdirat(folder, name.c_str(), 0755);
        const int error = name == ".." ? EXDEV : errno;
        close(folder);
        if (made != 0 && error != EEXIST) {
            return from_errno(work.path, error);
        }
    }
    NL_TRY(const int fd, open_beneath(base, work.path, O_WRONLY | O_CREAT | O_TRUNC, work.mode));
    std::size_t written = 0;
    while (written < work.content.size()) {
        const ssize_t n = write(fd, work.content.data() + written, work.content.size() - written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            const int error = errno;
            close(fd);
            return from_errno(work.path, error);
        }
        written += static_cast<std::size_t>(n);
    }
    fchmod(fd, work.mode);
    close(fd);
    return {};
}

Result<void> DiskTaskFiles::run(const env::RemoveAllocDir& work) {
    std::error_code error;
    // remove_all never follows links, so what a task linked to stays.
    std::filesystem::remove_all(alloc_dir(work.alloc), error);
    if (error) {
        return fail(
            ErrorCode::Unavailable,
            "{} cannot be removed: {}",
            alloc_dir(work.alloc),
            error.message()
        );
    }
    return {};
}

}  // namespace nl::drivers
