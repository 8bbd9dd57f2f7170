#include "hcl/internal/function_groups.h"

#include <array>

namespace nl::hcl::internal {
namespace {

constexpr std::array<std::string_view, 12> kMonths{
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December"
};
constexpr std::array<std::string_view, 7> kDays{
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
};

/// A time as it is written: of any year, with the offset that formats show.
struct Stamp {
    int year{0};
    int month{0};
    int day{0};
    int hour{0};
    int minute{0};
    int second{0};
    std::int64_t nanos{0};
    int offset_minutes{0};
};

/// Days since 1970-01-01 in the Gregorian calendar.
std::int64_t days_since_epoch(int year, int month, int day) {
    // Years begin in March, so that the leap day is the last one.
    const std::int64_t y = year - (month <= 2 ? 1 : 0);
    const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
    const std::int64_t in_era = y - era * 400;
    const std::int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146'097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719'468;
}

/// The local date and time that many seconds later.
Stamp later(const Stamp& stamp, std::int64_t seconds, std::int64_t nanos) {
    constexpr std::int64_t kNano = 1'000'000'000;
    constexpr std::int64_t kDay = 86'400;
    nanos += stamp.nanos;
    seconds += nanos / kNano;
    nanos %= kNano;
    if (nanos < 0) {
        nanos += kNano;
        --seconds;
    }
    seconds += days_since_epoch(stamp.year, stamp.month, stamp.day) * kDay + stamp.hour * 3'600 +
               stamp.minute * 60 + stamp.second;
    std::int64_t days = seconds / kDay;
    std::int64_t rest = seconds % kDay;
    if (rest < 0) {
        rest += kDay;
        --days;
    }
    Stamp out = stamp;
    out.nanos = nanos;
    out.hour = static_cast<int>(rest / 3'600);
    out.minute = static_cast<int>(rest / 60 % 60);
    out.second = static_cast<int>(rest % 60);
    const std::int64_t shifted = days + 719'468;
    const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
    const std::int64_t day_of_era = shifted - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t march_month = (5 * day_of_year + 2) / 153;
    out.day = static_cast<int>(day_of_year - (153 * march_month + 2) / 5 + 1);
    out.month = static_cast<int>(march_month + (march_month < 10 ? 3 : -9));
    out.year = static_cast<int>(year_of_era + era * 400 + (out.month <= 2 ? 1 : 0));
    return out;
}

/// RFC 3339, or why not.
std::expected<Stamp, std::string> parse_stamp(std::string_view text) {
    std::string_view rest = text;
    Stamp out;
    const auto number = [&](std::size_t length, int low, int high) -> std::optional<int> {
        int n = 0;
        if (rest.size() < length) {
            return std::nullopt;
        }
        for (const char c : rest.substr(0, length)) {
            if (c < '0' || c > '9') {
                return std::nullopt;
            }
            n = n * 10 + (c - '0');
        }
        if (n < low || n > high) {
            return std::nullopt;
        }
        rest.remove_prefix(length);
        return n;
    };
    const auto take = [&](char c) {
        const bool found = rest.starts_with(c);
        rest.remove_prefix(found ? 1 : 0);
        return found;
    };
    const auto unusable = [&](std::string_view what) {
        return std::unexpected(fmt::format("cannot use \"{}\" as {}", rest, what));
    };
    const auto year = number(4, 0, 9'999);
    if (!year) {
        return unusable("year");
    }
    const auto month = take('-') ? number(2, 1, 12) : std::nullopt;
    if (!month) {
        return unusable("month");
    }
    const auto day = take('-') ? number(2, 1, 31) : std::nullopt;
    if (!day) {
        return unusable("day of month");
    }
    if (!take('T')) {
        return std::unexpected("missing required time introducer 'T'");
    }
    const auto hour = number(2, 0, 99);
    if (!hour) {
        return unusable("hour");
    }
    if (*hour > 23) {
        return std::unexpected("hour must be between 0 and 23 inclusive");
    }
    const auto minute = take(':') ? number(2, 0, 99) : std::nullopt;
    if (!minute) {
        return unusable("minute");
    }
    if (*minute > 59) {
        return std::unexpected("minute must be between 0 and 59 inclusive");
    }
    const auto second = take(':') ? number(2, 0, 99) : std::nullopt;
    if (!second) {
        return unusable("second");
    }
    if (*second > 59) {
        return std::unexpected("second must be between 0 and 59 inclusive");
    }
    if (take('.')) {
        std::int64_t unit = 100'000'000;
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        if (digits == 0) {
            return unusable("fraction of a second");
        }
        for (const char c : rest.substr(0, digits)) {
            out.nanos += (c - '0') * unit;
            unit /= 10;
        }
        rest.remove_prefix(digits);
    }
    if (rest.empty()) {
        return std::unexpected("end of string before UTC offset");
    }
    if (*day > days_in_month(*year, *month)) {
        return std::unexpected("day out of range");
    }
    if (!take('Z')) {
        const bool minus = rest.starts_with('-');
        if (!minus && !rest.starts_with('+')) {
            return unusable("UTC offset");
        }
        rest.remove_prefix(1);
        const auto hours = number(2, 0, 24);
        const auto minutes = hours && take(':') ? number(2, 0, 59) : std::nullopt;
        if (!minutes) {
            return unusable("UTC offset");
        }
        out.offset_minutes = (*hours * 60 + *minutes) * (minus ? -1 : 1);
    }
    if (!rest.empty()) {
        return std::unexpected("extra characters after UTC offset");
    }
    out.year = *year;
    out.month = *month;
    out.day = *day;
    out.hour = *hour;
    out.minute = *minute;
    out.second = *second;
    return out;
}

std::string offset_text(int minutes, std::string_view separator) {
    const int size = minutes < 0 ? -minutes : minutes;
    return fmt::format("{}{:02}{}{:02}", minutes < 0 ? '-' : '+', size / 60, separator, size % 60);
}

/// What is wrong with letters that are no field.
std::string_view rule_of(char letter) {
    switch (letter) {
        case 'Y':
            return "year must either be \"YY\" or \"YYYY\"";
        case 'M':
            return "month must be \"M\", \"MM\", \"MMM\", or \"MMMM\"";
        case 'D':
            return "day of month must either be \"D\" or \"DD\"";
        case 'E':
            return "day of week must either be \"EEE\" or \"EEEE\"";
        case 'h':
            return "24-hour must either be \"h\" or \"hh\"";
        case 'H':
            return "12-hour must either be \"H\" or \"HH\"";
        case 'A':
            return "must be \"AA\"";
        case 'a':
            return "must be \"aa\"";
        case 'm':
            return "minute must either be \"m\" or \"mm\"";
        case 's':
            return "second must either be \"s\" or \"ss\"";
        case 'Z':
            return "timezone must be Z, ZZZZ, or ZZZZZ";
        default:
            return "";
    }
}

std::optional<std::string> field(std::string_view verb, const Stamp& c) {
    const Stamp& stamp = c;
    const auto weekday = [&]() -> std::string_view {
        const std::int64_t days = days_since_epoch(c.year, c.month, c.day);
        return kDays[static_cast<std::size_t>(((days % 7) + 11) % 7)];
    };
    const int hour12 = c.hour % 12 == 0 ? 12 : c.hour % 12;
    const auto month = kMonths[static_cast<std::size_t>(c.month - 1)];
    if (verb == "YYYY") {
        return fmt::format("{:04}", c.year);
    }
    if (verb == "YY") {
        return fmt::format("{:02}", c.year % 100);
    }
    if (verb == "MMMM") {
        return std::string(month);
    }
    if (verb == "MMM") {
        return std::string(month.substr(0, 3));
    }
    if (verb == "MM") {
        return fmt::format("{:02}", c.month);
    }
    if (verb == "M") {
        return std::to_string(c.month);
    }
    if (verb == "DD") {
        return fmt::format("{:02}", c.day);
    }
    if (verb == "D") {
        return std::to_string(c.day);
    }
    if (verb == "EEEE") {
        return std::string(weekday());
    }
    if (verb == "EEE") {
        return std::string(weekday().substr(0, 3));
    }
    if (verb == "hh") {
        return fmt::format("{:02}", c.hour);
    }
    if (verb == "h") {
        return std::to_string(c.hour);
    }
    if (verb == "HH") {
        return fmt::format("{:02}", hour12);
    }
    if (verb == "H") {
        return std::to_string(hour12);
    }
    if (verb == "AA") {
        return c.hour < 12 ? "AM" : "PM";
    }
    if (verb == "aa") {
        return c.hour < 12 ? "am" : "pm";
    }
    if (verb == "mm") {
        return fmt::format("{:02}", c.minute);
    }
    if (verb == "m") {
        return std::to_string(c.minute);
    }
    if (verb == "ss") {
        return fmt::format("{:02}", c.second);
    }
    if (verb == "s") {
        return std::to_string(c.second);
    }
    if (verb == "ZZZZZ") {
        return offset_text(stamp.offset_minutes, ":");
    }
    if (verb == "ZZZZ") {
        return offset_text(stamp.offset_minutes, "");
    }
    if (verb == "ZZZ") {
        return stamp.offset_minutes == 0 ? "UTC" : offset_text(stamp.offset_minutes, "");
    }
    if (verb == "Z") {
        return stamp.offset_minutes == 0 ? "Z" : offset_text(stamp.offset_minutes, ":");
    }
    return std::nullopt;
}

FunctionResult format_date(Arguments a, FunctionEnvironment&) {
    const auto stamp = parse_stamp(a[1].as_string());
    if (!stamp) {
        return wrong(fmt::format("not a valid RFC3339 timestamp: {}", stamp.error()), 1);
    }
    const std::string_view format = a[0].as_string();
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    std::string out;
    for (std::size_t i = 0; i < format.size();) {
        if (format.substr(i, 2) == "''") {
            out += '\'';
            i += 2;
            continue;
        }
        if (format[i] == '\'') {
            std::size_t end = i + 1;
            while (end < format.size() && (format[end] != '\'' || format.substr(end, 2) == "''")) {
                end += format[end] == '\'' ? 2U : 1U;
                out += format[end - 1];
            }
            if (end >= format.size()) {
                return wrong("unterminated literal '", 0);
            }
            i = end + 1;
            continue;
        }
        if (!letter(format[i])) {
            out += format[i++];
            continue;
        }
        std::size_t end = i;
        while (end < format.size() && format[end] == format[i]) {
            ++end;
        }
        const std::string_view verb = format.substr(i, end - i);
        const auto text = field(verb, *stamp);
        if (!text) {
            const std::string_view rule = rule_of(verb[0]);
            return wrong(
                fmt::format(
                    "invalid date format verb \"{}\"{}{}", verb, rule.empty() ? "" : ": ", rule
                ),
                0
            );
        }
        out += *text;
        i = end;
    }
    return Value::string(out);
}

FunctionResult add_time(Arguments a, FunctionEnvironment&) {
    const auto stamp = parse_stamp(a[0].as_string());
    if (!stamp) {
        return wrong(fmt::format("not a valid RFC3339 timestamp: {}", stamp.error()));
    }
    const auto duration = parse_duration(a[1].as_string());
    if (!duration) {
        return wrong(duration.error().message);
    }
    constexpr std::int64_t kNano = 1'000'000'000;
    const Stamp c = later(*stamp, duration->ns / kNano, duration->ns % kNano);
    return Value::string(fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
        c.year,
        c.month,
        c.day,
        c.hour,
        c.minute,
        c.second,
        c.offset_minutes == 0 ? "Z" : offset_text(c.offset_minutes, ":")
    ));
}

}  // namespace

void add_time_functions(FunctionTable& table) {
    table["formatdate"] = {
        .parameters =
            {{.name = "format", .type = Kind::String}, {.name = "time", .type = Kind::String}},
        .call = format_date
    };
    table["timeadd"] = {
        .parameters =
            {{.name = "timestamp", .type = Kind::String}, {.name = "duration", .type = Kind::String}
            },
        .call = add_time
    };
}

}  // namespace nl::hcl::internal
