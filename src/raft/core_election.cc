// Elections: pre-votes, votes, the transfer of leadership, and stepping down when no quorum
// answers.
#include "base/check.h"
#include "raft/core.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::raft {

// A server that an entry not yet committed takes the vote from may be the only one that has that
// entry: it still stands, to bring it to its end (thesis 4.2.2).
bool Core::may_lead() const {
    if (is_repairing() || disk_full_) {
        return false;
    }
    return log_.membership().is_voter(options_.self) ||
           (log_.membership_index() > commit_ && log_.membership_before().is_voter(options_.self));
}

void Core::reset_election_deadline() {
    const Duration spread = timeout_max() - timeout_min();
    election_deadline_ = now_ + timeout_min() + nanoseconds(rng_.between(0, spread.ns));
}

// While a leader is known to be alive nobody may be elected against it (thesis 4.2.3, 6.2); its
// lease rests on that.
bool Core::leader_is_fresh() const {
    if (NL_PLANTED(vote_against_lease)) {
        return false;
    }
    if (role() == Role::Leader) {
        return true;  // check_quorum ends this when it is no longer so.
    }
    return leader_contact_ && now_ - *leader_contact_ < timeout_min();
}

bool Core::is_up_to_date(const Message& m) const {
    if (NL_PLANTED(vote_for_shorter_log)) {
        return true;
    }
    if (NL_PLANTED(vote_by_length)) {
        return m.index >= log_.last();
    }
    return std::pair(m.log_term, m.index) >= std::pair(log_.last_term(), log_.last());
}

// A server whose log was damaged votes only for a log that surely has all this one may have
// acknowledged: everything it ever acknowledged lies at or before repair_through, in a term of at
// most repair_term.
bool Core::may_vote_for(const Message& m) const {
    return !is_repairing() || std::pair(m.log_term, m.index) >=
                                  std::pair(hard_.repair_term, hard_.repair_through);
}

void Core::become_follower(Term term, ServerId leader) {
    NL_ASSERT(term >= hard_.term);
    if (term > hard_.term) {
        hard_.term = term;
        hard_.vote = kNobody;
    }
    if (role() == Role::Leader) {
        fail_reads();
        if (options_.lease_reads) {
            // Answers given under our own lease may still be on their way to the client.
            leader_contact_ = now_;
        }
    }
    // A mere higher term is no sign of a leader: a waiting follower goes on waiting as before.
    const bool keeps_waiting = role() == Role::Follower && leader == kNobody;
    role_ = Follower{.leader = leader};
    if (!keeps_waiting) {
        reset_election_deadline();
    }
}

void Core::pre_campaign() {
    role_ = PreCandidate{.votes = {{options_.self, true}}};
    reset_election_deadline();
    for (const Member& member : log_.membership().members) {
        if (member.voter && member.id != options_.self) {
            Message m = make(MessageKind::PreVoteRequest, member.id);
            m.term = hard_.term.next();
            m.index = log_.last();
            m.log_term = log_.last_term();
            send_now(std::move(m));
        }
    }
    maybe_win();
}

void Core::campaign(bool by_transfer) {
    NL_ASSERT(may_lead());
    ++hard_.term;
    hard_.vote = options_.self;
    // The next Ready carries the vote, since it has changed.
    role_ = Candidate{.votes = {}, .vote_write = write_number_ + 1};
    if (NL_PLANTED(self_vote_before_durable)) {
        std::get<Candidate>(role_).votes[options_.self] = true;
    }
    reset_election_deadline();
    for (const Member& member : log_.membership().members) {
        if (member.voter && member.id != options_.self) {
            Message m = make(MessageKind::VoteRequest, member.id);
            m.index = log_.last();
            m.log_term = log_.last_term();
            m.transfer = by_transfer;
            if (NL_PLANTED(self_vote_before_durable)) {
                send_now(std::move(m));
                continue;
            }
            send_durable(std::move(m));
        }
    }
}

void Core::maybe_win() {
    const auto in_favour = [this](const std::map<ServerId, bool>& votes) {
        return static_cast<std::size_t>(std::count_if(
            votes.begin(),
            votes.end(),
            [this](const auto& v) { return v.second && log_.membership().is_voter(v.first); }
        ));
    };
    if (const auto* pre = std::get_if<PreCandidate>(&role_)) {
        if (in_favour(pre->votes) >= quorum()) {
            campaign(false);
        }
    } else if (const auto* candidate = std::get_if<Candidate>(&role_)) {
        if (in_favour(candidate->votes) >= quorum()) {
            become_leader();
        }
    }
}

void Core::become_leader() {
    NL_ASSERT(may_lead());
    Leader leader;
    leader.opening = log_.last().next();
    leader.heartbeat_due = now_;
    for (const Member& member : log_.membership().members) {
        if (member.id != options_.self) {
            leader.peers.emplace(member.id, fresh_progress());
        }
    }
    role_ = std::move(leader);
    if (log_.membership_index() == Index{0}) {
        // The founding membership came from configuration; from here on the log has it.
        append_membership(log_.membership());
    } else {
        append_entry(EntryKind::Noop, {}, {}, {});
    }
    send_heartbeats(std::get<Leader>(role_));
}

void Core::on_vote_request(const Message& m) {
    const bool pre = m.kind == MessageKind::PreVoteRequest;
    Message answer = make(pre ? MessageKind::PreVoteResponse : MessageKind::VoteResponse, m.from);
    if (pre) {
        const bool granted =
            m.term > hard_.term && is_up_to_date(m) && !leader_is_fresh() && may_vote_for(m);
        answer.reject = !granted;
        answer.term = granted ? m.term : hard_.term;
        send_now(std::move(answer));
        return;
    }
    NL_ASSERT(m.term == hard_.term);
    const bool free =
        hard_.vote == kNobody || hard_.vote == m.from || NL_PLANTED(vote_twice);
    // A vote given before is given again, for its answer may be lost.
    const bool standing = role() == Role::Candidate || role() == Role::Leader;
    const bool granted =
        !standing && leader_id() == kNobody && free && is_up_to_date(m) && may_vote_for(m);
    answer.reject = !granted;
    if (granted) {
        hard_.vote = m.from;
        reset_election_deadline();
    }
    // A vote is durable before it is visible: a restart must not let us vote twice in one term
    // (thesis 3.8).
    if (NL_PLANTED(vote_before_durable)) {
        return send_now(std::move(answer));
    }
    send_durable(std::move(answer));
}

void Core::on_vote_response(const Message& m) {
    if (m.kind == MessageKind::PreVoteResponse) {
        auto* pre = std::get_if<PreCandidate>(&role_);
        if (pre == nullptr || (!m.reject && m.term != hard_.term.next())) {
            return;
        }
        pre->votes[m.from] = !m.reject;
    } else {
        auto* candidate = std::get_if<Candidate>(&role_);
        if (candidate == nullptr) {
            return;
        }
        candidate->votes[m.from] = !m.reject;
    }
    maybe_win();
}

void Core::on_timeout_now(const Message&) {
    if (role() == Role::Follower && may_lead()) {
        campaign(true);
    }
}

Result<void> Core::transfer_leadership(ServerId to, Instant now) {
    advance(now);
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) {
        return fail(ErrorCode::NotLeader, "server {} is not the leader", options_.self);
    }
    if (to == kNobody) {
        Index best;
        for (const auto& [id, peer] : leader->peers) {
            const bool alive = now_ - peer.active < timeout_max();
            if (log_.membership().is_voter(id) && alive && (to == kNobody || peer.match > best)) {
                to = id;
                best = peer.match;
            }
        }
        if (to == kNobody) {
            return fail(
                ErrorCode::FailedPrecondition, "no other voter answers, so leadership stays here"
            );
        }
    }
    if (to == options_.self) {
        return {};
    }
    if (!log_.membership().is_voter(to)) {
        return fail(ErrorCode::InvalidArgument, "server {} is not a voter of this cluster", to);
    }
    if (leader->transfer_to != kNobody && leader->transfer_to != to) {
        return fail(
            ErrorCode::Conflict,
            "leadership is already being handed to server {}",
            leader->transfer_to
        );
    }
    leader->transfer_to = to;
    leader->transfer_deadline = now_ + options_.transfer_timeout;
    maybe_finish_transfer(*leader);
    return {};
}

void Core::maybe_finish_transfer(Leader& leader) {
    if (leader.transfer_to == kNobody) {
        return;
    }
    const auto peer = leader.peers.find(leader.transfer_to);
    if (peer == leader.peers.end()) {
        leader.transfer_to = kNobody;
    } else if (peer->second.match == log_.last()) {
        leader.lease_broken = !NL_PLANTED(lease_outlives_transfer);
        send_now(make(MessageKind::TimeoutNow, leader.transfer_to));
    }
}

// A leader that hears no quorum for the longest election timeout leads nobody (thesis 6.2).
void Core::check_quorum() {
    const auto& leader = std::get<Leader>(role_);
    std::size_t active = log_.membership().is_voter(options_.self) ? 1 : 0;
    for (const auto& [id, peer] : leader.peers) {
        if (log_.membership().is_voter(id) && now_ - peer.active <= timeout_max()) {
            ++active;
        }
    }
    if (active < quorum()) {
        become_follower(hard_.term, kNobody);
    }
}

}  // namespace nl::raft
