#pragma once
// What the simulated lives of jobs share: a cluster, chance by a seed, faults, and a picture of a
// job for whoever reads of a violation. Private to sim.

#include "server/testing/cluster.h"
#include "sim/job_life.h"

#include <fmt/format.h>

#include <deque>
#include <string>
#include <utility>

namespace nl::sim {

/// Steps in which faults happen, and rounds given to settle afterwards.
inline constexpr int kFaultySteps = 60;
inline constexpr int kSettlingRounds = 240;
/// States told before a violation.
inline constexpr std::size_t kStatesTold = 8;

inline Uuid node_id(std::uint64_t n) {
    return Uuid::derived(Uuid{}, n);
}

inline bool wants_to_run(const state::AllocView& alloc) {
    return alloc.desired_status() == model::AllocDesiredStatus::Run && !alloc.client_terminal();
}

inline bool serves(const state::AllocView& alloc) {
    return alloc.desired_status() == model::AllocDesiredStatus::Run &&
           alloc.client_status() == model::AllocClientStatus::Running &&
           alloc.healthy().value_or(alloc.deployment_id().is_nil());
}

inline std::int64_t serving(const state::Snapshot& snapshot, const std::string& job) {
    std::int64_t n = 0;
    for (const state::AllocView alloc : snapshot.allocs_of_job("default", job)) {
        n += serves(alloc) ? 1 : 0;
    }
    return n;
}

inline std::string picture(const state::Snapshot& snapshot, const std::string& job) {
    std::string out;
    if (const auto known = snapshot.job("default", job)) {
        out += fmt::format("job version {} {}\n", known->version, known->status);
    }
    for (const state::AllocView a : snapshot.allocs_of_job("default", job)) {
        out += fmt::format(
            "  {} [{}] v{} {} {} healthy={} canary={} deployment={} on {}\n",
            a.id().str().substr(0, 8),
            a.name_index(),
            a.job().version,
            model::to_string(a.desired_status()),
            model::to_string(a.client_status()),
            a.healthy() ? (*a.healthy() ? "yes" : "no") : "-",
            a.canary(),
            a.deployment_id().str().substr(0, 8),
            a.node_id().str().substr(0, 8)
        );
    }
    for (const model::Deployment& d : snapshot.deployments_of_job("default", job)) {
        out += fmt::format(
            "  deployment {} v{} {} {}\n",
            d.id.str().substr(0, 8),
            d.job_version,
            model::to_string(d.status),
            d.status_description
        );
        for (const auto& [name, s] : d.task_groups) {
            out += fmt::format(
                "    {}: {} of {} healthy, {} unhealthy, {} canaries wanted, {} placed, promoted {}\n",
                name,
                s.healthy_allocs,
                s.desired_total,
                s.unhealthy_allocs,
                s.desired_canaries,
                s.placed_canaries.size(),
                s.promoted
            );
        }
    }
    for (const model::Evaluation& e : snapshot.evals_of_job("default", job)) {
        if (!model::is_terminal(e.status)) {
            out += fmt::format(
                "  eval {} {} {}\n", e.id.str().substr(0, 8), e.triggered_by,
                model::to_string(e.status)
            );
        }
    }
    return out;
}

class Life {
public:
    Life(std::uint64_t seed, const LifeFaults& faults, server::LeaderOptions options = {})
        : rng(seed), cluster(std::move(options)), faults_(faults) {
        if (faults.lost_commands) {
            cluster.lose = [this](const state::Command&) { return faulty_ && rng.below(25) == 0; };
        }
        cluster.lead();
        const std::uint64_t count = 3 + rng.below(3);
        for (std::uint64_t n = 1; n <= count; ++n) {
            cluster.add_node(sched::testing::make_node(node_id(n), fmt::format("n{}", n), 40'000, 80'000));
        }
    }

    void begin_faults() { faulty_ = true; }
    void end_faults() {
        faulty_ = false;
        for (auto& [id, node] : cluster.nodes()) {
            if (node.silent) {
                cluster.wake(node);
            }
        }
    }

    /// One fault, perhaps, and some time.
    void step(Duration span) {
        ++outcome.steps;
        if (faulty_ && faults_.leader_loss && rng.below(8) == 0) {
            if (rng.below(2) == 0) {
                cluster.lose_leader();
                // Now and then for longer than the time anything has to become healthy.
                cluster.advance(seconds(rng.between(0, rng.below(4) == 0 ? 150 : 20)));
            }
            cluster.fail_over();
        }
        if (faulty_ && faults_.clock_jumps && rng.below(10) == 0) {
            const std::int64_t most = rng.below(3) == 0 ? 600 : 20;
            cluster.wall = cluster.wall + seconds(rng.between(-most, most));
        }
        if (faulty_ && faults_.node_loss && rng.below(6) == 0) {
            auto at = cluster.nodes().begin();
            std::advance(at, static_cast<long>(rng.below(cluster.nodes().size())));
            server::testing::FakeNode& node = at->second;
            if (node.silent) {
                cluster.wake(node);
            } else if (rng.below(2) == 0) {
                cluster.silence(node);
            } else {
                cluster.crash(node);
            }
        }
        cluster.advance(span);
    }

    void violate(std::string what) {
        if (what.empty() || !outcome.violation.empty()) {
            return;
        }
        for (const std::string& before : states_) {
            outcome.violation += before;
        }
        outcome.violation += std::move(what);
    }
    /// For a violation that may follow.
    void remember(const state::Snapshot& snapshot, const std::string& job) {
        if (faults_.trace) {
            states_.push_back(fmt::format(
                "at {} index {}: {}", to_rfc3339(cluster.wall), snapshot.index(), picture(snapshot, job)
            ));
            if (states_.size() > kStatesTold) {
                states_.pop_front();
            }
        }
    }
    bool good() const { return outcome.violation.empty(); }

    Rng rng;
    server::testing::Cluster cluster;
    LifeOutcome outcome;

private:
    LifeFaults faults_;
    bool faulty_{false};
    std::deque<std::string> states_;
};

}  // namespace nl::sim
