#pragma once
// One running agent: what a configuration asks for, composed and started in order, and stopped in
// the reverse one. Owned by agent_main.

#include "agent/client_backend.h"
#include "agent/client_host.h"
#include "agent/server_host.h"
#include "expr/zone.h"
#include "io/http/server.h"
#include "io/time_zones.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace nl::agent {

class Agent {
public:
    struct Options {
        /// Complete: files, flags and -dev laid over each other, checked.
        Config config;
        bool dev{false};
        /// The seed's `server`: one gRPC port for all, its ids, its dashboard port instead of the
        /// HTTP port.
        struct Seed {
            ServerId id;
            raft::Membership founding;
            std::string listen;
            std::string advertise;
            /// Empty: no dashboard.
            std::string dashboard;
            std::string image;
        };
        std::optional<Seed> seed;
        std::optional<io::TlsOptions> rpc_tls;
        std::optional<io::http::TlsOptions> http_tls;
        std::function<void(const Error&)> on_fatal;
    };

    static Result<std::unique_ptr<Agent>> start(Options options);
    ~Agent();

    /// Hands over what it leads, refuses new work and stops; at most `grace` for the first part.
    void stop(Duration grace);

    const std::vector<std::string>& http_addresses() const { return http_addresses_; }
    std::string rpc_address() const;
    const std::string& data_dir() const { return data_dir_; }

private:
    explicit Agent(Options options);
    Result<void> begin();
    Result<void> begin_server();
    Result<void> begin_http();
    Result<void> begin_client();
    Result<void> write_addresses() const;
    void refresh();
    /// Shows the API the agent as it is now.
    void publish();
    std::shared_ptr<const api::AgentView> make_view() const;
    ApiBackend& backend();
    /// What the API asks of this agent itself. Any thread.
    api::ServerAnswered agent_call(const api::WaitServer& call);

    Options options_;
    std::string data_dir_;
    std::string temporary_dir_;
    std::shared_ptr<const expr::ZoneSource> zones_{io::system_time_zones()};
    std::string name_;
    Value host_data_;
    std::atomic<std::uint64_t> requests_with_token_{0};
    std::atomic<std::uint64_t> requests_without_token_{0};
    std::vector<std::string> http_addresses_;
    bool client_enabled_{false};
    bool server_enabled_{false};

    std::unique_ptr<io::seed::SeedHandler> seed_;
    std::unique_ptr<ServerHost> server_;
    std::unique_ptr<ClientBackend> client_backend_;
    std::unique_ptr<ClientHost> client_;
    std::unique_ptr<ApiPump> pump_;
    std::unique_ptr<io::http::HttpServer> http_;
    std::unique_ptr<io::EventLoop> housekeeping_;
};

}  // namespace nl::agent
