// Why a job's groups wait for a place, and why what has one is there: ours, beside Nomad's routes. Source: sched/explain.

#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "sched/explain.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace nl::api {
namespace {

using state::TableId;

/// Allocations one answer explains.
constexpr std::size_t kPlacementsMax = 50;

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

/// "binpack 0.31, node-affinity 0.50": what pulled, strongest first.
std::string pulls(const model::NodeScoreMeta& score) {
    std::vector<std::pair<std::string, double>> parts;
    for (const auto& [name, value] : score.scores) {
        if (value != 0) {
            parts.emplace_back(name, value);
        }
    }
    std::ranges::sort(parts, [](const auto& a, const auto& b) {
        return std::abs(a.second) > std::abs(b.second);
    });
    std::string out;
    for (const auto& [name, value] : parts) {
        out += fmt::format("{}{} {:.2f}", out.empty() ? "" : ", ", name, value);
    }
    return out;
}

std::string count_of(std::int64_t n, std::string_view noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

/// Why an allocation is where it is, as the scheduler noted when it placed it.
std::string placed_sentence(const model::Allocation& alloc) {
    std::string out = fmt::format("{} is on {}", alloc.name, alloc.node_name);
    if (!alloc.metrics) {
        return out + ".";
    }
    const model::AllocMetric& m = *alloc.metrics;
    const std::int64_t fitting = m.nodes_evaluated - m.nodes_filtered - m.nodes_exhausted;
    out += fmt::format(": {} looked at", count_of(m.nodes_evaluated, "node"));
    if (m.nodes_filtered > 0) {
        out += fmt::format(", {} ruled out by constraints", m.nodes_filtered);
    }
    if (m.nodes_exhausted > 0) {
        out += fmt::format(", {} without room", m.nodes_exhausted);
    }
    const auto own =
        std::ranges::find(m.score_meta_data, alloc.node_id, &model::NodeScoreMeta::node_id);
    if (own == m.score_meta_data.end()) {
        return out + ".";
    }
    const std::string why = pulls(*own);
    return fmt::format(
        "{}; {} ({:.2f}{}{}).",
        out,
        fitting > 1 ? fmt::format("of the {} that fit it scored highest", fitting)
                    : std::string("it is the only one that fits"),
        own->norm_score,
        why.empty() ? "" : ": ",
        why
    );
}

/// Of what runs or is about to, oldest first.
Value::List placements(const Context& c, const std::string& ns, const std::string& id) {
    std::vector<state::AllocView> allocs;
    for (const state::AllocView alloc : c.state.allocs_of_job(ns, id)) {
        if (!alloc.server_terminal() && !alloc.client_terminal()) {
            allocs.push_back(alloc);
        }
    }
    std::ranges::sort(allocs, {}, [](const state::AllocView& alloc) {
        return std::pair(alloc.create_index(), alloc.id());
    });
    Value::List out;
    for (const state::AllocView& alloc : allocs) {
        if (out.size() == kPlacementsMax) {
            break;
        }
        out.emplace_back(Value::Map{
            {"AllocID", alloc.id().str()},
            {"NodeID", alloc.node_id().str()},
            {"Sentence", placed_sentence(alloc.expand())},
        });
    }
    return out;
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
                    wire::write_json(Value::Map{
                        {"JobID", id},
                        {"Groups", std::move(groups)},
                        {"Placements", placements(c, ns, id)}
                    })
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
     "Why a job's groups wait for a place, and the smallest change that would help; why its "
     "allocations are where they are.",
     explain},
};

}  // namespace

std::span<const Route> explain_routes() {
    return kRoutes;
}

}  // namespace nl::api
