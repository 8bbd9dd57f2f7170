#pragma once
// Who waits for which change. A parked query or stream registers the keys it depends on together
// with the index of the snapshot it has looked at; it is woken by the first change of any of them,
// at once if that has happened since. A value machine owned by the applier loop, which calls
// `notify` after each apply. A watch costs its keys (8 bytes each) and some 100 bytes; it never
// holds a snapshot. Keys are hashes: a collision wakes a reader for nothing, who looks and parks
// again. Always register with the index of the snapshot read, not with a client's `index`
// parameter: what is older than the kept history (kHistory) wakes at once.

#include "base/strong.h"
#include "base/uuid.h"
#include "state/effects.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nl::state {

struct WatchKey {
    std::uint64_t hash{};

    friend bool operator==(const WatchKey&, const WatchKey&) = default;
};

/// Any row of the table.
WatchKey watch_table(TableId table);
/// One row: by id, or by namespace (if it has one) and name.
WatchKey watch_row(TableId table, const Uuid& id);
WatchKey watch_row(TableId table, std::string_view ns, std::string_view key);
/// Rows of the table in the namespace.
WatchKey watch_namespace(TableId table, std::string_view ns);
/// What belongs to a job: its evaluations, allocations, deployments, versions, services.
WatchKey watch_of_job(TableId table, std::string_view ns, std::string_view job_id);
/// What belongs to a node (allocations, services), an evaluation or a deployment (allocations).
WatchKey watch_of_node(TableId table, const Uuid& node);
WatchKey watch_of_eval(TableId table, const Uuid& eval);
WatchKey watch_of_deployment(TableId table, const Uuid& deployment);

using WatchId = std::uint64_t;

class WatchRegistry {
public:
    /// Key changes kept to tell whether something happened between a reader's look and its
    /// registration.
    static constexpr std::size_t kHistory = 1U << 16;
    /// Keys of one watch; a query that depends on more watches the table.
    static constexpr std::size_t kMaxKeys = 256;

    /// False: one of the keys changed after `seen` (or it cannot be told): look again; nothing is
    /// registered. True: `id`, chosen by the caller and not in use, will be in a later `notify`.
    bool add(WatchId id, std::span<const WatchKey> keys, Index seen);
    void remove(WatchId id);
    /// Takes note of what a command changed and moves the watches it wakes to the end of `woken`;
    /// they are no longer registered.
    void notify(const Effects& effects, std::vector<WatchId>& woken);
    /// The state was replaced as a whole: wakes all.
    void reset(Index index, std::vector<WatchId>& woken);

    std::size_t size() const { return watches_.size(); }

private:
    void touch(WatchKey key, Index index, std::vector<WatchId>& woken);

    struct Past {
        Index index;
        std::uint64_t hash;
    };

    std::unordered_map<WatchId, std::vector<std::uint64_t>> watches_;
    std::unordered_map<std::uint64_t, std::vector<WatchId>> waiting_;
    std::deque<Past> history_;
    /// Changes at or below are forgotten.
    Index forgotten_;
};

}  // namespace nl::state
