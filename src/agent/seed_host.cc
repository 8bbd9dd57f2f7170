#include "agent/seed_host.h"

#include "io/clock.h"
#include "state/commands/job.h"

#include <memory>
#include <utility>
#include <vector>

namespace nl::agent {
namespace {

namespace seed = io::seed;

constexpr Duration kTransferWait = seconds(3);
constexpr Duration kTransferPoll = milliseconds(10);
constexpr std::uint32_t kLogLinesDefault = 100;
constexpr std::uint32_t kLogLinesMax = 1000;

seed::JobStatus status_of(api::seed::Status status) {
    return static_cast<seed::JobStatus>(status);
}

seed::JobInfo info_of(const api::seed::JobView& job) {
    return {
        .job_id = job.id,
        .command = job.command,
        .status = status_of(job.status),
        .assigned_worker = job.assigned_worker,
        .created_at_ms = job.created_at_ms,
        .completed_at_ms = job.completed_at_ms
    };
}

Box<seed::Command> command_of(const api::seed::LogCommand& what) {
    seed::Command out;
    using Kind = api::seed::LogCommand::Kind;
    switch (what.kind) {
        case Kind::Submit:
            out.submit_job = seed::SubmitJobCommand{
                .job_id = what.job_id,
                .command = what.command,
                .created_at_ms = what.created_at_ms,
                .image = what.image
            };
            break;
        case Kind::Cancel:
            out.cancel_job = seed::CancelJobCommand{.job_id = what.job_id};
            break;
        case Kind::Assign:
            out.assign_job =
                seed::AssignJobCommand{.job_id = what.job_id, .worker_id = what.worker_id};
            break;
        case Kind::Update:
            out.update_job_status = seed::UpdateJobStatusCommand{
                .job_id = what.job_id,
                .status = status_of(what.status),
                .executed_by = what.worker_id,
                .exit_code = what.exit_code,
                .completed_at_ms = {}
            };
            break;
        case Kind::RegisterWorker:
            out.register_worker = seed::RegisterWorkerCommand{.worker_id = what.worker_id};
            break;
        case Kind::Other:
            break;
    }
    return out;
}

std::unexpected<Error> unavailable() {
    return fail(ErrorCode::Unavailable, "the server is starting");
}

}  // namespace

SeedHost::SeedHost() : loop_({.name = "seed"}) {
    loop_.start();
}
SeedHost::~SeedHost() {
    loop_.stop();
}

Result<void> SeedHost::check_leader() const {
    const ServerHost* server = server_;
    if (server == nullptr) {
        return unavailable();
    }
    const LeaderAddress leader = server->leader();
    if (leader.self) {
        return {};
    }
    if (leader.address.empty()) {
        return fail(ErrorCode::NotLeader, "Not the leader. Leader unknown, retry later");
    }
    return fail(ErrorCode::NotLeader, "Not the leader. Try {}", leader.address);
}

void SeedHost::submit_job(
    seed::SubmitJobRequest request, seed::Reply<seed::SubmitJobResponse> reply
) {
    if (const auto leads = check_leader(); !leads) {
        reply(std::unexpected(leads.error()));
        return;
    }
    ServerHost& server = *server_;
    const api::Context context = server.context();
    if (context.cluster.draining) {
        reply(fail(ErrorCode::Unavailable, "this node is draining and takes no new jobs"));
        return;
    }
    Rng rng = context.rng();
    const Uuid id = Uuid::random(rng);
    const auto job = api::seed::make_job(request.command, request.image, id, context);
    if (!job) {
        reply(std::unexpected(job.error()));
        return;
    }
    server.propose(
        api::seed::submit_command(*job, context),
        [reply, id, at = context.wall](Result<api::Applied> applied) {
            if (!applied || !applied->result) {
                reply(std::unexpected(applied ? applied->result.error() : applied.error()));
                return;
            }
            reply(
                seed::SubmitJobResponse{.job_id = id.str(), .created_at_ms = at.unix_ns / 1'000'000}
            );
        }
    );
}

namespace {

/// Jobs in one call, and in one entry of the log.
constexpr std::size_t kJobsInOneCall = 10'000;
constexpr std::size_t kJobsAtOnce = 256;

/// What is carried from one entry of the log to the next.
struct Submission {
    seed::SubmitJobsResponse response;
    seed::Reply<seed::SubmitJobsResponse> reply;
    std::vector<std::pair<std::size_t, model::Job>> jobs;
    std::size_t next{0};
};

void go_on(ServerHost& server, std::shared_ptr<Submission> all) {
    if (all->next == all->jobs.size()) {
        all->reply(std::move(all->response));
        return;
    }
    const api::Context context = server.context();
    state::commands::JobBatchRegister command;
    const std::size_t first = all->next;
    for (; all->next < all->jobs.size() && command.jobs.size() < kJobsAtOnce; ++all->next) {
        command.jobs.push_back(
            api::seed::registration(all->jobs[all->next].second, context, all->next)
        );
    }
    server.propose(
        state::make_command(command, context.wall, context.entropy[2]),
        [&server, all, first](Result<api::Applied> applied) {
            if (!applied || !applied->result) {
                const Error why = applied ? applied->result.error() : applied.error();
                for (std::size_t i = first; i < all->jobs.size(); ++i) {
                    all->response.results[all->jobs[i].first] = {.error = why.message};
                }
                all->next = all->jobs.size();
            }
            go_on(server, all);
        }
    );
}

}  // namespace

void SeedHost::submit_jobs(
    seed::SubmitJobsRequest request, seed::Reply<seed::SubmitJobsResponse> reply
) {
    if (const auto leads = check_leader(); !leads) {
        reply(std::unexpected(leads.error()));
        return;
    }
    ServerHost& server = *server_;
    const api::Context context = server.context();
    if (context.cluster.draining) {
        reply(fail(ErrorCode::Unavailable, "this node is draining and takes no new jobs"));
        return;
    }
    if (request.jobs.size() > kJobsInOneCall) {
        reply(fail(
            ErrorCode::InvalidArgument,
            "{} jobs in one call exceed the limit of {}",
            request.jobs.size(),
            kJobsInOneCall
        ));
        return;
    }
    auto all = std::make_shared<Submission>();
    all->reply = std::move(reply);
    all->response.results.resize(request.jobs.size());
    Rng rng = context.rng();
    for (std::size_t i = 0; i < request.jobs.size(); ++i) {
        seed::SubmitJobsResult& result = all->response.results[i];
        const Uuid id = Uuid::random(rng);
        auto job =
            api::seed::make_job(request.jobs[i].command, request.jobs[i].image, id, context);
        if (!job) {
            result.error = job.error().message;
            continue;
        }
        result.job_id = id.str();
        result.created_at_ms = context.wall.unix_ns / 1'000'000;
        all->jobs.emplace_back(i, std::move(*job));
    }
    go_on(server, std::move(all));
}

void SeedHost::cancel_job(
    seed::CancelJobRequest request, seed::Reply<seed::CancelJobResponse> reply
) {
    if (const auto leads = check_leader(); !leads) {
        reply(std::unexpected(leads.error()));
        return;
    }
    ServerHost& server = *server_;
    const auto command = api::seed::cancel_command(request.job_id, server.context());
    if (!command) {
        reply(std::unexpected(command.error()));
        return;
    }
    server.propose(*command, [reply, id = request.job_id](Result<api::Applied> applied) {
        if (!applied || !applied->result) {
            reply(std::unexpected(applied ? applied->result.error() : applied.error()));
            return;
        }
        reply(seed::CancelJobResponse{.success = true, .message = "job " + id + " cancelled"});
    });
}

void SeedHost::fetch_output(
    const api::seed::JobView& job, std::string_view stream, std::function<void(std::string)> done
) {
    ServerHost& server = *server_;
    if (job.alloc_id.is_nil()) {
        done("");
        return;
    }
    const LeaderAddress leader = server.leader();
    if (!leader.self) {
        if (leader.address.empty()) {
            done("");
            return;
        }
        // Sessions of nodes are at the leader.
        api::Request request{.method = "GET", .path = "/v1/client/fs/logs/" + job.alloc_id.str()};
        request.raw_path = request.path;
        request.query = {
            {"task", std::string(api::seed::kTask)},
            {"type", std::string(stream)},
            {"plain", "true"},
            {"origin", "start"}
        };
        auto text = std::make_shared<std::string>();
        server.forward(
            leader.address,
            request,
            {.on_response =
                 [text](const api::Response& response) {
                     if (response.status == 200) {
                         *text = response.body;
                     }
                 },
             .on_head = [](const api::Response&) {},
             .on_data = [text](const Bytes& data) { *text += data; },
             .on_done = [text, done](const Result<void>&) { done(std::move(*text)); }}
        );
        return;
    }
    auto items = std::make_shared<std::vector<Bytes>>();
    auto running = std::make_shared<std::shared_ptr<Running>>();
    *running = server.open(
        api::seed::output_call(job, stream),
        {.on_input =
             [items, running, done](api::StreamInput input) {
                 if (auto* item = std::get_if<api::Item>(&input)) {
                     items->push_back(std::move(item->bytes));
                     if (*running) {
                         (*running)->credit(items->back().size());
                     }
                 } else if (std::holds_alternative<api::SourceEnded>(input)) {
                     done(api::seed::output_text(*items));
                 }
             }}
    );
}

void SeedHost::fetch_both(const api::seed::JobView& job, OnOutput done) {
    fetch_output(job, "stdout", [this, job, done](std::string output) {
        fetch_output(job, "stderr", [done, out = std::move(output)](std::string error) {
            done(out, std::move(error));
        });
    });
}

void SeedHost::get_job_status(
    seed::GetJobStatusRequest request, seed::Reply<seed::GetJobStatusResponse> reply
) {
    if (server_ == nullptr) {
        reply(unavailable());
        return;
    }
    const api::Context context = server_.load()->context();
    if (!context.state) {
        reply(unavailable());
        return;
    }
    const auto job = api::seed::find_job(context.state, request.job_id);
    if (!job) {
        reply(std::unexpected(job.error()));
        return;
    }
    fetch_both(*job, [reply, view = *job](std::string output, std::string error) {
        reply(seed::GetJobStatusResponse{
            .job_id = view.id,
            .status = status_of(view.status),
            .output = std::move(output),
            .error = error.empty() ? view.error : std::move(error),
            .assigned_worker = view.assigned_worker,
            .executed_by = view.executed_by,
            .exit_code = view.exit_code,
            .created_at_ms = view.created_at_ms,
            .completed_at_ms = view.completed_at_ms
        });
    });
}

void SeedHost::list_jobs(seed::ListJobsRequest request, seed::Reply<seed::ListJobsResponse> reply) {
    const state::Snapshot state =
        server_ != nullptr ? server_.load()->snapshot() : state::Snapshot();
    if (!state) {
        reply(unavailable());
        return;
    }
    const auto page = api::seed::list_jobs(
        state,
        {.page_size = request.page_size,
         .page_token = request.page_token,
         .status = static_cast<api::seed::Status>(request.status_filter),
         .worker_id = request.worker_id_filter,
         .command_substring = request.command_filter,
         .created_after_ms = request.created_after_ms,
         .created_before_ms = request.created_before_ms}
    );
    if (!page) {
        reply(std::unexpected(page.error()));
        return;
    }
    seed::ListJobsResponse response{
        .jobs = {}, .next_page_token = page->next_page_token, .total_count = page->total_count
    };
    for (const api::seed::JobView& job : page->jobs) {
        response.jobs.push_back(info_of(job));
    }
    reply(std::move(response));
}

void SeedHost::stream_jobs(
    seed::StreamJobsRequest request, seed::Reply<std::vector<seed::JobInfo>> reply
) {
    const state::Snapshot state =
        server_ != nullptr ? server_.load()->snapshot() : state::Snapshot();
    if (!state) {
        reply(unavailable());
        return;
    }
    api::seed::ListFilter filter;
    filter.status = static_cast<api::seed::Status>(request.status_filter);
    std::vector<seed::JobInfo> out;
    for (const api::seed::JobView& job : api::seed::all_jobs(state, filter)) {
        out.push_back(info_of(job));
    }
    reply(std::move(out));
}

void SeedHost::get_cluster_status(
    seed::GetClusterStatusRequest, seed::Reply<seed::GetClusterStatusResponse> reply
) {
    if (server_ == nullptr) {
        reply(unavailable());
        return;
    }
    const api::ClusterView cluster = server_.load()->context().cluster;
    seed::GetClusterStatusResponse response{
        .current_term = cluster.term.value, .leader_id = cluster.leader.value, .nodes = {}
    };
    for (const api::Peer& peer : cluster.peers) {
        response.nodes.push_back(
            {.node_id = peer.id.value, .address = peer.address, .is_alive = peer.alive}
        );
    }
    reply(std::move(response));
}

void SeedHost::get_raft_log_entries(
    seed::GetRaftLogEntriesRequest request, seed::Reply<seed::GetRaftLogEntriesResponse> reply
) {
    if (server_ == nullptr) {
        reply(unavailable());
        return;
    }
    ServerHost& server = *server_;
    const api::Context context = server.context();
    const api::ClusterView& cluster = context.cluster;
    const Index first = std::max(Index(request.start_index), cluster.first_log_index);
    const std::uint32_t limit =
        request.limit == 0 ? kLogLinesDefault : std::min(request.limit, kLogLinesMax);
    seed::GetRaftLogEntriesResponse head{
        .entries = {},
        .commit_index = cluster.commit_index.value,
        .last_log_index = cluster.last_log_index.value,
        .first_available_index = cluster.first_log_index.value
    };
    if (first > cluster.last_log_index) {
        reply(std::move(head));
        return;
    }
    server.server_call(
        {api::ReadLog{.first = first, .count = limit}},
        [reply, head, state = context.state](api::ServerAnswered answer) mutable {
            if (!answer.result) {
                reply(std::unexpected(answer.result.error()));
                return;
            }
            for (const api::LogLine& line : answer.log) {
                seed::RaftLogEntryInfo entry{
                    .index = line.index.value,
                    .term = line.term.value,
                    .command = {},
                    .is_committed = line.index.value <= head.commit_index
                };
                if (!line.command.empty()) {
                    entry.command = command_of(api::seed::describe(line.command, state));
                }
                head.entries.push_back(std::move(entry));
            }
            reply(std::move(head));
        }
    );
}

void SeedHost::await_leader(
    ServerId former,
    ServerId wanted,
    Instant until,
    seed::Reply<seed::TransferLeadershipResponse> reply
) {
    const ServerId leader = server_.load()->context().cluster.leader;
    const bool arrived =
        leader != raft::kNobody && (wanted == raft::kNobody ? leader != former : leader == wanted);
    if (arrived || io::now() >= until) {
        reply(seed::TransferLeadershipResponse{
            .success = arrived,
            .message = arrived ? fmt::format("leadership transferred to node {}", leader)
                               : "leadership was not transferred in time",
            .new_leader_id = leader.value
        });
        return;
    }
    static_cast<void>(loop_.run_at(
        io::now() + kTransferPoll,
        [this, former, wanted, until, r = std::move(reply)]() mutable {
            await_leader(former, wanted, until, std::move(r));
        }
    ));
}

void SeedHost::transfer_leadership(
    seed::TransferLeadershipRequest request, seed::Reply<seed::TransferLeadershipResponse> reply
) {
    if (server_ == nullptr) {
        reply(unavailable());
        return;
    }
    ServerHost& server = *server_;
    const api::ClusterView cluster = server.context().cluster;
    const ServerId wanted(request.target_node_id);
    if (wanted != raft::kNobody && cluster.peer(wanted) == nullptr) {
        reply(fail(ErrorCode::InvalidArgument, "node {} is not a member of this cluster", wanted));
        return;
    }
    const Instant until = io::now() + kTransferWait;
    const auto wait = [this, former = cluster.leader, wanted, until, reply] {
        loop_.must_post([this, former, wanted, until, reply] {
            await_leader(former, wanted, until, reply);
        });
    };
    const LeaderAddress leader = server.leader();
    if (leader.self) {
        if (wanted == server.self()) {
            wait();
            return;
        }
        server.server_call(
            {api::TransferLeadership{.to = wanted}},
            [wait, reply](const api::ServerAnswered& answer) {
                if (answer.result) {
                    wait();
                } else {
                    reply(std::unexpected(answer.result.error()));
                }
            }
        );
        return;
    }
    if (leader.address.empty()) {
        reply(fail(ErrorCode::NotLeader, "Not the leader. Leader unknown, retry later"));
        return;
    }
    api::Request forwarded{.method = "PUT", .path = "/v1/operator/raft/transfer-leadership"};
    forwarded.raw_path = forwarded.path;
    if (wanted != raft::kNobody) {
        forwarded.query.push_back({"id", fmt::format("{}", wanted)});
    }
    auto refused = std::make_shared<std::string>();
    server.forward(
        leader.address,
        forwarded,
        {.on_response =
             [refused](const api::Response& response) {
                 if (response.status != 200) {
                     *refused = response.body;
                 }
             },
         .on_head = [](const api::Response&) {},
         .on_data = [](const Bytes&) {},
         .on_done =
             [refused, wait, reply](const Result<void>& result) {
                 if (!result) {
                     reply(std::unexpected(result.error()));
                 } else if (!refused->empty()) {
                     reply(fail(ErrorCode::FailedPrecondition, "{}", *refused));
                 } else {
                     wait();
                 }
             }}
    );
}

void SeedHost::drain_node(seed::DrainNodeRequest, seed::Reply<seed::DrainNodeResponse> reply) {
    if (server_ == nullptr) {
        reply(unavailable());
        return;
    }
    server_.load()->server_call({api::DrainServer{}}, [reply](const api::ServerAnswered& answer) {
        if (answer.result) {
            reply(seed::DrainNodeResponse{.success = true, .message = "node drained"});
        } else {
            reply(
                seed::DrainNodeResponse{.success = false, .message = answer.result.error().message}
            );
        }
    });
}

void SeedHost::get_job_output(
    seed::GetJobOutputRequest request, seed::Reply<seed::GetJobOutputResponse> reply
) {
    const state::Snapshot state =
        server_ != nullptr ? server_.load()->snapshot() : state::Snapshot();
    if (!state) {
        reply(unavailable());
        return;
    }
    const auto job = api::seed::find_job(state, request.job_id);
    if (!job) {
        if (job.error().code == ErrorCode::NotFound) {
            reply(seed::GetJobOutputResponse{
                .job_id = request.job_id, .output = {}, .error = {}, .found = false
            });
        } else {
            reply(std::unexpected(job.error()));
        }
        return;
    }
    fetch_both(*job, [reply, id = job->id](std::string output, std::string error) {
        reply(seed::GetJobOutputResponse{
            .job_id = id, .output = std::move(output), .error = std::move(error), .found = true
        });
    });
}

// Nodes report through their own sessions; the seed's internal reports are answered and change
// nothing.
void SeedHost::worker_heartbeat(
    seed::WorkerHeartbeatRequest, seed::Reply<seed::WorkerHeartbeatResponse> reply
) {
    reply(seed::WorkerHeartbeatResponse{});
}
void SeedHost::forward_job_status(
    seed::ForwardJobStatusRequest, seed::Reply<seed::ForwardJobStatusResponse> reply
) {
    reply(seed::ForwardJobStatusResponse{});
}

}  // namespace nl::agent
