#include "server/node_evals.h"
#include "sim/life.h"
#include "state/commands/alloc.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <optional>
#include <set>

namespace nl::sim {
namespace {

using model::AllocClientStatus;
using model::AllocDesiredStatus;
using server::testing::Cluster;
using server::testing::FakeFate;

struct ServicePlan {
    model::ReschedulePolicy reschedule;
    std::optional<model::DisconnectStrategy> disconnect;
};

ServicePlan draw_service(Rng& rng) {
    ServicePlan plan;
    constexpr std::array kFunctions{"constant", "exponential", "fibonacci"};
    model::ReschedulePolicy& p = plan.reschedule;
    p.delay = seconds(rng.between(5, 20));
    p.delay_function = kFunctions[rng.below(3)];
    p.max_delay = minutes(2);
    switch (rng.below(3)) {
        case 0:
            p.unlimited = true;
            break;
        case 1:
            p.attempts = rng.between(1, 3);
            p.interval = hours(24);
            break;
        default:
            // Never.
            break;
    }
    constexpr std::array kStrategies{
        "best_score", "longest_running", "keep_original", "keep_replacement"
    };
    switch (rng.below(4)) {
        case 0:
            break;
        case 1:
            plan.disconnect = model::DisconnectStrategy{
                .stop_on_client_after = seconds(rng.between(10, 90)), .reconcile = "best_score"
            };
            break;
        default:
            plan.disconnect = model::DisconnectStrategy{
                .lost_after = seconds(rng.between(30, 300)),
                .replace = rng.below(4) != 0,
                .reconcile = kStrategies[rng.below(4)]
            };
    }
    return plan;
}

/// No more attempts than the policy has, at no shorter intervals than it says.
std::string check_attempts(const state::Snapshot& snapshot, const ServicePlan& plan) {
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
        const auto& tracker = alloc.details().reschedule_tracker;
        if (!tracker) {
            continue;
        }
        const auto tried = static_cast<std::int64_t>(tracker->events.size());
        if (!plan.reschedule.unlimited && tried > plan.reschedule.attempts) {
            return fmt::format("{} follows {} attempts", alloc.id(), tried);
        }
        for (const model::RescheduleEvent& event : tracker->events) {
            if (event.delay < plan.reschedule.delay || event.delay > plan.reschedule.max_delay) {
                return fmt::format("{} waited for {}", alloc.id(), to_string(event.delay));
            }
        }
    }
    return "";
}

/// What is still to be hoped for, or "".
std::string unsettled_service(Cluster& cluster, const ServicePlan& plan, std::int64_t count) {
    const auto snapshot = cluster.snapshot();
    const auto job = snapshot.job("default", "web");
    std::set<Uuid> live;
    std::set<std::uint32_t> names;
    std::set<std::uint32_t> held;
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
        const model::DesiredTransition& wish = alloc.details().desired_transition;
        if (!alloc.terminal()) {
            if (alloc.client_status() != AllocClientStatus::Running) {
                return fmt::format("{} is {}", alloc.id(), model::to_string(alloc.client_status()));
            }
            if (!names.insert(alloc.name_index()).second) {
                return fmt::format("two have the index {}", alloc.name_index());
            }
            live.insert(alloc.id());
        } else if (alloc.client_status() == AllocClientStatus::Failed &&
                   alloc.desired_status() == AllocDesiredStatus::Run &&
                   alloc.details().next_allocation.is_nil() && !plan.reschedule.unlimited) {
            held.insert(alloc.name_index());
        } else if (wish.migrate_disable_placement.value_or(false) &&
                   alloc.job().version == job->version) {
            held.insert(alloc.name_index());
        }
    }
    std::erase_if(held, [&](std::uint32_t index) { return names.contains(index); });
    if (static_cast<std::int64_t>(live.size() + held.size()) < count) {
        return fmt::format("{} live and {} are held", live.size(), held.size());
    }
    if (static_cast<std::int64_t>(live.size()) > count) {
        return fmt::format("{} of {} live", live.size(), count);
    }
    std::set<Uuid> processes;
    for (const auto& [id, node] : cluster.nodes()) {
        processes.insert(node.running.begin(), node.running.end());
    }
    return processes == live ? "" : "what runs is not what is wanted";
}

void stop_one(Life& life, bool replace) {
    const auto live = life.cluster.live("web");
    if (live.empty()) {
        return;
    }
    const auto snapshot = life.cluster.snapshot();
    model::DesiredTransition wish;
    wish.migrate = true;
    if (!replace) {
        wish.migrate_disable_placement = true;
    }
    state::commands::AllocDesiredTransition command;
    command.items.push_back({live[life.rng.below(live.size())], wish});
    command.evals.push_back(server::job_evaluation(
        *snapshot.job("default", "web"), "alloc-stop", life.cluster.wall, life.rng
    ));
    static_cast<void>(life.cluster.command(command));
}

}  // namespace

LifeOutcome run_services(std::uint64_t seed, const LifeFaults& faults) {
    Life life(seed, faults);
    Cluster& cluster = life.cluster;
    const ServicePlan plan = draw_service(life.rng);
    bool flaky = true;
    cluster.fate = [&](const model::Allocation&, const model::Job&) {
        FakeFate fate;
        if (flaky && life.rng.below(3) == 0) {
            fate.ends_after = seconds(life.rng.between(0, 60));
        }
        return fate;
    };
    std::int64_t count = life.rng.between(1, 6);
    model::Job web = sched::testing::make_job("web", "service", count);
    web.task_groups[0].reschedule_policy = plan.reschedule;
    if (plan.disconnect) {
        web.task_groups[0].disconnect = *plan.disconnect;
    }
    cluster.run_job(web);
    cluster.watch = [&](const state::Snapshot& snapshot) {
        life.remember(snapshot, "web");
        if (life.good()) {
            if (const auto why = check_attempts(snapshot, plan); !why.empty()) {
                life.violate(fmt::format(
                    "seed {} index {}: {}\n{}", seed, snapshot.index(), why, picture(snapshot, "web")
                ));
            }
        }
    };
    life.begin_faults();
    for (int step = 0; step < kFaultySteps && life.good(); ++step) {
        switch (life.rng.below(12)) {
            case 0:
                count = life.rng.between(0, 8);
                web.task_groups[0].count = count;
                cluster.run_job(web);
                ++life.outcome.promoted;
                break;
            case 1:
                web.priority = life.rng.between(1, 99);
                cluster.run_job(web);
                break;
            case 2:
                stop_one(life, life.rng.below(2) == 0);
                break;
            default:
                break;
        }
        life.step(seconds(life.rng.between(0, 15)));
    }
    life.end_faults();
    flaky = false;
    std::string why = "nothing was looked at";
    for (int round = 0; round < kSettlingRounds && life.good() && !why.empty(); ++round) {
        life.step(seconds(10));
        why = unsettled_service(cluster, plan, count);
    }
    if (!why.empty()) {
        life.violate(fmt::format(
            "seed {} at the end, count {}, {}: {}\n{}",
            seed,
            count,
            plan.disconnect ? plan.disconnect->reconcile : "no disconnect",
            why,
            picture(cluster.snapshot(), "web")
        ));
    }
    return life.outcome;
}

}  // namespace nl::sim
