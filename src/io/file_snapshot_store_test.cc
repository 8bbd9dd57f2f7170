#include "io/file_snapshot_store.h"

#include "io/files.h"
#include "io/testing/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::io {
namespace {

using ::testing::SizeIs;

Bytes content(std::size_t size) {
    Bytes out;
    for (std::size_t i = 0; i < size; ++i) {
        out.push_back(static_cast<char>(i * 31 >> 3));
    }
    return out;
}

void take(env::SnapshotStore& store, std::uint64_t index, const Bytes& bytes) {
    auto writer =
        store.create({.index = Index(index), .term = Term(3), .membership = "a,b,c", .size = 0});
    ASSERT_TRUE(writer) << writer.error().message;
    // In pieces that do not fit the blocks.
    for (std::size_t at = 0; at < bytes.size(); at += 100'001) {
        ASSERT_TRUE((*writer)->write(BytesView(bytes).substr(at, 100'001)));
    }
    ASSERT_TRUE((*writer)->commit());
}

Result<Bytes> read_all(env::SnapshotStore& store, std::uint64_t index) {
    NL_TRY(const auto reader, store.open(Index(index)));
    Bytes out;
    for (;;) {
        NL_TRY(const auto bytes, reader->read(70'000));
        if (bytes.empty()) {
            return out;
        }
        out += bytes;
    }
}

TEST(FileSnapshotStore, ComesBackWhole) {
    const TempDir dir;
    const auto store = *FileSnapshotStore::open(dir.path() + "/snapshots");
    EXPECT_EQ(*store->latest(), std::nullopt);
    for (const std::size_t size :
         {std::size_t{0},
          std::size_t{1},
          FileSnapshotStore::kBlockBytes,
          3 * FileSnapshotStore::kBlockBytes + 17}) {
        take(*store, 100 + size, content(size));
        EXPECT_EQ(*read_all(*store, 100 + size), content(size));
        const auto latest = **store->latest();
        EXPECT_EQ(latest.index, Index(100 + size));
        EXPECT_EQ(latest.term, Term(3));
        EXPECT_EQ(latest.membership, "a,b,c");
        EXPECT_EQ(latest.size, size);
    }
    EXPECT_EQ(store->open(Index(7)).error().code, ErrorCode::NotFound);
}

TEST(FileSnapshotStore, WhatIsNotCommittedLeavesNothing) {
    const TempDir dir;
    {
        const auto store = *FileSnapshotStore::open(dir.path());
        auto writer = *store->create({.index = Index(5), .term = Term(1)});
        ASSERT_TRUE(writer->write("half"));
        EXPECT_EQ(*store->latest(), std::nullopt);
        EXPECT_THAT(*list_directory(dir.path()), SizeIs(1));
        writer.reset();
        EXPECT_THAT(*list_directory(dir.path()), SizeIs(0));
    }
    // A crash cannot clean up; the next start does.
    ASSERT_TRUE(write_file_atomic(dir.path() + "/00001.snapshot.partial", "x"));
    ASSERT_TRUE(FileSnapshotStore::open(dir.path()));
    EXPECT_THAT(*list_directory(dir.path()), SizeIs(0));
}

TEST(FileSnapshotStore, DamageAnywhereIsFoundAndTheOneBeforeTaken) {
    const TempDir dir;
    const auto store = *FileSnapshotStore::open(dir.path());
    take(*store, 10, content(1000));
    take(*store, 20, content(500'000));
    const auto names = list_directory(dir.path());
    const std::string path = dir.path() + "/" + names->back();
    const Bytes whole = *read_file(path);
    for (std::size_t at = 0; at < whole.size(); at += 4'999) {
        Bytes bad = whole;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        ASSERT_TRUE(write_file_atomic(path, bad));
        EXPECT_EQ((**store->latest()).index, Index(10)) << "byte " << at;
        const auto read = read_all(*store, 20);
        ASSERT_FALSE(read) << "byte " << at;
        EXPECT_EQ(read.error().code, ErrorCode::Corruption);
    }
    for (const std::size_t size : {std::size_t{3}, whole.size() / 2, whole.size() - 1}) {
        ASSERT_TRUE(write_file_atomic(path, BytesView(whole).substr(0, size)));
        EXPECT_EQ((**store->latest()).index, Index(10)) << "cut at " << size;
    }
    ASSERT_TRUE(write_file_atomic(path, whole));
    EXPECT_EQ((**store->latest()).index, Index(20));
}

TEST(FileSnapshotStore, PruneKeepsTheNewest) {
    const TempDir dir;
    const auto store = *FileSnapshotStore::open(dir.path());
    for (const std::uint64_t index : {9U, 100U, 20U, 3U}) {
        take(*store, index, "x");
    }
    ASSERT_TRUE(store->prune(2));
    const auto names = list_directory(dir.path());
    ASSERT_THAT(*names, SizeIs(2));
    EXPECT_TRUE(store->open(Index(100)));
    EXPECT_TRUE(store->open(Index(20)));
    EXPECT_FALSE(store->open(Index(9)));
}

}  // namespace
}  // namespace nl::io
