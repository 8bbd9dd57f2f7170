// Cron expressions in UTC: fields, names, steps, L, W, #, and what is refused. Time zones are
// tested where zones are read (io/time_zones_test.cc), and with made-up ones here.

#include "expr/cron.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nl::expr {
namespace {

/// The first `count` launches after a moment, as text without the trailing zone.
std::vector<std::string> launches(
    const std::string& text, const std::string& after, std::size_t count, const Zone* zone = nullptr
) {
    const auto cron = Cron::parse(text);
    EXPECT_TRUE(cron.has_value()) << text << ": " << (cron ? "" : cron.error().message);
    std::vector<std::string> out;
    WallTime at = *parse_rfc3339(after + "Z");
    while (cron && out.size() < count) {
        const auto next = cron->next(at, zone);
        if (!next) {
            break;
        }
        at = *next;
        std::string shown = to_rfc3339(at);
        shown.pop_back();
        out.push_back(shown);
    }
    return out;
}

using Texts = std::vector<std::string>;

TEST(Cron, FiveFieldsAreMinutes) {
    EXPECT_EQ(
        launches("*/20 8-9 * * *", "2026-01-01T08:10:00", 4),
        (Texts{
            "2026-01-01T08:20:00",
            "2026-01-01T08:40:00",
            "2026-01-01T09:00:00",
            "2026-01-01T09:20:00"
        })
    );
    EXPECT_EQ(
        launches("5/25 * * * *", "2026-01-01T00:00:00", 3),
        (Texts{"2026-01-01T00:05:00", "2026-01-01T00:30:00", "2026-01-01T00:55:00"})
    );
}

TEST(Cron, SixFieldsHaveAYear) {
    EXPECT_EQ(
        launches("0 0 1 1 * 2027,2029", "2026-06-01T00:00:00", 3),
        (Texts{"2027-01-01T00:00:00", "2029-01-01T00:00:00"})
    );
}

TEST(Cron, SevenFieldsBeginWithSeconds) {
    EXPECT_EQ(
        launches("*/15 59 23 31 12 * *", "2026-12-31T23:59:20", 3),
        (Texts{"2026-12-31T23:59:30", "2026-12-31T23:59:45", "2027-12-31T23:59:00"})
    );
}

TEST(Cron, ShorthandsAndNames) {
    EXPECT_EQ(launches("@daily", "2026-03-01T00:00:00", 1), Texts{"2026-03-02T00:00:00"});
    EXPECT_EQ(launches("@hourly", "2026-03-01T00:00:00", 1), Texts{"2026-03-01T01:00:00"});
    EXPECT_EQ(launches("@weekly", "2026-03-02T00:00:00", 1), Texts{"2026-03-08T00:00:00"});
    EXPECT_EQ(launches("@monthly", "2026-03-02T00:00:00", 1), Texts{"2026-04-01T00:00:00"});
    EXPECT_EQ(launches("@yearly", "2026-03-02T00:00:00", 1), Texts{"2027-01-01T00:00:00"});
    EXPECT_EQ(
        launches("0 9 * jan,March MON-fri", "2026-01-30T00:00:00", 2),
        (Texts{"2026-01-30T09:00:00", "2026-03-02T09:00:00"})
    );
    EXPECT_EQ(launches("0 0 * * 7", "2026-03-02T00:00:00", 1), Texts{"2026-03-08T00:00:00"});
}

TEST(Cron, DayAndWeekdayMatchIfEitherDoes) {
    EXPECT_EQ(
        launches("0 0 13 * fri", "2026-02-01T00:00:00", 4),
        (Texts{
            "2026-02-06T00:00:00",
            "2026-02-13T00:00:00",
            "2026-02-20T00:00:00",
            "2026-02-27T00:00:00"
        })
    );
    EXPECT_EQ(launches("0 0 13 * ?", "2026-02-14T00:00:00", 1), Texts{"2026-03-13T00:00:00"});
}

TEST(Cron, LastDay) {
    EXPECT_EQ(
        launches("0 0 L * *", "2028-01-31T12:00:00", 3),
        (Texts{"2028-02-29T00:00:00", "2028-03-31T00:00:00", "2028-04-30T00:00:00"})
    );
    // 31 January 2026 is a Saturday, 28 February too, 31 May a Sunday.
    EXPECT_EQ(
        launches("0 0 LW 1,2,5 *", "2026-01-01T00:00:00", 3),
        (Texts{"2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-05-29T00:00:00"})
    );
}

TEST(Cron, NearestWorkingDay) {
    // 15 February 2026 is a Sunday, 15 August a Saturday, 15 April a Wednesday.
    EXPECT_EQ(
        launches("0 0 15W 2,4,8 *", "2026-01-01T00:00:00", 3),
        (Texts{"2026-02-16T00:00:00", "2026-04-15T00:00:00", "2026-08-14T00:00:00"})
    );
    // The first of the month never goes back into the month before: 1 August 2026 is a Saturday,
    // 1 February a Sunday.
    EXPECT_EQ(
        launches("0 0 1W 2,8 *", "2026-01-01T00:00:00", 2),
        (Texts{"2026-02-02T00:00:00", "2026-08-03T00:00:00"})
    );
    // Nor the last into the next: 31 May 2026 is a Sunday.
    EXPECT_EQ(launches("0 0 31W 5 *", "2026-01-01T00:00:00", 1), Texts{"2026-05-29T00:00:00"});
}

TEST(Cron, NthAndLastWeekday) {
    EXPECT_EQ(
        launches("0 0 * * 5#3", "2026-01-01T00:00:00", 2),
        (Texts{"2026-01-16T00:00:00", "2026-02-20T00:00:00"})
    );
    EXPECT_EQ(
        launches("0 0 * * 5L", "2026-01-01T00:00:00", 2),
        (Texts{"2026-01-30T00:00:00", "2026-02-27T00:00:00"})
    );
    // A fifth Monday does not come every month.
    EXPECT_EQ(
        launches("0 0 * * mon#5", "2026-01-01T00:00:00", 2),
        (Texts{"2026-03-30T00:00:00", "2026-06-29T00:00:00"})
    );
}

TEST(Cron, WhatNeverComesIsNotLookedForForEver) {
    EXPECT_TRUE(launches("0 0 31 2 *", "2026-01-01T00:00:00", 1).empty());
    EXPECT_TRUE(launches("0 0 1 1 * 2020", "2026-01-01T00:00:00", 1).empty());
    EXPECT_EQ(
        launches("0 0 29 2 *", "2026-01-01T00:00:00", 2),
        (Texts{"2028-02-29T00:00:00", "2032-02-29T00:00:00"})
    );
}

TEST(Cron, RefusalsNameTheField) {
    const auto why = [](const std::string& text) {
        const auto cron = Cron::parse(text);
        return cron ? std::string("accepted") : cron.error().message;
    };
    EXPECT_EQ(why("* * * *"), "cron expression has 4 fields, not 5 to 7");
    EXPECT_EQ(why(""), "cron expression has 0 fields, not 5 to 7");
    EXPECT_EQ(why("60 * * * *"), "cron field minute: \"60\" is not within 0 to 59");
    EXPECT_EQ(why("* 24 * * *"), "cron field hour: \"24\" is not within 0 to 23");
    EXPECT_EQ(why("* * 0 * *"), "cron field day: \"0\" is not within 1 to 31");
    EXPECT_EQ(why("* * * 13 *"), "cron field month: \"13\" is not within 1 to 12");
    EXPECT_EQ(why("* * * foo *"), "cron field month: \"foo\" is not understood");
    EXPECT_EQ(why("* * * * 8"), "cron field weekday: \"8\" is not within 0 to 7");
    EXPECT_EQ(
        why("* * * * 5#6"),
        "cron field weekday: \"5#6\" must name a weekday and which of the month, 1 to 5"
    );
    EXPECT_EQ(why("*/0 * * * *"), "cron field minute: \"*/0\" has a bad step");
    EXPECT_EQ(why("9-5 * * * *"), "cron field minute: \"9-5\" is not within 0 to 59");
    EXPECT_EQ(why("-1 * * * *"), "cron field minute: \"-1\" is not understood");
    EXPECT_EQ(why("@every 5m"), "cron expression has 2 fields, not 5 to 7");
    EXPECT_EQ(why(std::string(600, '*')), "cron expression has 600 bytes, more than 512");
}

/// Clocks of a made-up place: an hour forward at 02:00 on 1 April 2026, back at 03:00 on 1 October.
Zone place() {
    Zone zone;
    zone.name = "Test/Place";
    zone.changes.front().offset = 3600;
    zone.changes.push_back({parse_rfc3339("2026-04-01T01:00:00Z")->unix_ns / 1'000'000'000, 7200});
    zone.changes.push_back({parse_rfc3339("2026-10-01T01:00:00Z")->unix_ns / 1'000'000'000, 3600});
    return zone;
}

TEST(Cron, NothingIsSkippedOrDoubledWhereClocksChange) {
    const Zone zone = place();
    EXPECT_EQ(
        launches("30 2 * * *", "2026-03-31T12:00:00", 2, &zone),
        (Texts{"2026-04-01T01:00:00", "2026-04-02T00:30:00"})
    );
    EXPECT_EQ(
        launches("30 2 * * *", "2026-09-30T12:00:00", 2, &zone),
        (Texts{"2026-10-01T00:30:00", "2026-10-02T01:30:00"})
    );
    // Seconds are as good as minutes.
    EXPECT_EQ(
        launches("59 59 2 * * * *", "2026-03-31T12:00:00", 2, &zone),
        (Texts{"2026-04-01T01:00:00", "2026-04-02T00:59:59"})
    );
}

TEST(Cron, AnyStartGivesTheSameLaunches) {
    const Zone zone = place();
    for (const char* text : {"30 2 * * *", "*/20 2 * * *", "0 */2 * * *", "*/30 * * * *"}) {
        const auto cron = *Cron::parse(text);
        for (const char* day : {"2026-03-31T00:00:00Z", "2026-09-30T00:00:00Z"}) {
            const WallTime first = *parse_rfc3339(day);
            const WallTime end = first + hours(72);
            std::vector<WallTime> all;
            for (WallTime at = first; at < end; at = all.back()) {
                all.push_back(*cron.next(at, &zone));
            }
            // From every minute in between, the next one is the next of the list.
            std::size_t i = 0;
            for (WallTime at = first; at < all.back(); at = at + minutes(1)) {
                while (all[i] <= at) {
                    ++i;
                }
                ASSERT_EQ(*cron.next(at, &zone), all[i]) << text << " after " << to_rfc3339(at);
            }
        }
    }
}

}  // namespace
}  // namespace nl::expr
