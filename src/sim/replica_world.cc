#include "sim/replica_world.h"

#include "sim/cluster.h"
#include "sim/drills.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace nl::sim {

namespace {

/// A group that was mended must have a leader, take a write and be of one mind within this.
constexpr Duration kRecovery = seconds(10);
constexpr Duration kLook = milliseconds(100);
/// Longer histories are cut by the number of rounds; this is what the checker may spend on one.
constexpr std::uint64_t kCheckSteps = 300'000;

/// What a seed leans to. A third of them mix everything, a third press one part of the protocol
/// hard, and a third drill what needs several rare things in a row, which hardly ever come by chance
/// (sim/drills.h).
enum class Leaning : unsigned char {
    Mixed,
    /// Leaders that are cut off or stopped while clients read all the time from all servers.
    Reads,
    /// Many elections, one entry a message, leaders that die soon.
    Elections,
    /// Membership changes in the middle of elections.
    Churn,
    /// Slow disks and crashes that keep little.
    Disks,
    /// Tiny snapshots, followers that are far behind, streams that take long.
    Snapshots,
    /// Damage again and again.
    Rot,
};
constexpr std::array kLeanings{
    Leaning::Reads,     Leaning::Elections, Leaning::Churn,
    Leaning::Disks,     Leaning::Snapshots, Leaning::Rot,
};

/// What may go wrong in this seed's world; each is on in some seeds only, so that they are also
/// tried apart.
struct Weather {
    Leaning leaning{Leaning::Mixed};
    std::optional<Drill> drill;
    /// A round disturbs something once in so many.
    std::uint64_t calm{4};
    std::int64_t round_max_us{60'000};
    bool crashes{false};
    bool partitions{false};
    bool clogs{false};
    bool pauses{false};
    bool jumps{false};
    bool disk_errors{false};
    bool full_disks{false};
    bool rot{false};
    /// On several servers at different places ("helix").
    bool wide_rot{false};
    bool churn{false};
    /// A server loses its disk for good and is replaced by another one.
    bool wipe{false};
    bool transfers{false};
    bool upgrades{false};
};

server::ReplicaOptions options_for(Rng& rng, bool hasty, bool lease_reads) {
    server::ReplicaOptions o;
    if (hasty) {
        // Many elections, and many leaders that do not last.
        o.raft.election_timeout_min = milliseconds(rng.between(25, 90));
        o.raft.election_timeout_max = o.raft.election_timeout_min * 2;
        o.raft.heartbeat_interval = o.raft.election_timeout_min / 3;
    }
    o.raft.lease_reads = lease_reads;
    o.raft.proposals_max = 2 + rng.below(200);
    o.raft.inflight_messages_max = 1 + rng.below(16);
    o.raft.append_bytes_max = 100 + rng.below(5000);
    o.raft.cache_bytes_max = rng.chance(1, 2) ? 500 : 1 << 20;
    o.raft.apply_ahead_max = 1 + rng.below(50);
    o.commit_deadline = milliseconds(rng.between(300, 5000));
    o.snapshot_log_bytes_min = 500 + rng.below(20'000);
    o.trailing_entries = rng.below(20);
    o.stream.chunk_bytes = 20 + rng.below(500);
    o.stream.resend_after = milliseconds(rng.between(30, 300));
    o.stream.give_up_after = milliseconds(rng.between(500, 5000));
    return o;
}

void lean(Rng& rng, Weather& weather, Cluster::Settings& s) {
    const auto both = [&s](auto&& change) {
        change(s.options);
        change(s.newer);
    };
    const auto hasten = [&](std::int64_t min, std::int64_t max) {
        const Duration timeout = milliseconds(rng.between(min, max));
        both([timeout](server::ReplicaOptions& o) {
            o.raft.election_timeout_min = timeout;
            o.raft.election_timeout_max = timeout * 2;
            o.raft.heartbeat_interval = timeout / 3;
        });
    };
    switch (weather.leaning) {
        case Leaning::Mixed:
            return;
        case Leaning::Reads: {
            const bool lease = rng.chance(2, 3);
            both([lease](server::ReplicaOptions& o) { o.raft.lease_reads = lease; });
            weather.partitions = weather.pauses = weather.transfers = true;
            weather.jumps = !lease && rng.chance(1, 3);
            weather.crashes = rng.chance(1, 2);
            weather.disk_errors = weather.full_disks = weather.rot = weather.wide_rot = false;
            weather.wipe = weather.churn = false;
            s.spares = 0;
            s.voters = 3 + 2 * rng.below(2);
            s.clients = 6 + rng.below(6);
            s.keys = 1;
            s.sticky_clients = true;
            s.reads_of_ten = 6;
            s.think_max = milliseconds(rng.between(1, 6));
            s.client_timeout = milliseconds(rng.between(200, 1500));
            s.network.replay_percent = static_cast<int>(rng.below(40));
            s.network.replay_max = milliseconds(rng.between(100, 1000));
            s.network.loss_percent = static_cast<int>(rng.below(3));
            s.network.delay_max = milliseconds(rng.between(1, 8));
            s.disk_max = milliseconds(rng.between(1, 4));
            s.apply_max = milliseconds(1);
            weather.calm = 2;
            return;
        }
        case Leaning::Elections:
            hasten(15, 50);
            weather.crashes = weather.partitions = true;
            weather.rot = weather.wide_rot = weather.wipe = weather.churn = false;
            s.spares = 0;
            s.voters = rng.chance(1, 3) ? 3 : 5;
            s.clients = 3 + rng.below(5);
            s.think_max = milliseconds(rng.between(1, 10));
            s.client_timeout = milliseconds(rng.between(50, 300));
            s.network.replay_percent = static_cast<int>(rng.below(30));
            s.network.replay_max = milliseconds(rng.between(20, 400));
            s.network.delay_max = milliseconds(rng.between(1, 15));
            both([](server::ReplicaOptions& o) {
                o.raft.append_bytes_max = 100;
                o.snapshot_log_bytes_min = 1 << 20;
            });
            weather.calm = 2;
            weather.round_max_us = 40'000;
            return;
        case Leaning::Churn:
            hasten(20, 80);
            weather.churn = weather.crashes = weather.partitions = true;
            weather.rot = weather.wide_rot = weather.wipe = false;
            s.voters = 2 + rng.below(3);
            s.spares = 1 + rng.below(3);
            s.clients = 2 + rng.below(4);
            s.think_max = milliseconds(rng.between(1, 20));
            s.network.delay_max = milliseconds(rng.between(1, 10));
            both([](server::ReplicaOptions& o) {
                o.snapshot_log_bytes_min = 500;
                o.trailing_entries = 1;
            });
            weather.calm = 2;
            weather.round_max_us = 40'000;
            return;
        case Leaning::Disks:
            hasten(20, 100);
            weather.crashes = true;
            weather.rot = weather.wide_rot = weather.wipe = weather.churn = false;
            s.spares = 0;
            s.voters = 3;
            weather.partitions = true;
            s.clients = 3 + rng.below(4);
            s.think_max = milliseconds(rng.between(1, 10));
            s.disk_min = milliseconds(rng.between(1, 10));
            s.disk_max = milliseconds(rng.between(20, 120));
            s.network.delay_max = milliseconds(rng.between(1, 4));
            weather.calm = 2;
            return;
        case Leaning::Snapshots:
            weather.crashes = weather.partitions = weather.transfers = true;
            weather.rot = weather.wide_rot = weather.wipe = weather.churn = false;
            s.spares = 0;
            s.voters = 3 + 2 * rng.below(2);
            s.clients = 3 + rng.below(4);
            s.think_max = milliseconds(rng.between(1, 10));
            s.network.loss_percent = static_cast<int>(rng.below(20));
            s.network.delay_max = milliseconds(rng.between(1, 25));
            both([&rng](server::ReplicaOptions& o) {
                o.snapshot_log_bytes_min = 500 + rng.below(3000);
                o.trailing_entries = rng.below(4);
                o.stream.chunk_bytes = 20 + rng.below(100);
            });
            weather.calm = 3;
            return;
        case Leaning::Rot:
            weather.rot = weather.crashes = true;
            weather.wide_rot = rng.chance(1, 3);
            weather.wipe = weather.churn = false;
            s.spares = 0;
            s.voters = 3 + 2 * rng.below(2);
            s.clients = 3 + rng.below(4);
            s.think_max = milliseconds(rng.between(1, 10));
            both([](server::ReplicaOptions& o) { o.snapshot_log_bytes_min = 1 << 20; });
            weather.calm = 2;
            return;
    }
}

Cluster::Settings settings_for(std::uint64_t seed, Rng& rng, Weather& weather) {
    Cluster::Settings s;
    s.seed = seed;
    s.voters = rng.chance(1, 10) ? 1 + rng.below(2) : 3 + 2 * rng.below(2);
    weather.crashes = rng.chance(3, 4);
    weather.partitions = rng.chance(3, 4);
    weather.clogs = rng.chance(1, 3);
    weather.pauses = rng.chance(1, 2);
    weather.disk_errors = rng.chance(1, 5);
    weather.full_disks = rng.chance(1, 5);
    weather.churn = rng.chance(1, 4);
    // With too few voters a damaged server rightly waits for ever, so these are not mixed.
    weather.rot = !weather.churn && s.voters >= 3 && rng.chance(1, 3);
    weather.wide_rot = weather.rot && rng.chance(1, 4);
    weather.wipe = !weather.churn && !weather.rot && s.voters >= 3 && rng.chance(1, 4);
    weather.transfers = rng.chance(1, 2);
    weather.upgrades = rng.chance(1, 4);
    s.spares = weather.churn ? 1 + rng.below(2) : weather.wipe ? 1 : 0;
    s.clients = 1 + rng.below(5);
    s.keys = 1 + rng.below(4);
    s.network.loss_percent = static_cast<int>(rng.below(4) == 0 ? rng.below(30) : rng.below(5));
    s.network.duplicate_percent = static_cast<int>(rng.below(15));
    s.network.replay_percent = rng.chance(1, 3) ? static_cast<int>(rng.below(20)) : 0;
    s.network.delay_max = milliseconds(rng.between(1, 20));
    s.network.delay_rare = milliseconds(rng.between(1, 800));
    s.disk_max = milliseconds(rng.between(1, 30));
    s.apply_max = milliseconds(rng.between(0, 5));
    s.drift_permille = static_cast<int>(rng.below(40));
    s.client_timeout = milliseconds(rng.between(100, 1500));
    s.think_max = milliseconds(rng.between(1, 80));
    s.requests_kept = rng.chance(1, 3) ? 8 + rng.below(60) : server::RequestWindow::kKeptMax;
    const bool hasty = rng.chance(1, 2);
    const bool lease_reads = rng.chance(1, 2);
    s.options = options_for(rng, hasty, lease_reads);
    s.newer = options_for(rng, hasty, lease_reads);
    // Timeouts are one agreement of the whole group: leases rest on them.
    s.newer.raft.election_timeout_min = s.options.raft.election_timeout_min;
    s.newer.raft.election_timeout_max = s.options.raft.election_timeout_max;
    s.newer.raft.heartbeat_interval = s.options.raft.heartbeat_interval;
    // A lease counts on clocks that run evenly; asking a quorum does not.
    weather.jumps = !lease_reads && rng.chance(1, 3);
    s.save_max = milliseconds(rng.between(0, 60));
    switch (rng.below(3)) {
        case 0:
            return s;
        case 1:
            weather.leaning = kLeanings[rng.below(kLeanings.size())];
            lean(rng, weather, s);
            return s;
        default:
            weather = {};
            weather.drill = static_cast<Drill>(rng.below(kDrills));
            prepare(*weather.drill, rng, s);
            return s;
    }
}

class World {
public:
    World(std::uint64_t seed, const std::function<void(const std::string&)>& trace)
        : rng_(seed * 0x9e3779b97f4a7c15ULL + 1), cluster_(settings_for(seed, rng_, weather_)) {
        cluster_.trace = trace;
        const auto ids = cluster_.ids();
        rotten_ = ids[rng_.below(ids.size())];
    }

    Outcome run() {
        if (weather_.drill) {
            drill();
        } else {
            weather();
        }
        mend();
        judge();
        const Cluster::Counts& counts = cluster_.counts();
        out_.violation = cluster_.violation;
        out_.acknowledged = counts.writes;
        out_.reads = counts.reads;
        out_.retried = counts.retried;
        out_.deduplicated = counts.deduplicated;
        out_.elections = counts.elections;
        out_.installs = counts.installs;
        out_.repairs = counts.repairs;
        out_.hash = cluster_.hash();
        return out_;
    }

private:
    void weather() {
        const std::uint64_t rounds = 40 + rng_.below(160);
        for (std::uint64_t round = 0; round < rounds && cluster_.violation.empty(); ++round) {
            cluster_.run(microseconds(rng_.between(200, weather_.round_max_us)));
            if (rng_.chance(1, weather_.calm)) {
                press();
                disturb();
            }
            swizzle();
            look_after_members();
        }
    }
    // Those of memberships only once: they end with another group than they began with.
    void drill() {
        const bool once =
            *weather_.drill == Drill::TwoMemberships || *weather_.drill == Drill::UndoneMembership;
        weather_.churn = once;
        weather_.rot = *weather_.drill == Drill::HalfRepaired;
        if (cluster_.trace) {
            cluster_.trace(fmt::format("drill: {}", to_string(*weather_.drill)));
        }
        for (std::uint64_t n = once ? 1 : 1 + rng_.below(3); n > 0 && cluster_.violation.empty();
             --n) {
            damaged_.merge(carry_out(*weather_.drill, rng_, cluster_));
        }
    }
    ServerId any() {
        const auto ids = cluster_.ids();
        return ids[rng_.below(ids.size())];
    }
    bool is_gone(ServerId id) const { return gone_ && *gone_ == id; }

    // What the seed leans to, besides what all of them may meet.
    void press() {
        if (rng_.chance(1, 2)) {
            return;
        }
        switch (weather_.leaning) {
            case Leaning::Mixed:
            case Leaning::Snapshots:
                return;
            case Leaning::Reads:
                if (const auto leader = cluster_.leader()) {
                    press_reads(*leader);
                }
                return;
            case Leaning::Elections:
            case Leaning::Disks:
                if (const auto leader = cluster_.leader(); leader && rng_.chance(1, 2)) {
                    cluster_.crash(*leader, rng_.chance(1, 2));
                } else if (rng_.chance(1, 2)) {
                    cluster_.network().heal();
                } else {
                    for (const ServerId id : cluster_.ids()) {
                        cluster_.restart(id);
                    }
                }
                return;
            case Leaning::Churn:
                change();
                change();
                return;
            case Leaning::Rot:
                crash(rotten_);
                if (rng_.chance(2, 3)) {
                    // Damage is found, and before it is made good there is another crash.
                    cluster_.restart(rotten_);
                    cluster_.run(milliseconds(rng_.between(1, 40)));
                    cluster_.crash(rotten_, true);
                    if (const auto leader = cluster_.leader(); leader && rng_.chance(1, 2)) {
                        cluster_.crash(*leader, true);
                    }
                    cluster_.restart(rotten_);
                }
                return;
        }
    }
    void press_reads(ServerId leader) {
        const ServerId other = any();
        fakes::Network& network = cluster_.network();
        switch (rng_.below(6)) {
            case 0:
                return cluster_.pause(leader, milliseconds(rng_.between(50, 1000)));
            case 1:
                return network.heal();
            case 2:
                return cluster_.isolate(leader);
            case 3:
                // One follower hears nothing of a leader that all others follow.
                network.cut(leader, other);
                network.cut(other, leader);
                return;
            case 4:
                // Another that has just started may know nothing of the leader's lease.
                network.cut(leader, other);
                for (const ServerId id : cluster_.ids()) {
                    if (id != leader && id != other) {
                        cluster_.crash(id, true);
                        cluster_.restart(id);
                    }
                }
                return;
            case 5:
                cluster_.transfer(leader, raft::kNobody);
                network.cut(other, leader);
                return;
        }
    }
    void disturb() {
        switch (rng_.below(18)) {
            case 0:
            case 1:
                if (weather_.crashes) {
                    crash(any());
                }
                return;
            case 2:
                if (weather_.crashes && rng_.chance(1, 3)) {
                    // Power fails everywhere: nothing un-synced survives anywhere, or chance
                    // decides.
                    const bool keep_some = rng_.chance(1, 2);
                    for (const ServerId id : cluster_.ids()) {
                        cluster_.crash(id, keep_some);
                    }
                }
                return;
            case 3:
            case 4:
            case 5:
            case 6:
                for (const ServerId id : cluster_.ids()) {
                    if (rng_.chance(1, 2) && !is_gone(id)) {
                        maybe_upgrade(id);
                        cluster_.restart(id);
                    }
                }
                return;
            case 7:
            case 8:
                if (weather_.partitions) {
                    part();
                }
                return;
            case 9:
                cluster_.network().heal();
                return;
            case 10:
                if (weather_.clogs && clogging_.empty()) {
                    begin_swizzle();
                }
                return;
            case 11:
                if (weather_.pauses) {
                    const Duration span = milliseconds(rng_.between(10, 900));
                    if (rng_.chance(1, 8)) {
                        for (const ServerId id : cluster_.ids()) {
                            cluster_.pause(id, span);
                        }
                    } else {
                        cluster_.pause(leader_or_any(), span);
                    }
                }
                return;
            case 12:
                if (weather_.jumps) {
                    cluster_.jump_clock(any(), milliseconds(rng_.between(1, 20'000)));
                }
                return;
            case 13:
                if (weather_.disk_errors) {
                    cluster_.fail_disk(any());
                }
                return;
            case 14:
                if (weather_.full_disks) {
                    cluster_.set_full(leader_or_any(), rng_.chance(1, 2));
                }
                return;
            case 15:
                if (const ServerId id = any(); weather_.transfers && cluster_.is_up(id)) {
                    cluster_.transfer(id, rng_.chance(1, 2) ? any() : raft::kNobody);
                }
                return;
            case 16:
                change();
                return;
            case 17:
                maybe_wipe();
                return;
        }
    }
    ServerId leader_or_any() {
        const auto leader = cluster_.leader();
        return leader && rng_.chance(1, 2) ? *leader : any();
    }

    // One server apart; a group apart; one way only; one that sees both sides that do not see each
    // other; or some links.
    void part() {
        const auto ids = cluster_.ids();
        fakes::Network& network = cluster_.network();
        switch (rng_.below(5)) {
            case 0:
                return cluster_.isolate(leader_or_any());
            case 1: {
                std::set<ServerId> one;
                for (const ServerId id : ids) {
                    if (rng_.chance(1, 2)) {
                        one.insert(id);
                    }
                }
                cut_between(one);
                return;
            }
            case 2: {
                const ServerId deaf = leader_or_any();
                const bool mute = rng_.chance(1, 2);
                for (const ServerId id : ids) {
                    mute ? network.cut(deaf, id) : network.cut(id, deaf);
                }
                return;
            }
            case 3: {
                const ServerId bridge = any();
                std::set<ServerId> one;
                for (const ServerId id : ids) {
                    if (id != bridge && rng_.chance(1, 2)) {
                        one.insert(id);
                    }
                }
                cut_between(one);
                for (const ServerId id : ids) {
                    network.mend(bridge, id);
                    network.mend(id, bridge);
                }
                return;
            }
            case 4:
                for (std::uint64_t n = 1 + rng_.below(ids.size()); n > 0; --n) {
                    network.cut(any(), any());
                }
                return;
        }
    }
    void cut_between(const std::set<ServerId>& one) {
        for (const ServerId a : cluster_.ids()) {
            for (const ServerId b : cluster_.ids()) {
                if (one.contains(a) != one.contains(b)) {
                    cluster_.network().cut(a, b);
                }
            }
        }
    }

    // Swizzle-clog: some servers' links are stopped one after the other and let go in another order
    // (FoundationDB's best finder of bugs).
    void begin_swizzle() {
        auto ids = cluster_.ids();
        rng_.shuffle(std::span(ids));
        ids.resize(1 + rng_.below(ids.size()));
        for (const ServerId id : ids) {
            clogging_.emplace_back(id, true);
        }
        rng_.shuffle(std::span(ids));
        for (const ServerId id : ids) {
            clogging_.emplace_back(id, false);
        }
    }
    void swizzle() {
        if (clogging_.empty() || rng_.chance(1, 3)) {
            return;
        }
        const auto [id, clog] = clogging_.front();
        clogging_.erase(clogging_.begin());
        fakes::Network& network = cluster_.network();
        for (const ServerId other : cluster_.ids()) {
            if (clog) {
                network.clog(id, other);
                network.clog(other, id);
            } else {
                network.unclog(id, other);
                network.unclog(other, id);
            }
        }
    }

    void maybe_upgrade(ServerId id) {
        if (weather_.upgrades && !cluster_.is_up(id)) {
            // Forward for the most part; a rollback in the middle happens too.
            cluster_.upgrade(id, !rng_.chance(1, 8));
        }
    }

    void crash(ServerId id) {
        cluster_.crash(id, true);
        if (cluster_.is_up(id)) {
            return;
        }
        const Index first = cluster_.log_first(id);
        const Index last = cluster_.log_last(id);
        const bool may_rot = weather_.rot && (id == rotten_ || weather_.wide_rot);
        if (may_rot && first <= last && rng_.chance(1, 2)) {
            const Index at = first + rng_.below(last - first + 1);
            if (rng_.chance(1, 4)) {
                cluster_.misdirect(id, at, first + rng_.below(last - first + 1));
            } else {
                cluster_.rot(id, at);
            }
            damaged_.insert(id);
        } else if (may_rot && id == rotten_ && rng_.chance(1, 4)) {
            cluster_.rot_snapshot(id);
            damaged_.insert(id);
        }
    }

    void change() {
        const auto leader = cluster_.leader();
        if (!weather_.churn || !leader) {
            return;
        }
        const ServerId who = any();
        // Now and then two servers believe that they lead.
        const auto asked = rng_.chance(1, 3) ? std::optional(any()) : leader;
        if (!cluster_.is_up(*asked)) {
            return;
        }
        change_at(*asked, who);
    }
    void change_at(ServerId leader, ServerId who) {
        switch (rng_.below(4)) {
            case 0:
                return cluster_.change(leader, raft::AddLearner{Cluster::member(who, false)});
            case 1:
                return cluster_.change(leader, raft::Promote{who});
            case 2:
                return cluster_.change(leader, raft::Demote{who});
            case 3:
                return cluster_.change(leader, raft::Remove{who});
        }
    }

    // A server whose disk is gone has a new identity when it comes back: it is another server.
    void maybe_wipe() {
        if (!weather_.wipe || gone_) {
            return;
        }
        gone_ = any();
        if (gone_->value > cluster_.voters()) {
            gone_.reset();
            return;
        }
        cluster_.wipe(*gone_);
    }
    // What autopilot does: the server that is gone leaves, the new one is let in and given a vote.
    void look_after_members() {
        const auto leader = cluster_.leader();
        if (!gone_ || !leader || rng_.chance(1, 2)) {
            return;
        }
        const ServerId fresh(cluster_.voters() + 1);
        const raft::Membership& members = cluster_.membership(*leader);
        if (members.find(fresh) == nullptr) {
            cluster_.change(*leader, raft::AddLearner{Cluster::member(fresh, false)});
        } else if (members.find(*gone_) != nullptr) {
            cluster_.change(*leader, raft::Remove{*gone_});
        } else if (!members.is_voter(fresh)) {
            cluster_.change(*leader, raft::Promote{fresh});
        }
    }

    // ---- the second phase
    void note(const std::string& what) {
        if (cluster_.violation.empty()) {
            cluster_.violation = what;
        }
    }
    void mend() {
        if (!cluster_.violation.empty()) {
            return;
        }
        cluster_.network().unclog_all();
        cluster_.network().heal();
        cluster_.network().set_faults({});
        cluster_.set_disk(microseconds(200), milliseconds(2));
        const std::set<ServerId> away = who_stays_away();
        for (const ServerId id : cluster_.ids()) {
            cluster_.pause(id, {});
            cluster_.set_full(id, false);
            // A disk that is to fail at its next write has to be used up first.
            if (weather_.disk_errors || away.contains(id)) {
                cluster_.crash(id, true);
            }
            if (away.contains(id)) {
                continue;
            }
            cluster_.restart(id);
            if (!cluster_.is_up(id) && !damaged_.contains(id)) {
                return note(fmt::format(
                    "s{} cannot start: {}", id,
                    cluster_.fatal(id) ? cluster_.fatal(id)->message : ""
                ));
            }
        }
        std::size_t hurt = 0;
        for (const ServerId id : cluster_.ids()) {
            hurt += !cluster_.is_up(id) || cluster_.is_repairing(id) ? 1U : 0U;
        }
        const bool may_stand_still = !damaged_.empty() && hurt * 2 >= cluster_.voters();
        if (!recover(away)) {
            if (!may_stand_still) {
                return note(why_);
            }
            out_.stood_still = true;
        }
    }
    // A majority is mended, the others never come back: it must do without them.
    std::set<ServerId> who_stays_away() {
        std::set<ServerId> away;
        if (gone_) {
            away.insert(*gone_);
            return away;
        }
        if (weather_.churn || weather_.rot || rng_.chance(1, 2)) {
            return away;
        }
        auto ids = cluster_.ids();
        rng_.shuffle(std::span(ids));
        ids.resize((cluster_.voters() - 1) / 2);
        away.insert(ids.begin(), ids.end());
        return away;
    }
    bool recover(const std::set<ServerId>& away) {
        const Instant end = cluster_.now() + kRecovery;
        cluster_.quiet_clients(true);
        while (cluster_.now() < end && cluster_.violation.empty()) {
            cluster_.run(kLook);
            look_after_members();
            const auto leader = cluster_.leader();
            if (!leader) {
                why_ = "no leader after all faults had ended";
                continue;
            }
            if (!cluster_.clients_idle()) {
                why_ = "a client still waits for its answer";
                continue;
            }
            if (!cluster_.mark_done()) {
                // Refused now and then, as any write may be.
                why_ = "the last write is not acknowledged";
                cluster_.mark(*leader);
                continue;
            }
            if (const auto late = who_is_late(*leader, away)) {
                why_ = fmt::format(
                    "s{} is at {}, the leader at {}",
                    *late,
                    cluster_.applied(*late),
                    cluster_.applied(*leader)
                );
                continue;
            }
            return true;
        }
        return !cluster_.violation.empty();
    }
    std::optional<ServerId> who_is_late(ServerId leader, const std::set<ServerId>& away) const {
        for (const raft::Member& member : cluster_.membership(leader).members) {
            const bool counts = !away.contains(member.id) && cluster_.is_up(member.id);
            if (counts && cluster_.applied(member.id) < cluster_.applied(leader)) {
                return member.id;
            }
        }
        return std::nullopt;
    }

    // What clients saw is judged without a look inside.
    void judge() {
        if (!cluster_.violation.empty()) {
            return;
        }
        const std::vector<Op> history = cluster_.history();
        const HistoryVerdict verdict = check_history(history, kCheckSteps);
        out_.unjudged = verdict.gave_up;
        note(verdict.violation);
    }

    Rng rng_;
    Weather weather_;
    Cluster cluster_;
    Outcome out_;
    ServerId rotten_;
    std::set<ServerId> damaged_;
    std::optional<ServerId> gone_;
    std::vector<std::pair<ServerId, bool>> clogging_;
    std::string why_;
};

}  // namespace

Outcome run_replicas(std::uint64_t seed, const std::function<void(const std::string&)>& trace) {
    return World(seed, trace).run();
}

}  // namespace nl::sim
