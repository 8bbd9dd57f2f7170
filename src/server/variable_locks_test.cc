#include "server/variable_locks.h"

#include "state/commands/settings.h"
#include "state/store.h"

#include <gtest/gtest.h>

namespace nl::server {
namespace {

namespace commands = state::commands;

struct Held {
    state::Store store;
    VariableLocks locks;
    Instant now{1'000'000'000};
    WallTime wall{1'700'000'000'000'000'000};

    Result<void> apply(const state::Command& command) {
        std::vector<state::Effects> batch;
        batch.push_back(store.apply(Index(store.index().value + 1), command));
        const Result<void> result = batch[0].result;
        locks.applied(batch, store.snapshot(), now);
        return result;
    }
    Result<void> acquire(const std::string& id) {
        commands::VariableApply command;
        command.op = commands::VariableOp::LockAcquire;
        command.variable.meta.namespace_ = "default";
        command.variable.meta.path = "a";
        command.variable.meta.lock = model::VariableLock{id, seconds(15), seconds(5)};
        return apply(state::make_command(command, wall));
    }
    bool locked() {
        const auto snapshot = store.snapshot();
        const auto* row = snapshot.variable("default", "a");
        return row != nullptr && row->meta.lock.has_value();
    }
    void pass(Duration time) {
        now = now + time;
        for (const auto& command : locks.tick(now, wall)) {
            static_cast<void>(apply(command));
        }
    }
};

TEST(VariableLocks, IsReleasedAfterItsTtlAndDelay) {
    Held h;
    h.locks.lead(h.store.snapshot(), h.now);
    ASSERT_TRUE(h.acquire("x").has_value());
    EXPECT_FALSE(h.acquire("y").has_value());
    EXPECT_EQ(h.locks.next_deadline(), h.now + seconds(15));
    h.pass(seconds(14));
    EXPECT_TRUE(h.locks.renew("default", "a", "x", h.now).has_value());
    EXPECT_FALSE(h.locks.renew("default", "a", "y", h.now).has_value());
    h.pass(seconds(14));
    EXPECT_TRUE(h.locked());
    h.pass(seconds(1));
    EXPECT_TRUE(h.locked()) << "the delay has just begun";
    EXPECT_FALSE(h.locks.renew("default", "a", "x", h.now).has_value());
    EXPECT_FALSE(h.acquire("y").has_value());
    h.pass(seconds(5));
    EXPECT_FALSE(h.locked());
    EXPECT_EQ(h.locks.held(), 0U);
    EXPECT_EQ(h.locks.next_deadline(), Instant::max());
    EXPECT_TRUE(h.acquire("y").has_value());
}

TEST(VariableLocks, ANewLeaderGivesTheWholeTtlAgain) {
    Held h;
    h.locks.lead(h.store.snapshot(), h.now);
    ASSERT_TRUE(h.acquire("x").has_value());
    h.pass(seconds(14));
    h.locks.retire();
    EXPECT_EQ(h.locks.next_deadline(), Instant::max());
    h.locks.lead(h.store.snapshot(), h.now);
    EXPECT_EQ(h.locks.next_deadline(), h.now + seconds(15));
    EXPECT_TRUE(h.locks.renew("default", "a", "x", h.now).has_value());
}

TEST(VariableLocks, AReleasedLockIsForgotten) {
    Held h;
    h.locks.lead(h.store.snapshot(), h.now);
    ASSERT_TRUE(h.acquire("x").has_value());
    commands::VariableApply release;
    release.op = commands::VariableOp::LockRelease;
    release.variable.meta.namespace_ = "default";
    release.variable.meta.path = "a";
    release.variable.meta.lock = model::VariableLock{"y", {}, {}};
    EXPECT_FALSE(h.apply(state::make_command(release, h.wall)).has_value());
    release.variable.meta.lock->id = "x";
    EXPECT_TRUE(h.apply(state::make_command(release, h.wall)).has_value());
    EXPECT_EQ(h.locks.held(), 0U);
}

}  // namespace
}  // namespace nl::server
