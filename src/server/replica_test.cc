// The replica loop on faulty stores and a faulty network, in virtual time.
#include "server/replica.h"

#include "server/testing/replica_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::server {
namespace {

using testing::ReplicaGroup;

constexpr ServerId kOne{1};

ServerId must_lead(ReplicaGroup& group) {
    EXPECT_TRUE(group.run_to_leader(seconds(3))) << group.violation;
    return group.leader().value_or(kOne);
}

ServerId other_than(const ReplicaGroup& group, ServerId id) {
    for (const ServerId other : group.ids()) {
        if (other != id) {
            return other;
        }
    }
    return id;
}

ErrorCode code_of(const ReplicaGroup& group, Ticket ticket) {
    const auto ended = group.ended(ticket);
    EXPECT_TRUE(ended.has_value());
    EXPECT_TRUE(ended && !ended->result);
    return ended && !ended->result ? ended->result.error().code : ErrorCode::Internal;
}

void expect_committed(ReplicaGroup& group, Ticket ticket) {
    const auto ended = group.ended(ticket);
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(ended->result.has_value()) << ended->result.error().message;
}

TEST(Replica, ASoleVoterLeadsAtOnceAndCommitsAlone) {
    ReplicaGroup group({.voters = 1});
    group.run(milliseconds(10));
    EXPECT_EQ(group.leader(), kOne);
    const Ticket ticket = group.propose(kOne, "a");
    group.run(milliseconds(5));
    expect_committed(group, ticket);
    group.crash(kOne);
    group.restart(kOne);
    group.run(milliseconds(10));
    EXPECT_TRUE(group.state(kOne).seen.contains("a"));
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, AProposalIsCommittedOnAllServers) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    const Ticket ticket = group.propose(leader, "a");
    group.run(milliseconds(30));
    expect_committed(group, ticket);
    for (const ServerId id : group.ids()) {
        EXPECT_TRUE(group.state(id).seen.contains("a"));
        EXPECT_EQ(group.told(id).members.size(), 3u);
    }
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, AFollowerSaysWhereTheLeaderIs) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    const ServerId follower = other_than(group, leader);
    const Ticket ticket = group.propose(follower, "a");
    group.run(milliseconds(1));
    EXPECT_EQ(code_of(group, ticket), ErrorCode::NotLeader);
    EXPECT_THAT(
        group.ended(ticket)->result.error().message,
        ::testing::HasSubstr(fmt::format("10.0.0.{}:4647", leader))
    );
    EXPECT_EQ(group.replica(follower).leader(), leader);
}

TEST(Replica, TheQueueIsBoundedAndSaysSoAtOnce) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    group.isolate(leader);
    std::vector<Ticket> tickets;
    for (int i = 0; i < 257; ++i) {
        tickets.push_back(group.propose(leader, fmt::format("c{}", i)));
    }
    group.run(milliseconds(1));
    EXPECT_EQ(code_of(group, tickets.back()), ErrorCode::ResourceExhausted);
    EXPECT_FALSE(group.ended(tickets[255]).has_value());
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, WithoutAQuorumAProposalEndsInTimeoutAfterFiveSeconds) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    for (const ServerId id : group.ids()) {
        group.isolate(id);
    }
    const Ticket ticket = group.propose(leader, "a");
    group.run(milliseconds(4900));
    EXPECT_FALSE(group.ended(ticket).has_value());
    group.run(milliseconds(200));
    EXPECT_EQ(code_of(group, ticket), ErrorCode::Timeout);
}

TEST(Replica, AProposalThatWasReplacedIsRefusedForSure) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    group.isolate(leader);
    const Ticket lost = group.propose(leader, "lost");
    group.run(seconds(1));
    const auto next = group.leader();
    ASSERT_TRUE(next && *next != leader);
    const Ticket kept = group.propose(*next, "kept");
    group.run(milliseconds(50));
    expect_committed(group, kept);
    group.network().heal();
    group.run(seconds(1));
    EXPECT_EQ(code_of(group, lost), ErrorCode::NotLeader);
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, NothingAcknowledgedIsLostWhenAllAreKilled) {
    ReplicaGroup group({.seed = 7});
    int next = 0;
    std::vector<std::string> acknowledged;
    for (int round = 0; round < 20; ++round) {
        const ServerId leader = must_lead(group);
        std::map<Ticket, std::string> asked;
        for (int i = 0; i < 30; ++i) {
            const std::string command = fmt::format("c{}", next++);
            asked[group.propose(leader, command)] = command;
            group.run(microseconds(group.rng().between(10, 1500)));
        }
        for (const ServerId id : group.ids()) {
            group.crash(id);
        }
        for (const auto& [ticket, command] : asked) {
            if (const auto ended = group.ended(ticket); ended && ended->result) {
                acknowledged.push_back(command);
            }
        }
        for (const ServerId id : group.ids()) {
            group.restart(id);
        }
    }
    must_lead(group);
    group.run(seconds(1));
    EXPECT_GT(acknowledged.size(), 100u);
    for (const ServerId id : group.ids()) {
        for (const std::string& command : acknowledged) {
            ASSERT_TRUE(group.state(id).seen.contains(command)) << command;
        }
    }
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, AFailedWriteStopsTheServer) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    group.log(leader).fail_with({ErrorCode::Unavailable, "the disk does not answer"});
    const Ticket ticket = group.propose(leader, "a");
    group.run(milliseconds(20));
    EXPECT_FALSE(group.is_up(leader));
    ASSERT_TRUE(group.fatal(leader).has_value());
    EXPECT_EQ(group.fatal(leader)->message, "the disk does not answer");
    // The others may commit it or not; they go on.
    static_cast<void>(ticket);
    EXPECT_TRUE(group.run_to_leader(seconds(2)));
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, ReadsWorkOnEveryServerAndSeeWhatWasAcknowledged) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    const Ticket write = group.propose(leader, "a");
    group.run(milliseconds(30));
    expect_committed(group, write);
    for (const ServerId id : group.ids()) {
        const Ticket read = group.read(id);
        group.run(milliseconds(20));
        expect_committed(group, read);
        EXPECT_GE(*group.ended(read)->result, *group.ended(write)->result);
    }
    group.isolate(leader);
    const Ticket read = group.read(leader);
    group.run(seconds(1));
    EXPECT_EQ(code_of(group, read), ErrorCode::NotLeader);
}

ReplicaGroup::Settings with_small_snapshots() {
    ReplicaGroup::Settings s;
    s.options.snapshot_log_bytes_min = 4000;
    s.options.trailing_entries = 3;
    s.options.stream.chunk_bytes = 64;
    s.options.stream.resend_after = milliseconds(50);
    return s;
}

TEST(Replica, AFollowerFarBehindGetsASnapshotInChunks) {
    ReplicaGroup group(with_small_snapshots());
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    const ServerId behind = other_than(group, leader);
    group.crash(behind);
    for (int i = 0; i < 200; ++i) {
        group.propose(leader, fmt::format("command-{}", i));
        group.run(milliseconds(2));
    }
    EXPECT_GT(group.replica(leader).status().snapshot_index, Index{100});
    EXPECT_GT(group.replica(leader).status().raft.first, Index{50});
    group.network().set_faults(
        {.loss_percent = 10, .duplicate_percent = 10, .delay_max = milliseconds(5)}
    );
    group.restart(behind);
    group.run(seconds(5));
    EXPECT_EQ(group.applied(behind), group.applied(leader));
    EXPECT_EQ(group.state(behind).seen.size(), 200u);
    EXPECT_GT(group.replica(behind).status().snapshot_index, Index{100});
    // And it starts again from what it was given.
    group.crash(behind);
    group.restart(behind);
    group.run(seconds(1));
    EXPECT_EQ(group.state(behind).seen.size(), 200u);
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, ASnapshotThatCannotBeReadIsNotInstalled) {
    ReplicaGroup group(with_small_snapshots());
    const ServerId leader = must_lead(group);
    const ServerId behind = other_than(group, leader);
    group.crash(behind);
    for (int i = 0; i < 100; ++i) {
        group.propose(leader, fmt::format("command-{}", i));
        group.run(milliseconds(2));
    }
    const Index snapshot = group.replica(leader).status().snapshot_index;
    group.snapshots(leader).rot(snapshot);
    group.restart(behind);
    group.run(seconds(3));
    EXPECT_LT(group.applied(behind), Index{50});
    // The next one is whole, and with it the follower comes along.
    for (int i = 0; i < 100; ++i) {
        group.propose(leader, fmt::format("more-{}", i));
        group.run(milliseconds(2));
    }
    group.run(seconds(5));
    EXPECT_EQ(group.applied(behind), group.applied(leader));
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, ADamagedServerIsFilledAgainAndTakesNoPartBefore) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    for (int i = 0; i < 20; ++i) {
        group.propose(leader, fmt::format("c{}", i));
        group.run(milliseconds(5));
    }
    const ServerId damaged = other_than(group, leader);
    group.crash(damaged);
    ASSERT_TRUE(group.log(damaged).rot(Index{10}));
    group.isolate(damaged);
    group.restart(damaged);
    group.run(seconds(2));
    EXPECT_TRUE(group.replica(damaged).status().raft.repairing);
    EXPECT_EQ(group.replica(damaged).status().raft.role, raft::Role::Follower);
    EXPECT_EQ(group.replica(damaged).status().raft.last, Index{9});
    group.network().heal();
    group.run(seconds(1));
    EXPECT_FALSE(group.replica(damaged).status().raft.repairing);
    EXPECT_EQ(group.state(damaged).seen.size(), 20u);
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, ADamagedServerGivesNoVoteThatCouldLoseAnEntry) {
    // Two of three hold an entry. One of them is damaged; the third, which lacks it, must not be
    // elected by it.
    ReplicaGroup group({.seed = 3});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(200));
    const auto ids = group.ids();
    const ServerId second = ids[0] != leader ? ids[0] : ids[1];
    const ServerId third = ids[2] != leader ? ids[2] : ids[1];
    ASSERT_NE(second, third);
    group.isolate(third);
    const Ticket ticket = group.propose(leader, "precious");
    group.run(milliseconds(50));
    expect_committed(group, ticket);
    const Index at = *group.ended(ticket)->result;
    group.crash(leader);
    group.crash(second);
    ASSERT_TRUE(group.log(second).rot(at));
    group.network().heal();
    group.restart(second);
    group.run(seconds(3));
    EXPECT_FALSE(group.leader().has_value());
    group.restart(leader);
    group.run(seconds(3));
    EXPECT_TRUE(group.leader().has_value());
    EXPECT_TRUE(group.state(third).seen.contains("precious"));
    EXPECT_TRUE(group.state(second).seen.contains("precious"));
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, ASoleServerWithADamagedLogSaysSo) {
    ReplicaGroup group({.voters = 1});
    group.run(milliseconds(10));
    for (int i = 0; i < 5; ++i) {
        group.propose(kOne, fmt::format("c{}", i));
        group.run(milliseconds(5));
    }
    group.crash(kOne);
    ASSERT_TRUE(group.log(kOne).rot(Index{3}));
    group.restart(kOne);
    EXPECT_FALSE(group.is_up(kOne));
    ASSERT_TRUE(group.fatal(kOne).has_value());
    EXPECT_EQ(group.fatal(kOne)->code, ErrorCode::Corruption);
    EXPECT_THAT(group.fatal(kOne)->message, ::testing::HasSubstr("log entries 3 to 6 are damaged"));
}

TEST(Replica, AServerJoinsIsPromotedAndTheLeaderLeaves) {
    ReplicaGroup group({.voters = 3, .spares = 1});
    const ServerId leader = must_lead(group);
    const ServerId fourth{4};
    group.run(milliseconds(100));
    const Ticket early = group.change(leader, raft::Promote{fourth});
    const Ticket added =
        group.change(leader, raft::AddLearner{ReplicaGroup::member(fourth, false)});
    const Ticket twice = group.change(leader, raft::Remove{leader});
    group.run(milliseconds(300));
    EXPECT_EQ(code_of(group, early), ErrorCode::InvalidArgument);
    EXPECT_EQ(code_of(group, twice), ErrorCode::Conflict);
    expect_committed(group, added);
    EXPECT_EQ(group.told(fourth).members.size(), 4u);
    EXPECT_EQ(group.told(fourth).find(leader)->address, fmt::format("10.0.0.{}:4647", leader));
    const Ticket promoted = group.change(leader, raft::Promote{fourth});
    group.run(milliseconds(100));
    expect_committed(group, promoted);
    const Ticket removed = group.change(leader, raft::Remove{leader});
    group.run(milliseconds(700));
    expect_committed(group, removed);
    const auto next = group.leader();
    ASSERT_TRUE(next.has_value());
    EXPECT_NE(*next, leader);
    const Ticket write = group.propose(*next, "after");
    group.run(milliseconds(50));
    expect_committed(group, write);
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, LeadershipIsHandedOverOnRequest) {
    ReplicaGroup group({});
    const ServerId leader = must_lead(group);
    group.run(milliseconds(100));
    const ServerId heir = other_than(group, leader);
    const Ticket ticket = group.transfer(leader, heir);
    group.run(milliseconds(60));
    expect_committed(group, ticket);
    EXPECT_EQ(group.leader(), heir);
    const Ticket refused = group.transfer(leader, heir);
    group.run(milliseconds(1));
    EXPECT_EQ(code_of(group, refused), ErrorCode::NotLeader);
}

TEST(Replica, AnotherLeaderIsFoundWithinASecond) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        ReplicaGroup group({.seed = seed});
        const ServerId leader = must_lead(group);
        group.run(milliseconds(500));
        group.crash(leader);
        const Instant killed = group.now();
        ASSERT_TRUE(group.run_to_leader(seconds(1))) << seed;
        EXPECT_LE(group.now() - killed, milliseconds(600)) << seed;
    }
}

TEST(Replica, MalformedMessagesAreCountedAndHarmless) {
    ReplicaGroup group({});
    must_lead(group);
    Rng rng(5);
    for (int i = 0; i < 500; ++i) {
        Bytes junk;
        for (std::uint64_t n = rng.below(60); n > 0; --n) {
            junk.push_back(static_cast<char>(rng.below(256)));
        }
        group.network().send(
            {.from = ServerId(1 + rng.below(4)),
             .to = kOne,
             .channel = static_cast<env::Channel>(rng.below(3)),
             .bytes = junk}
        );
    }
    group.run(seconds(1));
    EXPECT_GT(group.replica(kOne).status().messages_malformed, 400u);
    const ServerId leader = must_lead(group);
    const Ticket ticket = group.propose(leader, "a");
    group.run(milliseconds(50));
    expect_committed(group, ticket);
    EXPECT_EQ(group.violation, "");
}

TEST(Replica, EntriesOfTheLogCanBeRead) {
    ReplicaGroup group({.voters = 1});
    group.run(milliseconds(10));
    group.propose(kOne, "a");
    group.propose(kOne, "b");
    group.run(milliseconds(10));
    const auto entries = group.replica(kOne).entries(Index{2}, 10);
    ASSERT_TRUE(entries.has_value());
    ASSERT_EQ(entries->size(), 2u);
    EXPECT_EQ((*entries)[1].data, "b");
    EXPECT_EQ(group.replica(kOne).entries(Index{9}, 1).error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace nl::server
