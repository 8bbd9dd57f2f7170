#pragma once
// Commands about nodes: registration, status, drain and eligibility.

#include "model/evaluation.h"
#include "model/node.h"
#include "state/command.h"

#include <string>
#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

/// Events kept for each node.
inline constexpr std::size_t kMaxNodeEvents = 10;

/// A node says what it is. Keeps drain, eligibility and events of a known node; its status becomes
/// the one given. Unknown node pools are created. Refusals: another secret than registered.
struct NodeRegister {
    static constexpr CommandType kType = CommandType::NodeRegister;
    model::Node node{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(NodeRegister, (1, node), (2, evals))
};

struct NodeDeregister {
    static constexpr CommandType kType = CommandType::NodeDeregister;
    std::vector<Uuid> nodes{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(NodeDeregister, (1, nodes), (2, evals))
};

struct NodeStatusItem {
    Uuid node_id{};
    model::NodeStatus status{};
    std::string description{};
    Box<model::NodeEvent> event{};
    NL_FIELDS(NodeStatusItem, (1, node_id), (2, status), (3, description), (4, event))
};

/// Several nodes at once: a lost rack is one command. Unknown nodes are passed over; a single
/// unknown one is refused.
struct NodeStatusUpdate {
    static constexpr CommandType kType = CommandType::NodeStatusUpdate;
    std::vector<NodeStatusItem> nodes{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(NodeStatusUpdate, (1, nodes), (2, evals))
};

/// Begins, changes or ends (no strategy) a drain. A node that drains is ineligible; afterwards it
/// is eligible again only with mark_eligible.
struct NodeDrain {
    static constexpr CommandType kType = CommandType::NodeDrain;
    Uuid node_id{};
    Box<model::DrainStrategy> strategy{};
    bool mark_eligible{};
    /// The drain came to its end by itself, and was not cancelled.
    bool complete{};
    StringMap meta{};
    std::string accessor_id{};
    Box<model::NodeEvent> event{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(
        NodeDrain,
        (1, node_id),
        (2, strategy),
        (3, mark_eligible),
        (4, complete),
        (5, meta),
        (6, accessor_id),
        (7, event),
        (8, evals)
    )
};

/// Refusals: unknown node; eligible while draining.
struct NodeEligibilityUpdate {
    static constexpr CommandType kType = CommandType::NodeEligibility;
    Uuid node_id{};
    model::NodeEligibility eligibility{};
    Box<model::NodeEvent> event{};
    std::vector<model::Evaluation> evals{};
    NL_FIELDS(NodeEligibilityUpdate, (1, node_id), (2, eligibility), (3, event), (4, evals))
};

struct NodeEventItem {
    Uuid node_id{};
    model::NodeEvent event{};
    NL_FIELDS(NodeEventItem, (1, node_id), (2, event))
};

struct NodeEventsAdd {
    static constexpr CommandType kType = CommandType::NodeEvents;
    std::vector<NodeEventItem> events{};
    NL_FIELDS(NodeEventsAdd, (1, events))
};

Result<void> apply(Applying& a, const NodeRegister& command);
Result<void> apply(Applying& a, const NodeDeregister& command);
Result<void> apply(Applying& a, const NodeStatusUpdate& command);
Result<void> apply(Applying& a, const NodeDrain& command);
Result<void> apply(Applying& a, const NodeEligibilityUpdate& command);
Result<void> apply(Applying& a, const NodeEventsAdd& command);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::NodeRegister>();
extern template const StructType& struct_type<state::commands::NodeDeregister>();
extern template const StructType& struct_type<state::commands::NodeStatusItem>();
extern template const StructType& struct_type<state::commands::NodeStatusUpdate>();
extern template const StructType& struct_type<state::commands::NodeDrain>();
extern template const StructType& struct_type<state::commands::NodeEligibilityUpdate>();
extern template const StructType& struct_type<state::commands::NodeEventItem>();
extern template const StructType& struct_type<state::commands::NodeEventsAdd>();
}  // namespace nl::codec
