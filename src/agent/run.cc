#include "agent/agent_main.h"

#include "agent/agent.h"
#include "agent/config_file.h"
#include "io/log.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>

namespace nl::agent {
namespace {

/// How long leadership may take to move and running work to settle before the process ends (the
/// seed's drain window).
constexpr Duration kLeaveGrace = seconds(3);

/// Blocked in every thread, taken by the main one.
sigset_t watched_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&set, number);
    }
    return set;
}

int say(const Error& error) {
    std::fprintf(stderr, "nomad-lite: %s\n", error.message.c_str());
    return 1;
}

void stop_at_once(const Error& error) {
    // After a failed write or sync nothing that this process knows may be trusted or acknowledged.
    io::log_error("server", "the server stops: {}", error.message);
    std::fprintf(stderr, "nomad-lite: the server stops: %s\n", error.message.c_str());
    std::fflush(stderr);
    std::_Exit(1);
}

void set_up_log(const Config& config) {
    io::LogOptions options;
    options.level =
        io::parse_log_level(config.log_level.value_or("INFO")).value_or(io::LogLevel::Info);
    options.format = config.log_json.value_or(false) ? io::LogFormat::Json : io::LogFormat::Text;
    io::log_setup(options);
}

/// Runs until a signal asks to stop.
int wait_and_leave(Agent& agent, const std::function<void()>& reload) {
    const sigset_t set = watched_signals();
    while (true) {
        int number = 0;
        if (sigwait(&set, &number) != 0) {
            continue;
        }
        if (number == SIGHUP) {
            reload();
            continue;
        }
        io::log_info(
            "agent",
            "caught signal {}: handing over and stopping",
            number == SIGINT ? "SIGINT" : "SIGTERM"
        );
        agent.stop(kLeaveGrace);
        return 0;
    }
}

Result<std::optional<io::TlsOptions>> rpc_tls(const Config& c) {
    if (!c.tls || !c.tls->rpc.value_or(false)) {
        return std::nullopt;
    }
    io::TlsOptions out;
    out.ca_file = c.tls->ca_file.value_or("");
    out.cert_file = c.tls->cert_file.value_or("");
    out.key_file = c.tls->key_file.value_or("");
    out.require_client_certificate = true;
    if (c.tls->verify_server_hostname.value_or(false)) {
        out.expected_name = "server." + c.region.value_or("global") + ".nomad";
    }
    return out;
}

std::optional<io::http::TlsOptions> http_tls(const Config& c) {
    if (!c.tls || !c.tls->http.value_or(false)) {
        return std::nullopt;
    }
    return io::http::TlsOptions{
        .ca_file = c.tls->ca_file.value_or(""),
        .cert_file = c.tls->cert_file.value_or(""),
        .key_file = c.tls->key_file.value_or(""),
        .verify_client = c.tls->verify_https_client.value_or(false)
    };
}

/// "2:host:port,3:host:port" and this server.
Result<raft::Membership> founders(const ServerArgs& args, const std::string& advertise) {
    raft::Membership out;
    // The founders' ids and nothing else name this cluster, so that all of them come to the same.
    Rng rng(0x6e6f6d61642d6c74ULL);
    out.cluster = Uuid::random(rng);
    raft::Member self{
        .id = ServerId(args.node_id),
        .voter = true,
        .name = fmt::format("node{}", args.node_id),
        .address = advertise
    };
    out.put(std::move(self));
    std::string_view rest = args.peers;
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        std::string_view item = rest.substr(0, comma);
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        while (!item.empty() && item.front() == ' ') {
            item.remove_prefix(1);
        }
        const std::size_t colon = item.find(':');
        const std::string number(item.substr(0, colon));
        const bool is_number = !number.empty() && number.size() < 16 &&
                               number.find_first_not_of("0123456789") == std::string::npos;
        if (colon == std::string_view::npos || !is_number ||
            item.find(':', colon + 1) == std::string_view::npos) {
            return fail(
                ErrorCode::InvalidArgument,
                "--peers: \"{}\" is not of the form id:host:port, as in 2:127.0.0.1:50052",
                item
            );
        }
        const ServerId id(std::strtoull(number.c_str(), nullptr, 10));
        if (id == raft::kNobody || out.find(id) != nullptr) {
            return fail(
                ErrorCode::InvalidArgument, "--peers: server id {} stands twice or is 0", id
            );
        }
        out.put(
            {.id = id,
             .voter = true,
             .name = fmt::format("node{}", id),
             .address = std::string(item.substr(colon + 1))}
        );
    }
    return out;
}

}  // namespace

int run_agent(const AgentArgs& args) {
    Config config = args.dev ? dev_config() : Config{};
    const auto files = load_config(args.config_paths);
    if (!files) {
        return say(files.error());
    }
    config = merge(merge(config, *files), args.flags);
    if (const auto checked = check_config(config); !checked) {
        return say(checked.error());
    }
    const auto tls = rpc_tls(config);
    if (!tls) {
        return say(tls.error());
    }
    set_up_log(config);
    const sigset_t set = watched_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);

    Agent::Options options;
    options.config = config;
    options.dev = args.dev;
    options.rpc_tls = *tls;
    options.http_tls = http_tls(config);
    options.on_fatal = &stop_at_once;
    const auto agent = Agent::start(std::move(options));
    if (!agent) {
        return say(agent.error());
    }
    std::printf("==> nomad-lite %s agent started\n", kVersion);
    for (const std::string& address : (*agent)->http_addresses()) {
        std::printf(
            "    HTTP: %s://%s   page: /ui/\n",
            config.tls && config.tls->http.value_or(false) ? "https" : "http",
            address.c_str()
        );
    }
    if (!(*agent)->rpc_address().empty()) {
        std::printf("     RPC: %s\n", (*agent)->rpc_address().c_str());
    }
    std::printf(
        "   roles: %s%s%s\n",
        config.server && config.server->enabled.value_or(false) ? "server" : "",
        config.server && config.server->enabled.value_or(false) && config.client &&
                config.client->enabled.value_or(false)
            ? " and "
            : "",
        config.client && config.client->enabled.value_or(false) ? "client" : ""
    );
    std::printf("==> log follows on stderr; Ctrl-C stops\n");
    std::fflush(stdout);
    return wait_and_leave(**agent, [&] {
        const auto fresh = load_config(args.config_paths);
        if (!fresh) {
            io::log_error("agent", "the configuration was not reloaded: {}", fresh.error().message);
            return;
        }
        const std::string level = merge(*fresh, args.flags).log_level.value_or("INFO");
        if (const auto parsed = io::parse_log_level(level)) {
            io::log_set_level(*parsed);
            io::log_info("agent", "configuration reloaded; log level {}", level);
        }
    });
}

int run_server(const ServerArgs& args) {
    if (args.node_id == 0) {
        return say({ErrorCode::InvalidArgument, "--node-id must be at least 1"});
    }
    const std::string advertise =
        args.advertise_addr.empty() ? fmt::format("127.0.0.1:{}", args.port) : args.advertise_addr;
    const auto membership = founders(args, advertise);
    if (!membership) {
        return say(membership.error());
    }
    Config config;
    config.name = fmt::format("node{}", args.node_id);
    config.bind_addr = "127.0.0.1";
    config.log_level = "INFO";
    config.server.ensure().enabled = true;
    config.client.ensure().enabled = true;
    config.client->meta["nomad_lite.server_id"] = fmt::format("{}", args.node_id);
    config.plugin["raw_exec"].config["enabled"] = true;
    if (!args.data_dir.empty()) {
        config.data_dir = args.data_dir;
        // A relative path is relative to where the command was typed.
        if (!args.data_dir.starts_with('/')) {
            char* here = realpath(".", nullptr);
            config.data_dir = std::string(here != nullptr ? here : ".") + "/" + args.data_dir;
            free(here);
        }
    }
    set_up_log(config);
    const sigset_t set = watched_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);

    const auto start = [&](bool with_tls) {
        Agent::Options options;
        options.config = config;
        options.on_fatal = &stop_at_once;
        if (with_tls) {
            options.rpc_tls = io::TlsOptions{
                .ca_file = args.ca_cert,
                .cert_file = args.cert,
                .key_file = args.key,
                .require_client_certificate = !args.ca_cert.empty(),
                .expected_name = "nomad-lite-cluster"
            };
        }
        // With TLS the port may face the network, without it stays on loopback unless the
        // advertised address says otherwise.
        const bool loopback = advertise.starts_with("127.") || advertise.starts_with("localhost");
        options.seed = Agent::Options::Seed{
            .id = ServerId(args.node_id),
            .founding = *membership,
            .listen = fmt::format("{}:{}", loopback ? "127.0.0.1" : "0.0.0.0", args.port),
            .advertise = advertise,
            .dashboard = args.dashboard_port == 0
                             ? ""
                             : fmt::format(
                                   "127.0.0.1:{}", args.dashboard_port < 0 ? 0 : args.dashboard_port
                               ),
            .image = args.image
        };
        return Agent::start(std::move(options));
    };
    auto agent = start(args.tls);
    if (!agent && args.tls && args.allow_insecure &&
        agent.error().code == ErrorCode::InvalidArgument) {
        io::log_warn(
            "agent", "starting WITHOUT TLS, as --allow-insecure asks: {}", agent.error().message
        );
        agent = start(false);
    }
    if (!agent) {
        return say(agent.error());
    }
    std::printf(
        "nomad-lite server %llu: gRPC on %s\n",
        static_cast<unsigned long long>(args.node_id),
        advertise.c_str()
    );
    for (const std::string& address : (*agent)->http_addresses()) {
        std::printf("dashboard on http://%s\n", address.c_str());
    }
    std::fflush(stdout);
    return wait_and_leave(**agent, [] {});
}

}  // namespace nl::agent
