#pragma once
// The node's core as a value machine: `on(event, now) -> Effects`. It reconciles the allocations
// that the servers want here with those that run, through one AllocRunner each, reports their
// states, keeps the session's heartbeat and its local state, and removes what is finished. It does
// no input or output and reads no clock (client/effects.h); the same events give the same effects.
//
// Life: construct with what the local state holds; `start(now)` answers the first effects
// (recovering tasks, fingerprinting drivers); then `on` for each event, and Tick when
// `next_deadline()` is reached. Invariant: an allocation has one runner from its first push until
// it is both terminal and removed.

#include "base/rng.h"
#include "base/uuid.h"
#include "client/alloc_runner.h"
#include "client/effects.h"
#include "client/local_state.h"
#include "client/status_batcher.h"
#include "client/tickets.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::client {

/// Finished allocations whose files are kept, before the oldest go (Nomad's gc_max_allocs).
inline constexpr std::size_t kDefaultGcMaxAllocs = 50;
/// Allocations one node takes at most.
inline constexpr std::size_t kMaxAllocs = 16384;

struct NodeOptions {
    /// Identity and configuration: id, secret, name, datacenter, class, pool, meta. Facts
    /// (attributes, resources) are merged into it.
    model::Node node;
    std::string region{"global"};
    /// Where allocations live: <alloc_root>/<alloc id>/...
    std::string alloc_root;
    /// Names of the drivers the agent carries.
    std::vector<std::string> drivers;
    /// Nomad's max_kill_timeout.
    Duration max_kill_timeout{seconds(30)};
    std::size_t gc_max_allocs{kDefaultGcMaxAllocs};
    /// Percent of the disk, and of its inodes, above which finished allocations go, oldest first.
    double gc_disk_usage_threshold{80};
    double gc_inode_usage_threshold{70};
    std::size_t gc_parallel_destroys{2};
    Duration gc_interval{minutes(1)};
    RunnerSettings runner{};
    /// Paths as tasks see them are the node's; drivers with an image of their own change them.
    std::string parent_cgroup{"nomad"};
    /// Metadata set while the node ran (record kMetaKey of the local state): laid over node.meta; a
    /// key without a value hides the configured one.
    Map<std::optional<std::string>> dynamic_meta;
};

/// The local state's record of the node's dynamic metadata.
inline constexpr std::string_view kMetaKey = "meta";
struct MetaRecord {
    Map<std::optional<std::string>> dynamic;
    NL_FIELDS(MetaRecord, (1, dynamic))
};
/// Keys a node's dynamic metadata may have.
inline constexpr std::size_t kDynamicMetaMax = 1024;

/// One line for each allocation, for tests, metrics and the agent's own routes.
struct AllocSummary {
    Uuid id;
    std::string job_id;
    model::AllocClientStatus client_status{};
    bool stopping{};
    bool terminal{};
    std::int64_t cpu{};
    std::int64_t memory_mb{};
    std::int64_t memory_max_mb{};
    std::int64_t disk_mb{};
    /// Tasks by their state.
    std::map<std::string, std::int64_t> tasks;
};

class Node {
public:
    /// `restored` is what the local state held (read by the agent through env::BlobStore).
    Node(NodeOptions options, Rng rng, RestoredState restored);

    Effects start(Now now);
    Effects on(Event event, Now now);
    /// When a Tick is due at the latest; Instant::max() if never.
    Instant next_deadline() const;

    /// The node as it registers: configuration, facts and drivers.
    const model::Node& node() const { return node_; }
    std::vector<AllocSummary> allocs() const;
    /// The state of one allocation as last reported; nullopt if unknown.
    std::optional<server::AllocStatus> alloc_status(const Uuid& id) const;
    /// Instances of an allocation that run now: what the agent asks drivers for statistics about.
    std::vector<TaskId> running_tasks(const Uuid& alloc) const;
    bool has_session() const { return session_; }

private:
    void handle(const SessionUp&, Effects& out);
    void handle(const SessionDown& event, Effects& out);
    void handle(FromServer& event, Effects& out);
    void handle(const FromServerMore& event, Effects& out);
    void handle(const DriverEvent& event, Effects& out);
    void handle(const FilesDone& event, Effects& out);
    void handle(const NetworkDone& event, Effects& out);
    void handle(const Tick&, Effects& out);
    void handle(const FactsChanged& event, Effects& out);
    void handle(const ReadEnded& event, Effects& out);
    void handle(const CheckDone& event, Effects& out);
    void handle(const ScriptDone& event, Effects& out);
    void handle(const DiskRoom& event, Effects& out);
    void handle(const VolumesChanged& event, Effects& out);
    void handle(const Leave&, Effects& out);

    void apply_changes(server::AllocChanges& changes, Effects& out);
    void upsert(std::shared_ptr<const model::Allocation> alloc, Effects& out);
    void forget(const Uuid& id, Effects& out);
    void report(const AllocRunner& r);
    void after(AllocRunner& r, Effects& out);
    void begin_waiting(Effects& out);
    void begin(AllocRunner& r, Effects& out);
    bool held_back(const model::Allocation& alloc);
    void release_held(Effects& out);
    void stop_disconnected(Effects& out);
    Instant disconnect_deadline() const;
    void drop_orphans(Effects& out);
    void answer(std::uint64_t call, Bytes item, Effects& out);
    void collect_garbage(std::size_t keep, Effects& out);
    void remove_now(const Uuid& id, Effects& out);
    void say_hello(Effects& out);
    void lay_meta();
    void serve_meta(const server::Call& call, Effects& out);
    void merge_driver_attributes();
    void serve(const server::Call& call, Effects& out);
    Result<void> check_call(const server::CallRequest& request);
    void end_call(std::uint64_t call, const Result<void>& result, Effects& out);
    AllocRunner* runner(const Uuid& id);
    RunnerContext context(Effects& out);

    NodeOptions options_;
    RunnerSettings settings_;
    Rng rng_;
    RestoredState restored_;
    model::Node node_;
    Now now_;
    /// Sorted, so that a pass over them has the same order everywhere.
    std::map<Uuid, std::unique_ptr<AllocRunner>> runners_;
    /// Runners that wait for the drivers' fingerprints before they start.
    std::set<Uuid> waiting_;
    /// Runners that wait for the end of the allocation they replace.
    std::set<Uuid> held_;
    /// Allocations named so far by a full set that has not ended yet.
    std::optional<std::set<Uuid>> full_set_;
    Tickets tickets_;
    StatusBatcher batcher_;
    ServiceBatcher services_;
    Watches watches_;
    /// When a server was heard last; a start counts.
    Instant last_heard_;
    Instant disk_due_{Instant::max()};
    /// Drivers that have not been fingerprinted yet: the node says hello when none is left.
    std::set<std::string, std::less<>> fingerprints_due_;
    std::set<std::uint64_t> open_calls_;
    bool session_ = false;
    bool registered_ = false;
    bool facts_known_ = false;
    std::uint64_t heartbeat_sequence_ = 0;
    Duration heartbeat_ttl_{seconds(10)};
    Instant heartbeat_due_{Instant::max()};
    /// Finished allocations, oldest first.
    std::vector<Uuid> finished_;
};

}  // namespace nl::client
