#pragma once
// Gives server::Replica its thread, its disk and its peers: log store and snapshot store (RocksDB
// and files under a data directory, or memory without one), transport, timers. Events may come from
// any thread; callbacks are called on the replica's thread and must not block. After `fatal`
// nothing else is called: the process has to stop.

#include "env/log_store.h"
#include "env/snapshot_store.h"
#include "io/grpc/grpc_transport.h"
#include "io/loop.h"
#include "server/replica.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace nl::agent {

class ReplicaHost {
public:
    struct Options {
        server::ReplicaOptions replica;
        /// Empty: everything stays in memory.
        std::string data_dir;
        std::optional<io::TlsOptions> tls;
        std::uint64_t seed{0};
        /// For a server that is invited: the cluster as it told of itself, so that its leader can be
        /// answered before the log says where it is.
        raft::Membership contacts{};
    };
    struct Callbacks {
        /// In log order without gaps; report with applied().
        std::function<void(std::vector<server::Committed>)> committed;
        /// Replace the state by this snapshot, then report with snapshot_installed().
        std::function<void(env::SnapshotMeta)> install;
        /// Save a snapshot of what is applied, then report with snapshot_saved().
        std::function<void()> take_snapshot;
        std::function<void(raft::RoleChange)> role;
        std::function<void(raft::Membership)> membership;
        /// A proposal that ended without being committed here.
        std::function<void(Ticket, Error)> refused;
        /// A proposal that is committed but carries no command (membership, transfer).
        std::function<void(Ticket, Index)> done;
        std::function<void(Error)> fatal;
    };

    /// Opens the stores. Errors: Corruption, Unavailable (another process has the directory).
    static Result<std::unique_ptr<ReplicaHost>> open(Options options);
    ~ReplicaHost();
    ReplicaHost(const ReplicaHost&) = delete;
    ReplicaHost& operator=(const ReplicaHost&) = delete;

    env::SnapshotStore& snapshots() { return *snapshots_; }
    /// The snapshot to load before start().
    const std::optional<env::SnapshotMeta>& latest_snapshot() const { return latest_; }
    /// Whether the directory already holds a log or a snapshot.
    bool has_history() const;

    /// Reads the log back and runs. The state must hold latest_snapshot().
    Result<void> start(Callbacks callbacks);
    void stop();

    // Any thread.
    void message(ServerId from, env::Channel channel, Bytes bytes);
    /// `request` and `born` as in server::Propose.
    void propose(Ticket ticket, Bytes command, const Uuid& request = {}, Index born = {});
    /// A linearizable read: answer from a state that has applied `index`, and ask again if
    /// `valid_until` has passed when that was read.
    struct ReadGrant {
        Index index;
        Instant valid_until;
    };
    void read(std::function<void(Result<ReadGrant>)> done);
    /// Until when this leader's own state may be read without asking anybody; look at the clock
    /// after reading. In the past on any other server.
    Instant lease_until() const { return Instant{lease_until_.load(std::memory_order_acquire)}; }
    void change_membership(Ticket ticket, raft::Change change);
    void transfer(Ticket ticket, ServerId to);
    void applied(Index index);
    void snapshot_saved(Result<env::SnapshotMeta> meta);
    void snapshot_installed(Index index, Result<void> result);
    /// Entries as the log holds them; answered on the replica's thread.
    void entries(
        Index first,
        std::size_t count_max,
        std::function<void(Result<std::vector<raft::Entry>>)> done
    );
    /// At most kStatusAge old, unless nothing happened since; a copy under a lock.
    static constexpr Duration kStatusAge = milliseconds(5);
    server::ReplicaStatus status() const;
    raft::Membership membership() const;
    /// Events that wait for the loop.
    std::size_t queued() const { return loop_.queued(); }

private:
    explicit ReplicaHost(Options options);
    void enqueue(server::Event event);
    void drain();
    void carry_out(server::Effects effects);
    void tell_addresses(const raft::Membership& members);
    void arm();
    void publish_status(Instant now, bool at_once);

    Options options_;
    Callbacks callbacks_;
    std::unique_ptr<env::LogStore> log_;
    std::unique_ptr<env::SnapshotStore> snapshots_;
    std::optional<env::SnapshotMeta> latest_;
    std::unique_ptr<io::GrpcTransport> transport_;
    std::unique_ptr<server::SnapshotWorker> snapshot_worker_;
    io::EventLoop loop_;
    io::EventLoop snapshot_loop_;

    // The loop's own.
    std::unique_ptr<server::Replica> replica_;
    std::vector<server::Event> pending_;
    std::map<Ticket, std::function<void(Result<ReadGrant>)>> reads_;
    Ticket next_read_{1};
    /// Membership changes and transfers, which end without being applied.
    std::set<Ticket> direct_;
    Instant armed_{Instant::max()};
    std::uint64_t timer_{0};
    bool failed_{false};
    raft::Membership known_members_;
    Instant status_taken_;
    bool status_due_{false};

    mutable std::mutex mutex_;
    server::ReplicaStatus status_;
    raft::Membership membership_;
    std::atomic<bool> started_{false};
    std::atomic<std::int64_t> lease_until_{0};
};

}  // namespace nl::agent
