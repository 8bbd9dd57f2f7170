#pragma once
// The answering side of one HTTP request, as the server hands it to its handler. A responder may be
// kept and answered later from any thread (a parked read costs this object and its connection, no
// thread). Exactly one of respond, start_stream and upgrade is called, once; a responder that is
// let go unanswered answers 500 by itself, so no client waits for ever.
// Source: RFC 9110 and 9112 (HTTP semantics and HTTP/1.1), RFC 6455 (WebSocket).

#include "api/request.h"
#include "base/bytes.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nl::io::http {

/// A WebSocket close code (RFC 6455 7.4.1).
inline constexpr std::uint16_t kCloseNormal = 1000;
inline constexpr std::uint16_t kCloseProtocolError = 1002;
inline constexpr std::uint16_t kCloseBadData = 1007;
inline constexpr std::uint16_t kClosePolicy = 1008;
inline constexpr std::uint16_t kCloseTooBig = 1009;
inline constexpr std::uint16_t kCloseInternal = 1011;

struct WebSocketHandlers {
    /// A whole message, text or binary; called in order, on one thread at a time.
    std::function<void(Bytes)> on_message;
    /// Called once, when the peer has closed or is gone (code 1006 if it said nothing).
    std::function<void(std::uint16_t code, std::string reason)> on_close;
};

class Responder {
public:
    Responder() = default;
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;
    virtual ~Responder() = default;

    /// The whole answer. Content-Length, Date, compression and the answer to HEAD are added here.
    virtual void respond(api::Response response) = 0;

    /// Begins a body of unknown length (chunked); every `write` leaves at once.
    virtual void start_stream(std::int64_t status, std::vector<api::NameValue> headers) = 0;
    /// False when the client is gone or its buffer is full; the bytes are then not taken. After a
    /// full buffer, on_writable's callback tells when to go on.
    virtual bool write(Bytes chunk) = 0;
    /// Ends the stream in the proper way. Without it a client sees a cut connection.
    virtual void end() = 0;

    /// Called once if the client goes away before the answer is complete; at once if it has.
    virtual void on_close(std::function<void()> callback) = 0;
    /// Called each time the buffer has drained below half after a write was refused.
    virtual void on_writable(std::function<void()> callback) = 0;

    /// True if the request asks for a WebSocket.
    virtual bool wants_upgrade() const = 0;
    /// Switches to WebSocket; false (and 400 sent) when the request is no proper handshake.
    virtual bool upgrade(WebSocketHandlers handlers) = 0;
    /// False when the client is gone or its buffer is full.
    virtual bool send_text(Bytes message) = 0;
    /// Begins the closing handshake; nothing can be sent after it.
    virtual void close(std::uint16_t code, std::string reason) = 0;

    /// Cuts the connection, for a stream that cannot end properly.
    virtual void abort() = 0;
};

}  // namespace nl::io::http
