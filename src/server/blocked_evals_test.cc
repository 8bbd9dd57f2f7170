#include "server/blocked_evals.h"

#include <gtest/gtest.h>

namespace nl::server {
namespace {

BlockedEvals::EvalPtr blocked(std::uint64_t n, std::string trigger) {
    model::Evaluation eval;
    eval.id = Uuid::derived(Uuid{}, n);
    eval.namespace_ = "default";
    eval.job_id = "job" + std::to_string(n);
    eval.status = model::EvalStatus::Blocked;
    eval.triggered_by = std::move(trigger);
    eval.snapshot_index = Index{10};
    eval.create_index = Index{11};
    return std::make_shared<const model::Evaluation>(eval);
}

Instant at(Duration since) {
    return Instant{} + since;
}

TEST(BlockedEvals, WhatLostToOtherPlansIsTriedAgainWithoutAnyChange) {
    BlockedEvals evals;
    evals.block(blocked(1, "max-plan-attempts"), at(seconds(1)));
    evals.block(blocked(2, "queued-allocs"), at(seconds(1)));
    EXPECT_EQ(evals.next_deadline(), at(seconds(1) + kConflictRetryWait));
    evals.tick(at(kConflictRetryWait));
    EXPECT_TRUE(evals.take_ready().empty());
    evals.tick(at(seconds(1) + kConflictRetryWait));
    const auto ready = evals.take_ready();
    ASSERT_EQ(ready.size(), 1U);
    EXPECT_EQ(ready[0]->job_id, "job1");
    EXPECT_EQ(evals.size(), 1U) << "what waits for room goes on waiting";
    EXPECT_EQ(evals.next_deadline(), Instant::max());
}

TEST(BlockedEvals, WhatWasForgottenIsNotTriedAgain) {
    BlockedEvals evals;
    evals.block(blocked(1, "max-plan-attempts"), at(seconds(1)));
    evals.forget_job({"default", "job1"});
    evals.tick(at(seconds(60)));
    EXPECT_TRUE(evals.take_ready().empty());
}

TEST(BlockedEvals, ANodeOfAnyClassHelpsWhatLostToOtherPlans) {
    BlockedEvals evals;
    evals.block(blocked(1, "max-plan-attempts"), at(seconds(1)));
    evals.capacity_changed("class", Uuid::derived(Uuid{}, 7), Index{12});
    EXPECT_EQ(evals.take_ready().size(), 1U);
    evals.tick(at(seconds(60)));
    EXPECT_TRUE(evals.take_ready().empty());
}

}  // namespace
}  // namespace nl::server
