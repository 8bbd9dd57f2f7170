#pragma once
// What should change: a job's desired groups against the allocations that exist, by name and index.
// Decides stop, ignore, in place, replace, migrate, lost, reschedule now or later, canaries and how
// much of an update may go at once; it does not choose nodes. Used for service and batch jobs
// (sched/system for the others). Pure; the views it is given must outlive its result.
// Source: jobspec reference, sections 3 and 8; Nomad's scheduling concepts.

#include "base/time.h"
#include "base/uuid.h"
#include "model/allocation.h"
#include "model/deployment.h"
#include "model/job.h"
#include "model/plan.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::sched {

/// Failed allocations due within this of each other share one follow-up evaluation.
inline constexpr Duration kFollowUpWindow = seconds(5);
/// A replacement due this soon is made at once.
inline constexpr Duration kRescheduleWindow = seconds(1);

inline constexpr std::string_view kStoppedByUpdate = "alloc not needed due to job update";
inline constexpr std::string_view kStoppedByMigration = "alloc is being migrated";
inline constexpr std::string_view kStoppedForUpdate = "alloc is being updated due to job update";
inline constexpr std::string_view kStoppedLost = "alloc is lost since its node is down";
inline constexpr std::string_view kUnknownDisconnected =
    "alloc is unknown since its node is disconnected";
inline constexpr std::string_view kStoppedReconnect =
    "alloc not needed due to disconnected client reconnect";
inline constexpr std::string_view kStoppedRescheduled = "alloc was rescheduled because it failed";
inline constexpr std::string_view kStoppedTainted = "alloc not needed as node is tainted";

/// What a node's state means for the allocations on it.
enum class NodeCondition { Ready, Draining, Disconnected, Down };

/// An allocation as the reconciler sees it. Views and pointers are the caller's.
struct ExistingAlloc {
    Uuid id;
    Uuid node_id;
    std::string_view group;
    std::uint32_t name_index{0};
    model::AllocDesiredStatus desired{};
    model::AllocClientStatus client{};
    /// The version it runs. Never null.
    const model::Job* job{nullptr};
    Uuid deployment_id;
    std::optional<bool> healthy;
    /// Older than the version it runs: it went on through the update.
    bool updated_in_place{false};
    bool canary{false};
    Uuid next_allocation;
    Uuid followup_eval_id;
    /// The follow-up evaluation has had its turn, or is gone.
    bool followup_over{false};
    bool migrate{false};
    /// Replaced at once, whatever the policy says. With `migrate`: stopped also if there is no room
    /// for another.
    bool reschedule{false};
    /// Failed: may be replaced although its deployment is still going on. Alive: an operator wants
    /// another, elsewhere if possible.
    bool may_reschedule{false};
    /// Stopped for good: nothing takes its place until the job changes.
    bool no_replacement{false};
    const model::RescheduleTracker* tracker{nullptr};
    /// When its last task ended (or its last change, if no task says).
    WallTime ended_at;
    /// Since when its node is disconnected; zero if it is not unknown.
    WallTime unknown_since;
    /// It came back from being unknown.
    bool reconnected{false};
    /// When the last of its tasks began (known of those that were unknown, else when it was made).
    WallTime started_at;
    double score{0};
    NodeCondition node{NodeCondition::Ready};
};

struct StopRequest {
    const ExistingAlloc* alloc{nullptr};
    std::string_view description;
    /// Lost or Unknown when the node cannot say so itself.
    std::optional<model::AllocClientStatus> client_status;
    /// False for one that only becomes unknown.
    bool stop{true};
    Uuid followup_eval_id;
    bool rescheduled{false};
};

struct PlaceRequest {
    std::string_view group;
    std::uint32_t name_index{0};
    bool canary{false};
    /// The version to place: the job's, or the replaced one's while canaries are unpromoted.
    const model::Job* job{nullptr};
    const ExistingAlloc* previous{nullptr};
    /// Carried out only if the placement succeeds.
    std::optional<StopRequest> stop_previous;
    /// A new attempt: the previous node counts as a bad choice.
    bool is_reschedule{false};
    Box<model::RescheduleTracker> tracker;
};

struct GroupChanges {
    /// Null for a group that is no longer in the job.
    const model::TaskGroup* group{nullptr};
    std::vector<PlaceRequest> place;
    std::vector<const ExistingAlloc*> in_place;
    model::DesiredUpdates counts;
    /// The group takes part in the deployment.
    bool in_deployment{false};
};

/// Allocations to look at again at a time.
struct FollowUp {
    WallTime at;
    std::string_view triggered_by;
    std::vector<const ExistingAlloc*> allocs;
};

struct Changes {
    Map<GroupChanges> groups;
    std::vector<StopRequest> stops;
    std::vector<FollowUp> follow_ups;
    /// Set when a deployment is to be created; ids are the caller's business.
    Box<model::Deployment> new_deployment;
    std::vector<model::DeploymentStatusUpdate> deployment_updates;
};

struct ReconcileInput {
    /// Null when the job was purged.
    const model::Job* job{nullptr};
    std::span<const ExistingAlloc> allocs;
    /// The job's latest deployment, if any.
    const model::Deployment* deployment{nullptr};
    Uuid eval_id;
    std::int64_t eval_priority{0};
    WallTime now;
    /// Whether the node still passes the group's new constraints.
    std::function<bool(const ExistingAlloc&, const model::TaskGroup&)> fits_in_place;
};

Changes reconcile(const ReconcileInput& input);

/// A deployment for the job, running, without groups.
model::Deployment new_deployment(const model::Job& job, std::int64_t eval_priority);
/// A group's part in it, from its update block; the counts are the caller's.
model::DeploymentState new_deployment_state(const model::UpdateStrategy& update, WallTime now);
/// What a running deployment is described as.
std::string_view running_description(const model::Deployment& deployment);

}  // namespace nl::sched
