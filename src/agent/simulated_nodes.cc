#include "agent/simulated_nodes.h"

#include "agent/agent_main.h"
#include "base/codec.h"
#include "io/clock.h"
#include "server/node_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <queue>
#include <utility>

namespace nl::agent {

using server::AllocStatus;

namespace {

model::Node describe(const SimulatedNodes::Options& plan, std::size_t number, Rng& rng) {
    model::Node node;
    node.id = Uuid::random(rng);
    node.secret_id = Uuid::random(rng);
    node.name = fmt::format("sim-{}", number);
    node.datacenter = plan.datacenters[number % plan.datacenters.size()];
    node.node_pool = plan.pool;
    node.node_class = plan.node_class;
    node.status = model::NodeStatus::Ready;
    node.attributes["kernel.name"] = "linux";
    node.attributes["arch"] = "amd64";
    node.attributes["cpu.arch"] = "amd64";
    node.attributes["os.name"] = "debian";
    node.attributes["nomad.version"] = kNomadVersion;
    node.attributes["nomad.service_discovery"] = "true";
    node.attributes["unique.hostname"] = node.name;
    node.meta["rack"] = fmt::format(
        "r{}", static_cast<std::int64_t>(number) % std::max<std::int64_t>(plan.racks, 1)
    );
    node.meta["simulated"] = "true";
    for (const char* driver : {"raw_exec", "exec", "docker", "java", "mock_driver"}) {
        node.attributes[fmt::format("driver.{}", driver)] = "1";
        node.drivers[driver] = {.detected = true, .healthy = true};
    }
    model::NodeResources& r = node.node_resources.ensure();
    r.cpu = model::LegacyNodeCpuResources{.cpu_shares = plan.cpu, .total_cpu_cores = 32};
    r.memory = model::NodeMemoryResources{plan.memory_mb};
    r.disk = model::NodeDiskResources{plan.disk_mb};
    r.node_networks.push_back(
        {.mode = "host",
         .device = "eth0",
         .addresses =
             {{.alias = "default",
               .address =
                   fmt::format("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255)}}}
    );
    r.min_dynamic_port = 20000;
    r.max_dynamic_port = 32000;
    return node;
}

}  // namespace

/// One node. Frames come on gRPC's threads, time on the command's.
class SimNode {
public:
    SimNode(const SimulatedNodes::Options& plan, SimulatedNodes::Totals& totals, model::Node node)
        : plan_(plan), totals_(totals), node_(std::move(node)) {}

    Result<void> start(const std::shared_ptr<io::SharedConnections>& shared) {
        io::NodeClient::Handlers handlers;
        handlers.on_connect = [this](const std::string&) { on_connect(); };
        handlers.on_frame = [this](io::Frame frame) { on_frame(frame); };
        handlers.on_disconnect = [this](const std::string&, const Error&) { on_disconnect(); };
        NL_TRY(
            client_,
            io::NodeClient::start(
                {.servers = plan_.servers, .tls = {}, .shared = shared}, std::move(handlers)
            )
        );
        is_started_.store(true, std::memory_order_release);
        // A session that came up before the client was known here could not say hello.
        const std::lock_guard lock(mutex_);
        say_hello();
        return {};
    }

    void tick(Instant now) {
        const std::lock_guard lock(mutex_);
        if (!is_live_) {
            return;
        }
        while (!ending_.empty() && ending_.top().first <= now) {
            AllocStatus status = ending_.top().second;
            ending_.pop();
            status.modify_time = io::wall_now().unix_ns;
            finish(status);
            pending_.push_back(std::move(status));
            ++totals_.told_complete;
        }
        flush();
        if (now >= next_beat_) {
            next_beat_ = now + Duration{ttl_.ns / 3};
            send({.heartbeat = server::NodeHeartbeat{++beats_}});
        }
    }

private:
    struct Later {
        bool operator()(
            const std::pair<Instant, AllocStatus>& a, const std::pair<Instant, AllocStatus>& b
        ) const {
            return a.first > b.first;
        }
    };

    void on_connect() {
        const std::lock_guard lock(mutex_);
        is_up_ = true;
        say_hello();
    }

    void say_hello() {
        if (is_up_ && !said_hello_ && is_started_.load(std::memory_order_acquire)) {
            said_hello_ = true;
            send({.hello = server::NodeHello{server::kNodeProtocolVersion, node_}});
        }
    }

    void on_disconnect() {
        const std::lock_guard lock(mutex_);
        if (is_up_) {
            ++totals_.disconnects;
        }
        if (is_live_) {
            --totals_.registered;
        }
        is_up_ = false;
        said_hello_ = false;
        is_live_ = false;
        in_flight_ = 0;
        // The servers say everything again.
        pending_.clear();
        ending_ = {};
    }

    void on_frame(const io::Frame& frame) {
        auto decoded = decode<server::ServerToNode>(frame.data);
        if (!decoded) {
            return;
        }
        const std::lock_guard lock(mutex_);
        if (decoded->registered) {
            ttl_ = decoded->registered->heartbeat_ttl;
            next_beat_ = io::now() + Duration{ttl_.ns / 3};
            if (!is_live_) {
                ++totals_.registered;
            }
            is_live_ = true;
        }
        if (decoded->heartbeat_ack) {
            ttl_ = decoded->heartbeat_ack->heartbeat_ttl;
        }
        if (decoded->allocs) {
            take(*decoded->allocs);
        }
        if (decoded->status_ack && decoded->status_ack->sequence == sequence_) {
            totals_.acknowledged += static_cast<std::int64_t>(in_flight_);
            in_flight_ = 0;
        }
        flush();
    }

    static void finish(AllocStatus& status) {
        status.client_status = model::AllocClientStatus::Complete;
        for (auto& [name, task] : status.task_states) {
            task.state = "dead";
            task.finished_at = WallTime{status.modify_time};
        }
    }

    void take(const server::AllocChanges& changes) {
        for (const server::PushedAlloc& pushed : changes.changed) {
            const model::Allocation& alloc = pushed.alloc;
            const bool over = model::is_terminal(alloc.client_status);
            const bool wanted = alloc.desired_status == model::AllocDesiredStatus::Run;
            const bool runs = alloc.client_status == model::AllocClientStatus::Running;
            if (over || (wanted && runs && plan_.task_time.ns == 0)) {
                continue;
            }
            AllocStatus status;
            status.alloc_id = alloc.id;
            status.modify_time = io::wall_now().unix_ns;
            if (pushed.job > 0 && pushed.job <= changes.jobs.size()) {
                for (const auto& group : changes.jobs[pushed.job - 1]->task_groups) {
                    if (group.name != alloc.task_group) {
                        continue;
                    }
                    for (const auto& task : group.tasks) {
                        model::TaskState& state = status.task_states[task.name];
                        state.state = "running";
                        state.started_at = WallTime{status.modify_time};
                    }
                }
            }
            if (!wanted) {
                finish(status);
                pending_.push_back(std::move(status));
                ++totals_.told_complete;
                continue;
            }
            status.client_status = model::AllocClientStatus::Running;
            if (!alloc.deployment_id.is_nil()) {
                status.deployment_status = model::AllocDeploymentStatus{
                    .healthy = true, .timestamp = WallTime{status.modify_time}
                };
            }
            if (plan_.task_time.ns > 0) {
                ending_.emplace(io::now() + plan_.task_time, status);
            }
            if (!runs) {
                pending_.push_back(std::move(status));
                ++totals_.told_running;
            }
        }
    }

    void flush() {
        if (!is_live_ || in_flight_ > 0 || pending_.empty()) {
            return;
        }
        server::StatusBatch batch;
        batch.sequence = ++sequence_;
        while (!pending_.empty() && batch.statuses.size() < server::kMaxStatusesPerBatch) {
            batch.statuses.push_back(std::move(pending_.front()));
            pending_.pop_front();
        }
        in_flight_ = batch.statuses.size();
        send({.statuses = std::move(batch)});
    }

    void send(const server::NodeToServer& frame) {
        static_cast<void>(client_->send({.kind = "node", .id = 0, .data = encode(frame)}));
    }

    const SimulatedNodes::Options& plan_;
    SimulatedNodes::Totals& totals_;
    model::Node node_;

    std::mutex mutex_;
    bool is_up_{false};
    bool said_hello_{false};
    bool is_live_{false};
    Duration ttl_ = seconds(10);
    Instant next_beat_;
    std::uint64_t beats_{0};
    std::uint64_t sequence_{0};
    std::size_t in_flight_{0};
    std::deque<AllocStatus> pending_;
    std::priority_queue<
        std::pair<Instant, AllocStatus>,
        std::vector<std::pair<Instant, AllocStatus>>,
        Later>
        ending_;
    std::atomic<bool> is_started_{false};
    /// Last: its handlers use everything above until it is gone.
    std::unique_ptr<io::NodeClient> client_;
};

SimulatedNodes::SimulatedNodes(Options options)
    : options_(std::move(options)), rng_(options_.seed), shared_(io::share_connections()) {
    nodes_.reserve(options_.count);
}

SimulatedNodes::~SimulatedNodes() = default;

Result<void> SimulatedNodes::tick() {
    while (nodes_.size() < options_.count &&
           static_cast<std::int64_t>(nodes_.size()) - totals_.registered.load() <
               static_cast<std::int64_t>(kRegisteringMax)) {
        nodes_.push_back(
            std::make_unique<SimNode>(options_, totals_, describe(options_, nodes_.size(), rng_))
        );
        NL_TRY_VOID(nodes_.back()->start(shared_));
    }
    const Instant now = io::now();
    for (const auto& node : nodes_) {
        node->tick(now);
    }
    return {};
}

}  // namespace nl::agent
