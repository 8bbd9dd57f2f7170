// Reading a job's allocations out of a snapshot, as the reconciler sees them.

#include "base/check.h"
#include "sched/placer.h"

#include <algorithm>

namespace nl::sched {
namespace {

WallTime unknown_since(const state::AllocDetails& details) {
    WallTime since;
    for (const auto& s : details.alloc_states) {
        if (s.value == model::to_string(model::AllocClientStatus::Unknown)) {
            since = s.time;
        }
    }
    return since;
}

NodeCondition condition(const model::Node* node) {
    if (node == nullptr) {
        return NodeCondition::Down;
    }
    switch (node->status) {
        case model::NodeStatus::Down:
            return NodeCondition::Down;
        case model::NodeStatus::Disconnected:
            return NodeCondition::Disconnected;
        case model::NodeStatus::Initializing:
        case model::NodeStatus::Ready:
            return node->drain_strategy ? NodeCondition::Draining : NodeCondition::Ready;
    }
    NL_UNREACHABLE();
}

}  // namespace

std::vector<ExistingAlloc> existing_allocs(
    const state::Snapshot& snapshot, std::string_view ns, std::string_view job_id
) {
    std::vector<ExistingAlloc> out;
    bool some_came_back = false;
    for (const state::AllocView view : snapshot.allocs_of_job(ns, job_id)) {
        const state::AllocDetails& details = view.details();
        ExistingAlloc a;
        a.id = view.id();
        a.node_id = view.node_id();
        a.group = view.task_group();
        a.name_index = view.name_index();
        a.desired = view.desired_status();
        a.client = view.client_status();
        a.job = &view.job();
        a.deployment_id = view.deployment_id();
        a.healthy = view.healthy();
        a.updated_in_place = view.create_index() < a.job->job_modify_index;
        a.canary = view.canary();
        a.next_allocation = details.next_allocation;
        a.followup_eval_id = details.followup_eval_id;
        const model::DesiredTransition& wish = details.desired_transition;
        a.migrate = wish.migrate.value_or(false);
        a.reschedule = wish.force_reschedule.value_or(false);
        a.may_reschedule = wish.reschedule.value_or(false);
        a.no_replacement = wish.migrate_disable_placement.value_or(false);
        if (!a.followup_eval_id.is_nil()) {
            const model::Evaluation* next = snapshot.eval(a.followup_eval_id);
            a.followup_over = next == nullptr || model::is_terminal(next->status);
        }
        a.tracker = details.reschedule_tracker.get();
        a.unknown_since = unknown_since(details);
        a.reconnected = !a.unknown_since.is_zero();
        a.score = static_cast<double>(view.row().score);
        a.node = condition(snapshot.node(view.node_id()));
        a.ended_at = WallTime{view.modify_time()};
        a.started_at = WallTime{view.create_time()};
        if (a.client == model::AllocClientStatus::Failed) {
            WallTime last;
            for (const auto& [name, task] : view.task_states()) {
                last = std::max(last, task.finished_at);
            }
            a.ended_at = last.is_zero() ? a.ended_at : last;
        }
        some_came_back |= a.reconnected;
        out.push_back(a);
    }
    if (some_came_back) {
        // Who has run longest may have to be known of each.
        for (ExistingAlloc& a : out) {
            if (const auto view = snapshot.alloc(a.id); view && !view->client_terminal()) {
                for (const auto& [name, task] : view->task_states()) {
                    a.started_at = std::max(a.started_at, task.started_at);
                }
            }
        }
    }
    return out;
}

}  // namespace nl::sched
