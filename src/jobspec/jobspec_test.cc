#include "jobspec/jobspec.h"

#include "base/rng.h"
#include "jobspec/canonicalize.h"
#include "jobspec/validate.h"
#include "wire/json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::jobspec {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

Result<ParseOutput> read(const std::string& source) {
    return parse({.source = source});
}

std::string mistake(const std::string& source) {
    const auto parsed = read(source);
    return parsed ? "none" : parsed.error().message;
}

constexpr std::string_view kSmall =
    "job \"a\" {\n group \"g\" {\n task \"t\" {\n driver = \"raw_exec\"\n }\n }\n}\n";

TEST(Jobspec, UnknownNamesAreRefusedWithTheNearest) {
    EXPECT_EQ(
        mistake("job \"a\" {\n  datacentres = []\n}\n"),
        "input.hcl:2,3-14: Unsupported argument; An argument named \"datacentres\" is not expected "
        "here. Did you mean \"datacenters\"?"
    );
    EXPECT_EQ(
        mistake("job \"a\" {\n  gruop \"g\" {}\n}\n"),
        "input.hcl:2,3-8: Unsupported block type; Blocks of type \"gruop\" are not expected here. "
        "Did you mean \"group\"?"
    );
    EXPECT_EQ(
        mistake("job \"a\" {\n  group = 1\n}\n"),
        "input.hcl:2,3-8: Unsupported argument; An argument named \"group\" is not expected here. "
        "Did you mean to define a block of type \"group\"?"
    );
}

TEST(Jobspec, LabelsAndRequiredArguments) {
    EXPECT_THAT(
        mistake("job \"a\" {\n  group {}\n}\n"), HasSubstr("2,9-10: Missing name for group")
    );
    EXPECT_THAT(
        mistake("job \"a\" {\n  update \"x\" {}\n}\n"), HasSubstr("Extraneous label for update")
    );
    EXPECT_THAT(
        mistake("job \"a\" {\n  group \"g\" {\n    scaling {}\n  }\n}\n"),
        HasSubstr("The argument \"max\" is required")
    );
    EXPECT_THAT(mistake("job \"a\" {}\njob \"b\" {}\n"), HasSubstr("Duplicate job block"));
    EXPECT_THAT(mistake("locals {}\n"), HasSubstr("'job' block not found"));
}

TEST(Jobspec, ValuesOfVariablesByPrecedence) {
    ParseInput input;
    input.source =
        "variable \"n\" {\n type = number\n default = 1\n}\n"
        "job \"a\" {\n priority = var.n\n}\n";
    EXPECT_EQ(parse(input)->job.priority, 1);
    input.environment = {{"NOMAD_VAR_n", "2"}, {"NOMAD_VAR_other", "x"}, {"PATH", "/"}};
    EXPECT_EQ(parse(input)->job.priority, 2);
    input.variable_files = {{"a.vars", "n = 3\n"}, {"b.vars", "{\"n\": 4}"}};
    EXPECT_EQ(parse(input)->job.priority, 4);
    input.variable_flags = {{"n", "5"}, {"n", "2 * 3"}};
    EXPECT_EQ(parse(input)->job.priority, 6);
    input.variable_flags = {{"m", "1"}};
    ASSERT_FALSE(parse(input));
    EXPECT_THAT(parse(input).error().message, HasSubstr("\"m\""));
    input.undeclared = Undeclared::Warn;
    EXPECT_EQ(parse(input)->warnings.size(), 1U);
    input.variable_flags = {{"n", "\"x"}};
    EXPECT_FALSE(parse(input));
}

TEST(Jobspec, VariablesMustHaveValuesOfTheirType) {
    EXPECT_THAT(
        mistake("variable \"x\" {}\njob \"a\" {}\n"), HasSubstr("1,1-13: Unset variable \"x\"")
    );
    EXPECT_THAT(
        mistake("variable \"x\" {\n type = number\n default = \"q\"\n}\njob \"a\" {}\n"),
        HasSubstr("Invalid default value for variable")
    );
    EXPECT_THAT(
        mistake("variable \"x\" {\n type = any\n default = 1\n}\njob \"a\" {}\n"),
        HasSubstr("Invalid type specification")
    );
}

TEST(Jobspec, LocalsReferToEachOtherButNotInACircle) {
    EXPECT_EQ(
        read("locals {\n b = local.a + 1\n a = 2\n}\njob \"j\" {\n priority = local.b\n}\n")
            ->job.priority,
        3
    );
    EXPECT_THAT(
        mistake("locals {\n a = local.b\n b = local.a\n}\njob \"j\" {}\n"),
        HasSubstr("Circular reference")
    );
}

TEST(Jobspec, VaultAndSecretsArePushedDown) {
    const auto parsed = read(
        "job \"a\" {\n vault {\n role = \"r\"\n }\n secret \"s\" {\n provider = \"nomad\"\n }\n"
        " task \"solo\" {}\n group \"g\" {\n task \"t\" {\n vault {\n role = \"own\"\n }\n }\n"
        " secret \"u\" {}\n }\n}\n"
    );
    ASSERT_TRUE(parsed) << parsed.error().message;
    const auto& groups = parsed->job.task_groups;
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].name, "solo");
    EXPECT_EQ(groups[0].tasks[0].vault->role, "r");
    EXPECT_EQ(groups[1].tasks[0].vault->role, "own");
    ASSERT_EQ(groups[1].tasks[0].secrets.size(), 2U);
    EXPECT_EQ(groups[1].tasks[0].secrets[0].name, "u");
}

TEST(Jobspec, JsonFormMeansTheSame) {
    const auto hcl = read(
        "job \"a\" {\n meta {\n k = 1\n }\n group \"g\" {\n count = 2\n network {\n port \"p\" {\n"
        " to = 80\n }\n }\n task \"t\" {\n driver = \"exec\"\n config {\n command = \"x\"\n }\n"
        " env {\n A = \"${node.class}\"\n }\n }\n }\n}\n"
    );
    const auto json = read(
        R"({"job": {"a": {"meta": {"k": 1}, "group": {"g": {"count": 2,
           "network": {"port": {"p": {"to": 80}}},
           "task": {"t": [{"driver": "exec", "config": {"command": "x"},
           "env": {"A": "${node.class}"}}]}}}}}})"
    );
    ASSERT_TRUE(hcl) << hcl.error().message;
    ASSERT_TRUE(json) << json.error().message;
    EXPECT_EQ(wire::to_json(hcl->job), wire::to_json(json->job));
}

TEST(Jobspec, SeveralMistakesAreSeveralLines) {
    const std::string text =
        mistake("job \"a\" {\n  priority = \"x\"\n  nope = 1\n  type = [1]\n}\n");
    EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
}

/// A job file with blocks and values chosen at random.
std::string random_job(Rng& rng) {
    const auto maybe = [&](std::string text) { return rng.chance(1, 2) ? text + "\n" : ""; };
    const auto n = [&](std::uint64_t limit) { return rng.below(limit) + 1; };
    std::string out = "job \"j\" {\n";
    out += maybe(fmt::format("priority = {}", n(100)));
    out += maybe(rng.chance(1, 2) ? "type = \"batch\"" : "type = \"service\"");
    out += maybe("datacenters = [\"dc1\", \"dc*\"]");
    out += maybe("meta {\n a = 1\n b = \"${node.x}\"\n}");
    out += maybe(fmt::format("constraint {{\n distinct_hosts = {}\n}}", rng.chance(1, 2)));
    out += maybe(fmt::format("reschedule {{\n attempts = {}\n interval = \"9h\"\n}}", n(5)));
    for (std::uint64_t g = 0; g < n(3); ++g) {
        out += fmt::format("group \"g{}\" {{\n", g);
        out += maybe(fmt::format("count = {}", n(9)));
        out += maybe(fmt::format("restart {{\n attempts = {}\n delay = \"{}s\"\n}}", n(9), n(30)));
        out += maybe(fmt::format("network {{\n port \"p\" {{\n static = {}\n }}\n}}", n(60'000)));
        out += maybe("volume \"v\" {\n type = \"host\"\n source = \"s\"\n}");
        out += maybe("service {\n name = \"s\"\n port = \"p\"\n tags = [\"x\"]\n}");
        out += maybe(fmt::format("spread {{\n attribute = \"a\"\n weight = {}\n}}", n(100)));
        out += fmt::format("task \"t{}\" {{\n driver = \"raw_exec\"\n", g);
        out += maybe("config {\n args = [1, \"b\", true]\n m = { k = 1.5 }\n x {\n y = []\n }\n}");
        out += maybe(fmt::format("resources {{\n cpu = {}\n memory = {}\n}}", n(999), n(999)));
        out += maybe("template {\n data = \"x\"\n destination = \"local/x\"\n}");
        out += maybe("identity {\n env = true\n}");
        out += maybe("env {\n A = \"b\"\n}");
        out += "}\n}\n";
    }
    return out + "}\n";
}

TEST(Jobspec, ThroughJsonAndBackIsTheSameJob) {
    Rng rng(7);
    for (int round = 0; round < 500; ++round) {
        const std::string text = random_job(rng);
        const auto parsed = read(text);
        ASSERT_TRUE(parsed) << parsed.error().message << "\n" << text;
        const auto back = wire::from_json<model::JobSpec>(wire::to_json(parsed->job));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(*back, parsed->job) << text;
        model::JobSpec once = parsed->job;
        canonicalize(once);
        model::JobSpec twice = once;
        canonicalize(twice);
        EXPECT_EQ(once, twice) << text;
    }
}

TEST(Validate, ASmallJobIsFine) {
    const Findings found = validate(to_job(read(std::string(kSmall))->job));
    EXPECT_THAT(found.errors, ElementsAre());
    EXPECT_THAT(found.warnings, ElementsAre());
}

TEST(Validate, MistakesNestLikeTheirNouns) {
    const auto parsed = read(
        "job \"a b\" {\n type = \"batch\"\n group \"g\" {\n update {\n canary = 1\n }\n"
        " task \"x/y\" {\n constraint {\n distinct_hosts = true\n }\n resources {\n memory = 5\n"
        " }\n }\n }\n}\n"
    );
    ASSERT_TRUE(parsed) << parsed.error().message;
    const Findings found = validate(to_job(parsed->job));
    ASSERT_EQ(found.errors.size(), 2U) << errors_text(found.errors);
    EXPECT_EQ(found.errors[0], "Job ID contains a space");
    for (const char* part :
         {"Job type \"batch\" does not allow update block",
          "Task x/y validation failed: 4 errors occurred:",
          "Task name cannot include slashes",
          "Missing task driver",
          "minimum MemoryMB value is 10; got 5",
          "Constraint 1 has disallowed Operand at task level: distinct_hosts"}) {
        EXPECT_THAT(found.errors[1], HasSubstr(part));
    }
}

TEST(Validate, TextsCount) {
    EXPECT_EQ(errors_text({}), "");
    EXPECT_EQ(errors_text({"a"}), "1 error occurred:\n\t* a\n\n");
    EXPECT_EQ(warnings_text({"a\n\n", "b"}), "2 warnings:\n\n* a\n* b");
}

}  // namespace
}  // namespace nl::jobspec
