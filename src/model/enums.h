#pragma once
// Closed lists of states that the servers themselves set. Text forms are Nomad's (JSON conventions,
// section 3). States that users write in job files stay text, so that a wrong one can be shown back
// to them.

#include <optional>
#include <string_view>

namespace nl::model {

enum class AllocDesiredStatus : unsigned char { Run = 0, Stop = 1, Evict = 2 };
enum class AllocClientStatus : unsigned char {
    Pending = 0,
    Running = 1,
    Complete = 2,
    Failed = 3,
    Lost = 4,
    Unknown = 5,
};
enum class EvalStatus : unsigned char {
    Pending = 0,
    Blocked = 1,
    Complete = 2,
    Failed = 3,
    Canceled = 4
};
enum class NodeStatus : unsigned char { Initializing = 0, Ready = 1, Down = 2, Disconnected = 3 };
enum class NodeEligibility : unsigned char { Eligible = 0, Ineligible = 1 };
enum class DeploymentStatus : unsigned char {
    Running = 0,
    Paused = 1,
    Failed = 2,
    Successful = 3,
    Cancelled = 4,
    Initializing = 5,
    Pending = 6,
    Blocked = 7,
    Unblocking = 8,
};

std::string_view to_string(AllocDesiredStatus s);
std::string_view to_string(AllocClientStatus s);
std::string_view to_string(EvalStatus s);
std::string_view to_string(NodeStatus s);
std::string_view to_string(NodeEligibility s);
std::string_view to_string(DeploymentStatus s);

/// The state of that name; nullopt for any other text. "" gives the first state.
template <class E>
std::optional<E> parse_enum(std::string_view text);
template <>
std::optional<AllocDesiredStatus> parse_enum(std::string_view text);
template <>
std::optional<AllocClientStatus> parse_enum(std::string_view text);
template <>
std::optional<EvalStatus> parse_enum(std::string_view text);
template <>
std::optional<NodeStatus> parse_enum(std::string_view text);
template <>
std::optional<NodeEligibility> parse_enum(std::string_view text);
template <>
std::optional<DeploymentStatus> parse_enum(std::string_view text);

/// Whether the node side is finished with the allocation for good.
constexpr bool is_terminal(AllocClientStatus s) {
    return s == AllocClientStatus::Complete || s == AllocClientStatus::Failed ||
           s == AllocClientStatus::Lost;
}
/// Whether the evaluation will not be processed again.
constexpr bool is_terminal(EvalStatus s) {
    return s == EvalStatus::Complete || s == EvalStatus::Failed || s == EvalStatus::Canceled;
}
constexpr bool is_active(DeploymentStatus s) {
    return s == DeploymentStatus::Running || s == DeploymentStatus::Paused ||
           s == DeploymentStatus::Initializing || s == DeploymentStatus::Pending ||
           s == DeploymentStatus::Blocked || s == DeploymentStatus::Unblocking;
}

}  // namespace nl::model
