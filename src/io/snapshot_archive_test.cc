#include "io/snapshot_archive.h"

#include "io/files.h"
#include "io/testing/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace nl::io {
namespace {

TEST(SnapshotArchive, WhatIsPackedIsUnpacked) {
    for (const std::size_t size : {0UL, 1UL, 512UL, 1'000'000UL}) {
        SnapshotArchive archive{.meta = "{\"Index\":7}", .state = Bytes(size, 's')};
        const Bytes packed = pack_snapshot(archive);
        const auto back = unpack_snapshot(packed);
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(back->meta, archive.meta);
        EXPECT_EQ(back->state, archive.state);
        EXPECT_TRUE(snapshot_digest(packed).starts_with("sha-256="));
    }
}

TEST(SnapshotArchive, DamageIsFoundWhereverItIs) {
    Bytes state;
    for (int i = 0; i < 5'000; ++i) {
        state += fmt::format("{} ", i * 7919);
    }
    const Bytes packed = pack_snapshot({.meta = "{}", .state = state});
    for (std::size_t at = 12; at < packed.size(); at += packed.size() / 40) {
        Bytes bad = packed;
        bad[at] = static_cast<char>(bad[at] ^ 0x04);
        EXPECT_FALSE(unpack_snapshot(bad)) << at;
    }
    EXPECT_FALSE(unpack_snapshot(BytesView(packed).substr(0, packed.size() / 2)));
    EXPECT_FALSE(unpack_snapshot("not an archive"));
    EXPECT_FALSE(unpack_snapshot(""));
}

// Other people's tools read it too.
TEST(SnapshotArchive, TarAndSha256sumReadIt) {
    const TempDir dir;
    const std::string file = dir.path() + "/a.snap";
    ASSERT_TRUE(write_file_atomic(file, pack_snapshot({.meta = "{\"Index\":7}\n", .state = "abc"})));
    const std::string command = fmt::format(
        "cd {} && tar xzf a.snap && sha256sum -c --quiet SHA256SUMS && test \"$(cat state.bin)\" = abc",
        dir.path()
    );
    EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace nl::io
