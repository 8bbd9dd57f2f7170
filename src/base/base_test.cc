#include "base/codec.h"
#include "base/time.h"

#include <gtest/gtest.h>

namespace nl {
namespace {

struct Inner {
    std::int64_t a{};
    std::string b;
    NL_FIELDS(Inner, (1, a), (2, b))
};

template <template <class> class F>
struct SampleOf {
    F<std::int64_t> count{};
    F<Duration> wait{};
    Box<Inner> inner;
    std::vector<Inner> list;
    StringMap meta;
    ValueMap config;
    Uuid id;
    double score{};
    bool on{};
    std::optional<bool> maybe;
    NL_FIELDS(
        SampleOf,
        (1, count),
        (2, wait),
        (3, inner),
        (4, list),
        (5, meta),
        (6, config),
        (7, id),
        (8, score),
        (9, on),
        (10, maybe)
    )
};

template <class T>
T sample() {
    T s;
    Rng rng(7);
    s.count = -5;
    s.wait = seconds(3);
    s.inner = Inner{4, "x"};
    s.list = {{1, "one"}, {0, ""}};
    s.meta = {{"k", "v"}};
    s.config = {{"args", Value::List{"a", 1, 2.5, true, Value()}}, {"m", Value::Map{{"z", "y"}}}};
    s.id = Uuid::random(rng);
    s.score = 0.5;
    s.on = true;
    s.maybe = false;
    return s;
}

TEST(Codec, RoundTripsBothForms) {
    const auto written = sample<SampleOf<Opt>>();
    const auto scheduled = sample<SampleOf<Set>>();
    EXPECT_TRUE(*decode<SampleOf<Opt>>(encode(written)) == written);
    EXPECT_TRUE(*decode<SampleOf<Set>>(encode(scheduled)) == scheduled);
    EXPECT_TRUE(*decode<SampleOf<Set>>("") == SampleOf<Set>{});
}

TEST(Codec, UnknownFieldsAreSkippedAndDamageIsAnError) {
    const auto full = sample<SampleOf<Set>>();
    const Bytes bytes = encode(full);
    EXPECT_EQ(decode<Inner>(encode(SampleOf<Set>{.count = 9}))->a, 9);
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        const auto result = decode<SampleOf<Set>>(BytesView(bytes).substr(0, cut));
        EXPECT_TRUE(!result.has_value() || !(*result == full));
    }
}

TEST(Codec, RandomBytesNeverCrash) {
    Rng rng(1);
    for (int i = 0; i < 20'000; ++i) {
        Bytes noise;
        for (std::uint64_t n = rng.below(60); n > 0; --n) {
            noise.push_back(static_cast<char>(rng.next()));
        }
        const auto ignored = decode<SampleOf<Opt>>(noise);
        static_cast<void>(ignored);
    }
}

TEST(Time, DurationsAreWrittenAsGoDoes) {
    EXPECT_EQ(to_string(Duration{}), "0s");
    EXPECT_EQ(to_string(hours(1)), "1h0m0s");
    EXPECT_EQ(to_string(milliseconds(1500)), "1.5s");
    EXPECT_EQ(to_string(milliseconds(200)), "200ms");
    EXPECT_EQ(to_string(microseconds(3)), "3µs");
    EXPECT_EQ(to_string(nanoseconds(15)), "15ns");
    EXPECT_EQ(to_string(Duration{INT64_MIN}), "-2562047h47m16.854775808s");
    EXPECT_EQ(parse_duration("1h30m").value(), minutes(90));
    EXPECT_EQ(parse_duration("-1.5s").value(), milliseconds(-1500));
    EXPECT_EQ(parse_duration("0").value(), Duration{});
    EXPECT_EQ(parse_duration("3").error().message, "time: missing unit in duration \"3\"");
    EXPECT_EQ(parse_duration("3d").error().message, "time: unknown unit \"d\" in duration \"3d\"");
    EXPECT_EQ(parse_duration("").error().message, "time: invalid duration \"\"");
    EXPECT_FALSE(parse_duration("9223372036854775808ns").has_value());
}

TEST(Time, Rfc3339RoundTrips) {
    EXPECT_EQ(to_rfc3339(WallTime{}), "0001-01-01T00:00:00Z");
    EXPECT_EQ(to_rfc3339(WallTime{1'700'000'000'500'000'000}), "2023-11-14T22:13:20.5Z");
    EXPECT_EQ(
        parse_rfc3339("2023-11-14T23:13:20.5+01:00").value().unix_ns, 1'700'000'000'500'000'000
    );
    EXPECT_EQ(parse_rfc3339("0001-01-01T00:00:00Z").value(), WallTime{});
    EXPECT_FALSE(parse_rfc3339("2023-11-14").has_value());
    Rng rng(3);
    for (int i = 0; i < 10'000; ++i) {
        const WallTime t{rng.between(1, 4'000'000'000'000'000'000)};
        EXPECT_EQ(parse_rfc3339(to_rfc3339(t)).value(), t);
    }
}

TEST(Bytes, ChecksumAndText) {
    EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
    EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283U);
    EXPECT_EQ(base64_encode("hello"), "aGVsbG8=");
    EXPECT_EQ(base64_decode("aGVsbG8=").value(), "hello");
    EXPECT_FALSE(base64_decode("aGV$bG8=").has_value());
    EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
    EXPECT_EQ(hex_decode(hex_encode("ab\0c")).value(), "ab");
}

TEST(Uuid, TextAndDerivation) {
    Rng rng(1);
    const Uuid id = Uuid::random(rng);
    EXPECT_EQ(Uuid::parse(id.str()).value(), id);
    EXPECT_EQ(id.str()[14], '4');
    EXPECT_NE(Uuid::derived(id, 0), Uuid::derived(id, 1));
    EXPECT_EQ(Uuid::derived(id, 5), Uuid::derived(id, 5));
    EXPECT_EQ(Uuid{}.str(), "");
    EXPECT_EQ(Uuid::parse("foo").error().message, "UUID must be 36 characters");
}

}  // namespace
}  // namespace nl
