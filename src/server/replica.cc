#include "server/replica.h"

#include "base/check.h"
#include "base/codec.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::server {

namespace {

/// Proposals whose fate is open, over several terms; one more is refused.
constexpr std::size_t kWaitingMax = 4096;
/// What one look into the log store brings back at most.
constexpr std::size_t kReadBytesMax = 4 << 20;
/// What is sent of a stretch of old log at once; the rest follows when it is acknowledged.
constexpr std::size_t kStoredSendBytesMax = 16 << 20;

}  // namespace

void AppliedPosition::advance(const Committed& entry) {
    NL_ASSERT(entry.index == meta_.index.next());
    meta_.index = entry.index;
    meta_.term = entry.term;
    meta_.size = 0;
    if (entry.kind == raft::EntryKind::Membership &&
        !(NL_PLANTED(snapshot_old_membership) && !meta_.membership.empty())) {
        meta_.membership = entry.data;
    }
}

Result<std::unique_ptr<Replica>> Replica::recover(
    ReplicaOptions options,
    Rng rng,
    env::LogStore& log,
    const std::optional<env::SnapshotMeta>& snapshot,
    Instant now
) {
    storage::Log checked(log);
    NL_TRY(storage::Opened opened, checked.open(snapshot));
    if (!snapshot) {
        opened.start.base_membership = options.founding;
    }
    if (options.recovery) {
        opened.start.base_membership = *options.recovery;
        opened.start.base_membership_index = Index{0};
        opened.start.memberships.clear();
    }
    if (!opened.damaged.empty() && opened.start.repair_through > Index{0}) {
        const raft::Membership& members = opened.start.memberships.empty()
                                              ? opened.start.base_membership
                                              : opened.start.memberships.back().membership;
        const bool alone = std::none_of(
            members.members.begin(),
            members.members.end(),
            [&](const raft::Member& m) { return m.voter && m.id != options.raft.self; }
        );
        if (alone) {
            const env::DamagedRange& range = opened.damaged.front();
            return fail(
                ErrorCode::Corruption,
                "log entries {} to {} are damaged ({}) and no other server has them; restore a "
                "snapshot",
                range.first,
                range.last,
                range.reason
            );
        }
    }
    return std::unique_ptr<Replica>(
        new Replica(std::move(options), rng, checked, std::move(opened), snapshot, now)
    );
}

Replica::Replica(
    ReplicaOptions options,
    Rng rng,
    storage::Log log,
    storage::Opened opened,
    const std::optional<env::SnapshotMeta>& snapshot,
    Instant now
)
    : options_(std::move(options)),
      now_(now),
      log_(log),
      core_(options_.raft, rng, opened.hard, opened.start, now),
      sender_(options_.raft.self, options_.stream),
      receiver_(options_.raft.self, options_.stream),
      snapshot_(snapshot),
      log_begun_(opened.hard.term > Term{0}),
      was_repairing_(core_.is_repairing()),
      compacted_(opened.start.base) {
    role_told_.term = opened.hard.term;
    if (opened.needs_reset) {
        writes_.push_back({.ticket = next_write_, .token = {}, .after = {}});
        log_.reset(opened.start.base, opened.start.base_term, next_write_);
        ++next_write_;
    }
}

Effects Replica::on(std::vector<Event> events, Instant now) {
    NL_ASSERT(now >= now_);
    now_ = now;
    Effects out;
    if (fatal_) {
        out.fatal = fatal_;
        return out;
    }
    for (Event& event : events) {
        std::visit([&](auto& e) { handle(e, out); }, event);
        if (fatal_) {
            return out;
        }
    }
    core_.tick(now_);
    SnapshotOutput streams;
    sender_.tick(now_, streams);
    receiver_.tick(now_, streams);
    collect(streams, out);
    drain(out);
    settle_streams(out);
    drain(out);
    expire(out);
    maybe_take_snapshot(out);
    maybe_forget_damage();
    return out;
}

Instant Replica::next_deadline() const {
    if (fatal_) {
        return Instant::max();
    }
    Instant next =
        std::min({core_.next_deadline(), sender_.next_deadline(), receiver_.next_deadline()});
    if (!deadlines_.empty()) {
        next = std::min(next, deadlines_.front().first);
    }
    if (!reads_.empty()) {
        next = std::min(next, reads_.begin()->second.deadline);
    }
    for (const Waiting& transfer : transfers_) {
        next = std::min(next, transfer.deadline);
    }
    return next;
}

void Replica::stop_with(Error error, Effects& out) {
    fatal_ = std::move(error);
    out = Effects{};
    out.fatal = fatal_;
}

Error Replica::not_leader() const {
    const raft::Member* leader = membership().find(role_told_.leader);
    if (leader == nullptr || leader->id == options_.raft.self) {
        return {
            .code = ErrorCode::NotLeader,
            .message = "this server is not the leader, and none is known yet"
        };
    }
    return {
        .code = ErrorCode::NotLeader,
        .message = fmt::format(
            "this server is not the leader; it is server {} at {}", leader->id, leader->address
        ),
    };
}

// ---- events
// ---------------------------------------------------------------------------------------------------------------------

void Replica::handle(Inbound& event, Effects& out) {
    if (event.channel == env::Channel::Snapshot) {
        const auto frame = decode<SnapshotFrame>(event.bytes);
        if (!frame || frame->from != event.from || frame->to != options_.raft.self) {
            ++malformed_;
            return;
        }
        SnapshotOutput streams;
        if (frame->kind == SnapshotFrameKind::Ack) {
            sender_.on_frame(*frame, now_, streams);
        } else {
            if (frame->kind == SnapshotFrameKind::Abort) {
                sender_.on_frame(*frame, now_, streams);
            }
            if (log_begun_) {
                receiver_.on_frame(*frame, core_.commit(), now_, streams);
            }
        }
        collect(streams, out);
        return;
    }
    const auto message = decode<raft::Message>(event.bytes);
    // A snapshot arrives as a stream, never as a message.
    if (!message || message->from != event.from || message->to != options_.raft.self ||
        message->kind == raft::MessageKind::InstallSnapshot) {
        ++malformed_;
        return;
    }
    core_.step(*message, now_);
}

void Replica::handle(LogDone& event, Effects& out) {
    if (!event.completion.result && !NL_PLANTED(failed_write_counts)) {
        return stop_with(event.completion.result.error(), out);
    }
    // The store reports in the order of the calls.
    NL_ASSERT(!writes_.empty());
    NL_ASSERT(writes_.front().ticket == event.completion.ticket);
    Write done = std::move(writes_.front());
    writes_.pop_front();
    for (raft::Outbound& outbound : done.after) {
        send(outbound, out);
    }
    if (done.token) {
        // The first write of a new server carries its term.
        log_begun_ = true;
        core_.persisted(*done.token, now_);
    }
}

void Replica::handle(Propose& event, Effects& out) {
    const auto refuse = [&](Error error) {
        out.results.push_back({.ticket = event.ticket, .result = std::unexpected(std::move(error))}
        );
    };
    if (waiting_.size() >= kWaitingMax) {
        return refuse(
            {ErrorCode::ResourceExhausted,
             fmt::format("{} proposals are waiting already", waiting_.size())}
        );
    }
    const std::size_t bytes = event.command.size();
    const raft::Payload payload{
        .data = std::move(event.command), .request = event.request, .born = event.born
    };
    const auto proposed = core_.propose(std::span(&payload, 1), now_);
    if (proposed) {
        return wait_for({proposed->first, proposed->term}, event.ticket);
    }
    switch (proposed.error().fault) {
        case raft::ProposeFault::NotLeader:
            return refuse(not_leader());
        case raft::ProposeFault::QueueFull:
            return refuse({
                ErrorCode::ResourceExhausted,
                fmt::format("{} proposals are waiting already", options_.raft.proposals_max),
            });
        case raft::ProposeFault::Transferring:
            return refuse({
                ErrorCode::Unavailable,
                fmt::format("leadership is being handed to server {}", proposed.error().leader),
            });
        case raft::ProposeFault::DiskFull:
            return refuse({
                ErrorCode::ResourceExhausted,
                fmt::format(
                    "the disk of server {} is full: it takes no writes until there is room",
                    options_.raft.self
                ),
            });
        case raft::ProposeFault::TooLarge:
            return refuse({
                ErrorCode::TooLarge,
                fmt::format(
                    "a command of {} bytes is above the limit of {}",
                    bytes,
                    options_.raft.entry_bytes_max
                ),
            });
    }
}

void Replica::handle(Read& event, Effects& out) {
    const auto id = core_.read(now_);
    if (!id) {
        out.reads.push_back({.ticket = event.ticket, .index = std::unexpected(id.error())});
        return;
    }
    reads_.emplace(
        *id, Waiting{.ticket = event.ticket, .deadline = now_ + options_.commit_deadline}
    );
}

void Replica::handle(ChangeMembership& event, Effects& out) {
    const auto proposed = core_.change_membership(event.change, now_);
    if (!proposed) {
        const Error error =
            proposed.error().code == ErrorCode::NotLeader ? not_leader() : proposed.error();
        out.results.push_back({.ticket = event.ticket, .result = std::unexpected(error)});
        return;
    }
    wait_for({proposed->first, proposed->term}, event.ticket);
}

void Replica::handle(TransferLeadership& event, Effects& out) {
    const auto begun = core_.transfer_leadership(event.to, now_);
    if (!begun) {
        const Error error =
            begun.error().code == ErrorCode::NotLeader ? not_leader() : begun.error();
        out.results.push_back({.ticket = event.ticket, .result = std::unexpected(error)});
    } else if (event.to == options_.raft.self) {
        out.results.push_back({.ticket = event.ticket, .result = core_.commit()});
    } else {
        const Duration limit =
            options_.raft.transfer_timeout +
            options_.raft.election_timeout_max * options_.raft.timeout_multiplier * 2;
        transfers_.push_back({.ticket = event.ticket, .deadline = now_ + limit});
    }
}

void Replica::handle(DiskSpace& event, Effects&) {
    core_.set_disk_full(event.full, now_);
}

void Replica::handle(Applied& event, Effects&) {
    core_.applied(event.index);
}

void Replica::handle(SnapshotSaved& event, Effects&) {
    snapshot_running_ = false;
    log_bytes_since_snapshot_ = 0;
    // Without it the log just stays longer; the next try comes when as much again has been written.
    if (event.meta && (!snapshot_ || event.meta->index > snapshot_->index)) {
        snapshot_ = *event.meta;
        compact();
    }
}

void Replica::handle(SnapshotInstalled& event, Effects& out) {
    if (!event.result) {
        return stop_with(event.result.error(), out);
    }
    if (installing_ && installing_->index == event.index) {
        core_.snapshot_installed(event.index, installing_->term);
        installing_.reset();
    }
}

void Replica::handle(SnapshotAnswer& event, Effects& out) {
    SnapshotOutput streams;
    switch (event.kind) {
        case SnapshotCall::Kind::OpenRead:
        case SnapshotCall::Kind::Read:
        case SnapshotCall::Kind::CloseRead:
            sender_.on_answer(event, now_, streams);
            break;
        case SnapshotCall::Kind::Create:
        case SnapshotCall::Kind::Write:
        case SnapshotCall::Kind::Commit:
        case SnapshotCall::Kind::Abort:
            receiver_.on_answer(event, now_, streams);
            break;
    }
    collect(streams, out);
}

// ---- what consensus wants done
// --------------------------------------------------------------------------------------------------

void Replica::drain(Effects& out) {
    while (!fatal_) {
        auto ready = core_.take_ready();
        if (!ready) {
            return;
        }
        carry_out(*ready, out);
    }
}

void Replica::carry_out(raft::Ready& ready, Effects& out) {
    if (ready.broken) {
        return stop_with({ErrorCode::Corruption, std::move(*ready.broken)}, out);
    }
    if (ready.membership) {
        out.membership = std::move(ready.membership);
    }
    for (raft::Outbound& outbound : ready.send_now) {
        send(outbound, out);
    }
    write(ready, out);
    if (ready.committed_stored) {
        hand_out_stored(*ready.committed_stored, out);
    }
    if (fatal_) {
        return;
    }
    hand_out(std::move(ready.committed), out);
    for (const raft::ReadReady& read : ready.reads) {
        finish_read(read.id, read.index, read.valid_until, out);
    }
    if (ready.role) {
        change_role(*ready.role, out);
    }
    for (const raft::ReadId id : ready.reads_failed) {
        finish_read(id, std::unexpected(not_leader()), Instant::max(), out);
    }
    for (const raft::SnapshotWanted& wanted : ready.snapshots) {
        if (sender_.is_sending_to(wanted.to)) {
            continue;
        }
        if (!snapshot_ || snapshot_->index < wanted.at_least) {
            core_.snapshot_finished(wanted.to, false, now_);
            continue;
        }
        SnapshotOutput streams;
        sender_.begin(wanted.to, core_.term(), *snapshot_, now_, streams);
        collect(streams, out);
    }
}

void Replica::write(raft::Ready& ready, Effects& out) {
    if (!ready.persist) {
        // Acknowledgements also wait for what was given to the disk before.
        for (raft::Outbound& outbound : ready.send_durable) {
            if (writes_.empty()) {
                send(outbound, out);
            } else {
                writes_.back().after.push_back(std::move(outbound));
            }
        }
        return;
    }
    if (ready.install) {
        if (!NL_PLANTED(snapshot_keeps_log)) {
            writes_.push_back({.ticket = next_write_, .token = {}, .after = {}});
            log_.reset(ready.install->index, ready.install->term, next_write_);
            ++next_write_;
        }
        begin_install(*ready.install, out);
    }
    if (ready.hard_state || !ready.append.empty()) {
        // The entry must be there before the store is called: it may report the end at once.
        writes_.push_back({.ticket = next_write_, .token = {}, .after = {}});
        log_.append(ready.hard_state, ready.append, next_write_);
        ++next_write_;
    }
    writes_.back().token = ready.persist;
    writes_.back().after = std::move(ready.send_durable);
}

void Replica::begin_install(const raft::Snapshot& snapshot, Effects& out) {
    NL_ASSERT(snapshot_ && snapshot_->index == snapshot.index);
    installing_ = snapshot_;
    compacted_ = snapshot.index;
    log_bytes_since_snapshot_ = 0;
    // Whatever waits to be applied is part of the snapshot.
    out.committed.clear();
    out.install = snapshot_;
    for (auto at = waiting_.begin(); at != waiting_.end() && at->first.first <= snapshot.index;) {
        out.results.push_back({
            .ticket = at->second.ticket,
            .result = fail(
                ErrorCode::Timeout,
                "a snapshot replaced entry {}: whether it was committed is not known",
                at->first.first
            ),
        });
        at = waiting_.erase(at);
    }
}

void Replica::send(raft::Outbound& outbound, Effects& out) {
    if (outbound.stored) {
        return send_stored(outbound, out);
    }
    out.send.push_back({
        .to = outbound.message.to,
        .channel =
            raft::is_urgent(outbound.message.kind) ? env::Channel::Heartbeat : env::Channel::Raft,
        .bytes = encode(outbound.message),
    });
}

void Replica::send_stored(const raft::Outbound& outbound, Effects& out) {
    raft::Message message = outbound.message;
    Index next = outbound.stored->first;
    std::size_t bytes = 0;
    while (next <= outbound.stored->last && bytes < kStoredSendBytesMax) {
        auto entries = log_.read(next, outbound.stored->last, options_.raft.append_bytes_max);
        if (!entries) {
            return stop_with(entries.error(), out);
        }
        next = entries->back().index.next();
        message.entries = std::move(*entries);
        out.send.push_back(
            {.to = message.to, .channel = env::Channel::Raft, .bytes = encode(message)}
        );
        bytes += out.send.back().bytes.size();
        message.index = message.entries.back().index;
        message.log_term = message.entries.back().term;
    }
}

void Replica::hand_out_stored(raft::IndexRange range, Effects& out) {
    while (!range.empty() && !fatal_) {
        auto entries = log_.read(range.first, range.last, kReadBytesMax);
        if (!entries) {
            return stop_with(entries.error(), out);
        }
        range.first = entries->back().index.next();
        hand_out(std::move(*entries), out);
    }
}

void Replica::hand_out(std::vector<raft::Entry> entries, Effects& out) {
    for (raft::Entry& entry : entries) {
        log_bytes_since_snapshot_ += raft::cost(entry);
        std::optional<Ticket> ticket;
        // Proposals for this place: the one with the right term was committed, the others never
        // will be.
        for (auto at = waiting_.lower_bound({entry.index, Term{0}});
             at != waiting_.end() && at->first.first == entry.index;) {
            Result<Index> result = entry.index;
            if (at->first.second == entry.term || NL_PLANTED(answers_by_index)) {
                ticket = at->second.ticket;
            } else {
                result = std::unexpected(not_leader());
            }
            out.results.push_back({.ticket = at->second.ticket, .result = std::move(result)});
            at = waiting_.erase(at);
        }
        out.committed.push_back({
            .index = entry.index,
            .term = entry.term,
            .kind = entry.kind,
            .request = entry.request,
            .born = entry.born,
            .data = std::move(entry.data),
            .ticket = ticket,
        });
    }
}

void Replica::change_role(const raft::RoleChange& change, Effects& out) {
    role_told_ = change;
    out.role = change;
    if (change.role != raft::Role::Leader && sender_.active() > 0) {
        SnapshotOutput streams;
        sender_.abandon_all(streams);
        collect(streams, out);
    }
    if (change.leader != raft::kNobody && change.leader != options_.raft.self) {
        for (const Waiting& transfer : transfers_) {
            out.results.push_back({.ticket = transfer.ticket, .result = core_.commit()});
        }
        transfers_.clear();
    }
}

void Replica::finish_read(raft::ReadId id, Result<Index> index, Instant valid_until, Effects& out) {
    const auto at = reads_.find(id);
    if (at != reads_.end()) {
        out.reads.push_back(
            {.ticket = at->second.ticket, .index = std::move(index), .valid_until = valid_until}
        );
        reads_.erase(at);
    }
}

void Replica::wait_for(Position position, Ticket ticket) {
    const Instant deadline = now_ + options_.commit_deadline;
    waiting_.emplace(position, Waiting{.ticket = ticket, .deadline = deadline});
    deadlines_.emplace_back(deadline, position);
}

void Replica::expire(Effects& out) {
    if (fatal_) {
        return;
    }
    while (!deadlines_.empty()) {
        const auto& [deadline, position] = deadlines_.front();
        const auto at = waiting_.find(position);
        if (at != waiting_.end()) {
            if (deadline > now_) {
                break;
            }
            out.results.push_back({
                .ticket = at->second.ticket,
                .result = fail(
                    NL_PLANTED(unsure_is_refused) ? ErrorCode::NotLeader : ErrorCode::Timeout,
                    "not committed within {}; it may be later",
                    to_string(options_.commit_deadline)
                ),
            });
            waiting_.erase(at);
        }
        deadlines_.pop_front();
    }
    while (!reads_.empty() && reads_.begin()->second.deadline <= now_) {
        finish_read(
            reads_.begin()->first,
            fail(
                ErrorCode::Timeout,
                "no quorum answered within {}",
                to_string(options_.commit_deadline)
            ),
            Instant::max(),
            out
        );
    }
    while (!transfers_.empty() && transfers_.front().deadline <= now_) {
        out.results.push_back({
            .ticket = transfers_.front().ticket,
            .result = fail(ErrorCode::Timeout, "no other server took over the leadership in time"),
        });
        transfers_.pop_front();
    }
}

// ---- snapshots
// ------------------------------------------------------------------------------------------------------------------

void Replica::maybe_take_snapshot(Effects& out) {
    const std::uint64_t due =
        std::max(options_.snapshot_log_bytes_min, snapshot_ ? snapshot_->size : 0);
    if (!fatal_ && log_begun_ && !snapshot_running_ && !installing_ &&
        log_bytes_since_snapshot_ > due) {
        snapshot_running_ = true;
        out.take_snapshot = true;
    }
}

void Replica::compact() {
    const Index covered =
        NL_PLANTED(compacts_too_far) ? core_.status().applied : snapshot_->index;
    if (covered.value <= options_.trailing_entries) {
        return;
    }
    core_.compact(covered - options_.trailing_entries);
    if (core_.base() > compacted_) {
        compacted_ = core_.base();
        writes_.push_back({.ticket = next_write_, .token = {}, .after = {}});
        log_.compact(compacted_, next_write_);
        ++next_write_;
    }
}

void Replica::maybe_forget_damage() {
    if (std::exchange(was_repairing_, core_.is_repairing()) && !was_repairing_ && !fatal_) {
        writes_.push_back({.ticket = next_write_, .token = {}, .after = {}});
        log_.forget_damage(next_write_);
        ++next_write_;
    }
}

void Replica::collect(SnapshotOutput& from, Effects& out) {
    for (SnapshotFrame& frame : from.send) {
        out.send.push_back(
            {.to = frame.to, .channel = env::Channel::Snapshot, .bytes = encode(frame)}
        );
    }
    for (SnapshotCall& call : from.calls) {
        out.snapshot_calls.push_back(std::move(call));
    }
}

// What streams brought to an end is told to consensus.
void Replica::settle_streams(Effects&) {
    if (fatal_) {
        return;
    }
    for (const SnapshotSender::Ended& ended : sender_.take_ended()) {
        core_.snapshot_finished(ended.to, ended.delivered, now_);
    }
    const auto received = receiver_.take_received();
    if (!received) {
        return;
    }
    auto membership = decode<raft::Membership>(received->meta.membership);
    if (!membership) {
        ++malformed_;
        return;
    }
    if (received->meta.index > core_.commit()) {
        snapshot_ = received->meta;
    }
    core_.step(
        {
            .kind = raft::MessageKind::InstallSnapshot,
            .from = received->from,
            .to = options_.raft.self,
            .term = received->term,
            .index = received->meta.index,
            .log_term = received->meta.term,
            .membership = std::move(*membership),
        },
        now_
    );
}

// ---- looking in
// -----------------------------------------------------------------------------------------------------------------

ReplicaStatus Replica::status() const {
    return {
        .raft = core_.status(),
        .waiting_proposals = waiting_.size(),
        .waiting_reads = reads_.size(),
        .log_writes_in_flight = writes_.size(),
        .log_bytes_since_snapshot = log_bytes_since_snapshot_,
        .snapshot_index = snapshot_ ? snapshot_->index : Index{0},
        .snapshot_running = snapshot_running_,
        .streams_out = sender_.active(),
        .receiving_snapshot = receiver_.is_active(),
        .messages_malformed = malformed_,
    };
}

Result<std::vector<raft::Entry>> Replica::entries(Index first, std::size_t count_max) {
    const Index last = core_.last();
    if (first <= core_.base() || first > last) {
        return fail(
            ErrorCode::NotFound,
            "log entry {} is not there: the log holds {} to {}",
            first,
            core_.base().next(),
            last
        );
    }
    return log_.read(
        first, std::min(last, first + (std::max<std::size_t>(count_max, 1) - 1)), kReadBytesMax
    );
}

}  // namespace nl::server
