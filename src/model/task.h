#pragma once
// A task: what to run, with which files, secrets, limits and life cycle.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/constraint.h"
#include "model/enums.h"
#include "model/resources.h"
#include "model/service.h"
#include "model/task_blocks.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

template <template <class> class F>
struct VaultOf {
    std::string role{};
    F<std::string> namespace_{};
    std::string cluster{};
    F<bool> env{};
    F<bool> disable_file{};
    F<std::string> change_mode{};
    F<std::string> change_signal{};
    F<bool> allow_token_expiration{};
    std::vector<std::string> policies{};

    NL_FIELDS(
        VaultOf,
        (1, role),
        (2, namespace_),
        (3, cluster),
        (4, env),
        (5, disable_file),
        (6, change_mode),
        (7, change_signal),
        (8, allow_token_expiration),
        (9, policies)
    )
};
using Vault = VaultOf<Set>;
using VaultSpec = VaultOf<Opt>;

struct Secret {
    std::string name{};
    std::string provider{};
    std::string path{};
    ValueMap config{};
    StringMap env{};

    NL_FIELDS(Secret, (1, name), (2, provider), (3, path), (4, config), (5, env))
};

template <template <class> class F>
struct ChangeScriptOf {
    F<std::string> command{};
    std::vector<std::string> args{};
    F<Duration> timeout{};
    F<bool> fail_on_error{};
    F<bool> run_on_first_render{};

    NL_FIELDS(
        ChangeScriptOf,
        (1, command),
        (2, args),
        (3, timeout),
        (4, fail_on_error),
        (5, run_on_first_render)
    )
};
using ChangeScript = ChangeScriptOf<Set>;
using ChangeScriptSpec = ChangeScriptOf<Opt>;

struct WaitConfig {
    std::optional<Duration> min{};
    std::optional<Duration> max{};

    NL_FIELDS(WaitConfig, (1, min), (2, max))
};

template <template <class> class F>
struct TemplateOf {
    F<std::string> source_path{};
    F<std::string> dest_path{};
    F<std::string> embedded_tmpl{};
    F<std::string> change_mode{};
    F<std::string> change_signal{};
    Box<ChangeScriptOf<F>> change_script{};
    F<bool> once{};
    F<Duration> splay{};
    F<std::string> perms{};
    std::optional<std::int64_t> uid{};
    std::optional<std::int64_t> gid{};
    F<std::string> left_delim{};
    F<std::string> right_delim{};
    F<bool> envvars{};
    F<Duration> vault_grace{};
    Box<WaitConfig> wait{};
    F<bool> err_missing_key{};

    NL_FIELDS(
        TemplateOf,
        (1, source_path),
        (2, dest_path),
        (3, embedded_tmpl),
        (4, change_mode),
        (5, change_signal),
        (6, change_script),
        (7, once),
        (8, splay),
        (9, perms),
        (10, uid),
        (11, gid),
        (12, left_delim),
        (13, right_delim),
        (14, envvars),
        (15, vault_grace),
        (16, wait),
        (17, err_missing_key)
    )
};
using Template = TemplateOf<Set>;
using TemplateSpec = TemplateOf<Opt>;

struct DispatchPayloadConfig {
    std::string file{};

    NL_FIELDS(DispatchPayloadConfig, (1, file))
};

struct TaskLifecycleConfig {
    std::string hook{};
    bool sidecar{};

    NL_FIELDS(TaskLifecycleConfig, (1, hook), (2, sidecar))
};

template <template <class> class F>
struct TaskArtifactOf {
    F<std::string> getter_source{};
    StringMap getter_options{};
    StringMap getter_headers{};
    F<std::string> getter_mode{};
    F<bool> getter_insecure{};
    F<std::string> relative_dest{};
    bool chown{};

    NL_FIELDS(
        TaskArtifactOf,
        (1, getter_source),
        (2, getter_options),
        (3, getter_headers),
        (4, getter_mode),
        (5, getter_insecure),
        (6, relative_dest),
        (7, chown)
    )
};
using TaskArtifact = TaskArtifactOf<Set>;
using TaskArtifactSpec = TaskArtifactOf<Opt>;

template <template <class> class F>
struct ScalingPolicyOf {
    std::string id{};
    std::string type{};
    StringMap target{};
    ValueMap policy{};
    F<std::int64_t> min{};
    F<std::int64_t> max{};
    F<bool> enabled{};
    Index create_index{};
    Index modify_index{};
    std::string namespace_{};

    NL_FIELDS(
        ScalingPolicyOf,
        (1, id),
        (2, type),
        (3, target),
        (4, policy),
        (5, min),
        (6, max),
        (7, enabled),
        (8, create_index),
        (9, modify_index),
        (10, namespace_)
    )
};
using ScalingPolicy = ScalingPolicyOf<Set>;
using ScalingPolicySpec = ScalingPolicyOf<Opt>;

struct TaskCSIPluginConfig {
    std::string id{};
    std::string type{};
    std::string mount_dir{};
    std::string stage_publish_base_dir{};
    Duration health_timeout{};

    NL_FIELDS(
        TaskCSIPluginConfig,
        (1, id),
        (2, type),
        (3, mount_dir),
        (4, stage_publish_base_dir),
        (5, health_timeout)
    )
};

struct Action {
    std::string name{};
    std::string command{};
    std::vector<std::string> args{};

    NL_FIELDS(Action, (1, name), (2, command), (3, args))
};

struct TaskScheduleCron {
    std::string start{};
    std::string end{};
    std::string timezone{};

    NL_FIELDS(TaskScheduleCron, (1, start), (2, end), (3, timezone))
};

struct TaskSchedule {
    Box<TaskScheduleCron> cron{};

    NL_FIELDS(TaskSchedule, (1, cron))
};

template <template <class> class F>
struct TaskOf {
    std::string name{};
    std::string driver{};
    std::string user{};
    ValueMap config{};
    StringMap env{};
    std::vector<ServiceOf<F>> services{};
    Box<VaultOf<F>> vault{};
    std::vector<Secret> secrets{};
    Box<Consul> consul{};
    std::vector<TemplateOf<F>> templates{};
    std::vector<Constraint> constraints{};
    std::vector<AffinityOf<F>> affinities{};
    Box<ResourcesOf<F>> resources{};
    Box<RestartPolicyOf<F>> restart_policy{};
    Box<DispatchPayloadConfig> dispatch_payload{};
    Box<TaskLifecycleConfig> lifecycle{};
    StringMap meta{};
    F<Duration> kill_timeout{};
    Box<LogConfigOf<F>> log_config{};
    std::vector<TaskArtifactOf<F>> artifacts{};
    bool leader{};
    Duration shutdown_delay{};
    std::vector<VolumeMountOf<F>> volume_mounts{};
    std::vector<ScalingPolicyOf<F>> scaling_policies{};
    std::string kill_signal{};
    std::string kind{};
    Box<TaskCSIPluginConfig> csi_plugin_config{};
    Box<WorkloadIdentity> identity{};
    std::vector<WorkloadIdentity> identities{};
    std::vector<Action> actions{};
    Box<TaskSchedule> schedule{};
    /// The task is killed, and has failed, when it has run this long; every start counts anew.
    std::optional<Duration> max_run_duration{};

    NL_FIELDS(
        TaskOf,
        (1, name),
        (2, driver),
        (3, user),
        (4, config),
        (5, env),
        (6, services),
        (7, vault),
        (8, secrets),
        (9, consul),
        (10, templates),
        (11, constraints),
        (12, affinities),
        (13, resources),
        (14, restart_policy),
        (15, dispatch_payload),
        (16, lifecycle),
        (17, meta),
        (18, kill_timeout),
        (19, log_config),
        (20, artifacts),
        (21, leader),
        (22, shutdown_delay),
        (23, volume_mounts),
        (24, scaling_policies),
        (25, kill_signal),
        (26, kind),
        (27, csi_plugin_config),
        (28, identity),
        (29, identities),
        (30, actions),
        (31, schedule),
        (32, max_run_duration)
    )
};
using Task = TaskOf<Set>;
using TaskSpec = TaskOf<Opt>;

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::Vault>();
extern template const StructType& struct_type<model::Secret>();
extern template const StructType& struct_type<model::ChangeScript>();
extern template const StructType& struct_type<model::WaitConfig>();
extern template const StructType& struct_type<model::Template>();
extern template const StructType& struct_type<model::DispatchPayloadConfig>();
extern template const StructType& struct_type<model::TaskLifecycleConfig>();
extern template const StructType& struct_type<model::TaskArtifact>();
extern template const StructType& struct_type<model::ScalingPolicy>();
extern template const StructType& struct_type<model::TaskCSIPluginConfig>();
extern template const StructType& struct_type<model::Action>();
extern template const StructType& struct_type<model::TaskScheduleCron>();
extern template const StructType& struct_type<model::TaskSchedule>();
extern template const StructType& struct_type<model::Task>();
}  // namespace nl::codec
