// The servers of a simulated cluster and what is watched while they run; the clients are in
// cluster_clients.cc.
#include "sim/cluster.h"

#include "base/bytes.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::sim {

namespace {

/// A field that no version of today knows, as a newer one would add to its messages.
constexpr std::string_view kFieldOfTheFuture("\xc8\x01\x01", 3);
/// Turns of a server between two looks at its queues.
constexpr std::uint64_t kBoundsEvery = 64;
/// What a server may hold beyond the bounds of its options, for entries it inherits as leader.
constexpr std::size_t kSlack = 64;

}  // namespace

void Cluster::Disk::append(env::LogBatch batch, Ticket ticket) {
    if (!batch.records.empty()) {
        const Index first = batch.records.front().index;
        terms_.erase(terms_.lower_bound(first), terms_.end());
        for (const env::LogRecord& record : batch.records) {
            const auto before = terms_.find(record.index - 1);
            cluster->check_record(
                *cluster->nodes_.at(owner), record, before != terms_.end() ? before->second : Term{}
            );
            terms_[record.index] = record.term;
        }
    }
    fakes::LogStore::append(std::move(batch), ticket);
}

void Cluster::Disk::reset(Index through, Term term, Ticket ticket) {
    terms_.clear();
    terms_[through] = term;
    fakes::LogStore::reset(through, term, ticket);
}

Cluster::Cluster(Settings settings)
    : settings_(std::move(settings)),
      rng_(settings_.seed),
      client_rng_(rng_.fork()),
      network_(rng_.fork(), settings_.network) {
    network_.set_now(now_);
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
        node->log.cluster = this;
        node->log.owner = node->id;
        nodes_.emplace(node->id, std::move(node));
    }
    committed_.resize(1);
    for (auto& [id, node] : nodes_) {
        start(*node);
    }
    for (std::size_t i = 0; i < settings_.clients; ++i) {
        Client client;
        client.id = i + 1;
        client.next = now_ + nanoseconds(client_rng_.between(0, milliseconds(300).ns));
        clients_.push_back(client);
    }
}

raft::Member Cluster::member(ServerId id, bool voter) {
    return {
        .id = id,
        .voter = voter,
        .name = fmt::format("s{}", id),
        .address = fmt::format("10.0.0.{}:4647", id),
        .info = {}
    };
}

std::vector<ServerId> Cluster::ids() const {
    std::vector<ServerId> out;
    for (const auto& [id, node] : nodes_) {
        out.push_back(id);
    }
    return out;
}

bool Cluster::is_repairing(ServerId id) const {
    const Node& node = *nodes_.at(id);
    return node.replica && node.replica->status().raft.repairing;
}

std::optional<ServerId> Cluster::leader() const {
    std::optional<ServerId> out;
    Term best;
    for (const auto& [id, node] : nodes_) {
        if (node->replica && node->replica->is_leader()) {
            const Term term = node->replica->status().raft.term;
            if (term > best) {
                out = id;
                best = term;
            }
        }
    }
    return out;
}

const raft::Membership& Cluster::membership(ServerId id) const {
    return nodes_.at(id)->replica->membership();
}

// ---- faults
// ---------------------------------------------------------------------------------------------------------------------

void Cluster::crash(ServerId id, bool keep_some) {
    Node& node = *nodes_.at(id);
    if (node.replica) {
        node.log.crash(keep_some ? rng_.below(node.log.pending() + 1) : 0);
        stop(node);
    } else {
        // A disk that was to fail at its next write is well again.
        node.log.crash(0);
    }
}

void Cluster::restart(ServerId id) {
    if (Node& node = *nodes_.at(id); !node.replica) {
        start(node);
    }
}

void Cluster::wipe(ServerId id) {
    crash(id, false);
    Node& node = *nodes_.at(id);
    node.harmed = true;
    say(node, "loses its disk");
    node.log.wipe();
    node.log.terms_.clear();
    node.snapshots.wipe();
    node.founding = {};
}

void Cluster::pause(ServerId id, Duration span) {
    Node& node = *nodes_.at(id);
    node.paused_until = now_ + span;
    if (span.ns > 0) {
        say(node, fmt::format("stands still for {} ms", span.ms()));
    }
}

void Cluster::jump_clock(ServerId id, Duration by) {
    Node& node = *nodes_.at(id);
    node.clock_ahead = node.clock_ahead + by;
    say(node, fmt::format("has its clock moved by {} ms", by.ms()));
}

void Cluster::fail_disk(ServerId id) {
    nodes_.at(id)->log.fail_with({ErrorCode::Unavailable, "input/output error"});
}

void Cluster::set_full(ServerId id, bool full) {
    Node& node = *nodes_.at(id);
    if (node.log.is_full() != full) {
        node.log.set_full(full);
        push(id, server::DiskSpace{full});
        say(node, full ? "has a full disk" : "has room on its disk again");
    }
}

bool Cluster::rot(ServerId id, Index index) {
    Node& node = *nodes_.at(id);
    if (!node.log.rot(index)) {
        return false;
    }
    node.harmed = true;
    say(node, fmt::format("has entry {} damaged", index));
    return true;
}

bool Cluster::misdirect(ServerId id, Index one, Index other) {
    Node& node = *nodes_.at(id);
    if (!node.log.swap(one, other)) {
        return false;
    }
    node.harmed = true;
    say(node, fmt::format("has entries {} and {} in each other's place", one, other));
    return true;
}

void Cluster::rot_snapshot(ServerId id) {
    Node& node = *nodes_.at(id);
    if (const auto indexes = node.snapshots.indexes(); indexes.size() > 1) {
        node.snapshots.rot(indexes.back());
        node.harmed = true;
        say(node, fmt::format("has snapshot {} damaged", indexes.back()));
    }
}

void Cluster::upgrade(ServerId id, bool newer) {
    nodes_.at(id)->newer = newer;
}

void Cluster::isolate(ServerId id) {
    for (const auto& [other, node] : nodes_) {
        network_.cut(id, other);
        network_.cut(other, id);
    }
}

void Cluster::set_disk(Duration min, Duration max) {
    settings_.disk_min = min;
    settings_.disk_max = max;
}

void Cluster::change(ServerId at, raft::Change change) {
    push(at, server::ChangeMembership{next_ticket_, std::move(change)});
    ++next_ticket_;
}

void Cluster::transfer(ServerId at, ServerId to) {
    push(at, server::TransferLeadership{next_ticket_, to});
    ++next_ticket_;
}

// ---- time
// -----------------------------------------------------------------------------------------------------------------------

void Cluster::broken(std::string what) {
    if (violation.empty()) {
        violation = fmt::format("at {} ms: {}", now_.ns / 1'000'000, what);
        if (trace) {
            trace("broken " + violation);
        }
    }
}

void Cluster::say(const Node& node, const std::string& what) const {
    if (trace) {
        trace(fmt::format("{:>7} s{} {}", now_.ns / 1'000'000, node.id, what));
    }
}

// A server's own clock: begins anywhere, runs at its own rate, and may have jumped ahead.
Instant Cluster::local(const Node& node) const {
    return Instant{now_.ns / 1000 * node.rate_permille} + node.clock_ahead;
}

Instant Cluster::global(const Node& node, Instant at) const {
    return at == Instant::max()
               ? at
               : Instant{(at.ns - node.clock_ahead.ns) / node.rate_permille * 1000 + 1000};
}

void Cluster::run(Duration span) {
    run_until([] { return false; }, span);
}

bool Cluster::run_until(const std::function<bool()>& reached, Duration span) {
    const Instant until = now_ + span;
    while (violation.empty()) {
        if (reached()) {
            return true;
        }
        const Instant next = next_event();
        if (next > until) {
            break;
        }
        now_ = std::max(now_, next);
        network_.set_now(now_);
        step();
    }
    now_ = std::max(now_, until);
    network_.set_now(now_);
    return false;
}

Instant Cluster::next_event() const {
    Instant next = network_.next_due();
    for (const auto& [id, node] : nodes_) {
        if (!node->replica) {
            continue;
        }
        Instant mine =
            node->inbox.empty() ? global(*node, node->replica->next_deadline()) : now_;
        if (!node->disk_due.empty() && !node->log.is_full()) {
            mine = std::min(mine, node->disk_due.front());
        }
        if (!node->snapshot_work.empty()) {
            mine = std::min(mine, node->snapshot_work.front().first);
        }
        if (!node->apply_jobs.empty()) {
            mine = std::min(mine, node->apply_jobs.front().due);
        }
        if (node->saving) {
            mine = std::min(mine, node->saving->due);
        }
        if (!node->answers.empty()) {
            mine = std::min(mine, node->answers.front().due);
        }
        next = std::min(next, std::max(mine, node->paused_until));
    }
    for (const Client& client : clients_) {
        if (client.busy || !quiet_) {
            next = std::min(next, client.next);
        }
    }
    return next;
}

void Cluster::step() {
    while (auto delivery = network_.take_due(now_)) {
        push(
            delivery->to,
            server::Inbound{
                .from = delivery->from,
                .channel = delivery->channel,
                .bytes = std::move(delivery->bytes)
            }
        );
    }
    for (Client& client : clients_) {
        if (client.next <= now_ && (client.busy || !quiet_)) {
            step_client(client);
        }
    }
    for (auto& [id, holder] : nodes_) {
        if (holder->replica && holder->paused_until <= now_) {
            step_node(*holder);
        }
    }
}

void Cluster::step_node(Node& node) {
    while (!node.disk_due.empty() && node.disk_due.front() <= now_) {
        auto done = node.log.complete(1);
        if (done.empty()) {
            break;  // Full.
        }
        node.disk_due.pop_front();
        for (env::Completion& one : done) {
            node.inbox.push_back(server::LogDone{std::move(one)});
        }
    }
    while (!node.snapshot_work.empty() && node.snapshot_work.front().first <= now_) {
        if (auto answer = node.worker->run(node.snapshot_work.front().second)) {
            node.inbox.push_back(std::move(*answer));
        }
        node.snapshot_work.pop_front();
    }
    while (!node.apply_jobs.empty() && node.apply_jobs.front().due <= now_ && violation.empty()) {
        ApplyJob job = std::move(node.apply_jobs.front());
        node.apply_jobs.pop_front();
        run_apply(node, std::move(job));
    }
    if (node.saving && node.saving->due <= now_) {
        const Saving saving = *std::exchange(node.saving, std::nullopt);
        node.inbox.push_back(server::SnapshotSaved{save(node, saving)});
    }
    while (!node.answers.empty() && node.answers.front().due <= now_) {
        const ReadAnswer answer = std::move(node.answers.front());
        node.answers.pop_front();
        Client* client = client_of(answer.read.ticket);
        if (client == nullptr) {
            continue;
        }
        // The clock is looked at after reading: a pause in between must not make the answer stale.
        if (answer.read.valid_until <= local(node)) {
            node.inbox.push_back(server::Read{answer.read.ticket});
            continue;
        }
        complete(*client, answer.value, answer.at);
    }
    if (!node.inbox.empty() || global(node, node.replica->next_deadline()) <= now_) {
        turn(node);
    }
}

void Cluster::turn(Node& node) {
    ++counts_.turns;
    server::Effects effects = node.replica->on(std::exchange(node.inbox, {}), local(node));
    if (effects.fatal) {
        node.fatal = effects.fatal;
        say(node, "fatal: " + effects.fatal->message);
        node.log.crash(0);
        stop(node);
        return;
    }
    carry_out(node, std::move(effects));
    if (counts_.turns % kBoundsEvery == 0) {
        check_bounds(node);
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

void Cluster::carry_out(Node& node, server::Effects effects) {
    for (server::Send& message : effects.send) {
        if (node.newer) {
            message.bytes += kFieldOfTheFuture;
        }
        network_.send(
            {.from = node.id,
             .to = message.to,
             .channel = message.channel,
             .bytes = std::move(message.bytes)}
        );
    }
    const auto enqueue = [&](auto work) {
        Instant due = now_ + nanoseconds(rng_.between(0, settings_.apply_max.ns));
        if (!node.apply_jobs.empty()) {
            due = std::max(due, node.apply_jobs.back().due);
        }
        node.apply_jobs.push_back({.due = due, .work = std::move(work)});
    };
    if (effects.install) {
        ++counts_.installs;
        enqueue(std::move(*effects.install));
    }
    if (!effects.committed.empty()) {
        enqueue(std::move(effects.committed));
    }
    for (const server::ProposalResult& result : effects.results) {
        // The success of a command is told by whoever applies it.
        if (!result.result) {
            on_refusal(result.ticket, result.result.error());
        }
    }
    for (const server::ReadResult& read : effects.reads) {
        if (read.index) {
            node.reads.push_back(
                {.ticket = read.ticket, .index = *read.index, .valid_until = read.valid_until}
            );
        } else {
            on_refusal(read.ticket, read.index.error());
        }
    }
    if (!effects.reads.empty()) {
        settle_reads(node);
    }
    if (effects.role) {
        node.role = *effects.role;
        check_role(node, *effects.role);
    }
    for (server::SnapshotCall& call : effects.snapshot_calls) {
        node.snapshot_work.emplace_back(
            now_ + microseconds(rng_.between(50, 2000)), std::move(call)
        );
    }
    if (effects.take_snapshot) {
        enqueue(TakeSnapshot{});
    }
}

void Cluster::push(ServerId id, server::Event event) {
    if (Node& node = *nodes_.at(id); node.replica) {
        node.inbox.push_back(std::move(event));
    }
}

// ---- a server's life
// ------------------------------------------------------------------------------------------------------------

Result<Kv> Cluster::load(Node& node, Index index) {
    NL_TRY(const auto reader, node.snapshots.open(index));
    Bytes all;
    while (true) {
        NL_TRY(const Bytes part, reader->read(1 << 16));
        if (part.empty()) {
            return Kv::load(all, settings_.requests_kept);
        }
        all += part;
    }
}

void Cluster::start(Node& node) {
    ++node.life;
    node.fatal.reset();
    node.worker = std::make_unique<server::SnapshotWorker>(node.snapshots);
    const auto newest = node.snapshots.latest();
    std::optional<env::SnapshotMeta> snapshot;
    if (newest && *newest) {
        snapshot = *newest;
    }
    node.state = Kv(settings_.requests_kept);
    node.position = server::AppliedPosition{};
    if (snapshot) {
        auto state = load(node, snapshot->index);
        if (!state) {
            node.fatal = state.error();
            return broken(fmt::format(
                "s{} cannot read its snapshot {}: {}", node.id, snapshot->index,
                state.error().message
            ));
        }
        node.state = std::move(*state);
        node.position = server::AppliedPosition(*snapshot);
        check_hash(node);
    }
    server::ReplicaOptions options = node.newer ? settings_.newer : settings_.options;
    options.raft.self = node.id;
    options.founding = node.founding;
    auto replica = server::Replica::recover(options, rng_.fork(), node.log, snapshot, local(node));
    if (!replica) {
        node.fatal = replica.error();
        say(node, "cannot start: " + replica.error().message);
        if (!node.harmed) {
            broken(fmt::format(
                "s{} cannot start from what it wrote itself: {}", node.id, replica.error().message
            ));
        }
        return;
    }
    node.replica = std::move(*replica);
    const raft::Status status = node.replica->status().raft;
    counts_.repairs += status.repairing ? 1 : 0;
    if (status.repairing && !node.harmed) {
        return broken(fmt::format("s{} takes its log for damaged, and nothing happened to it", node.id)
        );
    }
    say(node,
        fmt::format(
            "starts: term {}, log {} to {}{}{}",
            status.term,
            status.first,
            status.last,
            snapshot ? fmt::format(", snapshot {}", snapshot->index) : "",
            status.repairing ? ", has to be repaired" : ""
        ));
    node.log.terms_.clear();
    for (Index i = status.first - 1; i <= status.last; ++i) {
        if (const auto term = node.replica->term_at(i)) {
            node.log.terms_[i] = *term;
        }
    }
    if (node.log.is_full()) {
        push(node.id, server::DiskSpace{true});
    }
    turn(node);
}

void Cluster::stop(Node& node) {
    say(node, "stops");
    node.replica.reset();
    node.inbox.clear();
    node.disk_due.clear();
    node.snapshot_work.clear();
    node.apply_jobs.clear();
    node.saving.reset();
    node.role = {};
    node.reads.clear();
    node.answers.clear();
}

Result<env::SnapshotMeta> Cluster::save(Node& node, const Saving& saving) {
    say(node, fmt::format("saves snapshot {}", saving.meta.index));
    if (node.log.is_full()) {
        return fail(ErrorCode::ResourceExhausted, "no space left on device");
    }
    NL_TRY(const auto writer, node.snapshots.create(saving.meta));
    NL_TRY_VOID(writer->write(saving.content));
    NL_TRY_VOID(writer->commit());
    NL_TRY_VOID(node.snapshots.prune(2));
    NL_TRY(const auto newest, node.snapshots.latest());
    if (!newest) {
        return fail(ErrorCode::Corruption, "no snapshot is whole");
    }
    return *newest;
}

void Cluster::run_apply(Node& node, ApplyJob job) {
    if (const auto* meta = std::get_if<env::SnapshotMeta>(&job.work)) {
        auto state = load(node, meta->index);
        say(node, fmt::format("installs snapshot {}", meta->index));
        Result<void> result;
        if (state) {
            node.state = std::move(*state);
            node.position = server::AppliedPosition(*meta);
            check_hash(node);
            settle_reads(node);
        } else {
            broken(fmt::format(
                "s{} cannot install snapshot {}: {}", node.id, meta->index, state.error().message
            ));
            result = std::unexpected(state.error());
        }
        node.inbox.push_back(server::SnapshotInstalled{.index = meta->index, .result = result});
    } else if (std::holds_alternative<TakeSnapshot>(job.work)) {
        node.saving = Saving{
            .due = now_ + nanoseconds(rng_.between(0, settings_.save_max.ns)),
            .meta = node.position.meta(),
            .content = node.state.save(),
        };
    } else {
        for (const auto& entry : std::get<std::vector<server::Committed>>(job.work)) {
            apply(node, entry);
            if (!violation.empty()) {
                return;
            }
        }
        node.inbox.push_back(server::Applied{node.position.meta().index});
        settle_reads(node);
    }
}

void Cluster::settle_reads(Node& node) {
    const Index applied = node.position.meta().index;
    std::erase_if(node.reads, [&](const PendingRead& read) {
        if (read.index > applied) {
            return false;
        }
        if (const Client* client = client_of(read.ticket)) {
            const Instant due = now_ + microseconds(rng_.between(0, 1500));
            node.answers.push_back({
                .due = node.answers.empty() ? due : std::max(due, node.answers.back().due),
                .read = read,
                .value = node.state.get(client->op.key),
                .at = applied,
            });
        }
        return true;
    });
}

// ---- what must hold
// -------------------------------------------------------------------------------------------------------------

void Cluster::apply(Node& node, const server::Committed& entry) {
    const Index before = node.position.meta().index;
    if (entry.index != before.next()) {
        // What was handed out before a snapshot was installed may come late; never the other way.
        return broken(fmt::format("s{} applies {} after {}", node.id, entry.index, before));
    }
    const std::uint32_t crc = crc32c(entry.data);
    if (committed_.size() <= entry.index.value) {
        committed_.resize(entry.index.value + 1);
    }
    std::uint64_t attempt = 0;
    if (entry.kind == raft::EntryKind::Command) {
        const auto command = decode<KvCommand>(entry.data);
        if (!command) {
            return broken(fmt::format("s{} applies entry {} that nobody wrote", node.id, entry.index)
            );
        }
        attempt = command->attempt;
    }
    Known& known = committed_[entry.index.value];
    if (known.there && (known.term != entry.term || known.crc != crc)) {
        return broken(
            fmt::format("s{} applies another entry {} than others did", node.id, entry.index)
        );
    }
    known = {
        .term = entry.term, .crc = crc, .request = entry.request, .attempt = attempt, .there = true
    };
    last_committed_ = std::max(last_committed_, entry.index);
    if (attempt != 0) {
        applied_attempts_.insert(attempt);
        if (refused_.contains(attempt)) {
            return broken(fmt::format(
                "attempt {} was refused for sure and is committed at {}", attempt, entry.index
            ));
        }
    }
    const Kv::Applied applied = node.state.apply(entry);
    node.position.advance(entry);
    check_hash(node);
    if (entry.ticket) {
        on_outcome(*entry.ticket, applied);
    }
}

void Cluster::check_hash(const Node& node) {
    const auto [known, fresh] =
        hashes_.emplace(node.position.meta().index, node.state.hash());
    if (!fresh && known->second != node.state.hash()) {
        broken(fmt::format("s{} has another state at {}", node.id, node.position.meta().index));
    }
}

void Cluster::check_role(const Node& node, const raft::RoleChange& change) {
    say(node,
        fmt::format("{} term {} leader {}", to_string(change.role), change.term, change.leader));
    if (change.role != raft::Role::Leader) {
        return;
    }
    ++counts_.elections;
    // Nor does one server lead a term twice: its vote for itself outlives a restart.
    const auto [known, fresh] = leaders_.emplace(change.term, node.id);
    if (!fresh) {
        broken(fmt::format("s{} and s{} both lead term {}", known->second, node.id, change.term));
    }
    // By log matching, one entry speaks for all before it.
    const Known& last = committed_[last_committed_.value];
    if (last.there && last.term < change.term) {
        const auto term = node.replica->term_at(last_committed_);
        const bool compacted = node.replica->status().raft.first > last_committed_;
        if (!compacted && term != last.term) {
            broken(fmt::format(
                "s{} leads term {} without entry {}, which is committed",
                node.id,
                change.term,
                last_committed_
            ));
        }
    }
}

void Cluster::check_bounds(const Node& node) {
    const server::ReplicaStatus status = node.replica->status();
    const raft::Options& o = (node.newer ? settings_.newer : settings_.options).raft;
    const auto bound = [&](std::size_t value, std::size_t limit, const char* what) {
        if (value > limit) {
            broken(fmt::format("s{} holds {} {}, the bound is {}", node.id, value, what, limit));
        }
    };
    bound(status.raft.pending_proposals, o.proposals_max * 2 + kSlack, "open entries");
    bound(status.raft.pending_reads, o.reads_max * 2, "reads of its group");
    bound(status.waiting_proposals, 4096, "waiting proposals");
    bound(status.waiting_reads, o.reads_max * 2, "waiting reads");
    bound(status.raft.cache_bytes, o.cache_bytes_max + (1 << 20), "bytes of entries in memory");
    bound(status.streams_out, settings_.voters + settings_.spares, "snapshot streams");
    for (const raft::PeerStatus& peer : status.raft.peers) {
        bound(peer.inflight, o.inflight_messages_max, "appends on their way to one follower");
    }
}

// Log matching: wherever an entry of this index and term is written, it is the same entry and
// follows the same entry.
void Cluster::check_record(const Node& node, const env::LogRecord& record, Term before) {
    const std::uint32_t crc = crc32c(record.data);
    const auto [known, fresh] =
        records_.emplace(std::pair(record.index, record.term), std::pair(crc, before));
    if (fresh) {
        return;
    }
    if (known->second.first != crc) {
        return broken(fmt::format(
            "s{} stores another entry {} of term {} than others did", node.id, record.index,
            record.term
        ));
    }
    if (before == Term{}) {
        return;
    }
    if (known->second.second == Term{}) {
        known->second.second = before;
    } else if (known->second.second != before) {
        broken(fmt::format(
            "s{} has entry {} of term {} behind one of term {}, another server behind {}",
            node.id,
            record.index,
            record.term,
            before,
            known->second.second
        ));
    }
}

std::uint64_t Cluster::hash() const {
    std::uint64_t hash = counts_.turns ^ answers_hash_;
    for (const auto& [id, node] : nodes_) {
        hash = hash * 0x100000001b3ULL ^ node->state.hash();
        hash = hash * 0x100000001b3ULL ^ node->position.meta().index.value;
    }
    return hash;
}

}  // namespace nl::sim
