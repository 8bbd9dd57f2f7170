#pragma once
// Every table of the state and its indexes, one declaration each. Internal to state: other rooms
// read through Snapshot (state/snapshot.h), which has a named accessor for each question.

#include "model/acl.h"
#include "model/csi.h"
#include "model/deployment.h"
#include "model/evaluation.h"
#include "model/host_volume.h"
#include "model/job_records.h"
#include "model/namespace.h"
#include "model/node.h"
#include "model/node_pool.h"
#include "model/operator.h"
#include "model/service_registration.h"
#include "state/columns.h"
#include "state/effects.h"
#include "state/rows.h"
#include "state/table.h"

#include <array>

namespace nl::state {

/// An index by a 16-byte id member.
template <class Row, Uuid Row::* Member>
struct ById {
    using Key = IdKey;
    static Key key(const Row& row) { return {row.*Member}; }
};
/// An index by one or two text members.
template <class Row, std::string Row::* First>
struct ByText {
    using Key = TextKey;
    static Key key(const Row& row) { return {row.*First, {}, {}}; }
};
template <class Row, std::string Row::* First, std::string Row::* Second>
struct ByTexts {
    using Key = TextKey;
    static Key key(const Row& row) { return {row.*First, row.*Second, {}}; }
};
/// An index of what belongs to a job.
template <class Row>
struct ByJob {
    using Key = JobOwnedKey;
    static Key key(const Row& row) { return Key::of(row.namespace_, row.job_id, row.id); }
    static bool same_owner(const Row& a, const Row& b) {
        return a.job_id == b.job_id && a.namespace_ == b.namespace_;
    }
};

struct NodeBySecret {
    using Key = OwnedKey;
    static Key key(const model::Node& row) { return Key::of(row.secret_id, row.id); }
    static bool has(const model::Node& row) { return !row.secret_id.is_nil(); }
    static bool same_owner(const model::Node& a, const model::Node& b) {
        return a.secret_id == b.secret_id;
    }
};
using NodeById = ById<model::Node, &model::Node::id>;
using NodeTable = Table<model::Node, NodeById, NodeBySecret>;

struct JobById {
    using Key = TextKey;
    static Key key(const JobRow& row) { return {row.job->namespace_, row.job->id, {}}; }
};
struct JobByParent {
    using Key = TextKey;
    static Key key(const JobRow& row) {
        return {row.job->namespace_, row.job->parent_id, row.job->id};
    }
    static bool has(const JobRow& row) { return !row.job->parent_id.empty(); }
};
/// Dispatched children by their idempotency token, of which there is one a parent.
struct JobByToken {
    using Key = TextKey;
    static Key key(const JobRow& row) {
        return {row.job->namespace_, row.job->parent_id, row.job->dispatch_idempotency_token};
    }
    static bool has(const JobRow& row) {
        return row.job->dispatched && !row.job->parent_id.empty() &&
               !row.job->dispatch_idempotency_token.empty();
    }
};
using JobTable = Table<JobRow, JobById, JobByParent, JobByToken>;

struct VersionById {
    using Key = VersionKey;
    static Key key(const JobVersionRow& row) {
        return {row.job->namespace_, row.job->id, row.job->version};
    }
};
using JobVersionTable = Table<JobVersionRow, VersionById>;

using SummaryById =
    ByTexts<model::JobSummary, &model::JobSummary::namespace_, &model::JobSummary::job_id>;
using JobSummaryTable = Table<model::JobSummary, SummaryById>;

struct SubmissionById {
    using Key = VersionKey;
    static Key key(const model::JobSubmission& row) {
        return {row.namespace_, row.job_id, row.version};
    }
};
using JobSubmissionTable = Table<model::JobSubmission, SubmissionById>;

using EvalById = ById<model::Evaluation, &model::Evaluation::id>;
using EvalByJob = ByJob<model::Evaluation>;
using EvalTable = Table<model::Evaluation, EvalById, EvalByJob>;

using AllocById = ById<AllocRow, &AllocRow::id>;
struct AllocByJob {
    using Key = JobOwnedKey;
    static Key key(const AllocRow& row) {
        const model::Job& job = *row.share->job;
        return {row.share->job_hash, first_bytes(row.id), job.namespace_, job.id, row.id};
    }
    static bool same_owner(const AllocRow& a, const AllocRow& b) {
        return a.share->job == b.share->job ||
               (a.share->job->id == b.share->job->id &&
                a.share->job->namespace_ == b.share->job->namespace_);
    }
};
struct AllocByNode {
    using Key = OwnedKey;
    static Key key(const AllocRow& row) { return Key::of(row.node->id, row.id); }
    static bool same_owner(const AllocRow& a, const AllocRow& b) {
        return a.node->id == b.node->id;
    }
};
struct AllocByEval {
    using Key = OwnedKey;
    static Key key(const AllocRow& row) { return Key::of(row.eval_id, row.id); }
    static bool same_owner(const AllocRow& a, const AllocRow& b) { return a.eval_id == b.eval_id; }
};
struct AllocByDeployment {
    using Key = OwnedKey;
    static Key key(const AllocRow& row) { return Key::of(row.deployment_id, row.id); }
    static bool has(const AllocRow& row) { return !row.deployment_id.is_nil(); }
    static bool same_owner(const AllocRow& a, const AllocRow& b) {
        return a.deployment_id == b.deployment_id;
    }
};
using AllocTable =
    Table<AllocRow, AllocById, AllocByJob, AllocByNode, AllocByEval, AllocByDeployment>;

using DeploymentById = ById<model::Deployment, &model::Deployment::id>;
using DeploymentByJob = ByJob<model::Deployment>;
using DeploymentTable = Table<model::Deployment, DeploymentById, DeploymentByJob>;

using PolicyById = ByText<model::ScalingPolicy, &model::ScalingPolicy::id>;
struct PolicyByJob {
    using Key = TextKey;
    static Key key(const model::ScalingPolicy& row) {
        const auto job = row.target.find("Job");
        return {row.namespace_, job == row.target.end() ? std::string_view() : job->second, row.id};
    }
};
using ScalingPolicyTable = Table<model::ScalingPolicy, PolicyById, PolicyByJob>;
using ScalingEventsTable = Table<
    ScalingEventsRow,
    ByTexts<ScalingEventsRow, &ScalingEventsRow::namespace_, &ScalingEventsRow::job_id>>;

struct VariableByPath {
    using Key = TextKey;
    static Key key(const VariableRow& row) { return {row.meta.namespace_, row.meta.path, {}}; }
};
struct VariableByKey {
    using Key = TextKey;
    static Key key(const VariableRow& row) {
        return {row.key_id, row.meta.namespace_, row.meta.path};
    }
};
using VariableTable = Table<VariableRow, VariableByPath, VariableByKey>;

using model::ServiceRegistration;
using ServiceById =
    ByTexts<ServiceRegistration, &ServiceRegistration::namespace_, &ServiceRegistration::id>;
struct ServiceByName {
    using Key = TextKey;
    static Key key(const ServiceRegistration& row) {
        return {row.namespace_, row.service_name, row.id};
    }
};
struct ServiceByJob {
    using Key = TextKey;
    static Key key(const ServiceRegistration& row) { return {row.namespace_, row.job_id, row.id}; }
};
struct ServiceByAlloc {
    using Key = OwnedTextKey;
    static Key key(const ServiceRegistration& row) { return {row.alloc_id, row.id}; }
};
struct ServiceByNode {
    using Key = OwnedTextKey;
    static Key key(const ServiceRegistration& row) { return {row.node_id, row.id}; }
};
using ServiceTable = Table<
    ServiceRegistration,
    ServiceById,
    ServiceByName,
    ServiceByJob,
    ServiceByAlloc,
    ServiceByNode>;

using TokenByAccessor = ByText<model::ACLToken, &model::ACLToken::accessor_id>;
using TokenBySecret = ByText<model::ACLToken, &model::ACLToken::secret_id>;
using AclTokenTable = Table<model::ACLToken, TokenByAccessor, TokenBySecret>;
using AclPolicyTable = Table<model::ACLPolicy, ByText<model::ACLPolicy, &model::ACLPolicy::name>>;
using RoleById = ByText<model::ACLRole, &model::ACLRole::id>;
using RoleByName = ByTexts<model::ACLRole, &model::ACLRole::name, &model::ACLRole::id>;
using AclRoleTable = Table<model::ACLRole, RoleById, RoleByName>;
using AclAuthMethodTable =
    Table<model::ACLAuthMethod, ByText<model::ACLAuthMethod, &model::ACLAuthMethod::name>>;
using RuleById = ByText<model::ACLBindingRule, &model::ACLBindingRule::id>;
using RuleByMethod =
    ByTexts<model::ACLBindingRule, &model::ACLBindingRule::auth_method, &model::ACLBindingRule::id>;
using AclBindingRuleTable = Table<model::ACLBindingRule, RuleById, RuleByMethod>;
using OneTimeTokenTable = Table<
    model::OneTimeToken,
    ByText<model::OneTimeToken, &model::OneTimeToken::one_time_secret_id>>;

using HostVolumeById =
    ByTexts<model::HostVolume, &model::HostVolume::namespace_, &model::HostVolume::id>;
using HostVolumeByNode =
    ByTexts<model::HostVolume, &model::HostVolume::node_id, &model::HostVolume::id>;
using HostVolumeTable = Table<model::HostVolume, HostVolumeById, HostVolumeByNode>;
using HostVolumeClaimTable = Table<
    model::TaskGroupHostVolumeClaim,
    ByText<model::TaskGroupHostVolumeClaim, &model::TaskGroupHostVolumeClaim::id>>;
using CsiVolumeTable = Table<
    model::CSIVolume,
    ByTexts<model::CSIVolume, &model::CSIVolume::namespace_, &model::CSIVolume::id>>;
using CsiPluginTable = Table<model::CSIPlugin, ByText<model::CSIPlugin, &model::CSIPlugin::id>>;

using NamespaceTable = Table<model::Namespace, ByText<model::Namespace, &model::Namespace::name>>;
using NodePoolTable = Table<model::NodePool, ByText<model::NodePool, &model::NodePool::name>>;

struct RootKeyById {
    using Key = TextKey;
    static Key key(const RootKeyRow& row) { return {row.meta.key_id, {}, {}}; }
};
using RootKeyTable = Table<RootKeyRow, RootKeyById>;
using PeriodicLaunchTable = Table<
    PeriodicLaunch,
    ByTexts<PeriodicLaunch, &PeriodicLaunch::namespace_, &PeriodicLaunch::job_id>>;
using ServerTable = Table<ServerRow, ByText<ServerRow, &ServerRow::name>>;

/// Tables of one row.
template <class Row>
struct Only {
    using Key = TextKey;
    static Key key(const Row&) { return {}; }
};
using SchedulerConfigTable =
    Table<model::SchedulerConfiguration, Only<model::SchedulerConfiguration>>;
using AutopilotConfigTable =
    Table<model::AutopilotConfiguration, Only<model::AutopilotConfiguration>>;
using ClusterMetaTable = Table<ClusterMeta, Only<ClusterMeta>>;

using WordTable = Table<WordRow, ByText<WordRow, &WordRow::text>>;

/// One version of everything. A copy is a few kilobytes of roots.
struct Tables {
    Index index;
    std::array<Index, kTableCount> changed{};

    NodeTable nodes;
    NodePoolTable node_pools;
    NamespaceTable namespaces;
    JobTable jobs;
    JobVersionTable job_versions;
    JobSummaryTable job_summaries;
    JobSubmissionTable job_submissions;
    EvalTable evals;
    AllocTable allocs;
    DeploymentTable deployments;
    ScalingPolicyTable scaling_policies;
    ScalingEventsTable scaling_events;
    SchedulerConfigTable scheduler_config;
    AutopilotConfigTable autopilot_config;
    VariableTable variables;
    ServiceTable services;
    AclTokenTable acl_tokens;
    AclPolicyTable acl_policies;
    AclRoleTable acl_roles;
    AclAuthMethodTable acl_auth_methods;
    AclBindingRuleTable acl_binding_rules;
    OneTimeTokenTable one_time_tokens;
    HostVolumeTable host_volumes;
    HostVolumeClaimTable host_volume_claims;
    CsiVolumeTable csi_volumes;
    CsiPluginTable csi_plugins;
    RootKeyTable root_keys;
    ClusterMetaTable cluster_meta;
    ServerTable servers;
    PeriodicLaunchTable periodic_launches;

    /// Made from the rows above, never stored.
    Columns columns;
    WordTable words;
};

/// Calls `visitor(TableId, table)` for every stored table.
template <class AnyTables, class Visitor>
void visit_tables(AnyTables& t, Visitor&& visitor) {
    visitor(TableId::Nodes, t.nodes);
    visitor(TableId::NodePools, t.node_pools);
    visitor(TableId::Namespaces, t.namespaces);
    visitor(TableId::Jobs, t.jobs);
    visitor(TableId::JobVersions, t.job_versions);
    visitor(TableId::JobSummaries, t.job_summaries);
    visitor(TableId::JobSubmissions, t.job_submissions);
    visitor(TableId::Evals, t.evals);
    visitor(TableId::Allocs, t.allocs);
    visitor(TableId::Deployments, t.deployments);
    visitor(TableId::ScalingPolicies, t.scaling_policies);
    visitor(TableId::ScalingEvents, t.scaling_events);
    visitor(TableId::SchedulerConfig, t.scheduler_config);
    visitor(TableId::AutopilotConfig, t.autopilot_config);
    visitor(TableId::Variables, t.variables);
    visitor(TableId::Services, t.services);
    visitor(TableId::AclTokens, t.acl_tokens);
    visitor(TableId::AclPolicies, t.acl_policies);
    visitor(TableId::AclRoles, t.acl_roles);
    visitor(TableId::AclAuthMethods, t.acl_auth_methods);
    visitor(TableId::AclBindingRules, t.acl_binding_rules);
    visitor(TableId::OneTimeTokens, t.one_time_tokens);
    visitor(TableId::HostVolumes, t.host_volumes);
    visitor(TableId::HostVolumeClaims, t.host_volume_claims);
    visitor(TableId::CsiVolumes, t.csi_volumes);
    visitor(TableId::CsiPlugins, t.csi_plugins);
    visitor(TableId::RootKeys, t.root_keys);
    visitor(TableId::ClusterMeta, t.cluster_meta);
    visitor(TableId::Servers, t.servers);
    visitor(TableId::PeriodicLaunches, t.periodic_launches);
}

/// What a published state is: its tables, and how many handles of it are held.
struct Version;

}  // namespace nl::state
