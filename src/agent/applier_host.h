#pragma once
// Gives the state store its thread: applies what the replica commits, publishes a snapshot after
// each batch, wakes watches, answers proposals with their outcome, saves and loads snapshots.
// Callbacks given to it run on the applier's thread and must not block.

#include "agent/replica_host.h"
#include "io/loop.h"
#include "server/request_window.h"
#include "server/saved_state.h"
#include "state/command.h"
#include "state/store.h"
#include "state/watch.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace nl::agent {

/// How a proposal ended once it was applied. `effects` and `snapshot` show the state right after
/// its batch.
struct Outcome {
    Index index;
    /// The state's own answer: refusals such as a check-and-set conflict.
    Result<void> result;
    Index conflict_index;
    state::Snapshot snapshot;
};

class ApplierHost {
public:
    /// Effects of one applied batch, in order, and the snapshot after it. After an installed
    /// snapshot: no effects, `reset` true.
    struct Batch {
        std::shared_ptr<const std::vector<state::Effects>> effects;
        state::Snapshot snapshot;
        bool reset{false};
        /// The last entry of the log that it holds; the state's own index may be ahead of it.
        Index applied;
    };
    using OnBatch = std::function<void(const std::shared_ptr<const Batch>&)>;
    using Reply = std::function<void(Result<Outcome>)>;

    explicit ApplierHost(ReplicaHost& replica);
    ~ApplierHost();
    ApplierHost(const ApplierHost&) = delete;
    ApplierHost& operator=(const ApplierHost&) = delete;

    /// Loads the replica's newest snapshot, if any. Before start(). Errors: Corruption.
    Result<void> load();
    void start(OnBatch on_batch);
    void stop();

    // Called by the replica host.
    void committed(std::vector<server::Committed> entries);
    void install(env::SnapshotMeta meta);
    void take_snapshot();

    // Any thread.
    /// The last entry of the log that is applied and published.
    Index applied() const { return Index(applied_.load(std::memory_order_acquire)); }
    /// Calls `done` once everything up to this entry of the log is applied and published.
    void when_applied(Index index, std::function<void()> done);
    /// Calls `done` once the state's own index has reached this.
    void when_state_reaches(Index index, std::function<void()> done);
    /// The command that replaces the whole state by a saved one (`operator snapshot restore`).
    static Bytes restore_command(BytesView saved);
    state::Snapshot snapshot() const;
    /// A ticket whose proposal will be answered through `reply`, exactly once, here or by settle().
    Ticket expect(Reply reply);
    /// Ends a ticket that will not be applied here.
    void settle(Ticket ticket, Result<Outcome> outcome);
    /// Calls `woken` once when one of the keys changes after `seen` (at once if one has), unless
    /// unwatch() came first.
    state::WatchId watch(
        std::vector<state::WatchKey> keys, Index seen, std::function<void()> woken
    );
    void unwatch(state::WatchId id);
    std::size_t watches() const;
    std::size_t queued() const { return loop_.queued(); }
    std::size_t requests_remembered() const { return requests_count_; }

private:
    void apply(std::vector<server::Committed> entries);
    void publish();
    void settle_waiting();
    Result<void> load_from(const env::SnapshotMeta& meta);
    void wake(const std::vector<state::WatchId>& ids);
    Result<void> restore(Index index, BytesView command);
    Result<void> save(
        const state::Snapshot& snapshot,
        const server::SavedExtra& extra,
        const env::SnapshotMeta& meta
    );

    ReplicaHost& replica_;
    OnBatch on_batch_;
    io::EventLoop loop_;
    io::EventLoop saver_;

    // The loop's own.
    state::Store store_;
    server::RequestWindow requests_;
    /// server::SavedExtra::index_shift.
    std::uint64_t index_shift_{0};
    /// Those who wait for an index to be applied.
    std::multimap<Index, std::function<void()>> waiting_for_;
    server::AppliedPosition position_;
    state::WatchRegistry watches_;
    std::unordered_map<state::WatchId, std::function<void()>> parked_;

    mutable std::mutex mutex_;
    state::Snapshot published_;
    std::map<Ticket, Reply> replies_;
    Ticket next_ticket_{1};
    std::atomic<state::WatchId> next_watch_{1};
    std::atomic<std::size_t> watch_count_{0};
    std::atomic<std::uint64_t> applied_{0};
    std::atomic<std::size_t> requests_count_{0};
    bool started_{false};
};

}  // namespace nl::agent
