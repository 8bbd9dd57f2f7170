#pragma once
// The node's end of its one stream to the servers (Node.Session). It keeps a session open with one
// of the servers given, tries the next when one breaks or refuses, and says so; what to send after
// a connect (who the node is, what it holds) is the owner's business. Any thread; handlers come on
// gRPC's threads, one after another, and must not block.

#include "base/error.h"
#include "base/time.h"
#include "io/grpc/frame.h"
#include "io/grpc/tls_options.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nl::io {

/// Connections that many clients of one process use together, each with a stream of its own: for
/// simulated nodes. At most kStreamsPerConnection streams share one.
class SharedConnections;
inline constexpr std::size_t kStreamsPerConnection = 100;
std::shared_ptr<SharedConnections> share_connections();

class NodeClient {
public:
    /// Between tries, doubling from the least to the most; a try goes to the next server.
    static constexpr std::int64_t kRetryMinMs = 50;
    static constexpr std::int64_t kRetryMaxMs = 1'000;
    static constexpr std::size_t kBacklogBytesMax = 64 * 1024 * 1024;

    struct Options {
        /// "host:port" each, tried in order.
        std::vector<std::string> servers;
        std::optional<TlsOptions> tls;
        /// Null: a connection of its own.
        std::shared_ptr<SharedConnections> shared{};
    };
    struct Handlers {
        /// A new session is up with that server; frames sent before it are gone.
        std::function<void(const std::string& server)> on_connect;
        std::function<void(Frame)> on_frame;
        /// The session broke or could not be made; the next try is under way.
        std::function<void(const std::string& server, const Error& error)> on_disconnect;
    };

    /// Connects at once. Errors: InvalidArgument for certificates.
    static Result<std::unique_ptr<NodeClient>> start(Options options, Handlers handlers);
    /// Ends the session; no handler is called afterwards.
    virtual ~NodeClient() = default;

    /// False when no session is up or its backlog is full (the session is then cut).
    virtual bool send(Frame frame) = 0;
    virtual std::size_t backlog() const = 0;
    virtual void set_servers(std::vector<std::string> servers) = 0;
    /// Leaves the present server for this one: the leader changed, or balance asks for it.
    virtual void prefer(const std::string& server) = 0;
    /// The server of the session that is up; empty for none.
    virtual std::string connected_to() const = 0;
};

}  // namespace nl::io
