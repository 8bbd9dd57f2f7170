#include "api/routes.h"

#include "api/seed.h"
#include "api/status.h"
#include "api/testing/cluster_rig.h"
#include "model/client_stats.h"
#include "state/commands/records.h"
#include "wire/json.h"
#include "wire/value_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace nl::api {
namespace {

using testing::ClusterRig;
using testing::header_of;

std::string job_json(const std::string& id, const std::string& more = "") {
    return fmt::format(
        R"({{"Job":{{"ID":"{0}","Name":"{0}","Type":"service","Datacenters":["*"]{1},)"
        R"("TaskGroups":[{{"Name":"g","Count":1,"Tasks":[{{"Name":"t","Driver":"raw_exec",)"
        R"("Config":{{"command":"/bin/true"}}}}]}}]}}}})",
        id,
        more
    );
}

Value parsed(const Response& response) {
    const auto value = wire::parse_json(response.body);
    EXPECT_TRUE(value.has_value()) << response.body;
    return value.value_or(Value());
}
std::vector<std::string> ids_in(const Response& response) {
    std::vector<std::string> out;
    const Value value = parsed(response);
    if (const auto* list = value.as_list()) {
        for (const Value& item : *list) {
            out.push_back(*item.as_map()->at("ID").as_string());
        }
    }
    return out;
}

// ---- the table

TEST(Routes, PatternsTakeSegmentsAndPaths) {
    const auto values = [](std::string_view pattern, std::string_view path) {
        PathValues out;
        return match_pattern(pattern, path, out) ? fmt::format("{}", fmt::join(out.values, "|"))
                                                 : std::string("no");
    };
    EXPECT_EQ(values("/v1/node/{id}", "/v1/node/a"), "a");
    EXPECT_EQ(values("/v1/node/{id}", "/v1/node/a/b"), "no");
    EXPECT_EQ(values("/v1/node/{id}", "/v1/node/"), "no");
    EXPECT_EQ(values("/v1/job/{id*}", "/v1/job/a/b/c"), "a/b/c");
    EXPECT_EQ(values("/v1/job/{id*}/plan", "/v1/job/a/plan/plan"), "a/plan");
    EXPECT_EQ(values("/v1/job/{id*}/plan", "/v1/job/plan"), "no");
    EXPECT_EQ(values("/v1/job/{id*}/versions/{name}/tag", "/v1/job/a/b/versions/v1/tag"), "a/b|v1");
    EXPECT_EQ(values("/v1/jobs", "/v1/jobs/"), "no");
}

TEST(Routes, EveryRowCanBeReached) {
    // A row that an earlier one hides would never answer.
    for (const Route& route : routes()) {
        std::string path(route.pattern);
        for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) {
            path.replace(at, path.find('}') - at + 1, "x-1");
        }
        const char* method = (route.methods & kGet) != 0   ? "GET"
                             : (route.methods & kPut) != 0 ? "PUT"
                                                           : "DELETE";
        const Found found = find_route(method, path);
        ASSERT_NE(found.route, nullptr) << method << " " << path;
        EXPECT_EQ(found.route->pattern, route.pattern) << method << " " << path;
        EXPECT_FALSE(route.rule.empty()) << path;
        EXPECT_FALSE(route.summary.empty()) << path;
    }
}

TEST(Routes, UnknownPathsAndWrongMethods) {
    ClusterRig rig;
    EXPECT_EQ(rig.ask("GET", "/v1/nothing").status, 404);
    const Response wrong = rig.ask("DELETE", "/v1/jobs");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.body, "Invalid method");
    EXPECT_EQ(rig.ask("GET", "/v1/quotas").body, "Nomad Enterprise only endpoint");
}

TEST(Routes, OpenApiIsJsonAndNamesEveryPath) {
    const auto description = wire::parse_json(openapi_json("1"));
    ASSERT_TRUE(description.has_value());
    const auto& paths = *description->as_map()->at("paths").as_map();
    std::set<std::string> patterns;
    for (const Route& route : routes()) {
        std::string path(route.pattern);
        std::erase(path, '*');
        EXPECT_TRUE(paths.contains(path)) << path;
    }
}

TEST(Routes, StatusFollowsTheEndingOfSomeTexts) {
    EXPECT_EQ(text_response(500, "rpc error: Permission denied").status, 403);
    EXPECT_EQ(text_response(500, "rpc error: Permission denied").body, "Permission denied");
    EXPECT_EQ(text_response(500, "ACL token not found").status, 403);
    EXPECT_EQ(text_response(500, "other").status, 500);
}

TEST(Routes, NoRequestCrashes) {
    // Any path of the table with any parameters and bodies gives an answer, a wait or a stream.
    ClusterRig rig;
    const Uuid node = rig.add_node("n1");
    rig.register_job(job_json("web"));
    const Uuid alloc = rig.place("web", node);
    const std::vector<std::string> words{
        "web", alloc.str(), node.str(), "default", "x", "a/b", "", "%", "-1", "\xff", "all"
    };
    const std::vector<std::string> parameters{
        "prefix", "filter", "index",  "wait",    "per_page", "next_token", "namespace", "task",
        "type",   "path",   "offset", "limit",   "version",  "diffs",      "choose",    "topic",
        "cas",    "purge",  "id",     "address", "node_id",  "resources",  "pretty",    "reverse"
    };
    const std::vector<std::string> values{
        "",
        "1",
        "-1",
        "true",
        "abcd",
        "*",
        "Type == x",
        "Type is",
        "99999999999999999999",
        "1s",
        "stdout",
        "web",
        "t",
        "default.web",
        "Job:web",
        "1|k"
    };
    const std::vector<std::string> bodies{
        "",
        "{}",
        "null",
        "[]",
        "{",
        "\"x\"",
        job_json("web"),
        R"({"Job":null})",
        R"({"Job":[]})",
        R"({"JobID":"web","JobVersion":-5})",
        R"({"Count":-1,"Target":{"Group":"g"}})",
        R"({"Name":"dev","Meta":{"a":1}})",
        R"({"DrainSpec":{"Deadline":"x"}})",
        R"({"command":"a","Task":"t","Signal":9})",
        R"({"Prefix":"w","Context":"all"})"
    };
    Rng rng(7);
    const auto pick = [&](const std::vector<std::string>& list) {
        return list[rng.below(list.size())];
    };
    const auto all = routes();
    constexpr const char* kMethods[] = {"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"};
    for (int round = 0; round < 20'000; ++round) {
        std::string path(all[rng.below(all.size())].pattern);
        for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) {
            path.replace(at, path.find('}') - at + 1, pick(words));
        }
        Request request = ClusterRig::request(kMethods[rng.below(6)], path, pick(bodies));
        for (std::uint64_t i = rng.below(4); i > 0; --i) {
            request.query.push_back({pick(parameters), pick(values)});
        }
        const Outcome outcome = rig.settle(rig.handle(request));
        if (const auto* response = std::get_if<Response>(&outcome)) {
            EXPECT_GE(response->status, 200) << request.method << " " << path;
            EXPECT_LT(response->status, 600) << request.method << " " << path;
        }
    }
}

// ---- reading

TEST(Reading, BadParametersGiveNomadsTexts) {
    ClusterRig rig;
    const auto text = [&](const std::string& query) {
        const Response r = rig.ask("GET", "/v1/jobs?" + query);
        return fmt::format("{} {}", r.status, r.body);
    };
    EXPECT_EQ(text("index=abc"), "400 Invalid index");
    EXPECT_EQ(text("wait=soon"), "400 Invalid wait time");
    EXPECT_TRUE(text("stale=perhaps")
                    .starts_with("400 Expect `true` or `false` for `stale` query string parameter")
    );
    EXPECT_EQ(text("per_page=x"), "400 Expect a number for `per_page` query string parameter");
    EXPECT_TRUE(text("filter=Type =")
                    .starts_with("400 failed to create result paginator: failed to read filter "
                                 "expression: 1:6 (5): no "
                                 "match found"));
    EXPECT_EQ(
        rig.ask("GET", "/v1/node/zzz").body,
        "node lookup failed: index error: UUID must be 36 characters"
    );
    EXPECT_EQ(
        rig.ask("GET", "/v1/allocations?prefix=abc").body,
        "Invalid UUID: encoding/hex: odd length hex string"
    );
}

TEST(Reading, HeadersTellTheIndexAndTheLeader) {
    ClusterRig rig;
    const Response empty = rig.ask("GET", "/v1/jobs");
    EXPECT_EQ(empty.body, "[]");
    EXPECT_EQ(header_of(empty, "X-Nomad-Index"), "1");
    EXPECT_EQ(header_of(empty, "X-Nomad-KnownLeader"), "true");
    EXPECT_EQ(header_of(empty, "X-Nomad-LastContact"), "0");
    rig.cluster.leader = ServerId{};
    rig.cluster.last_contact = milliseconds(1500);
    const Response led = rig.ask("GET", "/v1/jobs?stale");
    EXPECT_EQ(header_of(led, "X-Nomad-KnownLeader"), "false");
    EXPECT_EQ(header_of(led, "X-Nomad-LastContact"), "1500");
}

TEST(Reading, BlocksUntilTheResultChanges) {
    ClusterRig rig;
    rig.register_job(job_json("a"));
    const Response first = rig.ask("GET", "/v1/job/a");
    const std::string index = header_of(first, "X-Nomad-Index");
    Outcome outcome = rig.handle(ClusterRig::request("GET", "/v1/job/a?wait=10s&index=" + index));
    auto* parked = std::get_if<Parked>(&outcome);
    ASSERT_NE(parked, nullptr);
    const auto wait = std::get<WaitChange>(parked->on);
    EXPECT_EQ(wait.seen, rig.store.index());
    EXPECT_GE(wait.deadline, rig.now + seconds(10));
    EXPECT_LE(wait.deadline, rig.now + seconds(10) + milliseconds(625));

    // Another job changes: the watch is not of it, and a look in vain parks again.
    rig.register_job(job_json("b"));
    outcome = parked->resume(rig.context(), Woken{});
    parked = std::get_if<Parked>(&outcome);
    ASSERT_NE(parked, nullptr);
    EXPECT_EQ(std::get<WaitChange>(parked->on).seen, rig.store.index());

    rig.register_job(job_json("a", R"(,"Priority":70)"));
    outcome = parked->resume(rig.context(), Woken{});
    auto* answer = std::get_if<Response>(&outcome);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(*parsed(*answer).as_map()->at("Priority").as_int(), 70);
    EXPECT_GT(std::stoull(header_of(*answer, "X-Nomad-Index")), std::stoull(index));
}

TEST(Reading, WatchOfABlockedReadFiresOnItsChangeOnly) {
    ClusterRig rig;
    rig.register_job(job_json("a"));
    Outcome outcome = rig.handle(ClusterRig::request("GET", "/v1/job/a?index=1000"));
    const auto wait = std::get<WaitChange>(std::get<Parked>(outcome).on);
    state::WatchRegistry watches;
    ASSERT_TRUE(watches.add(1, wait.keys, wait.seen));
    std::vector<state::WatchId> woken;
    const Outcome other = rig.handle(ClusterRig::request("PUT", "/v1/jobs", job_json("b")));
    watches.notify(rig.apply(std::get<WaitProposal>(std::get<Parked>(other).on).command), woken);
    EXPECT_TRUE(woken.empty());
    const Outcome same =
        rig.handle(ClusterRig::request("PUT", "/v1/jobs", job_json("a", R"(,"Priority":70)")));
    watches.notify(rig.apply(std::get<WaitProposal>(std::get<Parked>(same).on).command), woken);
    EXPECT_EQ(woken.size(), 1U);
}

TEST(Reading, TimesOutWithTheSameResult) {
    ClusterRig rig;
    rig.register_job(job_json("a"));
    Outcome outcome = rig.handle(ClusterRig::request("GET", "/v1/jobs?wait=1s&index=99"));
    auto& parked = std::get<Parked>(outcome);
    rig.now = std::get<WaitChange>(parked.on).deadline;
    const Outcome ended = parked.resume(rig.context(), Woken{true});
    EXPECT_EQ(ids_in(std::get<Response>(ended)), std::vector<std::string>{"a"});
}

TEST(Reading, BlocksOnAMissingObjectUntilItIsThere) {
    ClusterRig rig;
    rig.register_job(job_json("early"));
    const Response none = rig.ask("GET", "/v1/job/late");
    EXPECT_EQ(none.status, 404);
    EXPECT_EQ(none.body, "job not found");
    Outcome outcome = rig.handle(
        ClusterRig::request("GET", "/v1/job/late?index=" + header_of(none, "X-Nomad-Index"))
    );
    auto& parked = std::get<Parked>(outcome);
    rig.register_job(job_json("late"));
    const Outcome ended = parked.resume(rig.context(), Woken{});
    EXPECT_EQ(std::get<Response>(ended).status, 200);
}

TEST(Reading, PagesLoseNothingAndRepeatNothing) {
    ClusterRig rig;
    std::vector<std::string> names;
    for (int i = 0; i < 23; ++i) {
        names.push_back(fmt::format("job-{:02}", (i * 7) % 23));
        rig.register_job(job_json(names.back()));
    }
    std::vector<std::string> by_name = names;
    std::ranges::sort(by_name);
    for (const int per_page : {1, 4, 7, 23, 50}) {
        const auto walk = [&](const std::string& path) {
            std::vector<std::string> all;
            std::string token;
            for (int pages = 0; pages < 30; ++pages) {
                const Response page = rig.ask(
                    "GET", fmt::format("{}per_page={}&next_token={}", path, per_page, token)
                );
                for (const auto& id : ids_in(page)) {
                    all.push_back(id);
                }
                token = header_of(page, "X-Nomad-NextToken");
                if (token.empty()) {
                    break;
                }
            }
            return all;
        };
        EXPECT_EQ(walk("/v1/jobs?"), by_name) << per_page;
        const auto forward = walk("/v1/evaluations?");
        auto backward = walk("/v1/evaluations?reverse=true&");
        EXPECT_EQ(forward.size(), names.size());
        std::ranges::reverse(backward);
        EXPECT_EQ(forward, backward) << per_page;
    }
    const Response filtered = rig.ask("GET", "/v1/jobs?per_page=2&filter=ID matches \"1$\"");
    EXPECT_EQ(ids_in(filtered), (std::vector<std::string>{"job-01", "job-11"}));
    EXPECT_EQ(header_of(filtered, "X-Nomad-NextToken"), "default.job-21");
}

TEST(Reading, NamespacesAreApart) {
    ClusterRig rig;
    ASSERT_EQ(rig.ask("PUT", "/v1/namespace/dev", R"({"Name":"dev"})").status, 200);
    rig.register_job(job_json("a"));
    rig.register_job(job_json("b", R"(,"Namespace":"dev")"));
    EXPECT_EQ(ids_in(rig.ask("GET", "/v1/jobs")), std::vector<std::string>{"a"});
    EXPECT_EQ(ids_in(rig.ask("GET", "/v1/jobs?namespace=dev")), std::vector<std::string>{"b"});
    EXPECT_EQ(ids_in(rig.ask("GET", "/v1/jobs?namespace=*")), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(rig.ask("GET", "/v1/job/b").status, 404);
    EXPECT_EQ(rig.ask("DELETE", "/v1/namespace/dev").status, 500) << "it has a job";
    EXPECT_EQ(rig.ask("DELETE", "/v1/namespace/default").body, "can not delete default namespace");
}

// ---- jobs

TEST(Jobs, RegisterAnswersAsNomadDoes) {
    ClusterRig rig;
    const Response created = rig.ask("PUT", "/v1/jobs", job_json("web"));
    ASSERT_EQ(created.status, 200) << created.body;
    const Value answer = parsed(created);
    const auto& fields = *answer.as_map();
    EXPECT_EQ(fields.at("EvalID").as_string()->size(), 36U);
    EXPECT_EQ(*fields.at("JobModifyIndex").as_int(), *fields.at("Index").as_int());
    EXPECT_EQ(*fields.at("Warnings").as_string(), "");
    EXPECT_FALSE(*fields.at("KnownLeader").as_bool());
    const Value evals = parsed(rig.ask("GET", "/v1/job/web/evaluations"));
    EXPECT_EQ(*evals.as_list()->front().as_map()->at("TriggeredBy").as_string(), "job-register");
    EXPECT_EQ(*evals.as_list()->front().as_map()->at("Status").as_string(), "pending");

    // Unchanged: the same version, a new evaluation.
    const Value again = parsed(rig.ask("PUT", "/v1/job/web", job_json("web")));
    EXPECT_EQ(*again.as_map()->at("JobModifyIndex").as_int(), *fields.at("Index").as_int());
    EXPECT_NE(*again.as_map()->at("EvalID").as_string(), *fields.at("EvalID").as_string());
    // Changed: the next version.
    rig.ask("PUT", "/v1/jobs", job_json("web", R"(,"Priority":70)"));
    const Value versions = parsed(rig.ask("GET", "/v1/job/web/versions"));
    const auto& list = *versions.as_map()->at("Versions").as_list();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(*list[0].as_map()->at("Version").as_int(), 1);
    EXPECT_EQ(*list[1].as_map()->at("Version").as_int(), 0);
}

TEST(Jobs, RegisterRefusesWithNomadsTexts) {
    ClusterRig rig;
    const auto text = [&](const std::string& path, const std::string& body) {
        const Response r = rig.ask("PUT", path, body);
        return fmt::format("{} {}", r.status, r.body);
    };
    EXPECT_EQ(text("/v1/jobs", ""), "400 Request body is empty");
    EXPECT_EQ(text("/v1/jobs", "{}"), "400 Job must be specified");
    EXPECT_EQ(text("/v1/jobs", R"({"Job":{"Name":"x"}})"), "400 Job ID hasn't been provided");
    EXPECT_TRUE(text("/v1/jobs", "{nope").starts_with("400 "));
    EXPECT_EQ(text("/v1/job/other", job_json("web")), "400 Job ID does not match name");
    EXPECT_EQ(
        text("/v1/jobs", job_json("web", R"(,"Namespace":"nowhere")")),
        "500 job \"web\" is in nonexistent namespace \"nowhere\""
    );
    EXPECT_EQ(
        text("/v1/jobs", R"({"Job":{"ID":"x","Name":"x","Type":"batch"}})"),
        "500 1 error occurred:\n\t* Missing job task groups\n\n"
    );
    EXPECT_EQ(
        text("/v1/jobs", job_json("pri", R"(,"Priority":500)")),
        "500 1 error occurred:\n\t* job priority must be between [1, 100]\n\n"
    );
    const Value checked = parsed(
        rig.ask("PUT", "/v1/validate/job", R"({"Job":{"ID":"bad","Name":"bad","Type":"what"}})")
    );
    EXPECT_EQ(
        *checked.as_map()->at("Error").as_string(),
        "2 errors occurred:\n\t* Invalid job type: \"what\"\n\t* Missing job task groups\n\n"
    );
    rig.register_job(job_json("web"));
    EXPECT_EQ(
        text("/v1/jobs", job_json("web", R"(,"Type":"batch")")),
        "500 cannot update job from type \"service\" to \"batch\""
    );
    const auto enforce = [&](const std::string& id, int index) {
        std::string body = job_json(id);
        body.pop_back();
        return text(
            "/v1/jobs", body + fmt::format(R"(,"EnforceIndex":true,"JobModifyIndex":{}}})", index)
        );
    };
    EXPECT_EQ(enforce("web", 0), "500 Enforcing job modify index 0: job already exists");
    EXPECT_EQ(enforce("new", 5), "500 Enforcing job modify index 5: job does not exist");
    EXPECT_TRUE(
        enforce("web", 999)
            .starts_with(
                "500 Enforcing job modify index 999: job exists with conflicting job modify index: "
            )
    );
    EXPECT_EQ(
        text("/v1/operator/scheduler/configuration", R"({"RejectJobRegistration":true})")
            .substr(0, 3),
        "200"
    );
    EXPECT_EQ(
        text("/v1/jobs", job_json("web")),
        "403 Job registration, dispatch, and scale are disabled by the scheduler configuration"
    );
}

TEST(Jobs, StopPurgeAndUnknown) {
    ClusterRig rig;
    rig.register_job(job_json("web"));
    const Value unknown = parsed(rig.ask("DELETE", "/v1/job/none"));
    EXPECT_EQ(*unknown.as_map()->at("EvalID").as_string(), "");
    EXPECT_EQ(*unknown.as_map()->at("Index").as_int(), 0);
    const Value stopped = parsed(rig.ask("DELETE", "/v1/job/web"));
    EXPECT_EQ(stopped.as_map()->at("EvalID").as_string()->size(), 36U);
    EXPECT_TRUE(*parsed(rig.ask("GET", "/v1/job/web")).as_map()->at("Stop").as_bool());
    EXPECT_EQ(rig.ask("DELETE", "/v1/job/web?purge=True").status, 200);
    EXPECT_EQ(rig.ask("GET", "/v1/job/web").status, 404);
    EXPECT_EQ(rig.ask("DELETE", "/v1/job/web?purge=maybe").status, 500);
}

TEST(Jobs, DispatchMakesAChildOnce) {
    ClusterRig rig;
    rig.register_job(job_json(
        "par", R"(,"Type":"batch","ParameterizedJob":{"Payload":"optional","MetaRequired":["who"]})"
    ));
    const auto dispatch = [&](const std::string& body, const std::string& query = "") {
        return rig.ask("PUT", "/v1/job/par/dispatch" + query, body);
    };
    EXPECT_EQ(dispatch("{}").body, "Dispatch did not provide required meta keys: [who]");
    EXPECT_EQ(
        dispatch(R"({"Meta":{"who":"me","zzz":"1"}})").body,
        "Dispatch request included unpermitted metadata keys: [zzz]"
    );
    const std::string good = R"({"Meta":{"who":"me"},"Payload":"aGVsbG8K"})";
    const Value first = parsed(dispatch(good, "?idempotency_token=abc"));
    const std::string child = *first.as_map()->at("DispatchedJobID").as_string();
    EXPECT_TRUE(child.starts_with("par/dispatch-1700000000-")) << child;
    const Value second = parsed(dispatch(good, "?idempotency_token=abc"));
    EXPECT_EQ(*second.as_map()->at("DispatchedJobID").as_string(), child);
    EXPECT_EQ(*second.as_map()->at("EvalID").as_string(), "");
    const Value job = parsed(rig.ask("GET", "/v1/job/" + child));
    EXPECT_EQ(*job.as_map()->at("Payload").as_string(), "aGVsbG8K");
    EXPECT_EQ(*job.as_map()->at("ParentID").as_string(), "par");
    EXPECT_EQ(*job.as_map()->at("Meta").as_map()->at("who").as_string(), "me");
    EXPECT_EQ(rig.ask("PUT", "/v1/job/none/dispatch", good).body, "parameterized job not found");
}

TEST(Jobs, ScaleRevertStableAndTag) {
    ClusterRig rig;
    rig.register_job(job_json("web"));
    const Response scaled = rig.ask(
        "PUT", "/v1/job/web/scale", R"({"Count":4,"Target":{"Group":"g"},"Message":"more"})"
    );
    ASSERT_EQ(scaled.status, 200) << scaled.body;
    const Value status = parsed(rig.ask("GET", "/v1/job/web/scale"));
    const auto& group = *status.as_map()->at("TaskGroups").as_map()->at("g").as_map();
    EXPECT_EQ(*group.at("Desired").as_int(), 4);
    const auto& event = *group.at("Events").as_list()->front().as_map();
    EXPECT_EQ(*event.at("PreviousCount").as_int(), 1);
    EXPECT_EQ(*event.at("Count").as_int(), 4);
    EXPECT_EQ(
        rig.ask("PUT", "/v1/job/web/scale", R"({"Count":4,"Target":{"Group":"x"}})").status, 400
    );
    EXPECT_EQ(
        rig.ask("PUT", "/v1/job/web/revert", R"({"JobID":"web","JobVersion":9})").body,
        "job \"web\" in namespace \"default\" at version 9 not found"
    );
    EXPECT_EQ(
        rig.ask("PUT", "/v1/job/web/revert", R"({"JobID":"web","JobVersion":1})").body,
        "can't revert to current version"
    );
    ASSERT_EQ(
        rig.ask("PUT", "/v1/job/web/revert", R"({"JobID":"web","JobVersion":0})").status, 200
    );
    const Value job = parsed(rig.ask("GET", "/v1/job/web"));
    EXPECT_EQ(*job.as_map()->at("Version").as_int(), 2);
    EXPECT_EQ(*job.as_map()->at("TaskGroups").as_list()->front().as_map()->at("Count").as_int(), 1);
    EXPECT_EQ(
        rig.ask("PUT", "/v1/job/web/stable", R"({"JobID":"web","JobVersion":2,"Stable":true})")
            .status,
        200
    );
    EXPECT_TRUE(*parsed(rig.ask("GET", "/v1/job/web")).as_map()->at("Stable").as_bool());
    EXPECT_EQ(rig.ask("PUT", "/v1/job/web/versions/golden/tag", R"({"Version":1})").status, 200);
    EXPECT_EQ(
        rig.ask("DELETE", "/v1/job/web/versions/none/tag").body,
        "tag \"none\" not found on job \"web\""
    );
    EXPECT_EQ(rig.ask("DELETE", "/v1/job/web/versions/golden/tag").status, 200);
}

// ---- nodes and allocations

TEST(Nodes, DrainEligibilityAndSecrets) {
    ClusterRig rig;
    const Uuid id = rig.add_node("n1");
    const std::string path = "/v1/node/" + id.str();
    const Value node = parsed(rig.ask("GET", path));
    EXPECT_EQ(*node.as_map()->at("SecretID").as_string(), "");
    EXPECT_FALSE(*node.as_map()->at("Drain").as_bool());
    EXPECT_EQ(
        rig.ask("PUT", path + "/eligibility", R"({"Eligibility":"maybe"})").body,
        "invalid scheduling eligibility \"maybe\""
    );
    ASSERT_EQ(
        rig.ask("PUT", path + "/drain", R"({"DrainSpec":{"Deadline":60000000000}})").status, 200
    );
    const Value draining = parsed(rig.ask("GET", path));
    EXPECT_TRUE(*draining.as_map()->at("Drain").as_bool());
    EXPECT_EQ(
        rig.ask("PUT", path + "/eligibility", R"({"Eligibility":"eligible"})").body,
        "can not set node's scheduling eligibility to eligible while it is draining"
    );
    ASSERT_EQ(
        rig.ask("PUT", path + "/drain", R"({"DrainSpec":null,"MarkEligible":true})").status, 200
    );
    const Value list = parsed(rig.ask("GET", "/v1/nodes?os=true"));
    const auto& stub = *list.as_list()->front().as_map();
    EXPECT_EQ(*stub.at("SchedulingEligibility").as_string(), "eligible");
    EXPECT_EQ(*stub.at("Attributes").as_map()->at("os.name").as_string(), "debian");
    EXPECT_EQ(*stub.at("Address").as_string(), "127.0.0.1");
    EXPECT_EQ(rig.ask("PUT", path + "/purge").status, 200);
    EXPECT_EQ(rig.ask("GET", path).status, 404);
}

TEST(Allocations, ListGetStopAndStats) {
    ClusterRig rig;
    const Uuid node = rig.add_node("n1");
    rig.register_job(job_json("web"));
    const Uuid alloc = rig.place("web", node);
    EXPECT_EQ(ids_in(rig.ask("GET", "/v1/allocations")), std::vector<std::string>{alloc.str()});
    EXPECT_EQ(
        ids_in(rig.ask("GET", "/v1/allocations?prefix=" + alloc.str().substr(0, 8))),
        std::vector<std::string>{alloc.str()}
    );
    EXPECT_EQ(ids_in(rig.ask("GET", "/v1/job/web/allocations")).size(), 1U);
    EXPECT_EQ(ids_in(rig.ask("GET", "/v1/node/" + node.str() + "/allocations")).size(), 1U);
    const Value whole = parsed(rig.ask("GET", "/v1/allocation/" + alloc.str()));
    EXPECT_EQ(*whole.as_map()->at("Job").as_map()->at("ID").as_string(), "web");
    EXPECT_EQ(*whole.as_map()->at("ClientStatus").as_string(), "running");
    const Value stopped = parsed(rig.ask("PUT", "/v1/allocation/" + alloc.str() + "/stop", "{}"));
    EXPECT_EQ(stopped.as_map()->at("EvalID").as_string()->size(), 36U);
    const auto view = rig.store.snapshot().alloc(alloc);
    EXPECT_EQ(view->details().desired_transition.migrate, std::optional(true));
    const Value evals = parsed(rig.ask("GET", "/v1/job/web/evaluations"));
    EXPECT_EQ(*evals.as_list()->back().as_map()->at("TriggeredBy").as_string(), "alloc-stop");
    EXPECT_EQ(
        rig.ask("GET", "/v1/allocation/11111111-2222-3333-4444-555555555555").body,
        "alloc not found"
    );
}

// ---- nodes' answers

/// Feeds a stream its inputs and collects what leaves.
struct Collected {
    std::string bytes;
    std::optional<Response> instead;
    bool ended = false;
    bool cut = false;
};
Collected pump(Outcome outcome, const Context& context, const std::vector<StreamInput>& inputs) {
    Collected out;
    auto* stream = std::get_if<Stream>(&outcome);
    EXPECT_NE(stream, nullptr);
    if (stream == nullptr) {
        return out;
    }
    for (const auto& input : inputs) {
        StreamStep step = stream->machine->on(input, context);
        out.bytes += step.bytes;
        out.ended = out.ended || step.end;
        out.cut = out.cut || step.cut;
        if (step.instead) {
            out.instead = std::move(step.instead);
        }
    }
    return out;
}

class LogsTest : public ::testing::Test {
protected:
    LogsTest() {
        rig_.register_job(job_json("web"));
        alloc_ = rig_.place("web", rig_.add_node("n1"));
    }
    Outcome logs(const std::string& query) {
        return rig_.handle(
            ClusterRig::request("GET", "/v1/client/fs/logs/" + alloc_.str() + "?" + query)
        );
    }
    std::string refusal(const std::string& query) {
        const Outcome outcome = logs(query);
        const auto* response = std::get_if<Response>(&outcome);
        return response == nullptr ? "" : fmt::format("{} {}", response->status, response->body);
    }
    static Item frame(const std::string& data, std::int64_t offset) {
        return Item{encode(server::FileFrame{data, "alloc/logs/t.stdout.0", offset, ""})};
    }

    ClusterRig rig_;
    Uuid alloc_;
};

TEST_F(LogsTest, FramesAreJsonOrPlain) {
    const std::vector<StreamInput> inputs{Opened{}, frame("out-line\n", 9), SourceEnded{}};
    Collected framed = pump(logs("task=t&type=stdout"), rig_.context(), inputs);
    EXPECT_EQ(framed.bytes, R"({"Data":"b3V0LWxpbmUK","File":"alloc/logs/t.stdout.0","Offset":9})");
    EXPECT_TRUE(framed.ended);
    EXPECT_FALSE(framed.cut);
    EXPECT_EQ(
        pump(logs("task=t&type=stdout&plain=true"), rig_.context(), inputs).bytes, "out-line\n"
    );
}

TEST_F(LogsTest, AsksTheNodeForWhatWasAsked) {
    Outcome outcome = logs("task=t&type=stderr&follow=true&origin=end&offset=100");
    const auto& call = std::get<NodeSource>(std::get<Stream>(outcome).source);
    EXPECT_EQ(call.node, rig_.store.snapshot().alloc(alloc_)->node_id());
    EXPECT_EQ(call.request.method, server::CallMethod::Logs);
    EXPECT_EQ(call.request.log_type, "stderr");
    EXPECT_EQ(call.request.origin, "end");
    EXPECT_EQ(call.request.offset, 100);
    EXPECT_TRUE(call.request.follow);
}

TEST_F(LogsTest, FollowedStreamShowsThatItIsAlive) {
    const Context context = rig_.context();
    Outcome outcome = logs("task=t&type=stdout&follow=true");
    auto& machine = *std::get<Stream>(outcome).machine;
    EXPECT_EQ(machine.on(Opened{}, context).wake, context.now + seconds(1));
    EXPECT_EQ(machine.on(frame("x", 1), context).bytes.empty(), false);
    EXPECT_EQ(machine.on(Tick{}, context).bytes, "{}");
}

TEST_F(LogsTest, RefusesWithNomadsTexts) {
    EXPECT_EQ(refusal("type=stdout"), "400 must provide task name");
    EXPECT_EQ(refusal("task=t"), "400 must provide log type (stdout/stderr)");
    EXPECT_EQ(refusal("task=t&type=stdout&origin=x"), "400 origin must be start or end");
    EXPECT_EQ(refusal("task=nope&type=stdout"), "400 unknown task name \"nope\"");
    const auto missing = rig_.ask(
        "GET", "/v1/client/fs/logs/11111111-2222-3333-4444-555555555555?task=t&type=stdout"
    );
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "Unknown allocation \"11111111-2222-3333-4444-555555555555\"");
}

TEST_F(LogsTest, AnErrorBeforeTheFirstByteIsAnAnswerAndALaterOneCuts) {
    const SourceEnded failed{fail(ErrorCode::NotFound, "Unknown allocation \"x\"")};
    const Collected early = pump(logs("task=t&type=stdout"), rig_.context(), {Opened{}, failed});
    ASSERT_TRUE(early.instead.has_value());
    EXPECT_EQ(early.instead->status, 404);
    const Collected late =
        pump(logs("task=t&type=stdout"), rig_.context(), {Opened{}, frame("x", 1), failed});
    EXPECT_FALSE(late.instead.has_value());
    EXPECT_TRUE(late.cut);
}

TEST_F(LogsTest, FilesAndSignalsGoToTheNode) {
    rig_.calls[server::CallMethod::FsList] = [](const WaitNode& call) {
        EXPECT_EQ(call.request.path, "/");
        model::AllocFileInfo file;
        file.name = "alloc";
        file.is_dir = true;
        return std::vector<Bytes>{encode(file)};
    };
    const Value files = parsed(rig_.ask("GET", "/v1/client/fs/ls/" + alloc_.str()));
    EXPECT_EQ(*files.as_list()->front().as_map()->at("Name").as_string(), "alloc");
    rig_.calls[server::CallMethod::Signal] = [](const WaitNode& call
                                             ) -> Result<std::vector<Bytes>> {
        EXPECT_EQ(call.request.signal, "SIGUSR1");
        return fail(ErrorCode::FailedPrecondition, "Task not running");
    };
    const Response signal = rig_.ask(
        "PUT",
        "/v1/client/allocation/" + alloc_.str() + "/signal",
        R"({"Task":"t","Signal":"SIGUSR1"})"
    );
    EXPECT_EQ(signal.status, 500);
    EXPECT_EQ(signal.body, "Task not running");
    rig_.calls[server::CallMethod::Restart] = [](const WaitNode&) { return std::vector<Bytes>{}; };
    EXPECT_EQ(
        rig_.ask("PUT", "/v1/client/allocation/" + alloc_.str() + "/restart").body, "{\"Index\":0}"
    );
    EXPECT_EQ(
        rig_.ask("GET", "/v1/client/fs/stat/" + alloc_.str() + "?path=/x").body, "No path to node"
    );
}

// ---- events

TEST(Events, LinesOfWantedTopics) {
    ClusterRig rig;
    const Outcome registering = rig.handle(ClusterRig::request("PUT", "/v1/jobs", job_json("web")));
    const auto effects = std::make_shared<const state::Effects>(
        rig.apply(std::get<WaitProposal>(std::get<Parked>(registering).on).command)
    );
    const auto lines = [&](const std::string& query) {
        return pump(
                   rig.handle(ClusterRig::request("GET", "/v1/event/stream?" + query)),
                   rig.context(),
                   {Opened{}, EffectsItem{effects}}
        ).bytes;
    };
    const std::string all = lines("");
    ASSERT_TRUE(all.starts_with("{}\n{\"Index\":")) << all;
    EXPECT_NE(
        all.find("\"Topic\":\"Job\",\"Type\":\"JobRegistered\",\"Key\":\"web\""), std::string::npos
    ) << all;
    EXPECT_NE(all.find("\"Topic\":\"Evaluation\""), std::string::npos);
    EXPECT_TRUE(wire::parse_json(all.substr(3)).has_value()) << all;
    EXPECT_EQ(lines("topic=Job").find("\"Topic\":\"Evaluation\""), std::string::npos);
    EXPECT_NE(lines("topic=Evaluation:web").find("\"Topic\":\"Evaluation\""), std::string::npos)
        << "an evaluation's filter keys name its job";
    EXPECT_EQ(lines("topic=Job:other"), "{}\n");
    EXPECT_EQ(lines("namespace=dev"), "{}\n");
    EXPECT_EQ(
        rig.ask("GET", "/v1/event/stream?topic=:x").body,
        "Invalid topic query: error parsing topics: Invalid key value pair for topic, topic: :x"
    );
}

// ---- agent

TEST(Agent, StatusHealthMembersAndMetrics) {
    ClusterRig rig;
    EXPECT_EQ(rig.ask("GET", "/v1/status/leader").body, "\"127.0.0.1:4647\"");
    EXPECT_EQ(
        rig.ask("GET", "/v1/status/peers").body,
        R"(["127.0.0.1:4647","127.0.0.2:4647","127.0.0.3:4647"])"
    );
    EXPECT_EQ(rig.ask("GET", "/v1/regions").body, R"(["global"])");
    EXPECT_EQ(
        rig.ask("GET", "/v1/agent/health").body,
        R"({"client":{"message":"ok","ok":true},"server":{"message":"ok","ok":true}})"
    );
    EXPECT_EQ(rig.ask("GET", "/health/ready").body, R"({"status":"ok","leader_id":1})");
    rig.cluster.leader = ServerId{};
    EXPECT_EQ(rig.ask("GET", "/v1/agent/health").status, 500);
    EXPECT_EQ(rig.ask("GET", "/v1/status/leader").body, "\"\"");
    EXPECT_EQ(rig.ask("GET", "/health/ready").status, 503);
    const Value members = parsed(rig.ask("GET", "/v1/agent/members"));
    EXPECT_EQ(members.as_map()->at("Members").as_list()->size(), 3U);
    rig.metrics.gauges.push_back({"nomad.broker.total_ready", {{"host", "a\"b"}}, 3});
    rig.metrics.counters.push_back({"nomad.http.requests", {}, 2, 2});
    rig.metrics.samples.push_back({"nomad.plan.apply", {}, 2, 6, 20, 2, 4});
    EXPECT_EQ(
        rig.ask("GET", "/v1/metrics?format=prometheus").body,
        "# HELP nomad_broker_total_ready nomad_broker_total_ready\n"
        "# TYPE nomad_broker_total_ready gauge\n"
        "nomad_broker_total_ready{host=\"a\\\"b\"} 3\n"
        "# HELP nomad_http_requests_total nomad_http_requests_total\n"
        "# TYPE nomad_http_requests_total counter\n"
        "nomad_http_requests_total 2\n"
        "# HELP nomad_plan_apply nomad_plan_apply\n"
        "# TYPE nomad_plan_apply summary\n"
        "nomad_plan_apply_sum 6\n"
        "nomad_plan_apply_count 2\n"
    );
    const Value summary = parsed(rig.ask("GET", "/v1/metrics"));
    const auto& sample = *summary.as_map()->at("Samples").as_list()->front().as_map();
    EXPECT_EQ(*sample.at("Mean").as_int(), 3);
    EXPECT_EQ(*summary.as_map()->at("Timestamp").as_string(), "2023-11-14 22:13:20 +0000 UTC");
}

TEST(Operator, SchedulerConfigurationChecksItsIndex) {
    ClusterRig rig;
    const Value before = parsed(rig.ask("GET", "/v1/operator/scheduler/configuration"));
    EXPECT_EQ(
        *before.as_map()->at("SchedulerConfig").as_map()->at("SchedulerAlgorithm").as_string(),
        "binpack"
    );
    const auto put = [&](const std::string& query, const std::string& body) {
        return rig.ask("PUT", "/v1/operator/scheduler/configuration" + query, body);
    };
    EXPECT_EQ(put("", R"({"SchedulerAlgorithm":"best"})").status, 400);
    const Value stale = parsed(put("?cas=777", R"({"SchedulerAlgorithm":"spread"})"));
    EXPECT_FALSE(*stale.as_map()->at("Updated").as_bool());
    const Value done = parsed(put("", R"({"SchedulerAlgorithm":"spread"})"));
    EXPECT_TRUE(*done.as_map()->at("Updated").as_bool());
    const Value after = parsed(rig.ask("GET", "/v1/operator/scheduler/configuration"));
    EXPECT_EQ(
        *after.as_map()->at("SchedulerConfig").as_map()->at("SchedulerAlgorithm").as_string(),
        "spread"
    );
}

TEST(Search, FindsByPrefix) {
    ClusterRig rig;
    rig.register_job(job_json("web"));
    rig.register_job(job_json("worker"));
    for (int i = 0; i < 25; ++i) {
        rig.register_job(job_json(fmt::format("x{:02}", i)));
    }
    const auto search = [&](const std::string& body) {
        return parsed(rig.ask("PUT", "/v1/search", body));
    };
    const Value found = search(R"({"Prefix":"w","Context":"jobs"})");
    EXPECT_EQ(found.as_map()->at("Matches").as_map()->at("jobs").as_list()->size(), 2U);
    EXPECT_EQ(found.as_map()->at("Matches").as_map()->size(), 1U);
    const Value many = search(R"({"Prefix":"x","Context":"all"})");
    EXPECT_EQ(many.as_map()->at("Matches").as_map()->at("jobs").as_list()->size(), 20U);
    EXPECT_TRUE(*many.as_map()->at("Truncations").as_map()->at("jobs").as_bool());
    EXPECT_TRUE(many.as_map()->at("Matches").as_map()->at("nodes").is_null());
    EXPECT_EQ(rig.ask("PUT", "/v1/search", R"({"Context":"cats"})").status, 500);
}

// ---- the seed's jobs

TEST(Seed, DashboardSubmitListCancel) {
    ClusterRig rig;
    const Uuid node = rig.add_node("n1", "2");
    const Response submitted = rig.ask("POST", "/api/jobs", R"({"command":"echo hello"})");
    ASSERT_EQ(submitted.status, 200) << submitted.body;
    const std::string id = *parsed(submitted).as_map()->at("job_id").as_string();
    const Uuid alloc = rig.place(id, node);
    rig.calls[server::CallMethod::Logs] = [&](const WaitNode& call) {
        EXPECT_EQ(call.request.alloc_id, alloc);
        return std::vector<Bytes>{
            encode(server::FileFrame{"hel", "f", 3, ""}),
            encode(server::FileFrame{"lo\n", "f", 6, ""})
        };
    };
    rig.report(alloc, model::AllocClientStatus::Complete);
    const Value jobs = parsed(rig.ask("GET", "/api/jobs"));
    ASSERT_EQ(jobs.as_list()->size(), 1U);
    const auto& job = *jobs.as_list()->front().as_map();
    EXPECT_EQ(*job.at("command").as_string(), "echo hello");
    EXPECT_EQ(*job.at("status").as_string(), "COMPLETED");
    EXPECT_EQ(*job.at("output").as_string(), "hello\n");
    EXPECT_EQ(*job.at("executed_by").as_int(), 2);
    EXPECT_EQ(*job.at("created_at").as_string(), "2023-11-14T22:13:20Z");
    const Response again = rig.ask("DELETE", "/api/jobs/" + id);
    EXPECT_EQ(again.status, 400);
    EXPECT_EQ(*parsed(again).as_map()->at("error").as_string(), "job is already completed");
    EXPECT_EQ(rig.ask("DELETE", "/api/jobs/11111111-2222-3333-4444-555555555555").status, 404);
    EXPECT_EQ(rig.ask("DELETE", "/api/jobs/zzz").status, 400);
    EXPECT_EQ(rig.ask("POST", "/api/jobs", R"({"command":"  "})").status, 400);
    EXPECT_EQ(
        rig.ask("POST", "/api/jobs", fmt::format(R"({{"command":"{}"}})", std::string(1024, 'a')))
            .status,
        200
    );
    EXPECT_EQ(
        rig.ask("POST", "/api/jobs", fmt::format(R"({{"command":"{}"}})", std::string(1025, 'a')))
            .status,
        400
    );
}

TEST(Seed, StatusFollowsTheAllocation) {
    ClusterRig rig;
    const Uuid node = rig.add_node("n1", "3");
    const auto status = [&](const std::string& id) {
        return seed::find_job(rig.store.snapshot(), id)->status;
    };
    const auto submit = [&](const std::string& command) {
        return *parsed(rig.ask("POST", "/api/jobs", fmt::format(R"({{"command":"{}"}})", command)))
                    .as_map()
                    ->at("job_id")
                    .as_string();
    };
    const std::string failing = submit("false");
    EXPECT_EQ(status(failing), seed::Status::Pending);
    const Uuid alloc = rig.place(failing, node);
    EXPECT_EQ(status(failing), seed::Status::Running);
    rig.report(alloc, model::AllocClientStatus::Failed, 7);
    const auto view = seed::find_job(rig.store.snapshot(), failing);
    EXPECT_EQ(view->status, seed::Status::Failed);
    EXPECT_EQ(view->exit_code, std::optional(7));
    EXPECT_EQ(view->executed_by, 3U);
    const std::string cancelled = submit("sleep 100");
    EXPECT_EQ(rig.ask("DELETE", "/api/jobs/" + cancelled).status, 200);
    EXPECT_EQ(status(cancelled), seed::Status::Cancelled);
    EXPECT_EQ(
        seed::find_job(rig.store.snapshot(), "not-a-uuid").error().code, ErrorCode::InvalidArgument
    );
}

TEST(Seed, ListsInPagesWithFilters) {
    ClusterRig rig;
    for (int i = 0; i < 7; ++i) {
        rig.ask(
            "POST", "/api/jobs", fmt::format(R"({{"command":"echo {}"}})", i % 2 ? "Odd" : "x")
        );
    }
    const auto state = rig.store.snapshot();
    std::vector<std::string> seen;
    seed::ListFilter filter;
    filter.page_size = 3;
    do {
        const auto page = seed::list_jobs(state, filter);
        ASSERT_TRUE(page.has_value());
        EXPECT_EQ(page->total_count, 7U);
        for (const auto& job : page->jobs) {
            seen.push_back(job.id);
        }
        filter.page_token = page->next_page_token;
    } while (!filter.page_token.empty());
    EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 7U);
    EXPECT_EQ(seen.size(), 7U);
    seed::ListFilter odd;
    odd.command_substring = "oDD";
    EXPECT_EQ(seed::list_jobs(state, odd)->total_count, 3U);
    odd.status = seed::Status::Running;
    EXPECT_EQ(seed::list_jobs(state, odd)->total_count, 0U);
    seed::ListFilter bad;
    bad.page_token = "nonsense";
    EXPECT_EQ(seed::list_jobs(state, bad).error().code, ErrorCode::InvalidArgument);
}

TEST(Seed, DescribesTheLog) {
    ClusterRig rig;
    const Context context = rig.context();
    const auto job = seed::make_job("echo hi", "alpine:3", Uuid::derived(Uuid{}, 1), context);
    ASSERT_TRUE(job.has_value());
    const auto line = seed::describe(encode(seed::submit_command(*job, context)), context.state);
    EXPECT_EQ(line.kind, seed::LogCommand::Kind::Submit);
    EXPECT_EQ(line.command, "echo hi");
    EXPECT_EQ(line.image, std::optional<std::string>("alpine:3"));
    EXPECT_EQ(seed::describe("", context.state).kind, seed::LogCommand::Kind::Other);
    EXPECT_EQ(seed::describe("garbage\xff", context.state).kind, seed::LogCommand::Kind::Other);
}

}  // namespace
}  // namespace nl::api
