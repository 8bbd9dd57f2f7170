#include "io/http/server.h"

#include "base/check.h"
#include "io/http/internal/connection.h"
#include "io/http/internal/core.h"
#include "io/http/url.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace nl::io::http {
namespace internal {

std::int64_t monotonic_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch()
    )
        .count();
}

/// A listening socket.
struct Listener {
    virtual ~Listener() = default;
    virtual void accept() = 0;
    virtual void close() = 0;
};

namespace {

constexpr int kBacklog = 1024;
/// After an accept that failed (most often: no file descriptor left) the listener rests.
constexpr std::chrono::milliseconds kAcceptRest{50};

template <class Protocol>
class ListenerOf final : public Listener,
                         public std::enable_shared_from_this<ListenerOf<Protocol>> {
public:
    using Acceptor = typename Protocol::acceptor;
    using Socket = typename Protocol::socket;

    ListenerOf(std::shared_ptr<HttpServer::Core> core, std::string path)
        : core_(core),
          strand_(asio::make_strand(core->io)),
          acceptor_(strand_),
          rest_(strand_),
          path_(std::move(path)) {}

    ErrorCodeAsio open(const typename Protocol::endpoint& endpoint) {
        ErrorCodeAsio ec;
        acceptor_.open(endpoint.protocol(), ec);
        if (ec) {
            return ec;
        }
        if constexpr (std::is_same_v<Protocol, Tcp>) {
            acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
            if (endpoint.address().is_v6()) {
                acceptor_.set_option(asio::ip::v6_only(false), ec);
            }
        }
        acceptor_.bind(endpoint, ec);
        if (ec) {
            return ec;
        }
        acceptor_.listen(kBacklog, ec);
        return ec;
    }
    Acceptor& acceptor() { return acceptor_; }

    void accept() override {
        const auto core = core_.lock();
        if (!core) {
            return;
        }
        auto strand = asio::make_strand(core->io);
        acceptor_.async_accept(
            strand,
            [self = this->shared_from_this(), strand](ErrorCodeAsio ec, Socket socket) {
                if (ec == asio::error::operation_aborted || !self->acceptor_.is_open()) {
                    return;
                }
                if (ec) {
                    self->rest_.expires_after(kAcceptRest);
                    self->rest_.async_wait([self](ErrorCodeAsio stopped) {
                        if (!stopped) {
                            self->accept();
                        }
                    });
                    return;
                }
                self->begin(std::move(socket), strand);
                self->accept();
            }
        );
    }

    void close() override {
        asio::post(strand_, [self = this->shared_from_this()] {
            ErrorCodeAsio ec;
            self->acceptor_.close(ec);
            self->rest_.cancel();
            if (!self->path_.empty()) {
                ::unlink(self->path_.c_str());
            }
        });
    }

private:
    void begin(Socket socket, const Strand& strand) {
        const auto core = core_.lock();
        if (!core) {
            return;
        }
        std::string client;
        std::string peer;
        std::unique_ptr<ByteStream> stream;
        if constexpr (std::is_same_v<Protocol, Tcp>) {
            ErrorCodeAsio ec;
            const auto endpoint = socket.remote_endpoint(ec);
            if (ec) {
                return;
            }
            socket.set_option(asio::ip::tcp::no_delay(true), ec);
            client = endpoint.address().to_string();
            peer = endpoint.address().is_v6() ? fmt::format("[{}]:{}", client, endpoint.port())
                                              : fmt::format("{}:{}", client, endpoint.port());
            std::shared_ptr<asio::ssl::context> tls;
            {
                const std::lock_guard lock(core->mutex);
                tls = core->tls;
            }
            stream = tls ? tls_server_stream(std::move(socket), std::move(tls))
                         : plain_stream(std::move(socket));
        } else {
            stream = local_stream(std::move(socket));
        }
        auto connection =
            std::make_shared<Connection>(core, std::move(stream), strand, client, std::move(peer));
        const auto admission = core->admit(connection.get(), client);
        ++core->accepted;
        if (admission != HttpServer::Core::Admission::Welcome) {
            ++core->refused;
        }
        connection->admit_as(admission);
        if (admission == HttpServer::Core::Admission::Full) {
            return;
        }
        core->publish(connection);
        asio::post(strand, [connection] { connection->start(); });
    }

    std::weak_ptr<HttpServer::Core> core_;
    Strand strand_;
    Acceptor acceptor_;
    asio::steady_timer rest_;
    std::string path_;
};

std::string describe(const std::string& address, const ErrorCodeAsio& ec) {
    if (ec == asio::error::address_in_use) {
        return fmt::format(
            "cannot listen on {}: the address is in use by another process", address
        );
    }
    return fmt::format("cannot listen on {}: {}", address, ec.message());
}

Result<void> listen_local(
    const std::shared_ptr<HttpServer::Core>& core, const std::string& address
) {
    const std::string path = address.substr(7);
    // A socket file left by a process that was killed is in the way; one in use answers.
    asio::io_context probe_io;
    Local::socket probe(probe_io);
    ErrorCodeAsio ec;
    probe.connect(Local::endpoint(path), ec);
    if (!ec) {
        return fail(
            ErrorCode::Unavailable, "cannot listen on {}: it is in use by another process", address
        );
    }
    if (ec == asio::error::connection_refused) {
        ::unlink(path.c_str());
    }
    auto listener = std::make_shared<ListenerOf<Local>>(core, path);
    if (const auto failed = listener->open(Local::endpoint(path))) {
        return fail(ErrorCode::Unavailable, "{}", describe(address, failed));
    }
    core->bound.push_back(address);
    core->listeners.push_back(std::move(listener));
    return {};
}

Result<void> listen_tcp(const std::shared_ptr<HttpServer::Core>& core, const std::string& address) {
    NL_TRY(const HostPort parts, parse_host_port(address));
    Tcp::resolver resolver(core->io);
    ErrorCodeAsio ec;
    const std::string host = parts.host.empty() ? "0.0.0.0" : parts.host;
    const auto found = resolver.resolve(
        host,
        parts.port,
        asio::ip::resolver_base::passive | asio::ip::resolver_base::numeric_service,
        ec
    );
    if (ec || found.empty()) {
        return fail(
            ErrorCode::Unavailable, "cannot listen on {}: host \"{}\" is unknown", address, host
        );
    }
    auto listener = std::make_shared<ListenerOf<Tcp>>(core, "");
    if (const auto failed = listener->open(found.begin()->endpoint())) {
        return fail(ErrorCode::Unavailable, "{}", describe(address, failed));
    }
    const auto local = listener->acceptor().local_endpoint(ec);
    const std::string shown = local.address().to_string();
    core->bound.push_back(
        local.address().is_v6() ? fmt::format("[{}]:{}", shown, local.port())
                                : fmt::format("{}:{}", shown, local.port())
    );
    core->listeners.push_back(std::move(listener));
    return {};
}

/// Deadlines are looked at this often: a quarter of the shortest, within bounds.
std::chrono::milliseconds sweep_interval(const Limits& limits) {
    const Duration shortest = std::min(
        {limits.handshake_timeout,
         limits.header_timeout,
         limits.body_timeout,
         limits.idle_timeout,
         limits.write_timeout}
    );
    return std::chrono::milliseconds(std::clamp<std::int64_t>(shortest.ms() / 4, 5, 1000));
}

void sweep(const std::shared_ptr<HttpServer::Core>& core) {
    core->sweep_timer.expires_after(sweep_interval(core->options.limits));
    core->sweep_timer.async_wait([weak = std::weak_ptr(core)](ErrorCodeAsio ec) {
        const auto self = weak.lock();
        if (ec || !self) {
            return;
        }
        const std::int64_t now = monotonic_ns();
        for (const auto& connection : self->open_connections()) {
            connection->sweep(now);
        }
        sweep(self);
    });
}

}  // namespace
}  // namespace internal

using internal::Connection;

HttpServer::Core::Core(ServerOptions given, Handler given_handler)
    : options(std::move(given)),
      handler(std::move(given_handler)),
      io(std::max(1, options.threads)),
      sweep_timer(io) {}

HttpServer::Core::Admission HttpServer::Core::admit(
    Connection* connection, const std::string& client
) {
    const std::lock_guard lock(mutex);
    if (stopping || connections.size() >= options.limits.connections_max) {
        return Admission::Full;
    }
    connections.emplace(connection, std::weak_ptr<Connection>());
    const std::size_t max = options.limits.connections_per_client_max;
    if (client.empty() || max == 0) {
        return Admission::Welcome;
    }
    std::size_t& held = per_client[client];
    if (held >= max) {
        return Admission::TooManyFromClient;
    }
    ++held;
    return Admission::Welcome;
}

void HttpServer::Core::publish(const std::shared_ptr<Connection>& connection) {
    const std::lock_guard lock(mutex);
    connections[connection.get()] = connection;
}

void HttpServer::Core::forget(Connection* connection, const std::string& client, bool counted) {
    const std::lock_guard lock(mutex);
    connections.erase(connection);
    const auto found = per_client.find(client);
    if (!counted || found == per_client.end()) {
        return;
    }
    if (--found->second == 0) {
        per_client.erase(found);
    }
}

std::vector<std::shared_ptr<Connection>> HttpServer::Core::open_connections() {
    std::vector<std::shared_ptr<Connection>> out;
    const std::lock_guard lock(mutex);
    out.reserve(connections.size());
    for (const auto& [raw, weak] : connections) {
        if (auto connection = weak.lock()) {
            out.push_back(std::move(connection));
        }
    }
    return out;
}

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}

HttpServer::~HttpServer() {
    stop();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(ServerOptions options, Handler handler) {
    NL_ASSERT(handler != nullptr);
    auto core = std::make_shared<Core>(std::move(options), std::move(handler));
    if (core->options.tls) {
        NL_TRY(core->tls, internal::server_context(*core->options.tls));
    }
    for (const std::string& address : core->options.addresses) {
        const Result<void> listening = address.starts_with("unix://")
                                           ? internal::listen_local(core, address)
                                           : internal::listen_tcp(core, address);
        if (!listening) {
            return std::unexpected(listening.error());
        }
    }
    for (const auto& listener : core->listeners) {
        listener->accept();
    }
    internal::sweep(core);
    for (int i = 0; i < std::max(1, core->options.threads); ++i) {
        core->threads.emplace_back([raw = core.get()] { raw->io.run(); });
    }
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

const std::vector<std::string>& HttpServer::addresses() const {
    return core_->bound;
}

ServerStats HttpServer::stats() const {
    ServerStats out;
    out.connections_accepted = core_->accepted;
    out.connections_refused = core_->refused;
    out.requests = core_->requests;
    const std::lock_guard lock(core_->mutex);
    out.connections_open = core_->connections.size();
    return out;
}

Result<void> HttpServer::reload_tls(const TlsOptions& tls) {
    NL_TRY(auto context, internal::server_context(tls));
    const std::lock_guard lock(core_->mutex);
    if (!core_->tls) {
        return fail(
            ErrorCode::FailedPrecondition, "the server was started without TLS; restart it"
        );
    }
    core_->tls = std::move(context);
    return {};
}

void HttpServer::stop(Duration grace) {
    {
        const std::lock_guard lock(core_->mutex);
        if (std::exchange(core_->stopping, true)) {
            return;
        }
    }
    for (const auto& listener : core_->listeners) {
        listener->close();
    }
    const auto close_all = [this](Connection::Closing how) {
        for (const auto& connection : core_->open_connections()) {
            connection->close_soon(how);
        }
    };
    close_all(Connection::Closing::WhenIdle);
    const std::int64_t deadline = internal::monotonic_ns() + grace.ns;
    while (core_->exchanges_open > 0 && internal::monotonic_ns() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    close_all(Connection::Closing::Now);
    internal::asio::post(core_->io, [core = core_.get()] { core->sweep_timer.cancel(); });
    // With every socket and timer closed the loop runs out of work; a handler that hangs must not
    // hold the process for ever.
    constexpr std::int64_t kDrainNs = 5'000'000'000;
    const std::int64_t give_up = internal::monotonic_ns() + kDrainNs;
    while (!core_->io.stopped() && internal::monotonic_ns() < give_up) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    core_->io.stop();
    for (auto& thread : core_->threads) {
        thread.join();
    }
}

}  // namespace nl::io::http
