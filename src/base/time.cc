#include "base/time.h"

#include <array>
#include <cctype>
#include <charconv>
#include <optional>

namespace nl {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

// Days since 1970-01-01 of a proleptic Gregorian date (the usual era arithmetic on a March-based
// year).
std::int64_t days_from_civil(std::int64_t year, int month, int day) {
    year -= month <= 2 ? 1 : 0;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const std::int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146'097 + day_of_era - 719'468;
}

void civil_from_days(std::int64_t days, CivilTime& out) {
    days += 719'468;
    const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
    const std::int64_t day_of_era = days - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
    out.day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    out.month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
}

// The fraction of `ns` in units of `unit` (a power of ten), without trailing zeros: ".5", or "".
std::string fraction(std::int64_t ns, std::int64_t unit) {
    std::string digits;
    for (std::int64_t scale = unit / 10; scale >= 1; scale /= 10) {
        digits.push_back(static_cast<char>('0' + (ns / scale) % 10));
    }
    while (!digits.empty() && digits.back() == '0') {
        digits.pop_back();
    }
    return digits.empty() ? digits : "." + digits;
}

std::optional<int> read_digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) {
        return std::nullopt;
    }
    int value = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return std::nullopt;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

}  // namespace

std::string to_string(Duration d) {
    if (d.ns == 0) {
        return "0s";
    }
    const bool negative = d.ns < 0;
    // The most negative value has no positive twin; unsigned arithmetic keeps it exact.
    const std::uint64_t magnitude =
        negative ? ~static_cast<std::uint64_t>(d.ns) + 1 : static_cast<std::uint64_t>(d.ns);
    std::string out = negative ? "-" : "";
    const auto whole = [&](std::uint64_t unit) {
        return static_cast<std::int64_t>(magnitude / unit);
    };
    const auto rest = [&](std::uint64_t unit) {
        return static_cast<std::int64_t>(magnitude % unit);
    };
    if (magnitude < 1'000) {
        return out + fmt::format("{}ns", magnitude);
    }
    if (magnitude < 1'000'000) {
        return out + fmt::format("{}{}µs", whole(1'000), fraction(rest(1'000), 1'000));
    }
    if (magnitude < 1'000'000'000) {
        return out + fmt::format("{}{}ms", whole(1'000'000), fraction(rest(1'000'000), 1'000'000));
    }
    const std::int64_t total_seconds = whole(kNsPerSecond);
    const std::int64_t h = total_seconds / 3'600;
    const std::int64_t m = total_seconds / 60 % 60;
    if (h > 0) {
        out += fmt::format("{}h", h);
    }
    if (h > 0 || m > 0) {
        out += fmt::format("{}m", m);
    }
    return out +
           fmt::format("{}{}s", total_seconds % 60, fraction(rest(kNsPerSecond), kNsPerSecond));
}

Result<Duration> parse_duration(std::string_view text) {
    const auto invalid = [&] {
        return fail(ErrorCode::InvalidArgument, "time: invalid duration \"{}\"", text);
    };
    std::string_view rest = text;
    bool negative = false;
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
        negative = rest[0] == '-';
        rest.remove_prefix(1);
    }
    if (rest == "0") {
        return Duration{0};
    }
    if (rest.empty()) {
        return invalid();
    }
    struct Unit {
        std::string_view name;
        std::int64_t ns;
    };
    static constexpr std::array<Unit, 8> kUnits{
        {{"ns", 1},
         {"us", 1'000},
         {"µs", 1'000},
         {"μs", 1'000},
         {"ms", 1'000'000},
         {"s", kNsPerSecond},
         {"m", 60 * kNsPerSecond},
         {"h", 3'600 * kNsPerSecond}}
    };
    __extension__ using Wide = __int128;
    Wide total = 0;
    while (!rest.empty()) {
        Wide number = 0;
        Wide scale = 1;
        std::size_t digits = 0;
        bool point = false;
        while (!rest.empty() && ((rest[0] >= '0' && rest[0] <= '9') || (rest[0] == '.' && !point))
        ) {
            if (rest[0] == '.') {
                point = true;
            } else {
                // Digits beyond what nanoseconds can hold are read and ignored, as Go does for
                // fractions.
                if (number < Wide{1} << 90) {
                    number = number * 10 + (rest[0] - '0');
                    scale = point ? scale * 10 : scale;
                }
                ++digits;
            }
            rest.remove_prefix(1);
        }
        if (digits == 0) {
            return invalid();
        }
        std::size_t length = 0;
        while (length < rest.size() && rest[length] != '.' &&
               (rest[length] < '0' || rest[length] > '9')) {
            ++length;
        }
        if (length == 0) {
            return fail(ErrorCode::InvalidArgument, "time: missing unit in duration \"{}\"", text);
        }
        const std::string_view name = rest.substr(0, length);
        std::int64_t unit = 0;
        for (const Unit& u : kUnits) {
            if (u.name == name) {
                unit = u.ns;
            }
        }
        if (unit == 0) {
            return fail(
                ErrorCode::InvalidArgument,
                "time: unknown unit \"{}\" in duration \"{}\"",
                name,
                text
            );
        }
        if (number / scale > Wide{INT64_MAX}) {
            return invalid();
        }
        total += number * unit / scale;
        if (total > Wide{INT64_MAX} + (negative ? 1 : 0)) {
            return invalid();
        }
        rest.remove_prefix(length);
    }
    return Duration{static_cast<std::int64_t>(negative ? -total : total)};
}

CivilTime to_civil(WallTime t) {
    std::int64_t s = t.unix_ns / kNsPerSecond;
    std::int64_t ns = t.unix_ns % kNsPerSecond;
    if (ns < 0) {
        ns += kNsPerSecond;
        --s;
    }
    std::int64_t days = s / kSecondsPerDay;
    std::int64_t second_of_day = s % kSecondsPerDay;
    if (second_of_day < 0) {
        second_of_day += kSecondsPerDay;
        --days;
    }
    CivilTime out;
    civil_from_days(days, out);
    out.hour = static_cast<int>(second_of_day / 3'600);
    out.minute = static_cast<int>(second_of_day / 60 % 60);
    out.second = static_cast<int>(second_of_day % 60);
    out.nanosecond = ns;
    return out;
}

WallTime from_civil(const CivilTime& c) {
    const std::int64_t days = days_from_civil(c.year, c.month, c.day);
    const std::int64_t s = days * kSecondsPerDay + c.hour * 3'600 + c.minute * 60 + c.second;
    return WallTime{s * kNsPerSecond + c.nanosecond};
}

std::string to_rfc3339(WallTime t) {
    if (t.is_zero()) {
        return "0001-01-01T00:00:00Z";
    }
    const CivilTime c = to_civil(t);
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z",
        c.year,
        c.month,
        c.day,
        c.hour,
        c.minute,
        c.second,
        fraction(c.nanosecond, kNsPerSecond)
    );
}

Result<WallTime> parse_rfc3339(std::string_view text) {
    const auto invalid = [&] {
        return fail(
            ErrorCode::InvalidArgument,
            "\"{}\" is not a time of the form 2006-01-02T15:04:05Z",
            text
        );
    };
    const auto year = read_digits(text, 0, 4);
    const auto month = read_digits(text, 5, 2);
    const auto day = read_digits(text, 8, 2);
    const auto hour = read_digits(text, 11, 2);
    const auto minute = read_digits(text, 14, 2);
    const auto second = read_digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' ||
        text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
        text[16] != ':') {
        return invalid();
    }
    if (*month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 ||
        *second > 60) {
        return invalid();
    }
    std::size_t at = 19;
    std::int64_t ns = 0;
    if (at < text.size() && text[at] == '.') {
        ++at;
        std::int64_t scale = kNsPerSecond / 10;
        const std::size_t first = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
            ns += (text[at] - '0') * scale;
            scale /= 10;
            ++at;
        }
        if (at == first) {
            return invalid();
        }
    }
    std::int64_t offset_seconds = 0;
    if (at < text.size() && (text[at] == 'Z' || text[at] == 'z')) {
        ++at;
    } else if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
        const auto oh = read_digits(text, at + 1, 2);
        const auto om = read_digits(text, at + 4, 2);
        if (!oh || !om || text[at + 3] != ':') {
            return invalid();
        }
        offset_seconds = (*oh * 3'600 + *om * 60) * (text[at] == '-' ? -1 : 1);
        at += 6;
    } else {
        return invalid();
    }
    if (at != text.size()) {
        return invalid();
    }
    if (*year == 1 && *month == 1 && *day == 1) {
        return WallTime{};
    }
    // Outside of what 64-bit nanoseconds can say.
    if (*year < 1678 || *year > 2261) {
        return invalid();
    }
    const WallTime local = from_civil(
        {.year = *year,
         .month = *month,
         .day = *day,
         .hour = *hour,
         .minute = *minute,
         .second = *second,
         .nanosecond = ns}
    );
    return local - seconds(offset_seconds);
}

}  // namespace nl
