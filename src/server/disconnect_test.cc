// A node that is cut off and comes back, or does not: every reconcile strategy, with and without
// replacement, against everything that can have happened on the node meanwhile, for several counts.
// The expectations are the table of docs/job-lives.md. Whatever happens, exactly `count`
// allocations live in the end, each name once, and nothing else runs on any node.

#include "server/testing/cluster.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace nl::server {
namespace {

using model::AllocClientStatus;
using model::AllocDesiredStatus;
using sched::testing::make_job;
using sched::testing::make_node;
using testing::Cluster;
using testing::FakeNode;

enum class Meanwhile {
    /// The node stays away until its allocations are given up, and comes back after that.
    StaysAway,
    /// It comes back and its tasks have run all the time.
    TasksRan,
    /// Its tasks were restarted while it was away.
    TasksRestarted,
    /// Its tasks have failed.
    TasksFailed,
};

struct Case {
    std::string strategy;
    bool replace;
    Meanwhile meanwhile;
    std::int64_t count;

    std::string name() const {
        constexpr const char* kNames[] = {"stays away", "ran", "restarted", "failed"};
        return fmt::format(
            "strategy \"{}\", replace {}, tasks {}, count {}",
            strategy,
            replace,
            kNames[static_cast<int>(meanwhile)],
            count
        );
    }
};

class Disconnect {
public:
    explicit Disconnect(const Case& c) : case_(c) {
        cluster.lead();
        for (std::uint64_t n = 1; n <= 4; ++n) {
            cluster.add_node(make_node(
                Uuid::derived(Uuid{}, n), fmt::format("n{}", n), 4000 + 1000 * static_cast<std::int64_t>(n), 8192
            ));
        }
        model::Job job = make_job("web", "service", c.count);
        job.task_groups[0].reschedule_policy = model::ReschedulePolicy{
            .delay = seconds(5), .delay_function = "constant", .unlimited = true
        };
        job.task_groups[0].disconnect = model::DisconnectStrategy{
            .lost_after = minutes(10), .replace = c.replace, .reconcile = c.strategy
        };
        cluster.run_job(std::move(job));
        cluster.advance(seconds(30));
        lost = &cluster.node_of(cluster.live("web").front());
        for (const Uuid& id : cluster.live("web")) {
            if (cluster.node_of(id).node.id == lost->node.id) {
                originals.insert(id);
            }
        }
    }

    void run() {
        SCOPED_TRACE(case_.name());
        cluster.silence(*lost);
        cluster.advance(minutes(3));
        check_cut_off();
        switch (case_.meanwhile) {
            case Meanwhile::StaysAway:
                cluster.advance(minutes(10));
                check_given_up();
                break;
            case Meanwhile::TasksRan:
                break;
            case Meanwhile::TasksRestarted:
                cluster.restart_tasks(*lost);
                break;
            case Meanwhile::TasksFailed:
                cluster.crash(*lost);
                break;
        }
        // A new leader knows what the former one knew.
        cluster.fail_over();
        cluster.wake(*lost);
        cluster.advance(minutes(2));
        check_settled();
    }

    Cluster cluster;
    FakeNode* lost{nullptr};
    std::set<Uuid> originals;

private:
    std::int64_t running() {
        const auto snapshot = cluster.snapshot();
        std::int64_t n = 0;
        for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
            n += alloc.desired_status() == AllocDesiredStatus::Run &&
                         alloc.client_status() == AllocClientStatus::Running
                     ? 1
                     : 0;
        }
        return n;
    }

    void check_cut_off() {
        const auto snapshot = cluster.snapshot();
        EXPECT_EQ(snapshot.node(lost->node.id)->status, model::NodeStatus::Disconnected);
        for (const Uuid& id : originals) {
            const auto alloc = *snapshot.alloc(id);
            EXPECT_EQ(alloc.client_status(), AllocClientStatus::Unknown);
            EXPECT_EQ(alloc.desired_status(), AllocDesiredStatus::Run);
            EXPECT_EQ(alloc.details().next_allocation.is_nil(), !case_.replace);
        }
        const auto away = static_cast<std::int64_t>(originals.size());
        EXPECT_EQ(running(), case_.replace ? case_.count : case_.count - away);
    }

    void check_given_up() {
        const auto snapshot = cluster.snapshot();
        for (const Uuid& id : originals) {
            const auto alloc = *snapshot.alloc(id);
            // Without replacement an allocation waits for its node for ever.
            EXPECT_EQ(
                alloc.client_status(),
                case_.replace ? AllocClientStatus::Lost : AllocClientStatus::Unknown
            );
        }
    }

    bool original_wins(const state::Snapshot& snapshot, const state::AllocView& original) const {
        switch (case_.meanwhile) {
            case Meanwhile::StaysAway:
                return !case_.replace;
            case Meanwhile::TasksFailed:
                return false;
            case Meanwhile::TasksRan:
            case Meanwhile::TasksRestarted:
                break;
        }
        if (!case_.replace || case_.strategy == "keep_original") {
            return true;
        }
        if (case_.strategy == "keep_replacement") {
            return false;
        }
        if (case_.strategy == "longest_running") {
            return case_.meanwhile == Meanwhile::TasksRan;
        }
        const auto other = *snapshot.alloc(original.details().next_allocation);
        return original.row().score >= other.row().score;
    }

    void check_settled() {
        const auto snapshot = cluster.snapshot();
        EXPECT_EQ(snapshot.node(lost->node.id)->status, model::NodeStatus::Ready);
        std::set<std::uint32_t> names;
        std::set<Uuid> live;
        for (const state::AllocView alloc : snapshot.allocs_of_job("default", "web")) {
            if (alloc.terminal()) {
                continue;
            }
            EXPECT_EQ(alloc.client_status(), AllocClientStatus::Running);
            EXPECT_TRUE(names.insert(alloc.name_index()).second) << "two of one name";
            live.insert(alloc.id());
        }
        EXPECT_EQ(live.size(), static_cast<std::size_t>(case_.count));
        std::set<Uuid> processes;
        for (const auto& [id, node] : cluster.nodes()) {
            processes.insert(node.running.begin(), node.running.end());
        }
        EXPECT_EQ(processes, live) << "what runs is what is wanted";
        for (const Uuid& id : originals) {
            const auto alloc = *snapshot.alloc(id);
            const bool wins = original_wins(snapshot, alloc);
            EXPECT_EQ(live.contains(id), wins);
            if (wins && case_.replace) {
                const auto other = *snapshot.alloc(alloc.details().next_allocation);
                EXPECT_EQ(other.desired_status(), AllocDesiredStatus::Stop);
                EXPECT_EQ(
                    other.desired_description(),
                    "alloc not needed due to disconnected client reconnect"
                );
            }
        }
    }

    Case case_;
};

TEST(DisconnectMatrix, ExactlyCountInTheEnd) {
    std::size_t cases = 0;
    for (const char* strategy :
         {"best_score", "longest_running", "keep_original", "keep_replacement"}) {
        for (const bool replace : {true, false}) {
            for (const Meanwhile meanwhile :
                 {Meanwhile::StaysAway,
                  Meanwhile::TasksRan,
                  Meanwhile::TasksRestarted,
                  Meanwhile::TasksFailed}) {
                for (const std::int64_t count : {1, 2, 3, 5, 8}) {
                    const Case c{strategy, replace, meanwhile, count};
                    Disconnect(c).run();
                    ++cases;
                    ASSERT_FALSE(HasFailure()) << c.name();
                }
            }
        }
    }
    EXPECT_EQ(cases, 4U * 2U * 4U * 5U);
}

model::Job stopping(Duration after) {
    model::Job job = make_job("db", "service", 1);
    job.task_groups[0].disconnect =
        model::DisconnectStrategy{.stop_on_client_after = after, .reconcile = "best_score"};
    return job;
}

TEST(Disconnect, NoOtherBeforeTheNodeHasStoppedItsOwn) {
    Cluster cluster;
    cluster.lead();
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 4000, 8192));
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 2), "n2", 4000, 8192));
    cluster.run_job(stopping(minutes(5)));
    const Uuid first = cluster.live("db").front();
    cluster.silence(cluster.node_of(first));
    cluster.advance(minutes(3));
    EXPECT_EQ(cluster.live("db"), std::vector<Uuid>{first}) << "it may run for five minutes";
    cluster.fail_over();
    cluster.advance(minutes(4));
    const auto live = cluster.live("db");
    ASSERT_EQ(live.size(), 1U);
    EXPECT_NE(live.front(), first);
    EXPECT_EQ(cluster.snapshot().alloc(first)->client_status(), AllocClientStatus::Lost);
}

TEST(Disconnect, AReplacementThatFoundNoRoomIsNotMissedWhenTheNodeIsBack) {
    Cluster cluster;
    cluster.lead();
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 1200, 8192));
    model::Job job = make_job("web", "service", 2);
    job.task_groups[0].disconnect = model::DisconnectStrategy{
        .lost_after = minutes(10), .replace = true, .reconcile = "best_score"
    };
    cluster.run_job(std::move(job));
    const auto before = cluster.live("web");
    ASSERT_EQ(before.size(), 2U);
    FakeNode& node = cluster.node_of(before.front());
    cluster.silence(node);
    cluster.advance(minutes(3));
    cluster.wake(node);
    cluster.advance(minutes(1));
    auto after = cluster.live("web");
    std::ranges::sort(after);
    auto sorted = before;
    std::ranges::sort(sorted);
    EXPECT_EQ(after, sorted);
    EXPECT_EQ(node.running.size(), 2U);
}

TEST(Disconnect, ANewVersionWinsOverAnOriginalOfTheOld) {
    Cluster cluster;
    cluster.lead();
    for (std::uint64_t n = 1; n <= 3; ++n) {
        cluster.add_node(make_node(Uuid::derived(Uuid{}, n), fmt::format("n{}", n), 4000, 8192));
    }
    model::Job job = make_job("web", "service", 3);
    job.task_groups[0].disconnect = model::DisconnectStrategy{
        .lost_after = minutes(10), .replace = true, .reconcile = "keep_original"
    };
    cluster.run_job(job);
    FakeNode& node = cluster.node_of(cluster.live("web").front());
    cluster.silence(node);
    cluster.advance(minutes(3));
    job.task_groups[0].tasks[0].env["VERSION"] = "2";
    cluster.run_job(job);
    cluster.advance(minutes(1));
    cluster.wake(node);
    cluster.advance(minutes(1));
    const auto snapshot = cluster.snapshot();
    const auto live = cluster.live("web");
    EXPECT_EQ(live.size(), 3U);
    for (const Uuid& id : live) {
        EXPECT_EQ(snapshot.alloc(id)->job().version, 1U);
    }
}

TEST(Disconnect, BatchWorkThatWasDoneElsewhereIsDone) {
    Cluster cluster;
    cluster.lead();
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 1), "n1", 4000, 8192));
    cluster.add_node(make_node(Uuid::derived(Uuid{}, 2), "n2", 4000, 8192));
    model::Job job = make_job("work", "batch", 1);
    job.task_groups[0].disconnect = model::DisconnectStrategy{
        .lost_after = minutes(10), .replace = true, .reconcile = "best_score"
    };
    cluster.run_job(std::move(job));
    const Uuid first = cluster.live("work").front();
    FakeNode& node = cluster.node_of(first);
    cluster.silence(node);
    cluster.advance(minutes(3));
    ASSERT_EQ(cluster.live("work").size(), 2U) << "the original is unknown, another runs";
    cluster.end_alloc(node, first, AllocClientStatus::Complete);
    cluster.wake(node);
    cluster.advance(minutes(1));
    EXPECT_TRUE(cluster.live("work").empty()) << "once is enough";
    // The evaluation that waited for the original to be given up comes and finds nothing to do.
    cluster.advance(minutes(10));
    EXPECT_EQ(cluster.snapshot().job("default", "work")->status, "dead");
}

}  // namespace
}  // namespace nl::server
