// How commands of the API reach the log: proposed here, and when this server loses its leadership
// before the answer, proposed again where the leader is now. The command is the same each time and
// carries a request id, so it takes effect once (server/request_window.h). And when this server's
// own state may answer a linearizable read.
#include "agent/garbage_run.h"
#include "agent/server_host.h"
#include "io/clock.h"
#include "io/entropy.h"

#include <utility>

namespace nl::agent {
namespace {

/// A command that is nowhere committed within this is answered with the last error.
constexpr Duration kProposeWithin = seconds(5);
constexpr Duration kProposeAgain = milliseconds(25);
constexpr Duration kForwardTimeout = seconds(6);

/// What one server asks another to propose (docs/formats/transport.md, "propose").
struct ForwardedCommand {
    Bytes command;
    Uuid request;
    Index born;
    NL_FIELDS(ForwardedCommand, (1, command), (2, request), (3, born))
};
struct ForwardedOutcome {
    Index index;
    /// The state's refusal: its code plus one, 0 for none.
    std::uint64_t code{0};
    std::string message;
    Index conflict_index;
    NL_FIELDS(ForwardedOutcome, (1, index), (2, code), (3, message), (4, conflict_index))
};

bool is_worth_another_try(ErrorCode code) {
    return code == ErrorCode::NotLeader || code == ErrorCode::Unavailable ||
           code == ErrorCode::Timeout || code == ErrorCode::Cancelled;
}

}  // namespace

struct ServerHost::Request {
    Bytes command;
    Uuid id;
    Index born;
    Instant deadline;
    std::mutex mutex;
    std::function<void(Result<Outcome>)> done;

    /// The first answer counts.
    void finish(Result<Outcome> outcome) {
        std::function<void(Result<Outcome>)> callback;
        {
            const std::lock_guard lock(mutex);
            callback = std::exchange(done, nullptr);
        }
        if (callback) {
            callback(std::move(outcome));
        }
    }
    bool is_open() {
        const std::lock_guard lock(mutex);
        return static_cast<bool>(done);
    }
};

void ServerHost::propose_request(Bytes command, std::function<void(Result<Outcome>)> done) {
    if (!running_) {
        done(fail(ErrorCode::NotLeader, "No cluster leader"));
        return;
    }
    auto request = std::make_shared<Request>();
    request->command = std::move(command);
    request->id = io::random_uuid();
    request->born = applier_->applied();
    request->deadline = io::now() + kProposeWithin;
    request->done = std::move(done);
    {
        const std::lock_guard lock(requests_mutex_);
        std::erase_if(requests_, [](const auto& one) { return one.expired(); });
        requests_.push_back(request);
    }
    try_propose(request);
}

void ServerHost::try_propose(const std::shared_ptr<Request>& request) {
    if (stopping_) {
        request->finish(fail(ErrorCode::Unavailable, "the server is shutting down"));
        return;
    }
    const auto ended = [this, request](Result<Outcome> outcome) {
        if (outcome || !is_worth_another_try(outcome.error().code) ||
            io::now() + kProposeAgain >= request->deadline) {
            request->finish(std::move(outcome));
            return;
        }
        leader_loop_.run_at(io::now() + kProposeAgain, [this, request] {
            if (request->is_open()) {
                try_propose(request);
            }
        });
    };
    const LeaderAddress leader = this->leader();
    if (leader.self) {
        replica_->propose(
            applier_->expect([this, ended, begun = io::now()](Result<Outcome> outcome) {
                if (outcome) {
                    ++commits_;
                    commit_ns_ += static_cast<std::uint64_t>((io::now() - begun).ns);
                }
                ended(std::move(outcome));
            }),
            request->command, request->id, request->born
        );
    } else if (!leader.address.empty()) {
        forward_propose(leader.address, request, ended);
    } else {
        ended(fail(ErrorCode::NotLeader, "No cluster leader"));
    }
}

void ServerHost::forward_propose(
    const std::string& address,
    const std::shared_ptr<Request>& request,
    std::function<void(Result<Outcome>)> ended
) {
    const ForwardedCommand command{
        .command = request->command, .request = request->id, .born = request->born
    };
    auto answer = std::make_shared<std::optional<ForwardedOutcome>>();
    peers_->call(
        {.address = address,
         .method = kProposeMethod,
         .request = encode(command),
         .timeout = kForwardTimeout},
        {.on_frame =
             [answer](io::Frame frame) {
                 if (auto decoded = decode<ForwardedOutcome>(frame.data)) {
                     *answer = std::move(*decoded);
                 }
             },
         .on_done =
             [this, answer, ended = std::move(ended)](Result<void> result) {
                 if (!result || !*answer) {
                     ended(std::unexpected(
                         result ? Error{ErrorCode::Unavailable, "the leader gave no answer"}
                                : result.error()
                     ));
                     return;
                 }
                 Outcome outcome{
                     .index = (**answer).index,
                     .result = {},
                     .conflict_index = (**answer).conflict_index,
                     .snapshot = {}
                 };
                 if ((**answer).code != 0) {
                     outcome.result = std::unexpected(
                         Error{static_cast<ErrorCode>((**answer).code - 1), (**answer).message}
                     );
                 }
                 // The answer is made from our own state, which must have seen the command.
                 const Index index = outcome.index;
                 applier_->when_state_reaches(index, [this, ended, o = std::move(outcome)]() mutable {
                     o.snapshot = applier_->snapshot();
                     ended(std::move(o));
                 });
             }}
    );
}

void ServerHost::answer_propose(
    const io::InboundCall& call, const std::shared_ptr<io::Responder>& responder
) {
    auto command = decode<ForwardedCommand>(call.request);
    if (!command || command->request.is_nil()) {
        responder->finish(fail(ErrorCode::InvalidArgument, "a forwarded command cannot be read"));
        return;
    }
    if (!leader().self) {
        responder->finish(fail(ErrorCode::NotLeader, "No cluster leader"));
        return;
    }
    const Ticket ticket = applier_->expect([responder](Result<Outcome> outcome) {
        if (!outcome) {
            responder->finish(std::unexpected(outcome.error()));
            return;
        }
        ForwardedOutcome answer{
            .index = outcome->index,
            .code = 0,
            .message = {},
            .conflict_index = outcome->conflict_index
        };
        if (!outcome->result) {
            answer.code = static_cast<std::uint64_t>(outcome->result.error().code) + 1;
            answer.message = outcome->result.error().message;
        }
        responder->write({.kind = "answer", .id = 0, .data = encode(answer)});
        responder->finish({});
    });
    replica_->propose(ticket, std::move(command->command), command->request, command->born);
}

// Somebody else leads: what waits here is asked there at once, and not only when it is known to be
// lost.
void ServerHost::move_requests() {
    std::vector<std::shared_ptr<Request>> open;
    {
        const std::lock_guard lock(requests_mutex_);
        for (const auto& one : requests_) {
            if (auto request = one.lock(); request && request->is_open()) {
                open.push_back(std::move(request));
            }
        }
    }
    for (const auto& request : open) {
        try_propose(request);
    }
}

void ServerHost::collect_garbage(std::function<void(api::ServerAnswered)> done) {
    const auto propose = [this](const state::Command& command, auto answer) {
        propose_internal(command, [answer](Result<Outcome> outcome) {
            answer(outcome ? outcome->result : Result<void>(std::unexpected(outcome.error())));
        });
    };
    std::make_shared<GarbageRun>(
        options_.leader.gc,
        GarbageRun::Work{
            .collect = [this](server::Gc& gc
                       ) { return gc.collect(applier_->snapshot(), io::wall_now(), true); },
            .propose = propose,
            .post = [this](auto task) { leader_loop_.must_post(std::move(task)); },
            .done = [done](Result<void> result) { done({.result = std::move(result)}); }
        }
    )->round();
}

Instant ServerHost::read_lease() const {
    {
        const std::lock_guard lock(mutex_);
        if (!ready_to_lead_) {
            return Instant{};
        }
    }
    return running_ ? replica_->lease_until() : Instant{};
}

void ServerHost::confirm_read(std::function<void(Result<Instant>)> done) {
    if (!running_) {
        done(fail(ErrorCode::NotLeader, "No cluster leader"));
        return;
    }
    replica_->read([this, done = std::move(done)](Result<ReplicaHost::ReadGrant> grant) {
        if (!grant) {
            done(std::unexpected(grant.error()));
            return;
        }
        applier_->when_applied(grant->index, [done, until = grant->valid_until] { done(until); });
    });
}

}  // namespace nl::agent
