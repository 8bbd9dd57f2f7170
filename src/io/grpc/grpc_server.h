#pragma once
// The gRPC listener (4647, or the seed's --port): messages between servers, forwarded calls, node
// sessions, and the seed's services. No protobuf here: everything is handed to plain handlers,
// which are called on gRPC's few threads and must not block; answers may come later from any
// thread. On stop() every stream ends and no handler is called afterwards. Services:
// proto/nomad_lite.proto, proto/scheduler.proto; docs/formats/transport.md.

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong.h"
#include "base/time.h"
#include "env/transport.h"
#include "io/grpc/frame.h"
#include "io/grpc/seed_types.h"
#include "io/grpc/tls_options.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nl::io {

/// One forwarded call.
struct InboundCall {
    std::string method;
    Bytes request;
    /// "ip:port" of the caller.
    std::string peer;
    /// Common name of the caller's verified certificate; empty without mutual TLS.
    std::string common_name;
};

/// Where the answers to one call go. Any thread; keep it as long as needed. Dropping it without
/// finish() ends the call with an error.
class Responder {
public:
    /// Frames of one call that wait because the caller reads slowly.
    static constexpr std::size_t kBacklogBytesMax = 16 * 1024 * 1024;

    virtual ~Responder() = default;
    /// False when the caller has gone or reads so slowly that the backlog is full; the call has
    /// then ended.
    virtual bool write(Frame frame) = 0;
    /// Ends the call; later calls do nothing.
    virtual void finish(Result<void> result) = 0;
    /// Bytes written that have not left yet: a source may pause on it.
    virtual std::size_t backlog() const = 0;
    /// Called once when the caller goes away before finish(), at once if it has gone already.
    virtual void on_cancel(std::function<void()> callback) = 0;
};

/// The server's end of one node's stream. Any thread.
class ServerSession {
public:
    static constexpr std::size_t kBacklogBytesMax = 64 * 1024 * 1024;

    virtual ~ServerSession() = default;
    /// False when the session has ended or its backlog is full (it is then ended).
    virtual bool send(Frame frame) = 0;
    virtual std::size_t backlog() const = 0;
    /// Ends the session; the node hears the error, if any, and connects again somewhere.
    virtual void close(Result<void> reason) = 0;
    virtual const std::string& peer() const = 0;
    virtual const std::string& common_name() const = 0;
};

/// What the owner wants to hear of one session. Frames come one after another, never two at once;
/// after on_end comes nothing. The next frame is read when on_frame returns.
struct SessionHandlers {
    std::function<void(Frame)> on_frame;
    std::function<void()> on_end;
};

/// Absent handlers refuse their service with UNIMPLEMENTED.
struct GrpcHandlers {
    /// A message from another server. `from` is what the sender says it is.
    std::function<void(ServerId from, env::Channel channel, Bytes message)> on_message;
    std::function<void(InboundCall call, std::shared_ptr<Responder> responder)> on_call;
    std::function<SessionHandlers(std::shared_ptr<ServerSession> session)> on_session;
    /// Answers the seed's SchedulerService and InternalService; outlives the server.
    seed::SeedHandler* seed{nullptr};
    /// The term that the seed's RaftService tells.
    std::function<Term()> current_term;
};

struct GrpcServerOptions {
    /// "host:port" each; port 0 lets the system choose.
    std::vector<std::string> listen;
    std::optional<TlsOptions> tls;
    /// Memory for buffers of all connections together.
    std::size_t memory_bytes_max{128 * 1024 * 1024};
    int threads_max{8};
};

class GrpcServer {
public:
    /// Listening when it returns. Errors: Unavailable naming the address (port in use),
    /// InvalidArgument for certificates.
    static Result<std::unique_ptr<GrpcServer>> start(
        GrpcServerOptions options, GrpcHandlers handlers
    );
    virtual ~GrpcServer() = default;

    /// The ports in the order of `listen`.
    virtual const std::vector<int>& ports() const = 0;
    /// Refuses new calls, gives those under way `grace` to end, then cuts them. The destructor
    /// stops with no grace.
    virtual void stop(Duration grace) = 0;
};

}  // namespace nl::io
