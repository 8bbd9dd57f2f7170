#include "agent/client_host.h"

#include "agent/agent_calls.h"
#include "agent/agent_main.h"
#include "agent/client_metrics.h"
#include "client/node.h"
#include "drivers/artifacts/fetcher.h"
#include "drivers/blob_store.h"
#include "drivers/checks.h"
#include "drivers/fingerprint/cpu.h"
#include "drivers/fingerprint/host.h"
#include "drivers/fingerprint/slow.h"
#include "drivers/host_stats.h"
#include "drivers/host_volumes.h"
#include "drivers/reads.h"
#include "drivers/registry.h"
#include "drivers/task_files.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/files.h"
#include "io/grpc/node_client.h"
#include "io/log.h"
#include "io/loop.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <set>
#include <thread>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace nl::agent {
namespace {

StringMap host_environment() {
    StringMap out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos) {
            out.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return out;
}

std::vector<std::string> split_path(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t colon = std::min(text.find(':', from), text.size());
        if (colon > from) {
            out.push_back(text.substr(from, colon - from));
        }
        from = colon + 1;
    }
    return out;
}

std::vector<std::string> split_list(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        std::string item = text.substr(at, comma - at);
        std::erase(item, ' ');
        if (!item.empty()) {
            out.push_back(std::move(item));
        }
        at = comma + 1;
    }
    return out;
}

std::string text_option(const ValueMap& map, std::string_view key) {
    const auto at = map.find(key);
    return at == map.end() || at->second.as_string() == nullptr ? "" : *at->second.as_string();
}

/// "100GB" and the like, as the configuration writes sizes.
std::uint64_t size_option(const ValueMap& map, std::string_view key, std::uint64_t otherwise) {
    const auto at = map.find(key);
    if (at == map.end()) {
        return otherwise;
    }
    if (const std::int64_t* number = at->second.as_int()) {
        return *number < 0 ? otherwise : static_cast<std::uint64_t>(*number);
    }
    const std::string text = text_option(map, key);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) {
        return otherwise;
    }
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::string_view letter = unit.substr(0, 1);
    const unsigned shift = letter == "k" || letter == "K"   ? 10
                           : letter == "m" || letter == "M" ? 20
                           : letter == "g" || letter == "G" ? 30
                           : letter == "t" || letter == "T" ? 40
                                                            : 0;
    return value << shift;
}

Duration time_option(const ValueMap& map, std::string_view key, Duration otherwise) {
    return parse_duration(text_option(map, key)).value_or(otherwise);
}

drivers::ArtifactOptions artifact_options(
    const ValueMap& block, const std::string& http_address, bool dev
) {
    drivers::ArtifactOptions out;
    out.http_read_timeout = time_option(block, "http_read_timeout", out.http_read_timeout);
    out.http_max_bytes = size_option(block, "http_max_size", out.http_max_bytes);
    out.git_timeout = time_option(block, "git_timeout", out.git_timeout);
    out.s3_timeout = time_option(block, "s3_timeout", out.s3_timeout);
    out.extract.max_bytes = size_option(block, "decompression_size_limit", out.extract.max_bytes);
    out.extract.max_files =
        size_option(block, "decompression_file_count_limit", out.extract.max_files);
    if (const auto at = block.find("allow_file"); at != block.end()) {
        out.allow_file = at->second == Value(true);
    }
    if (const auto at = block.find("egress_allow"); at != block.end() && at->second.as_list()) {
        for (const Value& item : *at->second.as_list()) {
            if (item.as_string() != nullptr) {
                out.egress_allow.push_back(*item.as_string());
            }
        }
    }
    if (dev) {
        // One's own machine, but not the agent itself.
        out.egress_allow.insert(out.egress_allow.end(), {"127.0.0.0/8", "::1/128"});
    }
    const std::string port = http_address.substr(http_address.rfind(':') + 1);
    for (const char* host : {"127.0.0.1:", "::1:"}) {
        out.egress_deny_ports.push_back(host + port);
    }
    out.egress_deny_ports.push_back(http_address);
    return out;
}

void read_user_rules(const StringMap& options, client::RunnerSettings& settings) {
    if (const auto at = options.find("user.denylist"); at != options.end()) {
        settings.denied_users = split_list(at->second);
    }
    if (const auto at = options.find("user.checked_drivers"); at != options.end()) {
        settings.user_checked_drivers = split_list(at->second);
    }
}

class ClientHostImpl final : public ClientHost {
public:
    explicit ClientHostImpl(Options options)
        : options_(std::move(options)), loop_({.name = "node"}) {}
    ~ClientHostImpl() override { stop(); }

    Result<void> open();
    Result<void> start() override;
    void stop() override;

    Uuid node_id() const override { return identity_.id; }
    std::string connected_to() const override {
        const std::lock_guard lock(mutex_);
        return session_server_;
    }
    void set_servers(std::vector<std::string> servers) override {
        if (session_) {
            session_->set_servers(std::move(servers));
        }
    }
    void add_metrics(api::Metrics& metrics) const override;
    std::vector<std::string> healthy_drivers() const override {
        const std::lock_guard lock(mutex_);
        return healthy_;
    }

private:
    client::Now now() const { return {.instant = io::now(), .wall = io::wall_now()}; }
    model::Node make_node() const;
    model::Node facts() const;
    drivers::HostOptions host_options() const;
    void feed(client::Event event);
    void handle(client::Event event);
    void carry_out(client::Effects effects);
    void arm();
    void look_at_disk();
    void run_script(client::ScriptCall script);
    /// True if it was about a volume.
    bool serve_volume(const client::ReadCall& read);
    void note_running(const client::DriverEvent& event);
    void remember_states(const server::StatusBatch& batch);
    void end_call(std::uint64_t call, const Result<void>& result);
    void send(const server::NodeToServer& frame);
    Result<model::AllocResourceUsage> alloc_usage(const Uuid& alloc, const std::string& task) const;
    Result<std::unique_ptr<client::ExecProcess>> exec(
        const Uuid& alloc,
        const std::string& task,
        const client::ExecSpec& spec,
        client::ExecHandlers handlers
    );

    Options options_;
    NodeIdentity identity_;
    std::string alloc_dir_;
    io::EventLoop loop_;
    std::unique_ptr<drivers::FileBlobStore> blobs_;
    /// Change scripts of templates that run now.
    std::map<std::uint64_t, std::unique_ptr<client::ExecProcess>> scripts_;
    std::uint64_t next_script_{0};
    std::unique_ptr<drivers::HostVolumes> volumes_;
    std::unique_ptr<drivers::ArtifactFetcher> fetcher_;
    std::unique_ptr<drivers::DiskTaskFiles> files_;
    std::unique_ptr<drivers::CheckProber> checks_;
    std::unique_ptr<drivers::Registry> drivers_;
    std::unique_ptr<drivers::Reads> reads_;
    std::unique_ptr<AgentCalls> agent_calls_;
    std::unique_ptr<client::Node> node_;
    std::unique_ptr<io::NodeClient> session_;
    Instant armed_{Instant::max()};
    io::EventLoop::TimerId timer_{0};
    bool stopped_{false};
    std::thread slow_facts_;
    /// The loop's: what slow_facts_ found.
    StringMap more_attributes_;
    std::vector<model::NodeDeviceResource> devices_;
    /// Those that the configuration names.
    std::vector<model::NodeDeviceResource> own_devices_;

    mutable std::mutex mutex_;
    std::string session_server_;
    std::vector<std::string> healthy_;
    /// Tasks whose logs are complete, for followers; only of allocations that are not removed.
    std::map<Uuid, std::map<std::string, bool>> dead_tasks_;
    ClientLoad load_;
    mutable drivers::HostStatsReader host_stats_;
    mutable CpuTicks ticks_;
    /// What runs, as the drivers told, and under which driver.
    std::map<Uuid, std::map<client::TaskId, std::string>> running_;
};

drivers::HostOptions ClientHostImpl::host_options() const {
    const ClientConfig& c = options_.config;
    std::vector<drivers::HostNetwork> networks;
    for (const auto& [name, network] : c.host_network) {
        networks.push_back(
            {name,
             network.cidr.value_or(""),
             network.interface.value_or(""),
             network.reserved_ports.value_or("")}
        );
    }
    return {
        .alloc_dir = alloc_dir_,
        .cpu_total_compute = c.cpu_total_compute.value_or(0),
        .memory_total_mb = c.memory_total_mb.value_or(0),
        .disk_total_mb = c.disk_total_mb.value_or(0),
        .disk_free_mb = c.disk_free_mb.value_or(0),
        .min_dynamic_port = c.min_dynamic_port.value_or(20000),
        .max_dynamic_port = c.max_dynamic_port.value_or(32000),
        .network_interface = c.network_interface.value_or(""),
        .version = options_.version,
        .own_version = kVersion,
        .advertise_address = options_.http_address,
        .network_speed = c.network_speed.value_or(0),
        .reserved_cores = c.reserved ? c.reserved->cores.value_or("") : "",
        .reserved_cpu_mhz = c.reserved ? c.reserved->cpu.value_or(0) : 0,
        .host_networks = std::move(networks)
    };
}

model::Node ClientHostImpl::facts() const {
    model::Node out = drivers::fingerprint_host(host_options());
    drivers_->network().add_facts(out);
    for (const auto& [key, value] : more_attributes_) {
        out.attributes.insert_or_assign(key, value);
    }
    auto& devices = out.node_resources.ensure().devices;
    devices = devices_;
    devices.insert(devices.end(), own_devices_.begin(), own_devices_.end());
    return out;
}

model::Node ClientHostImpl::make_node() const {
    const ClientConfig& c = options_.config;
    model::Node node;
    node.id = identity_.id;
    node.secret_id = identity_.secret;
    node.name = options_.name;
    node.datacenter = options_.datacenter;
    node.http_addr = options_.http_address;
    node.tls_enabled = options_.tls.has_value();
    node.node_class = c.node_class.value_or("");
    node.node_pool = c.node_pool.value_or("default");
    node.meta = c.meta;
    for (const auto& [name, volume] : c.host_volume) {
        node.host_volumes[name] = {
            .name = name,
            .path = volume.path.value_or(""),
            .read_only = volume.read_only.value_or(false)
        };
    }
    auto& reserved = node.reserved_resources.ensure();
    reserved.cpu.ensure();
    reserved.memory.ensure();
    reserved.disk.ensure();
    reserved.networks.ensure();
    if (c.reserved) {
        reserved.cpu->cpu_shares = c.reserved->cpu.value_or(0);
        reserved.cpu->reserved_cpu_cores = drivers::parse_cpu_list(c.reserved->cores.value_or(""));
        reserved.memory->memory_mb = c.reserved->memory.value_or(0);
        reserved.disk->disk_mb = c.reserved->disk.value_or(0);
        reserved.networks->reserved_host_ports = c.reserved->reserved_ports.value_or("");
    }
    return node;
}

Result<void> ClientHostImpl::open() {
    const ClientConfig& c = options_.config;
    const std::string state_dir = c.state_dir.value_or(options_.data_dir + "/client");
    alloc_dir_ = c.alloc_dir.value_or(options_.data_dir + "/alloc");
    NL_TRY(identity_, node_identity(state_dir));
    NL_TRY_VOID(io::make_directories(alloc_dir_, 0711));
    NL_TRY(blobs_, drivers::FileBlobStore::open(state_dir + "/state"));
    NL_TRY(const env::BlobsLoaded loaded, blobs_->load());
    for (const std::string& key : loaded.damaged) {
        io::log_warn("client", "the local record \"{}\" is damaged and was set aside", key);
    }
    fetcher_ = std::make_unique<drivers::ArtifactFetcher>(
        artifact_options(c.artifact, options_.http_address, options_.dev)
    );
    NL_TRY(
        files_,
        drivers::DiskTaskFiles::open(
            {.root = alloc_dir_,
             .fetch = [this](
                          const auto& work, const std::string& directory, auto done
                      ) { fetcher_->fetch(work, directory, std::move(done)); },
             .cancel_fetches = [this](const Uuid& alloc) { fetcher_->cancel(alloc); }},
            [this](env::FileDone done) { feed(client::FilesDone{std::move(done)}); }
        )
    );
    checks_ = std::make_unique<drivers::CheckProber>([this](client::CheckDone done) {
        feed(std::move(done));
    });
    const auto sink = [this](client::DriverEvent event) { feed(std::move(event)); };
    drivers::RegistryOptions wanted{
        .state_dir = state_dir,
        .alloc_dir = alloc_dir_,
        .options = c.options,
        .chroot_env = c.chroot_env,
        .parent_cgroup = c.cgroup_parent.value_or("nomad"),
        .host_env = host_environment(),
        .network =
            {.cni_path = split_path(c.cni_path.value_or("")),
             .cni_config_dir = c.cni_config_dir.value_or("/opt/cni/config"),
             .bridge_name = c.bridge_network_name.value_or("nomad"),
             .bridge_subnet = c.bridge_network_subnet.value_or("172.26.64.0/20"),
             .bridge_hairpin = c.bridge_network_hairpin_mode.value_or(false),
             .node_id = identity_.id.str()},
        .on_network = [this](client::NetworkDone done) { feed(std::move(done)); }
    };
    const model::Node facts = drivers::fingerprint_host(host_options());
    if (facts.node_resources && facts.node_resources->cpu &&
        facts.node_resources->cpu->total_cpu_cores > 0) {
        wanted.total_compute = facts.node_resources->cpu->cpu_shares;
        wanted.core_mhz = static_cast<double>(wanted.total_compute) /
                          static_cast<double>(facts.node_resources->cpu->total_cpu_cores);
    }
    for (const auto& [name, plugin] : options_.plugins) {
        wanted.plugins.emplace(name, plugin.config);
    }
    if (const auto block = wanted.plugins.find("devices"); block != wanted.plugins.end()) {
        NL_TRY(own_devices_, drivers::configured_devices(block->second));
    }
    NL_TRY(drivers_, drivers::Registry::open(std::move(wanted), sink));
    client::RestoredState restored = client::restore(loaded);
    std::set<Uuid> known;
    for (const auto& [id, alloc] : restored.allocs) {
        known.insert(id);
    }
    drivers_->network().keep_only(std::move(known));

    const auto on_item = [this](std::uint64_t call, Bytes item) {
        server::NodeToServer frame;
        frame.call_data = server::CallData{.call = call, .data = std::move(item)};
        send(frame);
    };
    agent_calls_ = std::make_unique<AgentCalls>(
        loop_,
        AgentCalls::Options{
            .data_dir = options_.data_dir,
            .on_item = on_item,
            .on_end =
                [this](std::uint64_t call, const Result<void>& result) { end_call(call, result); }
        }
    );
    reads_ = std::make_unique<drivers::Reads>(drivers::Reads::Options{
        .alloc_root = alloc_dir_,
        .on_item = on_item,
        .on_end = [this](std::uint64_t call, Result<void> result) { end_call(call, result); },
        .task_is_dead =
            [this](const Uuid& alloc, const std::string& task) {
                const std::lock_guard lock(mutex_);
                const auto found = dead_tasks_.find(alloc);
                if (found == dead_tasks_.end()) {
                    return false;
                }
                const auto state = found->second.find(task);
                return state != found->second.end() && state->second;
            },
        .alloc_usage =
            [this](const Uuid& alloc, const std::string& task) { return alloc_usage(alloc, task); },
        .exec = [this](
                    const Uuid& alloc,
                    const std::string& task,
                    const client::ExecSpec& spec,
                    client::ExecHandlers handlers
                ) { return exec(alloc, task, spec, std::move(handlers)); },
        .wall = [] { return io::wall_now(); }
    });

    client::NodeOptions node;
    node.node = make_node();
    volumes_ = std::make_unique<drivers::HostVolumes>(
        drivers::HostVolumes::Options{
            .volumes_dir = c.host_volumes_dir.value_or(options_.data_dir + "/host_volumes"),
            .plugin_dir =
                c.host_volume_plugin_dir.value_or(options_.data_dir + "/host_volume_plugins"),
            .node_id = identity_.id,
            .node_pool = node.node.node_pool,
            .fixed = node.node.host_volumes,
            .on_change = [this](Map<model::ClientHostVolumeConfig> offered
                         ) { feed(client::VolumesChanged{std::move(offered), {}}); }
        },
        *blobs_,
        loaded
    );
    node.node.host_volumes = volumes_->offered();
    for (const auto& [key, value] : volumes_->attributes()) {
        node.node.attributes[key] = value;
    }
    node.region = options_.region;
    node.alloc_root = alloc_dir_;
    for (const env::BlobRecord& record : loaded.records) {
        if (record.key == client::kMetaKey) {
            if (auto meta = decode<client::MetaRecord>(record.data)) {
                node.dynamic_meta = std::move(meta->dynamic);
            } else {
                io::log_warn("client", "dynamic metadata is lost: {}", meta.error().message);
            }
        }
    }
    node.drivers = drivers_->names();
    node.parent_cgroup = drivers_->supervised().cgroups().parent;
    node.node.cgroup_parent = node.parent_cgroup;
    if (c.max_kill_timeout) {
        node.max_kill_timeout = *c.max_kill_timeout;
    }
    if (c.gc_max_allocs && *c.gc_max_allocs > 0) {
        node.gc_max_allocs = static_cast<std::size_t>(*c.gc_max_allocs);
    }
    node.gc_disk_usage_threshold = c.gc_disk_usage_threshold.value_or(80);
    node.gc_inode_usage_threshold = c.gc_inode_usage_threshold.value_or(70);
    if (c.gc_parallel_destroys && *c.gc_parallel_destroys > 0) {
        node.gc_parallel_destroys = static_cast<std::size_t>(*c.gc_parallel_destroys);
    }
    if (c.gc_interval && c.gc_interval->ns > 0) {
        node.gc_interval = *c.gc_interval;
    }
    read_user_rules(c.options, node.runner);
    node_ = std::make_unique<client::Node>(
        std::move(node), Rng(io::random_seed()), std::move(restored)
    );
    return {};
}

Result<void> ClientHostImpl::start() {
    loop_.start();
    loop_.must_post([this] {
        carry_out(node_->start(now()));
        handle(client::FactsChanged{facts()});
    });
    // What takes longer than a node's start is found out beside it, and told when it is known.
    slow_facts_ = std::thread([this] {
        StringMap found = drivers_->network().attributes();
        std::vector<model::NodeDeviceResource> cards = drivers::find_nvidia_devices();
        std::vector<std::string> clouds;
        for (const auto& [name, block] : options_.config.fingerprint) {
            clouds.push_back(name);
        }
        std::vector<std::string> refused;
        for (const char* key : {"fingerprint.denylist", "fingerprint.blacklist"}) {
            if (const auto at = options_.config.options.find(key);
                at != options_.config.options.end()) {
                std::string text = at->second;
                std::ranges::replace(text, ',', ':');
                refused = split_path(text);
            }
        }
        found.merge(drivers::cloud_attributes(clouds, refused));
        loop_.must_post([this, more = std::move(found), devices = std::move(cards)] {
            more_attributes_ = more;
            devices_ = devices;
            handle(client::FactsChanged{facts()});
        });
    });
    io::NodeClient::Handlers handlers;
    handlers.on_connect = [this](const std::string& server) {
        {
            const std::lock_guard lock(mutex_);
            session_server_ = server;
        }
        feed(client::SessionUp{});
        if (options_.on_session_change) {
            options_.on_session_change();
        }
    };
    handlers.on_frame = [this](io::Frame frame) {
        if (frame.kind == "more") {
            auto more = decode<server::ServerMore>(frame.data);
            if (!more) {
                io::log_warn(
                    "client", "a frame from the server could not be read: {}", more.error().message
                );
                return;
            }
            feed(client::FromServerMore{std::move(*more)});
            return;
        }
        auto decoded = decode<server::ServerToNode>(frame.data);
        if (!decoded) {
            io::log_warn(
                "client", "a frame from the server could not be read: {}", decoded.error().message
            );
            return;
        }
        feed(client::FromServer{std::move(*decoded)});
    };
    handlers.on_disconnect = [this](const std::string& server, const Error& error) {
        bool was_up = false;
        {
            const std::lock_guard lock(mutex_);
            was_up = !session_server_.empty();
            session_server_.clear();
        }
        if (was_up) {
            // Looking for the leader is no news; losing it is.
            io::log(
                error.code == ErrorCode::NotLeader ? io::LogLevel::Debug : io::LogLevel::Info,
                "client",
                "the session to {} ended: {}",
                server,
                error.message
            );
            reads_->cancel_all();
            loop_.must_post([this] { agent_calls_->cancel_all(); });
        }
        feed(client::SessionDown{error.message});
        if (was_up && options_.on_session_change) {
            options_.on_session_change();
        }
    };
    NL_TRY(
        session_,
        io::NodeClient::start(
            {.servers = options_.servers, .tls = options_.tls}, std::move(handlers)
        )
    );
    return {};
}

void ClientHostImpl::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    if (slow_facts_.joinable()) {
        slow_facts_.join();
    }
    session_.reset();
    if (reads_) {
        reads_->cancel_all();
    }
    loop_.stop();
    agent_calls_.reset();
    scripts_.clear();
    checks_.reset();
    reads_.reset();
    volumes_.reset();
    drivers_.reset();
    files_.reset();
    fetcher_.reset();
}

void ClientHostImpl::feed(client::Event event) {
    loop_.must_post([this, e = std::move(event)]() mutable { handle(std::move(e)); });
}

void ClientHostImpl::handle(client::Event event) {
    if (const auto* driver = std::get_if<client::DriverEvent>(&event)) {
        if (const auto* found = std::get_if<client::Fingerprinted>(&driver->what)) {
            const std::lock_guard lock(mutex_);
            std::erase(healthy_, found->driver);
            if (found->info.healthy) {
                healthy_.push_back(found->driver);
            }
            load_ = client_load(node_->node(), node_->allocs());
        }
    }
    if (const auto* driver = std::get_if<client::DriverEvent>(&event)) {
        note_running(*driver);
    }
    carry_out(node_->on(std::move(event), now()));
    arm();
}

void ClientHostImpl::note_running(const client::DriverEvent& event) {
    const std::lock_guard lock(mutex_);
    if (const auto* started = std::get_if<client::Started>(&event.what)) {
        running_[event.id.alloc][event.id] = started->handle.driver;
    } else if (const auto* recovered = std::get_if<client::Recovered>(&event.what)) {
        running_[event.id.alloc][event.id] = recovered->handle.driver;
    } else if (std::holds_alternative<client::Exited>(event.what)) {
        if (const auto found = running_.find(event.id.alloc); found != running_.end()) {
            found->second.erase(event.id);
            if (found->second.empty()) {
                running_.erase(found);
            }
        }
    }
}

void ClientHostImpl::carry_out(client::Effects effects) {
    for (const client::StateWrite& write : effects.state) {
        const Result<void> result = write.data
                                        ? blobs_->put(write.key, *write.data, write.durability)
                                        : blobs_->erase(write.key);
        if (!result) {
            io::log_warn("client", "local state: {}", result.error().message);
        }
    }
    for (env::FileCall& call : effects.files) {
        files_->perform(std::move(call));
    }
    for (const client::DriverCall& call : effects.drivers) {
        if (client::Driver* driver = drivers_->find(call.driver)) {
            client::perform(*driver, call);
            continue;
        }
        // A job names a driver this agent does not carry: the call fails as a start would.
        client::DriverEvent event{.ticket = call.ticket, .id = call.id, .what = client::CallDone{}};
        const Error missing{
            ErrorCode::NotFound,
            fmt::format("driver \"{}\" is not available on this node", call.driver)
        };
        if (std::holds_alternative<client::CallStart>(call.what)) {
            event.what = client::StartFailed{.error = missing, .recoverable = false};
        } else if (std::holds_alternative<client::CallRecover>(call.what)) {
            event.what = client::RecoverFailed{missing};
        }
        feed(std::move(event));
    }
    for (client::NetworkCall& call : effects.networks) {
        drivers_->network().perform(std::move(call));
    }
    for (const server::NodeToServer& frame : effects.send) {
        if (frame.statuses) {
            remember_states(*frame.statuses);
        }
        send(frame);
    }
    for (const server::NodeMore& frame : effects.send_more) {
        if (session_) {
            static_cast<void>(session_->send({.kind = "more", .id = 0, .data = encode(frame)}));
        }
    }
    for (const client::ReadCall& read : effects.reads) {
        if (!serve_volume(read) && !agent_calls_->serve(read.call, read.request)) {
            reads_->open(read.call, read.request);
        }
    }
    for (client::CheckWork& check : effects.checks) {
        checks_->probe(std::move(check));
    }
    for (client::ScriptCall& script : effects.scripts) {
        run_script(std::move(script));
    }
    if (effects.keep_only) {
        drivers_->supervised().destroy_all_but(std::move(*effects.keep_only));
        files_->remove_all_but(std::move(effects.keep_allocs));
    }
    if (effects.look_at_disk) {
        look_at_disk();
    }
    for (const server::CallCancel& cancel : effects.cancelled) {
        reads_->cancel(cancel.call);
        agent_calls_->cancel(cancel.call);
    }
    for (const server::Credit& credit : effects.credits) {
        reads_->credit(credit.call, credit.bytes);
        agent_calls_->credit(credit.call, credit.bytes);
    }
    for (server::CallInput& input : effects.inputs) {
        reads_->input(input.call, std::move(input.data));
    }
}

void ClientHostImpl::run_script(client::ScriptCall script) {
    const std::uint64_t number = ++next_script_;
    const auto done = [this,
                       number,
                       id = script.id,
                       command = script.command,
                       hard = script.fail_on_error](Result<void> result) {
        loop_.must_post([this, number, id, command, hard, r = std::move(result)]() mutable {
            scripts_.erase(number);
            handle(client::ScriptDone{
                .id = id, .command = command, .fail_on_error = hard, .result = std::move(r)
            });
        });
    };
    client::Driver* const driver = drivers_->find(script.driver);
    if (driver == nullptr) {
        done(fail(ErrorCode::NotFound, "driver \"{}\" is not on this node", script.driver));
        return;
    }
    client::ExecSpec spec;
    spec.command.push_back(script.command);
    spec.command.insert(spec.command.end(), script.args.begin(), script.args.end());
    client::ExecHandlers handlers;
    handlers.on_output = [](client::ExecOutput, const Bytes&) {};
    handlers.on_end = [done](Result<std::int64_t> code) {
        if (!code) {
            done(std::unexpected(code.error()));
        } else if (*code != 0) {
            done(fail(ErrorCode::Aborted, "exit code {}", *code));
        } else {
            done({});
        }
    };
    auto process = driver->exec(script.id, spec, std::move(handlers));
    if (!process) {
        done(std::unexpected(process.error()));
        return;
    }
    (*process)->close_stdin();
    scripts_.emplace(number, std::move(*process));
    loop_.run_at(io::now() + script.timeout, [this, number] {
        if (const auto found = scripts_.find(number); found != scripts_.end()) {
            found->second->kill();
        }
    });
}

bool ClientHostImpl::serve_volume(const client::ReadCall& read) {
    const server::CallMethod method = read.request.method;
    if (method != server::kCallVolumeCreate && method != server::kCallVolumeRegister &&
        method != server::kCallVolumeDelete) {
        return false;
    }
    auto volume = decode<model::HostVolume>(read.request.path);
    if (!volume) {
        end_call(read.call, std::unexpected(volume.error()));
        return true;
    }
    const auto done = [this, call = read.call](Result<server::VolumeAnswer> answer) {
        if (answer) {
            server::NodeToServer frame;
            frame.call_data = server::CallData{.call = call, .data = encode(*answer)};
            send(frame);
        }
        end_call(call, answer ? Result<void>{} : std::unexpected(answer.error()));
    };
    if (method == server::kCallVolumeCreate) {
        volumes_->create(std::move(*volume), done);
    } else if (method == server::kCallVolumeRegister) {
        volumes_->register_one(std::move(*volume), done);
    } else {
        volumes_->remove(std::move(*volume), done);
    }
    return true;
}

void ClientHostImpl::look_at_disk() {
    struct statvfs at{};
    if (statvfs(alloc_dir_.c_str(), &at) != 0 || at.f_blocks == 0) {
        return;
    }
    const auto percent = [](fsblkcnt_t all, fsblkcnt_t left) {
        return all == 0 ? 0.0 : 100.0 * static_cast<double>(all - left) / static_cast<double>(all);
    };
    feed(client::DiskRoom{
        .used = percent(at.f_blocks, at.f_bfree), .inodes_used = percent(at.f_files, at.f_ffree)
    });
}

void ClientHostImpl::arm() {
    const Instant due = node_->next_deadline();
    const Instant at = io::now();
    if (due == Instant::max() || (armed_ > at && armed_ <= due)) {
        return;
    }
    if (timer_ != 0) {
        loop_.cancel(timer_);
    }
    armed_ = due;
    timer_ = loop_.run_at(due, [this] {
        armed_ = Instant{};
        handle(client::Tick{});
    });
}

void ClientHostImpl::remember_states(const server::StatusBatch& batch) {
    const std::lock_guard lock(mutex_);
    for (const server::AllocStatus& status : batch.statuses) {
        auto& tasks = dead_tasks_[status.alloc_id];
        for (const auto& [name, state] : status.task_states) {
            tasks[name] = state.state == "dead";
        }
    }
    // What the node holds no more is forgotten.
    std::map<Uuid, std::map<std::string, bool>> kept;
    const std::vector<client::AllocSummary> allocs = node_->allocs();
    for (const client::AllocSummary& alloc : allocs) {
        if (auto found = dead_tasks_.extract(alloc.id); !found.empty()) {
            kept.insert(std::move(found));
        }
    }
    load_ = client_load(node_->node(), allocs);
    dead_tasks_ = std::move(kept);
}

void ClientHostImpl::send(const server::NodeToServer& frame) {
    if (session_) {
        static_cast<void>(session_->send({.kind = "node", .id = 0, .data = encode(frame)}));
    }
}

void ClientHostImpl::end_call(std::uint64_t call, const Result<void>& result) {
    // The node counts what is open and adds the CallEnd, after the data that was sent before.
    feed(client::ReadEnded{call, result});
}

Result<model::AllocResourceUsage> ClientHostImpl::alloc_usage(
    const Uuid& alloc, const std::string& task
) const {
    model::AllocResourceUsage out;
    const WallTime at = io::wall_now();
    out.timestamp = at.unix_ns;
    auto& total = out.resource_usage.ensure();
    auto& memory = total.memory_stats.ensure();
    auto& cpu = total.cpu_stats.ensure();
    std::map<client::TaskId, std::string> running;
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = running_.find(alloc); found != running_.end()) {
            running = found->second;
        }
    }
    for (const auto& [id, driver_name] : running) {
        const std::string& name = id.task;
        if (!task.empty() && name != task) {
            continue;
        }
        client::Driver* driver = drivers_->find(driver_name);
        auto usage = driver != nullptr ? driver->usage(id)
                                       : Result<model::TaskResourceUsage>(
                                             fail(ErrorCode::NotFound, "no driver {}", driver_name)
                                         );
        if (!usage || !usage->resource_usage || !usage->resource_usage->memory_stats ||
            !usage->resource_usage->cpu_stats) {
            continue;
        }
        memory.rss += usage->resource_usage->memory_stats->rss;
        memory.usage += usage->resource_usage->memory_stats->usage;
        cpu.user_mode += usage->resource_usage->cpu_stats->user_mode;
        cpu.system_mode += usage->resource_usage->cpu_stats->system_mode;
        cpu.total_ticks += usage->resource_usage->cpu_stats->total_ticks;
        out.tasks[name] = std::move(*usage);
    }
    memory.measured = {"RSS"};
    cpu.measured = {"System Mode", "User Mode", "Percent"};
    return out;
}

Result<std::unique_ptr<client::ExecProcess>> ClientHostImpl::exec(
    const Uuid& alloc,
    const std::string& task,
    const client::ExecSpec& spec,
    client::ExecHandlers handlers
) {
    std::optional<client::TaskId> id;
    std::string driver;
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = running_.find(alloc); found != running_.end()) {
            // The newest instance, should an old one's end not have been told yet.
            for (const auto& [instance, name] : found->second) {
                if (instance.task == task) {
                    id = instance;
                    driver = name;
                }
            }
        }
    }
    if (!id) {
        return fail(ErrorCode::NotFound, "task \"{}\" is not running.", task);
    }
    // The table of drivers does not change once the node runs.
    client::Driver* found = drivers_->find(driver);
    if (found == nullptr) {
        return fail(ErrorCode::NotFound, "driver \"{}\" is not available on this node", driver);
    }
    return found->exec(*id, spec, std::move(handlers));
}

void ClientHostImpl::add_metrics(api::Metrics& metrics) const {
    const std::lock_guard lock(mutex_);
    const StringMap labels{
        {"host", options_.name},
        {"node_id", identity_.id.str()},
        {"datacenter", options_.datacenter},
        {"node_class", options_.config.node_class.value_or("none")},
        {"node_pool", options_.config.node_pool.value_or("default")},
        {"node_status", session_server_.empty() ? "initializing" : "ready"},
        {"node_scheduling_eligibility", load_.eligibility}
    };
    const model::HostStats host = host_stats_.read(alloc_dir_, io::wall_now());
    add_client_metrics(metrics, labels, load_, host, ticks_);
}

}  // namespace

Result<std::unique_ptr<ClientHost>> ClientHost::create(Options options) {
    auto host = std::make_unique<ClientHostImpl>(std::move(options));
    NL_TRY_VOID(host->open());
    return host;
}

}  // namespace nl::agent
