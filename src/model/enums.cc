#include "model/enums.h"

#include "base/check.h"

#include <array>

namespace nl::model {
namespace {

constexpr std::array<std::string_view, 3> kAllocDesired{"run", "stop", "evict"};
constexpr std::array<std::string_view, 6> kAllocClient{
    "pending", "running", "complete", "failed", "lost", "unknown"
};
constexpr std::array<std::string_view, 5> kEval{
    "pending", "blocked", "complete", "failed", "canceled"
};
constexpr std::array<std::string_view, 4> kNode{"initializing", "ready", "down", "disconnected"};
constexpr std::array<std::string_view, 2> kEligibility{"eligible", "ineligible"};
constexpr std::array<std::string_view, 9> kDeployment{
    "running",
    "paused",
    "failed",
    "successful",
    "cancelled",
    "initializing",
    "pending",
    "blocked",
    "unblocking"
};

template <class E, std::size_t N>
std::string_view name(const std::array<std::string_view, N>& names, E value) {
    const auto at = static_cast<std::size_t>(value);
    NL_ASSERT(at < N);
    return names[at];
}

template <class E, std::size_t N>
std::optional<E> find(const std::array<std::string_view, N>& names, std::string_view text) {
    if (text.empty()) {
        return E{};
    }
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == text) {
            return static_cast<E>(i);
        }
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(AllocDesiredStatus s) {
    return name(kAllocDesired, s);
}
std::string_view to_string(AllocClientStatus s) {
    return name(kAllocClient, s);
}
std::string_view to_string(EvalStatus s) {
    return name(kEval, s);
}
std::string_view to_string(NodeStatus s) {
    return name(kNode, s);
}
std::string_view to_string(NodeEligibility s) {
    return name(kEligibility, s);
}
std::string_view to_string(DeploymentStatus s) {
    return name(kDeployment, s);
}

template <>
std::optional<AllocDesiredStatus> parse_enum(std::string_view text) {
    return find<AllocDesiredStatus>(kAllocDesired, text);
}
template <>
std::optional<AllocClientStatus> parse_enum(std::string_view text) {
    return find<AllocClientStatus>(kAllocClient, text);
}
template <>
std::optional<EvalStatus> parse_enum(std::string_view text) {
    return find<EvalStatus>(kEval, text);
}
template <>
std::optional<NodeStatus> parse_enum(std::string_view text) {
    return find<NodeStatus>(kNode, text);
}
template <>
std::optional<NodeEligibility> parse_enum(std::string_view text) {
    return find<NodeEligibility>(kEligibility, text);
}
template <>
std::optional<DeploymentStatus> parse_enum(std::string_view text) {
    return find<DeploymentStatus>(kDeployment, text);
}

}  // namespace nl::model
