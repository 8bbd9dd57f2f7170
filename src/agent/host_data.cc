#include "agent/host_data.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace nl::agent {
namespace {

/// Variables that are shown; any other may hold a secret and is only named.
constexpr std::array<std::string_view, 9> kShown{
    "GODEBUG", "HOME", "HOSTNAME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "USER"
};
constexpr std::size_t kFileBytesMax = 64 * 1024;

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string out(kFileBytesMax, '\0');
    in.read(out.data(), static_cast<std::streamsize>(out.size()));
    out.resize(static_cast<std::size_t>(in.gcount()));
    return out;
}

Value::List interfaces() {
    Value::List out;
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) {
        return out;
    }
    for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr) {
            continue;
        }
        std::array<char, INET6_ADDRSTRLEN> text{};
        const void* address = nullptr;
        if (at->ifa_addr->sa_family == AF_INET) {
            address = &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr;
        } else if (at->ifa_addr->sa_family == AF_INET6) {
            address = &reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr;
        } else {
            continue;
        }
        if (inet_ntop(at->ifa_addr->sa_family, address, text.data(), text.size()) != nullptr) {
            out.emplace_back(
                Value::Map{{"name", std::string(at->ifa_name)}, {"address", std::string(text.data())}}
            );
        }
    }
    freeifaddrs(first);
    return out;
}

Value::Map environment() {
    Value::Map out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) {
            continue;
        }
        const std::string_view name = text.substr(0, equals);
        const bool shown = std::find(kShown.begin(), kShown.end(), name) != kShown.end();
        out.emplace(name, shown ? std::string(text.substr(equals + 1)) : "<redacted>");
    }
    return out;
}

}  // namespace

Value host_data(const std::string& data_dir) {
    utsname name{};
    uname(&name);
    Value::Map disks;
    for (const std::string& path : {std::string("/"), data_dir}) {
        struct statvfs at {};
        if (path.empty() || statvfs(path.c_str(), &at) != 0) {
            continue;
        }
        constexpr std::uint64_t kMega = 1 << 20;
        const std::uint64_t block = at.f_frsize;
        disks.emplace(
            path,
            Value::Map{
                {"DiskMB", static_cast<std::int64_t>(at.f_blocks * block / kMega)},
                {"UsedMB", static_cast<std::int64_t>((at.f_blocks - at.f_bfree) * block / kMega)}
            }
        );
    }
    return Value::Map{
        {"OS", fmt::format("{} {} {}", name.sysname, name.release, name.machine)},
        {"Network", interfaces()},
        {"ResolvConf", read_file("/etc/resolv.conf")},
        {"Hosts", read_file("/etc/hosts")},
        {"Environment", environment()},
        {"Disk", std::move(disks)}
    };
}

}  // namespace nl::agent
