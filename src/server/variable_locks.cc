#include "server/variable_locks.h"

#include "state/commands/settings.h"

namespace nl::server {
namespace {

/// A release that was proposed is proposed again if it was not applied by then.
constexpr Duration kReleaseRetry = seconds(5);

}  // namespace

void VariableLocks::lead(const state::Snapshot& snapshot, Instant now) {
    retire();
    for (const state::VariableRow& row : snapshot.variables()) {
        put({row.meta.namespace_, row.meta.path}, &row, now);
    }
}

void VariableLocks::retire() {
    held_.clear();
    due_.clear();
}

void VariableLocks::schedule(const Name& name, Held& held, Instant due) {
    due_.erase({held.due, name});
    held.due = due;
    due_.emplace(due, name);
}

void VariableLocks::drop(const Name& name) {
    if (const auto found = held_.find(name); found != held_.end()) {
        due_.erase({found->second.due, name});
        held_.erase(found);
    }
}

void VariableLocks::put(const Name& name, const state::VariableRow* row, Instant now) {
    if (row == nullptr || !row->meta.lock) {
        drop(name);
        return;
    }
    const model::VariableLock& lock = *row->meta.lock;
    const auto found = held_.find(name);
    if (found != held_.end() && found->second.id == lock.id) {
        return;
    }
    drop(name);
    Held& held = held_[name];
    held.id = lock.id;
    held.ttl = lock.ttl;
    held.delay = lock.lock_delay;
    schedule(name, held, now + lock.ttl);
}

void VariableLocks::applied(
    const std::vector<state::Effects>& batch, const state::Snapshot& snapshot, Instant now
) {
    for (const state::Effects& effects : batch) {
        for (const state::Change& change : effects.changes) {
            if (change.table == state::TableId::Variables) {
                put({change.namespace_, change.key},
                    snapshot.variable(change.namespace_, change.key),
                    now);
            }
        }
    }
}

Result<void> VariableLocks::renew(
    const std::string& ns, const std::string& path, const std::string& id, Instant now
) {
    const Name name{ns, path};
    const auto found = held_.find(name);
    if (found == held_.end() || found->second.id != id || found->second.expired) {
        return fail(ErrorCode::Conflict, "variable doesn't hold a lock");
    }
    schedule(name, found->second, now + found->second.ttl);
    return {};
}

std::vector<state::Command> VariableLocks::tick(Instant now, WallTime wall) {
    std::vector<state::Command> out;
    while (!due_.empty() && due_.begin()->first <= now) {
        const Name name = due_.begin()->second;
        Held& held = held_.at(name);
        if (!held.expired && held.delay > Duration{}) {
            held.expired = true;
            schedule(name, held, now + held.delay);
            continue;
        }
        held.expired = true;
        state::commands::VariableApply release;
        release.op = state::commands::VariableOp::LockRelease;
        release.variable.meta.namespace_ = name.first;
        release.variable.meta.path = name.second;
        release.variable.meta.lock = model::VariableLock{held.id, {}, {}};
        out.push_back(state::make_command(release, wall));
        schedule(name, held, now + kReleaseRetry);
    }
    return out;
}

Instant VariableLocks::next_deadline() const {
    return due_.empty() ? Instant::max() : due_.begin()->first;
}

}  // namespace nl::server
