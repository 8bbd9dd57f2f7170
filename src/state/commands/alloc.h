#pragma once
// Commands about allocations beside plans: what nodes report, what operators and duties wish.

#include "model/allocation.h"
#include "model/evaluation.h"
#include "state/command.h"

#include <string>
#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

/// What only the node knows. Replaces what it said before.
struct AllocReport {
    Uuid alloc_id{};
    model::AllocClientStatus client_status{};
    std::string client_description{};
    Map<model::TaskState> task_states{};
    /// Health and its time, when the node judges it for a deployment.
    Box<model::AllocDeploymentStatus> deployment_status{};
    Box<model::AllocNetworkStatus> network_status{};
    /// The node's clock; 0: the command's time.
    std::int64_t modify_time{};

    NL_FIELDS(
        AllocReport,
        (1, alloc_id),
        (2, client_status),
        (3, client_description),
        (4, task_states),
        (5, deployment_status),
        (6, network_status),
        (7, modify_time)
    )
};

/// Reports of any nodes, and the evaluations the leader makes of them. Updates job summaries, job
/// status and deployment counts. Reports of unknown allocations are passed over.
struct AllocClientUpdate {
    static constexpr CommandType kType = CommandType::AllocClientUpdate;
    std::vector<AllocReport> reports{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(AllocClientUpdate, (1, reports), (2, evals))
};

struct TransitionItem {
    Uuid alloc_id{};
    /// Only the fields set are changed.
    model::DesiredTransition transition{};
    NL_FIELDS(TransitionItem, (1, alloc_id), (2, transition))
};

/// Migrate, reschedule or stop, as the drainer, deployments or an operator wish; the scheduler acts
/// on it.
struct AllocDesiredTransition {
    static constexpr CommandType kType = CommandType::AllocDesiredTransition;
    std::vector<TransitionItem> items{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(AllocDesiredTransition, (1, items), (2, evals))
};

Result<void> apply(Applying& a, const AllocClientUpdate& command);
Result<void> apply(Applying& a, const AllocDesiredTransition& command);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::AllocReport>();
extern template const StructType& struct_type<state::commands::AllocClientUpdate>();
extern template const StructType& struct_type<state::commands::TransitionItem>();
extern template const StructType& struct_type<state::commands::AllocDesiredTransition>();
}  // namespace nl::codec
