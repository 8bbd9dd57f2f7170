#pragma once
// A job as written (JobSpec, every scalar optional) and as scheduled (Job, defaults in): one field
// list for both. Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h
// for what is made from the lists. A field named *_time or *_at of integer type holds nanoseconds
// since the Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/constraint.h"
#include "model/enums.h"
#include "model/resources.h"
#include "model/service.h"
#include "model/task.h"
#include "model/task_blocks.h"
#include "model/volume_request.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

template <template <class> class F>
struct UpdateStrategyOf {
    F<Duration> stagger{};
    F<std::int64_t> max_parallel{};
    F<std::string> health_check{};
    F<Duration> min_healthy_time{};
    F<Duration> healthy_deadline{};
    F<Duration> progress_deadline{};
    F<bool> auto_revert{};
    F<bool> auto_promote{};
    F<std::int64_t> canary{};

    NL_FIELDS(
        UpdateStrategyOf,
        (1, stagger),
        (2, max_parallel),
        (3, health_check),
        (4, min_healthy_time),
        (5, healthy_deadline),
        (6, progress_deadline),
        (7, auto_revert),
        (8, auto_promote),
        (9, canary)
    )
};
using UpdateStrategy = UpdateStrategyOf<Set>;
using UpdateStrategySpec = UpdateStrategyOf<Opt>;

template <template <class> class F>
struct MigrateStrategyOf {
    F<std::int64_t> max_parallel{};
    F<std::string> health_check{};
    F<Duration> min_healthy_time{};
    F<Duration> healthy_deadline{};

    NL_FIELDS(
        MigrateStrategyOf,
        (1, max_parallel),
        (2, health_check),
        (3, min_healthy_time),
        (4, healthy_deadline)
    )
};
using MigrateStrategy = MigrateStrategyOf<Set>;
using MigrateStrategySpec = MigrateStrategyOf<Opt>;

template <template <class> class F>
struct DisconnectStrategyOf {
    F<Duration> lost_after{};
    std::optional<Duration> stop_on_client_after{};
    std::optional<bool> replace{};
    F<std::string> reconcile{};

    NL_FIELDS(
        DisconnectStrategyOf,
        (1, lost_after),
        (2, stop_on_client_after),
        (3, replace),
        (4, reconcile)
    )
};
using DisconnectStrategy = DisconnectStrategyOf<Set>;
using DisconnectStrategySpec = DisconnectStrategyOf<Opt>;

template <template <class> class F>
struct EphemeralDiskOf {
    F<bool> sticky{};
    F<std::int64_t> size_mb{};
    F<bool> migrate{};

    NL_FIELDS(EphemeralDiskOf, (1, sticky), (2, size_mb), (3, migrate))
};
using EphemeralDisk = EphemeralDiskOf<Set>;
using EphemeralDiskSpec = EphemeralDiskOf<Opt>;

template <template <class> class F>
struct ReschedulePolicyOf {
    F<std::int64_t> attempts{};
    F<Duration> interval{};
    F<Duration> delay{};
    F<std::string> delay_function{};
    F<Duration> max_delay{};
    F<bool> unlimited{};

    NL_FIELDS(
        ReschedulePolicyOf,
        (1, attempts),
        (2, interval),
        (3, delay),
        (4, delay_function),
        (5, max_delay),
        (6, unlimited)
    )
};
using ReschedulePolicy = ReschedulePolicyOf<Set>;
using ReschedulePolicySpec = ReschedulePolicyOf<Opt>;

template <template <class> class F>
struct TaskGroupOf {
    F<std::string> name{};
    F<std::int64_t> count{};
    Box<UpdateStrategyOf<F>> update{};
    Box<MigrateStrategyOf<F>> migrate{};
    std::vector<Constraint> constraints{};
    Box<ScalingPolicyOf<F>> scaling{};
    Box<RestartPolicyOf<F>> restart_policy{};
    Box<DisconnectStrategyOf<F>> disconnect{};
    std::vector<TaskOf<F>> tasks{};
    Box<EphemeralDiskOf<F>> ephemeral_disk{};
    StringMap meta{};
    Box<ReschedulePolicyOf<F>> reschedule_policy{};
    std::vector<AffinityOf<F>> affinities{};
    std::vector<SpreadOf<F>> spreads{};
    std::vector<NetworkResourceOf<F>> networks{};
    Box<Consul> consul{};
    std::vector<ServiceOf<F>> services{};
    Map<VolumeRequest> volumes{};
    std::optional<Duration> shutdown_delay{};
    std::optional<Duration> max_run_duration{};
    std::optional<Duration> stop_after_client_disconnect{};
    std::optional<Duration> max_client_disconnect{};
    F<bool> prevent_reschedule_on_lost{};

    NL_FIELDS(
        TaskGroupOf,
        (1, name),
        (2, count),
        (3, update),
        (4, migrate),
        (5, constraints),
        (6, scaling),
        (7, restart_policy),
        (8, disconnect),
        (9, tasks),
        (10, ephemeral_disk),
        (11, meta),
        (12, reschedule_policy),
        (13, affinities),
        (14, spreads),
        (15, networks),
        (16, consul),
        (17, services),
        (18, volumes),
        (19, shutdown_delay),
        (20, max_run_duration),
        (21, stop_after_client_disconnect),
        (22, max_client_disconnect),
        (23, prevent_reschedule_on_lost)
    )
};
using TaskGroup = TaskGroupOf<Set>;
using TaskGroupSpec = TaskGroupOf<Opt>;

template <template <class> class F>
struct MultiregionStrategyOf {
    F<std::int64_t> max_parallel{};
    F<std::string> on_failure{};

    NL_FIELDS(MultiregionStrategyOf, (1, max_parallel), (2, on_failure))
};
using MultiregionStrategy = MultiregionStrategyOf<Set>;
using MultiregionStrategySpec = MultiregionStrategyOf<Opt>;

template <template <class> class F>
struct MultiregionRegionOf {
    std::string name{};
    F<std::int64_t> count{};
    std::vector<std::string> datacenters{};
    std::string node_pool{};
    StringMap meta{};

    NL_FIELDS(
        MultiregionRegionOf, (1, name), (2, count), (3, datacenters), (4, node_pool), (5, meta)
    )
};
using MultiregionRegion = MultiregionRegionOf<Set>;
using MultiregionRegionSpec = MultiregionRegionOf<Opt>;

template <template <class> class F>
struct MultiregionOf {
    Box<MultiregionStrategyOf<F>> strategy{};
    std::vector<MultiregionRegionOf<F>> regions{};

    NL_FIELDS(MultiregionOf, (1, strategy), (2, regions))
};
using Multiregion = MultiregionOf<Set>;
using MultiregionSpec = MultiregionOf<Opt>;

template <template <class> class F>
struct PeriodicConfigOf {
    F<bool> enabled{};
    F<std::string> spec{};
    std::vector<std::string> specs{};
    F<std::string> spec_type{};
    F<bool> prohibit_overlap{};
    F<std::string> time_zone{};
    /// Launches that came due while no server led: "skip", "run_once" (also ""; only the last of
    /// them) or "run_all".
    F<std::string> missed{};

    NL_FIELDS(
        PeriodicConfigOf,
        (1, enabled),
        (2, spec),
        (3, specs),
        (4, spec_type),
        (5, prohibit_overlap),
        (6, time_zone),
        (7, missed)
    )
};
using PeriodicConfig = PeriodicConfigOf<Set>;
using PeriodicConfigSpec = PeriodicConfigOf<Opt>;

struct ParameterizedJobConfig {
    std::string payload{};
    std::vector<std::string> meta_required{};
    std::vector<std::string> meta_optional{};
    /// Dispatched children that may run at once; the others wait. 0: no limit.
    std::int64_t max_parallel{};

    NL_FIELDS(
        ParameterizedJobConfig,
        (1, payload),
        (2, meta_required),
        (3, meta_optional),
        (4, max_parallel)
    )
};

/// What is kept of finished runs: children of a periodic or parameterized job, or the job itself.
template <template <class> class F>
struct RetainOf {
    /// Finished children kept at least until there are newer ones; 0: as the server's thresholds
    /// say.
    F<std::int64_t> runs{};
    /// How long a finished run is kept; 0: as the server's thresholds say.
    F<Duration> age{};

    NL_FIELDS(RetainOf, (1, runs), (2, age))
};
using Retain = RetainOf<Set>;
using RetainSpec = RetainOf<Opt>;

struct JobUILink {
    std::string label{};
    std::string url{};

    NL_FIELDS(JobUILink, (1, label), (2, url))
};

struct JobUIConfig {
    std::string description{};
    std::vector<JobUILink> links{};

    NL_FIELDS(JobUIConfig, (1, description), (2, links))
};

struct JobVersionTag {
    std::string name{};
    std::string description{};
    std::int64_t tagged_time{};

    NL_FIELDS(JobVersionTag, (1, name), (2, description), (3, tagged_time))
};

template <template <class> class F>
struct JobOf {
    F<bool> stop{};
    F<std::string> region{};
    F<std::string> namespace_{};
    F<std::string> id{};
    F<std::string> parent_id{};
    F<std::string> name{};
    F<std::string> type{};
    F<std::int64_t> priority{};
    F<bool> all_at_once{};
    std::vector<std::string> datacenters{};
    F<std::string> node_pool{};
    std::vector<Constraint> constraints{};
    std::vector<AffinityOf<F>> affinities{};
    std::vector<SpreadOf<F>> spreads{};
    std::vector<TaskGroupOf<F>> task_groups{};
    Box<UpdateStrategyOf<F>> update{};
    Box<MultiregionOf<F>> multiregion{};
    Box<PeriodicConfigOf<F>> periodic{};
    Box<ParameterizedJobConfig> parameterized_job{};
    bool dispatched{};
    F<std::string> dispatch_idempotency_token{};
    Blob payload{};
    StringMap meta{};
    F<std::string> consul_namespace{};
    F<std::string> vault_namespace{};
    F<std::string> nomad_token_id{};
    F<std::string> status{};
    F<std::string> status_description{};
    F<bool> stable{};
    F<std::uint64_t> version{};
    F<std::int64_t> submit_time{};
    F<Index> create_index{};
    F<Index> modify_index{};
    F<Index> job_modify_index{};
    Box<JobUIConfig> ui{};
    Box<JobVersionTag> version_tag{};
    Box<ReschedulePolicyOf<F>> reschedule{};
    Box<MigrateStrategyOf<F>> migrate{};
    Box<RetainOf<F>> retain{};
    /// The job is stopped this long after it was registered.
    std::optional<Duration> ttl{};
    /// For every group that has none of its own.
    std::optional<Duration> max_run_duration{};

    NL_FIELDS(
        JobOf,
        (1, stop),
        (2, region),
        (3, namespace_),
        (4, id),
        (5, parent_id),
        (6, name),
        (7, type),
        (8, priority),
        (9, all_at_once),
        (10, datacenters),
        (11, node_pool),
        (12, constraints),
        (13, affinities),
        (14, spreads),
        (15, task_groups),
        (16, update),
        (17, multiregion),
        (18, periodic),
        (19, parameterized_job),
        (20, dispatched),
        (21, dispatch_idempotency_token),
        (22, payload),
        (23, meta),
        (24, consul_namespace),
        (25, vault_namespace),
        (26, nomad_token_id),
        (27, status),
        (28, status_description),
        (29, stable),
        (30, version),
        (31, submit_time),
        (32, create_index),
        (33, modify_index),
        (34, job_modify_index),
        (35, ui),
        (36, version_tag),
        (37, reschedule),
        (38, migrate),
        (39, retain),
        (40, ttl),
        (41, max_run_duration)
    )
};
using Job = JobOf<Set>;
using JobSpec = JobOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::UpdateStrategy>();
extern template const StructType& struct_type<model::MigrateStrategy>();
extern template const StructType& struct_type<model::DisconnectStrategy>();
extern template const StructType& struct_type<model::EphemeralDisk>();
extern template const StructType& struct_type<model::ReschedulePolicy>();
extern template const StructType& struct_type<model::TaskGroup>();
extern template const StructType& struct_type<model::MultiregionStrategy>();
extern template const StructType& struct_type<model::MultiregionRegion>();
extern template const StructType& struct_type<model::Multiregion>();
extern template const StructType& struct_type<model::PeriodicConfig>();
extern template const StructType& struct_type<model::ParameterizedJobConfig>();
extern template const StructType& struct_type<model::Retain>();
extern template const StructType& struct_type<model::JobUILink>();
extern template const StructType& struct_type<model::JobUIConfig>();
extern template const StructType& struct_type<model::JobVersionTag>();
extern template const StructType& struct_type<model::Job>();
}  // namespace nl::codec
