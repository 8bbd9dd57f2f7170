#pragma once
// The client side of an agent: the node's core on its thread, its drivers, its files and local
// state, and its session to the servers. Owns them; stopping it leaves the tasks running, they
// belong to the supervisor.

#include "agent/config.h"
#include "agent/identity.h"
#include "api/metrics.h"
#include "io/grpc/tls_options.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace nl::agent {

class ClientHost {
public:
    struct Options {
        std::string name;
        std::string region{"global"};
        std::string datacenter{"dc1"};
        std::string http_address;
        std::string version;
        ClientConfig config;
        Map<PluginConfig> plugins;
        /// Absolute; holds client/ and alloc/ unless the configuration names others.
        std::string data_dir;
        /// A developer's own machine: artifacts may come from it.
        bool dev{false};
        /// RPC addresses of servers.
        std::vector<std::string> servers;
        std::optional<io::TlsOptions> tls;
        /// A session came up or went; any thread, must not block.
        std::function<void()> on_session_change;
    };

    static Result<std::unique_ptr<ClientHost>> create(Options options);
    virtual ~ClientHost() = default;

    virtual Result<void> start() = 0;
    /// Ends the session and the threads; tasks run on.
    virtual void stop() = 0;

    virtual Uuid node_id() const = 0;
    /// The server of the session that is up; empty for none.
    virtual std::string connected_to() const = 0;
    virtual void set_servers(std::vector<std::string> servers) = 0;
    /// Adds this node's measurements.
    virtual void add_metrics(api::Metrics& metrics) const = 0;
    /// Drivers that are healthy here, for the seed's choice.
    virtual std::vector<std::string> healthy_drivers() const = 0;
};

}  // namespace nl::agent
