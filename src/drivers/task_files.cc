#include "drivers/task_files.h"

#include "base/check.h"
#include "drivers/users.h"
#include "io/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

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

/// What one measuring looks at, at most: beyond it the allocation is over any limit anyway.
constexpr std::size_t kMaxEntries = 2'000'000;
constexpr std::size_t kMaxDepth = 256;

class Fd {
public:
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_;
};

/// A directory with exactly this mode and owner. One that is a link is refused, not followed.
Result<void> make_dir(const std::string& path, mode_t mode, UserIds owner = {}) {
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        return from_errno(path, errno);
    }
    const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
        return from_errno(path, errno);
    }
    struct stat at{};
    if (fstat(fd.get(), &at) != 0) {
        return from_errno(path, errno);
    }
    const bool give = owner.uid >= 0 && geteuid() == 0;
    if (give && (at.st_uid != static_cast<uid_t>(owner.uid) ||
                 at.st_gid != static_cast<gid_t>(owner.gid))) {
        if (fchown(fd.get(), static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid)) != 0) {
            return from_errno(path, errno);
        }
    }
    // The process's umask must not take away what tasks of other users need.
    if ((at.st_mode & 07777U) != mode && fchmod(fd.get(), mode) != 0) {
        return from_errno(path, errno);
    }
    return {};
}

std::int64_t measure(int directory, dev_t device, std::size_t depth, std::size_t& entries) {
    std::int64_t bytes = 0;
    DIR* dir = fdopendir(directory);
    if (dir == nullptr) {
        close(directory);
        return 0;
    }
    while (const dirent* entry =
               readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): a stream of ours.
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || ++entries > kMaxEntries) {
            continue;
        }
        struct stat at{};
        if (fstatat(dirfd(dir), entry->d_name, &at, AT_SYMLINK_NOFOLLOW) != 0 ||
            at.st_dev != device) {
            continue;
        }
        // A file with several names counts for each: a task can make no room by that.
        bytes += static_cast<std::int64_t>(at.st_blocks) * 512;
        if (S_ISDIR(at.st_mode) && depth < kMaxDepth) {
            const int below =
                openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0) {
                bytes += measure(below, device, depth + 1, entries);
            }
        }
    }
    closedir(dir);
    return bytes;
}

/// Mount points below a directory, the deepest first.
std::vector<std::string> mounts_below(const std::string& directory) {
    std::vector<std::string> out;
    std::ifstream in("/proc/self/mountinfo");
    std::string line;
    while (std::getline(in, line)) {
        // Fields: id, parent, device, root, mount point; blanks in names are \040.
        std::size_t start = 0;
        for (int field = 0; field < 4 && start != std::string::npos; ++field) {
            start = line.find(' ', start);
            start = start == std::string::npos ? start : start + 1;
        }
        if (start == std::string::npos) {
            continue;
        }
        std::string raw = line.substr(start, line.find(' ', start) - start);
        std::string path;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            if (raw[i] == '\\' && i + 3 < raw.size()) {
                path.push_back(static_cast<char>(std::stoi(raw.substr(i + 1, 3), nullptr, 8)));
                i += 3;
            } else {
                path.push_back(raw[i]);
            }
        }
        if (path == directory || path.starts_with(directory + "/")) {
            out.push_back(std::move(path));
        }
    }
    std::ranges::sort(out, [](const auto& a, const auto& b) { return a.size() > b.size(); });
    return out;
}

bool is_task_name(const std::string& task) {
    return !task.empty() && task != "." && task != ".." && task != "alloc" &&
           task.find('/') == std::string::npos && task.find('\0') == std::string::npos;
}

std::unexpected<Error> bad_task(const std::string& task) {
    return fail(ErrorCode::InvalidArgument, "\"{}\" is no name for a task's directory", task);
}

}  // namespace

Result<UserIds> user_ids(const std::string& user) {
    if (user.empty()) {
        return UserIds{};
    }
    const auto number = [](std::string_view text) -> std::optional<std::int64_t> {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value < 0) {
            return std::nullopt;
        }
        return value;
    };
    const std::size_t colon = user.find(':');
    if (const auto uid = number(std::string_view(user).substr(0, colon))) {
        const auto gid =
            colon == std::string::npos ? uid : number(std::string_view(user).substr(colon + 1));
        if (gid) {
            return UserIds{*uid, *gid};
        }
    }
    // A name that only an image knows is the image's business; a driver that needs it here says so.
    const auto found = find_user(user);
    return found ? UserIds{found->uid, found->gid} : UserIds{};
}

Result<TaskPath> resolve_task_path(
    const std::string& alloc_dir, const std::string& task, std::string_view path
) {
    std::string text(path);
    if (text.find('\0') != std::string::npos) {
        return fail(ErrorCode::InvalidArgument, "a path with a NUL byte names no file");
    }
    // As tasks see it, the node's own path is as good as a relative one.
    if (text.starts_with(alloc_dir + "/")) {
        text = "../" + text.substr(alloc_dir.size() + 1);
    }
    while (text.starts_with('/')) {
        text.erase(0, 1);
    }
    std::vector<std::string> parts{task};
    // In a task's own root the shared directory is /alloc.
    if (text == "alloc" || text.starts_with("alloc/")) {
        text = "../" + text;
    }
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t slash = std::min(text.find('/', at), text.size());
        const std::string part = text.substr(at, slash - at);
        at = slash + 1;
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            if (parts.empty()) {
                parts.emplace_back("..");
                break;
            }
            parts.pop_back();
        } else {
            parts.push_back(part);
        }
    }
    if (parts.empty() || (parts.front() != task && parts.front() != "alloc")) {
        return fail(
            ErrorCode::InvalidArgument, "\"{}\" leads outside of the task's directory", path
        );
    }
    TaskPath out{alloc_dir + "/" + parts.front(), ""};
    for (std::size_t i = 1; i < parts.size(); ++i) {
        out.relative += (i > 1 ? "/" : "") + parts[i];
    }
    return out;
}

Result<void> make_parents(
    const std::string& base, const std::string& relative, std::int64_t uid, std::int64_t gid
) {
    std::string prefix;
    std::string_view rest = relative;
    for (std::size_t slash = rest.find('/'); slash != std::string_view::npos;
         slash = rest.find('/')) {
        const std::string parent = prefix.empty() ? "." : prefix;
        const std::string name(rest.substr(0, slash));
        prefix += (prefix.empty() ? "" : "/") + name;
        rest.remove_prefix(slash + 1);
        NL_TRY(const int opened, open_beneath(base, parent, O_RDONLY | O_DIRECTORY, 0));
        const Fd folder(opened);
        if (name == "..") {
            return from_errno(relative, EXDEV);
        }
        if (mkdirat(folder.get(), name.c_str(), 0777) == 0) {
            const Fd made(
                openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            );
            if (made && uid >= 0 && geteuid() == 0 &&
                fchown(made.get(), static_cast<uid_t>(uid), static_cast<gid_t>(gid)) != 0) {
                return from_errno(relative, errno);
            }
            if (made) {
                fchmod(made.get(), 0755);
            }
        } else if (errno != EEXIST) {
            return from_errno(relative, errno);
        }
    }
    return {};
}

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

DiskTaskFiles::DiskTaskFiles(Options options, OnDone on_done)
    : options_(std::move(options)),
      on_done_(std::move(on_done)),
      loop_({.name = "task-files"}),
      slow_({.name = "task-files-slow"}) {}

Result<std::unique_ptr<DiskTaskFiles>> DiskTaskFiles::open(Options options, OnDone on_done) {
    NL_TRY_VOID(io::make_directories(options.root, 0711));
    // Mount points are compared with what the kernel says, which knows no links.
    std::error_code error;
    const auto real = std::filesystem::canonical(options.root, error);
    if (!error) {
        options.root = real.string();
    }
    std::unique_ptr<DiskTaskFiles> out(new DiskTaskFiles(std::move(options), std::move(on_done)));
    // What an earlier run of the agent mounted and made is this one's to take away.
    for (const std::string& point : mounts_below(out->options_.root)) {
        const std::string rest =
            point.substr(std::min(out->options_.root.size() + 1, point.size()));
        const std::string name = rest.starts_with(".secrets/") ? rest.substr(9) : rest;
        if (const auto id = Uuid::parse(std::string_view(name).substr(0, 36))) {
            out->mounted_.insert(*id);
        }
    }
    const auto left = io::list_directory(out->secrets_root());
    for (const std::string& name : left ? *left : std::vector<std::string>{}) {
        if (const auto id = Uuid::parse(std::string_view(name).substr(0, 36));
            id && name.size() > 37) {
            out->secrets_[*id].insert(name.substr(37));
        }
    }
    out->loop_.start();
    out->slow_.start();
    return out;
}

DiskTaskFiles::~DiskTaskFiles() {
    loop_.stop();
    slow_.stop();
    // Only an empty one is of no use to any task that runs on.
    std::error_code error;
    if (std::filesystem::is_empty(secrets_root(), error) && !error) {
        umount2(secrets_root().c_str(), UMOUNT_NOFOLLOW);
        rmdir(secrets_root().c_str());
    }
}

void DiskTaskFiles::perform(env::FileCall call) {
    if (auto* fetch = std::get_if<env::FetchArtifact>(&call.work)) {
        if (!is_task_name(fetch->task) || !options_.fetch) {
            on_done_({call.ticket, bad_task(fetch->task), {}});
            return;
        }
        options_.fetch(
            *fetch,
            alloc_dir(fetch->alloc) + "/" + fetch->task,
            [this, ticket = call.ticket](Result<void> result) {
                on_done_({ticket, std::move(result), {}});
            }
        );
        return;
    }
    const bool slow = std::holds_alternative<env::RemoveAllocDir>(call.work) ||
                      std::holds_alternative<env::MeasureAlloc>(call.work);
    (slow ? slow_ : loop_).must_post([this, c = std::move(call)] {
        Answer answer = std::visit([this](const auto& work) { return run(work); }, c.work);
        env::FileDone done{c.ticket, {}, {}};
        if (answer) {
            done.data = std::move(*answer);
        } else {
            done.result = std::unexpected(std::move(answer.error()));
        }
        on_done_(std::move(done));
    });
}

void DiskTaskFiles::remove_all_but(std::set<Uuid> keep) {
    slow_.must_post([this, keep = std::move(keep)] {
        const auto names = io::list_directory(options_.root);
        for (const std::string& name : names ? *names : std::vector<std::string>{}) {
            const auto id = Uuid::parse(name);
            if (id && !keep.contains(*id)) {
                static_cast<void>(run(env::RemoveAllocDir{*id}));
            }
        }
        std::set<Uuid> left;
        {
            const std::scoped_lock lock(mutex_);
            for (const auto& [id, tasks] : secrets_) {
                if (!keep.contains(id)) {
                    left.insert(id);
                }
            }
        }
        for (const Uuid& id : left) {
            release(id);
        }
    });
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::FetchArtifact&) {
    NL_UNREACHABLE();
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::MakeAllocDir& work) {
    const std::string base = alloc_dir(work.alloc);
    NL_TRY_VOID(make_dir(base, 0755));
    NL_TRY_VOID(make_dir(base + "/alloc", 0777));
    NL_TRY_VOID(make_dir(base + "/alloc/data", 0777));
    NL_TRY_VOID(make_dir(base + "/alloc/logs", 0777));
    NL_TRY_VOID(make_dir(base + "/alloc/tmp", 01777));
    return Bytes{};
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::MakeTaskDir& work) {
    if (!is_task_name(work.task)) {
        return bad_task(work.task);
    }
    const std::string base = alloc_dir(work.alloc) + "/" + work.task;
    NL_TRY(const UserIds owner, user_ids(work.user));
    NL_TRY_VOID(make_dir(base, 0755, owner));
    NL_TRY_VOID(make_dir(base + "/local", 0777, owner));
    NL_TRY_VOID(make_dir(base + "/tmp", 01777));
    NL_TRY(const std::string memory, secrets_memory(work));
    if (memory.empty()) {
        NL_TRY_VOID(make_dir(base + "/secrets", 0700, owner));
        return Bytes{};
    }
    NL_TRY_VOID(make_dir(memory, 0700, owner));
    NL_TRY_VOID(place_secrets(work, memory, base + "/secrets"));
    return Bytes{};
}

Result<std::string> DiskTaskFiles::secrets_memory(const env::MakeTaskDir& work) {
    if (geteuid() != 0) {
        return std::string();
    }
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const std::string root = secrets_root();
    if (!memory_ready_) {
        NL_TRY_VOID(make_dir(root, 0711));
        struct stat outside{};
        struct stat inside{};
        if (stat(options_.root.c_str(), &outside) != 0 || stat(root.c_str(), &inside) != 0) {
            return from_errno(root, errno);
        }
        if (outside.st_dev == inside.st_dev &&
            mount("tmpfs", root.c_str(), "tmpfs", kFlags, "mode=0711,size=256m,nr_inodes=131072") !=
                0) {
            // Without the right to mount (in a container) the disk has to do, as it does for Nomad.
            const int error = errno;
            rmdir(root.c_str());
            return error == EPERM ? Result<std::string>(std::string()) : from_errno(root, error);
        }
        memory_ready_ = true;
    }
    const std::string own = secrets_of(work.alloc, work.task);
    NL_TRY_VOID(make_dir(own, 0700));
    const std::scoped_lock lock(mutex_);
    const bool fresh = secrets_[work.alloc].insert(work.task).second;
    if (work.secrets_mb > 0 && fresh) {
        struct stat around{};
        struct stat at{};
        const bool mounted = stat(root.c_str(), &around) == 0 && stat(own.c_str(), &at) == 0 &&
                             around.st_dev != at.st_dev;
        const std::string options = fmt::format("mode=0700,size={}m", work.secrets_mb);
        if (!mounted && mount("tmpfs", own.c_str(), "tmpfs", kFlags, options.c_str()) != 0) {
            return from_errno(own, errno);
        }
        mounted_.insert(work.alloc);
    }
    return own;
}

Result<void> DiskTaskFiles::place_secrets(
    const env::MakeTaskDir& work, const std::string& memory, const std::string& path
) {
    if (work.link_secrets) {
        std::error_code error;
        if (std::filesystem::read_symlink(path, error) == memory && !error) {
            return {};
        }
        if (unlink(path.c_str()) != 0 && errno != ENOENT && rmdir(path.c_str()) != 0) {
            return from_errno(path, errno);
        }
        return symlink(memory.c_str(), path.c_str()) == 0 ? Result<void>{}
                                                          : from_errno(path, errno);
    }
    NL_TRY_VOID(make_dir(path, 0700));
    struct stat at{};
    struct stat there{};
    if (stat(path.c_str(), &at) == 0 && stat(memory.c_str(), &there) == 0 &&
        at.st_dev == there.st_dev && at.st_ino == there.st_ino) {
        return {};
    }
    if (mount(memory.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
        return from_errno(path, errno);
    }
    const std::scoped_lock lock(mutex_);
    mounted_.insert(work.alloc);
    return {};
}

Result<TaskPath> DiskTaskFiles::resolve(
    const Uuid& alloc, const std::string& task, std::string_view path
) const {
    NL_TRY(TaskPath at, resolve_task_path(alloc_dir(alloc), task, path));
    const std::string memory = secrets_of(alloc, task);
    struct stat there{};
    if (at.base.ends_with("/" + task) && at.relative.starts_with("secrets/") &&
        lstat(memory.c_str(), &there) == 0) {
        return TaskPath{memory, at.relative.substr(8)};
    }
    return at;
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::WriteTaskFile& work) {
    if (!is_task_name(work.task)) {
        return bad_task(work.task);
    }
    NL_TRY(const TaskPath at, resolve(work.alloc, work.task, work.path));
    if (at.relative.empty()) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" names no file", work.path);
    }
    NL_TRY(UserIds owner, user_ids(work.user));
    owner.uid = work.uid >= 0 ? work.uid : owner.uid;
    owner.gid = work.gid >= 0 ? work.gid : owner.gid;
    NL_TRY_VOID(make_parents(at.base, at.relative, owner.uid, owner.gid));
    const std::size_t slash = at.relative.rfind('/');
    const std::string parent = slash == std::string::npos ? "." : at.relative.substr(0, slash);
    const std::string name =
        slash == std::string::npos ? at.relative : at.relative.substr(slash + 1);
    NL_TRY(const int opened, open_beneath(at.base, parent, O_RDONLY | O_DIRECTORY, 0));
    const Fd folder(opened);
    // Written beside and moved over: no link a task left under the name is followed, and nobody
    // reads half of it.
    const std::string beside =
        fmt::format(".{}.{:08x}.new", name.substr(0, 200), crc32c(work.content));
    unlinkat(folder.get(), beside.c_str(), 0);
    const Fd fd(openat(
        folder.get(), beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600
    ));
    if (!fd) {
        return from_errno(work.path, errno);
    }
    std::size_t written = 0;
    int error = 0;
    while (written < work.content.size() && error == 0) {
        const ssize_t n =
            write(fd.get(), work.content.data() + written, work.content.size() - written);
        if (n < 0 && errno != EINTR) {
            error = errno;
        }
        written += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    if (error == 0 && (owner.uid >= 0 || owner.gid >= 0) && geteuid() == 0 &&
        fchown(fd.get(), static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid)) != 0) {
        error = errno;
    }
    if (error == 0 && fchmod(fd.get(), work.mode & 07777U) != 0) {
        error = errno;
    }
    if (error == 0 && renameat(folder.get(), beside.c_str(), folder.get(), name.c_str()) != 0) {
        error = errno;
    }
    if (error != 0) {
        unlinkat(folder.get(), beside.c_str(), 0);
        return from_errno(work.path, error);
    }
    return Bytes{};
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::ReadTaskFile& work) {
    if (!is_task_name(work.task)) {
        return bad_task(work.task);
    }
    NL_TRY(const TaskPath at, resolve(work.alloc, work.task, work.path));
    NL_TRY(const int opened, open_beneath(at.base, at.relative, O_RDONLY | O_NONBLOCK, 0));
    const Fd fd(opened);
    struct stat what{};
    if (fstat(fd.get(), &what) != 0 || !S_ISREG(what.st_mode)) {
        return fail(ErrorCode::InvalidArgument, "{} is no regular file", work.path);
    }
    Bytes out;
    std::vector<char> buffer(64U << 10);
    while (true) {
        const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return from_errno(work.path, errno);
        }
        if (n == 0) {
            return out;
        }
        out.append(buffer.data(), static_cast<std::size_t>(n));
        if (out.size() > work.max_bytes) {
            return fail(
                ErrorCode::TooLarge, "{} is larger than {} bytes", work.path, work.max_bytes
            );
        }
    }
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::MountVolume& work) {
    if (!is_task_name(work.task)) {
        return bad_task(work.task);
    }
    NL_TRY(const TaskPath at, resolve(work.alloc, work.task, work.path));
    if (at.relative.empty()) {
        return fail(ErrorCode::InvalidArgument, "a volume cannot be the task's directory itself");
    }
    struct stat what{};
    if (stat(work.host_path.c_str(), &what) != 0) {
        return fail(ErrorCode::NotFound, "the volume's path {} is not there", work.host_path);
    }
    NL_TRY_VOID(make_parents(at.base, at.relative, -1, -1));
    const std::string full = at.base + "/" + at.relative;
    if (geteuid() != 0) {
        // Without the right to mount, a link: raw tasks see the node's file system anyway.
        if (symlink(work.host_path.c_str(), full.c_str()) != 0 && errno != EEXIST) {
            return from_errno(work.path, errno);
        }
        return Bytes{};
    }
    if (S_ISDIR(what.st_mode)) {
        NL_TRY_VOID(make_parents(at.base, at.relative + "/.", -1, -1));
    } else {
        NL_TRY(const int made, open_beneath(at.base, at.relative, O_WRONLY | O_CREAT, 0644));
        close(made);
    }
    NL_TRY(const int opened, open_beneath(at.base, at.relative, O_PATH | O_NOFOLLOW, 0));
    const Fd target(opened);
    struct stat now{};
    if (fstat(target.get(), &now) == 0 && now.st_dev == what.st_dev && now.st_ino == what.st_ino) {
        return Bytes{};
    }
    {
        const std::scoped_lock lock(mutex_);
        mounted_.insert(work.alloc);
    }
    // Through the descriptor: what was opened below the directory is what is mounted over.
    const std::string through = fmt::format("/proc/self/fd/{}", target.get());
    if (mount(work.host_path.c_str(), through.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
        return from_errno(work.path, errno);
    }
    const unsigned long spread = work.propagation == "bidirectional"  ? MS_SHARED
                                 : work.propagation == "host-to-task" ? MS_SLAVE
                                                                      : MS_PRIVATE;
    mount(nullptr, full.c_str(), nullptr, spread | MS_REC, nullptr);
    if (work.read_only &&
        mount(nullptr, full.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
        const int error = errno;
        umount2(full.c_str(), MNT_DETACH);
        return from_errno(work.path, error);
    }
    return Bytes{};
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::MoveAllocData& work) {
    const std::string from = alloc_dir(work.from);
    const std::string to = alloc_dir(work.to);
    const auto move = [](const std::string& a, const std::string& b) -> Result<void> {
        struct stat what{};
        // A task may have put a link there: that is nothing to take along.
        if (lstat(a.c_str(), &what) != 0 || !S_ISDIR(what.st_mode)) {
            return {};
        }
        if (rename(a.c_str(), b.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
            return from_errno(a, errno);
        }
        return {};
    };
    NL_TRY_VOID(move(from + "/alloc/data", to + "/alloc/data"));
    for (const std::string& task : work.tasks) {
        if (!is_task_name(task)) {
            return bad_task(task);
        }
        NL_TRY_VOID(make_dir(to + "/" + task, 0755));
        NL_TRY_VOID(make_dir(to + "/" + task + "/local", 0777));
        NL_TRY_VOID(move(from + "/" + task + "/local", to + "/" + task + "/local"));
    }
    return Bytes{};
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::MeasureAlloc& work) {
    const Fd fd(
        ::open(alloc_dir(work.alloc).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    );
    struct stat at{};
    if (!fd || fstat(fd.get(), &at) != 0) {
        return from_errno(alloc_dir(work.alloc), errno);
    }
    std::size_t entries = 0;
    return std::to_string(measure(dup(fd.get()), at.st_dev, 0, entries));
}

void DiskTaskFiles::release(const Uuid& alloc) {
    std::set<std::string> secrets;
    bool mounted = false;
    {
        const std::scoped_lock lock(mutex_);
        mounted = mounted_.erase(alloc) > 0;
        if (const auto at = secrets_.find(alloc); at != secrets_.end()) {
            secrets = std::move(at->second);
            secrets_.erase(at);
        }
    }
    if (mounted) {
        for (const std::string& point : mounts_below(alloc_dir(alloc))) {
            umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
        }
    }
    for (const std::string& task : secrets) {
        const std::string own = secrets_of(alloc, task);
        if (mounted) {
            umount2(own.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
        }
        std::error_code error;
        std::filesystem::remove_all(own, error);
    }
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::ReleaseAllocDir& work) {
    if (options_.cancel_fetches) {
        options_.cancel_fetches(work.alloc);
    }
    release(work.alloc);
    return Bytes{};
}

DiskTaskFiles::Answer DiskTaskFiles::run(const env::RemoveAllocDir& work) {
    if (options_.cancel_fetches) {
        options_.cancel_fetches(work.alloc);
    }
    release(work.alloc);
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
    return Bytes{};
}

}  // namespace nl::drivers
