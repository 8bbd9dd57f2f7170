// What a single core does with single inputs, where a whole group would hide it.
#include "raft/core.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

namespace nl::raft {
namespace {

constexpr ServerId kSelf{1};
constexpr ServerId kPeer{2};
constexpr ServerId kThird{3};

Membership three() {
    Membership out;
    for (const ServerId id : {kSelf, kPeer, kThird}) {
        out.put({.id = id, .voter = true, .name = {}, .address = {}, .info = {}});
    }
    return out;
}

LogStart log_of(std::vector<TermRun> runs, std::uint64_t last) {
    LogStart start;
    start.base_membership = three();
    start.runs = std::move(runs);
    start.last = Index(last);
    return start;
}

Core core_of(HardState hard, LogStart start) {
    return Core({.self = kSelf}, Rng(1), hard, std::move(start), Instant{});
}

Message from_peer(MessageKind kind, std::uint64_t term) {
    return {.kind = kind, .from = kPeer, .to = kSelf, .term = Term(term)};
}

Entry command(std::uint64_t index, std::uint64_t term) {
    return {
        .index = Index(index),
        .term = Term(term),
        .kind = EntryKind::Command,
        .request = {},
        .data = "x"
    };
}

Instant at(std::int64_t ms) {
    return Instant{} + milliseconds(ms);
}

TEST(Core, AVoteLeavesOnlyWhenItIsDurable) {
    Core core = core_of({}, log_of({}, 0));
    core.step(from_peer(MessageKind::VoteRequest, 1), at(1));
    const auto ready = core.take_ready();
    ASSERT_TRUE(ready.has_value());
    EXPECT_TRUE(ready->send_now.empty());
    ASSERT_TRUE(ready->hard_state.has_value());
    EXPECT_EQ(ready->hard_state->vote, kPeer);
    ASSERT_EQ(ready->send_durable.size(), 1u);
    EXPECT_FALSE(ready->send_durable[0].message.reject);
}

TEST(Core, AVoteIsGivenOnceATermAndRepeatedToTheSame) {
    Core core = core_of({}, log_of({}, 0));
    core.step(from_peer(MessageKind::VoteRequest, 1), at(1));
    static_cast<void>(core.take_ready());
    core.step(from_peer(MessageKind::VoteRequest, 1), at(2));
    EXPECT_FALSE(core.take_ready()->send_durable[0].message.reject);
    Message other = from_peer(MessageKind::VoteRequest, 1);
    other.from = kThird;
    core.step(other, at(3));
    EXPECT_TRUE(core.take_ready()->send_durable[0].message.reject);
}

TEST(Core, AShorterLogGetsNoVote) {
    Core core = core_of({.term = Term(2)}, log_of({{Index(1), Term(2)}}, 5));
    Message m = from_peer(MessageKind::VoteRequest, 9);
    m.index = Index(4);
    m.log_term = Term(2);
    core.step(m, at(500));
    EXPECT_TRUE(core.take_ready()->send_durable[0].message.reject);
}

TEST(Core, NobodyIsElectedAgainstALeaderThatIsAlive) {
    Core core = core_of({}, log_of({}, 0));
    core.step(from_peer(MessageKind::HeartbeatRequest, 1), at(10));
    static_cast<void>(core.take_ready());
    Message m = from_peer(MessageKind::VoteRequest, 5);
    m.from = kThird;
    core.step(m, at(100));
    EXPECT_FALSE(core.take_ready().has_value());
    EXPECT_EQ(core.term(), Term(1));
    m.transfer = true;  // Unless the leader itself wished for it.
    core.step(m, at(101));
    EXPECT_FALSE(core.take_ready()->send_durable[0].message.reject);
}

TEST(Core, TheEndOfAWriteDoesNotVouchForWhatReplacedIt) {
    Core core = core_of({.term = Term(1)}, log_of({}, 0));
    Message first = from_peer(MessageKind::AppendRequest, 1);
    first.entries = {command(1, 1), command(2, 1)};
    core.step(first, at(1));
    const auto one = core.take_ready();
    Message second = from_peer(MessageKind::AppendRequest, 2);
    second.index = Index(1);
    second.log_term = Term(1);
    second.entries = {command(2, 2)};
    core.step(second, at(2));
    const auto two = core.take_ready();
    core.persisted(*one->persist, at(3));
    EXPECT_EQ(core.status().stable, Index(1));
    core.persisted(*two->persist, at(4));
    EXPECT_EQ(core.status().stable, Index(2));
}

TEST(Core, AnAcknowledgementOfADoubledAppendWaitsForTheWriteBeforeIt) {
    Core core = core_of({.term = Term(1)}, log_of({}, 0));
    Message m = from_peer(MessageKind::AppendRequest, 1);
    m.entries = {command(1, 1)};
    core.step(m, at(1));
    const auto first = core.take_ready();
    ASSERT_TRUE(first->persist.has_value());
    core.step(m, at(2));
    const auto again = core.take_ready();
    // Nothing new to write, but what it says rests on a write under way: it is not in send_now.
    EXPECT_FALSE(again->persist.has_value());
    EXPECT_TRUE(again->send_now.empty());
    EXPECT_EQ(again->send_durable.size(), 1u);
}

TEST(Core, AServerBeingRepairedNeitherVotesNorStandsEvenAfterARestart) {
    LogStart start = log_of({{Index(1), Term(2)}}, 3);
    start.repair_through = Index(8);
    Core core = core_of({.term = Term(2)}, start);
    EXPECT_TRUE(core.status().repairing);
    core.tick(at(2000));
    EXPECT_EQ(core.status().role, Role::Follower);
    Message m = from_peer(MessageKind::AppendRequest, 2);
    m.index = Index(3);
    m.log_term = Term(2);
    m.entries = {command(4, 2), command(5, 2)};
    m.commit = Index(5);
    core.step(m, at(2001));
    const auto ready = core.take_ready();
    ASSERT_TRUE(ready->hard_state.has_value());
    // Restarted with a log that is whole as far as it goes.
    Core later = core_of(*ready->hard_state, log_of({{Index(1), Term(2)}}, 5));
    EXPECT_TRUE(later.status().repairing);
    Message vote = from_peer(MessageKind::VoteRequest, 7);
    vote.index = Index(5);
    vote.log_term = Term(2);
    later.step(vote, at(500));
    EXPECT_TRUE(later.take_ready()->send_durable[0].message.reject);
    // An entry of a later term comes from a leader that had everything.
    Message rest = from_peer(MessageKind::AppendRequest, 7);
    rest.index = Index(5);
    rest.log_term = Term(2);
    rest.entries = {command(6, 7)};
    rest.commit = Index(6);
    later.step(rest, at(501));
    static_cast<void>(later.take_ready());
    EXPECT_FALSE(later.status().repairing);
}

// Two damaged servers of three must not stop the third, whose log is whole.
TEST(Core, ADamagedServerVotesForALogThatHasAllItMayHaveAcknowledged) {
    for (const auto& [term, index, granted] :
         {std::tuple(2, 7, false), std::tuple(2, 8, true), std::tuple(3, 5, true),
          std::tuple(1, 9, false)}) {
        LogStart start = log_of({{Index(1), Term(2)}}, 3);
        start.repair_through = Index(8);
        Core core = core_of({.term = Term(2)}, start);
        Message vote = from_peer(MessageKind::VoteRequest, 7);
        vote.index = Index(static_cast<std::uint64_t>(index));
        vote.log_term = Term(static_cast<std::uint64_t>(term));
        core.step(vote, at(500));
        const auto ready = core.take_ready();
        ASSERT_TRUE(ready && !ready->send_durable.empty());
        EXPECT_EQ(ready->send_durable[0].message.reject, !granted) << term << " " << index;
    }
}

TEST(Core, AFullDiskTakesNothingNewAndStandsForNothing) {
    Core core = core_of({.term = Term(2)}, log_of({{Index(1), Term(2)}}, 2));
    core.set_disk_full(true, at(1));
    core.tick(at(3000));
    EXPECT_EQ(core.status().role, Role::Follower);
    Message m = from_peer(MessageKind::AppendRequest, 2);
    m.index = Index(2);
    m.log_term = Term(2);
    m.entries = {command(3, 2)};
    core.step(m, at(3001));
    EXPECT_EQ(core.last(), Index(2));
    // What it holds already it still acknowledges, and commits.
    m.entries.clear();
    m.commit = Index(2);
    core.step(m, at(3002));
    EXPECT_EQ(core.commit(), Index(2));
    core.set_disk_full(false, at(3003));
    m.entries = {command(3, 2)};
    core.step(m, at(3004));
    EXPECT_EQ(core.last(), Index(3));
}

TEST(Core, ALeaderCommitsNoEntryOfAnEarlierTermByCounting) {
    Core core = core_of({.term = Term(2)}, log_of({{Index(1), Term(2)}}, 2));
    core.tick(at(1000));
    static_cast<void>(core.take_ready());
    core.step(from_peer(MessageKind::PreVoteResponse, 3), at(1001));
    const auto campaign = core.take_ready();
    core.persisted(*campaign->persist, at(1002));
    core.step(from_peer(MessageKind::VoteResponse, 3), at(1003));
    const auto lead = core.take_ready();
    ASSERT_EQ(core.status().role, Role::Leader);
    Message m = from_peer(MessageKind::AppendResponse, 3);
    m.index = Index(2);
    core.step(m, at(1004));
    EXPECT_EQ(core.commit(), Index(0));
    core.persisted(*lead->persist, at(1005));
    m.index = Index(3);
    core.step(m, at(1006));
    EXPECT_EQ(core.commit(), Index(3));
}

TEST(Core, AVoteInATermThatWasKnownBeforeIsWrittenToo) {
    Core core = core_of({}, log_of({}, 0));
    Message news = from_peer(MessageKind::AppendResponse, 3);
    core.step(news, at(1));
    const auto term = core.take_ready();
    ASSERT_TRUE(term && term->hard_state);
    EXPECT_EQ(term->hard_state->vote, kNobody);
    core.step(from_peer(MessageKind::VoteRequest, 3), at(2));
    const auto vote = core.take_ready();
    ASSERT_TRUE(vote && vote->hard_state);
    EXPECT_EQ(vote->hard_state->vote, kPeer);
    EXPECT_EQ(vote->send_durable.size(), 1u);
}

/// A leader of term 1 among three, its opening entry written here and sent.
Core leader_of(bool lease) {
    Core core({.self = kSelf, .lease_reads = lease}, Rng(1), {}, log_of({}, 0), Instant{});
    core.tick(at(1000));
    static_cast<void>(core.take_ready());
    core.step(from_peer(MessageKind::PreVoteResponse, 1), at(1001));
    core.persisted(*core.take_ready()->persist, at(1002));
    core.step(from_peer(MessageKind::VoteResponse, 1), at(1003));
    core.persisted(*core.take_ready()->persist, at(1004));
    EXPECT_EQ(core.status().role, Role::Leader);
    return core;
}

void acknowledge(Core& core, std::uint64_t index, Instant now) {
    Message m = from_peer(MessageKind::AppendResponse, 1);
    m.index = Index(index);
    core.step(m, now);
    static_cast<void>(core.take_ready());
}

TEST(Core, AMembershipChangeWaitsForTheTermsFirstEntryAndForTheChangeBefore) {
    Core core = leader_of(false);
    const auto early = core.change_membership(Remove{kThird}, at(1005));
    ASSERT_FALSE(early.has_value());
    EXPECT_EQ(early.error().code, ErrorCode::Conflict);
    acknowledge(core, 1, at(1006));
    ASSERT_TRUE(core.change_membership(Remove{kThird}, at(1007)).has_value());
    const auto second = core.change_membership(Demote{kPeer}, at(1008));
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::Conflict);
    EXPECT_EQ(core.membership().voters(), 2u);
}

TEST(Core, ALeaseEndsInTimeAndWithTheFirstStepOfATransfer) {
    Core core = leader_of(true);
    acknowledge(core, 1, at(1006));
    Message beat = from_peer(MessageKind::HeartbeatResponse, 1);
    beat.round = 1;
    beat.index = Index(1);
    core.step(beat, at(1007));
    static_cast<void>(core.take_ready());
    ASSERT_TRUE(core.read(at(1010)).has_value());
    const auto answered = core.take_ready();
    ASSERT_TRUE(answered && answered->reads.size() == 1);
    // The round left at 1003; a lease is nine tenths of the shortest election timeout.
    EXPECT_EQ(answered->reads[0].valid_until, at(1003) + milliseconds(135));
    ASSERT_TRUE(core.transfer_leadership(kPeer, at(1011)).has_value());
    ASSERT_TRUE(core.read(at(1012)).has_value());
    const auto waiting = core.take_ready();
    ASSERT_TRUE(waiting.has_value());
    EXPECT_TRUE(waiting->reads.empty());
    const bool asks =
        std::any_of(waiting->send_now.begin(), waiting->send_now.end(), [](const Outbound& o) {
            return o.message.kind == MessageKind::HeartbeatRequest;
        });
    EXPECT_TRUE(asks);
    // Nor does it come back when the transfer was in vain: the heir may still stand at any time.
    core.step(beat, at(1013));
    core.tick(at(2100));
    EXPECT_LE(core.status().lease_until, at(2100));
}

TEST(Core, NonsenseFromOutsideChangesNothing) {
    Core core = core_of({.term = Term(1)}, log_of({}, 0));
    Message gap = from_peer(MessageKind::AppendRequest, 1);
    gap.entries = {command(3, 1)};
    core.step(gap, at(1));
    Message unknown = from_peer(static_cast<MessageKind>(200), 9);
    core.step(unknown, at(2));
    Message membership = from_peer(MessageKind::AppendRequest, 1);
    membership.entries = {command(1, 1)};
    membership.entries[0].kind = EntryKind::Membership;
    membership.entries[0].data = "\xff\xff\xff";
    core.step(membership, at(3));
    Message elsewhere = from_peer(MessageKind::AppendRequest, 5);
    elsewhere.to = kThird;
    core.step(elsewhere, at(4));
    EXPECT_EQ(core.term(), Term(1));
    EXPECT_EQ(core.last(), Index(0));
}

TEST(Core, ARandomMessageSurvivesEncoding) {
    Rng rng(4);
    for (int i = 0; i < 200; ++i) {
        Message m = from_peer(static_cast<MessageKind>(1 + rng.below(12)), rng.below(1000));
        m.index = Index(rng.next() >> rng.below(64));
        m.reject = rng.chance(1, 2);
        m.round = rng.next();
        for (std::uint64_t n = rng.below(4); n > 0; --n) {
            m.entries.push_back(command(rng.below(100), rng.below(100)));
        }
        if (rng.chance(1, 3)) {
            m.membership = three();
        }
        const auto back = decode<Message>(encode(m));
        ASSERT_TRUE(back.has_value());
        EXPECT_EQ(*back, m);
    }
}

}  // namespace
}  // namespace nl::raft
