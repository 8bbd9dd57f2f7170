#pragma once
// Consensus as a value machine. The owner feeds it messages, time and wishes, and takes out Readys:
// values that say what to store, send and apply, in that order. It holds no clock, disk or socket
// and calls nobody; the same inputs give the same outputs.
//
//     core.step(message, now); core.propose(...); core.tick(now);          // any number of inputs
//     while (auto ready = core.take_ready()) { carry_out(*ready); }        // then everything they
//     led to core.persisted(token); core.applied(index);                          // as the disk
//     and the state machine report back
//
// Several Readys may be under way at once; they must be stored in the order in which they were
// taken. Appends leave when Readys are taken, so proposals made before one take_ready share one
// message and one disk write. Always on: PreVote (thesis 9.6), CheckQuorum (6.2), a no-op (or the
// first membership) opening each term, commits counted only in the current term (3.6.2), one
// membership change at a time with the check of Ongaro's correction of 2015. Source: Ongaro's
// thesis "Consensus: Bridging Theory and Practice"; the shape is that of sans-IO libraries.

#include "base/error.h"
#include "base/rng.h"
#include "base/time.h"
#include "raft/log.h"
#include "raft/message.h"
#include "raft/progress.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace nl::raft {

struct Options {
    ServerId self;
    /// Each election waits a random time between the two; both grow with `timeout_multiplier` (slow
    /// or overloaded machines).
    Duration election_timeout_min = milliseconds(150);
    Duration election_timeout_max = milliseconds(300);
    Duration heartbeat_interval = milliseconds(50);
    int timeout_multiplier = 1;
    /// Answer linearizable reads without asking a quorum while the leader's lease holds. Safe only
    /// if clocks run at rates that differ by less than `clock_drift_percent`, and if whoever
    /// answers looks at ReadReady::valid_until after reading.
    bool lease_reads = false;
    int clock_drift_percent = 10;
    /// Entries in one append message, as far as they fit in these bytes; at least one.
    std::size_t append_bytes_max = 1 << 20;
    /// Appends on their way to one follower before the leader waits for an answer.
    std::size_t inflight_messages_max = 128;
    std::size_t inflight_bytes_max = 16 << 20;
    /// Proposals that are not yet committed; one more is refused at once.
    std::size_t proposals_max = 256;
    std::size_t entry_bytes_max = 16 << 20;
    /// Reads that wait for a quorum's word; one more is refused at once.
    std::size_t reads_max = 4096;
    /// Durable entries kept in memory for followers that are close behind; older ones are read from
    /// the log store.
    std::size_t cache_bytes_max = 8 << 20;
    /// Committed entries handed out before the state machine has reported them applied.
    std::size_t apply_ahead_max = 4096;
    /// A transfer of leadership that takes longer is given up.
    Duration transfer_timeout = seconds(1);
};

/// What the log store held at start.
struct LogStart {
    /// The last entry that a snapshot covers (0: none); the log goes on behind it.
    Index base;
    Term base_term;
    /// The membership in force at `base`; for a new cluster the one it is founded with; empty for a
    /// server that will be invited.
    Membership base_membership;
    /// Where that one stands in the log, or an entry behind it; 0: nowhere yet, the first leader
    /// will write it.
    Index base_membership_index;
    /// What the state machine already holds (the snapshot it was loaded from): at least base.
    Index applied;
    /// Where each term begins in (base, last].
    std::vector<TermRun> runs;
    Index last;
    /// The membership entries in (base, last].
    std::vector<MembershipAt> memberships;
    /// Damage was found: the highest entry this server may have acknowledged before
    /// (HardState::repair_through). 0: none.
    Index repair_through;
};

/// Names one write: give it back when it is durable. Index and term keep an answer about a replaced
/// entry from being believed.
struct Persistence {
    std::uint64_t number{0};
    Index index;
    Term term;

    friend bool operator==(const Persistence&, const Persistence&) = default;
};

struct Snapshot {
    Index index;
    Term term;
    Membership membership;
};

using ReadId = std::uint64_t;

struct ReadReady {
    ReadId id{0};
    /// The read may be answered from any state that has applied this.
    Index index;
    /// With a lease: the answer must leave before this instant, else the read must be asked again.
    /// Without: Instant::max().
    Instant valid_until = Instant::max();
};

/// In the order of Core's role variant.
enum class Role : unsigned char { Follower, PreCandidate, Candidate, Leader };
std::string_view to_string(Role role);

struct RoleChange {
    Role role{Role::Follower};
    Term term;
    /// Who leads, as far as known.
    ServerId leader;
    /// For a leader: the entry that opens its term. Its duties begin when this is applied.
    Index opening;

    friend bool operator==(const RoleChange&, const RoleChange&) = default;
};

/// A follower that needs what the log no longer has. Answer with snapshot_finished.
struct SnapshotWanted {
    ServerId to;
    /// Any snapshot at or beyond this index will do.
    Index at_least;
};

/// What to do, in this order.
struct Ready {
    /// Another server contradicts what was committed: most servers lost their data. Stop; nothing
    /// else is in this Ready.
    std::optional<std::string> broken;
    /// Replace the state by this snapshot, and begin the log after it, before anything else. Answer
    /// with snapshot_installed.
    std::optional<Snapshot> install;
    /// May leave before anything of this Ready is durable: a leader's appends and heartbeats.
    std::vector<Outbound> send_now;
    /// To be durable together, in one synchronous batch; hard state first.
    std::optional<HardState> hard_state;
    std::vector<Entry> append;
    /// Present if there is something to make durable (install, hard_state, append): give it back
    /// when it is.
    std::optional<Persistence> persist;
    /// Leave only when the above is durable: votes and acknowledgements. At once if `persist` is
    /// absent.
    std::vector<Outbound> send_durable;
    /// To apply in order: first those that must be read from the log store, then those at hand.
    std::optional<IndexRange> committed_stored;
    std::vector<Entry> committed;
    std::vector<ReadReady> reads;
    /// Reads that cannot be answered: the server stopped being leader, or knows none.
    std::vector<ReadId> reads_failed;
    std::vector<SnapshotWanted> snapshots;
    std::optional<RoleChange> role;
    /// The membership changed to this one (addresses for the transport).
    std::optional<Membership> membership;
};

struct Payload {
    Bytes data;
    Uuid request;
    /// What the proposer had seen committed when it first asked (Entry::born).
    Index born;
};

struct Proposed {
    Term term;
    /// The index of the first; the others follow.
    Index first;
};

enum class ProposeFault : unsigned char { NotLeader, QueueFull, Transferring, TooLarge, DiskFull };

struct ProposeError {
    ProposeFault fault{ProposeFault::NotLeader};
    /// Who leads instead, if known.
    ServerId leader;
};

/// How far one server is, as its leader sees it.
struct PeerStatus {
    ServerId id;
    bool voter{false};
    Index match;
    Index next;
    ProgressMode mode{ProgressMode::Probe};
    std::size_t inflight{0};
    Instant last_contact;
};

/// A snapshot of everything worth looking at: for tests, metrics and operators alike.
struct Status {
    ServerId self;
    Role role{Role::Follower};
    Term term;
    ServerId vote;
    ServerId leader;
    Index first;
    Index last;
    Term last_term;
    Index stable;
    Index commit;
    Index handed_out;
    Index applied;
    /// Leader: opening entry of its term.
    Index opening;
    ServerId transferring_to;
    std::size_t pending_proposals{0};
    std::size_t pending_reads{0};
    std::size_t cache_bytes{0};
    bool repairing{false};
    bool disk_full{false};
    Instant lease_until;
    Membership membership;
    Index membership_index;
    /// Leader only, sorted by id.
    std::vector<PeerStatus> peers;
};

class Core {
public:
    Core(Options options, Rng rng, HardState hard, LogStart start, Instant now);

    /// A message from another server. Messages that are old, doubled or from strangers are
    /// harmless.
    void step(const Message& message, Instant now);
    /// Time has passed. Calling it early or often is harmless; next_deadline() says when it next
    /// has something to do.
    void tick(Instant now);
    Instant next_deadline() const;

    /// Appends commands to the log, all or none. They are committed when an entry with this index
    /// and this term is handed out.
    std::expected<Proposed, ProposeError> propose(std::span<const Payload> payloads, Instant now);
    /// A linearizable read, on the leader or (by asking it) on a follower. Ends in Ready::reads or
    /// reads_failed. Errors: NotLeader when no leader is known, ResourceExhausted.
    Result<ReadId> read(Instant now);
    /// Leader only; one change at a time. Answers where the change stands in the log.
    /// Errors: NotLeader, Conflict (another is under way, or the term's first entry is not
    /// committed yet), InvalidArgument.
    Result<Proposed> change_membership(const Change& change, Instant now);
    /// Hands leadership to a voter; kNobody lets the leader choose the one that is furthest. New
    /// proposals are refused meanwhile.
    Result<void> transfer_leadership(ServerId to, Instant now);

    std::optional<Ready> take_ready();

    /// The log store has no room (or has again). Meanwhile nothing new is taken into the log: as a
    /// leader proposals are refused and leadership is offered to another, as a follower appends are
    /// left unanswered. Votes and commits go on.
    void set_disk_full(bool full, Instant now);

    void persisted(const Persistence& token, Instant now);
    void snapshot_installed(Index index, Term term);
    void applied(Index index);
    /// The state up to `through` is in a durable snapshot: forget the log up to there. Must be
    /// applied.
    void compact(Index through);
    /// A stream asked for by Ready::snapshots ended; after a failure it is asked for again.
    void snapshot_finished(ServerId to, bool delivered, Instant now);

    Status status() const;
    /// The term of an entry; nothing if it is compacted away or beyond the end.
    std::optional<Term> term_at(Index index) const { return log_.term_at(index); }
    const Membership& membership() const { return log_.membership(); }
    /// The log was damaged and is not whole again yet.
    bool is_repairing() const { return hard_.repair_through > Index{0}; }
    /// Until when reads need not ask a quorum; Instant{0} for a server that may not answer them.
    Instant lease_until() const;
    Term term() const { return hard_.term; }
    Index commit() const { return commit_; }
    Index base() const { return log_.base(); }
    Index last() const { return log_.last(); }

private:
    struct Follower {
        ServerId leader;
    };
    struct PreCandidate {
        /// Who answered, and whether in our favour; our own wish counts at once, it promises
        /// nothing.
        std::map<ServerId, bool> votes;
    };
    struct Candidate {
        /// Our own vote is put in when it is durable.
        std::map<ServerId, bool> votes;
        /// The number of the write that carries our vote.
        std::uint64_t vote_write{0};
    };
    struct WaitingRead {
        ReadId id{0};
        /// Self, or the follower that asked.
        ServerId from;
        /// The heartbeat round that must be confirmed; 0 while none was sent for it.
        std::uint64_t round{0};
        /// The commit index when that round was sent.
        Index index;
    };
    struct Round {
        std::uint64_t number{0};
        Instant sent;
    };
    struct Leader {
        std::map<ServerId, Progress> peers;
        /// The entry that opened the term: nothing is read or reconfigured before it is committed.
        Index opening;
        std::deque<WaitingRead> reads;
        /// Rounds without a quorum's answer, oldest first; bounded by kRoundsMax.
        std::deque<Round> rounds;
        std::uint64_t round{0};
        std::uint64_t confirmed{0};
        Instant heartbeat_due;
        /// When the newest confirmed round was sent; the lease counts from there.
        Instant lease_start;
        /// A TimeoutNow left in this term: from now on somebody may campaign against the lease.
        bool lease_broken{false};
        ServerId transfer_to;
        Instant transfer_deadline;
    };
    using RoleState = std::variant<Follower, PreCandidate, Candidate, Leader>;

    // Elections (core_election.cc).
    void become_follower(Term term, ServerId leader);
    void pre_campaign();
    void campaign(bool by_transfer);
    void maybe_win();
    void become_leader();
    void on_vote_request(const Message& m);
    void on_vote_response(const Message& m);
    void on_timeout_now(const Message& m);
    bool may_lead() const;
    void maybe_end_repair();
    bool leader_is_fresh() const;
    bool is_up_to_date(const Message& m) const;
    bool may_vote_for(const Message& m) const;
    void reset_election_deadline();
    void check_quorum();
    std::size_t quorum() const { return log_.membership().voters() / 2 + 1; }

    // Replication (core_replication.cc).
    void on_append(const Message& m);
    void on_append_response(const Message& m);
    void on_heartbeat(const Message& m);
    void on_heartbeat_response(const Message& m);
    void on_install_snapshot(const Message& m);
    void replicate(Leader& leader);
    void replicate_to(ServerId to, Progress& p);
    bool send_append(ServerId to, Progress& p);
    void maybe_commit();
    void maybe_leave(Leader& leader);
    void append_entry(EntryKind kind, Bytes data, const Uuid& request, Index born);
    void append_membership(const Membership& membership);
    void maybe_finish_transfer(Leader& leader);
    Progress fresh_progress() const;

    // Reads and heartbeats (core_read.cc).
    void send_heartbeats(Leader& leader);
    void on_read_request(const Message& m);
    void on_read_response(const Message& m);
    bool accept_read(Leader& leader, ReadId id, ServerId from);
    void advance_reads(Leader& leader);
    void confirm_rounds(Leader& leader);
    void answer_read(const WaitingRead& read, Instant valid_until);
    void fail_reads();
    void expire_forwarded_reads();
    Instant lease_until(const Leader& leader) const;

    void advance(Instant now);
    void dispatch(const Message& m);
    bool settle_terms(const Message& m);
    void fill_committed(Ready& ready);
    Duration timeout_min() const {
        return options_.election_timeout_min * options_.timeout_multiplier;
    }
    Duration timeout_max() const {
        return options_.election_timeout_max * options_.timeout_multiplier;
    }
    Duration heartbeat() const { return options_.heartbeat_interval * options_.timeout_multiplier; }
    Message make(MessageKind kind, ServerId to) const;
    void send_now(Message m) { out_now_.push_back({.message = std::move(m), .stored = {}}); }
    void send_durable(Message m) {
        out_durable_.push_back({.message = std::move(m), .stored = {}});
    }
    Role role() const { return static_cast<Role>(role_.index()); }
    ServerId leader_id() const;
    RoleChange current_role() const;
    void give_up(std::string why);

    Options options_;
    Rng rng_;
    Instant now_;
    HardState hard_;
    /// As given out in the last Ready.
    HardState hard_taken_;
    Log log_;
    RoleState role_ = Follower{};
    Instant election_deadline_;
    /// When a leader was last heard; nothing before the first time.
    std::optional<Instant> leader_contact_;
    Index commit_;
    /// Committed entries up to here were given to the owner, and up to there it has applied them.
    Index handed_out_;
    Index applied_;
    /// The snapshot that is being installed: nothing is handed out meanwhile.
    std::optional<Index> installing_;
    std::optional<Snapshot> install_;
    /// Writes under way, oldest first, by number.
    std::deque<Persistence> writing_;
    std::uint64_t write_number_{0};
    std::vector<Outbound> out_now_;
    std::vector<Outbound> out_durable_;
    std::vector<ReadReady> reads_ready_;
    std::vector<ReadId> reads_failed_;
    std::vector<SnapshotWanted> snapshots_;
    /// A follower's reads that went to the leader, with their deadlines; bounded by
    /// Options::reads_max.
    std::map<ReadId, Instant> forwarded_reads_;
    ReadId next_read_{1};
    RoleChange role_told_;
    std::optional<Membership> membership_told_;
    std::optional<std::string> broken_;
    bool disk_full_{false};
};

}  // namespace nl::raft
