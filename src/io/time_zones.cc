#include "io/time_zones.h"

#include "expr/cron.h"

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace nl::io {
namespace {

constexpr const char* kFolder = "/usr/share/zoneinfo/";
/// Zones kept; a cluster that names more of them reads some again.
constexpr std::size_t kZonesMax = 1024;
/// A zone has a few hundred changes; a damaged file must not make more.
constexpr std::size_t kChangesMax = 4096;

bool is_plain(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name.front() != '/' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
           });
}

/// The last line of a zone's file: the rule that holds after its last entry (RFC 8536, 3.3).
std::string footer(const std::string& name) {
    std::ifstream in(kFolder + name, std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!all.starts_with("TZif") || all.size() < 2 || all.back() != '\n') {
        return "";
    }
    const auto before = all.rfind('\n', all.size() - 2);
    return before == std::string::npos ? "" : all.substr(before + 1, all.size() - before - 2);
}

std::int64_t seconds_of(date::sys_seconds t) {
    return t.time_since_epoch().count();
}

void add(expr::Zone& zone, std::int64_t at, std::int64_t offset) {
    if (zone.changes.back().offset != offset) {
        zone.changes.push_back({at, static_cast<std::int32_t>(offset)});
    }
}

/// Reads what a POSIX TZ rule is made of, from the front of a text.
class RuleText {
public:
    explicit RuleText(std::string_view text) : text_(text) {}

    bool take(char c) {
        if (text_.empty() || text_.front() != c) {
            return false;
        }
        text_.remove_prefix(1);
        return true;
    }
    /// A zone's short name, quoted by <> or letters only.
    bool name() {
        const bool quoted = take('<');
        std::size_t n = 0;
        while (n < text_.size() && (quoted ? text_[n] != '>' : std::isalpha(static_cast<unsigned char>(text_[n])) != 0)) {
            ++n;
        }
        text_.remove_prefix(n);
        return n > 0 && (!quoted || take('>'));
    }
    std::optional<int> number() {
        int n = 0;
        std::size_t digits = 0;
        while (digits < 4 && digits < text_.size() && std::isdigit(static_cast<unsigned char>(text_[digits])) != 0) {
            n = n * 10 + (text_[digits++] - '0');
        }
        text_.remove_prefix(digits);
        return digits > 0 ? std::optional(n) : std::nullopt;
    }
    /// [+-]hh[:mm[:ss]] in seconds.
    std::optional<std::int64_t> time() {
        const bool minus = take('-');
        if (!minus) {
            take('+');
        }
        std::int64_t total = 0;
        std::int64_t unit = 3600;
        do {
            const auto n = number();
            if (!n) {
                return std::nullopt;
            }
            total += *n * unit;
            unit /= 60;
        } while (unit > 0 && take(':'));
        return minus ? -total : total;
    }
    bool at_offset() const {
        return !text_.empty() && text_.front() != ',';
    }
    bool empty() const { return text_.empty(); }

private:
    std::string_view text_;
};

/// ",Mm.w.d[/time]": the w-th (5: last) weekday d of month m, at that time on the clock.
struct YearlyChange {
    unsigned month{1};
    unsigned week{1};
    unsigned weekday{0};
    std::int64_t time{7200};

    static std::optional<YearlyChange> read(RuleText& text) {
        YearlyChange out;
        if (!text.take(',') || !text.take('M')) {
            return std::nullopt;  // The forms by day of the year are used by no zone.
        }
        const int month = text.number().value_or(0);
        const int week = text.take('.') ? text.number().value_or(0) : 0;
        const int weekday = text.take('.') ? text.number().value_or(7) : 7;
        if (month < 1 || month > 12 || week < 1 || week > 5 || weekday > 6) {
            return std::nullopt;
        }
        out.month = static_cast<unsigned>(month);
        out.week = static_cast<unsigned>(week);
        out.weekday = static_cast<unsigned>(weekday);
        if (text.take('/')) {
            const auto time = text.time();
            if (!time) {
                return std::nullopt;
            }
            out.time = *time;
        }
        return out;
    }
    /// On the clock of the place, in seconds since 1970.
    std::int64_t in(int year) const {
        const auto when = date::year(year) / date::month(month);
        const date::weekday day(weekday);
        const date::sys_days at = week == 5 ? date::sys_days(when / day[date::last])
                                            : date::sys_days(when / day[week]);
        return seconds_of(date::sys_seconds(at)) + time;
    }
};

/// Writes out, up to the last year of interest, the rule that holds after the last entry of a
/// zone's file, such as "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX, 8.3).
void write_out(expr::Zone& zone, const std::string& rule, std::int64_t after, int first_year) {
    RuleText text(rule);
    if (!text.name()) {
        return;
    }
    const auto west = text.time();
    if (!west || !text.name()) {
        return;  // No summer time: the last entry holds for ever.
    }
    const std::int64_t standard = -*west;
    std::int64_t summer = standard + 3600;
    if (text.at_offset()) {
        const auto given = text.time();
        if (!given) {
            return;
        }
        summer = -*given;
    }
    const auto begin = YearlyChange::read(text);
    const auto end = begin ? YearlyChange::read(text) : std::nullopt;
    if (!end || !text.empty()) {
        return;
    }
    for (int year = first_year; year <= expr::kLastCronYear; ++year) {
        std::array<std::pair<std::int64_t, std::int64_t>, 2> changes{{
            {begin->in(year) - standard, summer},
            {end->in(year) - summer, standard},
        }};
        std::ranges::sort(changes);
        for (const auto& [at, offset] : changes) {
            if (at > after && zone.changes.size() < kChangesMax) {
                add(zone, at, offset);
            }
        }
    }
}

/// Throws what the library throws.
std::shared_ptr<const expr::Zone> read(const std::string& name) {
    const date::time_zone* known = date::locate_zone(name);
    auto zone = std::make_shared<expr::Zone>();
    zone->name = name;
    const date::sys_seconds horizon = date::sys_days(date::year(expr::kLastCronYear + 1) / 1 / 1);
    date::sys_info info = known->get_info(date::sys_seconds{});
    zone->changes.front().offset = static_cast<std::int32_t>(info.offset.count());
    date::sys_seconds last = info.begin;
    while (info.end < horizon && zone->changes.size() < kChangesMax) {
        last = info.end;
        info = known->get_info(info.end);
        add(*zone, seconds_of(info.begin), info.offset.count());
    }
    const std::string rule = footer(name);
    const date::year_month_day day(date::floor<date::days>(std::max(last, date::sys_seconds{})));
    write_out(*zone, rule, seconds_of(last), static_cast<int>(day.year()));
    return zone;
}

class SystemZones : public expr::ZoneSource {
public:
    std::shared_ptr<const expr::Zone> find(std::string_view name) const override {
        if (!is_plain(name)) {
            return nullptr;
        }
        const std::string key(name);
        const std::lock_guard lock(mutex_);
        if (const auto known = zones_.find(key); known != zones_.end()) {
            return known->second;
        }
        std::shared_ptr<const expr::Zone> zone;
        try {
            zone = read(key);
        } catch (const std::exception&) {
            zone = nullptr;  // Unknown, or tzdata is not installed.
        }
        if (zones_.size() >= kZonesMax) {
            zones_.clear();
        }
        zones_.emplace(key, zone);
        return zone;
    }

private:
    mutable std::mutex mutex_;
    mutable std::map<std::string, std::shared_ptr<const expr::Zone>> zones_;
};

}  // namespace

std::shared_ptr<const expr::ZoneSource> system_time_zones() {
    return std::make_shared<const SystemZones>();
}

}  // namespace nl::io
