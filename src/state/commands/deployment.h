#pragma once
// Commands about deployments. Creation is part of a plan.

#include "model/plan.h"
#include "state/command.h"
#include "state/commands/job.h"

#include <string>
#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

/// Refusals: unknown or already finished deployment.
struct DeploymentStatusSet {
    static constexpr CommandType kType = CommandType::DeploymentStatus;
    model::DeploymentStatusUpdate update{};
    Box<model::Evaluation> eval{};
    /// The version to go back to, registered anew.
    Box<JobRegister> rollback{};
    NL_FIELDS(DeploymentStatusSet, (1, update), (2, eval), (3, rollback))
};

/// Refusals: unknown or finished deployment; a group without enough healthy canaries.
struct DeploymentPromote {
    static constexpr CommandType kType = CommandType::DeploymentPromote;
    Uuid deployment_id{};
    /// Empty: all.
    std::vector<std::string> groups{};
    Box<model::Evaluation> eval{};
    NL_FIELDS(DeploymentPromote, (1, deployment_id), (2, groups), (3, eval))
};

/// Health as an operator sets it or the watcher judges it.
struct DeploymentAllocHealth {
    static constexpr CommandType kType = CommandType::DeploymentAllocHealth;
    Uuid deployment_id{};
    std::vector<Uuid> healthy{};
    std::vector<Uuid> unhealthy{};
    Box<model::DeploymentStatusUpdate> update{};
    Box<model::Evaluation> eval{};
    Box<JobRegister> rollback{};
    NL_FIELDS(
        DeploymentAllocHealth,
        (1, deployment_id),
        (2, healthy),
        (3, unhealthy),
        (4, update),
        (5, eval),
        (6, rollback)
    )
};

struct DeploymentDelete {
    static constexpr CommandType kType = CommandType::DeploymentDelete;
    std::vector<Uuid> deployments{};
    NL_FIELDS(DeploymentDelete, (1, deployments))
};

Result<void> apply(Applying& a, const DeploymentStatusSet& command);
Result<void> apply(Applying& a, const DeploymentPromote& command);
Result<void> apply(Applying& a, const DeploymentAllocHealth& command);
Result<void> apply(Applying& a, const DeploymentDelete& command);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::DeploymentStatusSet>();
extern template const StructType& struct_type<state::commands::DeploymentPromote>();
extern template const StructType& struct_type<state::commands::DeploymentAllocHealth>();
extern template const StructType& struct_type<state::commands::DeploymentDelete>();
}  // namespace nl::codec
