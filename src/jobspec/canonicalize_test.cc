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

TEST(Canonicalize, ASidecarGetsItsTaskAndItsPort) {
    auto job = job_of("service");
    auto& group = job.task_groups[0];
    group.networks.emplace_back().mode = "bridge";
    auto& service = group.services.emplace_back();
    service.name = "${JOB}-api";
    service.port_label = "9001";
    service.connect.ensure().sidecar_service.ensure();
    auto& own = service.connect->sidecar_task.ensure();
    own.resources.ensure().memory_mb = 64;
    own.env = {{"A", "1"}};
    const model::Job once = to_job(job);
    const auto& made = once.task_groups[0];
    ASSERT_EQ(made.tasks.size(), 2U);
    const model::Task& task = made.tasks[1];
    EXPECT_EQ(task.name, "connect-proxy-j-api");
    EXPECT_EQ(task.kind, "connect-proxy:j-api");
    EXPECT_EQ(task.driver, "docker");
    EXPECT_EQ(*task.config.at("image").as_string(), "${meta.connect.sidecar_image}");
    EXPECT_EQ(task.lifecycle->hook, "prestart");
    EXPECT_TRUE(task.lifecycle->sidecar);
    EXPECT_EQ(task.resources->cpu, 100);
    EXPECT_EQ(task.resources->memory_mb, 64);
    EXPECT_EQ(task.env.at("A"), "1");
    ASSERT_EQ(task.constraints.size(), 2U);
    EXPECT_EQ(task.constraints[1].l_target, "${attr.consul.grpc}");
    ASSERT_EQ(made.networks[0].dynamic_ports.size(), 1U);
    EXPECT_EQ(made.networks[0].dynamic_ports[0].label, "connect-proxy-j-api");
    EXPECT_EQ(made.networks[0].dynamic_ports[0].to, -1);
    // Taken in again, as an operator does who edits what is stored, it is the same.
    EXPECT_TRUE(to_job(to_spec(once)) == once);
}

TEST(Canonicalize, ASidecarWithItsOwnPortAndANativeServiceAddNone) {
    auto job = job_of("service");
    auto& group = job.task_groups[0];
    group.networks.emplace_back().mode = "bridge";
    auto& sidecar = group.services.emplace_back();
    sidecar.name = "web";
    sidecar.port_label = "80";
    sidecar.connect.ensure().sidecar_service.ensure().port = "proxy";
    auto& native = group.services.emplace_back();
    native.name = "api";
    native.port_label = "81";
    native.task_name = "t";
    native.connect.ensure().native = true;
    const model::Job made = to_job(job);
    ASSERT_EQ(made.task_groups[0].tasks.size(), 2U);
    EXPECT_EQ(made.task_groups[0].tasks[0].kind, "connect-native:api");
    EXPECT_EQ(made.task_groups[0].tasks[1].resources->cpu, 250);
    EXPECT_TRUE(made.task_groups[0].networks[0].dynamic_ports.empty());
}

}  // namespace
}  // namespace nl::jobspec
