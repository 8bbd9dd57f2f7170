#pragma once
// Lets dispatched children of a parameterized job go when the job says how many may run at once
// (`max_parallel`): a child is registered without an evaluation and gets one here, highest priority
// first, then the one dispatched first. A child counts until it is dead. Also stops jobs whose time
// to live is over. Acts only by commands; needs no memory that the state does not have, so a new
// leader goes on where the former one was. Owned by server::Leader; rebuilt from a snapshot.
// Source: our additions to Nomad's parameterized block and job (docs/job-lives.md).

#include "base/rng.h"
#include "base/time.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::server {

/// Children let go by one command; the next come with the next.
inline constexpr std::size_t kReleasedAtOnce = 256;

class Dispatcher {
public:
    void rebuild(const state::Snapshot& snapshot, Instant now, WallTime wall);
    /// The job was registered, changed its status, or was removed.
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
    Instant next_deadline() const { return due_; }

private:
    using Key = std::pair<std::string, std::string>;
    void set_expiry(const Key& key, std::optional<WallTime> at);
    void set_due(Instant now, WallTime wall);
    std::optional<state::Command> release(
        const state::Snapshot& snapshot, const Key& parent, Instant now, WallTime wall, Rng& rng
    );

    /// Parents with a limit to look at.
    std::set<Key> look_at_;
    /// Children let go by a command that the state does not show yet, and since when.
    std::map<Key, Instant> released_;
    std::map<Key, WallTime> expiry_of_;
    std::set<std::pair<WallTime, Key>> expiries_;
    Instant due_ = Instant::max();
};

/// Whether a child waits for its turn: registered, but never evaluated.
bool waits_for_turn(const state::Snapshot& snapshot, const model::Job& child);

}  // namespace nl::server
