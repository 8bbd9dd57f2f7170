#include "io/files.h"
#include "io/grpc/grpc_server.h"
#include "io/grpc/grpc_transport.h"
#include "io/grpc/node_client.h"
#include "io/grpc/peer_client.h"
#include "io/grpc/seed_client.h"
#include "io/testing/certificates.h"
#include "io/testing/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace nl::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string local(int port) {
    return fmt::format("127.0.0.1:{}", port);
}

std::unique_ptr<GrpcServer> serve(
    GrpcHandlers handlers, const std::optional<TlsOptions>& tls = std::nullopt, int port = 0
) {
    auto server = GrpcServer::start({.listen = {local(port)}, .tls = tls}, std::move(handlers));
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
}

/// What handlers heard, for a test to wait on.
template <class T>
class Heard {
public:
    void add(T item) {
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(item));
        changed_.notify_all();
    }
    std::vector<T> wait(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return items_.size() >= count; });
        return items_;
    }
    std::vector<T> now() {
        const std::lock_guard lock(mutex_);
        return items_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<T> items_;
};

struct Message {
    ServerId from;
    env::Channel channel;
    Bytes bytes;
};
GrpcHandlers hear_messages(Heard<Message>& heard) {
    GrpcHandlers handlers;
    handlers.on_message = [&heard](ServerId from, env::Channel channel, Bytes bytes) {
        heard.add({from, channel, std::move(bytes)});
    };
    return handlers;
}

TEST(GrpcTransport, MessagesGoBothWaysInOrder) {
    Heard<Message> at_one;
    Heard<Message> at_two;
    const auto one = serve(hear_messages(at_one));
    const auto two = serve(hear_messages(at_two));
    const auto from_one = *GrpcTransport::create({.self = ServerId(1), .tls = {}});
    const auto from_two = *GrpcTransport::create({.self = ServerId(2), .tls = {}});
    from_one->set_address(ServerId(2), local(two->ports()[0]));
    from_two->set_address(ServerId(1), local(one->ports()[0]));
    // Nobody knows server 9.
    from_one->send(ServerId(9), env::Channel::Raft, "lost");
    EXPECT_EQ(from_one->status().dropped, 1U);

    from_one->send(ServerId(2), env::Channel::Raft, "first");
    at_two.wait(1);
    for (int i = 0; i < 100; ++i) {
        from_one->send(ServerId(2), env::Channel::Raft, std::to_string(i));
    }
    const auto heard = at_two.wait(101);
    EXPECT_EQ(heard[0].from, ServerId(1));
    EXPECT_EQ(heard[0].channel, env::Channel::Raft);
    for (std::size_t i = 0; i < 100; ++i) {
        EXPECT_EQ(heard[i + 1].bytes, std::to_string(i));
    }
    from_two->send(ServerId(1), env::Channel::Snapshot, Bytes("\0\xff", 2));
    const auto back = at_one.wait(1);
    EXPECT_EQ(back[0].channel, env::Channel::Snapshot);
    EXPECT_EQ(back[0].bytes, Bytes("\0\xff", 2));
}

TEST(GrpcTransport, AHeartbeatDoesNotWaitBehindLargeMessages) {
    Heard<Message> heard;
    const auto server = serve(hear_messages(heard));
    const auto transport = *GrpcTransport::create({.self = ServerId(1), .tls = {}});
    transport->set_address(ServerId(2), local(server->ports()[0]));
    transport->send(ServerId(2), env::Channel::Raft, "up");
    transport->send(ServerId(2), env::Channel::Heartbeat, "up");
    heard.wait(2);
    // More than any buffer on the way holds.
    for (int i = 0; i < 3; ++i) {
        transport->send(ServerId(2), env::Channel::Raft, Bytes(20 * 1024 * 1024, 'x'));
    }
    transport->send(ServerId(2), env::Channel::Heartbeat, "beat");
    const auto all = heard.wait(6);
    EXPECT_NE(all[5].channel, env::Channel::Heartbeat);
    EXPECT_EQ(transport->status().dropped, 0U);
}

TEST(GrpcTransport, ComesBackWhenThePeerDoes) {
    Heard<Message> heard;
    auto server = serve(hear_messages(heard));
    const int port = server->ports()[0];
    const auto transport = *GrpcTransport::create({.self = ServerId(1), .tls = {}});
    transport->set_address(ServerId(2), local(port));
    transport->send(ServerId(2), env::Channel::Raft, "before");
    heard.wait(1);
    server.reset();
    server = serve(hear_messages(heard), std::nullopt, port);
    // What is sent meanwhile may be lost; sending goes on until one arrives.
    std::size_t seen = 1;
    while (seen == 1) {
        transport->send(ServerId(2), env::Channel::Raft, "after");
        std::this_thread::yield();
        seen = heard.now().size();
    }
    EXPECT_EQ(heard.now()[1].bytes, "after");
}

TEST(GrpcTransport, WhatCannotBeSentIsBounded) {
    const auto transport = *GrpcTransport::create({.self = ServerId(1), .tls = {}});
    // A port of the discard service, where nobody listens.
    transport->set_address(ServerId(2), local(9));
    for (std::size_t i = 0; i < 100; ++i) {
        transport->send(ServerId(2), env::Channel::Raft, "x");
    }
    EXPECT_EQ(transport->status().dropped, 100 - GrpcTransport::kUnconnectedMessagesMax);
}

TEST(PeerClient, ACallHasManyAnswersAndKeepsItsErrorCode) {
    Heard<std::string> methods;
    GrpcHandlers handlers;
    handlers.on_call = [&](const InboundCall& call, const std::shared_ptr<Responder>& responder) {
        methods.add(call.method);
        EXPECT_THAT(call.peer, HasSubstr("127.0.0.1:"));
        if (call.method == "count") {
            for (std::uint64_t i = 0; i < 50; ++i) {
                EXPECT_TRUE(responder->write({"n", i, call.request}));
            }
            responder->finish({});
            EXPECT_FALSE(responder->write({"late", 0, ""}));
        } else if (call.method == "fail") {
            responder->finish(fail(ErrorCode::Conflict, "index 7 is not 8"));
        }
        // Anything else drops the responder unanswered.
    };
    const auto server = serve(handlers);
    const std::string address = local(server->ports()[0]);
    const auto client = *PeerClient::create(std::nullopt);

    std::vector<Frame> frames;
    std::promise<Result<void>> done;
    client->call(
        {.address = address, .method = "count", .request = "payload", .timeout = seconds(30)},
        {.on_frame = [&](Frame frame) { frames.push_back(std::move(frame)); },
         .on_done = [&](Result<void> result) { done.set_value(std::move(result)); }}
    );
    EXPECT_TRUE(done.get_future().get());
    ASSERT_EQ(frames.size(), 50U);
    EXPECT_EQ(frames[49], (Frame{"n", 49, "payload"}));

    EXPECT_EQ(client->call_and_wait({.address = address, .method = "count", .request = "p"}), "p");
    const auto failed = client->call_and_wait({.address = address, .method = "fail"});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), (Error{ErrorCode::Conflict, "index 7 is not 8"}));
    const auto unanswered = client->call_and_wait({.address = address, .method = "other"});
    ASSERT_FALSE(unanswered);
    EXPECT_EQ(unanswered.error().code, ErrorCode::Internal);
}

TEST(PeerClient, DeadlineCancelAndUnreachableAreTold) {
    Heard<std::shared_ptr<Responder>> kept;
    Heard<int> cancelled;
    GrpcHandlers handlers;
    handlers.on_call = [&](const InboundCall&, std::shared_ptr<Responder> responder) {
        responder->on_cancel([&] { cancelled.add(1); });
        kept.add(std::move(responder));
    };
    const auto server = serve(handlers);
    const std::string address = local(server->ports()[0]);
    const auto client = *PeerClient::create(std::nullopt);
    const auto late = client->call_and_wait(
        {.address = address, .method = "m", .request = {}, .timeout = milliseconds(50)}
    );
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::Timeout);
    EXPECT_THAT(late.error().message, HasSubstr(address));
    cancelled.wait(1);
    EXPECT_FALSE(kept.wait(1)[0]->write({"late", 0, ""}));

    std::promise<Result<void>> done;
    const auto call = client->call(
        {.address = address, .method = "m"},
        {.on_frame = {}, .on_done = [&](Result<void> result) { done.set_value(std::move(result)); }}
    );
    kept.wait(2);
    call->cancel();
    EXPECT_EQ(done.get_future().get().error().code, ErrorCode::Cancelled);
    cancelled.wait(2);

    const auto nobody = client->call_and_wait({.address = local(9), .method = "m"});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, ErrorCode::Unavailable);
    EXPECT_THAT(nobody.error().message, HasSubstr("cannot reach the server at 127.0.0.1:9"));
}

TEST(NodeClient, ASessionCarriesFramesBothWaysAndMovesOn) {
    Heard<std::shared_ptr<ServerSession>> sessions;
    Heard<Frame> at_server;
    Heard<int> ended;
    GrpcHandlers handlers;
    handlers.on_session = [&](std::shared_ptr<ServerSession> session) {
        sessions.add(std::move(session));
        return SessionHandlers{
            .on_frame = [&](Frame frame) { at_server.add(std::move(frame)); },
            .on_end = [&] { ended.add(1); }
        };
    };
    auto first = serve(handlers);
    const auto second = serve(handlers);
    const std::string one = local(first->ports()[0]);
    const std::string two = local(second->ports()[0]);

    Heard<std::string> connects;
    Heard<std::string> disconnects;
    Heard<Frame> at_node;
    const auto node = *NodeClient::start(
        {.servers = {one, two}, .tls = {}},
        {.on_connect = [&](const std::string& server) { connects.add(server); },
         .on_frame = [&](Frame frame) { at_node.add(std::move(frame)); },
         .on_disconnect = [&](const std::string&,
                              const Error& error) { disconnects.add(error.message); }}
    );
    EXPECT_EQ(connects.wait(1)[0], one);
    EXPECT_EQ(node->connected_to(), one);
    EXPECT_TRUE(node->send({"hello", 1, "who I am"}));
    EXPECT_EQ(at_server.wait(1)[0], (Frame{"hello", 1, "who I am"}));
    for (std::uint64_t i = 0; i < 20; ++i) {
        EXPECT_TRUE(sessions.wait(1)[0]->send({"alloc", i, Bytes(100'000, 'a')}));
    }
    EXPECT_EQ(at_node.wait(20)[19].id, 19U);

    // The server says why and the node goes to the next.
    sessions.wait(1)[0]->close(fail(ErrorCode::NotLeader, "another server leads"));
    EXPECT_EQ(connects.wait(2)[1], two);
    EXPECT_THAT(disconnects.now(), ElementsAre("another server leads"));
    ended.wait(1);
    EXPECT_FALSE(sessions.wait(1)[0]->send({"late", 0, ""}));

    node->prefer(one);
    EXPECT_EQ(connects.wait(3)[2], one);
    first.reset();
    EXPECT_EQ(connects.wait(4)[3], two);
    EXPECT_TRUE(node->send({"hello", 2, "again"}));
    EXPECT_EQ(at_server.wait(2)[1].id, 2U);
}

TEST(GrpcServer, APortInUseIsNamed) {
    const auto server = serve({});
    const std::string taken = local(server->ports()[0]);
    const auto refused = GrpcServer::start({.listen = {taken}, .tls = {}}, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
    EXPECT_THAT(refused.error().message, HasSubstr(taken));
}

TEST(GrpcServer, BrokenCertificatesAreNamed) {
    const TempDir dir;
    const auto good = make_certificates(dir.path(), "good", "one");
    const auto other = make_certificates(dir.path(), "other", "two");
    ASSERT_TRUE(write_file_atomic(dir.path() + "/junk.pem", "no certificate"));
    const auto start = [](const TlsOptions& tls) {
        return GrpcServer::start({.listen = {local(0)}, .tls = tls}, {}).error();
    };
    const Error missing = start({.cert_file = dir.path() + "/none", .key_file = good.key_file});
    EXPECT_EQ(missing.code, ErrorCode::InvalidArgument);
    EXPECT_THAT(missing.message, HasSubstr("/none"));
    EXPECT_THAT(
        start({.cert_file = dir.path() + "/junk.pem", .key_file = good.key_file}).message,
        HasSubstr("junk.pem\" holds no certificate")
    );
    EXPECT_THAT(
        start({.cert_file = good.cert_file, .key_file = other.key_file}).message,
        HasSubstr("does not belong to")
    );
}

/// Answers some calls at once, others later from another thread, others never.
class FakeSeed final : public seed::SeedHandler {
public:
    std::string redirect;
    std::vector<std::jthread> threads;

    void submit_job(seed::SubmitJobRequest request, seed::Reply<seed::SubmitJobResponse> reply)
        override {
        if (!redirect.empty()) {
            reply(fail(ErrorCode::NotLeader, "Not the leader. Try {}", redirect));
            return;
        }
        threads.emplace_back([request = std::move(request), reply = std::move(reply)] {
            reply(
                seed::SubmitJobResponse{request.command + "|" + request.image.value_or("none"), -5}
            );
        });
    }
    void cancel_job(seed::CancelJobRequest, seed::Reply<seed::CancelJobResponse> reply) override {
        reply(fail(ErrorCode::NotLeader, "Not the leader. Leader unknown, retry later"));
    }
    void get_job_status(
        seed::GetJobStatusRequest request, seed::Reply<seed::GetJobStatusResponse> reply
    ) override {
        if (request.job_id == "none") {
            reply(fail(ErrorCode::NotFound, "job none not found"));
            return;
        }
        reply(seed::GetJobStatusResponse{
            .job_id = request.job_id,
            .status = seed::JobStatus::Failed,
            .output = "out\n",
            .error = "",
            .assigned_worker = 3,
            .executed_by = 0,
            .exit_code = -9,
            .created_at_ms = 1'700'000'000'000,
            .completed_at_ms = 0
        });
    }
    void list_jobs(seed::ListJobsRequest request, seed::Reply<seed::ListJobsResponse> reply)
        override {
        seed::ListJobsResponse response;
        response.total_count = request.page_size;
        response.next_page_token = request.page_token + request.command_filter;
        response.jobs.push_back({.job_id = "a", .command = "x", .status = request.status_filter});
        response.jobs.push_back({.job_id = "b"});
        reply(std::move(response));
    }
    void stream_jobs(seed::StreamJobsRequest, seed::Reply<std::vector<seed::JobInfo>> reply)
        override {
        std::vector<seed::JobInfo> jobs(1'000);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            jobs[i].job_id = std::to_string(i);
        }
        reply(std::move(jobs));
    }
    void get_cluster_status(
        seed::GetClusterStatusRequest, seed::Reply<seed::GetClusterStatusResponse> reply
    ) override {
        reply(seed::GetClusterStatusResponse{7, 1, {{1, "a:1", true}, {2, "b:2", false}}});
    }
    void get_raft_log_entries(
        seed::GetRaftLogEntriesRequest request, seed::Reply<seed::GetRaftLogEntriesResponse> reply
    ) override {
        seed::RaftLogEntryInfo entry{.index = request.start_index, .term = 2, .command = {}};
        entry.command.ensure().batch_update_job_status.ensure().updates.push_back(
            {.job_id = "j", .status = seed::JobStatus::Completed, .exit_code = 0}
        );
        entry.is_committed = true;
        reply(seed::GetRaftLogEntriesResponse{{entry, {.index = 9}}, 1, 2, 3});
    }
    void transfer_leadership(
        seed::TransferLeadershipRequest, seed::Reply<seed::TransferLeadershipResponse> reply
    ) override {
        // Never answered: the client's deadline ends it.
        forgotten = std::move(reply);
    }
    void drain_node(seed::DrainNodeRequest, seed::Reply<seed::DrainNodeResponse> reply) override {
        reply(seed::DrainNodeResponse{true, "drained"});
    }
    void get_job_output(
        seed::GetJobOutputRequest request, seed::Reply<seed::GetJobOutputResponse> reply
    ) override {
        reply(seed::GetJobOutputResponse{request.job_id, "o", "e", true});
    }
    void worker_heartbeat(
        seed::WorkerHeartbeatRequest, seed::Reply<seed::WorkerHeartbeatResponse> reply
    ) override {
        reply(seed::WorkerHeartbeatResponse{});
    }
    void forward_job_status(
        seed::ForwardJobStatusRequest, seed::Reply<seed::ForwardJobStatusResponse> reply
    ) override {
        reply(seed::ForwardJobStatusResponse{});
    }

    seed::Reply<seed::TransferLeadershipResponse> forgotten;
};

TEST(SeedClient, EveryCallComesThrough) {
    FakeSeed handler;
    const auto server = serve({.seed = &handler, .current_term = [] { return Term(7); }});
    const auto client = *SeedClient::create(
        {.address = "http://" + local(server->ports()[0]), .tls = {}, .timeout = seconds(30)}
    );
    const auto submitted = client->submit_job({.command = "echo grüezi", .image = std::nullopt});
    ASSERT_TRUE(submitted) << submitted.error().message;
    EXPECT_EQ(submitted->job_id, "echo grüezi|none");
    EXPECT_EQ(submitted->created_at_ms, -5);
    EXPECT_EQ(client->submit_job({.command = "x", .image = ""})->job_id, "x|");
    EXPECT_EQ(
        client->submit_job({.command = "\xff\xfe", .image = {}}).error().code,
        ErrorCode::InvalidArgument
    );

    const auto status = client->get_job_status({.job_id = "id"});
    ASSERT_TRUE(status);
    EXPECT_EQ(status->status, seed::JobStatus::Failed);
    EXPECT_EQ(status->exit_code, -9);
    EXPECT_EQ(status->created_at_ms, 1'700'000'000'000);
    EXPECT_EQ(status->completed_at_ms, 0);
    EXPECT_EQ(
        client->get_job_status({.job_id = "none"}).error(),
        (Error{ErrorCode::NotFound, "job none not found"})
    );

    const auto list = client->list_jobs(
        {.page_size = 17,
         .page_token = "t",
         .status_filter = seed::JobStatus::Running,
         .command_filter = "c"}
    );
    ASSERT_TRUE(list);
    EXPECT_EQ(list->total_count, 17U);
    EXPECT_EQ(list->next_page_token, "tc");
    ASSERT_EQ(list->jobs.size(), 2U);
    EXPECT_EQ(list->jobs[0].status, seed::JobStatus::Running);
    EXPECT_EQ(list->jobs[1].completed_at_ms, std::nullopt);

    std::vector<std::string> streamed;
    ASSERT_TRUE(client->stream_jobs({}, [&](const seed::JobInfo& job) {
        streamed.push_back(job.job_id);
    }));
    ASSERT_EQ(streamed.size(), 1'000U);
    EXPECT_EQ(streamed.back(), "999");

    const auto cluster = client->get_cluster_status();
    ASSERT_TRUE(cluster);
    EXPECT_EQ(cluster->nodes.size(), 2U);
    EXPECT_TRUE(cluster->nodes[0].is_alive);
    EXPECT_EQ(cluster->nodes[1].address, "b:2");

    const auto log = client->get_raft_log_entries({.start_index = 4, .limit = 10});
    ASSERT_TRUE(log);
    ASSERT_EQ(log->entries.size(), 2U);
    EXPECT_EQ(log->entries[0].index, 4U);
    const auto& updates = log->entries[0].command->batch_update_job_status->updates;
    ASSERT_EQ(updates.size(), 1U);
    EXPECT_EQ(updates[0].exit_code, 0);
    EXPECT_FALSE(log->entries[1].command.has_value());
    EXPECT_EQ(log->first_available_index, 3U);

    EXPECT_EQ(client->drain_node()->message, "drained");
    EXPECT_EQ(client->get_job_output({.job_id = "j"})->error, "e");
    EXPECT_EQ(client->cancel_job({.job_id = "j"}).error().code, ErrorCode::NotLeader);
}

TEST(SeedClient, FollowsTheLeaderAndStaysThere) {
    FakeSeed follower;
    FakeSeed leader;
    const auto two = serve({.seed = &leader});
    const auto one = serve({.seed = &follower});
    follower.redirect = local(two->ports()[0]);
    const auto client = *SeedClient::create({.address = local(one->ports()[0]), .tls = {}});
    EXPECT_TRUE(client->submit_job({.command = "x", .image = {}}));
    EXPECT_EQ(client->address(), follower.redirect);

    // Two that send each other round end with the error, not for ever.
    leader.redirect = local(one->ports()[0]);
    EXPECT_EQ(client->submit_job({.command = "x", .image = {}}).error().code, ErrorCode::NotLeader);
}

TEST(SeedClient, NobodyAnswersAndNobodyIsThere) {
    FakeSeed handler;
    const auto server = serve({.seed = &handler});
    const auto client = *SeedClient::create(
        {.address = local(server->ports()[0]), .tls = {}, .timeout = milliseconds(100)}
    );
    EXPECT_EQ(client->transfer_leadership({}).error().code, ErrorCode::Timeout);
    const auto nobody = *SeedClient::create({.address = local(9), .tls = {}});
    EXPECT_EQ(nobody->get_cluster_status().error().code, ErrorCode::Unavailable);
    EXPECT_EQ(
        SeedClient::create({.address = "host", .tls = {}}).error().code, ErrorCode::InvalidArgument
    );
    // The late answer finds nobody and harms nothing.
    handler.forgotten(seed::TransferLeadershipResponse{true, "", 1});
}

TEST(SeedClient, RedirectTargetsAreRead) {
    EXPECT_EQ(redirect_target("Not the leader. Try 10.0.0.1:50051"), "10.0.0.1:50051");
    EXPECT_EQ(redirect_target("Not the leader. Try http://h:1/"), "h:1");
    EXPECT_EQ(redirect_target("Not the leader. Leader unknown, retry later"), "");
    EXPECT_EQ(redirect_target("Not the leader. Try somewhere"), "");
}

TEST(SeedClient, SpeaksTlsAndTrustsOnlyItsAuthority) {
    const TempDir dir;
    const auto files = make_certificates(dir.path(), "own", std::string(SeedClient::kExpectedName));
    const auto strange =
        make_certificates(dir.path(), "strange", std::string(SeedClient::kExpectedName));
    FakeSeed handler;
    const TlsOptions server_tls{
        .ca_file = files.ca_file,
        .cert_file = files.cert_file,
        .key_file = files.key_file,
        .require_client_certificate = true
    };
    std::promise<std::string> name;
    GrpcHandlers handlers{.seed = &handler};
    handlers.on_call = [&](const InboundCall& call, const std::shared_ptr<Responder>& responder) {
        name.set_value(call.common_name);
        responder->write({"", 0, "hello"});
        responder->finish({});
    };
    const auto server = serve(handlers, server_tls);
    const std::string address = local(server->ports()[0]);
    const auto get = [&](const std::optional<TlsOptions>& tls, const std::string& scheme) {
        return (*SeedClient::create(
                    {.address = scheme + address, .tls = tls, .timeout = seconds(30)}
                ))
            ->get_cluster_status();
    };
    const TlsOptions good{
        .ca_file = files.ca_file, .cert_file = files.cert_file, .key_file = files.key_file
    };
    EXPECT_TRUE(get(good, "https://"));
    TlsOptions no_certificate = good;
    no_certificate.cert_file.clear();
    no_certificate.key_file.clear();
    EXPECT_FALSE(get(no_certificate, "https://"));
    TlsOptions other_authority = good;
    other_authority.ca_file = strange.ca_file;
    EXPECT_FALSE(get(other_authority, "https://"));
    TlsOptions other_name = good;
    other_name.expected_name = "someone-else";
    EXPECT_FALSE(get(other_name, "https://"));
    EXPECT_FALSE(get(std::nullopt, "http://"));

    TlsOptions peer = good;
    peer.expected_name = SeedClient::kExpectedName;
    const auto client = *PeerClient::create(peer);
    EXPECT_EQ(client->call_and_wait({.address = address, .method = "m"}), "hello");
    EXPECT_EQ(name.get_future().get(), SeedClient::kExpectedName);
}

}  // namespace
}  // namespace nl::io
