#include "sched/assign.h"

#include "base/check.h"
#include "sched/devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

namespace nl::sched {
namespace {

constexpr std::int64_t kMaxPort = 65535;
constexpr std::string_view kDefaultNetwork = "default";

std::optional<std::int64_t> parse_port(std::string_view text) {
    std::int64_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port < 0 || port > kMaxPort) {
        return std::nullopt;
    }
    return port;
}

template <class T>
void insert_sorted(std::vector<T>& items, T item) {
    const auto at = std::ranges::lower_bound(items, item);
    if (at == items.end() || *at != item) {
        items.insert(at, std::move(item));
    }
}

template <class T>
bool has_sorted(const std::vector<T>& items, const T& item) {
    return std::ranges::binary_search(items, item);
}

bool is_taken(const std::vector<std::uint16_t>& ports, std::int64_t port) {
    return port < 0 || port > kMaxPort || has_sorted(ports, static_cast<std::uint16_t>(port));
}

void take_port(std::vector<std::uint16_t>& ports, std::int64_t port) {
    if (port >= 0 && port <= kMaxPort) {
        insert_sorted(ports, static_cast<std::uint16_t>(port));
    }
}

std::string device_key(
    std::string_view vendor, std::string_view type, std::string_view name, std::string_view id
) {
    return fmt::format("{}/{}/{}/{}", vendor, type, name, id);
}

/// "22,80,8500-8600"; what cannot be read is left out: the node's own agent has refused it.
void add_port_ranges(std::string_view text, std::vector<std::uint16_t>& out) {
    while (!text.empty()) {
        const auto comma = text.find(',');
        std::string_view item = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
        while (item.starts_with(' ')) {
            item.remove_prefix(1);
        }
        while (item.ends_with(' ')) {
            item.remove_suffix(1);
        }
        const auto dash = item.find('-');
        const auto first = parse_port(item.substr(0, dash));
        const auto last =
            dash == std::string_view::npos ? first : parse_port(item.substr(dash + 1));
        if (first && last) {
            for (std::int64_t port = *first; port <= *last; ++port) {
                take_port(out, port);
            }
        }
    }
}

const std::vector<std::int64_t>* reservable_cores(const model::Node& node) {
    if (!node.node_resources || !node.node_resources->cpu) {
        return nullptr;
    }
    return &node.node_resources->cpu->reservable_cpu_cores;
}

std::string network_of(const model::Port& port) {
    return port.host_network.empty() ? std::string(kDefaultNetwork) : port.host_network;
}

}  // namespace

std::int64_t cores_asked(const model::TaskGroup& group) {
    std::int64_t cores = 0;
    for (const auto& task : group.tasks) {
        cores += task.resources ? task.resources->cores : 0;
    }
    return cores;
}

bool needs_assignment(const model::TaskGroup& group) {
    return !group.networks.empty() || cores_asked(group) > 0 ||
           std::ranges::any_of(group.tasks, [](const model::Task& task) {
               return task.resources && !task.resources->devices.empty();
           });
}

std::int64_t cpu_per_core(const model::Node& node) {
    if (!node.node_resources || !node.node_resources->cpu) {
        return 0;
    }
    const auto& cpu = *node.node_resources->cpu;
    return cpu.total_cpu_cores > 0 ? cpu.cpu_shares / cpu.total_cpu_cores : 0;
}

NodeUse::NodeUse(const model::Node& node) : node_(&node) {
    std::vector<std::uint16_t> reserved;
    if (node.reserved_resources && node.reserved_resources->networks) {
        add_port_ranges(node.reserved_resources->networks->reserved_host_ports, reserved);
    }
    if (node.node_resources) {
        for (const auto& network : node.node_resources->node_networks) {
            for (const auto& address : network.addresses) {
                Address a{
                    address.address,
                    network.device,
                    address.alias.empty() ? std::string(kDefaultNetwork) : address.alias,
                    reserved
                };
                add_port_ranges(address.reserved_ports, a.taken);
                addresses_.push_back(std::move(a));
            }
        }
        if (addresses_.empty()) {
            for (const auto& network : node.node_resources->networks) {
                addresses_.push_back(
                    {network.ip, network.device, std::string(kDefaultNetwork), reserved}
                );
            }
        }
    }
    if (node.reserved_resources && node.reserved_resources->cpu) {
        for (const std::int64_t core : node.reserved_resources->cpu->reserved_cpu_cores) {
            insert_sorted(cores_, core);
        }
    }
}

void NodeUse::add(const model::AllocatedResources& resources) {
    const auto take = [&](std::string_view ip, std::int64_t port) {
        for (Address& a : addresses_) {
            // An address that the allocation does not name may be any of them.
            if (ip.empty() || a.ip == ip) {
                take_port(a.taken, port);
            }
        }
    };
    if (resources.shared) {
        for (const auto& port : resources.shared->ports) {
            take(port.host_ip, port.value);
        }
    }
    for (const auto& [name, task] : resources.tasks) {
        for (const auto& network : task.networks) {
            for (const auto* ports : {&network.reserved_ports, &network.dynamic_ports}) {
                for (const auto& port : *ports) {
                    take(network.ip, port.value);
                }
            }
        }
        if (task.cpu) {
            for (const std::int64_t core : task.cpu->reserved_cores) {
                insert_sorted(cores_, core);
            }
        }
        for (const auto& device : task.devices) {
            for (const auto& id : device.device_ids) {
                insert_sorted(devices_, device_key(device.vendor, device.type, device.name, id));
            }
        }
    }
}

bool NodeUse::conflicts(const model::AllocatedResources& resources) const {
    if (resources.shared) {
        for (const auto& port : resources.shared->ports) {
            if (port.ignore_collision) {
                continue;
            }
            for (const Address& a : addresses_) {
                if ((port.host_ip.empty() || a.ip == port.host_ip) &&
                    is_taken(a.taken, port.value)) {
                    return true;
                }
            }
        }
    }
    for (const auto& [name, task] : resources.tasks) {
        if (task.cpu && std::ranges::any_of(task.cpu->reserved_cores, [&](std::int64_t core) {
                return has_sorted(cores_, core);
            })) {
            return true;
        }
        for (const auto& device : task.devices) {
            for (const auto& id : device.device_ids) {
                if (has_sorted(devices_, device_key(device.vendor, device.type, device.name, id))) {
                    return true;
                }
            }
        }
    }
    return false;
}

const NodeUse::Address* NodeUse::address(std::string_view network) const {
    for (const Address& a : addresses_) {
        if (a.network == network) {
            return &a;
        }
    }
    return nullptr;
}

std::expected<void, std::string> NodeUse::assign_ports(
    const model::TaskGroup& group, model::AllocatedSharedResources& shared, Rng& rng
) const {
    std::int64_t low = kDefaultMinDynamicPort;
    std::int64_t high = kDefaultMaxDynamicPort;
    if (node_->node_resources && node_->node_resources->max_dynamic_port > 0) {
        low = node_->node_resources->min_dynamic_port;
        high = node_->node_resources->max_dynamic_port;
    }
    shared.networks.clear();
    shared.ports.clear();
    std::map<std::string_view, std::vector<std::uint16_t>> given;
    for (const auto& asked : group.networks) {
        model::NetworkResource offer = asked;
        const auto place = [&](model::Port& port, const Address& a) {
            take_port(given[a.ip], port.value);
            const std::int64_t to = port.to == -1 ? port.value : port.to;
            port.to = to;
            shared.ports.push_back({port.label, port.value, to, a.ip, port.ignore_collision});
        };
        for (model::Port& port : offer.reserved_ports) {
            const Address* a = address(network_of(port));
            if (a == nullptr) {
                return std::unexpected("network: invalid node");
            }
            if (!port.ignore_collision &&
                (is_taken(a->taken, port.value) || is_taken(given[a->ip], port.value))) {
                return std::unexpected(
                    fmt::format("reserved port collision {}={}", port.label, port.value)
                );
            }
            place(port, *a);
        }
        for (model::Port& port : offer.dynamic_ports) {
            const Address* a = address(network_of(port));
            if (a == nullptr || low > high) {
                return std::unexpected("network: invalid node");
            }
            const std::int64_t span = high - low + 1;
            const std::int64_t start = rng.between(0, span - 1);
            std::int64_t tried = 0;
            while (tried < span) {
                port.value = low + (start + tried) % span;
                if (!is_taken(a->taken, port.value) && !is_taken(given[a->ip], port.value)) {
                    break;
                }
                ++tried;
            }
            if (tried == span) {
                return std::unexpected("network: dynamic port selection failed");
            }
            place(port, *a);
        }
        if (const Address* a = address(kDefaultNetwork); a != nullptr) {
            offer.ip = a->ip;
            offer.device = a->device;
        }
        shared.networks.push_back(std::move(offer));
    }
    return {};
}

/// Cores of one NUMA node where the task wants that: of those that have enough, the one with the
/// fewest left, so that whole ones stay whole.
std::expected<std::vector<std::int64_t>, std::string> NodeUse::pick_cores(
    std::span<const std::int64_t> free, const model::Resources& asked
) const {
    const auto wanted = static_cast<std::size_t>(asked.cores);
    if (free.size() < wanted) {
        return std::unexpected("cores");
    }
    const std::string_view affinity =
        asked.numa ? std::string_view(asked.numa->affinity) : std::string_view("none");
    if (affinity == "prefer" || affinity == "require") {
        std::map<std::int64_t, std::int64_t> home;
        if (node_->node_resources && node_->node_resources->processors &&
            node_->node_resources->processors->topology) {
            for (const auto& core : node_->node_resources->processors->topology->cores) {
                home[core.id] = core.node_id;
            }
        }
        std::map<std::int64_t, std::vector<std::int64_t>> by_home;
        for (const std::int64_t core : free) {
            const auto at = home.find(core);
            by_home[at == home.end() ? 0 : at->second].push_back(core);
        }
        const std::vector<std::int64_t>* best = nullptr;
        for (const auto& [numa, cores] : by_home) {
            if (cores.size() >= wanted && (best == nullptr || cores.size() < best->size())) {
                best = &cores;
            }
        }
        if (best != nullptr) {
            return std::vector<std::int64_t>(
                best->begin(), best->begin() + static_cast<std::ptrdiff_t>(wanted)
            );
        }
        if (affinity == "require") {
            return std::unexpected("numa-cores");
        }
    }
    return std::vector<std::int64_t>(
        free.begin(), free.begin() + static_cast<std::ptrdiff_t>(wanted)
    );
}

std::expected<void, std::string> NodeUse::assign_cores(
    const model::TaskGroup& group, model::AllocatedResources& out
) const {
    if (cores_asked(group) == 0) {
        return {};
    }
    std::vector<std::int64_t> free;
    if (const auto* all = reservable_cores(*node_); all != nullptr) {
        for (const std::int64_t core : *all) {
            if (!has_sorted(cores_, core)) {
                insert_sorted(free, core);
            }
        }
    }
    for (const auto& task : group.tasks) {
        const std::int64_t wanted = task.resources ? task.resources->cores : 0;
        if (wanted <= 0) {
            continue;
        }
        auto picked = pick_cores(free, *task.resources);
        if (!picked) {
            return std::unexpected(picked.error());
        }
        for (const std::int64_t core : *picked) {
            std::erase(free, core);
        }
        model::AllocatedCpuResources& cpu = out.tasks[task.name].cpu.ensure();
        cpu.cpu_shares = cpu_per_core(*node_) * wanted;
        cpu.reserved_cores = std::move(*picked);
    }
    return {};
}

std::expected<void, std::string> NodeUse::assign_devices(
    const model::TaskGroup& group, model::AllocatedResources& out, RegexCache& regexes
) const {
    std::vector<std::string> given;
    for (const auto& task : group.tasks) {
        if (!task.resources) {
            continue;
        }
        for (const auto& request : task.resources->devices) {
            const model::NodeDeviceResource* best = nullptr;
            std::vector<std::string> best_ids;
            double best_affinity = 0;
            bool any_matched = false;
            if (node_->node_resources) {
                for (const auto& device : node_->node_resources->devices) {
                    if (!device_matches(device, request, regexes)) {
                        continue;
                    }
                    any_matched = true;
                    std::vector<std::string> ids;
                    for (const auto& instance : device.instances) {
                        const std::string key =
                            device_key(device.vendor, device.type, device.name, instance.id);
                        if (instance.healthy && !has_sorted(devices_, key) &&
                            !has_sorted(given, key) &&
                            static_cast<std::int64_t>(ids.size()) < request.count) {
                            ids.push_back(instance.id);
                        }
                    }
                    if (static_cast<std::int64_t>(ids.size()) < request.count) {
                        continue;
                    }
                    const double affinity = device_affinity(device, request, regexes);
                    if (best == nullptr || affinity > best_affinity) {
                        best = &device;
                        best_ids = std::move(ids);
                        best_affinity = affinity;
                    }
                }
            }
            if (best == nullptr) {
                return std::unexpected(
                    any_matched ? "devices: no instances available"
                                : "devices: no devices match request"
                );
            }
            for (const auto& id : best_ids) {
                insert_sorted(given, device_key(best->vendor, best->type, best->name, id));
            }
            out.tasks[task.name].devices.push_back(
                {best->vendor, best->type, best->name, std::move(best_ids)}
            );
        }
    }
    return {};
}

std::expected<model::AllocatedResources, std::string> NodeUse::assign(
    const model::TaskGroup& group, model::AllocatedResources base, RegexCache& regexes, Rng& rng
) const {
    if (auto done = assign_cores(group, base); !done) {
        return std::unexpected(done.error());
    }
    if (auto done = assign_devices(group, base, regexes); !done) {
        return std::unexpected(done.error());
    }
    if (!group.networks.empty()) {
        if (auto done = assign_ports(group, base.shared.ensure(), rng); !done) {
            return std::unexpected(done.error());
        }
    }
    return base;
}

}  // namespace nl::sched
