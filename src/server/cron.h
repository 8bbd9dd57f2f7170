#pragma once
// Cron expressions of periodic jobs: five fields (minute hour day month weekday), six (a year
// after them) or seven (seconds before them), lists, ranges, steps, names, and @hourly, @daily,
// @weekly, @monthly, @yearly. Times are UTC. Day and weekday, where both are restricted, match if
// either does. Source: jobspec reference, periodic; crontab(5).

#include "base/error.h"
#include "base/time.h"

#include <bitset>
#include <optional>
#include <string_view>

namespace nl::server {

class Cron {
public:
    /// Errors: InvalidArgument, naming the field.
    static Result<Cron> parse(std::string_view text);

    /// The first match strictly after the time; nullopt if there is none within kCronHorizonYears.
    std::optional<WallTime> next(WallTime after) const;

private:
    bool day_matches(const CivilTime& day, int weekday) const;

    std::bitset<60> seconds_;
    std::bitset<60> minutes_;
    std::bitset<24> hours_;
    std::bitset<32> days_;
    std::bitset<13> months_;
    std::bitset<7> weekdays_;
    /// From kFirstCronYear.
    std::bitset<130> years_;
    bool any_day_{true};
    bool any_weekday_{true};
};

inline constexpr int kFirstCronYear = 1970;
/// A rule such as 29 February on a Monday may rest for long, but not for ever.
inline constexpr int kCronHorizonYears = 40;

}  // namespace nl::server
