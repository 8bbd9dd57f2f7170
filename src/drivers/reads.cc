#include "drivers/reads.h"

#include "drivers/task_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace nl::drivers {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;
constexpr std::size_t kListMax = 65'536;
/// How long a follower sleeps at most before it looks whether the task has ended.
constexpr int kIdleMs = 500;

class Fd {
public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(-1); }
    void reset(int fd) {
        if (fd_ >= 0) {
            close(fd_);
        }
        fd_ = fd;
    }
    int get() const { return fd_; }

private:
    int fd_;
};

std::string mode_text(mode_t mode) {
    std::string out = S_ISDIR(mode) ? "d" : S_ISLNK(mode) ? "L" : "-";
    static constexpr std::string_view kBits = "rwxrwxrwx";
    for (std::size_t i = 0; i < 9; ++i) {
        out += (mode & (1U << (8 - i))) != 0 ? kBits[i] : '-';
    }
    return out;
}

model::AllocFileInfo info_of(const std::string& name, const struct stat& s) {
    model::AllocFileInfo out;
    out.name = name;
    out.is_dir = S_ISDIR(s.st_mode);
    out.size = s.st_size;
    out.file_mode = mode_text(s.st_mode);
    out.mod_time = WallTime{s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec};
    return out;
}

/// Text, or bytes of any kind, by how the file begins.
std::string content_type(int fd) {
    char bytes[512];
    const ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    for (ssize_t i = 0; i < n; ++i) {
        const auto c = static_cast<unsigned char>(bytes[i]);
        if (c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b) {
            return "application/octet-stream";
        }
    }
    return "text/plain; charset=utf-8";
}

std::string base_name(const std::string& path) {
    const std::size_t slash = path.find_last_not_of('/');
    if (slash == std::string::npos) {
        return "/";
    }
    const std::string cut = path.substr(0, slash + 1);
    const std::size_t last = cut.rfind('/');
    return last == std::string::npos ? cut : cut.substr(last + 1);
}

/// Numbers of the log files `<prefix>.<n>` in a directory, ascending.
std::vector<std::uint64_t> log_numbers(int directory, const std::string& prefix) {
    std::vector<std::uint64_t> out;
    DIR* dir = fdopendir(dup(directory));
    if (dir == nullptr) {
        return out;
    }
    rewinddir(dir);
    while (const dirent* entry =
               readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): the stream is this call's own.
        const std::string_view name = entry->d_name;
        if (!name.starts_with(prefix) || name.size() <= prefix.size()) {
            continue;
        }
        const std::string number(name.substr(prefix.size()));
        if (number.find_first_not_of("0123456789") == std::string::npos && number.size() < 18) {
            out.push_back(std::strtoull(number.c_str(), nullptr, 10));
        }
    }
    closedir(dir);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

struct Reads::Call {
    std::uint64_t id{0};
    server::CallRequest request;
    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t credit{server::kInitialCallCredit};
    std::atomic<bool> cancelled{false};
    /// Exec: what came for the program and was not handed on, and how the program ended.
    std::vector<Bytes> input;
    std::size_t input_bytes{0};
    std::optional<Result<std::int64_t>> program_end;
    /// Wakes a follower that sleeps in poll.
    Fd wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    void cancel() {
        {
            const std::lock_guard lock(mutex);
            cancelled = true;
        }
        changed.notify_all();
        const std::uint64_t one = 1;
        static_cast<void>(write(wake.get(), &one, sizeof(one)) == sizeof(one));
    }
};

Reads::Reads(Options options) : options_(std::move(options)) {}

Reads::~Reads() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    cancel_all();
    std::map<std::uint64_t, std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        threads.swap(threads_);
    }
    for (auto& [id, thread] : threads) {
        thread.join();
    }
}

void Reads::reap() {
    for (const std::uint64_t id : finished_) {
        if (auto node = threads_.extract(id); !node.empty()) {
            node.mapped().join();
        }
    }
    finished_.clear();
}

void Reads::open(std::uint64_t id, const server::CallRequest& request) {
    auto call = std::make_shared<Call>();
    call->id = id;
    call->request = request;
    const std::lock_guard lock(mutex_);
    reap();
    if (stopping_ || calls_.size() >= server::kMaxOpenCalls || calls_.contains(id)) {
        options_.on_end(
            id,
            fail(ErrorCode::ResourceExhausted, "this node has {} reads open already", calls_.size())
        );
        return;
    }
    calls_.emplace(id, call);
    const std::uint64_t thread_id = next_thread_++;
    threads_.emplace(thread_id, std::thread([this, call, thread_id] {
                         Result<void> result = run(*call);
                         {
                             const std::lock_guard guard(mutex_);
                             calls_.erase(call->id);
                             finished_.push_back(thread_id);
                         }
                         options_.on_end(call->id, std::move(result));
                     }));
}

void Reads::credit(std::uint64_t id, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    if (const auto found = calls_.find(id); found != calls_.end()) {
        {
            const std::lock_guard inner(found->second->mutex);
            found->second->credit += bytes;
        }
        found->second->changed.notify_all();
    }
}

void Reads::input(std::uint64_t id, Bytes data) {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(id);
    if (found == calls_.end()) {
        return;
    }
    Call& call = *found->second;
    bool too_much = false;
    {
        const std::lock_guard inner(call.mutex);
        call.input_bytes += data.size();
        too_much = call.input_bytes > server::kMaxCallInputBytes;
        call.input.push_back(std::move(data));
    }
    call.changed.notify_all();
    if (too_much) {
        call.cancel();
    }
}

void Reads::cancel(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    if (const auto found = calls_.find(id); found != calls_.end()) {
        found->second->cancel();
    }
}

void Reads::cancel_all() {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, call] : calls_) {
        call->cancel();
    }
}

bool Reads::send(Call& call, Bytes item) {
    std::unique_lock lock(call.mutex);
    call.changed.wait(lock, [&] { return call.cancelled || call.credit > 0; });
    if (call.cancelled) {
        return false;
    }
    call.credit -= std::min<std::uint64_t>(call.credit, item.size());
    lock.unlock();
    options_.on_item(call.id, std::move(item));
    return true;
}

bool Reads::send_frame(Call& call, const server::FileFrame& frame) {
    return send(call, encode(frame));
}

Result<void> Reads::check_path(const server::CallRequest& request) const {
    // Secrets may be read by their task only.
    std::string_view rest = request.path;
    while (rest.starts_with('/')) {
        rest.remove_prefix(1);
    }
    const std::size_t first = rest.find('/');
    const std::string_view second =
        first == std::string_view::npos ? std::string_view() : rest.substr(first + 1);
    if (second == "secrets" || second.starts_with("secrets/")) {
        return fail(
            ErrorCode::PermissionDenied, "Reading secret file prohibited: {}", request.path
        );
    }
    return {};
}

Result<void> Reads::run(Call& call) {
    const server::CallRequest& r = call.request;
    switch (r.method) {
        case server::CallMethod::HostStats: {
            model::HostStats stats;
            {
                const std::lock_guard lock(host_mutex_);
                stats = host_stats_.read(options_.alloc_root, options_.wall());
            }
            send(call, encode(stats));
            return {};
        }
        case server::CallMethod::AllocStats: {
            NL_TRY(const model::AllocResourceUsage usage, options_.alloc_usage(r.alloc_id, r.task));
            send(call, encode(usage));
            return {};
        }
        case server::CallMethod::FsList:
            return list(call);
        case server::CallMethod::FsStat:
            return stat_file(call);
        case server::CallMethod::FsReadAt:
        case server::CallMethod::FsCat:
            return read_range(call);
        case server::CallMethod::FsStream:
            return follow_file(call);
        case server::CallMethod::Logs:
            return follow_logs(call);
        case server::CallMethod::Exec:
            return run_program(call);
        case server::CallMethod::Checks:
        case server::CallMethod::Metadata:
        case server::CallMethod::SetMetadata:
        case server::CallMethod::AgentLog:
        case server::CallMethod::AgentHost:
        case server::CallMethod::Profile:
        case server::CallMethod::Restart:
        case server::CallMethod::Signal:
        case server::CallMethod::Gc:
            break;
    }
    return fail(ErrorCode::Unimplemented, "this node does not know the call");
}

Result<void> Reads::list(Call& call) {
    NL_TRY_VOID(check_path(call.request));
    NL_TRY(
        const int raw,
        open_beneath(alloc_dir(call.request.alloc_id), call.request.path, O_RDONLY | O_DIRECTORY, 0)
    );
    const Fd fd(raw);
    DIR* dir = fdopendir(dup(fd.get()));
    if (dir == nullptr) {
        return fail(ErrorCode::Unavailable, "{} cannot be listed", call.request.path);
    }
    std::vector<std::string> names;
    while (const dirent* entry =
               readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): the stream is this call's own.
        const std::string name = entry->d_name;
        if (name != "." && name != ".." && names.size() < kListMax) {
            names.push_back(name);
        }
    }
    closedir(dir);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        struct stat info{};
        if (fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            !send(call, encode(info_of(name, info)))) {
            return fail(ErrorCode::Cancelled, "the reader left");
        }
    }
    return {};
}

Result<void> Reads::stat_file(Call& call) {
    NL_TRY_VOID(check_path(call.request));
    NL_TRY(
        const int raw, open_beneath(alloc_dir(call.request.alloc_id), call.request.path, O_PATH, 0)
    );
    const Fd fd(raw);
    struct stat info{};
    if (fstat(fd.get(), &info) != 0) {
        return fail(ErrorCode::NotFound, "{}: no such file", call.request.path);
    }
    model::AllocFileInfo out = info_of(base_name(call.request.path), info);
    out.content_type = "application/octet-stream";
    if (S_ISREG(info.st_mode)) {
        const auto opened = open_beneath(
            alloc_dir(call.request.alloc_id), call.request.path, O_RDONLY | O_NONBLOCK, 0
        );
        if (opened) {
            out.content_type = content_type(Fd(*opened).get());
        }
    }
    send(call, encode(out));
    return {};
}

Result<void> Reads::read_range(Call& call) {
    const server::CallRequest& r = call.request;
    NL_TRY_VOID(check_path(r));
    NL_TRY(const int raw, open_beneath(alloc_dir(r.alloc_id), r.path, O_RDONLY | O_NONBLOCK, 0));
    const Fd fd(raw);
    struct stat info{};
    if (fstat(fd.get(), &info) != 0 || S_ISDIR(info.st_mode)) {
        return fail(ErrorCode::InvalidArgument, "file \"{}\" is a directory", r.path);
    }
    std::int64_t at = r.offset;
    std::int64_t left = r.limit > 0 ? r.limit : INT64_MAX;
    while (left > 0) {
        Bytes chunk(static_cast<std::size_t>(std::min<std::int64_t>(left, kChunkBytes)), '\0');
        const ssize_t n = pread(fd.get(), chunk.data(), chunk.size(), at);
        if (n <= 0) {
            break;
        }
        chunk.resize(static_cast<std::size_t>(n));
        at += n;
        left -= n;
        if (!send(call, std::move(chunk))) {
            return fail(ErrorCode::Cancelled, "the reader left");
        }
    }
    return {};
}

namespace {

/// Sleeps until something in the directory changes, the reader leaves, or some time has passed.
class Sleeper {
public:
    Sleeper(const std::string& directory, int wake_fd)
        : wake_fd_(wake_fd), fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
        if (fd_.get() >= 0) {
            inotify_add_watch(
                fd_.get(),
                directory.c_str(),
                IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF
            );
        }
    }
    void sleep() {
        pollfd fds[2] = {
            {.fd = fd_.get(), .events = POLLIN, .revents = 0},
            {.fd = wake_fd_, .events = POLLIN, .revents = 0}
        };
        poll(fds, 2, kIdleMs);
        char events[4096];
        while (fd_.get() >= 0 && read(fd_.get(), events, sizeof(events)) > 0) {
        }
    }

private:
    int wake_fd_;
    Fd fd_;
};

}  // namespace

Result<void> Reads::follow_file(Call& call) {
    const server::CallRequest& r = call.request;
    NL_TRY_VOID(check_path(r));
    const std::string root = alloc_dir(r.alloc_id);
    NL_TRY(const int raw, open_beneath(root, r.path, O_RDONLY | O_NONBLOCK, 0));
    const Fd fd(raw);
    struct stat info{};
    if (fstat(fd.get(), &info) != 0 || S_ISDIR(info.st_mode)) {
        return fail(ErrorCode::InvalidArgument, "file \"{}\" is a directory", r.path);
    }
    std::int64_t at =
        r.origin == "end" ? std::max<std::int64_t>(0, info.st_size - r.offset) : r.offset;
    const std::string folder =
        root + "/" +
        r.path.substr(0, r.path.rfind('/') == std::string::npos ? 0 : r.path.rfind('/'));
    Sleeper sleeper(folder, call.wake.get());
    while (!call.cancelled) {
        Bytes chunk(kChunkBytes, '\0');
        const ssize_t n = pread(fd.get(), chunk.data(), chunk.size(), at);
        if (n > 0) {
            chunk.resize(static_cast<std::size_t>(n));
            at += n;
            if (!send_frame(
                    call, {.data = std::move(chunk), .file = r.path, .offset = at, .file_event = {}}
                )) {
                break;
            }
            continue;
        }
        if (fstat(fd.get(), &info) != 0 || info.st_nlink == 0) {
            send_frame(
                call, {.data = {}, .file = r.path, .offset = at, .file_event = "file deleted"}
            );
            return {};
        }
        if (info.st_size < at) {
            at = 0;
            if (!send_frame(
                    call, {.data = {}, .file = r.path, .offset = 0, .file_event = "file truncated"}
                )) {
                break;
            }
            continue;
        }
        if (!r.follow) {
            return {};
        }
        sleeper.sleep();
    }
    return fail(ErrorCode::Cancelled, "the reader left");
}

Result<void> Reads::follow_logs(Call& call) {
    const server::CallRequest& r = call.request;
    if (r.task.empty() || r.task.find('/') != std::string::npos ||
        (r.log_type != "stdout" && r.log_type != "stderr")) {
        return fail(
            ErrorCode::InvalidArgument, "a task and \"stdout\" or \"stderr\" must be named"
        );
    }
    const std::string prefix = r.task + "." + r.log_type + ".";
    const std::string shown = "alloc/logs/" + prefix;
    NL_TRY(
        const int raw, open_beneath(alloc_dir(r.alloc_id), "alloc/logs", O_RDONLY | O_DIRECTORY, 0)
    );
    const Fd folder(raw);
    Sleeper sleeper(alloc_dir(r.alloc_id) + "/alloc/logs", call.wake.get());

    // Where to begin: an offset into all files together, from either end.
    std::vector<std::uint64_t> numbers = log_numbers(folder.get(), prefix);
    std::uint64_t number = numbers.empty() ? 0 : numbers.front();
    std::int64_t at = 0;
    std::int64_t skip = r.offset;
    if (r.origin == "end") {
        std::int64_t total = 0;
        for (const std::uint64_t n : numbers) {
            struct stat info{};
            total += fstatat(folder.get(), (prefix + std::to_string(n)).c_str(), &info, 0) == 0
                         ? info.st_size
                         : 0;
        }
        skip = std::max<std::int64_t>(0, total - r.offset);
    }
    for (const std::uint64_t n : numbers) {
        struct stat info{};
        const std::int64_t size =
            fstatat(folder.get(), (prefix + std::to_string(n)).c_str(), &info, 0) == 0
                ? info.st_size
                : 0;
        number = n;
        at = std::min(skip, size);
        if (skip <= size) {
            break;
        }
        skip -= size;
    }

    Fd fd;
    bool dead_seen = false;
    while (!call.cancelled) {
        const std::string name = prefix + std::to_string(number);
        if (fd.get() < 0) {
            fd.reset(
                openat(folder.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            );
        }
        if (fd.get() >= 0) {
            Bytes chunk(kChunkBytes, '\0');
            const ssize_t n = pread(fd.get(), chunk.data(), chunk.size(), at);
            if (n > 0) {
                chunk.resize(static_cast<std::size_t>(n));
                at += n;
                if (!send_frame(
                        call,
                        {.data = std::move(chunk),
                         .file = shown + std::to_string(number),
                         .offset = at,
                         .file_event = {}}
                    )) {
                    break;
                }
                continue;
            }
        }
        // At the end of this file: is there a newer one? It is looked for after the last read, so
        // nothing is skipped.
        numbers = log_numbers(folder.get(), prefix);
        const auto newer = std::upper_bound(numbers.begin(), numbers.end(), number);
        if (newer != numbers.end()) {
            struct stat info{};
            if (fd.get() >= 0 && fstat(fd.get(), &info) == 0 && info.st_size > at) {
                continue;
            }
            number = *newer;
            at = 0;
            fd.reset(-1);
            continue;
        }
        if (!r.follow || dead_seen) {
            return {};
        }
        // The task may have written between the last read and its end: look once more after it is
        // known to be dead.
        dead_seen = options_.task_is_dead(r.alloc_id, r.task);
        if (!dead_seen) {
            sleeper.sleep();
        }
    }
    return fail(ErrorCode::Cancelled, "the reader left");
}

Result<void> Reads::run_program(Call& call) {
    const server::CallRequest& r = call.request;
    client::ExecHandlers handlers;
    handlers.on_output = [this, &call](client::ExecOutput which, Bytes data) {
        server::ExecOutput out;
        (which == client::ExecOutput::Stdout ? out.stdout_data : out.stderr_data) = std::move(data);
        send(call, encode(out));
    };
    handlers.on_end = [&call](Result<std::int64_t> code) {
        {
            const std::lock_guard lock(call.mutex);
            call.program_end = std::move(code);
        }
        call.changed.notify_all();
    };
    NL_TRY(
        const auto program,
        options_.exec(r.alloc_id, r.task, {.command = r.command, .tty = r.tty}, std::move(handlers))
    );
    while (true) {
        std::vector<Bytes> inputs;
        {
            std::unique_lock lock(call.mutex);
            call.changed.wait(lock, [&] {
                return call.cancelled || call.program_end || !call.input.empty();
            });
            if (call.cancelled) {
                return fail(ErrorCode::Cancelled, "the session ended");
            }
            if (call.program_end) {
                break;
            }
            inputs.swap(call.input);
            call.input_bytes = 0;
        }
        for (const Bytes& bytes : inputs) {
            NL_TRY(server::ExecInput input, decode<server::ExecInput>(bytes));
            if (!input.stdin_data.empty() && !program->write(std::move(input.stdin_data))) {
                return fail(
                    ErrorCode::ResourceExhausted,
                    "the program does not read its input; more than {} bytes wait",
                    server::kMaxCallInputBytes
                );
            }
            if (input.close_stdin) {
                program->close_stdin();
            }
            if (input.rows > 0 && input.columns > 0) {
                program->resize(input.rows, input.columns);
            }
        }
    }
    const Result<std::int64_t>& code = *call.program_end;
    if (!code) {
        return std::unexpected(code.error());
    }
    server::ExecOutput last;
    last.exited = true;
    last.exit_code = *code;
    send(call, encode(last));
    return {};
}

}  // namespace nl::drivers
