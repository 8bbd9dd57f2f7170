#pragma once
// Cron expressions of periodic jobs, and when they next match in a time zone.
//
// Five fields (minute hour day month weekday), six (a year after them) or seven (seconds before
// them); lists, ranges, steps, names, `?`; in the day of the month `L` (the last), `LW` (the last
// from Monday to Friday) and `15W` (the weekday nearest to the 15th); in the weekday `5L` (the last
// Friday) and `5#3` (the third); @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly.
// Day and weekday, where both are restricted, match if either does.
//
// Where a zone's clocks change, no time is skipped and none is doubled:
// - A time that the clocks jump over is launched at the moment after the jump, once however many
//   such times there are.
// - A time that comes twice is launched the first time only.
// - An expression that matches in every hour follows the hours that pass, not the clock's face: it
//   launches in both of the doubled hours and has nothing to make up for after a jump.
//
// Pure values. Source: jobspec reference, periodic; crontab(5); the fields of hashicorp/cronexpr;
// Vixie cron's treatment of clock changes.

#include "base/error.h"
#include "base/time.h"
#include "expr/zone.h"

#include <array>
#include <bitset>
#include <optional>
#include <string_view>

namespace nl::expr {

class Cron {
public:
    /// Errors: InvalidArgument, naming the field and what is wrong with it.
    static Result<Cron> parse(std::string_view text);

    /// The first launch strictly after the time; nullopt if there is none within
    /// kCronHorizonYears. Without a zone times are UTC.
    std::optional<WallTime> next(WallTime after, const Zone* zone = nullptr) const;

private:
    friend struct CronReader;
    /// The first match strictly after a clock's face, in seconds since 1970 on that clock.
    std::optional<std::int64_t> next_on_clock(std::int64_t after) const;
    bool day_matches(const CivilTime& day, int weekday) const;
    bool day_of_month_matches(const CivilTime& day, int weekday, int length) const;
    bool weekday_matches(const CivilTime& day, int weekday, int length) const;

    std::bitset<60> seconds_;
    std::bitset<60> minutes_;
    std::bitset<24> hours_;
    std::bitset<32> days_;
    std::bitset<13> months_;
    std::bitset<7> weekdays_;
    /// From kFirstCronYear.
    std::bitset<130> years_;
    bool last_day_{false};
    bool last_working_day_{false};
    /// Days whose nearest working day counts.
    std::bitset<32> nearest_;
    /// Weekdays whose last in the month counts; whose n-th does, at [n].
    std::bitset<7> last_weekdays_;
    std::array<std::bitset<7>, 6> nth_weekdays_{};
    bool any_day_{true};
    bool any_weekday_{true};
};

inline constexpr int kFirstCronYear = 1970;
inline constexpr int kLastCronYear = 2099;
/// A rule such as 29 February on a Monday may rest for long, but not for ever.
inline constexpr int kCronHorizonYears = 40;
/// Longer expressions are refused.
inline constexpr std::size_t kCronTextMax = 512;

}  // namespace nl::expr
