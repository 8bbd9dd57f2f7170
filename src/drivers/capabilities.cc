#include "drivers/capabilities.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace nl::drivers {
namespace {

constexpr std::array<std::string_view, 41> kAll{
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore"
};

std::set<std::string> names(const std::vector<std::string>& list) {
    std::set<std::string> out;
    for (const std::string& one : list) {
        out.insert(capability_name(one));
    }
    if (out.erase("all") > 0) {
        out.insert(kAll.begin(), kAll.end());
    }
    return out;
}

}  // namespace

std::vector<std::string> default_capabilities() {
    return {
        "audit_write",
        "chown",
        "dac_override",
        "fowner",
        "fsetid",
        "kill",
        "mknod",
        "net_bind_service",
        "setfcap",
        "setgid",
        "setpcap",
        "setuid",
        "sys_chroot"
    };
}

std::string capability_name(const std::string& text) {
    std::string out = text;
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out.starts_with("cap_") ? out.substr(4) : out;
}

Result<std::vector<std::string>> resolve_capabilities(
    const std::vector<std::string>& base,
    const std::vector<std::string>& allowed,
    const std::vector<std::string>& add,
    const std::vector<std::string>& drop
) {
    for (const auto* list : {&add, &drop}) {
        for (const std::string& one : *list) {
            const std::string name = capability_name(one);
            if (name != "all" && std::ranges::find(kAll, name) == kAll.end()) {
                return fail(ErrorCode::InvalidArgument, "there is no capability \"{}\"", one);
            }
        }
    }
    const std::set<std::string> may = names(allowed);
    std::set<std::string> have = names(base);
    for (const std::string& one : drop) {
        if (capability_name(one) == "all") {
            have.clear();
        }
    }
    std::string refused;
    for (const std::string& one : add) {
        if (capability_name(one) == "all") {
            have.insert(may.begin(), may.end());
        } else if (const std::string name = capability_name(one); may.contains(name)) {
            have.insert(name);
        } else {
            refused += (refused.empty() ? "" : ", ") + name;
        }
    }
    if (!refused.empty()) {
        return fail(
            ErrorCode::PermissionDenied,
            "driver does not allow the following capabilities: {}",
            refused
        );
    }
    for (const std::string& one : drop) {
        have.erase(capability_name(one));
    }
    std::vector<std::string> out;
    for (const std::string& one : have) {
        std::string word = "CAP_" + one;
        std::ranges::transform(word, word.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        out.push_back(std::move(word));
    }
    return out;
}

}  // namespace nl::drivers
