#include "state/snapshot.h"

#include "base/check.h"
#include "state/version.h"

#include <algorithm>
#include <utility>

namespace nl::state {
namespace {

/// Texts of one index that begin with `prefix`.
template <class I, class T>
auto with_prefix(const T& table, Text prefix) {
    return table.template range<I>({prefix, {}, {}}, {std::string(prefix) + '\xff', {}, {}});
}
/// Of one namespace (or owner), those whose second text begins with `prefix`.
template <class I, class T>
auto of_first(const T& table, Text first, Text prefix = {}) {
    const std::string last = std::string(prefix) + '\xff';
    return table.template range<I>({first, prefix, {}}, {first, last, {}});
}
/// Of one owner named by two texts.
template <class I, class T>
auto of_two(const T& table, Text first, Text second) {
    return table.template range<I>({first, second, {}}, {first, second, kLastText});
}
template <class I, class T>
auto ids_with_prefix(const T& table, Text text) {
    Uuid low;
    Uuid high;
    return uuid_range(text, low, high) ? table.template range<I>({low}, {high})
                                       : Range<typename T::Row>();
}
template <class I, class T>
auto of_job(const T& table, Text ns, Text job_id) {
    return table.template owned<I>(
        JobOwnedKey::of(ns, job_id, Uuid{}),
        JobOwnedKey::of(ns, job_id, kLastUuid),
        [&](const typename T::Row& row) {
            const auto key = I::key(row);
            return key.job_id == job_id && key.namespace_ == ns;
        }
    );
}
template <class I, class T>
auto of_owner(const T& table, const Uuid& owner) {
    return table.template owned<I>(
        OwnedKey::of(owner, Uuid{}),
        OwnedKey::of(owner, kLastUuid),
        [&](const typename T::Row& row) { return I::key(row).owner == owner; }
    );
}

using PoolByName = ByText<model::NodePool, &model::NodePool::name>;
using NamespaceByName = ByText<model::Namespace, &model::Namespace::name>;
using LaunchById = ByTexts<PeriodicLaunch, &PeriodicLaunch::namespace_, &PeriodicLaunch::job_id>;
using EventsById =
    ByTexts<ScalingEventsRow, &ScalingEventsRow::namespace_, &ScalingEventsRow::job_id>;
using AclPolicyByName = ByText<model::ACLPolicy, &model::ACLPolicy::name>;
using MethodByName = ByText<model::ACLAuthMethod, &model::ACLAuthMethod::name>;
using OneTimeBySecret = ByText<model::OneTimeToken, &model::OneTimeToken::one_time_secret_id>;
using ClaimById = ByText<model::TaskGroupHostVolumeClaim, &model::TaskGroupHostVolumeClaim::id>;
using CsiVolumeById =
    ByTexts<model::CSIVolume, &model::CSIVolume::namespace_, &model::CSIVolume::id>;
using PluginById = ByText<model::CSIPlugin, &model::CSIPlugin::id>;
using WordByText = ByText<WordRow, &WordRow::text>;
using ServerByName = ByText<ServerRow, &ServerRow::name>;

}  // namespace

Snapshot::Snapshot(const Version* version) : version_(version) {
    version_->handles.add();
    version_->core->users.add();
}

Snapshot::Snapshot(const Snapshot& other) : version_(other.version_) {
    if (version_ != nullptr) {
        version_->handles.add();
        version_->core->users.add();
    }
}

Snapshot::Snapshot(Snapshot&& other) noexcept : version_(std::exchange(other.version_, nullptr)) {}

Snapshot& Snapshot::operator=(Snapshot other) noexcept {
    std::swap(version_, other.version_);
    return *this;
}

Snapshot::~Snapshot() {
    release();
}

void Snapshot::release() {
    if (version_ == nullptr) {
        return;
    }
    // After the handle is given up the store may free the version, never the core.
    Core* core = version_->core;
    version_->handles.release();
    if (core->users.release()) {
        delete core;
    }
    version_ = nullptr;
}

const Tables& Snapshot::tables() const {
    NL_ASSERT(version_ != nullptr);
    return version_->tables;
}

Index Snapshot::index() const {
    return tables().index;
}

Index Snapshot::table_index(std::initializer_list<TableId> ids) const {
    Index latest;
    for (const TableId id : ids) {
        latest = std::max(latest, tables().changed[static_cast<std::size_t>(id)]);
    }
    return latest;
}

// ---- nodes

const model::Node* Snapshot::node(const Uuid& id) const {
    return tables().nodes.find<NodeById>({id});
}
Range<model::Node> Snapshot::nodes() const {
    return tables().nodes.all<NodeById>();
}
Range<model::Node> Snapshot::nodes_with_prefix(Text text) const {
    return ids_with_prefix<NodeById>(tables().nodes, text);
}
const model::Node* Snapshot::node_by_secret(const Uuid& secret) const {
    const auto range = of_owner<NodeBySecret>(tables().nodes, secret);
    return range.empty() ? nullptr : &*range.begin();
}
Slot Snapshot::node_slot(const Uuid& id) const {
    return tables().nodes.slot_of<NodeById>({id});
}
const model::Node* Snapshot::node_at(Slot slot) const {
    return tables().nodes.at(slot);
}
const Columns& Snapshot::columns() const {
    return tables().columns;
}
std::uint32_t Snapshot::word(Text text) const {
    return tables().words.slot_of<WordByText>({text, {}, {}});
}
const std::string& Snapshot::word_text(std::uint32_t number) const {
    const WordRow* row = tables().words.at(number);
    NL_ASSERT(row != nullptr);
    return row->text;
}
const model::NodePool* Snapshot::node_pool(Text name) const {
    return tables().node_pools.find<PoolByName>({name, {}, {}});
}
Range<model::NodePool> Snapshot::node_pools(Text prefix) const {
    return with_prefix<PoolByName>(tables().node_pools, prefix);
}

// ---- jobs

std::shared_ptr<const model::Job> Snapshot::job(Text ns, Text id) const {
    const JobRow* row = tables().jobs.find<JobById>({ns, id, {}});
    return row == nullptr ? nullptr : row->job;
}
Range<JobRow> Snapshot::jobs() const {
    return tables().jobs.all<JobById>();
}
Range<JobRow> Snapshot::jobs(Text ns, Text prefix) const {
    return of_first<JobById>(tables().jobs, ns, prefix);
}
Range<JobRow> Snapshot::jobs_of_parent(Text ns, Text parent) const {
    return of_two<JobByParent>(tables().jobs, ns, parent);
}
std::shared_ptr<const model::Job> Snapshot::dispatched_with(
    Text ns, Text parent, Text token
) const {
    const JobRow* row = tables().jobs.find<JobByToken>({ns, parent, token});
    return row == nullptr ? nullptr : row->job;
}
std::shared_ptr<const model::Job> Snapshot::job_version(Text ns, Text id, std::uint64_t version)
    const {
    const JobVersionRow* row = tables().job_versions.find<VersionById>({ns, id, version});
    return row == nullptr ? nullptr : row->job;
}
Range<JobVersionRow> Snapshot::job_versions(Text ns, Text id) const {
    return tables().job_versions.range<VersionById>({ns, id, 0}, {ns, id, UINT64_MAX});
}
const model::JobSummary* Snapshot::job_summary(Text ns, Text id) const {
    return tables().job_summaries.find<SummaryById>({ns, id, {}});
}
const model::JobSubmission* Snapshot::job_submission(Text ns, Text id, std::uint64_t version)
    const {
    return tables().job_submissions.find<SubmissionById>({ns, id, version});
}
const PeriodicLaunch* Snapshot::periodic_launch(Text ns, Text id) const {
    return tables().periodic_launches.find<LaunchById>({ns, id, {}});
}
Range<PeriodicLaunch> Snapshot::periodic_launches() const {
    return tables().periodic_launches.all<LaunchById>();
}

// ---- evaluations, allocations, deployments

const model::Evaluation* Snapshot::eval(const Uuid& id) const {
    return tables().evals.find<EvalById>({id});
}
Range<model::Evaluation> Snapshot::evals() const {
    return tables().evals.all<EvalById>();
}
Range<model::Evaluation> Snapshot::evals_with_prefix(Text text) const {
    return ids_with_prefix<EvalById>(tables().evals, text);
}
Range<model::Evaluation> Snapshot::evals_of_job(Text ns, Text job_id) const {
    return of_job<EvalByJob>(tables().evals, ns, job_id);
}

std::optional<AllocView> Snapshot::alloc(const Uuid& id) const {
    const AllocRow* row = tables().allocs.find<AllocById>({id});
    return row == nullptr ? std::nullopt : std::optional<AllocView>(AllocView(*row));
}
Range<AllocRow> Snapshot::allocs() const {
    return tables().allocs.all<AllocById>();
}
Range<AllocRow> Snapshot::allocs_with_prefix(Text text) const {
    return ids_with_prefix<AllocById>(tables().allocs, text);
}
Range<AllocRow> Snapshot::allocs_of_job(Text ns, Text job_id) const {
    return of_job<AllocByJob>(tables().allocs, ns, job_id);
}
Range<AllocRow> Snapshot::allocs_of_node(const Uuid& node) const {
    return of_owner<AllocByNode>(tables().allocs, node);
}
Range<AllocRow> Snapshot::allocs_of_eval(const Uuid& eval) const {
    return of_owner<AllocByEval>(tables().allocs, eval);
}
Range<AllocRow> Snapshot::allocs_of_deployment(const Uuid& deployment) const {
    return of_owner<AllocByDeployment>(tables().allocs, deployment);
}

const model::Deployment* Snapshot::deployment(const Uuid& id) const {
    return tables().deployments.find<DeploymentById>({id});
}
Range<model::Deployment> Snapshot::deployments() const {
    return tables().deployments.all<DeploymentById>();
}
Range<model::Deployment> Snapshot::deployments_with_prefix(Text text) const {
    return ids_with_prefix<DeploymentById>(tables().deployments, text);
}
Range<model::Deployment> Snapshot::deployments_of_job(Text ns, Text job_id) const {
    return of_job<DeploymentByJob>(tables().deployments, ns, job_id);
}
const model::Deployment* Snapshot::latest_deployment(Text ns, Text job_id) const {
    const model::Deployment* latest = nullptr;
    for (const model::Deployment& deployment : deployments_of_job(ns, job_id)) {
        if (latest == nullptr || latest->create_index < deployment.create_index) {
            latest = &deployment;
        }
    }
    return latest;
}

// ---- scaling

const model::ScalingPolicy* Snapshot::scaling_policy(Text id) const {
    return tables().scaling_policies.find<PolicyById>({id, {}, {}});
}
Range<model::ScalingPolicy> Snapshot::scaling_policies() const {
    return tables().scaling_policies.all<PolicyById>();
}
Range<model::ScalingPolicy> Snapshot::scaling_policies_of_job(Text ns, Text job_id) const {
    return of_two<PolicyByJob>(tables().scaling_policies, ns, job_id);
}
const ScalingEventsRow* Snapshot::scaling_events(Text ns, Text job_id) const {
    return tables().scaling_events.find<EventsById>({ns, job_id, {}});
}

// ---- configuration of the cluster

const model::SchedulerConfiguration& Snapshot::scheduler_config() const {
    const auto* row =
        tables().scheduler_config.find<Only<model::SchedulerConfiguration>>(TextKey{});
    NL_ASSERT(row != nullptr);
    return *row;
}
const model::AutopilotConfiguration& Snapshot::autopilot_config() const {
    const auto* row =
        tables().autopilot_config.find<Only<model::AutopilotConfiguration>>(TextKey{});
    NL_ASSERT(row != nullptr);
    return *row;
}
const ClusterMeta& Snapshot::cluster_meta() const {
    const auto* row = tables().cluster_meta.find<Only<ClusterMeta>>(TextKey{});
    NL_ASSERT(row != nullptr);
    return *row;
}
Range<ServerRow> Snapshot::servers() const {
    return tables().servers.all<ServerByName>();
}
const ServerRow* Snapshot::server(ServerId id) const {
    for (const ServerRow& row : servers()) {
        if (row.server == id) {
            return &row;
        }
    }
    return nullptr;
}
const RootKeyRow* Snapshot::root_key(Text id) const {
    return tables().root_keys.find<RootKeyById>({id, {}, {}});
}
Range<RootKeyRow> Snapshot::root_keys() const {
    return tables().root_keys.all<RootKeyById>();
}

// ---- namespaces, variables, services

const model::Namespace* Snapshot::namespace_(Text name) const {
    return tables().namespaces.find<NamespaceByName>({name, {}, {}});
}
Range<model::Namespace> Snapshot::namespaces(Text prefix) const {
    return with_prefix<NamespaceByName>(tables().namespaces, prefix);
}
const VariableRow* Snapshot::variable(Text ns, Text path) const {
    return tables().variables.find<VariableByPath>({ns, path, {}});
}
Range<VariableRow> Snapshot::variables() const {
    return tables().variables.all<VariableByPath>();
}
Range<VariableRow> Snapshot::variables(Text ns, Text prefix) const {
    return of_first<VariableByPath>(tables().variables, ns, prefix);
}
Range<VariableRow> Snapshot::variables_of_key(Text key_id) const {
    return tables().variables.range<VariableByKey>({key_id, {}, {}}, {key_id, kLastText, {}});
}
const model::ServiceRegistration* Snapshot::service(Text ns, Text id) const {
    return tables().services.find<ServiceById>({ns, id, {}});
}
Range<model::ServiceRegistration> Snapshot::services() const {
    return tables().services.all<ServiceByName>();
}
Range<model::ServiceRegistration> Snapshot::services(Text ns) const {
    return of_first<ServiceByName>(tables().services, ns);
}
Range<model::ServiceRegistration> Snapshot::services_named(Text ns, Text name) const {
    return of_two<ServiceByName>(tables().services, ns, name);
}
Range<model::ServiceRegistration> Snapshot::services_of_job(Text ns, Text job_id) const {
    return of_two<ServiceByJob>(tables().services, ns, job_id);
}
Range<model::ServiceRegistration> Snapshot::services_of_alloc(const Uuid& alloc) const {
    return tables().services.range<ServiceByAlloc>({alloc, {}}, {alloc, kLastText});
}
Range<model::ServiceRegistration> Snapshot::services_of_node(const Uuid& node) const {
    return tables().services.range<ServiceByNode>({node, {}}, {node, kLastText});
}

// ---- access control

const model::ACLToken* Snapshot::acl_token(Text accessor) const {
    return tables().acl_tokens.find<TokenByAccessor>({accessor, {}, {}});
}
const model::ACLToken* Snapshot::acl_token_by_secret(Text secret) const {
    return tables().acl_tokens.find<TokenBySecret>({secret, {}, {}});
}
Range<model::ACLToken> Snapshot::acl_tokens(Text accessor_prefix) const {
    return with_prefix<TokenByAccessor>(tables().acl_tokens, accessor_prefix);
}
const model::ACLPolicy* Snapshot::acl_policy(Text name) const {
    return tables().acl_policies.find<AclPolicyByName>({name, {}, {}});
}
Range<model::ACLPolicy> Snapshot::acl_policies(Text prefix) const {
    return with_prefix<AclPolicyByName>(tables().acl_policies, prefix);
}
const model::ACLRole* Snapshot::acl_role(Text id) const {
    return tables().acl_roles.find<RoleById>({id, {}, {}});
}
const model::ACLRole* Snapshot::acl_role_by_name(Text name) const {
    const auto range = of_first<RoleByName>(tables().acl_roles, name);
    return range.empty() ? nullptr : &*range.begin();
}
Range<model::ACLRole> Snapshot::acl_roles(Text id_prefix) const {
    return with_prefix<RoleById>(tables().acl_roles, id_prefix);
}
const model::ACLAuthMethod* Snapshot::acl_auth_method(Text name) const {
    return tables().acl_auth_methods.find<MethodByName>({name, {}, {}});
}
Range<model::ACLAuthMethod> Snapshot::acl_auth_methods(Text prefix) const {
    return with_prefix<MethodByName>(tables().acl_auth_methods, prefix);
}
const model::ACLBindingRule* Snapshot::acl_binding_rule(Text id) const {
    return tables().acl_binding_rules.find<RuleById>({id, {}, {}});
}
Range<model::ACLBindingRule> Snapshot::acl_binding_rules() const {
    return tables().acl_binding_rules.all<RuleById>();
}
Range<model::ACLBindingRule> Snapshot::acl_binding_rules_of(Text auth_method) const {
    return of_first<RuleByMethod>(tables().acl_binding_rules, auth_method);
}
const model::OneTimeToken* Snapshot::one_time_token(Text secret) const {
    return tables().one_time_tokens.find<OneTimeBySecret>({secret, {}, {}});
}
Range<model::OneTimeToken> Snapshot::one_time_tokens() const {
    return tables().one_time_tokens.all<OneTimeBySecret>();
}

// ---- volumes

const model::HostVolume* Snapshot::host_volume(Text ns, Text id) const {
    return tables().host_volumes.find<HostVolumeById>({ns, id, {}});
}
Range<model::HostVolume> Snapshot::host_volumes() const {
    return tables().host_volumes.all<HostVolumeById>();
}
Range<model::HostVolume> Snapshot::host_volumes(Text ns, Text id_prefix) const {
    return of_first<HostVolumeById>(tables().host_volumes, ns, id_prefix);
}
Range<model::HostVolume> Snapshot::host_volumes_of_node(const Uuid& node) const {
    const std::string id = node.str();
    return of_first<HostVolumeByNode>(tables().host_volumes, id);
}
Range<model::TaskGroupHostVolumeClaim> Snapshot::host_volume_claims() const {
    return tables().host_volume_claims.all<ClaimById>();
}
const model::CSIVolume* Snapshot::csi_volume(Text ns, Text id) const {
    return tables().csi_volumes.find<CsiVolumeById>({ns, id, {}});
}
Range<model::CSIVolume> Snapshot::csi_volumes() const {
    return tables().csi_volumes.all<CsiVolumeById>();
}
Range<model::CSIVolume> Snapshot::csi_volumes(Text ns, Text prefix) const {
    return of_first<CsiVolumeById>(tables().csi_volumes, ns, prefix);
}
const model::CSIPlugin* Snapshot::csi_plugin(Text id) const {
    return tables().csi_plugins.find<PluginById>({id, {}, {}});
}
Range<model::CSIPlugin> Snapshot::csi_plugins(Text prefix) const {
    return with_prefix<PluginById>(tables().csi_plugins, prefix);
}

}  // namespace nl::state
