#include "server/dispatcher.h"

#include "server/node_evals.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

namespace nl::server {
namespace {

/// A command that the state does not show after this long was lost on its way.
constexpr Duration kAgain = seconds(5);
/// The calendar may be set: it is looked at again at least this often.
constexpr Duration kLookAgain = seconds(30);

bool has_limit(const model::Job& job) {
    return job.parameterized_job && !job.dispatched && job.parameterized_job->max_parallel > 0;
}

}  // namespace

bool waits_for_turn(const state::Snapshot& snapshot, const model::Job& child) {
    return child.dispatched && child.status == "pending" && !child.stop && !child.periodic &&
           child.parameterized_job && child.parameterized_job->max_parallel > 0 &&
           snapshot.evals_of_job(child.namespace_, child.id).empty() &&
           snapshot.allocs_of_job(child.namespace_, child.id).empty();
}

void Dispatcher::set_expiry(const Key& key, std::optional<WallTime> at) {
    if (const auto known = expiry_of_.find(key); known != expiry_of_.end()) {
        expiries_.erase({known->second, key});
        expiry_of_.erase(known);
    }
    if (at) {
        expiry_of_.emplace(key, *at);
        expiries_.emplace(*at, key);
    }
}

void Dispatcher::set_due(Instant now, WallTime wall) {
    due_ = look_at_.empty() ? Instant::max() : now;
    for (const auto& [child, since] : released_) {
        due_ = std::min(due_, since + kAgain);
    }
    if (!expiries_.empty()) {
        const WallTime at = expiries_.begin()->first;
        due_ = std::min(due_, at <= wall ? now : now + std::min(at - wall, kLookAgain));
    }
}

void Dispatcher::rebuild(const state::Snapshot& snapshot, Instant now, WallTime wall) {
    for (const state::JobRow& row : snapshot.jobs()) {
        if (has_limit(*row.job) || row.job->ttl) {
            changed(row.job->namespace_, row.job->id, snapshot, now, wall);
        }
    }
}

void Dispatcher::changed(
    const std::string& ns,
    const std::string& job_id,
    const state::Snapshot& snapshot,
    Instant now,
    WallTime wall
) {
    const Key key{ns, job_id};
    const auto job = snapshot.job(ns, job_id);
    const bool lives = job != nullptr && !job->stop;
    // A finished batch job has nothing left to stop.
    const bool expires = lives && job->ttl && job->status != "dead";
    set_expiry(
        key, expires ? std::optional(WallTime{job->submit_time} + *job->ttl) : std::nullopt
    );
    if (lives && has_limit(*job)) {
        look_at_.insert(key);
    }
    if (job != nullptr && job->dispatched && job->parameterized_job &&
        job->parameterized_job->max_parallel > 0) {
        look_at_.emplace(ns, job->parent_id);
    }
    if (!released_.empty() && (job == nullptr || !waits_for_turn(snapshot, *job))) {
        released_.erase(key);
    }
    set_due(now, wall);
}

std::optional<state::Command> Dispatcher::release(
    const state::Snapshot& snapshot, const Key& parent, Instant now, WallTime wall, Rng& rng
) {
    const auto job = snapshot.job(parent.first, parent.second);
    if (job == nullptr || job->stop || !has_limit(*job)) {
        return std::nullopt;
    }
    std::int64_t running = 0;
    std::vector<std::shared_ptr<const model::Job>> waiting;
    for (const state::JobRow& row : snapshot.jobs_of_parent(parent.first, parent.second)) {
        const model::Job& child = *row.job;
        if (child.status == "dead" || child.stop) {
            continue;
        }
        if (released_.contains({child.namespace_, child.id}) || !waits_for_turn(snapshot, child)) {
            ++running;
        } else {
            waiting.push_back(row.job);
        }
    }
    const std::int64_t room = std::min<std::int64_t>(
        {job->parameterized_job->max_parallel - running,
         static_cast<std::int64_t>(waiting.size()),
         static_cast<std::int64_t>(kReleasedAtOnce)}
    );
    if (room <= 0) {
        return std::nullopt;
    }
    std::ranges::sort(waiting, [](const auto& a, const auto& b) {
        return std::tuple(-a->priority, a->create_index, a->id) <
               std::tuple(-b->priority, b->create_index, b->id);
    });
    waiting.resize(static_cast<std::size_t>(room));
    state::commands::EvalUpsert command;
    for (const auto& child : waiting) {
        command.evals.push_back(job_evaluation(*child, "job-register", wall, rng));
        released_[{child->namespace_, child->id}] = now;
    }
    return state::make_command(command, wall, rng.next());
}

std::vector<state::Command> Dispatcher::tick(
    const state::Snapshot& snapshot, Instant now, WallTime wall, Rng& rng
) {
    std::vector<state::Command> commands;
    if (now < due_) {
        return commands;
    }
    for (auto at = released_.begin(); at != released_.end();) {
        if (at->second + kAgain > now) {
            ++at;
            continue;
        }
        if (const auto job = snapshot.job(at->first.first, at->first.second)) {
            look_at_.emplace(job->namespace_, job->parent_id);
        }
        at = released_.erase(at);
    }
    for (const Key& parent : std::exchange(look_at_, {})) {
        if (auto command = release(snapshot, parent, now, wall, rng)) {
            commands.push_back(std::move(*command));
        }
    }
    while (!expiries_.empty() && expiries_.begin()->first <= wall) {
        const Key key = expiries_.begin()->second;
        const auto job = snapshot.job(key.first, key.second);
        if (job == nullptr || job->stop) {
            set_expiry(key, std::nullopt);
            continue;
        }
        // Stopped again if the command is lost on its way.
        set_expiry(key, wall + kAgain);
        state::commands::JobDeregister command;
        command.namespace_ = key.first;
        command.job_id = key.second;
        if (!job->periodic && (!job->parameterized_job || job->dispatched)) {
            command.eval = job_evaluation(*job, "job-deregister", wall, rng);
        }
        commands.push_back(state::make_command(command, wall, rng.next()));
    }
    set_due(now, wall);
    return commands;
}

}  // namespace nl::server
