#pragma once
// The server side of an agent: listener for servers and nodes, founding, replica, applier, the
// leader's duties, scheduler workers, and what the API needs of them. Owns their threads; they
// exchange values.
//
// Order of a start: create (binds the RPC port, finds the identity), start (founds or finds the
// cluster in the background). `leader().self` becomes true once this server leads and its state
// holds everything committed before.

#include "agent/acl_cache.h"
#include "agent/api_backend.h"
#include "agent/api_pump.h"
#include "agent/applier_host.h"
#include "agent/founding.h"
#include "agent/keyring_host.h"
#include "agent/replica_host.h"
#include "io/grpc/grpc_server.h"
#include "io/grpc/peer_client.h"
#include "server/leader.h"
#include "server/variable_locks.h"

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace nl::agent {

/// What servers tell each other about themselves; travels in raft::Member::info.
struct ServerInfo {
    std::string region;
    std::string datacenter;
    std::string http_address;
    std::string version;
    std::string own_version;
    /// For whom root keys are wrapped (policy/keyring.h).
    Bytes public_key;
    NL_FIELDS(
        ServerInfo,
        (1, region),
        (2, datacenter),
        (3, http_address),
        (4, version),
        (5, own_version),
        (6, public_key)
    )
};

class ServerHost final : public ApiBackend {
public:
    struct Options {
        std::string name;
        std::string region{"global"};
        std::string datacenter{"dc1"};
        /// "host:port" to bind for gRPC; the first is the one advertised unless `advertise` says
        /// otherwise.
        std::vector<std::string> listen;
        std::string advertise;
        /// Empty: in memory.
        std::string data_dir;
        std::uint64_t bootstrap_expect{1};
        std::vector<std::string> join;
        /// The seed's way: identity and founders by flags.
        std::optional<ServerId> fixed_id;
        std::optional<raft::Membership> fixed_founding;
        std::optional<io::TlsOptions> tls;
        Duration root_key_rotation_threshold = hours(720);
        /// The first key of the gossip keyring; "" for none.
        std::string gossip_key;
        raft::Options raft;
        server::LeaderOptions leader;
        std::uint64_t snapshot_log_bytes_min{64 << 20};
        io::seed::SeedHandler* seed{nullptr};
        /// The process must stop: the disk failed.
        std::function<void(const Error&)> on_fatal;
        /// RPC addresses of the members, whenever they change; on the replica's thread.
        std::function<void(std::vector<std::string>)> on_members;
    };

    static Result<std::unique_ptr<ServerHost>> create(Options options);
    ~ServerHost() override;
    ServerHost(const ServerHost&) = delete;
    ServerHost& operator=(const ServerHost&) = delete;

    /// "host:port" under which others reach this server.
    const std::string& rpc_address() const { return rpc_address_; }
    ServerId self() const { return self_; }

    /// `http_address` is told to the other servers; the pump answers forwarded requests.
    Result<void> start(std::string http_address, ApiPump& pump);
    /// Hands over leadership if this server leads and another can take it; at most `grace`.
    void leave(Duration grace);
    void stop();

    void set_agent_view(std::shared_ptr<const api::AgentView> view);
    void set_metrics(std::shared_ptr<const api::Metrics> metrics);
    void set_draining(bool draining) { draining_ = draining; }

    // ApiBackend.
    api::Context context() override;
    bool is_server() const override { return true; }
    LeaderAddress leader() const override;
    void propose(const state::Command& command, std::function<void(Result<api::Applied>)> done)
        override;
    std::function<void()> watch(
        std::vector<state::WatchKey> keys, Index seen, std::function<void()> woken
    ) override;
    std::shared_ptr<Running> open(const api::StreamSource& source, SourceHandlers handlers)
        override;
    Instant read_lease() const override;
    void confirm_read(std::function<void(Result<Instant>)> done) override;
    void server_call(api::WaitServer call, std::function<void(api::ServerAnswered)> done) override;
    std::function<void()> forward(
        const std::string& address, const api::Request& request, ForwardHandlers handlers
    ) override;
    void control(
        const std::string& address,
        const ForwardControl& control,
        std::function<void(Result<void>)> done
    ) override;

    /// The newest state; invalid before the cluster is founded.
    state::Snapshot snapshot() const;
    server::LeaderStatus leader_status() const;
    std::optional<server::ReplicaStatus> replica_status() const;
    std::size_t watches() const;
    /// For metrics: queues, role changes, and the time commands took, since the start.
    struct RaftFigures {
        std::size_t replica_queue{0};
        std::size_t applier_queue{0};
        std::size_t requests{0};
        std::uint64_t became_leader{0};
        std::uint64_t became_follower{0};
        std::uint64_t became_candidate{0};
        std::uint64_t commits{0};
        std::uint64_t commit_ns{0};
    };
    RaftFigures raft_figures() const;

private:
    explicit ServerHost(Options options);

    struct NodeCall {
        SourceHandlers handlers;
    };
    class NodeCallHandle;
    class EventSubscription;
    class LogSubscription;

    void found(raft::Membership membership, bool invited);
    void on_call(io::InboundCall call, std::shared_ptr<io::Responder> responder);
    io::SessionHandlers on_session(std::shared_ptr<io::ServerSession> session);
    void on_role(raft::RoleChange role);
    void on_batch(const std::shared_ptr<const ApplierHost::Batch>& batch);

    void feed(server::LeaderEvent event);
    void handle(server::LeaderEvent event);
    void carry_out(server::LeaderEffects effects);
    void arm_leader();
    void run_work(server::EvalWork work);
    void propose_internal(const state::Command& command, std::function<void(Result<Outcome>)> done);
    ServerInfo own_info() const;

    // recovery.cc
    Result<std::optional<raft::Membership>> recovery_membership();
    void maybe_end_recovery();

    // autopilot.cc
    raft::Member own_member() const;
    void look_after_members();
    std::optional<raft::Change> next_member_change(const server::ReplicaStatus& status);
    void maybe_ask_to_be_let_in();
    void answer_join(
        const io::InboundCall& call, const std::shared_ptr<io::Responder>& responder
    );

    // snapshot_files.cc
    void save_snapshot(std::function<void(api::ServerAnswered)> done);
    void restore_snapshot(const Bytes& archive, std::function<void(api::ServerAnswered)> done);

    // server_propose.cc
    static constexpr const char* kProposeMethod = "propose";
    struct Request;
    void propose_request(Bytes command, std::function<void(Result<Outcome>)> done);
    void try_propose(const std::shared_ptr<Request>& request);
    void forward_propose(
        const std::string& address,
        const std::shared_ptr<Request>& request,
        std::function<void(Result<Outcome>)> ended
    );
    void answer_propose(
        const io::InboundCall& call, const std::shared_ptr<io::Responder>& responder
    );
    void move_requests();

    // server_keyring.cc
    static constexpr const char* kGossipFile = "/server/serf.keyring";
    void announce_self();
    bool has_root_keys(const raft::Member& member) const;
    KeyringHost::Members keyring_members() const;
    void look_after_keyring();
    /// On the leader loop: carries away all that has ended, whatever its age.
    void collect_garbage(std::function<void(api::ServerAnswered)> done);
    void rotate(const api::RotateRootKey& call, std::function<void(api::ServerAnswered)> done);
    void tend_locks();
    api::ServerAnswered change_gossip(const api::GossipKeyring& call);
    void publish_events(const std::shared_ptr<const ApplierHost::Batch>& batch);

    Options options_;
    ServerId self_;
    std::string rpc_address_;
    std::string http_address_;
    ApiPump* pump_{nullptr};

    std::unique_ptr<KeyringHost> keyring_;
    std::shared_ptr<AclCache> acl_cache_ = std::make_shared<AclCache>();
    std::unique_ptr<io::PeerClient> peers_;
    std::unique_ptr<ReplicaHost> replica_;
    std::unique_ptr<ApplierHost> applier_;
    std::unique_ptr<Founding> founding_;
    /// True once replica_ and applier_ run; they are not replaced afterwards.
    std::atomic<bool> running_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> draining_{false};

    // The leader loop's own.
    io::EventLoop leader_loop_;
    std::unique_ptr<server::Leader> leader_;
    std::map<server::SessionId, std::shared_ptr<io::ServerSession>> sessions_;
    std::map<std::uint64_t, SourceHandlers> node_calls_;
    Instant leader_armed_{Instant::max()};
    io::EventLoop::TimerId leader_timer_{0};
    std::optional<raft::RoleChange> pending_leadership_;
    bool told_leader_{false};
    /// Since when each other server has been well without a break, while this one leads.
    std::map<ServerId, Instant> healthy_since_;
    Instant leaderless_since_;
    /// peers.json was read and its membership is not in the log yet.
    std::atomic<bool> recovering_{false};
    std::uint64_t next_session_{1};
    std::atomic<std::uint64_t> next_call_{1};
    server::VariableLocks locks_;
    io::EventLoop::TimerId locks_timer_{0};
    /// Commands about root keys that are on their way: they are made one round after another, for
    /// each round is made of what the last one left.
    std::size_t keyring_pending_{0};

    std::vector<std::unique_ptr<io::EventLoop>> workers_;
    std::atomic<unsigned> next_worker_{0};

    // Shared, under the lock.
    mutable std::mutex mutex_;
    std::shared_ptr<const api::AgentView> view_;
    std::shared_ptr<const api::Metrics> metrics_;
    raft::RoleChange role_;
    bool ready_to_lead_{false};
    Instant leader_heard_;
    server::LeaderStatus leader_status_;
    std::vector<std::string> gossip_keys_;

    std::atomic<std::uint64_t> became_leader_{0};
    std::atomic<std::uint64_t> became_follower_{0};
    std::atomic<std::uint64_t> became_candidate_{0};
    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> commit_ns_{0};

    std::mutex requests_mutex_;
    /// Commands of the API without an answer; they belong to whoever waits for it.
    std::vector<std::weak_ptr<Request>> requests_;

    mutable std::mutex events_mutex_;
    std::deque<std::shared_ptr<const state::Effects>> events_;
    std::map<std::uint64_t, std::shared_ptr<EventSubscription>> subscribers_;
    std::uint64_t next_subscriber_{1};

    /// Last: its handlers use everything above.
    std::unique_ptr<io::GrpcServer> grpc_;
};

}  // namespace nl::agent
