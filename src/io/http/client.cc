#include "io/http/client.h"

#include "base/check.h"
#include "io/http/internal/byte_stream.h"
#include "io/http/url.h"
#include "io/http/websocket_frames.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>
#include <openssl/rand.h>

#include <chrono>
#include <optional>
#include <utility>

namespace nl::io::http {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using internal::ByteStream;
using internal::ErrorCodeAsio;
using Clock = std::chrono::steady_clock;
using Parser = beast_http::response_parser<beast_http::string_body>;

namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::uint32_t kHeaderBytesMax = 256 << 10;
/// A connection kept longer than this may have been closed by the server just now; only requests
/// that may be sent twice use it.
constexpr std::chrono::seconds kTrustIdle{5};

bool may_repeat(const std::string& method) {
    return method == "GET" || method == "HEAD";
}

std::uint32_t random_mask() {
    std::uint32_t mask = 0;
    // A mask needs no secrecy from us, only variety; on failure a fixed one is still correct.
    static_cast<void>(RAND_bytes(reinterpret_cast<unsigned char*>(&mask), sizeof mask));
    return mask;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return out;
}

/// When a step must have ended.
struct Deadline {
    std::optional<Clock::time_point> at;

    static Deadline after(Duration span) {
        if (span.ns <= 0) {
            return {};
        }
        return {Clock::now() + std::chrono::nanoseconds(span.ns)};
    }
};

}  // namespace

struct HttpClient::Core {
    ClientOptions options;
    Address address;
    std::shared_ptr<asio::ssl::context> tls;
    asio::io_context io;
    std::unique_ptr<ByteStream> stream;
    std::string in;
    std::string read_buffer;
    Clock::time_point used_at;

    std::string shown() const {
        return address.scheme == Scheme::Unix ? "unix://" + address.path : address.authority();
    }

    void drop() {
        if (stream) {
            stream->close();
            // Cancelled operations still hold their buffers; they must end before those go.
            io.restart();
            io.run();
        }
        stream.reset();
        in.clear();
    }

    /// Runs the loop until `ended` or the deadline.
    bool run_until(const bool& ended, const Deadline& deadline) {
        io.restart();
        while (!ended) {
            const std::size_t ran = deadline.at ? io.run_one_until(*deadline.at) : io.run_one();
            if (ran == 0 && !ended) {
                return false;
            }
        }
        return true;
    }

    Error broken(std::string_view what, const ErrorCodeAsio& ec) const {
        return {ErrorCode::Unavailable, fmt::format("{} {}: {}", what, shown(), ec.message())};
    }
    Error timed_out(std::string_view what) const {
        return {ErrorCode::Timeout, fmt::format("{} {}: no answer in time", what, shown())};
    }

    Result<void> connect() {
        drop();
        const Deadline deadline = Deadline::after(options.connect_timeout);
        bool ended = false;
        ErrorCodeAsio failed;
        const auto done = [&](ErrorCodeAsio ec) {
            failed = ec;
            ended = true;
        };
        if (address.scheme == Scheme::Unix) {
            internal::Local::socket socket(io);
            socket.connect(internal::Local::endpoint(address.path), failed);
            if (failed) {
                return std::unexpected(broken("cannot connect to", failed));
            }
            stream = internal::local_stream(std::move(socket));
            return {};
        }
        internal::Tcp::resolver resolver(io);
        const auto found = resolver.resolve(address.host, address.port, failed);
        if (failed) {
            return std::unexpected(broken("cannot find", failed));
        }
        internal::Tcp::socket socket(io);
        asio::async_connect(socket, found, [&](ErrorCodeAsio ec, const internal::Tcp::endpoint&) {
            done(ec);
        });
        if (!run_until(ended, deadline)) {
            ErrorCodeAsio ignored;
            socket.close(ignored);
            run_until(ended, {});
            return std::unexpected(timed_out("cannot connect to"));
        }
        if (failed) {
            return std::unexpected(broken("cannot connect to", failed));
        }
        ErrorCodeAsio ignored;
        socket.set_option(asio::ip::tcp::no_delay(true), ignored);
        if (address.scheme == Scheme::Http) {
            stream = internal::plain_stream(std::move(socket));
            return {};
        }
        const std::string& name =
            options.tls.server_name.empty() ? address.host : options.tls.server_name;
        NL_TRY(stream, internal::tls_client_stream(std::move(socket), tls, name));
        ended = false;
        stream->handshake(done);
        if (!run_until(ended, deadline)) {
            drop();
            return std::unexpected(timed_out("no TLS handshake with"));
        }
        if (failed) {
            const Error error = broken("TLS handshake failed with", failed);
            drop();
            return std::unexpected(error);
        }
        return {};
    }

    Result<void> write(BytesView data, const Deadline& deadline) {
        bool ended = false;
        ErrorCodeAsio failed;
        stream->write_all({asio::buffer(data)}, [&](ErrorCodeAsio ec, std::size_t) {
            failed = ec;
            ended = true;
        });
        if (!run_until(ended, deadline)) {
            stream->close();
            run_until(ended, {});
            drop();
            return std::unexpected(timed_out("sending to"));
        }
        if (failed) {
            const Error error = broken("sending to", failed);
            drop();
            return std::unexpected(error);
        }
        return {};
    }

    /// Appends to `in`; false at the end of the stream.
    Result<bool> read(const Deadline& deadline) {
        bool ended = false;
        ErrorCodeAsio failed;
        std::size_t size = 0;
        read_buffer.resize(kReadBytes);
        stream->read_some(asio::buffer(read_buffer), [&](ErrorCodeAsio ec, std::size_t count) {
            failed = ec;
            size = count;
            ended = true;
        });
        if (!run_until(ended, deadline)) {
            stream->close();
            run_until(ended, {});
            drop();
            return std::unexpected(timed_out("waiting for"));
        }
        if (failed == asio::error::eof || failed == asio::ssl::error::stream_truncated) {
            return false;
        }
        if (failed) {
            const Error error = broken("reading from", failed);
            drop();
            return std::unexpected(error);
        }
        in.append(read_buffer, 0, size);
        return true;
    }

    Bytes request_text(const ClientRequest& request) const {
        Bytes out = fmt::format(
            "{} {}{} HTTP/1.1\r\nHost: {}\r\n",
            request.method,
            address.scheme == Scheme::Unix ? "" : address.path,
            request.target,
            address.authority()
        );
        for (const auto& [name, value] : request.headers) {
            NL_ASSERT(value.find_first_of("\r\n") == std::string::npos);
            out += fmt::format("{}: {}\r\n", name, value);
        }
        if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
            out += fmt::format("Content-Length: {}\r\n", request.body.size());
        }
        out += "\r\n";
        out += request.body;
        return out;
    }

    struct Answer {
        api::Response response;
        bool nothing_came = false;
    };
    Result<api::Response> exchange(
        const ClientRequest& request, const std::function<bool(BytesView)>* on_data
    );
    Result<Answer> exchange_once(
        const ClientRequest& request,
        const std::function<bool(BytesView)>* on_data,
        const Deadline& deadline
    );
};

namespace {

api::Response head_of(const Parser& parser) {
    api::Response out;
    out.status = parser.get().result_int();
    for (const auto& field : parser.get()) {
        out.headers.push_back(
            {lower({field.name_string().data(), field.name_string().size()}),
             std::string(field.value())}
        );
    }
    return out;
}

}  // namespace

Result<HttpClient::Core::Answer> HttpClient::Core::exchange_once(
    const ClientRequest& request,
    const std::function<bool(BytesView)>* on_data,
    const Deadline& deadline
) {
    NL_TRY_VOID(write(request_text(request), deadline));
    auto parser = std::make_unique<Parser>();
    const auto fresh_parser = [&] {
        parser = std::make_unique<Parser>();
        parser->header_limit(kHeaderBytesMax);
        parser->body_limit(boost::none);
        parser->skip(request.method == "HEAD");
    };
    fresh_parser();
    Answer out;
    bool any = false;
    bool head_done = false;
    bool to_callback = false;
    while (!parser->is_done()) {
        if (in.empty()) {
            const bool streaming = to_callback && head_done;
            NL_TRY(
                const bool more, read(streaming ? Deadline::after(request.idle_timeout) : deadline)
            );
            if (!more) {
                if (!any) {
                    out.nothing_came = true;
                    drop();
                    return out;
                }
                ErrorCodeAsio ec;
                parser->put_eof(ec);
                if (ec) {
                    drop();
                    return fail(
                        ErrorCode::Unavailable,
                        "{} closed the connection in the middle of its answer",
                        shown()
                    );
                }
                break;
            }
        }
        any = true;
        ErrorCodeAsio ec;
        const std::size_t used = parser->put(asio::buffer(in), ec);
        in.erase(0, used);
        if (ec && ec != beast_http::error::need_more) {
            drop();
            return fail(
                ErrorCode::Corruption, "{} does not answer in HTTP: {}", shown(), ec.message()
            );
        }
        if (!head_done && parser->is_header_done()) {
            if (parser->get().result_int() / 100 == 1 && parser->get().result_int() != 101) {
                fresh_parser();
                continue;
            }
            head_done = true;
            out.response = head_of(*parser);
            to_callback = on_data != nullptr && out.response.status < 300;
        }
        Bytes& body = parser->get().body();
        if (to_callback && !body.empty()) {
            const bool go_on = (*on_data)(body);
            body.clear();
            if (!go_on) {
                drop();
                return out;
            }
        } else if (body.size() > options.body_bytes_max) {
            drop();
            return fail(
                ErrorCode::TooLarge,
                "the answer of {} is larger than {} bytes",
                shown(),
                options.body_bytes_max
            );
        }
        if (ec == beast_http::error::need_more && !parser->is_done()) {
            const bool streaming = to_callback && head_done;
            NL_TRY(
                const bool more, read(streaming ? Deadline::after(request.idle_timeout) : deadline)
            );
            if (!more) {
                ErrorCodeAsio eof;
                parser->put_eof(eof);
                if (eof) {
                    drop();
                    return fail(
                        ErrorCode::Unavailable,
                        "{} closed the connection in the middle of its answer",
                        shown()
                    );
                }
                break;
            }
        }
    }
    const bool keep = parser->keep_alive();
    out.response.body = std::move(parser->get().body());
    used_at = Clock::now();
    if (!keep) {
        drop();
    }
    return out;
}

Result<api::Response> HttpClient::Core::exchange(
    const ClientRequest& request, const std::function<bool(BytesView)>* on_data
) {
    const Deadline deadline = Deadline::after(request.timeout);
    bool reused = stream != nullptr;
    if (reused && !may_repeat(request.method) && Clock::now() - used_at > kTrustIdle) {
        drop();
        reused = false;
    }
    while (true) {
        if (!stream) {
            NL_TRY_VOID(connect());
        }
        auto answer = exchange_once(request, on_data, deadline);
        // A server may close a kept connection just as we use it; then nothing was answered.
        const bool lost =
            answer ? answer->nothing_came : answer.error().code == ErrorCode::Unavailable;
        if (lost && reused && may_repeat(request.method)) {
            reused = false;
            continue;
        }
        if (!answer) {
            return std::unexpected(answer.error());
        }
        if (answer->nothing_came) {
            return fail(
                ErrorCode::Unavailable, "{} closed the connection without an answer", shown()
            );
        }
        return std::move(answer->response);
    }
}

HttpClient::HttpClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}

HttpClient::~HttpClient() {
    core_->drop();
}

Result<std::unique_ptr<HttpClient>> HttpClient::open(ClientOptions options) {
    auto core = std::make_unique<Core>();
    NL_TRY(core->address, parse_address(options.address));
    if (core->address.scheme == Scheme::Https) {
        NL_TRY(core->tls, internal::client_context(options.tls));
    }
    core->options = std::move(options);
    return std::unique_ptr<HttpClient>(new HttpClient(std::move(core)));
}

Result<api::Response> HttpClient::send(const ClientRequest& request) {
    return core_->exchange(request, nullptr);
}

Result<api::Response> HttpClient::stream(
    const ClientRequest& request, const std::function<bool(BytesView)>& on_data
) {
    return core_->exchange(request, &on_data);
}

Result<HttpClient::SessionEnd> HttpClient::websocket(
    const ClientRequest& request,
    const std::function<bool(BytesView)>& on_message,
    const std::function<bool(Bytes&)>& outgoing,
    Duration poll
) {
    Core& core = *core_;
    NL_TRY_VOID(core.connect());
    const Deadline deadline = Deadline::after(request.timeout);
    std::string nonce(16, '\0');
    static_cast<void>(RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), 16));
    const std::string key = base64_encode(nonce);
    ClientRequest handshake = request;
    handshake.headers.push_back({"Connection", "Upgrade"});
    handshake.headers.push_back({"Upgrade", "websocket"});
    handshake.headers.push_back({"Sec-WebSocket-Version", "13"});
    handshake.headers.push_back({"Sec-WebSocket-Key", key});
    NL_TRY(auto answer, core.exchange_once(handshake, nullptr, deadline));
    if (answer.response.status != 101) {
        core.drop();
        return SessionEnd{0, "", std::move(answer.response)};
    }
    bool accepted = false;
    for (const auto& [name, value] : answer.response.headers) {
        accepted = accepted || (name == "sec-websocket-accept" && value == websocket_accept(key));
    }
    if (!accepted || !core.stream) {
        core.drop();
        return fail(
            ErrorCode::Corruption, "{} answered the WebSocket handshake wrongly", core.shown()
        );
    }

    // One read is always pending; between its completions the outgoing side is polled.
    FrameReader reader(Side::Client, core.options.body_bytes_max);
    SessionEnd end{1006, "the connection is gone", {}};
    bool read_ended = true;
    bool finished = false;
    ErrorCodeAsio failed;
    std::size_t size = 0;
    std::string arrived = std::exchange(core.in, {});
    core.read_buffer.resize(kReadBytes);
    while (!finished) {
        auto frames = reader.feed(std::exchange(arrived, {}));
        if (!frames) {
            end = {kCloseProtocolError, frames.error().message, {}};
            break;
        }
        for (const Frame& frame : *frames) {
            if (frame.opcode == Opcode::Close) {
                const auto reason = decode_close(frame.payload);
                end = reason ? SessionEnd{reason->code, reason->reason, {}}
                             : SessionEnd{kCloseProtocolError, reason.error().message, {}};
                static_cast<void>(core.write(
                    encode_close(kCloseNormal, "", random_mask()), Deadline::after(seconds(1))
                ));
                finished = true;
                break;
            }
            if (frame.opcode == Opcode::Ping) {
                NL_TRY_VOID(core.write(encode_frame(Opcode::Pong, frame.payload, random_mask()), {})
                );
            } else if (frame.opcode != Opcode::Pong && !on_message(frame.payload)) {
                static_cast<void>(core.write(
                    encode_close(kCloseNormal, "", random_mask()), Deadline::after(seconds(1))
                ));
                end = {kCloseNormal, "", {}};
                finished = true;
                break;
            }
        }
        Bytes message;
        while (!finished && outgoing(message)) {
            NL_TRY_VOID(core.write(
                encode_frame(Opcode::Text, message, random_mask()), Deadline::after(seconds(60))
            ));
            message.clear();
        }
        if (finished) {
            break;
        }
        if (read_ended) {
            read_ended = false;
            core.stream->read_some(
                asio::buffer(core.read_buffer),
                [&](ErrorCodeAsio ec, std::size_t count) {
                    failed = ec;
                    size = count;
                    read_ended = true;
                }
            );
        }
        if (!core.run_until(read_ended, Deadline::after(poll))) {
            continue;
        }
        if (failed) {
            break;
        }
        arrived.assign(core.read_buffer, 0, size);
    }
    core.drop();
    return end;
}

}  // namespace nl::io::http
