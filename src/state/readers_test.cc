// Readers on other threads look at snapshots, and let go of them, while the owner goes on applying
// and frees what nobody holds. Meant for the sanitizers as well.

#include "state/testing/world.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

namespace nl::state {
namespace {

using namespace testing;

TEST(Readers, SeeAWholeStateWhileItIsReplaced) {
    World w;
    std::mutex lock;
    Snapshot published = w.store.snapshot();
    std::atomic<bool> done{false};
    std::atomic<int> looks{0};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            while (!done || looks == 0) {
                Snapshot mine;
                {
                    const std::scoped_lock guard(lock);
                    mine = published;
                }
                // Every allocation's job is known and every count agrees: nothing half done.
                std::size_t allocs = 0;
                for (const AllocView alloc : mine.allocs()) {
                    allocs += alloc.job_id() == "web" ? 1U : 0U;
                }
                const std::size_t by_node = mine.allocs_of_node(id_of(1001)).count();
                const auto* sums = mine.job_summary("default", "web");
                const std::int64_t counted = sums == nullptr ? 0
                                                             : sums->summary.at("web").starting +
                                                                   sums->summary.at("web").running;
                if (allocs != by_node || static_cast<std::size_t>(counted) != allocs ||
                    state_hash(mine) != state_hash(mine)) {
                    ++wrong;
                }
                ++looks;
            }
        });
    }
    w.add_node(1);
    w.add_job(job("web", 1000));
    std::vector<Uuid> ids;
    for (int step = 0; step < 60; ++step) {
        const auto more = w.place("web", 1, 3);
        ids.insert(ids.end(), more.begin(), more.end());
        w.report(ids[static_cast<std::size_t>(step)], model::AllocClientStatus::Running);
        Snapshot fresh = w.store.snapshot();
        const std::scoped_lock guard(lock);
        published = std::move(fresh);
    }
    done = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(looks, 0);
    published = Snapshot();
    w.apply(commands::Noop{});
    w.store.snapshot();
    EXPECT_LE(w.store.live_versions(), 2U);
}

}  // namespace
}  // namespace nl::state
