#pragma once
// A cluster of servers in virtual time: whole replicas (the same event loop as in production) with
// a state machine, on disks, clocks and a network that misbehave as they are told, and clients that
// use them. Every step is watched; the first broken promise is kept in `violation`:
//     at most one leader a term; logs that agree at a place agree before it; a leader has all that
//     was committed; what is applied is the same everywhere, once and in order; equal state at equal
//     index; an answer is of a committed entry and lies in real time where it must; what was refused
//     for sure is never applied; queues keep their bounds.
// Whether the answers fit together is judged afterwards, from history() alone (sim/history.h).

#include "base/rng.h"
#include "fakes/log_store.h"
#include "fakes/network.h"
#include "fakes/snapshot_store.h"
#include "server/replica.h"
#include "sim/history.h"
#include "sim/kv.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace nl::sim {

class Cluster {
public:
    struct Settings {
        std::uint64_t seed{1};
        std::size_t voters{3};
        /// Servers that begin outside of the cluster and know no membership.
        std::size_t spares{0};
        std::size_t clients{3};
        std::size_t keys{2};
        server::ReplicaOptions options;
        /// Options of servers of the newer version.
        server::ReplicaOptions newer;
        fakes::NetworkFaults network;
        Duration disk_min = microseconds(200);
        Duration disk_max = milliseconds(2);
        /// Applying lags behind committing by up to this much.
        Duration apply_max = milliseconds(1);
        /// Clocks run up to this much too fast or too slow, in thousandths.
        int drift_permille{0};
        std::size_t requests_kept{server::RequestWindow::kKeptMax};
        /// A client waits this long for an answer, and this long between two operations.
        Duration client_timeout = milliseconds(500);
        Duration think_max = milliseconds(20);
        /// Each client stays with one server as long as that answers at all.
        bool sticky_clients{false};
        std::uint64_t reads_of_ten{4};
        /// Saving a snapshot takes up to this much, while applying goes on.
        Duration save_max{0};
    };

    explicit Cluster(Settings settings);
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    std::string violation;
    std::function<void(const std::string&)> trace;

    void run(Duration span);
    /// Runs until `reached` holds after some step, at most so long; whether it does.
    bool run_until(const std::function<bool()>& reached, Duration span);
    Instant now() const { return now_; }
    fakes::Network& network() { return network_; }
    std::vector<ServerId> ids() const;
    std::size_t voters() const { return settings_.voters; }
    Duration election_timeout() const { return settings_.options.raft.election_timeout_min; }
    bool is_up(ServerId id) const { return nodes_.at(id)->replica != nullptr; }
    bool is_repairing(ServerId id) const;
    const std::optional<Error>& fatal(ServerId id) const { return nodes_.at(id)->fatal; }
    std::optional<ServerId> leader() const;
    /// What it last said of itself since it was started.
    const raft::RoleChange& role(ServerId id) const { return nodes_.at(id)->role; }
    /// Of a server that is down: nothing.
    raft::Status status(ServerId id) const {
        const auto& replica = nodes_.at(id)->replica;
        return replica ? replica->status().raft : raft::Status{};
    }
    const raft::Membership& membership(ServerId id) const;
    Index applied(ServerId id) const { return nodes_.at(id)->position.meta().index; }
    Index log_first(ServerId id) const { return nodes_.at(id)->log.first(); }
    Index log_last(ServerId id) const { return nodes_.at(id)->log.last(); }

    // ---- what may happen to it
    void crash(ServerId id, bool keep_some);
    void restart(ServerId id);
    /// Does not come back, or only after restart(); its disk is gone.
    void wipe(ServerId id);
    void pause(ServerId id, Duration span);
    void jump_clock(ServerId id, Duration by);
    void fail_disk(ServerId id);
    void set_full(ServerId id, bool full);
    /// A bit of a stored entry flips; false if there is none.
    bool rot(ServerId id, Index index);
    bool misdirect(ServerId id, Index one, Index other);
    /// The newest of at least two snapshots.
    void rot_snapshot(ServerId id);
    void upgrade(ServerId id, bool newer);
    void isolate(ServerId id);
    void set_disk(Duration min, Duration max);
    void change(ServerId at, raft::Change change);
    void transfer(ServerId at, ServerId to);
    static raft::Member member(ServerId id, bool voter);

    // ---- clients
    /// No new operations while it is so; those under way end.
    void quiet_clients(bool quiet) { quiet_ = quiet; }
    bool clients_idle() const;
    /// A write of its own at this server, for the end of a run; true once it is acknowledged.
    void mark(ServerId at);
    bool mark_done() const { return mark_done_; }
    /// What every client saw, with what stayed open.
    std::vector<Op> history() const;

    struct Counts {
        std::uint64_t turns{0};
        std::size_t writes{0};
        std::size_t reads{0};
        std::size_t retried{0};
        std::size_t deduplicated{0};
        std::size_t elections{0};
        std::size_t installs{0};
        std::size_t repairs{0};
    };
    const Counts& counts() const { return counts_; }
    /// Over all states and all that was answered: two runs of a seed must agree.
    std::uint64_t hash() const;

private:
    /// Looks at every record that goes to the disk.
    class Disk final : public fakes::LogStore {
    public:
        Cluster* cluster{nullptr};
        ServerId owner;
        void append(env::LogBatch batch, Ticket ticket) override;
        void reset(Index through, Term term, Ticket ticket) override;

    private:
        std::map<Index, Term> terms_;
        friend class Cluster;
    };
    struct TakeSnapshot {};
    struct ApplyJob {
        Instant due;
        std::variant<std::vector<server::Committed>, env::SnapshotMeta, TakeSnapshot> work;
    };
    struct PendingRead {
        Ticket ticket;
        Index index;
        Instant valid_until;
    };
    struct ReadAnswer {
        Instant due;
        PendingRead read;
        std::string value;
        Index at;
    };
    /// A snapshot as it was when it was asked for, on its way to the disk.
    struct Saving {
        Instant due;
        env::SnapshotMeta meta;
        Bytes content;
    };
    struct Node {
        ServerId id;
        int rate_permille{1000};
        Duration clock_ahead{0};
        int life{0};
        bool newer{false};
        raft::Membership founding;
        Disk log;
        fakes::SnapshotStore snapshots;
        std::unique_ptr<server::SnapshotWorker> worker;
        std::unique_ptr<server::Replica> replica;
        std::vector<server::Event> inbox;
        std::deque<Instant> disk_due;
        std::deque<std::pair<Instant, server::SnapshotCall>> snapshot_work;
        std::deque<ApplyJob> apply_jobs;
        std::optional<Saving> saving;
        raft::RoleChange role;
        std::vector<PendingRead> reads;
        std::deque<ReadAnswer> answers;
        Kv state;
        server::AppliedPosition position;
        Instant paused_until;
        std::optional<Error> fatal;
        /// Its disk was damaged at some time, so that it may find damage.
        bool harmed{false};
    };
    struct Client {
        std::uint64_t id{0};
        Instant next;
        bool busy{false};
        Op op;
        Uuid request;
        Index born;
        /// The highest index anybody had seen when the operation began.
        Index seen;
        ServerId target;
        Ticket ticket;
        /// Of the last attempt, also when that has ended.
        Ticket last;
        int tries{0};
        /// Some attempt may have been taken.
        bool open{false};
    };
    struct Asked {
        std::size_t client{0};
        ServerId node;
        int life{0};
        bool is_read{false};
    };
    struct Known {
        Term term;
        std::uint32_t crc{0};
        Uuid request;
        std::uint64_t attempt{0};
        bool there{false};
    };

    /// An operation with what its entry is known by.
    struct Seen {
        Op op;
        Uuid request;
        Ticket ticket;
    };

    void broken(std::string what);
    void say(const Node& node, const std::string& what) const;
    Instant local(const Node& node) const;
    Instant global(const Node& node, Instant at) const;
    Instant next_event() const;
    void step();
    void step_node(Node& node);
    void turn(Node& node);
    void carry_out(Node& node, server::Effects effects);
    void push(ServerId id, server::Event event);
    void start(Node& node);
    void stop(Node& node);
    Result<Kv> load(Node& node, Index index);
    Result<env::SnapshotMeta> save(Node& node, const Saving& saving);
    void run_apply(Node& node, ApplyJob job);
    void apply(Node& node, const server::Committed& entry);
    void settle_reads(Node& node);
    void check_hash(const Node& node);
    void check_role(const Node& node, const raft::RoleChange& change);
    void check_bounds(const Node& node);
    void check_record(const Node& node, const env::LogRecord& record, Term before);

    void step_client(Client& client);
    void begin(Client& client);
    void attempt(Client& client);
    void end_attempt(Client& client, bool surely_not);
    void complete(Client& client, std::string result, Index at);
    void close(Client& client);
    void on_refusal(Ticket ticket, const Error& error);
    void on_outcome(Ticket ticket, const Kv::Applied& applied);
    Client* client_of(Ticket ticket);

    Settings settings_;
    Rng rng_;
    /// Clients draw from their own, so that faults and load do not move each other.
    Rng client_rng_;
    fakes::Network network_;
    Instant now_{seconds(1).ns};
    std::map<ServerId, std::unique_ptr<Node>> nodes_;
    std::vector<Client> clients_;
    bool quiet_{false};
    bool mark_done_{false};
    std::vector<Seen> history_;
    std::uint64_t answers_hash_{0};

    std::map<Term, ServerId> leaders_;
    std::vector<Known> committed_;
    Index last_committed_;
    std::map<Index, std::uint64_t> hashes_;
    std::map<std::pair<Index, Term>, std::pair<std::uint32_t, Term>> records_;
    std::set<std::uint64_t> refused_;
    std::set<std::uint64_t> applied_attempts_;
    std::map<Ticket, Asked> asked_;
    Ticket next_ticket_{1};
    std::uint64_t next_value_{1};
    Index highest_seen_;
    Counts counts_;
};

}  // namespace nl::sim
