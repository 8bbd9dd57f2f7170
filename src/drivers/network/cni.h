#pragma once
// Runs plugins of the Container Network Interface: a list of them for one namespace, each given the
// result of the one before, and backwards to undo. After the CNI specification 1.0.0 (github.com/
// containernetworking/cni, SPEC.md). Blocking; any thread.

#include "base/error.h"
#include "base/value.h"

#include <string>
#include <vector>

namespace nl::drivers {

struct CniList {
    std::string name;
    std::string version;
    /// Each a plugin's own configuration ("type" names its program).
    std::vector<Value> plugins;
};

/// A .conflist, or a .conf with a single plugin. Errors: InvalidArgument.
Result<CniList> parse_cni(std::string_view json);

struct CniPort {
    std::int64_t host_port{};
    std::int64_t container_port{};
    std::string host_ip;
};

struct CniRequest {
    std::string container_id;
    std::string net_ns;
    std::string interface{"eth0"};
    std::vector<CniPort> ports;
    /// CNI_ARGS
    StringMap args;
};

struct CniAnswer {
    std::string interface;
    std::string address;
    std::string address_v6;
    Value dns;
    /// The whole result, to be given back when it is undone.
    Value result;
};

class Cni {
public:
    explicit Cni(std::vector<std::string> path);

    /// Errors: NotFound (a plugin is not installed), Unavailable (a plugin's own words). What was
    /// made before the failure is undone.
    Result<CniAnswer> add(const CniList& list, const CniRequest& request) const;
    /// Undoes all it can. Errors: the first.
    Result<void> remove(const CniList& list, const CniRequest& request, const Value& result) const;

    std::string find(const std::string& plugin) const;
    /// Programs of the path that say a version: name -> version.
    StringMap versions() const;

private:
    Result<Value> run(
        const std::string& command,
        const CniList& list,
        const Value& plugin,
        const CniRequest& request,
        const Value& previous
    ) const;

    std::vector<std::string> path_;
};

/// Nomad's bridge: loopback is the namespace's own; bridge with host-local addresses, firewall,
/// portmap.
CniList bridge_list(
    const std::string& bridge, const std::string& subnet, bool hairpin, const std::string& version
);

}  // namespace nl::drivers
