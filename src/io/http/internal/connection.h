#pragma once
// One connection of the server: reads requests one after another, hands each to the handler with a
// Responder, writes the answer, and closes slow or broken clients. All but the functions marked
// "any thread" run on the connection's strand. Internal to io/http.

#include "io/http/internal/core.h"
#include "io/http/websocket_frames.h"

#include <boost/asio/strand.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace nl::io::http::internal {

using Strand = asio::strand<asio::io_context::executor_type>;

class Connection final : public std::enable_shared_from_this<Connection> {
public:
    Connection(
        std::shared_ptr<HttpServer::Core> core,
        std::unique_ptr<ByteStream> stream,
        Strand strand,
        std::string client,
        std::string peer
    );
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// Before anything else.
    void admit_as(HttpServer::Core::Admission admission) { admission_ = admission; }
    void start();
    /// Any thread: closes if the deadline of what it is doing has passed.
    void sweep(std::int64_t now_ns);
    /// Any thread: closes at once (`Now`) or as soon as no request is in progress.
    enum class Closing : unsigned char { Now, WhenIdle };
    void close_soon(Closing how);

private:
    friend class Exchange;
    enum class State : unsigned char { Handshake, Reading, Busy, Streaming, WebSocket, Lingering };
    using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

    // Reading.
    void read_more();
    void on_read(ErrorCodeAsio ec, std::size_t count);
    void parse();
    void on_header();
    void dispatch();
    void next_request();
    void reject(std::int64_t status, std::string text);
    void on_frames(BytesView bytes);

    // Writing.
    void enqueue(Bytes data, std::size_t counted = 0);
    void write_more();
    void on_written(ErrorCodeAsio ec, std::size_t bytes);
    void linger();
    void shut();
    void forget();
    void client_left();

    // The exchange's side, called on the strand with the exchange's number; a late call is ignored.
    void send_response(std::uint64_t exchange, api::Response response);
    void send_head(std::uint64_t exchange, std::int64_t status, std::vector<api::NameValue> fields);
    void send_chunk(std::uint64_t exchange, Bytes chunk);
    void finish(std::uint64_t exchange);
    void send_upgrade(std::uint64_t exchange, std::string accept, WebSocketHandlers handlers);
    void send_message(std::uint64_t exchange, Bytes message);
    void send_close(std::uint64_t exchange, std::uint16_t code, std::string reason);
    void cut(std::uint64_t exchange);
    void set_on_close(std::uint64_t exchange, std::function<void()> callback);
    void set_on_writable(std::uint64_t exchange, std::function<void()> callback);

    bool current(std::uint64_t exchange) const { return exchange == exchange_ && in_exchange_; }
    Bytes head_text(
        std::int64_t status, const std::vector<api::NameValue>& fields, std::string_view extra
    ) const;
    void deadline_in(Duration span);
    void no_deadline() { deadline_ns_.store(INT64_MAX, std::memory_order_relaxed); }
    const Limits& limits() const { return core_->options.limits; }

    std::shared_ptr<HttpServer::Core> core_;
    std::unique_ptr<ByteStream> stream_;
    Strand strand_;
    std::string client_;
    std::string peer_;
    HttpServer::Core::Admission admission_ = HttpServer::Core::Admission::Full;
    bool forgotten_ = false;
    std::string common_name_;

    State state_ = State::Handshake;
    /// Bytes read and not yet parsed, and where the pending read puts its bytes: apart, because a
    /// read is pending while a request is in progress, to see the client leave.
    std::string in_;
    std::string read_buffer_;
    bool reading_ = false;
    bool read_closed_ = false;
    std::unique_ptr<Parser> parser_;
    bool header_seen_ = false;
    /// Body bytes since the deadline was last moved.
    std::size_t progress_ = 0;

    /// What is to be written, each with the bytes it counts in buffered_. The front is written from
    /// slice_at_ on.
    /// A list: an empty one holds no memory, and most connections only wait.
    std::list<std::pair<Bytes, std::size_t>> out_;
    std::size_t slice_at_ = 0;
    bool write_active_ = false;

    std::uint64_t exchange_ = 0;
    bool in_exchange_ = false;
    bool finished_ = false;
    bool keep_alive_ = true;
    bool http10_ = false;
    bool head_only_ = false;
    bool chunked_ = false;
    bool close_when_idle_ = false;
    std::size_t lingered_ = 0;
    std::function<void()> on_close_;
    std::function<void()> on_writable_;
    WebSocketHandlers websocket_;
    std::unique_ptr<FrameReader> frames_;
    bool close_sent_ = false;

    // Any thread.
    std::atomic<std::int64_t> deadline_ns_{INT64_MAX};
    std::atomic<std::size_t> buffered_{0};
    std::atomic<bool> write_refused_{false};
    /// The client has left or said that it sends no more: streams stop.
    std::atomic<bool> gone_{false};
    /// The socket is closed: nothing can be sent.
    std::atomic<bool> dead_{false};
};

}  // namespace nl::io::http::internal
