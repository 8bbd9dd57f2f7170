#include "policy/capability.h"

#include <array>
#include <iterator>

namespace nl::policy {
namespace {

/// In the order of the enumeration.
constexpr std::array<std::string_view, 45> kCapabilities{
    "deny",
    "list-jobs",
    "parse-job",
    "read-job",
    "submit-job",
    "register-job",
    "revert-job",
    "deregister-job",
    "purge-job",
    "evaluate-job",
    "plan-job",
    "tag-job-version",
    "stable-job",
    "dispatch-job",
    "force-periodic-job",
    "scale-job",
    "read-logs",
    "read-fs",
    "alloc-exec",
    "alloc-node-exec",
    "alloc-lifecycle",
    "gc-allocation",
    "pause-allocation",
    "fail-deployment",
    "pause-deployment",
    "promote-deployment",
    "unblock-deployment",
    "cancel-deployment",
    "set-alloc-health-deployment",
    "delete-service-registration",
    "sentinel-override",
    "submit-recommendation",
    "csi-register-plugin",
    "csi-write-volume",
    "csi-read-volume",
    "csi-list-volume",
    "csi-mount-volume",
    "list-scaling-policies",
    "read-scaling-policy",
    "read-job-scaling",
    "host-volume-create",
    "host-volume-register",
    "host-volume-read",
    "host-volume-write",
    "host-volume-delete",
};
static_assert(kCapabilities.size() == static_cast<std::size_t>(Capability::HostVolumeDelete) + 1);
constexpr std::array<std::string_view, 5> kVariable{"deny", "list", "read", "write", "destroy"};
constexpr std::array<std::string_view, 4> kPool{"deny", "read", "write", "delete"};
constexpr std::array<std::string_view, 3> kMount{"deny", "mount-readonly", "mount-readwrite"};
constexpr std::array<std::string_view, 6> kOperator{
    "deny", "license-read", "snapshot-save", "keyring-read", "keyring-rotate", "keyring-delete"
};

template <class E, std::size_t N>
std::optional<E> find(const std::array<std::string_view, N>& names, std::string_view name) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == name) {
            return static_cast<E>(i);
        }
    }
    return {};
}

}  // namespace

std::string_view to_string(Capability capability) {
    return kCapabilities[static_cast<std::size_t>(capability)];
}
std::optional<Capability> parse_capability(std::string_view name) {
    return find<Capability>(kCapabilities, name);
}
std::optional<VariableCapability> parse_variable_capability(std::string_view name) {
    return find<VariableCapability>(kVariable, name);
}
std::optional<PoolCapability> parse_pool_capability(std::string_view name) {
    return find<PoolCapability>(kPool, name);
}
std::optional<HostVolumeMount> parse_host_volume_mount(std::string_view name) {
    return find<HostVolumeMount>(kMount, name);
}
std::optional<OperatorCapability> parse_operator_capability(std::string_view name) {
    return find<OperatorCapability>(kOperator, name);
}

std::vector<std::string_view> namespace_policy(std::string_view policy) {
    static constexpr std::string_view kRead[]{
        "list-jobs",
        "parse-job",
        "read-job",
        "csi-list-volume",
        "csi-read-volume",
        "read-job-scaling",
        "list-scaling-policies",
        "read-scaling-policy",
        "host-volume-read",
    };
    static constexpr std::string_view kWrite[]{
        "scale-job",
        "submit-job",
        "dispatch-job",
        "read-logs",
        "read-fs",
        "alloc-exec",
        "alloc-lifecycle",
        "csi-mount-volume",
        "csi-write-volume",
        "submit-recommendation",
        "host-volume-create",
    };
    if (policy == "deny") {
        return {"deny"};
    }
    if (policy == "read") {
        return {std::begin(kRead), std::end(kRead)};
    }
    if (policy == "write") {
        std::vector<std::string_view> all(std::begin(kRead), std::end(kRead));
        all.insert(all.end(), std::begin(kWrite), std::end(kWrite));
        return all;
    }
    if (policy == "scale") {
        return {
            "list-scaling-policies",
            "read-scaling-policy",
            "read-job-scaling",
            "scale-job",
            "read-job",
            "submit-recommendation",
        };
    }
    return {};
}

std::vector<std::string_view> pool_policy(std::string_view policy) {
    if (policy == "deny") {
        return {"deny"};
    }
    if (policy == "read") {
        return {"read"};
    }
    return policy == "write" ? std::vector<std::string_view>{"read", "write", "delete"}
                             : std::vector<std::string_view>{};
}

std::vector<std::string_view> host_volume_policy(std::string_view policy) {
    if (policy == "deny") {
        return {"deny"};
    }
    if (policy == "read") {
        return {"mount-readonly"};
    }
    return policy == "write" ? std::vector<std::string_view>{"mount-readonly", "mount-readwrite"}
                             : std::vector<std::string_view>{};
}

std::vector<std::string_view> operator_policy(std::string_view policy) {
    if (policy == "deny") {
        return {"deny"};
    }
    if (policy == "read") {
        return {"license-read", "keyring-read"};
    }
    return policy == "write" ? std::vector<std::string_view>{"snapshot-save",
                                                             "license-read",
                                                             "keyring-rotate",
                                                             "keyring-read",
                                                             "keyring-delete"}
                             : std::vector<std::string_view>{};
}

}  // namespace nl::policy
