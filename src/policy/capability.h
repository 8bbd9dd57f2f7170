#pragma once
// Every capability a policy can name, and sets of them. Source: Nomad's ACL policy specification.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace nl::policy {

/// What may be done within a namespace. At most 64, for CapabilitySet.
enum class Capability : unsigned char {
    Deny,
    ListJobs,
    ParseJob,
    ReadJob,
    SubmitJob,
    RegisterJob,
    RevertJob,
    DeregisterJob,
    PurgeJob,
    EvaluateJob,
    PlanJob,
    TagJobVersion,
    StableJob,
    DispatchJob,
    ForcePeriodicJob,
    ScaleJob,
    ReadLogs,
    ReadFs,
    AllocExec,
    AllocNodeExec,
    AllocLifecycle,
    GcAllocation,
    PauseAllocation,
    FailDeployment,
    PauseDeployment,
    PromoteDeployment,
    UnblockDeployment,
    CancelDeployment,
    SetAllocHealthDeployment,
    DeleteServiceRegistration,
    SentinelOverride,
    SubmitRecommendation,
    CsiRegisterPlugin,
    CsiWriteVolume,
    CsiReadVolume,
    CsiListVolume,
    CsiMountVolume,
    ListScalingPolicies,
    ReadScalingPolicy,
    ReadJobScaling,
    HostVolumeCreate,
    HostVolumeRegister,
    HostVolumeRead,
    HostVolumeWrite,
    HostVolumeDelete,
};

enum class VariableCapability : unsigned char { Deny, List, Read, Write, Destroy };
enum class PoolCapability : unsigned char { Deny, Read, Write, Delete };
enum class HostVolumeMount : unsigned char { Deny, ReadOnly, ReadWrite };
enum class OperatorCapability : unsigned char {
    Deny,
    LicenseRead,
    SnapshotSave,
    KeyringRead,
    KeyringRotate,
    KeyringDelete,
};

/// A coarse rule: the higher one covers the lower.
enum class Level : unsigned char { None, List, Read, Write };

/// A set of one of the enumerations above.
using CapabilitySet = std::uint64_t;
template <class E>
constexpr CapabilitySet bit(E capability) {
    return CapabilitySet{1} << static_cast<unsigned>(capability);
}
template <class E>
constexpr bool has(CapabilitySet set, E capability) {
    return (set & bit(capability)) != 0;
}

std::string_view to_string(Capability capability);
std::optional<Capability> parse_capability(std::string_view name);
std::optional<VariableCapability> parse_variable_capability(std::string_view name);
std::optional<PoolCapability> parse_pool_capability(std::string_view name);
std::optional<HostVolumeMount> parse_host_volume_mount(std::string_view name);
std::optional<OperatorCapability> parse_operator_capability(std::string_view name);

/// The names a coarse policy of a block stands for; empty for a policy the block does not know.
std::vector<std::string_view> namespace_policy(std::string_view policy);
std::vector<std::string_view> pool_policy(std::string_view policy);
std::vector<std::string_view> host_volume_policy(std::string_view policy);
std::vector<std::string_view> operator_policy(std::string_view policy);

}  // namespace nl::policy
