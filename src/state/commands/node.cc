#include "state/commands/node.h"

#include "state/applying.h"
#include "state/node_class.h"

#include <utility>

namespace nl::state::commands {
namespace {

using model::Node;

const Node* find_node(Applying& a, const Uuid& id) {
    return a.tables().nodes.find<NodeById>({id});
}

void add_event(Applying& a, Node& node, const model::NodeEvent& given) {
    model::NodeEvent event = given;
    event.create_index = a.index();
    if (event.timestamp.is_zero()) {
        event.timestamp = a.time();
    }
    if (node.events.size() >= kMaxNodeEvents) {
        node.events.erase(node.events.begin());
    }
    node.events.push_back(std::move(event));
}

void add_event(Applying& a, Node& node, const Box<model::NodeEvent>& event) {
    if (event) {
        add_event(a, node, *event);
    }
}

model::NodeEvent cluster_event(std::string message) {
    model::NodeEvent event;
    event.message = std::move(message);
    event.subsystem = "Cluster";
    return event;
}

/// A driver that came, went or changed its health is news of the node.
void add_driver_events(Applying& a, Node& node, const Node& old) {
    for (const auto& [name, info] : node.drivers) {
        const auto before = old.drivers.find(name);
        const bool same = before != old.drivers.end() ? before->second.healthy == info.healthy &&
                                                            before->second.detected == info.detected
                                                      : !info.detected;
        if (!same) {
            model::NodeEvent event;
            event.message = info.health_description;
            event.subsystem = "Driver";
            event.details["driver"] = name;
            add_event(a, node, event);
        }
    }
}

void put_evals(Applying& a, const std::vector<model::Evaluation>& evals) {
    for (const model::Evaluation& eval : evals) {
        a.put_eval(eval);
    }
}

Result<void> unknown(const Uuid& id) {
    return fail(ErrorCode::NotFound, "node \"{}\" not found", id);
}

/// StatusUpdatedAt is in seconds, unlike the other times.
std::int64_t seconds_of(WallTime time) {
    return time.unix_ns / 1'000'000'000;
}

void set_status(Applying& a, Node& node, model::NodeStatus status) {
    node.status = status;
    node.status_updated_at = seconds_of(a.time());
    if (status == model::NodeStatus::Down || status == model::NodeStatus::Disconnected) {
        node.last_missed_heartbeat_index = a.index();
    }
}

}  // namespace

Result<void> apply(Applying& a, const NodeRegister& command) {
    Node node = command.node;
    if (node.id.is_nil()) {
        return fail(ErrorCode::InvalidArgument, "missing node ID for client registration");
    }
    const Node* old = find_node(a, node.id);
    if (old != nullptr && !old->secret_id.is_nil() && old->secret_id != node.secret_id) {
        return fail(
            ErrorCode::PermissionDenied, "node secret ID does not match the registered one"
        );
    }
    if (node.node_pool.empty()) {
        node.node_pool = "default";
    }
    node.computed_class = computed_class(node);
    if (old != nullptr) {
        node.drain_strategy = old->drain_strategy;
        node.scheduling_eligibility = old->scheduling_eligibility;
        node.last_drain = old->last_drain;
        node.events = old->events;
        node.last_missed_heartbeat_index = old->last_missed_heartbeat_index;
        node.last_alloc_update_index = old->last_alloc_update_index;
        add_driver_events(a, node, *old);
        if (old->status == node.status) {
            node.status_updated_at = old->status_updated_at;
        } else {
            set_status(a, node, node.status);
        }
        if (old->status == model::NodeStatus::Down && node.status != model::NodeStatus::Down) {
            add_event(a, node, cluster_event("Node re-registered"));
        }
    } else {
        node.events.clear();
        node.drain_strategy.reset();
        node.last_drain.reset();
        node.status_updated_at = seconds_of(a.time());
        add_event(a, node, cluster_event("Node registered"));
    }
    a.ensure_node_pool(node.node_pool);
    if (old != nullptr) {
        node.create_index = old->create_index;
        node.modify_index = old->modify_index;
    }
    // A node that says hello again with nothing new disturbs nobody.
    if (old == nullptr || node != *old) {
        a.put_node(std::move(node));
    }
    put_evals(a, command.evals);
    return {};
}

Result<void> apply(Applying& a, const NodeDeregister& command) {
    for (const Uuid& id : command.nodes) {
        if (find_node(a, id) == nullptr && command.nodes.size() == 1) {
            return unknown(id);
        }
        a.remove_services_of_node(id);
        a.remove_node(id);
    }
    put_evals(a, command.evals);
    return {};
}

Result<void> apply(Applying& a, const NodeStatusUpdate& command) {
    for (const NodeStatusItem& item : command.nodes) {
        const Node* old = find_node(a, item.node_id);
        if (old == nullptr) {
            if (command.nodes.size() == 1) {
                return unknown(item.node_id);
            }
            continue;
        }
        Node node = *old;
        set_status(a, node, item.status);
        node.status_description = item.description;
        add_event(a, node, item.event);
        if (item.status == model::NodeStatus::Down) {
            a.remove_services_of_node(item.node_id);
        }
        a.put_node(std::move(node));
    }
    put_evals(a, command.evals);
    return {};
}

Result<void> apply(Applying& a, const NodeDrain& command) {
    const Node* old = find_node(a, command.node_id);
    if (old == nullptr) {
        return unknown(command.node_id);
    }
    Node node = *old;
    const bool was_draining = bool(old->drain_strategy);
    model::DrainMetadata& drain = node.last_drain.ensure();
    if (command.strategy) {
        node.drain_strategy = command.strategy;
        node.drain_strategy->started_at = was_draining ? old->drain_strategy->started_at : a.time();
        if (node.drain_strategy->deadline.ns > 0) {
            node.drain_strategy->force_deadline = a.time() + node.drain_strategy->deadline;
        }
        node.scheduling_eligibility = model::NodeEligibility::Ineligible;
        if (!was_draining) {
            drain = {};
            drain.started_at = a.time();
        }
        drain.status = "draining";
    } else {
        node.drain_strategy.reset();
        if (command.mark_eligible) {
            node.scheduling_eligibility = model::NodeEligibility::Eligible;
        }
        if (was_draining) {
            drain.status = command.complete ? "complete" : "canceled";
        }
    }
    drain.updated_at = a.time();
    if (!command.meta.empty()) {
        drain.meta = command.meta;
    }
    if (!command.accessor_id.empty()) {
        drain.accessor_id = command.accessor_id;
    }
    if (!command.strategy && !was_draining) {
        node.last_drain = old->last_drain;
    }
    add_event(a, node, command.event);
    a.put_node(std::move(node));
    put_evals(a, command.evals);
    return {};
}

Result<void> apply(Applying& a, const NodeEligibilityUpdate& command) {
    const Node* old = find_node(a, command.node_id);
    if (old == nullptr) {
        return unknown(command.node_id);
    }
    if (old->drain_strategy && command.eligibility == model::NodeEligibility::Eligible) {
        return fail(
            ErrorCode::FailedPrecondition,
            "can not set node's scheduling eligibility to eligible while it is draining"
        );
    }
    Node node = *old;
    node.scheduling_eligibility = command.eligibility;
    node.status_updated_at = seconds_of(a.time());
    add_event(a, node, command.event);
    a.put_node(std::move(node));
    put_evals(a, command.evals);
    return {};
}

Result<void> apply(Applying& a, const NodeEventsAdd& command) {
    for (const NodeEventItem& item : command.events) {
        if (const Node* old = find_node(a, item.node_id)) {
            Node node = *old;
            add_event(a, node, item.event);
            a.put_node(std::move(node));
        }
    }
    return {};
}

}  // namespace nl::state::commands
