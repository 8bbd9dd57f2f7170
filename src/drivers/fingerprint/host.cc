#include "drivers/fingerprint/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace nl::drivers {
namespace {

constexpr std::int64_t kMb = 1024 * 1024;
/// What is assumed where neither the kernel nor the configuration tells a frequency.
constexpr std::int64_t kDefaultMhz = 1000;
constexpr const char* kSignals =
    "SIGABRT,SIGALRM,SIGBUS,SIGCHLD,SIGCONT,SIGFPE,SIGHUP,SIGILL,SIGINT,SIGIO,SIGIOT,SIGKILL,"
    "SIGPIPE,SIGPROF,SIGQUIT,SIGSEGV,SIGSTOP,"
    "SIGSYS,SIGTERM,SIGTRAP,SIGTSTP,SIGTTIN,SIGTTOU,SIGURG,SIGUSR1,SIGUSR2,SIGWINCH,SIGXCPU,"
    "SIGXFSZ";

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// The value of `key` in lines of the form "key<separator>value".
std::string line_value(const std::string& text, const std::string& key, char separator) {
    std::istringstream in(text);
    std::string line;
    while (std::getline(in, line)) {
        const std::size_t at = line.find(separator);
        if (at == std::string::npos) {
            continue;
        }
        std::string name = line.substr(0, at);
        while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) {
            name.pop_back();
        }
        if (name == key) {
            std::string value = line.substr(at + 1);
            const auto strip = [](char c) { return c == ' ' || c == '"' || c == '\t'; };
            while (!value.empty() && strip(value.front())) {
                value.erase(0, 1);
            }
            while (!value.empty() && strip(value.back())) {
                value.pop_back();
            }
            return value;
        }
    }
    return {};
}

std::int64_t core_mhz(const std::string& cpuinfo) {
    for (const char* file : {"base_frequency", "cpuinfo_max_freq"}) {
        const std::string khz = slurp(std::string("/sys/devices/system/cpu/cpu0/cpufreq/") + file);
        if (const long value = std::strtol(khz.c_str(), nullptr, 10); value > 0) {
            return value / 1000;
        }
    }
    const double mhz = std::strtod(line_value(cpuinfo, "cpu MHz", ':').c_str(), nullptr);
    return mhz > 0 ? static_cast<std::int64_t>(std::llround(mhz)) : kDefaultMhz;
}

std::string text(std::int64_t value) {
    return fmt::format("{}", value);
}

void add_cpu(const HostOptions& options, model::Node& node) {
    const std::string cpuinfo = slurp("/proc/cpuinfo");
    const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
    const std::int64_t mhz = core_mhz(cpuinfo);
    const std::int64_t total =
        options.cpu_total_compute > 0 ? options.cpu_total_compute : cores * mhz;
    utsname kernel{};
    uname(&kernel);
    const std::string machine = kernel.machine;
    node.attributes["cpu.arch"] = machine == "x86_64"    ? "amd64"
                                  : machine == "aarch64" ? "arm64"
                                                         : machine;
    node.attributes["arch"] = node.attributes["cpu.arch"];
    node.attributes["cpu.numcores"] = text(cores);
    node.attributes["cpu.frequency"] = text(mhz);
    node.attributes["cpu.totalcompute"] = text(total);
    node.attributes["cpu.usablecompute"] = text(total);
    node.attributes["cpu.reservablecores"] = text(cores);
    if (const std::string name = line_value(cpuinfo, "model name", ':'); !name.empty()) {
        node.attributes["cpu.modelname"] = name;
    }
    node.attributes["numa.node.count"] = "1";
    auto& resources = node.node_resources.ensure();
    auto& legacy = resources.cpu.ensure();
    legacy.cpu_shares = total;
    legacy.total_cpu_cores = cores;
    auto& topology = resources.processors.ensure().topology.ensure();
    topology.nodes = {0};
    topology.distances = {{10}};
    topology.override_total_compute = options.cpu_total_compute;
    for (std::int64_t i = 0; i < cores; ++i) {
        legacy.reservable_cpu_cores.push_back(i);
        topology.cores.push_back({.id = i, .grade = 1, .base_speed = mhz});
    }
}

void add_memory(const HostOptions& options, model::Node& node) {
    const std::int64_t bytes =
        std::strtoll(line_value(slurp("/proc/meminfo"), "MemTotal", ':').c_str(), nullptr, 10) *
        1024;
    const std::int64_t mb = options.memory_total_mb > 0 ? options.memory_total_mb : bytes / kMb;
    node.attributes["memory.totalbytes"] = text(options.memory_total_mb > 0 ? mb * kMb : bytes);
    node.node_resources.ensure().memory.ensure().memory_mb = mb;
}

void add_disk(const HostOptions& options, model::Node& node) {
    struct statvfs disk{};
    std::int64_t total = 0;
    std::int64_t available = 0;
    if (statvfs(options.alloc_dir.c_str(), &disk) == 0) {
        total = static_cast<std::int64_t>(disk.f_blocks) * static_cast<std::int64_t>(disk.f_frsize);
        available =
            static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
    }
    total = options.disk_total_mb > 0 ? options.disk_total_mb * kMb : total;
    available = options.disk_free_mb > 0 ? options.disk_free_mb * kMb : available;
    node.attributes["unique.storage.volume"] = options.alloc_dir;
    node.attributes["unique.storage.bytestotal"] = text(total);
    node.attributes["unique.storage.bytesfree"] = text(available);
    node.node_resources.ensure().disk.ensure().disk_mb = available / kMb;
}

void add_system(const HostOptions& options, model::Node& node) {
    utsname kernel{};
    uname(&kernel);
    node.attributes["kernel.name"] = "linux";
    node.attributes["kernel.version"] = kernel.release;
    const std::string release = slurp("/etc/os-release");
    node.attributes["os.name"] = line_value(release, "ID", '=');
    node.attributes["os.version"] = line_value(release, "VERSION_ID", '=');
    node.attributes["os.signals"] = kSignals;
    char host[256] = {};
    gethostname(host, sizeof(host) - 1);
    node.attributes["unique.hostname"] = host;
    node.attributes["unique.cgroup.mountpoint"] = "/sys/fs/cgroup";
    std::ifstream controllers("/sys/fs/cgroup/cgroup.controllers");
    node.attributes["unique.cgroup.version"] = controllers.good() ? "v2" : "v1";
    node.attributes["nomad.version"] = options.version;
    node.attributes["nomad.revision"] = options.own_version;
    node.attributes["nomad_lite.version"] = options.own_version;
    node.attributes["nomad.advertise.address"] = options.advertise_address;
    node.attributes["nomad.service_discovery"] = "true";
}

/// The interface of the default route, or "".
std::string default_interface() {
    std::istringstream in(slurp("/proc/net/route"));
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
        std::istringstream fields(line);
        std::string name;
        std::string destination;
        fields >> name >> destination;
        if (destination == "00000000") {
            return name;
        }
    }
    return {};
}

void add_network(const HostOptions& options, model::Node& node) {
    std::string wanted =
        options.network_interface.empty() ? default_interface() : options.network_interface;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) {
        return;
    }
    auto& resources = node.node_resources.ensure();
    const auto collect = [&](const std::string& name) {
        model::NodeNetworkResource network;
        network.mode = "host";
        network.device = name;
        network.speed = 1000;
        std::string ip;
        for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
            if (name != entry->ifa_name || entry->ifa_addr == nullptr) {
                continue;
            }
            char out[INET6_ADDRSTRLEN] = {};
            const int family = entry->ifa_addr->sa_family;
            if (family == AF_INET) {
                inet_ntop(
                    AF_INET,
                    &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr,
                    out,
                    sizeof(out)
                );
            } else if (family == AF_INET6) {
                inet_ntop(
                    AF_INET6,
                    &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr,
                    out,
                    sizeof(out)
                );
            } else {
                continue;
            }
            const std::string address = out;
            if (address.starts_with("fe80")) {
                continue;
            }
            network.addresses.push_back(
                {.family = family == AF_INET ? "ipv4" : "ipv6",
                 .alias = "default",
                 .address = address}
            );
            if (ip.empty() && family == AF_INET) {
                ip = address;
            }
        }
        if (network.addresses.empty()) {
            return false;
        }
        if (ip.empty()) {
            ip = network.addresses.front().address;
        }
        node.attributes["unique.network.ip-address"] = ip;
        model::NetworkResource legacy;
        legacy.mode = "host";
        legacy.device = name;
        legacy.ip = ip;
        legacy.cidr = ip + (ip.find(':') == std::string::npos ? "/32" : "/128");
        resources.networks.push_back(std::move(legacy));
        resources.node_networks.push_back(std::move(network));
        return true;
    };
    if (wanted.empty() || !collect(wanted)) {
        collect("lo");
    }
    freeifaddrs(list);
    resources.min_dynamic_port = options.min_dynamic_port;
    resources.max_dynamic_port = options.max_dynamic_port;
}

}  // namespace

model::Node fingerprint_host(const HostOptions& options) {
    model::Node node;
    add_cpu(options, node);
    add_memory(options, node);
    add_disk(options, node);
    add_system(options, node);
    add_network(options, node);
    return node;
}

}  // namespace nl::drivers
