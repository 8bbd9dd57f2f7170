#include "jobspec/diff.h"

#include "jobspec/canonicalize.h"
#include "jobspec/jobspec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::jobspec {
namespace {

using testing::ElementsAre;

model::Job job(const std::string& text) {
    const auto parsed = parse({.source = text});
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? to_job(parsed->job) : model::Job{};
}

std::string web(const std::string& group, const std::string& task) {
    return "job \"web\" {\n group \"g\" {\n" + group + "\n task \"t\" {\n driver = \"raw_exec\"\n" +
           task + "\n }\n }\n}\n";
}

/// One line for each difference: path, type, old and new.
void lines(
    const std::string& path,
    const std::vector<model::FieldDiff>& fields,
    const std::vector<model::ObjectDiff>& objects,
    std::vector<std::string>& out
) {
    for (const auto& f : fields) {
        out.push_back(fmt::format("{}{} {} \"{}\" \"{}\"", path, f.name, f.type, f.old, f.new_));
    }
    for (const auto& o : objects) {
        lines(path + o.name + ".", o.fields, o.objects, out);
    }
}

std::vector<std::string> lines(const model::JobDiff& d) {
    std::vector<std::string> out;
    lines("", d.fields, d.objects, out);
    for (const auto& g : d.task_groups) {
        lines(g.name + "/", g.fields, g.objects, out);
        for (const auto& t : g.tasks) {
            lines(g.name + "/" + t.name + "/", t.fields, t.objects, out);
        }
    }
    return out;
}

TEST(Diff, SameJobHasNone) {
    const model::Job a = job(web("count = 2", "user = \"nobody\""));
    const auto d = diff(&a, &a, DiffContext::OnlyChanges);
    EXPECT_EQ(d.type, "None");
    EXPECT_TRUE(lines(d).empty());
    ASSERT_EQ(d.task_groups.size(), 1U);
    EXPECT_EQ(d.task_groups[0].type, "None");
}

TEST(Diff, EditedAddedAndDeleted) {
    const model::Job a = job(web("count = 2", "user = \"nobody\"\n env { A = 1 }"));
    const model::Job b = job(
        web("count = 3\n constraint {\n attribute = \"${node.class}\"\n value = \"x\"\n }",
            "kill_timeout = \"9s\"\n config {\n args = [\"a\"]\n }\n env { B = 2 }")
    );
    EXPECT_THAT(
        lines(diff(&a, &b, DiffContext::OnlyChanges)),
        ElementsAre(
            "g/Count Edited \"2\" \"3\"",
            "g/Constraint.LTarget Added \"\" \"${node.class}\"",
            "g/Constraint.Operand Added \"\" \"=\"",
            "g/Constraint.RTarget Added \"\" \"x\"",
            "g/t/Env[A] Deleted \"1\" \"\"",
            "g/t/Env[B] Added \"\" \"2\"",
            "g/t/KillTimeout Edited \"5000000000\" \"9000000000\"",
            "g/t/User Deleted \"nobody\" \"\"",
            "g/t/Config.args[0] Added \"\" \"a\""
        )
    );
}

TEST(Diff, ContextShowsTheWholeObject) {
    const model::Job a = job(web("restart {\n attempts = 1\n }", ""));
    const model::Job b = job(web("restart {\n attempts = 2\n }", ""));
    const auto only = diff(&a, &b, DiffContext::OnlyChanges);
    const auto whole = diff(&a, &b, DiffContext::WholeObjects);
    EXPECT_EQ(only.task_groups[0].objects[0].fields.size(), 1U);
    EXPECT_EQ(whole.task_groups[0].objects[0].fields.size(), 5U);
}

TEST(Diff, ListsAreMatchedAsPeopleMatchThem) {
    const auto service = [](const char* name, const char* port, const char* tag) {
        return fmt::format(
            "service {{\n name = \"{}\"\n port = \"{}\"\n provider = \"nomad\"\n tags = "
            "[\"{}\"]\n}}\n",
            name,
            port,
            tag
        );
    };
    const model::Job a = job(web(service("one", "http", "x") + service("two", "rpc", "y"), ""));
    const model::Job b = job(web(service("two", "rpc", "z") + service("one", "http", "x"), ""));
    const auto d = diff(&a, &b, DiffContext::OnlyChanges);
    EXPECT_THAT(
        lines(d),
        ElementsAre(
            "g/Service.Tags.Tags Added \"\" \"z\"", "g/Service.Tags.Tags Deleted \"y\" \"\""
        )
    );
    ASSERT_EQ(d.task_groups[0].objects.size(), 1U);
    EXPECT_EQ(d.task_groups[0].objects[0].type, "Edited");
    EXPECT_EQ(d.task_groups[0].objects[0].objects[0].type, "Edited");
}

TEST(Diff, NetworksComeAndGoWhole) {
    const model::Job a = job(web("network {\n port \"a\" {}\n}", ""));
    const model::Job b = job(web("network {\n port \"a\" {\n static = 80\n }\n}", ""));
    const auto d = diff(&a, &b, DiffContext::OnlyChanges);
    ASSERT_EQ(d.task_groups[0].objects.size(), 2U);
    EXPECT_EQ(d.task_groups[0].objects[0].type, "Added");
    EXPECT_EQ(d.task_groups[0].objects[0].objects[0].name, "Static Port");
    EXPECT_EQ(d.task_groups[0].objects[1].type, "Deleted");
    EXPECT_EQ(d.task_groups[0].objects[1].objects[0].name, "Dynamic Port");
}

TEST(Diff, WhatNomadPassesOverIsShownWhereItChanges) {
    const model::Job a =
        job(web("max_run_duration = \"1h\"", "lifecycle {\n hook = \"prestart\"\n}"));
    const model::Job b = job(
        web("max_run_duration = \"2h\"\nspread {\n attribute = \"${node.class}\"\n}",
            "lifecycle {\n hook = \"poststop\"\n}")
    );
    EXPECT_THAT(
        lines(diff(&a, &b, DiffContext::OnlyChanges)),
        ElementsAre(
            "g/MaxRunDuration Edited \"3600000000000\" \"7200000000000\"",
            "g/Spread.Attribute Added \"\" \"${node.class}\"",
            "g/Spread.Weight Added \"\" \"50\"",
            "g/t/Lifecycle.Hook Edited \"prestart\" \"poststop\""
        )
    );
}

TEST(Diff, NoJobBeforeIsAllAdded) {
    const model::Job a = job(web("", ""));
    const auto d = diff(nullptr, &a, DiffContext::OnlyChanges);
    EXPECT_EQ(d.type, "Added");
    EXPECT_EQ(d.task_groups[0].type, "Added");
    EXPECT_EQ(d.task_groups[0].tasks[0].type, "Added");
    EXPECT_EQ(diff(&a, nullptr, DiffContext::OnlyChanges).type, "Deleted");
}

TEST(Diff, AnnotationsTellWhatAChangeForces) {
    const model::Job a = job(web("count = 2", ""));
    const model::Job b = job(web("count = 1", "user = \"me\""));
    const model::Job c = job(web("count = 4", "kill_timeout = \"9s\""));
    model::PlanAnnotations annotations;
    annotations.desired_tg_updates["g"] = {.place = 2, .destructive_update = 1};
    auto d = diff(&a, &b, DiffContext::WholeObjects);
    annotate(d, annotations);
    EXPECT_THAT(d.task_groups[0].fields[0].annotations, ElementsAre("forces destroy"));
    EXPECT_THAT(d.task_groups[0].tasks[0].annotations, ElementsAre("forces create/destroy update"));
    EXPECT_EQ(d.task_groups[0].updates["create"], 2);
    EXPECT_EQ(d.task_groups[0].updates["create/destroy update"], 1);
    d = diff(&a, &c, DiffContext::WholeObjects);
    annotate(d, annotations);
    EXPECT_THAT(d.task_groups[0].fields[0].annotations, ElementsAre("forces create"));
    EXPECT_THAT(d.task_groups[0].tasks[0].annotations, ElementsAre("forces in-place update"));
}

}  // namespace
}  // namespace nl::jobspec
