// Whole passes over generated clusters: never over-commits, never breaks a constraint, is
// deterministic, and comes to rest.

#include "sched/operators.h"
#include "sched/testing/world.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace nl::sched {
namespace {

using testing::make_job;
using testing::make_node;
using testing::World;

struct Checked {
    std::int64_t live{0};
};

/// What must hold of every state, whatever led to it.
Checked check(World& world, const std::string& job_id, std::uint64_t seed) {
    const state::Snapshot snapshot = world.snapshot();
    Checked out;
    for (const model::Node& node : snapshot.nodes()) {
        std::int64_t cpu = 0;
        std::int64_t memory = 0;
        std::set<std::int64_t> ports;
        for (const state::AllocView alloc : snapshot.allocs_of_node(node.id)) {
            if (alloc.terminal()) {
                continue;
            }
            cpu += alloc.takes().cpu;
            memory += alloc.takes().memory_mb;
            if (alloc.own_resources() != nullptr && alloc.own_resources()->shared) {
                for (const auto& port : alloc.own_resources()->shared->ports) {
                    EXPECT_TRUE(ports.insert(port.value).second) << "seed " << seed;
                }
            }
            if (alloc.job_id() == job_id) {
                RegexCache regexes;
                for (const model::Constraint& c : alloc.job().constraints) {
                    if (!c.operand.starts_with("distinct")) {
                        EXPECT_TRUE(holds(
                            c.operand,
                            resolve_target(c.l_target, node),
                            resolve_target(c.r_target, node),
                            regexes
                        )) << "seed "
                           << seed;
                    }
                }
            }
        }
        EXPECT_LE(cpu, node.node_resources->cpu->cpu_shares) << "seed " << seed;
        EXPECT_LE(memory, node.node_resources->memory->memory_mb) << "seed " << seed;
    }
    std::set<std::uint32_t> names;
    std::set<Uuid> hosts;
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", job_id)) {
        if (alloc.terminal()) {
            continue;
        }
        ++out.live;
        EXPECT_TRUE(names.insert(alloc.name_index()).second) << "a name twice, seed " << seed;
        for (const model::Constraint& c : alloc.job().constraints) {
            if (c.operand == "distinct_hosts") {
                EXPECT_TRUE(hosts.insert(alloc.node_id()).second) << "seed " << seed;
            }
        }
    }
    return out;
}

model::Job random_job(Rng& rng) {
    model::Job job = make_job("web", rng.chance(1, 3) ? "batch" : "service", rng.between(0, 12));
    model::TaskGroup& group = job.task_groups[0];
    group.tasks[0].resources->cpu = rng.between(1, 12) * 100;
    group.tasks[0].resources->memory_mb = rng.between(1, 12) * 100;
    group.tasks[0].env["v"] = std::to_string(rng.below(3));
    group.reschedule_policy = model::ReschedulePolicy{
        .delay = seconds(5), .delay_function = "constant", .unlimited = true
    };
    if (rng.chance(1, 3)) {
        job.constraints.push_back({"${meta.rack}", rng.chance(1, 2) ? "r1" : "r2", "="});
    }
    if (rng.chance(1, 5)) {
        job.constraints.push_back({"", "", "distinct_hosts"});
    }
    if (rng.chance(1, 3)) {
        job.spreads.push_back({.attribute = "${meta.rack}", .weight = 50});
    }
    if (rng.chance(1, 3)) {
        model::NetworkResource network;
        network.dynamic_ports.push_back({.label = "http"});
        if (rng.chance(1, 2)) {
            network.reserved_ports.push_back({.label = "admin", .value = 8080});
        }
        group.networks.push_back(network);
    }
    if (job.type == "service" && rng.chance(1, 2)) {
        group.update = model::UpdateStrategy{.max_parallel = rng.between(1, 3)};
    }
    return job;
}

TEST(ScheduleProperty, HoldsThroughRandomLives) {
    std::int64_t live_seen = 0;
    for (std::uint64_t seed = 1; seed <= 250; ++seed) {
        Rng rng(seed);
        World world;
        std::vector<Uuid> nodes;
        const std::int64_t n = rng.between(1, 8);
        for (std::int64_t i = 0; i < n; ++i) {
            model::Node node = make_node(
                Uuid::random(rng),
                "n" + std::to_string(i),
                rng.between(1, 5) * 1000,
                rng.between(1, 5) * 1000
            );
            node.meta["rack"] = "r" + std::to_string(rng.between(1, 3));
            nodes.push_back(node.id);
            world.add_node(node);
        }
        model::Job job = random_job(rng);
        world.add_job(job);
        for (int step = 0; step < 12; ++step) {
            const auto what = rng.below(6);
            if (what == 0) {
                const Uuid& node = nodes[rng.below(nodes.size())];
                world.set_status(
                    node, rng.chance(1, 2) ? model::NodeStatus::Down : model::NodeStatus::Ready
                );
            } else if (what == 1) {
                const std::string type = job.type;
                job = random_job(rng);
                job.type = type;
                job.stop = rng.chance(1, 8);
                if (job.type == "batch") {
                    job.task_groups[0].update.reset();
                }
                world.add_job(job);
            } else if (what <= 4) {
                std::vector<Uuid> live;
                const state::Snapshot snapshot = world.snapshot();
                for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
                    if (!alloc.client_terminal()) {
                        live.push_back(alloc.id());
                    }
                }
                if (!live.empty()) {
                    const Uuid alloc = live[rng.below(live.size())];
                    if (what == 2) {
                        world.report(alloc, model::AllocClientStatus::Failed);
                    } else {
                        world.report(alloc, model::AllocClientStatus::Running, true);
                    }
                }
            }
            world.now = world.now + seconds(rng.between(0, 20));
            const model::Evaluation eval = world.evaluation("web", job.type);
            // Ids derive from a plan's seed, so every plan has one of its own.
            const std::uint64_t plan_seed = seed * 1000 + static_cast<std::uint64_t>(step);
            const model::Plan first = world.plan(eval, plan_seed);
            EXPECT_EQ(encode(first), encode(world.plan(eval, plan_seed)))
                << "not deterministic, seed " << seed;
            world.commit(first);
            live_seen += check(world, "web", seed).live;
        }
        // Left alone (its allocations healthy), the job comes to rest within a bounded time.
        bool quiet = false;
        for (int round = 0; round < 60 && !quiet; ++round) {
            std::vector<Uuid> pending;
            {
                const state::Snapshot snapshot = world.snapshot();
                for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
                    if (!alloc.client_terminal()) {
                        pending.push_back(alloc.id());
                    }
                }
                for (const Uuid& id : pending) {
                    const bool stops = snapshot.alloc(id)->server_terminal();
                    world.report(
                        id,
                        stops ? model::AllocClientStatus::Complete
                              : model::AllocClientStatus::Running,
                        true
                    );
                }
            }
            world.now = world.now + seconds(10);
            const model::Plan plan = world.plan(
                world.evaluation("web", job.type),
                seed * 1000 + 100 + static_cast<std::uint64_t>(round)
            );
            world.commit(plan);
            check(world, "web", seed);
            quiet = plan.is_no_op();
        }
        EXPECT_TRUE(quiet) << "seed " << seed;
    }
    EXPECT_GT(live_seen, 2000);
}

}  // namespace
}  // namespace nl::sched
