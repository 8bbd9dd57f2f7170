#include "cli/program.h"
#include "cli/testing/fake_environment.h"

#include <gtest/gtest.h>

namespace nl::cli {

namespace {

using testing::FakeWorld;

constexpr const char* kId = "0bd24a3c-8f4c-4d9a-b1d5-2f6f4c3b9a10";

// Knows one finished job, counts to three nodes, and remembers what it was asked.
class FakeSeed final : public io::SeedClient {
public:
    explicit FakeSeed(std::vector<std::string>& asked) : asked_(asked) {}

    Result<io::seed::SubmitJobResponse> submit_job(const io::seed::SubmitJobRequest& request
    ) override {
        asked_.push_back("submit " + request.command + " " + request.image.value_or("-"));
        if (request.command.empty()) {
            return fail(ErrorCode::InvalidArgument, "command must not be empty");
        }
        return io::seed::SubmitJobResponse{.job_id = kId, .created_at_ms = 1000};
    }
    Result<io::seed::CancelJobResponse> cancel_job(const io::seed::CancelJobRequest& request
    ) override {
        asked_.push_back("cancel " + request.job_id);
        return fail(ErrorCode::FailedPrecondition, "job is already completed");
    }
    Result<io::seed::GetJobStatusResponse> get_job_status(
        const io::seed::GetJobStatusRequest& request
    ) override {
        asked_.push_back("status " + request.job_id);
        if (request.job_id != kId) {
            return fail(ErrorCode::NotFound, "job not found");
        }
        io::seed::GetJobStatusResponse job;
        job.job_id = kId;
        job.status = io::seed::JobStatus::Completed;
        job.output = "hello\nworld\n";
        job.assigned_worker = 2;
        job.executed_by = 2;
        job.exit_code = 0;
        job.created_at_ms = 1000;
        return job;
    }
    Result<io::seed::ListJobsResponse> list_jobs(const io::seed::ListJobsRequest& request
    ) override {
        asked_.push_back(fmt::format(
            "list {} {} {}", request.page_size, to_string(request.status_filter), request.page_token
        ));
        io::seed::ListJobsResponse page;
        io::seed::JobInfo job;
        job.job_id = kId;
        job.command = "echo äöü\nnext " + std::string(80, 'x');
        job.status = io::seed::JobStatus::Pending;
        page.jobs.push_back(job);
        page.total_count = 2;
        page.next_page_token = request.page_token.empty() ? "more" : "";
        return page;
    }
    Result<void>
    stream_jobs(const io::seed::StreamJobsRequest&, const std::function<void(const io::seed::JobInfo&)>&)
        override {
        return {};
    }
    Result<io::seed::GetClusterStatusResponse> get_cluster_status() override {
        io::seed::GetClusterStatusResponse cluster;
        cluster.current_term = 4;
        cluster.leader_id = 2;
        cluster.nodes = {
            {.node_id = 1, .address = "127.0.0.1:50051", .is_alive = true},
            {.node_id = 2, .address = "127.0.0.1:50052", .is_alive = true},
            {.node_id = 3, .address = "127.0.0.1:50053", .is_alive = false}
        };
        return cluster;
    }
    Result<io::seed::GetRaftLogEntriesResponse>
    get_raft_log_entries(const io::seed::GetRaftLogEntriesRequest&) override {
        io::seed::GetRaftLogEntriesResponse log;
        io::seed::RaftLogEntryInfo entry;
        entry.index = 11;
        entry.term = 4;
        entry.is_committed = true;
        io::seed::Command command;
        command.submit_job = io::seed::SubmitJobCommand{
            .job_id = kId, .command = "echo hi", .created_at_ms = 1, .image = std::nullopt
        };
        entry.command = command;
        log.entries.push_back(entry);
        entry.index = 12;
        entry.command = {};
        entry.is_committed = false;
        log.entries.push_back(entry);
        log.commit_index = 11;
        log.last_log_index = 12;
        log.first_available_index = 11;
        return log;
    }
    Result<io::seed::TransferLeadershipResponse> transfer_leadership(
        const io::seed::TransferLeadershipRequest& request
    ) override {
        return io::seed::TransferLeadershipResponse{
            .success = true,
            .message = "Leadership transferred",
            .new_leader_id = request.target_node_id
        };
    }
    Result<io::seed::DrainNodeResponse> drain_node() override {
        return io::seed::DrainNodeResponse{.success = true, .message = "node 1 is drained"};
    }
    Result<io::seed::GetJobOutputResponse> get_job_output(const io::seed::GetJobOutputRequest&)
        override {
        return io::seed::GetJobOutputResponse{};
    }
    const std::string& address() const override { return address_; }

private:
    std::vector<std::string>& asked_;
    std::string address_{"127.0.0.1:50051"};
};

class Seed : public ::testing::Test {
protected:
    Seed() {
        world_.seed = [this] { return std::make_unique<FakeSeed>(asked_); };
    }

    int call(std::vector<std::string> words) {
        words.insert(words.begin(), "nomad-lite");
        world_.out.clear();
        world_.err.clear();
        return run(words, fake_environment(world_));
    }

    FakeWorld world_;
    std::vector<std::string> asked_;
};

TEST_F(Seed, SubmitAndStatus) {
    EXPECT_EQ(call({"job", "submit", "echo hi", "--image", "alpine:3"}), 0);
    EXPECT_EQ(world_.out, fmt::format("Job submitted successfully!\nJob ID: {}\n", kId));
    EXPECT_EQ(asked_.back(), "submit echo hi alpine:3");
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"job", "status", kId},
          {"job", "-a", "http://10.0.0.1:50051", "status", kId},
          {"job", "status", "-o", "table", kId}}) {
        EXPECT_EQ(call(words), 0);
        EXPECT_EQ(
            world_.out,
            fmt::format(
                "Job ID:          {}\nStatus:          COMPLETED\nExit Code:       0\n"
                "Assigned Worker: 2\nExecuted By:     2\nOutput:\n  hello\n  world\n",
                kId
            )
        );
    }
    EXPECT_EQ(call({"job", "-o", "json", "status", kId}), 0);
    EXPECT_NE(world_.out.find("\"status\": \"COMPLETED\""), std::string::npos);
    EXPECT_NE(world_.out.find("\"exit_code\": 0"), std::string::npos);
}

TEST_F(Seed, RefusalsAre1AndWrongUsage2) {
    EXPECT_EQ(call({"job", "submit", ""}), 1);
    EXPECT_EQ(world_.err, "Error: command must not be empty\n");
    EXPECT_EQ(call({"job", "cancel", kId}), 1);
    EXPECT_EQ(world_.err, "Error: job is already completed\n");
    EXPECT_EQ(call({"job", "submit"}), 2);
    EXPECT_EQ(call({"job", "list", "--staus", "x"}), 2);
    EXPECT_NE(world_.err.find("did you mean -status?"), std::string::npos);
    EXPECT_EQ(call({"job", "list", "--status", "gone"}), 2);
    EXPECT_EQ(call({"cluster", "nonsense"}), 2);
}

TEST_F(Seed, ListsPagesAndCutsBetweenCharacters) {
    EXPECT_EQ(call({"job", "list", "--status", "pending", "--page-size", "1"}), 0);
    EXPECT_EQ(asked_.back(), "list 1 PENDING ");
    EXPECT_NE(world_.out.find("JOB ID  "), std::string::npos);
    EXPECT_NE(world_.out.find("echo äöü next xxx"), std::string::npos);
    EXPECT_NE(world_.out.find("…\n"), std::string::npos);
    EXPECT_NE(world_.out.find("\nShowing 1 of 2 jobs\n"), std::string::npos);
    EXPECT_EQ(call({"job", "list", "--all"}), 0);
    EXPECT_EQ(asked_.back(), "list 1000 UNSPECIFIED more");
    EXPECT_NE(world_.out.find("Showing 2 of 2 jobs"), std::string::npos);
    EXPECT_EQ(call({"job", "-ojson", "list"}), 0);
    EXPECT_NE(world_.out.find("\"has_more\": true"), std::string::npos);
    EXPECT_EQ(call({"job", "list", "--stream"}), 0);
    EXPECT_EQ(world_.out, "No jobs found.\n");
}

TEST_F(Seed, ClusterAndLog) {
    EXPECT_EQ(call({"cluster", "-a", "127.0.0.1:50051", "status"}), 0);
    EXPECT_EQ(
        world_.out,
        "Term:   4\nLeader: 2\n\nNODE  ADDRESS          STATUS\n1     127.0.0.1:50051  alive\n"
        "2     127.0.0.1:50052  alive (leader)\n3     127.0.0.1:50053  dead\n"
    );
    EXPECT_EQ(call({"cluster", "transfer-leader", "--to", "3"}), 0);
    EXPECT_EQ(world_.out, "Leadership transferred\nNew leader: 3\n");
    EXPECT_EQ(call({"cluster", "drain"}), 0);
    EXPECT_EQ(world_.out, "node 1 is drained\n");
    EXPECT_EQ(call({"log", "list", "--limit", "5"}), 0);
    EXPECT_EQ(
        world_.out,
        fmt::format(
            "Entries 1 to 10 are compacted into a snapshot.\n"
            "INDEX  TERM  COMMITTED  COMMAND\n"
            "11     4     yes        SubmitJob job_id={}, cmd=echo hi\n"
            "12     4     no         Noop\n\nCommit index: 11  Last index: 12\n",
            kId
        )
    );
}

TEST_F(Seed, AnUnknownUuidIsAskedOfTheHttpApi) {
    const std::string other = "11111111-2222-3333-4444-555555555555";
    world_.replies["GET /v1/jobs?prefix=" + other + "&per_page=20"] = {
        {.status = 200, .body = "[]", .headers = {}}
    };
    EXPECT_EQ(call({"job", "status", other}), 1);
    EXPECT_EQ(world_.err, fmt::format("No job(s) with prefix or ID \"{}\" found\n", other));
}

TEST_F(Seed, ServerFlags) {
    EXPECT_EQ(
        call(
            {"server",
             "--node-id",
             "2",
             "--port",
             "50052",
             "--dashboard-port",
             "8081",
             "--peers",
             "1:127.0.0.1:50051",
             "--data-dir",
             "/d",
             "--tls",
             "--allow-insecure"}
        ),
        0
    );
    const agent::ServerArgs& args = world_.server_args;
    EXPECT_EQ(args.node_id, 2U);
    EXPECT_EQ(args.port, 50052);
    EXPECT_EQ(args.dashboard_port, 8081);
    EXPECT_EQ(args.peers, "1:127.0.0.1:50051");
    EXPECT_EQ(args.image, "alpine:latest");
    EXPECT_EQ(args.data_dir, "/d");
    EXPECT_TRUE(args.tls);
    EXPECT_TRUE(args.allow_insecure);
    EXPECT_EQ(call({"server", "--dashboard-port", "0"}), 0);
    EXPECT_EQ(world_.server_args.dashboard_port, -1);
    EXPECT_EQ(call({"server"}), 0);
    EXPECT_EQ(world_.server_args.dashboard_port, 0);
}

TEST_F(Seed, AgentFlags) {
    EXPECT_EQ(
        call(
            {"agent",
             "-config",
             "a.hcl",
             "-config=b.d",
             "-server",
             "-bootstrap-expect=3",
             "-retry-join",
             "x:4648",
             "-meta",
             "rack=r1",
             "-client=false",
             "-servers",
             "a:1,b:2",
             "-log-level",
             "DEBUG"}
        ),
        0
    );
    const agent::AgentArgs& args = world_.agent_args;
    EXPECT_EQ(args.config_paths, (std::vector<std::string>{"a.hcl", "b.d"}));
    EXPECT_FALSE(args.dev);
    ASSERT_TRUE(args.flags.server.has_value());
    EXPECT_EQ(args.flags.server->enabled, true);
    EXPECT_EQ(args.flags.server->bootstrap_expect, 3);
    ASSERT_TRUE(args.flags.server->server_join.has_value());
    EXPECT_EQ(args.flags.server->server_join->retry_join, std::vector<std::string>{"x:4648"});
    ASSERT_TRUE(args.flags.client.has_value());
    EXPECT_EQ(args.flags.client->enabled, false);
    EXPECT_EQ(args.flags.client->servers, (std::vector<std::string>{"a:1", "b:2"}));
    EXPECT_EQ(args.flags.client->meta.at("rack"), "r1");
    EXPECT_EQ(args.flags.log_level, "DEBUG");
    EXPECT_FALSE(args.flags.region.has_value());
    EXPECT_EQ(call({"agent", "-meta", "rack"}), 1);
    EXPECT_EQ(call({"agent", "-dev"}), 0);
    EXPECT_TRUE(world_.agent_args.dev);
}

}  // namespace

}  // namespace nl::cli
