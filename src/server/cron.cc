#include "server/cron.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace nl::server {
namespace {

constexpr std::int64_t kDay = 86'400;

constexpr std::array<std::string_view, 12> kMonths{
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"
};
constexpr std::array<std::string_view, 7> kWeekdays{
    "sun", "mon", "tue", "wed", "thu", "fri", "sat"
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

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::optional<int> value(std::string_view text, const Field& field) {
    int n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (!text.empty() && error == std::errc{} && end == text.data() + text.size()) {
        return n;
    }
    const std::string name = lower(text);
    if (field.name == "month") {
        const auto at = std::ranges::find(kMonths, name);
        return at == kMonths.end() ? std::nullopt
                                   : std::optional(static_cast<int>(at - kMonths.begin()) + 1);
    }
    if (field.name == "weekday") {
        const auto at = std::ranges::find(kWeekdays, name);
        return at == kWeekdays.end() ? std::nullopt
                                     : std::optional(static_cast<int>(at - kWeekdays.begin()));
    }
    return std::nullopt;
}

/// The values of one field, e.g. "1-5,10,*/15". `any` tells whether it restricts nothing.
Result<std::vector<int>> parse_field(std::string_view text, const Field& field, bool& any) {
    std::vector<int> out;
    any = text == "*" || text == "?";
    bool more = true;
    while (more) {
        const auto comma = text.find(',');
        more = comma != std::string_view::npos;
        std::string_view item = text.substr(0, comma);
        text = more ? text.substr(comma + 1) : std::string_view{};
        int step = 1;
        const auto slash = item.find('/');
        if (slash != std::string_view::npos) {
            const auto n = value(item.substr(slash + 1), {"step", 1, field.high});
            if (!n || *n < 1) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "cron field {}: bad step in \"{}\"",
                    field.name,
                    item
                );
            }
            step = *n;
        }
        const std::string_view range = item.substr(0, slash);
        int first = field.low;
        int last = field.high;
        if (range != "*" && range != "?") {
            const auto dash = range.find('-', 1);
            const auto a = value(range.substr(0, dash), field);
            const auto b =
                dash == std::string_view::npos ? a : value(range.substr(dash + 1), field);
            if (!a || !b || *a < field.low || *b > field.high || *a > *b) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "cron field {}: \"{}\" is not within {} to {}",
                    field.name,
                    item,
                    field.low,
                    field.high
                );
            }
            first = *a;
            // "5/10" begins at 5 and goes on to the end.
            last =
                dash == std::string_view::npos && slash != std::string_view::npos ? field.high : *b;
        }
        for (int n = first; n <= last; n += step) {
            out.push_back(n);
        }
    }
    return out;
}

template <std::size_t N>
void fill(std::bitset<N>& bits, const std::vector<int>& values, int offset) {
    for (const int n : values) {
        bits.set(static_cast<std::size_t>(n - offset) % N);
    }
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
    for (const auto& [name, meaning] : kShorthands) {
        if (text == name) {
            return parse(meaning);
        }
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
    constexpr std::array<Field, 7> kFields{{
        {"second", 0, 59},
        {"minute", 0, 59},
        {"hour", 0, 23},
        {"day", 1, 31},
        {"month", 1, 12},
        {"weekday", 0, 7},
        {"year", kFirstCronYear, 2099},
    }};
    std::array<std::vector<int>, 7> values;
    std::array<bool, 7> any{};
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        NL_TRY(values[i], parse_field(parts[i], kFields[i], any[i]));
    }
    Cron cron;
    fill(cron.seconds_, values[0], 0);
    fill(cron.minutes_, values[1], 0);
    fill(cron.hours_, values[2], 0);
    fill(cron.days_, values[3], 0);
    fill(cron.months_, values[4], 0);
    fill(cron.weekdays_, values[5], 0);
    fill(cron.years_, values[6], kFirstCronYear);
    cron.any_day_ = any[3];
    cron.any_weekday_ = any[5];
    return cron;
}

bool Cron::day_matches(const CivilTime& day, int weekday) const {
    const auto year = day.year - kFirstCronYear;
    if (year < 0 || year >= static_cast<std::int64_t>(years_.size()) ||
        !years_.test(static_cast<std::size_t>(year)) ||
        !months_.test(static_cast<std::size_t>(day.month))) {
        return false;
    }
    const bool by_day = days_.test(static_cast<std::size_t>(day.day));
    const bool by_weekday = weekdays_.test(static_cast<std::size_t>(weekday));
    if (any_day_ || any_weekday_) {
        return by_day && by_weekday;
    }
    return by_day || by_weekday;
}

std::optional<WallTime> Cron::next(WallTime after) const {
    std::int64_t from = after.unix_ns / 1'000'000'000 + 1;
    if (from < 0) {
        from = 0;
    }
    const std::int64_t first_day = from / kDay;
    for (std::int64_t day = first_day; day <= first_day + kCronHorizonYears * 366; ++day) {
        const CivilTime civil = to_civil(WallTime{day * kDay * 1'000'000'000});
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
                        return WallTime{(day * kDay + at) * 1'000'000'000};
                    }
                }
            }
        }
    }
    return std::nullopt;
}

}  // namespace nl::server
