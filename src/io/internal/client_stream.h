#pragma once
// One stream from this process to a server, without protobuf in the header: what GrpcTransport and
// NodeClient are made of. A stream lives once: when it ends its owner opens another. Any thread.

#include "base/error.h"
#include "io/grpc/frame.h"
#include "io/grpc/tls_options.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace nl::io {

/// Credentials and settings that all channels of one owner share.
struct ChannelSettings;
/// Errors: InvalidArgument, naming the file.
Result<std::shared_ptr<const ChannelSettings>> make_channel_settings(
    const std::optional<TlsOptions>& tls
);

class SharedConnections;

/// A frame with what only the Messages service uses.
struct WireFrame {
    Frame frame;
    std::uint32_t channel{0};
    std::uint64_t from{0};
};

class ClientStream {
public:
    enum class Service : unsigned char { Messages, Session };
    struct Options {
        std::string address;
        Service service{Service::Messages};
        /// Wait for the server to come up, however long it takes, rather than fail at once.
        bool is_patient{false};
        /// Null: a connection of its own.
        std::shared_ptr<SharedConnections> shared{};
    };
    /// Called on gRPC's threads; on_open and on_frame one after another, on_end last.
    struct Handlers {
        std::function<void()> on_open;
        std::function<void(Frame)> on_frame;
        std::function<void(Error)> on_end;
    };

    /// The stream keeps itself alive until on_end has returned.
    static std::shared_ptr<ClientStream> open(
        const std::shared_ptr<const ChannelSettings>& settings, Options options, Handlers handlers
    );
    virtual ~ClientStream() = default;

    /// False when it has ended. The bound of the backlog is the owner's business.
    virtual bool send(WireFrame frame) = 0;
    virtual std::size_t backlog_bytes() const = 0;
    virtual std::size_t backlog_frames() const = 0;
    /// Ends it soon; on_end follows.
    virtual void cancel() = 0;
};

/// Calls `callback` on one of gRPC's threads after that many milliseconds, or at once with false
/// when the returned handle is cancelled.
class DelayedCall {
public:
    virtual ~DelayedCall() = default;
    virtual void cancel() = 0;
};
std::shared_ptr<DelayedCall> call_later(std::int64_t ms, std::function<void(bool due)> callback);

}  // namespace nl::io
