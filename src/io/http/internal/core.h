#pragma once
// What the connections of one server share: its threads' event loop, limits, counters and the list
// of open connections. Internal to io/http.

#include "io/http/internal/byte_stream.h"
#include "io/http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace nl::io::http {

namespace internal {
class Connection;
struct Listener;

/// Nanoseconds of the monotonic clock.
std::int64_t monotonic_ns();
}  // namespace internal

struct HttpServer::Core {
    explicit Core(ServerOptions given, Handler given_handler);

    ServerOptions options;
    Handler handler;
    internal::asio::io_context io;
    std::vector<std::string> bound;
    std::vector<std::shared_ptr<internal::Listener>> listeners;
    std::vector<std::thread> threads;
    internal::asio::steady_timer sweep_timer;

    std::mutex mutex;
    /// Guarded by mutex.
    std::shared_ptr<internal::asio::ssl::context> tls;
    std::unordered_map<internal::Connection*, std::weak_ptr<internal::Connection>> connections;
    std::map<std::string, std::size_t, std::less<>> per_client;
    bool stopping = false;

    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> exchanges_open{0};

    /// Registers a connection from `client` ("" for a unix socket). Answers how it may go on.
    enum class Admission : unsigned char { Welcome, TooManyFromClient, Full };
    Admission admit(internal::Connection* connection, const std::string& client);
    void publish(const std::shared_ptr<internal::Connection>& connection);
    void forget(internal::Connection* connection, const std::string& client, bool counted);
    std::vector<std::shared_ptr<internal::Connection>> open_connections();
};

}  // namespace nl::io::http
