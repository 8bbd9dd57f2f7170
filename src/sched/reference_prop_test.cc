// The scheduler against a slow and obvious one: thousands of generated clusters and jobs, and for
// every placement of every plan all nodes are looked at anew, one by one, with formulas written
// down a second time. The fast one may break ties as it likes; it may never choose a worse node,
// show another score, refuse what would fit, or evict more than it must.

#include "sched/testing/world.h"
#include "state/commands/settings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::sched {
namespace {

using testing::make_job;
using testing::make_node;
using testing::World;

/// A live allocation as the reference sees it.
struct Live {
    Uuid id;
    Uuid node;
    std::string job;
    std::int64_t priority{0};
    std::int64_t cpu{0};
    std::int64_t memory{0};
    std::set<std::int64_t> ports;
};

class Reference {
public:
    Reference(const state::Snapshot& snapshot, const model::Job& job) : job_(job) {
        for (const model::Node& node : snapshot.nodes()) {
            nodes_.push_back(&node);
        }
        for (const state::AllocView alloc : snapshot.allocs()) {
            if (!alloc.terminal()) {
                live_.push_back(read(alloc));
            }
        }
        spread_algorithm_ = snapshot.scheduler_config().scheduler_algorithm == "spread";
    }

    static Live read(const state::AllocView& alloc) {
        Live l{alloc.id(), alloc.node_id(), alloc.job_id(), alloc.job().priority};
        l.cpu = alloc.group().tasks[0].resources->cpu;
        l.memory = alloc.group().tasks[0].resources->memory_mb;
        if (alloc.own_resources() != nullptr && alloc.own_resources()->shared) {
            for (const auto& port : alloc.own_resources()->shared->ports) {
                l.ports.insert(port.value);
            }
        }
        return l;
    }

    void remove(const Uuid& id) {
        std::erase_if(live_, [&](const Live& l) { return l.id == id; });
    }
    void add(Live l) { live_.push_back(std::move(l)); }

    bool may_run(const model::Node& node) const {
        if (node.status != model::NodeStatus::Ready ||
            node.scheduling_eligibility != model::NodeEligibility::Eligible ||
            node.drain_strategy) {
            return false;
        }
        if (node.datacenter != job_.datacenters[0] && job_.datacenters[0] != "*") {
            return false;
        }
        if (node.node_pool != job_.node_pool) {
            return false;
        }
        const auto driver = node.drivers.find("raw_exec");
        if (driver == node.drivers.end() || !driver->second.healthy) {
            return false;
        }
        for (const model::Constraint& c : job_.constraints) {
            if (c.operand == "=" && value(node, c.l_target) != c.r_target) {
                return false;
            }
            if (c.operand == "!=" && value(node, c.l_target) == c.r_target) {
                return false;
            }
            if (c.operand == "is_set" && !value(node, c.l_target)) {
                return false;
            }
            if (c.operand == "distinct_hosts" && count_on(node) > 0) {
                return false;
            }
            if (c.operand == "distinct_property") {
                const auto here = value(node, c.l_target);
                if (!here || count_with(c.l_target, *here) >= std::stoll(c.r_target)) {
                    return false;
                }
            }
        }
        return true;
    }

    bool has_room(const model::Node& node) const {
        std::int64_t cpu = group().tasks[0].resources->cpu;
        std::int64_t memory = group().tasks[0].resources->memory_mb;
        std::int64_t allocs = 1;
        for (const Live& l : live_) {
            if (l.node == node.id) {
                cpu += l.cpu;
                memory += l.memory;
                ++allocs;
                if (wanted_port() != 0 && l.ports.contains(wanted_port())) {
                    return false;
                }
            }
        }
        return cpu <= node.node_resources->cpu->cpu_shares &&
               memory <= node.node_resources->memory->memory_mb &&
               (node.node_max_allocs == 0 || allocs <= node.node_max_allocs);
    }

    double score(
        const model::Node& node, bool penalized, const std::vector<std::int64_t>* evicted = nullptr
    ) const {
        double cpu = static_cast<double>(group().tasks[0].resources->cpu);
        double memory = static_cast<double>(group().tasks[0].resources->memory_mb);
        for (const Live& l : live_) {
            if (l.node == node.id) {
                cpu += static_cast<double>(l.cpu);
                memory += static_cast<double>(l.memory);
            }
        }
        const double free_cpu = 1 - cpu / static_cast<double>(node.node_resources->cpu->cpu_shares);
        const double free_memory =
            1 - memory / static_cast<double>(node.node_resources->memory->memory_mb);
        const double total = std::pow(10, free_cpu) + std::pow(10, free_memory);
        const double fit = spread_algorithm_ ? total - 2 : 20 - total;
        std::vector<double> parts{std::max(0.0, std::min(18.0, fit)) / 18};
        const std::int64_t same = count_on(node);
        if (same > 0) {
            parts.push_back(
                -static_cast<double>(same + 1) /
                static_cast<double>(std::max<std::int64_t>(group().count, 1))
            );
        }
        if (penalized) {
            parts.push_back(-1);
        }
        double affinity = 0;
        double weights = 0;
        for (const model::Affinity& a : job_.affinities) {
            weights += std::abs(static_cast<double>(a.weight));
            affinity += value(node, a.l_target) == a.r_target ? static_cast<double>(a.weight) : 0.0;
        }
        if (affinity != 0) {
            parts.push_back(affinity / weights);
        }
        const double spread = spread_on(node);
        if (spread != 0) {
            parts.push_back(spread);
        }
        if (evicted != nullptr) {
            double highest = 0;
            double sum = 0;
            for (const std::int64_t priority : *evicted) {
                highest = std::max(highest, static_cast<double>(priority));
                sum += static_cast<double>(priority);
            }
            parts.push_back(1 / (1 + std::exp(0.0048 * (highest + sum / highest - 2048))));
        }
        double sum = 0;
        for (const double p : parts) {
            sum += p;
        }
        return sum / static_cast<double>(parts.size());
    }

    const std::vector<const model::Node*>& nodes() const { return nodes_; }
    const model::Node& node(const Uuid& id) const {
        return **std::ranges::find_if(nodes_, [&](const model::Node* n) { return n->id == id; });
    }
    const std::vector<Live>& live() const { return live_; }
    const model::TaskGroup& group() const { return job_.task_groups[0]; }
    std::int64_t wanted_port() const {
        return group().networks.empty() || group().networks[0].reserved_ports.empty()
                   ? 0
                   : group().networks[0].reserved_ports[0].value;
    }

private:
    static std::optional<std::string> value(const model::Node& node, const std::string& target) {
        if (target == "${node.datacenter}") {
            return node.datacenter;
        }
        if (target == "${node.unique.name}") {
            return node.name;
        }
        const std::string key = target.substr(7, target.size() - 8);
        const auto at = node.meta.find(key);
        return at == node.meta.end() ? std::nullopt : std::optional<std::string>(at->second);
    }

    std::int64_t count_on(const model::Node& node) const {
        return std::ranges::count_if(live_, [&](const Live& l) {
            return l.node == node.id && l.job == job_.id;
        });
    }

    std::int64_t count_with(const std::string& target, const std::string& wanted) const {
        return std::ranges::count_if(live_, [&](const Live& l) {
            return l.job == job_.id && value(node(l.node), target) == wanted;
        });
    }

    double spread_on(const model::Node& node) const {
        double sum = 0;
        double weights = 0;
        for (const model::Spread& s : job_.spreads) {
            weights += static_cast<double>(s.weight);
        }
        for (const model::Spread& s : job_.spreads) {
            const auto here = value(node, s.attribute);
            if (!here) {
                sum -= 1;
                continue;
            }
            std::map<std::string, double> used;
            for (const Live& l : live_) {
                const auto v = value(this->node(l.node), s.attribute);
                if (l.job == job_.id && v) {
                    used[*v] += 1;
                }
            }
            if (!s.spread_target.empty()) {
                double rest = static_cast<double>(group().count);
                double wanted = -1;
                bool listed = false;
                for (const auto& target : s.spread_target) {
                    const double share = static_cast<double>(target.percent) / 100 *
                                         static_cast<double>(group().count);
                    rest -= share;
                    if (target.value == *here) {
                        wanted = share;
                        listed = true;
                    }
                }
                // Targets of nothing leave nothing over for the others.
                const bool any = rest < static_cast<double>(group().count);
                if (!listed && any && rest > 0) {
                    wanted = rest;
                }
                sum += wanted <= 0 ? -1
                                   : (wanted - used[*here] - 1) / wanted *
                                         (static_cast<double>(s.weight) / weights);
                continue;
            }
            double low = 0;
            double high = 0;
            for (const auto& [v, n] : used) {
                low = low == 0 ? n : std::min(low, n);
                high = std::max(high, n);
            }
            const double now = used.contains(*here) ? used[*here] : 0;
            if (high == 0) {
                continue;
            }
            sum += now != low ? (low - now) / low : (low == high ? -1 : (high - low) / low);
        }
        return sum;
    }

    const model::Job& job_;
    std::vector<const model::Node*> nodes_;
    std::vector<Live> live_;
    bool spread_algorithm_{false};
};

model::Job random_job(Rng& rng, const std::string& id) {
    model::Job job = make_job(id, rng.chance(1, 4) ? "batch" : "service", rng.between(1, 14));
    job.priority = rng.between(1, 10) * 10;
    model::TaskGroup& group = job.task_groups[0];
    group.tasks[0].resources->cpu = rng.between(1, 15) * 100;
    group.tasks[0].resources->memory_mb = rng.between(1, 15) * 100;
    if (rng.chance(1, 4)) {
        job.datacenters = {rng.chance(1, 2) ? "dc1" : "dc2"};
    }
    if (rng.chance(1, 4)) {
        job.constraints.push_back({"${meta.rack}", "r1", rng.chance(1, 2) ? "=" : "!="});
    }
    if (rng.chance(1, 6)) {
        job.constraints.push_back({"${meta.ssd}", "", "is_set"});
    }
    if (rng.chance(1, 8)) {
        job.constraints.push_back({"", "", "distinct_hosts"});
    }
    if (rng.chance(1, 8)) {
        job.constraints.push_back(
            {"${meta.rack}", std::to_string(rng.between(1, 3)), "distinct_property"}
        );
    }
    if (rng.chance(1, 3)) {
        job.affinities.push_back(
            {.l_target = rng.chance(1, 3) ? "${node.unique.name}" : "${meta.rack}",
             .r_target = rng.chance(1, 2) ? "r2" : "n3",
             .operand = "=",
             .weight = rng.between(-2, 2) * 25 + 5}
        );
    }
    if (rng.chance(1, 3)) {
        model::Spread spread{
            .attribute = rng.chance(1, 4)   ? "${node.unique.name}"
                         : rng.chance(1, 3) ? "${node.datacenter}"
                                            : "${meta.rack}",
            .weight = rng.between(1, 2) * 50
        };
        if (rng.chance(1, 2) && spread.attribute == "${meta.rack}") {
            spread.spread_target.push_back({"r1", rng.between(0, 8) * 10});
            spread.spread_target.push_back({"r2", rng.between(0, 2) * 10});
        }
        job.spreads.push_back(spread);
        if (rng.chance(1, 3)) {
            job.spreads.push_back({.attribute = "${node.datacenter}", .weight = 30});
        }
    }
    if (rng.chance(1, 6)) {
        model::NetworkResource network;
        network.reserved_ports.push_back({.label = "http", .value = rng.between(80, 82)});
        group.networks.push_back(network);
    }
    return job;
}

std::string told(const model::Job& job) {
    std::string text;
    for (const model::Constraint& c : job.constraints) {
        text += c.l_target + " " + c.operand + " " + c.r_target + "; ";
    }
    text += "count " + std::to_string(job.task_groups[0].count);
    for (const model::Spread& spread : job.spreads) {
        text += "; spread " + spread.attribute + " " + std::to_string(spread.weight);
        for (const auto& target : spread.spread_target) {
            text += " " + target.value + ":" + std::to_string(target.percent);
        }
    }
    return text;
}

struct Seen {
    std::size_t placed{0};
    std::size_t failed{0};
    std::size_t evicted{0};
};

/// Follows the plan placement by placement.
void follow(
    const state::Snapshot& before, const model::Job& job, const model::Plan& plan, Seen& seen
) {
    Reference slow(before, job);
    std::set<Uuid> replaced;
    for (const model::Placement& p : plan.placements) {
        replaced.insert(p.previous_allocation);
    }
    for (const model::PlannedStop& stop : plan.stops) {
        if (stop.stop && (stop.client_status || !replaced.contains(stop.alloc_id))) {
            slow.remove(stop.alloc_id);
        }
    }
    for (const model::Placement& p : plan.placements) {
        if (!p.previous_allocation.is_nil()) {
            slow.remove(p.previous_allocation);
        }
        const model::Node& node = slow.node(p.node_id);
        std::optional<double> best;
        for (const model::Node* other : slow.nodes()) {
            if (slow.may_run(*other) && slow.has_room(*other)) {
                best = std::max(best.value_or(-100), slow.score(*other, false));
            }
        }
        ASSERT_TRUE(slow.may_run(node)) << "a constraint is broken on " << node.name << " for "
                                        << job.id << "[" << p.name_index << "]: " << told(job);
        if (p.preempted_allocations.empty()) {
            ASSERT_TRUE(slow.has_room(node)) << "over-committed " << node.name;
            EXPECT_NEAR(p.score, slow.score(node, false), 1e-9)
                << node.name << " for " << p.number << ": " << told(job);
            EXPECT_NEAR(p.score, *best, 1e-9) << "there is a better node than " << node.name;
        } else {
            EXPECT_FALSE(best) << "evicted although " << node.name << " is not the only one";
            std::vector<std::int64_t> priorities;
            std::vector<Live> victims;
            for (const Uuid& id : p.preempted_allocations) {
                const auto victim = std::ranges::find(slow.live(), id, &Live::id);
                ASSERT_NE(victim, slow.live().end());
                EXPECT_EQ(victim->node, node.id);
                EXPECT_LE(victim->priority + 10, job.priority) << "too important to go";
                priorities.push_back(victim->priority);
                victims.push_back(*victim);
                slow.remove(id);
            }
            ASSERT_TRUE(slow.has_room(node)) << "over-committed " << node.name;
            EXPECT_NEAR(p.score, slow.score(node, false, &priorities), 1e-9) << node.name;
            // Nobody went who could have stayed.
            for (const Live& victim : victims) {
                slow.add(victim);
                EXPECT_FALSE(slow.has_room(node)) << "one victim too many on " << node.name;
                slow.remove(victim.id);
            }
            seen.evicted += victims.size();
        }
        Live placed{plan.alloc_id(p), p.node_id, job.id, job.priority};
        placed.cpu = job.task_groups[0].tasks[0].resources->cpu;
        placed.memory = job.task_groups[0].tasks[0].resources->memory_mb;
        if (slow.wanted_port() != 0) {
            ASSERT_TRUE(p.resources);
            placed.ports.insert(slow.wanted_port());
        }
        slow.add(std::move(placed));
        ++seen.placed;
    }
    if (plan.eval->failed_tg_allocs.empty()) {
        return;
    }
    ++seen.failed;
    const model::AllocMetric& why = plan.eval->failed_tg_allocs.begin()->second;
    std::int64_t evaluated = 0;
    for (const model::Node* node : slow.nodes()) {
        EXPECT_FALSE(slow.may_run(*node) && slow.has_room(*node))
            << node->name << " would have taken it";
        evaluated += node->status == model::NodeStatus::Ready && node->node_pool == job.node_pool &&
                             node->scheduling_eligibility == model::NodeEligibility::Eligible &&
                             (job.datacenters[0] == "*" || node->datacenter == job.datacenters[0])
                         ? 1
                         : 0;
    }
    EXPECT_EQ(why.nodes_evaluated, evaluated);
    EXPECT_EQ(why.nodes_filtered + why.nodes_exhausted, evaluated) << "every node has a reason";
}

TEST(ReferenceProperty, AgreesOnThousandsOfClusters) {
    Seen seen;
    std::size_t plans = 0;
    for (std::uint64_t seed = 1; seed <= 1500 && !::testing::Test::HasFailure(); ++seed) {
        Rng rng(seed);
        World world;
        std::vector<Uuid> nodes;
        const std::int64_t n = rng.between(1, 14);
        for (std::int64_t i = 0; i < n; ++i) {
            model::Node node = make_node(
                Uuid::random(rng),
                "n" + std::to_string(i),
                rng.between(1, 6) * 1000,
                rng.between(1, 6) * 1000
            );
            node.datacenter = rng.chance(1, 3) ? "dc2" : "dc1";
            if (rng.chance(7, 8)) {
                node.meta["rack"] = "r" + std::to_string(rng.between(1, 4));
            }
            if (rng.chance(1, 2)) {
                node.meta["ssd"] = "yes";
            }
            if (rng.chance(1, 10)) {
                node.node_pool = "other";
            }
            if (rng.chance(1, 10)) {
                node.drivers["raw_exec"].healthy = false;
            }
            node.node_max_allocs = rng.chance(1, 6) ? rng.between(1, 4) : 0;
            nodes.push_back(node.id);
            world.add_node(node);
        }
        {
            state::commands::SchedulerConfigSet config;
            config.config = world.snapshot().scheduler_config();
            config.config.scheduler_algorithm = rng.chance(1, 4) ? "spread" : "binpack";
            model::PreemptionConfig& allowed = config.config.preemption_config.ensure();
            allowed.service_scheduler_enabled = rng.chance(1, 2);
            allowed.batch_scheduler_enabled = rng.chance(1, 2);
            world.apply(config);
        }
        for (int step = 0; step < 6; ++step) {
            const model::Job job = random_job(rng, "job" + std::to_string(rng.below(4)));
            world.add_job(job);
            if (rng.chance(1, 5)) {
                world.set_status(
                    nodes[rng.below(nodes.size())],
                    rng.chance(1, 2) ? model::NodeStatus::Down : model::NodeStatus::Ready
                );
            }
            const state::Snapshot before = world.snapshot();
            const auto stored = before.job("default", job.id);
            const model::Plan plan = world.plan(
                world.evaluation(job.id, job.type), seed * 100 + static_cast<std::uint64_t>(step)
            );
            ++plans;
            SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
            follow(before, *stored, plan, seen);
            if (::testing::Test::HasFatalFailure()) {
                return;
            }
            world.commit(plan);
        }
    }
    // The generator must not have become too narrow to mean anything.
    EXPECT_GT(plans, 8000U);
    EXPECT_GT(seen.placed, 20'000U);
    EXPECT_GT(seen.failed, 1000U);
    EXPECT_GT(seen.evicted, 500U);
}

}  // namespace
}  // namespace nl::sched
