#include "agent/http_guard.h"

#include <gtest/gtest.h>

namespace nl::agent {
namespace {

api::Request request(
    std::string method, std::vector<api::NameValue> headers, std::string peer = "127.0.0.1:5"
) {
    api::Request out;
    out.method = std::move(method);
    out.path = "/v1/jobs";
    out.headers = std::move(headers);
    out.peer = std::move(peer);
    return out;
}

std::int64_t status(const api::Request& r, const HttpGuard& guard) {
    const auto refused = refuse_foreign(r, guard);
    return refused ? refused->status : 200;
}

TEST(HttpGuard, own_names_pass_and_foreign_ones_are_misdirected) {
    const HttpGuard guard{.loopback_only = true, .names = {"Node1"}, .acl_enabled = false};
    for (const char* host :
         {"127.0.0.1:4646", "[::1]:4646", "localhost", "localhost:4646", "LOCALHOST", "a.localhost",
          "node1:4646", "10.0.0.1", ""}) {
        EXPECT_EQ(status(request("GET", {{"host", host}}), guard), 200) << host;
    }
    for (const char* host : {"evil.example", "evil.example:4646", "127.0.0.1.evil.example",
                             "localhost.evil.example", "node1.evil"}) {
        EXPECT_EQ(status(request("GET", {{"host", host}}), guard), 421) << host;
    }
    EXPECT_EQ(status(request("GET", {{"host", "evil.example"}}, ""), guard), 200);
    const HttpGuard open{.loopback_only = false, .names = {}, .acl_enabled = false};
    EXPECT_EQ(status(request("GET", {{"host", "nomad.example:4646"}}), open), 200);
}

TEST(HttpGuard, pages_of_other_origins_change_nothing) {
    const HttpGuard guard{.loopback_only = false, .names = {}, .acl_enabled = false};
    const auto with = [](std::string origin) {
        return std::vector<api::NameValue>{{"host", "a:4646"}, {"origin", std::move(origin)}};
    };
    EXPECT_EQ(status(request("POST", with("http://a:4646")), guard), 200);
    EXPECT_EQ(status(request("POST", with("http://evil.example")), guard), 403);
    EXPECT_EQ(status(request("DELETE", with("null")), guard), 403);
    EXPECT_EQ(status(request("GET", with("http://b:4646")), guard), 200);
    auto tokened = with("http://b:4646");
    tokened.push_back({"x-nomad-token", "secret"});
    EXPECT_EQ(status(request("POST", tokened), guard), 200);
}

TEST(HttpGuard, on_loopback_not_even_reads_cross) {
    const HttpGuard guard{.loopback_only = true, .names = {}, .acl_enabled = false};
    EXPECT_EQ(
        status(
            request("GET", {{"host", "127.0.0.1:4646"}, {"origin", "http://evil.example"}}), guard
        ),
        403
    );
}

TEST(HttpGuard, a_socket_of_another_origin_needs_a_token_in_its_first_message) {
    HttpGuard guard{.loopback_only = false, .names = {}, .acl_enabled = true};
    auto socket = request(
        "GET", {{"host", "a:4646"}, {"origin", "http://b:4646"}, {"upgrade", "websocket"}}
    );
    EXPECT_EQ(status(socket, guard), 403);
    socket.query = {{"ws_handshake", "true"}};
    EXPECT_EQ(status(socket, guard), 200);
    guard.acl_enabled = false;
    EXPECT_EQ(status(socket, guard), 403);
}

TEST(HttpGuard, headers_are_added_once) {
    std::vector<api::NameValue> headers{{"Content-Type", "text/html; charset=utf-8"}};
    add_browser_headers(headers);
    const std::size_t size = headers.size();
    add_browser_headers(headers);
    EXPECT_EQ(headers.size(), size);
    EXPECT_NE(headers.back().value.find("frame-ancestors 'none'"), std::string::npos);
}

}  // namespace
}  // namespace nl::agent
