// What the leader does about the servers themselves (Nomad's autopilot): a newcomer gets its vote
// once it has been well for a while, a server that stays away leaves when a majority is left
// without it, and each one's name and addresses in the membership are kept true. And what a server
// does that nobody leads: it may have been removed while it was away, so it asks to be let in.
#include "agent/server_host.h"
#include "io/clock.h"
#include "io/log.h"

#include <algorithm>

namespace nl::agent {
namespace {

constexpr Duration kCareInterval = milliseconds(500);
/// A server that has not answered for this long is dead to clean-up: longer than a restart takes.
constexpr Duration kDeadAfter = seconds(30);
/// A server that hears of no leader for this long asks the others to be let in.
constexpr Duration kAskAfter = seconds(3);
constexpr Duration kAskTimeout = seconds(2);

}  // namespace

raft::Member ServerHost::own_member() const {
    raft::Member self{
        .id = self_,
        .voter = true,
        .name = options_.name + "." + options_.region,
        .address = rpc_address_,
        .info = {}
    };
    self.info = encode(own_info());
    return self;
}

void ServerHost::look_after_members() {
    leader_loop_.run_at(io::now() + kCareInterval, [this] { look_after_members(); });
    if (!running_) {
        return;
    }
    maybe_end_recovery();
    if (!leader().self) {
        healthy_since_.clear();
        maybe_ask_to_be_let_in();
        announce_self();
        return;
    }
    look_after_keyring();
    const server::ReplicaStatus status = replica_->status();
    if (const auto change = next_member_change(status)) {
        replica_->change_membership(
            applier_->expect([](const Result<Outcome>&) {}), *change
        );
    }
}

// One at a time: the next round sees what became of it.
std::optional<raft::Change> ServerHost::next_member_change(const server::ReplicaStatus& status) {
    const Instant now = io::now();
    const model::AutopilotConfiguration config = applier_->snapshot().autopilot_config();
    const Duration silence_max = std::max(config.last_contact_threshold, kCareInterval);
    const auto trailing =
        static_cast<std::uint64_t>(std::max<std::int64_t>(config.max_trailing_logs, 0));
    std::size_t dead_voters = 0;
    std::optional<raft::Change> promotion;
    std::optional<ServerId> dead;
    for (const raft::PeerStatus& peer : status.raft.peers) {
        const Duration silent = now - peer.last_contact;
        const bool healthy =
            silent <= silence_max && peer.match + trailing >= status.raft.last;
        if (!healthy) {
            healthy_since_.erase(peer.id);
        }
        const Instant since = healthy ? healthy_since_.try_emplace(peer.id, now).first->second : now;
        const raft::Member* member = status.raft.membership.find(peer.id);
        if (healthy && !peer.voter && now - since >= config.server_stabilization_time &&
            (member == nullptr || has_root_keys(*member))) {
            promotion = raft::Promote{peer.id};
        }
        if (silent >= kDeadAfter) {
            dead_voters += peer.voter ? 1U : 0U;
            dead = peer.id;
        }
    }
    std::erase_if(healthy_since_, [&](const auto& one) {
        return status.raft.membership.find(one.first) == nullptr;
    });
    if (promotion) {
        return promotion;
    }
    const std::size_t voters = status.raft.membership.voters();
    const auto kept_min = static_cast<std::size_t>(std::max<std::int64_t>(config.min_quorum, 0));
    // Never below what can be led without the dead ones, nor below what the operator asks for.
    if (config.cleanup_dead_servers && dead) {
        const bool votes = status.raft.membership.is_voter(*dead);
        if (!votes || (dead_voters * 2 < voters && voters - 1 >= std::max<std::size_t>(kept_min, 2))) {
            io::log_warn("server", "server {} has been silent for too long and is removed", *dead);
            return raft::Remove{*dead};
        }
    }
    const raft::Member* self = status.raft.membership.find(self_);
    if (self != nullptr) {
        // Restarted under another address or version: the leader's own entry says so.
        raft::Member fresh = own_member();
        fresh.voter = self->voter;
        if (!(fresh == *self)) {
            return raft::Describe{fresh};
        }
    }
    return std::nullopt;
}

void ServerHost::maybe_ask_to_be_let_in() {
    const Instant now = io::now();
    {
        const std::lock_guard lock(mutex_);
        if (role_.leader != raft::kNobody) {
            leaderless_since_ = now;
            return;
        }
    }
    if (leaderless_since_ == Instant{}) {
        leaderless_since_ = now;
    }
    if (now - leaderless_since_ < kAskAfter) {
        return;
    }
    leaderless_since_ = now;
    for (const raft::Member& member : replica_->membership().members) {
        if (member.id != self_) {
            peers_->call_unary(
                {.address = member.address,
                 .method = Founding::kJoinMethod,
                 .request = encode(own_member()),
                 .timeout = kAskTimeout},
                [](const Result<Bytes>&) {}
            );
        }
    }
}

void ServerHost::answer_join(
    const io::InboundCall& call, const std::shared_ptr<io::Responder>& responder
) {
    const auto member = decode<raft::Member>(call.request);
    if (!member) {
        responder->finish(std::unexpected(member.error()));
        return;
    }
    if (!leader().self) {
        responder->finish(std::unexpected(Error{ErrorCode::NotLeader, "No cluster leader"}));
        return;
    }
    raft::Member learner = *member;
    learner.voter = false;
    const raft::Membership members = replica_->membership();
    const auto same_place =
        std::find_if(members.members.begin(), members.members.end(), [&](const raft::Member& m) {
            return m.id != learner.id && m.address == learner.address;
        });
    raft::Change change = raft::AddLearner{learner};
    if (members.find(learner.id) != nullptr) {
        change = raft::Describe{learner};
    } else if (same_place != members.members.end()) {
        // Another server answers at that address now: the one before it has lost its disk and will
        // not come back. It leaves first; the newcomer asks again.
        io::log_info(
            "server",
            "server {} at {} is replaced by server {}",
            same_place->id,
            learner.address,
            learner.id
        );
        change = raft::Remove{same_place->id};
    }
    replica_->change_membership(
        applier_->expect([](const Result<Outcome>&) {}), std::move(change)
    );
    responder->write({.kind = "answer", .id = 0, .data = {}});
    responder->finish({});
}

}  // namespace nl::agent
