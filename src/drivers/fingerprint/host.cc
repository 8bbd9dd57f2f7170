#include "drivers/fingerprint/host.h"

#include "drivers/fingerprint/cpu.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace nl::drivers {
namespace {

constexpr std::int64_t kMb = 1024 * 1024;
/// What is assumed where a link does not tell its speed, in Mbit/s.
constexpr std::int64_t kDefaultSpeed = 1000;
constexpr long kLandlockCreateRuleset = 444;
constexpr const char* kSignals =
    "SIGABRT,SIGALRM,SIGBUS,SIGCHLD,SIGCONT,SIGFPE,SIGHUP,SIGILL,SIGINT,SIGIO,SIGIOT,SIGKILL,"
    "SIGNULL,"
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

std::string text(std::int64_t value) {
    return fmt::format("{}", value);
}

void add_cpu(const HostOptions& options, model::Node& node) {
    CpuFacts cpu = read_cpu("");
    const auto cores = static_cast<std::int64_t>(cpu.topology.cores.size());
    const std::int64_t total =
        options.cpu_total_compute > 0 ? options.cpu_total_compute : cpu.total_compute;
    utsname kernel{};
    uname(&kernel);
    const std::string machine = kernel.machine;
    auto& attributes = node.attributes;
    attributes["cpu.arch"] = machine == "x86_64"    ? "amd64"
                             : machine == "aarch64" ? "arm64"
                                                    : machine;
    attributes["arch"] = attributes["cpu.arch"];
    attributes["kernel.arch"] = machine;
    attributes["cpu.numcores"] = text(cores);
    attributes["cpu.frequency"] = text(cpu.mhz);
    if (cpu.efficiency_cores > 0) {
        attributes["cpu.numcores.power"] = text(cores - cpu.efficiency_cores);
        attributes["cpu.numcores.efficiency"] = text(cpu.efficiency_cores);
        attributes["cpu.frequency.power"] = text(cpu.mhz);
        attributes["cpu.frequency.efficiency"] = text(cpu.efficiency_mhz);
    }
    const std::vector<std::int64_t> reserved = parse_cpu_list(options.reserved_cores);
    std::int64_t withheld = options.reserved_cpu_mhz;
    if (!reserved.empty() && cores > 0) {
        withheld = 0;
        for (model::TopologyCore& core : cpu.topology.cores) {
            if (std::ranges::find(reserved, core.id) != reserved.end()) {
                core.disable = true;
                withheld += total / cores;
            }
        }
    }
    attributes["cpu.totalcompute"] = text(total);
    attributes["cpu.usablecompute"] = text(std::max<std::int64_t>(total - withheld, 0));
    if (!cpu.model_name.empty()) {
        attributes["cpu.modelname"] = cpu.model_name;
    }
    attributes["numa.node.count"] = text(static_cast<std::int64_t>(cpu.topology.nodes.size()));
    for (const std::int64_t numa : cpu.topology.nodes) {
        std::vector<std::int64_t> mine;
        for (const model::TopologyCore& core : cpu.topology.cores) {
            if (core.node_id == numa) {
                mine.push_back(core.id);
            }
        }
        attributes[fmt::format("numa.node{}.cores", numa)] = format_cpu_list(mine);
    }
    auto& resources = node.node_resources.ensure();
    auto& legacy = resources.cpu.ensure();
    legacy.cpu_shares = total;
    legacy.total_cpu_cores = cores;
    for (const model::TopologyCore& core : cpu.topology.cores) {
        if (!core.disable) {
            legacy.reservable_cpu_cores.push_back(core.id);
        }
    }
    attributes["cpu.reservablecores"] =
        text(static_cast<std::int64_t>(legacy.reservable_cpu_cores.size()));
    cpu.topology.override_total_compute = options.cpu_total_compute;
    cpu.topology.override_withold_compute = options.reserved_cpu_mhz;
    resources.processors.ensure().topology = std::move(cpu.topology);
}

void add_memory(const HostOptions& options, model::Node& node) {
    const std::int64_t bytes =
        std::strtoll(line_value(slurp("/proc/meminfo"), "MemTotal", ':').c_str(), nullptr, 10) *
        1024;
    const std::int64_t mb = options.memory_total_mb > 0 ? options.memory_total_mb : bytes / kMb;
    node.attributes["memory.totalbytes"] = text(options.memory_total_mb > 0 ? mb * kMb : bytes);
    node.node_resources.ensure().memory.ensure().memory_mb = mb;
}

/// The device that holds a directory, as the mounts tell it.
std::string volume_of(const std::string& directory) {
    std::istringstream in(slurp("/proc/self/mounts"));
    std::string device;
    std::string place;
    std::string rest;
    std::string best_place;
    std::string best;
    while (in >> device >> place && std::getline(in, rest)) {
        const bool holds = place == "/" || directory == place || directory.starts_with(place + "/");
        if (holds && place.size() >= best_place.size()) {
            best_place = place;
            best = device;
        }
    }
    return best.empty() ? directory : best;
}

/// What names the machine for ever: its firmware's number, else the system's.
std::string host_id() {
    for (const char* file : {"/sys/class/dmi/id/product_uuid", "/etc/machine-id"}) {
        std::string id = slurp(file);
        while (!id.empty() && (id.back() == '\n' || id.back() == ' ')) {
            id.pop_back();
        }
        std::ranges::transform(id, id.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        if (id.size() == 32 && id.find('-') == std::string::npos) {
            for (const std::size_t at : {8U, 13U, 18U, 23U}) {
                id.insert(at, "-");
            }
        }
        if (!id.empty()) {
            return id;
        }
    }
    return {};
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
    node.attributes["unique.storage.volume"] = volume_of(options.alloc_dir);
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
    if (const std::string id = host_id(); !id.empty()) {
        node.attributes["unique.host_id"] = id;
    }
    node.attributes["unique.cgroup.mountpoint"] = "/sys/fs/cgroup";
    std::ifstream controllers("/sys/fs/cgroup/cgroup.controllers");
    node.attributes["unique.cgroup.version"] = controllers.good() ? "v2" : "v1";
    node.attributes["os.cgroups.version"] = controllers.good() ? "2" : "1";
    // Asked without rules and with this flag, the kernel says which version it speaks.
    constexpr unsigned kAskVersion = 1;
    if (const long landlock = ::syscall(kLandlockCreateRuleset, nullptr, 0, kAskVersion);
        landlock > 0) {
        node.attributes["kernel.landlock"] = fmt::format("v{}", landlock);
    }
    node.attributes["nomad.version"] = options.version;
    node.attributes["nomad.revision"] = options.own_version;
    node.attributes["nomad_lite.version"] = options.own_version;
    node.attributes["unique.advertise.address"] = options.advertise_address;
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

struct Address {
    std::string link;
    std::string address;
    bool v6{};
};

/// Every address of the machine but those that hold on one link only.
std::vector<Address> all_addresses() {
    std::vector<Address> out;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) {
        return out;
    }
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr) {
            continue;
        }
        char printed[INET6_ADDRSTRLEN] = {};
        const int family = entry->ifa_addr->sa_family;
        if (family == AF_INET) {
            inet_ntop(
                AF_INET,
                &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr,
                printed,
                sizeof(printed)
            );
        } else if (family == AF_INET6) {
            inet_ntop(
                AF_INET6,
                &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr,
                printed,
                sizeof(printed)
            );
        } else {
            continue;
        }
        if (!std::string_view(printed).starts_with("fe80")) {
            out.push_back({entry->ifa_name, printed, family == AF_INET6});
        }
    }
    freeifaddrs(list);
    return out;
}

/// Whether an address lies in a network such as "10.0.0.0/8".
bool lies_in(const Address& address, const std::string& cidr) {
    const std::size_t slash = cidr.find('/');
    const std::string network = cidr.substr(0, slash);
    const bool v6 = network.find(':') != std::string::npos;
    unsigned char a[16] = {};
    unsigned char b[16] = {};
    const int family = v6 ? AF_INET6 : AF_INET;
    if (v6 != address.v6 || inet_pton(family, address.address.c_str(), a) != 1 ||
        inet_pton(family, network.c_str(), b) != 1) {
        return false;
    }
    int bits = v6 ? 128 : 32;
    if (slash != std::string::npos) {
        bits = std::min(bits, std::atoi(cidr.c_str() + slash + 1));
    }
    for (int i = 0; i < bits; ++i) {
        const int mask = 0x80 >> (i % 8);
        if ((a[i / 8] & mask) != (b[i / 8] & mask)) {
            return false;
        }
    }
    return true;
}

std::int64_t link_speed(const HostOptions& options, const std::string& link) {
    if (options.network_speed > 0) {
        return options.network_speed;
    }
    const std::int64_t told =
        std::strtoll(slurp("/sys/class/net/" + link + "/speed").c_str(), nullptr, 10);
    return told > 0 ? told : kDefaultSpeed;
}

std::string mac_of(const std::string& link) {
    std::string mac = slurp("/sys/class/net/" + link + "/address");
    while (!mac.empty() && mac.back() == '\n') {
        mac.pop_back();
    }
    return mac == "00:00:00:00:00:00" ? "" : mac;
}

void add_network(const HostOptions& options, model::Node& node) {
    const std::vector<Address> addresses = all_addresses();
    auto& resources = node.node_resources.ensure();
    resources.min_dynamic_port = options.min_dynamic_port;
    resources.max_dynamic_port = options.max_dynamic_port;
    const auto has_address = [&](const std::string& link) {
        return std::ranges::any_of(addresses, [&](const Address& a) { return a.link == link; });
    };
    std::string main_link =
        options.network_interface.empty() ? default_interface() : options.network_interface;
    if (main_link.empty() || !has_address(main_link)) {
        main_link = "lo";
    }
    std::vector<std::string> links;
    for (const Address& one : addresses) {
        if (std::ranges::find(links, one.link) == links.end()) {
            links.push_back(one.link);
        }
    }
    for (const std::string& link : links) {
        model::NodeNetworkResource network;
        network.mode = "host";
        network.device = link;
        network.mac_address = mac_of(link);
        network.speed = link_speed(options, link);
        std::string ip;
        for (const Address& one : addresses) {
            if (one.link != link) {
                continue;
            }
            const auto add = [&](const std::string& alias, const std::string& reserved) {
                network.addresses.push_back(
                    {.family = one.v6 ? "ipv6" : "ipv4",
                     .alias = alias,
                     .address = one.address,
                     .reserved_ports = reserved}
                );
            };
            if (link == main_link) {
                add("default", "");
                const bool better = ip.empty() || (ip.find(':') != std::string::npos && !one.v6);
                ip = better ? one.address : ip;
            }
            for (const HostNetwork& named : options.host_networks) {
                const bool fits = (named.interface.empty() || named.interface == link) &&
                                  (named.cidr.empty() || lies_in(one, named.cidr));
                if (fits && !(named.interface.empty() && named.cidr.empty())) {
                    add(named.name, named.reserved_ports);
                }
            }
        }
        if (link == main_link) {
            node.attributes["unique.network.ip-address"] = ip;
            // One a family; older clients read these.
            for (const model::NodeNetworkAddress& one : network.addresses) {
                if (one.alias == "default") {
                    model::NetworkResource legacy;
                    legacy.mode = "host";
                    legacy.device = link;
                    legacy.ip = one.address;
                    legacy.cidr = one.address + (one.family == "ipv6" ? "/128" : "/32");
                    legacy.mbits = network.speed;
                    resources.networks.push_back(std::move(legacy));
                }
            }
        }
        if (!network.addresses.empty()) {
            // The main one first: schedulers of older versions look there.
            resources.node_networks.insert(
                link == main_link ? resources.node_networks.begin() : resources.node_networks.end(),
                std::move(network)
            );
        }
    }
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
