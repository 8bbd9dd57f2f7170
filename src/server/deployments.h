#pragma once
// Watches running deployments: wakes the scheduler when allocations become healthy so that the next
// step begins, lets unhealthy ones be tried again while the group's policy and progress deadline
// allow it and fails the deployment when they do not, promotes canaries by itself where asked, and
// goes back to the last stable version (server/rollback). Deadlines are kept in time that passes: a
// calendar that is set moves none, and a new leader lets nodes speak before one is over. Acts only
// by commands. Owned by server::Leader; rebuilt from a snapshot.
// Source: jobspec reference, update; JSON conventions, deployment texts.

#include "base/rng.h"
#include "base/time.h"
#include "base/uuid.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
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
    /// A command of this duty was lost on its way: what it said is said again if it still holds.
    void look_again(Instant now);
    /// Commands that are due.
    std::vector<state::Command> tick(
        const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
    );
    Instant next_deadline() const;

    /// A deadline of the state, as first seen by this leader.
    struct Deadline {
        WallTime at;
        Instant due;
        /// Of a group's progress: its healthy allocations then.
        std::int64_t healthy{0};
    };

private:
    struct Watch {
        /// Look no earlier; max if nothing is known to come.
        Instant due = Instant::max();
        /// Healthy allocations when the scheduler was last woken.
        std::int64_t healthy_seen{0};
        /// By allocation without a verdict: when its tasks have run for long enough, and when it
        /// must be healthy.
        std::map<Uuid, Deadline> ripe;
        std::map<Uuid, Deadline> judged;
        /// By group.
        std::map<std::string, Deadline> progress;
    };

    DeploymentOptions options_;
    std::map<Uuid, Watch> watches_;
};

}  // namespace nl::server
