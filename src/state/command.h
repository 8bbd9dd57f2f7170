#pragma once
// A Raft command: the envelope every log entry holds. The body is the binary form of one of the
// structs in state/commands/; time and seed are the leader's, so that applying asks no clock and no
// chance of its own. Numbers are stored for ever.

#include "base/codec.h"
#include "base/time.h"
#include "state/effects.h"

#include <cstdint>
#include <string_view>

namespace nl::state {

enum class CommandType : std::uint32_t {
    Noop = 0,
    JobRegister = 1,
    JobBatchRegister = 2,
    JobDeregister = 3,
    JobStability = 4,
    JobVersionTag = 5,
    JobScale = 6,
    PeriodicLaunchUpsert = 7,
    JobsReap = 8,
    NodeRegister = 10,
    NodeDeregister = 11,
    NodeStatusUpdate = 12,
    NodeDrain = 13,
    NodeEligibility = 14,
    NodeEvents = 15,
    EvalUpsert = 20,
    EvalDelete = 21,
    PlanResults = 30,
    AllocClientUpdate = 31,
    AllocDesiredTransition = 32,
    DeploymentStatus = 40,
    DeploymentPromote = 41,
    DeploymentAllocHealth = 42,
    DeploymentDelete = 43,
    SchedulerConfigSet = 50,
    AutopilotConfigSet = 51,
    ClusterMetaSet = 52,
    ServerUpsert = 53,
    ServerDelete = 54,
    NamespaceUpsert = 60,
    NamespaceDelete = 61,
    NodePoolUpsert = 62,
    NodePoolDelete = 63,
    VariableApply = 70,
    RootKeyUpsert = 71,
    RootKeyDelete = 72,
    ServiceUpsert = 80,
    ServiceDelete = 81,
    AclTokenUpsert = 90,
    AclTokenDelete = 91,
    AclBootstrap = 92,
    AclPolicyUpsert = 93,
    AclPolicyDelete = 94,
    AclRoleUpsert = 95,
    AclRoleDelete = 96,
    AclAuthMethodUpsert = 97,
    AclAuthMethodDelete = 98,
    AclBindingRuleUpsert = 99,
    AclBindingRuleDelete = 100,
    OneTimeTokenUpsert = 101,
    OneTimeTokenDelete = 102,
    HostVolumeUpsert = 110,
    HostVolumeDelete = 111,
    CsiVolumeUpsert = 112,
    CsiVolumeDelete = 113,
    CsiPluginUpsert = 114,
    CsiPluginDelete = 115,
    HostVolumeClaimUpsert = 116,
    HostVolumeClaimDelete = 117,
};

/// The type of the write as events name it, e.g. "JobRegistered"; "" if it causes none.
std::string_view event_type(CommandType type);
/// For logs, e.g. "job register".
std::string_view to_string(CommandType type);

struct Command {
    CommandType type{};
    /// The leader's clock when it proposed.
    WallTime time{};
    /// The leader's chance.
    std::uint64_t seed{};
    Blob body{};

    NL_FIELDS(Command, (1, type), (2, time), (3, seed), (4, body))
};

/// `make_command(commands::EvalUpsert{...}, now, rng.next())`.
template <class Body>
Command make_command(const Body& body, WallTime time, std::uint64_t seed = 0) {
    return {Body::kType, time, seed, Blob{encode(body)}};
}

}  // namespace nl::state
