#include "sim/replica_world.h"

#include "server/testing/replica_group.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::sim {

namespace {

using server::testing::ReplicaGroup;

/// What may go wrong in this seed's world; each is on in some seeds only, so that they are also
/// tried apart.
struct Weather {
    bool crashes{false};
    bool partitions{false};
    bool pauses{false};
    bool disk_errors{false};
    bool rot{false};
    bool churn{false};
    bool transfers{false};
};

ReplicaGroup::Settings settings_for(std::uint64_t seed, Rng& rng, Weather& weather) {
    ReplicaGroup::Settings s;
    s.seed = seed;
    s.voters = rng.chance(1, 10) ? 1 + rng.below(2) : 3 + 2 * rng.below(2);
    weather.crashes = rng.chance(3, 4);
    weather.partitions = rng.chance(3, 4);
    weather.pauses = rng.chance(1, 2);
    weather.disk_errors = rng.chance(1, 4);
    weather.churn = rng.chance(1, 4);
    // With too few voters a damaged server rightly waits for ever, so the two are not mixed.
    weather.rot = !weather.churn && s.voters >= 3 && rng.chance(1, 3);
    weather.transfers = rng.chance(1, 2);
    s.spares = weather.churn ? 1 + rng.below(2) : 0;
    s.network.loss_percent = static_cast<int>(rng.below(4) == 0 ? rng.below(30) : rng.below(5));
    s.network.duplicate_percent = static_cast<int>(rng.below(15));
    s.network.delay_max = milliseconds(rng.between(1, 20));
    s.network.delay_rare = milliseconds(rng.between(1, 800));
    s.disk_max = milliseconds(rng.between(1, 30));
    s.drift_permille = static_cast<int>(rng.below(40));
    if (rng.chance(1, 2)) {
        // Hasty servers: many elections, and many leaders that do not last.
        s.options.raft.election_timeout_min = milliseconds(rng.between(25, 90));
        s.options.raft.election_timeout_max = s.options.raft.election_timeout_min * 2;
        s.options.raft.heartbeat_interval = s.options.raft.election_timeout_min / 3;
    }
    s.options.raft.lease_reads = rng.chance(1, 2);
    s.options.raft.inflight_messages_max = 1 + rng.below(16);
    s.options.raft.append_bytes_max = 100 + rng.below(5000);
    s.options.raft.cache_bytes_max = rng.chance(1, 2) ? 500 : 1 << 20;
    s.options.raft.apply_ahead_max = 1 + rng.below(50);
    s.options.snapshot_log_bytes_min = 500 + rng.below(20'000);
    s.options.trailing_entries = rng.below(20);
    s.options.stream.chunk_bytes = 20 + rng.below(500);
    s.options.stream.resend_after = milliseconds(rng.between(30, 300));
    s.options.stream.give_up_after = milliseconds(rng.between(500, 5000));
    return s;
}

class World {
public:
    World(std::uint64_t seed, const std::function<void(const std::string&)>& trace)
        : rng_(seed * 0x9e3779b97f4a7c15ULL + 1), group_(settings_for(seed, rng_, weather_)) {
        group_.trace = trace;
        const auto ids = group_.ids();
        rotten_ = ids[rng_.below(ids.size())];
    }

    Outcome run() {
        const std::uint64_t rounds = 40 + rng_.below(160);
        for (std::uint64_t round = 0; round < rounds && group_.violation.empty(); ++round) {
            group_.run(microseconds(rng_.between(200, 60'000)));
            if (rng_.chance(1, 4)) {
                disturb();
            }
            ask();
        }
        mend();
        Outcome out;
        out.violation = group_.violation;
        out.acknowledged = group_.acknowledged();
        out.reads = group_.reads_answered();
        out.hash = group_.events();
        for (const ServerId id : group_.ids()) {
            out.hash =
                out.hash * 0x100000001b3ULL ^ group_.state(id).hash ^ group_.applied(id).value;
        }
        return out;
    }

private:
    ServerId any() {
        const auto ids = group_.ids();
        return ids[rng_.below(ids.size())];
    }
    void ask() {
        for (const ServerId id : group_.ids()) {
            if (!group_.is_up(id)) {
                continue;
            }
            for (std::uint64_t n = rng_.below(4); n > 0; --n) {
                group_.propose(id, fmt::format("c{}", next_++));
            }
            if (rng_.chance(1, 3)) {
                group_.read(id);
            }
        }
    }
    void disturb() {
        switch (rng_.below(12)) {
            case 0:
                if (weather_.crashes) {
                    crash(any());
                }
                return;
            case 1:
                if (weather_.crashes && rng_.chance(1, 3)) {
                    for (const ServerId id : group_.ids()) {
                        crash(id);
                    }
                }
                return;
            case 2:
            case 3:
            case 4:
                for (const ServerId id : group_.ids()) {
                    if (rng_.chance(1, 2)) {
                        group_.restart(id);
                    }
                }
                return;
            case 5:
                if (weather_.partitions) {
                    group_.isolate(any());
                }
                return;
            case 6:
                if (weather_.partitions) {
                    group_.network().cut(any(), any());
                }
                return;
            case 7:
                group_.network().heal();
                return;
            case 8:
                if (weather_.pauses) {
                    group_.pause(any(), milliseconds(rng_.between(10, 900)));
                }
                return;
            case 9:
                if (weather_.disk_errors) {
                    group_.log(any()).fail_with({ErrorCode::Unavailable, "input/output error"});
                }
                return;
            case 10:
                if (const ServerId id = any(); weather_.transfers && group_.is_up(id)) {
                    group_.transfer(id, rng_.chance(1, 2) ? any() : raft::kNobody);
                }
                return;
            case 11:
                change();
                return;
        }
    }
    void crash(ServerId id) {
        group_.crash(id);
        fakes::LogStore& log = group_.log(id);
        if (weather_.rot && id == rotten_ && rng_.chance(1, 2) && log.first() <= log.last()) {
            static_cast<void>(log.rot(log.first() + rng_.below(log.last() - log.first() + 1)));
        }
    }
    void change() {
        const auto leader = group_.leader();
        if (!weather_.churn || !leader) {
            return;
        }
        const ServerId who = any();
        switch (rng_.below(4)) {
            case 0:
                group_.change(*leader, raft::AddLearner{ReplicaGroup::member(who, false)});
                return;
            case 1:
                group_.change(*leader, raft::Promote{who});
                return;
            case 2:
                group_.change(*leader, raft::Demote{who});
                return;
            case 3:
                group_.change(*leader, raft::Remove{who});
                return;
        }
    }
    // All faults end; a group that keeps its promises only while it stands still keeps none.
    void mend() {
        if (!group_.violation.empty()) {
            return;
        }
        group_.network().heal();
        group_.network().set_faults({});
        group_.set_disk(microseconds(200), milliseconds(2));
        for (const ServerId id : group_.ids()) {
            group_.pause(id, {});
            crash_if_failing(id);
            group_.restart(id);
            if (!group_.is_up(id)) {
                group_.violation = fmt::format(
                    "s{} cannot start: {}", id, group_.fatal(id) ? group_.fatal(id)->message : ""
                );
                return;
            }
        }
        group_.run(seconds(8));
        const auto leader = group_.leader();
        if (!group_.violation.empty() || !leader) {
            note("no leader eight seconds after all faults ended");
            return;
        }
        const Ticket last = group_.propose(*leader, "last");
        group_.run(seconds(2));
        const auto ended = group_.ended(last);
        if (!ended || !ended->result) {
            note(
                "the last proposal was not committed: " +
                (ended ? ended->result.error().message : "no answer")
            );
            return;
        }
        for (const raft::Member& member : group_.replica(*leader).membership().members) {
            if (!group_.state(member.id).seen.contains("last")) {
                note(fmt::format(
                    "s{} is at {}, the leader at {}",
                    member.id,
                    group_.applied(member.id),
                    group_.applied(*leader)
                ));
            }
        }
    }
    void crash_if_failing(ServerId id) {
        // A disk that is to fail at its next write has to be used up first.
        if (weather_.disk_errors) {
            group_.crash(id);
            group_.log(id).crash(0);
        }
    }
    void note(const std::string& what) {
        if (group_.violation.empty()) {
            group_.violation = what;
        }
    }

    Rng rng_;
    Weather weather_;
    ReplicaGroup group_;
    ServerId rotten_;
    int next_{0};
};

}  // namespace

Outcome run_replicas(std::uint64_t seed, const std::function<void(const std::string&)>& trace) {
    return World(seed, trace).run();
}

}  // namespace nl::sim
