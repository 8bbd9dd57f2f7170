#pragma once
// Whole replicas in virtual time, for tests and the simulator: each has a faulty log store, a
// snapshot store, a small state machine and a clock that may run fast or slow; between them lies
// the faulty network. One seed, one run. Every step is watched: the first broken promise is kept in
// `violation`.

#include "base/rng.h"
#include "fakes/log_store.h"
#include "fakes/network.h"
#include "fakes/snapshot_store.h"
#include "server/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::server::testing {

/// The state machine: the commands applied, each once, and a hash over everything in order.
struct ToyState {
    std::uint64_t hash{0};
    std::set<std::string> seen;

    void apply(const Committed& entry) {
        if (entry.kind == raft::EntryKind::Command && seen.insert(entry.data).second) {
            for (const char c : entry.data) {
                hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
            }
        }
        hash = (hash ^ entry.index.value) * 0x9e3779b97f4a7c15ULL;
    }
    Bytes save() const {
        Bytes out = fmt::format("{}\n", hash);
        for (const std::string& command : seen) {
            out += command + "\n";
        }
        return out;
    }
    static ToyState load(BytesView text) {
        ToyState state;
        std::size_t end = text.find('\n');
        state.hash = std::stoull(std::string(text.substr(0, end)));
        text.remove_prefix(end + 1);
        while (!text.empty()) {
            end = text.find('\n');
            state.seen.emplace(text.substr(0, end));
            text.remove_prefix(end + 1);
        }
        return state;
    }
};

class ReplicaGroup {
public:
    struct Settings {
        std::uint64_t seed = 1;
        std::size_t voters = 3;
        std::size_t spares = 0;
        ReplicaOptions options;
        fakes::NetworkFaults network;
        Duration disk_min = microseconds(200);
        Duration disk_max = milliseconds(2);
        /// Clocks run up to this much too fast or too slow, in thousandths.
        int drift_permille = 0;
    };
    /// How a proposal or another request with a ticket ended.
    struct Ended {
        Instant at;
        Result<Index> result;
    };

    explicit ReplicaGroup(Settings settings)
        : settings_(std::move(settings)),
          rng_(settings_.seed),
          network_(rng_.fork(), settings_.network) {
        raft::Membership founding;
        for (std::size_t i = 1; i <= settings_.voters; ++i) {
            founding.put(member(ServerId(i), true));
        }
        for (std::size_t i = 1; i <= settings_.voters + settings_.spares; ++i) {
            auto node = std::make_unique<Node>();
            node->id = ServerId(i);
            node->founding = i <= settings_.voters ? founding : raft::Membership{};
            node->rate_permille =
                1000 +
                static_cast<int>(rng_.between(-settings_.drift_permille, settings_.drift_permille));
            nodes_.emplace(node->id, std::move(node));
        }
        for (auto& [id, node] : nodes_) {
            start(*node);
        }
    }
    ReplicaGroup(const ReplicaGroup&) = delete;
    ReplicaGroup& operator=(const ReplicaGroup&) = delete;

    static raft::Member member(ServerId id, bool voter) {
        return {
            .id = id,
            .voter = voter,
            .name = fmt::format("s{}", id),
            .address = fmt::format("10.0.0.{}:4647", id),
            .info = {}
        };
    }

    std::string violation;
    std::function<void(const std::string&)> trace;
    Instant now() const { return now_; }
    Rng& rng() { return rng_; }
    fakes::Network& network() { return network_; }
    std::vector<ServerId> ids() const {
        std::vector<ServerId> out;
        for (const auto& [id, node] : nodes_) {
            out.push_back(id);
        }
        return out;
    }
    bool is_up(ServerId id) const { return nodes_.at(id)->replica != nullptr; }
    Replica& replica(ServerId id) { return *nodes_.at(id)->replica; }
    fakes::LogStore& log(ServerId id) { return nodes_.at(id)->log; }
    fakes::SnapshotStore& snapshots(ServerId id) { return nodes_.at(id)->snapshots; }
    const ToyState& state(ServerId id) const { return nodes_.at(id)->state; }
    Index applied(ServerId id) const { return nodes_.at(id)->position.meta().index; }
    /// The last reason why the replica stopped or could not start.
    const std::optional<Error>& fatal(ServerId id) const { return nodes_.at(id)->fatal; }
    const raft::Membership& told(ServerId id) const { return nodes_.at(id)->told; }
    std::size_t acknowledged() const { return acknowledged_.size(); }
    std::size_t reads_answered() const { return reads_answered_; }
    std::uint64_t events() const { return events_; }
    std::optional<Ended> ended(Ticket ticket) const {
        const auto at = ended_.find(ticket);
        return at != ended_.end() ? std::optional(at->second) : std::nullopt;
    }
    std::optional<ServerId> leader() const {
        std::optional<ServerId> out;
        Term best;
        for (const auto& [id, node] : nodes_) {
            if (node->replica && node->replica->is_leader() &&
                node->replica->status().raft.term > best) {
                out = id;
                best = node->replica->status().raft.term;
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
            network_.set_now(now_);
            step();
        }
        now_ = until;
        network_.set_now(now_);
    }
    /// Until somebody leads; false after `limit`.
    bool run_to_leader(Duration limit) {
        for (const Instant end = now_ + limit; now_ < end && violation.empty();
             run(milliseconds(10))) {
            if (leader()) {
                return true;
            }
        }
        return leader().has_value();
    }
    Ticket propose(ServerId id, std::string command) {
        const Ticket ticket = next_ticket_;
        ++next_ticket_;
        asked_[ticket] = {
            .node = id,
            .life = nodes_.at(id)->life,
            .seen = highest_seen_,
            .command = command,
            .is_read = false
        };
        push(id, Propose{.ticket = ticket, .command = std::move(command), .request = {}});
        return ticket;
    }
    Ticket read(ServerId id) {
        const Ticket ticket = next_ticket_;
        ++next_ticket_;
        asked_[ticket] = {
            .node = id,
            .life = nodes_.at(id)->life,
            .seen = highest_seen_,
            .command = {},
            .is_read = true
        };
        push(id, Read{ticket});
        return ticket;
    }
    Ticket change(ServerId id, raft::Change change) {
        const Ticket ticket = next_ticket_;
        ++next_ticket_;
        push(id, ChangeMembership{ticket, std::move(change)});
        return ticket;
    }
    Ticket transfer(ServerId id, ServerId to) {
        const Ticket ticket = next_ticket_;
        ++next_ticket_;
        push(id, TransferLeadership{ticket, to});
        return ticket;
    }
    /// The process dies; un-synced writes are lost but for the first few, by chance.
    void crash(ServerId id) {
        Node& node = *nodes_.at(id);
        if (node.replica) {
            node.log.crash(rng_.below(node.log.pending() + 1));
            stop(node);
        }
    }
    void restart(ServerId id) {
        if (Node& node = *nodes_.at(id); !node.replica) {
            start(node);
        }
    }
    void pause(ServerId id, Duration span) { nodes_.at(id)->paused_until = now_ + span; }
    void isolate(ServerId id) {
        for (const auto& [other, node] : nodes_) {
            network_.cut(id, other);
            network_.cut(other, id);
        }
    }
    /// Writes take at least this long from now on.
    void set_disk(Duration min, Duration max) {
        settings_.disk_min = min;
        settings_.disk_max = max;
    }

private:
    struct Node {
        ServerId id;
        int rate_permille{1000};
        int life{0};
        raft::Membership founding;
        fakes::LogStore log;
        fakes::SnapshotStore snapshots;
        std::unique_ptr<SnapshotWorker> worker;
        std::unique_ptr<Replica> replica;
        std::vector<Event> inbox;
        std::deque<Instant> disk_due;
        std::deque<std::pair<Instant, SnapshotCall>> snapshot_work;
        ToyState state;
        AppliedPosition position;
        Instant paused_until;
        std::optional<Error> fatal;
        raft::Membership told;
    };
    struct Asked {
        ServerId node;
        int life{0};
        /// The highest index anybody had seen answered when this was asked.
        Index seen;
        std::string command;
        bool is_read{false};
    };

    void broken(std::string what) {
        if (violation.empty()) {
            violation = fmt::format("at {} ms: {}", now_.ns / 1'000'000, what);
        }
    }
    void say(const Node& node, const std::string& what) const {
        if (trace) {
            trace(fmt::format("{:>6} s{} {}", now_.ns / 1'000'000, node.id, what));
        }
    }
    // A server's own clock: begins anywhere, runs at its own rate.
    Instant local(const Node& node) const { return {now_.ns / 1000 * node.rate_permille}; }
    Instant global(const Node& node, Instant at) const {
        return at == Instant::max() ? at : Instant{at.ns / node.rate_permille * 1000 + 1000};
    }

    void push(ServerId id, Event event) {
        if (Node& node = *nodes_.at(id); node.replica) {
            node.inbox.push_back(std::move(event));
        }
    }
    Result<ToyState> load(Node& node, Index index) {
        NL_TRY(const auto reader, node.snapshots.open(index));
        Bytes all;
        while (true) {
            NL_TRY(const Bytes part, reader->read(1 << 16));
            if (part.empty()) {
                return ToyState::load(all);
            }
            all += part;
        }
    }
    void start(Node& node) {
        ++node.life;
        node.fatal.reset();
        node.inbox.clear();
        node.worker = std::make_unique<SnapshotWorker>(node.snapshots);
        const auto newest = node.snapshots.latest();
        std::optional<env::SnapshotMeta> snapshot;
        if (newest && *newest) {
            snapshot = *newest;
        }
        node.state = ToyState{};
        node.position = AppliedPosition{};
        if (snapshot) {
            auto state = load(node, snapshot->index);
            if (!state) {
                node.fatal = state.error();
                return;
            }
            node.state = std::move(*state);
            node.position = AppliedPosition(*snapshot);
        }
        ReplicaOptions options = settings_.options;
        options.raft.self = node.id;
        options.founding = node.founding;
        auto replica = Replica::recover(options, rng_.fork(), node.log, snapshot, local(node));
        if (!replica) {
            node.fatal = replica.error();
            say(node, "cannot start: " + replica.error().message);
            return;
        }
        node.replica = std::move(*replica);
        say(node, "starts");
        turn(node);
    }
    void stop(Node& node) {
        say(node, "stops");
        node.replica.reset();
        node.inbox.clear();
        node.disk_due.clear();
        node.snapshot_work.clear();
    }

    Instant next_event() const {
        Instant next = network_.next_due();
        for (const auto& [id, node] : nodes_) {
            if (!node->replica) {
                continue;
            }
            Instant mine =
                node->inbox.empty() ? global(*node, node->replica->next_deadline()) : now_;
            if (!node->disk_due.empty()) {
                mine = std::min(mine, node->disk_due.front());
            }
            if (!node->snapshot_work.empty()) {
                mine = std::min(mine, node->snapshot_work.front().first);
            }
            next = std::min(next, std::max(mine, node->paused_until));
        }
        return next;
    }
    void step() {
        while (auto delivery = network_.take_due(now_)) {
            push(
                delivery->to,
                Inbound{
                    .from = delivery->from,
                    .channel = delivery->channel,
                    .bytes = std::move(delivery->bytes)
                }
            );
        }
        for (auto& [id, holder] : nodes_) {
            Node& node = *holder;
            if (!node.replica || node.paused_until > now_) {
                continue;
            }
            while (!node.disk_due.empty() && node.disk_due.front() <= now_) {
                node.disk_due.pop_front();
                for (env::Completion& done : node.log.complete(1)) {
                    node.inbox.push_back(LogDone{std::move(done)});
                }
            }
            while (!node.snapshot_work.empty() && node.snapshot_work.front().first <= now_) {
                if (auto answer = node.worker->run(node.snapshot_work.front().second)) {
                    node.inbox.push_back(std::move(*answer));
                }
                node.snapshot_work.pop_front();
            }
            if (!node.inbox.empty() || global(node, node.replica->next_deadline()) <= now_) {
                turn(node);
            }
        }
    }
    void turn(Node& node) {
        ++events_;
        Effects effects = node.replica->on(std::exchange(node.inbox, {}), local(node));
        if (effects.fatal) {
            node.fatal = effects.fatal;
            say(node, "fatal: " + effects.fatal->message);
            node.log.crash(0);
            stop(node);
            return;
        }
        if (effects.membership) {
            node.told = *effects.membership;
        }
        for (Send& message : effects.send) {
            network_.send(
                {.from = node.id,
                 .to = message.to,
                 .channel = message.channel,
                 .bytes = std::move(message.bytes)}
            );
        }
        if (effects.install) {
            auto state = load(node, effects.install->index);
            say(node, fmt::format("installs snapshot {}", effects.install->index));
            Result<void> result;
            if (state) {
                node.state = std::move(*state);
                node.position = AppliedPosition(*effects.install);
                check_hash(node);
            } else {
                result = std::unexpected(state.error());
            }
            node.inbox.push_back(
                SnapshotInstalled{.index = effects.install->index, .result = result}
            );
        }
        for (const Committed& entry : effects.committed) {
            apply(node, entry);
        }
        if (!effects.committed.empty()) {
            node.inbox.push_back(Applied{node.position.meta().index});
        }
        for (const ProposalResult& result : effects.results) {
            on_result(node, result.ticket, result.result);
        }
        for (const ReadResult& read : effects.reads) {
            if (read.valid_until > local(node)) {
                on_result(node, read.ticket, read.index);
            }
        }
        if (effects.role) {
            on_role(node, *effects.role);
        }
        for (SnapshotCall& call : effects.snapshot_calls) {
            node.snapshot_work.emplace_back(
                now_ + microseconds(rng_.between(50, 2000)), std::move(call)
            );
        }
        if (effects.take_snapshot) {
            node.inbox.push_back(SnapshotSaved{save(node)});
        }
        while (node.disk_due.size() < node.log.pending()) {
            Instant due =
                now_ + nanoseconds(rng_.between(settings_.disk_min.ns, settings_.disk_max.ns));
            if (!node.disk_due.empty()) {
                due = std::max(due, node.disk_due.back());
            }
            node.disk_due.push_back(due);
        }
    }
    Result<env::SnapshotMeta> save(Node& node) {
        const env::SnapshotMeta meta = node.position.meta();
        say(node, fmt::format("saves snapshot {}", meta.index));
        NL_TRY(const auto writer, node.snapshots.create(meta));
        NL_TRY_VOID(writer->write(node.state.save()));
        NL_TRY_VOID(writer->commit());
        NL_TRY_VOID(node.snapshots.prune(2));
        NL_TRY(const auto newest, node.snapshots.latest());
        return *newest;
    }

    // ---- promises ----
    void apply(Node& node, const Committed& entry) {
        if (entry.index != node.position.meta().index.next()) {
            return broken(fmt::format(
                "s{} applies {} after {}", node.id, entry.index, node.position.meta().index
            ));
        }
        const auto [known, fresh] =
            committed_.emplace(entry.index, std::pair(entry.term, entry.data));
        if (!fresh && known->second != std::pair(entry.term, entry.data)) {
            return broken(
                fmt::format("s{} applies another entry {} than others did", node.id, entry.index)
            );
        }
        if (refused_.contains(entry.data)) {
            return broken(fmt::format("\"{}\" was refused and is committed", entry.data));
        }
        node.state.apply(entry);
        node.position.advance(entry);
        check_hash(node);
    }
    void check_hash(const Node& node) {
        const auto [known, fresh] = hashes_.emplace(node.position.meta().index, node.state.hash);
        if (!fresh && known->second != node.state.hash) {
            broken(fmt::format("s{} has another state at {}", node.id, node.position.meta().index));
        }
    }
    void on_role(const Node& node, const raft::RoleChange& change) {
        say(node,
            fmt::format("{} term {} leader {}", to_string(change.role), change.term, change.leader)
        );
        if (change.role == raft::Role::Leader) {
            const auto [known, fresh] = leaders_.emplace(change.term, node.id);
            if (!fresh && known->second != node.id) {
                broken(fmt::format(
                    "s{} and s{} both lead term {}", known->second, node.id, change.term
                ));
            }
        }
    }
    void on_result(const Node& node, Ticket ticket, const Result<Index>& result) {
        if (!ended_.emplace(ticket, Ended{.at = now_, .result = result}).second) {
            return broken(fmt::format("request {} ended twice", ticket));
        }
        const auto at = asked_.find(ticket);
        if (at == asked_.end()) {
            return;  // A change or a transfer.
        }
        const Asked& asked = at->second;
        if (asked.node != node.id || asked.life != node.life) {
            return broken(fmt::format("request {} was answered by another", ticket));
        }
        if (!result) {
            const bool surely_not = result.error().code == ErrorCode::NotLeader ||
                                    result.error().code == ErrorCode::ResourceExhausted ||
                                    result.error().code == ErrorCode::Unavailable;
            if (!asked.is_read && surely_not) {
                refused_.insert(asked.command);
                for (const auto& [index, entry] : committed_) {
                    if (entry.second == asked.command) {
                        broken(fmt::format("\"{}\" is committed and was refused", asked.command));
                    }
                }
            }
            return;
        }
        // Linearizable: everything lies in one order, and what was answered before this was asked
        // lies before it.
        if (asked.is_read) {
            ++reads_answered_;
            if (*result < asked.seen) {
                return broken(fmt::format(
                    "a read at {} was asked after {} had been answered", *result, asked.seen
                ));
            }
        } else {
            if (*result <= asked.seen) {
                return broken(
                    fmt::format("{} was asked after {} had been answered", *result, asked.seen)
                );
            }
            const auto there = committed_.find(*result);
            if (there == committed_.end() || there->second.second != asked.command) {
                return broken(fmt::format(
                    "\"{}\" was acknowledged at {}, where it is not", asked.command, *result
                ));
            }
            acknowledged_.insert(asked.command);
        }
        highest_seen_ = std::max(highest_seen_, *result);
    }

    Settings settings_;
    Rng rng_;
    fakes::Network network_;
    Instant now_{0};
    std::map<ServerId, std::unique_ptr<Node>> nodes_;
    std::map<Term, ServerId> leaders_;
    std::map<Index, std::pair<Term, Bytes>> committed_;
    std::map<Index, std::uint64_t> hashes_;
    std::set<std::string> refused_;
    std::set<std::string> acknowledged_;
    std::map<Ticket, Asked> asked_;
    std::map<Ticket, Ended> ended_;
    Ticket next_ticket_{1};
    Index highest_seen_;
    std::size_t reads_answered_{0};
    std::uint64_t events_{0};
};

}  // namespace nl::server::testing
