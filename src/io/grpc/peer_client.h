#pragma once
// Calls to other servers (Peer.Call): forwarding a request to the leader, joining, asking members.
// A call has a method name, request bytes, a deadline, and an answer of any number of frames. Any
// thread; callbacks come on gRPC's threads, one after another for one call, and must not block.

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "io/grpc/frame.h"
#include "io/grpc/tls_options.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace nl::io {

/// One call under way.
class ClientCall {
public:
    virtual ~ClientCall() = default;
    /// on_done follows, with Cancelled.
    virtual void cancel() = 0;
};

class PeerClient {
public:
    /// Connections kept; the one used longest ago goes first.
    static constexpr std::size_t kChannelsMax = 64;

    struct Request {
        /// "host:port".
        std::string address;
        std::string method;
        Bytes request;
        /// For the whole call; absent: as long as it takes (streams).
        std::optional<Duration> timeout;
    };
    struct Handlers {
        std::function<void(Frame)> on_frame;
        /// Once, last. Errors keep the code that the other side gave; Unavailable when it cannot be
        /// reached, Timeout when it did not answer in time.
        std::function<void(Result<void>)> on_done;
    };

    /// Errors: InvalidArgument for certificates.
    static Result<std::unique_ptr<PeerClient>> create(std::optional<TlsOptions> tls);
    /// Cancels what is under way and waits for its end.
    virtual ~PeerClient() = default;

    /// Never blocks. Dropping the returned handle does not end the call.
    virtual std::shared_ptr<ClientCall> call(Request request, Handlers handlers) = 0;
    /// A call with one answer: the data of the first frame. Frames after it are ignored.
    void call_unary(Request request, std::function<void(Result<Bytes>)> done);
    /// As call_unary, waiting for the end on this thread; for threads that may block.
    Result<Bytes> call_and_wait(Request request);
};

}  // namespace nl::io
