// Properties under random histories: the tree and slots against std::map, snapshots that never
// change, a saved state that is the state, equal commands that give equal states.

#include "state/heap.h"
#include "state/store.h"
#include "state/table.h"
#include "state/testing/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace nl::state {
namespace {

using namespace testing;

struct Item {
    Uuid id;
    std::string name;
};
struct ItemById {
    using Key = IdKey;
    static Key key(const Item& row) { return {row.id}; }
};
/// Names share long prefixes, so that comparisons must look at the rows.
struct ItemByName {
    using Key = TextKey;
    static Key key(const Item& row) { return {row.name, {}, {}}; }
    static bool has(const Item& row) { return !row.name.empty(); }
};
using ItemTable = Table<Item, ItemById, ItemByName>;
using Model = std::map<Uuid, std::string>;

void expect_same(const ItemTable& table, const Model& model) {
    ASSERT_EQ(table.size(), model.size());
    auto expected = model.begin();
    for (const Item& item : table.all<ItemById>()) {
        ASSERT_EQ(item.id, expected->first);
        ASSERT_EQ(item.name, expected->second);
        ++expected;
    }
    std::vector<std::string> names;
    for (const auto& [id, name] : model) {
        if (!name.empty()) {
            names.push_back(name);
        }
    }
    std::ranges::sort(names);
    const auto range = table.all<ItemByName>();
    auto at = range.end();
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        --at;
        ASSERT_EQ((*at).name, *name);
    }
    ASSERT_TRUE(at == range.begin());
}

TEST(Table, AgreesWithAMapInEveryVersion) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        Rng rng(seed);
        Heap heap;
        ItemTable table;
        Model model;
        struct Kept {
            std::uint64_t epoch;
            ItemTable table;
            Model model;
        };
        std::vector<Kept> kept;
        const std::uint64_t ids = 50 + rng.below(3000);
        for (int step = 0; step < 6000; ++step) {
            const Uuid id = id_of(rng.below(ids));
            // Names are unique per id; the empty one is in no index.
            const auto fresh_name = [&] {
                return rng.chance(1, 5) ? std::string()
                                        : "a-long-common-prefix-" + std::to_string(rng.below(9)) +
                                              "-" + id.str();
            };
            const Slot slot = table.slot_of<ItemById>({id});
            ASSERT_EQ(slot != kNoSlot, model.contains(id));
            // Grows in the first half, shrinks in the second.
            const bool remove = rng.chance(step < 3000 ? 1 : 3, 4);
            if (slot == kNoSlot) {
                const std::string name = fresh_name();
                table.insert(heap, std::make_unique<const Item>(Item{id, name}));
                model.emplace(id, name);
            } else if (remove) {
                table.erase(heap, slot);
                model.erase(id);
            } else {
                const std::string name = fresh_name();
                table.replace(heap, slot, std::make_unique<const Item>(Item{id, name}));
                model[id] = name;
            }
            if (rng.chance(1, 40)) {
                kept.push_back({heap.publish(), table, model});
                if (kept.size() > 5) {
                    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(rng.below(kept.size())));
                    heap.collect(kept.front().epoch);
                }
            }
            if (step % 500 == 0) {
                for (const Kept& version : kept) {
                    expect_same(version.table, version.model);
                }
                expect_same(table, model);
            }
        }
        for (const Kept& version : kept) {
            expect_same(version.table, version.model);
        }
        expect_same(table, model);
        heap.publish();
        heap.collect(heap.epoch());
        EXPECT_EQ(heap.waiting(), 0U);
        table.destroy();
    }
}

TEST(Tree, EmptiesCompletelyAndGrowsAgain) {
    Heap heap;
    ItemTable table;
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t i = 0; i < 5000; ++i) {
            table.insert(heap, std::make_unique<const Item>(Item{id_of(i), std::to_string(i)}));
        }
        EXPECT_EQ(table.all<ItemByName>().count(), 5000U);
        for (std::uint64_t i = 0; i < 5000; ++i) {
            table.erase(heap, table.slot_of<ItemById>({id_of((i * 7) % 5000)}));
        }
        EXPECT_TRUE(table.all<ItemById>().empty());
        heap.publish();
        heap.collect(heap.epoch());
    }
    table.destroy();
}

/// A random history over few names, so that commands meet each other's rows.
class History {
public:
    explicit History(std::uint64_t seed) : rng_(seed) {}

    void step(World& w) {
        switch (rng_.below(12)) {
            case 0:
                w.add_node(rng_.below(6));
                return;
            case 1:
            case 2: {
                auto j = job(job_name(), 3, rng_.chance(1, 3) ? "batch" : "service");
                j.priority = rng_.between(1, 5);
                w.add_job(j);
                return;
            }
            case 3:
            case 4:
            case 5: {
                const std::string name = job_name();
                if (w.store.snapshot().job("default", name) != nullptr) {
                    const auto ids =
                        w.place(name, rng_.below(6), 1 + static_cast<std::uint32_t>(rng_.below(5)));
                    allocs_.insert(allocs_.end(), ids.begin(), ids.end());
                }
                return;
            }
            case 6:
            case 7:
            case 8:
                if (!allocs_.empty()) {
                    w.report(
                        allocs_[rng_.below(allocs_.size())],
                        static_cast<model::AllocClientStatus>(rng_.below(6))
                    );
                }
                return;
            case 9: {
                commands::JobDeregister gone{"default", job_name(), rng_.chance(1, 2), false, {}};
                if (rng_.chance(1, 2)) {
                    gone.eval = eval(rng_.below(100), gone.job_id);
                }
                w.apply(gone);
                return;
            }
            case 10: {
                model::Evaluation e = eval(rng_.below(100), job_name());
                e.status = static_cast<model::EvalStatus>(rng_.below(5));
                w.apply(commands::EvalUpsert{{e}});
                return;
            }
            default:
                if (rng_.chance(1, 3)) {
                    w.apply(commands::NodeDeregister{{id_of(1000 + rng_.below(6))}, {}});
                } else if (!allocs_.empty()) {
                    w.apply(commands::EvalDelete{
                        {id_of(2000000 + rng_.below(100))}, {allocs_[rng_.below(allocs_.size())]}
                    });
                }
                return;
        }
    }

private:
    std::string job_name() { return "job-" + std::to_string(rng_.below(5)); }

    Rng rng_;
    std::vector<Uuid> allocs_;
};

/// The columns are what the rows say.
void expect_columns_follow(const Snapshot& s) {
    for (const model::Node& node : s.nodes()) {
        ResourceSum used;
        std::int32_t live = 0;
        for (const AllocView alloc : s.allocs_of_node(node.id)) {
            ASSERT_EQ(alloc.node_id(), node.id);
            if (!alloc.terminal()) {
                used += alloc.takes();
                ++live;
            }
        }
        const Slot slot = s.node_slot(node.id);
        const NodeChunk& chunk = s.columns().chunk_of(slot);
        const auto i = Columns::place_of(slot);
        ASSERT_EQ(chunk.cpu_used[i], used.cpu);
        ASSERT_EQ(chunk.memory_used[i], used.memory_mb);
        ASSERT_EQ(chunk.disk_used[i], used.disk_mb);
        ASSERT_EQ(chunk.live_allocs[i], live);
    }
}

/// Every index shows the same allocations.
void expect_indexes_agree(const Snapshot& s) {
    std::set<Uuid> by_id;
    std::set<Uuid> by_job;
    std::set<Uuid> by_eval;
    std::set<std::pair<std::string, std::string>> jobs;
    std::set<Uuid> evals;
    for (const AllocView alloc : s.allocs()) {
        by_id.insert(alloc.id());
        jobs.emplace(alloc.namespace_(), alloc.job_id());
        evals.insert(alloc.eval_id());
    }
    for (const auto& [ns, id] : jobs) {
        for (const AllocView alloc : s.allocs_of_job(ns, id)) {
            by_job.insert(alloc.id());
        }
    }
    for (const Uuid& eval : evals) {
        for (const AllocView alloc : s.allocs_of_eval(eval)) {
            by_eval.insert(alloc.id());
        }
    }
    ASSERT_EQ(by_id, by_job);
    ASSERT_EQ(by_id, by_eval);
}

TEST(StoreProperty, SnapshotsNeverChangeAndSavedStatesAreTheState) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        World w;
        History history(seed);
        std::vector<std::pair<Snapshot, std::uint64_t>> kept;
        Rng rng(seed * 77);
        for (int step = 0; step < 400; ++step) {
            history.step(w);
            if (rng.chance(1, 10)) {
                const Snapshot s = w.store.snapshot();
                kept.emplace_back(s, state_hash(s));
            }
            if (kept.size() > 6) {
                kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(rng.below(kept.size())));
            }
        }
        for (const auto& [snapshot, hash] : kept) {
            ASSERT_EQ(state_hash(snapshot), hash) << "seed " << seed;
        }
        const Snapshot last = w.store.snapshot();
        expect_columns_follow(last);
        expect_indexes_agree(last);

        const Bytes bytes = saved(last);
        auto store = loaded(bytes);
        ASSERT_TRUE(store.has_value()) << store.error().message;
        const Snapshot again = store->snapshot();
        ASSERT_EQ(state_hash(again), state_hash(last)) << "seed " << seed;
        ASSERT_EQ(saved(again), bytes);
        expect_columns_follow(again);
        expect_indexes_agree(again);

        // It goes on as the first would.
        World copy;
        copy.store = std::move(*store);
        copy.index = w.index;
        copy.time = w.time;
        copy.evals = w.evals;
        copy.plans = w.plans;
        History one(seed + 1000);
        History two(seed + 1000);
        for (int step = 0; step < 100; ++step) {
            one.step(w);
            two.step(copy);
        }
        ASSERT_EQ(state_hash(w.store.snapshot()), state_hash(copy.store.snapshot()));
    }
}

TEST(StoreProperty, MemoryOfOldVersionsIsGivenBack) {
    World w;
    History history(5);
    Snapshot old = w.store.snapshot();
    for (int step = 0; step < 300; ++step) {
        history.step(w);
        w.store.snapshot();
    }
    EXPECT_LE(w.store.live_versions(), 3U);
    old = Snapshot();
    history.step(w);
    w.store.snapshot();
    EXPECT_LE(w.store.live_versions(), 2U);
}

TEST(StoreProperty, DamageIsFoundWhereverItIs) {
    World w;
    History history(3);
    for (int step = 0; step < 60; ++step) {
        history.step(w);
    }
    const Bytes bytes = saved(w.store.snapshot());
    Rng rng(9);
    for (int i = 0; i < 300; ++i) {
        Bytes damaged = bytes;
        if (rng.chance(1, 3)) {
            damaged.resize(rng.below(bytes.size()));
        } else {
            damaged[rng.below(bytes.size())] ^= static_cast<char>(1U << rng.below(8));
        }
        const auto store = loaded(damaged);
        ASSERT_FALSE(store.has_value());
        ASSERT_EQ(store.error().code, ErrorCode::Corruption);
    }
}

}  // namespace
}  // namespace nl::state
