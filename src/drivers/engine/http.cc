#include "drivers/engine/http.h"

#include "wire/value_json.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

namespace nl::drivers {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxHeaderBytes = 65536;
constexpr std::size_t kMaxLineBytes = 1024;

/// One connection with a deadline and a way to be ended.
class Wire {
public:
    Wire(const EngineCancel* cancel) : cancel_(cancel) {}
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    ~Wire() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    /// From now on; 0 is for ever.
    void set_deadline(Duration span) {
        has_deadline_ = span.ns > 0;
        deadline_ = Clock::now() + std::chrono::nanoseconds(span.ns);
    }

    Result<void> connect(const std::string& address) {
        if (address.starts_with("unix://")) {
            const std::string path = address.substr(7);
            sockaddr_un name{};
            name.sun_family = AF_UNIX;
            if (path.size() >= sizeof name.sun_path) {
                return fail(ErrorCode::InvalidArgument, "the socket path {} is too long", path);
            }
            std::memcpy(name.sun_path, path.c_str(), path.size());
            fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (fd_ < 0 ||
                ::connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
                return fail(
                    ErrorCode::Unavailable, "cannot connect to {}: {}", path, std::strerror(errno)
                );
            }
            return {};
        }
        return connect_tcp(address);
    }

    Result<void> write_all(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(n));
            } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                NL_TRY_VOID(wait(POLLOUT));
            } else {
                return fail(
                    ErrorCode::Unavailable, "the engine broke off: {}", std::strerror(errno)
                );
            }
        }
        return {};
    }

    /// More bytes at the end of `buffer`; false at the end of the stream.
    Result<bool> read_more(std::string& buffer) {
        char bytes[32768];
        while (true) {
            const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
            if (n > 0) {
                buffer.append(bytes, static_cast<std::size_t>(n));
                return true;
            }
            if (n == 0) {
                return false;
            }
            if (errno != EAGAIN && errno != EINTR) {
                return fail(
                    ErrorCode::Unavailable, "the engine broke off: {}", std::strerror(errno)
                );
            }
            NL_TRY_VOID(wait(POLLIN));
        }
    }

    int release() { return std::exchange(fd_, -1); }

private:
    Result<void> connect_tcp(const std::string& address) {
        const std::size_t slashes = address.find("://");
        const std::string rest =
            slashes == std::string::npos ? address : address.substr(slashes + 3);
        const std::size_t colon = rest.rfind(':');
        if (colon == std::string::npos) {
            return fail(ErrorCode::InvalidArgument, "{} is no engine address", address);
        }
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (::getaddrinfo(
                rest.substr(0, colon).c_str(), rest.substr(colon + 1).c_str(), &hints, &found
            ) != 0 ||
            found == nullptr) {
            return fail(ErrorCode::Unavailable, "{} has no address", address);
        }
        fd_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const int done = ::connect(fd_, found->ai_addr, found->ai_addrlen);
        ::freeaddrinfo(found);
        if (done != 0 && errno != EINPROGRESS) {
            return fail(
                ErrorCode::Unavailable, "cannot connect to {}: {}", address, std::strerror(errno)
            );
        }
        NL_TRY_VOID(wait(POLLOUT));
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            return fail(
                ErrorCode::Unavailable, "cannot connect to {}: {}", address, std::strerror(error)
            );
        }
        return {};
    }

    Result<void> wait(short events) {
        while (true) {
            if (cancel_ != nullptr && cancel_->cancelled()) {
                return fail(ErrorCode::Cancelled, "cancelled");
            }
            int left = -1;
            if (has_deadline_) {
                left = static_cast<int>(
                    std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now())
                        .count()
                );
                if (left <= 0) {
                    return fail(ErrorCode::Timeout, "the engine did not answer in time");
                }
            }
            pollfd items[2] = {
                {fd_, events, 0}, {cancel_ != nullptr ? cancel_->fd() : -1, POLLIN, 0}
            };
            const int n = ::poll(items, 2, left);
            if (n > 0 && items[0].revents != 0 && items[1].revents == 0) {
                return {};
            }
        }
    }

    const EngineCancel* cancel_;
    int fd_ = -1;
    bool has_deadline_ = false;
    Clock::time_point deadline_;
};

struct Head {
    int status{};
    bool chunked{};
    bool has_length{};
    std::size_t length{};
};

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

Result<void> send_request(Wire& wire, const EngineRequest& request, bool upgrade) {
    std::string text = fmt::format(
        "{} {} HTTP/1.1\r\nHost: engine\r\nUser-Agent: nomad-lite\r\n",
        request.method,
        request.target
    );
    for (const auto& [name, value] : request.headers) {
        text += fmt::format("{}: {}\r\n", name, value);
    }
    if (upgrade) {
        text += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    } else {
        text += "Connection: close\r\n";
    }
    if (!request.body.empty()) {
        text += fmt::format("Content-Type: {}\r\n", request.content_type);
    }
    if (!request.body.empty() || request.method != "GET") {
        text += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    text += "\r\n";
    NL_TRY_VOID(wire.write_all(text));
    return wire.write_all(request.body);
}

/// The header; what follows it stays in `buffer`.
Result<Head> read_head(Wire& wire, std::string& buffer) {
    while (true) {
        const std::size_t end = buffer.find("\r\n\r\n");
        if (end == std::string::npos) {
            if (buffer.size() > kMaxHeaderBytes) {
                return fail(ErrorCode::TooLarge, "the engine's answer has too large a header");
            }
            NL_TRY(const bool more, wire.read_more(buffer));
            if (!more) {
                return fail(ErrorCode::Unavailable, "the engine broke off without an answer");
            }
            continue;
        }
        Head head;
        std::string_view text = std::string_view(buffer).substr(0, end);
        if (!text.starts_with("HTTP/1.") || text.size() < 12) {
            return fail(ErrorCode::Unavailable, "the engine does not speak HTTP");
        }
        std::from_chars(text.data() + 9, text.data() + 12, head.status);
        while (!text.empty()) {
            const std::size_t line_end = std::min(text.find("\r\n"), text.size());
            const std::string line = lower(text.substr(0, line_end));
            if (line.starts_with("transfer-encoding:") &&
                line.find("chunked") != std::string::npos) {
                head.chunked = true;
            } else if (line.starts_with("content-length:")) {
                const std::size_t digit = line.find_first_of("0123456789");
                if (digit != std::string::npos) {
                    head.has_length = true;
                    std::from_chars(line.data() + digit, line.data() + line.size(), head.length);
                }
            }
            text.remove_prefix(std::min(line_end + 2, text.size()));
        }
        buffer.erase(0, end + 4);
        if (head.status >= 100 && head.status < 200 && head.status != 101) {
            continue;
        }
        return head;
    }
}

/// The body, piece by piece, until its end or until `on_data` says so.
Result<void> read_body(
    Wire& wire,
    const Head& head,
    std::string& buffer,
    Duration idle,
    const std::function<bool(std::string_view)>& on_data
) {
    const auto more = [&]() -> Result<bool> {
        if (idle.ns > 0) {
            wire.set_deadline(idle);
        }
        return wire.read_more(buffer);
    };
    const auto cut = [] {
        return fail(ErrorCode::Unavailable, "the engine broke off in the middle of its answer");
    };
    if (!head.chunked) {
        std::size_t left = head.has_length ? head.length : SIZE_MAX;
        while (left > 0) {
            if (!buffer.empty()) {
                const std::size_t n = std::min(left, buffer.size());
                const bool go = on_data(std::string_view(buffer).substr(0, n));
                buffer.erase(0, n);
                left -= head.has_length ? n : 0;
                if (!go) {
                    return {};
                }
                continue;
            }
            NL_TRY(const bool some, more());
            if (!some) {
                return head.has_length ? Result<void>(cut()) : Result<void>{};
            }
        }
        return {};
    }
    while (true) {
        std::size_t end = 0;
        while ((end = buffer.find("\r\n")) == std::string::npos) {
            if (buffer.size() > kMaxLineBytes) {
                return cut();
            }
            NL_TRY(const bool some, more());
            if (!some) {
                return cut();
            }
        }
        std::size_t size = 0;
        std::from_chars(buffer.data(), buffer.data() + end, size, 16);
        buffer.erase(0, end + 2);
        if (size == 0) {
            return {};
        }
        while (size > 0) {
            if (buffer.empty()) {
                NL_TRY(const bool some, more());
                if (!some) {
                    return cut();
                }
            }
            const std::size_t n = std::min(size, buffer.size());
            const bool go = on_data(std::string_view(buffer).substr(0, n));
            buffer.erase(0, n);
            size -= n;
            if (!go) {
                return {};
            }
        }
        while (buffer.size() < 2) {
            NL_TRY(const bool some, more());
            if (!some) {
                return cut();
            }
        }
        buffer.erase(0, 2);
    }
}

}  // namespace

EngineCancel::EngineCancel() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
EngineCancel::~EngineCancel() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}
void EngineCancel::cancel() {
    cancelled_ = true;
    const std::uint64_t one = 1;
    const ssize_t ignored = ::write(fd_, &one, sizeof one);
    static_cast<void>(ignored);
}

EngineClient::EngineClient(std::string address) : address_(std::move(address)) {}

Error engine_error(int status, std::string_view body) {
    std::string message(body.substr(0, 2000));
    if (const auto parsed = wire::parse_json(body); parsed && parsed->as_map() != nullptr) {
        for (const char* key : {"message", "cause"}) {
            const auto at = parsed->as_map()->find(key);
            if (at != parsed->as_map()->end() && at->second.as_string() != nullptr) {
                message = *at->second.as_string();
                break;
            }
        }
    }
    while (message.ends_with('\n')) {
        message.pop_back();
    }
    if (message.empty()) {
        message = fmt::format("the engine answered {}", status);
    }
    const ErrorCode code = status == 404                    ? ErrorCode::NotFound
                           : status == 409                  ? ErrorCode::Conflict
                           : status == 400                  ? ErrorCode::InvalidArgument
                           : status == 401 || status == 403 ? ErrorCode::PermissionDenied
                                                            : ErrorCode::Unavailable;
    return {code, std::move(message)};
}

std::string query_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

Result<EngineResponse> EngineClient::send(
    const EngineRequest& request, Duration timeout, const EngineCancel* cancel
) const {
    Wire wire(cancel);
    wire.set_deadline(timeout);
    NL_TRY_VOID(wire.connect(address_));
    NL_TRY_VOID(send_request(wire, request, false));
    std::string buffer;
    NL_TRY(const Head head, read_head(wire, buffer));
    EngineResponse out{head.status, ""};
    if (head.status == 204 || head.status == 304) {
        return out;
    }
    bool too_large = false;
    NL_TRY_VOID(read_body(wire, head, buffer, {}, [&](std::string_view bytes) {
        too_large = out.body.size() + bytes.size() > kMaxEngineAnswer;
        if (!too_large) {
            out.body.append(bytes);
        }
        return !too_large;
    }));
    if (too_large) {
        return fail(
            ErrorCode::TooLarge, "the engine's answer is larger than {} bytes", kMaxEngineAnswer
        );
    }
    return out;
}

Result<Value> EngineClient::call(
    const std::string& method,
    const std::string& target,
    const Value& body,
    Duration timeout,
    const EngineCancel* cancel
) const {
    EngineRequest request{.method = method, .target = target};
    if (!body.is_null()) {
        request.body = wire::write_json(body);
    }
    NL_TRY(const EngineResponse answer, send(request, timeout, cancel));
    if (answer.status >= 400) {
        return std::unexpected(engine_error(answer.status, answer.body));
    }
    if (answer.body.empty()) {
        return Value{};
    }
    auto parsed = wire::parse_json(answer.body);
    return parsed ? std::move(*parsed) : Value(answer.body);
}

Result<void> EngineClient::stream(
    const EngineRequest& request,
    Duration idle,
    const std::function<bool(std::string_view)>& on_data,
    const EngineCancel* cancel
) const {
    Wire wire(cancel);
    wire.set_deadline(idle.ns > 0 ? idle : minutes(5));
    NL_TRY_VOID(wire.connect(address_));
    NL_TRY_VOID(send_request(wire, request, false));
    std::string buffer;
    // A follower that has nothing to say may hold back its header.
    wire.set_deadline(idle);
    NL_TRY(const Head head, read_head(wire, buffer));
    if (head.status >= 400) {
        std::string text;
        wire.set_deadline(seconds(10));
        static_cast<void>(read_body(wire, head, buffer, {}, [&](std::string_view bytes) {
            text.append(bytes);
            return text.size() < kMaxHeaderBytes;
        }));
        return std::unexpected(engine_error(head.status, text));
    }
    wire.set_deadline(idle);
    return read_body(wire, head, buffer, idle, on_data);
}

Result<EngineStream> EngineClient::hijack(const EngineRequest& request, Duration timeout) const {
    Wire wire(nullptr);
    wire.set_deadline(timeout);
    NL_TRY_VOID(wire.connect(address_));
    NL_TRY_VOID(send_request(wire, request, true));
    std::string buffer;
    NL_TRY(const Head head, read_head(wire, buffer));
    if (head.status >= 400) {
        std::string text;
        static_cast<void>(read_body(wire, head, buffer, {}, [&](std::string_view bytes) {
            text.append(bytes);
            return text.size() < kMaxHeaderBytes;
        }));
        return std::unexpected(engine_error(head.status, text));
    }
    return EngineStream{wire.release(), std::move(buffer)};
}

}  // namespace nl::drivers
