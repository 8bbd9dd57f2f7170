#include "model/acl.h"
#include "model/allocation.h"
#include "model/job.h"
#include "model/node.h"
#include "wire/json.h"
#include "wire/names.h"
#include "wire/partial.h"
#include "wire/value_json.h"

#include <gtest/gtest.h>

namespace nl::wire {
namespace {

TEST(Names, FollowNomad) {
    EXPECT_EQ(json_name("Job", "kill_timeout"), "KillTimeout");
    EXPECT_EQ(json_name("Job", "id"), "ID");
    EXPECT_EQ(json_name("Resources", "memory_max_mb"), "MemoryMaxMB");
    EXPECT_EQ(json_name("Job", "namespace_"), "Namespace");
    EXPECT_EQ(json_name("JobUILink", "url"), "Url");
    EXPECT_EQ(json_name("ServiceCheck", "grpc_use_tls"), "GRPCUseTLS");
    EXPECT_EQ(json_name("Evaluation", "failed_tg_allocs"), "FailedTGAllocs");
    EXPECT_EQ(json_name("AllocNetworkStatus", "address_ipv6"), "AddressIPv6");
    EXPECT_EQ(json_name("Resources", "cpu"), "CPU");
    EXPECT_EQ(json_name("NodeResources", "cpu"), "Cpu");
}

TEST(Json, AGradeIsABooleanThere) {
    model::TopologyCore core;
    core.grade = 1;
    const std::string text = to_json(core);
    EXPECT_NE(text.find("\"Grade\":true"), std::string::npos) << text;
    EXPECT_EQ(from_json<model::TopologyCore>(text)->grade, 1);
    core.grade = 0;
    EXPECT_NE(to_json(core).find("\"Grade\":false"), std::string::npos);
    EXPECT_FALSE(from_json<model::TopologyCore>(R"({"Grade":1})").has_value());
}

TEST(Json, APartHasOnlyTheFieldsThatAreNamed) {
    model::Node node;
    node.name = "n1";
    node.drivers["exec"].healthy = true;
    const std::vector<std::string> names{"Name", "Drivers", "Nothing"};
    const Value part = to_partial_value(node, names);
    ASSERT_EQ(part.as_map()->size(), 2U);
    // What a field holds is whole.
    EXPECT_TRUE(part.as_map()->at("Drivers").as_map()->at("exec").as_map()->contains("HealthDescription"));
    // And the next object is whole again.
    EXPECT_EQ(to_value(node).as_map()->at("Name"), Value("n1"));
    EXPECT_GT(to_value(node).as_map()->size(), 20U);
}

TEST(Json, UnsetScalarsAreNullAsWrittenAndZeroAsScheduled) {
    const std::string written = to_json(model::JobSpec{});
    EXPECT_NE(written.find("\"Priority\":null"), std::string::npos) << written;
    EXPECT_NE(written.find("\"Reschedule\":null"), std::string::npos) << written;
    const std::string scheduled = to_json(model::Job{});
    EXPECT_NE(scheduled.find("\"Priority\":0"), std::string::npos) << scheduled;
    EXPECT_EQ(scheduled.find("\"Reschedule\""), std::string::npos) << scheduled;
}

TEST(Json, OmittingTypesLeaveOutZeroFields) {
    EXPECT_EQ(to_json(model::AllocatedPortMapping{}), "{}");
}

TEST(Json, KeysMatchInAnyCaseAndUnknownOnesAreIgnored) {
    const auto job = from_json<model::JobSpec>(
        R"({"id":"web","TASKGROUPS":[{"Name":"g","Count":3,"Tasks":null}],"Whatever":[1],"Meta":{"a":"b"}})"
    );
    ASSERT_TRUE(job.has_value()) << job.error().message;
    EXPECT_EQ(job->id, "web");
    ASSERT_EQ(job->task_groups.size(), 1U);
    EXPECT_EQ(job->task_groups[0].count, 3);
    EXPECT_EQ(job->meta.at("a"), "b");
    const auto again = from_json<model::JobSpec>(to_json(*job));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(*again == *job);
}

TEST(Json, MismatchesNameTheField) {
    EXPECT_EQ(
        from_json<model::JobSpec>(R"({"Priority":"high"})").error().message,
        "json: cannot unmarshal string into Go struct field Job.Priority of type int"
    );
    EXPECT_FALSE(from_json<model::JobSpec>("{").has_value());
    EXPECT_FALSE(from_json<model::JobSpec>("[1]").has_value());
}

TEST(Json, DurationsAreIntegersExceptWhereNomadWritesText) {
    model::ACLToken token;
    token.expiration_ttl = minutes(30);
    EXPECT_NE(to_json(token).find("\"ExpirationTTL\":\"30m0s\""), std::string::npos);
    EXPECT_EQ(
        from_json<model::ACLToken>(R"({"ExpirationTTL":"30m"})")->expiration_ttl, minutes(30)
    );
    EXPECT_EQ(
        from_json<model::ACLToken>(R"({"ExpirationTTL":1000})")->expiration_ttl, Duration{1000}
    );
}

TEST(Json, TimesAndIds) {
    model::Allocation alloc;
    Rng rng(5);
    alloc.id = Uuid::random(rng);
    alloc.client_status = model::AllocClientStatus::Running;
    alloc.job = std::make_shared<const model::Job>(model::Job{.id = "j"});
    const std::string text = to_json(alloc);
    EXPECT_NE(text.find(alloc.id.str()), std::string::npos);
    const auto back = from_json<model::Allocation>(text);
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(back->id, alloc.id);
    EXPECT_EQ(back->client_status, model::AllocClientStatus::Running);
    EXPECT_EQ(back->job->id, "j");
}

TEST(Json, StringsAreEscapedAndRepaired) {
    std::string out;
    append_json_string(out, "a\"b\\\n\x01<\xff\xc3\xa9");
    EXPECT_EQ(out, "\"a\\\"b\\\\\\n\\u0001<\\ufffd\xc3\xa9\"");
    EXPECT_EQ(write_json(Value(0.5)), "0.5");
    EXPECT_EQ(write_json(Value(3.0)), "3");
    EXPECT_EQ(
        write_json(*parse_json(R"({"b":[1,2.5,null,true,{}],"a":"x"})")),
        R"({"a":"x","b":[1,2.5,null,true,{}]})"
    );
    EXPECT_EQ(
        write_json(*parse_json(R"({"a":[1],"b":[]})"), Layout::Pretty),
        "{\n    \"a\": [\n        1\n    ],\n    \"b\": []\n}"
    );
}

}  // namespace
}  // namespace nl::wire
