// Launches in the system's time zones, by the table testdata/launches.txt.

#include "expr/cron.h"
#include "io/time_zones.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace nl::io {
namespace {

std::vector<std::string> columns(const std::string& line) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at <= line.size()) {
        const std::size_t end = std::min(line.find(" | ", at), line.size());
        out.push_back(line.substr(at, end - at));
        at = end + 3;
    }
    return out;
}

WallTime minute(const std::string& text) {
    // "2026-03-28T01:30Z"
    return *parse_rfc3339(text.substr(0, 16) + ":00Z");
}

TEST(TimeZones, LaunchesAsTheTableSays) {
    const auto zones = system_time_zones();
    if (zones->find("Europe/Berlin") == nullptr) {
        GTEST_SKIP() << "no time zones here: install tzdata";
    }
    std::ifstream in(std::string(NL_SOURCE_DIR) + "/src/io/testdata/launches.txt");
    ASSERT_TRUE(in.is_open());
    std::string line;
    std::size_t cases = 0;
    while (std::getline(in, line)) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        ++cases;
        const auto field = columns(line);
        ASSERT_EQ(field.size(), 6U) << line;
        const auto zone = expr::is_utc(field[0]) ? nullptr : zones->find(field[0]);
        ASSERT_TRUE(expr::is_utc(field[0]) || zone != nullptr) << field[0];
        const auto cron = expr::Cron::parse(field[1]);
        ASSERT_TRUE(cron.has_value()) << line;
        std::string got;
        for (WallTime at = minute(field[2]);;) {
            const auto next = cron->next(at, zone.get());
            ASSERT_TRUE(next.has_value()) << line;
            if (*next >= minute(field[3])) {
                break;
            }
            at = *next;
            got += (got.empty() ? "" : " ") + to_rfc3339(at).substr(0, 16) + "Z";
        }
        EXPECT_EQ(got, field[4]) << field[0] << ' ' << field[1] << ": " << field[5];
    }
    EXPECT_GE(cases, 40U);
}

TEST(TimeZones, UnknownNamesAreUnknown) {
    const auto zones = system_time_zones();
    for (const char* name : {"", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "a b"}) {
        EXPECT_EQ(zones->find(name), nullptr) << name;
    }
}

TEST(TimeZones, OneZoneIsOneObject) {
    const auto zones = system_time_zones();
    EXPECT_EQ(zones->find("Europe/Berlin"), zones->find("Europe/Berlin"));
}

}  // namespace
}  // namespace nl::io
