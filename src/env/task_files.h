#pragma once
// The files of allocations, as the node's core asks for them: directories made, small files
// written, all removed. Implemented by drivers/task_files on a real disk and by tests in memory.
// Calls return at once; each ends as a FileDone in the owner's loop. Layout (Nomad's):
// <root>/<alloc id>/alloc/{data,logs,tmp} and <root>/<alloc id>/<task>/{local,secrets,tmp}.

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "base/value.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

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
    /// Size of the memory that secrets/ may take, in MB; 0 shares the node's.
    std::int64_t secrets_mb{};
    /// The task sees the node's file system: secrets/ may be a link into the memory.
    bool link_secrets{};
};

/// Writes a file below the task's directory; `path` is relative, and one that leads outside is
/// refused with InvalidArgument.
struct WriteTaskFile {
    Uuid alloc;
    std::string task;
    std::string path;
    Bytes content;
    std::uint32_t mode{0644};
    /// Owner by number; -1 leaves what the directory's maker is.
    std::int64_t uid{-1};
    std::int64_t gid{-1};
    /// Owner by name, "" for none; uid and gid go before it.
    std::string user;
    /// Written beside and moved over the old one, so that a reader never sees half of it.
    bool replace{};
};

/// The content of a file below the task's directory, up to a limit; a link that leads outside is
/// refused.
struct ReadTaskFile {
    Uuid alloc;
    std::string task;
    std::string path;
    std::uint64_t max_bytes{8U << 20};
};

/// Downloads something into the task's directory (client artifact configuration, job specification
/// "artifact"). All of it is interpolated.
struct FetchArtifact {
    Uuid alloc;
    std::string task;
    std::string source;
    std::string destination;
    /// "any", "file" or "dir".
    std::string mode;
    StringMap options;
    StringMap headers;
    bool insecure{};
    bool chown{};
    std::string user;
};

/// Makes a directory or file of the node visible below the task's directory.
struct MountVolume {
    Uuid alloc;
    std::string task;
    std::string host_path;
    std::string path;
    bool read_only{};
    std::string propagation;
};

/// Takes alloc/data and every task's local/ from an allocation that ended on this node.
struct MoveAllocData {
    Uuid from;
    Uuid to;
    std::vector<std::string> tasks;
};

/// Mounts of an allocation that has ended go; its files stay.
struct ReleaseAllocDir {
    Uuid alloc;
};

/// Bytes that the allocation takes on the disk, as decimal text.
struct MeasureAlloc {
    Uuid alloc;
};

/// Everything of the allocation, mounts first. Succeeds if nothing is there.
struct RemoveAllocDir {
    Uuid alloc;
};

struct FileCall {
    Ticket ticket;
    std::variant<
        MakeAllocDir,
        MakeTaskDir,
        WriteTaskFile,
        RemoveAllocDir,
        ReadTaskFile,
        FetchArtifact,
        MountVolume,
        MoveAllocData,
        ReleaseAllocDir,
        MeasureAlloc>
        work;
};

/// How a FileCall ended; `data` is what ReadTaskFile and MeasureAlloc answer.
struct FileDone {
    Ticket ticket;
    Result<void> result;
    Bytes data;
};

class TaskFiles {
public:
    TaskFiles() = default;
    TaskFiles(const TaskFiles&) = delete;
    TaskFiles& operator=(const TaskFiles&) = delete;
    virtual ~TaskFiles() = default;

    /// Ends as FileDone with the call's ticket.
    virtual void perform(FileCall call) = 0;
};

}  // namespace nl::env
