// Linearizable reads: ReadIndex on the leader and for followers that ask it (thesis 6.4), leases
// (6.4.1), and the heartbeat rounds both rest on.
#include "base/check.h"
#include "raft/core.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::raft {

namespace {

/// Rounds remembered while no quorum has answered; an older one counts no more for the lease.
constexpr std::size_t kRoundsMax = 16;
/// Rounds sent only for reads while none of them is answered; further reads share the next.
constexpr std::uint64_t kReadRoundsMax = 8;

}  // namespace

Result<ReadId> Core::read(Instant now) {
    advance(now);
    const ReadId id = next_read_;
    if (auto* leader = std::get_if<Leader>(&role_)) {
        if (!accept_read(*leader, id, options_.self)) {
            return fail(
                ErrorCode::ResourceExhausted, "{} reads are waiting already", options_.reads_max
            );
        }
    } else {
        const ServerId to = leader_id();
        if (to == kNobody) {
            return fail(ErrorCode::NotLeader, "no leader is known");
        }
        if (forwarded_reads_.size() >= options_.reads_max) {
            return fail(
                ErrorCode::ResourceExhausted, "{} reads are waiting already", options_.reads_max
            );
        }
        forwarded_reads_.emplace(id, now_ + timeout_max() * 2);
        Message m = make(MessageKind::ReadRequest, to);
        m.round = id;
        send_now(std::move(m));
    }
    ++next_read_;
    return id;
}

bool Core::accept_read(Leader& leader, ReadId id, ServerId from) {
    if (leader.reads.size() >= options_.reads_max) {
        return false;
    }
    leader.reads.push_back({.id = id, .from = from, .round = 0, .index = {}});
    return true;
}

void Core::send_heartbeats(Leader& leader) {
    ++leader.round;
    leader.heartbeat_due = now_ + heartbeat();
    leader.rounds.push_back({.number = leader.round, .sent = now_});
    if (leader.rounds.size() > kRoundsMax) {
        leader.rounds.pop_front();
    }
    if (commit_ >= leader.opening || NL_PLANTED(read_before_opening)) {
        for (auto read = leader.reads.rbegin(); read != leader.reads.rend() && read->round == 0;
             ++read) {
            read->round = leader.round;
            read->index = commit_;
        }
    }
    for (auto& [id, peer] : leader.peers) {
        peer.match_at_round = peer.match;
        Message m = make(MessageKind::HeartbeatRequest, id);
        m.commit =
            NL_PLANTED(heartbeat_commit_unbounded) ? commit_ : std::min(peer.match, commit_);
        m.round = leader.round;
        send_now(std::move(m));
    }
}

// Before the first entry of its term is committed, a leader doesn't know what is committed at all.
void Core::advance_reads(Leader& leader) {
    if (leader.reads.empty() ||
        (commit_ < leader.opening && !NL_PLANTED(read_before_opening))) {
        return;
    }
    if ((quorum() == 1 || NL_PLANTED(read_without_quorum)) && log_.membership().is_voter(options_.self)) {
        for (WaitingRead& read : leader.reads) {
            read.index = commit_;
            answer_read(read, Instant::max());
        }
        leader.reads.clear();
        return;
    }
    const Instant until = lease_until(leader);
    if (until > now_) {
        for (WaitingRead& read : leader.reads) {
            read.index = commit_;
            answer_read(read, until);
        }
        leader.reads.clear();
        return;
    }
    if (leader.reads.back().round == 0 && leader.round - leader.confirmed < kReadRoundsMax) {
        send_heartbeats(leader);
    }
}

void Core::confirm_rounds(Leader& leader) {
    std::vector<std::uint64_t> rounds;
    for (const Member& member : log_.membership().members) {
        if (!member.voter) {
            continue;
        }
        if (member.id == options_.self) {
            rounds.push_back(leader.round);
        } else {
            const auto peer = leader.peers.find(member.id);
            rounds.push_back(peer != leader.peers.end() ? peer->second.round : 0);
        }
    }
    if (rounds.empty()) {
        return;
    }
    std::sort(rounds.begin(), rounds.end(), std::greater<>());
    leader.confirmed = std::max(leader.confirmed, rounds[quorum() - 1]);
    while (!leader.rounds.empty() && leader.rounds.front().number <= leader.confirmed) {
        leader.lease_start = NL_PLANTED(lease_from_answer) ? now_ : leader.rounds.front().sent;
        leader.rounds.pop_front();
    }
    while (!leader.reads.empty() && leader.reads.front().round != 0 &&
           leader.reads.front().round <= leader.confirmed) {
        answer_read(leader.reads.front(), Instant::max());
        leader.reads.pop_front();
    }
}

Instant Core::lease_until(const Leader& leader) const {
    if (!options_.lease_reads || leader.lease_broken || leader.confirmed == 0) {
        return Instant{0};
    }
    // Without the multiplier: servers may be set differently, and none waits for less than this.
    return leader.lease_start +
           options_.election_timeout_min * (100 - options_.clock_drift_percent) / 100;
}

Instant Core::lease_until() const {
    const auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr || commit_ < leader->opening) {
        return Instant{0};
    }
    if (quorum() == 1 && log_.membership().is_voter(options_.self)) {
        return Instant::max();
    }
    return lease_until(*leader);
}

void Core::answer_read(const WaitingRead& read, Instant valid_until) {
    if (read.from == options_.self) {
        reads_ready_.push_back({.id = read.id, .index = read.index, .valid_until = valid_until});
        return;
    }
    Message m = make(MessageKind::ReadResponse, read.from);
    m.round = read.id;
    m.index = read.index;
    send_now(std::move(m));
}

void Core::on_read_request(const Message& m) {
    auto* leader = std::get_if<Leader>(&role_);
    if (leader != nullptr && accept_read(*leader, m.round, m.from)) {
        return;
    }
    Message answer = make(MessageKind::ReadResponse, m.from);
    answer.round = m.round;
    answer.reject = true;
    send_now(std::move(answer));
}

void Core::on_read_response(const Message& m) {
    if (forwarded_reads_.erase(m.round) == 0) {
        return;
    }
    if (m.reject) {
        reads_failed_.push_back(m.round);
    } else {
        reads_ready_.push_back({.id = m.round, .index = m.index});
    }
}

void Core::fail_reads() {
    auto& leader = std::get<Leader>(role_);
    for (const WaitingRead& read : leader.reads) {
        if (read.from == options_.self) {
            reads_failed_.push_back(read.id);
        }
    }
    leader.reads.clear();
}

void Core::expire_forwarded_reads() {
    for (auto read = forwarded_reads_.begin(); read != forwarded_reads_.end();) {
        if (now_ >= read->second) {
            reads_failed_.push_back(read->first);
            read = forwarded_reads_.erase(read);
        } else {
            ++read;
        }
    }
}

}  // namespace nl::raft
