#pragma once
// Chooses nodes for a job's placements: the candidate nodes of a snapshot as columns, what the plan
// has already given and freed on them, and one Ranker for each group. Remembers why nodes were left
// out, so that every outcome explains itself in AllocMetric. Lives for one scheduling pass.

#include "base/rng.h"
#include "model/alloc_metric.h"
#include "model/job.h"
#include "sched/assign.h"
#include "sched/feasible.h"
#include "sched/rank.h"
#include "sched/reconcile.h"
#include "state/snapshot.h"

#include <cstdint>
#include <expected>
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
};

class Placer {
public:
    Placer(const state::Snapshot& snapshot, const model::Job& job, Rng& rng);
    Placer(const Placer&) = delete;
    Placer& operator=(const Placer&) = delete;
    ~Placer();

    /// Tells what of the job lives; before anything is placed.
    void add_existing(std::span<const ExistingAlloc> allocs);
    /// The plan stops a live allocation: what it took is free again.
    void release(const ExistingAlloc& alloc);
    void take_back(const ExistingAlloc& alloc);

    /// The best node for the request, which is then taken. Error: why there is none.
    std::expected<Placed, model::AllocMetric> place(const PlaceRequest& request);
    /// Places on this node only.
    std::expected<Placed, model::AllocMetric> place_on(
        std::uint32_t position, const PlaceRequest& request
    );
    /// Why the group's placements in this pass went where they went.
    model::AllocMetric explain(const model::Job& job, std::string_view group);

    /// Whether the node the allocation is on may still run the group as the job has it now.
    bool allows_in_place(const ExistingAlloc& alloc, const model::TaskGroup& group);

    std::size_t candidate_count() const { return columns_.size(); }
    const model::Node& candidate(std::uint32_t position) const { return *nodes_[position]; }
    std::optional<std::uint32_t> position_of(const Uuid& node) const;
    /// Null if constraints allow the group on the candidate, else why not.
    const std::string* refusal(std::uint32_t position, const model::TaskGroup& group);

    /// By computed class, whether any group could run there; for blocked evaluations.
    Map<bool> class_eligibility() const;
    bool escaped() const;

private:
    struct Pass;

    Pass& pass(const model::Job& job, std::string_view group);
    std::unique_ptr<Pass> make_pass(const model::Job& job, const model::TaskGroup& group);
    Spread make_spread(const model::Job& job, const model::TaskGroup& group);
    std::vector<std::uint32_t>& collisions(std::string_view group);
    /// One allocation of the group more (1) or less (-1) on the node.
    void count(const model::Node& node, std::string_view group, std::int64_t sign);
    void use(std::uint32_t position, const state::ResourceSum& takes, std::int64_t sign);
    void changed(std::uint32_t position);
    void move(const ExistingAlloc& alloc, std::int64_t sign);
    bool accept(Pass& pass, std::uint32_t position, const PlaceRequest& request);
    bool breaks_distinct(const Pass& pass, std::uint32_t position, std::string& why);
    const NodeUse& use_of(std::uint32_t position);
    Placed commit(Pass& pass, std::uint32_t position, double score);
    model::AllocMetric metric(Pass& pass);
    std::vector<std::uint32_t> penalized(const PlaceRequest& request) const;
    Feasibility::VolumePlugins volume_plugins(const model::Job& job, const model::TaskGroup& group)
        const;

    const state::Snapshot& snapshot_;
    const model::Job& job_;
    Rng& rng_;
    RegexCache regexes_;
    Algorithm algorithm_{Algorithm::Binpack};

    NodeColumns columns_;
    std::vector<const model::Node*> nodes_;
    std::vector<std::uint32_t> class_;
    /// By slot, the candidate's position plus one.
    std::vector<std::uint32_t> position_of_slot_;
    std::int64_t nodes_in_pool_{0};
    Map<std::int64_t> nodes_available_;

    /// By group and candidate: live allocations, kept and planned.
    std::map<std::string, std::vector<std::uint32_t>, std::less<>> group_allocs_;
    /// By candidate, of all groups.
    std::vector<std::uint32_t> job_allocs_;
    /// By attribute and group ("" for the whole job): allocations with each value.
    std::map<std::pair<std::string, std::string>, std::map<std::string, std::int64_t>> distinct_;
    /// By group: live allocations by node, for spread over nodes that are no candidates.
    std::map<std::string, std::map<const model::Node*, std::int64_t>, std::less<>> by_node_;
    /// Live allocations the plan stops.
    std::set<Uuid> released_;
    /// What the plan has given by name, by candidate.
    std::map<std::uint32_t, std::vector<model::AllocatedResources>> assigned_;
    std::map<std::uint32_t, NodeUse> uses_;
    /// By job version and group.
    std::map<std::pair<std::uint64_t, std::string>, std::unique_ptr<Pass>> passes_;
    /// Filled by make_spread for the pass being made.
    std::vector<std::pair<std::string, Map<std::uint32_t>>> scratch_spread_values_;
    /// In-place checks, by group; they outlive no pass.
    std::map<std::string, std::unique_ptr<Feasibility>, std::less<>> in_place_;
};

/// Allocations of the job as the reconciler sees them. Valid while the snapshot lives.
std::vector<ExistingAlloc> existing_allocs(
    const state::Snapshot& snapshot, std::string_view ns, std::string_view job_id
);

}  // namespace nl::sched
