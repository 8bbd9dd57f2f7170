#pragma once
// What every gRPC source of io needs: credentials from files, channel settings, errors to status
// and back. Includes grpcpp, so only the .cc files of io/grpc and io/internal may include it.

#include "base/error.h"
#include "io/grpc/tls_options.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

namespace nl::io {

struct ChannelSettings {
    std::shared_ptr<::grpc::ChannelCredentials> credentials;
    std::string expected_name;

    std::shared_ptr<::grpc::Channel> connect(const std::string& address) const;
};

/// Keeps gRPC's callback threads for as long as the process lives; call it before the first call
/// with callbacks. Otherwise they end with the last channel, and when that one is dropped by a
/// callback, a thread waits for itself and goes on with freed memory (seen with 1.51).
void hold_callback_threads();

Result<std::shared_ptr<::grpc::ServerCredentials>> make_server_credentials(
    const std::optional<TlsOptions>& tls
);

/// The one table from our codes to gRPC's; what the seed's clients see.
::grpc::Status to_status(const Error& error);
/// As to_status, with our own code beside it, for our own clients.
::grpc::Status to_exact_status(const Error& error);
/// The code that was given where the other side is ours, else the nearest. `address` is named when
/// the server cannot be reached.
Error to_error(const ::grpc::Status& status, const std::string& address);

/// "ip:port" out of gRPC's "ipv4:127.0.0.1:80".
std::string peer_address(const std::string& peer);

}  // namespace nl::io
