#pragma once
// A request's answer on an HTTP connection.

#include "agent/api_pump.h"
#include "agent/http_guard.h"
#include "io/http/responder.h"

#include <functional>
#include <memory>

namespace nl::agent {

class HttpSink final : public AnswerSink {
public:
    explicit HttpSink(std::shared_ptr<io::http::Responder> responder)
        : responder_(std::move(responder)) {}

    void respond(api::Response response) override {
        add_browser_headers(response.headers);
        responder_->respond(std::move(response));
    }
    void start_stream(std::int64_t status, std::vector<api::NameValue> headers) override {
        add_browser_headers(headers);
        responder_->start_stream(status, std::move(headers));
    }
    bool write(Bytes chunk) override { return responder_->write(std::move(chunk)); }
    void end() override { responder_->end(); }
    void abort() override { responder_->abort(); }
    void on_close(std::function<void()> callback) override {
        *closed_ = callback;
        responder_->on_close(std::move(callback));
    }
    void on_writable(std::function<void()> callback) override {
        responder_->on_writable(std::move(callback));
    }
    bool start_session(std::function<void(Bytes)> on_message) override {
        return responder_->upgrade(
            {.on_message = std::move(on_message),
             .on_close =
                 [closed = closed_](std::uint16_t, const std::string&) {
                     if (*closed) {
                         (*closed)();
                     }
                 }}
        );
    }
    bool send_message(Bytes message) override { return responder_->send_text(std::move(message)); }
    void close_session(std::uint16_t code, std::string reason) override {
        responder_->close(code, std::move(reason));
    }

private:
    std::shared_ptr<io::http::Responder> responder_;
    /// A session's end is told apart from a request's; both mean the same here.
    std::shared_ptr<std::function<void()>> closed_{std::make_shared<std::function<void()>>()};
};

}  // namespace nl::agent
