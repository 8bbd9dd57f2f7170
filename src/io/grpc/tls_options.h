#pragma once
// How a gRPC listener or channel proves itself and whom it trusts. Files are PEM, read when the
// listener or channel is made.

#include <string>

namespace nl::io {

struct TlsOptions {
    /// Authorities trusted for the other side; empty: the system's for clients.
    std::string ca_file;
    /// Own certificate chain and key; a client may leave them out where the server does not ask.
    std::string cert_file;
    std::string key_file;
    /// Listener only: refuse clients without a certificate signed by ca_file.
    bool require_client_certificate{false};
    /// Client only: the name expected in the server's certificate instead of the host's. Nomad
    /// servers share "server.<region>.nomad", the seed's "nomad-lite-cluster".
    std::string expected_name;
};

}  // namespace nl::io
