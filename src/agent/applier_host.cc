#include "agent/applier_host.h"

#include "io/log.h"
#include "io/snapshot_archive.h"

namespace nl::agent {
namespace {

/// Snapshots on disk; the older one is for a newest one that turns out damaged.
constexpr std::size_t kSnapshotsKept = 2;
/// Marks the one command that is none of the state's own; no encoded Command begins with it.
constexpr std::string_view kRestoreMagic = "NLRESTORE1";
/// A restored state is never larger, unpacked.
constexpr std::size_t kRestoreBytesMax = std::size_t{2} << 30;

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
    NL_TRY_VOID(load_from(*replica_.latest_snapshot()));
    publish();
    return {};
}

Result<void> ApplierHost::load_from(const env::SnapshotMeta& meta) {
    NL_TRY(auto reader, replica_.snapshots().open(meta.index));
    NL_TRY(
        auto loaded,
        server::load_saved([&](std::size_t max) { return reader->read(max); })
    );
    store_ = std::move(loaded.store);
    requests_ = std::move(loaded.requests);
    index_shift_ = loaded.index_shift;
    position_ = server::AppliedPosition(meta);
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
        // What clients see as the index; the same as the log's but after a restore.
        const Index index = entry.index + index_shift_;
        if (entry.kind != raft::EntryKind::Command) {
            store_.skip(index);
            continue;
        }
        const auto judged = requests_.judge(entry.request, entry.born);
        if (judged.verdict != server::RequestWindow::Verdict::Fresh) {
            // Proposed again after its answer was lost: it takes effect once.
            store_.skip(index);
            if (entry.ticket) {
                const bool again = judged.verdict == server::RequestWindow::Verdict::Again;
                outcomes.emplace_back(
                    *entry.ticket,
                    again ? Outcome{
                                .index = judged.outcome->index + index_shift_,
                                .result = judged.outcome->result(),
                                .conflict_index = judged.outcome->conflict_index,
                                .snapshot = {}
                            }
                          : Outcome{
                                .index = index,
                                .result = fail(
                                    ErrorCode::Timeout,
                                    "the request came so late that it may have been applied and "
                                    "forgotten"
                                ),
                                .conflict_index = {},
                                .snapshot = {}
                            }
                );
            }
            continue;
        }
        if (entry.data.starts_with(kRestoreMagic)) {
            const Result<void> restored = restore(entry.index, entry.data);
            if (restored) {
                batch->reset = true;
                all->clear();
            } else {
                store_.skip(index);
            }
            if (entry.ticket) {
                outcomes.emplace_back(
                    *entry.ticket,
                    Outcome{
                        .index = store_.index(),
                        .result = restored,
                        .conflict_index = {},
                        .snapshot = {}
                    }
                );
            }
            continue;
        }
        const auto command = decode<state::Command>(entry.data);
        // A committed entry passed its checksum on the way to the log and back: if it does not
        // decode, this binary is wrong about the format, and going on would make the servers
        // differ.
        NL_ASSERT(command.has_value());
        state::Effects effects = store_.apply(index, *command);
        watches_.notify(effects, woken);
        if (!entry.request.is_nil()) {
            server::RequestWindow::Outcome outcome{
                .index = entry.index, .code = 0, .message = {}, .conflict_index = effects.conflict_index
            };
            if (!effects.result) {
                outcome.refuse(effects.result.error());
            }
            requests_.remember(entry.request, std::move(outcome));
        }
        if (entry.ticket) {
            outcomes.emplace_back(
                *entry.ticket,
                Outcome{
                    .index = index,
                    .result = effects.result,
                    .conflict_index = effects.conflict_index,
                    .snapshot = {}
                }
            );
        }
        all->push_back(std::move(effects));
    }
    publish();
    settle_waiting();
    if (batch->reset) {
        watches_.reset(store_.index(), woken);
    }
    batch->applied = position_.meta().index;
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

void ApplierHost::settle_waiting() {
    while (!waiting_for_.empty() && waiting_for_.begin()->first <= position_.meta().index) {
        const auto done = std::move(waiting_for_.begin()->second);
        waiting_for_.erase(waiting_for_.begin());
        done();
    }
}

void ApplierHost::when_applied(Index index, std::function<void()> done) {
    if (applied() >= index) {
        done();
        return;
    }
    loop_.must_post([this, index, callback = std::move(done)]() mutable {
        waiting_for_.emplace(index, std::move(callback));
        settle_waiting();
    });
}

void ApplierHost::when_state_reaches(Index index, std::function<void()> done) {
    loop_.must_post([this, index, callback = std::move(done)]() mutable {
        const std::uint64_t behind = std::min(index_shift_, index.value);
        waiting_for_.emplace(index - behind, std::move(callback));
        settle_waiting();
    });
}

void ApplierHost::publish() {
    state::Snapshot fresh = store_.snapshot();
    {
        const std::lock_guard lock(mutex_);
        published_ = std::move(fresh);
    }
    requests_count_ = requests_.size();
    applied_.store(position_.meta().index.value, std::memory_order_release);
}

Bytes ApplierHost::restore_command(BytesView saved) {
    return Bytes(kRestoreMagic) + io::gzip(saved);
}

// The same on every server: it depends on the entry and on the shift alone.
Result<void> ApplierHost::restore(Index index, BytesView command) {
    NL_TRY(
        const Bytes saved, io::gunzip(command.substr(kRestoreMagic.size()), kRestoreBytesMax)
    );
    BytesView left = saved;
    NL_TRY(auto loaded, state::Store::load([&](std::size_t max) -> Result<Bytes> {
        Bytes part(left.substr(0, max));
        left.remove_prefix(part.size());
        return part;
    }));
    const Index now = std::max(index + index_shift_, loaded.index().next());
    index_shift_ = now - index;
    store_ = std::move(loaded);
    store_.replaced(now);
    return {};
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
        const Result<void> loaded = load_from(meta);
        if (loaded) {
            publish();
            settle_waiting();
            std::vector<state::WatchId> woken;
            watches_.reset(store_.index(), woken);
            wake(woken);
            auto batch = std::make_shared<Batch>();
            batch->effects = std::make_shared<std::vector<state::Effects>>();
            batch->snapshot = snapshot();
            batch->applied = position_.meta().index;
            batch->reset = true;
            on_batch_(batch);
        }
        replica_.snapshot_installed(meta.index, loaded);
    });
}

void ApplierHost::take_snapshot() {
    loop_.must_post([this] {
        saver_.must_post([this,
                          taken = store_.snapshot(),
                          extra =
                              server::SavedExtra{
                                  .requests = requests_.save(), .index_shift = index_shift_
                              },
                          meta = position_.meta()]() mutable {
            const Result<void> saved = save(taken, extra, meta);
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

Result<void> ApplierHost::save(
    const state::Snapshot& snapshot,
    const server::SavedExtra& extra,
    const env::SnapshotMeta& meta
) {
    NL_TRY(auto writer, replica_.snapshots().create(meta));
    NL_TRY_VOID(server::write_saved(snapshot, extra, [&](BytesView chunk) {
        return writer->write(chunk);
    }));
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
