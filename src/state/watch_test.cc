// A parked reader never misses a change and is woken by nothing else.

#include "state/watch.h"

#include "base/rng.h"
#include "state/testing/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

namespace nl::state {
namespace {

using namespace testing;

TEST(Watch, WakesForItsKeysOnly) {
    World w;
    WatchRegistry watches;
    std::vector<WatchId> woken;
    const std::array web{watch_row(TableId::Jobs, "default", "web")};
    const std::array allocs{watch_of_job(TableId::Allocs, "default", "web")};
    const std::array node_allocs{watch_of_node(TableId::Allocs, id_of(1001))};
    EXPECT_TRUE(watches.add(1, web, w.index));
    EXPECT_TRUE(watches.add(2, allocs, w.index));
    EXPECT_TRUE(watches.add(3, node_allocs, w.index));

    watches.notify(w.add_node(1), woken);
    watches.notify(w.add_job(job("other")), woken);
    EXPECT_TRUE(woken.empty());
    watches.notify(w.add_job(job("web")), woken);
    EXPECT_EQ(woken, std::vector<WatchId>{1});
    woken.clear();
    commands::EvalUpsert unrelated{{eval(99, "other")}};
    watches.notify(w.apply(unrelated), woken);
    EXPECT_TRUE(woken.empty());
    EXPECT_EQ(watches.size(), 2U);
}

TEST(Watch, FiresAtOnceIfItChangedSince) {
    World w;
    WatchRegistry watches;
    std::vector<WatchId> woken;
    const Index looked = w.index;
    watches.notify(w.add_job(job("web")), woken);
    const std::array key{watch_row(TableId::Jobs, "default", "web")};
    EXPECT_FALSE(watches.add(1, key, looked));
    EXPECT_TRUE(watches.add(1, key, w.index));
    watches.remove(1);
    EXPECT_EQ(watches.size(), 0U);
    watches.notify(w.add_job(job("web")), woken);
    EXPECT_TRUE(woken.empty());
}

TEST(Watch, ForgottenHistoryWakesRatherThanLoses) {
    WatchRegistry watches;
    std::vector<WatchId> woken;
    Effects effects;
    for (std::uint64_t i = 1; i <= WatchRegistry::kHistory; ++i) {
        effects.index = Index(i);
        effects.changes.assign(1, {.table = TableId::Evals, .id = id_of(i)});
        watches.notify(effects, woken);
    }
    const std::array key{watch_table(TableId::Nodes)};
    EXPECT_FALSE(watches.add(1, key, Index(2)));
    EXPECT_TRUE(watches.add(1, key, effects.index));
    watches.reset(Index(100000), woken);
    EXPECT_EQ(woken, std::vector<WatchId>{1});
    EXPECT_FALSE(watches.add(1, key, Index(99999)));
}

TEST(Watch, AgainstAModel) {
    // Readers of random keys; the model keeps for each key its last change.
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Rng rng(seed);
        WatchRegistry watches;
        std::map<std::uint64_t, Index> last;
        std::map<WatchId, std::uint64_t> parked;
        WatchId next = 1;
        Index index{0};
        for (int step = 0; step < 2000; ++step) {
            if (rng.chance(1, 2)) {
                const std::uint64_t key = rng.below(10);
                const Index seen{
                    index.value - rng.below(std::min<std::uint64_t>(index.value, 5) + 1)
                };
                const std::array keys{watch_row(TableId::Nodes, id_of(key))};
                const bool changed = last.contains(key) && last[key] > seen;
                ASSERT_EQ(watches.add(next, keys, seen), !changed);
                if (!changed) {
                    parked.emplace(next, key);
                }
                ++next;
            } else {
                const std::uint64_t key = rng.below(10);
                ++index;
                last[key] = index;
                Effects effects;
                effects.index = index;
                effects.changes.assign(1, {.table = TableId::Nodes, .id = id_of(key)});
                std::vector<WatchId> woken;
                watches.notify(effects, woken);
                std::ranges::sort(woken);
                std::vector<WatchId> expected;
                for (const auto& [id, of] : parked) {
                    if (of == key) {
                        expected.push_back(id);
                    }
                }
                ASSERT_EQ(woken, expected);
                for (const WatchId id : expected) {
                    parked.erase(id);
                }
            }
            ASSERT_EQ(watches.size(), parked.size());
        }
    }
}

}  // namespace
}  // namespace nl::state
