#pragma once
// env::TaskFiles on the disk: allocation directories below one root. Small work runs in order on
// one thread, long work (removals, measuring, moves) on another, downloads on those of the fetcher
// that is handed in. Task-written paths are never followed outside: files are opened below the
// task's directory with openat2 (RESOLVE_BENEATH), directories are changed through descriptors that
// follow no link, so that nothing a task planted leads the agent elsewhere.
//
// secrets/ lies in memory where the agent may mount: one tmpfs a node (<root>/.secrets) with a
// directory a task, in it a tmpfs of its own where the job gives it a size. The task's secrets/ is
// a link there, or has it mounted where the driver gives the task a root of its own. All of it goes
// when the allocation has ended.

#include "env/task_files.h"
#include "io/loop.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace nl::drivers {

/// Where a path of a task lies: which directory it may not leave, and the rest. `path` is relative
/// to the task's directory or absolute below it or below the allocation's shared one
/// ("../alloc/..."). Errors: InvalidArgument for anything else.
struct TaskPath {
    std::string base;
    std::string relative;
};

class DiskTaskFiles final : public env::TaskFiles {
public:
    using OnDone = std::function<void(env::FileDone)>;
    /// Downloads; calls `done` once, from any thread. `directory` is the task's.
    using Fetch = std::function<void(
        const env::FetchArtifact& work,
        const std::string& directory,
        std::function<void(Result<void>)> done
    )>;
    /// Ends the downloads of an allocation; returns when they write no more.
    using CancelFetches = std::function<void(const Uuid& alloc)>;

    struct Options {
        std::string root;
        Fetch fetch;
        CancelFetches cancel_fetches;
    };

    /// `root` is made if it is not there.
    static Result<std::unique_ptr<DiskTaskFiles>> open(Options options, OnDone on_done);
    ~DiskTaskFiles() override;

    void perform(env::FileCall call) override;
    /// Removes what lies below the root and belongs to none of these.
    void remove_all_but(std::set<Uuid> keep);

private:
    DiskTaskFiles(Options options, OnDone on_done);
    using Answer = Result<Bytes>;
    Answer run(const env::MakeAllocDir& work);
    Answer run(const env::MakeTaskDir& work);
    Answer run(const env::WriteTaskFile& work);
    Answer run(const env::RemoveAllocDir& work);
    Answer run(const env::ReadTaskFile& work);
    Answer run(const env::MountVolume& work);
    Answer run(const env::MoveAllocData& work);
    Answer run(const env::ReleaseAllocDir& work);
    Answer run(const env::MeasureAlloc& work);
    Answer run(const env::FetchArtifact& work);
    /// The directory in memory, made; "" where the agent may not mount.
    Result<std::string> secrets_memory(const env::MakeTaskDir& work);
    Result<void> place_secrets(
        const env::MakeTaskDir& work, const std::string& memory, const std::string& path
    );
    Result<TaskPath> resolve(const Uuid& alloc, const std::string& task, std::string_view path)
        const;
    void release(const Uuid& alloc);
    std::string secrets_of(const Uuid& alloc, const std::string& task) const {
        return secrets_root() + "/" + alloc.str() + "." + task;
    }
    std::string alloc_dir(const Uuid& alloc) const { return options_.root + "/" + alloc.str(); }
    std::string secrets_root() const { return options_.root + "/.secrets"; }

    Options options_;
    OnDone on_done_;
    std::mutex mutex_;
    /// Allocations that have something mounted.
    std::set<Uuid> mounted_;
    /// Directories in memory, by allocation.
    std::map<Uuid, std::set<std::string>> secrets_;
    bool memory_ready_ = false;
    io::EventLoop loop_;
    io::EventLoop slow_;
};

/// Opens `relative` below `directory` without ever leaving it. A file descriptor; the caller closes
/// it. Errors: NotFound, PermissionDenied, InvalidArgument (leads outside).
Result<int> open_beneath(
    const std::string& directory, const std::string& relative, int flags, unsigned mode
);

/// Errors: InvalidArgument for a path that leads elsewhere.
Result<TaskPath> resolve_task_path(
    const std::string& alloc_dir, const std::string& task, std::string_view path
);

/// Makes the directories on the way to `relative` (not its last part) below `base`. Errors as
/// open_beneath.
Result<void> make_parents(
    const std::string& base, const std::string& relative, std::int64_t uid, std::int64_t gid
);

/// Numbers of a user's name ("name", "uid" or "uid:gid"). Errors: InvalidArgument.
struct UserIds {
    std::int64_t uid{-1};
    std::int64_t gid{-1};
};
Result<UserIds> user_ids(const std::string& user);

}  // namespace nl::drivers
