// Services, checks, templates, limits and what else surrounds a running task, against a world
// without a disk, a clock or a network.

#include "client/node.h"
#include "client/testing/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::client {
namespace {

using model::AllocClientStatus;
using testing::make_job;
using testing::make_task;
using testing::restart_policy;
using testing::World;

model::Service make_service(const std::string& name) {
    model::Service service;
    service.name = name;
    service.provider = "nomad";
    service.port_label = "8080";
    service.tags = {"v1", "${NOMAD_JOB_ID}"};
    service.canary_tags = {"canary"};
    return service;
}

model::ServiceCheck make_check(std::int64_t limit) {
    model::ServiceCheck check;
    check.name = "alive";
    check.type = "http";
    check.path = "/health";
    check.interval = seconds(10);
    check.timeout = seconds(2);
    if (limit > 0) {
        check.check_restart.ensure().limit = limit;
        check.check_restart->grace = seconds(5);
    }
    return check;
}

model::Template make_template(const std::string& text, const std::string& to) {
    model::Template out;
    out.embedded_tmpl = text;
    out.dest_path = to;
    out.change_mode = "restart";
    out.perms = "0640";
    return out;
}

std::vector<model::TaskEvent> events_of(World& w, const Uuid& id, const std::string& task) {
    return w.node->alloc_status(id)->task_states.at(task).events;
}

TEST(Services, AreOfferedWhileTheTaskRunsAndTakenBackBeforeItEnds) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.services.push_back(make_service("${NOMAD_JOB_ID}-api"));
    w.hold_service_acks = true;
    const Uuid id = w.push(make_job("service", {task}, restart_policy(0, seconds(1))));
    ASSERT_EQ(w.services.size(), 1U);
    const auto row = w.services.begin()->second;
    EXPECT_EQ(row.service_name, "example-api");
    EXPECT_EQ(row.id, "_nomad-task-" + id.str() + "-main-example-api-8080");
    EXPECT_EQ(row.tags, (std::vector<std::string>{"v1", "example"}));
    EXPECT_EQ(row.port, 8080);
    EXPECT_EQ(row.namespace_, "default");
    const auto ack = [&w] {
        server::ServerMore frame;
        frame.service_ack.ensure().sequence = w.service_batches.back().sequence;
        w.feed(FromServerMore{frame});
    };
    ack();
    w.push_stop(id);
    EXPECT_TRUE(w.services.empty());
    EXPECT_TRUE(w.runs(id, "main")) << "the servers have not said yet that it is out";
    ack();
    EXPECT_FALSE(w.runs(id, "main"));
}

TEST(Services, ATaskEndsThoughTheServersDoNotAnswer) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.services.push_back(make_service("api"));
    w.hold_service_acks = true;
    const Uuid id = w.push(make_job("service", {task}, restart_policy(0, seconds(1))));
    w.push_stop(id);
    EXPECT_TRUE(w.runs(id, "main"));
    w.advance(seconds(2));
    EXPECT_FALSE(w.runs(id, "main"));
}

TEST(Services, ANewSessionBeginsWithAllOfThem) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.services.push_back(make_service("api"));
    w.push(make_job("service", {task}, restart_policy(0, seconds(1))));
    w.feed(SessionDown{"gone"});
    w.service_batches.clear();
    w.connect();
    ASSERT_EQ(w.service_batches.size(), 1U);
    EXPECT_TRUE(w.service_batches[0].full);
    EXPECT_EQ(w.service_batches[0].upsert.size(), 1U);
}

TEST(Services, TheGroupsShutdownDelayComesAfterTheyAreTakenBack) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    job->task_groups[0].services.push_back(make_service("api"));
    job->task_groups[0].shutdown_delay = seconds(6);
    const Uuid id = w.push(job);
    EXPECT_EQ(w.services.begin()->first, "_nomad-task-" + id.str() + "-group-web-api-8080");
    w.push_stop(id);
    EXPECT_TRUE(w.services.empty());
    w.advance(seconds(5));
    EXPECT_TRUE(w.runs(id, "main"));
    w.advance(seconds(2));
    EXPECT_FALSE(w.runs(id, "main"));
}

TEST(Checks, DecideTheHealthOfTheDeploymentAndOfTheInstance) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    auto& group = job->task_groups[0];
    group.services.push_back(make_service("api"));
    group.services[0].checks.push_back(make_check(0));
    group.update.ensure().health_check = "checks";
    group.update->min_healthy_time = seconds(10);
    group.update->healthy_deadline = minutes(5);
    const Uuid id = w.push(job);
    ASSERT_EQ(w.checks.size(), 1U);
    EXPECT_EQ(w.checks[0].spec.path, "/health");
    w.advance(seconds(30));
    EXPECT_FALSE(w.reported[id].deployment_status) << "no check has passed yet";
    w.probe_ends(false);
    w.advance(seconds(11));
    ASSERT_EQ(w.checks.size(), 2U);
    w.probe_ends(true);
    w.advance(seconds(9));
    EXPECT_FALSE(w.reported[id].deployment_status);
    w.advance(seconds(2));
    ASSERT_TRUE(w.reported[id].deployment_status);
    EXPECT_EQ(w.reported[id].deployment_status->healthy, std::optional(true));
    server::CallRequest request;
    request.method = server::CallMethod::Checks;
    request.alloc_id = id;
    w.call(request);
    ASSERT_EQ(w.call_data.size(), 1U);
    const auto result = decode<model::CheckQueryResult>(w.call_data[0]);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, "success");
    EXPECT_EQ(result->mode, "healthiness");
    EXPECT_EQ(result->service, "api");
    EXPECT_EQ(result->check, "alive");
    EXPECT_EQ(result->status_code, 200);
}

TEST(Checks, TooManyFailuresRestartTheTaskAsThePolicyAllows) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.services.push_back(make_service("api"));
    task.services[0].checks.push_back(make_check(2));
    const Uuid id = w.push(make_job("service", {task}, restart_policy(1, seconds(3))));
    w.probe_ends(false);
    w.advance(seconds(10));
    w.probe_ends(false);
    EXPECT_TRUE(w.runs(id, "main")) << "the first one was within its grace";
    w.advance(seconds(10));
    w.probe_ends(false);
    EXPECT_THAT(w.events(id, "main"), ::testing::HasSubstr("Restart Signaled"));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_TRUE(w.services.empty()) << "what is being restarted serves nobody";
    w.advance(seconds(4));
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(w.last_state(id, "main").restarts, 1);
    for (int i = 0; i < 4; ++i) {
        w.probe_ends(false);
        w.advance(seconds(10));
    }
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
}

TEST(Templates, AreRenderedBeforeTheTaskStarts) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.templates.push_back(make_template("job={{env \"NOMAD_JOB_ID\"}}", "local/a.txt"));
    model::Template env = make_template("KEY=va lue\n# no\nexport Q=\"x\\ny\"\n", "secrets/e.env");
    env.envvars = true;
    task.templates.push_back(env);
    const Uuid id = w.push(make_job("batch", {task}, restart_policy(0, seconds(1))));
    ASSERT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(w.task_files["local/a.txt"], "job=example");
    EXPECT_EQ(w.started.at(0).env.at("KEY"), "va lue");
    EXPECT_EQ(w.started.at(0).env.at("Q"), "x\ny");
}

TEST(Templates, WaitForAVariableSayWhatIsMissingAndFollowIt) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.templates.push_back(
        make_template("{{with nomadVar \"nomad/jobs/example\"}}{{.user}}{{end}}", "local/v")
    );
    const Uuid id = w.push(make_job("service", {task}, restart_policy(0, seconds(1))));
    EXPECT_FALSE(w.runs(id, "main"));
    ASSERT_EQ(w.watches.size(), 1U);
    EXPECT_EQ(w.watches.begin()->second.name, "nomad/jobs/example");
    EXPECT_EQ(w.watches.begin()->second.task, "main");
    w.tell(server::WatchKind::Variable, server::VariableAnswer{});
    EXPECT_FALSE(w.runs(id, "main"));
    w.advance(seconds(4));
    EXPECT_EQ(
        events_of(w, id, "main").back().message, "Missing: nomad.var.block(nomad/jobs/example)"
    );
    server::VariableAnswer answer;
    answer.found = true;
    answer.variable.path = "nomad/jobs/example";
    answer.variable.items["user"] = "bob";
    w.tell(server::WatchKind::Variable, answer);
    ASSERT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(w.task_files["local/v"], "bob");
    answer.variable.items["user"] = "eve";
    w.tell(server::WatchKind::Variable, answer);
    EXPECT_EQ(w.task_files["local/v"], "eve");
    EXPECT_THAT(w.events(id, "main"), ::testing::HasSubstr("Restart Signaled"));
    EXPECT_EQ(w.started.size(), 2U);
    // The same again is no change.
    w.tell(server::WatchKind::Variable, answer);
    EXPECT_EQ(w.started.size(), 2U);
    w.push_stop(id);
    EXPECT_TRUE(w.watches.empty());
}

TEST(Templates, SignalsAndNoopDoNotRestart) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.templates.push_back(
        make_template("{{range nomadService \"db\"}}{{.Address}}:{{.Port}} {{end}}", "local/s")
    );
    task.templates[0].change_mode = "signal";
    task.templates[0].change_signal = "SIGUSR1";
    task.templates[0].splay = seconds(5);
    const Uuid id = w.push(make_job("service", {task}, restart_policy(0, seconds(1))));
    w.tell(server::WatchKind::Service, server::ServiceAnswer{});
    ASSERT_TRUE(w.runs(id, "main")) << "no instance is an answer too";
    server::ServiceAnswer answer;
    answer.services.push_back({.service_name = "db", .address = "10.0.0.1", .port = 5432});
    w.tell(server::WatchKind::Service, answer);
    EXPECT_EQ(w.task_files["local/s"], "10.0.0.1:5432 ");
    w.advance(seconds(6));
    const auto sent = std::ranges::count_if(w.calls, [](const DriverCall& c) {
        return std::holds_alternative<CallSignal>(c.what) &&
               std::get<CallSignal>(c.what).signal == 10;
    });
    EXPECT_EQ(sent, 1);
    EXPECT_EQ(w.started.size(), 1U);
}

TEST(Templates, ARestartedAgentActsOnlyOnWhatChanged) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.templates.push_back(
        make_template("{{with nomadVar \"nomad/jobs/example\"}}{{.k}}{{end}}", "local/v")
    );
    const Uuid id = w.push(make_job("service", {task}, restart_policy(0, seconds(1))));
    server::VariableAnswer answer;
    answer.found = true;
    answer.variable.items["k"] = "1";
    w.tell(server::WatchKind::Variable, answer);
    ASSERT_EQ(w.started.size(), 1U);
    w.crash();
    w.watches.clear();
    w.boot();
    w.connect();
    ASSERT_EQ(w.watches.size(), 1U);
    w.tell(server::WatchKind::Variable, answer);
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(w.started.size(), 1U);
    answer.variable.items["k"] = "2";
    w.tell(server::WatchKind::Variable, answer);
    EXPECT_EQ(w.started.size(), 2U);
}

TEST(Templates, OneThatCannotBeFailsTheTaskAndSaysWhy) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.templates.push_back(make_template("{{ .x", "local/v"));
    const Uuid id = w.push(make_job("batch", {task}, restart_policy(0, seconds(1))));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_THAT(
        events_of(w, id, "main").back().kill_reason,
        ::testing::HasSubstr("Template failed: template")
    );
}

TEST(Limits, AnAllocationThatTakesMoreDiskThanItAskedForIsEnded) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    job->task_groups[0].ephemeral_disk.ensure().size_mb = 10;
    const Uuid id = w.push(job);
    w.disk_bytes = 9 << 20;
    w.advance(seconds(20));
    EXPECT_TRUE(w.runs(id, "main"));
    w.disk_bytes = 11 << 20;
    w.advance(seconds(20));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_THAT(w.events(id, "main"), ::testing::HasSubstr("Disk Resources Exceeded"));
}

TEST(Limits, MaxRunDurationEndsWhatRunsTooLong) {
    World w;
    w.connect();
    auto job = make_job("batch", {make_task("main")}, restart_policy(3, seconds(1)));
    job->task_groups[0].max_run_duration = minutes(10);
    const Uuid id = w.push(job);
    w.advance(minutes(9));
    EXPECT_TRUE(w.runs(id, "main"));
    w.crash();
    w.boot();
    w.connect();
    EXPECT_TRUE(w.runs(id, "main"));
    w.advance(minutes(2));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_EQ(w.reported[id].client_description, "max_run_duration of 10m0s exceeded");
}

TEST(Limits, MaxRunDurationOfATaskEndsThatTaskAndCountsEachRunByItself) {
    World w;
    w.connect();
    auto limited = make_task("limited");
    limited.max_run_duration = minutes(10);
    auto job = make_job("service", {limited, make_task("free")}, restart_policy(3, seconds(1)));
    const Uuid id = w.push(job);
    w.advance(minutes(9));
    // A restart begins a run of its own, and an agent that was away counts on.
    w.exit(id, "limited", 1);
    w.advance(minutes(6));
    ASSERT_TRUE(w.runs(id, "limited"));
    w.crash();
    w.boot();
    w.connect();
    w.advance(minutes(3));
    EXPECT_TRUE(w.runs(id, "limited"));
    w.advance(minutes(2));
    EXPECT_FALSE(w.runs(id, "limited"));
    EXPECT_FALSE(w.runs(id, "free")) << "a task that failed ends the others";
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_EQ(
        w.reported[id].client_description, "task \"limited\": max_run_duration of 10m0s exceeded"
    );
    EXPECT_THAT(w.events(id, "free"), ::testing::HasSubstr("Sibling Task Failed"));
}

TEST(Limits, WithoutAServerItIsStoppedAfterTheTimeTheJobGives) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    job->task_groups[0].disconnect.ensure().stop_on_client_after = minutes(1);
    const Uuid id = w.push(job);
    w.feed(SessionDown{"cut"});
    w.advance(seconds(50));
    EXPECT_TRUE(w.runs(id, "main"));
    w.advance(seconds(20));
    EXPECT_FALSE(w.runs(id, "main"));
}

TEST(Order, AnAllocationWaitsForTheOneItReplacesAndTakesItsDisk) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    job->task_groups[0].ephemeral_disk.ensure().sticky = true;
    job->task_groups[0].shutdown_delay = seconds(5);
    const Uuid first = w.push(job);
    server::PushedAlloc next;
    Rng ids(1234);
    next.alloc.id = Uuid::random(ids);
    next.alloc.namespace_ = "default";
    next.alloc.name = "example.web[0]";
    next.alloc.job_id = "example";
    next.alloc.task_group = "web";
    next.alloc.previous_allocation = first;
    next.job = 1;
    const Uuid second = next.alloc.id;
    server::ServerToNode frame;
    frame.allocs.ensure().jobs.push_back(job);
    frame.allocs->changed.push_back(std::move(next));
    w.push_stop(first);
    w.feed(FromServer{frame});
    EXPECT_TRUE(w.runs(first, "main"));
    EXPECT_FALSE(w.runs(second, "main"));
    EXPECT_EQ(w.reported[second].client_status, AllocClientStatus::Pending);
    w.advance(seconds(6));
    EXPECT_FALSE(w.runs(first, "main"));
    EXPECT_TRUE(w.runs(second, "main"));
    const auto moved = std::ranges::find_if(w.files, [](const env::FileCall& call) {
        return std::holds_alternative<env::MoveAllocData>(call.work);
    });
    ASSERT_NE(moved, w.files.end());
    EXPECT_EQ(std::get<env::MoveAllocData>(moved->work).from, first);
}

TEST(Order, SidecarsEndAfterTheMainTasks) {
    World w;
    w.connect();
    model::Task sidecar = make_task("proxy");
    sidecar.lifecycle.ensure().hook = "prestart";
    sidecar.lifecycle->sidecar = true;
    model::Task main = make_task("main");
    main.shutdown_delay = seconds(3);
    const Uuid id = w.push(make_job("service", {main, sidecar}, restart_policy(0, seconds(1))));
    w.push_stop(id);
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_TRUE(w.runs(id, "proxy"));
    w.advance(seconds(4));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_FALSE(w.runs(id, "proxy"));
}

TEST(Artifacts, AreFetchedOnceAndAFailureIsTriedAgain) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.artifacts.emplace_back().getter_source = "https://example.com/${NOMAD_JOB_ID}.tgz";
    w.artifact_error = Error{ErrorCode::Unavailable, "bad response code: 404"};
    const Uuid id = w.push(make_job("service", {task}, restart_policy(3, seconds(2))));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_THAT(
        w.events(id, "main"),
        ::testing::HasSubstr("Downloading Artifacts, Failed Artifact Download, Restarting")
    );
    w.artifact_error.reset();
    w.advance(seconds(3));
    EXPECT_TRUE(w.runs(id, "main"));
    w.exit(id, "main", 1);
    w.advance(seconds(3));
    EXPECT_TRUE(w.runs(id, "main"));
    const auto fetches = std::ranges::count_if(w.files, [](const env::FileCall& call) {
        return std::holds_alternative<env::FetchArtifact>(call.work);
    });
    EXPECT_EQ(fetches, 2);
}

TEST(Orphans, OnlyWhatTheServersKnowIsKept) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(0, seconds(1))));
    const std::string known = w.instance(id, "main").str();
    server::PushedAlloc again;
    again.alloc.id = id;
    server::ServerToNode frame;
    frame.allocs.ensure().full = true;
    frame.allocs->end = true;
    frame.allocs->changed.push_back(std::move(again));
    w.feed(FromServer{frame});
    ASSERT_TRUE(w.kept);
    EXPECT_TRUE(w.kept->contains(known));
    EXPECT_FALSE(w.kept->contains("somebody/else/1"));
}

TEST(Garbage, AFullDiskTakesTheOldestFinishedAllocations) {
    World w;
    w.connect();
    std::vector<Uuid> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(w.push(make_job("batch", {make_task("main")}, restart_policy(0, seconds(1))))
        );
        w.exit(ids.back(), "main", 0);
    }
    EXPECT_EQ(w.node->allocs().size(), 5U);
    w.advance(minutes(2));
    EXPECT_GE(w.disk_looks, 1);
    w.feed(DiskRoom{50, 10});
    EXPECT_EQ(w.node->allocs().size(), 5U);
    w.feed(DiskRoom{90, 10});
    EXPECT_EQ(w.node->allocs().size(), 3U);
    w.feed(DiskRoom{10, 71});
    EXPECT_EQ(w.node->allocs().size(), 1U);
    EXPECT_TRUE(w.node->alloc_status(ids[4]).has_value());
}

TEST(Volumes, AreMountedAndReadOnlyWhereAnybodySaysSo) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.volume_mounts.push_back({.volume = "data", .destination = "/srv", .read_only = false});
    auto job = make_job("service", {task}, restart_policy(0, seconds(1)));
    job->task_groups[0].volumes["data"] = {.name = "data", .type = "host", .source = "absent"};
    const Uuid id = w.push(job);
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_THAT(
        events_of(w, id, "main").at(2).setup_error,
        ::testing::HasSubstr("no host volume \"absent\"")
    );
}

}  // namespace
}  // namespace nl::client
