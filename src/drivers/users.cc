#include "drivers/users.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace nl::drivers {
namespace {

constexpr std::size_t kSpaceBytes = 16384;
constexpr int kMaxGroups = 64;

std::optional<std::uint32_t> number(const std::string& text) {
    std::uint32_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return out;
}

}  // namespace

Result<TaskUser> find_user(const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::string user = text.substr(0, colon);
    const std::string group = colon == std::string::npos ? "" : text.substr(colon + 1);
    std::vector<char> space(kSpaceBytes);
    passwd entry{};
    passwd* found = nullptr;
    TaskUser out;
    const auto uid = number(user);
    if (uid) {
        ::getpwuid_r(*uid, &entry, space.data(), space.size(), &found);
        out.uid = *uid;
        out.gid = *uid;
        out.name = user;
    } else {
        ::getpwnam_r(user.c_str(), &entry, space.data(), space.size(), &found);
        if (found == nullptr) {
            return fail(ErrorCode::NotFound, "user \"{}\" does not exist on this node", user);
        }
    }
    if (found != nullptr) {
        out.name = entry.pw_name;
        out.uid = entry.pw_uid;
        out.gid = entry.pw_gid;
        out.home = entry.pw_dir;
        // Nobody is to have nothing: no group of its own opens anything.
        if (out.name != "nobody") {
            gid_t groups[kMaxGroups];
            int count = kMaxGroups;
            if (::getgrouplist(entry.pw_name, entry.pw_gid, groups, &count) < 0) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "user \"{}\" is in more than {} groups",
                    user,
                    kMaxGroups
                );
            }
            for (int i = 0; i < count; ++i) {
                if (groups[i] != entry.pw_gid) {
                    out.groups.push_back(groups[i]);
                }
            }
        }
    }
    if (!group.empty()) {
        if (const auto gid = number(group)) {
            out.gid = *gid;
        } else {
            ::group record{};
            ::group* known = nullptr;
            ::getgrnam_r(group.c_str(), &record, space.data(), space.size(), &known);
            if (known == nullptr) {
                return fail(ErrorCode::NotFound, "group \"{}\" does not exist on this node", group);
            }
            out.gid = record.gr_gid;
        }
        out.groups.clear();
    }
    return out;
}

Result<void> check_user(
    const UserPolicy& policy, const std::string& driver, const std::string& text
) {
    if (std::ranges::find(policy.checked_drivers, driver) == policy.checked_drivers.end()) {
        return {};
    }
    const std::string name = text.substr(0, text.find(':'));
    const auto refused = [&] {
        return fail(ErrorCode::PermissionDenied, "running as \"{}\" is disallowed", text);
    };
    const auto uid = number(name);
    for (const std::string& denied : policy.denied) {
        if (name == denied) {
            return refused();
        }
        const auto known = find_user(denied);
        if (!known) {
            continue;
        }
        // Another name for the same number is the same user.
        const auto asked = uid ? std::optional(*uid) : [&]() -> std::optional<std::uint32_t> {
            const auto entry = find_user(name);
            return entry ? std::optional(entry->uid) : std::nullopt;
        }();
        if (asked && *asked == known->uid) {
            return refused();
        }
    }
    return {};
}

}  // namespace nl::drivers
