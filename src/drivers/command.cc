#include "drivers/command.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace nl::drivers {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kMaxGroups = 64;

enum class Found { No, Yes, NotExecutable };

Found look(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return Found::No;
    }
    return (info.st_mode & 0111) != 0 ? Found::Yes : Found::NotExecutable;
}

}  // namespace

Result<std::string> find_command(
    const std::string& command, const std::string& task_dir, const std::string& path
) {
    std::vector<std::string> places;
    if (command.starts_with('/')) {
        places.push_back(command);
    } else {
        places.push_back(task_dir + "/local/" + command);
        places.push_back(task_dir + "/" + command);
        if (command.find('/') == std::string::npos) {
            std::string_view rest = path.empty() ? kDefaultPath : std::string_view(path);
            while (!rest.empty()) {
                const std::size_t colon = rest.find(':');
                const std::string_view folder = rest.substr(0, colon);
                if (!folder.empty()) {
                    places.push_back(fmt::format("{}/{}", folder, command));
                }
                rest =
                    colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
            }
        }
    }
    std::string refused;
    for (std::string& place : places) {
        switch (look(place)) {
            case Found::Yes:
                return std::move(place);
            case Found::NotExecutable:
                refused = refused.empty() ? place : refused;
                break;
            case Found::No:
                break;
        }
    }
    if (!refused.empty()) {
        return fail(
            ErrorCode::PermissionDenied, "failed to launch command: {} is not executable", refused
        );
    }
    return fail(
        ErrorCode::NotFound,
        "failed to launch command: exec: \"{}\": executable file not found in the task's directory "
        "or $PATH",
        command
    );
}

std::vector<std::string> make_env(
    const StringMap& host, const std::vector<std::string>& denied, const StringMap& task
) {
    std::vector<std::string> out;
    for (const auto& [name, value] : host) {
        if (!task.contains(name) && std::ranges::find(denied, name) == denied.end()) {
            out.push_back(name + "=" + value);
        }
    }
    for (const auto& [name, value] : task) {
        out.push_back(name + "=" + value);
    }
    return out;
}

std::string env_value(const supervisor::SpawnSpec& spec, std::string_view name) {
    for (const std::string& entry : spec.env) {
        if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
            return entry.substr(name.size() + 1);
        }
    }
    return "";
}

Result<void> set_user(const std::string& user, supervisor::SpawnSpec& spec) {
    if (user.empty()) {
        return {};
    }
    char space[16384];
    passwd entry{};
    passwd* found = nullptr;
    ::getpwnam_r(user.c_str(), &entry, space, sizeof space, &found);
    if (found == nullptr) {
        return fail(ErrorCode::NotFound, "user \"{}\" does not exist on this node", user);
    }
    if (entry.pw_uid == ::geteuid()) {
        return {};
    }
    if (::geteuid() != 0) {
        return fail(
            ErrorCode::PermissionDenied,
            "the agent does not run as root and cannot start tasks as user \"{}\"",
            user
        );
    }
    gid_t groups[kMaxGroups];
    int count = kMaxGroups;
    if (::getgrouplist(user.c_str(), entry.pw_gid, groups, &count) < 0) {
        return fail(
            ErrorCode::InvalidArgument, "user \"{}\" is in more than {} groups", user, kMaxGroups
        );
    }
    spec.change_user = true;
    spec.uid = entry.pw_uid;
    spec.gid = entry.pw_gid;
    for (int i = 0; i < count; ++i) {
        spec.groups.push_back(std::to_string(groups[i]));
    }
    return {};
}

}  // namespace nl::drivers
