// Delays and limits of the reschedule block, attempt after attempt.

#include "sched/reschedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace nl::sched {
namespace {

constexpr WallTime kStart{1'700'000'000'000'000'000};

model::ReschedulePolicy policy(std::string function, Duration delay, Duration max) {
    return {.delay = delay, .delay_function = std::move(function), .max_delay = max, .unlimited = true};
}

/// Seconds each attempt waits when every replacement fails `lives` after it was placed.
std::vector<std::int64_t> waits(
    const model::ReschedulePolicy& p, std::size_t attempts, Duration lives = seconds(1)
) {
    std::vector<std::int64_t> out;
    std::optional<model::RescheduleTracker> tracker;
    WallTime failed = kStart;
    for (std::size_t i = 0; i < attempts; ++i) {
        const auto* known = tracker ? &*tracker : nullptr;
        const auto at = next_reschedule_time(p, known, failed);
        if (!at) {
            out.push_back(-1);
            break;
        }
        out.push_back((*at - failed).ns / 1'000'000'000);
        tracker = extended_tracker(
            p, known, {.reschedule_time = at->unix_ns, .delay = next_reschedule_delay(p, known, failed)}
        );
        failed = *at + lives;
    }
    return out;
}

using Seconds = std::vector<std::int64_t>;

TEST(Reschedule, ConstantDelay) {
    EXPECT_EQ(waits(policy("constant", seconds(15), {}), 4), (Seconds{15, 15, 15, 15}));
}

TEST(Reschedule, ExponentialDelayUpToItsLimit) {
    EXPECT_EQ(
        waits(policy("exponential", seconds(30), minutes(5)), 6), (Seconds{30, 60, 120, 240, 300, 300})
    );
}

TEST(Reschedule, FibonacciDelayUpToItsLimit) {
    EXPECT_EQ(
        waits(policy("fibonacci", seconds(5), seconds(60)), 8),
        (Seconds{5, 5, 10, 15, 25, 40, 60, 60})
    );
}

TEST(Reschedule, WhatLivedLongerThanTheLongestDelayBeginsAnew) {
    const auto p = policy("exponential", seconds(30), minutes(2));
    std::vector<std::int64_t> out = waits(p, 4);
    EXPECT_EQ(out, (Seconds{30, 60, 120, 120}));
    EXPECT_EQ(waits(p, 5, minutes(3)), (Seconds{30, 60, 120, 30, 60}));
}

TEST(Reschedule, AttemptsAreCountedWithinTheirInterval) {
    model::ReschedulePolicy p{
        .attempts = 2,
        .interval = minutes(10),
        .delay = seconds(5),
        .delay_function = "constant"
    };
    EXPECT_EQ(waits(p, 5), (Seconds{5, 5, -1}));
    // Failures far apart are never too many.
    EXPECT_EQ(waits(p, 5, minutes(6)), (Seconds{5, 5, 5, 5, 5}));
}

TEST(Reschedule, NeverIsNever) {
    EXPECT_EQ(waits({.attempts = 0, .interval = hours(1), .delay = seconds(5)}, 1), Seconds{-1});
}

TEST(Reschedule, TheTrackerStaysSmall) {
    const auto p = policy("exponential", seconds(1), hours(1));
    model::RescheduleTracker tracker;
    for (int i = 0; i < 100; ++i) {
        tracker = extended_tracker(p, &tracker, {.reschedule_time = kStart.unix_ns + i});
    }
    EXPECT_EQ(tracker.events.size(), kMaxPastReschedules);
    EXPECT_EQ(tracker.events.back().reschedule_time, kStart.unix_ns + 99);
    // With a limit, only what still counts is remembered.
    const model::ReschedulePolicy limited{.attempts = 3, .interval = minutes(1), .delay = seconds(5)};
    model::RescheduleTracker few;
    for (int i = 0; i < 10; ++i) {
        few = extended_tracker(
            limited, &few, {.reschedule_time = kStart.unix_ns + seconds(30).ns * i}
        );
    }
    EXPECT_EQ(few.events.size(), 2U);
}

}  // namespace
}  // namespace nl::sched
