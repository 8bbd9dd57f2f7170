#pragma once
// The files of allocations, as the node's core asks for them: directories made, small files
// written, all removed. Implemented by drivers/task_files on a real disk and by tests in memory.
// Calls return at once; each ends as a Completion in the owner's loop. Layout (Nomad's):
// <root>/<alloc id>/alloc/{data,logs,tmp} and <root>/<alloc id>/<task>/{local,secrets,tmp}.

#include "base/bytes.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "env/log_store.h"

#include <cstdint>
#include <string>
#include <variant>

namespace nl::env {

/// alloc/, alloc/data, alloc/logs, alloc/tmp. Existing ones are kept.
struct MakeAllocDir {
    Uuid alloc;
};

/// The task's directory with local/, secrets/ (in memory where the system lets us, mode 0700) and
/// tmp/, owned by `user` ("" is the agent's user).
struct MakeTaskDir {
    Uuid alloc;
    std::string task;
    std::string user;
};

/// Writes a file below the task's directory; `path` is relative, and one that leads outside is
/// refused with InvalidArgument.
struct WriteTaskFile {
    Uuid alloc;
    std::string task;
    std::string path;
    Bytes content;
    std::uint32_t mode{0644};
};

/// Everything of the allocation, mounts first. Succeeds if nothing is there.
struct RemoveAllocDir {
    Uuid alloc;
};

struct FileCall {
    Ticket ticket;
    std::variant<MakeAllocDir, MakeTaskDir, WriteTaskFile, RemoveAllocDir> work;
};

class TaskFiles {
public:
    TaskFiles() = default;
    TaskFiles(const TaskFiles&) = delete;
    TaskFiles& operator=(const TaskFiles&) = delete;
    virtual ~TaskFiles() = default;

    /// Ends as Completion{call.ticket, ...}.
    virtual void perform(FileCall call) = 0;
};

}  // namespace nl::env
