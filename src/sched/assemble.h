#pragma once
// Turns decisions into a plan: numbers placements, shares what a group's placements have in common,
// writes down what could not be placed, and makes the evaluations that follow (blocked, delayed).
// Used by sched/scheduler and sched/system; no decision is taken here.

#include "base/rng.h"
#include "model/plan.h"
#include "sched/placer.h"
#include "sched/reconcile.h"
#include "sched/scheduler.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace nl::sched {

class Assembly {
public:
    Assembly(const Input& input, std::shared_ptr<const model::Job> job, Rng& rng);

    /// So many placements are to come.
    void expect(std::size_t placements) { plan_.placements.reserve(placements); }
    void stop(const StopRequest& request);
    void place(const PlaceRequest& request, Placed placed);
    /// The first of a group is explained; the others are counted.
    void fail(const PlaceRequest& request, Placer& placer);
    bool has_failed(std::string_view group) const { return eval_.failed_tg_allocs.contains(group); }
    void update_in_place(const ExistingAlloc& alloc, std::string_view group, bool in_deployment);
    /// Follow-up evaluations of delayed rescheduling; before the stops of their allocations.
    void follow_up(const FollowUp& follow_up);
    void use_deployment(const Changes& changes, const model::Deployment* current);
    void annotate(const Changes& changes);

    /// The plan; `placer` explains the groups and may be null if nothing was to be placed.
    model::Plan finish(Placer* placer);

    /// Why nothing can be done with this evaluation.
    static model::Plan refuse(const Input& input, std::string reason);

private:
    std::uint32_t group_number(const model::Job& job, std::string_view group);
    model::Evaluation next_eval(std::string_view triggered_by, std::string_view description);
    void block(const Placer& placer);

    const Input& in_;
    std::shared_ptr<const model::Job> job_;
    Rng& rng_;
    model::Plan plan_;
    model::Evaluation eval_;
    /// By position in the plan's groups.
    std::vector<const model::Job*> job_of_group_;
    /// By group: evictions for its placements.
    Map<std::int64_t> preemptions_;
    /// By allocation: the evaluation that looks at it again.
    std::map<Uuid, Uuid> followed_;
    std::uint32_t next_number_{0};
};

}  // namespace nl::sched
