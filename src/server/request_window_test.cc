#include "server/request_window.h"

#include "base/rng.h"

#include <gtest/gtest.h>

namespace nl::server {
namespace {

using Verdict = RequestWindow::Verdict;

TEST(RequestWindow, ARequestIsFreshOnceAndThenAnsweredAsBefore) {
    Rng rng(1);
    RequestWindow window;
    const Uuid request = Uuid::random(rng);
    EXPECT_EQ(window.judge(request, Index(3)).verdict, Verdict::Fresh);
    RequestWindow::Outcome outcome{.index = Index(7), .conflict_index = Index(5)};
    outcome.refuse({ErrorCode::Conflict, "the index has moved on"});
    window.remember(request, outcome);
    const auto again = window.judge(request, Index(3));
    ASSERT_EQ(again.verdict, Verdict::Again);
    EXPECT_EQ(again.outcome->index, Index(7));
    EXPECT_EQ(again.outcome->result().error().code, ErrorCode::Conflict);
    EXPECT_EQ(again.outcome->result().error().message, "the index has moved on");
    EXPECT_EQ(window.judge(Uuid{}, Index(0)).verdict, Verdict::Fresh);
}

TEST(RequestWindow, WhatMayBeForgottenIsRefusedAndNotGuessed) {
    Rng rng(1);
    RequestWindow window(2);
    std::vector<Uuid> requests;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        requests.push_back(Uuid::random(rng));
        window.remember(requests.back(), {.index = Index(i * 10)});
    }
    EXPECT_EQ(window.size(), 2u);
    EXPECT_EQ(window.forgotten_through(), Index(10));
    // Born before the forgotten one was applied: it may be that one.
    EXPECT_EQ(window.judge(requests[0], Index(5)).verdict, Verdict::TooOld);
    EXPECT_EQ(window.judge(Uuid::random(rng), Index(9)).verdict, Verdict::TooOld);
    // Born when that had been applied already: it is another.
    EXPECT_EQ(window.judge(Uuid::random(rng), Index(10)).verdict, Verdict::Fresh);
    EXPECT_EQ(window.judge(requests[2], Index(5)).verdict, Verdict::Again);
}

TEST(RequestWindow, ASnapshotRemembersTheSame) {
    Rng rng(1);
    RequestWindow window(3);
    EXPECT_EQ(window.save(), "");
    std::vector<Uuid> requests;
    for (std::uint64_t i = 1; i <= 5; ++i) {
        requests.push_back(Uuid::random(rng));
        window.remember(requests.back(), {.index = Index(i)});
    }
    const auto loaded = RequestWindow::load(window.save(), 3);
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->size(), 3u);
    EXPECT_EQ(loaded->forgotten_through(), Index(2));
    EXPECT_EQ(loaded->judge(requests[4], Index(0)).outcome->index, Index(5));
    EXPECT_EQ(loaded->save(), window.save());
    EXPECT_FALSE(RequestWindow::load("\xff\xff\xff").has_value());
}

// docs/formats/requests.md.
TEST(RequestWindow, GoldenBytes) {
    RequestWindow window;
    window.remember(
        *Uuid::parse("00010203-0405-0607-0809-0a0b0c0d0e0f"),
        {.index = Index(7), .code = 0, .message = {}, .conflict_index = {}}
    );
    std::string hex;
    for (const char c : window.save()) {
        hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    EXPECT_EQ(hex, "0a1801" "16" "0610000102030405060708090a0b0c0d0e0f" "0a020407");
}

}  // namespace
}  // namespace nl::server
