#pragma once
// Drills: lives of a group that lead straight to the few places where it takes several rare things
// in a row to go wrong, which chance alone hardly ever brings about. Each is told by who leads and
// who stands, not by times, and is the same with a sound product as with a broken one; only the
// latter comes to harm. Chance decides on sizes, delays and what is kept in crashes. Sources: the
// figure 8 of Raft's paper, Ongaro's correction of 2015, his thesis 6.4.1, the project's list of
// known faults.

#include "base/rng.h"
#include "sim/cluster.h"

#include <cstddef>
#include <set>
#include <string_view>

namespace nl::sim {

enum class Drill : unsigned char {
    /// A leader brings an entry of an earlier term to a majority, is cut off, and one with a later
    /// entry in its place comes back (figure 8).
    OldEntry,
    /// Acknowledgements come after the entry was replaced and its leader leads again.
    OldAcknowledgement,
    /// Answers to heartbeats come late, when another leader has been elected, while clients read.
    LateAnswer,
    /// A server campaigns while the leader's lease holds.
    LeaseAgainstVote,
    /// The same, and those whose word the lease is have just been started again.
    LeaseAgainstRestart,
    /// Two leaders change the membership, each not knowing of the other's change.
    TwoMemberships,
    /// A membership that was cut off with its entry, and later others.
    UndoneMembership,
    /// A leader loses power as soon as it leads, and what it had not made durable with it.
    LostVote,
    /// A damaged log is made good in part when its server restarts and is asked for its vote by one
    /// that is behind.
    HalfRepaired,
};
inline constexpr std::size_t kDrills = 9;
std::string_view to_string(Drill drill);

/// The world in which it can happen.
void prepare(Drill drill, Rng& rng, Cluster::Settings& settings);
/// Brings it about; leaves servers cut off or down as they come. Does nothing more when a promise
/// is broken or the group takes another turn. Answers whose disk it damaged.
std::set<ServerId> carry_out(Drill drill, Rng& rng, Cluster& cluster);

}  // namespace nl::sim
