#include "state/commands/settings.h"

#include "state/applying.h"

#include <algorithm>
#include <utility>

namespace nl::state::commands {
namespace {

/// Replaces the only row of a table.
template <class Row, class Table>
void put_only(Applying& a, TableId id, Table& table, Row row) {
    const Slot slot = table.template slot_of<Only<Row>>(TextKey{});
    a.stamp(row, slot == kNoSlot ? nullptr : table.at(slot));
    a.note(id, Change::Kind::Update);
    auto fresh = std::make_unique<const Row>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
}

template <class Row, class Table, class SetCommand>
Result<void> set_config(Applying& a, TableId id, Table& table, const SetCommand& command) {
    const Row* old = table.template find<Only<Row>>(TextKey{});
    const Index stands = old == nullptr ? Index(0) : old->modify_index;
    if (command.check && stands != command.check_index) {
        a.effects().conflict_index = stands;
        return fail(
            ErrorCode::Conflict,
            "check-and-set of {} failed: index is {}, not {}",
            to_string(id),
            stands,
            command.check_index
        );
    }
    put_only(a, id, table, command.config);
    return {};
}

}  // namespace

Result<void> apply(Applying&, const Noop&) {
    return {};
}

Result<void> apply(Applying& a, const SchedulerConfigSet& command) {
    return set_config<model::SchedulerConfiguration>(
        a, TableId::SchedulerConfig, a.tables().scheduler_config, command
    );
}

Result<void> apply(Applying& a, const AutopilotConfigSet& command) {
    return set_config<model::AutopilotConfiguration>(
        a, TableId::AutopilotConfig, a.tables().autopilot_config, command
    );
}

Result<void> apply(Applying& a, const ClusterMetaSet& command) {
    const ClusterMeta* old = a.tables().cluster_meta.find<Only<ClusterMeta>>(TextKey{});
    ClusterMeta row = old == nullptr ? ClusterMeta{} : *old;
    if (row.cluster_id.is_nil() && !command.cluster_id.is_nil()) {
        row.cluster_id = command.cluster_id;
        row.create_time = a.time().unix_ns;
    }
    if (row.region.empty()) {
        row.region = command.region;
    }
    row.feature_level = std::max(row.feature_level, command.feature_level);
    if (old == nullptr || row != *old) {
        put_only(a, TableId::ClusterMeta, a.tables().cluster_meta, std::move(row));
    }
    return {};
}

namespace {

/// Why the variable as it stands may not be changed so.
Result<void> check_variable(Applying& a, const VariableApply& command, const VariableRow* old) {
    const Index stands = old == nullptr ? Index(0) : old->meta.modify_index;
    const bool checked = command.op == VariableOp::CheckAndSet ||
                         command.op == VariableOp::CheckAndDelete ||
                         command.op == VariableOp::Reencrypt;
    if (checked && stands != command.check_index) {
        a.effects().conflict_index = stands;
        return fail(
            ErrorCode::Conflict,
            "cas conflict on variable \"{}\": index is {}, not {}",
            command.variable.meta.path,
            stands,
            command.check_index
        );
    }
    const auto& given = command.variable.meta.lock;
    const bool locked = old != nullptr && old->meta.lock;
    const bool same = locked && given && given->id == old->meta.lock->id;
    switch (command.op) {
        case VariableOp::LockAcquire:
            if (locked && !same) {
                return fail(ErrorCode::InvalidArgument, "variable already holds a lock");
            }
            return {};
        case VariableOp::LockRelease:
            if (old == nullptr) {
                return fail(ErrorCode::NotFound, "variable doesn't exist");
            }
            if (!same) {
                return fail(ErrorCode::Conflict, "variable doesn't hold a lock");
            }
            return {};
        case VariableOp::Set:
        case VariableOp::CheckAndSet:
        case VariableOp::Delete:
        case VariableOp::CheckAndDelete:
            if (locked && !same) {
                a.effects().conflict_index = stands;
                return fail(ErrorCode::Conflict, "attempting to modify locked variable");
            }
            return {};
        case VariableOp::Reencrypt:
            return {};
    }
    NL_UNREACHABLE();
}

}  // namespace

Result<void> apply(Applying& a, const VariableApply& command) {
    auto& table = a.tables().variables;
    const TextKey key{command.variable.meta.namespace_, command.variable.meta.path, {}};
    const Slot slot = table.slot_of<VariableByPath>(key);
    const VariableRow* old = slot == kNoSlot ? nullptr : table.at(slot);
    if (command.op != VariableOp::Delete && command.op != VariableOp::CheckAndDelete &&
        a.tables().namespaces.find<ByText<model::Namespace, &model::Namespace::name>>(
            {key.first, {}, {}}
        ) == nullptr) {
        return fail(ErrorCode::InvalidArgument, "namespace \"{}\" does not exist", key.first);
    }
    NL_TRY_VOID(check_variable(a, command, old));
    const bool deletes =
        command.op == VariableOp::Delete || command.op == VariableOp::CheckAndDelete;
    if (deletes && old == nullptr) {
        return {};
    }
    Change& change = a.note(
        TableId::Variables,
        deletes ? Change::Kind::Delete
                : (old == nullptr ? Change::Kind::Create : Change::Kind::Update)
    );
    change.namespace_ = key.first;
    change.key = key.second;
    if (deletes) {
        table.erase(a.heap(), slot);
        return {};
    }
    VariableRow row = command.variable;
    const bool keeps_data = command.op == VariableOp::LockRelease ||
                            (command.op == VariableOp::LockAcquire && row.data.bytes.empty());
    if (keeps_data && old != nullptr) {
        row.data = old->data;
        row.key_id = old->key_id;
    }
    if (command.op == VariableOp::LockRelease) {
        row.meta.lock.reset();
    } else if (command.op != VariableOp::LockAcquire) {
        row.meta.lock = old == nullptr ? Box<model::VariableLock>() : old->meta.lock;
    }
    if (command.op == VariableOp::Reencrypt) {
        row.meta = old->meta;
    } else {
        a.stamp(row.meta, old == nullptr ? nullptr : &old->meta);
        row.meta.create_time = old == nullptr ? a.time().unix_ns : old->meta.create_time;
        row.meta.modify_time = a.time().unix_ns;
    }
    auto fresh = std::make_unique<const VariableRow>(std::move(row));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(fresh));
    } else {
        table.replace(a.heap(), slot, std::move(fresh));
    }
    return {};
}

Result<void> apply(Applying& a, const AclBootstrap& command) {
    const ClusterMeta* old = a.tables().cluster_meta.find<Only<ClusterMeta>>(TextKey{});
    ClusterMeta meta = old == nullptr ? ClusterMeta{} : *old;
    if (meta.acl_bootstrap_index != Index(0) && meta.acl_bootstrap_index != command.reset_index) {
        a.effects().conflict_index = meta.acl_bootstrap_index;
        return fail(
            ErrorCode::FailedPrecondition,
            "ACL bootstrap already done (reset index: {})",
            meta.acl_bootstrap_index
        );
    }
    auto& table = a.tables().acl_tokens;
    model::ACLToken token = command.token;
    a.stamp(token, static_cast<const model::ACLToken*>(nullptr));
    const Slot slot = table.slot_of<TokenByAccessor>({token.accessor_id, {}, {}});
    a.note(TableId::AclTokens, Change::Kind::Create).key = token.accessor_id;
    auto row = std::make_unique<const model::ACLToken>(std::move(token));
    if (slot == kNoSlot) {
        table.insert(a.heap(), std::move(row));
    } else {
        table.replace(a.heap(), slot, std::move(row));
    }
    meta.acl_bootstrap_index = a.index();
    put_only(a, TableId::ClusterMeta, a.tables().cluster_meta, std::move(meta));
    return {};
}

}  // namespace nl::state::commands
