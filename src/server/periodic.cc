#include "server/periodic.h"

#include "base/check.h"
#include "server/cron.h"
#include "server/node_evals.h"
#include "state/commands/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace nl::server {
namespace {

/// Launches that were missed while nobody led are made up for once, if not older than this.
constexpr Duration kMissedLaunchLimit = hours(24 * 7);

bool is_launched(const model::Job& job) {
    return job.periodic && job.periodic->enabled && !job.stop;
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

std::optional<WallTime> next_launch(const model::Job& job, WallTime after) {
    if (!job.periodic || (!job.periodic->time_zone.empty() && job.periodic->time_zone != "UTC")) {
        return std::nullopt;
    }
    std::vector<std::string> specs = job.periodic->specs;
    if (!job.periodic->spec.empty()) {
        specs.push_back(job.periodic->spec);
    }
    std::optional<WallTime> first;
    for (const std::string& spec : specs) {
        const auto cron = Cron::parse(spec);
        const auto at = cron ? cron->next(after) : std::nullopt;
        if (at && (!first || *at < *first)) {
            first = at;
        }
    }
    return first;
}

model::Job periodic_child(const model::Job& job, WallTime at) {
    model::Job child = job;
    child.parent_id = job.id;
    child.id = fmt::format("{}/periodic-{}", job.id, at.unix_ns / 1'000'000'000);
    child.name = child.id;
    child.periodic.reset();
    child.status.clear();
    child.status_description.clear();
    child.stable = false;
    child.version = 0;
    child.create_index = child.modify_index = child.job_modify_index = Index{};
    return child;
}

void Periodic::plan(const model::Job& job, WallTime after, Instant now, WallTime wall) {
    const Key key{job.namespace_, job.id};
    if (const auto known = jobs_.find(key); known != jobs_.end()) {
        by_due_.erase({known->second.due, key});
        jobs_.erase(known);
    }
    if (const auto at = next_launch(job, after)) {
        const Instant due = *at <= wall ? now : now + (*at - wall);
        jobs_[key] = {*at, due};
        by_due_.insert({due, key});
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
    const auto job = snapshot.job(ns, job_id);
    if (job == nullptr || !is_launched(*job)) {
        const Key key{ns, job_id};
        if (const auto known = jobs_.find(key); known != jobs_.end()) {
            by_due_.erase({known->second.due, key});
            jobs_.erase(known);
        }
        return;
    }
    const state::PeriodicLaunch* launched = snapshot.periodic_launch(ns, job_id);
    WallTime after{job->submit_time};
    if (launched != nullptr) {
        after = std::max(after, launched->launch);
    }
    after = std::max(after, wall - kMissedLaunchLimit);
    // Of several missed times only the last is made up for.
    while (const auto next = next_launch(*job, after)) {
        const auto following = next_launch(*job, *next);
        if (!following || *following > wall) {
            break;
        }
        after = *next;
    }
    plan(*job, after, now, wall);
}

Instant Periodic::next_deadline() const {
    return by_due_.empty() ? Instant::max() : by_due_.begin()->first;
}

std::vector<state::Command> Periodic::tick(
    const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
) {
    std::vector<state::Command> commands;
    while (!by_due_.empty() && by_due_.begin()->first <= now) {
        const Key key = by_due_.begin()->second;
        const WallTime at = jobs_.at(key).at;
        const auto job = snapshot.job(key.first, key.second);
        if (job == nullptr || !is_launched(*job)) {
            by_due_.erase(by_due_.begin());
            jobs_.erase(key);
            continue;
        }
        if (at > wall) {
            // The calendar was set back: the time is not there yet.
            plan(*job, at - seconds(1), now, wall);
            NL_ASSERT(jobs_.at(key).due > now);
            continue;
        }
        // The child goes first: were the leader lost between the two, the next one registers the
        // same child again, which changes nothing.
        if (!(job->periodic->prohibit_overlap && child_runs(snapshot, *job))) {
            auto child = std::make_shared<model::Job>(periodic_child(*job, at));
            child->submit_time = wall.unix_ns;
            state::commands::JobRegister registration;
            registration.eval = job_evaluation(*child, "periodic-job", wall, rng);
            registration.job = std::move(child);
            commands.push_back(state::make_command(registration, wall, rng.next()));
        }
        state::commands::PeriodicLaunchUpsert launch;
        launch.launch.namespace_ = key.first;
        launch.launch.job_id = key.second;
        launch.launch.launch = at;
        commands.push_back(state::make_command(launch, wall, rng.next()));
        plan(*job, at, now, wall);
    }
    return commands;
}

}  // namespace nl::server
