#include "state/command.h"

#include <array>

namespace nl::state {

std::string_view to_string(TableId table) {
    constexpr std::array<std::string_view, kTableCount> kNames{
        "nodes",
        "node_pools",
        "namespaces",
        "jobs",
        "job_versions",
        "job_summaries",
        "job_submissions",
        "evals",
        "allocs",
        "deployments",
        "scaling_policies",
        "scaling_events",
        "scheduler_config",
        "autopilot_config",
        "variables",
        "services",
        "acl_tokens",
        "acl_policies",
        "acl_roles",
        "acl_auth_methods",
        "acl_binding_rules",
        "one_time_tokens",
        "host_volumes",
        "host_volume_claims",
        "csi_volumes",
        "csi_plugins",
        "root_keys",
        "cluster_meta",
        "servers",
        "periodic_launches",
    };
    const auto position = static_cast<std::size_t>(table);
    return position < kNames.size() ? kNames[position] : "unknown";
}

namespace {

struct Name {
    CommandType type;
    std::string_view text;
    std::string_view event;
};

constexpr std::array kNames{
    Name{CommandType::Noop, "noop", ""},
    Name{CommandType::JobRegister, "job register", "JobRegistered"},
    Name{CommandType::JobBatchRegister, "job batch register", "JobRegistered"},
    Name{CommandType::JobDeregister, "job deregister", "JobDeregistered"},
    Name{CommandType::JobStability, "job stability", ""},
    Name{CommandType::JobVersionTag, "job version tag", ""},
    Name{CommandType::JobScale, "job scale", "JobRegistered"},
    Name{CommandType::PeriodicLaunchUpsert, "periodic launch", ""},
    Name{CommandType::JobsReap, "jobs reap", "JobBatchDeregistered"},
    Name{CommandType::NodeRegister, "node register", "NodeRegistration"},
    Name{CommandType::NodeDeregister, "node deregister", "NodeDeregistration"},
    Name{CommandType::NodeStatusUpdate, "node status", "NodeStreamEvent"},
    Name{CommandType::NodeDrain, "node drain", "NodeDrain"},
    Name{CommandType::NodeEligibility, "node eligibility", "NodeEligibility"},
    Name{CommandType::NodeEvents, "node events", "NodeStreamEvent"},
    Name{CommandType::EvalUpsert, "eval upsert", "EvaluationUpdated"},
    Name{CommandType::EvalDelete, "eval delete", ""},
    Name{CommandType::PlanResults, "plan results", "PlanResult"},
    Name{CommandType::AllocClientUpdate, "alloc client update", "AllocationUpdated"},
    Name{
        CommandType::AllocDesiredTransition,
        "alloc desired transition",
        "AllocationUpdateDesiredStatus"
    },
    Name{CommandType::DeploymentStatus, "deployment status", "DeploymentStatusUpdate"},
    Name{CommandType::DeploymentPromote, "deployment promote", "DeploymentPromotion"},
    Name{CommandType::DeploymentAllocHealth, "deployment alloc health", "DeploymentAllocHealth"},
    Name{CommandType::DeploymentDelete, "deployment delete", ""},
    Name{CommandType::SchedulerConfigSet, "scheduler config", ""},
    Name{CommandType::AutopilotConfigSet, "autopilot config", ""},
    Name{CommandType::ClusterMetaSet, "cluster meta", ""},
    Name{CommandType::ServerUpsert, "server upsert", ""},
    Name{CommandType::ServerDelete, "server delete", ""},
    Name{CommandType::NamespaceUpsert, "namespace upsert", ""},
    Name{CommandType::NamespaceDelete, "namespace delete", ""},
    Name{CommandType::NodePoolUpsert, "node pool upsert", "NodePoolUpserted"},
    Name{CommandType::NodePoolDelete, "node pool delete", "NodePoolDeleted"},
    Name{CommandType::VariableApply, "variable apply", "VariableUpdated"},
    Name{CommandType::RootKeyUpsert, "root key upsert", ""},
    Name{CommandType::RootKeyDelete, "root key delete", ""},
    Name{CommandType::ServiceUpsert, "service upsert", "ServiceRegistration"},
    Name{CommandType::ServiceDelete, "service delete", "ServiceDeregistration"},
    Name{CommandType::AclTokenUpsert, "acl token upsert", "ACLTokenUpserted"},
    Name{CommandType::AclTokenDelete, "acl token delete", "ACLTokenDeleted"},
    Name{CommandType::AclBootstrap, "acl bootstrap", "ACLTokenUpserted"},
    Name{CommandType::AclPolicyUpsert, "acl policy upsert", "ACLPolicyUpserted"},
    Name{CommandType::AclPolicyDelete, "acl policy delete", "ACLPolicyDeleted"},
    Name{CommandType::AclRoleUpsert, "acl role upsert", "ACLRoleUpserted"},
    Name{CommandType::AclRoleDelete, "acl role delete", "ACLRoleDeleted"},
    Name{CommandType::AclAuthMethodUpsert, "acl auth method upsert", "ACLAuthMethodUpserted"},
    Name{CommandType::AclAuthMethodDelete, "acl auth method delete", "ACLAuthMethodDeleted"},
    Name{CommandType::AclBindingRuleUpsert, "acl binding rule upsert", "ACLBindingRuleUpserted"},
    Name{CommandType::AclBindingRuleDelete, "acl binding rule delete", "ACLBindingRuleDeleted"},
    Name{CommandType::OneTimeTokenUpsert, "one-time token upsert", ""},
    Name{CommandType::OneTimeTokenDelete, "one-time token delete", ""},
    Name{CommandType::HostVolumeUpsert, "host volume upsert", "HostVolumeRegistered"},
    Name{CommandType::HostVolumeDelete, "host volume delete", "HostVolumeDeleted"},
    Name{CommandType::CsiVolumeUpsert, "csi volume upsert", "CSIVolumeRegistered"},
    Name{CommandType::CsiVolumeDelete, "csi volume delete", "CSIVolumeDeregistered"},
    Name{CommandType::CsiPluginUpsert, "csi plugin upsert", ""},
    Name{CommandType::CsiPluginDelete, "csi plugin delete", ""},
    Name{CommandType::HostVolumeClaimUpsert, "host volume claim upsert", ""},
    Name{CommandType::HostVolumeClaimDelete, "host volume claim delete", ""},
};

}  // namespace

std::string_view to_string(CommandType type) {
    for (const Name& name : kNames) {
        if (name.type == type) {
            return name.text;
        }
    }
    return "unknown";
}

std::string_view event_type(CommandType type) {
    for (const Name& name : kNames) {
        if (name.type == type) {
            return name.event;
        }
    }
    return "";
}

}  // namespace nl::state
