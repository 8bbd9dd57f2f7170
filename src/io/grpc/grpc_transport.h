#pragma once
// env::Transport over gRPC: to each peer one connection for each env::Channel, so that neither a
// large append nor a snapshot stands before a heartbeat. Best effort: send() puts the message into
// a bounded queue and returns; what does not fit, or is queued when a connection breaks, is lost,
// as Raft allows. Broken connections come back within kReconnectMax. Receiving is GrpcServer's
// part. Any thread.

#include "base/error.h"
#include "env/transport.h"
#include "io/grpc/tls_options.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace nl::io {

class GrpcTransport final : public env::Transport {
public:
    static constexpr std::int64_t kReconnectMinMs = 50;
    static constexpr std::int64_t kReconnectMaxMs = 200;
    /// A peer that does not answer a ping for this long is cut off.
    static constexpr std::int64_t kKeepaliveMs = 2'000;
    /// Waiting for one connection; the Raft channel alone may hold large messages.
    static constexpr std::size_t kQueuedMessagesMax = 1'024;
    static constexpr std::size_t kQueuedBytesMax = 64 * 1024 * 1024;
    /// Kept while there is no connection: what is older would be stale when it comes back.
    static constexpr std::size_t kUnconnectedMessagesMax = 16;
    static constexpr std::size_t kPeersMax = 256;

    struct Options {
        ServerId self;
        std::optional<TlsOptions> tls;
    };

    /// Sent, dropped and connected, for metrics and tests.
    struct Status {
        std::uint64_t sent{0};
        std::uint64_t dropped{0};
        std::uint64_t connects{0};
        /// Connections that are up now.
        std::size_t connected{0};
    };

    /// Errors: InvalidArgument for certificates.
    static Result<std::unique_ptr<GrpcTransport>> create(Options options);
    /// Ends all connections and waits until they have ended.
    ~GrpcTransport() override;

    void send(ServerId to, env::Channel channel, Bytes message) override;
    void set_address(ServerId server, std::string address) override;
    Status status() const;

private:
    struct Shared;
    class Link;
    struct Key {
        ServerId server;
        env::Channel channel;
        friend auto operator<=>(const Key&, const Key&) = default;
    };

    explicit GrpcTransport(std::shared_ptr<Shared> shared);

    std::shared_ptr<Shared> shared_;
    std::mutex mutex_;
    std::map<ServerId, std::string> addresses_;
    std::map<Key, std::shared_ptr<Link>> links_;
};

}  // namespace nl::io
