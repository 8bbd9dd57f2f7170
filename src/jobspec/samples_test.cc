// The recorded answers of the reference, where they are at hand: NL_WIRE_SAMPLES names their
// folder, or they stand beside the checkout.

#include "expr/zone.h"
#include "jobspec/canonicalize.h"
#include "jobspec/jobspec.h"
#include "jobspec/validate.h"
#include "wire/json.h"
#include "wire/value_json.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace nl::jobspec {
namespace {

std::filesystem::path samples() {
    if (const char* given = std::getenv("NL_WIRE_SAMPLES")) {
        return given;
    }
    return std::filesystem::path(NL_SOURCE_DIR) / ".." / "shared" / "wire" / "jobspec";
}

std::string slurp(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

bool empty(const Value& v) {
    if (v.is_null()) {
        return true;
    }
    if (const auto* b = v.as_bool()) {
        return !*b;
    }
    if (const auto* i = v.as_int()) {
        return *i == 0;
    }
    if (const auto* d = v.as_double()) {
        return *d == 0;
    }
    if (const auto* s = v.as_string()) {
        return s->empty();
    }
    return v.as_list() != nullptr ? v.as_list()->empty() : v.as_map()->empty();
}

/// The first path at which the two disagree; null agrees with every empty value.
std::string difference(const Value& want, const Value& got, const std::string& path) {
    const auto differ = [&] {
        return path + ": " + wire::write_json(want) + " -> " + wire::write_json(got);
    };
    if (want.is_null()) {
        return empty(got) ? "" : differ();
    }
    if (const auto* map = want.as_map(); map != nullptr && got.as_map() != nullptr) {
        auto keys = *map;
        for (const auto& [key, unused] : *got.as_map()) {
            keys.emplace(key, Value{});
        }
        for (const auto& [key, unused] : keys) {
            const auto w = map->find(key);
            const auto g = got.as_map()->find(key);
            const std::string d = difference(
                w == map->end() ? Value{} : w->second,
                g == got.as_map()->end() ? Value{} : g->second,
                path + "." + key
            );
            if (!d.empty()) {
                return d;
            }
        }
        return "";
    }
    if (const auto* list = want.as_list(); list != nullptr && got.as_list() != nullptr) {
        if (list->size() != got.as_list()->size()) {
            return differ();
        }
        for (std::size_t i = 0; i < list->size(); ++i) {
            const std::string d =
                difference((*list)[i], (*got.as_list())[i], path + "[" + std::to_string(i) + "]");
            if (!d.empty()) {
                return d;
            }
        }
        return "";
    }
    const auto number = [](const Value& v) -> std::optional<double> {
        if (v.as_int() != nullptr) {
            return static_cast<double>(*v.as_int());
        }
        return v.as_double() != nullptr ? std::optional(*v.as_double()) : std::nullopt;
    };
    if (number(want) && number(got)) {
        return *number(want) == *number(got) ? "" : differ();
    }
    return want == got ? "" : differ();
}

const Value& at(const Value& map, const char* key) {
    static const Value kNull;
    const auto found = map.as_map()->find(key);
    return found == map.as_map()->end() ? kNull : found->second;
}

std::string place(const std::string& text) {
    static const std::regex kPlace("input\\.hcl:(\\d+,\\d+)");
    std::smatch found;
    return std::regex_search(text, found, kPlace) ? found[1].str() : "";
}

/// Knows every name: which zones there are is the system's business.
class EveryZone : public expr::ZoneSource {
public:
    std::shared_ptr<const expr::Zone> find(std::string_view name) const override {
        return std::make_shared<const expr::Zone>(expr::Zone{.name = std::string(name)});
    }
};

TEST(Samples, AgreeWithTheReference) {
    if (!std::filesystem::is_directory(samples())) {
        GTEST_SKIP() << "no recorded answers here; set NL_WIRE_SAMPLES to their folder";
    }
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(samples())) {
        if (entry.path().extension() != ".hcl") {
            continue;
        }
        ++seen;
        const std::string name = entry.path().stem().string();
        auto path = entry.path();
        const auto recorded = wire::parse_json(slurp(path.replace_extension(".json")));
        ASSERT_TRUE(recorded) << name;
        ParseInput input;
        input.source = slurp(entry.path());
        input.variables_content = slurp(path.replace_extension(".vars"));
        const auto parsed = parse(input);
        if (*at(*recorded, "parse_status").as_int() >= 300) {
            ASSERT_FALSE(parsed) << name;
            EXPECT_EQ(place(parsed.error().message), place(*at(*recorded, "error").as_string()))
                << name << ": " << parsed.error().message;
            continue;
        }
        ASSERT_TRUE(parsed) << name << ": " << parsed.error().message;
        model::JobSpec job = parsed->job;
        EXPECT_EQ(difference(at(*recorded, "parse"), wire::to_value(job), ""), "") << name;
        canonicalize(job);
        EXPECT_EQ(difference(at(*recorded, "canonical"), wire::to_value(job), ""), "") << name;

        // The answer to the reference's own reading of the file.
        const auto theirs = wire::from_value<model::JobSpec>(at(*recorded, "parse"));
        ASSERT_TRUE(theirs) << name << ": " << theirs.error().message;
        const EveryZone zones;
        const Findings found = validate(to_job(*theirs), {.zones = &zones});
        const Value& answer = at(*recorded, "validate");
        EXPECT_EQ(errors_text(found.errors), *at(answer, "Error").as_string()) << name;
        EXPECT_EQ(warnings_text(found.warnings), *at(answer, "Warnings").as_string()) << name;
    }
    EXPECT_GT(seen, 20U);
}

}  // namespace
}  // namespace nl::jobspec
