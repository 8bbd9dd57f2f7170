#pragma once
// Starting one process: clone3 with a pidfd, a session and process group of its own, control
// groups, limits, user, directory, then exec. The child waits at a gate (a socket pair) until the
// supervisor has written down its pid; if the supervisor ends before, the child removes its record
// and is never started, so no process runs that nobody knows. Statically linked, no exceptions.

#include "supervisor/protocol.h"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nl::supervisor {

struct SpawnedChild {
    pid_t pid{-1};
    int pidfd{-1};
    /// Write a byte to let the child go; then it reads as ended once exec succeeded, or holds a
    /// SpawnFailure.
    int gate{-1};
};

/// What the child says when a step failed.
struct SpawnFailure {
    int error{};
    /// An index into kSpawnSteps.
    int step{};
};
extern const char* const kSpawnSteps[];
inline constexpr int kSpawnCgroupStep = 2;

struct SpawnWith {
    /// They become 1 and 2.
    int stdout_fd{};
    int stderr_fd{};
    /// The soft limit of open files a task begins with; the supervisor's own is higher.
    std::uint64_t file_limit{};
    /// Removed by a child that is never let go.
    std::string record;
    /// Becomes 0; -1 is /dev/null.
    int stdin_fd{-1};
};

/// On failure pid is -1 and `failure` says why.
SpawnedChild spawn(const SpawnSpec& spec, const SpawnWith& with, SpawnFailure& failure);

/// Makes the control groups and writes their settings. False with `failure` set if one could not be
/// made.
bool make_cgroups(const SpawnSpec& spec, SpawnFailure& failure);

/// Sends a signal to every process of the control groups. Returns how many it reached.
int signal_cgroups(const std::vector<std::string>& folders, int signal);
/// Sends a signal to every process of a session, found through /proc: for tasks without a control
/// group.
int signal_session(pid_t session, int signal);

}  // namespace nl::supervisor
