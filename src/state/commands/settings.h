#pragma once
// Commands that set one value with a check: configurations, variables, the ACL bootstrap, what the
// cluster agreed on.

#include "model/acl.h"
#include "model/operator.h"
#include "state/command.h"
#include "state/rows.h"

namespace nl::state {
class Applying;
}

namespace nl::state::commands {

struct Noop {
    static constexpr CommandType kType = CommandType::Noop;
    NL_FIELDS(Noop)
};

/// With `check`, refused unless the configuration's modify_index is check_index.
struct SchedulerConfigSet {
    static constexpr CommandType kType = CommandType::SchedulerConfigSet;
    model::SchedulerConfiguration config{};
    bool check{};
    Index check_index{};
    NL_FIELDS(SchedulerConfigSet, (1, config), (2, check), (3, check_index))
};

struct AutopilotConfigSet {
    static constexpr CommandType kType = CommandType::AutopilotConfigSet;
    model::AutopilotConfiguration config{};
    bool check{};
    Index check_index{};
    NL_FIELDS(AutopilotConfigSet, (1, config), (2, check), (3, check_index))
};

/// Sets what is not set yet: the cluster's id and region once for ever, the feature level upwards.
struct ClusterMetaSet {
    static constexpr CommandType kType = CommandType::ClusterMetaSet;
    Uuid cluster_id{};
    std::string region{};
    std::uint64_t feature_level{};
    NL_FIELDS(ClusterMetaSet, (1, cluster_id), (2, region), (3, feature_level))
};

enum class VariableOp : unsigned char {
    Set = 0,
    CheckAndSet = 1,
    Delete = 2,
    CheckAndDelete = 3,
    /// Makes the variable if need be; without data it keeps what it holds.
    LockAcquire = 4,
    LockRelease = 5,
    /// The same content under another key: neither index nor times of a client's view move, and it
    /// is left alone if it has changed since (check_index).
    Reencrypt = 6,
};

/// Check operations are refused (Conflict, with Effects::conflict_index) unless the variable's
/// modify_index is check_index (0: it must not exist). A locked variable is only changed by a
/// command that names the lock's id; refusals name Nomad's texts, with the code of their status.
struct VariableApply {
    static constexpr CommandType kType = CommandType::VariableApply;
    VariableOp op{};
    VariableRow variable{};
    Index check_index{};
    NL_FIELDS(VariableApply, (1, op), (2, variable), (3, check_index))
};

/// The first management token. Refused when bootstrapped already, unless reset_index names the
/// index of that bootstrap.
struct AclBootstrap {
    static constexpr CommandType kType = CommandType::AclBootstrap;
    model::ACLToken token{};
    Index reset_index{};
    NL_FIELDS(AclBootstrap, (1, token), (2, reset_index))
};

Result<void> apply(Applying& a, const Noop& command);
Result<void> apply(Applying& a, const SchedulerConfigSet& command);
Result<void> apply(Applying& a, const AutopilotConfigSet& command);
Result<void> apply(Applying& a, const ClusterMetaSet& command);
Result<void> apply(Applying& a, const VariableApply& command);
Result<void> apply(Applying& a, const AclBootstrap& command);

}  // namespace nl::state::commands

namespace nl::codec {
extern template const StructType& struct_type<state::commands::Noop>();
extern template const StructType& struct_type<state::commands::SchedulerConfigSet>();
extern template const StructType& struct_type<state::commands::AutopilotConfigSet>();
extern template const StructType& struct_type<state::commands::ClusterMetaSet>();
extern template const StructType& struct_type<state::commands::VariableApply>();
extern template const StructType& struct_type<state::commands::AclBootstrap>();
}  // namespace nl::codec
