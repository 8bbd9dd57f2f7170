#pragma once
// An HTTP/1.1 server over TCP, TLS and unix sockets. Owned by the agent, which gives it a handler;
// it knows nothing of routes. A fixed number of threads serves every connection, each of which is
// handled by one thread at a time; requests on a connection are answered in order. The handler runs
// on those threads and must not block: it answers at once or keeps the Responder.
// Limits (sizes, times, connections) are in Limits, so that no client can hold memory or threads.
// Source: RFC 9110, RFC 9112, RFC 6455; Nomad's HTTP API page for the 429 text.

#include "api/request.h"
#include "base/error.h"
#include "base/time.h"
#include "io/http/responder.h"
#include "io/http/tls.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::io::http {

using Handler = std::function<void(api::Request, std::shared_ptr<Responder>)>;

struct Limits {
    std::size_t header_bytes_max = 64 << 10;
    std::size_t body_bytes_max = 32 << 20;
    /// A larger (or smaller) body for some requests, by method and decoded path.
    std::function<std::size_t(std::string_view method, std::string_view path)> body_bytes_for;
    /// Output waiting for one slow reader before `write` refuses.
    std::size_t stream_buffer_bytes_max = 1 << 20;
    std::size_t websocket_message_bytes_max = 1 << 20;
    /// From one address; 0 is without limit. Unix sockets are not counted.
    std::size_t connections_per_client_max = 100;
    std::size_t connections_max = 50'000;
    Duration handshake_timeout = seconds(10);
    /// From a request's first byte to the end of its header.
    Duration header_timeout = seconds(15);
    /// Without at least a kilobyte of body.
    Duration body_timeout = seconds(30);
    /// Between requests of a connection.
    Duration idle_timeout = seconds(300);
    /// Without progress while writing.
    Duration write_timeout = seconds(60);
};

struct ServerOptions {
    /// "127.0.0.1:4646", "[::1]:0" (port 0: any free one), "unix:///run/x.sock".
    std::vector<std::string> addresses;
    int threads = 2;
    std::optional<TlsOptions> tls;
    Limits limits;
    /// Added to every answer, errors too.
    std::vector<api::NameValue> response_headers;
};

struct ServerStats {
    std::uint64_t connections_open = 0;
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_refused = 0;
    std::uint64_t requests = 0;
};

class HttpServer {
public:
    /// Listens and starts. Errors: Unavailable (an address cannot be bound), InvalidArgument
    /// (certificates, an address that is none).
    static Result<std::unique_ptr<HttpServer>> start(ServerOptions options, Handler handler);

    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    /// As bound, in the order of the options: with the real port where 0 was asked for.
    const std::vector<std::string>& addresses() const;
    ServerStats stats() const;
    /// New connections use the new certificates.
    Result<void> reload_tls(const TlsOptions& tls);
    /// Stops listening, lets requests in progress end for up to `grace`, then cuts what is left.
    void stop(Duration grace = {});

    struct Core;

private:
    explicit HttpServer(std::shared_ptr<Core> core);
    std::shared_ptr<Core> core_;
};

}  // namespace nl::io::http
