#pragma once
// What applying a command changed: the only thing events, watches, the broker, node streams and the
// other duties read; none of them reads the log. Made by Store::apply, consumed on any thread by
// value. The whole object is in the snapshot of the same index; of a deleted one, in the one
// before.

#include "base/error.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/deployment.h"
#include "model/enums.h"
#include "model/evaluation.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nl::state {

/// The tables, for indexes, changes and watches. Numbers are stored: new ones go to the end.
enum class TableId : std::uint8_t {
    Nodes = 0,
    NodePools,
    Namespaces,
    Jobs,
    JobVersions,
    JobSummaries,
    JobSubmissions,
    Evals,
    Allocs,
    Deployments,
    ScalingPolicies,
    ScalingEvents,
    SchedulerConfig,
    AutopilotConfig,
    Variables,
    Services,
    AclTokens,
    AclPolicies,
    AclRoles,
    AclAuthMethods,
    AclBindingRules,
    OneTimeTokens,
    HostVolumes,
    HostVolumeClaims,
    CsiVolumes,
    CsiPlugins,
    RootKeys,
    ClusterMeta,
    Servers,
    PeriodicLaunches,
};
inline constexpr std::size_t kTableCount = 30;

std::string_view to_string(TableId table);

enum class CommandType : std::uint32_t;

struct Change {
    enum class Kind : std::uint8_t { Create, Update, Delete };

    TableId table{};
    Kind kind{};
    /// The row's id in tables with 16-byte ids (nodes, evals, allocs, deployments); else nil.
    Uuid id{};
    /// For rows in namespaces.
    std::string namespace_{};
    /// Name or text id of any other row: job id, path, accessor, "service id" ...
    std::string key{};
    /// The job a row belongs to (evals, allocs, deployments, versions, services, policies).
    std::string job_id{};
    /// Further owners, for watches and filter keys: node, deployment and eval of an allocation,
    /// node and alloc of a service.
    Uuid node_id{};
    Uuid deployment_id{};
    Uuid eval_id{};
};

struct NodeChange {
    Uuid id;
    bool created{};
    bool deleted{};
    model::NodeStatus before{};
    model::NodeStatus after{};
    bool drain_changed{};
    bool eligibility_changed{};
    /// Attributes, resources, class or pool are others than before: feasibility may differ.
    bool capacity_changed{};
};

/// An allocation's change as its node and the duties need it.
struct AllocChange {
    Uuid id;
    Uuid node_id;
    bool created{};
    bool deleted{};
    /// The servers changed something the node must learn (desired status, transition, job version).
    bool for_node{};
    model::AllocClientStatus before{};
    model::AllocClientStatus after{};
    bool was_terminal{};
    bool is_terminal{};
};

struct Effects {
    Index index;
    CommandType command{};
    WallTime time;
    /// The leader's answer to the proposer: refusals (check-and-set, unknown object) are values.
    Result<void> result;
    /// After a check-and-set conflict: the index that stands.
    Index conflict_index;

    std::vector<Change> changes;
    /// New or updated evaluations, as they now stand.
    std::vector<std::shared_ptr<const model::Evaluation>> evals;
    std::vector<NodeChange> nodes;
    std::vector<AllocChange> allocs;
    /// Created or changed deployments.
    std::vector<Uuid> deployments;
};

}  // namespace nl::state
