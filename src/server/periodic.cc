#include "server/periodic.h"

#include "base/check.h"
#include "server/node_evals.h"
#include "state/commands/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nl::server {
namespace {

/// The calendar may be set: it is looked at again at least this often.
constexpr Duration kLookAgain = seconds(30);
/// A launch that the state does not show after this long was lost on its way.
constexpr Duration kProposeAgain = seconds(5);

bool is_launched(const model::Job& job) {
    return job.periodic && job.periodic->enabled && !job.stop &&
           (!job.parameterized_job || job.dispatched);
}

bool child_runs(const state::Snapshot& snapshot, const model::Job& job) {
    for (const state::JobRow& child : snapshot.jobs_of_parent(job.namespace_, job.id)) {
        if (child.job->status != "dead" && !child.job->stop) {
            return true;
        }
    }
    return false;
}

}  // namespace

// ---- the launches of one job

Result<Launches> Launches::of(
    const model::PeriodicConfig& config, const expr::ZoneSource* zones
) {
    Launches out;
    std::vector<std::string> specs = config.specs;
    if (!config.spec.empty()) {
        specs.push_back(config.spec);
    }
    for (const std::string& spec : specs) {
        NL_TRY(auto cron, expr::Cron::parse(spec));
        out.crons_.push_back(cron);
    }
    if (!expr::is_utc(config.time_zone)) {
        out.zone_ = zones == nullptr ? nullptr : zones->find(config.time_zone);
        if (out.zone_ == nullptr) {
            return fail(ErrorCode::InvalidArgument, "unknown time zone {}", config.time_zone);
        }
    }
    out.missed_ = config.missed == "skip"      ? Missed::Skip
                  : config.missed == "run_all" ? Missed::RunAll
                                               : Missed::RunOnce;
    return out;
}

std::optional<WallTime> Launches::next(WallTime after) const {
    std::optional<WallTime> first;
    for (const expr::Cron& cron : crons_) {
        const auto at = cron.next(after, zone_.get());
        if (at && (!first || *at < *first)) {
            first = at;
        }
    }
    return first;
}

std::vector<WallTime> Launches::between(WallTime after, WallTime until, std::size_t max) const {
    NL_ASSERT(max > 0);
    // The last few are wanted: a longer span is looked at only if a shorter one has too few.
    constexpr std::array kSpans{minutes(2), hours(1), hours(24), hours(24 * 31), kMissedAgeMax};
    std::vector<WallTime> found;
    for (const Duration span : kSpans) {
        found.clear();
        const WallTime from = std::max(after, until - span);
        WallTime at = from;
        while (const auto one = next(at)) {
            if (*one > until) {
                break;
            }
            at = *one;
            found.push_back(at);
        }
        if (found.size() >= max || from == after) {
            break;
        }
    }
    if (found.size() > max) {
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(max));
    }
    return found;
}

std::optional<WallTime> Launches::due(WallTime after, WallTime wall) const {
    switch (missed_) {
        case Missed::Skip:
            return next(std::max(after, wall - kOnTime));
        case Missed::RunOnce: {
            const auto missed = between(after, wall, 1);
            return missed.empty() ? next(after) : std::optional(missed.back());
        }
        case Missed::RunAll: {
            const auto missed = between(after, wall, kMissedRunsMax);
            return missed.empty() ? next(after) : std::optional(missed.front());
        }
    }
    NL_UNREACHABLE();
}

model::Job periodic_child(const model::Job& job, WallTime at) {
    model::Job child = job;
    child.parent_id = job.id;
    child.id = fmt::format("{}/periodic-{}", job.id, at.unix_ns / 1'000'000'000);
    child.name = child.id;
    child.periodic.reset();
    child.dispatch_idempotency_token.clear();
    child.status.clear();
    child.status_description.clear();
    child.stable = false;
    child.version = 0;
    child.version_tag.reset();
    child.create_index = child.modify_index = child.job_modify_index = Index{};
    return child;
}

// ---- the duty

void Periodic::forget(const Key& key) {
    const auto known = jobs_.find(key);
    if (known == jobs_.end()) {
        return;
    }
    by_time_.erase({known->second.at, key});
    if (known->second.proposed) {
        proposed_.erase({*known->second.proposed, key});
    }
    jobs_.erase(known);
}

void Periodic::set_due(Instant now, WallTime wall) {
    due_ = proposed_.empty() ? Instant::max() : proposed_.begin()->first + kProposeAgain;
    if (!by_time_.empty()) {
        const WallTime at = by_time_.begin()->first;
        due_ = std::min(due_, at <= wall ? now : now + std::min(at - wall, kLookAgain));
    }
}

void Periodic::rebuild(const state::Snapshot& snapshot, Instant now, WallTime wall) {
    for (const state::JobRow& row : snapshot.jobs()) {
        if (row.job->periodic) {
            changed(row.job->namespace_, row.job->id, snapshot, now, wall);
        }
    }
}

void Periodic::changed(
    const std::string& ns,
    const std::string& job_id,
    const state::Snapshot& snapshot,
    Instant now,
    WallTime wall
) {
    const Key key{ns, job_id};
    forget(key);
    const auto job = snapshot.job(ns, job_id);
    if (job != nullptr && is_launched(*job)) {
        WallTime after{job->submit_time};
        if (const auto* launched = snapshot.periodic_launch(ns, job_id)) {
            after = std::max(after, launched->launch);
        }
        auto launches = Launches::of(*job->periodic, zones_.get());
        // A job that this server cannot launch (a zone only another's database has) is left alone.
        const auto at = launches ? launches->due(after, wall) : std::nullopt;
        if (at) {
            jobs_.emplace(key, Next{std::move(*launches), *at, std::nullopt});
            by_time_.emplace(*at, key);
        }
    }
    set_due(now, wall);
}

std::vector<state::Command> Periodic::tick(
    const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
) {
    std::vector<state::Command> commands;
    if (now < due_) {
        return commands;
    }
    while (!proposed_.empty() && proposed_.begin()->first + kProposeAgain <= now) {
        const Key key = proposed_.begin()->second;
        changed(key.first, key.second, snapshot, now, wall);
    }
    while (!by_time_.empty() && by_time_.begin()->first <= wall) {
        const Key key = by_time_.begin()->second;
        Next& next = jobs_.at(key);
        by_time_.erase(by_time_.begin());
        const auto job = snapshot.job(key.first, key.second);
        if (job == nullptr || !is_launched(*job)) {
            forget(key);
            continue;
        }
        // A calendar that was set forward has jumped over some.
        const auto at = next.launches.due(next.at - nanoseconds(1), wall);
        next.at = at && *at <= wall ? *at : next.at;
        state::commands::PeriodicLaunchUpsert command;
        command.launch.namespace_ = key.first;
        command.launch.job_id = key.second;
        command.launch.launch = next.at;
        // Not launched or not, the time has had its turn.
        const bool skipped = wall - next.at > kOnTime && job->periodic->missed == "skip";
        if (!skipped && !(job->periodic->prohibit_overlap && child_runs(snapshot, *job))) {
            auto child = std::make_shared<model::Job>(periodic_child(*job, next.at));
            child->submit_time = wall.unix_ns;
            auto& registration = command.registration.ensure();
            registration.eval = job_evaluation(*child, "periodic-job", wall, rng);
            registration.job = std::move(child);
        }
        commands.push_back(state::make_command(command, wall, rng.next()));
        next.proposed = now;
        proposed_.emplace(now, key);
    }
    set_due(now, wall);
    return commands;
}

}  // namespace nl::server
