#include "sched/system.h"

#include "base/check.h"
#include "sched/assemble.h"
#include "sched/placer.h"
#include "sched/reconcile.h"
#include "sched/update_kind.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace nl::sched {
namespace {

using model::AllocClientStatus;
using model::AllocDesiredStatus;

class SystemPass {
public:
    SystemPass(const Input& in, std::shared_ptr<const model::Job> job, Rng& rng)
        : in_(in),
          job_(std::move(job)),
          allocs_(existing_allocs(in.snapshot, in.eval.namespace_, in.eval.job_id)),
          assembly_(in, job_, rng) {
        if (job_ != nullptr && !job_->stop) {
            placer_.emplace(in_, *job_, rng);
            placer_->add_existing(allocs_);
        }
    }

    model::Plan run() {
        const model::Deployment* latest =
            in_.snapshot.latest_deployment(in_.eval.namespace_, in_.eval.job_id);
        look_at_deployment(latest);
        for (const ExistingAlloc& alloc : allocs_) {
            look_at(alloc);
        }
        if (placer_) {
            for (const auto& group : job_->task_groups) {
                cover(group);
            }
        }
        finish_deployment();
        assembly_.use_deployment(changes_, latest);
        assembly_.annotate(changes_);
        return assembly_.finish(placer_ ? &*placer_ : nullptr);
    }

private:
    // --- the deployment of a job whose update block asks for steps

    void end_deployment(
        const model::Deployment& d, model::DeploymentStatus status, std::string description
    ) {
        changes_.deployment_updates.push_back({d.id, status, std::move(description)});
    }

    void look_at_deployment(const model::Deployment* latest) {
        using Status = model::DeploymentStatus;
        if (latest == nullptr) {
            return;
        }
        const bool active = model::is_active(latest->status);
        if (job_ == nullptr || job_->stop) {
            if (active) {
                end_deployment(*latest, Status::Cancelled, "Cancelled because job is stopped");
            }
        } else if (
            latest->job_create_index != job_->create_index || latest->job_version != job_->version
        ) {
            if (active) {
                end_deployment(*latest, Status::Cancelled, "Cancelled due to newer version of job");
            }
        } else if (latest->status != Status::Successful && latest->status != Status::Cancelled) {
            deployment_ = latest;
        }
    }

    bool updates_in_steps(const model::TaskGroup& group) const {
        return job_->type == "system" && group.update && group.update->max_parallel > 0;
    }

    const model::DeploymentState* deployment_state(const model::TaskGroup& group) const {
        if (deployment_ == nullptr) {
            return nullptr;
        }
        const auto at = deployment_->task_groups.find(group.name);
        return at == deployment_->task_groups.end() ? nullptr : &at->second;
    }

    /// `canary` of a system job is a share of its nodes, in percent, rounded up.
    static std::int64_t canaries_of(const model::UpdateStrategy& update, std::int64_t nodes) {
        return std::min(nodes, (nodes * std::min<std::int64_t>(update.canary, 100) + 99) / 100);
    }

    void open_deployment(
        const model::TaskGroup& group, std::int64_t updates, std::int64_t placed, bool canaries
    ) {
        if (deployment_ != nullptr || updates + placed == 0) {
            return;
        }
        const bool ran_before = std::ranges::any_of(allocs_, [&](const ExistingAlloc& alloc) {
            return alloc.group == group.name && alloc.job->version == job_->version &&
                   alloc.job->create_index == job_->create_index;
        });
        if (updates == 0 && ran_before) {
            return;  // A node more is no new version.
        }
        if (!changes_.new_deployment) {
            changes_.new_deployment = new_deployment(*job_, in_.eval.priority);
        }
        model::DeploymentState state = new_deployment_state(*group.update, in_.now);
        state.desired_total = updates + placed;
        state.desired_canaries = canaries ? canaries_of(*group.update, updates + placed) : 0;
        model::Deployment& d = *changes_.new_deployment;
        d.task_groups[group.name] = state;
        d.status_description = running_description(d);
    }

    void finish_deployment() {
        if (deployment_ == nullptr || !model::is_active(deployment_->status) || goes_on_) {
            return;
        }
        for (const auto& [name, state] : deployment_->task_groups) {
            if (state.desired_canaries > 0 && !state.promoted) {
                return;
            }
        }
        for (const ExistingAlloc& alloc : allocs_) {
            const bool lives = alloc.desired == AllocDesiredStatus::Run &&
                               !model::is_terminal(alloc.client);
            if (lives && alloc.deployment_id == deployment_->id && !alloc.healthy.value_or(false)) {
                return;
            }
        }
        end_deployment(
            *deployment_,
            model::DeploymentStatus::Successful,
            "Deployment completed successfully"
        );
    }

    // --- allocations

    void stop(const ExistingAlloc& alloc, std::string_view why, bool lost) {
        StopRequest request{.alloc = &alloc, .description = why};
        if (lost) {
            request.client_status = AllocClientStatus::Lost;
        }
        assembly_.stop(request);
        if (placer_) {
            placer_->release(alloc);
        }
        ++changes_.groups[std::string(alloc.group)].counts.stop;
    }

    /// Decides about what is there; what stays holds its place on its node.
    void look_at(const ExistingAlloc& alloc) {
        const model::TaskGroup* group = placer_ ? find_group(*job_, alloc.group) : nullptr;
        const bool finished = model::is_terminal(alloc.client);
        if (alloc.desired != AllocDesiredStatus::Run) {
            if (!finished && alloc.node == NodeCondition::Down) {
                stop(alloc, kStoppedLost, true);
            }
            return;
        }
        if (group == nullptr || group->count == 0) {
            if (!finished) {
                stop(alloc, kStoppedByUpdate, alloc.node == NodeCondition::Down);
            }
            return;
        }
        const bool current =
            alloc.job->version == job_->version && alloc.job->create_index == job_->create_index;
        if (finished) {
            // A sysbatch task that ran under this version has run, whatever became of it; a system
            // task that failed for good waits for a change of the job.
            const bool done = job_->type == "sysbatch" || alloc.client == AllocClientStatus::Failed;
            if (current && done && alloc.client != AllocClientStatus::Lost) {
                held_[std::string(alloc.group)].insert(alloc.node_id);
            }
            return;
        }
        switch (alloc.node) {
            case NodeCondition::Down:
                stop(alloc, kStoppedLost, true);
                return;
            case NodeCondition::Disconnected:
                held_[std::string(alloc.group)].insert(alloc.node_id);
                return;
            case NodeCondition::Draining:
            case NodeCondition::Ready:
                break;
        }
        if (alloc.migrate) {
            stop(
                alloc,
                alloc.node == NodeCondition::Draining ? kStoppedTainted : kStoppedByMigration,
                false
            );
            return;
        }
        // A second one on the same node is one too many.
        if (!held_[std::string(alloc.group)].insert(alloc.node_id).second) {
            stop(alloc, kStoppedByUpdate, false);
            return;
        }
        auto& changes = changes_.groups[group->name];
        if (current) {
            if (!placer_->allows_in_place(alloc, *group)) {
                stop(alloc, kStoppedTainted, false);
                return;
            }
            ++changes.counts.ignore;
            return;
        }
        if (!placer_->allows_in_place(alloc, *group)) {
            stop(alloc, kStoppedTainted, false);
        } else if (find_group(*alloc.job, group->name) != nullptr &&
                   !needs_replacement(*alloc.job, *job_, group->name)) {
            assembly_.update_in_place(alloc, group->name, false);
            ++changes.counts.in_place_update;
        } else {
            updates_[std::string(alloc.group)].push_back(&alloc);
        }
    }

    /// How many destructive updates may go at once: the group's max_parallel, counting what is
    /// being replaced and is not known to be well yet; canaries first where they are asked for.
    std::size_t update_limit(const model::TaskGroup& group, bool canaries, std::int64_t nodes) const {
        if (!group.update || group.update->max_parallel <= 0) {
            return allocs_.size();
        }
        if (deployment_ != nullptr && (deployment_->status == model::DeploymentStatus::Failed ||
                                       deployment_->status == model::DeploymentStatus::Paused)) {
            return 0;
        }
        auto limit = canaries ? canaries_of(*group.update, nodes) : group.update->max_parallel;
        for (const ExistingAlloc& alloc : allocs_) {
            if (alloc.group != group.name || alloc.desired != AllocDesiredStatus::Run ||
                alloc.job->version != job_->version) {
                continue;
            }
            const bool ours = deployment_ != nullptr && alloc.deployment_id == deployment_->id;
            if (ours && !alloc.healthy.value_or(true)) {
                return 0;
            }
            if (canaries ? ours && alloc.canary
                         : (ours ? !alloc.healthy.has_value()
                                 : alloc.client == AllocClientStatus::Pending)) {
                --limit;
            }
        }
        return static_cast<std::size_t>(std::max<std::int64_t>(limit, 0));
    }

    void cover(const model::TaskGroup& group) {
        if (group.count == 0) {
            return;
        }
        auto& changes = changes_.groups[group.name];
        changes.group = &group;
        const bool in_steps = updates_in_steps(group);
        const model::DeploymentState* state = deployment_state(group);
        const auto& updates = updates_[group.name];
        const bool canaries = in_steps && group.update->canary > 0 && !updates.empty() &&
                              !(state != nullptr && state->promoted);
        const auto nodes = state != nullptr ? state->desired_total
                                            : static_cast<std::int64_t>(held_[group.name].size());
        std::size_t limit = update_limit(group, canaries, nodes);
        std::size_t postponed = 0;
        for (const ExistingAlloc* alloc : updates) {
            if (limit == 0) {
                ++postponed;
                ++changes.counts.ignore;
                continue;
            }
            --limit;
            if (canaries) {
                ++changes.counts.canary;
            } else {
                ++changes.counts.destructive_update;
            }
            place(group, *alloc, canaries);
        }
        goes_on_ |= !updates.empty();
        if (postponed > 0 && !in_steps) {
            const auto stagger = group.update ? group.update->stagger : Duration{};
            assembly_.follow_up({in_.now + stagger, "rolling-update", {}});
        }
        std::int64_t placed_new = 0;
        for (std::uint32_t i = 0; i < placer_->candidate_count(); ++i) {
            const Uuid node = placer_->candidate(i).id;
            if (held_[group.name].contains(node) || placer_->refusal(i, group) != nullptr) {
                continue;
            }
            const PlaceRequest request{
                .group = group.name, .job = job_.get(), .previous = previous(group.name, node)
            };
            ++changes.counts.place;
            goes_on_ = true;
            auto placed = placer_->place_on(i, request);
            if (placed) {
                ++placed_new;
                assembly_.place(request, std::move(*placed));
            } else {
                assembly_.fail(request, *placer_);
            }
        }
        if (in_steps) {
            open_deployment(group, static_cast<std::int64_t>(updates.size()), placed_new, canaries);
        }
    }

    void place(const model::TaskGroup& group, const ExistingAlloc& alloc, bool canary) {
        PlaceRequest request{
            .group = group.name, .canary = canary, .job = job_.get(), .previous = &alloc
        };
        request.stop_previous = StopRequest{.alloc = &alloc, .description = kStoppedForUpdate};
        const auto position = placer_->position_of(alloc.node_id);
        if (!position) {
            // Its node takes nothing new: the old one runs on until the node decides.
            return;
        }
        placer_->release(alloc);
        auto placed = placer_->place_on(*position, request);
        if (placed) {
            assembly_.place(request, std::move(*placed));
        } else {
            assembly_.fail(request, *placer_);
            placer_->take_back(alloc);
        }
    }

    /// The last allocation of the group on the node, which a new one follows.
    const ExistingAlloc* previous(std::string_view group, const Uuid& node) const {
        const ExistingAlloc* last = nullptr;
        for (const ExistingAlloc& alloc : allocs_) {
            if (alloc.group == group && alloc.node_id == node && alloc.next_allocation.is_nil() &&
                (last == nullptr || alloc.started_at > last->started_at)) {
                last = &alloc;
            }
        }
        return last;
    }

    const Input& in_;
    std::shared_ptr<const model::Job> job_;
    std::vector<ExistingAlloc> allocs_;
    Assembly assembly_;
    std::optional<Placer> placer_;
    Changes changes_;
    /// The deployment of this version, unless it is over well.
    const model::Deployment* deployment_{nullptr};
    /// This pass changes something, or would.
    bool goes_on_{false};
    /// By group: nodes that have their allocation.
    std::map<std::string, std::set<Uuid>, std::less<>> held_;
    std::map<std::string, std::vector<const ExistingAlloc*>, std::less<>> updates_;
};

}  // namespace

model::Plan schedule_by_node(const Input& in, std::shared_ptr<const model::Job> job, Rng& rng) {
    return SystemPass(in, std::move(job), rng).run();
}

}  // namespace nl::sched
