#pragma once
// Planted bugs: known ways to get Raft or its storage wrong, each switched on by name in the
// simulator's test build, to prove that the checkers see it (sim/planted_main.cc). Only that build
// defines NL_PLANTED_BUGS; everywhere else NL_PLANTED(name) is the constant false and nothing of
// this is compiled. The names and what they break stand in one list here.

#ifdef NL_PLANTED_BUGS

#include <optional>
#include <string_view>

// clang-format off
#define NL_PLANTED_LIST(X) \
    X(vote_before_durable, "a vote is told before it is on disk") \
    X(vote_not_stored, "term and vote are never written") \
    X(vote_twice, "a second vote is given in one term") \
    X(vote_for_shorter_log, "a vote ignores how far the candidate's log goes") \
    X(vote_by_length, "a vote compares the logs' lengths and not their last terms") \
    X(self_vote_before_durable, "a candidate counts its own vote before it is on disk") \
    X(ack_before_fsync, "a follower acknowledges entries before they are on disk") \
    X(leader_counts_unsynced, "a leader counts itself before its own entries are on disk") \
    X(commit_old_term, "entries of earlier terms are committed by counting (figure 8)") \
    X(commit_without_majority, "one server too few is enough to commit") \
    X(commit_counts_learners, "learners count for a commit") \
    X(append_without_match, "entries are taken without looking at the one before them") \
    X(append_truncates_always, "an old append cuts off entries that follow it") \
    X(append_keeps_conflict, "an entry of another term is kept in place of the leader's") \
    X(heartbeat_commit_unbounded, "a heartbeat tells a commit index beyond what the follower surely holds") \
    X(old_answer_counts, "acknowledgements of an earlier term count") \
    X(stale_write_vouches, "the end of a write vouches for entries that replaced what it held") \
    X(read_before_opening, "a leader reads before an entry of its term is committed") \
    X(read_without_quorum, "a leader reads without asking a quorum") \
    X(read_round_confused, "any heartbeat answer confirms the newest round") \
    X(lease_from_answer, "the lease counts from when the answers came") \
    X(lease_outlives_transfer, "the lease is kept after leadership was handed on") \
    X(vote_against_lease, "a vote is given while the leader is known to be alive") \
    X(lease_forgotten, "a restarted server votes at once, lease or not") \
    X(two_changes, "a membership change begins before the one before it is committed") \
    X(change_before_opening, "a new leader changes the membership before it has committed an entry (Ongaro, 2015)") \
    X(change_not_undone, "a membership that was cut off with its entry stays in force") \
    X(snapshot_old_membership, "a snapshot is labelled with the founding membership") \
    X(snapshot_goes_back, "a snapshot older than what is committed replaces the state") \
    X(snapshot_keeps_log, "an installed snapshot leaves the log store as it was") \
    X(snapshot_chunk_gap, "a chunk of a snapshot is written wherever it comes") \
    X(snapshot_without_requests, "a snapshot forgets which requests were applied") \
    X(double_apply, "a retried request is applied again") \
    X(answers_by_index, "a proposal is answered by its place in the log, whoever's entry stands there") \
    X(unsure_is_refused, "a proposal whose fate is open is said to be refused") \
    X(damage_is_torn_tail, "damage in the log is taken for a torn tail and cut off") \
    X(repair_forgotten, "a restart forgets that the log is being repaired") \
    X(checksum_ignored, "an entry's checksum is not looked at") \
    X(checksum_without_place, "an entry's checksum does not cover its place") \
    X(failed_write_counts, "a failed write counts as done") \
    X(full_disk_counts, "a write that found the disk full counts as done") \
    X(compacts_too_far, "the log is cut off beyond what the snapshot covers")
// clang-format on

namespace nl::planted {

enum class Bug : unsigned char {
#define NL_PLANTED_NAME(name, what) name,
    NL_PLANTED_LIST(NL_PLANTED_NAME)
#undef NL_PLANTED_NAME
};

/// The one that is on; one thread, one simulation at a time.
inline std::optional<Bug> chosen;

}  // namespace nl::planted

#define NL_PLANTED(name) (::nl::planted::chosen == ::nl::planted::Bug::name)

#else

#define NL_PLANTED(name) false

#endif
