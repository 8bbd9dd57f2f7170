#include "sim/replica_world.h"

#include <gtest/gtest.h>

namespace nl::sim {
namespace {

TEST(ReplicaWorld, TheFirstSeedsKeepEveryPromiseAndDoRealWork) {
    std::size_t acknowledged = 0;
    std::size_t reads = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const Outcome out = run_replicas(seed, {});
        ASSERT_EQ(out.violation, "") << "seed " << seed;
        acknowledged += out.acknowledged;
        reads += out.reads;
    }
    EXPECT_GT(acknowledged, 60u * 30u);
    EXPECT_GT(reads, 60u * 10u);
}

TEST(ReplicaWorld, ASeedGivesTheSameRunEachTime) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        EXPECT_EQ(run_replicas(seed, {}).hash, run_replicas(seed, {}).hash);
    }
    EXPECT_NE(run_replicas(1, {}).hash, run_replicas(2, {}).hash);
}

}  // namespace
}  // namespace nl::sim
