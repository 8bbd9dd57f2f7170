#include "io/http/server.h"

#include "io/http/client.h"
#include "io/http/gzip.h"
#include "io/http/websocket_frames.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

namespace nl::io::http {
namespace {

using Responding = std::shared_ptr<Responder>;

/// A bare TCP connection, for what a proper client would not send.
class RawClient {
public:
    explicit RawClient(const std::string& address) {
        const auto port =
            static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str()));
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval limit{10, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    ~RawClient() { ::close(socket_); }

    bool connected() const { return connected_; }
    void send(BytesView bytes) const {
        while (!bytes.empty()) {
            const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    void stop_sending() const { ::shutdown(socket_, SHUT_WR); }
    /// Reads until `marker` was seen or the stream ended.
    std::string read_until(std::string_view marker) {
        while (seen_.find(marker) == std::string::npos) {
            char buffer[4096];
            const auto got = ::recv(socket_, buffer, sizeof buffer, 0);
            if (got <= 0) {
                break;
            }
            seen_.append(buffer, static_cast<std::size_t>(got));
        }
        return std::exchange(seen_, {});
    }
    std::string read_all() { return read_until(std::string(1, '\0') + "never"); }

private:
    int socket_ = -1;
    bool connected_ = false;
    std::string seen_;
};

/// A value handed from one thread to another.
template <class T>
class Box1 {
public:
    void put(T value) {
        const std::lock_guard lock(mutex_);
        value_ = std::move(value);
        ready_.notify_all();
    }
    std::optional<T> take() {
        std::unique_lock lock(mutex_);
        ready_.wait_for(lock, std::chrono::seconds(10), [this] { return value_.has_value(); });
        return std::exchange(value_, std::nullopt);
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::optional<T> value_;
};

struct Rig {
    std::unique_ptr<HttpServer> server;
    std::string address;

    explicit Rig(Handler handler, ServerOptions options = {}) {
        if (options.addresses.empty()) {
            options.addresses = {"127.0.0.1:0"};
        }
        auto started = HttpServer::start(std::move(options), std::move(handler));
        EXPECT_TRUE(started.has_value()) << (started ? "" : started.error().message);
        server = std::move(*started);
        address = server->addresses().front();
    }
    std::unique_ptr<HttpClient> client() const {
        auto opened = HttpClient::open({.address = "http://" + address});
        EXPECT_TRUE(opened.has_value());
        return std::move(*opened);
    }
};

std::string header_of(const api::Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
        if (key == name) {
            return value;
        }
    }
    return "";
}

void echo(api::Request request, const Responding& responder) {
    std::string text = request.method + " " + request.path + " raw=" + request.raw_path;
    for (const auto& [name, value] : request.query) {
        text += fmt::format(" {}={}", name, value);
    }
    responder->respond({200, {{"Content-Type", "text/plain"}}, text + " " + request.body});
}

TEST(HttpServer, DecodesPathQueryAndBody) {
    const Rig rig(echo);
    const auto client = rig.client();
    ClientRequest request;
    request.method = "PUT";
    request.target = "/v1/job/a%2Fb?stale&name=x%20y+z&n=1";
    request.body = "hello";
    for (int i = 0; i < 3; ++i) {
        const auto answer = client->send(request);
        ASSERT_TRUE(answer.has_value()) << answer.error().message;
        EXPECT_EQ(answer->status, 200);
        EXPECT_EQ(answer->body, "PUT /v1/job/a/b raw=/v1/job/a%2Fb stale= name=x y z n=1 hello");
    }
    EXPECT_EQ(rig.server->stats().connections_accepted, 1U) << "the connection is kept";
    EXPECT_EQ(rig.server->stats().requests, 3U);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    // The first is answered last, from another thread.
    std::thread later;
    const Rig rig([&](api::Request request, Responding responder) {
        if (request.path == "/slow") {
            later = std::thread([responder = std::move(responder)] {
                std::this_thread::yield();
                responder->respond({200, {}, "slow"});
            });
        } else {
            responder->respond({200, {}, "fast"});
        }
    });
    RawClient raw(rig.address);
    raw.send(
        "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /fast HTTP/1.1\r\nHost: x\r\nConnection: "
        "close\r\n\r\n"
    );
    const std::string all = raw.read_all();
    later.join();
    ASSERT_NE(all.find("slow"), std::string::npos) << all;
    ASSERT_NE(all.find("fast"), std::string::npos) << all;
    EXPECT_LT(all.find("slow"), all.find("fast"));
}

TEST(HttpServer, StreamsChunksAsTheyAreWritten) {
    Box1<Responding> parked;
    const Rig rig([&](api::Request, Responding responder) {
        responder->start_stream(200, {{"Content-Type", "application/json"}});
        responder->write("{}");
        parked.put(std::move(responder));
    });
    const auto client = rig.client();
    std::string got;
    Responding writer;
    const auto answer = client->stream({.target = "/s"}, [&](BytesView chunk) {
        got += chunk;
        if (!writer) {
            // The first chunk is here while the stream is still open: it was flushed at once.
            writer = *parked.take();
            EXPECT_TRUE(writer->write("second"));
            writer->end();
        }
        return true;
    });
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(got, "{}second");
}

TEST(HttpServer, SlowReaderMakesWriteRefuseAndThenTellsWhenToGoOn) {
    Box1<Responding> parked;
    Box1<bool> writable;
    ServerOptions options;
    options.limits.stream_buffer_bytes_max = 256 << 10;
    const Rig rig(
        [&](api::Request, Responding responder) {
            responder->start_stream(200, {});
            responder->on_writable([&] { writable.put(true); });
            parked.put(std::move(responder));
        },
        options
    );
    RawClient raw(rig.address);
    raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const Responding writer = *parked.take();
    const Bytes chunk(64 << 10, 'x');
    std::size_t taken = 0;
    while (writer->write(chunk)) {
        ASSERT_LT(++taken, 10'000U) << "a reader that does not read must be noticed";
    }
    EXPECT_GT(taken, 3U);
    std::thread reader([&] { raw.read_until("0\r\n\r\n"); });
    EXPECT_TRUE(writable.take().has_value());
    EXPECT_TRUE(writer->write(chunk));
    writer->end();
    reader.join();
}

TEST(HttpServer, TellsWhenTheClientOfAParkedRequestLeaves) {
    Box1<Responding> parked;
    Box1<bool> closed;
    const Rig rig([&](api::Request, Responding responder) {
        responder->on_close([&] { closed.put(true); });
        parked.put(std::move(responder));
    });
    Responding responder;
    {
        RawClient raw(rig.address);
        raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        responder = *parked.take();
    }
    EXPECT_TRUE(closed.take().has_value());
    responder->respond({200, {}, "nobody listens"});
}

TEST(HttpServer, HalfClosedClientStillGetsItsAnswer) {
    const Rig rig(echo);
    RawClient raw(rig.address);
    raw.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    raw.stop_sending();
    EXPECT_NE(raw.read_all().find("GET /x raw=/x"), std::string::npos);
}

TEST(HttpServer, DroppedResponderAnswers500) {
    const Rig rig([](api::Request, const Responding&) {});
    const auto answer = rig.client()->send({});
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 500);
    EXPECT_EQ(answer->body, "the request was dropped without an answer");
}

TEST(HttpServer, CompressesWhenAsked) {
    const std::string text(5000, 'a');
    const Rig rig([&](api::Request, const Responding& responder) {
        responder->respond({200, {{"Content-Type", "application/json"}}, text});
    });
    const auto client = rig.client();
    const auto plain = client->send({});
    ASSERT_TRUE(plain.has_value());
    EXPECT_EQ(plain->body, text);
    EXPECT_EQ(header_of(*plain, "content-encoding"), "");
    const auto packed = client->send({.headers = {{"Accept-Encoding", "br, gzip;q=0.5"}}});
    ASSERT_TRUE(packed.has_value());
    EXPECT_EQ(header_of(*packed, "content-encoding"), "gzip");
    EXPECT_LT(packed->body.size(), 200U);
    EXPECT_EQ(gzip_decompress(packed->body, 1 << 20).value_or(""), text);
    const auto refused = client->send({.headers = {{"Accept-Encoding", "gzip;q=0"}}});
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->body, text);
}

TEST(HttpServer, HeadHasTheLengthAndNoBody) {
    const Rig rig(echo);
    const auto client = rig.client();
    const auto answer = client->send({.method = "HEAD", .target = "/x"});
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->body, "");
    EXPECT_EQ(header_of(*answer, "content-length"), "15");
    EXPECT_EQ(client->send({.target = "/y"})->body, "GET /y raw=/y ");
}

TEST(HttpServer, RefusesLargeBodiesInClearText) {
    ServerOptions options;
    options.limits.body_bytes_max = 1000;
    options.limits.body_bytes_for = [](std::string_view, std::string_view path) {
        return std::size_t{path == "/big" ? 1U << 20 : 1000U};
    };
    const Rig rig(echo, options);
    const auto client = rig.client();
    ClientRequest request{.method = "PUT", .target = "/small", .body = Bytes(200'000, 'b')};
    const auto refused = client->send(request);
    ASSERT_TRUE(refused.has_value()) << refused.error().message;
    EXPECT_EQ(refused->status, 413);
    EXPECT_EQ(refused->body, "request body of 200000 bytes is larger than the limit of 1000 bytes");
    request.target = "/big";
    const auto taken = client->send(request);
    ASSERT_TRUE(taken.has_value()) << taken.error().message;
    EXPECT_EQ(taken->status, 200);
    // Chunked, so that the size isn't known before.
    RawClient raw(rig.address);
    raw.send("PUT /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw.send("800\r\n" + std::string(0x800, 'c') + "\r\n0\r\n\r\n");
    EXPECT_NE(raw.read_all().find("HTTP/1.1 413 "), std::string::npos);
}

TEST(HttpServer, ContinuesOnlyWhenTheBodyIsWelcome) {
    ServerOptions options;
    options.limits.body_bytes_max = 10;
    const Rig rig(echo, options);
    RawClient raw(rig.address);
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_NE(raw.read_until("\r\n\r\n").find("100 Continue"), std::string::npos);
    raw.send("body");
    EXPECT_NE(raw.read_until("body").find("200 OK"), std::string::npos);
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 400\r\n\r\n");
    EXPECT_NE(raw.read_until("bytes").find("413"), std::string::npos);
}

TEST(HttpServer, RefusesBadRequestsAndLivesOn) {
    ServerOptions options;
    options.limits.header_bytes_max = 2000;
    const Rig rig(echo, options);
    const auto status_of = [&](const std::string& text) {
        RawClient raw(rig.address);
        raw.send(text);
        return raw.read_all().substr(0, 12);
    };
    EXPECT_EQ(status_of("GARBAGE\r\n\r\n"), "HTTP/1.1 400");
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400") << "no Host";
    EXPECT_EQ(status_of("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 400");
    EXPECT_EQ(
        status_of("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(5000, 'a') + "\r\n\r\n"),
        "HTTP/1.1 431"
    );
    EXPECT_EQ(
        status_of("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        "HTTP/1.1 400"
    );
    EXPECT_EQ(rig.client()->send({})->status, 200);
}

TEST(HttpServer, Http10ClosesAndStreamsWithoutChunks) {
    const Rig rig([](api::Request, const Responding& responder) {
        responder->start_stream(200, {});
        responder->write("abc");
        responder->end();
    });
    RawClient raw(rig.address);
    raw.send("GET / HTTP/1.0\r\n\r\n");
    const std::string all = raw.read_all();
    EXPECT_TRUE(all.ends_with("\r\n\r\nabc")) << all;
}

TEST(HttpServer, LimitsConnectionsOfOneClient) {
    ServerOptions options;
    options.limits.connections_per_client_max = 2;
    const Rig rig(echo, options);
    const auto first = rig.client();
    const auto second = rig.client();
    ASSERT_EQ(first->send({})->status, 200);
    ASSERT_EQ(second->send({})->status, 200);
    RawClient third(rig.address);
    const std::string text = third.read_all();
    EXPECT_NE(text.find("HTTP/1.1 429"), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with(
        "Your IP is issuing too many concurrent connections, please rate limit your calls\n"
    ));
    EXPECT_EQ(first->send({})->status, 200);
    EXPECT_EQ(rig.server->stats().connections_refused, 1U);
}

TEST(HttpServer, ClosesSlowClients) {
    ServerOptions options;
    options.limits.header_timeout = milliseconds(60);
    options.limits.body_timeout = milliseconds(60);
    options.limits.idle_timeout = milliseconds(60);
    const Rig rig(echo, options);
    RawClient header(rig.address);
    header.send("GET / HT");
    RawClient body(rig.address);
    body.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    RawClient idle(rig.address);
    EXPECT_EQ(header.read_all(), "");
    EXPECT_EQ(body.read_all(), "");
    EXPECT_EQ(idle.read_all(), "");
}

TEST(HttpServer, ParkedRequestsHoldNoThread) {
    // More parked requests than threads, answered in the opposite order.
    std::mutex mutex;
    std::vector<Responding> parked;
    Box1<bool> full;
    constexpr std::size_t kParked = 50;
    const Rig rig([&](api::Request, Responding responder) {
        const std::lock_guard lock(mutex);
        parked.push_back(std::move(responder));
        if (parked.size() == kParked) {
            full.put(true);
        }
    });
    std::vector<std::unique_ptr<RawClient>> clients;
    for (std::size_t i = 0; i < kParked; ++i) {
        clients.push_back(std::make_unique<RawClient>(rig.address));
        clients.back()->send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    ASSERT_TRUE(full.take().has_value());
    while (!parked.empty()) {
        parked.back()->respond({200, {}, "woken"});
        parked.pop_back();
    }
    for (const auto& client : clients) {
        EXPECT_NE(client->read_all().find("woken"), std::string::npos);
    }
}

TEST(HttpServer, ServesUnixSockets) {
    const auto path =
        std::filesystem::temp_directory_path() / fmt::format("nl-http-test-{}.sock", ::getpid());
    ServerOptions options;
    options.addresses = {"unix://" + path.string()};
    {
        const Rig rig(echo, options);
        auto client = HttpClient::open({.address = "unix://" + path.string()});
        ASSERT_TRUE(client.has_value());
        EXPECT_EQ((*client)->send({.target = "/u"})->body, "GET /u raw=/u ");
        const auto again = HttpServer::start(options, echo);
        ASSERT_FALSE(again.has_value());
        EXPECT_NE(again.error().message.find("in use"), std::string::npos);
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(HttpServer, SaysWhenThePortIsTaken) {
    const Rig rig(echo);
    ServerOptions options;
    options.addresses = {rig.address};
    const auto second = HttpServer::start(options, echo);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(
        second.error().message,
        fmt::format("cannot listen on {}: the address is in use by another process", rig.address)
    );
}

TEST(HttpServer, StopCutsParkedRequestsAndLateAnswersAreHarmless) {
    Box1<Responding> parked;
    std::optional<Rig> rig;
    rig.emplace([&](api::Request, Responding responder) { parked.put(std::move(responder)); });
    RawClient raw(rig->address);
    raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const Responding responder = *parked.take();
    rig.reset();
    EXPECT_EQ(raw.read_all(), "");
    EXPECT_FALSE(responder->write("late"));
    responder->respond({200, {}, "late"});
}

// ---- WebSocket

TEST(HttpServer, WebSocketEchoesAndCloses) {
    const Rig rig([](api::Request, Responding responder) {
        responder->upgrade(
            {.on_message =
                 [responder](Bytes message) {
                     if (message == "bye") {
                         responder->close(kClosePolicy, "enough");
                     } else {
                         responder->send_text("echo " + message);
                     }
                 },
             .on_close = [](std::uint16_t, std::string) {}}
        );
    });
    const auto client = rig.client();
    std::vector<Bytes> to_send{"bye", Bytes(70'000, 'w'), "two", "one"};
    std::vector<std::size_t> sizes;
    const auto end = client->websocket(
        {.target = "/ws"},
        [&](BytesView message) {
            sizes.push_back(message.size());
            return true;
        },
        [&](Bytes& out) {
            if (to_send.empty()) {
                return false;
            }
            out = to_send.back();
            to_send.pop_back();
            return true;
        }
    );
    ASSERT_TRUE(end.has_value()) << end.error().message;
    EXPECT_EQ(end->code, kClosePolicy);
    EXPECT_EQ(end->reason, "enough");
    EXPECT_EQ(sizes, (std::vector<std::size_t>{8, 8, 70'005}));
}

TEST(HttpServer, WebSocketPeerGoneIsTold) {
    Box1<std::uint16_t> closed;
    const Rig rig([&](api::Request, const Responding& responder) {
        // The responder is kept by its handlers alone, as sessions are.
        responder->upgrade(
            {.on_message = [responder](const Bytes&) {},
             .on_close = [&closed](std::uint16_t code, std::string) { closed.put(code); }}
        );
    });
    {
        RawClient raw(rig.address);
        raw.send(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        // The key and its answer are RFC 6455's example.
        EXPECT_NE(
            raw.read_until("\r\n\r\n").find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos
        );
    }
    EXPECT_EQ(closed.take().value_or(0), 1006);
}

TEST(HttpServer, PlainRequestForAWebSocketGets400) {
    const Rig rig([](api::Request, const Responding& responder) { responder->upgrade({}); });
    EXPECT_EQ(rig.client()->send({})->status, 400);
}

// ---- TLS

class TlsTest : public testing::Test {
protected:
    void SetUp() override {
        dir_ = std::filesystem::temp_directory_path() / fmt::format("nl-tls-test-{}", ::getpid());
        std::filesystem::create_directories(dir_);
        const auto run = [this](const std::string& command) {
            const auto line = fmt::format("cd {} && {} >/dev/null 2>&1", dir_.string(), command);
            ASSERT_EQ(std::system(line.c_str()), 0) << command;
        };
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
            "-subj /CN=test-ca -keyout ca.key -out ca.pem");
        for (const std::string name : {"server", "client"}) {
            run(fmt::format(
                "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "
                "/CN={0}.global.nomad -keyout {0}.key -out {0}.csr",
                name
            ));
            run(fmt::format(
                "printf 'subjectAltName=DNS:{0}.global.nomad,IP:127.0.0.1' > {0}.ext && openssl "
                "x509 -req -in {0}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "
                "{0}.ext -out {0}.pem",
                name
            ));
        }
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    std::string file(const std::string& name) const { return (dir_ / name).string(); }

    std::filesystem::path dir_;
};

TEST_F(TlsTest, VerifiesBothSides) {
    ServerOptions options;
    options.tls = TlsOptions{
        .ca_file = file("ca.pem"),
        .cert_file = file("server.pem"),
        .key_file = file("server.key"),
        .verify_client = true,
    };
    const Rig rig(
        [](api::Request request, const Responding& responder) {
            responder->respond({200, {}, request.tls_common_name});
        },
        options
    );
    const TlsOptions with_cert{
        .ca_file = file("ca.pem"),
        .cert_file = file("client.pem"),
        .key_file = file("client.key"),
    };
    const auto ask = [&](TlsOptions tls) {
        auto client = HttpClient::open({.address = "https://" + rig.address, .tls = tls});
        EXPECT_TRUE(client.has_value());
        return (*client)->send({});
    };
    const auto good = ask(with_cert);
    ASSERT_TRUE(good.has_value()) << good.error().message;
    EXPECT_EQ(good->body, "client.global.nomad");

    TlsOptions other_name = with_cert;
    other_name.server_name = "elsewhere.example";
    EXPECT_FALSE(ask(other_name).has_value());
    other_name.server_name = "server.global.nomad";
    EXPECT_TRUE(ask(other_name).has_value());
    EXPECT_FALSE(ask({.ca_file = file("ca.pem")}).has_value()) << "no client certificate";
    TlsOptions distrusting = with_cert;
    distrusting.ca_file.clear();
    EXPECT_FALSE(ask(distrusting).has_value()) << "an unknown CA";
    distrusting.skip_verify = true;
    EXPECT_TRUE(ask(distrusting).has_value());
}

TEST_F(TlsTest, NamesTheFileThatIsWrong) {
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.tls = TlsOptions{.cert_file = file("none.pem"), .key_file = file("none.key")};
    const auto started = HttpServer::start(options, echo);
    ASSERT_FALSE(started.has_value());
    EXPECT_NE(started.error().message.find("none.pem"), std::string::npos);
}

// ---- the client

TEST(HttpClient, ReportsRefusalAndTimeout) {
    std::string address;
    {
        const Rig rig(echo);
        address = rig.address;
    }
    auto client = HttpClient::open({.address = "http://" + address});
    const auto refused = (*client)->send({});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
    EXPECT_EQ(
        refused.error().message, fmt::format("cannot connect to {}: Connection refused", address)
    );
    std::mutex mutex;
    std::vector<Responding> parked;
    const Rig silent([&](api::Request, Responding responder) {
        const std::lock_guard lock(mutex);
        parked.push_back(std::move(responder));
    });
    const auto late = silent.client()->send({.timeout = milliseconds(30)});
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().code, ErrorCode::Timeout);
    EXPECT_FALSE(HttpClient::open({.address = "ftp://x"}).has_value());
}

TEST(HttpClient, ConnectsAgainWhenTheServerClosedAKeptConnection) {
    ServerOptions options;
    options.limits.idle_timeout = milliseconds(20);
    const Rig rig(echo, options);
    const auto client = rig.client();
    ASSERT_EQ(client->send({})->status, 200);
    while (rig.server->stats().connections_open > 0) {
        std::this_thread::yield();
    }
    EXPECT_EQ(client->send({})->status, 200);
    EXPECT_EQ(rig.server->stats().connections_accepted, 2U);
}

}  // namespace
}  // namespace nl::io::http
