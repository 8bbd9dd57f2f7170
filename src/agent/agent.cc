#include "agent/agent.h"

#include "agent/agent_main.h"
#include "agent/host_data.h"
#include "agent/http_guard.h"
#include "agent/http_sink.h"
#include "agent/seed_host.h"
#include "agent/telemetry.h"
#include "io/entropy.h"
#include "io/files.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

namespace nl::agent {
namespace {

constexpr Duration kRefreshInterval = seconds(1);
constexpr std::int64_t kHttpPort = 4646;
constexpr std::int64_t kRpcPort = 4647;
constexpr std::int64_t kSerfPort = 4648;
constexpr std::size_t kHttpConnectionsPerClient = 100;

std::string host_name() {
    char name[256] = {};
    gethostname(name, sizeof(name) - 1);
    return name;
}

/// "host:port", with brackets around an IPv6 address.
std::string join_host(const std::string& host, std::int64_t port) {
    return host.find(':') != std::string::npos && !host.starts_with('[')
               ? fmt::format("[{}]:{}", host, port)
               : fmt::format("{}:{}", host, port);
}

/// Addresses may carry a port of their own or not.
std::string with_default_port(const std::string& address, std::int64_t port) {
    const std::size_t colon = address.rfind(':');
    const bool has_port = colon != std::string::npos &&
                          address.find(']', colon) == std::string::npos &&
                          (address.find(':') == colon || address.starts_with('['));
    return has_port ? address : join_host(address, port);
}

std::int64_t port_of(const Config& c, OptInt PortsConfig::* member, std::int64_t fallback) {
    return c.ports ? ((*c.ports).*member).value_or(fallback) : fallback;
}

std::string address_of(const Config& c, OptText AddressesConfig::* member) {
    const std::string bind = c.bind_addr.value_or("127.0.0.1");
    return c.addresses ? ((*c.addresses).*member).value_or(bind) : bind;
}

std::vector<std::string> retry_join(const Config& c) {
    std::vector<std::string> out;
    const auto add = [&](const std::vector<std::string>& more) {
        for (const std::string& address : more) {
            out.push_back(with_default_port(address, kRpcPort));
        }
    };
    if (c.server) {
        add(c.server->retry_join);
        add(c.server->start_join);
        if (c.server->server_join) {
            add(c.server->server_join->retry_join);
            add(c.server->server_join->start_join);
        }
    }
    return out;
}

template <class T>
void take(const std::optional<T>& from, T& to) {
    if (from) {
        to = *from;
    }
}

server::LeaderOptions leader_options(const Config& c) {
    server::LeaderOptions out;
    out.workers = std::max<std::size_t>(1, std::thread::hardware_concurrency());
    if (c.server) {
        const ServerConfig& s = *c.server;
        if (s.num_schedulers && *s.num_schedulers > 0) {
            out.workers = static_cast<std::size_t>(*s.num_schedulers);
        }
        take(s.job_gc_threshold, out.gc.job_threshold);
        take(s.eval_gc_threshold, out.gc.eval_threshold);
        take(s.batch_eval_gc_threshold, out.gc.batch_eval_threshold);
        take(s.node_gc_threshold, out.gc.node_threshold);
        take(s.deployment_gc_threshold, out.gc.deployment_threshold);
        take(s.acl_token_gc_threshold, out.gc.acl_token_threshold);
        take(s.job_gc_interval, out.gc.interval);
        if (s.job_tracked_versions && *s.job_tracked_versions > 0) {
            out.deployments.keep_versions = static_cast<std::uint32_t>(*s.job_tracked_versions);
        }
        take(s.min_heartbeat_ttl, out.heartbeats.min_ttl);
        take(s.heartbeat_grace, out.heartbeats.grace);
        take(s.failover_heartbeat_ttl, out.heartbeats.failover_ttl);
    }
    return out;
}

}  // namespace

Agent::Agent(Options options) : options_(std::move(options)) {}

Agent::~Agent() {
    stop({});
    if (!temporary_dir_.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(temporary_dir_, ignored);
    }
}

Result<std::unique_ptr<Agent>> Agent::start(Options options) {
    std::unique_ptr<Agent> agent(new Agent(std::move(options)));
    NL_TRY_VOID(agent->begin());
    return agent;
}

ApiBackend& Agent::backend() {
    return server_ ? static_cast<ApiBackend&>(*server_)
                   : static_cast<ApiBackend&>(*client_backend_);
}

Result<void> Agent::begin() {
    const Config& c = options_.config;
    server_enabled_ = c.server && c.server->enabled.value_or(false);
    client_enabled_ = c.client && c.client->enabled.value_or(false);
    name_ = c.name.value_or(host_name());
    data_dir_ = c.data_dir.value_or("");
    if (data_dir_.empty() && !options_.dev && !options_.seed) {
        return fail(
            ErrorCode::InvalidArgument,
            "data_dir must be set outside of -dev: servers and clients keep what must survive there"
        );
    }
    if (!data_dir_.empty()) {
        NL_TRY_VOID(io::make_directories(data_dir_));
    }
    if (client_enabled_ && data_dir_.empty()) {
        std::string pattern = "/tmp/nomad-lite-dev.XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) {
            return fail(ErrorCode::Unavailable, "no folder for tasks can be made in /tmp");
        }
        temporary_dir_ = pattern;
    }
    housekeeping_ = std::make_unique<io::EventLoop>(io::EventLoop::Options{.name = "agent"});
    if (server_enabled_) {
        NL_TRY_VOID(begin_server());
    } else {
        NL_TRY(auto peers, io::PeerClient::create(options_.rpc_tls));
        client_backend_ = std::make_unique<ClientBackend>(std::move(peers), c.client->servers);
    }
    host_data_ = host_data(data_dir_);
    pump_ = std::make_unique<ApiPump>(backend());
    pump_->set_agent_calls([this](const api::WaitServer& call) { return agent_call(call); });
    pump_->start();
    publish();
    NL_TRY_VOID(begin_http());
    if (server_) {
        NL_TRY_VOID(server_->start(http_addresses_.empty() ? "" : http_addresses_.front(), *pump_));
    }
    if (client_enabled_) {
        NL_TRY_VOID(begin_client());
    }
    publish();
    housekeeping_->start();
    housekeeping_->must_post([this] { refresh(); });
    return write_addresses();
}

Result<void> Agent::begin_server() {
    const Config& c = options_.config;
    ServerHost::Options o;
    o.name = name_;
    o.region = c.region.value_or("global");
    o.datacenter = c.datacenter.value_or("dc1");
    o.data_dir = data_dir_;
    o.tls = options_.rpc_tls;
    o.on_fatal = options_.on_fatal;
    o.on_members = [this](std::vector<std::string> addresses) {
        housekeeping_->must_post([this, a = std::move(addresses)]() mutable {
            // The node's own server first: a session within the process is the cheapest.
            if (client_) {
                client_->set_servers(std::move(a));
            }
        });
    };
    o.leader = leader_options(c);
    o.raft.lease_reads = true;
    o.leader.zones = zones_;
    o.raft.timeout_multiplier =
        static_cast<int>(std::clamp<std::int64_t>(c.server->raft_multiplier.value_or(1), 1, 10));
    if (options_.seed) {
        o.listen = {options_.seed->listen};
        o.advertise = options_.seed->advertise;
        o.fixed_id = options_.seed->id;
        o.fixed_founding = options_.seed->founding;
        auto seed = std::make_unique<SeedHost>();
        o.seed = seed.get();
        SeedHost* raw = seed.get();
        seed_ = std::move(seed);
        NL_TRY(server_, ServerHost::create(std::move(o)));
        raw->attach(*server_);
        return {};
    }
    o.bootstrap_expect =
        static_cast<std::uint64_t>(c.server->bootstrap_expect.value_or(options_.dev ? 1 : 0));
    o.join = retry_join(c);
    const std::int64_t rpc = port_of(c, &PortsConfig::rpc, kRpcPort);
    const std::int64_t serf = port_of(c, &PortsConfig::serf, kSerfPort);
    o.listen = {with_default_port(address_of(c, &AddressesConfig::rpc), rpc)};
    if (serf != rpc || serf == 0) {
        o.listen.push_back(with_default_port(address_of(c, &AddressesConfig::serf), serf));
    }
    if (c.advertise && c.advertise->rpc) {
        o.advertise = with_default_port(*c.advertise->rpc, rpc);
    }
    if (c.server->root_key_rotation_threshold) {
        const auto threshold = parse_duration(*c.server->root_key_rotation_threshold);
        if (!threshold) {
            return fail(
                ErrorCode::InvalidArgument,
                "server.root_key_rotation_threshold: {}",
                threshold.error().message
            );
        }
        o.root_key_rotation_threshold = *threshold;
    }
    o.gossip_key = c.server->encrypt.value_or("");
    auto seed = std::make_unique<SeedHost>();
    // The original's calls carry no token, so that they would pass by every policy.
    o.seed = c.acl && c.acl->enabled.value_or(false) ? nullptr : seed.get();
    SeedHost* raw = seed.get();
    seed_ = std::move(seed);
    NL_TRY(server_, ServerHost::create(std::move(o)));
    raw->attach(*server_);
    return {};
}

Result<void> Agent::begin_http() {
    const Config& c = options_.config;
    io::http::ServerOptions o;
    if (options_.seed) {
        if (options_.seed->dashboard.empty()) {
            return {};
        }
        o.addresses = {options_.seed->dashboard};
    } else {
        o.addresses = {with_default_port(
            address_of(c, &AddressesConfig::http), port_of(c, &PortsConfig::http, kHttpPort)
        )};
    }
    o.tls = options_.http_tls;
    o.limits.connections_per_client_max = kHttpConnectionsPerClient;
    if (c.limits && c.limits->http_max_conns_per_client) {
        o.limits.connections_per_client_max =
            static_cast<std::size_t>(std::max<std::int64_t>(0, *c.limits->http_max_conns_per_client)
            );
    }
    for (const auto& [name, value] : c.http_api_response_headers) {
        o.response_headers.push_back({name, value});
    }
    HttpGuard guard;
    guard.loopback_only = std::ranges::all_of(o.addresses, [](const std::string& address) {
        return address.starts_with("127.") || address.starts_with("localhost:") ||
               address.starts_with("[::1]") || address.starts_with("unix://");
    });
    guard.names = {name_, host_name()};
    guard.acl_enabled = c.acl && c.acl->enabled.value_or(false);
    NL_TRY(
        http_,
        io::http::HttpServer::start(
            std::move(o),
            [this, guard](api::Request request, std::shared_ptr<io::http::Responder> responder) {
                const bool token = request.header("x-nomad-token").has_value() ||
                                   request.header("authorization").has_value();
                (token ? requests_with_token_ : requests_without_token_)
                    .fetch_add(1, std::memory_order_relaxed);
                io::log_debug("http", "request {} {}", request.method, request.path);
                if (auto refused = refuse_foreign(request, guard)) {
                    HttpSink(std::move(responder)).respond(std::move(*refused));
                    return;
                }
                pump_->serve(std::move(request), std::make_shared<HttpSink>(std::move(responder)));
            }
        )
    );
    http_addresses_ = http_->addresses();
    return {};
}

Result<void> Agent::begin_client() {
    const Config& c = options_.config;
    ClientHost::Options o;
    o.dev = options_.dev;
    o.name = name_;
    o.region = c.region.value_or("global");
    o.datacenter = c.datacenter.value_or("dc1");
    o.http_address = http_addresses_.empty() ? "" : http_addresses_.front();
    o.version = kNomadVersion;
    o.config = *c.client;
    o.plugins = c.plugin;
    if (server_) {
        // The seed's clients name workers by the id of the server they run with.
        o.config.meta[std::string(api::seed::kMetaServerId)] = fmt::format("{}", server_->self());
    }
    o.data_dir = data_dir_.empty() ? temporary_dir_ : data_dir_;
    o.tls = options_.rpc_tls;
    for (const std::string& server : c.client->servers) {
        o.servers.push_back(with_default_port(server, kRpcPort));
    }
    if (c.client->server_join) {
        for (const std::string& server : c.client->server_join->retry_join) {
            o.servers.push_back(with_default_port(server, kRpcPort));
        }
    }
    if (server_) {
        o.servers.insert(o.servers.begin(), server_->rpc_address());
    }
    if (o.servers.empty()) {
        return fail(
            ErrorCode::InvalidArgument,
            "this client knows no servers: set client.servers or client.server_join.retry_join"
        );
    }
    o.on_session_change = [this] { housekeeping_->must_post([this] { publish(); }); };
    NL_TRY(client_, ClientHost::create(std::move(o)));
    if (client_backend_) {
        client_backend_->set_client(client_.get());
    }
    return client_->start();
}

api::ServerAnswered Agent::agent_call(const api::WaitServer& call) {
    api::ServerAnswered out;
    if (std::holds_alternative<api::ReloadAgent>(call.call)) {
        // The same way as an operator's signal takes.
        ::kill(::getpid(), SIGHUP);
    } else if (const auto* servers = std::get_if<api::SetServers>(&call.call)) {
        std::vector<std::string> addresses;
        for (const std::string& address : servers->addresses) {
            addresses.push_back(with_default_port(address, kRpcPort));
        }
        if (client_) {
            client_->set_servers(std::move(addresses));
        }
    } else if (const auto* profile = std::get_if<api::ReadProfile>(&call.call)) {
        if (profile->name == "cmdline") {
            auto read = io::read_file("/proc/self/cmdline");
            if (read) {
                out.bytes = std::move(*read);
            } else {
                out.result = std::unexpected(std::move(read.error()));
            }
        } else {
            out.result = fail(
                ErrorCode::NotFound,
                "profile \"{}\" is not taken here; use perf on process {}",
                profile->name,
                ::getpid()
            );
        }
    }
    return out;
}

Result<void> Agent::write_addresses() const {
    if (data_dir_.empty()) {
        return {};
    }
    Value::Map out{{"pid", static_cast<std::int64_t>(getpid())}};
    if (!http_addresses_.empty()) {
        out["http"] = http_addresses_.front();
    }
    if (server_) {
        out["rpc"] = server_->rpc_address();
    }
    return io::write_file_atomic(
        data_dir_ + "/addresses.json",
        wire::write_json(Value(std::move(out)), wire::Layout::Pretty) + "\n",
        0644
    );
}

std::string Agent::rpc_address() const {
    return server_ ? server_->rpc_address() : "";
}

std::shared_ptr<const api::AgentView> Agent::make_view() const {
    const Config& c = options_.config;
    auto view = std::make_shared<api::AgentView>();
    view->name = name_;
    view->region = c.region.value_or("global");
    view->datacenter = c.datacenter.value_or("dc1");
    view->server = server_enabled_;
    view->client = client_enabled_;
    view->version = kNomadVersion;
    view->own_version = kVersion;
    view->http_address = http_addresses_.empty() ? "" : http_addresses_.front();
    view->rpc_address = rpc_address();
    view->zones = zones_;
    if (c.server && c.server->job_tracked_versions && *c.server->job_tracked_versions > 0) {
        view->job_tracked_versions = static_cast<std::uint32_t>(*c.server->job_tracked_versions);
    }
    view->acl_enabled = c.acl && c.acl->enabled.value_or(false);
    view->host = host_data_;
    view->enable_debug = c.enable_debug.value_or(options_.dev);
    if (server_enabled_) {
        view->num_schedulers = static_cast<std::int64_t>(leader_options(c).workers);
        view->enabled_schedulers = c.server && !c.server->enabled_schedulers.empty()
                                       ? c.server->enabled_schedulers
                                       : std::vector<std::string>{
                                             "service", "batch", "system", "sysbatch", "_core"
                                         };
    }
    if (c.acl) {
        take(c.acl->token_min_expiration_ttl, view->acl_token_ttl_min);
        take(c.acl->token_max_expiration_ttl, view->acl_token_ttl_max);
    }
    if (c.server) {
        view->oidc_issuer = c.server->oidc_issuer.value_or("");
    }
    if (client_) {
        view->node_id = client_->node_id();
        if (const std::string server = client_->connected_to(); !server.empty()) {
            view->known_servers = {server};
        }
        view->client_connected = !client_->connected_to().empty();
        view->client_problem = view->client_connected ? "" : "no session to a server";
        const std::vector<std::string> drivers = client_->healthy_drivers();
        for (const char* wanted : {"docker", "exec", "raw_exec"}) {
            if (std::find(drivers.begin(), drivers.end(), wanted) != drivers.end()) {
                view->seed_driver = wanted;
                break;
            }
        }
    }
    if (options_.seed) {
        view->seed_image = options_.seed->image;
    }
    view->config = Value::Map{
        {"Region", view->region},
        {"Datacenter", view->datacenter},
        {"NodeName", view->name},
        {"DataDir", data_dir_},
        {"LogLevel", c.log_level.value_or("INFO")},
        {"BindAddr", c.bind_addr.value_or("127.0.0.1")},
        {"EnableDebug", c.enable_debug.value_or(false)},
        {"DevMode", options_.dev},
        {"Ports",
         Value::Map{
             {"HTTP", port_of(c, &PortsConfig::http, kHttpPort)},
             {"RPC", port_of(c, &PortsConfig::rpc, kRpcPort)},
             {"Serf", port_of(c, &PortsConfig::serf, kSerfPort)}
         }},
        {"AdvertiseAddrs",
         Value::Map{
             {"HTTP", view->http_address}, {"RPC", view->rpc_address}, {"Serf", view->rpc_address}
         }},
        {"Addresses",
         Value::Map{
             {"HTTP", view->http_address}, {"RPC", view->rpc_address}, {"Serf", view->rpc_address}
         }},
        {"Server",
         Value::Map{
             {"Enabled", server_enabled_},
             {"BootstrapExpect", c.server ? c.server->bootstrap_expect.value_or(0) : std::int64_t{0}
             },
             {"EncryptKey", ""}
         }},
        {"Client",
         Value::Map{
             {"Enabled", client_enabled_},
             {"NodeClass", c.client ? c.client->node_class.value_or("") : std::string()}
         }},
        {"ACL", Value::Map{{"Enabled", view->acl_enabled}}},
        {"TLSConfig",
         Value::Map{
             {"EnableHTTP", options_.http_tls.has_value()},
             {"EnableRPC", options_.rpc_tls.has_value()}
         }},
        {"Version",
         Value::Map{
             {"Version", kNomadVersion},
             {"VersionPrerelease", ""},
             {"VersionMetadata", ""},
             {"Revision", kVersion},
             {"BuildDate", "0001-01-01T00:00:00Z"}
         }}
    };
    view->stats = collect_stats(server_.get(), client_.get());
    return view;
}

void Agent::refresh() {
    static_cast<void>(housekeeping_->run_at(io::now() + kRefreshInterval, [this] { refresh(); }));
    publish();
}

void Agent::publish() {
    auto view = make_view();
    auto metrics = std::make_shared<const api::Metrics>(
        collect_metrics(
            server_.get(),
            client_.get(),
            Instant{},
            {.with_token = requests_with_token_, .without_token = requests_without_token_}
        )
    );
    if (server_) {
        server_->set_agent_view(std::move(view));
        server_->set_metrics(std::move(metrics));
    } else {
        client_backend_->set_agent_view(std::move(view));
        client_backend_->set_metrics(std::move(metrics));
    }
}

void Agent::stop(Duration grace) {
    if (housekeeping_) {
        housekeeping_->stop();
    }
    if (server_ && grace > Duration{}) {
        server_->set_draining(true);
        server_->leave(grace);
    }
    if (client_) {
        client_->stop();
    }
    if (http_) {
        http_->stop(milliseconds(200));
        http_.reset();
    }
    if (pump_) {
        pump_->stop();
    }
    if (server_) {
        server_->stop();
    }
    if (client_backend_) {
        client_backend_->stop();
    }
    client_.reset();
    if (!data_dir_.empty()) {
        static_cast<void>(io::remove_file(data_dir_ + "/addresses.json"));
    }
}

}  // namespace nl::agent
