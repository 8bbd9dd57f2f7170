#pragma once
// HTTP/1.1 to a container engine on a unix socket (or tcp, without TLS): one connection a request,
// so that each can be cancelled from another thread, followed for hours, or turned into a plain
// stream (exec). Blocking. Thread-safe: a client holds nothing but its address.

#include "base/error.h"
#include "base/time.h"
#include "base/value.h"

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace nl::drivers {

/// An answer that is collected may not be larger.
inline constexpr std::size_t kMaxEngineAnswer = std::size_t{64} << 20;

/// Ends what it was given to, from any thread, for good.
class EngineCancel {
public:
    EngineCancel();
    EngineCancel(const EngineCancel&) = delete;
    EngineCancel& operator=(const EngineCancel&) = delete;
    ~EngineCancel();
    void cancel();
    bool cancelled() const { return cancelled_; }
    int fd() const { return fd_; }

private:
    int fd_;
    std::atomic<bool> cancelled_{false};
};

struct EngineRequest {
    std::string method{"GET"};
    std::string target;
    std::string body;
    std::string content_type{"application/json"};
    std::map<std::string, std::string> headers;
};

struct EngineResponse {
    int status{};
    std::string body;
};

/// A connection that is no longer HTTP; the caller closes `fd`.
struct EngineStream {
    int fd{-1};
    /// What came after the header already.
    std::string rest;
};

class EngineClient {
public:
    /// "unix:///path" or "tcp://host:port".
    explicit EngineClient(std::string address);

    /// The whole answer of any status. Errors: Unavailable (nobody listens, broken off), Timeout,
    /// TooLarge, Cancelled.
    Result<EngineResponse> send(
        const EngineRequest& request, Duration timeout, const EngineCancel* cancel = nullptr
    ) const;
    /// The answer as JSON; a status of 400 or more is an error with the engine's message: NotFound
    /// (404), Conflict (409), InvalidArgument (400), PermissionDenied (401, 403), else Unavailable.
    Result<Value> call(
        const std::string& method,
        const std::string& target,
        const Value& body,
        Duration timeout,
        const EngineCancel* cancel = nullptr
    ) const;
    /// The body of a good answer piece by piece; false ends it early. `idle`: at most so long
    /// without a byte, 0 for ever.
    Result<void> stream(
        const EngineRequest& request,
        Duration idle,
        const std::function<bool(std::string_view)>& on_data,
        const EngineCancel* cancel = nullptr
    ) const;
    /// Sends a request that turns the connection into a stream of bytes.
    Result<EngineStream> hijack(const EngineRequest& request, Duration timeout) const;

    const std::string& address() const { return address_; }

private:
    std::string address_;
};

/// The error an engine's answer stands for.
Error engine_error(int status, std::string_view body);
/// For a query: everything but letters, digits and "-._~" as %XX.
std::string query_escape(std::string_view text);

}  // namespace nl::drivers
