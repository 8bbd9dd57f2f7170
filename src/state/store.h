#pragma once
// The versioned store: what all committed commands together mean. Owned by the applier and used on
// its thread only, but for Snapshot. Deterministic: the same commands in the same order give the
// same state_hash() on every server. A row is never edited in place; see heap.h for how memory is
// given back. Destroying the store is allowed while snapshots are held: they stay readable.

#include "base/error.h"
#include "base/strong.h"
#include "state/command.h"
#include "state/effects.h"
#include "state/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace nl::state {

struct Core;

class Store {
public:
    /// Empty but for what every cluster has: namespace `default`, node pools `default` and `all`,
    /// and the default configurations.
    Store();
    Store(Store&& other) noexcept;
    Store& operator=(Store&& other) noexcept;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store();

    /// Carries the command out at `index`, which must be above index(). Never fails for a committed
    /// command; a refusal (check-and-set conflict, unknown job) is Effects::result and changes
    /// nothing but the index.
    Effects apply(Index index, const Command& command);
    /// An entry of the log that is no command of ours (a membership change, a leader's first
    /// entry).
    void skip(Index index);
    /// This state took another one's place at `index`, above index(): whoever watches a table must
    /// look again, so each counts as changed here.
    void replaced(Index index);
    Index index() const;

    /// The state as it is now; O(1). Calls without an apply between them give the same version.
    Snapshot snapshot();

    /// Writes the snapshot as a stream of checksummed blocks (docs/formats/state_snapshot.md), on
    /// any thread. The sink may refuse (disk full, receiver gone), which ends the writing.
    using Sink = std::function<Result<void>(BytesView chunk)>;
    static Result<void> save(const Snapshot& snapshot, const Sink& sink);
    /// Reads what save wrote. The source gives the next bytes, at most as many as asked, "" at the
    /// end. Errors: Corruption, naming what is damaged.
    using Source = std::function<Result<Bytes>(std::size_t max)>;
    static Result<Store> load(const Source& source);

    /// Versions not freed yet, the current one included; for tests and metrics.
    std::size_t live_versions() const;

private:
    explicit Store(Core* core);
    void collect();

    Core* core_ = nullptr;
    /// Of the current version; empty after a change.
    Snapshot current_;
};

/// A hash over every row in key order: equal states have equal hashes, whatever their history.
std::uint64_t state_hash(const Snapshot& snapshot);

}  // namespace nl::state
