#include "sim/history.h"

#include "base/rng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace nl::sim {
namespace {

std::string judge(std::string_view text) {
    const auto ops = parse_history(text);
    EXPECT_TRUE(ops) << ops.error().message;
    return check_history(*ops).violation;
}

TEST(History, OneAfterTheOtherMustShowTheNewest) {
    EXPECT_EQ(judge("1 put k a - 1 2 -\n2 get k - - 3 4 a\n"), "");
    EXPECT_NE(judge("1 put k a - 1 2 -\n2 get k - - 3 4 -\n"), "");
    EXPECT_NE(judge("1 put k a - 1 2 -\n1 put k b - 3 4 -\n2 get k - - 5 6 a\n"), "");
}

TEST(History, HintsAreNeverBelieved) {
    const auto judge_with = [](std::string_view text, const std::vector<std::uint64_t>& places) {
        auto ops = parse_history(text);
        EXPECT_TRUE(ops) << ops.error().message;
        for (std::size_t i = 0; i < places.size(); ++i) {
            ops->at(i).place = places[i];
        }
        return check_history(*ops).violation;
    };
    const std::string_view good = "1 put k a - 1 9 -\n2 put k b - 2 8 -\n3 get k - - 10 11 a\n";
    EXPECT_EQ(judge_with(good, {2, 1, 2}), "");
    EXPECT_EQ(judge_with(good, {1, 2, 2}), "");
    EXPECT_EQ(judge_with(good, {1, 2, 1}), "");
    // The order of the hints fits what was read, but not the order in time.
    const std::string_view stale = "1 put k a - 1 2 -\n1 put k b - 3 4 -\n2 get k - - 5 6 a\n";
    EXPECT_NE(judge_with(stale, {2, 1, 2}), "");
    EXPECT_NE(judge_with(stale, {1, 2, 1}), "");
    EXPECT_NE(judge_with(stale, {1, 2, 2}), "");
    // An unanswered write that nobody saw needs no place.
    EXPECT_EQ(judge_with("1 put k a - 1 - -\n2 get k - - 5 6 -\n", {0, 4}), "");
    EXPECT_EQ(judge_with("1 put k a - 1 - -\n2 get k - - 5 6 a\n", {4, 4}), "");
    EXPECT_NE(judge_with("1 put k a - 7 - -\n2 get k - - 5 6 a\n", {4, 4}), "");
}

TEST(History, WhatOverlapsMayBeEitherWay) {
    EXPECT_EQ(judge("1 put k a - 1 5 -\n2 get k - - 2 3 -\n"), "");
    EXPECT_EQ(judge("1 put k a - 1 5 -\n2 get k - - 2 3 a\n"), "");
    // But once seen it stays seen.
    EXPECT_NE(judge("1 put k a - 1 9 -\n2 get k - - 2 3 a\n3 get k - - 4 5 -\n"), "");
}

TEST(History, AnUnansweredWriteMayHappenLateOrNever) {
    EXPECT_EQ(judge("1 put k a - 1 - -\n2 get k - - 5 6 -\n2 get k - - 7 8 a\n"), "");
    EXPECT_EQ(judge("1 put k a - 1 - -\n2 get k - - 5 6 -\n"), "");
    EXPECT_NE(judge("1 put k a - 3 - -\n2 get k - - 1 2 a\n"), "");
}

TEST(History, WhatIsDoneTwiceShows) {
    EXPECT_EQ(judge("1 append k a - 1 2 1\n1 append k b - 3 4 2\n"), "");
    EXPECT_NE(judge("1 append k a - 1 2 1\n1 append k b - 3 4 3\n"), "");
    EXPECT_NE(judge("1 add k 2 - 1 2 2\n2 get k - - 3 4 4\n"), "");
    EXPECT_NE(judge("1 put k x - 1 2 -\n1 delete k - - 3 4 ok\n2 get k - - 5 6 x\n"), "");
}

TEST(History, CompareAndSetHasOneWinner) {
    EXPECT_EQ(judge("1 put k a - 1 2 -\n1 cas k a b 3 6 ok\n2 cas k a c 4 5 no\n"), "");
    EXPECT_NE(judge("1 put k a - 1 2 -\n1 cas k a b 3 6 ok\n2 cas k a c 4 5 ok\n"), "");
}

TEST(History, ALineThatIsNoneIsNamed) {
    const auto bad = parse_history("# a remark\n1 put k a - 1 2 -\nnonsense\n");
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message, ::testing::HasSubstr("line 3"));
}

TEST(History, TextComesBackAsItWas) {
    const std::string text = "3 cas key v1 v2 10 20 ok\n4 put key v3 - 11 - -\n";
    const auto ops = parse_history(text);
    ASSERT_TRUE(ops);
    EXPECT_EQ(to_string((*ops)[0]) + "\n" + to_string((*ops)[1]) + "\n", text);
}

/// The dumb second opinion: every order of a few operations.
bool fits_some_order(std::vector<Op> ops) {
    std::vector<std::size_t> order(ops.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    do {
        std::string value;
        bool fits = true;
        for (std::size_t i = 0; i < order.size() && fits; ++i) {
            const Op& op = ops[order[i]];
            for (std::size_t j = i + 1; j < order.size(); ++j) {
                fits = fits && ops[order[j]].end >= op.begin;
            }
            const std::string result = carry_out(op.kind, op.a, op.b, value);
            fits = fits && (op.end == Instant::max() || result == op.result);
        }
        if (fits) {
            return true;
        }
    } while (std::next_permutation(order.begin(), order.end()));
    return false;
}

TEST(History, AgreesWithTryingEveryOrder) {
    Rng rng(7);
    std::map<bool, int> seen;
    for (int round = 0; round < 3'000; ++round) {
        std::vector<Op> ops;
        const std::uint64_t count = 2 + rng.below(5);
        for (std::uint64_t i = 0; i < count; ++i) {
            Op op{.client = i, .key = "k", .a = {}, .b = {}, .result = {}};
            op.kind = static_cast<OpKind>(rng.below(6));
            op.begin = Instant{static_cast<std::int64_t>(rng.below(12))};
            op.end = rng.chance(1, 6) && op.kind != OpKind::Get
                         ? Instant::max()
                         : op.begin + nanoseconds(static_cast<std::int64_t>(rng.below(6)));
            op.a = op.kind == OpKind::Add ? "1" : fmt::format("v{}", rng.below(2));
            op.b = fmt::format("v{}", rng.below(2));
            std::string value = rng.chance(1, 2) ? "" : fmt::format("v{}", rng.below(2));
            op.result = carry_out(op.kind, op.a, op.b, value);
            ops.push_back(op);
        }
        const bool fits = fits_some_order(ops);
        ++seen[fits];
        EXPECT_EQ(check_history(ops).violation.empty(), fits) << round;
    }
    // Both kinds were there.
    EXPECT_GT(seen[true], 100);
    EXPECT_GT(seen[false], 100);
}

TEST(History, ALongHistoryIsJudgedQuickly) {
    std::vector<Op> ops;
    std::string value;
    for (std::int64_t i = 0; i < 3'000; ++i) {
        Op op{.client = static_cast<std::uint64_t>(i % 7), .key = "k", .a = {}, .b = {}, .result = {}};
        op.kind = i % 3 == 0 ? OpKind::Get : OpKind::Put;
        op.a = fmt::format("v{}", i);
        op.begin = Instant{i * 10};
        op.end = Instant{i * 10 + 25};
        op.result = carry_out(op.kind, op.a, op.b, value);
        ops.push_back(op);
    }
    const HistoryVerdict verdict = check_history(ops);
    EXPECT_EQ(verdict.violation, "");
    EXPECT_FALSE(verdict.gave_up);
    EXPECT_LT(verdict.steps, 200'000u);
}

}  // namespace
}  // namespace nl::sim
