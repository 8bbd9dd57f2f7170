#pragma once
// Empties draining nodes: asks for the migration of a job's allocations a few at a time (migrate
// max_parallel), keeping the others running until replacements are healthy; system jobs go last; at
// the deadline everything goes; a node without anything left is done. Acts only by commands. Owned
// by server::Leader; rebuilt from a snapshot. Source: reliability row 63; HTTP API, node drain.

#include "base/rng.h"
#include "base/time.h"
#include "base/uuid.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <set>
#include <vector>

namespace nl::server {

struct DrainOptions {
    /// How often draining nodes are looked at when nothing changes.
    Duration interval = seconds(1);
    /// Allocations asked to migrate in one command.
    std::size_t max_per_command{512};
};

class Drainer {
public:
    explicit Drainer(DrainOptions options) : options_(options) {}

    void rebuild(const state::Snapshot& snapshot, Instant now);
    /// The node's drain began, changed or ended.
    void changed(const Uuid& node, const state::Snapshot& snapshot, Instant now);
    /// Allocations changed somewhere: look soon.
    void nudge(Instant now);
    std::vector<state::Command> tick(
        const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
    );
    Instant next_deadline() const { return nodes_.empty() ? Instant::max() : due_; }
    std::size_t size() const { return nodes_.size(); }

private:
    DrainOptions options_;
    std::set<Uuid> nodes_;
    Instant due_ = Instant::max();
};

}  // namespace nl::server
