#pragma once
// The command line's view of an HTTP connection: one request, one answer, or a body read piece by
// piece. Commands never see sockets, so a test can answer from recorded text. The real one is made
// in http_client_adapter.cc from io/http.

#include "base/error.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::cli {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method;
    /// Path and query, already percent-encoded: "/v1/jobs?prefix=a".
    std::string target;
    Headers headers;
    std::string body;
};

struct HttpReply {
    int status{0};
    /// Names in lower case.
    Headers headers;
    std::string body;

    /// The value of a header, "" when it is absent.
    std::string header(std::string_view lower_case_name) const;
};

struct HttpOptions {
    /// "http://host:port", "https://host:port" or "unix:///path".
    std::string address;
    std::string ca_cert;
    std::string ca_path;
    std::string client_cert;
    std::string client_key;
    std::string tls_server_name;
    bool tls_skip_verify{false};
};

/// Returns false to end the stream early.
using OnBytes = std::function<bool(std::string_view)>;

class Http {
public:
    Http() = default;
    Http(const Http&) = delete;
    Http& operator=(const Http&) = delete;
    virtual ~Http() = default;

    /// Errors: Unavailable when the server cannot be reached, naming its address.
    virtual Result<HttpReply> send(const HttpRequest& request) = 0;

    /// Hands over the body of a 200 answer as it arrives. Any other answer comes back with its body
    /// and without a call of `on_bytes`.
    virtual Result<HttpReply> stream(const HttpRequest& request, const OnBytes& on_bytes) = 0;

    struct SessionEnd {
        int close_code{0};
        std::string reason;
        /// The answer to a refused handshake; its status is 0 when there was a session.
        HttpReply refused;
    };
    /// A WebSocket session: each message goes to `on_message` until that says false; `next` is
    /// asked often for a message to send and answers false when there is none.
    virtual Result<SessionEnd> websocket(
        const HttpRequest& request,
        const OnBytes& on_message,
        const std::function<bool(std::string&)>& next
    ) = 0;
};

}  // namespace nl::cli
