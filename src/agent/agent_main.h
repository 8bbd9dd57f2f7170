#pragma once
// What the command line starts: the agent (Nomad's `agent`) and the seed's `server`. Each runs
// until SIGTERM or SIGINT and returns the process's exit code; messages go to stderr, progress to
// stdout. cli parses flags into these structs and knows nothing else.

#include "agent/config.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::agent {

struct AgentArgs {
    /// Files or directories (every *.hcl and *.json in it, sorted), later ones win.
    std::vector<std::string> config_paths;
    /// Server and client in one, in memory.
    bool dev{false};
    /// What flags said; laid over the files.
    Config flags;
};

int run_agent(const AgentArgs& args);

/// `nomad-lite server`, the seed's flags (docs/seed.md).
struct ServerArgs {
    std::uint64_t node_id{1};
    std::uint16_t port{50051};
    /// 0: no dashboard. A negative port asks the system for a free one.
    int dashboard_port{0};
    /// "id:host:port,..." of the other servers.
    std::string peers;
    std::string image{"alpine:latest"};
    bool tls{false};
    std::string ca_cert, cert, key;
    /// Start without TLS if the certificates fail.
    bool allow_insecure{false};
    /// Empty: in memory.
    std::string data_dir;
    /// Empty: 127.0.0.1:<port>.
    std::string advertise_addr;
};

int run_server(const ServerArgs& args);

/// Our version, and the version of Nomad whose API this is.
inline constexpr const char* kVersion = "0.1.0";
inline constexpr const char* kNomadVersion = "2.0.6";

}  // namespace nl::agent
