// The frame of Core: construction, what every input has in common, and the Ready.
#include "raft/core.h"

#include "base/check.h"
#include "raft/planted.h"

#include <algorithm>

namespace nl::raft {

namespace {

/// Entries that are handed out of the log store, not of memory, go in pieces of so many.
constexpr std::uint64_t kStoredCommittedMax = 64;

/// A message that its sender cannot have meant: entries with gaps or out of term order.
bool is_well_formed(const Message& m) {
    if (m.kind < MessageKind::PreVoteRequest || m.kind > MessageKind::ReadResponse) {
        return false;
    }
    Index index = m.index;
    Term term = m.log_term;
    for (const Entry& entry : m.entries) {
        if (entry.index != index.next() || entry.term < term || entry.term > m.term) {
            return false;
        }
        if (entry.kind == EntryKind::Membership && !decode<Membership>(entry.data)) {
            return false;
        }
        index = entry.index;
        term = entry.term;
    }
    return m.kind != MessageKind::InstallSnapshot || m.membership.has_value();
}

}  // namespace

std::string_view to_string(Role role) {
    switch (role) {
        case Role::Follower:
            return "follower";
        case Role::PreCandidate:
            return "pre-candidate";
        case Role::Candidate:
            return "candidate";
        case Role::Leader:
            return "leader";
    }
    return "unknown";
}

Core::Core(Options options, Rng rng, HardState hard, LogStart start, Instant now)
    : options_(options),
      rng_(rng),
      now_(now),
      hard_(hard),
      hard_taken_(hard),
      log_(start),
      commit_(std::max({start.base, start.applied, std::min(hard.commit, start.last)})),
      handed_out_(std::max(start.base, start.applied)),
      applied_(handed_out_) {
    NL_ASSERT(options_.self != kNobody);
    NL_ASSERT(commit_ <= log_.last());
    NL_ASSERT(options_.election_timeout_min <= options_.election_timeout_max);
    NL_ASSERT(hard_.term >= log_.last_term());
    // An answer to a read of an earlier life of this server must not be taken for one of this life.
    next_read_ = rng_.next() >> 1;
    if (start.repair_through > hard_.repair_through) {
        hard_.repair_through = start.repair_through;
        hard_.repair_term = hard_.term;
    }
    maybe_end_repair();
    if (hard_.term > Term{0} && !NL_PLANTED(lease_forgotten)) {
        // A leader may hold a lease that counts on us: after a restart we no longer know when it
        // was last heard.
        leader_contact_ = now_;
    }
    reset_election_deadline();
    if (may_lead() && quorum() == 1) {
        election_deadline_ = now_;
    } else if (hard_.term == Term{0} && log_.last() == Index{0}) {
        // A server that begins with nothing may have lost its memory: others that have a log may
        // stand first.
        election_deadline_ = election_deadline_ + timeout_max();
    }
    role_told_ = current_role();
}

void Core::advance(Instant now) {
    NL_ASSERT(now >= now_);
    const Duration gap = now - now_;
    now_ = now;
    auto* leader = std::get_if<Leader>(&role_);
    if (leader != nullptr && gap > heartbeat() * 2) {
        // We were not running: answers may lie unread, so nobody is called silent before two more
        // heartbeats.
        const Instant grace = now_ - timeout_max() + heartbeat() * 2;
        for (auto& [id, peer] : leader->peers) {
            peer.active = std::max(peer.active, grace);
        }
    }
}

void Core::step(const Message& m, Instant now) {
    advance(now);
    if (broken_ || m.from == options_.self || m.to != options_.self || !is_well_formed(m)) {
        return;
    }
    if (settle_terms(m)) {
        dispatch(m);
    }
}

// Raft's rules for terms (thesis 3.3, 4.2.3, 9.6). False: the message is done with.
bool Core::settle_terms(const Message& m) {
    if (m.kind == MessageKind::PreVoteRequest || m.kind == MessageKind::InstallSnapshot) {
        // A pre-vote changes no term; a snapshot is committed state whoever sent it.
        return true;
    }
    if (m.term > hard_.term) {
        if (m.kind == MessageKind::PreVoteResponse && !m.reject) {
            return true;
        }
        if (m.kind == MessageKind::VoteRequest && !m.transfer && leader_is_fresh()) {
            return false;
        }
        const bool from_leader =
            m.kind == MessageKind::AppendRequest || m.kind == MessageKind::HeartbeatRequest;
        become_follower(m.term, from_leader ? m.from : kNobody);
        return true;
    }
    if (m.term < hard_.term) {
        switch (m.kind) {
            case MessageKind::AppendRequest:
            case MessageKind::HeartbeatRequest: {
                // An old leader learns the new term from this.
                Message answer = make(MessageKind::AppendResponse, m.from);
                answer.reject = true;
                answer.index = m.index;
                answer.hint = log_.last();
                send_now(std::move(answer));
                return false;
            }
            case MessageKind::VoteRequest: {
                Message answer = make(MessageKind::VoteResponse, m.from);
                answer.reject = true;
                send_now(std::move(answer));
                return false;
            }
            case MessageKind::ReadRequest:
                return true;
            case MessageKind::AppendResponse:
                return NL_PLANTED(old_answer_counts) && !m.reject;
            case MessageKind::PreVoteRequest:
            case MessageKind::PreVoteResponse:
            case MessageKind::VoteResponse:
            case MessageKind::HeartbeatResponse:
            case MessageKind::InstallSnapshot:
            case MessageKind::TimeoutNow:
            case MessageKind::ReadResponse:
                return false;
        }
        return false;
    }
    return true;
}

void Core::dispatch(const Message& m) {
    switch (m.kind) {
        case MessageKind::PreVoteRequest:
        case MessageKind::VoteRequest:
            return on_vote_request(m);
        case MessageKind::PreVoteResponse:
        case MessageKind::VoteResponse:
            return on_vote_response(m);
        case MessageKind::AppendRequest:
            return on_append(m);
        case MessageKind::AppendResponse:
            return on_append_response(m);
        case MessageKind::HeartbeatRequest:
            return on_heartbeat(m);
        case MessageKind::HeartbeatResponse:
            return on_heartbeat_response(m);
        case MessageKind::InstallSnapshot:
            return on_install_snapshot(m);
        case MessageKind::TimeoutNow:
            return on_timeout_now(m);
        case MessageKind::ReadRequest:
            return on_read_request(m);
        case MessageKind::ReadResponse:
            return on_read_response(m);
    }
}

void Core::tick(Instant now) {
    advance(now);
    if (broken_) {
        return;
    }
    expire_forwarded_reads();
    if (auto* leader = std::get_if<Leader>(&role_)) {
        if (leader->transfer_to != kNobody && now_ >= leader->transfer_deadline) {
            leader->transfer_to = kNobody;
        }
        if (now_ >= leader->heartbeat_due) {
            send_heartbeats(*leader);
        }
        check_quorum();
        return;
    }
    if (now_ >= election_deadline_) {
        if (may_lead()) {
            pre_campaign();
        } else {
            if (auto* follower = std::get_if<Follower>(&role_)) {
                follower->leader = kNobody;
            }
            reset_election_deadline();
        }
    }
}

Instant Core::next_deadline() const {
    Instant next = election_deadline_;
    if (const auto* leader = std::get_if<Leader>(&role_)) {
        // The check of the quorum rides on the heartbeats.
        next = leader->peers.empty() ? Instant::max() : leader->heartbeat_due;
        if (leader->transfer_to != kNobody) {
            next = std::min(next, leader->transfer_deadline);
        }
    }
    for (const auto& [id, deadline] : forwarded_reads_) {
        next = std::min(next, deadline);
    }
    return next;
}

std::optional<Ready> Core::take_ready() {
    if (broken_) {
        Ready last;
        last.broken = std::exchange(*broken_, {});
        return last.broken->empty() ? std::nullopt : std::optional(std::move(last));
    }
    if (auto* leader = std::get_if<Leader>(&role_)) {
        advance_reads(*leader);
        replicate(*leader);
    }
    Ready ready;
    ready.install = std::exchange(install_, std::nullopt);
    ready.send_now = std::exchange(out_now_, {});
    ready.append = log_.take_unwritten();
    maybe_end_repair();
    hard_.commit = commit_;
    const bool vote_changed = (hard_.term != hard_taken_.term || hard_.vote != hard_taken_.vote) &&
                              !(NL_PLANTED(vote_not_stored) && hard_.term > log_.last_term() &&
                                role() == Role::Follower);
    if (vote_changed || (!ready.append.empty() && hard_ != hard_taken_)) {
        ready.hard_state = hard_;
        hard_taken_ = hard_;
    }
    if (ready.install || ready.hard_state || !ready.append.empty()) {
        ready.persist =
            Persistence{.number = ++write_number_, .index = log_.last(), .term = log_.last_term()};
        writing_.push_back(*ready.persist);
    }
    ready.send_durable = std::exchange(out_durable_, {});
    fill_committed(ready);
    ready.reads = std::exchange(reads_ready_, {});
    ready.reads_failed = std::exchange(reads_failed_, {});
    ready.snapshots = std::exchange(snapshots_, {});
    if (const RoleChange current = current_role(); current != role_told_) {
        role_told_ = current;
        ready.role = current;
    }
    if (membership_told_ != log_.membership()) {
        membership_told_ = log_.membership();
        ready.membership = membership_told_;
    }
    log_.trim_cache(std::min({log_.stable(), handed_out_}), options_.cache_bytes_max);
    const bool anything = ready.persist || !ready.send_now.empty() || !ready.send_durable.empty() ||
                          ready.committed_stored || !ready.committed.empty() ||
                          !ready.reads.empty() || !ready.reads_failed.empty() ||
                          !ready.snapshots.empty() || ready.role || ready.membership;
    return anything ? std::optional(std::move(ready)) : std::nullopt;
}

void Core::fill_committed(Ready& ready) {
    const Index through = std::min(commit_, applied_ + options_.apply_ahead_max);
    if (installing_ || handed_out_ >= through) {
        return;
    }
    const Index first = handed_out_.next();
    if (first < log_.cached_from()) {
        const Index last =
            std::min({through, log_.cached_from() - 1, first + (kStoredCommittedMax - 1)});
        ready.committed_stored = IndexRange{.first = first, .last = last};
        handed_out_ = last;
        return;
    }
    ready.committed = log_.slice(first, through, options_.inflight_bytes_max);
    handed_out_ = ready.committed.back().index;
}

void Core::persisted(const Persistence& token, Instant now) {
    advance(now);
    while (!writing_.empty() && writing_.front().number <= token.number) {
        log_.stable_through(writing_.front().index);
        writing_.pop_front();
    }
    if (auto* candidate = std::get_if<Candidate>(&role_)) {
        if (token.number >= candidate->vote_write) {
            candidate->votes[options_.self] = true;
            maybe_win();
        }
    } else if (role() == Role::Leader) {
        maybe_commit();
    }
}

void Core::snapshot_installed(Index index, Term term) {
    if (installing_ != index) {
        return;  // A newer one is on its way.
    }
    NL_ASSERT(log_.base() > index || log_.term_at(index) == term);
    installing_.reset();
    applied_ = std::max(applied_, index);
}

void Core::applied(Index index) {
    NL_ASSERT(index <= handed_out_);
    applied_ = std::max(applied_, index);
}

void Core::compact(Index through) {
    NL_ASSERT(through <= applied_);
    log_.compact(std::min(through, log_.stable()));
}

// What was acknowledged before the damage is here again when as much is committed, or when an entry
// of a later term is: its leader had everything that was committed in earlier terms, and what is
// committed here came from it.
void Core::maybe_end_repair() {
    if (is_repairing() &&
        (commit_ >= hard_.repair_through || log_.term_at(commit_) > hard_.repair_term)) {
        hard_.repair_through = Index{0};
        hard_.repair_term = Term{0};
    }
}

void Core::set_disk_full(bool full, Instant now) {
    advance(now);
    if (full && !disk_full_ && role() == Role::Leader) {
        // Another server may have room. If none has, nobody takes writes, which is the truth.
        static_cast<void>(transfer_leadership(kNobody, now));
    }
    disk_full_ = full;
    if (full && (role() == Role::PreCandidate || role() == Role::Candidate)) {
        // A leader's first entry would find no room.
        become_follower(hard_.term, kNobody);
    }
}

void Core::give_up(std::string why) {
    if (role() == Role::Leader) {
        become_follower(hard_.term, kNobody);
    }
    broken_ = std::move(why);
}

Message Core::make(MessageKind kind, ServerId to) const {
    return {.kind = kind, .from = options_.self, .to = to, .term = hard_.term};
}

ServerId Core::leader_id() const {
    if (const auto* follower = std::get_if<Follower>(&role_)) {
        return follower->leader;
    }
    return role() == Role::Leader ? options_.self : kNobody;
}

RoleChange Core::current_role() const {
    const auto* leader = std::get_if<Leader>(&role_);
    return {
        .role = role(),
        .term = hard_.term,
        .leader = leader_id(),
        .opening = leader != nullptr ? leader->opening : Index{0}
    };
}

Status Core::status() const {
    Status s;
    s.self = options_.self;
    s.role = role();
    s.term = hard_.term;
    s.vote = hard_.vote;
    s.leader = leader_id();
    s.first = log_.base().next();
    s.last = log_.last();
    s.last_term = log_.last_term();
    s.stable = log_.stable();
    s.commit = commit_;
    s.handed_out = handed_out_;
    s.applied = applied_;
    s.cache_bytes = log_.cache_bytes();
    s.repairing = is_repairing();
    s.disk_full = disk_full_;
    s.membership = log_.membership();
    s.membership_index = log_.membership_index();
    s.pending_reads = forwarded_reads_.size();
    if (const auto* leader = std::get_if<Leader>(&role_)) {
        s.opening = leader->opening;
        s.transferring_to = leader->transfer_to;
        s.pending_proposals = static_cast<std::size_t>(log_.last() - commit_);
        s.pending_reads += leader->reads.size();
        s.lease_until = lease_until(*leader);
        for (const auto& [id, p] : leader->peers) {
            s.peers.push_back({
                .id = id,
                .voter = log_.membership().is_voter(id),
                .match = p.match,
                .next = p.next,
                .mode = p.mode,
                .inflight = p.inflight.size(),
                .last_contact = p.contact,
            });
        }
    }
    return s;
}

}  // namespace nl::raft
