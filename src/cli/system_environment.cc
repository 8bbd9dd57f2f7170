#include "cli/environment.h"
#include "io/http/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <thread>

namespace nl::cli {

namespace {

constexpr std::size_t kReadBytes = 65'536;
// Idle streams (log following) carry a heartbeat each second; a minute of silence is a dead peer.
constexpr Duration kStreamIdle = minutes(1);
// A blocking query may wait five minutes and a sixteenth more.
constexpr Duration kRequestTimeout = minutes(6);

void write_all(std::FILE* file, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), file);
    std::fflush(file);
}

Result<std::string> read_descriptor(int descriptor, const std::string& name) {
    std::string out;
    std::string buffer(kReadBytes, '\0');
    while (true) {
        const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
        if (count == 0) {
            return out;
        }
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail(ErrorCode::Unavailable, "cannot read {}: {}", name, std::strerror(errno));
        }
        out.append(buffer, 0, static_cast<std::size_t>(count));
        if (out.size() > kMaxInputBytes) {
            return fail(ErrorCode::TooLarge, "{} is larger than {} bytes", name, kMaxInputBytes);
        }
    }
}

Result<std::string> read_file(const std::string& path) {
    if (path == "-") {
        return read_descriptor(STDIN_FILENO, "standard input");
    }
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return fail(
            errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
            "cannot open {}: {}",
            path,
            std::strerror(errno)
        );
    }
    auto text = read_descriptor(descriptor, path);
    ::close(descriptor);
    return text;
}

Result<void> write_file(const std::string& path, std::string_view text) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    if (file == nullptr) {
        return fail(ErrorCode::Unavailable, "cannot write {}: {}", path, std::strerror(errno));
    }
    const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const bool closed = std::fclose(file) == 0;
    if (!written || !closed) {
        return fail(ErrorCode::Unavailable, "cannot write {}: {}", path, std::strerror(errno));
    }
    return {};
}

io::http::ClientRequest to_io(const HttpRequest& request) {
    io::http::ClientRequest out;
    out.method = request.method;
    out.target = request.target;
    for (const auto& [name, value] : request.headers) {
        out.headers.push_back({.name = name, .value = value});
    }
    out.body = request.body;
    out.timeout = kRequestTimeout;
    out.idle_timeout = kStreamIdle;
    return out;
}

HttpReply from_io(api::Response&& response) {
    HttpReply out{.status = static_cast<int>(response.status), .headers = {}, .body = {}};
    for (auto& header : response.headers) {
        out.headers.emplace_back(std::move(header.name), std::move(header.value));
    }
    out.body = std::move(response.body);
    return out;
}

class SystemHttp final : public Http {
public:
    explicit SystemHttp(std::unique_ptr<io::http::HttpClient> client)
        : client_(std::move(client)) {}

    Result<HttpReply> send(const HttpRequest& request) override {
        NL_TRY(api::Response response, client_->send(to_io(request)));
        return from_io(std::move(response));
    }

    Result<HttpReply> stream(const HttpRequest& request, const OnBytes& on_bytes) override {
        NL_TRY(api::Response response, client_->stream(to_io(request), on_bytes));
        return from_io(std::move(response));
    }

    Result<SessionEnd> websocket(
        const HttpRequest& request,
        const OnBytes& on_message,
        const std::function<bool(std::string&)>& next
    ) override {
        NL_TRY(auto end, client_->websocket(to_io(request), on_message, next));
        return SessionEnd{
            .close_code = end.code,
            .reason = std::move(end.reason),
            .refused = from_io(std::move(end.refused))
        };
    }

private:
    std::unique_ptr<io::http::HttpClient> client_;
};

Result<std::unique_ptr<Http>> connect_http(const HttpOptions& options) {
    io::http::ClientOptions out;
    out.address = options.address;
    out.tls.ca_file = options.ca_cert;
    out.tls.cert_file = options.client_cert;
    out.tls.key_file = options.client_key;
    out.tls.server_name = options.tls_server_name;
    out.tls.skip_verify = options.tls_skip_verify;
    NL_TRY(auto client, io::http::HttpClient::open(std::move(out)));
    return std::make_unique<SystemHttp>(std::move(client));
}

}  // namespace

Environment system_environment() {
    Environment out;
    out.out = [](std::string_view text) { write_all(stdout, text); };
    out.err = [](std::string_view text) { write_all(stderr, text); };
    out.variable = [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    out.variables_with_prefix = [](std::string_view prefix) {
        StringMap found;
        for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
            const std::string_view text(*entry);
            const auto equals = text.find('=');
            if (text.starts_with(prefix) && equals != std::string_view::npos) {
                found.emplace(text.substr(0, equals), text.substr(equals + 1));
            }
        }
        return found;
    };
    out.in_is_terminal = ::isatty(STDIN_FILENO) == 1;
    out.input_within = [](Duration time) {
        struct stat input{};
        if (::fstat(STDIN_FILENO, &input) != 0) {
            return false;
        }
        if (S_ISREG(input.st_mode)) {
            return true;
        }
        if (!S_ISFIFO(input.st_mode) && !S_ISSOCK(input.st_mode)) {
            return false;
        }
        pollfd wait{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        return ::poll(&wait, 1, static_cast<int>(time.ms())) > 0;
    };
    out.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
    out.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
    out.now = [] {
        return WallTime{std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::system_clock::now().time_since_epoch()
        )
                            .count()};
    };
    out.sleep = [](Duration time) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(time.ns));
    };
    out.utc_offset_seconds = [](WallTime time) {
        const std::time_t seconds = time.unix_ns / 1'000'000'000;
        std::tm parts{};
        ::localtime_r(&seconds, &parts);
        return static_cast<int>(parts.tm_gmtoff);
    };
    out.read_line = []() -> std::optional<std::string> {
        std::string line;
        if (!std::getline(std::cin, line)) {
            return std::nullopt;
        }
        return line;
    };
    out.read_file = read_file;
    out.write_file = write_file;
    out.file_exists = [](const std::string& path) {
        struct stat found{};
        return ::stat(path.c_str(), &found) == 0;
    };
    out.parse_job = [files_and_time = out](const JobText& text) {
        return parse_job_here(files_and_time, text);
    };
    out.connect_http = connect_http;
    out.connect_seed = [](io::SeedClient::Options options) {
        return io::SeedClient::create(std::move(options));
    };
    return out;
}

}  // namespace nl::cli
