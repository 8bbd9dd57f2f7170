#pragma once
// A request's answer on an HTTP connection.

#include "agent/api_pump.h"
#include "io/http/responder.h"

namespace nl::agent {

class HttpSink final : public AnswerSink {
public:
    explicit HttpSink(std::shared_ptr<io::http::Responder> responder)
        : responder_(std::move(responder)) {}

    void respond(api::Response response) override { responder_->respond(std::move(response)); }
    void start_stream(std::int64_t status, std::vector<api::NameValue> headers) override {
        responder_->start_stream(status, std::move(headers));
    }
    bool write(Bytes chunk) override { return responder_->write(std::move(chunk)); }
    void end() override { responder_->end(); }
    void abort() override { responder_->abort(); }
    void on_close(std::function<void()> callback) override {
        responder_->on_close(std::move(callback));
    }
    void on_writable(std::function<void()> callback) override {
        responder_->on_writable(std::move(callback));
    }

private:
    std::shared_ptr<io::http::Responder> responder_;
};

}  // namespace nl::agent
