#include "io/clock.h"
#include "io/entropy.h"
#include "io/files.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/testing/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>
#include <vector>

namespace nl::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Files, AtomicWriteReplacesAndLeavesNoTemporary) {
    const TempDir dir;
    const std::string path = dir.path() + "/a/b/state";
    ASSERT_TRUE(make_directories(dir.path() + "/a/b"));
    ASSERT_TRUE(make_directories(dir.path() + "/a/b/"));
    ASSERT_TRUE(write_file_atomic(path, "one"));
    ASSERT_TRUE(write_file_atomic(path, std::string(100'000, 'x') + '\0'));
    EXPECT_EQ(*read_file(path), std::string(100'000, 'x') + '\0');
    EXPECT_THAT(*list_directory(dir.path() + "/a/b"), ElementsAre("state"));
}

TEST(Files, ErrorsNameThePathAndTheReason) {
    const TempDir dir;
    const auto missing = read_file(dir.path() + "/none");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
    EXPECT_THAT(missing.error().message, HasSubstr("/none"));
    ASSERT_TRUE(write_file_atomic(dir.path() + "/big", std::string(11, 'x')));
    EXPECT_EQ(read_file(dir.path() + "/big", 10).error().code, ErrorCode::TooLarge);
    EXPECT_EQ(read_file(dir.path() + "/big", 11)->size(), 11U);
    EXPECT_EQ(read_file(dir.path()).error().code, ErrorCode::InvalidArgument);
    EXPECT_EQ(make_directories(dir.path() + "/big/under").error().code, ErrorCode::InvalidArgument);
    EXPECT_FALSE(write_file_atomic(dir.path() + "/no/such/folder", "x"));
}

TEST(Files, ReadsFilesThatTellNoSize) {
    const auto text = read_file("/proc/self/status");
    ASSERT_TRUE(text);
    EXPECT_THAT(*text, HasSubstr("Threads:"));
}

TEST(Entropy, UuidsAreOfVersion4AndDiffer) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const std::string text = random_uuid().str();
        EXPECT_EQ(text[14], '4');
        EXPECT_TRUE(std::string_view("89ab").contains(text[19]));
        seen.insert(text);
    }
    EXPECT_EQ(seen.size(), 100U);
    EXPECT_EQ(random_bytes(1000).size(), 1000U);
}

TEST(EventLoop, RunsInOrderAndDrainsOncePerBatch) {
    std::vector<int> order;
    int drains = 0;
    EventLoop loop({.name = "test"});
    loop.set_drained([&] { ++drains; });
    // Posted before the start, so all of them are one batch.
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(loop.post([&, i] {
            EXPECT_TRUE(loop.is_loop_thread());
            order.push_back(i);
        }));
    }
    loop.start();
    loop.stop();
    ASSERT_EQ(order.size(), 100U);
    EXPECT_TRUE(std::ranges::is_sorted(order));
    EXPECT_EQ(drains, 1);
    EXPECT_FALSE(loop.post([] {}));
}

TEST(EventLoop, FullQueueRefusesButEndsOfOwnWorkGetIn) {
    EventLoop loop({.name = "test", .queue_max = 2});
    int ran = 0;
    EXPECT_TRUE(loop.post([&] { ++ran; }));
    EXPECT_TRUE(loop.post([&] { ++ran; }));
    EXPECT_FALSE(loop.post([&] { ++ran; }));
    loop.must_post([&] { ran += 10; });
    EXPECT_EQ(loop.queued(), 3U);
    loop.start();
    loop.stop();
    EXPECT_EQ(ran, 12);
}

TEST(EventLoop, TimersRunByTimeAndCanBeCancelled) {
    EventLoop loop({.name = "test"});
    std::vector<std::string> order;
    std::promise<void> done;
    const Instant begin = now();
    const Instant late = begin + milliseconds(20);
    loop.run_at(late, [&] {
        order.emplace_back("late");
        EXPECT_GE(now(), late);
        done.set_value();
    });
    loop.run_at(begin + milliseconds(5), [&] { order.emplace_back("early"); });
    const auto gone = loop.run_at(begin + milliseconds(6), [&] { order.emplace_back("gone"); });
    loop.cancel(gone);
    loop.cancel(gone);
    loop.start();
    done.get_future().wait();
    loop.stop();
    EXPECT_THAT(order, ElementsAre("early", "late"));
}

TEST(EventLoop, AnEarlierTimerWakesASleepingLoop) {
    EventLoop loop({.name = "test"});
    loop.start();
    loop.run_at(now() + hours(1), [] { FAIL() << "an hour has not passed"; });
    std::promise<void> done;
    loop.run_at(now() + milliseconds(1), [&] { done.set_value(); });
    done.get_future().wait();
    loop.stop();
}

TEST(EventLoop, ManyThreadsPostWithoutLoss) {
    EventLoop loop({.name = "test", .queue_max = 1'000'000});
    loop.start();
    constexpr int kThreads = 4;
    constexpr int kEach = 5'000;
    int ran = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < kEach; ++i) {
                    EXPECT_TRUE(loop.post([&] { ++ran; }));
                }
            });
        }
    }
    loop.stop();
    EXPECT_EQ(ran, kThreads * kEach);
}

TEST(Log, SinksHearTheirLevelInTheirFormat) {
    std::vector<std::string> text;
    std::vector<std::string> json;
    log_setup({.level = LogLevel::Off, .format = LogFormat::Text});
    const auto a = log_add_sink(LogLevel::Warn, LogFormat::Text, [&](LogLevel, auto line) {
        text.emplace_back(line);
    });
    const auto b = log_add_sink(LogLevel::Debug, LogFormat::Json, [&](LogLevel, auto line) {
        json.emplace_back(line);
    });
    EXPECT_TRUE(log_enabled(LogLevel::Debug));
    EXPECT_FALSE(log_enabled(LogLevel::Trace));
    log_debug("raft", "term {}", 4);
    log_warn("http", "two\nlines \"quoted\"");
    log_remove_sink(a);
    log_remove_sink(b);
    log_warn("http", "nobody hears this");
    ASSERT_EQ(text.size(), 1U);
    EXPECT_THAT(text[0], HasSubstr("[WARN]  http: two lines \"quoted\""));
    ASSERT_EQ(json.size(), 2U);
    EXPECT_THAT(json[0], HasSubstr(R"({"@level":"debug","@message":"term 4","@module":"raft")"));
    EXPECT_THAT(json[1], HasSubstr(R"("two\nlines \"quoted\"")"));
    log_setup({});
}

TEST(Log, LevelsReadInAnyCase) {
    EXPECT_EQ(parse_log_level("WARN"), LogLevel::Warn);
    EXPECT_EQ(parse_log_level("trace"), LogLevel::Trace);
    EXPECT_EQ(parse_log_level("loud"), std::nullopt);
}

}  // namespace
}  // namespace nl::io
