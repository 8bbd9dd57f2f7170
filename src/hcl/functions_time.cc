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

/// A time and the offset it was written with, which formats show.
struct Stamp {
    WallTime utc;
    std::int64_t offset_minutes{0};
};

std::optional<Stamp> parse_stamp(const std::string& text) {
    const auto utc = parse_rfc3339(text);
    if (!utc) {
        return std::nullopt;
    }
    Stamp out{.utc = *utc};
    const std::size_t n = text.size();
    if (n > 6 && (text[n - 6] == '+' || text[n - 6] == '-') && text[n - 3] == ':') {
        const std::int64_t minutes = (text[n - 5] - '0') * 600 + (text[n - 4] - '0') * 60 +
                                     (text[n - 2] - '0') * 10 + (text[n - 1] - '0');
        out.offset_minutes = text[n - 6] == '-' ? -minutes : minutes;
    }
    return out;
}

std::string offset_text(std::int64_t minutes, std::string_view separator) {
    const std::int64_t size = minutes < 0 ? -minutes : minutes;
    return fmt::format("{}{:02}{}{:02}", minutes < 0 ? '-' : '+', size / 60, separator, size % 60);
}

CivilTime local_civil(const Stamp& stamp) {
    return to_civil(stamp.utc + minutes(stamp.offset_minutes));
}

std::optional<std::string> field(std::string_view verb, const Stamp& stamp) {
    const CivilTime c = local_civil(stamp);
    const std::int64_t local = stamp.utc.unix_ns + stamp.offset_minutes * 60'000'000'000;
    const auto weekday = [&]() -> std::string_view {
        std::int64_t days = local / 86'400'000'000'000;
        if (local % 86'400'000'000'000 < 0) {
            --days;
        }
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
        return wrong(fmt::format("not a valid RFC3339 timestamp: {}", a[1].as_string()), 1);
    }
    const std::string_view format = a[0].as_string();
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    std::string out;
    for (std::size_t i = 0; i < format.size();) {
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
            return wrong(fmt::format("invalid date format verb \"{}\"", verb), 0);
        }
        out += *text;
        i = end;
    }
    return Value::string(out);
}

FunctionResult add_time(Arguments a, FunctionEnvironment&) {
    const auto stamp = parse_stamp(a[0].as_string());
    if (!stamp) {
        return wrong(fmt::format("not a valid RFC3339 timestamp: {}", a[0].as_string()), 0);
    }
    const auto duration = parse_duration(a[1].as_string());
    if (!duration) {
        return wrong(duration.error().message, 1);
    }
    const Stamp later{.utc = stamp->utc + *duration, .offset_minutes = stamp->offset_minutes};
    const CivilTime c = local_civil(later);
    return Value::string(fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
        c.year,
        c.month,
        c.day,
        c.hour,
        c.minute,
        c.second,
        later.offset_minutes == 0 ? "Z" : offset_text(later.offset_minutes, ":")
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
