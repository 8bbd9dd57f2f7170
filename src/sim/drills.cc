#include "sim/drills.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace nl::sim {

namespace {

/// What a drill waits for comes within so many election timeouts, or not at all.
constexpr std::int64_t kPatience = 8;

using Servers = std::set<ServerId>;

class Stage {
public:
    Stage(Rng& rng, Cluster& cluster) : rng_(rng), cluster_(cluster) {}

    void old_entry(bool acknowledgements);
    void late_answer();
    void lease(bool restart);
    void two_memberships();
    void undone_membership();
    void lost_vote();
    void half_repaired();

    Servers damaged;

private:
    Servers all() const {
        const auto ids = cluster_.ids();
        return {ids.begin(), ids.end()};
    }
    static Servers without(Servers from, const Servers& gone) {
        std::erase_if(from, [&](ServerId id) { return gone.contains(id); });
        return from;
    }
    ServerId pick(const Servers& from) {
        return *std::next(from.begin(), static_cast<std::ptrdiff_t>(rng_.below(from.size())));
    }
    ServerId take(Servers& from) {
        const ServerId id = pick(from);
        from.erase(id);
        return id;
    }
    void run(std::int64_t min_us, std::int64_t max_us) {
        cluster_.run(microseconds(rng_.between(min_us, max_us)));
    }
    bool until(const std::function<bool()>& reached) {
        return cluster_.run_until(reached, cluster_.election_timeout() * kPatience);
    }
    // While this server leads; false when it does no more.
    bool until_as_leader(ServerId leader, const std::function<bool()>& reached) {
        return until([&] { return !is_leader(leader) || reached(); }) && is_leader(leader);
    }
    // The newest leader among these, waited for.
    std::optional<ServerId> leader_among(const Servers& servers) {
        std::optional<ServerId> found;
        until([&] { return (found = leads(servers)).has_value(); });
        return found;
    }
    std::optional<ServerId> leads(const Servers& servers) const {
        std::optional<ServerId> found;
        for (const ServerId id : servers) {
            const bool leader = cluster_.role(id).role == raft::Role::Leader;
            if (leader && (!found || cluster_.role(id).term > cluster_.role(*found).term)) {
                found = id;
            }
        }
        return found;
    }
    void sever(const Servers& one, const Servers& other) {
        for (const ServerId a : one) {
            for (const ServerId b : other) {
                if (a != b) {
                    cluster_.network().sever(a, b);
                    cluster_.network().sever(b, a);
                }
            }
        }
    }
    void join(ServerId a, ServerId b) {
        cluster_.network().mend(a, b);
        cluster_.network().mend(b, a);
    }
    // What these say to one waits; let_go() brings it what was said until they were severed.
    void hold(const Servers& from, ServerId to) {
        for (const ServerId id : from) {
            cluster_.network().clog(id, to);
        }
    }
    void let_go(const Servers& from, ServerId to) {
        for (const ServerId id : from) {
            cluster_.network().mend(id, to);
            cluster_.network().unclog(id, to);
            cluster_.network().cut(id, to);
        }
    }
    // No client does anything, and all servers have what the leader has.
    bool settle(ServerId leader) {
        cluster_.quiet_clients(true);
        return until_as_leader(leader, [&] {
            const Index last = cluster_.status(leader).last;
            return cluster_.clients_idle() && std::ranges::all_of(all(), [&](ServerId id) {
                return cluster_.applied(id) == last && holds(id, last);
            });
        });
    }
    std::int64_t heartbeat_us() const { return cluster_.election_timeout().ns / 3000; }
    // Everybody lives and hears everybody; a leader that has committed an entry of its own.
    std::optional<ServerId> begin() {
        cluster_.network().heal();
        cluster_.network().unclog_all();
        for (const ServerId id : cluster_.ids()) {
            cluster_.restart(id);
        }
        const auto leader = leader_among(all());
        if (!leader || !until([&] {
                return leads(all()) && cluster_.status(*leads(all())).commit >=
                                           cluster_.role(*leads(all())).opening;
            })) {
            return std::nullopt;
        }
        return leads(all());
    }
    bool is_leader(ServerId id) const { return leads({id}).has_value(); }
    bool holds(ServerId id, Index index) const {
        return cluster_.is_up(id) && cluster_.status(id).stable >= index;
    }

    Rng& rng_;
    Cluster& cluster_;
};

// With `acknowledgements`: what the first leader's follower said of entries that it has no more
// comes to the first leader when that leads again.
void Stage::old_entry(bool acknowledgements) {
    const auto first = begin();
    if (!first) {
        return;
    }
    Servers others = without(all(), {*first});
    const ServerId partner = take(others);
    sever({*first, partner}, others);
    if (acknowledgements) {
        hold({partner}, *first);
    }
    // An entry that only two of five have.
    Index open;
    if (!until_as_leader(*first, [&] {
            open = cluster_.status(*first).last;
            return open > cluster_.status(*first).commit && holds(*first, open) &&
                   holds(partner, open);
        })) {
        return;
    }
    // Another leader, whose first entry stays with it (or with the partner of the first).
    const auto second = leader_among(others);
    if (!second) {
        return;
    }
    Servers rest = without(others, {*second});
    sever({*second}, rest);
    if (acknowledgements) {
        sever({*first}, {partner});
        join(*second, partner);
        const Term term = cluster_.role(*second).term;
        if (!until([&] { return cluster_.status(partner).last_term == term; })) {
            return;
        }
        run(0, 5'000);
        sever({*second}, {partner});
    } else {
        run(0, 10'000);
        if (rng_.chance(1, 2)) {
            cluster_.crash(*second, true);
        }
    }
    // The first leads again, or its partner does.
    for (const ServerId id : rest) {
        join(*first, id);
        if (!acknowledgements) {
            join(partner, id);
        }
    }
    Servers side = rest;
    side.insert(*first);
    if (!acknowledgements) {
        side.insert(partner);
    }
    const Term before = cluster_.role(*first).term;
    if (!until([&] {
            const auto now = leads(side);
            return now && cluster_.role(*now).term > before;
        })) {
        return;
    }
    const ServerId third = *leads(side);
    const Index opening = cluster_.role(third).opening;
    if (acknowledgements) {
        until_as_leader(third, [&] { return cluster_.status(third).commit >= opening; });
        let_go({partner}, *first);
        run(1'000, 10'000);
        join(third, partner);
        run(1'000, 30'000);
        return;
    }
    // A majority has the old entry, and few have the first of the new term.
    const bool spread = until_as_leader(third, [&] {
        std::size_t have = 1;
        for (const raft::PeerStatus& peer : cluster_.status(third).peers) {
            have += peer.match >= open ? 1U : 0U;
        }
        return have >= cluster_.voters() / 2 + 1;
    });
    if (!spread) {
        return;
    }
    Servers old{*first, partner};
    sever({third}, without(all(), {third}));
    run(0, 3'000);
    if (rng_.chance(1, 2)) {
        cluster_.crash(third, true);
    }
    sever(old, without(all(), old));
    rest.insert(*second);
    cluster_.restart(*second);
    for (const ServerId a : rest) {
        for (const ServerId b : rest) {
            join(a, b);
        }
    }
    leader_among(rest);
    run(1'000, 30'000);
}

void Stage::late_answer() {
    const auto leader = begin();
    if (!leader) {
        return;
    }
    run(0, 100'000);
    const Servers others = without(all(), {*leader});
    hold(others, *leader);
    run(heartbeat_us() / 2, heartbeat_us() * 2);
    sever({*leader}, others);
    if (!is_leader(*leader) || !leader_among(others)) {
        let_go(others, *leader);
        return;
    }
    run(1'000, 30'000);
    let_go(others, *leader);
    run(1'000, heartbeat_us() * 4);
}

void Stage::lease(bool restart) {
    const auto leader = begin();
    if (!leader) {
        return;
    }
    run(20'000, 200'000);
    if (!is_leader(*leader)) {
        return;
    }
    Servers others = without(all(), {*leader});
    const ServerId campaigner = take(others);
    // Nothing is written meanwhile, so that the others may well elect it.
    bool stands = settle(*leader);
    if (stands) {
        sever({*leader}, {campaigner});
        stands = until([&] { return cluster_.role(campaigner).role == raft::Role::PreCandidate; });
    }
    if (stands && restart) {
        run(0, cluster_.election_timeout().ns / 1000 * 2);
    }
    cluster_.quiet_clients(false);
    if (!stands) {
        return;
    }
    sever({*leader}, others);
    if (restart) {
        for (const ServerId id : others) {
            cluster_.crash(id, true);
            cluster_.restart(id);
        }
    }
    run(1'000, cluster_.election_timeout().ns / 1000 * 2);
}

void Stage::two_memberships() {
    const auto first = begin();
    if (!first) {
        return;
    }
    const ServerId spare(cluster_.voters() + 1);
    cluster_.change(*first, raft::AddLearner{Cluster::member(spare, false)});
    if (!until_as_leader(*first, [&] {
            return cluster_.status(spare).membership.find(spare) != nullptr &&
                   cluster_.applied(spare) >= cluster_.status(*first).membership_index;
        })) {
        return;
    }
    sever({*first}, all());
    cluster_.change(*first, raft::Promote{spare});
    run(5'000, 20'000);
    Servers others = without(all(), {*first, spare});
    const auto second = leader_among(others);
    if (!second) {
        return;
    }
    others.erase(*second);
    const ServerId partner = take(others);
    sever({*second}, others);
    sever({*second, partner}, {spare});
    cluster_.change(*second, raft::Remove{*first});
    run(5'000, 40'000);
    // The first with those who know nothing of the second's change.
    others.insert(*first);
    others.insert(spare);
    sever({*second, partner}, others);
    for (const ServerId a : others) {
        for (const ServerId b : others) {
            join(a, b);
        }
    }
    const Term before = cluster_.role(*second).term;
    until([&] {
        const auto now = leads(others);
        return now && cluster_.role(*now).term > before;
    });
    run(1'000, 30'000);
}

void Stage::undone_membership() {
    const auto first = begin();
    if (!first) {
        return;
    }
    const ServerId spare(cluster_.voters() + 1);
    cluster_.change(*first, raft::AddLearner{Cluster::member(spare, false)});
    if (!until_as_leader(*first, [&] {
            return cluster_.status(spare).membership.find(spare) != nullptr &&
                   cluster_.applied(spare) >= cluster_.status(*first).membership_index;
        })) {
        return;
    }
    sever({*first}, all());
    cluster_.change(*first, raft::Promote{spare});
    run(5'000, 20'000);
    Servers others = without(all(), {*first, spare});
    const auto second = leader_among(others);
    if (!second) {
        return;
    }
    cluster_.network().heal();
    // Here the first one's change goes with its entry.
    const bool settled = settle(*second);
    cluster_.quiet_clients(false);
    if (!settled) {
        return;
    }
    others.erase(*second);
    const ServerId partner = take(others);
    others.insert(*first);
    others.insert(spare);
    sever({*second, partner}, others);
    cluster_.change(*second, raft::Remove{*first});
    run(5'000, 40'000);
    const Term before = cluster_.role(*second).term;
    until([&] {
        const auto now = leads(others);
        return now && cluster_.role(*now).term > before;
    });
    run(1'000, 30'000);
}

void Stage::lost_vote() {
    const auto first = begin();
    if (!first) {
        return;
    }
    Servers others = without(all(), {*first});
    Servers apart{*first};
    while (apart.size() * 2 + 1 < cluster_.voters()) {
        apart.insert(take(others));
    }
    sever(apart, others);
    const auto second = leader_among(others);
    if (!second) {
        return;
    }
    cluster_.crash(*second, rng_.chance(1, 4));
    cluster_.restart(*second);
    others.erase(*second);
    sever({*second}, others);
    for (const ServerId id : apart) {
        join(*second, id);
    }
    apart.insert(*second);
    leader_among(apart);
    run(1'000, 50'000);
}

void Stage::half_repaired() {
    const auto leader = begin();
    if (!leader) {
        return;
    }
    Servers others = without(all(), {*leader});
    const ServerId behind = take(others);
    const ServerId harmed = take(others);
    run(10'000, 100'000);
    sever({behind}, all());
    // What is committed now, the one behind does not have.
    const Index there = cluster_.status(behind).last;
    if (!until_as_leader(*leader, [&] {
            return cluster_.status(*leader).commit >= there + 4 && holds(harmed, there + 4);
        })) {
        return;
    }
    cluster_.crash(harmed, true);
    const Index at = std::max(cluster_.log_first(harmed), there - rng_.below(4));
    if (!cluster_.rot(harmed, at)) {
        return;
    }
    damaged.insert(harmed);
    cluster_.restart(harmed);
    // The leader begins to repair it.
    const Index from = cluster_.status(harmed).last;
    if (!until([&] { return !cluster_.is_repairing(harmed) || holds(harmed, from.next()); })) {
        return;
    }
    run(0, 4'000);
    cluster_.crash(harmed, true);
    sever({*leader}, all());
    join(behind, harmed);
    cluster_.restart(harmed);
    leader_among({behind, harmed});
    run(1'000, 50'000);
}

}  // namespace

std::string_view to_string(Drill drill) {
    switch (drill) {
        case Drill::OldEntry:
            return "old entry";
        case Drill::OldAcknowledgement:
            return "old acknowledgement";
        case Drill::LateAnswer:
            return "late answer";
        case Drill::LeaseAgainstVote:
            return "lease against vote";
        case Drill::LeaseAgainstRestart:
            return "lease against restart";
        case Drill::TwoMemberships:
            return "two memberships";
        case Drill::UndoneMembership:
            return "undone membership";
        case Drill::LostVote:
            return "lost vote";
        case Drill::HalfRepaired:
            return "half repaired";
    }
    return "unknown";
}

void prepare(Drill drill, Rng& rng, Cluster::Settings& s) {
    const auto both = [&s](auto&& change) {
        change(s.options);
        change(s.newer);
    };
    const auto time_out = [&](std::int64_t min, std::int64_t max) {
        const Duration timeout = milliseconds(rng.between(min, max));
        both([timeout](server::ReplicaOptions& o) {
            o.raft.election_timeout_min = timeout;
            o.raft.election_timeout_max = timeout * 2;
            o.raft.heartbeat_interval = timeout / 3;
        });
    };
    both([](server::ReplicaOptions& o) {
        o.raft.lease_reads = false;
        o.raft.proposals_max = 256;
        o.raft.apply_ahead_max = 50;
        o.snapshot_log_bytes_min = 1 << 20;
    });
    s.voters = 3 + 2 * rng.below(2);
    s.spares = 0;
    s.clients = 4 + rng.below(4);
    s.keys = 1 + rng.below(2);
    s.think_max = milliseconds(rng.between(1, 6));
    s.client_timeout = milliseconds(rng.between(50, 400));
    s.disk_min = microseconds(200);
    s.disk_max = milliseconds(rng.between(1, 4));
    s.apply_max = milliseconds(1);
    s.drift_permille = static_cast<int>(rng.below(20));
    s.network = {};
    s.network.delay_max = milliseconds(rng.between(1, 6));
    s.network.loss_percent = static_cast<int>(rng.below(2));
    switch (drill) {
        case Drill::OldEntry:
        case Drill::OldAcknowledgement:
            time_out(15, 40);
            s.voters = 5;
            s.clients = 2 + rng.below(3);
            s.think_max = milliseconds(rng.between(5, 20));
            both([](server::ReplicaOptions& o) { o.raft.append_bytes_max = 100; });
            return;
        case Drill::LateAnswer:
        case Drill::LeaseAgainstVote:
        case Drill::LeaseAgainstRestart: {
            time_out(80, 250);
            const bool lease = drill != Drill::LateAnswer || rng.chance(1, 2);
            both([lease](server::ReplicaOptions& o) { o.raft.lease_reads = lease; });
            s.sticky_clients = true;
            s.reads_of_ten = 6;
            s.keys = 1;
            // Many and impatient, so that some read here while others write there.
            s.clients = 10 + rng.below(6);
            s.client_timeout = milliseconds(rng.between(15, 60));
            return;
        }
        case Drill::TwoMemberships:
        case Drill::UndoneMembership:
            time_out(30, 80);
            s.voters = 4;
            s.spares = 1;
            s.think_max = milliseconds(rng.between(5, 30));
            return;
        case Drill::LostVote:
            time_out(60, 150);
            s.disk_min = milliseconds(rng.between(5, 20));
            s.disk_max = s.disk_min + milliseconds(rng.between(1, 20));
            return;
        case Drill::HalfRepaired:
            time_out(40, 100);
            s.voters = 3;
            both([](server::ReplicaOptions& o) {
                o.raft.append_bytes_max = 100;
                o.raft.inflight_messages_max = 1;
                o.raft.cache_bytes_max = 1 << 20;
            });
            return;
    }
}

std::set<ServerId> carry_out(Drill drill, Rng& rng, Cluster& cluster) {
    Stage stage(rng, cluster);
    switch (drill) {
        case Drill::OldEntry:
            stage.old_entry(false);
            break;
        case Drill::OldAcknowledgement:
            stage.old_entry(true);
            break;
        case Drill::LateAnswer:
            stage.late_answer();
            break;
        case Drill::LeaseAgainstVote:
            stage.lease(false);
            break;
        case Drill::LeaseAgainstRestart:
            stage.lease(true);
            break;
        case Drill::TwoMemberships:
            stage.two_memberships();
            break;
        case Drill::UndoneMembership:
            stage.undone_membership();
            break;
        case Drill::LostVote:
            stage.lost_vote();
            break;
        case Drill::HalfRepaired:
            stage.half_repaired();
            break;
    }
    return stage.damaged;
}

}  // namespace nl::sim
