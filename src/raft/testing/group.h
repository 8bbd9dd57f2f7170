#pragma once
// A group of cores in virtual time, for tests: disks that finish late and forget what was not
// finished, a network that delays, loses, doubles and parts, and checkers that watch every step.
// One seed, one run. The first broken promise is kept in `violation`.

#include "base/codec.h"
#include "base/rng.h"
#include "raft/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

namespace nl::raft::testing {

struct Faults {
    int loss_percent = 0;
    int duplicate_percent = 0;
    Duration delay_min = milliseconds(1);
    Duration delay_max = milliseconds(1);
    /// A message in a hundred may take so long.
    Duration delay_rare = milliseconds(1);
    Duration disk_min = milliseconds(1);
    Duration disk_max = milliseconds(1);
};

struct Disk {
    HardState hard;
    Index base;
    Term base_term;
    std::deque<Entry> log;
    Snapshot snapshot;
    std::uint64_t snapshot_hash{0};
};

class Group {
public:
    struct Settings {
        std::uint64_t seed = 1;
        std::size_t voters = 3;
        std::size_t spares = 0;
        Options options;
        Faults faults;
        /// Entries kept behind a snapshot.
        std::uint64_t trailing = 2;
    };
    struct Acknowledged {
        Term term;
        std::string data;
        /// The term of whoever was first to see it committed.
        Term seen_in;
    };

    explicit Group(Settings settings) : settings_(std::move(settings)), rng_(settings_.seed) {
        Membership founding;
        for (std::size_t i = 1; i <= settings_.voters; ++i) {
            founding.put(
                {.id = ServerId(i),
                 .voter = true,
                 .name = fmt::format("n{}", i),
                 .address = {},
                 .info = {}}
            );
        }
        for (std::size_t i = 1; i <= settings_.voters + settings_.spares; ++i) {
            Node& node = nodes_[ServerId(i)];
            node.id = ServerId(i);
            node.founding = i <= settings_.voters ? founding : Membership{};
            start(node);
        }
    }

    // ---- what a test does ----
    Instant now() const { return now_; }
    std::string violation;
    std::function<void(const std::string&)> trace;
    bool trace_messages = false;
    std::vector<ServerId> ids() const {
        std::vector<ServerId> out;
        for (const auto& [id, node] : nodes_) {
            out.push_back(id);
        }
        return out;
    }
    bool is_up(ServerId id) const { return nodes_.at(id).core.has_value(); }
    Core& core(ServerId id) { return *nodes_.at(id).core; }
    Index applied(ServerId id) const { return nodes_.at(id).applied; }
    std::uint64_t hash(ServerId id) const { return nodes_.at(id).hash; }
    const std::map<Index, Acknowledged>& acknowledged() const { return acknowledged_; }
    std::size_t reads_answered() const { return reads_answered_; }
    void set_faults(const Faults& faults) { settings_.faults = faults; }
    std::optional<ServerId> leader() const {
        std::optional<ServerId> out;
        Term best;
        for (const auto& [id, node] : nodes_) {
            if (node.core && node.core->status().role == Role::Leader && node.core->term() > best) {
                out = id;
                best = node.core->term();
            }
        }
        return out;
    }
    void run(Duration span) {
        const Instant until = now_ + span;
        while (violation.empty()) {
            const Instant next = next_event();
            if (next > until) {
                break;
            }
            now_ = std::max(now_, next);
            step_time();
        }
        now_ = until;
    }
    std::string propose(ServerId id, std::string data) {
        Node& node = nodes_.at(id);
        const Payload payload{.data = data, .request = {}, .born = {}};
        const auto proposed = node.core->propose(std::span(&payload, 1), now_);
        if (!proposed) {
            switch (proposed.error().fault) {
                case ProposeFault::NotLeader:
                    return fmt::format(
                        "refused: not the leader (leader {})", proposed.error().leader
                    );
                case ProposeFault::QueueFull:
                    return "refused: queue full";
                case ProposeFault::Transferring:
                    return "refused: transferring";
                case ProposeFault::TooLarge:
                    return "refused: too large";
                case ProposeFault::DiskFull:
                    return "refused: disk full";
            }
        }
        node.proposed[{proposed->first, proposed->term}] = std::move(data);
        flush(node);
        return fmt::format("index {} term {}", proposed->first, proposed->term);
    }
    std::string read(ServerId id) {
        Node& node = nodes_.at(id);
        const auto read = node.core->read(now_);
        if (!read) {
            return "refused: " + read.error().message;
        }
        // A read must see what anybody was told is committed before it was asked.
        node.reads[*read] = {
            .at_least = acknowledged_.empty() ? Index{0} : acknowledged_.rbegin()->first,
            .number = ++reads_asked_,
        };
        flush(node);
        return fmt::format("read {}", reads_asked_);
    }
    std::string change(ServerId id, const Change& change) {
        Node& node = nodes_.at(id);
        const auto result = node.core->change_membership(change, now_);
        flush(node);
        return result ? fmt::format("index {} term {}", result->first, result->term)
                      : "refused: " + result.error().message;
    }
    std::string transfer(ServerId id, ServerId to) {
        Node& node = nodes_.at(id);
        const auto result = node.core->transfer_leadership(to, now_);
        flush(node);
        return result ? "ok" : "refused: " + result.error().message;
    }
    /// The process ends; of the writes under way, none or the first few were done.
    void crash(ServerId id) {
        Node& node = nodes_.at(id);
        if (!node.core) {
            return;
        }
        const std::size_t done = rng_.below(node.writes.size() + 1);
        for (std::size_t i = 0; i < done; ++i) {
            store(node, node.writes[i]);
        }
        stop(node);
    }
    void restart(ServerId id) {
        if (Node& node = nodes_.at(id); !node.core) {
            start(node);
        }
    }
    void pause(ServerId id, Duration span) { nodes_.at(id).paused_until = now_ + span; }
    void cut(ServerId from, ServerId to) { cut_.insert({from, to}); }
    void set_disk_full(ServerId id, bool full) {
        Node& node = nodes_.at(id);
        node.core->set_disk_full(full, now_);
        flush(node);
    }
    void isolate(ServerId id) {
        for (const auto& [other, node] : nodes_) {
            cut(id, other);
            cut(other, id);
        }
    }
    void heal() { cut_.clear(); }
    /// Takes a snapshot of what is applied and forgets the log before it.
    void compact(ServerId id) {
        Node& node = nodes_.at(id);
        if (!node.core || node.installing || node.applied <= node.disk.snapshot.index) {
            return;
        }
        node.disk.snapshot = {
            .index = node.applied, .term = node.applied_term, .membership = node.applied_membership
        };
        node.disk.snapshot_hash = node.hash;
        if (node.applied.value > settings_.trailing) {
            node.core->compact(node.applied - settings_.trailing);
        }
    }
    Rng& rng() { return rng_; }

private:
    struct Write {
        Instant due;
        std::uint64_t order{0};
        Ready ready;
    };
    struct Node {
        ServerId id;
        Membership founding;
        Disk disk;
        std::optional<Core> core;
        std::deque<Write> writes;
        /// The log as reads see it: durable or on its way.
        Index view_base;
        std::deque<Entry> view;
        Index applied;
        Term applied_term;
        Membership applied_membership;
        std::uint64_t hash{0};
        std::optional<Snapshot> installing;
        /// What the snapshots that came in hold.
        std::map<Index, std::uint64_t> received;
        Instant paused_until;
        std::map<std::pair<Index, Term>, std::string> proposed;
        struct Reading {
            Index at_least;
            std::uint64_t number{0};
        };
        std::map<ReadId, Reading> reads;
    };
    struct Flight {
        Instant due;
        std::uint64_t order{0};
        ServerId to;
        Bytes bytes;
        std::uint64_t snapshot_hash{0};
        bool is_stream{false};
        bool operator<(const Flight& other) const {
            return std::pair(due, order) > std::pair(other.due, other.order);
        }
    };

    void say(const Node& node, const std::string& what) const {
        if (trace) {
            trace(fmt::format("{:>5} n{} {}", now_.ns / 1'000'000, node.id, what));
        }
    }
    void broken(std::string what) {
        if (violation.empty()) {
            violation = fmt::format("at {} ms: {}", now_.ns / 1'000'000, what);
        }
    }

    void start(Node& node) {
        Disk& disk = node.disk;
        const Index covered = disk.snapshot.index;
        if (covered > disk.base) {
            // Where snapshot and log do not join, the snapshot counts (as storage::Log has it).
            const bool joins = covered <= disk.base + disk.log.size() &&
                               disk.log[static_cast<std::size_t>(covered - disk.base) - 1].term ==
                                   disk.snapshot.term;
            if (!joins) {
                disk.log.clear();
                disk.base = covered;
                disk.base_term = disk.snapshot.term;
            }
        }
        if (disk.hard.term < disk.snapshot.term) {
            disk.hard = {.term = disk.snapshot.term, .vote = kNobody, .commit = disk.hard.commit};
        }
        LogStart start;
        start.base = disk.base;
        start.base_term = disk.base_term;
        start.applied = disk.snapshot.index;
        start.last = disk.base + disk.log.size();
        start.base_membership =
            disk.snapshot.index > Index{0} ? disk.snapshot.membership : node.founding;
        start.base_membership_index = disk.snapshot.index;
        for (const Entry& entry : disk.log) {
            if (start.runs.empty() || start.runs.back().term != entry.term) {
                start.runs.push_back({.first = entry.index, .term = entry.term});
            }
            if (entry.kind == EntryKind::Membership && entry.index > disk.snapshot.index) {
                start.memberships.push_back(
                    {.index = entry.index, .membership = *decode<Membership>(entry.data)}
                );
            }
        }
        Options options = settings_.options;
        options.self = node.id;
        node.core.emplace(options, rng_.fork(), disk.hard, start, now_);
        node.view_base = disk.base;
        node.view = disk.log;
        node.applied = disk.snapshot.index;
        node.applied_term = disk.snapshot.term;
        node.applied_membership = start.base_membership;
        node.hash = disk.snapshot_hash;
        node.installing.reset();
        node.writes.clear();
        flush(node);
    }
    void stop(Node& node) {
        node.core.reset();
        node.writes.clear();
        node.proposed.clear();
        node.reads.clear();
        say(node, "stops");
    }

    Instant next_event() const {
        Instant next = Instant::max();
        if (!flights_.empty()) {
            next = flights_.top().due;
        }
        for (const auto& [id, node] : nodes_) {
            if (!node.core) {
                continue;
            }
            Instant mine = node.core->next_deadline();
            if (!node.writes.empty()) {
                mine = std::min(mine, node.writes.front().due);
            }
            next = std::min(next, std::max(mine, node.paused_until));
        }
        return next;
    }
    void step_time() {
        while (!flights_.empty() && flights_.top().due <= now_) {
            Flight flight = flights_.top();
            flights_.pop();
            Node& node = nodes_.at(flight.to);
            if (node.core && node.paused_until > now_) {
                flight.due = node.paused_until;
                flights_.push(std::move(flight));
                continue;
            }
            if (node.core) {
                deliver(node, flight);
            }
        }
        for (auto& [id, node] : nodes_) {
            if (!node.core || node.paused_until > now_) {
                continue;
            }
            while (node.core && !node.writes.empty() && node.writes.front().due <= now_) {
                finish_write(node);
            }
            if (node.core && node.core->next_deadline() <= now_) {
                node.core->tick(now_);
                flush(node);
            }
        }
        check_logs();
    }

    void deliver(Node& node, const Flight& flight) {
        const auto message = decode<Message>(flight.bytes);
        if (!message) {
            return broken("a message cannot be decoded");
        }
        if (message->kind == MessageKind::InstallSnapshot) {
            if (message->index > node.core->commit()) {
                node.disk.snapshot = {
                    .index = message->index,
                    .term = message->log_term,
                    .membership = *message->membership
                };
                node.disk.snapshot_hash = flight.snapshot_hash;
                node.received[message->index] = flight.snapshot_hash;
            }
        }
        if (trace_messages && message->kind != MessageKind::HeartbeatRequest &&
            message->kind != MessageKind::HeartbeatResponse) {
            say(node, "gets " + describe(*message));
        }
        node.core->step(*message, now_);
        flush(node);
    }
    static std::string describe(const Message& m) {
        std::string out = fmt::format("{} from n{} term {}", to_string(m.kind), m.from, m.term);
        if (m.kind == MessageKind::AppendRequest || m.kind == MessageKind::AppendResponse ||
            m.kind == MessageKind::InstallSnapshot || m.kind == MessageKind::ReadResponse) {
            out += fmt::format(" index {}", m.index);
        }
        if (!m.entries.empty()) {
            out += fmt::format(" entries {}..{}", m.entries.front().index, m.entries.back().index);
        }
        if (m.kind == MessageKind::AppendRequest) {
            out += fmt::format(" commit {}", m.commit);
        }
        if (m.reject) {
            out += fmt::format(" rejected hint {}", m.hint);
        }
        return out;
    }

    void send(Node& node, Outbound& outbound) {
        if (outbound.stored) {
            for (Index i = outbound.stored->first; i <= outbound.stored->last; ++i) {
                if (i <= node.view_base || i > node.view_base + node.view.size()) {
                    return broken(fmt::format(
                        "n{} is told to send entry {} that its store does not hold", node.id, i
                    ));
                }
                outbound.message.entries.push_back(
                    node.view[static_cast<std::size_t>(i - node.view_base) - 1]
                );
            }
        }
        post(node.id, outbound.message.to, encode(outbound.message), 0);
    }
    void post(ServerId from, ServerId to, Bytes bytes, std::uint64_t snapshot_hash) {
        const Faults& f = settings_.faults;
        if (cut_.contains({from, to}) || !nodes_.contains(to)) {
            return;
        }
        const int copies = f.duplicate_percent > 0 &&
                                   rng_.chance(static_cast<std::uint64_t>(f.duplicate_percent), 100)
                               ? 2
                               : 1;
        for (int i = 0; i < copies; ++i) {
            if (f.loss_percent > 0 &&
                rng_.chance(static_cast<std::uint64_t>(f.loss_percent), 100)) {
                continue;
            }
            const Duration max =
                rng_.chance(1, 100) ? std::max(f.delay_rare, f.delay_max) : f.delay_max;
            const Duration delay = nanoseconds(rng_.between(f.delay_min.ns, max.ns));
            flights_.push(
                {.due = now_ + delay,
                 .order = ++order_,
                 .to = to,
                 .bytes = bytes,
                 .snapshot_hash = snapshot_hash}
            );
        }
    }

    void flush(Node& node) {
        while (node.core && violation.empty()) {
            auto ready = node.core->take_ready();
            if (!ready) {
                break;
            }
            carry_out(node, std::move(*ready));
        }
    }
    void carry_out(Node& node, Ready ready) {
        if (ready.broken) {
            return broken(*ready.broken);
        }
        if (ready.role) {
            say(node,
                fmt::format(
                    "{} term {} leader {}",
                    to_string(ready.role->role),
                    ready.role->term,
                    ready.role->leader
                ));
            on_role(node, *ready.role);
        }
        if (ready.install) {
            node.installing = ready.install;
            node.view.clear();
            node.view_base = ready.install->index;
            say(node, fmt::format("installs snapshot {}", ready.install->index));
        }
        for (Outbound& outbound : ready.send_now) {
            send(node, outbound);
        }
        if (!ready.append.empty()) {
            const Index first = ready.append.front().index;
            if (first <= node.view_base || first > node.view_base + node.view.size() + 1) {
                return broken(fmt::format("n{} leaves a gap before entry {}", node.id, first));
            }
            node.view.resize(static_cast<std::size_t>(first - node.view_base) - 1);
            node.view.insert(node.view.end(), ready.append.begin(), ready.append.end());
        }
        if (ready.committed_stored) {
            for (Index i = ready.committed_stored->first; i <= ready.committed_stored->last; ++i) {
                if (i <= node.view_base || i > node.view_base + node.view.size()) {
                    return broken(fmt::format(
                        "n{} is told to apply entry {} that its store does not hold", node.id, i
                    ));
                }
                apply(node, node.view[static_cast<std::size_t>(i - node.view_base) - 1]);
            }
        }
        for (const Entry& entry : ready.committed) {
            apply(node, entry);
        }
        node.core->applied(node.applied);
        for (const ReadReady& read : ready.reads) {
            on_read(node, read);
        }
        for (const ReadId id : ready.reads_failed) {
            say(node, fmt::format("read {} failed", node.reads[id].number));
            node.reads.erase(id);
        }
        for (const SnapshotWanted& wanted : ready.snapshots) {
            on_snapshot_wanted(node, wanted);
        }
        // Last, because it moves the Ready.
        if (ready.persist) {
            const Faults& f = settings_.faults;
            Instant due = now_ + nanoseconds(rng_.between(f.disk_min.ns, f.disk_max.ns));
            if (!node.writes.empty()) {
                due = std::max(due, node.writes.back().due);
            }
            node.writes.push_back({.due = due, .order = ++order_, .ready = std::move(ready)});
        } else {
            for (Outbound& outbound : ready.send_durable) {
                if (node.writes.empty()) {
                    send(node, outbound);
                } else {
                    node.writes.back().ready.send_durable.push_back(std::move(outbound));
                }
            }
        }
    }
    void store(Node& node, const Write& write) {
        Disk& disk = node.disk;
        if (write.ready.install) {
            disk.log.clear();
            disk.base = write.ready.install->index;
            disk.base_term = write.ready.install->term;
        }
        if (write.ready.hard_state) {
            disk.hard = *write.ready.hard_state;
        }
        for (const Entry& entry : write.ready.append) {
            if (entry.index <= disk.base) {
                continue;
            }
            disk.log.resize(static_cast<std::size_t>(entry.index - disk.base) - 1);
            disk.log.push_back(entry);
        }
    }
    void finish_write(Node& node) {
        Write write = std::move(node.writes.front());
        node.writes.pop_front();
        store(node, write);
        for (Outbound& outbound : write.ready.send_durable) {
            send(node, outbound);
        }
        node.core->persisted(*write.ready.persist, now_);
        if (write.ready.install && node.installing &&
            node.installing->index == write.ready.install->index) {
            node.applied = node.installing->index;
            node.applied_term = node.installing->term;
            node.applied_membership = node.installing->membership;
            node.hash = node.received.at(node.installing->index);
            check_hash(node);
            node.core->snapshot_installed(node.installing->index, node.installing->term);
            node.installing.reset();
        }
        flush(node);
    }
    void on_snapshot_wanted(Node& node, const SnapshotWanted& wanted) {
        const bool delivered = node.disk.snapshot.index >= wanted.at_least && !rng_.chance(1, 5);
        if (delivered) {
            Message m{
                .kind = MessageKind::InstallSnapshot,
                .from = node.id,
                .to = wanted.to,
                .term = node.core->term(),
                .index = node.disk.snapshot.index,
                .log_term = node.disk.snapshot.term,
                .membership = node.disk.snapshot.membership,
            };
            post(node.id, wanted.to, encode(m), node.disk.snapshot_hash);
        }
        say(node,
            fmt::format(
                "sends snapshot {} to n{}{}",
                node.disk.snapshot.index,
                wanted.to,
                delivered ? "" : ", in vain"
            ));
        node.core->snapshot_finished(wanted.to, delivered, now_);
    }

    // ---- promises ----
    static std::uint64_t mix(std::uint64_t hash, const Entry& entry) {
        for (const char c : entry.data) {
            hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
        }
        return (hash ^ entry.index.value ^ entry.term.value << 32) * 0x9e3779b97f4a7c15ULL;
    }
    void apply(Node& node, const Entry& entry) {
        if (entry.index != node.applied.next()) {
            return broken(fmt::format("n{} applies {} after {}", node.id, entry.index, node.applied)
            );
        }
        const auto [known, fresh] = committed_.emplace(
            entry.index,
            Acknowledged{.term = entry.term, .data = entry.data, .seen_in = node.core->term()}
        );
        if (!fresh && (known->second.term != entry.term || known->second.data != entry.data)) {
            return broken(
                fmt::format("n{} applies another entry {} than others did", node.id, entry.index)
            );
        }
        node.applied = entry.index;
        node.applied_term = entry.term;
        node.hash = mix(node.hash, entry);
        if (entry.kind == EntryKind::Membership) {
            node.applied_membership = *decode<Membership>(entry.data);
        }
        check_hash(node);
        const auto mine = node.proposed.find({entry.index, entry.term});
        if (mine != node.proposed.end()) {
            if (mine->second != entry.data) {
                return broken(
                    fmt::format("n{}: proposal {} turned into another", node.id, entry.index)
                );
            }
            acknowledged_.emplace(
                entry.index, Acknowledged{.term = entry.term, .data = entry.data, .seen_in = {}}
            );
            say(node, fmt::format("committed {} \"{}\"", entry.index, entry.data));
            node.proposed.erase(mine);
        }
    }
    void check_hash(const Node& node) {
        const auto [known, fresh] = hashes_.emplace(node.applied, node.hash);
        if (!fresh && known->second != node.hash) {
            broken(fmt::format("n{} has another state at {}", node.id, node.applied));
        }
    }
    void on_role(const Node& node, const RoleChange& change) {
        if (change.role != Role::Leader) {
            return;
        }
        const auto [known, fresh] = leaders_.emplace(change.term, node.id);
        if (!fresh && known->second != node.id) {
            broken(fmt::format("n{} and n{} both lead term {}", known->second, node.id, change.term)
            );
        }
        for (const auto& [index, entry] : committed_) {
            if (entry.seen_in < change.term && index > node.core->base() &&
                node.core->term_at(index) != entry.term) {
                broken(fmt::format(
                    "n{} leads term {} without committed entry {}", node.id, change.term, index
                ));
            }
        }
    }
    void on_read(Node& node, const ReadReady& read) {
        const auto at = node.reads.find(read.id);
        if (at == node.reads.end()) {
            return broken(fmt::format("n{} answers a read twice", node.id));
        }
        if (read.valid_until > now_) {
            if (read.index < at->second.at_least) {
                broken(fmt::format(
                    "n{} reads at {}, but {} was acknowledged before",
                    node.id,
                    read.index,
                    at->second.at_least
                ));
            }
            ++reads_answered_;
            say(node, fmt::format("read {} at index {}", at->second.number, read.index));
        }
        node.reads.erase(at);
    }
    void check_logs() {
        // Log matching: the same term at an index means the same entry there.
        for (const auto& [id, node] : nodes_) {
            for (const Entry& entry : node.view) {
                const auto [known, fresh] =
                    entries_.emplace(std::pair(entry.index, entry.term), entry.data);
                if (!fresh && known->second != entry.data) {
                    broken(fmt::format("two entries {} of term {}", entry.index, entry.term));
                }
            }
        }
    }

    Settings settings_;
    Rng rng_;
    Instant now_{0};
    std::uint64_t order_{0};
    std::map<ServerId, Node> nodes_;
    std::priority_queue<Flight> flights_;
    std::set<std::pair<ServerId, ServerId>> cut_;
    std::map<Term, ServerId> leaders_;
    std::map<Index, Acknowledged> committed_;
    std::map<Index, Acknowledged> acknowledged_;
    std::map<Index, std::uint64_t> hashes_;
    std::map<std::pair<Index, Term>, std::string> entries_;
    std::size_t reads_answered_{0};
    std::uint64_t reads_asked_{0};
};

}  // namespace nl::raft::testing
