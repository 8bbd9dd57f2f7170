#pragma once
// A blocking HTTP/1.1 client for the command line and for tests: one object, one connection kept
// alive between requests, not thread-safe. Addresses are http://, https:// or unix:// (a socket
// path). It follows no redirects and asks for no compression.
// Source: RFC 9110, RFC 9112.

#include "api/request.h"
#include "base/error.h"
#include "base/time.h"
#include "io/http/responder.h"
#include "io/http/tls.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nl::io::http {

struct ClientOptions {
    std::string address = "http://127.0.0.1:4646";
    TlsOptions tls;
    Duration connect_timeout = seconds(10);
    /// The largest answer that `send` collects.
    std::size_t body_bytes_max = std::size_t{1} << 30;
};

struct ClientRequest {
    std::string method = "GET";
    /// Path and query, already encoded (see url.h).
    std::string target = "/";
    std::vector<api::NameValue> headers;
    Bytes body;
    /// Until the answer is complete (`send`) or its header is (`stream`); 0 is for ever.
    Duration timeout = seconds(60);
    /// `stream`: without any byte; 0 is for ever.
    Duration idle_timeout;
};

class HttpClient {
public:
    /// Errors: InvalidArgument (the address). Connects at the first request.
    static Result<std::unique_ptr<HttpClient>> open(ClientOptions options);

    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    /// Errors: Unavailable (cannot connect, the connection broke), Timeout, InvalidArgument (TLS
    /// files), TooLarge, Corruption (not HTTP). Header names of the answer are in lower case.
    Result<api::Response> send(const ClientRequest& request);

    /// As `send`, but the body of a status below 300 goes to `on_data` as it arrives; false ends
    /// the request early. Any other body is collected in the answer.
    Result<api::Response> stream(
        const ClientRequest& request, const std::function<bool(BytesView)>& on_data
    );

    /// A WebSocket session on a connection of its own. `on_message` gets each message and says
    /// whether to go on; `outgoing` is asked for the next text about every `poll` and whenever a
    /// message has come; it answers nothing when there is none. Returns the close code and reason,
    /// or for a refused handshake the server's answer as `refused`.
    struct SessionEnd {
        std::uint16_t code = 0;
        std::string reason;
        api::Response refused;
    };
    Result<SessionEnd> websocket(
        const ClientRequest& request,
        const std::function<bool(BytesView)>& on_message,
        const std::function<bool(Bytes&)>& outgoing,
        Duration poll = milliseconds(20)
    );

    struct Core;

private:
    explicit HttpClient(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace nl::io::http
