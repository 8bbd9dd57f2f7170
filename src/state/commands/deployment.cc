#include "state/commands/deployment.h"

#include "state/applying.h"

#include <algorithm>
#include <utility>

namespace nl::state::commands {
namespace {

Result<void> check_active(Applying& a, const Uuid& id) {
    const model::Deployment* deployment = a.deployment(id);
    if (deployment == nullptr) {
        return fail(ErrorCode::NotFound, "deployment \"{}\" not found", id);
    }
    if (!model::is_active(deployment->status)) {
        return fail(
            ErrorCode::FailedPrecondition,
            "deployment \"{}\" has terminal status \"{}\"",
            id,
            model::to_string(deployment->status)
        );
    }
    return {};
}

void set_status(Applying& a, const model::DeploymentStatusUpdate& update) {
    model::Deployment* deployment = a.deployment(update.deployment_id);
    if (deployment->status == model::DeploymentStatus::Paused &&
        update.status == model::DeploymentStatus::Running) {
        for (auto& [group, state] : deployment->task_groups) {
            if (!state.require_progress_by.is_zero()) {
                state.require_progress_by = a.time() + state.progress_deadline;
            }
        }
    }
    deployment->status = update.status;
    deployment->status_description = update.status_description;
    if (update.status == model::DeploymentStatus::Successful) {
        a.mark_stable(*deployment);
    }
}

Result<void> finish(
    Applying& a, const Box<model::Evaluation>& eval, const Box<JobRegister>& rollback
) {
    if (rollback) {
        NL_TRY_VOID(apply(a, *rollback));
    }
    if (eval) {
        a.put_eval(*eval);
    }
    return {};
}

void set_health(
    Applying& a, const Uuid& deployment, const std::vector<Uuid>& allocs, bool healthy
) {
    for (const Uuid& id : allocs) {
        const AllocRow* old = a.alloc(id);
        if (old == nullptr || old->deployment_id != deployment) {
            continue;
        }
        AllocRow row = *old;
        AllocDetails details = AllocView(*old).details();
        model::AllocDeploymentStatus& status = details.deployment_status.ensure();
        status.healthy = healthy;
        status.timestamp = a.time();
        status.modify_index = a.index();
        row.details = std::make_shared<const AllocDetails>(std::move(details));
        row.modify_time = a.time().unix_ns;
        a.put_alloc(std::move(row), false);
    }
}

}  // namespace

Result<void> apply(Applying& a, const DeploymentStatusSet& command) {
    NL_TRY_VOID(check_active(a, command.update.deployment_id));
    set_status(a, command.update);
    return finish(a, command.eval, command.rollback);
}

Result<void> apply(Applying& a, const DeploymentPromote& command) {
    NL_TRY_VOID(check_active(a, command.deployment_id));
    const model::Deployment& before = *a.deployment(command.deployment_id);
    const auto chosen = [&](const std::string& group) {
        return command.groups.empty() || std::ranges::count(command.groups, group) > 0;
    };
    bool any = false;
    for (const auto& [group, state] : before.task_groups) {
        if (!chosen(group) || state.desired_canaries == 0 || state.promoted) {
            continue;
        }
        any = true;
        std::int64_t healthy = 0;
        for (const Uuid& id : state.placed_canaries) {
            const AllocRow* row = a.alloc(id);
            if (row != nullptr && !AllocView(*row).terminal() &&
                AllocView(*row).healthy().value_or(false)) {
                ++healthy;
            }
        }
        if (healthy < state.desired_canaries) {
            return fail(
                ErrorCode::FailedPrecondition,
                "Task group \"{}\" has {}/{} healthy allocations",
                group,
                healthy,
                state.desired_canaries
            );
        }
    }
    if (!any) {
        return fail(ErrorCode::FailedPrecondition, "no canaries to promote");
    }
    model::Deployment& deployment = *a.deployment(command.deployment_id);
    std::vector<Uuid> canaries;
    bool unpromoted = false;
    for (auto& [group, state] : deployment.task_groups) {
        if (chosen(group) && state.desired_canaries > 0) {
            state.promoted = true;
            // The rest has its own time; waiting for the promotion was no lack of progress.
            if (state.progress_deadline.ns != 0) {
                state.require_progress_by = a.time() + state.progress_deadline;
            }
            canaries.insert(
                canaries.end(), state.placed_canaries.begin(), state.placed_canaries.end()
            );
        }
        unpromoted = unpromoted || (state.desired_canaries > 0 && !state.promoted);
    }
    if (!unpromoted) {
        deployment.status_description = "Deployment is running";
    }
    // A promoted canary is an allocation like the others.
    for (const Uuid& id : canaries) {
        const AllocRow* old = a.alloc(id);
        if (old == nullptr || !AllocView(*old).canary()) {
            continue;
        }
        AllocRow row = *old;
        AllocDetails details = AllocView(*old).details();
        details.deployment_status->canary = false;
        details.deployment_status->modify_index = a.index();
        row.details = std::make_shared<const AllocDetails>(std::move(details));
        a.put_alloc(std::move(row), true);
    }
    return finish(a, command.eval, {});
}

Result<void> apply(Applying& a, const DeploymentAllocHealth& command) {
    NL_TRY_VOID(check_active(a, command.deployment_id));
    for (const auto* ids : {&command.healthy, &command.unhealthy}) {
        for (const Uuid& id : *ids) {
            const AllocRow* row = a.alloc(id);
            if (row == nullptr || row->deployment_id != command.deployment_id) {
                return fail(
                    ErrorCode::NotFound,
                    "alloc \"{}\" is not part of deployment \"{}\"",
                    id,
                    command.deployment_id
                );
            }
        }
    }
    set_health(a, command.deployment_id, command.healthy, true);
    set_health(a, command.deployment_id, command.unhealthy, false);
    if (command.update) {
        set_status(a, *command.update);
    }
    return finish(a, command.eval, command.rollback);
}

Result<void> apply(Applying& a, const DeploymentDelete& command) {
    for (const Uuid& id : command.deployments) {
        a.remove_deployment(id);
    }
    return {};
}

}  // namespace nl::state::commands
