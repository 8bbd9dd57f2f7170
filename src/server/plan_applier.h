#pragma once
// Checks plans against the newest state and commits what holds: workers decide from snapshots that
// may be old, so two of them may want the same room. Each placement is checked on its node against
// the state, the plans on their way through the log and the plans before it in the same command;
// what does not fit is left out and the plan's evaluation is scheduled again on a newer state.
// Several plans share a command; several commands may be on their way.
//
// Owned by server::Leader. Never over-commits a node whatever the workers saw. Source:
// contracts.md, server; reliability row 60.

#include "base/strong.h"
#include "base/time.h"
#include "model/plan.h"
#include "server/plan_rejections.h"
#include "state/commands/plan_results.h"
#include "state/effects.h"
#include "state/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

namespace nl::server {

struct PlanApplierOptions {
    /// Plans in one command at most, and placements (a plan larger than this goes alone).
    std::size_t max_plans{64};
    std::size_t max_placements{4096};
    /// Commands on their way through the log at once.
    std::size_t max_in_flight{4};
    RejectionOptions rejections{};
};

/// What became of one plan. `token` is the delivery it answers.
struct PlanOutcome {
    std::uint64_t token{0};
    model::PlanResult result;
    /// Everything was accepted and stored with its evaluation: the delivery is done.
    bool complete{false};
    /// The command was not committed; nothing or everything of it may come true later.
    bool failed{false};
    /// Part of it was committed: the next try has less to do.
    bool progress{false};
};

class PlanApplier {
public:
    explicit PlanApplier(PlanApplierOptions options)
        : options_(options), rejections_(options.rejections) {}

    void submit(std::uint64_t token, model::Plan plan);
    /// The next command to propose, made of the plans that wait, checked against `snapshot`;
    /// nullopt if none waits or enough are on their way. The caller names it with `ticket`.
    std::optional<state::commands::PlanResults> take_command(
        const state::Snapshot& snapshot, Ticket ticket, WallTime now = {}
    );
    /// A plan command's effects are in the state now: what it reserved is counted there.
    void applied(const state::Effects& effects);
    /// The command's end. Ignored for a ticket that is none of a plan command.
    void finished(Ticket ticket, const Result<Index>& result);

    std::vector<PlanOutcome> take_outcomes() { return std::exchange(outcomes_, {}); }
    /// Nodes whose plans were refused too often: the caller makes them ineligible.
    std::vector<Uuid> take_suspects() { return rejections_.take_suspects(); }

    std::size_t waiting() const { return queue_.size(); }
    std::size_t in_flight() const { return in_flight_.size(); }
    std::uint64_t plans_accepted() const { return plans_accepted_; }
    std::uint64_t placements_rejected() const { return placements_rejected_; }

private:
    struct Queued {
        std::uint64_t token;
        model::Plan plan;
    };
    /// What a command on its way will take and give back, on one node.
    struct OnNode {
        state::ResourceSum takes;
        std::int64_t placed{0};
        std::vector<model::AllocatedResources> named;
        std::vector<Uuid> stopped;
    };
    /// Looked up, never walked through: its order means nothing.
    using Reservation = std::unordered_map<Uuid, OnNode>;
    struct InFlight {
        Ticket ticket;
        std::vector<PlanOutcome> outcomes;
        /// Plans refused whole while this was on its way. They are told when it has ended: before
        /// that, a worker would decide from the very state that was wrong.
        std::vector<PlanOutcome> refused;
        Reservation reservation;
        /// By which the applied command is known again.
        std::set<Uuid> marks;
        bool applied{false};
    };
    /// A plan with what it does on each node put together.
    struct Sorted;
    struct NodeCheck;

    /// Whether what the plan's scheduler saw of the node has changed since, or is about to: then
    /// that a placement was refused says nothing about the node.
    bool others_were_faster(
        const state::Snapshot& snapshot,
        const model::Plan& plan,
        const Reservation& pending,
        const Uuid& node
    ) const;
    std::vector<std::uint32_t> rejected(
        const state::Snapshot& snapshot, const Sorted& plan, const Reservation& pending
    ) const;
    void reserve(
        const state::Snapshot& snapshot,
        const Sorted& plan,
        const state::commands::AcceptedPlan& accepted,
        Reservation& reservation
    ) const;

    PlanApplierOptions options_;
    std::deque<Queued> queue_;
    std::vector<InFlight> in_flight_;
    std::vector<PlanOutcome> outcomes_;
    PlanRejections rejections_;
    std::uint64_t plans_accepted_{0};
    std::uint64_t placements_rejected_{0};
};

}  // namespace nl::server
