#pragma once
// Launches periodic jobs: at each time of a job's cron expressions a child job is registered with
// an evaluation, in one command with the time of the launch. A launch is done when the state says
// so and not before: one whose command was lost is proposed again, one that two leaders propose is
// carried out once. Times that came while nobody led, or that a calendar set forward jumped over,
// are dealt with by the job's `missed` policy. Acts only by commands. Owned by server::Leader;
// rebuilt from a snapshot. Source: jobspec reference, periodic; reliability row 62.

#include "base/rng.h"
#include "base/time.h"
#include "expr/cron.h"
#include "expr/zone.h"
#include "model/job.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::server {

/// A launch this late has not been missed: a change of leader takes that long.
inline constexpr Duration kOnTime = minutes(1);
/// Launches made up for at most with "run_all".
inline constexpr std::size_t kMissedRunsMax = 100;
/// No launch older than this is made up for.
inline constexpr Duration kMissedAgeMax = hours(24 * 366);

/// The launches of one job.
class Launches {
public:
    /// Errors: InvalidArgument for a bad expression or a zone the source does not know.
    static Result<Launches> of(const model::PeriodicConfig& config, const expr::ZoneSource* zones);

    /// The first launch strictly after the time.
    std::optional<WallTime> next(WallTime after) const;
    /// The launches in (after, until], the last `max` of them, ascending.
    std::vector<WallTime> between(WallTime after, WallTime until, std::size_t max) const;
    /// What is to be launched next, when the last launch was at `after`: a missed one by the
    /// policy, else the next. May lie in the past.
    std::optional<WallTime> due(WallTime after, WallTime wall) const;

private:
    enum class Missed { Skip, RunOnce, RunAll };
    std::vector<expr::Cron> crons_;
    std::shared_ptr<const expr::Zone> zone_;
    Missed missed_{Missed::RunOnce};
};

class Periodic {
public:
    explicit Periodic(std::shared_ptr<const expr::ZoneSource> zones) : zones_(std::move(zones)) {}

    void rebuild(const state::Snapshot& snapshot, Instant now, WallTime wall);
    /// The job was registered, changed, removed or launched.
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
    std::size_t size() const { return jobs_.size(); }

private:
    using Key = std::pair<std::string, std::string>;
    struct Next {
        Launches launches;
        WallTime at;
        /// When its command was proposed; it is proposed again if nothing comes of it.
        std::optional<Instant> proposed;
    };
    void forget(const Key& key);
    void set_due(Instant now, WallTime wall);

    std::shared_ptr<const expr::ZoneSource> zones_;
    std::map<Key, Next> jobs_;
    /// Waiting for their time.
    std::set<std::pair<WallTime, Key>> by_time_;
    /// Proposed and not yet seen.
    std::set<std::pair<Instant, Key>> proposed_;
    Instant due_ = Instant::max();
};

/// The child of a periodic job launched at `at`.
model::Job periodic_child(const model::Job& job, WallTime at);

}  // namespace nl::server
