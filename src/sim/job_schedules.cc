#include "sim/life.h"
#include "state/commands/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace nl::sim {
namespace {

using model::AllocClientStatus;
using sched::testing::make_job;
using server::testing::Cluster;
using server::testing::FakeFate;

constexpr Duration kPeriod = seconds(30);
constexpr std::int64_t kKept = 3;
constexpr std::array kPolicies{"skip", "run_once", "run_all"};

model::Job periodic(const std::string& missed, bool prohibit_overlap) {
    model::Job job = make_job("every-" + missed, "batch", 1);
    job.periodic = model::PeriodicConfig{
        .enabled = true,
        .specs = {"*/30 * * * * * *"},
        .spec_type = "cron",
        .prohibit_overlap = prohibit_overlap,
        .time_zone = "UTC",
        .missed = missed
    };
    return job;
}

WallTime time_of(const std::string& child) {
    return WallTime{std::stoll(child.substr(child.rfind('-') + 1)) * 1'000'000'000};
}

bool runs(const model::Job& job) {
    return job.status == "running" && !job.stop;
}

/// What is known of a child from all the states there were.
struct Child {
    bool finished{false};
    bool gone{false};
};

/// Follows every child through every state.
class Ledger {
public:
    explicit Ledger(std::int64_t max_parallel) : max_parallel_(max_parallel) {}

    std::string look(const state::Snapshot& snapshot) {
        for (const char* missed : kPolicies) {
            if (auto why = look_at(snapshot, fmt::format("every-{}", missed)); !why.empty()) {
                return why;
            }
        }
        return look_at(snapshot, "work");
    }

    std::map<std::string, Child>& children(const std::string& parent) { return children_[parent]; }

private:
    std::string look_at(const state::Snapshot& snapshot, const std::string& parent) {
        std::map<std::string, Child>& known = children_[parent];
        std::set<std::string> there;
        std::int64_t running = 0;
        for (const state::JobRow& row : snapshot.jobs_of_parent("default", parent)) {
            const model::Job& job = *row.job;
            there.insert(job.id);
            Child& child = known[job.id];
            if (child.gone) {
                return fmt::format("{} has come twice", job.id);
            }
            if (job.version != 0) {
                return fmt::format("{} was registered twice", job.id);
            }
            child.finished |= job.status == "dead";
            running += runs(job) ? 1 : 0;
        }
        for (auto& [id, child] : known) {
            if (!there.contains(id) && !child.finished) {
                return fmt::format("{} went before it had finished", id);
            }
            child.gone |= !there.contains(id);
        }
        if (parent == "work" && running > max_parallel_) {
            return fmt::format("{} children run where {} may", running, max_parallel_);
        }
        if (parent == "every-run_once" && running > 1) {
            return fmt::format("{} runs overlap", running);
        }
        return "";
    }

    std::int64_t max_parallel_;
    std::map<std::string, std::map<std::string, Child>> children_;
};

void dispatch(Cluster& cluster, int number, std::int64_t priority) {
    model::Job child = *cluster.snapshot().job("default", "work");
    child.parent_id = "work";
    child.id = fmt::format("work/dispatch-{:04}", number);
    child.name = child.id;
    child.dispatched = true;
    child.priority = priority;
    child.status.clear();
    cluster.run_job(std::move(child));
}

server::LeaderOptions impatient() {
    server::LeaderOptions options;
    options.gc = {
        .interval = seconds(20),
        .eval_threshold = minutes(1),
        .batch_eval_threshold = minutes(1),
        .job_threshold = minutes(1),
        .node_threshold = hours(24),
        .deployment_threshold = minutes(1),
        .max_per_command = 7
    };
    return options;
}

}  // namespace

LifeOutcome run_schedules(std::uint64_t seed, const LifeFaults& faults) {
    Life life(seed, faults, impatient());
    Cluster& cluster = life.cluster;
    cluster.fate = [&](const model::Allocation& alloc, const model::Job&) {
        FakeFate fate;
        if (alloc.job_id != "preview") {
            fate.ends_after = seconds(life.rng.between(1, 50));
            fate.ends_with = AllocClientStatus::Complete;
        }
        return fate;
    };
    const std::int64_t max_parallel = life.rng.between(1, 4);
    Ledger ledger(max_parallel);
    WallTime latest = cluster.wall;
    WallTime expires = WallTime{} + hours(24 * 365 * 200);
    cluster.watch = [&](const state::Snapshot& snapshot) {
        latest = std::max(latest, cluster.wall);
        if (life.good()) {
            std::string why = ledger.look(snapshot);
            const auto preview = snapshot.job("default", "preview");
            if (why.empty() && latest < expires && preview != nullptr && preview->stop) {
                why = "the preview was stopped before its time";
            }
            if (!why.empty()) {
                life.violate(fmt::format(
                    "seed {} index {} at {}: {}",
                    seed,
                    snapshot.index(),
                    to_rfc3339(cluster.wall),
                    why
                ));
            }
        }
    };
    const WallTime begun = cluster.wall;
    for (const char* missed : kPolicies) {
        cluster.run_job(periodic(missed, std::string_view(missed) == "run_once"));
    }
    model::Job work = make_job("work", "batch", 1);
    work.parameterized_job =
        model::ParameterizedJobConfig{.payload = "optional", .max_parallel = max_parallel};
    work.retain = model::Retain{.runs = kKept};
    cluster.run_job(std::move(work));
    model::Job preview = make_job("preview", "service", 1);
    preview.ttl = minutes(life.rng.between(2, 8));
    expires = cluster.wall + *preview.ttl;
    cluster.run_job(std::move(preview));

    int dispatched = 0;
    life.begin_faults();
    for (int step = 0; step < kFaultySteps && life.good(); ++step) {
        for (std::uint64_t n = life.rng.below(3); n > 0; --n) {
            dispatch(cluster, ++dispatched, life.rng.between(1, 99));
        }
        life.step(seconds(life.rng.between(0, 12)));
    }
    life.end_faults();
    // Nothing more is launched, so that what was can come to its end.
    for (int n = 0; n < 4; ++n) {
        life.step(kPeriod);
    }
    const WallTime ended = cluster.wall;
    for (const char* missed : kPolicies) {
        state::commands::JobDeregister stop;
        stop.namespace_ = "default";
        stop.job_id = fmt::format("every-{}", missed);
        static_cast<void>(cluster.command(stop));
    }
    const auto unsettled = [&]() -> std::string {
        const auto snapshot = cluster.snapshot();
        if (const auto job = snapshot.job("default", "preview"); job != nullptr) {
            return "the preview is still there";
        }
        auto& finished = ledger.children("work");
        if (static_cast<int>(finished.size()) != dispatched ||
            !std::ranges::all_of(finished, [](const auto& one) { return one.second.finished; })) {
            return "a dispatched child has not finished";
        }
        const auto kept =
            std::ranges::count_if(finished, [](const auto& one) { return !one.second.gone; });
        if (kept != std::min<std::int64_t>(kKept, dispatched)) {
            return fmt::format("{} finished children are kept", kept);
        }
        for (const char* missed : kPolicies) {
            for (const auto& [id, child] : ledger.children(fmt::format("every-{}", missed))) {
                if (!child.gone) {
                    return fmt::format("{} is still there", id);
                }
            }
        }
        return "";
    };
    std::string why = "nothing was looked at";
    for (int round = 0; round < kSettlingRounds && life.good() && !why.empty(); ++round) {
        life.step(seconds(20));
        why = unsettled();
    }
    if (!why.empty()) {
        life.violate(fmt::format("seed {} at the end: {}", seed, why));
    }
    // With "run_all" every time that came was launched; a calendar that is set back brings none
    // again, and what it had passed already was launched then.
    std::int64_t left_out = 0;
    const auto& launched = ledger.children("every-run_all");
    const std::int64_t period = kPeriod.ns / 1'000'000'000;
    for (std::int64_t at = (begun.unix_ns / 1'000'000'000 / period + 1) * period;
         WallTime{at * 1'000'000'000} < ended;
         at += period) {
        left_out += launched.contains(fmt::format("every-run_all/periodic-{}", at)) ? 0 : 1;
    }
    if (left_out > 0) {
        life.violate(fmt::format("seed {}: {} times were left out", seed, left_out));
    }
    for (const char* missed : kPolicies) {
        for (const auto& [id, child] : ledger.children(fmt::format("every-{}", missed))) {
            ++life.outcome.successful;
            if (time_of(id).unix_ns % kPeriod.ns != 0) {
                life.violate(fmt::format("seed {}: {} is no time of its job", seed, id));
            }
        }
    }
    return life.outcome;
}

}  // namespace nl::sim
