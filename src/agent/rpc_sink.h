#pragma once
// A request on its way between servers (Peer.Call, method "api"): the asking side decodes frames,
// the answering side writes them. Frames: "response" (a whole api::Response) or "head" (status and
// headers) and any number of "data". docs/formats/transport.md.

#include "agent/api_backend.h"
#include "agent/api_pump.h"
#include "io/grpc/grpc_server.h"
#include "io/grpc/peer_client.h"

namespace nl::agent {

class RpcSink final : public AnswerSink {
public:
    explicit RpcSink(std::shared_ptr<io::Responder> responder) : responder_(std::move(responder)) {}

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
    bool write(Bytes chunk) override {
        return responder_->write({.kind = "data", .id = 0, .data = std::move(chunk)});
    }
    void end() override { responder_->finish({}); }
    void abort() override { responder_->finish(fail(ErrorCode::Aborted, "the stream was cut")); }
    void on_close(std::function<void()> callback) override {
        responder_->on_cancel(std::move(callback));
    }
    /// The backlog of a forwarded stream is large; one that outgrows it is cut, so nothing has to
    /// be told.
    void on_writable(std::function<void()>) override {}

private:
    std::shared_ptr<io::Responder> responder_;
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

}  // namespace nl::agent
