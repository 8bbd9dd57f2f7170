#pragma once
// env::TaskFiles on the disk: allocation directories below one root, made, filled and removed on a
// thread of its own. Task-written paths are never followed outside: files are opened below the
// task's directory with openat2 (RESOLVE_BENEATH), so a link a task made cannot lead the agent
// elsewhere. `secrets/` has mode 0700.

#include "env/log_store.h"
#include "env/task_files.h"
#include "io/loop.h"

#include <functional>
#include <memory>
#include <string>

namespace nl::drivers {

class DiskTaskFiles final : public env::TaskFiles {
public:
    using OnDone = std::function<void(env::Completion)>;

    /// `root` is made if it is not there.
    static Result<std::unique_ptr<DiskTaskFiles>> open(std::string root, OnDone on_done);
    ~DiskTaskFiles() override;

    void perform(env::FileCall call) override;

private:
    DiskTaskFiles(std::string root, OnDone on_done);
    Result<void> run(const env::MakeAllocDir& work);
    Result<void> run(const env::MakeTaskDir& work);
    Result<void> run(const env::WriteTaskFile& work);
    Result<void> run(const env::RemoveAllocDir& work);
    std::string alloc_dir(const Uuid& alloc) const { return root_ + "/" + alloc.str(); }

    std::string root_;
    OnDone on_done_;
    io::EventLoop loop_;
};

/// Opens `relative` below `directory` without ever leaving it. A file descriptor; the caller closes
/// it. Errors: NotFound, PermissionDenied, InvalidArgument (leads outside).
Result<int> open_beneath(
    const std::string& directory, const std::string& relative, int flags, unsigned mode
);

}  // namespace nl::drivers
