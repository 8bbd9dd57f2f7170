#include "expr/cron.h"

#include "base/check.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace nl::expr {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kSecond = 1'000'000'000;

constexpr std::array<std::string_view, 12> kMonths{
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december"
};
constexpr std::array<std::string_view, 7> kWeekdays{
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"
};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kShorthands{{
    {"@yearly", "0 0 0 1 1 * *"},
    {"@annually", "0 0 0 1 1 * *"},
    {"@monthly", "0 0 0 1 * * *"},
    {"@weekly", "0 0 0 * * 0 *"},
    {"@daily", "0 0 0 * * * *"},
    {"@midnight", "0 0 0 * * * *"},
    {"@hourly", "0 0 * * * * *"},
}};

struct Field {
    std::string_view name;
    int low;
    int high;
};
constexpr std::array<Field, 7> kFields{{
    {"second", 0, 59},
    {"minute", 0, 59},
    {"hour", 0, 23},
    {"day", 1, 31},
    {"month", 1, 12},
    {"weekday", 0, 7},
    {"year", kFirstCronYear, kLastCronYear},
}};
constexpr std::size_t kDayField = 3;
constexpr std::size_t kWeekdayField = 5;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

/// A name in full or by its first three letters.
template <std::size_t N>
std::optional<int> named(const std::array<std::string_view, N>& names, std::string_view text) {
    const std::string word = lower(text);
    for (std::size_t i = 0; i < N; ++i) {
        if (word == names[i] || word == names[i].substr(0, 3)) {
            return static_cast<int>(i);
        }
    }
    return std::nullopt;
}

std::optional<int> number(std::string_view text) {
    int n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    const bool whole = !text.empty() && error == std::errc{} && end == text.data() + text.size();
    return whole && text[0] != '-' ? std::optional(n) : std::nullopt;
}

std::optional<int> value(std::string_view text, const Field& field) {
    if (const auto n = number(text)) {
        return n;
    }
    if (field.name == "month") {
        const auto n = named(kMonths, text);
        return n ? std::optional(*n + 1) : std::nullopt;
    }
    return field.name == "weekday" ? named(kWeekdays, text) : std::nullopt;
}

Error refuse(const Field& field, std::string_view item, std::string_view why) {
    return Error{
        ErrorCode::InvalidArgument, fmt::format("cron field {}: \"{}\" {}", field.name, item, why)
    };
}

/// The values of one item such as "5", "1-5" or "*/15".
Result<std::vector<int>> plain_item(std::string_view item, const Field& field) {
    int step = 1;
    const auto slash = item.find('/');
    if (slash != std::string_view::npos) {
        const auto n = number(item.substr(slash + 1));
        if (!n || *n < 1 || *n > field.high) {
            return std::unexpected(refuse(field, item, "has a bad step"));
        }
        step = *n;
    }
    const std::string_view range = item.substr(0, slash);
    int first = field.low;
    int last = field.high;
    if (range != "*" && range != "?") {
        const auto dash = range.find('-', 1);
        const auto a = value(range.substr(0, dash), field);
        const auto b = dash == std::string_view::npos ? a : value(range.substr(dash + 1), field);
        if (!a || !b) {
            return std::unexpected(refuse(field, item, "is not understood"));
        }
        if (*a < field.low || *b > field.high || *a > *b) {
            return std::unexpected(refuse(
                field, item, fmt::format("is not within {} to {}", field.low, field.high)
            ));
        }
        first = *a;
        // "5/10" begins at 5 and goes on to the end.
        last = dash == std::string_view::npos && slash != std::string_view::npos ? field.high : *b;
    }
    std::vector<int> out;
    for (int n = first; n <= last; n += step) {
        out.push_back(n);
    }
    return out;
}

template <std::size_t N>
void set_all(std::bitset<N>& bits, const std::vector<int>& values, int offset = 0) {
    for (const int n : values) {
        bits.set(static_cast<std::size_t>(n - offset) % N);
    }
}

int days_in_month(std::int64_t year, int month) {
    constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

bool is_working_day(int weekday) {
    return weekday != 0 && weekday != 6;
}

}  // namespace

/// Reads one field's text into a Cron.
struct CronReader {
    Cron cron;

    Result<void> field(std::size_t which, std::string_view text) {
        const Field& field = kFields[which];
        const bool any = text == "*" || text == "?";
        if (which == kDayField) {
            cron.any_day_ = any;
        } else if (which == kWeekdayField) {
            cron.any_weekday_ = any;
        }
        bool more = true;
        while (more) {
            const auto comma = text.find(',');
            more = comma != std::string_view::npos;
            const std::string_view item = text.substr(0, comma);
            text = more ? text.substr(comma + 1) : std::string_view{};
            if (which == kDayField && special_day(item)) {
                continue;
            }
            if (which == kWeekdayField) {
                const auto special = special_weekday(item);
                if (!special) {
                    return std::unexpected(special.error());
                }
                if (*special) {
                    continue;
                }
            }
            auto values = plain_item(item, field);
            if (!values) {
                return std::unexpected(values.error());
            }
            put(which, *values);
        }
        return {};
    }

    void put(std::size_t which, const std::vector<int>& values) {
        switch (which) {
            case 0:
                return set_all(cron.seconds_, values);
            case 1:
                return set_all(cron.minutes_, values);
            case 2:
                return set_all(cron.hours_, values);
            case kDayField:
                return set_all(cron.days_, values);
            case 4:
                return set_all(cron.months_, values);
            case kWeekdayField:
                return set_all(cron.weekdays_, values);
            case 6:
                return set_all(cron.years_, values, kFirstCronYear);
            default:
                NL_UNREACHABLE();
        }
    }

    bool special_day(std::string_view item) {
        const std::string word = lower(item);
        if (word == "l") {
            cron.last_day_ = true;
            return true;
        }
        if (word == "lw" || word == "wl") {
            cron.last_working_day_ = true;
            return true;
        }
        if (word.size() > 1 && word.back() == 'w') {
            const auto day = number(std::string_view(word).substr(0, word.size() - 1));
            if (day && *day >= 1 && *day <= 31) {
                cron.nearest_.set(static_cast<std::size_t>(*day));
                return true;
            }
        }
        return false;
    }

    Result<bool> special_weekday(std::string_view item) {
        const Field& field = kFields[kWeekdayField];
        const auto day = [&](std::string_view text) -> std::optional<std::size_t> {
            const auto n = value(text, field);
            return n && *n >= 0 && *n <= 7 ? std::optional(static_cast<std::size_t>(*n) % 7)
                                           : std::nullopt;
        };
        if (const auto hash = item.find('#'); hash != std::string_view::npos) {
            const auto weekday = day(item.substr(0, hash));
            const auto nth = number(item.substr(hash + 1));
            if (!weekday || !nth || *nth < 1 || *nth > 5) {
                return std::unexpected(
                    refuse(field, item, "must name a weekday and which of the month, 1 to 5")
                );
            }
            cron.nth_weekdays_[static_cast<std::size_t>(*nth)].set(*weekday);
            return true;
        }
        if (item.size() > 1 && (item.back() == 'L' || item.back() == 'l')) {
            if (const auto weekday = day(item.substr(0, item.size() - 1))) {
                cron.last_weekdays_.set(*weekday);
                return true;
            }
        }
        return false;
    }
};

Result<Cron> Cron::parse(std::string_view text) {
    if (text.size() > kCronTextMax) {
        return fail(
            ErrorCode::InvalidArgument,
            "cron expression has {} bytes, more than {}",
            text.size(),
            kCronTextMax
        );
    }
    std::vector<std::string_view> parts;
    while (true) {
        const auto first = text.find_first_not_of(" \t");
        if (first == std::string_view::npos) {
            break;
        }
        text.remove_prefix(first);
        const auto end = text.find_first_of(" \t");
        parts.push_back(text.substr(0, end));
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
    }
    if (parts.size() == 1) {
        for (const auto& [name, meaning] : kShorthands) {
            if (lower(parts[0]) == name) {
                return parse(meaning);
            }
        }
    }
    if (parts.size() < 5 || parts.size() > 7) {
        return fail(
            ErrorCode::InvalidArgument, "cron expression has {} fields, not 5 to 7", parts.size()
        );
    }
    if (parts.size() < 7) {
        parts.insert(parts.begin(), "0");
    }
    if (parts.size() < 7) {
        parts.emplace_back("*");
    }
    CronReader reader;
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        NL_TRY_VOID(reader.field(i, parts[i]));
    }
    return reader.cron;
}

bool Cron::day_of_month_matches(const CivilTime& day, int weekday, int length) const {
    if (days_.test(static_cast<std::size_t>(day.day)) || (last_day_ && day.day == length)) {
        return true;
    }
    if (!is_working_day(weekday)) {
        return false;
    }
    if (last_working_day_) {
        // Nothing but a weekend lies between it and the end of the month.
        const int left = length - day.day;
        if (left == 0 || (weekday == 5 && left <= 2)) {
            return true;
        }
    }
    if (nearest_.none()) {
        return false;
    }
    const auto wanted = [&](int n) {
        return n >= 1 && n <= length && nearest_.test(static_cast<std::size_t>(n));
    };
    if (wanted(day.day)) {
        return true;
    }
    // A Saturday's is the Friday before, a Sunday's the Monday after, but never in another month.
    if (weekday == 5 && (wanted(day.day + 1) || (day.day + 2 == length && wanted(length)))) {
        return true;
    }
    return weekday == 1 && (wanted(day.day - 1) || (day.day == 3 && wanted(1)));
}

bool Cron::weekday_matches(const CivilTime& day, int weekday, int length) const {
    const auto index = static_cast<std::size_t>(weekday);
    return weekdays_.test(index) ||
           (last_weekdays_.test(index) && day.day + 7 > length) ||
           nth_weekdays_[static_cast<std::size_t>((day.day - 1) / 7 + 1)].test(index);
}

bool Cron::day_matches(const CivilTime& day, int weekday) const {
    const auto year = day.year - kFirstCronYear;
    if (year < 0 || year >= static_cast<std::int64_t>(years_.size()) ||
        !years_.test(static_cast<std::size_t>(year)) ||
        !months_.test(static_cast<std::size_t>(day.month))) {
        return false;
    }
    const int length = days_in_month(day.year, day.month);
    const bool by_day = day_of_month_matches(day, weekday, length);
    const bool by_weekday = weekday_matches(day, weekday, length);
    if (any_day_ || any_weekday_) {
        return by_day && by_weekday;
    }
    return by_day || by_weekday;
}

std::optional<std::int64_t> Cron::next_on_clock(std::int64_t after) const {
    const std::int64_t from = std::max<std::int64_t>(after + 1, 0);
    const std::int64_t first_day = from / kDay;
    for (std::int64_t day = first_day; day <= first_day + kCronHorizonYears * 366; ++day) {
        const CivilTime civil = to_civil(WallTime{day * kDay * kSecond});
        // 1 January 1970 was a Thursday.
        if (!day_matches(civil, static_cast<int>((day + 4) % 7))) {
            continue;
        }
        const std::int64_t start = day == first_day ? from % kDay : 0;
        for (std::int64_t hour = start / 3600; hour < 24; ++hour) {
            if (!hours_.test(static_cast<std::size_t>(hour))) {
                continue;
            }
            for (std::int64_t minute = 0; minute < 60; ++minute) {
                if (!minutes_.test(static_cast<std::size_t>(minute)) ||
                    hour * 3600 + minute * 60 + 59 < start) {
                    continue;
                }
                for (std::int64_t second = 0; second < 60; ++second) {
                    const std::int64_t at = hour * 3600 + minute * 60 + second;
                    if (at >= start && seconds_.test(static_cast<std::size_t>(second))) {
                        return day * kDay + at;
                    }
                }
            }
        }
    }
    return std::nullopt;
}

std::optional<WallTime> Cron::next(WallTime after, const Zone* zone) const {
    const std::int64_t from = after.unix_ns >= 0 ? after.unix_ns / kSecond + 1 : 0;
    if (zone == nullptr) {
        const auto at = next_on_clock(from - 1);
        return at ? std::optional(WallTime{*at * kSecond}) : std::nullopt;
    }
    const bool every_hour = hours_.all();
    const auto& changes = zone->changes;
    // One round for each span in which the offset stays the same.
    for (std::size_t i = zone->index_at(from); i < changes.size(); ++i) {
        const std::int64_t offset = changes[i].offset;
        std::int64_t clock = std::max(from, changes[i].at) + offset;
        if (!every_hour && i > 0 && changes[i - 1].offset > offset) {
            // What the clock showed before it was set back has had its turn.
            clock = std::max(clock, changes[i].at + changes[i - 1].offset);
        }
        const auto match = next_on_clock(clock - 1);
        if (!match) {
            return std::nullopt;
        }
        if (i + 1 == changes.size() || *match - offset < changes[i + 1].at) {
            return WallTime{(*match - offset) * kSecond};
        }
        const ZoneChange& change = changes[i + 1];
        if (!every_hour && change.offset > offset) {
            const auto jumped = next_on_clock(change.at + offset - 1);
            if (jumped && *jumped < change.at + change.offset) {
                return WallTime{change.at * kSecond};
            }
        }
    }
    return std::nullopt;
}

}  // namespace nl::expr
