#include "state/commands/alloc.h"

#include "state/applying.h"

#include <utility>

namespace nl::state::commands {
namespace {

using model::AllocClientStatus;

void set_if(std::optional<bool>& place, const std::optional<bool>& value) {
    if (value.has_value()) {
        place = value;
    }
}

/// The first word of a node after it missed heartbeats is remembered on the node.
void note_contact(Applying& a, const Uuid& node_id) {
    const model::Node* node = a.tables().nodes.find<NodeById>({node_id});
    if (node != nullptr && node->last_missed_heartbeat_index > node->last_alloc_update_index) {
        model::Node copy = *node;
        copy.last_alloc_update_index = a.index();
        a.put_node(std::move(copy));
    }
}

void take_report(Applying& a, const AllocReport& report, const AllocRow& old) {
    AllocRow row = old;
    AllocDetails details = AllocView(old).details();
    const bool was_unknown = old.client == AllocClientStatus::Unknown;
    const bool is_unknown = report.client_status == AllocClientStatus::Unknown;
    if (was_unknown != is_unknown) {
        details.alloc_states.push_back(
            {0, std::string(model::to_string(report.client_status)), a.time()}
        );
    }
    row.client = report.client_status;
    set_client_description(row, details, report.client_description);
    row.task_states = PackedStates(report.task_states);
    if (report.network_status) {
        details.network_status = report.network_status;
    }
    // Of a deployment the node knows only health and its time.
    if (report.deployment_status && report.deployment_status->healthy.has_value() &&
        !row.deployment_id.is_nil()) {
        model::AllocDeploymentStatus& status = details.deployment_status.ensure();
        if (status.healthy != report.deployment_status->healthy) {
            status.healthy = report.deployment_status->healthy;
            status.timestamp = report.deployment_status->timestamp.is_zero()
                                   ? a.time()
                                   : report.deployment_status->timestamp;
            status.modify_index = a.index();
        }
    }
    row.details = details == AllocDetails{}
                      ? nullptr
                      : std::make_shared<const AllocDetails>(std::move(details));
    row.modify_time = report.modify_time != 0 ? report.modify_time : a.time().unix_ns;
    const Uuid node = row.node->id;
    a.put_alloc(std::move(row), false);
    note_contact(a, node);
}

}  // namespace

Result<void> apply(Applying& a, const AllocClientUpdate& command) {
    for (const AllocReport& report : command.reports) {
        if (const AllocRow* old = a.alloc(report.alloc_id)) {
            take_report(a, report, *old);
        }
    }
    for (const model::Evaluation& eval : command.evals) {
        a.put_eval(eval);
    }
    return {};
}

Result<void> apply(Applying& a, const AllocDesiredTransition& command) {
    for (const TransitionItem& item : command.items) {
        const AllocRow* old = a.alloc(item.alloc_id);
        if (old == nullptr) {
            continue;
        }
        AllocRow row = *old;
        AllocDetails details = AllocView(*old).details();
        model::DesiredTransition& wish = details.desired_transition;
        set_if(wish.migrate, item.transition.migrate);
        set_if(wish.reschedule, item.transition.reschedule);
        set_if(wish.force_reschedule, item.transition.force_reschedule);
        set_if(wish.no_shutdown_delay, item.transition.no_shutdown_delay);
        set_if(wish.migrate_disable_placement, item.transition.migrate_disable_placement);
        row.details = std::make_shared<const AllocDetails>(std::move(details));
        row.modify_time = a.time().unix_ns;
        // A wish to the scheduler; the node learns of what comes of it.
        a.put_alloc(std::move(row), false);
    }
    for (const model::Evaluation& eval : command.evals) {
        a.put_eval(eval);
    }
    return {};
}

}  // namespace nl::state::commands
