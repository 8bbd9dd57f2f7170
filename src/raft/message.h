#pragma once
// The values that consensus is made of: log entries, the membership, the durable term and vote, and
// the messages between servers. All are plain structs with a field list, so `encode` and `decode`
// (base/codec.h) give their bytes for the log and the transport. Entries carry opaque commands:
// nothing here knows a job. Source: Raft (Ongaro's thesis, chapters 3, 4, 6 and 9.6).

#include "base/bytes.h"
#include "base/codec.h"
#include "base/fields.h"
#include "base/strong.h"
#include "base/uuid.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nl::raft {

/// Nobody: no leader known, no vote given.
inline constexpr ServerId kNobody{0};

/// One server of the cluster. `name`, `address` and `info` are for people and for the transport;
/// consensus reads only id and voter.
struct Member {
    ServerId id;
    /// False for a learner: it receives the log but neither votes nor counts for commits.
    bool voter{false};
    std::string name;
    /// Where the other servers reach it: host:port of its RPC listener.
    std::string address;
    /// Anything else the servers tell each other (HTTP address, region, version); opaque here.
    Bytes info;

    NL_FIELDS(Member, (1, id), (2, voter), (3, name), (4, address), (5, info))
};

/// Who takes part. Sorted by id, no id twice.
struct Membership {
    /// Chosen once when the cluster is formed; servers of another cluster are strangers.
    Uuid cluster;
    std::vector<Member> members;

    NL_FIELDS(Membership, (1, cluster), (2, members))

    const Member* find(ServerId id) const;
    bool is_voter(ServerId id) const;
    std::size_t voters() const;
    /// Replaces the member with this id or puts it in its place in the order.
    void put(Member member);
    void remove(ServerId id);
};

enum class EntryKind : unsigned char {
    /// Opens a leader's term; carries nothing.
    Noop = 0,
    /// A command of the state machine; opaque.
    Command = 1,
    /// An encoded Membership. In force from the moment it is in a server's log (thesis 4.1).
    Membership = 2,
};

struct Entry {
    Index index;
    Term term;
    EntryKind kind{EntryKind::Noop};
    /// The client's request id, by which the state applies a retried command once; nil for none.
    Uuid request;
    Bytes data;
    /// With a request id: an index that was applied where the request was first made, before it was
    /// made. A state that has forgotten requests from that index on refuses it, for it cannot know
    /// whether it was applied already.
    Index born;

    NL_FIELDS(Entry, (1, index), (2, term), (3, kind), (4, request), (5, data), (6, born))
};

/// What must survive a restart besides the log (thesis 3.8). `commit` is a hint written along with
/// entries, never for its own sake: it lets a restarted server show at once what it had already
/// shown.
struct HardState {
    Term term;
    ServerId vote;
    Index commit;
    /// After damage to the log: the highest entry this server may have acknowledged, and the term
    /// it was in. Until it is whole again it votes only for logs that reach there and does not
    /// campaign, and a restart must not make it forget that. 0: whole.
    Index repair_through;
    Term repair_term;

    NL_FIELDS(HardState, (1, term), (2, vote), (3, commit), (4, repair_through), (5, repair_term))
};

enum class MessageKind : unsigned char {
    PreVoteRequest = 1,   // term (the one that would follow), index and log_term of the last entry
    PreVoteResponse = 2,  // term asked for if granted, else the voter's term; reject
    VoteRequest = 3,      // index and log_term of the last entry; transfer
    VoteResponse = 4,     // reject
    AppendRequest = 5,    // index and log_term of the entry before `entries`; commit
    AppendResponse =
        6,  // index: the last entry that matches; or reject, index asked about, hint and hint_term
    HeartbeatRequest = 7,   // commit (never beyond what the follower is known to hold); round
    HeartbeatResponse = 8,  // round
    InstallSnapshot =
        9,  // index, log_term, membership; the content is already in the receiver's snapshot store
    TimeoutNow = 10,    // leadership transfer: campaign at once (thesis 3.10)
    ReadRequest = 11,   // round: the asking follower's read id
    ReadResponse = 12,  // round echoed, index to wait for; or reject
};
std::string_view to_string(MessageKind kind);

/// One message; which fields mean something is said beside each kind.
struct Message {
    MessageKind kind{MessageKind::AppendRequest};
    ServerId from;
    ServerId to;
    Term term;
    Index index;
    Term log_term;
    Index commit;
    std::vector<Entry> entries;
    bool reject{false};
    Index hint;
    Term hint_term;
    std::uint64_t round{0};
    /// The vote is asked for by the leader's own wish, so its lease does not stand against it.
    bool transfer{false};
    Box<Membership> membership;

    NL_FIELDS(
        Message,
        (1, kind),
        (2, from),
        (3, to),
        (4, term),
        (5, index),
        (6, log_term),
        (7, commit),
        (8, entries),
        (9, reject),
        (10, hint),
        (11, hint_term),
        (12, round),
        (13, transfer),
        (14, membership)
    )
};

/// Heartbeats travel apart from appends, so that a large append never makes a follower believe that
/// its leader is gone.
constexpr bool is_urgent(MessageKind kind) {
    return kind != MessageKind::AppendRequest && kind != MessageKind::InstallSnapshot;
}

/// Both ends included; empty when last is before first.
struct IndexRange {
    Index first{1};
    Index last{0};

    bool empty() const { return last < first; }
    friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

/// A message to send. When `stored` is there, the entries are not in memory: whoever sends reads
/// them from the log store and puts them in, cutting the message into several if they are many
/// (each next one's index and log_term are the last entry of the one before).
struct Outbound {
    Message message;
    std::optional<IndexRange> stored;
};

/// A wish to change the membership: one server at a time (thesis 4.1).
struct AddLearner {
    Member member;
};
struct Promote {
    ServerId id;
};
struct Demote {
    ServerId id;
};
struct Remove {
    ServerId id;
};
/// A new name, address or info of a member; its vote stays as it is.
struct Describe {
    Member member;
};
using Change = std::variant<AddLearner, Promote, Demote, Remove, Describe>;

}  // namespace nl::raft

namespace nl::codec {
extern template const StructType& struct_type<raft::Member>();
extern template const StructType& struct_type<raft::Membership>();
extern template const StructType& struct_type<raft::Entry>();
extern template const StructType& struct_type<raft::HardState>();
extern template const StructType& struct_type<raft::Message>();
}  // namespace nl::codec
