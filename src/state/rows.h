#pragma once
// Rows of tables whose noun is not simply one of model/: what the servers keep for themselves.
// All have field lists, for the log and the saved state.

#include "model/acl.h"
#include "model/job.h"
#include "model/job_records.h"
#include "model/operator.h"
#include "model/variable.h"
#include "state/alloc_row.h"

#include <memory>
#include <string>
#include <vector>

namespace nl::state {

/// The newest version of a job, with its current status.
struct JobRow {
    std::shared_ptr<const model::Job> job{};
    NL_FIELDS(JobRow, (1, job))
};

/// A kept version of a job. `groups` is made from the job and not stored.
struct JobVersionRow {
    std::shared_ptr<const model::Job> job{};
    std::vector<std::shared_ptr<const GroupShare>> groups{};

    NL_FIELDS(JobVersionRow, (1, job))
};

struct ScalingEventsRow {
    std::string namespace_{};
    std::string job_id{};
    /// By group, newest first, at most kMaxScalingEvents each.
    Map<std::vector<model::ScalingEvent>> groups{};
    Index modify_index{};

    NL_FIELDS(ScalingEventsRow, (1, namespace_), (2, job_id), (3, groups), (4, modify_index))
};

/// A variable as stored: its items are one encrypted blob.
struct VariableRow {
    model::VariableMetadata meta{};
    std::string key_id{};
    Blob data{};

    NL_FIELDS(VariableRow, (1, meta), (2, key_id), (3, data))
};

struct RootKeyRow {
    model::RootKeyMeta meta{};
    /// The key, wrapped by the key-encryption keys of the servers that may read it.
    Blob wrapped{};
    /// Public part of the signing key (JWKS entry), empty for an old key without one.
    Blob public_key{};

    NL_FIELDS(RootKeyRow, (1, meta), (2, wrapped), (3, public_key))
};

/// One row: what the cluster as a whole agreed on.
struct ClusterMeta {
    Uuid cluster_id{};
    std::int64_t create_time{};
    /// Commands and fields above this level are not proposed.
    std::uint64_t feature_level{};
    /// The index of the ACL bootstrap; 0 before it.
    Index acl_bootstrap_index{};
    std::string region{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ClusterMeta,
        (1, cluster_id),
        (2, create_time),
        (3, feature_level),
        (4, acl_bootstrap_index),
        (5, region),
        (6, create_index),
        (7, modify_index)
    )
};

/// A server as the others reach it.
struct ServerRow {
    ServerId server{};
    /// As Nomad's serf name, "node.region".
    std::string name{};
    std::string region{};
    std::string datacenter{};
    /// "host:port" for servers and nodes, and for HTTP clients.
    std::string rpc_address{};
    std::string http_address{};
    std::string version{};
    std::uint64_t feature_level{};
    /// alive, leaving, left or failed.
    std::string status{};
    StringMap tags{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ServerRow,
        (1, server),
        (2, name),
        (3, region),
        (4, datacenter),
        (5, rpc_address),
        (6, http_address),
        (7, version),
        (8, feature_level),
        (9, status),
        (10, tags),
        (11, create_index),
        (12, modify_index)
    )
};

/// When a periodic job was last launched.
struct PeriodicLaunch {
    std::string namespace_{};
    std::string job_id{};
    WallTime launch{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        PeriodicLaunch,
        (1, namespace_),
        (2, job_id),
        (3, launch),
        (4, create_index),
        (5, modify_index)
    )
};

/// A word of a node column (datacenter, pool, class) and its number.
struct WordRow {
    std::string text{};
};

}  // namespace nl::state

namespace nl::codec {
extern template const StructType& struct_type<state::JobRow>();
extern template const StructType& struct_type<state::JobVersionRow>();
extern template const StructType& struct_type<state::ScalingEventsRow>();
extern template const StructType& struct_type<state::VariableRow>();
extern template const StructType& struct_type<state::RootKeyRow>();
extern template const StructType& struct_type<state::ClusterMeta>();
extern template const StructType& struct_type<state::ServerRow>();
extern template const StructType& struct_type<state::PeriodicLaunch>();
}  // namespace nl::codec
