#pragma once
// The agent's configuration, with Nomad's keys (docs: Nomad agent configuration). A file, a flag
// set or the -dev defaults each give a Config in which only what was said is set; `merge` lays them
// over each other in order, `resolve` fills in the defaults and checks the whole. Keys are the
// field names below. Plain values; reading files is config_file.h's business.

#include "base/codec.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::agent {

using OptText = std::optional<std::string>;
using OptBool = std::optional<bool>;
using OptInt = std::optional<std::int64_t>;
using OptTime = std::optional<Duration>;

struct PortsConfig {
    OptInt http, rpc, serf;
    NL_FIELDS(PortsConfig, (1, http), (2, rpc), (3, serf))
};

struct AddressesConfig {
    OptText http, rpc, serf;
    NL_FIELDS(AddressesConfig, (1, http), (2, rpc), (3, serf))
};

struct ServerJoinConfig {
    std::vector<std::string> retry_join, start_join;
    OptTime retry_interval;
    OptInt retry_max;
    NL_FIELDS(
        ServerJoinConfig, (1, retry_join), (2, start_join), (3, retry_interval), (4, retry_max)
    )
};

struct PreemptionSettings {
    OptBool batch_scheduler_enabled, system_scheduler_enabled, service_scheduler_enabled,
        sysbatch_scheduler_enabled;
    NL_FIELDS(
        PreemptionSettings,
        (1, batch_scheduler_enabled),
        (2, system_scheduler_enabled),
        (3, service_scheduler_enabled),
        (4, sysbatch_scheduler_enabled)
    )
};

struct DefaultSchedulerConfig {
    OptText scheduler_algorithm;
    OptBool memory_oversubscription_enabled, reject_job_registration, pause_eval_broker;
    Box<PreemptionSettings> preemption_config;
    NL_FIELDS(
        DefaultSchedulerConfig,
        (1, scheduler_algorithm),
        (2, memory_oversubscription_enabled),
        (3, reject_job_registration),
        (4, pause_eval_broker),
        (5, preemption_config)
    )
};

struct ServerConfig {
    OptBool enabled;
    OptInt bootstrap_expect;
    OptText data_dir, authoritative_region, encrypt, rejoin_after_leave, redundancy_zone,
        upgrade_version, root_key_gc_interval, root_key_rotation_threshold, oidc_issuer;
    OptInt num_schedulers, raft_protocol, raft_multiplier, raft_snapshot_threshold,
        raft_trailing_logs, job_default_priority, job_max_priority, job_max_count,
        job_tracked_versions, event_buffer_size;
    std::vector<std::string> enabled_schedulers, retry_join, start_join;
    OptTime node_gc_threshold, job_gc_interval, job_gc_threshold, eval_gc_threshold,
        batch_eval_gc_threshold, deployment_gc_threshold, heartbeat_grace, min_heartbeat_ttl,
        failover_heartbeat_ttl, retry_interval, raft_snapshot_interval,
        csi_volume_claim_gc_threshold, csi_plugin_gc_threshold, acl_token_gc_threshold;
    OptInt retry_max;
    std::optional<double> max_heartbeats_per_second;
    OptBool enable_event_broker, non_voting_server;
    OptText job_max_source_size;
    Box<ServerJoinConfig> server_join;
    Box<DefaultSchedulerConfig> default_scheduler_config;
    ValueMap plan_rejection_tracker, search, client_introduction;
    NL_FIELDS(
        ServerConfig,
        (1, enabled),
        (2, bootstrap_expect),
        (3, data_dir),
        (4, authoritative_region),
        (5, encrypt),
        (6, num_schedulers),
        (7, raft_protocol),
        (8, raft_multiplier),
        (9, raft_snapshot_threshold),
        (10, raft_trailing_logs),
        (11, job_default_priority),
        (12, job_max_priority),
        (13, job_max_count),
        (14, job_tracked_versions),
        (15, event_buffer_size),
        (16, enabled_schedulers),
        (17, retry_join),
        (18, start_join),
        (19, node_gc_threshold),
        (20, job_gc_interval),
        (21, job_gc_threshold),
        (22, eval_gc_threshold),
        (23, batch_eval_gc_threshold),
        (24, deployment_gc_threshold),
        (25, heartbeat_grace),
        (26, min_heartbeat_ttl),
        (27, failover_heartbeat_ttl),
        (28, retry_interval),
        (29, raft_snapshot_interval),
        (30, csi_volume_claim_gc_threshold),
        (31, csi_plugin_gc_threshold),
        (32, acl_token_gc_threshold),
        (33, retry_max),
        (34, max_heartbeats_per_second),
        (35, enable_event_broker),
        (36, non_voting_server),
        (37, job_max_source_size),
        (38, server_join),
        (39, default_scheduler_config),
        (40, plan_rejection_tracker),
        (41, search),
        (42, client_introduction),
        (43, rejoin_after_leave),
        (44, redundancy_zone),
        (45, upgrade_version),
        (46, root_key_gc_interval),
        (47, root_key_rotation_threshold),
        (48, oidc_issuer)
    )
};

struct ReservedConfig {
    OptInt cpu, memory, disk;
    OptText cores, reserved_ports;
    NL_FIELDS(ReservedConfig, (1, cpu), (2, memory), (3, disk), (4, cores), (5, reserved_ports))
};

struct HostVolumeConfig {
    OptText path;
    OptBool read_only;
    NL_FIELDS(HostVolumeConfig, (1, path), (2, read_only))
};

struct HostNetworkConfig {
    OptText cidr, interface, reserved_ports;
    NL_FIELDS(HostNetworkConfig, (1, cidr), (2, interface), (3, reserved_ports))
};

struct ClientConfig {
    OptBool enabled;
    OptText state_dir, alloc_dir, alloc_mounts_dir, node_class, node_pool, network_interface,
        cni_path, cni_config_dir, bridge_network_name, bridge_network_subnet, host_volumes_dir,
        host_volume_plugin_dir, cgroup_parent, preferred_address_family;
    std::vector<std::string> servers;
    StringMap meta, options, chroot_env;
    OptInt network_speed, cpu_total_compute, memory_total_mb, disk_total_mb, disk_free_mb,
        min_dynamic_port, max_dynamic_port, gc_max_allocs, gc_parallel_destroys, node_max_allocs;
    std::optional<double> gc_disk_usage_threshold, gc_inode_usage_threshold;
    OptTime gc_interval, max_kill_timeout;
    OptBool no_host_uuid, disable_remote_exec, gc_volumes_on_node_gc, bridge_network_hairpin_mode,
        bind_wildcard_default_host_network;
    Box<ReservedConfig> reserved;
    Box<ServerJoinConfig> server_join;
    Map<HostVolumeConfig> host_volume;
    Map<HostNetworkConfig> host_network;
    ValueMap artifact, template_, drain_on_shutdown, users, fingerprint;
    NL_FIELDS(
        ClientConfig,
        (1, enabled),
        (2, state_dir),
        (3, alloc_dir),
        (4, alloc_mounts_dir),
        (5, node_class),
        (6, node_pool),
        (7, network_interface),
        (8, cni_path),
        (9, cni_config_dir),
        (10, bridge_network_name),
        (11, bridge_network_subnet),
        (12, host_volumes_dir),
        (13, host_volume_plugin_dir),
        (14, cgroup_parent),
        (15, preferred_address_family),
        (16, servers),
        (17, meta),
        (18, options),
        (19, chroot_env),
        (20, network_speed),
        (21, cpu_total_compute),
        (22, memory_total_mb),
        (23, disk_total_mb),
        (24, disk_free_mb),
        (25, min_dynamic_port),
        (26, max_dynamic_port),
        (27, gc_max_allocs),
        (28, gc_parallel_destroys),
        (29, node_max_allocs),
        (30, gc_disk_usage_threshold),
        (31, gc_inode_usage_threshold),
        (32, gc_interval),
        (33, max_kill_timeout),
        (34, no_host_uuid),
        (35, disable_remote_exec),
        (36, gc_volumes_on_node_gc),
        (37, bridge_network_hairpin_mode),
        (38, bind_wildcard_default_host_network),
        (39, reserved),
        (40, server_join),
        (41, host_volume),
        (42, host_network),
        (43, artifact),
        (44, template_),
        (45, drain_on_shutdown),
        (46, users),
        (47, fingerprint)
    )
};

struct AclConfig {
    OptBool enabled;
    OptTime token_ttl, policy_ttl, role_ttl, token_min_expiration_ttl, token_max_expiration_ttl;
    OptText replication_token;
    NL_FIELDS(
        AclConfig,
        (1, enabled),
        (2, token_ttl),
        (3, policy_ttl),
        (4, role_ttl),
        (5, token_min_expiration_ttl),
        (6, token_max_expiration_ttl),
        (7, replication_token)
    )
};

struct TlsConfig {
    OptBool http, rpc, verify_server_hostname, verify_https_client, rpc_upgrade_mode,
        tls_prefer_server_cipher_suites;
    OptText ca_file, cert_file, key_file, tls_cipher_suites, tls_min_version;
    NL_FIELDS(
        TlsConfig,
        (1, http),
        (2, rpc),
        (3, verify_server_hostname),
        (4, verify_https_client),
        (5, rpc_upgrade_mode),
        (6, tls_prefer_server_cipher_suites),
        (7, ca_file),
        (8, cert_file),
        (9, key_file),
        (10, tls_cipher_suites),
        (11, tls_min_version)
    )
};

struct LimitsConfig {
    OptText https_handshake_timeout, rpc_handshake_timeout;
    OptInt http_max_conns_per_client, rpc_max_conns_per_client;
    NL_FIELDS(
        LimitsConfig,
        (1, https_handshake_timeout),
        (2, rpc_handshake_timeout),
        (3, http_max_conns_per_client),
        (4, rpc_max_conns_per_client)
    )
};

struct PluginConfig {
    std::vector<std::string> args;
    ValueMap config;
    NL_FIELDS(PluginConfig, (1, args), (2, config))
};

struct Config {
    OptText region, datacenter, name, data_dir, plugin_dir, log_level, log_file,
        log_rotate_duration, bind_addr, syslog_facility;
    OptBool log_json, log_include_location, enable_debug, leave_on_interrupt, leave_on_terminate,
        enable_syslog, disable_update_check, disable_anonymous_signature, rejoin_after_leave;
    OptInt log_rotate_bytes, log_rotate_max_files;
    Box<PortsConfig> ports;
    Box<AddressesConfig> addresses, advertise;
    Box<ServerConfig> server;
    Box<ClientConfig> client;
    Box<AclConfig> acl;
    Box<TlsConfig> tls;
    Box<LimitsConfig> limits;
    Map<PluginConfig> plugin;
    StringMap http_api_response_headers;
    ValueMap telemetry, consul, vault, ui, audit, autopilot, sentinel, reporting, eventlog, keyring,
        rpc;
    NL_FIELDS(
        Config,
        (1, region),
        (2, datacenter),
        (3, name),
        (4, data_dir),
        (5, plugin_dir),
        (6, log_level),
        (7, log_file),
        (8, log_rotate_duration),
        (9, bind_addr),
        (10, syslog_facility),
        (11, log_json),
        (12, log_include_location),
        (13, enable_debug),
        (14, leave_on_interrupt),
        (15, leave_on_terminate),
        (16, enable_syslog),
        (17, disable_update_check),
        (18, disable_anonymous_signature),
        (19, rejoin_after_leave),
        (20, log_rotate_bytes),
        (21, log_rotate_max_files),
        (22, ports),
        (23, addresses),
        (24, advertise),
        (25, server),
        (26, client),
        (27, acl),
        (28, tls),
        (29, limits),
        (30, plugin),
        (31, http_api_response_headers),
        (32, telemetry),
        (33, consul),
        (34, vault),
        (35, ui),
        (36, audit),
        (37, autopilot),
        (38, sentinel),
        (39, reporting),
        (40, eventlog),
        (41, keyring),
        (42, rpc)
    )
};

/// Lays `over` on `base`: what `over` says wins; maps are merged by key, lists that join or retry
/// are appended.
Config merge(const Config& base, const Config& over);

/// Reads a decoded configuration file. `where(path)` names the place of a key ("agent.hcl:3,5") for
/// errors, or "". Unknown keys are refused with the nearest known one. Errors: InvalidArgument.
using Where = std::string (*)(const void* context, const std::string& path);
struct Locator {
    Where where = nullptr;
    const void* context = nullptr;
};
Result<Config> config_from_value(const Value& root, const Locator& locator);

/// What `agent -dev` starts from: server and client in one, in memory, on loopback, raw_exec
/// allowed.
Config dev_config();

/// Checks what no single key can: roles, directories, TLS files, loopback unless TLS or ACLs are
/// on. Errors: InvalidArgument, one sentence.
Result<void> check_config(const Config& config);

}  // namespace nl::agent
