#pragma once
// An immutable state at one index, readable on any thread without a lock. A handle is two pointers;
// copying it counts. Everything an accessor returns (pointers, ranges, views) is valid while a
// handle of this snapshot lives; hold one only as long as a request or a scheduling pass, for it
// keeps replaced rows in memory. Text arguments are read before the accessor returns.

#include "model/acl.h"
#include "model/deployment.h"
#include "model/evaluation.h"
#include "model/job.h"
#include "model/job_records.h"
#include "model/namespace.h"
#include "model/node.h"
#include "model/node_pool.h"
#include "model/operator.h"
#include "model/service_registration.h"
#include "state/alloc_row.h"
#include "state/columns.h"
#include "state/effects.h"
#include "state/range.h"
#include "state/rows.h"

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nl::model {
struct CSIPlugin;
struct CSIVolume;
struct HostVolume;
struct TaskGroupHostVolumeClaim;
}  // namespace nl::model

namespace nl::state {

struct Tables;
struct Version;
using Text = std::string_view;

class Snapshot {
public:
    Snapshot() = default;
    Snapshot(const Snapshot& other);
    Snapshot(Snapshot&& other) noexcept;
    Snapshot& operator=(Snapshot other) noexcept;
    ~Snapshot();

    explicit operator bool() const { return version_ != nullptr; }
    /// The last command applied.
    Index index() const;
    /// When any of the tables last changed: what Nomad's lists report as their index.
    Index table_index(std::initializer_list<TableId> tables) const;
    Index table_index(TableId table) const { return table_index({table}); }

    // Nodes.
    const model::Node* node(const Uuid& id) const;
    Range<model::Node> nodes() const;
    /// Ids that begin with the text (hexadecimal digits and dashes); nothing for other text.
    Range<model::Node> nodes_with_prefix(Text text) const;
    const model::Node* node_by_secret(const Uuid& secret) const;
    /// Its place in the columns; kNoSlot for an unknown node.
    Slot node_slot(const Uuid& id) const;
    const model::Node* node_at(Slot slot) const;
    const Columns& columns() const;
    /// Words of the columns: the number of a text (kNoSlot: no node has it), and back.
    std::uint32_t word(Text text) const;
    const std::string& word_text(std::uint32_t number) const;
    const model::NodePool* node_pool(Text name) const;
    Range<model::NodePool> node_pools(Text prefix = {}) const;

    // Jobs.
    std::shared_ptr<const model::Job> job(Text ns, Text id) const;
    /// All, in order of namespace and id.
    Range<JobRow> jobs() const;
    /// Of one namespace, those whose id begins with the text.
    Range<JobRow> jobs(Text ns, Text prefix = {}) const;
    /// Children of a periodic or parameterized job.
    Range<JobRow> jobs_of_parent(Text ns, Text parent) const;
    /// The child that was dispatched with an idempotency token; null if there is none.
    std::shared_ptr<const model::Job> dispatched_with(Text ns, Text parent, Text token) const;
    std::shared_ptr<const model::Job> job_version(Text ns, Text id, std::uint64_t version) const;
    /// Ascending by version.
    Range<JobVersionRow> job_versions(Text ns, Text id) const;
    const model::JobSummary* job_summary(Text ns, Text id) const;
    const model::JobSubmission* job_submission(Text ns, Text id, std::uint64_t version) const;
    const PeriodicLaunch* periodic_launch(Text ns, Text id) const;
    Range<PeriodicLaunch> periodic_launches() const;

    // Evaluations.
    const model::Evaluation* eval(const Uuid& id) const;
    Range<model::Evaluation> evals() const;
    Range<model::Evaluation> evals_with_prefix(Text text) const;
    Range<model::Evaluation> evals_of_job(Text ns, Text job_id) const;

    // Allocations. Ranges of an owner are in order of id.
    std::optional<AllocView> alloc(const Uuid& id) const;
    Range<AllocRow> allocs() const;
    Range<AllocRow> allocs_with_prefix(Text text) const;
    Range<AllocRow> allocs_of_job(Text ns, Text job_id) const;
    Range<AllocRow> allocs_of_node(const Uuid& node) const;
    Range<AllocRow> allocs_of_eval(const Uuid& eval) const;
    Range<AllocRow> allocs_of_deployment(const Uuid& deployment) const;

    // Deployments.
    const model::Deployment* deployment(const Uuid& id) const;
    Range<model::Deployment> deployments() const;
    Range<model::Deployment> deployments_with_prefix(Text text) const;
    Range<model::Deployment> deployments_of_job(Text ns, Text job_id) const;
    /// The one created last; null if the job has none.
    const model::Deployment* latest_deployment(Text ns, Text job_id) const;

    // Scaling.
    const model::ScalingPolicy* scaling_policy(Text id) const;
    Range<model::ScalingPolicy> scaling_policies() const;
    Range<model::ScalingPolicy> scaling_policies_of_job(Text ns, Text job_id) const;
    const ScalingEventsRow* scaling_events(Text ns, Text job_id) const;

    // Configuration of the cluster. Never null.
    const model::SchedulerConfiguration& scheduler_config() const;
    const model::AutopilotConfiguration& autopilot_config() const;
    const ClusterMeta& cluster_meta() const;
    Range<ServerRow> servers() const;
    const ServerRow* server(ServerId id) const;
    const RootKeyRow* root_key(Text id) const;
    Range<RootKeyRow> root_keys() const;

    // Namespaces, variables, services.
    const model::Namespace* namespace_(Text name) const;
    Range<model::Namespace> namespaces(Text prefix = {}) const;
    const VariableRow* variable(Text ns, Text path) const;
    Range<VariableRow> variables() const;
    Range<VariableRow> variables(Text ns, Text prefix = {}) const;
    Range<VariableRow> variables_of_key(Text key_id) const;
    const model::ServiceRegistration* service(Text ns, Text id) const;
    Range<model::ServiceRegistration> services() const;
    Range<model::ServiceRegistration> services(Text ns) const;
    Range<model::ServiceRegistration> services_named(Text ns, Text name) const;
    Range<model::ServiceRegistration> services_of_job(Text ns, Text job_id) const;
    Range<model::ServiceRegistration> services_of_alloc(const Uuid& alloc) const;
    Range<model::ServiceRegistration> services_of_node(const Uuid& node) const;

    // Access control.
    const model::ACLToken* acl_token(Text accessor) const;
    const model::ACLToken* acl_token_by_secret(Text secret) const;
    Range<model::ACLToken> acl_tokens(Text accessor_prefix = {}) const;
    const model::ACLPolicy* acl_policy(Text name) const;
    Range<model::ACLPolicy> acl_policies(Text prefix = {}) const;
    const model::ACLRole* acl_role(Text id) const;
    const model::ACLRole* acl_role_by_name(Text name) const;
    Range<model::ACLRole> acl_roles(Text id_prefix = {}) const;
    const model::ACLAuthMethod* acl_auth_method(Text name) const;
    Range<model::ACLAuthMethod> acl_auth_methods(Text prefix = {}) const;
    const model::ACLBindingRule* acl_binding_rule(Text id) const;
    Range<model::ACLBindingRule> acl_binding_rules() const;
    Range<model::ACLBindingRule> acl_binding_rules_of(Text auth_method) const;
    const model::OneTimeToken* one_time_token(Text secret) const;
    Range<model::OneTimeToken> one_time_tokens() const;

    // Volumes.
    const model::HostVolume* host_volume(Text ns, Text id) const;
    Range<model::HostVolume> host_volumes() const;
    Range<model::HostVolume> host_volumes(Text ns, Text id_prefix = {}) const;
    Range<model::HostVolume> host_volumes_of_node(const Uuid& node) const;
    Range<model::TaskGroupHostVolumeClaim> host_volume_claims() const;
    const model::CSIVolume* csi_volume(Text ns, Text id) const;
    Range<model::CSIVolume> csi_volumes() const;
    Range<model::CSIVolume> csi_volumes(Text ns, Text prefix = {}) const;
    const model::CSIPlugin* csi_plugin(Text id) const;
    Range<model::CSIPlugin> csi_plugins(Text prefix = {}) const;

    /// For state itself.
    const Tables& tables() const;

private:
    friend class Store;
    explicit Snapshot(const Version* version);
    void release();

    const Version* version_ = nullptr;
};

}  // namespace nl::state
