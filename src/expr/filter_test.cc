#include "expr/filter.h"
#include "expr/filter_fields.h"

#include <gtest/gtest.h>

namespace nl::expr {
namespace {

Value job() {
    return Value::Map{
        {"ID", "web"},
        {"Type", "service"},
        {"Priority", 50},
        {"Stop", false},
        {"Periodic", Value()},
        {"Datacenters", Value::List{"dc1", "dc2"}},
        {"Meta", Value::Map{{"a-b", "x"}, {"n", "7"}}},
        {"TaskGroups",
         Value::List{
             Value::Map{{"Name", "api"}, {"Count", 3}}, Value::Map{{"Name", "db"}, {"Count", 1}}
         }},
    };
}

struct Case {
    const char* text;
    bool expected;
};

class FilterTest : public testing::TestWithParam<Case> {};

TEST_P(FilterTest, Matches) {
    const auto filter = Filter::parse(GetParam().text);
    ASSERT_TRUE(filter.has_value()) << filter.error().message;
    EXPECT_EQ(filter->matches(job()), GetParam().expected) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Grammar,
    FilterTest,
    testing::Values(
        Case{"", true},
        Case{"Type == \"service\"", true},
        Case{"Type == service", true},
        Case{"Type != `batch`", true},
        Case{"Type == service and Periodic is not nil", false},
        Case{"Type == batch or not Stop == true", true},
        Case{"not (Type == service and Stop == false)", false},
        Case{"Type == batch or Type == service and Stop == true", false},
        Case{"Priority == 50", true},
        Case{"Priority > 49 and Priority <= 50", true},
        Case{"Priority < 50", false},
        Case{"dc1 in Datacenters", true},
        Case{"\"dc3\" not in Datacenters", true},
        Case{"Datacenters contains dc2", true},
        Case{"Datacenters not contains dc2", false},
        Case{"ID contains e", true},
        Case{"n in Meta", true},
        Case{"Meta[\"a-b\"] == x", true},
        Case{"\"/Meta/a-b\" == x", true},
        Case{"Meta.a-b == x", true},
        Case{"Meta.n == 7", true},
        Case{"Meta.missing == 7", false},
        Case{"Meta.missing != 7", true},
        Case{"ParentID == \"\"", true},
        Case{"ParentID is empty", true},
        Case{"Meta is not empty", true},
        Case{"ID matches \"^w.b$\"", true},
        Case{"ID not matches \"^x\"", true},
        Case{"TaskGroups.1.Name == db", true},
        Case{"any TaskGroups as g { g.Count > 2 }", true},
        Case{"all TaskGroups as g { g.Count > 2 }", false},
        Case{"all TaskGroups as i, g { i == 0 or g.Name == db }", true},
        Case{"any Meta as k, v { k == n and v == 7 }", true},
        Case{"any Nothing as g { g == 1 }", false}
    )
);

TEST(Filter, NamesTheFieldsItLooksAt) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(filter_fields(""), Names{});
    EXPECT_EQ(filter_fields("Type ="), Names{});
    EXPECT_EQ(filter_fields("Type == batch and (Meta.n != 1 or not Type is empty)"), (Names{"Type", "Meta"}));
    EXPECT_EQ(filter_fields("\"/Meta/n\" == 7"), Names{"Meta"});
    // The bound name stands among them and does no harm: no object has it.
    EXPECT_EQ(filter_fields("any TaskGroups as g { g.Count > 2 }"), (Names{"TaskGroups", "g"}));
}

TEST(Filter, RefusesWhatIsNoExpression) {
    for (const auto* text :
         {"Type =",
          "Type",
          "== x",
          "(Type == x",
          "Type == x)",
          "Type == x y",
          "Type is",
          "not",
          "Type == \"x",
          "ID matches \"(\"",
          "a[\"b == 1",
          "any X { }"}) {
        EXPECT_FALSE(Filter::parse(text).has_value()) << text;
    }
    EXPECT_TRUE(Filter::parse("Type =").error().message.starts_with("1:6 (5): no match found"))
        << Filter::parse("Type =").error().message;
    EXPECT_FALSE(Filter::parse(std::string(1000, '(')).has_value());
    EXPECT_FALSE(Filter::parse(std::string(kMaxFilterBytes + 1, 'a')).has_value());
}

}  // namespace
}  // namespace nl::expr
