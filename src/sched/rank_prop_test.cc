// The ranker against a slow and obvious one: every step scores every node anew.

#include "sched/rank.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <vector>

namespace nl::sched {
namespace {

struct Generated {
    NodeColumns nodes;
    std::vector<std::uint8_t> feasible;
    std::vector<std::uint32_t> collisions;
    std::vector<double> affinity;
    std::vector<double> devices;
    std::vector<SpreadAttribute> attributes;
    Ask ask;
    std::int64_t count{1};
    Algorithm algorithm{Algorithm::Binpack};
};

std::int32_t number(std::int64_t value) {
    return static_cast<std::int32_t>(value);
}

Generated generate(Rng& rng) {
    Generated g;
    const auto n = static_cast<std::size_t>(rng.between(1, 40));
    g.ask = {rng.between(1, 900), rng.between(1, 900), rng.between(0, 20)};
    g.count = rng.between(1, 20);
    g.algorithm = rng.chance(1, 3) ? Algorithm::Spread : Algorithm::Binpack;
    const bool affine = rng.chance(1, 2);
    for (std::size_t i = 0; i < n; ++i) {
        g.nodes.cpu.push_back(number(rng.between(0, 4) * 1000));
        g.nodes.memory.push_back(number(rng.between(1, 4) * 1000));
        g.nodes.disk.push_back(200);
        g.nodes.cpu_used.push_back(number(rng.between(0, 2000)));
        g.nodes.memory_used.push_back(number(rng.between(0, 1000)));
        g.nodes.disk_used.push_back(number(rng.between(0, 100)));
        g.nodes.live_allocs.push_back(number(rng.between(0, 3)));
        g.nodes.max_allocs.push_back(rng.chance(1, 5) ? 4 : 0);
        g.feasible.push_back(rng.chance(4, 5) ? 1 : 0);
        g.collisions.push_back(static_cast<std::uint32_t>(rng.between(0, 2)));
        if (affine) {
            g.affinity.push_back(static_cast<double>(rng.between(-4, 4)) / 4.0);
        }
    }
    const std::int64_t blocks = rng.between(0, 2);
    for (std::int64_t b = 0; b < blocks; ++b) {
        SpreadAttribute a;
        a.weight_share = 1.0 / static_cast<double>(blocks);
        a.even = rng.chance(1, 2);
        const auto values = static_cast<std::uint32_t>(rng.between(1, 5));
        for (std::uint32_t v = 0; v < values; ++v) {
            a.used.push_back(rng.between(0, 3));
            a.desired.push_back(rng.chance(1, 5) ? -1.0 : static_cast<double>(rng.between(1, 5)));
        }
        for (std::size_t i = 0; i < n; ++i) {
            a.value_of_node.push_back(
                rng.chance(1, 8) ? kNoValue : static_cast<std::uint32_t>(rng.below(values))
            );
        }
        g.attributes.push_back(std::move(a));
    }
    return g;
}

/// The formula again, from the words of the documentation.
double spread_of(const std::vector<SpreadAttribute>& attributes, std::size_t node) {
    double sum = 0;
    for (const SpreadAttribute& a : attributes) {
        const std::uint32_t value = a.value_of_node[node];
        if (value == kNoValue) {
            sum -= 1;
            continue;
        }
        if (!a.even) {
            const double want = a.desired[value];
            sum += want <= 0
                       ? -1
                       : (want - static_cast<double>(a.used[value]) - 1) / want * a.weight_share;
            continue;
        }
        double low = 0;
        double high = 0;
        for (const auto used : a.used) {
            if (used > 0) {
                low =
                    low == 0 ? static_cast<double>(used) : std::min(low, static_cast<double>(used));
                high = std::max(high, static_cast<double>(used));
            }
        }
        const double here = static_cast<double>(a.used[value]);
        if (high == 0) {
            continue;
        }
        if (here != low) {
            sum += (low - here) / low;
        } else {
            sum += low == high ? -1 : (high - low) / low;
        }
    }
    return sum;
}

std::optional<double> score_of(const Generated& g, std::size_t i) {
    const NodeColumns& n = g.nodes;
    const bool fits = n.cpu_used[i] + g.ask.cpu <= n.cpu[i] &&
                      n.memory_used[i] + g.ask.memory <= n.memory[i] &&
                      n.disk_used[i] + g.ask.disk <= n.disk[i] &&
                      (n.max_allocs[i] == 0 || n.live_allocs[i] < n.max_allocs[i]);
    if (g.feasible[i] == 0 || !fits) {
        return std::nullopt;
    }
    const double free_cpu =
        1 - static_cast<double>(n.cpu_used[i] + g.ask.cpu) / static_cast<double>(n.cpu[i]);
    const double free_memory =
        1 - static_cast<double>(n.memory_used[i] + g.ask.memory) / static_cast<double>(n.memory[i]);
    const double total = std::pow(10, free_cpu) + std::pow(10, free_memory);
    double fit = g.algorithm == Algorithm::Binpack ? 20 - total : total - 2;
    fit = std::max(0.0, std::min(18.0, fit));
    std::vector<double> parts{fit / 18};
    if (g.collisions[i] > 0) {
        parts.push_back(-(1.0 + g.collisions[i]) / static_cast<double>(g.count));
    }
    if (!g.affinity.empty() && g.affinity[i] != 0) {
        parts.push_back(g.affinity[i]);
    }
    const double spread = spread_of(g.attributes, i);
    if (spread != 0) {
        parts.push_back(spread);
    }
    double sum = 0;
    for (const double p : parts) {
        sum += p;
    }
    return sum / static_cast<double>(parts.size());
}

TEST(RankProperty, AgreesWithTheObviousOneAtEveryStep) {
    std::size_t placements = 0;
    std::size_t refusals = 0;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        Rng rng(seed);
        Generated g = generate(rng);
        Generated slow = g;
        Spread spread(g.attributes, g.nodes.size());
        Rng ties = rng.fork();
        Ranker ranker(
            {.nodes = g.nodes,
             .ask = g.ask,
             .extra_cpu = {},
             .algorithm = g.algorithm,
             .feasible = g.feasible,
             .collisions = g.collisions,
             .desired_count = g.count,
             .affinity = g.affinity,
             .devices = g.devices,
             .spread = spread},
            ties
        );
        for (int step = 0; step < 30; ++step) {
            std::optional<double> best;
            for (std::size_t i = 0; i < slow.nodes.size(); ++i) {
                const auto score = score_of(slow, i);
                if (score && (!best || *score > *best)) {
                    best = score;
                }
            }
            const auto choice = ranker.best([&](std::uint32_t node) {
                // A node may be refused for reasons of its own, for the rest of the pass.
                if (rng.chance(1, 12)) {
                    slow.feasible[node] = 0;
                    ++refusals;
                    return Verdict::Never;
                }
                return Verdict::Take;
            });
            if (!choice) {
                for (std::size_t i = 0; i < slow.nodes.size(); ++i) {
                    EXPECT_FALSE(score_of(slow, i)) << "seed " << seed << " node " << i;
                }
                break;
            }
            const auto score = score_of(slow, choice->node);
            ASSERT_TRUE(score) << "seed " << seed << " step " << step;
            EXPECT_NEAR(*score, choice->score, 1e-9) << "seed " << seed << " step " << step;
            EXPECT_NEAR(ranker.parts_of(choice->node, false).normalized(), choice->score, 1e-9);
            for (std::size_t i = 0; i < slow.nodes.size(); ++i) {
                const auto other = score_of(slow, i);
                EXPECT_FALSE(other && *other > *score + 1e-9)
                    << "seed " << seed << " step " << step << " node " << i;
            }
            ++placements;
            const std::uint32_t node = choice->node;
            for (Generated* side : {&g, &slow}) {
                side->nodes.cpu_used[node] += number(g.ask.cpu);
                side->nodes.memory_used[node] += number(g.ask.memory);
                side->nodes.disk_used[node] += number(g.ask.disk);
                side->nodes.live_allocs[node] += 1;
                side->collisions[node] += 1;
            }
            for (std::size_t a = 0; a < slow.attributes.size(); ++a) {
                const std::uint32_t value = slow.attributes[a].value_of_node[node];
                spread.add(a, value, 1);
                if (value != kNoValue) {
                    slow.attributes[a].used[value] += 1;
                }
            }
            ranker.node_changed(node);
        }
    }
    // The generator must not have become too narrow to mean anything.
    EXPECT_GT(placements, 10000U);
    EXPECT_GT(refusals, 500U);
}

TEST(Rank, FitScoreIsTheKnownFormula) {
    // Half of everything used: 20 - 2 * 10^0.5.
    EXPECT_NEAR(fit_score(Algorithm::Binpack, 1000, 1000, 500, 500), 13.6754, 1e-4);
    EXPECT_NEAR(fit_score(Algorithm::Spread, 1000, 1000, 500, 500), 4.3246, 1e-4);
    EXPECT_EQ(fit_score(Algorithm::Binpack, 1000, 1000, 1000, 1000), 18.0);
    EXPECT_NEAR(fit_score(Algorithm::Binpack, 1000, 1000, 0, 0), 0.0, 1e-12);
}

}  // namespace
}  // namespace nl::sched
