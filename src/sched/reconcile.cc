#include "sched/reconcile.h"

#include "base/check.h"
#include "sched/reschedule.h"
#include "sched/update_kind.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace nl::sched {
namespace {

using model::AllocClientStatus;
using model::AllocDesiredStatus;
using model::DeploymentStatus;
using Alloc = ExistingAlloc;
using Allocs = std::vector<const Alloc*>;

/// What one group's allocations are, before anything is decided about numbers.
struct Sorted {
    /// Hold their place: running, waiting, finished for good, or failed without a further attempt.
    Allocs keep;
    Allocs migrate;
    Allocs reschedule;
    Allocs lost;
    /// Their node is disconnected but may come back; replaced if the group says so.
    Allocs disconnecting;
    /// Hold their place although nobody can say how they are.
    Allocs unknown;
    /// Stopped, or to be, and not replaced.
    Allocs vacated;
};

bool is_finished(const Alloc& alloc) {
    return model::is_terminal(alloc.client);
}

Duration lost_after(const model::TaskGroup& group) {
    if (group.disconnect && group.disconnect->lost_after.ns > 0) {
        return group.disconnect->lost_after;
    }
    return group.max_client_disconnect.value_or(Duration{});
}

bool replaces_disconnected(const model::TaskGroup& group) {
    return !group.prevent_reschedule_on_lost &&
           (!group.disconnect || group.disconnect->replace.value_or(true));
}

/// How long a node without servers lets the group run before it stops it by itself.
Duration stop_on_client_after(const model::TaskGroup& group) {
    if (group.disconnect && group.disconnect->stop_on_client_after) {
        return *group.disconnect->stop_on_client_after;
    }
    return group.stop_after_client_disconnect.value_or(Duration{});
}

bool same_version(const Alloc& alloc, const model::Job& job) {
    return alloc.job->version == job.version && alloc.job->create_index == job.create_index;
}

/// Running, and found healthy where that is looked at. One that was updated in place serves until it
/// is found not to.
bool serves(const Alloc& alloc) {
    return alloc.client == AllocClientStatus::Running &&
           alloc.healthy.value_or(alloc.deployment_id.is_nil() || alloc.updated_in_place);
}

class Reconciler {
public:
    explicit Reconciler(const ReconcileInput& input) : in_(input) {
        batch_ = in_.job != nullptr && in_.job->type == "batch";
    }

    Changes run() {
        close_old_deployments();
        std::map<std::string_view, Allocs> by_group;
        for (const Alloc& alloc : in_.allocs) {
            NL_ASSERT(alloc.job != nullptr);
            by_group[alloc.group].push_back(&alloc);
        }
        const bool stopped = in_.job == nullptr || in_.job->stop;
        bool complete = true;
        if (!stopped) {
            for (const auto& group : in_.job->task_groups) {
                complete &= compute_group(group, by_group[group.name]);
                by_group.erase(group.name);
            }
        }
        for (const auto& [name, allocs] : by_group) {
            stop_group(name, allocs);
        }
        if (!stopped && complete) {
            finish_deployment();
        }
        return std::move(out_);
    }

private:
    // --- whole jobs and groups that go ---

    void close_old_deployments() {
        const model::Deployment* d = in_.deployment;
        if (d == nullptr) {
            return;
        }
        const bool active = model::is_active(d->status);
        if (in_.job == nullptr || in_.job->stop) {
            if (active) {
                update_deployment(DeploymentStatus::Cancelled, "Cancelled because job is stopped");
            }
            return;
        }
        if (d->job_create_index != in_.job->create_index || d->job_version != in_.job->version) {
            if (active) {
                update_deployment(
                    DeploymentStatus::Cancelled, "Cancelled due to newer version of job"
                );
            }
            return;
        }
        if (d->status == DeploymentStatus::Successful || d->status == DeploymentStatus::Cancelled) {
            return;
        }
        deployment_ = d;
    }

    void update_deployment(DeploymentStatus status, std::string description) {
        out_.deployment_updates.push_back({in_.deployment->id, status, std::move(description)});
    }

    void finish_deployment() {
        if (deployment_ == nullptr || !model::is_active(deployment_->status)) {
            return;
        }
        for (const auto& [name, state] : deployment_->task_groups) {
            const auto needed = std::max(state.desired_total, state.desired_canaries);
            if (state.healthy_allocs < needed || (state.desired_canaries > 0 && !state.promoted)) {
                return;
            }
        }
        update_deployment(DeploymentStatus::Successful, "Deployment completed successfully");
    }

    void stop_group(std::string_view name, const Allocs& allocs) {
        GroupChanges& changes = out_.groups[std::string(name)];
        for (const Alloc* alloc : allocs) {
            if (is_finished(*alloc)) {
                continue;
            }
            if (alloc->node == NodeCondition::Down) {
                mark_lost(*alloc);
            } else if (alloc->desired == AllocDesiredStatus::Run) {
                stop(*alloc, kStoppedByUpdate);
            } else {
                continue;
            }
            ++changes.counts.stop;
        }
    }

    void stop(const Alloc& alloc, std::string_view description) {
        out_.stops.push_back({.alloc = &alloc, .description = description});
    }

    void mark_lost(const Alloc& alloc) {
        out_.stops.push_back(
            {.alloc = &alloc, .description = kStoppedLost, .client_status = AllocClientStatus::Lost}
        );
    }

    // --- one group ---

    /// True if nothing is left to do for the group's deployment.
    bool compute_group(const model::TaskGroup& group, const Allocs& all) {
        GroupChanges& changes = out_.groups[group.name];
        changes.group = &group;
        Sorted sorted = sort(group, all);
        const bool updates_in_steps =
            group.update && group.update->max_parallel > 0 && !batch_ && in_.job->type == "service";
        const model::DeploymentState* state = nullptr;
        if (deployment_ != nullptr) {
            const auto at = deployment_->task_groups.find(group.name);
            state = at == deployment_->task_groups.end() ? nullptr : &at->second;
        }

        const Allocs canaries = take_canaries(group, state, sorted, changes);
        const bool canary_phase =
            state != nullptr && state->desired_canaries > 0 && !state->promoted;

        // 1. Who keeps a place, best first; who is too many.
        const auto count = static_cast<std::size_t>(std::max<std::int64_t>(group.count, 0));
        std::set<std::uint32_t> names;
        std::size_t filled = 0;
        keep_best(group, sorted.keep, count, names, filled, changes);
        keep_best(group, sorted.unknown, count, names, filled, changes);
        for (const Alloc* alloc : sorted.vacated) {
            if (alloc->desired == AllocDesiredStatus::Run) {
                stop(*alloc, kStoppedByMigration);
                ++changes.counts.stop;
            }
            static_cast<void>(claim(*alloc, count, names, filled));
        }

        Allocs destructive;
        Allocs in_place;
        for (const Alloc* alloc : sorted.keep) {
            switch (update_kind(*alloc, group)) {
                case UpdateKind::None:
                    ++changes.counts.ignore;
                    break;
                case UpdateKind::InPlace:
                    in_place.push_back(alloc);
                    break;
                case UpdateKind::Destructive:
                    destructive.push_back(alloc);
                    break;
            }
        }
        changes.counts.ignore += static_cast<std::int64_t>(sorted.unknown.size());
        // What does not serve is replaced first: that takes nothing away.
        std::ranges::sort(destructive, [](const Alloc* a, const Alloc* b) {
            return std::tuple(serves(*a), a->name_index) < std::tuple(serves(*b), b->name_index);
        });

        // 2. Replacements: they take their predecessor's name, while there is room.
        const bool failed =
            deployment_ != nullptr && deployment_->status == DeploymentStatus::Failed;
        const bool paused =
            deployment_ != nullptr && (deployment_->status == DeploymentStatus::Paused ||
                                       deployment_->status == DeploymentStatus::Pending);
        for (const Alloc* alloc : sorted.migrate) {
            if (claim(*alloc, count, names, filled)) {
                PlaceRequest request =
                    replacement(*alloc, group, canary_phase, kStoppedByMigration);
                request.is_reschedule = alloc->may_reschedule;
                if (alloc->reschedule) {
                    // The deadline of its node's drain is over: it goes, with or without another.
                    stop(*alloc, kStoppedByMigration);
                    request.stop_previous.reset();
                }
                place(changes, std::move(request));
                ++changes.counts.migrate;
            } else {
                stop(*alloc, kStoppedByUpdate);
                ++changes.counts.stop;
            }
        }
        for (const Alloc* alloc : sorted.reschedule) {
            const bool of_failed = failed && alloc->deployment_id == deployment_->id;
            if (!claim(*alloc, count, names, filled)) {
                stop(*alloc, kStoppedByUpdate);
                ++changes.counts.stop;
            } else if (of_failed) {
                ++changes.counts.ignore;
            } else {
                place(changes, rescheduled(*alloc, group, canary_phase));
                ++changes.counts.reschedule_now;
                ++changes.counts.place;
            }
        }
        for (const Alloc* alloc : sorted.lost) {
            mark_lost(*alloc);
            ++changes.counts.stop;
            if (claim(*alloc, count, names, filled)) {
                PlaceRequest request = replacement(*alloc, group, canary_phase, {});
                request.stop_previous.reset();
                place(changes, std::move(request));
                ++changes.counts.place;
            }
        }
        disconnect(group, sorted.disconnecting, count, names, filled, changes, canary_phase);

        // 3. New ones and updates, as far as the deployment allows at once.
        const bool wants_canaries = updates_in_steps && group.update->canary > 0 &&
                                    !destructive.empty() && !(state != nullptr && state->promoted);
        const bool ready = !failed && !paused && !canary_phase;
        std::size_t limit =
            batch_ || !updates_in_steps || destructive.empty() ? count : step_limit(group, sorted);
        if (!failed && !paused) {
            changes.place.reserve(
                changes.place.size() + std::min(count - std::min(filled, count), limit)
            );
            for (std::uint32_t index = 0; filled < count; ++index) {
                if (names.contains(index)) {
                    continue;
                }
                if (limit == 0) {
                    break;
                }
                names.insert(index);
                ++filled;
                --limit;
                place(
                    changes,
                    {.group = group.name,
                     .name_index = index,
                     .job = job_for_new(group, canary_phase, all)}
                );
                ++changes.counts.place;
            }
        }
        if (wants_canaries && !failed && !paused) {
            place_canaries(group, destructive, canaries, changes);
        }
        std::size_t replaced = 0;
        std::size_t spare = updates_in_steps ? spare_ones(group, sorted, canaries, count) : count;
        for (const Alloc* alloc : destructive) {
            const bool allowed = !updates_in_steps || (ready && !wants_canaries && limit > 0 &&
                                                       (spare > 0 || !serves(*alloc)));
            if (!allowed) {
                ++changes.counts.ignore;
                continue;
            }
            if (updates_in_steps) {
                --limit;
                spare -= serves(*alloc) ? 1U : 0U;
            }
            ++replaced;
            ++changes.counts.destructive_update;
            place(changes, replacement(*alloc, group, false, kStoppedForUpdate));
        }
        changes.in_place = in_place;
        changes.counts.in_place_update = static_cast<std::int64_t>(in_place.size());

        if (updates_in_steps) {
            open_deployment(
                group, all, destructive.size(), in_place.size(), wants_canaries
            );
            changes.in_deployment =
                state != nullptr ||
                (out_.new_deployment && out_.new_deployment->task_groups.contains(group.name));
        }
        return changes.place.empty() && in_place.empty() && destructive.size() == replaced &&
               replaced == 0 && !waiting_;
    }

    Sorted sort(const model::TaskGroup& group, const Allocs& all) {
        Sorted sorted;
        waiting_ = false;
        for (const Alloc* alloc : all) {
            const bool finished = is_finished(*alloc);
            if (batch_ && finished && is_older(*alloc)) {
                continue;
            }
            if (alloc->no_replacement && !finished && alloc->desired == AllocDesiredStatus::Run) {
                sorted.vacated.push_back(alloc);
                continue;
            }
            if (alloc->desired != AllocDesiredStatus::Run) {
                if (alloc->no_replacement && alloc->desired == AllocDesiredStatus::Stop &&
                    same_version(*alloc, *in_.job)) {
                    sorted.vacated.push_back(alloc);
                }
                if (finished && batch_ && was_done(*alloc)) {
                    sorted.keep.push_back(alloc);
                } else if (!finished && alloc->node == NodeCondition::Down) {
                    mark_lost(*alloc);
                }
                continue;
            }
            if (finished) {
                sort_finished(group, *alloc, sorted);
            } else {
                sort_live(group, *alloc, sorted);
            }
        }
        return sorted;
    }

    /// One that was moved, or made room for another, was ended by us: its work is not done, whatever
    /// its node calls its end.
    static bool was_done(const Alloc& alloc) {
        return alloc.client == AllocClientStatus::Complete &&
               alloc.desired == AllocDesiredStatus::Stop && !alloc.migrate &&
               alloc.next_allocation.is_nil();
    }

    /// Finished under an older definition: a batch job that was changed runs again.
    bool is_older(const Alloc& alloc) const {
        return alloc.job->create_index != in_.job->create_index ||
               alloc.job->version < in_.job->version;
    }

    void sort_finished(const model::TaskGroup& group, const Alloc& alloc, Sorted& sorted) {
        if (alloc.client == AllocClientStatus::Lost) {
            return;
        }
        if (alloc.client == AllocClientStatus::Complete) {
            if (batch_) {
                sorted.keep.push_back(&alloc);
            }
            return;
        }
        NL_ASSERT(alloc.client == AllocClientStatus::Failed);
        if (!alloc.next_allocation.is_nil()) {
            return;
        }
        if (alloc.reschedule) {
            sorted.reschedule.push_back(&alloc);
            return;
        }
        if (alloc.canary && (deployment_ == nullptr || alloc.deployment_id != deployment_->id)) {
            // A trial of another deployment is not repeated, and nothing waits for it.
            sorted.keep.push_back(&alloc);
            return;
        }
        if (may_be_revived(alloc, group)) {
            sorted.reschedule.push_back(&alloc);
            return;
        }
        if (deployment_ != nullptr && model::is_active(deployment_->status) &&
            alloc.deployment_id == deployment_->id && !alloc.may_reschedule) {
            // Whether it may be tried again, or fails the deployment, is the deployment's business.
            sorted.keep.push_back(&alloc);
            waiting_ = true;
            return;
        }
        const auto at =
            group.reschedule_policy
                ? next_reschedule_time(*group.reschedule_policy, alloc.tracker, alloc.ended_at)
                : std::nullopt;
        if (!at) {
            sorted.keep.push_back(&alloc);
            return;
        }
        if (is_due(alloc, *at)) {
            sorted.reschedule.push_back(&alloc);
            return;
        }
        sorted.keep.push_back(&alloc);
        waiting_ = true;
        if (alloc.followup_eval_id.is_nil()) {
            follow_up(alloc, *at, "alloc-failure");
            ++out_.groups[group.name].counts.reschedule_later;
        }
    }

    /// A new version gives what failed under an older one another chance at once, whatever the
    /// policy has left: else a version that changes nothing for the group (a return to the last
    /// stable one, say) would wait for it in vain. What must be replaced anyway goes with the update.
    bool may_be_revived(const Alloc& alloc, const model::TaskGroup& group) const {
        if (batch_ || same_version(alloc, *in_.job) ||
            find_group(*alloc.job, group.name) == nullptr ||
            needs_replacement(*alloc.job, *in_.job, group.name)) {
            return false;
        }
        return deployment_ == nullptr || deployment_->status == DeploymentStatus::Running;
    }

    void sort_live(const model::TaskGroup& group, const Alloc& alloc, Sorted& sorted) {
        const Duration patience = lost_after(group);
        const bool replaces = replaces_disconnected(group);
        const bool back = alloc.node == NodeCondition::Ready ||
                          alloc.node == NodeCondition::Draining;
        if (alloc.client == AllocClientStatus::Unknown) {
            if (replaces && is_due(alloc, alloc.unknown_since + patience)) {
                sorted.lost.push_back(&alloc);
            } else if (!replaces || (back && alloc.next_allocation.is_nil())) {
                // Its node is back and will say how it is, or nobody else may take its place.
                sorted.unknown.push_back(&alloc);
            }
            return;
        }
        if (back) {
            // In a deployment the wish is about what becomes of it when it fails.
            const bool moved = alloc.may_reschedule && alloc.healthy.value_or(true);
            (alloc.migrate || moved ? sorted.migrate : sorted.keep).push_back(&alloc);
            return;
        }
        if (const Duration wait = stop_on_client_after(group); wait.ns > 0) {
            // Its node stops it by itself, but not before that: until then another would be one too
            // many.
            if (is_due(alloc, std::nullopt)) {
                sorted.lost.push_back(&alloc);
                return;
            }
            sorted.unknown.push_back(&alloc);
            if (alloc.followup_eval_id.is_nil()) {
                follow_up(alloc, in_.now + wait, "alloc-failure");
            }
            return;
        }
        const bool may_return = alloc.node == NodeCondition::Disconnected && patience.ns > 0;
        if (alloc.client == AllocClientStatus::Running && (may_return || !replaces)) {
            sorted.disconnecting.push_back(&alloc);
        } else {
            sorted.lost.push_back(&alloc);
        }
    }

    /// Whether what was put off has come: by its own follow-up evaluation, whatever the calendar
    /// says, or by the time.
    bool is_due(const Alloc& alloc, std::optional<WallTime> at) const {
        if (!alloc.followup_eval_id.is_nil() &&
            (alloc.followup_eval_id == in_.eval_id || alloc.followup_over)) {
            return true;
        }
        return at && *at <= in_.now + kRescheduleWindow;
    }

    /// Leaves the best `count` in `allocs` (distinct names first, then low indexes) and stops the
    /// rest.
    void keep_best(
        const model::TaskGroup& group,
        Allocs& allocs,
        std::size_t count,
        std::set<std::uint32_t>& names,
        std::size_t& filled,
        GroupChanges& changes
    ) {
        const std::string_view strategy =
            group.disconnect ? std::string_view(group.disconnect->reconcile) : "best_score";
        // Of two with one name (a disconnected node came back), the group's strategy chooses.
        std::ranges::stable_sort(allocs, [&](const Alloc* a, const Alloc* b) {
            if (a->name_index != b->name_index) {
                return a->name_index < b->name_index;
            }
            const bool a_current = same_version(*a, *in_.job);
            const bool b_current = same_version(*b, *in_.job);
            if (a_current != b_current) {
                return a_current;
            }
            const auto done = [](const Alloc& x) { return x.client == AllocClientStatus::Complete; };
            if (batch_ && done(*a) != done(*b)) {
                return done(*a);
            }
            if (is_finished(*a) != is_finished(*b)) {
                return is_finished(*b);
            }
            if (strategy == "keep_original" && a->reconnected != b->reconnected) {
                return a->reconnected;
            }
            if (strategy == "keep_replacement" && a->reconnected != b->reconnected) {
                return b->reconnected;
            }
            // One that does not run yet is no match for one that does.
            const auto runs = [](const Alloc& x) { return x.client == AllocClientStatus::Running; };
            if (runs(*a) != runs(*b)) {
                return runs(*a);
            }
            if (strategy == "longest_running" && a->started_at != b->started_at) {
                return a->started_at < b->started_at;
            }
            if (a->score != b->score) {
                return a->score > b->score;
            }
            if (a->reconnected != b->reconnected) {
                return a->reconnected;
            }
            return a->id < b->id;
        });
        Allocs kept;
        Allocs surplus;
        for (const Alloc* alloc : allocs) {
            if (filled < count && names.insert(alloc->name_index).second) {
                ++filled;
                kept.push_back(alloc);
            } else {
                surplus.push_back(alloc);
            }
        }
        for (const Alloc* alloc : surplus) {
            if (is_finished(*alloc)) {
                continue;
            }
            const bool twin = filled <= count && names.contains(alloc->name_index) &&
                              std::ranges::any_of(kept, [&](const Alloc* k) {
                                  return k->name_index == alloc->name_index &&
                                         (k->reconnected || alloc->reconnected);
                              });
            stop(*alloc, twin ? kStoppedReconnect : kStoppedByUpdate);
            ++changes.counts.stop;
        }
        allocs = std::move(kept);
    }

    /// Whether the name was free and there was room.
    static bool claim(
        const Alloc& alloc, std::size_t count, std::set<std::uint32_t>& names, std::size_t& filled
    ) {
        if (filled >= count || !names.insert(alloc.name_index).second) {
            return false;
        }
        ++filled;
        return true;
    }

    enum class UpdateKind { None, InPlace, Destructive };

    UpdateKind update_kind(const Alloc& alloc, const model::TaskGroup& group) const {
        if (same_version(alloc, *in_.job)) {
            return UpdateKind::None;
        }
        if (batch_ && is_finished(alloc)) {
            return UpdateKind::None;
        }
        if (find_group(*alloc.job, group.name) == nullptr ||
            needs_replacement(*alloc.job, *in_.job, group.name)) {
            return UpdateKind::Destructive;
        }
        if (is_finished(alloc)) {
            return UpdateKind::None;
        }
        return in_.fits_in_place(alloc, group) ? UpdateKind::InPlace : UpdateKind::Destructive;
    }

    PlaceRequest replacement(
        const Alloc& alloc,
        const model::TaskGroup& group,
        bool canary_phase,
        std::string_view description
    ) const {
        PlaceRequest request{
            .group = group.name, .name_index = alloc.name_index, .job = in_.job, .previous = &alloc
        };
        // Unpromoted canaries must not let the new version spread by the back door.
        if (canary_phase && !alloc.canary && find_group(*alloc.job, group.name) != nullptr) {
            request.job = alloc.job;
        }
        request.canary = canary_phase && alloc.canary;
        request.stop_previous = StopRequest{.alloc = &alloc, .description = description};
        if (alloc.tracker != nullptr && same_version(alloc, *request.job)) {
            request.tracker = *alloc.tracker;
        }
        return request;
    }

    PlaceRequest rescheduled(const Alloc& alloc, const model::TaskGroup& group, bool canary_phase)
        const {
        PlaceRequest request = replacement(alloc, group, canary_phase, kStoppedRescheduled);
        request.stop_previous->rescheduled = true;
        request.is_reschedule = true;
        if (!same_version(alloc, *request.job)) {
            // A new version begins anew.
            return request;
        }
        const model::ReschedulePolicy none;
        const auto& policy = group.reschedule_policy ? *group.reschedule_policy : none;
        request.tracker = extended_tracker(
            policy,
            alloc.tracker,
            {.reschedule_time = in_.now.unix_ns,
             .prev_alloc_id = alloc.id,
             .prev_node_id = alloc.node_id,
             .delay = next_reschedule_delay(policy, alloc.tracker, alloc.ended_at)}
        );
        return request;
    }

    static void place(GroupChanges& changes, PlaceRequest request) {
        NL_ASSERT(request.job != nullptr);
        changes.place.push_back(std::move(request));
    }

    /// While canaries are unpromoted, missing ones of the old version are made of that version.
    const model::Job* job_for_new(
        const model::TaskGroup& group, bool canary_phase, const Allocs& all
    ) const {
        if (!canary_phase) {
            return in_.job;
        }
        for (const Alloc* alloc : all) {
            if (!alloc->canary && !same_version(*alloc, *in_.job) && !is_finished(*alloc) &&
                find_group(*alloc->job, group.name) != nullptr) {
                return alloc->job;
            }
        }
        return in_.job;
    }

    void disconnect(
        const model::TaskGroup& group,
        const Allocs& allocs,
        std::size_t count,
        std::set<std::uint32_t>& names,
        std::size_t& filled,
        GroupChanges& changes,
        bool canary_phase
    ) {
        for (const Alloc* alloc : allocs) {
            out_.stops.push_back(
                {.alloc = alloc,
                 .description = kUnknownDisconnected,
                 .client_status = AllocClientStatus::Unknown,
                 .stop = false}
            );
            ++changes.counts.disconnect;
            const bool claimed = claim(*alloc, count, names, filled);
            if (!replaces_disconnected(group)) {
                continue;
            }
            follow_up(*alloc, in_.now + lost_after(group), "max-disconnect-timeout");
            if (claimed) {
                PlaceRequest request = replacement(*alloc, group, canary_phase, {});
                request.stop_previous.reset();
                place(changes, std::move(request));
                ++changes.counts.place;
            }
        }
    }

    void follow_up(const Alloc& alloc, WallTime at, std::string_view triggered_by) {
        for (FollowUp& f : out_.follow_ups) {
            if (f.triggered_by == triggered_by && at >= f.at && at <= f.at + kFollowUpWindow) {
                // The evaluation must not come before the last of its allocations is due.
                f.allocs.push_back(&alloc);
                return;
            }
        }
        out_.follow_ups.push_back({at, triggered_by, {&alloc}});
    }

    // --- deployments ---

    /// Healthy progress opens the next step: what is placed and not yet healthy counts against it.
    std::size_t step_limit(const model::TaskGroup& group, const Sorted& sorted) const {
        auto limit = group.update->max_parallel;
        if (deployment_ == nullptr) {
            return static_cast<std::size_t>(limit);
        }
        for (const auto* list : {&sorted.keep, &sorted.reschedule}) {
            for (const Alloc* alloc : *list) {
                if (alloc->deployment_id != deployment_->id) {
                    continue;
                }
                if (alloc->healthy.has_value() && !*alloc->healthy) {
                    return 0;
                }
                if (!alloc->healthy.has_value()) {
                    --limit;
                }
            }
        }
        return static_cast<std::size_t>(std::max<std::int64_t>(limit, 0));
    }

    /// How many that serve may be taken away so that no more than max_parallel are missing, whatever
    /// an update that was given up has left behind.
    static std::size_t spare_ones(
        const model::TaskGroup& group,
        const Sorted& sorted,
        const Allocs& canaries,
        std::size_t count
    ) {
        std::int64_t serving = 0;
        for (const auto* list : {&sorted.keep, &canaries}) {
            serving += std::ranges::count_if(*list, [](const Alloc* a) { return serves(*a); });
        }
        const auto needed = static_cast<std::int64_t>(count) - group.update->max_parallel;
        return static_cast<std::size_t>(std::max<std::int64_t>(serving - needed, 0));
    }

    /// Removes from `sorted` what stands beside the group's count: live canaries of a running,
    /// unpromoted deployment, which are returned; and canaries nobody promoted, which are stopped.
    Allocs take_canaries(
        const model::TaskGroup& group,
        const model::DeploymentState* state,
        Sorted& sorted,
        GroupChanges& changes
    ) {
        Allocs current;
        const bool promoted = deployment_ != nullptr && state != nullptr && state->promoted;
        if (promoted) {
            stop_replaced_by_canaries(sorted, changes);
        }
        // Trials stand beside the count, whatever becomes of them: none may take the name of an
        // allocation that serves.
        const auto is_ours = [&](const Alloc& alloc) {
            return alloc.canary && state != nullptr && !promoted &&
                   alloc.deployment_id == deployment_->id;
        };
        // Promotion makes a canary an allocation like the others: one that still is a canary was
        // never promoted, and of another deployment it never will be.
        const auto is_trial = [](const Alloc& alloc) { return alloc.canary; };
        const bool over =
            deployment_ != nullptr && deployment_->status == DeploymentStatus::Failed;
        const auto end = [&](const Alloc& alloc, std::string_view why) {
            stop(alloc, why);
            ++changes.counts.stop;
        };
        std::erase_if(sorted.reschedule, [&](const Alloc* alloc) {
            if (is_ours(*alloc) && !over) {
                place(changes, rescheduled(*alloc, group, true));
                ++changes.counts.reschedule_now;
                ++changes.counts.place;
                current.push_back(alloc);
            }
            return is_trial(*alloc);
        });
        std::erase_if(sorted.migrate, [&](const Alloc* alloc) {
            if (is_trial(*alloc)) {
                end(*alloc, kStoppedByMigration);
            }
            return is_trial(*alloc);
        });
        for (Allocs* list : {&sorted.lost, &sorted.disconnecting}) {
            std::erase_if(*list, [&](const Alloc* alloc) {
                if (is_trial(*alloc)) {
                    mark_lost(*alloc);
                    ++changes.counts.stop;
                }
                return is_trial(*alloc);
            });
        }
        for (Allocs* list : {&sorted.keep, &sorted.unknown}) {
            std::erase_if(*list, [&](const Alloc* alloc) {
                if (!is_trial(*alloc)) {
                    return false;
                }
                const bool failed = alloc->client == AllocClientStatus::Failed;
                if (is_ours(*alloc) && !over && (failed || !is_finished(*alloc))) {
                    // A failed one holds its place until it may be tried again.
                    current.push_back(alloc);
                    ++changes.counts.ignore;
                } else if (!is_finished(*alloc)) {
                    end(*alloc, kStoppedByUpdate);
                }
                return true;
            });
        }
        return current;
    }

    /// A promoted canary takes the place of the older allocation of its name.
    void stop_replaced_by_canaries(Sorted& sorted, GroupChanges& changes) {
        std::set<std::uint32_t> promoted;
        for (const Alloc* alloc : sorted.keep) {
            if (alloc->canary && alloc->deployment_id == deployment_->id && !is_finished(*alloc)) {
                promoted.insert(alloc->name_index);
            }
        }
        std::erase_if(sorted.keep, [&](const Alloc* alloc) {
            const bool replaced = promoted.contains(alloc->name_index) &&
                                  !same_version(*alloc, *in_.job) && !is_finished(*alloc);
            if (replaced) {
                stop(*alloc, kStoppedByUpdate);
                ++changes.counts.stop;
            }
            return replaced;
        });
    }

    void place_canaries(
        const model::TaskGroup& group,
        const Allocs& destructive,
        const Allocs& existing,
        GroupChanges& changes
    ) {
        std::set<std::uint32_t> taken;
        for (const Alloc* canary : existing) {
            taken.insert(canary->name_index);
        }
        auto missing = group.update->canary - static_cast<std::int64_t>(existing.size());
        std::uint32_t beyond = static_cast<std::uint32_t>(group.count);
        for (std::size_t i = 0; missing > 0; --missing) {
            while (i < destructive.size() && taken.contains(destructive[i]->name_index)) {
                ++i;
            }
            // More canaries than old allocations: they take names beyond the count.
            std::uint32_t index = 0;
            if (i < destructive.size()) {
                index = destructive[i]->name_index;
            } else {
                while (taken.contains(beyond)) {
                    ++beyond;
                }
                index = beyond;
            }
            taken.insert(index);
            place(
                changes, {.group = group.name, .name_index = index, .canary = true, .job = in_.job}
            );
            ++changes.counts.canary;
        }
    }

    void open_deployment(
        const model::TaskGroup& group,
        const Allocs& all,
        std::size_t destructive,
        std::size_t in_place,
        bool wants_canaries
    ) {
        if (deployment_ != nullptr && deployment_->task_groups.contains(group.name)) {
            return;
        }
        const bool ran_this_version = std::ranges::any_of(all, [&](const Alloc* alloc) {
            return same_version(*alloc, *in_.job);
        });
        // What is lost or has failed is replaced by the new version too, so that a version nothing
        // runs of yet is deployed whatever there is to do.
        const bool changes_spec = destructive + in_place > 0;
        if (group.count == 0 || (ran_this_version && !changes_spec) || deployment_ != nullptr) {
            return;
        }
        if (!out_.new_deployment) {
            out_.new_deployment = new_deployment(*in_.job, in_.eval_priority);
        }
        model::DeploymentState state = new_deployment_state(*group.update, in_.now);
        state.desired_total = group.count;
        state.desired_canaries = wants_canaries ? group.update->canary : 0;
        model::Deployment& d = *out_.new_deployment;
        d.task_groups[group.name] = state;
        d.status_description = running_description(d);
    }

    const ReconcileInput& in_;
    Changes out_;
    bool batch_{false};
    /// The deployment of this version, unless it is over well.
    const model::Deployment* deployment_{nullptr};
    bool waiting_{false};
};

}  // namespace

model::Deployment new_deployment(const model::Job& job, std::int64_t eval_priority) {
    model::Deployment d;
    d.namespace_ = job.namespace_;
    d.job_id = job.id;
    d.job_version = job.version;
    d.job_modify_index = job.modify_index;
    d.job_spec_modify_index = job.job_modify_index;
    d.job_create_index = job.create_index;
    d.status = DeploymentStatus::Running;
    d.eval_priority = eval_priority;
    return d;
}

model::DeploymentState new_deployment_state(const model::UpdateStrategy& update, WallTime now) {
    model::DeploymentState state;
    state.auto_revert = update.auto_revert;
    state.auto_promote = update.auto_promote;
    state.progress_deadline = update.progress_deadline;
    if (update.progress_deadline.ns > 0) {
        state.require_progress_by = now + update.progress_deadline;
    }
    return state;
}

std::string_view running_description(const model::Deployment& deployment) {
    bool canaries = false;
    bool automatic = true;
    for (const auto& [name, state] : deployment.task_groups) {
        canaries |= state.desired_canaries > 0;
        automatic &= state.desired_canaries == 0 || state.auto_promote;
    }
    return !canaries   ? "Deployment is running"
           : automatic ? "Deployment is running pending automatic promotion"
                       : "Deployment is running but requires manual promotion";
}

Changes reconcile(const ReconcileInput& input) {
    return Reconciler(input).run();
}

}  // namespace nl::sched
