#include "io/http/internal/exchange.h"

#include "io/http/gzip.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace nl::io::http::internal {
namespace {

/// Below this, gzip's own header eats what it saves.
constexpr std::size_t kGzipBytesMin = 1024;

bool same_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

bool is_compressible(const std::vector<api::NameValue>& headers) {
    bool text = false;
    for (const auto& [name, value] : headers) {
        if (same_ignoring_case(name, "content-encoding")) {
            return false;
        }
        if (same_ignoring_case(name, "content-type")) {
            text = value.starts_with("text/") || value.starts_with("application/json") ||
                   value.starts_with("application/javascript") || value.starts_with("image/svg");
        }
    }
    return text;
}

bool has_token(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        std::string_view item = list.substr(0, comma);
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
        while (item.starts_with(' ')) {
            item.remove_prefix(1);
        }
        while (item.ends_with(' ')) {
            item.remove_suffix(1);
        }
        if (same_ignoring_case(item, token)) {
            return true;
        }
    }
    return false;
}

}  // namespace

Exchange::Exchange(
    std::shared_ptr<Connection> connection, std::uint64_t number, const api::Request& request
)
    : connection_(std::move(connection)), number_(number) {
    bool upgrade_header = false;
    bool connection_header = false;
    bool version = false;
    for (const auto& [name, value] : request.headers) {
        if (name == "accept-encoding") {
            gzip_ = gzip_ || accepts_gzip(value);
        } else if (name == "upgrade") {
            upgrade_header = has_token(value, "websocket");
        } else if (name == "connection") {
            connection_header = connection_header || has_token(value, "upgrade");
        } else if (name == "sec-websocket-version") {
            version = value == "13";
        } else if (name == "sec-websocket-key") {
            websocket_accept_ = value.empty() ? "" : websocket_accept(value);
        }
    }
    wants_upgrade_ = upgrade_header && connection_header;
    if (!version || request.method != "GET") {
        websocket_accept_.clear();
    }
}

Exchange::~Exchange() {
    const Stage stage = stage_;
    switch (stage) {
        case Stage::Waiting:
            respond(
                {500,
                 {{"Content-Type", "text/plain; charset=utf-8"}},
                 "the request was dropped without an answer"}
            );
            return;
        case Stage::Streaming:
            abort();
            return;
        case Stage::Session:
            close(kCloseInternal, "the session was dropped");
            return;
        case Stage::Done:
            return;
    }
}

template <class Function>
void Exchange::on_strand(Function function) {
    // Once the socket is closed nothing is posted: the server may have stopped, and its event loop
    // would then keep the connection, and so itself, for ever.
    if (connection_->dead_) {
        return;
    }
    asio::dispatch(
        connection_->strand_,
        [connection = connection_, number = number_, function = std::move(function)]() mutable {
            function(*connection, number);
        }
    );
}

bool Exchange::advance(Stage from, Stage to) {
    return stage_.compare_exchange_strong(from, to);
}

void Exchange::respond(api::Response response) {
    if (!advance(Stage::Waiting, Stage::Done)) {
        return;
    }
    if (gzip_ && response.body.size() >= kGzipBytesMin && is_compressible(response.headers)) {
        response.body = gzip_compress(response.body);
        response.headers.push_back({"Content-Encoding", "gzip"});
        response.headers.push_back({"Vary", "Accept-Encoding"});
    }
    on_strand([response = std::move(response)](Connection& c, std::uint64_t n) mutable {
        c.send_response(n, std::move(response));
    });
}

void Exchange::start_stream(std::int64_t status, std::vector<api::NameValue> headers) {
    if (!advance(Stage::Waiting, Stage::Streaming)) {
        return;
    }
    on_strand([status, headers = std::move(headers)](Connection& c, std::uint64_t n) mutable {
        c.send_head(n, status, std::move(headers));
    });
}

bool Exchange::reserve(std::size_t size) {
    if (connection_->gone_) {
        return false;
    }
    const std::size_t max = connection_->limits().stream_buffer_bytes_max;
    std::size_t held = connection_->buffered_;
    while (true) {
        // One chunk always fits an empty buffer, whatever its size.
        if (held > 0 && held + size > max) {
            connection_->write_refused_ = true;
            // The buffer may have drained between the look and the mark; then no drain is left to
            // tell of, so look again.
            if (connection_->buffered_ > 0) {
                return false;
            }
            held = 0;
        }
        if (connection_->buffered_.compare_exchange_weak(held, held + size)) {
            return true;
        }
    }
}

bool Exchange::write(Bytes chunk) {
    if (stage_ != Stage::Streaming) {
        return false;
    }
    if (chunk.empty()) {
        return !connection_->gone_;
    }
    if (!reserve(chunk.size())) {
        return false;
    }
    on_strand([chunk = std::move(chunk)](Connection& c, std::uint64_t n) mutable {
        c.send_chunk(n, std::move(chunk));
    });
    return true;
}

void Exchange::end() {
    if (advance(Stage::Streaming, Stage::Done)) {
        on_strand([](Connection& c, std::uint64_t n) { c.finish(n); });
    }
}

void Exchange::on_close(std::function<void()> callback) {
    if (connection_->dead_) {
        callback();
        return;
    }
    on_strand([callback = std::move(callback)](Connection& c, std::uint64_t n) mutable {
        c.set_on_close(n, std::move(callback));
    });
}

void Exchange::on_writable(std::function<void()> callback) {
    on_strand([callback = std::move(callback)](Connection& c, std::uint64_t n) mutable {
        c.set_on_writable(n, std::move(callback));
    });
}

bool Exchange::upgrade(WebSocketHandlers handlers) {
    if (!wants_upgrade_ || websocket_accept_.empty()) {
        respond(
            {400,
             {{"Content-Type", "text/plain; charset=utf-8"}},
             "this path needs a WebSocket handshake (RFC 6455, version 13)"}
        );
        return false;
    }
    if (!advance(Stage::Waiting, Stage::Session)) {
        return false;
    }
    // Posted, not dispatched: a message that came with the handshake must not be handed over before
    // the caller has returned from here.
    asio::post(
        connection_->strand_,
        [connection = connection_,
         number = number_,
         accept = websocket_accept_,
         handlers = std::move(handlers)]() mutable {
            connection->send_upgrade(number, std::move(accept), std::move(handlers));
        }
    );
    return true;
}

bool Exchange::send_text(Bytes message) {
    if (stage_ != Stage::Session || !reserve(message.size())) {
        return false;
    }
    asio::post(
        connection_->strand_,
        [connection = connection_, number = number_, message = std::move(message)]() mutable {
            connection->send_message(number, std::move(message));
        }
    );
    return true;
}

void Exchange::close(std::uint16_t code, std::string reason) {
    if (!advance(Stage::Session, Stage::Done)) {
        return;
    }
    asio::post(
        connection_->strand_,
        [connection = connection_, number = number_, code, reason = std::move(reason)]() mutable {
            connection->send_close(number, code, std::move(reason));
        }
    );
}

void Exchange::abort() {
    stage_ = Stage::Done;
    on_strand([](Connection& c, std::uint64_t n) { c.cut(n); });
}

}  // namespace nl::io::http::internal
