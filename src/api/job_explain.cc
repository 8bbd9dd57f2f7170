// Why a job's groups wait for a place: ours, beside Nomad's routes. Source: sched/explain.

#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "sched/explain.h"
#include "wire/value_json.h"

namespace nl::api {
namespace {

using state::TableId;

Value::List texts(const std::vector<std::string>& list) {
    Value::List out;
    for (const std::string& text : list) {
        out.emplace_back(text);
    }
    return out;
}

Value shown(const sched::ExplainedGroup& group) {
    Value::List conditions;
    for (const auto& c : group.conditions) {
        conditions.emplace_back(Value::Map{
            {"Kind", c.kind},
            {"Name", c.name},
            {"NodesRemoved", c.nodes_removed},
            {"NodesRemovedAlone", c.nodes_removed_alone},
        });
    }
    Value::List changes;
    for (const auto& c : group.changes) {
        changes.emplace_back(Value::Map{
            {"Steps", texts(c.steps)}, {"Nodes", c.nodes}, {"ExampleNode", c.example_node}
        });
    }
    return Value::Map{
        {"TaskGroup", group.group},
        {"Queued", group.queued},
        {"NodesTotal", group.nodes_total},
        {"NodesFitting", group.nodes_fitting},
        {"Conditions", std::move(conditions)},
        {"Changes", std::move(changes)},
        {"Sentences", texts(group.sentences())},
    };
}

Outcome explain(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            if (job == nullptr) {
                return missing(c, TableId::Jobs, "job not found");
            }
            Value::List groups;
            for (const sched::ExplainedGroup& group : sched::explain_job(c.state, *job)) {
                groups.push_back(shown(group));
            }
            return Look{
                json_response(
                    wire::write_json(Value::Map{{"JobID", id}, {"Groups", std::move(groups)}})
                ),
                c.state.table_index({TableId::Evals, TableId::Nodes, TableId::Allocs}),
                {state::watch_of_job(TableId::Evals, ns, id)},
                {}
            };
        }
    );
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/job/{id*}/explain",
     Where::Server,
     "ns:read-job",
     "",
     "Why a job's groups wait for a place, and the smallest change that would help.",
     explain},
};

}  // namespace

std::span<const Route> explain_routes() {
    return kRoutes;
}

}  // namespace nl::api
