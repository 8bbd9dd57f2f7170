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
        for (const ExistingAlloc& alloc : allocs_) {
            look_at(alloc);
        }
        if (placer_) {
            for (const auto& group : job_->task_groups) {
                cover(group);
            }
        }
        assembly_.annotate(changes_);
        return assembly_.finish(placer_ ? &*placer_ : nullptr);
    }

private:
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
    /// being replaced and does not run yet.
    std::size_t update_limit(const model::TaskGroup& group) const {
        if (!group.update || group.update->max_parallel <= 0) {
            return allocs_.size();
        }
        auto limit = group.update->max_parallel;
        for (const ExistingAlloc& alloc : allocs_) {
            if (alloc.group == group.name && alloc.desired == AllocDesiredStatus::Run &&
                alloc.job->version == job_->version && alloc.client == AllocClientStatus::Pending) {
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
        std::size_t limit = update_limit(group);
        std::size_t postponed = 0;
        for (const ExistingAlloc* alloc : updates_[group.name]) {
            if (limit == 0) {
                ++postponed;
                ++changes.counts.ignore;
                continue;
            }
            --limit;
            ++changes.counts.destructive_update;
            place(group, *alloc);
        }
        if (postponed > 0) {
            const auto stagger = group.update ? group.update->stagger : Duration{};
            assembly_.follow_up({in_.now + stagger, "rolling-update", {}});
        }
        for (std::uint32_t i = 0; i < placer_->candidate_count(); ++i) {
            const Uuid node = placer_->candidate(i).id;
            if (held_[group.name].contains(node) || placer_->refusal(i, group) != nullptr) {
                continue;
            }
            const PlaceRequest request{
                .group = group.name, .job = job_.get(), .previous = previous(group.name, node)
            };
            ++changes.counts.place;
            auto placed = placer_->place_on(i, request);
            if (placed) {
                assembly_.place(request, std::move(*placed));
            } else {
                assembly_.fail(request, *placer_);
            }
        }
    }

    void place(const model::TaskGroup& group, const ExistingAlloc& alloc) {
        PlaceRequest request{.group = group.name, .job = job_.get(), .previous = &alloc};
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
    /// By group: nodes that have their allocation.
    std::map<std::string, std::set<Uuid>, std::less<>> held_;
    std::map<std::string, std::vector<const ExistingAlloc*>, std::less<>> updates_;
};

}  // namespace

model::Plan schedule_by_node(const Input& in, std::shared_ptr<const model::Job> job, Rng& rng) {
    return SystemPass(in, std::move(job), rng).run();
}

}  // namespace nl::sched
