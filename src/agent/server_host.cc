#include "agent/server_host.h"

#include "agent/agent_main.h"
#include "agent/identity.h"
#include "agent/rpc_sink.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/files.h"
#include "io/log.h"
#include "sched/scheduler.h"
#include "server/gc.h"
#include "wire/value_json.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>

namespace nl::agent {
namespace {

/// Effects kept for event streams that resume.
constexpr std::size_t kEventsKept = 1024;
constexpr Duration kAliveWithin = seconds(3);
constexpr const char* kApiMethod = "api";
constexpr const char* kControlMethod = "api-control";

std::string with_port(const std::string& address, int port) {
    const std::size_t colon = address.rfind(':');
    return fmt::format("{}:{}", address.substr(0, colon), port);
}

Error no_leader() {
    return {ErrorCode::NotLeader, "No cluster leader"};
}

constexpr const char* kResetFile = "/server/acl-bootstrap-reset";
constexpr std::size_t kSmallFileBytesMax = 64U << 10;

Result<std::vector<std::string>> stored_gossip_keys(
    const std::string& file, const std::string& first
) {
    std::vector<std::string> out;
    if (!file.empty() && io::exists(file)) {
        NL_TRY(const Bytes text, io::read_file(file, kSmallFileBytesMax));
        NL_TRY(const Value value, wire::parse_json(text));
        if (const auto* list = value.as_list()) {
            for (const Value& item : *list) {
                if (const auto* key = item.as_string()) {
                    out.push_back(*key);
                }
            }
        }
    }
    if (out.empty() && !first.empty()) {
        out.push_back(first);
    }
    return out;
}

}  // namespace

// ---- what runs for the API

class ServerHost::NodeCallHandle final : public Running {
public:
    NodeCallHandle(ServerHost& host, std::uint64_t call) : host_(host), call_(call) {}
    void credit(std::uint64_t bytes) override {
        host_.feed(server::CallGrant{.call = call_, .bytes = bytes});
    }
    void send(Bytes input) override {
        host_.feed(server::CallSend{.call = call_, .data = std::move(input)});
    }
    void cancel() override {
        host_.leader_loop_.must_post([&host = host_, call = call_] {
            if (host.node_calls_.erase(call) > 0) {
                host.handle(server::CallStop{.call = call});
            }
        });
    }

private:
    ServerHost& host_;
    std::uint64_t call_;
};

class ServerHost::EventSubscription final : public Running {
public:
    EventSubscription(ServerHost& host, std::uint64_t id, SourceHandlers handlers)
        : host_(host), id_(id), handlers_(std::move(handlers)) {}
    void credit(std::uint64_t) override {}
    void send(Bytes) override {}
    void cancel() override {
        const std::lock_guard lock(host_.events_mutex_);
        host_.subscribers_.erase(id_);
    }
    void give(api::StreamInput input) { handlers_.on_input(std::move(input)); }

private:
    ServerHost& host_;
    std::uint64_t id_;
    SourceHandlers handlers_;
};

class ServerHost::LogSubscription final : public Running {
public:
    LogSubscription(const api::LogSource& source, SourceHandlers handlers) {
        const auto level = io::parse_log_level(source.level).value_or(io::LogLevel::Info);
        id_ = io::log_add_sink(
            level,
            source.json ? io::LogFormat::Json : io::LogFormat::Text,
            [handlers = std::move(handlers)](io::LogLevel, std::string_view line) {
                handlers.on_input(api::Item{std::string(line) + "\n"});
            }
        );
    }
    void credit(std::uint64_t) override {}
    void send(Bytes) override {}
    void cancel() override { io::log_remove_sink(id_); }

private:
    std::uint64_t id_{0};
};

// ---- life

ServerHost::ServerHost(Options options)
    : options_(std::move(options)), leader_loop_({.name = "leader"}) {}

ServerHost::~ServerHost() {
    stop();
}

Result<std::unique_ptr<ServerHost>> ServerHost::create(Options options) {
    std::unique_ptr<ServerHost> host(new ServerHost(std::move(options)));
    Options& o = host->options_;
    if (!o.data_dir.empty()) {
        NL_TRY_VOID(io::make_directories(o.data_dir + "/server"));
    }
    if (o.fixed_id) {
        host->self_ = *o.fixed_id;
    } else {
        NL_TRY(host->self_, server_identity(o.data_dir.empty() ? "" : o.data_dir + "/server/id"));
    }
    NL_TRY(
        host->keyring_,
        KeyringHost::open(
            {.directory = o.data_dir.empty() ? "" : o.data_dir + "/server/keystore",
             .rotation_threshold = o.root_key_rotation_threshold}
        )
    );
    NL_TRY(
        host->gossip_keys_,
        stored_gossip_keys(o.data_dir.empty() ? "" : o.data_dir + kGossipFile, o.gossip_key)
    );
    NL_TRY(host->peers_, io::PeerClient::create(o.tls));

    io::GrpcHandlers handlers;
    ServerHost* raw = host.get();
    handlers.on_message = [raw](ServerId from, env::Channel channel, Bytes message) {
        if (raw->running_) {
            raw->replica_->message(from, channel, std::move(message));
        }
    };
    handlers.on_call = [raw](io::InboundCall call, std::shared_ptr<io::Responder> responder) {
        raw->on_call(std::move(call), std::move(responder));
    };
    handlers.on_session = [raw](std::shared_ptr<io::ServerSession> session) {
        return raw->on_session(std::move(session));
    };
    handlers.seed = o.seed;
    handlers.current_term = [raw] {
        const std::lock_guard lock(raw->mutex_);
        return raw->role_.term;
    };
    NL_TRY(
        host->grpc_, io::GrpcServer::start({.listen = o.listen, .tls = o.tls}, std::move(handlers))
    );
    host->rpc_address_ = !o.advertise.empty()
                             ? o.advertise
                             : with_port(o.listen.front(), host->grpc_->ports().front());
    return host;
}

namespace {

/// A variable's content as api/variables.cc seals it.
struct VariableContent {
    StringMap items{};
    NL_FIELDS(VariableContent, (1, items))
};

/// Errors: Unavailable while this server does not hold the key; Corruption.
Result<model::VariableDecrypted> open_for_node(
    const policy::Keyring* keys, const state::VariableRow& row
) {
    model::VariableDecrypted out;
    out.namespace_ = row.meta.namespace_;
    out.path = row.meta.path;
    out.create_index = row.meta.create_index;
    out.create_time = row.meta.create_time;
    out.modify_index = row.meta.modify_index;
    out.modify_time = row.meta.modify_time;
    if (row.data.bytes.empty()) {
        return out;
    }
    const policy::RootKey* key = keys != nullptr ? keys->find(row.key_id) : nullptr;
    if (key == nullptr) {
        return fail(
            ErrorCode::Unavailable,
            "this server does not hold root key {} that the variable is encrypted with",
            row.key_id
        );
    }
    NL_TRY(
        const Bytes plain,
        policy::open_variable(*key, row.meta.namespace_, row.meta.path, row.data.bytes)
    );
    NL_TRY(VariableContent content, decode<VariableContent>(plain));
    out.items = std::move(content.items);
    return out;
}

}  // namespace

Result<void> ServerHost::start(std::string http_address, ApiPump& pump) {
    http_address_ = std::move(http_address);
    pump_ = &pump;
    leader_loop_.start();
    options_.leader.servers = {rpc_address_};
    options_.leader.open_variable =
        [this](const state::Snapshot& at, const state::VariableRow& row) {
            const std::shared_ptr<const policy::Keyring> keys = keyring_->keyring(at);
            return open_for_node(keys.get(), row);
        };
    leader_ = std::make_unique<server::Leader>(options_.leader);
    for (std::size_t i = 0; i < options_.leader.workers; ++i) {
        workers_.push_back(std::make_unique<io::EventLoop>(
            io::EventLoop::Options{.name = fmt::format("sched-{}", i)}
        ));
        workers_.back()->start();
    }
    const raft::Member self = own_member();
    const std::string file = options_.data_dir.empty() ? "" : options_.data_dir + "/server/cluster";
    NL_TRY(std::optional<raft::Membership> stored, Founding::stored(file));
    if (!stored && options_.fixed_founding) {
        stored = options_.fixed_founding;
    }
    Founding::Options founding{
        .self = self,
        .expect = options_.bootstrap_expect,
        .join = options_.join,
        .file = file,
        .cluster_id_candidate = io::random_uuid()
    };
    founding_ = std::make_unique<Founding>(
        std::move(founding),
        *peers_,
        [this](raft::Membership membership, bool invited) { found(std::move(membership), invited); }
    );
    if (stored) {
        founding_->set_membership(*stored);
        found(std::move(*stored), false);
    } else {
        founding_->start();
    }
    leader_loop_.must_post([this] { look_after_members(); });
    return {};
}

void ServerHost::found(raft::Membership membership, bool invited) {
    ReplicaHost::Options options;
    options.replica.raft = options_.raft;
    options.replica.raft.self = self_;
    (invited ? options.contacts : options.replica.founding) = std::move(membership);
    options.replica.snapshot_log_bytes_min = options_.snapshot_log_bytes_min;
    options.data_dir = options_.data_dir.empty() ? "" : options_.data_dir + "/server/raft";
    options.tls = options_.tls;
    options.seed = io::random_seed();
    const auto begun = [&]() -> Result<void> {
        NL_TRY(options.replica.recovery, recovery_membership());
        NL_TRY(replica_, ReplicaHost::open(std::move(options)));
        applier_ = std::make_unique<ApplierHost>(*replica_);
        NL_TRY_VOID(applier_->load());
        applier_->start([this](const std::shared_ptr<const ApplierHost::Batch>& batch) {
            on_batch(batch);
        });
        ReplicaHost::Callbacks callbacks;
        callbacks.committed = [this](std::vector<server::Committed> entries) {
            applier_->committed(std::move(entries));
        };
        callbacks.install = [this](env::SnapshotMeta meta) { applier_->install(std::move(meta)); };
        callbacks.take_snapshot = [this] { applier_->take_snapshot(); };
        callbacks.role = [this](raft::RoleChange role) { on_role(role); };
        callbacks.membership = [this](raft::Membership members) {
            if (options_.on_members) {
                std::vector<std::string> addresses;
                for (const raft::Member& member : members.members) {
                    addresses.push_back(member.id == self_ ? rpc_address_ : member.address);
                }
                options_.on_members(std::move(addresses));
            }
            founding_->set_membership(std::move(members));
        };
        callbacks.refused = [this](Ticket ticket, Error error) {
            applier_->settle(ticket, std::unexpected(std::move(error)));
        };
        callbacks.done = [this](Ticket ticket, Index index) {
            applier_->settle(
                ticket, Outcome{.index = index, .result = {}, .conflict_index = {}, .snapshot = {}}
            );
        };
        callbacks.fatal = [this](Error error) { options_.on_fatal(error); };
        // Messages may come as soon as the replica runs; until then they are dropped, which Raft
        // allows.
        NL_TRY_VOID(replica_->start(std::move(callbacks)));
        return {};
    }();
    if (!begun) {
        options_.on_fatal(begun.error());
        return;
    }
    running_ = true;
    io::log_info("server", "cluster membership known; server {} takes part", self_);
}

void ServerHost::leave(Duration grace) {
    if (!running_ || !leader().self) {
        return;
    }
    const raft::Membership members = replica_->membership();
    if (members.voters() < 2) {
        return;
    }
    replica_->transfer(applier_->expect([](const Result<Outcome>&) {}), raft::kNobody);
    const Instant end = io::now() + grace;
    std::mutex mutex;
    std::condition_variable pause;
    std::unique_lock lock(mutex);
    while (leader().self && io::now() < end) {
        pause.wait_for(lock, std::chrono::milliseconds(10));
    }
}

void ServerHost::stop() {
    if (stopping_.exchange(true)) {
        return;
    }
    if (founding_) {
        founding_->stop();
    }
    if (grpc_) {
        grpc_->stop(milliseconds(100));
    }
    for (const auto& worker : workers_) {
        worker->stop();
    }
    if (keyring_) {
        keyring_->stop();
    }
    leader_loop_.stop();
    if (replica_) {
        replica_->stop();
    }
    if (applier_) {
        applier_->stop();
    }
    sessions_.clear();
    node_calls_.clear();
    peers_.reset();
}

ServerInfo ServerHost::own_info() const {
    return {
        .region = options_.region,
        .datacenter = options_.datacenter,
        .http_address = http_address_,
        .version = kNomadVersion,
        .own_version = kVersion,
        .public_key = keyring_->public_key()
    };
}

// ---- leadership

void ServerHost::on_role(raft::RoleChange role) {
    {
        const std::lock_guard lock(mutex_);
        if (role.role != role_.role) {
            became_leader_ += role.role == raft::Role::Leader ? 1U : 0U;
            became_follower_ += role.role == raft::Role::Follower ? 1U : 0U;
            became_candidate_ += role.role == raft::Role::Candidate ? 1U : 0U;
        }
        role_ = role;
        if (role.role != raft::Role::Leader) {
            ready_to_lead_ = false;
        }
    }
    leader_loop_.must_post([this, role] {
        if (role.role == raft::Role::Leader) {
            io::log_info("server", "this server leads in term {}", role.term);
            if (told_leader_) {
                told_leader_ = false;
                locks_.retire();
                handle(server::LostLeadership{});
            }
            pending_leadership_ = role;
            // The opening entry may have been applied before this came here.
            on_batch(nullptr);
        } else {
            if (role.leader != raft::kNobody) {
                io::log_info("server", "server {} leads in term {}", role.leader, role.term);
                move_requests();
            }
            pending_leadership_.reset();
            if (std::exchange(told_leader_, false)) {
                locks_.retire();
                handle(server::LostLeadership{});
            }
        }
    });
}

void ServerHost::on_batch(const std::shared_ptr<const ApplierHost::Batch>& batch) {
    if (batch) {
        publish_events(batch);
    }
    leader_loop_.must_post([this, batch] {
        if (pending_leadership_) {
            const state::Snapshot snapshot = batch ? batch->snapshot : applier_->snapshot();
            if ((batch ? batch->applied : applier_->applied()) >= pending_leadership_->opening) {
                const Term term = pending_leadership_->term;
                pending_leadership_.reset();
                told_leader_ = true;
                locks_.lead(snapshot, io::now());
                tend_locks();
                handle(server::BecameLeader{
                    .snapshot = snapshot, .term = term, .seed = io::random_seed()
                });
                {
                    const std::lock_guard lock(mutex_);
                    ready_to_lead_ = role_.role == raft::Role::Leader && role_.term == term;
                }
                look_after_keyring();
            }
            return;
        }
        if (batch && batch->reset && told_leader_) {
            // The state is another one: every duty begins anew.
            Term term;
            {
                const std::lock_guard lock(mutex_);
                term = role_.term;
            }
            locks_.lead(batch->snapshot, io::now());
            tend_locks();
            handle(server::LostLeadership{});
            handle(server::BecameLeader{
                .snapshot = batch->snapshot, .term = term, .seed = io::random_seed()
            });
            return;
        }
        if (batch && told_leader_) {
            locks_.applied(*batch->effects, batch->snapshot, io::now());
            tend_locks();
            handle(server::StateApplied{.effects = batch->effects, .snapshot = batch->snapshot});
        }
    });
}

void ServerHost::feed(server::LeaderEvent event) {
    leader_loop_.must_post([this, e = std::move(event)]() mutable { handle(std::move(e)); });
}

void ServerHost::handle(server::LeaderEvent event) {
    carry_out(leader_->on(std::move(event), io::now(), io::wall_now()));
    arm_leader();
    const server::LeaderStatus status = leader_->status();
    const std::lock_guard lock(mutex_);
    leader_status_ = status;
}

void ServerHost::carry_out(server::LeaderEffects effects) {
    for (server::LeaderProposal& proposal : effects.propose) {
        propose_internal(
            proposal.command,
            [this, ticket = proposal.ticket](Result<Outcome> outcome) {
                Result<Index> result =
                    outcome ? (outcome->result ? Result<Index>(outcome->index)
                                               : std::unexpected(outcome->result.error()))
                            : std::unexpected(outcome.error());
                feed(server::CommandResult{.ticket = ticket, .result = std::move(result)});
            }
        );
    }
    for (server::EvalWork& work : effects.work) {
        run_work(std::move(work));
    }
    for (server::NodeSend& send : effects.send) {
        if (const auto found = sessions_.find(send.session); found != sessions_.end()) {
            static_cast<void>(
                found->second->send({.kind = "node", .id = 0, .data = encode(send.frame)})
            );
        }
    }
    for (server::NodeSendMore& send : effects.send_more) {
        if (const auto found = sessions_.find(send.session); found != sessions_.end()) {
            static_cast<void>(
                found->second->send({.kind = "more", .id = 0, .data = encode(send.frame)})
            );
        }
    }
    for (server::NodeRefuse& refuse : effects.refuse) {
        if (auto node = sessions_.extract(refuse.session); !node.empty()) {
            node.mapped()->close(std::unexpected(std::move(refuse.reason)));
        }
    }
    for (server::CallOutput& output : effects.call_output) {
        if (const auto found = node_calls_.find(output.call); found != node_calls_.end()) {
            found->second.on_input(api::Item{std::move(output.data)});
        }
    }
    for (server::CallFinished& finished : effects.call_finished) {
        if (auto node = node_calls_.extract(finished.call); !node.empty()) {
            node.mapped().on_input(api::SourceEnded{std::move(finished.result)});
        }
    }
}

void ServerHost::arm_leader() {
    const Instant due = leader_->next_deadline();
    const Instant now = io::now();
    if (due == Instant::max() || (leader_armed_ > now && leader_armed_ <= due)) {
        return;
    }
    if (leader_timer_ != 0) {
        leader_loop_.cancel(leader_timer_);
    }
    leader_armed_ = due;
    leader_timer_ = leader_loop_.run_at(due, [this] {
        leader_armed_ = Instant{};
        handle(server::Tick{});
    });
}

void ServerHost::run_work(server::EvalWork work) {
    io::EventLoop* chosen = workers_[next_worker_++ % workers_.size()].get();
    for (const auto& worker : workers_) {
        if (worker->queued() < chosen->queued()) {
            chosen = worker.get();
        }
    }
    chosen->must_post([this, w = std::move(work)]() mutable {
        model::Plan plan = sched::schedule(
            {.eval = *w.eval, .snapshot = w.snapshot, .now = w.wall, .rng = Rng(w.seed)}
        );
        feed(server::EvalDone{.token = w.token, .plan = std::move(plan)});
    });
}

void ServerHost::propose_internal(
    const state::Command& command, std::function<void(Result<Outcome>)> done
) {
    if (!running_) {
        done(std::unexpected(no_leader()));
        return;
    }
    const Ticket ticket = applier_->expect(std::move(done));
    replica_->propose(ticket, encode(command));
}

// ---- from the network

void ServerHost::on_call(io::InboundCall call, std::shared_ptr<io::Responder> responder) {
    if (call.method == kApiMethod) {
        auto request = decode<api::Request>(call.request);
        if (!request) {
            responder->finish(std::unexpected(request.error()));
            return;
        }
        if (pump_ == nullptr) {
            responder->finish(std::unexpected(no_leader()));
            return;
        }
        std::string key(request->header(kForwardKey).value_or(""));
        auto sink = std::make_shared<RpcSink>(responder, pump_->forwarded(), std::move(key));
        pump_->serve_forwarded(std::move(*request), sink, [responder] {
            responder->finish(std::unexpected(no_leader()));
        });
        return;
    }
    if (call.method == kControlMethod) {
        auto control = decode<ForwardControl>(call.request);
        if (!control || pump_ == nullptr) {
            responder->finish(
                control ? std::unexpected(no_leader())
                        : Result<void>(std::unexpected(control.error()))
            );
            return;
        }
        Result<void> taken = pump_->forwarded().control(std::move(*control));
        if (taken) {
            static_cast<void>(responder->write({.kind = "ok", .id = 0, .data = {}}));
        }
        responder->finish(std::move(taken));
        return;
    }
    if (call.method == kProposeMethod) {
        answer_propose(call, responder);
        return;
    }
    if (call.method == Founding::kJoinMethod) {
        answer_join(call, responder);
        return;
    }
    if (founding_ && founding_->answer(call, *responder)) {
        return;
    }
    responder->finish(fail(ErrorCode::Unimplemented, "unknown method \"{}\"", call.method));
}

io::SessionHandlers ServerHost::on_session(std::shared_ptr<io::ServerSession> session) {
    auto id = std::make_shared<server::SessionId>();
    leader_loop_.must_post([this, session, id] {
        *id = server::SessionId(next_session_++);
        sessions_.emplace(*id, session);
        if (!running_) {
            sessions_.erase(*id);
            session->close(std::unexpected(no_leader()));
            return;
        }
        handle(server::NodeOpened{*id});
    });
    return {
        .on_frame =
            [this, id, session](io::Frame frame) {
                if (frame.kind == "more") {
                    auto more = decode<server::NodeMore>(frame.data);
                    if (!more) {
                        session->close(std::unexpected(more.error()));
                        return;
                    }
                    leader_loop_.must_post([this, id, f = std::move(*more)]() mutable {
                        if (sessions_.contains(*id)) {
                            handle(server::NodeMoreFrame{.session = *id, .frame = std::move(f)});
                        }
                    });
                    return;
                }
                auto decoded = decode<server::NodeToServer>(frame.data);
                if (!decoded) {
                    session->close(std::unexpected(decoded.error()));
                    return;
                }
                leader_loop_.must_post([this, id, f = std::move(*decoded)]() mutable {
                    if (sessions_.contains(*id)) {
                        handle(server::NodeFrame{.session = *id, .frame = std::move(f)});
                    }
                });
            },
        .on_end =
            [this, id] {
                leader_loop_.must_post([this, id] {
                    if (sessions_.erase(*id) > 0) {
                        handle(server::NodeClosed{*id});
                    }
                });
            }
    };
}

// ---- for the API

api::Context ServerHost::context() {
    api::Context out;
    out.now = io::now();
    out.wall = io::wall_now();
    const Bytes chance = io::random_bytes(sizeof(out.entropy) + out.secret_entropy.size());
    std::memcpy(out.entropy.data(), chance.data(), sizeof(out.entropy));
    std::memcpy(
        out.secret_entropy.data(), chance.data() + sizeof(out.entropy), out.secret_entropy.size()
    );
    raft::RoleChange role;
    {
        const std::lock_guard lock(mutex_);
        out.agent = view_;
        out.metrics = metrics_;
        role = role_;
    }
    api::ClusterView& cluster = out.cluster;
    cluster.self = self_;
    cluster.leader = role.leader;
    cluster.term = role.term;
    cluster.draining = draining_;
    if (!running_) {
        return out;
    }
    out.state = applier_->snapshot();
    out.keyring = keyring_->keyring(out.state);
    out.acl_cache = acl_cache_;
    const server::ReplicaStatus status = replica_->status();
    cluster.commit_index = status.raft.commit;
    cluster.applied_index = status.raft.applied;
    cluster.last_log_index = status.raft.last;
    cluster.first_log_index = status.raft.first;
    for (const raft::Member& member : status.raft.membership.members) {
        api::Peer peer{
            .id = member.id, .name = member.name, .address = member.address, .voter = member.voter
        };
        if (const auto info = decode<ServerInfo>(member.info)) {
            peer.region = info->region;
            peer.datacenter = info->datacenter;
            peer.http_address = info->http_address;
            peer.version = info->version;
            peer.own_version = info->own_version;
        }
        if (member.id != self_) {
            const auto found = std::find_if(
                status.raft.peers.begin(),
                status.raft.peers.end(),
                [&](const raft::PeerStatus& p) { return p.id == member.id; }
            );
            if (found != status.raft.peers.end()) {
                peer.last_contact = out.now - found->last_contact;
                peer.alive = peer.last_contact < kAliveWithin;
            }
        }
        cluster.peers.push_back(std::move(peer));
    }
    return out;
}

LeaderAddress ServerHost::leader() const {
    LeaderAddress out;
    ServerId leader;
    {
        const std::lock_guard lock(mutex_);
        out.self = ready_to_lead_;
        leader = role_.leader;
    }
    if (out.self || !running_ || leader == raft::kNobody) {
        return out;
    }
    const raft::Membership members = replica_->membership();
    if (const raft::Member* member = members.find(leader); member != nullptr && leader != self_) {
        out.address = member->address;
    }
    return out;
}

void ServerHost::propose(
    const state::Command& command, std::function<void(Result<api::Applied>)> done
) {
    propose_request(encode(command), [callback = std::move(done)](Result<Outcome> outcome) {
        if (!outcome) {
            callback(std::unexpected(outcome.error()));
            return;
        }
        callback(api::Applied{
            .index = outcome->index,
            .result = outcome->result,
            .conflict_index = outcome->conflict_index
        });
    });
}

std::function<void()> ServerHost::watch(
    std::vector<state::WatchKey> keys, Index seen, std::function<void()> woken
) {
    if (!running_) {
        return [] {};
    }
    const state::WatchId id = applier_->watch(std::move(keys), seen, std::move(woken));
    return [this, id] { applier_->unwatch(id); };
}

std::shared_ptr<Running> ServerHost::open(
    const api::StreamSource& source, SourceHandlers handlers
) {
    if (const auto* node = std::get_if<api::NodeSource>(&source)) {
        const std::uint64_t call = next_call_++;
        leader_loop_.must_post([this, call, target = *node, h = std::move(handlers)]() mutable {
            node_calls_.emplace(call, std::move(h));
            handle(server::CallOpen{.call = call, .node = target.node, .request = target.request});
        });
        return std::make_shared<NodeCallHandle>(*this, call);
    }
    if (const auto* log = std::get_if<api::LogSource>(&source)) {
        return std::make_shared<LogSubscription>(*log, std::move(handlers));
    }
    const Index from = std::get<api::EventSource>(source).from;
    const std::lock_guard lock(events_mutex_);
    const std::uint64_t id = next_subscriber_++;
    auto subscription = std::make_shared<EventSubscription>(*this, id, std::move(handlers));
    bool first = true;
    for (const auto& effects : events_) {
        if (effects->index >= from) {
            const bool lost =
                first && from != Index{} && effects->index > from && events_.front() == effects;
            subscription->give(api::EffectsItem{.effects = effects, .lost = lost});
            first = false;
        }
    }
    subscribers_.emplace(id, subscription);
    return subscription;
}

void ServerHost::publish_events(const std::shared_ptr<const ApplierHost::Batch>& batch) {
    const std::lock_guard lock(events_mutex_);
    for (const state::Effects& effects : *batch->effects) {
        // Shares the batch's memory.
        std::shared_ptr<const state::Effects> one(batch->effects, &effects);
        for (const auto& [id, subscriber] : subscribers_) {
            subscriber->give(api::EffectsItem{.effects = one, .lost = false});
        }
        events_.push_back(std::move(one));
    }
    while (events_.size() > kEventsKept) {
        events_.pop_front();
    }
}

void ServerHost::server_call(api::WaitServer call, std::function<void(api::ServerAnswered)> done) {
    if (const auto* change = std::get_if<api::GossipKeyring>(&call.call)) {
        done(change_gossip(*change));
        return;
    }
    if (!running_) {
        done({.result = std::unexpected(no_leader())});
        return;
    }
    const auto answer_change = [done](Result<Outcome> outcome) {
        done({.result = outcome ? Result<void>() : std::unexpected(outcome.error())});
    };
    if (const auto* remove = std::get_if<api::RemovePeer>(&call.call)) {
        replica_->change_membership(applier_->expect(answer_change), raft::Remove{remove->server});
    } else if (const auto* transfer = std::get_if<api::TransferLeadership>(&call.call)) {
        replica_->transfer(
            applier_->expect([this, done](const Result<Outcome>& outcome) {
                api::ServerAnswered answer;
                if (!outcome) {
                    answer.result = std::unexpected(outcome.error());
                }
                const std::lock_guard lock(mutex_);
                answer.leader = role_.leader;
                done(std::move(answer));
            }),
            transfer->to
        );
    } else if (const auto* join = std::get_if<api::JoinServers>(&call.call)) {
        // The servers named are asked to join us: they learn of this cluster and ask to be added.
        for (const std::string& address : join->addresses) {
            founding_->add_join(address);
        }
        done({.result = {}, .joined = static_cast<std::int64_t>(join->addresses.size())});
    } else if (const auto* force = std::get_if<api::ForceLeave>(&call.call)) {
        for (const raft::Member& member : replica_->membership().members) {
            if (member.name == force->name || member.name.starts_with(force->name + ".")) {
                replica_->change_membership(
                    applier_->expect(answer_change), raft::Remove{member.id}
                );
                return;
            }
        }
        done({});
    } else if (std::holds_alternative<api::CollectGarbage>(call.call)) {
        leader_loop_.must_post([this, done] { collect_garbage(done); });
    } else if (const auto* log = std::get_if<api::ReadLog>(&call.call)) {
        replica_->entries(log->first, log->count, [done](Result<std::vector<raft::Entry>> entries) {
            api::ServerAnswered answer;
            if (!entries) {
                answer.result = std::unexpected(entries.error());
            } else {
                for (raft::Entry& entry : *entries) {
                    answer.log.push_back(
                        {.index = entry.index,
                         .term = entry.term,
                         .command = entry.kind == raft::EntryKind::Command ? std::move(entry.data)
                                                                           : Bytes()}
                    );
                }
            }
            done(std::move(answer));
        });
    } else if (std::holds_alternative<api::ReadBootstrapReset>(call.call)) {
        api::ServerAnswered answer;
        const std::string file = options_.data_dir + kResetFile;
        if (!options_.data_dir.empty() && io::exists(file)) {
            if (auto text = io::read_file(file, kSmallFileBytesMax)) {
                answer.text = std::move(*text);
                while (!answer.text.empty() &&
                       (answer.text.back() == '\n' || answer.text.back() == '\r' ||
                        answer.text.back() == ' ')) {
                    answer.text.pop_back();
                }
            }
        }
        done(std::move(answer));
    } else if (const auto* turn = std::get_if<api::RotateRootKey>(&call.call)) {
        leader_loop_.must_post([this, c = *turn, done] { rotate(c, done); });
    } else if (const auto* renewal = std::get_if<api::RenewLock>(&call.call)) {
        leader_loop_.must_post([this, r = *renewal, done] {
            if (!told_leader_) {
                done({.result = std::unexpected(no_leader())});
                return;
            }
            done({.result = locks_.renew(r.namespace_, r.path, r.lock_id, io::now())});
            tend_locks();
        });
    } else if (std::holds_alternative<api::SaveSnapshot>(call.call)) {
        save_snapshot(std::move(done));
    } else if (const auto* restore = std::get_if<api::RestoreSnapshot>(&call.call)) {
        restore_snapshot(restore->archive, std::move(done));
    } else if (std::holds_alternative<api::DrainServer>(call.call)) {
        draining_ = true;
        if (leader().self && replica_->membership().voters() > 1) {
            replica_->transfer(applier_->expect(answer_change), raft::kNobody);
        } else {
            done({});
        }
    } else {
        // Summaries are derived while commands are applied, so there is nothing to reconcile.
        done({});
    }
}

std::function<void()> ServerHost::forward(
    const std::string& address, const api::Request& request, ForwardHandlers handlers
) {
    return forward_request(*peers_, address, request, std::move(handlers));
}

void ServerHost::control(
    const std::string& address,
    const ForwardControl& control,
    std::function<void(Result<void>)> done
) {
    send_control(*peers_, address, control, std::move(done));
}

void ServerHost::set_agent_view(std::shared_ptr<const api::AgentView> view) {
    const std::lock_guard lock(mutex_);
    view_ = std::move(view);
}

void ServerHost::set_metrics(std::shared_ptr<const api::Metrics> metrics) {
    const std::lock_guard lock(mutex_);
    metrics_ = std::move(metrics);
}

state::Snapshot ServerHost::snapshot() const {
    return running_ ? applier_->snapshot() : state::Snapshot();
}

server::LeaderStatus ServerHost::leader_status() const {
    const std::lock_guard lock(mutex_);
    return leader_status_;
}

std::optional<server::ReplicaStatus> ServerHost::replica_status() const {
    return running_ ? std::optional(replica_->status()) : std::nullopt;
}

ServerHost::RaftFigures ServerHost::raft_figures() const {
    RaftFigures out;
    if (running_) {
        out.replica_queue = replica_->queued();
        out.applier_queue = applier_->queued();
        out.requests = applier_->requests_remembered();
    }
    out.became_leader = became_leader_;
    out.became_follower = became_follower_;
    out.became_candidate = became_candidate_;
    out.commits = commits_;
    out.commit_ns = commit_ns_;
    return out;
}

std::size_t ServerHost::watches() const {
    return running_ ? applier_->watches() : 0;
}

}  // namespace nl::agent
