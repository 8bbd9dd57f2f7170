#pragma once
// What a node finds out about its machine: cpu, memory, disk, kernel, network, signals. Read once
// at the start and again when asked; the node's core merges it into what it registers. Attribute
// names are Nomad's (docs: node attributes). Reads /proc and /sys; no network.

#include "model/node.h"

#include <string>
#include <vector>

namespace nl::drivers {

/// A name for addresses of the machine (client { host_network "name" { ... } }).
struct HostNetwork {
    std::string name;
    std::string cidr;
    std::string interface;
    std::string reserved_ports;
};

struct HostOptions {
    /// The disk of this directory is the node's disk.
    std::string alloc_dir;
    /// Overrides; 0: found out.
    std::int64_t cpu_total_compute{0};
    std::int64_t memory_total_mb{0};
    std::int64_t disk_total_mb{0};
    std::int64_t disk_free_mb{0};
    std::int64_t min_dynamic_port{20000};
    std::int64_t max_dynamic_port{32000};
    /// Empty: the interface of the default route, else loopback.
    std::string network_interface;
    std::string version;
    std::string own_version;
    std::string advertise_address;
    /// Mbit/s; 0: what the link says.
    std::int64_t network_speed{0};
    /// client { reserved { cores, cpu } }
    std::string reserved_cores;
    std::int64_t reserved_cpu_mhz{0};
    std::vector<HostNetwork> host_networks;
};

/// Attributes and resources; identity, drivers and meta stay empty.
model::Node fingerprint_host(const HostOptions& options);

}  // namespace nl::drivers
