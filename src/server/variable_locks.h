#pragma once
// The lifetimes of the locks on variables, kept by the leader: a lock whose holder does not renew it
// within its TTL is released after its delay. Nothing of this is stored: a new leader gives every
// lock its whole TTL again, so that a change of leaders never takes a lock away early. Acts only by
// commands. Owned by the leader's loop. Source: Nomad HTTP API, 8 (locks).

#include "base/error.h"
#include "base/time.h"
#include "state/command.h"
#include "state/effects.h"
#include "state/snapshot.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::server {

class VariableLocks {
public:
    /// This server leads from here on.
    void lead(const state::Snapshot& snapshot, Instant now);
    void retire();
    /// A batch was applied; `snapshot` is the state after it.
    void applied(
        const std::vector<state::Effects>& batch, const state::Snapshot& snapshot, Instant now
    );
    /// Errors: Conflict: not held by this lock id, or its TTL has passed.
    Result<void> renew(
        const std::string& ns, const std::string& path, const std::string& id, Instant now
    );
    /// What is due, as commands.
    std::vector<state::Command> tick(Instant now, WallTime wall);
    /// Instant::max(): nothing is held.
    Instant next_deadline() const;

    std::size_t held() const { return held_.size(); }

private:
    using Name = std::pair<std::string, std::string>;
    struct Held {
        std::string id;
        Duration ttl;
        Duration delay;
        Instant due;
        /// The TTL has passed: the holder has lost it, others wait for the delay.
        bool expired = false;
    };

    void put(const Name& name, const state::VariableRow* row, Instant now);
    void schedule(const Name& name, Held& held, Instant due);
    void drop(const Name& name);

    std::map<Name, Held> held_;
    std::set<std::pair<Instant, Name>> due_;
};

}  // namespace nl::server
