#include "sched/operators.h"

#include "expr/version.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace nl::sched {
namespace {

using expr::parse_version;
using expr::VersionConstraint;
using expr::VersionSyntax;
using Text = std::optional<std::string_view>;

struct Case {
    Text left;
    std::string_view operand;
    Text right;
    bool expected;
};

TEST(Operators, EveryOperatorFollowsTheTable) {
    const std::vector<Case> cases{
        {"linux", "=", "linux", true},
        {"linux", "", "linux", true},
        {"linux", "is", "windows", false},
        {std::nullopt, "=", "", false},
        {"a", "!=", "b", true},
        {std::nullopt, "!=", "b", true},
        {std::nullopt, "not", "", false},
        {"9", "<", "10", true},
        {"1.5", ">", "1.25", true},
        {"9", "<", "x10", true},
        {"b", ">=", "a", true},
        {"10", "<=", "10", true},
        {"1.2.3", "version", ">= 1.2, < 2", true},
        {"2.0.0", "version", ">= 1.2, < 2", false},
        {"v1.4", "version", "~> 1.2", true},
        {"2.1", "version", "~> 1.2", false},
        {"1.2.9", "version", "~> 1.2.3", true},
        {"1.3.0", "version", "~> 1.2.3", false},
        {"1.3.0-beta1", "version", ">= 1.2", true},
        {"nonsense", "version", ">= 1.2", false},
        {"1.2", "semver", ">= 1.0.0", false},
        {"1.8.0", "semver", ">= 1.8.0", true},
        {"1.8.0-rc.1", "semver", ">= 1.8.0", false},
        {"1.8.0", "semver", "~> 1.8", false},
        {"web-17", "regexp", "^web-[0-9]+$", true},
        {"my-web-17", "regexp", "web-[0-9]", true},
        {"x", "regexp", "(", false},
        {"a, b ,c", "set_contains", "c,a", true},
        {"a,b", "set_contains_all", "a,c", false},
        {"a,b", "set_contains_any", "c,b", true},
        {"a,b", "set_contains_any", "c,d", false},
        {"x", "is_set", std::nullopt, true},
        {std::nullopt, "is_set", "", false},
        {std::nullopt, "is_not_set", "", true},
        {"x", "no-such-operator", "x", false},
    };
    RegexCache regexes;
    for (const auto& c : cases) {
        EXPECT_EQ(holds(c.operand, c.left, c.right, regexes), c.expected)
            << c.left.value_or("(none)") << " " << c.operand << " " << c.right.value_or("(none)");
    }
}

TEST(Operators, TargetsResolveOnlyWhatTheNodeAnswers) {
    model::Node node;
    node.name = "n1";
    node.datacenter = "dc1";
    node.node_class = "big";
    node.node_pool = "gpu";
    node.attributes["kernel.name"] = "linux";
    node.meta["rack"] = "r1";
    EXPECT_EQ(resolve_target("${attr.kernel.name}", node), Text("linux"));
    EXPECT_EQ(resolve_target("${meta.rack}", node), Text("r1"));
    EXPECT_EQ(resolve_target("${node.datacenter}", node), Text("dc1"));
    EXPECT_EQ(resolve_target("${node.class}", node), Text("big"));
    EXPECT_EQ(resolve_target("${node.pool}", node), Text("gpu"));
    EXPECT_EQ(resolve_target("${node.unique.name}", node), Text("n1"));
    EXPECT_EQ(resolve_target("literal", node), Text("literal"));
    EXPECT_EQ(resolve_target("${attr.missing}", node), Text());
    EXPECT_EQ(resolve_target("${node.region}", node), Text());
    EXPECT_EQ(resolve_target("${attr.kernel.name", node), Text());
    std::string scratch;
    EXPECT_EQ(resolve_target("${node.unique.id}", node, scratch), Text(node.id.str()));
    EXPECT_TRUE(is_unique_target("${attr.unique.hostname}"));
    EXPECT_FALSE(is_unique_target("${attr.kernel.name}"));
}

TEST(Version, OrderFollowsSemver) {
    const std::vector<std::string> ascending{
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.10.0",
        "2.0.0+ent"
    };
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        for (std::size_t j = 0; j < ascending.size(); ++j) {
            const auto a = parse_version(ascending[i], VersionSyntax::Strict);
            const auto b = parse_version(ascending[j], VersionSyntax::Strict);
            ASSERT_TRUE(a && b);
            EXPECT_EQ(compare(*a, *b) < 0, i < j) << ascending[i] << " " << ascending[j];
        }
    }
}

TEST(Version, RefusesWhatIsNone) {
    for (const std::string_view text : {"", ".", "1..2", "1.2.", "-1", "1.2-", "1.2+", "a b"}) {
        EXPECT_FALSE(parse_version(text, VersionSyntax::Lenient)) << text;
    }
    EXPECT_FALSE(VersionConstraint::parse(">= 1,", VersionSyntax::Lenient));
    EXPECT_FALSE(VersionConstraint::parse("=> 1", VersionSyntax::Lenient));
}

TEST(Glob, StarStandsForAnyText) {
    EXPECT_TRUE(glob_matches("*", "dc1"));
    EXPECT_TRUE(glob_matches("dc*", "dc1"));
    EXPECT_TRUE(glob_matches("eu-*-1", "eu-west-1"));
    EXPECT_TRUE(glob_matches("*a*b", "xaxbxb"));
    EXPECT_FALSE(glob_matches("eu-*-1", "eu-west-2"));
    EXPECT_FALSE(glob_matches("dc1", "dc10"));
    EXPECT_FALSE(glob_matches("", "x"));
}

}  // namespace
}  // namespace nl::sched
