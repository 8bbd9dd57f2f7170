#pragma once
// Where a TLS end finds its certificates. Files are PEM. Used by the server and by the client.

#include <string>

namespace nl::io::http {

struct TlsOptions {
    /// Certificates that the other end's certificate must lead to; empty: the system's (client) or
    /// none (server).
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
    /// Server: ask for a client certificate and refuse a connection without a valid one.
    bool verify_client = false;
    /// Client: accept any certificate.
    bool skip_verify = false;
    /// Client: the name the certificate must carry; empty: the address's host.
    std::string server_name;
};

}  // namespace nl::io::http
