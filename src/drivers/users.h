#pragma once
// Who a task runs as: names and numbers, and the users that a node refuses ("root" unless its owner
// says otherwise). Reads the user database of the node.

#include "base/error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::drivers {

struct TaskUser {
    std::string name;
    std::uint32_t uid{};
    std::uint32_t gid{};
    std::vector<std::uint32_t> groups;
    std::string home{"/"};
};

/// "name", "uid", "name:group" or "uid:gid". Errors: NotFound, InvalidArgument.
Result<TaskUser> find_user(const std::string& text);

struct UserPolicy {
    std::vector<std::string> denied{"root", "Administrator"};
    std::vector<std::string> checked_drivers{"exec", "qemu", "java"};
};

/// Names and numbers alike: "0" is root too. Errors: PermissionDenied.
Result<void> check_user(
    const UserPolicy& policy, const std::string& driver, const std::string& text
);

}  // namespace nl::drivers
