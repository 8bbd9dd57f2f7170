#include "drivers/network/manager.h"

#include "drivers/run_program.h"
#include "io/files.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace nl::drivers {
namespace {

constexpr std::size_t kWorkers = 4;
constexpr const char* kFolder = "/run/netns";
constexpr long kNsMagic = 0x6e736673;

bool is_namespace(const std::string& path) {
    struct statfs info{};
    return ::statfs(path.c_str(), &info) == 0 && info.f_type == kNsMagic;
}

Result<void> bring_loopback_up() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(ErrorCode::Unavailable, "no socket: {}", std::strerror(errno));
    }
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const int done = ::ioctl(fd, SIOCSIFFLAGS, &request);
    const int error = errno;
    ::close(fd);
    if (done != 0) {
        return fail(ErrorCode::Unavailable, "loopback stays down: {}", std::strerror(error));
    }
    return {};
}

}  // namespace

Result<std::string> make_network_namespace(const std::string& name) {
    const std::string path = std::string(kFolder) + "/" + name;
    if (is_namespace(path)) {
        return path;
    }
    NL_TRY_VOID(io::make_directories(kFolder, 0755));
    const int file = ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0) {
        return fail(ErrorCode::PermissionDenied, "{}: {}", path, std::strerror(errno));
    }
    ::close(file);
    Result<void> result;
    // On a thread that ends with it: the namespace is the thread's, and then only the mount's.
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) != 0) {
            result =
                fail(ErrorCode::PermissionDenied, "no network namespace: {}", std::strerror(errno));
            return;
        }
        result = bring_loopback_up();
        if (result &&
            ::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
            result = fail(
                ErrorCode::PermissionDenied, "{} cannot be mounted: {}", path, std::strerror(errno)
            );
        }
    }).join();
    if (!result) {
        ::unlink(path.c_str());
        return std::unexpected(result.error());
    }
    return path;
}

Result<void> remove_network_namespace(const std::string& name) {
    const std::string path = std::string(kFolder) + "/" + name;
    while (is_namespace(path)) {
        if (::umount2(path.c_str(), MNT_DETACH) != 0) {
            return fail(
                ErrorCode::Unavailable, "{} cannot be unmounted: {}", path, std::strerror(errno)
            );
        }
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail(ErrorCode::Unavailable, "{} cannot be removed: {}", path, std::strerror(errno));
    }
    return {};
}

/// Written before anything is made, and again with what was made.
struct NetworkManager::Record {
    Uuid alloc;
    std::string mode;
    /// The namespace is an engine's, which removes it.
    bool engine{};
    client::NetworkState state;
    bool done{};
    /// JSON: the plugins as they were called, their request and their result.
    std::string list;
    std::vector<std::int64_t> host_ports;
    std::vector<std::int64_t> inside_ports;
    std::vector<std::string> host_ips;
    StringMap args;
    std::string result;
    NL_FIELDS(
        Record,
        (1, alloc),
        (2, mode),
        (3, engine),
        (4, state),
        (5, done),
        (6, list),
        (7, host_ports),
        (8, inside_ports),
        (9, host_ips),
        (10, args),
        (11, result)
    )

    CniRequest request() const {
        CniRequest out;
        out.container_id = alloc.str();
        out.net_ns = state.net_ns;
        out.args = args;
        for (std::size_t i = 0; i < host_ports.size(); ++i) {
            out.ports.push_back({host_ports[i], inside_ports.at(i), host_ips.at(i)});
        }
        return out;
    }
};

NetworkManager::NetworkManager(NetworkOptions options, EngineDriver* docker, OnDone on_done)
    : options_(std::move(options)),
      docker_(docker),
      on_done_(std::move(on_done)),
      cni_(options_.cni_path),
      workers_("network", kWorkers) {}

NetworkManager::~NetworkManager() {
    workers_.stop();
}

std::string NetworkManager::record_path(const Uuid& alloc) const {
    return options_.directory + "/" + alloc.str();
}

void NetworkManager::perform(client::NetworkCall call) {
    {
        const std::scoped_lock lock(mutex_);
        const auto [at, fresh] = busy_.try_emplace(call.alloc);
        at->second.push_back(std::move(call));
        if (!fresh) {
            return;
        }
        call.alloc = at->first;
    }
    workers_.post([this, alloc = call.alloc] {
        while (true) {
            client::NetworkCall next;
            {
                const std::scoped_lock lock(mutex_);
                const auto at = busy_.find(alloc);
                if (at->second.empty()) {
                    busy_.erase(at);
                    return;
                }
                next = std::move(at->second.front());
                at->second.erase(at->second.begin());
            }
            client::NetworkDone done{next.ticket, alloc, client::NetworkState{}};
            if (const auto* work = std::get_if<client::SetUpNetwork>(&next.what)) {
                done.result = set_up(alloc, *work);
            } else if (const auto removed = tear_down(alloc); !removed) {
                io::log_warn(
                    "network", "of allocation {}: {}", alloc.str(), removed.error().message
                );
                done.result = std::unexpected(removed.error());
            }
            on_done_(std::move(done));
        }
    });
}

Result<CniList> NetworkManager::configuration(const std::string& mode) const {
    if (mode == "bridge") {
        return bridge_list(
            options_.bridge_name, options_.bridge_subnet, options_.bridge_hairpin, "0.4.0"
        );
    }
    const std::string name = mode.substr(4);
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.')) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" names no CNI network", mode);
    }
    for (const std::string& file :
         io::list_directory(options_.cni_config_dir).value_or(std::vector<std::string>{})) {
        if (!file.ends_with(".conflist") && !file.ends_with(".conf") && !file.ends_with(".json")) {
            continue;
        }
        const auto text = io::read_file(options_.cni_config_dir + "/" + file);
        auto list = text ? parse_cni(*text) : Result<CniList>(std::unexpected(text.error()));
        if (list && list->name == name) {
            return list;
        }
    }
    return fail(
        ErrorCode::NotFound, "there is no CNI network \"{}\" in {}", name, options_.cni_config_dir
    );
}

Result<client::NetworkState> NetworkManager::set_up(
    const Uuid& alloc, const client::SetUpNetwork& work
) {
    const std::string path = record_path(alloc);
    const std::string& mode = work.network.mode;
    if (const auto text = io::read_file(path)) {
        const auto record = decode<Record>(*text);
        if (record && record->done && record->mode == mode && is_namespace(record->state.net_ns)) {
            return record->state;
        }
        // Cut short, or the machine was restarted: begin anew.
        NL_TRY_VOID(tear_down(alloc));
    }
    if (mode != "none" && mode != "bridge" && !mode.starts_with("cni/")) {
        return fail(ErrorCode::InvalidArgument, "there is no network mode \"{}\"", mode);
    }
    Record record;
    record.alloc = alloc;
    record.mode = mode;
    CniList list;
    if (mode != "none") {
        NL_TRY(list, configuration(mode));
        record.list = wire::write_json(Value::Map{
            {"name", list.name},
            {"cniVersion", list.version},
            {"plugins", Value(Value::List(list.plugins))}
        });
    }
    for (const model::AllocatedPortMapping& port : work.ports) {
        record.host_ports.push_back(port.value);
        record.inside_ports.push_back(port.to > 0 ? port.to : port.value);
        record.host_ips.push_back(port.host_ip);
    }
    record.args = work.labels;
    if (work.network.cni) {
        for (const auto& [key, value] : work.network.cni->args) {
            record.args.insert_or_assign(key, value);
        }
    }
    // Docker's own "none" is as good as ours.
    record.engine = work.engine == "docker" && docker_ != nullptr && mode != "none";
    NL_TRY_VOID(io::make_directories(options_.directory, 0700));
    NL_TRY_VOID(io::write_file_atomic(path, encode(record), 0600));
    const auto give_up = [&](const Error& error) {
        if (const auto removed = tear_down(alloc); !removed) {
            io::log_warn("network", "of allocation {}: {}", alloc.str(), removed.error().message);
        }
        return std::unexpected(error);
    };
    if (record.engine) {
        const auto sandbox = docker_->make_sandbox(alloc, work.network.hostname, options_.node_id);
        if (!sandbox) {
            return give_up(sandbox.error());
        }
        record.state.net_ns = sandbox->net_ns;
        record.state.sandbox = sandbox->container;
    } else {
        const auto made = make_network_namespace(alloc.str());
        if (!made) {
            return give_up(made.error());
        }
        record.state.net_ns = *made;
    }
    if (mode != "none") {
        const auto answer = cni_.add(list, record.request());
        if (!answer) {
            return give_up(answer.error());
        }
        record.state.status.interface_name = answer->interface;
        record.state.status.address = answer->address;
        record.state.status.address_ipv6 = answer->address_v6;
        record.result = wire::write_json(answer->result);
        if (const Value::Map* dns = answer->dns.as_map()) {
            const auto names = [&](const char* key) {
                std::vector<std::string> out;
                const auto at = dns->find(key);
                if (at != dns->end() && at->second.as_list() != nullptr) {
                    for (const Value& one : *at->second.as_list()) {
                        out.push_back(one.as_string() != nullptr ? *one.as_string() : "");
                    }
                }
                return out;
            };
            if (const auto servers = names("nameservers"); !servers.empty()) {
                record.state.status.dns.ensure().servers = servers;
                record.state.status.dns->searches = names("search");
                record.state.status.dns->options = names("options");
            }
        }
    }
    if (work.network.dns) {
        record.state.status.dns = work.network.dns;
    }
    record.done = true;
    if (const auto written = io::write_file_atomic(path, encode(record), 0600); !written) {
        return give_up(written.error());
    }
    return record.state;
}

Result<void> NetworkManager::tear_down(const Uuid& alloc) {
    const std::string path = record_path(alloc);
    const auto text = io::read_file(path);
    if (!text) {
        return remove_network_namespace(alloc.str());
    }
    const auto record = decode<Record>(*text);
    Result<void> result;
    const auto note = [&](const Result<void>& one) {
        if (!one && result) {
            result = one;
        }
    };
    if (record && !record->list.empty()) {
        // The plugins also clean up where the namespace is gone already.
        if (const auto list = parse_cni(record->list)) {
            const auto before =
                record->result.empty() ? Result<Value>(Value{}) : wire::parse_json(record->result);
            CniRequest request = record->request();
            if (!is_namespace(request.net_ns)) {
                request.net_ns.clear();
            }
            note(cni_.remove(*list, request, before ? *before : Value{}));
        }
    }
    if (record && record->engine && docker_ != nullptr) {
        docker_->remove_sandbox(alloc);
    }
    note(remove_network_namespace(alloc.str()));
    if (result) {
        ::unlink(path.c_str());
    }
    return result;
}

void NetworkManager::keep_only(std::set<Uuid> known) {
    for (const std::string& name :
         io::list_directory(options_.directory).value_or(std::vector<std::string>{})) {
        const auto alloc = Uuid::parse(name);
        if (alloc && !known.contains(*alloc)) {
            perform({Ticket{}, *alloc, client::TearDownNetwork{}});
        }
    }
}

StringMap NetworkManager::attributes() const {
    StringMap out;
    for (const auto& [name, version] : cni_.versions()) {
        out["plugins.cni.version." + name] = version;
    }
    return out;
}

void NetworkManager::add_facts(model::Node& node) const {
    auto& resources = node.node_resources.ensure();
    bool bridge = ::geteuid() == 0 && !find_in_path("iptables").empty();
    for (const char* plugin : {"bridge", "host-local", "firewall", "portmap"}) {
        bridge = bridge && !cni_.find(plugin).empty();
    }
    if (bridge) {
        node.attributes["nomad.bridge.hairpin_mode"] = options_.bridge_hairpin ? "true" : "false";
        resources.node_networks.push_back({.mode = "bridge"});
        model::NetworkResource legacy;
        legacy.mode = "bridge";
        resources.networks.push_back(std::move(legacy));
    }
    for (const std::string& file :
         io::list_directory(options_.cni_config_dir).value_or(std::vector<std::string>{})) {
        const auto text = io::read_file(options_.cni_config_dir + "/" + file);
        if (!text) {
            continue;
        }
        if (const auto list = parse_cni(*text)) {
            model::NodeNetworkResource network;
            network.mode = "cni/" + list->name;
            network.device = "cni/" + list->name;
            resources.node_networks.push_back(std::move(network));
            model::NetworkResource legacy;
            legacy.mode = "cni/" + list->name;
            resources.networks.push_back(std::move(legacy));
        }
    }
}

}  // namespace nl::drivers
