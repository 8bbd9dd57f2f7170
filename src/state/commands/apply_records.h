#pragma once
// The `apply` of state/commands/records.h, one for each table. Internal to state.

#include "state/applying.h"
#include "state/commands/records.h"

namespace nl::state::commands {

Result<void> apply(Applying& a, const NamespaceUpsert& command);
Result<void> apply(Applying& a, const NamespaceDelete& command);
Result<void> apply(Applying& a, const NodePoolUpsert& command);
Result<void> apply(Applying& a, const NodePoolDelete& command);
Result<void> apply(Applying& a, const ServerUpsert& command);
Result<void> apply(Applying& a, const ServerDelete& command);
Result<void> apply(Applying& a, const ServiceUpsert& command);
Result<void> apply(Applying& a, const ServiceDelete& command);
Result<void> apply(Applying& a, const AclTokenUpsert& command);
Result<void> apply(Applying& a, const AclTokenDelete& command);
Result<void> apply(Applying& a, const AclPolicyUpsert& command);
Result<void> apply(Applying& a, const AclPolicyDelete& command);
Result<void> apply(Applying& a, const AclRoleUpsert& command);
Result<void> apply(Applying& a, const AclRoleDelete& command);
Result<void> apply(Applying& a, const AclAuthMethodUpsert& command);
Result<void> apply(Applying& a, const AclAuthMethodDelete& command);
Result<void> apply(Applying& a, const AclBindingRuleUpsert& command);
Result<void> apply(Applying& a, const AclBindingRuleDelete& command);
Result<void> apply(Applying& a, const OneTimeTokenUpsert& command);
Result<void> apply(Applying& a, const OneTimeTokenDelete& command);
Result<void> apply(Applying& a, const HostVolumeUpsert& command);
Result<void> apply(Applying& a, const HostVolumeDelete& command);
Result<void> apply(Applying& a, const HostVolumeClaimUpsert& command);
Result<void> apply(Applying& a, const HostVolumeClaimDelete& command);
Result<void> apply(Applying& a, const CsiVolumeUpsert& command);
Result<void> apply(Applying& a, const CsiVolumeDelete& command);
Result<void> apply(Applying& a, const CsiPluginUpsert& command);
Result<void> apply(Applying& a, const CsiPluginDelete& command);
Result<void> apply(Applying& a, const RootKeyUpsert& command);
Result<void> apply(Applying& a, const RootKeyDelete& command);

}  // namespace nl::state::commands
