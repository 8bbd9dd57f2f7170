#pragma once
// Chooses nodes for a job's placements: the candidate nodes of a snapshot, what the plan has
// already given and freed on them, and one pass (feasibility, ranking) for each group. Remembers
// why nodes were left out, so that every outcome explains itself in AllocMetric. Where nothing has
// room it may evict what matters less (sched/preempt). Lives for one scheduling pass.

#include "base/rng.h"
#include "model/alloc_metric.h"
#include "model/job.h"
#include "sched/assign.h"
#include "sched/candidates.h"
#include "sched/feasible.h"
#include "sched/rank.h"
#include "sched/reconcile.h"
#include "sched/scheduler.h"
#include "state/snapshot.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::sched {

/// Nodes whose scores an AllocMetric shows.
inline constexpr std::size_t kScoresShown = 5;

struct Placed {
    Uuid node_id;
    double score{0};
    /// Set if ports, cores or devices were assigned.
    Box<model::AllocatedResources> resources;
    /// Live allocations that must go for it.
    std::vector<Uuid> preempted;
};

class Placer {
public:
    Placer(const Input& input, const model::Job& job, Rng& rng);
    Placer(const Placer&) = delete;
    Placer& operator=(const Placer&) = delete;
    ~Placer();

    /// Tells what of the job lives; before anything is placed.
    void add_existing(std::span<const ExistingAlloc> allocs);
    /// The plan stops a live allocation: what it took is free again.
    void release(const ExistingAlloc& alloc);
    void take_back(const ExistingAlloc& alloc);

    /// The best node for the request, which is then taken; nullopt if there is none: `explain`
    /// tells why.
    std::optional<Placed> place(const PlaceRequest& request);
    /// Places on this node only.
    std::optional<Placed> place_on(std::uint32_t position, const PlaceRequest& request);
    /// Why the group's placements in this pass went where they went, or nowhere.
    model::AllocMetric explain(const model::Job& job, std::string_view group);

    /// Whether the node the allocation is on may still run the group as the job has it now.
    bool allows_in_place(const ExistingAlloc& alloc, const model::TaskGroup& group);

    std::uint32_t candidate_count() const { return candidates_.size(); }
    const model::Node& candidate(std::uint32_t position) const {
        return candidates_.node(position);
    }
    std::optional<std::uint32_t> position_of(const Uuid& node) const {
        return candidates_.position_of(node);
    }
    /// Null if constraints allow the group on the candidate, else why not.
    const std::string* refusal(std::uint32_t position, const model::TaskGroup& group);

    /// By computed class, whether any group could run there; for blocked evaluations.
    Map<bool> class_eligibility() const;
    bool escaped() const;
    /// The quota that held a placement back; "" for none.
    const std::string& quota_reached() const { return quota_reached_; }

private:
    struct Pass;
    /// What is counted for one group, whatever version of it.
    struct Group {
        std::string name;
        /// By candidate: live allocations, kept and planned.
        std::vector<std::uint32_t> collisions;
        /// Where its allocations came (1) and went (-1); for spreads that are looked at later.
        std::vector<std::pair<const model::Node*, std::int64_t>> moves;
    };

    Group& group_of(std::string_view name);
    Pass& pass(const model::Job& job, std::string_view group);
    std::unique_ptr<Pass> make_pass(const model::Job& job, const model::TaskGroup& group);
    Spread make_spread(const model::Job& job, const model::TaskGroup& group, Pass& pass);
    void find_feasible(Pass& pass);
    std::vector<double> affinities(const Pass& pass);
    void score_devices(Pass& pass, std::uint32_t position);
    const std::string* why_not(const Pass& pass, std::uint32_t position) const;
    /// One allocation of the group more (1) or less (-1) on the node.
    void count(
        const model::Node& node,
        std::optional<std::uint32_t> position,
        std::string_view group,
        std::int64_t sign
    );
    void changed(std::uint32_t position);
    void move(const ExistingAlloc& alloc, std::int64_t sign);
    bool accept(Pass& pass, std::uint32_t position, const PlaceRequest& request);
    bool breaks_distinct(const Pass& pass, std::uint32_t position, std::string& why);
    bool breaks_volumes(const Pass& pass, std::uint32_t position, const PlaceRequest& request)
        const;
    NodeUse& use_of(std::uint32_t position);
    NodeUse make_use(std::uint32_t position, std::span<const Uuid> without) const;
    Placed commit(Pass& pass, std::uint32_t position, double score);
    std::optional<Placed> preempt(
        Pass& pass, const PlaceRequest& request, std::optional<std::uint32_t> only
    );
    struct Eviction;
    std::optional<Eviction> eviction(Pass& pass, std::uint32_t position);
    bool over_quota(const Pass& pass);
    void try_again_for(Pass& pass);
    model::AllocMetric metric(Pass& pass);
    void count_refusals(Pass& pass, model::AllocMetric& metric);
    std::vector<std::uint32_t> penalized(const PlaceRequest& request) const;

    const state::Snapshot& snapshot_;
    const Input& in_;
    const model::Job& job_;
    Rng& rng_;
    RegexCache regexes_;
    Algorithm algorithm_{Algorithm::Binpack};
    bool may_preempt_{false};

    Candidates candidates_;
    std::vector<std::unique_ptr<Group>> groups_;
    /// By candidate, of all groups; empty unless a constraint asks.
    std::vector<std::uint32_t> job_allocs_;
    bool counts_job_allocs_{false};
    /// By attribute and group ("" for the whole job): allocations with each value.
    std::map<std::pair<std::string, std::string>, std::map<std::string, std::int64_t>> distinct_;
    /// Live allocations the plan stops or evicts.
    std::set<Uuid> released_;
    /// What the plan has given by name, by candidate.
    std::map<std::uint32_t, std::vector<model::AllocatedResources>> assigned_;
    std::map<std::uint32_t, NodeUse> uses_;
    /// By job version and group.
    std::vector<std::unique_ptr<Pass>> passes_;
    state::ResourceSum quota_used_;
    std::string quota_reached_;
    std::string quota_why_;
    /// In-place checks, by group; they outlive no pass.
    std::map<std::string, std::unique_ptr<Feasibility>, std::less<>> in_place_;
    std::map<std::pair<std::string, std::uint32_t>, bool> in_place_class_;
};

/// Allocations of the job as the reconciler sees them. Valid while the snapshot lives.
std::vector<ExistingAlloc> existing_allocs(
    const state::Snapshot& snapshot, std::string_view ns, std::string_view job_id
);

}  // namespace nl::sched
