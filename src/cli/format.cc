#include "cli/format.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace nl::cli {

namespace {

constexpr std::size_t kShortId = 8;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

void append_padded(std::string& out, std::string_view text, std::size_t width) {
    out += text;
    const std::size_t shown = visible_width(text);
    if (shown < width) {
        out.append(width - shown, ' ');
    }
}

std::string cell(std::string_view text) {
    return text.empty() ? "<none>" : std::string(text);
}

}  // namespace

std::size_t visible_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
            while (i < text.size() && text[i] != 'm') {
                ++i;
            }
            continue;
        }
        // Continuation bytes of UTF-8 belong to the character before them.
        if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U) {
            ++width;
        }
    }
    return width;
}

std::string table(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i == widths.size()) {
                widths.push_back(0);
            }
            widths[i] = std::max(widths[i], visible_width(cell(row[i])));
        }
    }
    std::string out;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        out += r == 0 ? "" : "\n";
        const Row& row = rows[r];
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i + 1 == row.size()) {
                out += cell(row[i]);
            } else {
                append_padded(out, cell(row[i]), widths[i] + 2);
            }
        }
    }
    return out;
}

std::string key_values(const Pairs& pairs) {
    std::size_t width = 0;
    for (const auto& [key, value] : pairs) {
        width = std::max(width, visible_width(key));
    }
    std::string out;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        out += i == 0 ? "" : "\n";
        append_padded(out, pairs[i].first, width);
        out += " = ";
        out += cell(pairs[i].second);
    }
    return out;
}

std::string short_id(std::string_view id, IdLength length) {
    return std::string(length == IdLength::Full ? id : id.substr(0, kShortId));
}

std::string local_time(WallTime time, int offset_seconds) {
    if (time.unix_ns < kNanosecondsPerSecond) {
        return "";
    }
    const CivilTime c = to_civil(time + seconds(offset_seconds));
    std::string out = fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second
    );
    if (offset_seconds == 0) {
        return out + "Z";
    }
    const int distance = std::abs(offset_seconds) / 60;
    return out + fmt::format(
                     "{}{:02}:{:02}", offset_seconds < 0 ? '-' : '+', distance / 60, distance % 60
                 );
}

std::string time_distance(WallTime time, WallTime now) {
    struct Unit {
        std::int64_t seconds;
        std::string_view name;
    };
    constexpr std::int64_t kDay = 24 * 3600;
    constexpr std::array<Unit, 6> kUnits{
        Unit{.seconds = 365 * kDay, .name = "y"},
        Unit{.seconds = 30 * kDay, .name = "mo"},
        Unit{.seconds = kDay, .name = "d"},
        Unit{.seconds = 3600, .name = "h"},
        Unit{.seconds = 60, .name = "m"},
        Unit{.seconds = 1, .name = "s"},
    };
    const auto rounded = [](std::int64_t ns) {
        return (ns + kNanosecondsPerSecond / 2) / kNanosecondsPerSecond;
    };
    std::int64_t left = std::abs(rounded(now.unix_ns) - rounded(time.unix_ns));
    const bool future = rounded(time.unix_ns) > rounded(now.unix_ns);
    std::string out;
    int shown = 0;
    for (const Unit& unit : kUnits) {
        const std::int64_t count = left / unit.seconds;
        left %= unit.seconds;
        if (count > 0) {
            out += fmt::format("{}{}", count, unit.name);
            ++shown;
        } else if (shown > 0) {
            break;
        }
        if (shown == 2) {
            break;
        }
    }
    if (out.empty()) {
        out = "0s";
    }
    return out + (future ? " from now" : " ago");
}

std::string short_duration(Duration duration) {
    std::string text = to_string(duration);
    if (text.ends_with("m0s")) {
        text.resize(text.size() - 2);
    }
    if (text.ends_with("h0m")) {
        text.resize(text.size() - 2);
    }
    return text;
}

std::string binary_size(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 10) {
        return fmt::format("{} B", bytes);
    }
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    value = std::floor(value * 10 + 0.5) / 10;
    return value < 10 ? fmt::format("{:.1f} {}", value, kUnits[unit])
                      : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

WallTime read_time(Doc value) {
    if (const std::string* text = value.value().as_string()) {
        return parse_rfc3339(*text).value_or(WallTime{});
    }
    return WallTime{value.integer()};
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
    std::string out;
    for (std::size_t i = 0; i < items.size(); ++i) {
        out += i == 0 ? std::string_view() : separator;
        out += items[i];
    }
    return out;
}

std::vector<std::string> texts(const Value::List& list) {
    std::vector<std::string> out;
    out.reserve(list.size());
    for (const Value& item : list) {
        out.push_back(Doc(item).text());
    }
    return out;
}

}  // namespace nl::cli
