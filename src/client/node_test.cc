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

model::Task with_lifecycle(model::Task task, const std::string& hook, bool sidecar) {
    task.lifecycle.ensure().hook = hook;
    task.lifecycle->sidecar = sidecar;
    return task;
}

TEST(Node, SaysHelloOnceFactsAndDriversAreKnown) {
    World w;
    EXPECT_EQ(w.hellos, 0);
    w.connect();
    EXPECT_EQ(w.hellos, 1);
}

TEST(Node, AnEndThatOvertakesItsStartIsAStartAndAnEnd) {
    World w;
    w.ends_first = true;
    w.connect();
    const Uuid id = w.push(make_job("batch", {make_task("main")}, restart_policy(3, seconds(15))));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Complete);
    EXPECT_EQ(w.events(id, "main"), "Received, Task Setup, Started, Terminated");
    EXPECT_NE(w.last_state(id, "main").started_at, WallTime{});
}

TEST(Node, ABatchTaskRunsToItsGoodEnd) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("batch", {make_task("main")}, restart_policy(3, seconds(15))));
    ASSERT_TRUE(w.reported.contains(id));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Running);
    EXPECT_EQ(w.events(id, "main"), "Received, Task Setup, Started");
    EXPECT_EQ(w.started.at(0).env.at("NOMAD_JOB_ID"), "example");
    EXPECT_EQ(w.started.at(0).task_dir, "/allocs/" + id.str() + "/main");
    w.exit(id, "main", 0);
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Complete);
    EXPECT_EQ(w.events(id, "main"), "Received, Task Setup, Started, Terminated");
    EXPECT_EQ(w.last_state(id, "main").state, "dead");
    EXPECT_FALSE(w.last_state(id, "main").failed);
    EXPECT_TRUE(w.running.empty());
}

TEST(Node, AFailingTaskIsRestartedAsThePolicySaysAndThenFails) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("batch", {make_task("main")}, restart_policy(2, seconds(10))));
    for (int i = 0; i < 2; ++i) {
        w.exit(id, "main", 1);
        EXPECT_FALSE(w.runs(id, "main"));
        EXPECT_EQ(w.last_state(id, "main").state, "pending");
        // The delay has up to a quarter of jitter, never less.
        w.advance(milliseconds(9'999));
        EXPECT_FALSE(w.runs(id, "main"));
        w.advance(milliseconds(2'502));
        EXPECT_TRUE(w.runs(id, "main"));
    }
    w.exit(id, "main", 1);
    w.advance(minutes(5));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_EQ(w.reported[id].client_description, "Failed tasks");
    const model::TaskState& state = w.last_state(id, "main");
    EXPECT_EQ(state.restarts, 2);
    EXPECT_TRUE(state.failed);
    EXPECT_EQ(state.events.back().type, "Not Restarting");
    EXPECT_EQ(
        state.events.back().restart_reason,
        "Exceeded allowed attempts 2 in interval 30m0s and mode is \"fail\""
    );
    // Each run was an instance of its own, and each was forgotten by the driver.
    EXPECT_EQ(w.started.size(), 3U);
    EXPECT_TRUE(w.running.empty());
}

TEST(Node, AServiceTaskRunsAgainAfterAGoodEnd) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    w.exit(id, "main", 0);
    w.advance(seconds(2));
    EXPECT_TRUE(w.runs(id, "main"));
}

TEST(Node, StoppingKillsWithTheSignalAndTheTimeoutWithinTheLimit) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.kill_signal = "SIGTERM";
    task.kill_timeout = minutes(10);
    const Uuid id = w.push(make_job("service", {task}, restart_policy(2, seconds(1))));
    w.push_stop(id);
    const auto stop = std::ranges::find_if(w.calls, [](const DriverCall& c) {
        return std::holds_alternative<CallStop>(c.what);
    });
    ASSERT_NE(stop, w.calls.end());
    EXPECT_EQ(std::get<CallStop>(stop->what).signal, 15);
    EXPECT_EQ(std::get<CallStop>(stop->what).timeout, seconds(30));
    EXPECT_EQ(w.events(id, "main"), "Received, Task Setup, Started, Killing, Terminated, Killed");
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Complete);
}

TEST(Node, ShutdownDelayComesBeforeTheKill) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.shutdown_delay = seconds(4);
    const Uuid id = w.push(make_job("service", {task}, restart_policy(2, seconds(1))));
    w.push_stop(id);
    EXPECT_TRUE(w.runs(id, "main"));
    w.advance(seconds(3));
    EXPECT_TRUE(w.runs(id, "main"));
    w.advance(seconds(2));
    EXPECT_FALSE(w.runs(id, "main"));
    EXPECT_EQ(
        w.events(id, "main"),
        "Received, Task Setup, Started, Waiting for shutdown delay, Killing, Terminated, Killed"
    );
}

TEST(Node, TasksRunInTheOrderOfTheirLifecycle) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job(
        "batch",
        {make_task("main"),
         with_lifecycle(make_task("init"), "prestart", false),
         with_lifecycle(make_task("proxy"), "prestart", true),
         with_lifecycle(make_task("hello"), "poststart", false),
         with_lifecycle(make_task("cleanup"), "poststop", false)},
        restart_policy(0, seconds(1))
    ));
    EXPECT_TRUE(w.runs(id, "init"));
    EXPECT_TRUE(w.runs(id, "proxy"));
    EXPECT_FALSE(w.runs(id, "main"));
    w.exit(id, "init", 0);
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_TRUE(w.runs(id, "hello"));
    EXPECT_FALSE(w.runs(id, "cleanup"));
    w.exit(id, "hello", 0);
    EXPECT_FALSE(w.runs(id, "cleanup"));
    w.exit(id, "main", 0);
    EXPECT_FALSE(w.runs(id, "proxy"));
    EXPECT_TRUE(w.runs(id, "cleanup"));
    EXPECT_THAT(w.events(id, "proxy"), ::testing::HasSubstr("Main Tasks Dead"));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Running);
    w.exit(id, "cleanup", 0);
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Complete);
}

TEST(Node, AFailedPrestartTaskFailsTheAllocationBeforeItsMainTasksRun) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job(
        "batch",
        {make_task("main"), with_lifecycle(make_task("init"), "prestart", false)},
        restart_policy(0, seconds(1))
    ));
    w.exit(id, "init", 1);
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_EQ(w.started.size(), 1U);
    EXPECT_EQ(w.events(id, "main"), "Sibling Task Failed");
}

TEST(Node, TheLeadersEndEndsTheOthers) {
    World w;
    w.connect();
    model::Task leader = make_task("leader");
    leader.leader = true;
    const Uuid id =
        w.push(make_job("batch", {leader, make_task("other")}, restart_policy(0, seconds(1))));
    w.exit(id, "leader", 0);
    EXPECT_FALSE(w.runs(id, "other"));
    EXPECT_EQ(
        w.events(id, "other"),
        "Received, Task Setup, Started, Leader Task Dead, Killing, Terminated, Killed"
    );
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Complete);
}

TEST(Node, ARestartOfTheAgentFindsItsTasksAgain) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    ASSERT_TRUE(w.runs(id, "main"));
    w.crash();
    w.boot();
    w.connect();
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(w.started.size(), 1U);
    EXPECT_EQ(w.node->alloc_status(id)->client_status, AllocClientStatus::Running);
    w.exit(id, "main", 1);
    EXPECT_EQ(w.last_state(id, "main").restarts, 1);
}

TEST(Node, AnEndThatCameWhileTheAgentWasDownIsFound) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("batch", {make_task("main")}, restart_policy(0, seconds(1))));
    w.ended[w.instance(id, "main")] = {3, 0, false, "", w.now.wall};
    w.crash();
    w.boot();
    w.connect();
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_THAT(w.events(id, "main"), ::testing::HasSubstr("Terminated, Not Restarting"));
}

TEST(Node, ATaskThatTheDriverLostIsStartedAgain) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    w.crash();
    w.running.clear();
    w.boot();
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(
        w.events(id, "main"), "Received, Task Setup, Started, Failed Restoring Task, Started"
    );
}

TEST(Node, ADamagedRecordCostsItsTaskOnly) {
    World w;
    w.connect();
    const Uuid first =
        w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    const Uuid second =
        w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    w.crash();
    w.state["alloc/" + first.str()] = "\x03nonsense";
    w.boot();
    EXPECT_FALSE(w.node->alloc_status(first).has_value());
    EXPECT_EQ(w.node->alloc_status(second)->client_status, AllocClientStatus::Running);
}

TEST(Node, AnAllocationThatTheServersForgotIsStoppedAndRemoved) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    w.push_empty_set();
    EXPECT_TRUE(w.running.empty());
    EXPECT_TRUE(w.state.empty());
    EXPECT_FALSE(w.node->alloc_status(id).has_value());
    EXPECT_TRUE(std::holds_alternative<env::RemoveAllocDir>(w.files.back().work));
}

TEST(Node, OldFinishedAllocationsAreCollected) {
    World w;
    w.crash();
    w.gc_max_allocs = 2;
    w.boot();
    w.connect();
    std::vector<Uuid> ids;
    for (int i = 0; i < 4; ++i) {
        ids.push_back(w.push(make_job("batch", {make_task("main")}, restart_policy(0, seconds(1))))
        );
        w.exit(ids.back(), "main", 0);
    }
    EXPECT_EQ(w.node->allocs().size(), 2U);
    EXPECT_FALSE(w.node->alloc_status(ids[0]).has_value());
    EXPECT_TRUE(w.node->alloc_status(ids[3]).has_value());
}

TEST(Node, StatusesAreBatchedOnlyWhileABatchIsInFlight) {
    World w;
    w.connect();
    w.hold_acks = true;
    const Uuid first =
        w.push(make_job("batch", {make_task("main")}, restart_policy(0, seconds(1))));
    const std::size_t sent = w.batches.size();
    w.push(make_job("batch", {make_task("main")}, restart_policy(0, seconds(1))));
    w.exit(first, "main", 0);
    EXPECT_EQ(w.batches.size(), sent);
    server::ServerToNode ack;
    ack.status_ack.ensure().sequence = w.batches.back().sequence;
    w.feed(FromServer{ack});
    ASSERT_EQ(w.batches.size(), sent + 1);
    EXPECT_EQ(w.batches.back().statuses.size(), 2U);
    // Lost with the session: said again on the next one.
    w.feed(SessionDown{"test"});
    w.hold_acks = false;
    w.reported.clear();
    w.connect();
    EXPECT_EQ(w.reported.at(first).client_status, AllocClientStatus::Complete);
}

TEST(Node, HeartbeatsEveryThirdOfTheTimeToLive) {
    World w;
    w.connect();
    w.advance(seconds(10));
    EXPECT_EQ(w.heartbeats, 3);
    w.feed(SessionDown{"test"});
    w.advance(seconds(10));
    EXPECT_EQ(w.heartbeats, 3);
}

TEST(Node, AnUnknownVariableInTheDriversConfigurationStopsTheTask) {
    World w;
    w.connect();
    model::Task task = make_task("main");
    task.config["command"] = Value("${nope}");
    const Uuid id = w.push(make_job("service", {task}, restart_policy(2, seconds(1))));
    EXPECT_EQ(w.reported[id].client_status, AllocClientStatus::Failed);
    EXPECT_EQ(w.events(id, "main"), "Received, Task Setup, Failed Validation, Not Restarting");
    EXPECT_EQ(
        w.last_state(id, "main").events[2].validation_error,
        "Unknown variable; There is no variable named \"nope\"."
    );
}

TEST(Node, AStartErrorIsTriedAgainOnlyIfThatMayHelp) {
    World w;
    w.connect();
    w.start_error = StartFailed{{ErrorCode::NotFound, "no such file"}, false};
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    EXPECT_EQ(w.events(id, "main"), "Received, Task Setup, Driver Failure, Not Restarting");
    EXPECT_EQ(w.last_state(id, "main").events.back().restart_reason, "Error was unrecoverable");
    w.start_error->recoverable = true;
    const Uuid other =
        w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    w.start_error.reset();
    w.advance(seconds(2));
    EXPECT_TRUE(w.runs(other, "main"));
}

TEST(Node, RestartAndSignalOnRequest) {
    World w;
    w.connect();
    const Uuid id =
        w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(60))));
    server::CallRequest request;
    request.method = server::CallMethod::Restart;
    request.alloc_id = id;
    w.call(request);
    ASSERT_EQ(w.call_ends.size(), 1U);
    EXPECT_EQ(w.call_ends[0].error, 0U);
    // At once: no delay is owed for what was asked.
    EXPECT_TRUE(w.runs(id, "main"));
    EXPECT_EQ(w.started.size(), 2U);
    EXPECT_EQ(
        w.events(id, "main"),
        "Received, Task Setup, Started, Restart Signaled, Terminated, Restarting, Started"
    );
    request.method = server::CallMethod::Signal;
    request.task = "main";
    request.signal = "SIGNONSENSE";
    w.call(request);
    EXPECT_THAT(w.call_ends[1].message, ::testing::HasSubstr("invalid signal"));
    request.signal = "SIGHUP";
    w.call(request);
    EXPECT_EQ(w.call_ends[2].error, 0U);
    EXPECT_EQ(std::get<CallSignal>(w.calls.back().what).signal, 1);
}

TEST(Node, ReadsAreCheckedAndHandedOn) {
    World w;
    w.connect();
    const Uuid id = w.push(make_job("service", {make_task("main")}, restart_policy(2, seconds(1))));
    server::CallRequest request;
    request.method = server::CallMethod::Logs;
    request.alloc_id = id;
    request.task = "other";
    w.call(request);
    EXPECT_EQ(w.call_ends.at(0).message, "unknown task name \"other\"");
    request.task = "main";
    w.call(request);
    ASSERT_EQ(w.reads.size(), 1U);
    w.feed(ReadEnded{w.reads[0].call, {}});
    EXPECT_EQ(w.call_ends.at(1).error, 0U);
    Rng other(1);
    request.alloc_id = Uuid::random(other);
    w.call(request);
    EXPECT_EQ(w.call_ends.at(2).message, "Unknown allocation \"" + request.alloc_id.str() + "\"");
}

TEST(Node, DeploymentHealthComesAfterTheMinimumTimeOrTheDeadline) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    job->task_groups[0].update.ensure().min_healthy_time = seconds(10);
    job->task_groups[0].update->healthy_deadline = seconds(60);
    Rng ids(5);
    server::ServerToNode frame;
    server::PushedAlloc pushed;
    pushed.alloc.id = Uuid::random(ids);
    pushed.alloc.deployment_id = Uuid::random(ids);
    pushed.alloc.task_group = "web";
    pushed.job = 1;
    const Uuid id = pushed.alloc.id;
    frame.allocs.ensure().jobs.push_back(job);
    frame.allocs->changed.push_back(pushed);
    w.feed(FromServer{frame});
    w.advance(seconds(9));
    EXPECT_FALSE(w.reported[id].deployment_status);
    w.advance(seconds(2));
    ASSERT_TRUE(w.reported[id].deployment_status);
    EXPECT_EQ(w.reported[id].deployment_status->healthy, std::optional(true));
}

TEST(Node, ANetworkOfItsOwnIsThereBeforeTheFirstTaskAndGoesAfterTheLast) {
    World w;
    w.connect();
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    model::NetworkResource network;
    network.mode = "bridge";
    network.hostname = "web";
    job->task_groups[0].networks.push_back(network);
    const Uuid id = w.push(job);
    ASSERT_EQ(w.networks.size(), 1U);
    ASSERT_EQ(w.started.size(), 1U);
    EXPECT_EQ(w.started[0].network.net_ns, "/run/netns/" + id.str());
    EXPECT_EQ(w.started[0].network.mode, "bridge");
    EXPECT_EQ(w.started[0].network.hostname, "web");
    EXPECT_EQ(w.reported[id].network_status->address, "172.26.64.2");
    // A restarted agent asks again and is answered the same; the task goes on.
    w.crash();
    w.boot();
    w.connect();
    ASSERT_EQ(w.networks.size(), 2U);
    EXPECT_TRUE(w.runs(id, "main"));
    w.push_stop(id);
    ASSERT_EQ(w.networks.size(), 3U);
    EXPECT_TRUE(std::holds_alternative<TearDownNetwork>(w.networks[2].what));
}

TEST(Node, WithoutItsNetworkAnAllocationFailsAndSaysWhy) {
    World w;
    w.connect();
    w.network_error = Error{ErrorCode::Unavailable, "no bridge"};
    auto job = make_job("service", {make_task("main")}, restart_policy(0, seconds(1)));
    job->task_groups[0].networks.push_back({.mode = "bridge"});
    const Uuid id = w.push(job);
    EXPECT_TRUE(w.started.empty());
    EXPECT_EQ(w.reported[id].client_status, model::AllocClientStatus::Failed);
    EXPECT_THAT(w.reported[id].client_description, ::testing::HasSubstr("no bridge"));
    EXPECT_TRUE(std::holds_alternative<TearDownNetwork>(w.networks.back().what));
}

}  // namespace
}  // namespace nl::client
