#pragma once
// What operators read and set: scheduler, Raft, autopilot, keys; and search answers.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct RaftServer {
    std::string id{};
    std::string node{};
    std::string address{};
    bool leader{};
    bool voter{};
    std::string raft_protocol{};

    NL_FIELDS(
        RaftServer, (1, id), (2, node), (3, address), (4, leader), (5, voter), (6, raft_protocol)
    )
};

struct RaftConfigurationResponse {
    std::vector<RaftServer> servers{};
    Index index{};

    NL_FIELDS(RaftConfigurationResponse, (1, servers), (2, index))
};

struct LeadershipTransferResponse {
    StringMap from{};
    StringMap to{};
    bool noop{};
    Value err{};

    NL_FIELDS(LeadershipTransferResponse, (1, from), (2, to), (3, noop), (4, err))
};

struct PreemptionConfig {
    bool system_scheduler_enabled{};
    bool sys_batch_scheduler_enabled{};
    bool batch_scheduler_enabled{};
    bool service_scheduler_enabled{};

    NL_FIELDS(
        PreemptionConfig,
        (1, system_scheduler_enabled),
        (2, sys_batch_scheduler_enabled),
        (3, batch_scheduler_enabled),
        (4, service_scheduler_enabled)
    )
};

struct SchedulerConfiguration {
    std::string scheduler_algorithm{};
    Box<PreemptionConfig> preemption_config{};
    bool memory_oversubscription_enabled{};
    bool reject_job_registration{};
    bool pause_eval_broker{};
    std::int64_t node_limit_for_feasibility_checks{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        SchedulerConfiguration,
        (1, scheduler_algorithm),
        (2, preemption_config),
        (3, memory_oversubscription_enabled),
        (4, reject_job_registration),
        (5, pause_eval_broker),
        (6, node_limit_for_feasibility_checks),
        (7, create_index),
        (8, modify_index)
    )
};

struct SchedulerConfigurationResponse {
    Box<SchedulerConfiguration> scheduler_config{};

    NL_FIELDS(SchedulerConfigurationResponse, (1, scheduler_config))
};

struct SchedulerSetConfigurationResponse {
    bool updated{};

    NL_FIELDS(SchedulerSetConfigurationResponse, (1, updated))
};

struct RootKeyMeta {
    std::string key_id{};
    std::string algorithm{};
    std::int64_t create_time{};
    Index create_index{};
    Index modify_index{};
    std::string state{};
    std::int64_t publish_time{};

    NL_FIELDS(
        RootKeyMeta,
        (1, key_id),
        (2, algorithm),
        (3, create_time),
        (4, create_index),
        (5, modify_index),
        (6, state),
        (7, publish_time)
    )
};

struct ServerHealth {
    std::string id{};
    std::string name{};
    std::string address{};
    std::string serf_status{};
    std::string version{};
    bool leader{};
    Duration last_contact{};
    std::int64_t last_term{};
    Index last_index{};
    bool healthy{};
    bool voter{};
    WallTime stable_since{};

    NL_FIELDS(
        ServerHealth,
        (1, id),
        (2, name),
        (3, address),
        (4, serf_status),
        (5, version),
        (6, leader),
        (7, last_contact),
        (8, last_term),
        (9, last_index),
        (10, healthy),
        (11, voter),
        (12, stable_since)
    )
};

struct OperatorHealthReply {
    bool healthy{};
    std::int64_t failure_tolerance{};
    std::vector<ServerHealth> servers{};
    std::string leader{};
    std::vector<std::string> voters{};
    std::vector<std::string> read_replicas{};
    Value redundancy_zones{};
    Value upgrade{};
    std::int64_t optimistic_failure_tolerance{};

    NL_FIELDS(
        OperatorHealthReply,
        (1, healthy),
        (2, failure_tolerance),
        (3, servers),
        (4, leader),
        (5, voters),
        (6, read_replicas),
        (7, redundancy_zones),
        (8, upgrade),
        (9, optimistic_failure_tolerance)
    )
};

struct SearchResponse {
    Map<std::vector<std::string>> matches{};
    Map<bool> truncations{};

    NL_FIELDS(SearchResponse, (1, matches), (2, truncations))
};

struct FuzzyMatch {
    std::string id{};
    std::vector<std::string> scope{};

    NL_FIELDS(FuzzyMatch, (1, id), (2, scope))
};

struct FuzzySearchResponse {
    Map<std::vector<FuzzyMatch>> matches{};
    Map<bool> truncations{};

    NL_FIELDS(FuzzySearchResponse, (1, matches), (2, truncations))
};

struct ServerMember {
    std::string name{};
    std::string addr{};
    std::int64_t port{};
    StringMap tags{};
    std::string status{};
    std::int64_t protocol_min{};
    std::int64_t protocol_max{};
    std::int64_t protocol_cur{};
    std::int64_t delegate_min{};
    std::int64_t delegate_max{};
    std::int64_t delegate_cur{};

    NL_FIELDS(
        ServerMember,
        (1, name),
        (2, addr),
        (3, port),
        (4, tags),
        (5, status),
        (6, protocol_min),
        (7, protocol_max),
        (8, protocol_cur),
        (9, delegate_min),
        (10, delegate_max),
        (11, delegate_cur)
    )
};

struct ServerMembersResponse {
    std::string server_name{};
    std::string server_region{};
    std::string server_dc{};
    std::vector<ServerMember> members{};

    NL_FIELDS(
        ServerMembersResponse, (1, server_name), (2, server_region), (3, server_dc), (4, members)
    )
};

struct KeyringResponse {
    StringMap messages{};
    Map<std::int64_t> keys{};
    std::int64_t num_nodes{};

    NL_FIELDS(KeyringResponse, (1, messages), (2, keys), (3, num_nodes))
};

struct AutopilotConfiguration {
    bool cleanup_dead_servers{};
    Duration last_contact_threshold{};
    std::int64_t max_trailing_logs{};
    std::int64_t min_quorum{};
    Duration server_stabilization_time{};
    bool enable_redundancy_zones{};
    bool disable_upgrade_migration{};
    bool enable_custom_upgrades{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        AutopilotConfiguration,
        (1, cleanup_dead_servers),
        (2, last_contact_threshold),
        (3, max_trailing_logs),
        (4, min_quorum),
        (5, server_stabilization_time),
        (6, enable_redundancy_zones),
        (7, disable_upgrade_migration),
        (8, enable_custom_upgrades),
        (9, create_index),
        (10, modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::RaftServer>();
extern template const StructType& struct_type<model::RaftConfigurationResponse>();
extern template const StructType& struct_type<model::LeadershipTransferResponse>();
extern template const StructType& struct_type<model::PreemptionConfig>();
extern template const StructType& struct_type<model::SchedulerConfiguration>();
extern template const StructType& struct_type<model::SchedulerConfigurationResponse>();
extern template const StructType& struct_type<model::SchedulerSetConfigurationResponse>();
extern template const StructType& struct_type<model::RootKeyMeta>();
extern template const StructType& struct_type<model::ServerHealth>();
extern template const StructType& struct_type<model::OperatorHealthReply>();
extern template const StructType& struct_type<model::SearchResponse>();
extern template const StructType& struct_type<model::FuzzyMatch>();
extern template const StructType& struct_type<model::FuzzySearchResponse>();
extern template const StructType& struct_type<model::ServerMember>();
extern template const StructType& struct_type<model::ServerMembersResponse>();
extern template const StructType& struct_type<model::KeyringResponse>();
extern template const StructType& struct_type<model::AutopilotConfiguration>();
}  // namespace nl::codec
