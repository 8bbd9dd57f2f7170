#include "sched/explain.h"

#include "base/rng.h"
#include "sched/assign.h"
#include "sched/candidates.h"
#include "sched/devices.h"
#include "sched/feasible.h"
#include "sched/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace nl::sched {
namespace {

/// What would have to change on a node, and how much of it (1 for what is there or is not).
struct Step {
    Step(std::string what, double how_much = 1.0)  // NOLINT(google-explicit-constructor)
        : text(std::move(what)), size(how_much) {}
    Step(const char* what) : text(what) {}  // NOLINT(google-explicit-constructor)

    std::string text;
    double size{1.0};
};

/// What a node answers to a condition: nothing if it meets it.
using Answer = std::optional<Step>;

struct Condition {
    ExplainedCondition shown;
    std::function<Answer(const model::Node&, state::Slot)> ask;
};

std::string plural(std::int64_t n, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string text_of(const model::Constraint& c) {
    std::string text = fmt::format("{} {} {}", c.l_target, c.operand, c.r_target);
    while (text.ends_with(' ')) {
        text.pop_back();
    }
    while (text.starts_with(' ')) {
        text.erase(text.begin());
    }
    return text;
}

/// A specification that asks for one thing only, and the rules that judge it.
class Single {
public:
    Single(
        const model::Job& whole,
        const state::Snapshot& snapshot,
        RegexCache& regexes,
        const std::function<void(model::Job&, model::TaskGroup&)>& fill
    ) {
        job_.id = whole.id;
        job_.namespace_ = whole.namespace_;
        fill(job_, group_);
        rules_ = std::make_unique<Feasibility>(job_, group_, snapshot, regexes);
    }
    bool allows(const model::Node& node) {
        return rules_->check_class(node) == nullptr && rules_->check_node(node) == nullptr;
    }

private:
    model::Job job_;
    model::TaskGroup group_;
    std::unique_ptr<Feasibility> rules_;
};

class Explainer {
public:
    Explainer(const state::Snapshot& snapshot, const model::Job& job, const model::TaskGroup& group)
        : snapshot_(snapshot), job_(job), group_(group) {
        for (const state::AllocView alloc : snapshot.allocs_of_job(job.namespace_, job.id)) {
            if (!alloc.terminal()) {
                live_.push_back(alloc);
            }
        }
        about_nodes();
        about_constraints();
        about_needs();
        about_plan();
        about_resources();
    }

    ExplainedGroup run(std::int64_t queued) {
        ExplainedGroup out;
        out.group = group_.name;
        out.queued = queued;
        // By the conditions they fail: how many nodes, and the one that is nearest.
        struct Near {
            std::int64_t nodes{0};
            double size{0};
            std::vector<std::string> steps;
            std::string example;
        };
        std::map<std::vector<std::size_t>, Near> by_failures;
        for (const model::Node& node : snapshot_.nodes()) {
            ++out.nodes_total;
            const state::Slot slot = snapshot_.node_slot(node.id);
            std::vector<std::size_t> failed;
            std::vector<std::string> steps;
            double size = 0;
            for (std::size_t i = 0; i < conditions_.size(); ++i) {
                if (Answer answer = conditions_[i].ask(node, slot)) {
                    ++conditions_[i].shown.nodes_removed;
                    failed.push_back(i);
                    steps.push_back(std::move(answer->text));
                    size += answer->size;
                }
            }
            if (failed.empty()) {
                ++out.nodes_fitting;
                continue;
            }
            if (failed.size() == 1) {
                ++conditions_[failed[0]].shown.nodes_removed_alone;
            }
            if (failed.size() > kConditionsPerChange) {
                continue;
            }
            Near& near = by_failures[failed];
            if (!near.steps.empty() && size == near.size) {
                ++near.nodes;
            } else if (near.steps.empty() || size < near.size) {
                near.nodes = 1;
                near.size = size;
                near.steps = std::move(steps);
                near.example = node.name;
            }
        }
        for (const Condition& condition : conditions_) {
            if (condition.shown.nodes_removed > 0) {
                out.conditions.push_back(condition.shown);
            }
        }
        std::ranges::stable_sort(out.conditions, [](const auto& a, const auto& b) {
            return a.nodes_removed > b.nodes_removed;
        });
        std::vector<Near> changes;
        for (auto& [failed, near] : by_failures) {
            changes.push_back(std::move(near));
        }
        std::ranges::stable_sort(changes, [](const Near& a, const Near& b) {
            return a.steps.size() != b.steps.size() ? a.steps.size() < b.steps.size()
                   : a.size != b.size               ? a.size < b.size
                                                    : a.nodes > b.nodes;
        });
        for (Near& near : changes) {
            // Two steps are no alternative where one is enough.
            if (out.changes.size() < kChangesShown &&
                (out.changes.empty() || near.steps.size() == out.changes[0].steps.size())) {
                out.changes.push_back({std::move(near.steps), near.nodes, near.example});
            }
        }
        return out;
    }

private:
    using Ask = std::function<Answer(const model::Node&, state::Slot)>;

    void add(std::string kind, std::string name, Ask ask) {
        conditions_.push_back({{std::move(kind), std::move(name), 0, 0}, std::move(ask)});
    }

    void about_nodes() {
        add("pool",
            fmt::format("the node pool \"{}\"", pool()),
            [this](const model::Node& node, state::Slot) -> Answer {
                if (in_pool(job_, node.node_pool)) {
                    return std::nullopt;
                }
                return fmt::format(
                    "let the job use the node pool \"{}\"",
                    node.node_pool.empty() ? std::string(kDefaultPool) : node.node_pool
                );
            });
        add("datacenter",
            fmt::format("the datacenters {}", fmt::join(job_.datacenters, ", ")),
            [this](const model::Node& node, state::Slot) -> Answer {
                if (in_datacenters(job_, node.datacenter)) {
                    return std::nullopt;
                }
                return fmt::format("add \"{}\" to the job's datacenters", node.datacenter);
            });
        add("node",
            "being down, draining or ineligible",
            [](const model::Node& node, state::Slot) -> Answer {
                if (node.status != model::NodeStatus::Ready) {
                    return std::string("bring back nodes that are ") +
                           std::string(model::to_string(node.status));
                }
                if (node.drain_strategy) {
                    return "end the drain of nodes that are draining";
                }
                if (node.scheduling_eligibility != model::NodeEligibility::Eligible) {
                    return "make ineligible nodes eligible again";
                }
                return std::nullopt;
            });
    }

    std::string pool() const {
        return job_.node_pool.empty() ? std::string(kDefaultPool) : job_.node_pool;
    }

    void judge(
        std::string kind,
        std::string name,
        std::string step,
        const std::function<void(model::Job&, model::TaskGroup&)>& fill
    ) {
        auto single = std::make_shared<Single>(job_, snapshot_, regexes_, fill);
        add(std::move(kind),
            std::move(name),
            [single, step = std::move(step)](const model::Node& node, state::Slot) -> Answer {
                return single->allows(node) ? Answer{} : Answer{step};
            });
    }

    void about_constraints() {
        std::set<std::string> seen;
        const auto each = [&](const std::vector<model::Constraint>& constraints) {
            for (const model::Constraint& c : constraints) {
                const std::string text = text_of(c);
                if (c.operand.starts_with("distinct") || !seen.insert(text).second) {
                    continue;
                }
                judge(
                    "constraint",
                    fmt::format("the constraint \"{}\"", text),
                    fmt::format("drop the constraint \"{}\"", text),
                    [&](model::Job&, model::TaskGroup& group) { group.constraints = {c}; }
                );
            }
        };
        each(job_.constraints);
        each(group_.constraints);
        for (const model::Task& task : group_.tasks) {
            each(task.constraints);
        }
    }

    void about_needs() {
        std::set<std::string> drivers;
        for (const model::Task& task : group_.tasks) {
            if (drivers.insert(task.driver).second) {
                judge(
                    "driver",
                    fmt::format("the driver \"{}\"", task.driver),
                    fmt::format("make the driver \"{}\" healthy there", task.driver),
                    [&](model::Job&, model::TaskGroup& group) {
                        model::Task only;
                        only.driver = task.driver;
                        group.tasks.push_back(std::move(only));
                    }
                );
            }
            if (!task.resources) {
                continue;
            }
            for (const auto& request : task.resources->devices) {
                add("device",
                    fmt::format("the device \"{}\"", request.name),
                    [this, &request](const model::Node& node, state::Slot) -> Answer {
                        const bool found = node.node_resources &&
                                           std::ranges::any_of(
                                               node.node_resources->devices,
                                               [&](const auto& device) {
                                                   return device_matches(device, request, regexes_);
                                               }
                                           );
                        return found ? Answer{}
                                     : Answer{fmt::format(
                                           "provide the device \"{}\" there", request.name
                                       )};
                    });
            }
        }
        for (const auto& [name, request] : group_.volumes) {
            if (request.per_alloc) {
                continue;
            }
            judge(
                "volume",
                fmt::format("the {} volume \"{}\"", request.type, request.source),
                fmt::format("provide the volume \"{}\" there", request.source),
                [&](model::Job&, model::TaskGroup& group) { group.volumes[name] = request; }
            );
        }
        if (!group_.networks.empty()) {
            judge(
                "network",
                "the group's network mode and host networks",
                "provide the host networks and the bridge the group asks for there",
                [&](model::Job&, model::TaskGroup& group) { group.networks = group_.networks; }
            );
        }
    }

    void about_plan() {
        const auto each = [&](const std::vector<model::Constraint>& constraints, bool of_job) {
            for (const model::Constraint& c : constraints) {
                if (c.operand == "distinct_hosts" && c.r_target != "false") {
                    add("plan",
                        "distinct_hosts",
                        [this, of_job](const model::Node& node, state::Slot) -> Answer {
                            const bool taken = std::ranges::any_of(live_, [&](const auto& alloc) {
                                return alloc.node_id() == node.id &&
                                       (of_job || alloc.task_group() == group_.name);
                            });
                            return taken ? Answer{"add nodes, or drop distinct_hosts"} : Answer{};
                        });
                } else if (c.operand == "distinct_property") {
                    about_property(c, of_job);
                }
            }
        };
        each(job_.constraints, true);
        each(group_.constraints, false);
        for (const model::Task& task : group_.tasks) {
            each(task.constraints, false);
        }
    }

    void about_property(const model::Constraint& c, bool of_job) {
        std::map<std::string, std::int64_t> used;
        for (const state::AllocView& alloc : live_) {
            const model::Node* node = snapshot_.node(alloc.node_id());
            std::string scratch;
            if (node != nullptr && (of_job || alloc.task_group() == group_.name)) {
                if (const auto value = resolve_target(c.l_target, *node, scratch)) {
                    ++used[std::string(*value)];
                }
            }
        }
        const std::int64_t limit = c.r_target.empty() ? 1 : std::atoll(c.r_target.c_str());
        add("plan",
            fmt::format("distinct_property {}", c.l_target),
            [c, limit, used](const model::Node& node, state::Slot) -> Answer {
                std::string scratch;
                const auto value = resolve_target(c.l_target, node, scratch);
                if (!value) {
                    return fmt::format("set {} on nodes that lack it", c.l_target);
                }
                const auto at = used.find(std::string(*value));
                return at != used.end() && at->second >= std::max<std::int64_t>(limit, 1)
                           ? Answer{fmt::format(
                                 "raise the limit of distinct_property {} above {}",
                                 c.l_target,
                                 limit
                             )}
                           : Answer{};
            });
    }

    struct Amount {
        std::string_view name;
        std::string_view unit;
        std::int64_t asked;
        std::function<std::int64_t(const state::NodeChunk&, std::uint32_t)> free;
    };

    void about_amount(const Amount& amount) {
        if (amount.asked <= 0) {
            return;
        }
        add("resource",
            fmt::format("{} {} of {}", amount.asked, amount.unit, amount.name),
            [this, amount](const model::Node&, state::Slot slot) -> Answer {
                const state::NodeChunk& chunk = snapshot_.columns().chunk_of(slot);
                const std::int64_t free = amount.free(chunk, state::Columns::place_of(slot));
                if (free >= amount.asked) {
                    return std::nullopt;
                }
                const std::int64_t some = std::max<std::int64_t>(free, 0);
                return Step(
                    fmt::format(
                        "ask for {} {} of {} less ({} instead of {}), or free as much",
                        amount.asked - some,
                        amount.unit,
                        amount.name,
                        some,
                        amount.asked
                    ),
                    static_cast<double>(amount.asked - some) / static_cast<double>(amount.asked)
                );
            });
    }

    void about_resources() {
        const state::ResourceSum ask = state::sum_of(group_);
        about_amount({"cpu", "MHz", ask.cpu, [](const state::NodeChunk& c, std::uint32_t i) {
                          return std::int64_t{c.cpu[i]} - c.cpu_used[i];
                      }});
        about_amount(
            {"memory",
             "MB",
             ask.memory_mb,
             [](const state::NodeChunk& c, std::uint32_t i) {
                 return std::int64_t{c.memory[i]} - c.memory_used[i];
             }}
        );
        about_amount({"disk", "MB", ask.disk_mb, [](const state::NodeChunk& c, std::uint32_t i) {
                          return std::int64_t{c.disk[i]} - c.disk_used[i];
                      }});
        add("resource",
            "their own limits of allocations",
            [this](const model::Node&, state::Slot slot) -> Answer {
                const state::NodeChunk& c = snapshot_.columns().chunk_of(slot);
                const std::uint32_t i = state::Columns::place_of(slot);
                return c.max_allocs[i] > 0 && c.live_allocs[i] >= c.max_allocs[i]
                           ? Answer{"raise the node's limit of allocations"}
                           : Answer{};
            });
        if (!needs_assignment(group_)) {
            return;
        }
        add("resource",
            "what is left of ports, cores and devices",
            [this](const model::Node& node, state::Slot) -> Answer {
                NodeUse use(node);
                for (const state::AllocView alloc : snapshot_.allocs_of_node(node.id)) {
                    if (!alloc.terminal() && alloc.own_resources() != nullptr) {
                        use.add(*alloc.own_resources());
                    }
                }
                Rng rng(1);
                const auto assigned =
                    use.assign(group_, state::group_resources(group_), regexes_, rng);
                return assigned
                           ? Answer{}
                           : Answer{fmt::format("free what is used up there ({})", assigned.error())
                             };
            });
    }

    const state::Snapshot& snapshot_;
    const model::Job& job_;
    const model::TaskGroup& group_;
    RegexCache regexes_;
    std::vector<state::AllocView> live_;
    std::vector<Condition> conditions_;
};

}  // namespace

std::vector<std::string> ExplainedGroup::sentences() const {
    std::vector<std::string> out;
    if (nodes_total == 0) {
        out.push_back(fmt::format("Group \"{}\" waits because the cluster has no nodes.", group));
        return out;
    }
    out.push_back(fmt::format(
        "Group \"{}\" waits for {}; {} of {} would take one now.",
        group,
        plural(queued, "place", "places"),
        plural(nodes_fitting, "node", "nodes"),
        nodes_total
    ));
    for (const ExplainedCondition& c : conditions) {
        std::string alone;
        if (c.nodes_removed_alone > 0 && c.nodes_removed_alone < c.nodes_removed) {
            alone = fmt::format(" ({} by nothing else)", c.nodes_removed_alone);
        } else if (c.nodes_removed_alone == c.nodes_removed && conditions.size() > 1) {
            alone = " (by nothing else)";
        }
        out.push_back(fmt::format(
            "{} {} removed by {}{}.",
            plural(c.nodes_removed, "node", "nodes"),
            c.nodes_removed == 1 ? "is" : "are",
            c.name,
            alone
        ));
    }
    if (nodes_fitting > 0) {
        out.push_back("It can be placed as soon as it is evaluated again.");
        return out;
    }
    for (std::size_t i = 0; i < changes.size(); ++i) {
        out.push_back(fmt::format(
            "{}: {}. Then {} would take it (for instance {}).",
            i == 0 ? "The smallest change" : "Or",
            fmt::join(changes[i].steps, "; and "),
            plural(changes[i].nodes, "node", "nodes"),
            changes[i].example_node
        ));
    }
    return out;
}

ExplainedGroup explain_group(
    const state::Snapshot& snapshot,
    const model::Job& job,
    const model::TaskGroup& group,
    std::int64_t queued
) {
    return Explainer(snapshot, job, group).run(queued);
}

std::vector<ExplainedGroup> explain_job(const state::Snapshot& snapshot, const model::Job& job) {
    // The evaluation that waits knows what it could not place; without one nothing waits.
    const model::Evaluation* newest = nullptr;
    for (const model::Evaluation& eval : snapshot.evals_of_job(job.namespace_, job.id)) {
        if (!eval.failed_tg_allocs.empty() &&
            (newest == nullptr || eval.modify_index >= newest->modify_index)) {
            newest = &eval;
        }
    }
    std::vector<ExplainedGroup> out;
    if (newest == nullptr || job.stop) {
        return out;
    }
    for (const model::TaskGroup& group : job.task_groups) {
        std::int64_t live = 0;
        for (const state::AllocView alloc : snapshot.allocs_of_job(job.namespace_, job.id)) {
            const bool done =
                job.type == "batch" && alloc.client_status() == model::AllocClientStatus::Complete;
            live += (done || !alloc.terminal()) && alloc.task_group() == group.name ? 1 : 0;
        }
        const bool counted = job.type == "service" || job.type == "batch";
        const auto failed = newest->failed_tg_allocs.find(group.name);
        if (failed == newest->failed_tg_allocs.end() || (counted && live >= group.count)) {
            continue;
        }
        const std::int64_t queued =
            counted ? group.count - live : failed->second.coalesced_failures + 1;
        out.push_back(explain_group(snapshot, job, group, queued));
    }
    return out;
}

}  // namespace nl::sched
