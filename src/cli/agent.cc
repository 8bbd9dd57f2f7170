// The commands that are a server themselves: flags become the structs that src/agent takes.

#include "cli/context.h"

#include <limits>

namespace nl::cli {

namespace {

constexpr std::int64_t kMaxPort = 65'535;

template <class T>
T& made(Box<T>& box) {
    if (!box.has_value()) {
        box = Box<T>(T{});
    }
    return *box;
}

FlagSpec text_flag(const char* name, const char* help) {
    return {.name = name, .kind = FlagKind::Text, .help = help};
}

FlagSpec list_flag(const char* name, const char* help) {
    return {.name = name, .kind = FlagKind::List, .help = help};
}

FlagSpec bool_flag(const char* name, const char* help) {
    return {.name = name, .kind = FlagKind::Bool, .help = help};
}

std::vector<std::string> split_commas(const std::string& text) {
    std::vector<std::string> out;
    std::size_t start = 0;
    while (start <= text.size()) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        if (end > start) {
            out.push_back(text.substr(start, end - start));
        }
        start = end + 1;
    }
    return out;
}

void set_text(const Context& context, const char* flag, std::optional<std::string>& field) {
    if (context.flags().given(flag)) {
        field = context.text(flag);
    }
}

void read_server_flags(const Context& context, agent::Config& config) {
    const FlagValues& flags = context.flags();
    if (flags.given("server")) {
        made(config.server).enabled = context.on("server");
    }
    if (flags.given("bootstrap-expect")) {
        made(config.server).bootstrap_expect = flags.integer("bootstrap-expect");
    }
    if (flags.given("raft-protocol")) {
        made(config.server).raft_protocol = flags.integer("raft-protocol");
    }
    if (flags.given("encrypt")) {
        made(config.server).encrypt = context.text("encrypt");
    }
    const auto& joins = flags.list("join");
    const auto& retries = flags.list("retry-join");
    if (!joins.empty() || !retries.empty() || flags.given("retry-max") ||
        flags.given("retry-interval")) {
        auto& join = made(made(config.server).server_join);
        join.start_join = joins;
        join.retry_join = retries;
        if (flags.given("retry-max")) {
            join.retry_max = flags.integer("retry-max");
        }
        if (flags.given("retry-interval")) {
            join.retry_interval = flags.duration("retry-interval");
        }
    }
    if (flags.given("rejoin")) {
        config.rejoin_after_leave = context.on("rejoin");
    }
}

Result<void> read_client_flags(const Context& context, agent::Config& config) {
    const FlagValues& flags = context.flags();
    if (flags.given("client")) {
        made(config.client).enabled = context.on("client");
    }
    const auto text = [&](const char* flag, agent::OptText agent::ClientConfig::* field) {
        if (flags.given(flag)) {
            made(config.client).*field = context.text(flag);
        }
    };
    text("state-dir", &agent::ClientConfig::state_dir);
    text("alloc-dir", &agent::ClientConfig::alloc_dir);
    text("alloc-mounts-dir", &agent::ClientConfig::alloc_mounts_dir);
    text("host-volumes-dir", &agent::ClientConfig::host_volumes_dir);
    text("host-volume-plugin-dir", &agent::ClientConfig::host_volume_plugin_dir);
    text("node-class", &agent::ClientConfig::node_class);
    text("node-pool", &agent::ClientConfig::node_pool);
    text("network-interface", &agent::ClientConfig::network_interface);
    text("preferred-address-family", &agent::ClientConfig::preferred_address_family);
    if (flags.given("network-speed")) {
        made(config.client).network_speed = flags.integer("network-speed");
    }
    if (flags.given("servers")) {
        made(config.client).servers = split_commas(context.text("servers"));
    }
    for (const std::string& pair : flags.list("meta")) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(ErrorCode::InvalidArgument, "flag -meta takes key=value, not \"{}\"", pair);
        }
        made(config.client).meta.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return {};
}

int run_agent(Context& context) {
    const FlagValues& flags = context.flags();
    agent::AgentArgs args;
    args.config_paths = flags.list("config");
    args.dev = context.on("dev") || context.on("dev-connect");
    agent::Config& config = args.flags;
    set_text(context, "bind", config.bind_addr);
    set_text(context, "region", config.region);
    set_text(context, "dc", config.datacenter);
    set_text(context, "data-dir", config.data_dir);
    set_text(context, "plugin-dir", config.plugin_dir);
    set_text(context, "node", config.name);
    set_text(context, "log-level", config.log_level);
    if (flags.given("log-json")) {
        config.log_json = context.on("log-json");
    }
    if (flags.given("log-include-location")) {
        config.log_include_location = context.on("log-include-location");
    }
    read_server_flags(context, config);
    if (const auto read = read_client_flags(context, config); !read) {
        return context.usage_error(read.error().message);
    }
    if (flags.given("acl-enabled")) {
        made(config.acl).enabled = context.on("acl-enabled");
    }
    if (flags.given("acl-replication-token")) {
        made(config.acl).replication_token = context.text("acl-replication-token");
    }
    return context.env().run_agent(args);
}

int run_server(Context& context) {
    const FlagValues& flags = context.flags();
    agent::ServerArgs args;
    const std::int64_t id = flags.integer("node-id");
    const std::int64_t port = flags.integer("port");
    const std::int64_t dashboard = flags.integer("dashboard-port");
    if (id < 1) {
        return context.usage_error(fmt::format("flag --node-id takes 1 or more, not {}", id));
    }
    if (port < 0 || port > kMaxPort) {
        return context.usage_error(fmt::format("flag --port takes 0 to {}, not {}", kMaxPort, port)
        );
    }
    if (dashboard < 0 || dashboard > kMaxPort) {
        return context.usage_error(
            fmt::format("flag --dashboard-port takes 0 to {}, not {}", kMaxPort, dashboard)
        );
    }
    args.node_id = static_cast<std::uint64_t>(id);
    args.port = static_cast<std::uint16_t>(port);
    // A given 0 means any free port, an absent flag no dashboard.
    args.dashboard_port = !flags.given("dashboard-port") ? 0
                          : dashboard == 0               ? -1
                                                         : static_cast<int>(dashboard);
    args.peers = context.text("peers");
    args.image = context.text("image");
    args.tls = context.on("tls");
    args.ca_cert = context.text("ca-cert");
    args.cert = context.text("cert");
    args.key = context.text("key");
    args.allow_insecure = context.on("allow-insecure");
    args.data_dir = context.text("data-dir");
    args.advertise_addr = context.text("advertise-addr");
    return context.env().run_server(args);
}

std::vector<FlagSpec> agent_flags() {
    return {
        list_flag(
            "config", "A configuration file or a folder of them, HCL or JSON; later ones win."
        ),
        bool_flag("dev", "Server and client in one, in memory, on 127.0.0.1, raw_exec allowed."),
        bool_flag("dev-connect", "As -dev."),
        text_flag("bind", "The address to listen on."),
        text_flag("region", "The region's name."),
        text_flag("dc", "The datacenter's name."),
        text_flag("data-dir", "The folder of everything that is kept."),
        text_flag("plugin-dir", "The folder of external drivers."),
        text_flag("node", "This machine's name."),
        text_flag("log-level", "TRACE, DEBUG, INFO, WARN or ERROR."),
        bool_flag("log-json", "Write the log as JSON."),
        bool_flag("log-include-location", "Write the source's file and line into the log."),
        bool_flag("server", "Be a server."),
        {.name = "bootstrap-expect",
         .kind = FlagKind::Integer,
         .help = "How many servers found the cluster together."},
        text_flag("encrypt", "The gossip key; kept for Nomad's configurations, encrypts nothing."),
        {.name = "raft-protocol", .kind = FlagKind::Integer, .help = "Raft's protocol version."},
        bool_flag("rejoin", "Join again after having left."),
        list_flag("join", "A server to join at the start."),
        list_flag("retry-join", "A server to join, tried until it works."),
        {.name = "retry-max",
         .kind = FlagKind::Integer,
         .help = "How often it is tried; 0 is for ever."},
        {.name = "retry-interval", .kind = FlagKind::Duration, .help = "The time between two tries."
        },
        bool_flag("client", "Be a client: run tasks."),
        text_flag("state-dir", "The folder of the client's state."),
        text_flag("alloc-dir", "The folder of the allocations."),
        text_flag("alloc-mounts-dir", "The folder where allocations are mounted."),
        text_flag("host-volumes-dir", "The folder of dynamic host volumes."),
        text_flag("host-volume-plugin-dir", "The folder of host volume plugins."),
        text_flag("node-class", "The node's class."),
        text_flag("node-pool", "The node's pool."),
        text_flag("servers", "Servers to register with: host:port,host:port."),
        list_flag("meta", "The node's own metadata: key=value."),
        text_flag("network-interface", "The interface whose address tasks get."),
        text_flag("preferred-address-family", "ipv4 or ipv6."),
        {.name = "network-speed", .kind = FlagKind::Integer, .help = "The link's speed in MBit/s."},
        bool_flag("acl-enabled", "Ask for tokens."),
        text_flag(
            "acl-replication-token",
            "The token with which policies are fetched from the first region."
        ),
    };
}

}  // namespace

Command agent_command() {
    return {
        .path = "agent",
        .usage = "[options]",
        .synopsis = "Run an agent: server, client or both",
        .help =
            "Runs until SIGTERM or SIGINT. Flags win over configuration files, whose keys are "
            "Nomad's.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite agent -dev\n"
            "  $ nomad-lite agent -config /etc/nomad.d",
        .flags = agent_flags(),
        .arguments = {},
        .run = run_agent,
        .family = Family::Local,
    };
}

Command server_command() {
    return {
        .path = "server",
        .usage = "[options]",
        .synopsis = "Run a server of the batch queue, or look at servers (server members)",
        .help =
            "Runs one server of a cluster of the batch queue: gRPC on --port, the dashboard and "
            "its HTTP\n"
            "routes on --dashboard-port. It runs jobs itself.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite server --node-id 1 --port 50051 --dashboard-port 8081\n"
            "  $ nomad-lite server --node-id 2 --port 50052 --peers "
            "\"1:127.0.0.1:50051,3:127.0.0.1:50053\"",
        .flags =
            {
                {.name = "node-id",
                 .kind = FlagKind::Integer,
                 .help = "This server's number.",
                 .fallback = "1"},
                {.name = "port",
                 .kind = FlagKind::Integer,
                 .help = "The gRPC port.",
                 .fallback = "50051"},
                {.name = "dashboard-port",
                 .kind = FlagKind::Integer,
                 .help = "The port of the dashboard; without the flag there is none, 0 takes a "
                         "free one."},
                text_flag("peers", "The other servers: \"id:host:port,…\"."),
                {.name = "image",
                 .kind = FlagKind::Text,
                 .help = "The container image of jobs that name none.",
                 .fallback = "alpine:latest"},
                bool_flag("tls", "Encrypt and authenticate all gRPC; needs the three files."),
                text_flag("ca-cert", "The authority's certificate (PEM)."),
                text_flag("cert", "This server's certificate (PEM)."),
                text_flag("key", "Its private key (PEM)."),
                bool_flag("allow-insecure", "Start without TLS if the certificates fail."),
                text_flag(
                    "data-dir",
                    "The folder of everything that is kept; without it all is in memory."
                ),
                text_flag(
                    "advertise-addr",
                    "The address others reach this server at; else 127.0.0.1 and the port."
                ),
            },
        .arguments = {},
        .run = run_server,
        .family = Family::Local,
        .from_seed = true,
    };
}

}  // namespace nl::cli
