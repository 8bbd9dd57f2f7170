#include "client/task_env.h"

#include "client/restart_tracker.h"
#include "client/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::client {
namespace {

struct Fixture {
    Fixture() {
        job.id = "shop/cron-17";
        job.name = "shop";
        job.parent_id = "shop";
        job.meta = {{"owner", "job"}, {"rack-id", "r1"}};
        group.name = "web";
        group.meta = {{"owner", "group"}};
        task.name = "main";
        task.meta = {{"owner", "task"}};
        task.resources.ensure().cpu = 500;
        task.resources->memory_mb = 256;
        task.env = {
            {"WHERE", "${node.datacenter}-${NOMAD_ALLOC_INDEX}"},
            {"KEPT", "${nope} ${env[\"WHERE\"]}"},
            {"LITERAL", "$${x}"}
        };
        alloc.id = *Uuid::parse("11111111-2222-3333-4444-555555555555");
        alloc.name = "shop.web[3]";
        alloc.namespace_ = "default";
        node.id = *Uuid::parse("aaaaaaaa-2222-3333-4444-555555555555");
        node.name = "n1";
        node.datacenter = "dc7";
        node.attributes = {{"cpu.arch", "amd64"}};
        node.meta = {{"rack", "r9"}};
        model::AllocatedPortMapping port;
        port.label = "http-api";
        port.value = 23456;
        port.to = 8080;
        port.host_ip = "10.0.0.5";
        alloc.allocated_resources.ensure().shared.ensure().ports.push_back(port);
    }
    TaskEnv env() { return TaskEnv({alloc, job, group, task, node, "global", "nomad", paths}); }

    model::Job job;
    model::TaskGroup group;
    model::Task task;
    model::Allocation alloc;
    model::Node node;
    TaskPaths paths{
        host_paths("/allocs", *Uuid::parse("11111111-2222-3333-4444-555555555555"), "main")
    };
};

TEST(TaskEnv, HoldsEveryVariableOfTheSpecification) {
    Fixture f;
    const TaskEnv env = f.env();
    const std::string root = "/allocs/11111111-2222-3333-4444-555555555555";
    const StringMap expected{
        {"NOMAD_ALLOC_DIR", root + "/alloc"},
        {"NOMAD_TASK_DIR", root + "/main/local"},
        {"NOMAD_SECRETS_DIR", root + "/main/secrets"},
        {"NOMAD_MEMORY_LIMIT", "256"},
        {"NOMAD_CPU_LIMIT", "500"},
        {"NOMAD_CPU_CORES", ""},
        {"NOMAD_ALLOC_ID", "11111111-2222-3333-4444-555555555555"},
        {"NOMAD_SHORT_ALLOC_ID", "11111111"},
        {"NOMAD_ALLOC_NAME", "shop.web[3]"},
        {"NOMAD_ALLOC_INDEX", "3"},
        {"NOMAD_TASK_NAME", "main"},
        {"NOMAD_GROUP_NAME", "web"},
        {"NOMAD_JOB_ID", "shop/cron-17"},
        {"NOMAD_JOB_NAME", "shop"},
        {"NOMAD_JOB_PARENT_ID", "shop"},
        {"NOMAD_DC", "dc7"},
        {"NOMAD_REGION", "global"},
        {"NOMAD_NAMESPACE", "default"},
        {"NOMAD_PARENT_CGROUP", "nomad"},
        {"NOMAD_META_owner", "task"},
        {"NOMAD_META_OWNER", "task"},
        {"NOMAD_META_rack_id", "r1"},
        {"NOMAD_META_RACK_ID", "r1"},
        {"NOMAD_IP_http_api", "10.0.0.5"},
        {"NOMAD_PORT_http_api", "23456"},
        {"NOMAD_ADDR_http_api", "10.0.0.5:23456"},
        {"NOMAD_HOST_PORT_http_api", "23456"},
        {"NOMAD_ALLOC_PORT_http_api", "8080"},
        {"WHERE", "dc7-3"},
        {"KEPT", "${nope} ${env[\"WHERE\"]}"},
        {"LITERAL", "${x}"},
    };
    for (const auto& [name, value] : expected) {
        ASSERT_TRUE(env.variables().contains(name)) << name;
        EXPECT_EQ(env.variables().at(name), value) << name;
    }
}

TEST(TaskEnv, InABridgeThePortIsTheOneInside) {
    Fixture f;
    f.group.networks.emplace_back().mode = "bridge";
    EXPECT_EQ(f.env().variables().at("NOMAD_PORT_http_api"), "8080");
    EXPECT_EQ(f.env().variables().at("NOMAD_HOST_PORT_http_api"), "23456");
}

TEST(TaskEnv, ConfigurationIsExpandedDeeplyAndStrictly) {
    Fixture f;
    Value::Map inner{
        {"arch", Value("${attr.cpu.arch}")}, {"rack", Value("${meta.rack}")}, {"n", Value(7)}
    };
    const Value config(Value::Map{
        {"args", Value(Value::List{Value("-p=${NOMAD_PORT_http_api}"), Value("${env[\"WHERE\"]}")})
        },
        {"x", Value(inner)}
    });
    const auto done = f.env().expand_config(config);
    ASSERT_TRUE(done.has_value());
    const Value expected(Value::Map{
        {"args", Value(Value::List{Value("-p=23456"), Value("dc7-3")})},
        {"x", Value(Value::Map{{"arch", Value("amd64")}, {"rack", Value("r9")}, {"n", Value(7)}})}
    });
    EXPECT_EQ(*done, expected);
    EXPECT_EQ(
        f.env().expand_config(Value("${nope}")).error().message,
        "Unknown variable; There is no variable named \"nope\"."
    );
    EXPECT_THAT(
        f.env().expand_config(Value("${X:-8080}")).error().message,
        ::testing::StartsWith("Extra characters after interpolation")
    );
}

TEST(RestartTracker, ModeDelayWaitsForTheNextInterval) {
    model::RestartPolicy policy;
    policy.attempts = 1;
    policy.interval = seconds(60);
    policy.delay = seconds(4);
    policy.mode = "delay";
    RestartTracker tracker(policy, true, {});
    Rng rng(1);
    WallTime now{1'000'000'000'000};
    const ExitResult bad{1, 0, false, "", now};
    const RestartDecision first = tracker.after_exit(bad, now, rng);
    EXPECT_EQ(first.verdict, RestartVerdict::Restart);
    EXPECT_GE(first.delay, seconds(4));
    EXPECT_LE(first.delay, seconds(5));
    const RestartDecision second = tracker.after_exit(bad, now + seconds(10), rng);
    EXPECT_EQ(second.reason, "Exceeded allowed attempts, applying a delay");
    EXPECT_EQ(second.delay, seconds(50));
    // A new interval forgives.
    EXPECT_EQ(tracker.after_exit(bad, now + seconds(61), rng).reason, "Restart within policy");
}

TEST(RestartTracker, NoAttemptsMeansNoRestart) {
    RestartTracker tracker({}, false, {});
    Rng rng(1);
    EXPECT_EQ(tracker.after_exit({}, WallTime{1}, rng).verdict, RestartVerdict::Complete);
    const RestartDecision failed = tracker.after_exit({1, 0, false, "", {}}, WallTime{1}, rng);
    EXPECT_EQ(failed.verdict, RestartVerdict::Fail);
    EXPECT_EQ(failed.reason, "Policy allows no restarts");
}

TEST(Signals, NamesInEveryFormThatJobsUse) {
    EXPECT_EQ(parse_signal("SIGTERM"), 15);
    EXPECT_EQ(parse_signal("hup"), 1);
    EXPECT_EQ(parse_signal("nope").error().message, "invalid signal \"nope\"");
    EXPECT_EQ(signal_name(9), "SIGKILL");
}

TEST(TaskId, TextFormKeepsWhatNamesMayHold) {
    TaskId id;
    id.alloc = *Uuid::parse("11111111-2222-3333-4444-555555555555");
    id.task = "web server";
    id.attempt = 42;
    EXPECT_EQ(id.str(), "11111111-2222-3333-4444-555555555555/web server/42");
    EXPECT_EQ(*TaskId::parse(id.str()), id);
    EXPECT_FALSE(TaskId::parse("nonsense").has_value());
}

}  // namespace
}  // namespace nl::client
