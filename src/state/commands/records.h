#pragma once
// Commands that put whole rows into a table or take them out, for nouns without rules of their own
// beyond "create_index stays, modify_index moves". Deleting what is not there is no error.

#include "model/acl.h"
#include "model/csi.h"
#include "model/host_volume.h"
#include "model/namespace.h"
#include "model/node_pool.h"
#include "model/operator.h"
#include "model/service_registration.h"
#include "state/command.h"
#include "state/rows.h"

#include <string>
#include <vector>

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

template <class Row, CommandType Type>
struct Upsert {
    static constexpr CommandType kType = Type;
    std::vector<Row> rows{};
    NL_FIELDS(Upsert, (1, rows))
};

/// By the row's only name.
template <CommandType Type>
struct Delete {
    static constexpr CommandType kType = Type;
    std::vector<std::string> names{};
    NL_FIELDS(Delete, (1, names))
};

struct NamespacedName {
    std::string namespace_{};
    std::string name{};
    NL_FIELDS(NamespacedName, (1, namespace_), (2, name))
};

/// By namespace and id.
template <CommandType Type>
struct DeleteNamespaced {
    static constexpr CommandType kType = Type;
    std::vector<NamespacedName> names{};
    NL_FIELDS(DeleteNamespaced, (1, names))
};

using NamespaceUpsert = Upsert<model::Namespace, CommandType::NamespaceUpsert>;
/// Refused: `default`, and one that has jobs which are not dead.
using NamespaceDelete = Delete<CommandType::NamespaceDelete>;
using NodePoolUpsert = Upsert<model::NodePool, CommandType::NodePoolUpsert>;
/// Refused: `default`, `all`, and one that has nodes or jobs which are not dead.
using NodePoolDelete = Delete<CommandType::NodePoolDelete>;

using ServerUpsert = Upsert<ServerRow, CommandType::ServerUpsert>;
using ServerDelete = Delete<CommandType::ServerDelete>;

using ServiceUpsert = Upsert<model::ServiceRegistration, CommandType::ServiceUpsert>;
using ServiceDelete = DeleteNamespaced<CommandType::ServiceDelete>;

using AclTokenUpsert = Upsert<model::ACLToken, CommandType::AclTokenUpsert>;
using AclTokenDelete = Delete<CommandType::AclTokenDelete>;
using AclPolicyUpsert = Upsert<model::ACLPolicy, CommandType::AclPolicyUpsert>;
using AclPolicyDelete = Delete<CommandType::AclPolicyDelete>;
using AclRoleUpsert = Upsert<model::ACLRole, CommandType::AclRoleUpsert>;
using AclRoleDelete = Delete<CommandType::AclRoleDelete>;
using AclAuthMethodUpsert = Upsert<model::ACLAuthMethod, CommandType::AclAuthMethodUpsert>;
using AclAuthMethodDelete = Delete<CommandType::AclAuthMethodDelete>;
using AclBindingRuleUpsert = Upsert<model::ACLBindingRule, CommandType::AclBindingRuleUpsert>;
using AclBindingRuleDelete = Delete<CommandType::AclBindingRuleDelete>;
using OneTimeTokenUpsert = Upsert<model::OneTimeToken, CommandType::OneTimeTokenUpsert>;
/// Refused for a single one that is not there.
using OneTimeTokenDelete = Delete<CommandType::OneTimeTokenDelete>;

using HostVolumeUpsert = Upsert<model::HostVolume, CommandType::HostVolumeUpsert>;
using HostVolumeDelete = DeleteNamespaced<CommandType::HostVolumeDelete>;
using HostVolumeClaimUpsert =
    Upsert<model::TaskGroupHostVolumeClaim, CommandType::HostVolumeClaimUpsert>;
using HostVolumeClaimDelete = Delete<CommandType::HostVolumeClaimDelete>;
using CsiVolumeUpsert = Upsert<model::CSIVolume, CommandType::CsiVolumeUpsert>;
using CsiVolumeDelete = DeleteNamespaced<CommandType::CsiVolumeDelete>;
using CsiPluginUpsert = Upsert<model::CSIPlugin, CommandType::CsiPluginUpsert>;
using CsiPluginDelete = Delete<CommandType::CsiPluginDelete>;

/// An active key makes all others inactive.
using RootKeyUpsert = Upsert<RootKeyRow, CommandType::RootKeyUpsert>;
/// Refused: the active key, and without `force` one that variables are still encrypted with.
struct RootKeyDelete {
    static constexpr CommandType kType = CommandType::RootKeyDelete;
    std::vector<std::string> names{};
    bool force{};
    NL_FIELDS(RootKeyDelete, (1, names), (2, force))
};

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::NamespacedName>();
extern template const StructType& struct_type<state::commands::RootKeyDelete>();
}  // namespace nl::codec
