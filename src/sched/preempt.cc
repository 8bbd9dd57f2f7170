#include "sched/preempt.h"

#include "base/check.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nl::sched {
namespace {

/// What a job loses beyond its max_parallel makes its allocations this much less attractive.
constexpr double kMaxParallelPenalty = 50.0;

bool covers(const Room& free, const Room& needed) {
    return free.cpu >= needed.cpu && free.memory >= needed.memory && free.disk >= needed.disk &&
           free.allocs >= needed.allocs;
}

void add(Room& free, const Victim& victim, std::int64_t sign) {
    free.cpu += sign * victim.takes.cpu;
    free.memory += sign * victim.takes.memory_mb;
    free.disk += sign * victim.takes.disk_mb;
    free.allocs += sign;
}

double coordinate(std::int64_t missing, std::int64_t offered) {
    return missing > 0 ? static_cast<double>(missing - offered) / static_cast<double>(missing)
                       : 0.0;
}

/// How far the victim's size is from what is missing: 0 is a perfect match.
double distance(const Room& missing, const Victim& victim) {
    const double cpu = coordinate(missing.cpu, victim.takes.cpu);
    const double memory = coordinate(missing.memory, victim.takes.memory_mb);
    const double disk = coordinate(missing.disk, victim.takes.disk_mb);
    double total = std::sqrt(cpu * cpu + memory * memory + disk * disk);
    if (victim.max_parallel > 0 && victim.already_gone >= victim.max_parallel) {
        total += static_cast<double>(victim.already_gone + 1 - victim.max_parallel) *
                 kMaxParallelPenalty;
    }
    return total;
}

}  // namespace

std::vector<std::size_t> choose_victims(
    std::span<const Victim> victims,
    const Room& needed,
    const Room& free,
    const std::function<bool(std::span<const std::size_t>)>& fits
) {
    std::vector<std::size_t> waiting(victims.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        waiting[i] = i;
    }
    std::ranges::stable_sort(waiting, [&](std::size_t a, std::size_t b) {
        return victims[a].priority != victims[b].priority
                   ? victims[a].priority < victims[b].priority
                   : victims[a].id < victims[b].id;
    });
    std::vector<std::size_t> chosen;
    Room have = free;
    while (!covers(have, needed) || !fits(chosen)) {
        if (waiting.empty()) {
            return {};
        }
        const Room missing{
            needed.cpu - have.cpu, needed.memory - have.memory, needed.disk - have.disk, 0
        };
        // Within the lowest priority that is left.
        auto best = waiting.begin();
        double best_distance = std::numeric_limits<double>::max();
        for (auto at = waiting.begin();
             at != waiting.end() && victims[*at].priority == victims[waiting.front()].priority;
             ++at) {
            const double d = distance(missing, victims[*at]);
            if (d < best_distance) {
                best = at;
                best_distance = d;
            }
        }
        chosen.push_back(*best);
        add(have, victims[*best], 1);
        waiting.erase(best);
    }
    // Whoever need not go stays, the most important first.
    std::vector<std::size_t> order = chosen;
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
        return victims[a].priority != victims[b].priority
                   ? victims[a].priority > victims[b].priority
                   : victims[a].takes.memory_mb > victims[b].takes.memory_mb;
    });
    for (const std::size_t candidate : order) {
        Room without = have;
        add(without, victims[candidate], -1);
        if (!covers(without, needed)) {
            continue;
        }
        std::vector<std::size_t> fewer = chosen;
        std::erase(fewer, candidate);
        if (fits(fewer)) {
            chosen = std::move(fewer);
            have = without;
        }
    }
    NL_ASSERT(covers(have, needed));
    return chosen;
}

double preemption_score(std::span<const std::int64_t> priorities) {
    // A logistic curve over the net priority, whose turning point and slope are Nomad's.
    constexpr double kRate = 0.0048;
    constexpr double kOrigin = 2048.0;
    double highest = 0;
    double sum = 0;
    for (const std::int64_t priority : priorities) {
        highest = std::max(highest, static_cast<double>(priority));
        sum += static_cast<double>(priority);
    }
    const double net = highest > 0 ? highest + sum / highest : 0;
    return 1.0 / (1.0 + std::exp(kRate * (net - kOrigin)));
}

}  // namespace nl::sched
