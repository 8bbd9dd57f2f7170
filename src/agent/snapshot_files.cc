// `operator snapshot save` and `restore`, on the servers' side. Saving packs an immutable snapshot of
// the state on a scheduler's thread; restoring is one command in the log, so that every server takes
// the new state at the same place and an index that a client saw never goes back.
#include "agent/server_host.h"
#include "io/clock.h"
#include "io/snapshot_archive.h"
#include "server/saved_state.h"
#include "wire/value_json.h"

#include <algorithm>
#include <utility>

namespace nl::agent {
namespace {

constexpr int kArchiveVersion = 1;

Value configuration(const raft::Membership& members) {
    Value::List servers;
    for (const raft::Member& member : members.members) {
        Value::Map server;
        server["Suffrage"] = member.voter ? 0 : 1;
        server["ID"] = fmt::format("{}", member.id);
        server["Address"] = member.address;
        servers.emplace_back(std::move(server));
    }
    Value::Map out;
    out["Servers"] = std::move(servers);
    return out;
}

Result<Bytes> pack(
    const state::Snapshot& snapshot, Term term, const raft::Membership& members, WallTime wall
) {
    Bytes saved;
    NL_TRY_VOID(state::Store::save(snapshot, [&](BytesView chunk) -> Result<void> {
        saved += chunk;
        return {};
    }));
    NL_TRY(const auto counts, server::count_saved(saved));
    Value::List tables;
    for (const server::SavedCount& count : counts) {
        Value::Map table;
        table["Name"] = count.table;
        table["Count"] = static_cast<std::int64_t>(count.count);
        table["Size"] = static_cast<std::int64_t>(count.bytes);
        tables.emplace_back(std::move(table));
    }
    Value::Map meta;
    meta["Version"] = kArchiveVersion;
    meta["ID"] =
        fmt::format("{}-{}-{}", term, snapshot.index(), wall.unix_ns / 1'000'000);
    meta["Index"] = static_cast<std::int64_t>(snapshot.index().value);
    meta["Term"] = static_cast<std::int64_t>(term.value);
    meta["Size"] = static_cast<std::int64_t>(saved.size());
    meta["Created"] = to_rfc3339(wall);
    meta["Configuration"] = configuration(members);
    meta["Tables"] = std::move(tables);
    return io::pack_snapshot(
        {.meta = wire::write_json(Value(std::move(meta))) + "\n", .state = std::move(saved)}
    );
}

}  // namespace

void ServerHost::save_snapshot(std::function<void(api::ServerAnswered)> done) {
    Term term;
    {
        const std::lock_guard lock(mutex_);
        term = role_.term;
    }
    workers_.back()->must_post([snapshot = applier_->snapshot(),
                                term,
                                members = replica_->membership(),
                                answer = std::move(done)] {
        api::ServerAnswered answered;
        auto packed = pack(snapshot, term, members, io::wall_now());
        if (packed) {
            answered.text = io::snapshot_digest(*packed);
            answered.bytes = std::move(*packed);
        } else {
            answered.result = std::unexpected(packed.error());
        }
        answer(std::move(answered));
    });
}

void ServerHost::restore_snapshot(
    const Bytes& archive, std::function<void(api::ServerAnswered)> done
) {
    workers_.back()->must_post([this, archive, answer = std::move(done)]() mutable {
        const auto command = [&]() -> Result<Bytes> {
            NL_TRY(const auto unpacked, io::unpack_snapshot(archive));
            // Read here first: what cannot be read must not reach the log.
            BytesView left = unpacked.state;
            NL_TRY_VOID(state::Store::load([&](std::size_t max) -> Result<Bytes> {
                Bytes part(left.substr(0, max));
                left.remove_prefix(part.size());
                return part;
            }));
            Bytes out = ApplierHost::restore_command(unpacked.state);
            if (out.size() > options_.raft.entry_bytes_max) {
                return fail(
                    ErrorCode::TooLarge,
                    "the snapshot has {} bytes packed, at most {} can be restored into a running "
                    "cluster",
                    out.size(),
                    options_.raft.entry_bytes_max
                );
            }
            return out;
        }();
        if (!command) {
            answer({.result = std::unexpected(command.error())});
            return;
        }
        propose_request(*command, [answer = std::move(answer)](Result<Outcome> outcome) {
            api::ServerAnswered answered;
            if (!outcome) {
                answered.result = std::unexpected(outcome.error());
            } else {
                answered.result = outcome->result;
                answered.index = outcome->index;
            }
            answer(std::move(answered));
        });
    });
}

}  // namespace nl::agent
