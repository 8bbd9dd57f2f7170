#include "base/rng.h"
#include "io/http/gzip.h"
#include "io/http/url.h"
#include "io/http/websocket_frames.h"

#include <gtest/gtest.h>

namespace nl::io::http {
namespace {

TEST(Url, DecodesAndEncodes) {
    EXPECT_EQ(percent_decode("a%2Fb+c", Plus::IsPlus).value(), "a/b+c");
    EXPECT_EQ(percent_decode("a%2fb+c", Plus::IsSpace).value(), "a/b c");
    EXPECT_FALSE(percent_decode("%", Plus::IsPlus).has_value());
    EXPECT_FALSE(percent_decode("%2", Plus::IsPlus).has_value());
    EXPECT_FALSE(percent_decode("%2g", Plus::IsPlus).has_value());
    EXPECT_EQ(percent_encode("a b/ü~"), "a%20b%2F%C3%BC~");
    EXPECT_EQ(percent_encode("a/b", "/"), "a/b");
    EXPECT_EQ(encode_query({{"a b", "1&2"}, {"c", ""}}), "a%20b=1%262&c=");
}

TEST(Url, ParsesTargets) {
    const auto absolute = parse_target("http://host:1/v1/x?y#z");
    ASSERT_TRUE(absolute.has_value());
    EXPECT_EQ(absolute->path, "/v1/x");
    ASSERT_EQ(absolute->query.size(), 1U);
    EXPECT_EQ(absolute->query[0].name, "y");
    EXPECT_EQ(parse_target("/a?&&b=1&")->query.size(), 1U);
    EXPECT_FALSE(parse_target("*").has_value());
}

TEST(Url, ParsesAddresses) {
    const auto ipv6 = parse_address("https://[::1]:8080/prefix/");
    ASSERT_TRUE(ipv6.has_value());
    EXPECT_EQ(ipv6->host, "::1");
    EXPECT_EQ(ipv6->port, "8080");
    EXPECT_EQ(ipv6->path, "/prefix");
    EXPECT_EQ(ipv6->authority(), "[::1]:8080");
    EXPECT_EQ(parse_address("host")->authority(), "host:4646");
    EXPECT_EQ(parse_address("unix:///run/x")->path, "/run/x");
    for (const auto* bad : {"", "http://", "unix://x", "h:99999", "h:", "x://y", "a:b:c"}) {
        EXPECT_FALSE(parse_address(bad).has_value()) << bad;
    }
}

TEST(Gzip, RoundTripAndDamage) {
    Rng rng(1);
    for (const std::size_t size : {0UL, 1UL, 1000UL, 200'000UL}) {
        Bytes data;
        for (std::size_t i = 0; i < size; ++i) {
            data.push_back(static_cast<char>(rng.below(7)));
        }
        const Bytes packed = gzip_compress(data);
        EXPECT_EQ(gzip_decompress(packed, size).value(), data);
        if (size > 1) {
            EXPECT_EQ(gzip_decompress(packed, size - 1).error().code, ErrorCode::TooLarge);
            EXPECT_EQ(
                gzip_decompress(packed.substr(0, packed.size() - 1), size).error().code,
                ErrorCode::Corruption
            );
        }
    }
}

TEST(Utf8, KnowsTheEdges) {
    EXPECT_TRUE(is_utf8("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80"));
    for (const auto* bad :
         {"\xC3",
          "\xE2\x82",
          "\xF0\x9F\x98",
          "\xC0\x80",
          "\xED\xA0\x80",
          "\xF4\x90\x80\x80",
          "\x80",
          "\xC3("}) {
        EXPECT_FALSE(is_utf8(bad)) << bad;
    }
}

TEST(WebSocketFrames, SurviveAnyCut) {
    const Bytes long_text(70'000, 'x');
    const Bytes all = encode_frame(Opcode::Text, "hello", 0x01020304U) +
                      encode_frame(Opcode::Ping, "p", 5U) +
                      encode_frame(Opcode::Binary, Bytes(300, 'b'), 6U) +
                      encode_frame(Opcode::Text, long_text, 7U) + encode_close(1000, "done", 8U);
    Rng rng(2);
    for (int round = 0; round < 50; ++round) {
        FrameReader reader(Side::Server, 1 << 20);
        std::vector<Frame> got;
        BytesView rest = all;
        while (!rest.empty()) {
            const auto piece = rest.substr(0, 1 + rng.below(round % 2 == 0 ? 7 : 40'000));
            rest.remove_prefix(piece.size());
            auto frames = reader.feed(piece);
            ASSERT_TRUE(frames.has_value()) << frames.error().message;
            for (auto& frame : *frames) {
                got.push_back(std::move(frame));
            }
        }
        ASSERT_EQ(got.size(), 5U);
        EXPECT_EQ(got[0].payload, "hello");
        EXPECT_EQ(got[1].opcode, Opcode::Ping);
        EXPECT_EQ(got[2].payload.size(), 300U);
        EXPECT_EQ(got[3].payload, long_text);
        EXPECT_EQ(decode_close(got[4].payload)->reason, "done");
    }
}

TEST(WebSocketFrames, JoinsFragmentsAroundControlFrames) {
    // RFC 6455 5.7's fragmented message, bare as a server sends it, with a ping in between.
    FrameReader reader(Side::Client, 100);
    const auto frames = reader.feed(BytesView("\x01\x03Hel\x89\x00\x80\x02lo", 11));
    ASSERT_TRUE(frames.has_value());
    ASSERT_EQ(frames->size(), 2U);
    EXPECT_EQ((*frames)[0].opcode, Opcode::Ping);
    EXPECT_EQ((*frames)[1].payload, "Hello");
}

TEST(WebSocketFrames, RefusesBreaches) {
    const auto code = [](Side side, BytesView bytes) {
        auto frames = FrameReader(side, 100).feed(bytes);
        return frames ? ErrorCode::Internal : frames.error().code;
    };
    EXPECT_EQ(code(Side::Server, encode_frame(Opcode::Text, "x")), ErrorCode::FailedPrecondition);
    EXPECT_EQ(code(Side::Client, encode_frame(Opcode::Text, Bytes(101, 'x'))), ErrorCode::TooLarge);
    EXPECT_EQ(code(Side::Client, encode_frame(Opcode::Text, "\xC3")), ErrorCode::InvalidArgument);
    EXPECT_EQ(code(Side::Client, BytesView("\x83\x00", 2)), ErrorCode::FailedPrecondition);
    EXPECT_EQ(code(Side::Client, BytesView("\x80\x00", 2)), ErrorCode::FailedPrecondition);
    EXPECT_EQ(code(Side::Client, BytesView("\x09\x00", 2)), ErrorCode::FailedPrecondition);
    // A length that would wrap around.
    EXPECT_EQ(
        code(Side::Client, BytesView("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10)),
        ErrorCode::TooLarge
    );
}

TEST(WebSocketFrames, NoBytesCrashTheReader) {
    Rng rng(3);
    for (int round = 0; round < 20'000; ++round) {
        Bytes noise;
        const auto size = rng.below(40);
        for (std::uint64_t i = 0; i < size; ++i) {
            noise.push_back(static_cast<char>(rng.below(256)));
        }
        FrameReader reader(rng.chance(1, 2) ? Side::Server : Side::Client, 64);
        const auto frames = reader.feed(noise);
        if (frames) {
            for (const auto& frame : *frames) {
                EXPECT_LE(frame.payload.size(), 125U);
            }
        }
    }
}

}  // namespace
}  // namespace nl::io::http
