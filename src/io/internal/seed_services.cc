#include "io/internal/seed_services.h"

#include "io/grpc/seed_wire.h"
#include "io/internal/grpc_support.h"
#include "scheduler.grpc.pb.h"

#include <memory>
#include <mutex>
#include <utility>

namespace nl::io {

namespace {

namespace pb = ::scheduler;
using Context = ::grpc::CallbackServerContext;

/// Who ends a call: the answer or the caller's going away, whichever comes first.
class Claim {
public:
    bool take() {
        const std::lock_guard lock(mutex_);
        return !std::exchange(is_taken_, true);
    }

private:
    std::mutex mutex_;
    bool is_taken_{false};
};

const ::grpc::Status kGone(::grpc::StatusCode::CANCELLED, "the caller went away");
const ::grpc::Status kMalformed(
    ::grpc::StatusCode::INVALID_ARGUMENT, "the request is not of its protobuf form"
);

class UnaryReactor final : public ::grpc::ServerUnaryReactor {
public:
    std::shared_ptr<Claim> claim{std::make_shared<Claim>()};
    void OnCancel() override {
        if (claim->take()) {
            Finish(kGone);
        }
    }
    void OnDone() override { delete this; }
};

/// Turns the request into its plain struct, hands it over with a Reply, and the answer back.
template <class Request, class Response, class In, class Out>
::grpc::ServerUnaryReactor* unary(
    const In* in,
    Out* out,
    seed::SeedHandler* handler,
    void (seed::SeedHandler::*method)(Request, seed::Reply<Response>)
) {
    auto* reactor = new UnaryReactor();
    auto request = seed::from_protobuf<Request>(in->SerializeAsString());
    if (!request) {
        if (reactor->claim->take()) {
            reactor->Finish(kMalformed);
        }
        return reactor;
    }
    // Whoever has the claim may touch reactor and `out`: they live until Finish.
    (handler->*method)(
        std::move(*request),
        [reactor, out, claim = reactor->claim](Result<Response> result) {
            if (!claim->take()) {
                return;
            }
            if (!result) {
                reactor->Finish(to_status(result.error()));
                return;
            }
            seed::repair_text(*result);
            const bool is_read = out->ParseFromString(seed::to_protobuf(*result));
            reactor->Finish(
                is_read ? ::grpc::Status::OK
                        : ::grpc::Status(::grpc::StatusCode::INTERNAL, "the answer is too large")
            );
        }
    );
    return reactor;
}

class JobsReactor final : public ::grpc::ServerWriteReactor<pb::JobInfo> {
public:
    std::shared_ptr<Claim> claim{std::make_shared<Claim>()};
    void begin(std::vector<seed::JobInfo> jobs) {
        jobs_ = std::move(jobs);
        next();
    }
    void OnWriteDone(bool ok) override {
        if (ok) {
            next();
        } else {
            Finish(kGone);
        }
    }
    void OnCancel() override {
        if (claim->take()) {
            Finish(kGone);
        }
    }
    void OnDone() override { delete this; }

private:
    void next() {
        if (at_ == jobs_.size()) {
            Finish(::grpc::Status::OK);
            return;
        }
        seed::JobInfo& job = jobs_[at_++];
        seed::repair_text(job);
        out_.ParseFromString(seed::to_protobuf(job));
        StartWrite(&out_);
    }

    std::vector<seed::JobInfo> jobs_;
    std::size_t at_{0};
    pb::JobInfo out_;
};

// One line for each call of the interface.
#define NL_SEED_CALL(Method, verb)                                         \
    ::grpc::ServerUnaryReactor* Method(                                    \
        Context*, const pb::Method##Request* in, pb::Method##Response* out \
    ) override {                                                           \
        return unary<seed::Method##Request, seed::Method##Response>(       \
            in, out, handler_, &seed::SeedHandler::verb                    \
        );                                                                 \
    }

class SchedulerService final : public pb::SchedulerService::CallbackService {
public:
    explicit SchedulerService(seed::SeedHandler* handler) : handler_(handler) {}

    NL_SEED_CALL(SubmitJob, submit_job)
    NL_SEED_CALL(SubmitJobs, submit_jobs)
    NL_SEED_CALL(CancelJob, cancel_job)
    NL_SEED_CALL(GetJobStatus, get_job_status)
    NL_SEED_CALL(ListJobs, list_jobs)
    NL_SEED_CALL(GetClusterStatus, get_cluster_status)
    NL_SEED_CALL(GetRaftLogEntries, get_raft_log_entries)
    NL_SEED_CALL(TransferLeadership, transfer_leadership)
    NL_SEED_CALL(DrainNode, drain_node)

    ::grpc::ServerWriteReactor<pb::JobInfo>* StreamJobs(Context*, const pb::StreamJobsRequest* in)
        override {
        auto* reactor = new JobsReactor();
        const auto claim = reactor->claim;
        handler_->stream_jobs(
            {.status_filter = static_cast<seed::JobStatus>(in->status_filter())},
            [reactor, claim](Result<std::vector<seed::JobInfo>> jobs) {
                if (!claim->take()) {
                    return;
                }
                if (jobs) {
                    reactor->begin(std::move(*jobs));
                } else {
                    reactor->Finish(to_status(jobs.error()));
                }
            }
        );
        return reactor;
    }

private:
    seed::SeedHandler* handler_;
};

class InternalService final : public pb::InternalService::CallbackService {
public:
    explicit InternalService(seed::SeedHandler* handler) : handler_(handler) {}

    NL_SEED_CALL(GetJobOutput, get_job_output)
    NL_SEED_CALL(WorkerHeartbeat, worker_heartbeat)
    NL_SEED_CALL(ForwardJobStatus, forward_job_status)

private:
    seed::SeedHandler* handler_;
};

#undef NL_SEED_CALL

/// Answers truthfully and never acts: no stranger deposes a leader.
class RaftService final : public pb::RaftService::CallbackService {
public:
    explicit RaftService(std::function<Term()> current_term)
        : current_term_(std::move(current_term)) {}

    ::grpc::ServerUnaryReactor* RequestVote(
        Context* context, const pb::VoteRequest*, pb::VoteResponse* out
    ) override {
        return answer(context, out);
    }
    ::grpc::ServerUnaryReactor* AppendEntries(
        Context* context, const pb::AppendEntriesRequest*, pb::AppendEntriesResponse* out
    ) override {
        return answer(context, out);
    }
    ::grpc::ServerUnaryReactor* TimeoutNow(
        Context* context, const pb::TimeoutNowRequest*, pb::TimeoutNowResponse* out
    ) override {
        return answer(context, out);
    }
    ::grpc::ServerUnaryReactor* InstallSnapshot(
        Context* context, const pb::InstallSnapshotRequest*, pb::InstallSnapshotResponse* out
    ) override {
        return answer(context, out);
    }

private:
    /// Not granted and no success are the defaults of the messages.
    template <class Out>
    ::grpc::ServerUnaryReactor* answer(Context* context, Out* out) {
        out->set_term(current_term_().value);
        ::grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
        reactor->Finish(::grpc::Status::OK);
        return reactor;
    }

    std::function<Term()> current_term_;
};

}  // namespace

std::vector<std::unique_ptr<::grpc::Service>> make_seed_services(
    seed::SeedHandler* handler, std::function<Term()> current_term
) {
    std::vector<std::unique_ptr<::grpc::Service>> services;
    if (handler != nullptr) {
        services.push_back(std::make_unique<SchedulerService>(handler));
        services.push_back(std::make_unique<InternalService>(handler));
    }
    if (current_term) {
        services.push_back(std::make_unique<RaftService>(std::move(current_term)));
    }
    return services;
}

}  // namespace nl::io
