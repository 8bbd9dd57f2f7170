#pragma once
// A request on its way between servers (Peer.Call, method "api"): the asking side decodes frames,
// the answering side writes them. Frames: "response" (a whole api::Response), or "head" (status and
// headers) and any number of "data", or "session" and any number of "message" and one "close".
// docs/formats/transport.md.

#include "agent/api_backend.h"
#include "agent/api_pump.h"
#include "io/grpc/grpc_server.h"
#include "io/grpc/peer_client.h"

namespace nl::agent {

class RpcSink final : public AnswerSink {
public:
    /// `key` is the request's; "" asks for no credit.
    RpcSink(std::shared_ptr<io::Responder> responder, Forwarded& forwarded, std::string key)
        : responder_(std::move(responder)),
          forwarded_(forwarded),
          key_(std::move(key)),
          window_(std::make_shared<Forwarded::Window>()) {
        if (!key_.empty()) {
            forwarded_.add(key_, window_);
        }
    }
    ~RpcSink() override {
        if (!key_.empty()) {
            forwarded_.remove(key_);
        }
    }

    void respond(api::Response response) override {
        static_cast<void>(responder_->write({.kind = "response", .id = 0, .data = encode(response)})
        );
        responder_->finish({});
    }
    void start_stream(std::int64_t status, std::vector<api::NameValue> headers) override {
        static_cast<void>(responder_->write(
            {.kind = "head",
             .id = 0,
             .data =
                 encode(api::Response{.status = status, .headers = std::move(headers), .body = {}})}
        ));
    }
    bool write(Bytes chunk) override { return send("data", std::move(chunk)); }
    void end() override { responder_->finish({}); }
    void abort() override { responder_->finish(fail(ErrorCode::Aborted, "the stream was cut")); }
    void on_close(std::function<void()> callback) override {
        responder_->on_cancel(std::move(callback));
    }
    void on_writable(std::function<void()> callback) override {
        const std::lock_guard lock(window_->mutex);
        window_->on_writable = std::move(callback);
    }
    bool start_session(std::function<void(Bytes)> on_message) override {
        {
            const std::lock_guard lock(window_->mutex);
            window_->on_message = std::move(on_message);
        }
        return responder_->write({.kind = "session", .id = 0, .data = {}});
    }
    bool send_message(Bytes message) override { return send("message", std::move(message)); }
    void close_session(std::uint16_t code, std::string reason) override {
        static_cast<void>(
            responder_->write({.kind = "close", .id = code, .data = std::move(reason)})
        );
        responder_->finish({});
    }

private:
    bool send(const char* kind, Bytes data) {
        if (!key_.empty() && !window_->take(data.size())) {
            return false;
        }
        return responder_->write({.kind = kind, .id = 0, .data = std::move(data)});
    }

    std::shared_ptr<io::Responder> responder_;
    Forwarded& forwarded_;
    std::string key_;
    std::shared_ptr<Forwarded::Window> window_;
};

/// Asks `address`; the returned function cancels.
inline std::function<void()> forward_request(
    io::PeerClient& peers,
    const std::string& address,
    const api::Request& request,
    ApiBackend::ForwardHandlers handlers
) {
    auto shared = std::make_shared<ApiBackend::ForwardHandlers>(std::move(handlers));
    auto call = peers.call(
        {.address = address, .method = "api", .request = encode(request), .timeout = std::nullopt},
        {.on_frame =
             [shared](io::Frame frame) {
                 if (frame.kind == "data") {
                     shared->on_data(std::move(frame.data));
                     return;
                 }
                 if (frame.kind == "session") {
                     shared->on_session();
                     return;
                 }
                 if (frame.kind == "message") {
                     shared->on_message(std::move(frame.data));
                     return;
                 }
                 if (frame.kind == "close") {
                     shared->on_session_close(
                         static_cast<std::uint16_t>(frame.id), std::move(frame.data)
                     );
                     return;
                 }
                 auto response = decode<api::Response>(frame.data);
                 if (!response) {
                     return;
                 }
                 if (frame.kind == "head") {
                     shared->on_head(std::move(*response));
                 } else {
                     shared->on_response(std::move(*response));
                 }
             },
         .on_done = [shared](Result<void> result) { shared->on_done(std::move(result)); }}
    );
    return [call] { call->cancel(); };
}

inline void send_control(
    io::PeerClient& peers,
    const std::string& address,
    const ForwardControl& control,
    std::function<void(Result<void>)> done
) {
    constexpr Duration kControlTimeout = seconds(30);
    peers.call_unary(
        {.address = address,
         .method = "api-control",
         .request = encode(control),
         .timeout = kControlTimeout},
        [callback = std::move(done)](Result<Bytes> answer) {
            callback(answer ? Result<void>() : std::unexpected(std::move(answer.error())));
        }
    );
}

}  // namespace nl::agent
