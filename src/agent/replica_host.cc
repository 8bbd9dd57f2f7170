#include "agent/replica_host.h"

#include "io/clock.h"
#include "io/file_snapshot_store.h"
#include "io/files.h"
#include "io/locked_snapshot_store.h"
#include "io/log.h"
#include "io/rocksdb_log_store.h"
#include "storage/memory_log_store.h"
#include "storage/memory_snapshot_store.h"

namespace nl::agent {
namespace {

/// Messages from peers that wait for the loop; beyond it they are dropped, as the network may drop
/// them too.
constexpr std::size_t kLoopQueueMax = 65'536;

}  // namespace

ReplicaHost::ReplicaHost(Options options)
    : options_(std::move(options)),
      loop_({.name = "replica", .queue_max = kLoopQueueMax}),
      snapshot_loop_({.name = "snapshots"}) {}

ReplicaHost::~ReplicaHost() {
    stop();
}

Result<std::unique_ptr<ReplicaHost>> ReplicaHost::open(Options options) {
    std::unique_ptr<ReplicaHost> host(new ReplicaHost(std::move(options)));
    const auto on_completion = [raw = host.get()](env::Completion completion) {
        raw->loop_.must_post([raw, done = std::move(completion)]() mutable {
            raw->pending_.emplace_back(server::LogDone{std::move(done)});
        });
    };
    if (host->options_.data_dir.empty()) {
        host->log_ = std::make_unique<storage::MemoryLogStore>(on_completion);
        host->snapshots_ = std::make_unique<io::LockedSnapshotStore>(
            std::make_unique<storage::MemorySnapshotStore>()
        );
    } else {
        NL_TRY_VOID(io::make_directories(host->options_.data_dir));
        host->log_ = std::make_unique<io::RocksDbLogStore>(
            io::RocksDbLogStore::Options{.directory = host->options_.data_dir + "/log"},
            on_completion,
            [raw = host.get()](bool full) {
                if (full) {
                    io::log_warn(
                        "server", "the disk of the Raft log is full: no writes until there is room"
                    );
                } else {
                    io::log_info("server", "the disk of the Raft log has room again");
                }
                raw->enqueue(server::DiskSpace{full});
            }
        );
        NL_TRY(
            host->snapshots_,
            io::FileSnapshotStore::open({.directory = host->options_.data_dir + "/snapshots"})
        );
    }
    NL_TRY(host->latest_, host->snapshots_->latest());
    NL_TRY(
        host->transport_,
        io::GrpcTransport::create(
            {.self = host->options_.replica.raft.self, .tls = host->options_.tls}
        )
    );
    host->snapshot_worker_ = std::make_unique<server::SnapshotWorker>(*host->snapshots_);
    return host;
}

Result<void> ReplicaHost::start(Callbacks callbacks) {
    callbacks_ = std::move(callbacks);
    NL_TRY(
        replica_,
        server::Replica::recover(options_.replica, Rng(options_.seed), *log_, latest_, io::now())
    );
    for (const raft::Member& member : options_.contacts.members) {
        transport_->set_address(member.id, member.address);
    }
    loop_.set_drained([this] { drain(); });
    snapshot_loop_.start();
    loop_.start();
    started_ = true;
    // The first pass tells the membership and what is committed already.
    loop_.must_post([] {});
    return {};
}

void ReplicaHost::stop() {
    if (started_.exchange(false)) {
        snapshot_loop_.stop();
        loop_.stop();
    }
    // Closing the log waits for its writer, which posts into the loop: the loop must still exist,
    // stopped or not.
    log_.reset();
    transport_.reset();
}

void ReplicaHost::enqueue(server::Event event) {
    loop_.must_post([this, e = std::move(event)]() mutable { pending_.push_back(std::move(e)); });
}

void ReplicaHost::message(ServerId from, env::Channel channel, Bytes bytes) {
    // Dropped when the loop is behind: Raft sends it again.
    static_cast<void>(loop_.post([this, e = server::Inbound{from, channel, std::move(bytes)}](
                                 ) mutable { pending_.emplace_back(std::move(e)); }));
}

void ReplicaHost::propose(Ticket ticket, Bytes command, const Uuid& request, Index born) {
    enqueue(server::Propose{
        .ticket = ticket, .command = std::move(command), .request = request, .born = born
    });
}

void ReplicaHost::read(std::function<void(Result<ReadGrant>)> done) {
    loop_.must_post([this, callback = std::move(done)]() mutable {
        const Ticket ticket = next_read_;
        ++next_read_;
        reads_.emplace(ticket, std::move(callback));
        pending_.emplace_back(server::Read{ticket});
    });
}

void ReplicaHost::change_membership(Ticket ticket, raft::Change change) {
    loop_.must_post([this, ticket, c = std::move(change)]() mutable {
        direct_.insert(ticket);
        pending_.emplace_back(server::ChangeMembership{ticket, std::move(c)});
    });
}
void ReplicaHost::transfer(Ticket ticket, ServerId to) {
    loop_.must_post([this, ticket, to] {
        direct_.insert(ticket);
        pending_.emplace_back(server::TransferLeadership{ticket, to});
    });
}
void ReplicaHost::applied(Index index) {
    enqueue(server::Applied{index});
}
void ReplicaHost::snapshot_saved(Result<env::SnapshotMeta> meta) {
    enqueue(server::SnapshotSaved{std::move(meta)});
}
void ReplicaHost::snapshot_installed(Index index, Result<void> result) {
    enqueue(server::SnapshotInstalled{index, std::move(result)});
}

void ReplicaHost::entries(
    Index first, std::size_t count_max, std::function<void(Result<std::vector<raft::Entry>>)> done
) {
    loop_.must_post([this, first, count_max, callback = std::move(done)] {
        callback(replica_->entries(first, count_max));
    });
}

server::ReplicaStatus ReplicaHost::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

raft::Membership ReplicaHost::membership() const {
    const std::lock_guard lock(mutex_);
    return membership_;
}

bool ReplicaHost::has_history() const {
    return latest_.has_value();
}

void ReplicaHost::drain() {
    if (failed_) {
        pending_.clear();
        return;
    }
    const Instant now = io::now();
    if (pending_.empty() && now < replica_->next_deadline()) {
        arm();
        return;
    }
    server::Effects effects = replica_->on(std::exchange(pending_, {}), now);
    const bool at_once = effects.role.has_value() || effects.membership.has_value();
    lease_until_.store(replica_->lease_until().ns, std::memory_order_release);
    if (at_once && !effects.fatal) {
        // Whoever hears of the change must find it.
        publish_status(now, true);
    }
    carry_out(std::move(effects));
    if (!failed_) {
        publish_status(now, false);
        arm();
    }
}

// Making a status costs more than most events, so it is not made for each of them.
void ReplicaHost::publish_status(Instant now, bool at_once) {
    if (!at_once && status_taken_ + kStatusAge > now) {
        if (!std::exchange(status_due_, true)) {
            loop_.run_at(status_taken_ + kStatusAge, [this] {
                status_due_ = false;
                if (!failed_) {
                    publish_status(io::now(), true);
                }
            });
        }
        return;
    }
    status_taken_ = now;
    server::ReplicaStatus fresh = replica_->status();
    const std::lock_guard lock(mutex_);
    status_ = std::move(fresh);
}

// The log of a newcomer begins with memberships of long ago: until one names this server, they do
// not say where today's leader is.
void ReplicaHost::tell_addresses(const raft::Membership& members) {
    const ServerId self = options_.replica.raft.self;
    raft::Membership& contacts = options_.contacts;
    if (members.find(self) != nullptr) {
        for (const raft::Member& contact : contacts.members) {
            known_members_.put(contact);
        }
        contacts.members.clear();
    }
    for (const raft::Member& member : known_members_.members) {
        if (members.find(member.id) == nullptr && contacts.find(member.id) == nullptr) {
            transport_->set_address(member.id, "");
        }
    }
    for (const raft::Member& member : members.members) {
        if (member.id != self && contacts.find(member.id) == nullptr) {
            transport_->set_address(member.id, member.address);
        }
    }
    known_members_ = members;
}

void ReplicaHost::carry_out(server::Effects effects) {
    if (effects.fatal) {
        failed_ = true;
        callbacks_.fatal(std::move(*effects.fatal));
        return;
    }
    if (effects.membership) {
        tell_addresses(*effects.membership);
        {
            const std::lock_guard lock(mutex_);
            membership_ = *effects.membership;
        }
        callbacks_.membership(std::move(*effects.membership));
    }
    for (server::Send& message : effects.send) {
        transport_->send(message.to, message.channel, std::move(message.bytes));
    }
    if (effects.install) {
        callbacks_.install(*effects.install);
    }
    if (!effects.committed.empty()) {
        callbacks_.committed(std::move(effects.committed));
    }
    for (server::ProposalResult& result : effects.results) {
        const bool direct = direct_.erase(result.ticket) > 0;
        if (result.result) {
            // A command's success is told by whoever applies it.
            if (direct) {
                callbacks_.done(result.ticket, *result.result);
            }
        } else {
            callbacks_.refused(result.ticket, std::move(result.result).error());
        }
    }
    for (server::ReadResult& read : effects.reads) {
        if (auto node = reads_.extract(read.ticket); !node.empty()) {
            node.mapped()(
                read.index ? Result<ReadGrant>(
                                 ReadGrant{.index = *read.index, .valid_until = read.valid_until}
                             )
                           : std::unexpected(std::move(read.index).error())
            );
        }
    }
    if (effects.role) {
        callbacks_.role(*effects.role);
    }
    for (server::SnapshotCall& call : effects.snapshot_calls) {
        snapshot_loop_.must_post([this, work = std::move(call)] {
            if (auto answer = snapshot_worker_->run(work)) {
                enqueue(std::move(*answer));
            }
        });
    }
    if (effects.take_snapshot) {
        callbacks_.take_snapshot();
    }
}

void ReplicaHost::arm() {
    const Instant due = replica_->next_deadline();
    const Instant now = io::now();
    // A timer that is still ahead and not later than needed does: deadlines move forward all the
    // time, and waking once too early is cheaper than setting a timer for every message.
    if (armed_ != Instant::max() && armed_ > now && armed_ <= due) {
        return;
    }
    if (due == Instant::max()) {
        return;
    }
    if (timer_ != 0 && armed_ > now) {
        loop_.cancel(timer_);
    }
    armed_ = due;
    timer_ = loop_.run_at(due, [] {});
}

}  // namespace nl::agent
