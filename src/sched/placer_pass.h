#pragma once
// What a Placer knows of one group of one job version during a pass. Private to the placer's files.

#include "sched/placer.h"
#include "sched/preempt.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nl::sched {

/// A candidate that passed the constraints but not the pass's own conditions.
struct Refusal {
    std::string text;
    /// A resource is used up (else a constraint is broken).
    bool exhausted{false};
};

/// What making room on a node would cost and give.
struct Placer::Eviction {
    std::vector<Uuid> victims;
    double score{0};
    ScoreParts parts;
    Box<model::AllocatedResources> assigned;
};

struct Placer::Pass {
    Pass(
        const model::Job& pass_job,
        const model::TaskGroup& pass_group,
        Group& pass_counts,
        Feasibility pass_feasibility
    )
        : job(pass_job),
          group(pass_group),
          counts(pass_counts),
          feasibility(std::move(pass_feasibility)) {}

    const model::Job& job;
    const model::TaskGroup& group;
    Group& counts;
    Feasibility feasibility;
    std::vector<std::uint8_t> feasible;
    /// By class: why it is out; null if it is not.
    std::vector<const std::string*> class_why;
    /// By candidate, where a constraint on unique attributes decided.
    std::map<std::uint32_t, const std::string*> unique_why;
    bool assigns{false};
    model::AllocatedResources base;
    state::ResourceSum ask;
    std::vector<std::int32_t> extra_cpu;
    bool ranks_devices{false};
    std::vector<double> devices;
    /// By spread block: its attribute and the numbers of its values.
    std::vector<std::pair<std::string, Map<std::uint32_t>>> spread_values;
    std::optional<Spread> spread;
    std::optional<Ranker> ranker;
    std::map<std::uint32_t, Refusal> refused;
    /// Those of them that the next placement may be allowed.
    std::vector<std::uint32_t> try_again;
    /// Evictions found so far; nullopt where none helps.
    std::map<std::uint32_t, std::optional<Eviction>> evictions;
    /// What accept() named for the node it took last.
    Box<model::AllocatedResources> assigned;
    std::vector<Choice> first_scores;
    bool scores_known{false};
    bool over_quota{false};
};

}  // namespace nl::sched
