#include "io/http/internal/connection.h"

#include "base/check.h"
#include "io/http/internal/exchange.h"
#include "io/http/url.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include <ctime>
#include <utility>

namespace nl::io::http::internal {

namespace beast_http = boost::beast::http;

namespace {

/// A waiting connection keeps only a small read buffer; a body is read in larger pieces.
constexpr std::size_t kIdleReadBytes = 2 << 10;
constexpr std::size_t kBodyReadBytes = 64 << 10;
/// Requests sent ahead of the answers: past this the connection isn't read until one is answered.
constexpr std::size_t kPipelinedBytesMax = 64 << 10;
/// Body bytes that move the body deadline.
constexpr std::size_t kProgressBytes = 1 << 10;
/// One write call's bytes, so that the write deadline sees progress.
constexpr std::size_t kSliceBytes = 256 << 10;
constexpr std::size_t kSlicesMax = 16;
/// How long and how much a refused client may go on sending before the socket closes.
constexpr Duration kLingerTime = seconds(2);
constexpr std::size_t kLingerBytesMax = 4 << 20;
constexpr Duration kCloseHandshakeTime = seconds(5);
constexpr std::string_view kTooManyConnections =
    "Your IP is issuing too many concurrent connections, please rate limit your calls\n";

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return out;
}

/// A header's value may not end its line: that would let data write headers.
void append_field(Bytes& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ");
    for (const char c : value) {
        out.push_back(c == '\r' || c == '\n' ? ' ' : c);
    }
    out.append("\r\n");
}

std::string http_date() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 40> text{};
    const std::size_t size =
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return {text.data(), size};
}

bool has_no_body(std::int64_t status) {
    return status < 200 || status == 204 || status == 304;
}

}  // namespace

Connection::Connection(
    std::shared_ptr<HttpServer::Core> core,
    std::unique_ptr<ByteStream> stream,
    Strand strand,
    std::string client,
    std::string peer
)
    : core_(std::move(core)),
      stream_(std::move(stream)),
      strand_(std::move(strand)),
      client_(std::move(client)),
      peer_(std::move(peer)) {}

Connection::~Connection() {
    forget();
}

void Connection::forget() {
    if (!std::exchange(forgotten_, true)) {
        core_->forget(this, client_, admission_ == HttpServer::Core::Admission::Welcome);
    }
}

void Connection::start() {
    deadline_in(limits().handshake_timeout);
    stream_->handshake([self = shared_from_this()](ErrorCodeAsio ec) {
        if (ec) {
            self->shut();
            return;
        }
        self->common_name_ = self->stream_->peer_common_name();
        self->state_ = State::Reading;
        if (self->admission_ != HttpServer::Core::Admission::Welcome) {
            self->reject(429, std::string(kTooManyConnections));
            return;
        }
        self->deadline_in(self->limits().idle_timeout);
        self->read_more();
    });
}

void Connection::deadline_in(Duration span) {
    deadline_ns_.store(monotonic_ns() + span.ns, std::memory_order_relaxed);
}

void Connection::sweep(std::int64_t now_ns) {
    if (now_ns <= deadline_ns_.load(std::memory_order_relaxed)) {
        return;
    }
    asio::post(strand_, [self = shared_from_this()] {
        // The deadline may have moved while this was on its way.
        if (monotonic_ns() > self->deadline_ns_.load(std::memory_order_relaxed)) {
            self->shut();
        }
    });
}

void Connection::close_soon(Closing how) {
    asio::post(strand_, [self = shared_from_this(), how] {
        self->close_when_idle_ = true;
        const bool idle = !self->in_exchange_ && self->state_ != State::Lingering;
        if (how == Closing::Now || idle) {
            self->shut();
        }
    });
}

// ---- reading

void Connection::read_more() {
    if (reading_ || read_closed_ || dead_) {
        return;
    }
    reading_ = true;
    const std::size_t size =
        header_seen_ && state_ == State::Reading ? kBodyReadBytes : kIdleReadBytes;
    if (read_buffer_.size() != size) {
        std::string fresh(size, '\0');
        read_buffer_.swap(fresh);
    }
    stream_->read_some(
        asio::buffer(read_buffer_),
        [self = shared_from_this()](ErrorCodeAsio ec, std::size_t count) {
            self->on_read(ec, count);
        }
    );
}

void Connection::on_read(ErrorCodeAsio ec, std::size_t count) {
    reading_ = false;
    if (dead_) {
        return;
    }
    if (ec) {
        read_closed_ = true;
        switch (state_) {
            case State::Handshake:
            case State::Reading:
            case State::WebSocket:
            case State::Lingering:
                shut();
                return;
            case State::Busy:
            case State::Streaming:
                // A client that only closed its sending side still gets its answer.
                client_left();
                return;
        }
    }
    const BytesView bytes = BytesView(read_buffer_).substr(0, count);
    switch (state_) {
        case State::Handshake:
            NL_UNREACHABLE();
        case State::Reading:
            in_.append(bytes);
            parse();
            return;
        case State::Busy:
        case State::Streaming:
            in_.append(bytes);
            if (in_.size() < kPipelinedBytesMax) {
                read_more();
            }
            return;
        case State::WebSocket:
            on_frames(bytes);
            if (state_ == State::WebSocket) {
                read_more();
            }
            return;
        case State::Lingering:
            lingered_ += count;
            if (lingered_ > kLingerBytesMax) {
                shut();
                return;
            }
            read_more();
            return;
    }
}

void Connection::parse() {
    while (true) {
        if (parser_ && parser_->is_done()) {
            dispatch();
            return;
        }
        if (in_.empty()) {
            read_more();
            return;
        }
        if (!parser_) {
            parser_ = std::make_unique<Parser>();
            parser_->header_limit(static_cast<std::uint32_t>(limits().header_bytes_max));
            // The limit depends on the path, so it is set once the header is known.
            parser_->body_limit(boost::none);
            header_seen_ = false;
            progress_ = 0;
            deadline_in(limits().header_timeout);
        }
        ErrorCodeAsio ec;
        const std::size_t used = parser_->put(asio::buffer(in_), ec);
        in_.erase(0, used);
        if (header_seen_) {
            progress_ += used;
            if (progress_ >= kProgressBytes) {
                progress_ = 0;
                deadline_in(limits().body_timeout);
            }
        }
        if (ec == beast_http::error::need_more) {
            read_more();
            return;
        }
        if (ec == beast_http::error::header_limit) {
            reject(
                431,
                fmt::format(
                    "request header is larger than the limit of {} bytes", limits().header_bytes_max
                )
            );
            return;
        }
        if (ec == beast_http::error::body_limit) {
            reject(413, "request body is larger than the limit for this path");
            return;
        }
        if (ec) {
            reject(400, fmt::format("not an HTTP request: {}", ec.message()));
            return;
        }
        if (!header_seen_ && parser_->is_header_done()) {
            on_header();
            if (state_ != State::Reading) {
                return;
            }
        }
    }
}

void Connection::on_header() {
    header_seen_ = true;
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    http10_ = message.version() < 11;
    head_only_ = message.method() == beast_http::verb::head;
    if (parser_->is_done()) {
        return;
    }
    deadline_in(limits().body_timeout);
    std::size_t body_bytes_max = limits().body_bytes_max;
    if (limits().body_bytes_for) {
        if (const auto target = parse_target({message.target().data(), message.target().size()})) {
            const auto method = message.method_string();
            body_bytes_max = limits().body_bytes_for({method.data(), method.size()}, target->path);
        }
    }
    parser_->body_limit(body_bytes_max);
    const auto length = parser_->content_length();
    if (length && *length > body_bytes_max) {
        reject(
            413,
            fmt::format(
                "request body of {} bytes is larger than the limit of {} bytes",
                *length,
                body_bytes_max
            )
        );
        return;
    }
    const auto expect = message[beast_http::field::expect];
    if (lower({expect.data(), expect.size()}) == "100-continue" && in_.empty()) {
        enqueue("HTTP/1.1 100 Continue\r\n\r\n");
    }
}

void Connection::dispatch() {
    auto message = parser_->release();
    parser_.reset();
    api::Request request;
    request.method.assign(message.method_string().data(), message.method_string().size());
    auto target = parse_target({message.target().data(), message.target().size()});
    if (!target) {
        reject(400, target.error().message);
        return;
    }
    if (!http10_ && message.count(beast_http::field::host) == 0) {
        reject(400, "missing required Host header");
        return;
    }
    request.path = std::move(target->path);
    request.raw_path = std::move(target->raw_path);
    request.query = std::move(target->query);
    for (const auto& field : message) {
        request.headers.push_back(
            {lower({field.name_string().data(), field.name_string().size()}),
             std::string(field.value())}
        );
    }
    request.body = std::move(message.body());
    request.peer = peer_;
    request.tls_common_name = common_name_;

    state_ = State::Busy;
    in_exchange_ = true;
    finished_ = false;
    chunked_ = false;
    ++exchange_;
    no_deadline();
    core_->requests.fetch_add(1, std::memory_order_relaxed);
    core_->exchanges_open.fetch_add(1, std::memory_order_relaxed);
    if (in_.empty()) {
        // A parked request holds no buffer but the small one that sees its client leave.
        std::string().swap(in_);
    }
    auto exchange = std::make_shared<Exchange>(shared_from_this(), exchange_, request);
    core_->handler(std::move(request), std::move(exchange));
    // Last, because the answer often stands by now and the next request needs no second buffer.
    if ((state_ == State::Busy || state_ == State::Streaming) && in_.size() < kPipelinedBytesMax) {
        read_more();
    }
}

void Connection::next_request() {
    if (in_exchange_) {
        in_exchange_ = false;
        core_->exchanges_open.fetch_sub(1, std::memory_order_relaxed);
    }
    const auto dropped_close = std::exchange(on_close_, nullptr);
    const auto dropped_writable = std::exchange(on_writable_, nullptr);
    write_refused_ = false;
    if (!keep_alive_ || close_when_idle_ || state_ == State::WebSocket) {
        linger();
        return;
    }
    state_ = State::Reading;
    header_seen_ = false;
    if (in_.empty()) {
        if (read_closed_) {
            shut();
            return;
        }
        deadline_in(limits().idle_timeout);
        read_more();
        return;
    }
    parse();
}

void Connection::reject(std::int64_t status, std::string text) {
    if (dead_) {
        return;
    }
    state_ = State::Busy;
    parser_.reset();
    keep_alive_ = false;
    head_only_ = false;
    finished_ = true;
    const std::vector<api::NameValue> fields{
        {"Content-Type", "text/plain; charset=utf-8"},
        {"Content-Length", fmt::format("{}", text.size())},
    };
    enqueue(head_text(status, fields, "") + text);
}

void Connection::on_frames(BytesView bytes) {
    auto frames = frames_->feed(bytes);
    const auto end = [this](std::uint16_t code, std::string reason) {
        const auto handler = std::exchange(websocket_.on_close, nullptr);
        websocket_.on_message = nullptr;
        finished_ = true;
        if (handler) {
            handler(code, std::move(reason));
        }
        if (!write_active_) {
            next_request();
        }
    };
    if (!frames) {
        std::uint16_t code = kCloseProtocolError;
        if (frames.error().code == ErrorCode::TooLarge) {
            code = kCloseTooBig;
        } else if (frames.error().code == ErrorCode::InvalidArgument) {
            code = kCloseBadData;
        }
        if (!std::exchange(close_sent_, true)) {
            enqueue(encode_close(code, frames.error().message));
        }
        end(code, frames.error().message);
        return;
    }
    for (Frame& frame : *frames) {
        switch (frame.opcode) {
            case Opcode::Text:
            case Opcode::Binary:
                if (const auto handler = websocket_.on_message; handler && !close_sent_) {
                    handler(std::move(frame.payload));
                }
                break;
            case Opcode::Ping:
                // A client that floods with pings and reads nothing gets fewer pongs.
                if (out_.size() < kSlicesMax && !close_sent_) {
                    enqueue(encode_frame(Opcode::Pong, frame.payload));
                }
                break;
            case Opcode::Close: {
                auto reason = decode_close(frame.payload);
                const std::uint16_t code = reason ? reason->code : kCloseProtocolError;
                if (!std::exchange(close_sent_, true)) {
                    enqueue(encode_close(code == 1005 ? kCloseNormal : code, ""));
                }
                end(code, reason ? std::move(reason->reason) : reason.error().message);
                return;
            }
            case Opcode::Pong:
            case Opcode::Continuation:
                break;
        }
    }
}

// ---- writing

void Connection::enqueue(Bytes data, std::size_t counted) {
    NL_ASSERT(!data.empty());
    if (dead_) {
        return;
    }
    out_.emplace_back(std::move(data), counted);
    write_more();
}

void Connection::write_more() {
    if (write_active_ || out_.empty() || dead_) {
        return;
    }
    std::vector<asio::const_buffer> buffers;
    std::size_t bytes = 0;
    std::size_t offset = slice_at_;
    for (const auto& [data, counted] : out_) {
        const std::size_t size = std::min(data.size() - offset, kSliceBytes - bytes);
        buffers.emplace_back(data.data() + offset, size);
        bytes += size;
        offset = 0;
        if (bytes == kSliceBytes || buffers.size() == kSlicesMax) {
            break;
        }
    }
    write_active_ = true;
    deadline_in(limits().write_timeout);
    stream_->write_all(
        std::move(buffers),
        [self = shared_from_this(), bytes](ErrorCodeAsio ec, std::size_t) {
            self->on_written(ec, bytes);
        }
    );
}

void Connection::on_written(ErrorCodeAsio ec, std::size_t bytes) {
    write_active_ = false;
    if (ec || dead_) {
        shut();
        return;
    }
    while (bytes > 0) {
        auto& [data, counted] = out_.front();
        const std::size_t left = data.size() - slice_at_;
        if (bytes < left) {
            slice_at_ += bytes;
            break;
        }
        bytes -= left;
        buffered_ -= counted;
        slice_at_ = 0;
        out_.pop_front();
    }
    if (write_refused_ && buffered_ < limits().stream_buffer_bytes_max / 2) {
        write_refused_ = false;
        if (const auto callback = on_writable_) {
            callback();
        }
    }
    if (!out_.empty()) {
        write_more();
        return;
    }
    if (write_active_ || dead_) {
        return;
    }
    if (state_ == State::Reading) {
        // Only "100 Continue" is written while a request is still being read.
        deadline_in(limits().body_timeout);
        return;
    }
    if (finished_ && state_ != State::Lingering) {
        next_request();
        return;
    }
    if (close_sent_) {
        deadline_in(kCloseHandshakeTime);
    } else {
        no_deadline();
    }
}

void Connection::linger() {
    state_ = State::Lingering;
    lingered_ = 0;
    deadline_in(kLingerTime);
    const bool tls = stream_->is_tls();
    stream_->finish_sending([self = shared_from_this(), tls](ErrorCodeAsio ec) {
        if (ec || tls || self->read_closed_) {
            self->shut();
            return;
        }
        // Closing with unread input would reset the connection before the answer is read.
        self->read_more();
    });
}

void Connection::client_left() {
    if (gone_.exchange(true)) {
        return;
    }
    if (const auto callback = std::exchange(on_close_, nullptr)) {
        callback();
    }
    websocket_.on_message = nullptr;
    if (const auto callback = std::exchange(websocket_.on_close, nullptr)) {
        callback(1006, "the connection is gone");
    }
}

void Connection::shut() {
    if (dead_.exchange(true)) {
        if (!write_active_) {
            out_.clear();
        }
        return;
    }
    no_deadline();
    stream_->close();
    forget();
    client_left();
    const auto dropped_writable = std::exchange(on_writable_, nullptr);
    if (in_exchange_) {
        in_exchange_ = false;
        core_->exchanges_open.fetch_sub(1, std::memory_order_relaxed);
    }
    parser_.reset();
    if (!write_active_) {
        out_.clear();
    }
}

// ---- the exchange's side

Bytes Connection::head_text(
    std::int64_t status, const std::vector<api::NameValue>& fields, std::string_view extra
) const {
    const auto reason =
        beast_http::obsolete_reason(beast_http::int_to_status(static_cast<unsigned>(status)));
    Bytes out =
        fmt::format("HTTP/1.1 {} {}\r\n", status, std::string_view(reason.data(), reason.size()));
    for (const auto& [name, value] : fields) {
        append_field(out, name, value);
    }
    for (const auto& [name, value] : core_->options.response_headers) {
        append_field(out, name, value);
    }
    append_field(out, "Date", http_date());
    if (!keep_alive_) {
        append_field(out, "Connection", "close");
    } else if (http10_) {
        append_field(out, "Connection", "keep-alive");
    }
    out.append(extra);
    out.append("\r\n");
    return out;
}

void Connection::send_response(std::uint64_t exchange, api::Response response) {
    if (!current(exchange) || finished_ || state_ != State::Busy) {
        return;
    }
    finished_ = true;
    if (close_when_idle_) {
        keep_alive_ = false;
    }
    const bool bare = has_no_body(response.status);
    if (!bare) {
        response.headers.push_back({"Content-Length", fmt::format("{}", response.body.size())});
    }
    Bytes head = head_text(response.status, response.headers, "");
    if (bare || head_only_ || response.body.empty()) {
        enqueue(std::move(head));
        return;
    }
    // Small answers leave in one piece, large ones without being copied.
    constexpr std::size_t kJoinBytes = 16 << 10;
    if (response.body.size() <= kJoinBytes) {
        head += response.body;
        enqueue(std::move(head));
        return;
    }
    out_.emplace_back(std::move(head), 0);
    enqueue(std::move(response.body));
}

void Connection::send_head(
    std::uint64_t exchange, std::int64_t status, std::vector<api::NameValue> fields
) {
    if (!current(exchange) || finished_ || state_ != State::Busy) {
        return;
    }
    state_ = State::Streaming;
    chunked_ = !http10_ && !has_no_body(status);
    if (!chunked_) {
        // Without chunks the end of the connection is the end of the body.
        keep_alive_ = false;
    }
    enqueue(head_text(status, fields, chunked_ ? "Transfer-Encoding: chunked\r\n" : ""));
}

void Connection::send_chunk(std::uint64_t exchange, Bytes chunk) {
    const std::size_t counted = chunk.size();
    if (!current(exchange) || finished_ || state_ != State::Streaming || head_only_ || dead_) {
        buffered_ -= counted;
        return;
    }
    if (chunked_) {
        Bytes framed = fmt::format("{:x}\r\n", chunk.size());
        framed += chunk;
        framed += "\r\n";
        chunk = std::move(framed);
    }
    enqueue(std::move(chunk), counted);
}

void Connection::finish(std::uint64_t exchange) {
    if (!current(exchange) || finished_ || state_ != State::Streaming) {
        return;
    }
    finished_ = true;
    if (chunked_ && !head_only_) {
        enqueue("0\r\n\r\n");
    } else if (!write_active_) {
        next_request();
    }
}

void Connection::send_upgrade(
    std::uint64_t exchange, std::string accept, WebSocketHandlers handlers
) {
    if (!current(exchange) || state_ != State::Busy || finished_) {
        return;
    }
    if (gone_) {
        if (handlers.on_close) {
            handlers.on_close(1006, "the connection is gone");
        }
        return;
    }
    state_ = State::WebSocket;
    websocket_ = std::move(handlers);
    frames_ = std::make_unique<FrameReader>(Side::Server, limits().websocket_message_bytes_max);
    close_sent_ = false;
    keep_alive_ = true;
    enqueue(head_text(
        101,
        {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}},
        ""
    ));
    keep_alive_ = false;
    const std::string early = std::exchange(in_, {});
    if (!early.empty()) {
        on_frames(early);
    }
    if (state_ == State::WebSocket) {
        read_more();
    }
}

void Connection::send_message(std::uint64_t exchange, Bytes message) {
    const std::size_t counted = message.size();
    if (!current(exchange) || state_ != State::WebSocket || close_sent_ || dead_) {
        buffered_ -= counted;
        return;
    }
    enqueue(encode_frame(Opcode::Text, message), counted);
}

void Connection::send_close(std::uint64_t exchange, std::uint16_t code, std::string reason) {
    if (!current(exchange) || state_ != State::WebSocket || std::exchange(close_sent_, true)) {
        return;
    }
    enqueue(encode_close(code, reason));
}

void Connection::cut(std::uint64_t exchange) {
    if (current(exchange)) {
        shut();
    }
}

void Connection::set_on_close(std::uint64_t exchange, std::function<void()> callback) {
    if (!current(exchange) || gone_) {
        // The answer may be complete already; then there is nothing left to be told.
        if (gone_ && exchange == exchange_ && callback) {
            callback();
        }
        return;
    }
    on_close_ = std::move(callback);
}

void Connection::set_on_writable(std::uint64_t exchange, std::function<void()> callback) {
    if (current(exchange)) {
        on_writable_ = std::move(callback);
    }
}

}  // namespace nl::io::http::internal
