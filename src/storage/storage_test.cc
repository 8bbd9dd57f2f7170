// The log's bytes and its checks, and the stores in memory.
#include "fakes/log_store.h"
#include "storage/log.h"
#include "storage/memory_log_store.h"
#include "storage/memory_snapshot_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::storage {
namespace {

raft::Entry entry(std::uint64_t index, std::uint64_t term, std::string data) {
    return {
        .index = Index(index),
        .term = Term(term),
        .kind = raft::EntryKind::Command,
        .request = {},
        .data = std::move(data)
    };
}

raft::Membership members(std::uint64_t count) {
    raft::Membership out;
    for (std::uint64_t i = 1; i <= count; ++i) {
        out.put(
            {.id = ServerId(i),
             .voter = true,
             .name = fmt::format("s{}", i),
             .address = "127.0.0.1:4647",
             .info = {}}
        );
    }
    return out;
}

raft::Entry membership_entry(std::uint64_t index, std::uint64_t term, std::uint64_t count) {
    return {
        .index = Index(index),
        .term = Term(term),
        .kind = raft::EntryKind::Membership,
        .request = {},
        .data = encode(members(count))
    };
}

env::SnapshotMeta snapshot_at(std::uint64_t index, std::uint64_t term) {
    return {
        .index = Index(index), .term = Term(term), .membership = encode(members(3)), .size = 10
    };
}

TEST(LogFormat, GoldenBytes) {
    // These bytes are in users' directories: a change here needs a new version and a reader for the
    // old one.
    EXPECT_EQ(
        hex_encode(encode_record(entry(7, 3, "hello"))),
        "01"
        "a3e6ec19"
        "04010e0568656c6c6f"
    );
    const StoredHardState hard{
        .hard = {.term = Term(5), .vote = ServerId(2), .commit = Index(9)}, .sequence = 4
    };
    EXPECT_EQ(
        hex_encode(encode_hard_state(hard)),
        "01"
        "edd80890"
        "040508020c091004"
    );
}

TEST(LogFormat, WhatWasWrittenIsReadBack) {
    raft::Entry e = entry(7, 3, std::string(10'000, 'x'));
    e.request = Uuid::parse("01234567-89ab-cdef-0123-456789abcdef").value();
    const auto back = decode_record({.index = e.index, .term = e.term, .data = encode_record(e)});
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, e);
    const StoredHardState hard{
        .hard = {.term = Term(5), .vote = ServerId(2), .commit = Index(9)}, .sequence = 4
    };
    const auto again = decode_hard_state(encode_hard_state(hard));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->hard, hard.hard);
    EXPECT_EQ(again->sequence, 4u);
}

TEST(LogFormat, EveryFlippedBitAndEveryMisplacedRecordIsNoticed) {
    const raft::Entry e = entry(7, 3, "hello");
    const Bytes good = encode_record(e);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        const auto back = decode_record({.index = e.index, .term = e.term, .data = bad});
        ASSERT_FALSE(back.has_value()) << bit;
        EXPECT_EQ(back.error().code, ErrorCode::Corruption);
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(decode_record({.index = e.index, .term = e.term, .data = good.substr(0, size)})
                         .has_value());
    }
    EXPECT_FALSE(decode_record({.index = Index(8), .term = e.term, .data = good}).has_value());
    EXPECT_FALSE(decode_record({.index = e.index, .term = Term(4), .data = good}).has_value());
    Bytes newer = good;
    newer[0] = 2;
    EXPECT_THAT(
        decode_record({.index = e.index, .term = e.term, .data = newer}).error().message,
        ::testing::HasSubstr("format 2")
    );
}

class StoredLog : public ::testing::Test {
protected:
    void write(
        const std::vector<raft::Entry>& entries,
        raft::HardState hard = {.term = Term(9), .vote = {}, .commit = {}}
    ) {
        log.append(hard, entries, ticket);
        ++ticket;
        store.complete(10);
    }
    Result<Opened> reopen(const std::optional<env::SnapshotMeta>& snapshot = {}) {
        return Log(store).open(snapshot);
    }

    fakes::LogStore store;
    Log log{store};
    Ticket ticket{1};
};

TEST_F(StoredLog, AFreshOneIsEmpty) {
    const auto opened = reopen();
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->start.last, Index(0));
    EXPECT_EQ(opened->hard, raft::HardState{});
    EXPECT_TRUE(opened->damaged.empty());
}

TEST_F(StoredLog, TermsAndMembershipsAreFoundAgain) {
    write(
        {membership_entry(1, 1, 3),
         entry(2, 1, "a"),
         entry(3, 4, "b"),
         entry(4, 4, "c"),
         membership_entry(5, 6, 2)}
    );
    const auto opened = reopen();
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->start.last, Index(5));
    EXPECT_THAT(
        opened->start.runs,
        ::testing::ElementsAre(
            raft::TermRun{Index(1), Term(1)},
            raft::TermRun{Index(3), Term(4)},
            raft::TermRun{Index(5), Term(6)}
        )
    );
    ASSERT_EQ(opened->start.memberships.size(), 2u);
    EXPECT_EQ(opened->start.memberships[1].membership, members(2));
    EXPECT_EQ(opened->hard.term, Term(9));
}

TEST_F(StoredLog, DamageInTheMiddleEndsTheLogBeforeItAndAsksForRepair) {
    write({entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 2, "c"), entry(4, 2, "d")});
    ASSERT_TRUE(store.rot(Index(3)));
    const auto opened = reopen();
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->start.last, Index(2));
    EXPECT_EQ(opened->start.repair_through, Index(4));
    ASSERT_EQ(opened->damaged.size(), 1u);
    EXPECT_EQ(opened->damaged[0].first, Index(3));
    EXPECT_THAT(opened->damaged[0].reason, ::testing::HasSubstr("checksum"));
}

TEST_F(StoredLog, ASnapshotInsideTheLogKeepsWhatFollows) {
    write({entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 2, "c"), entry(4, 2, "d")});
    const auto opened = reopen(snapshot_at(3, 2));
    ASSERT_TRUE(opened.has_value());
    EXPECT_FALSE(opened->needs_reset);
    EXPECT_EQ(opened->start.applied, Index(3));
    EXPECT_EQ(opened->start.base, Index(0));
    EXPECT_EQ(opened->start.last, Index(4));
    EXPECT_EQ(opened->start.base_membership, members(3));
}

TEST_F(StoredLog, ACompactedLogBeginsAtItsFirstEntry) {
    write({entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 2, "c"), entry(4, 2, "d"), entry(5, 3, "e")}
    );
    store.compact(Index(2), Ticket(77));
    store.complete(1);
    const auto opened = reopen(snapshot_at(4, 2));
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->start.base, Index(3));
    EXPECT_EQ(opened->start.base_term, Term(2));
    EXPECT_THAT(
        opened->start.runs,
        ::testing::ElementsAre(raft::TermRun{Index(4), Term(2)}, raft::TermRun{Index(5), Term(3)})
    );
    EXPECT_EQ(opened->start.applied, Index(4));
}

TEST_F(StoredLog, ASnapshotBeyondTheLogReplacesIt) {
    write({entry(1, 1, "a"), entry(2, 1, "b")});
    const auto opened = reopen(snapshot_at(7, 5));
    ASSERT_TRUE(opened.has_value());
    EXPECT_TRUE(opened->needs_reset);
    EXPECT_EQ(opened->start.base, Index(7));
    EXPECT_EQ(opened->start.base_term, Term(5));
    EXPECT_EQ(opened->start.last, Index(7));
    EXPECT_EQ(opened->start.repair_through, Index(0));
}

TEST_F(StoredLog, ALogOfAnotherHistoryThanTheSnapshotIsDropped) {
    write({entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")});
    const auto opened = reopen(snapshot_at(2, 4));
    ASSERT_TRUE(opened.has_value());
    EXPECT_TRUE(opened->needs_reset);
    EXPECT_EQ(opened->start.last, Index(2));
}

TEST_F(StoredLog, AVoteInALaterTermThanTheSnapshotsIsForgottenWithItsTerm) {
    write({}, {.term = Term(3), .vote = ServerId(2), .commit = {}});
    const auto opened = reopen(snapshot_at(2, 4));
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->hard.term, Term(4));
    EXPECT_EQ(opened->hard.vote, raft::kNobody);
}

TEST_F(StoredLog, AGapBetweenSnapshotAndLogIsRepairedByPeers) {
    write({entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c"), entry(4, 1, "d"), entry(5, 1, "e")}
    );
    store.compact(Index(4), Ticket(77));
    store.complete(1);
    const auto opened = reopen(snapshot_at(2, 1));
    ASSERT_TRUE(opened.has_value());
    EXPECT_TRUE(opened->needs_reset);
    EXPECT_EQ(opened->start.repair_through, Index(5));
    EXPECT_FALSE(reopen().has_value());
}

TEST_F(StoredLog, ASnapshotWithoutAnyLogIsRefused) {
    const auto opened = reopen(snapshot_at(7, 5));
    ASSERT_FALSE(opened.has_value());
    EXPECT_THAT(opened.error().message, ::testing::HasSubstr("this server's vote"));
}

TEST(MemoryLogStore, BehavesLikeTheOneOnDisk) {
    std::vector<env::Completion> done;
    MemoryLogStore memory([&](env::Completion c) { done.push_back(std::move(c)); });
    fakes::LogStore disk;
    Rng rng(11);
    Index last{0};
    Index base{0};
    for (std::uint64_t step = 1; step <= 2000; ++step) {
        const Ticket ticket(step);
        switch (rng.below(10)) {
            case 0:
                base = base + rng.below(last - base + 1);
                memory.compact(base, ticket);
                disk.compact(base, ticket);
                break;
            case 1:
                if (rng.chance(1, 10)) {
                    base = last = last + rng.below(5);
                    memory.reset(base, Term(step), ticket);
                    disk.reset(base, Term(step), ticket);
                    break;
                }
                [[fallthrough]];
            default: {
                env::LogBatch batch;
                if (rng.chance(1, 3)) {
                    batch.hard_state = fmt::format("hard {}", step);
                }
                Index at = base.next() + rng.below(last - base + 1);
                for (std::uint64_t n = rng.below(4); n > 0; --n, ++at) {
                    batch.records.push_back(
                        {.index = at, .term = Term(step), .data = fmt::format("{}-{}", step, at)}
                    );
                    last = at;
                }
                memory.append(batch, ticket);
                disk.append(batch, ticket);
            }
        }
        ASSERT_EQ(done.size(), step);
        ASSERT_EQ(disk.complete(10).size(), 1u);
        const auto a = memory.recover();
        const auto b = disk.recover();
        ASSERT_EQ(a->first, b->first);
        ASSERT_EQ(a->last, b->last);
        ASSERT_EQ(a->last_term, b->last_term);
        ASSERT_EQ(a->hard_state, b->hard_state);
        if (base < last) {
            const auto x = memory.read(base.next(), last, 40);
            const auto y = disk.read(base.next(), last, 40);
            ASSERT_EQ(x->size(), y->size());
            for (std::size_t i = 0; i < x->size(); ++i) {
                ASSERT_EQ((*x)[i].data, (*y)[i].data);
            }
        }
        ASSERT_FALSE(memory.read(last.next(), last.next(), 1).has_value());
    }
}

TEST(MemorySnapshotStore, IsThereOnlyWhenCommitted) {
    MemorySnapshotStore store;
    auto writer = store.create(snapshot_at(5, 1)).value();
    ASSERT_TRUE(writer->write("abc").has_value());
    EXPECT_FALSE(store.latest().value().has_value());
    ASSERT_TRUE(writer->write("def").has_value());
    ASSERT_TRUE(writer->commit().has_value());
    EXPECT_EQ(store.latest().value()->size, 6u);
    const auto reader = store.open(Index(5)).value();
    EXPECT_EQ(reader->read(4).value(), "abcd");
    ASSERT_TRUE(store.prune(0).has_value());
    EXPECT_EQ(reader->read(4).value(), "ef");
    EXPECT_EQ(reader->read(4).value(), "");
    EXPECT_FALSE(store.open(Index(5)).has_value());
}

}  // namespace
}  // namespace nl::storage
