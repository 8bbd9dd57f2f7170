#include "io/grpc/seed_wire.h"

#include "io/grpc/seed_types.h"
#include "scheduler.grpc.pb.h"

#include <gtest/gtest.h>

namespace nl::io::seed {
namespace {

namespace pb = ::scheduler;

TEST(SeedWire, IsWhatProtobufItselfWrites) {
    pb::GetJobStatusResponse theirs;
    theirs.set_job_id("id");
    theirs.set_status(pb::JOB_STATUS_CANCELLED);
    theirs.set_output(std::string(300, 'o'));
    theirs.set_assigned_worker(UINT64_MAX);
    theirs.set_exit_code(-1);
    theirs.set_created_at_ms(INT64_MIN);
    theirs.set_completed_at_ms(0);
    const GetJobStatusResponse ours{
        .job_id = "id",
        .status = JobStatus::Cancelled,
        .output = std::string(300, 'o'),
        .error = "",
        .assigned_worker = UINT64_MAX,
        .executed_by = 0,
        .exit_code = -1,
        .created_at_ms = INT64_MIN,
        .completed_at_ms = 0
    };
    EXPECT_EQ(to_protobuf(ours), theirs.SerializeAsString());
    EXPECT_EQ(*from_protobuf<GetJobStatusResponse>(theirs.SerializeAsString()), ours);
}

TEST(SeedWire, NestedMessagesListsAndOneofAgree) {
    pb::GetRaftLogEntriesResponse theirs;
    auto* entry = theirs.add_entries();
    entry->set_index(5);
    entry->set_is_committed(true);
    auto* command = entry->mutable_command()->mutable_submit_job();
    command->set_job_id("j");
    command->set_image("");
    theirs.add_entries();
    theirs.set_commit_index(5);
    const auto ours = from_protobuf<GetRaftLogEntriesResponse>(theirs.SerializeAsString());
    ASSERT_TRUE(ours);
    ASSERT_EQ(ours->entries.size(), 2U);
    EXPECT_EQ(ours->entries[0].command->submit_job->image, "");
    EXPECT_FALSE(ours->entries[0].command->cancel_job.has_value());
    EXPECT_EQ(to_protobuf(*ours), theirs.SerializeAsString());
}

TEST(SeedWire, BrokenBytesAreRefusedAndUnknownFieldsSkipped) {
    const Bytes good = to_protobuf(SubmitJobRequest{.command = "echo", .image = "alpine"});
    for (std::size_t size = 1; size < good.size(); ++size) {
        const auto read = from_protobuf<SubmitJobRequest>(BytesView(good).substr(0, size));
        if (read) {
            // Only a cut between two fields can be read.
            EXPECT_EQ(size, 6U);
        }
    }
    // Field 1 as a number, and a group, which proto3 does not have.
    EXPECT_FALSE(from_protobuf<SubmitJobRequest>("\x08\x01"));
    EXPECT_FALSE(from_protobuf<SubmitJobRequest>("\x0b"));
    const Bytes unknown = Bytes("\x7d\x01\x02\x03\x04", 5) + Bytes("\xf2\x01\x01z", 4) + good;
    EXPECT_EQ(from_protobuf<SubmitJobRequest>(unknown)->image, "alpine");
}

TEST(SeedWire, TextThatIsNotUtf8IsRepaired) {
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(to_utf8("plain grüezi € 🙂"), "plain grüezi € 🙂");
    EXPECT_EQ(to_utf8("a\xff"), "a" + bad);
    // Overlong, a surrogate, cut off.
    EXPECT_EQ(to_utf8("\xc0\xaf"), bad + bad);
    EXPECT_EQ(to_utf8("\xed\xa0\x80"), bad + bad + bad);
    EXPECT_EQ(to_utf8("\xe2\x82"), bad + bad);
    GetRaftLogEntriesResponse response{.entries = {{.index = 1}}};
    response.entries[0].command.ensure().submit_job.ensure(
    ) = {.job_id = "j", .command = "\xfe", .image = "\xfe"};
    repair_text(response);
    EXPECT_EQ(response.entries[0].command->submit_job->command, bad);
    EXPECT_EQ(response.entries[0].command->submit_job->image, bad);
    pb::GetRaftLogEntriesResponse theirs;
    EXPECT_TRUE(theirs.ParseFromString(to_protobuf(response)));
}

}  // namespace
}  // namespace nl::io::seed
