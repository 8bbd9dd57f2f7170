#include "jobspec/canonicalize.h"

#include <gtest/gtest.h>

namespace nl::jobspec {
namespace {

model::JobSpec job_of(const char* type) {
    model::JobSpec job;
    job.id = "j";
    job.type = type;
    auto& group = job.task_groups.emplace_back();
    group.name = "g";
    group.tasks.emplace_back().name = "t";
    return job;
}

TEST(Canonicalize, DefaultsDependOnTheType) {
    auto service = job_of("service");
    canonicalize(service);
    EXPECT_EQ(service.task_groups[0].restart_policy->attempts, 2);
    EXPECT_EQ(service.task_groups[0].reschedule_policy->unlimited, true);
    EXPECT_TRUE(service.task_groups[0].update.has_value());
    EXPECT_TRUE(service.task_groups[0].migrate.has_value());
    auto batch = job_of("batch");
    canonicalize(batch);
    EXPECT_EQ(batch.task_groups[0].restart_policy->attempts, 3);
    EXPECT_EQ(batch.task_groups[0].restart_policy->interval, hours(24));
    EXPECT_EQ(batch.task_groups[0].reschedule_policy->attempts, 1);
    EXPECT_FALSE(batch.task_groups[0].update.has_value());
    EXPECT_FALSE(to_job(job_of("system")).task_groups[0].reschedule_policy.has_value());
}

TEST(Canonicalize, InnerBlocksMergeOverOuterOnes) {
    auto job = job_of("service");
    job.update.ensure().max_parallel = 4;
    job.task_groups[0].update.ensure().canary = 1;
    job.task_groups[0].restart_policy.ensure().attempts = 9;
    job.task_groups[0].tasks[0].restart_policy.ensure().delay = seconds(1);
    canonicalize(job);
    EXPECT_EQ(job.task_groups[0].update->max_parallel, 4);
    EXPECT_EQ(job.task_groups[0].update->canary, 1);
    EXPECT_EQ(job.task_groups[0].tasks[0].restart_policy->attempts, 9);
    EXPECT_EQ(job.task_groups[0].tasks[0].restart_policy->delay, seconds(1));
    EXPECT_EQ(job.task_groups[0].tasks[0].restart_policy->mode, "fail");
}

TEST(Canonicalize, AWrittenZeroIsKept) {
    auto job = job_of("batch");
    job.task_groups[0].restart_policy.ensure().attempts = 0;
    job.task_groups[0].reschedule_policy.ensure().attempts = 0;
    job.task_groups[0].count = 0;
    canonicalize(job);
    EXPECT_EQ(job.task_groups[0].restart_policy->attempts, 0);
    EXPECT_EQ(job.task_groups[0].reschedule_policy->attempts, 0);
    EXPECT_EQ(job.task_groups[0].count, 0);
}

TEST(Canonicalize, IsIdempotentAndTheFormsRoundTrip) {
    for (const char* type : {"service", "batch", "system", "sysbatch"}) {
        auto once = job_of(type);
        canonicalize(once);
        auto twice = once;
        canonicalize(twice);
        EXPECT_TRUE(once == twice) << type;
        const model::Job job = to_job(once);
        EXPECT_TRUE(to_job(to_spec(job)) == job) << type;
        EXPECT_EQ(job.datacenters, std::vector<std::string>{"*"});
        EXPECT_EQ(job.task_groups[0].tasks[0].resources->cpu, 100);
    }
}

}  // namespace
}  // namespace nl::jobspec
