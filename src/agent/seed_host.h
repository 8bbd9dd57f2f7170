#pragma once
// Answers the seed's gRPC services on this cluster: reads from this server's state, writes on the
// leader only (the seed's clients follow the redirect themselves), a job's output from the node
// that ran it. Calls come on gRPC's threads and never block; waits run on a loop of its own.

#include "agent/server_host.h"
#include "api/seed.h"
#include "io/grpc/seed_types.h"
#include "io/loop.h"

namespace nl::agent {

class SeedHost final : public io::seed::SeedHandler {
public:
    SeedHost();
    ~SeedHost() override;
    SeedHost(const SeedHost&) = delete;
    SeedHost& operator=(const SeedHost&) = delete;

    /// Before it is attached every call is Unavailable.
    void attach(ServerHost& server) { server_ = &server; }

    void submit_job(
        io::seed::SubmitJobRequest request, io::seed::Reply<io::seed::SubmitJobResponse> reply
    ) override;
    void submit_jobs(
        io::seed::SubmitJobsRequest request, io::seed::Reply<io::seed::SubmitJobsResponse> reply
    ) override;
    void cancel_job(
        io::seed::CancelJobRequest request, io::seed::Reply<io::seed::CancelJobResponse> reply
    ) override;
    void get_job_status(
        io::seed::GetJobStatusRequest request, io::seed::Reply<io::seed::GetJobStatusResponse> reply
    ) override;
    void list_jobs(
        io::seed::ListJobsRequest request, io::seed::Reply<io::seed::ListJobsResponse> reply
    ) override;
    void stream_jobs(
        io::seed::StreamJobsRequest request, io::seed::Reply<std::vector<io::seed::JobInfo>> reply
    ) override;
    void get_cluster_status(
        io::seed::GetClusterStatusRequest request,
        io::seed::Reply<io::seed::GetClusterStatusResponse> reply
    ) override;
    void get_raft_log_entries(
        io::seed::GetRaftLogEntriesRequest request,
        io::seed::Reply<io::seed::GetRaftLogEntriesResponse> reply
    ) override;
    void transfer_leadership(
        io::seed::TransferLeadershipRequest request,
        io::seed::Reply<io::seed::TransferLeadershipResponse> reply
    ) override;
    void drain_node(
        io::seed::DrainNodeRequest request, io::seed::Reply<io::seed::DrainNodeResponse> reply
    ) override;
    void get_job_output(
        io::seed::GetJobOutputRequest request, io::seed::Reply<io::seed::GetJobOutputResponse> reply
    ) override;
    void worker_heartbeat(
        io::seed::WorkerHeartbeatRequest request,
        io::seed::Reply<io::seed::WorkerHeartbeatResponse> reply
    ) override;
    void forward_job_status(
        io::seed::ForwardJobStatusRequest request,
        io::seed::Reply<io::seed::ForwardJobStatusResponse> reply
    ) override;

private:
    using OnOutput = std::function<void(std::string output, std::string error)>;
    Result<void> check_leader() const;
    void fetch_output(
        const api::seed::JobView& job,
        std::string_view stream,
        std::function<void(std::string)> done
    );
    void fetch_both(const api::seed::JobView& job, OnOutput done);
    void await_leader(
        ServerId former,
        ServerId wanted,
        Instant until,
        io::seed::Reply<io::seed::TransferLeadershipResponse> reply
    );

    std::atomic<ServerHost*> server_{nullptr};
    io::EventLoop loop_;
};

}  // namespace nl::agent
