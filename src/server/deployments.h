#pragma once
// Watches running deployments: wakes the scheduler when allocations become healthy so that the next
// step begins, lets unhealthy ones be tried again while the group's policy and progress deadline
// allow it and fails the deployment when they do not, promotes canaries by itself where asked, and
// goes back to the last stable version (server/rollback). Acts only by commands. Owned by server::Leader; rebuilt from a snapshot.
// Source: jobspec reference, update; JSON conventions, deployment texts.

#include "base/rng.h"
#include "base/time.h"
#include "base/uuid.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace nl::server {

struct DeploymentOptions {
    /// The least time between two looks at one deployment; changes in between are seen together.
    Duration batch = milliseconds(250);
    /// Versions kept of a job that goes back, as in state::commands::JobRegister.
    std::uint32_t keep_versions{0};
};

class Deployments {
public:
    explicit Deployments(DeploymentOptions options) : options_(options) {}

    void rebuild(const state::Snapshot& snapshot, Instant now);
    /// The deployment, or one of its allocations, has changed.
    void changed(const Uuid& deployment, Instant now);
    /// Commands that are due.
    std::vector<state::Command> tick(
        const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
    );
    Instant next_deadline() const;

private:
    struct Watch {
        /// Look no earlier; max if nothing is known to come.
        Instant due = Instant::max();
        /// Healthy allocations when the scheduler was last woken.
        std::int64_t healthy_seen{0};
    };

    DeploymentOptions options_;
    std::map<Uuid, Watch> watches_;
};

}  // namespace nl::server
