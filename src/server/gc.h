#pragma once
// Removes what is finished and old: evaluations with their allocations, dead jobs, deployments, and
// nodes that are down without allocations. Looks at the state every interval, or at once when an
// operator asks (then age does not matter). Acts only by commands, each bounded in size. Owned by
// server::Leader. Source: HTTP API, system gc; reliability row 39 (bounded batches).

#include "base/rng.h"
#include "base/time.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <cstddef>
#include <vector>

namespace nl::server {

struct GcOptions {
    Duration interval = minutes(5);
    Duration eval_threshold = hours(1);
    Duration batch_eval_threshold = hours(24);
    Duration job_threshold = hours(4);
    Duration node_threshold = hours(24);
    Duration deployment_threshold = hours(1);
    Duration acl_token_threshold = hours(1);
    /// Ids in one command.
    std::size_t max_per_command{4096};
};

class Gc {
public:
    explicit Gc(GcOptions options) : options_(options) {}

    void start(Instant now) { due_ = now + options_.interval; }
    std::vector<state::Command> tick(const state::Snapshot& snapshot, Instant now, WallTime wall);
    Instant next_deadline() const { return due_; }

    /// What may go, as commands; `force` does not ask how old it is.
    std::vector<state::Command> collect(
        const state::Snapshot& snapshot, WallTime wall, bool force
    );
    /// Whether the last collection left something for the next.
    bool left_over() const { return left_over_; }

private:
    GcOptions options_;
    Instant due_ = Instant::max();
    bool left_over_{false};
};

}  // namespace nl::server
