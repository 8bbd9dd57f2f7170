// The log's way to the followers, what is committed, the membership, and snapshots for those who
// are too far behind.
#include "base/check.h"
#include "raft/core.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::raft {

namespace {

/// Entries a message takes from the log store; how many bytes they are is known only there.
constexpr std::uint64_t kStoredEntriesMax = 256;
/// A follower whose snapshot stream failed is offered another after this.
constexpr Duration kSnapshotRetry = seconds(1);

/// The highest index that at least `quorum` of the voters have reached.
Index quorum_match(std::vector<Index>& matches, std::size_t quorum) {
    NL_ASSERT(quorum >= 1 && quorum <= matches.size());
    std::sort(matches.begin(), matches.end(), std::greater<>());
    return matches[quorum - 1];
}

}  // namespace

Progress Core::fresh_progress() const {
    Progress p;
    p.next = log_.last().next();
    p.active = now_;
    p.contact = now_;
    p.moved_at = now_;
    return p;
}

void Core::append_entry(EntryKind kind, Bytes data, const Uuid& request, Index born) {
    log_.append({
        .index = log_.last().next(),
        .term = hard_.term,
        .kind = kind,
        .request = request,
        .data = std::move(data),
        .born = born,
    });
}

std::expected<Proposed, ProposeError> Core::propose(
    std::span<const Payload> payloads, Instant now
) {
    advance(now);
    NL_ASSERT(!payloads.empty());
    const auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) {
        return std::unexpected(ProposeError{.fault = ProposeFault::NotLeader, .leader = leader_id()}
        );
    }
    if (leader->transfer_to != kNobody) {
        return std::unexpected(
            ProposeError{.fault = ProposeFault::Transferring, .leader = leader->transfer_to}
        );
    }
    if (disk_full_) {
        return std::unexpected(
            ProposeError{.fault = ProposeFault::DiskFull, .leader = options_.self}
        );
    }
    for (const Payload& payload : payloads) {
        if (payload.data.size() > options_.entry_bytes_max) {
            return std::unexpected(
                ProposeError{.fault = ProposeFault::TooLarge, .leader = options_.self}
            );
        }
    }
    if (log_.last() - commit_ + payloads.size() > options_.proposals_max) {
        return std::unexpected(
            ProposeError{.fault = ProposeFault::QueueFull, .leader = options_.self}
        );
    }
    const Index first = log_.last().next();
    for (const Payload& payload : payloads) {
        append_entry(EntryKind::Command, payload.data, payload.request, payload.born);
    }
    return Proposed{.term = hard_.term, .first = first};
}

// ---- the leader's side
// --------------------------------------------------------------------------------------------------------

void Core::replicate(Leader& leader) {
    for (auto& [id, peer] : leader.peers) {
        replicate_to(id, peer);
    }
}

void Core::replicate_to(ServerId to, Progress& p) {
    if (p.mode == ProgressMode::Replicate && !p.inflight.empty() &&
        now_ - p.moved_at > timeout_max()) {
        // Something was lost on the way, or its answer was; begin again where the logs surely meet.
        p.probe_from(p.match.next());
    }
    if (p.mode == ProgressMode::Probe && p.probe_sent && now_ - p.sent_at >= heartbeat() * 2) {
        p.probe_sent = false;
    }
    while (send_append(to, p)) {
    }
}

// One message, if there is anything to say and the window allows; true if another may follow.
bool Core::send_append(ServerId to, Progress& p) {
    const Index known = std::min(commit_, log_.last());
    switch (p.mode) {
        case ProgressMode::Snapshot:
            return false;
        case ProgressMode::Probe:
            if (p.probe_sent) {
                return false;
            }
            break;
        case ProgressMode::Replicate:
            if (p.inflight.size() >= options_.inflight_messages_max ||
                p.inflight_bytes >= options_.inflight_bytes_max) {
                return false;
            }
            if (p.next > log_.last() && p.commit_told >= known) {
                return false;
            }
            break;
    }
    const Index before = p.next - 1;
    const std::optional<Term> before_term = log_.term_at(before);
    if (!before_term) {
        if (now_ >= p.snapshot_retry) {
            p.mode = ProgressMode::Snapshot;
            snapshots_.push_back({.to = to, .at_least = log_.base()});
        }
        return false;
    }
    Outbound out{.message = make(MessageKind::AppendRequest, to), .stored = {}};
    out.message.index = before;
    out.message.log_term = *before_term;
    out.message.commit = known;
    Index last = before;
    std::size_t bytes = 0;
    if (p.next <= log_.last() && p.next < log_.cached_from()) {
        last = std::min(log_.cached_from() - 1, before + kStoredEntriesMax);
        out.stored = IndexRange{.first = p.next, .last = last};
        bytes = options_.append_bytes_max;
    } else if (p.next <= log_.last()) {
        out.message.entries = log_.slice(p.next, log_.last(), options_.append_bytes_max);
        last = out.message.entries.back().index;
        for (const Entry& entry : out.message.entries) {
            bytes += cost(entry);
        }
    }
    p.sent_at = now_;
    p.commit_told = std::max(p.commit_told, std::min(known, last));
    if (p.mode == ProgressMode::Probe) {
        p.probe_sent = true;
    } else if (last > before) {
        if (p.inflight.empty()) {
            p.moved_at = now_;
        }
        p.sent(last, bytes);
        p.next = last.next();
    }
    out_now_.push_back(std::move(out));
    return p.mode == ProgressMode::Replicate && p.next <= log_.last();
}

void Core::on_append_response(const Message& m) {
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) {
        return;
    }
    const auto at = leader->peers.find(m.from);
    if (at == leader->peers.end()) {
        return;
    }
    Progress& p = at->second;
    p.contact = p.active = now_;
    if (m.reject) {
        if (p.mode == ProgressMode::Snapshot || m.hint >= m.index) {
            return;
        }
        if (m.hint < p.match) {
            // Either an old answer, or a server that lost its memory. Asking again is right in both
            // cases.
            p.match = m.hint;
            p.match_at_round = std::min(p.match_at_round, p.match);
        } else if (p.mode == ProgressMode::Probe && m.index != p.next - 1) {
            return;  // The answer to an earlier probe.
        }
        const Index meet = log_.at_or_below_term(m.hint, m.hint_term);
        p.match = std::min(p.match, meet);
        p.probe_from(std::max(meet, p.match).next());
        p.commit_told = std::min(p.commit_told, p.match);
        return;
    }
    if (m.index > log_.last()) {
        return;  // It cannot hold more of our log than we do.
    }
    if (m.index > p.match) {
        p.match = m.index;
        p.moved_at = now_;
        p.answered(p.match);
        p.next = std::max(p.next, p.match.next());
    }
    if (p.mode == ProgressMode::Probe ||
        (p.mode == ProgressMode::Snapshot && p.match >= log_.base())) {
        p.replicate_from_match();
    }
    maybe_commit();
    if (auto* still = std::get_if<Leader>(&role_)) {
        maybe_finish_transfer(*still);
    }
}

void Core::snapshot_finished(ServerId to, bool delivered, Instant now) {
    advance(now);
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) {
        return;
    }
    const auto at = leader->peers.find(to);
    if (at == leader->peers.end() || at->second.mode != ProgressMode::Snapshot) {
        return;
    }
    Progress& p = at->second;
    if (!delivered) {
        p.snapshot_retry = now_ + kSnapshotRetry;
    }
    p.probe_from(delivered ? std::max(p.match, log_.base()).next() : p.next);
}

void Core::maybe_commit() {
    auto& leader = std::get<Leader>(role_);
    std::vector<Index> matches;
    for (const Member& member : log_.membership().members) {
        if (!member.voter && !NL_PLANTED(commit_counts_learners)) {
            continue;
        }
        if (member.id == options_.self) {
            matches.push_back(NL_PLANTED(leader_counts_unsynced) ? log_.last() : log_.stable());
        } else {
            const auto peer = leader.peers.find(member.id);
            matches.push_back(peer != leader.peers.end() ? peer->second.match : Index{0});
        }
    }
    if (matches.empty()) {
        return;
    }
    const std::size_t enough =
        NL_PLANTED(commit_without_majority) && quorum() > 1 ? quorum() - 1 : quorum();
    const Index reached = quorum_match(matches, enough);
    // Only entries of this term are committed by counting; older ones with them (thesis 3.6.2).
    if (reached <= commit_ ||
        (log_.term_at(reached) != hard_.term && !NL_PLANTED(commit_old_term))) {
        return;
    }
    const bool membership_too =
        log_.membership_index() > commit_ && log_.membership_index() <= reached;
    commit_ = reached;
    if (membership_too) {
        maybe_leave(leader);
    }
}

// A membership was committed: those who left hear of it once and are forgotten; if that is
// ourselves, somebody else should lead.
void Core::maybe_leave(Leader& leader) {
    for (auto& [id, peer] : leader.peers) {
        replicate_to(id, peer);
    }
    std::erase_if(leader.peers, [this](const auto& peer) {
        return log_.membership().find(peer.first) == nullptr;
    });
    if (log_.membership().is_voter(options_.self)) {
        return;
    }
    ServerId heir = kNobody;
    Index best;
    for (const auto& [id, peer] : leader.peers) {
        if (log_.membership().is_voter(id) && (heir == kNobody || peer.match > best)) {
            heir = id;
            best = peer.match;
        }
    }
    if (heir != kNobody) {
        send_now(make(MessageKind::TimeoutNow, heir));
    }
    become_follower(hard_.term, kNobody);
}

// ---- the membership
// -----------------------------------------------------------------------------------------------------------

void Core::append_membership(const Membership& membership) {
    auto& leader = std::get<Leader>(role_);
    append_entry(EntryKind::Membership, encode(membership), {}, {});
    for (const Member& member : log_.membership().members) {
        if (member.id != options_.self && !leader.peers.contains(member.id)) {
            leader.peers.emplace(member.id, fresh_progress());
        }
    }
}

Result<Proposed> Core::change_membership(const Change& change, Instant now) {
    advance(now);
    const auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) {
        return fail(ErrorCode::NotLeader, "server {} is not the leader", options_.self);
    }
    // Without the first check two leaders could each count a majority of a different membership
    // (Ongaro, raft-dev, 2015).
    if (commit_ < leader->opening && !NL_PLANTED(change_before_opening)) {
        return fail(
            ErrorCode::Conflict, "the leader has not committed an entry of term {} yet", hard_.term
        );
    }
    if (disk_full_) {
        return fail(
            ErrorCode::ResourceExhausted, "the disk of server {} is full", options_.self
        );
    }
    if (log_.membership_index() > commit_ && !NL_PLANTED(two_changes)) {
        return fail(
            ErrorCode::Conflict,
            "another membership change (index {}) is not committed yet",
            log_.membership_index()
        );
    }
    Membership next = log_.membership();
    const auto set_vote = [&next](ServerId id, bool voter) -> Result<void> {
        const Member* member = next.find(id);
        if (member == nullptr) {
            return fail(ErrorCode::InvalidArgument, "server {} is not a member", id);
        }
        Member changed = *member;
        changed.voter = voter;
        next.put(std::move(changed));
        return {};
    };
    if (const auto* add = std::get_if<AddLearner>(&change)) {
        if (add->member.id == kNobody) {
            return fail(ErrorCode::InvalidArgument, "a member needs an id above 0");
        }
        if (next.find(add->member.id) != nullptr) {
            return fail(ErrorCode::AlreadyExists, "server {} is a member already", add->member.id);
        }
        Member learner = add->member;
        learner.voter = false;
        next.put(std::move(learner));
    } else if (const auto* promote = std::get_if<Promote>(&change)) {
        NL_TRY_VOID(set_vote(promote->id, true));
    } else if (const auto* demote = std::get_if<Demote>(&change)) {
        NL_TRY_VOID(set_vote(demote->id, false));
    } else if (const auto* remove = std::get_if<Remove>(&change)) {
        if (next.find(remove->id) == nullptr) {
            return fail(ErrorCode::InvalidArgument, "server {} is not a member", remove->id);
        }
        next.remove(remove->id);
    } else if (const auto* describe = std::get_if<Describe>(&change)) {
        const Member* member = next.find(describe->member.id);
        if (member == nullptr) {
            return fail(
                ErrorCode::InvalidArgument, "server {} is not a member", describe->member.id
            );
        }
        Member changed = describe->member;
        changed.voter = member->voter;
        next.put(std::move(changed));
    }
    if (next.voters() == 0) {
        return fail(ErrorCode::InvalidArgument, "the last voter cannot be removed");
    }
    append_membership(next);
    return Proposed{.term = hard_.term, .first = log_.last()};
}

// ---- the follower's side
// ------------------------------------------------------------------------------------------------------

void Core::on_append(const Message& m) {
    if (role() == Role::Leader) {
        return give_up(fmt::format(
            "server {} leads term {} like this server: voters lost their data", m.from, hard_.term
        ));
    }
    if (leader_id() != m.from) {
        become_follower(hard_.term, m.from);
    }
    leader_contact_ = now_;
    reset_election_deadline();
    Message answer = make(MessageKind::AppendResponse, m.from);
    if (m.index < commit_) {
        answer.index = commit_;
        send_durable(std::move(answer));
        return;
    }
    if (disk_full_ && !m.entries.empty() && m.entries.back().index > log_.last()) {
        // Nothing more can be stored: no answer, so that the leader asks again later.
        return;
    }
    const bool matches = log_.term_at(m.index) == m.log_term;
    if (!matches && !(NL_PLANTED(append_without_match) && m.index <= log_.last())) {
        // Say where the logs may meet, so that a whole wrong term costs one round trip.
        answer.reject = true;
        answer.index = m.index;
        answer.hint = log_.at_or_below_term(std::min(m.index - 1, log_.last()), m.log_term);
        answer.hint_term = log_.term_at(answer.hint).value_or(Term{0});
        send_now(std::move(answer));
        return;
    }
    Index matched = m.index;
    for (const Entry& entry : m.entries) {
        const std::optional<Term> have = log_.term_at(entry.index);
        if (NL_PLANTED(append_keeps_conflict) && have && *have != entry.term) {
            matched = entry.index;
            continue;
        }
        if (have && *have != entry.term) {
            if (entry.index <= commit_) {
                return give_up(fmt::format(
                    "entry {} of leader {} contradicts the one committed here: most servers lost "
                    "their data",
                    entry.index,
                    m.from
                ));
            }
            log_.truncate_from(entry.index);
            for (Persistence& write : writing_) {
                // What these writes hold from here on is replaced; their end must not vouch for it.
                if (!NL_PLANTED(stale_write_vouches)) {
                    write.index = std::min(write.index, entry.index - 1);
                }
            }
        }
        if (!have || *have != entry.term) {
            log_.append(entry);
        }
        matched = entry.index;
    }
    if (NL_PLANTED(append_truncates_always) && matched < log_.last() && matched >= commit_) {
        log_.truncate_from(matched.next());
    }
    commit_ = std::max(commit_, std::min(m.commit, matched));
    answer.index = matched;
    if (NL_PLANTED(ack_before_fsync)) {
        return send_now(std::move(answer));
    }
    send_durable(std::move(answer));
}

void Core::on_heartbeat(const Message& m) {
    if (role() == Role::Leader) {
        return give_up(fmt::format(
            "server {} leads term {} like this server: voters lost their data", m.from, hard_.term
        ));
    }
    if (leader_id() != m.from) {
        become_follower(hard_.term, m.from);
    }
    leader_contact_ = now_;
    reset_election_deadline();
    // The leader names no index beyond what we acknowledged to it; less is there only if this
    // server lost its memory.
    if (m.commit <= log_.last()) {
        commit_ = std::max(commit_, m.commit);
    }
    Message answer = make(MessageKind::HeartbeatResponse, m.from);
    answer.round = m.round;
    answer.index = log_.last();
    send_now(std::move(answer));
}

void Core::on_heartbeat_response(const Message& m) {
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr || m.round > leader->round) {
        return;
    }
    const auto at = leader->peers.find(m.from);
    if (at == leader->peers.end()) {
        return;
    }
    Progress& p = at->second;
    p.contact = p.active = now_;
    p.round = NL_PLANTED(read_round_confused) ? leader->round : std::max(p.round, m.round);
    if (p.mode == ProgressMode::Probe && now_ - p.sent_at >= heartbeat()) {
        p.probe_sent = false;
    }
    if (m.round == leader->round && m.index < p.match_at_round) {
        // It has less than it had acknowledged when the round was sent: it came back without its
        // memory.
        p.match = p.match_at_round = m.index;
        if (p.mode != ProgressMode::Snapshot) {
            p.probe_from(m.index.next());
        }
    }
    confirm_rounds(*leader);
}

void Core::on_install_snapshot(const Message& m) {
    if (role() == Role::Leader) {
        return;  // A leader has everything that is committed.
    }
    Message answer = make(MessageKind::AppendResponse, m.from);
    if (m.index > commit_ || NL_PLANTED(snapshot_goes_back)) {
        if (log_.term_at(m.index) == m.log_term) {
            // We have it all, and only did not know that it is committed.
            commit_ = m.index;
        } else {
            log_.reset(m.index, m.log_term, *m.membership);
            for (Persistence& write : writing_) {
                write.index = std::min(write.index, m.index);
            }
            commit_ = handed_out_ = m.index;
            installing_ = m.index;
            install_ = Snapshot{.index = m.index, .term = m.log_term, .membership = *m.membership};
        }
    }
    answer.index = commit_;
    send_durable(std::move(answer));
}

}  // namespace nl::raft
