#include "state/commands/records.h"

#include "state/commands/apply_records.h"

#include <algorithm>

namespace nl::state::commands {
namespace {

bool uses_pool(const model::Job& job, const std::string& pool) {
    return job.node_pool == pool && job.status != "dead";
}

/// A row of one text key into its table; `fix` may complete it.
template <class I, class Table>
void put(Applying& a, TableId id, Table& table, typename Table::Row row) {
    const auto key = I::key(row);
    const Slot slot = table.template slot_of<I>(key);
    const auto* old = slot == kNoSlot ? nullptr : table.at(slot);
    a.stamp(row, old);
    Change& change = a.note(id, old == nullptr ? Change::Kind::Create : Change::Kind::Update);
    // One text is the name, two are namespace and name.
    const auto name = I::key(row);
    change.namespace_ = name.second.empty() ? std::string_view() : name.first;
    change.key = name.second.empty() ? name.first : name.second;
    auto fresh = std::make_unique<const typename Table::Row>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
}

template <class I, class Table>
void remove(Applying& a, TableId id, Table& table, const TextKey& key) {
    const Slot slot = table.template slot_of<I>(key);
    if (slot != kNoSlot) {
        Change& change = a.note(id, Change::Kind::Delete);
        change.namespace_ = key.second.empty() ? std::string_view() : key.first;
        change.key = key.second.empty() ? key.first : key.second;
        table.erase(a.heap(), slot);
    }
}

template <class I, class Table, class Rows>
Result<void> put_all(Applying& a, TableId id, Table& table, const Rows& rows) {
    for (const auto& row : rows) {
        put<I>(a, id, table, row);
    }
    return {};
}

template <class I, class Table>
Result<void> remove_all(
    Applying& a, TableId id, Table& table, const std::vector<std::string>& names
) {
    for (const std::string& name : names) {
        remove<I>(a, id, table, {name, {}, {}});
    }
    return {};
}

template <class I, class Table>
Result<void> remove_all(
    Applying& a, TableId id, Table& table, const std::vector<NamespacedName>& names
) {
    for (const NamespacedName& name : names) {
        remove<I>(a, id, table, {name.namespace_, name.name, {}});
    }
    return {};
}

using NamespaceByName = ByText<model::Namespace, &model::Namespace::name>;
using PoolByName = ByText<model::NodePool, &model::NodePool::name>;
using ServerByName = ByText<ServerRow, &ServerRow::name>;
using PolicyByName = ByText<model::ACLPolicy, &model::ACLPolicy::name>;
using MethodByName = ByText<model::ACLAuthMethod, &model::ACLAuthMethod::name>;
using OneTimeBySecret = ByText<model::OneTimeToken, &model::OneTimeToken::one_time_secret_id>;
using ClaimById = ByText<model::TaskGroupHostVolumeClaim, &model::TaskGroupHostVolumeClaim::id>;
using CsiVolumeById =
    ByTexts<model::CSIVolume, &model::CSIVolume::namespace_, &model::CSIVolume::id>;
using PluginById = ByText<model::CSIPlugin, &model::CSIPlugin::id>;

}  // namespace

// ---- namespaces and node pools

Result<void> apply(Applying& a, const NamespaceUpsert& command) {
    return put_all<NamespaceByName>(a, TableId::Namespaces, a.tables().namespaces, command.rows);
}

Result<void> apply(Applying& a, const NamespaceDelete& command) {
    for (const std::string& name : command.names) {
        if (name == "default") {
            return fail(ErrorCode::FailedPrecondition, "default namespace can not be deleted");
        }
        if (a.tables().namespaces.find<NamespaceByName>({name, {}, {}}) == nullptr) {
            return fail(ErrorCode::NotFound, "namespace \"{}\" not found", name);
        }
        for (const JobRow& row :
             a.tables().jobs.range<JobById>({name, {}, {}}, {name, kLastText, {}})) {
            if (row.job->status != "dead") {
                return fail(
                    ErrorCode::FailedPrecondition, "namespace \"{}\" has non-terminal jobs", name
                );
            }
        }
        const auto variables =
            a.tables().variables.range<VariableByPath>({name, {}, {}}, {name, kLastText, {}});
        if (!variables.empty()) {
            return fail(ErrorCode::FailedPrecondition, "namespace \"{}\" has variables", name);
        }
    }
    return remove_all<NamespaceByName>(
        a, TableId::Namespaces, a.tables().namespaces, command.names
    );
}

Result<void> apply(Applying& a, const NodePoolUpsert& command) {
    for (const model::NodePool& pool : command.rows) {
        if (pool.name == "all" || pool.name == "default") {
            return fail(
                ErrorCode::FailedPrecondition,
                "modifying node pool \"{}\" is not allowed",
                pool.name
            );
        }
    }
    return put_all<PoolByName>(a, TableId::NodePools, a.tables().node_pools, command.rows);
}

Result<void> apply(Applying& a, const NodePoolDelete& command) {
    for (const std::string& name : command.names) {
        if (name == "all" || name == "default") {
            return fail(
                ErrorCode::FailedPrecondition, "deleting node pool \"{}\" is not allowed", name
            );
        }
        if (a.tables().node_pools.find<PoolByName>({name, {}, {}}) == nullptr) {
            return fail(ErrorCode::NotFound, "node pool \"{}\" not found", name);
        }
        for (const model::Node& node : a.tables().nodes.all<NodeById>()) {
            if (node.node_pool == name) {
                return fail(ErrorCode::FailedPrecondition, "node pool \"{}\" has nodes", name);
            }
        }
        for (const JobRow& row : a.tables().jobs.all<JobById>()) {
            if (uses_pool(*row.job, name)) {
                return fail(
                    ErrorCode::FailedPrecondition, "node pool \"{}\" has non-terminal jobs", name
                );
            }
        }
    }
    return remove_all<PoolByName>(a, TableId::NodePools, a.tables().node_pools, command.names);
}

// ---- servers

Result<void> apply(Applying& a, const ServerUpsert& command) {
    return put_all<ServerByName>(a, TableId::Servers, a.tables().servers, command.rows);
}

Result<void> apply(Applying& a, const ServerDelete& command) {
    return remove_all<ServerByName>(a, TableId::Servers, a.tables().servers, command.names);
}

// ---- services

Result<void> apply(Applying& a, const ServiceUpsert& command) {
    for (const model::ServiceRegistration& row : command.rows) {
        // One for an allocation that has ended meanwhile would never be removed.
        const AllocRow* alloc = a.alloc(row.alloc_id);
        if (!row.alloc_id.is_nil() && (alloc == nullptr || AllocView(*alloc).client_terminal())) {
            continue;
        }
        put<ServiceById>(a, TableId::Services, a.tables().services, row);
        Change& change = a.effects().changes.back();
        change.job_id = row.job_id;
        change.node_id = row.node_id;
    }
    return {};
}

Result<void> apply(Applying& a, const ServiceDelete& command) {
    for (const NamespacedName& name : command.names) {
        const TextKey key{name.namespace_, name.name, {}};
        if (const auto* row = a.tables().services.find<ServiceById>(key)) {
            remove<ServiceById>(a, TableId::Services, a.tables().services, key);
            Change& change = a.effects().changes.back();
            change.job_id = row->job_id;
            change.node_id = row->node_id;
        }
    }
    return {};
}

// ---- access control

Result<void> apply(Applying& a, const AclTokenUpsert& command) {
    for (const model::ACLToken& token : command.rows) {
        const auto* other = a.tables().acl_tokens.find<TokenBySecret>({token.secret_id, {}, {}});
        if (other != nullptr && other->accessor_id != token.accessor_id) {
            return fail(ErrorCode::AlreadyExists, "the secret id of the token is taken");
        }
    }
    return put_all<TokenByAccessor>(a, TableId::AclTokens, a.tables().acl_tokens, command.rows);
}

Result<void> apply(Applying& a, const AclTokenDelete& command) {
    return remove_all<TokenByAccessor>(a, TableId::AclTokens, a.tables().acl_tokens, command.names);
}

Result<void> apply(Applying& a, const AclPolicyUpsert& command) {
    return put_all<PolicyByName>(a, TableId::AclPolicies, a.tables().acl_policies, command.rows);
}

Result<void> apply(Applying& a, const AclPolicyDelete& command) {
    return remove_all<PolicyByName>(
        a, TableId::AclPolicies, a.tables().acl_policies, command.names
    );
}

Result<void> apply(Applying& a, const AclRoleUpsert& command) {
    for (const model::ACLRole& role : command.rows) {
        for (const model::ACLRole& other : a.tables().acl_roles.range<RoleByName>(
                 {role.name, {}, {}}, {role.name, kLastText, {}}
             )) {
            if (other.id != role.id) {
                return fail(
                    ErrorCode::AlreadyExists, "role with name {} already exists", role.name
                );
            }
        }
    }
    return put_all<RoleById>(a, TableId::AclRoles, a.tables().acl_roles, command.rows);
}

Result<void> apply(Applying& a, const AclRoleDelete& command) {
    return remove_all<RoleById>(a, TableId::AclRoles, a.tables().acl_roles, command.names);
}

Result<void> apply(Applying& a, const AclAuthMethodUpsert& command) {
    auto& table = a.tables().acl_auth_methods;
    for (const model::ACLAuthMethod& method : command.rows) {
        put<MethodByName>(a, TableId::AclAuthMethods, table, method);
        // There is one default of each type: the newest.
        std::vector<model::ACLAuthMethod> former;
        for (const model::ACLAuthMethod& other : table.all<MethodByName>()) {
            if (method.default_ && other.default_ && other.type == method.type &&
                other.name != method.name) {
                former.push_back(other);
            }
        }
        for (model::ACLAuthMethod& other : former) {
            other.default_ = false;
            put<MethodByName>(a, TableId::AclAuthMethods, table, std::move(other));
        }
    }
    return {};
}

Result<void> apply(Applying& a, const AclAuthMethodDelete& command) {
    return remove_all<MethodByName>(
        a, TableId::AclAuthMethods, a.tables().acl_auth_methods, command.names
    );
}

Result<void> apply(Applying& a, const AclBindingRuleUpsert& command) {
    return put_all<RuleById>(
        a, TableId::AclBindingRules, a.tables().acl_binding_rules, command.rows
    );
}

Result<void> apply(Applying& a, const AclBindingRuleDelete& command) {
    return remove_all<RuleById>(
        a, TableId::AclBindingRules, a.tables().acl_binding_rules, command.names
    );
}

Result<void> apply(Applying& a, const OneTimeTokenUpsert& command) {
    return put_all<OneTimeBySecret>(
        a, TableId::OneTimeTokens, a.tables().one_time_tokens, command.rows
    );
}

Result<void> apply(Applying& a, const OneTimeTokenDelete& command) {
    // Deleting is using: of two who exchange the same token, one is refused.
    if (command.names.size() == 1 &&
        a.tables().one_time_tokens.find<OneTimeBySecret>({command.names[0], {}, {}}) == nullptr) {
        return fail(ErrorCode::NotFound, "Permission denied");
    }
    return remove_all<OneTimeBySecret>(
        a, TableId::OneTimeTokens, a.tables().one_time_tokens, command.names
    );
}

// ---- volumes

Result<void> apply(Applying& a, const HostVolumeUpsert& command) {
    return put_all<HostVolumeById>(a, TableId::HostVolumes, a.tables().host_volumes, command.rows);
}

Result<void> apply(Applying& a, const HostVolumeDelete& command) {
    return remove_all<HostVolumeById>(
        a, TableId::HostVolumes, a.tables().host_volumes, command.names
    );
}

Result<void> apply(Applying& a, const HostVolumeClaimUpsert& command) {
    return put_all<ClaimById>(
        a, TableId::HostVolumeClaims, a.tables().host_volume_claims, command.rows
    );
}

Result<void> apply(Applying& a, const HostVolumeClaimDelete& command) {
    return remove_all<ClaimById>(
        a, TableId::HostVolumeClaims, a.tables().host_volume_claims, command.names
    );
}

Result<void> apply(Applying& a, const CsiVolumeUpsert& command) {
    return put_all<CsiVolumeById>(a, TableId::CsiVolumes, a.tables().csi_volumes, command.rows);
}

Result<void> apply(Applying& a, const CsiVolumeDelete& command) {
    return remove_all<CsiVolumeById>(a, TableId::CsiVolumes, a.tables().csi_volumes, command.names);
}

Result<void> apply(Applying& a, const CsiPluginUpsert& command) {
    return put_all<PluginById>(a, TableId::CsiPlugins, a.tables().csi_plugins, command.rows);
}

Result<void> apply(Applying& a, const CsiPluginDelete& command) {
    return remove_all<PluginById>(a, TableId::CsiPlugins, a.tables().csi_plugins, command.names);
}

// ---- root keys

namespace {

void put_key(Applying& a, RootKeyRow row) {
    auto& table = a.tables().root_keys;
    const Slot slot = table.slot_of<RootKeyById>({row.meta.key_id, {}, {}});
    a.stamp(row.meta, slot == kNoSlot ? nullptr : &table.at(slot)->meta);
    a.note(TableId::RootKeys, slot == kNoSlot ? Change::Kind::Create : Change::Kind::Update).key =
        row.meta.key_id;
    auto fresh = std::make_unique<const RootKeyRow>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
}

}  // namespace

Result<void> apply(Applying& a, const RootKeyUpsert& command) {
    for (const RootKeyRow& key : command.rows) {
        if (key.meta.state == "active") {
            std::vector<RootKeyRow> former;
            for (const RootKeyRow& other : a.tables().root_keys.all<RootKeyById>()) {
                if (other.meta.state == "active" && other.meta.key_id != key.meta.key_id) {
                    former.push_back(other);
                }
            }
            for (RootKeyRow& other : former) {
                other.meta.state = "inactive";
                put_key(a, std::move(other));
            }
        }
        put_key(a, key);
    }
    return {};
}

Result<void> apply(Applying& a, const RootKeyDelete& command) {
    for (const std::string& id : command.names) {
        const RootKeyRow* key = a.tables().root_keys.find<RootKeyById>({id, {}, {}});
        if (key == nullptr) {
            return fail(ErrorCode::NotFound, "root key \"{}\" not found", id);
        }
        if (key->meta.state == "active") {
            return fail(ErrorCode::FailedPrecondition, "root key \"{}\" is active", id);
        }
        const auto users =
            a.tables().variables.range<VariableByKey>({id, {}, {}}, {id, kLastText, {}});
        if (!users.empty() && !command.force) {
            return fail(
                ErrorCode::FailedPrecondition, "root key \"{}\" is in use by variables", id
            );
        }
    }
    return remove_all<RootKeyById>(a, TableId::RootKeys, a.tables().root_keys, command.names);
}

}  // namespace nl::state::commands
