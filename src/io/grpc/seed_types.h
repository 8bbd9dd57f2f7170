#pragma once
// The messages of the gRPC package `scheduler` (proto/scheduler.proto) as plain structs, and the
// interface that answers them. Field numbers are those of the package and are a contract with
// clients that exist already. Owned by io; the agent implements SeedHandler, the command line
// prints the structs. RaftService has no struct here: it is answered inside io and never acts.

#include "base/error.h"
#include "base/fields.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::io::seed {

enum class JobStatus : std::uint8_t {
    Unspecified = 0,
    Pending = 1,
    Running = 2,
    Completed = 3,
    Failed = 4,
    Cancelled = 5,
};
/// In capitals without the prefix: "COMPLETED".
std::string_view to_string(JobStatus status);
/// Any case, with or without the prefix JOB_STATUS_.
std::optional<JobStatus> parse_job_status(std::string_view text);

struct SubmitJobRequest {
    std::string command;
    std::optional<std::string> image;
    NL_FIELDS(SubmitJobRequest, (1, command), (2, image))
};
struct SubmitJobResponse {
    std::string job_id;
    std::int64_t created_at_ms{};
    NL_FIELDS(SubmitJobResponse, (1, job_id), (2, created_at_ms))
};

/// Ours: many jobs in one call, each answered by itself and in the same order.
struct SubmitJobsRequest {
    std::vector<SubmitJobRequest> jobs;
    NL_FIELDS(SubmitJobsRequest, (1, jobs))
};
struct SubmitJobsResult {
    std::string job_id;
    std::int64_t created_at_ms{};
    std::string error;
    NL_FIELDS(SubmitJobsResult, (1, job_id), (2, created_at_ms), (3, error))
};
struct SubmitJobsResponse {
    std::vector<SubmitJobsResult> results;
    NL_FIELDS(SubmitJobsResponse, (1, results))
};

struct CancelJobRequest {
    std::string job_id;
    NL_FIELDS(CancelJobRequest, (1, job_id))
};
struct CancelJobResponse {
    bool success{};
    std::string message;
    NL_FIELDS(CancelJobResponse, (1, success), (2, message))
};

struct GetJobStatusRequest {
    std::string job_id;
    NL_FIELDS(GetJobStatusRequest, (1, job_id))
};
struct GetJobStatusResponse {
    std::string job_id;
    JobStatus status{};
    std::string output;
    std::string error;
    std::uint64_t assigned_worker{};
    std::uint64_t executed_by{};
    std::optional<std::int32_t> exit_code;
    std::int64_t created_at_ms{};
    std::optional<std::int64_t> completed_at_ms;
    NL_FIELDS(
        GetJobStatusResponse,
        (1, job_id),
        (2, status),
        (3, output),
        (4, error),
        (5, assigned_worker),
        (6, executed_by),
        (7, exit_code),
        (8, created_at_ms),
        (9, completed_at_ms)
    )
};

struct JobInfo {
    std::string job_id;
    std::string command;
    JobStatus status{};
    std::uint64_t assigned_worker{};
    std::int64_t created_at_ms{};
    std::optional<std::int64_t> completed_at_ms;
    NL_FIELDS(
        JobInfo,
        (1, job_id),
        (2, command),
        (3, status),
        (4, assigned_worker),
        (5, created_at_ms),
        (6, completed_at_ms)
    )
};
/// Zero and "" mean: no filter, page size by default.
struct ListJobsRequest {
    std::uint32_t page_size{};
    std::string page_token;
    JobStatus status_filter{};
    std::uint64_t worker_id_filter{};
    std::string command_filter;
    std::int64_t created_after_ms{};
    std::int64_t created_before_ms{};
    NL_FIELDS(
        ListJobsRequest,
        (1, page_size),
        (2, page_token),
        (3, status_filter),
        (4, worker_id_filter),
        (5, command_filter),
        (6, created_after_ms),
        (7, created_before_ms)
    )
};
struct ListJobsResponse {
    std::vector<JobInfo> jobs;
    std::string next_page_token;
    std::uint32_t total_count{};
    NL_FIELDS(ListJobsResponse, (1, jobs), (2, next_page_token), (3, total_count))
};
struct StreamJobsRequest {
    JobStatus status_filter{};
    NL_FIELDS(StreamJobsRequest, (1, status_filter))
};

struct NodeInfo {
    std::uint64_t node_id{};
    std::string address;
    bool is_alive{};
    NL_FIELDS(NodeInfo, (1, node_id), (2, address), (3, is_alive))
};
struct GetClusterStatusRequest {
    NL_FIELDS(GetClusterStatusRequest)
};
struct GetClusterStatusResponse {
    std::uint64_t current_term{};
    /// 0: none known.
    std::uint64_t leader_id{};
    std::vector<NodeInfo> nodes;
    NL_FIELDS(GetClusterStatusResponse, (1, current_term), (2, leader_id), (3, nodes))
};

struct SubmitJobCommand {
    std::string job_id;
    std::string command;
    std::int64_t created_at_ms{};
    std::optional<std::string> image;
    NL_FIELDS(SubmitJobCommand, (1, job_id), (2, command), (3, created_at_ms), (4, image))
};
struct UpdateJobStatusCommand {
    std::string job_id;
    JobStatus status{};
    std::uint64_t executed_by{};
    std::optional<std::int32_t> exit_code;
    std::optional<std::int64_t> completed_at_ms;
    NL_FIELDS(
        UpdateJobStatusCommand,
        (1, job_id),
        (2, status),
        (3, executed_by),
        (4, exit_code),
        (5, completed_at_ms)
    )
};
struct RegisterWorkerCommand {
    std::uint64_t worker_id{};
    NL_FIELDS(RegisterWorkerCommand, (1, worker_id))
};
struct JobStatusUpdate {
    std::string job_id;
    JobStatus status{};
    std::uint64_t executed_by{};
    std::optional<std::int32_t> exit_code;
    std::optional<std::int64_t> completed_at_ms;
    NL_FIELDS(
        JobStatusUpdate,
        (1, job_id),
        (2, status),
        (3, executed_by),
        (4, exit_code),
        (5, completed_at_ms)
    )
};
struct BatchUpdateJobStatusCommand {
    std::vector<JobStatusUpdate> updates;
    NL_FIELDS(BatchUpdateJobStatusCommand, (1, updates))
};
struct AssignJobCommand {
    std::string job_id;
    std::uint64_t worker_id{};
    NL_FIELDS(AssignJobCommand, (1, job_id), (2, worker_id))
};
struct CancelJobCommand {
    std::string job_id;
    NL_FIELDS(CancelJobCommand, (1, job_id))
};
/// At most one is set; none for an entry that is no job's business.
struct Command {
    Box<SubmitJobCommand> submit_job;
    Box<UpdateJobStatusCommand> update_job_status;
    Box<RegisterWorkerCommand> register_worker;
    Box<BatchUpdateJobStatusCommand> batch_update_job_status;
    Box<AssignJobCommand> assign_job;
    Box<CancelJobCommand> cancel_job;
    NL_FIELDS(
        Command,
        (1, submit_job),
        (2, update_job_status),
        (3, register_worker),
        (4, batch_update_job_status),
        (5, assign_job),
        (6, cancel_job)
    )
};

struct GetRaftLogEntriesRequest {
    std::uint64_t start_index{};
    std::uint32_t limit{};
    NL_FIELDS(GetRaftLogEntriesRequest, (1, start_index), (2, limit))
};
struct RaftLogEntryInfo {
    std::uint64_t index{};
    std::uint64_t term{};
    Box<Command> command;
    bool is_committed{};
    NL_FIELDS(RaftLogEntryInfo, (1, index), (2, term), (3, command), (4, is_committed))
};
struct GetRaftLogEntriesResponse {
    std::vector<RaftLogEntryInfo> entries;
    std::uint64_t commit_index{};
    std::uint64_t last_log_index{};
    std::uint64_t first_available_index{};
    NL_FIELDS(
        GetRaftLogEntriesResponse,
        (1, entries),
        (2, commit_index),
        (3, last_log_index),
        (4, first_available_index)
    )
};

struct TransferLeadershipRequest {
    /// 0: any.
    std::uint64_t target_node_id{};
    NL_FIELDS(TransferLeadershipRequest, (1, target_node_id))
};
struct TransferLeadershipResponse {
    bool success{};
    std::string message;
    std::uint64_t new_leader_id{};
    NL_FIELDS(TransferLeadershipResponse, (1, success), (2, message), (3, new_leader_id))
};
struct DrainNodeRequest {
    NL_FIELDS(DrainNodeRequest)
};
struct DrainNodeResponse {
    bool success{};
    std::string message;
    NL_FIELDS(DrainNodeResponse, (1, success), (2, message))
};

struct GetJobOutputRequest {
    std::string job_id;
    NL_FIELDS(GetJobOutputRequest, (1, job_id))
};
struct GetJobOutputResponse {
    std::string job_id;
    std::string output;
    std::string error;
    bool found{};
    NL_FIELDS(GetJobOutputResponse, (1, job_id), (2, output), (3, error), (4, found))
};
struct WorkerHeartbeatRequest {
    std::uint64_t node_id{};
    NL_FIELDS(WorkerHeartbeatRequest, (1, node_id))
};
struct WorkerHeartbeatResponse {
    NL_FIELDS(WorkerHeartbeatResponse)
};
struct ForwardJobStatusRequest {
    std::vector<UpdateJobStatusCommand> updates;
    NL_FIELDS(ForwardJobStatusRequest, (1, updates))
};
struct ForwardJobStatusResponse {
    NL_FIELDS(ForwardJobStatusResponse)
};

/// Call it once, from any thread, now or later. Errors become a gRPC status by their code (see
/// io/grpc/status.h); NotLeader carries the seed's text "Not the leader. Try <host:port>".
template <class Response>
using Reply = std::function<void(Result<Response>)>;

/// Answers the seed's SchedulerService and InternalService. Called on gRPC's threads: it must not
/// block; it keeps the Reply and answers when it can.
class SeedHandler {
public:
    virtual ~SeedHandler() = default;

    virtual void submit_job(SubmitJobRequest request, Reply<SubmitJobResponse> reply) = 0;
    /// A handler that does not know it is Unavailable.
    virtual void submit_jobs(SubmitJobsRequest request, Reply<SubmitJobsResponse> reply) {
        static_cast<void>(request);
        reply(fail(ErrorCode::Unavailable, "this server takes jobs one by one"));
    }
    virtual void cancel_job(CancelJobRequest request, Reply<CancelJobResponse> reply) = 0;
    virtual void get_job_status(GetJobStatusRequest request, Reply<GetJobStatusResponse> reply) = 0;
    virtual void list_jobs(ListJobsRequest request, Reply<ListJobsResponse> reply) = 0;
    /// All jobs at once; they leave as one message each.
    virtual void stream_jobs(StreamJobsRequest request, Reply<std::vector<JobInfo>> reply) = 0;
    virtual void get_cluster_status(
        GetClusterStatusRequest request, Reply<GetClusterStatusResponse> reply
    ) = 0;
    virtual void get_raft_log_entries(
        GetRaftLogEntriesRequest request, Reply<GetRaftLogEntriesResponse> reply
    ) = 0;
    virtual void transfer_leadership(
        TransferLeadershipRequest request, Reply<TransferLeadershipResponse> reply
    ) = 0;
    virtual void drain_node(DrainNodeRequest request, Reply<DrainNodeResponse> reply) = 0;
    virtual void get_job_output(GetJobOutputRequest request, Reply<GetJobOutputResponse> reply) = 0;
    virtual void worker_heartbeat(
        WorkerHeartbeatRequest request, Reply<WorkerHeartbeatResponse> reply
    ) = 0;
    virtual void forward_job_status(
        ForwardJobStatusRequest request, Reply<ForwardJobStatusResponse> reply
    ) = 0;
};

}  // namespace nl::io::seed
