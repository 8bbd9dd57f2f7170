#pragma once
// Launches periodic jobs: at each time of a job's cron expressions a child job is registered with
// an evaluation, in one command with the launch time, so that a failover neither doubles nor loses
// a launch. A time that passed while nobody led is launched once. Owned by server::Leader; rebuilt
// from a snapshot. Source: jobspec reference, periodic; reliability row 62.

#include "base/rng.h"
#include "base/time.h"
#include "model/job.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::server {

class Periodic {
public:
    void rebuild(const state::Snapshot& snapshot, Instant now, WallTime wall);
    /// The job was registered, changed or removed.
    void changed(
        const std::string& ns,
        const std::string& job_id,
        const state::Snapshot& snapshot,
        Instant now,
        WallTime wall
    );
    std::vector<state::Command> tick(
        const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
    );
    Instant next_deadline() const;
    std::size_t size() const { return jobs_.size(); }

private:
    using Key = std::pair<std::string, std::string>;
    struct Next {
        WallTime at;
        Instant due;
    };
    void plan(const model::Job& job, WallTime after, Instant now, WallTime wall);

    std::map<Key, Next> jobs_;
    std::set<std::pair<Instant, Key>> by_due_;
};

/// The next launch of a job strictly after `after`; nullopt if it has none. Times are UTC unless
/// the job names a zone the cron parser knows.
std::optional<WallTime> next_launch(const model::Job& job, WallTime after);
/// The child of a periodic job launched at `at`.
model::Job periodic_child(const model::Job& job, WallTime at);

}  // namespace nl::server
