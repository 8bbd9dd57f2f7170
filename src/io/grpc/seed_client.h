#pragma once
// The seed's SchedulerService from the client's side, for the command line: plain structs, blocking
// calls. A server that is not the leader says who is; the call goes there by itself, at most
// kRedirectsMax times, and stays with it.

#include "base/error.h"
#include "base/time.h"
#include "io/grpc/seed_types.h"
#include "io/grpc/tls_options.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nl::io {

/// "host:port" out of the seed's "Not the leader. Try <host:port>"; empty if it names none.
std::string redirect_target(std::string_view message);

class SeedClient {
public:
    static constexpr int kRedirectsMax = 5;
    /// The name that the seed's certificates carry.
    static constexpr std::string_view kExpectedName = "nomad-lite-cluster";

    struct Options {
        /// "host:port", with or without http:// or https:// before it.
        std::string address{"http://127.0.0.1:50051"};
        /// Needed for https.
        std::optional<TlsOptions> tls;
        Duration timeout{nl::seconds(10)};
    };

    /// Nothing is sent yet. Errors: InvalidArgument for the address and the certificates.
    static Result<std::unique_ptr<SeedClient>> create(Options options);
    virtual ~SeedClient() = default;

    // Errors have the code the server gave; NotLeader when no leader is known, Unavailable when the
    // server cannot be reached.
    virtual Result<seed::SubmitJobResponse> submit_job(const seed::SubmitJobRequest& request) = 0;
    virtual Result<seed::CancelJobResponse> cancel_job(const seed::CancelJobRequest& request) = 0;
    virtual Result<seed::GetJobStatusResponse> get_job_status(
        const seed::GetJobStatusRequest& request
    ) = 0;
    virtual Result<seed::ListJobsResponse> list_jobs(const seed::ListJobsRequest& request) = 0;
    virtual Result<void> stream_jobs(
        const seed::StreamJobsRequest& request,
        const std::function<void(const seed::JobInfo&)>& on_job
    ) = 0;
    virtual Result<seed::GetClusterStatusResponse> get_cluster_status() = 0;
    virtual Result<seed::GetRaftLogEntriesResponse> get_raft_log_entries(
        const seed::GetRaftLogEntriesRequest& request
    ) = 0;
    virtual Result<seed::TransferLeadershipResponse> transfer_leadership(
        const seed::TransferLeadershipRequest& request
    ) = 0;
    virtual Result<seed::DrainNodeResponse> drain_node() = 0;
    virtual Result<seed::GetJobOutputResponse> get_job_output(
        const seed::GetJobOutputRequest& request
    ) = 0;

    /// Where the last call went.
    virtual const std::string& address() const = 0;
};

}  // namespace nl::io
