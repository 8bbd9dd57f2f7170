// Groups of cores under random faults: whatever happens, Raft's promises hold; and once the faults
// end, the group works again.
#include "raft/testing/group.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace nl::raft {
namespace {

using testing::Faults;
using testing::Group;

struct Outcome {
    std::string violation;
    std::size_t acknowledged{0};
    std::size_t reads{0};
    std::uint64_t hash{0};
    Term term;
    std::size_t snapshots{0};
};

Group::Settings settings_for(std::uint64_t seed) {
    Rng rng(seed * 7919);
    Group::Settings s;
    s.seed = seed;
    s.voters = 1 + rng.below(5);
    s.spares = rng.below(3);
    s.options.lease_reads = rng.chance(1, 2);
    s.options.inflight_messages_max = 1 + rng.below(8);
    s.options.append_bytes_max = 64 + rng.below(4096);
    s.options.cache_bytes_max = rng.chance(1, 2) ? 200 : 1 << 20;
    s.options.apply_ahead_max = 1 + rng.below(16);
    s.trailing = rng.below(6);
    s.faults.loss_percent = static_cast<int>(rng.below(25));
    s.faults.duplicate_percent = static_cast<int>(rng.below(20));
    s.faults.delay_max = milliseconds(rng.between(1, 30));
    s.faults.delay_rare = milliseconds(rng.between(1, 1500));
    s.faults.disk_max = milliseconds(rng.between(1, 40));
    return s;
}

void disturb(Group& group, Rng& rng, bool churn) {
    const auto ids = group.ids();
    const ServerId any = ids[rng.below(ids.size())];
    const ServerId other = ids[rng.below(ids.size())];
    switch (rng.below(churn ? 12 : 8)) {
        case 0:
            group.crash(any);
            break;
        case 1:
        case 2:
            group.restart(any);
            break;
        case 3:
            group.isolate(any);
            break;
        case 4:
            group.cut(any, other);
            break;
        case 5:
            group.heal();
            break;
        case 6:
            group.pause(any, milliseconds(rng.between(20, 700)));
            break;
        case 7:
            if (group.is_up(any)) {
                group.transfer(any, rng.chance(1, 2) ? other : kNobody);
            }
            break;
        case 8:
        case 9:
            if (const auto leader = group.leader()) {
                group.change(
                    *leader,
                    AddLearner{{.id = other, .voter = false, .name = "x", .address = {}, .info = {}}
                    }
                );
            }
            break;
        case 10:
            if (const auto leader = group.leader()) {
                if (rng.chance(1, 3)) {
                    group.change(*leader, Demote{other});
                } else {
                    group.change(*leader, Promote{other});
                }
            }
            break;
        case 11:
            if (const auto leader = group.leader()) {
                group.change(*leader, Remove{other});
            }
            break;
    }
}

Outcome simulate(std::uint64_t seed, bool churn) {
    Group group(settings_for(seed));
    if (std::getenv("NL_RAFT_TRACE") != nullptr) {
        group.trace = [](const std::string& line) { fmt::print("{}\n", line); };
        group.trace_messages = true;
    }
    Rng rng(seed ^ 0x5eed);
    int next = 0;
    for (int round = 0; round < 150 && group.violation.empty(); ++round) {
        group.run(milliseconds(rng.between(1, 60)));
        if (rng.chance(1, 5)) {
            disturb(group, rng, churn);
        }
        for (const ServerId id : group.ids()) {
            if (!group.is_up(id)) {
                continue;
            }
            if (rng.chance(1, 2)) {
                group.propose(id, fmt::format("c{}", next++));
            }
            if (rng.chance(1, 4)) {
                group.read(id);
            }
            if (rng.chance(1, 20)) {
                group.compact(id);
            }
        }
    }
    // Everything is mended: now there must be progress, and everybody in the membership must see
    // it.
    group.set_faults(Faults{});
    group.heal();
    for (const ServerId id : group.ids()) {
        group.pause(id, {});
        group.restart(id);
    }
    group.run(seconds(8));
    Outcome out;
    const auto leader = group.leader();
    if (group.violation.empty() && !leader) {
        group.violation = "no leader eight seconds after all faults ended";
    }
    if (group.violation.empty()) {
        const std::string proposed = group.propose(*leader, "last");
        group.run(seconds(2));
        const Index last = group.core(*leader).last();
        if (group.acknowledged().empty() || group.acknowledged().rbegin()->second.data != "last") {
            group.violation = "the last proposal was not committed: " + proposed;
        }
        for (const Member& member : group.core(*leader).membership().members) {
            if (group.violation.empty() && group.applied(member.id) != last) {
                group.violation =
                    fmt::format("n{} is at {}, not {}", member.id, group.applied(member.id), last);
            }
        }
        out.hash = group.hash(*leader);
        out.term = group.core(*leader).term();
    }
    out.violation = group.violation;
    out.acknowledged = group.acknowledged().size();
    out.reads = group.reads_answered();
    return out;
}

/// One seed alone, with NL_RAFT_SEED=n (and NL_RAFT_TRACE=1 for its story); else the first so many.
std::uint64_t first_seed() {
    const char* text = std::getenv("NL_RAFT_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}
std::uint64_t seeds() {
    if (std::getenv("NL_RAFT_SEED") != nullptr) {
        return first_seed();
    }
    const char* text = std::getenv("NL_RAFT_SEEDS");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 1000;
}

TEST(CoreProperty, PromisesHoldUnderFaults) {
    std::size_t acknowledged = 0;
    std::size_t reads = 0;
    for (std::uint64_t seed = first_seed(); seed <= seeds(); ++seed) {
        const Outcome out = simulate(seed, false);
        ASSERT_EQ(out.violation, "") << "seed " << seed;
        acknowledged += out.acknowledged;
        reads += out.reads;
    }
    // The faults must not be so hard that nothing is ever tested.
    EXPECT_GT(acknowledged, seeds() * 20);
    EXPECT_GT(reads, seeds() * 20);
}

TEST(CoreProperty, PromisesHoldWhileTheMembershipChanges) {
    std::size_t acknowledged = 0;
    for (std::uint64_t seed = first_seed(); seed <= seeds(); ++seed) {
        const Outcome out = simulate(seed, true);
        ASSERT_EQ(out.violation, "") << "seed " << seed;
        acknowledged += out.acknowledged;
    }
    EXPECT_GT(acknowledged, seeds() * 20);
}

TEST(CoreProperty, TheSameSeedGivesTheSameRun) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const Outcome one = simulate(seed, true);
        const Outcome two = simulate(seed, true);
        EXPECT_EQ(one.hash, two.hash);
        EXPECT_EQ(one.term, two.term);
        EXPECT_EQ(one.acknowledged, two.acknowledged);
        EXPECT_EQ(one.reads, two.reads);
    }
}

}  // namespace
}  // namespace nl::raft
