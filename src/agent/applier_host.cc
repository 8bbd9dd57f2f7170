#include "agent/applier_host.h"

#include "io/log.h"

namespace nl::agent {
namespace {

/// Snapshots on disk; the older one is for a newest one that turns out damaged.
constexpr std::size_t kSnapshotsKept = 2;

}  // namespace

ApplierHost::ApplierHost(ReplicaHost& replica)
    : replica_(replica), loop_({.name = "applier"}), saver_({.name = "snapshot-save"}) {
    published_ = store_.snapshot();
}

ApplierHost::~ApplierHost() {
    stop();
}

Result<void> ApplierHost::load() {
    if (!replica_.latest_snapshot()) {
        return {};
    }
    const env::SnapshotMeta meta = *replica_.latest_snapshot();
    NL_TRY(auto reader, replica_.snapshots().open(meta.index));
    NL_TRY(store_, state::Store::load([&](std::size_t max) { return reader->read(max); }));
    position_ = server::AppliedPosition(meta);
    publish();
    return {};
}

void ApplierHost::start(OnBatch on_batch) {
    on_batch_ = std::move(on_batch);
    saver_.start();
    loop_.start();
    started_ = true;
}

void ApplierHost::stop() {
    if (std::exchange(started_, false)) {
        loop_.stop();
        saver_.stop();
    }
    std::map<Ticket, Reply> open;
    {
        const std::lock_guard lock(mutex_);
        open.swap(replies_);
    }
    for (auto& [ticket, reply] : open) {
        reply(fail(ErrorCode::Unavailable, "the server is shutting down"));
    }
}

void ApplierHost::committed(std::vector<server::Committed> entries) {
    loop_.must_post([this, e = std::move(entries)]() mutable { apply(std::move(e)); });
}

void ApplierHost::apply(std::vector<server::Committed> entries) {
    if (entries.empty()) {
        return;
    }
    auto batch = std::make_shared<Batch>();
    auto all = std::make_shared<std::vector<state::Effects>>();
    std::vector<std::pair<Ticket, Outcome>> outcomes;
    std::vector<state::WatchId> woken;
    for (const server::Committed& entry : entries) {
        position_.advance(entry);
        if (entry.kind != raft::EntryKind::Command) {
            store_.skip(entry.index);
            continue;
        }
        const auto command = decode<state::Command>(entry.data);
        // A committed entry passed its checksum on the way to the log and back: if it does not
        // decode, this binary is wrong about the format, and going on would make the servers
        // differ.
        NL_ASSERT(command.has_value());
        state::Effects effects = store_.apply(entry.index, *command);
        watches_.notify(effects, woken);
        if (entry.ticket) {
            outcomes.emplace_back(
                *entry.ticket,
                Outcome{
                    .index = entry.index,
                    .result = effects.result,
                    .conflict_index = effects.conflict_index,
                    .snapshot = {}
                }
            );
        }
        all->push_back(std::move(effects));
    }
    publish();
    batch->effects = std::move(all);
    batch->snapshot = snapshot();
    replica_.applied(entries.back().index);
    // The duties hear of a batch before those who proposed into it (server/leader.h relies on it).
    on_batch_(batch);
    for (auto& [ticket, outcome] : outcomes) {
        outcome.snapshot = batch->snapshot;
        settle(ticket, std::move(outcome));
    }
    wake(woken);
}

void ApplierHost::publish() {
    state::Snapshot fresh = store_.snapshot();
    const std::lock_guard lock(mutex_);
    published_ = std::move(fresh);
}

void ApplierHost::wake(const std::vector<state::WatchId>& ids) {
    for (const state::WatchId id : ids) {
        if (auto node = parked_.extract(id); !node.empty()) {
            --watch_count_;
            node.mapped()();
        }
    }
}

void ApplierHost::install(env::SnapshotMeta meta) {
    loop_.must_post([this, meta = std::move(meta)] {
        const auto loaded = [&]() -> Result<void> {
            NL_TRY(auto reader, replica_.snapshots().open(meta.index));
            NL_TRY(store_, state::Store::load([&](std::size_t max) { return reader->read(max); }));
            return {};
        }();
        if (loaded) {
            position_ = server::AppliedPosition(meta);
            publish();
            std::vector<state::WatchId> woken;
            watches_.reset(store_.index(), woken);
            wake(woken);
            auto batch = std::make_shared<Batch>();
            batch->effects = std::make_shared<std::vector<state::Effects>>();
            batch->snapshot = snapshot();
            batch->reset = true;
            on_batch_(batch);
        }
        replica_.snapshot_installed(meta.index, loaded);
    });
}

void ApplierHost::take_snapshot() {
    loop_.must_post([this] {
        saver_.must_post([this, taken = store_.snapshot(), meta = position_.meta()]() mutable {
            const Result<void> saved = save(taken, meta);
            taken = {};
            if (saved) {
                replica_.snapshot_saved(meta);
            } else {
                io::log_warn("server", "a snapshot could not be saved: {}", saved.error().message);
                replica_.snapshot_saved(std::unexpected(saved.error()));
            }
        });
    });
}

Result<void> ApplierHost::save(const state::Snapshot& snapshot, const env::SnapshotMeta& meta) {
    NL_TRY(auto writer, replica_.snapshots().create(meta));
    NL_TRY_VOID(state::Store::save(snapshot, [&](BytesView chunk) { return writer->write(chunk); })
    );
    NL_TRY_VOID(writer->commit());
    return replica_.snapshots().prune(kSnapshotsKept);
}

state::Snapshot ApplierHost::snapshot() const {
    const std::lock_guard lock(mutex_);
    return published_;
}

Ticket ApplierHost::expect(Reply reply) {
    const std::lock_guard lock(mutex_);
    const Ticket ticket = next_ticket_;
    ++next_ticket_;
    replies_.emplace(ticket, std::move(reply));
    return ticket;
}

void ApplierHost::settle(Ticket ticket, Result<Outcome> outcome) {
    Reply reply;
    {
        const std::lock_guard lock(mutex_);
        const auto found = replies_.find(ticket);
        if (found == replies_.end()) {
            return;
        }
        reply = std::move(found->second);
        replies_.erase(found);
    }
    reply(std::move(outcome));
}

state::WatchId ApplierHost::watch(
    std::vector<state::WatchKey> keys, Index seen, std::function<void()> woken
) {
    const state::WatchId id = next_watch_++;
    loop_.must_post([this, id, k = std::move(keys), seen, callback = std::move(woken)]() mutable {
        if (!watches_.add(id, k, seen)) {
            callback();
            return;
        }
        ++watch_count_;
        parked_.emplace(id, std::move(callback));
    });
    return id;
}

void ApplierHost::unwatch(state::WatchId id) {
    loop_.must_post([this, id] {
        if (parked_.erase(id) > 0) {
            --watch_count_;
            watches_.remove(id);
        }
    });
}

std::size_t ApplierHost::watches() const {
    return watch_count_;
}

}  // namespace nl::agent
