#pragma once
// Networks of allocations: a namespace for each that asks for one, with loopback up; for "bridge"
// and "cni/<name>" the plugins of the Container Network Interface (version 0.4 and 1.0) give it an
// address and map its ports. What was made is written down first and found again after a restart,
// so that nothing is made twice and nothing stays: namespaces of allocations that nobody knows are
// removed at the start. Calls return at once and are carried out one after another for an
// allocation.

#include "client/network.h"
#include "drivers/engine/driver.h"
#include "drivers/network/cni.h"
#include "drivers/workers.h"
#include "io/loop.h"

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace nl::drivers {

struct NetworkOptions {
    /// Holds a record of each network.
    std::string directory;
    /// Folders of plugins; empty: /opt/cni/bin and Debian's /usr/lib/cni.
    std::vector<std::string> cni_path;
    /// Configurations for "cni/<name>".
    std::string cni_config_dir{"/opt/cni/config"};
    std::string bridge_name{"nomad"};
    std::string bridge_subnet{"172.26.64.0/20"};
    bool bridge_hairpin{};
    std::string node_id;
};

class NetworkManager {
public:
    using OnDone = std::function<void(client::NetworkDone)>;

    /// `docker` makes sandboxes for its tasks; null without it.
    NetworkManager(NetworkOptions options, EngineDriver* docker, OnDone on_done);
    ~NetworkManager();
    NetworkManager(const NetworkManager&) = delete;
    NetworkManager& operator=(const NetworkManager&) = delete;

    void perform(client::NetworkCall call);
    /// Removes the networks of all but these allocations.
    void keep_only(std::set<Uuid> known);

    /// The bridge and CNI networks that jobs can be placed for, at once.
    void add_facts(model::Node& node) const;
    /// plugins.cni.version.<plugin> and what else takes asking programs: for the node's attributes.
    StringMap attributes() const;

private:
    struct Record;
    Result<client::NetworkState> set_up(const Uuid& alloc, const client::SetUpNetwork& work);
    Result<void> tear_down(const Uuid& alloc);
    Result<CniList> configuration(const std::string& mode) const;
    std::string record_path(const Uuid& alloc) const;

    NetworkOptions options_;
    EngineDriver* docker_;
    OnDone on_done_;
    Cni cni_;
    std::mutex mutex_;
    /// One at a time for an allocation.
    std::map<Uuid, std::vector<client::NetworkCall>> busy_;
    Workers workers_;
};

/// Makes a network namespace that stays without a process, with loopback up; its path below
/// /run/netns. One that exists is taken. Errors: PermissionDenied, Unavailable.
Result<std::string> make_network_namespace(const std::string& name);
Result<void> remove_network_namespace(const std::string& name);

}  // namespace nl::drivers
