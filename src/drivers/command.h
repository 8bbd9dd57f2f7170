#pragma once
// What drivers that start a process on the host share: finding the command, the environment, the
// user.

#include "base/error.h"
#include "base/value.h"
#include "supervisor/protocol.h"

#include <string>
#include <string_view>
#include <vector>

namespace nl::drivers {

/// The file to execute: an absolute path as it is; a relative one in the task's local/ directory,
/// then the task's directory; a bare name there and then on `path`. Errors: NotFound,
/// PermissionDenied.
Result<std::string> find_command(
    const std::string& command, const std::string& task_dir, const std::string& path
);

/// "NAME=value" of the host's variables that are not denied, with the task's laid over.
std::vector<std::string> make_env(
    const StringMap& host, const std::vector<std::string>& denied, const StringMap& task
);

/// A variable of a spec's environment, "" when it isn't there.
std::string env_value(const supervisor::SpawnSpec& spec, std::string_view name);

/// Fills uid, gid and groups. "" keeps the agent's user. Errors: NotFound, PermissionDenied (an
/// agent that is not root).
Result<void> set_user(const std::string& user, supervisor::SpawnSpec& spec);

}  // namespace nl::drivers
