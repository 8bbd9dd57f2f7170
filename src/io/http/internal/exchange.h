#pragma once
// The Responder of one request: holds its connection and passes everything on to the connection's
// strand. Internal to io/http.

#include "io/http/internal/connection.h"
#include "io/http/responder.h"

#include <atomic>
#include <memory>
#include <string>

namespace nl::io::http::internal {

class Exchange final : public Responder {
public:
    Exchange(
        std::shared_ptr<Connection> connection, std::uint64_t number, const api::Request& request
    );
    ~Exchange() override;

    void respond(api::Response response) override;
    void start_stream(std::int64_t status, std::vector<api::NameValue> headers) override;
    bool write(Bytes chunk) override;
    void end() override;
    void on_close(std::function<void()> callback) override;
    void on_writable(std::function<void()> callback) override;
    bool wants_upgrade() const override { return wants_upgrade_; }
    bool upgrade(WebSocketHandlers handlers) override;
    bool send_text(Bytes message) override;
    void close(std::uint16_t code, std::string reason) override;
    void abort() override;

private:
    enum class Stage : unsigned char { Waiting, Streaming, Session, Done };
    /// Reserves room in the connection's buffer; false when it is full or the client is gone.
    bool reserve(std::size_t size);
    bool advance(Stage from, Stage to);
    template <class Function>
    void on_strand(Function function);

    std::shared_ptr<Connection> connection_;
    std::uint64_t number_;
    bool gzip_ = false;
    bool wants_upgrade_ = false;
    std::string websocket_accept_;
    std::atomic<Stage> stage_{Stage::Waiting};
};

}  // namespace nl::io::http::internal
