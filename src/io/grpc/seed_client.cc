#include "io/grpc/seed_client.h"

#include "io/grpc/seed_wire.h"
#include "io/internal/client_stream.h"
#include "io/internal/grpc_support.h"
#include "scheduler.grpc.pb.h"

#include <chrono>
#include <utility>

namespace nl::io {

namespace {

namespace pb = ::scheduler;

/// The address without its scheme. Errors: InvalidArgument.
Result<std::string> parse_address(const std::string& text, bool& is_https) {
    std::string_view rest(text);
    is_https = rest.starts_with("https://");
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (rest.starts_with(scheme)) {
            rest.remove_prefix(scheme.size());
        }
    }
    while (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size() ||
        rest.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) {
        return fail(
            ErrorCode::InvalidArgument, "address \"{}\" is not of the form host:port", text
        );
    }
    return std::string(rest);
}

class Client final : public SeedClient {
public:
    Client(std::shared_ptr<const ChannelSettings> settings, std::string address, Duration timeout)
        : settings_(std::move(settings)), timeout_(timeout) {
        go_to(std::move(address));
    }

    Result<seed::SubmitJobResponse> submit_job(const seed::SubmitJobRequest& request) override {
        return call<seed::SubmitJobResponse>(request, &pb::SchedulerService::Stub::SubmitJob);
    }
    Result<seed::CancelJobResponse> cancel_job(const seed::CancelJobRequest& request) override {
        return call<seed::CancelJobResponse>(request, &pb::SchedulerService::Stub::CancelJob);
    }
    Result<seed::GetJobStatusResponse> get_job_status(const seed::GetJobStatusRequest& request
    ) override {
        return call<seed::GetJobStatusResponse>(request, &pb::SchedulerService::Stub::GetJobStatus);
    }
    Result<seed::ListJobsResponse> list_jobs(const seed::ListJobsRequest& request) override {
        return call<seed::ListJobsResponse>(request, &pb::SchedulerService::Stub::ListJobs);
    }
    Result<void> stream_jobs(
        const seed::StreamJobsRequest& request,
        const std::function<void(const seed::JobInfo&)>& on_job
    ) override {
        pb::StreamJobsRequest in;
        in.ParseFromString(seed::to_protobuf(request));
        return with_redirects<void>([&]() -> ::grpc::Status {
            ::grpc::ClientContext context;
            set_deadline(context);
            const auto reader = scheduler_->StreamJobs(&context, in);
            pb::JobInfo job;
            while (reader->Read(&job)) {
                if (const auto read = seed::from_protobuf<seed::JobInfo>(job.SerializeAsString())) {
                    on_job(*read);
                }
            }
            return reader->Finish();
        });
    }
    Result<seed::GetClusterStatusResponse> get_cluster_status() override {
        return call<seed::GetClusterStatusResponse>(
            seed::GetClusterStatusRequest{}, &pb::SchedulerService::Stub::GetClusterStatus
        );
    }
    Result<seed::GetRaftLogEntriesResponse> get_raft_log_entries(
        const seed::GetRaftLogEntriesRequest& request
    ) override {
        return call<seed::GetRaftLogEntriesResponse>(
            request, &pb::SchedulerService::Stub::GetRaftLogEntries
        );
    }
    Result<seed::TransferLeadershipResponse> transfer_leadership(
        const seed::TransferLeadershipRequest& request
    ) override {
        return call<seed::TransferLeadershipResponse>(
            request, &pb::SchedulerService::Stub::TransferLeadership
        );
    }
    Result<seed::DrainNodeResponse> drain_node() override {
        return call<seed::DrainNodeResponse>(
            seed::DrainNodeRequest{}, &pb::SchedulerService::Stub::DrainNode
        );
    }
    Result<seed::GetJobOutputResponse> get_job_output(const seed::GetJobOutputRequest& request
    ) override {
        return call<seed::GetJobOutputResponse>(request, &pb::InternalService::Stub::GetJobOutput);
    }
    const std::string& address() const override { return address_; }

private:
    void go_to(std::string address) {
        address_ = std::move(address);
        const auto channel = settings_->connect(address_);
        scheduler_ = pb::SchedulerService::NewStub(channel);
        internal_ = pb::InternalService::NewStub(channel);
    }
    void set_deadline(::grpc::ClientContext& context) const {
        context.set_deadline(
            std::chrono::system_clock::now() + std::chrono::nanoseconds(timeout_.ns)
        );
    }
    template <class T, class Attempt>
    Result<T> with_redirects(Attempt attempt) {
        for (int redirects = 0;; ++redirects) {
            const ::grpc::Status status = attempt();
            if (status.ok()) {
                return Result<T>();
            }
            Error error = to_error(status, address_);
            std::string leader =
                error.code == ErrorCode::NotLeader ? redirect_target(error.message) : std::string();
            if (leader.empty() || leader == address_ || redirects == kRedirectsMax) {
                return std::unexpected(std::move(error));
            }
            go_to(std::move(leader));
        }
    }

    template <class Response, class Request, class Stub, class In, class Out>
    Result<Response> call(
        const Request& request,
        ::grpc::Status (Stub::*method)(::grpc::ClientContext*, const In&, Out*)
    ) {
        In in;
        if (!in.ParseFromString(seed::to_protobuf(request))) {
            return fail(ErrorCode::InvalidArgument, "the request holds text that is not UTF-8");
        }
        Out out;
        const auto done = with_redirects<void>([&]() -> ::grpc::Status {
            ::grpc::ClientContext context;
            set_deadline(context);
            return (stub<Stub>().*method)(&context, in, &out);
        });
        if (!done) {
            return std::unexpected(done.error());
        }
        return seed::from_protobuf<Response>(out.SerializeAsString());
    }
    template <class Stub>
    Stub& stub() {
        if constexpr (std::is_same_v<Stub, pb::SchedulerService::Stub>) {
            return *scheduler_;
        } else {
            return *internal_;
        }
    }

    std::shared_ptr<const ChannelSettings> settings_;
    Duration timeout_;
    std::string address_;
    std::unique_ptr<pb::SchedulerService::Stub> scheduler_;
    std::unique_ptr<pb::InternalService::Stub> internal_;
};

}  // namespace

std::string redirect_target(std::string_view message) {
    constexpr std::string_view kBefore = "Not the leader. Try ";
    const auto at = message.find(kBefore);
    if (at == std::string_view::npos) {
        return {};
    }
    std::string_view rest = message.substr(at + kBefore.size());
    rest = rest.substr(0, rest.find_first_of(" \t\r\n,"));
    bool is_https = false;
    return parse_address(std::string(rest), is_https).value_or(std::string());
}

Result<std::unique_ptr<SeedClient>> SeedClient::create(Options options) {
    bool is_https = false;
    NL_TRY(auto address, parse_address(options.address, is_https));
    if (is_https && !options.tls) {
        options.tls.emplace();
    }
    if (options.tls && options.tls->expected_name.empty()) {
        options.tls->expected_name = kExpectedName;
    }
    NL_TRY(auto settings, make_channel_settings(options.tls));
    return std::make_unique<Client>(std::move(settings), std::move(address), options.timeout);
}

}  // namespace nl::io
