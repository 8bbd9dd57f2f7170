#include "jobspec/diff.h"

#include "base/check.h"
#include "jobspec/diff_parts.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace nl::jobspec {
namespace {

using namespace differences;
using model::Job;
using model::Task;
using model::TaskGroup;

template <class... Lists>
bool changed(const Lists&... lists) {
    const auto differs = [](const auto& d) { return d.type != kNone; };
    return (std::ranges::any_of(lists, differs) || ...);
}

/// The plain fields of a job, group or task that is new, gone or edited. `only_edited` are added
/// where both sides exist.
template <class T>
void own_fields(
    const T* before,
    const T* after,
    std::initializer_list<std::string_view> without,
    const std::function<void(const T&, Texts&)>& only_edited,
    std::vector<FieldDiff>& out
) {
    Texts old = before != nullptr ? texts_of(*before, without) : Texts{};
    Texts now = after != nullptr ? texts_of(*after, without) : Texts{};
    if (before != nullptr && after != nullptr && only_edited) {
        only_edited(*before, old);
        only_edited(*after, now);
    }
    compare_texts(old, now, DiffContext::OnlyChanges, out);
}

/// Calls with every pair of the same name, null where one side has none; in order of name.
template <class T, class F>
void by_name(const std::vector<T>& before, const std::vector<T>& after, F each) {
    std::map<std::string_view, std::pair<const T*, const T*>> all;
    for (const T& t : before) {
        all[t.name].first = &t;
    }
    for (const T& t : after) {
        all[t.name].second = &t;
    }
    for (const auto& [name, pair] : all) {
        each(std::string(name), pair.first, pair.second);
    }
}

/// The task without what the servers keep in it.
Task content(Task task) {
    for (auto& policy : task.scaling_policies) {
        policy.id.clear();
        policy.target.clear();
        policy.namespace_.clear();
        policy.create_index = {};
        policy.modify_index = {};
    }
    return task;
}

TaskGroup content(TaskGroup group) {
    if (group.scaling) {
        group.scaling->id.clear();
        group.scaling->target.clear();
        group.scaling->namespace_.clear();
        group.scaling->create_index = {};
        group.scaling->modify_index = {};
    }
    for (Task& task : group.tasks) {
        task = content(std::move(task));
    }
    return group;
}

template <class T>
std::string kind_of(const T* before, const T* after) {
    const bool same = before != nullptr && after != nullptr && content(*before) == content(*after);
    return std::string(
        before == nullptr  ? kAdded
        : after == nullptr ? kDeleted
        : same             ? kNone
                           : kEdited
    );
}

Objects secrets(
    const std::vector<model::Secret>& before,
    const std::vector<model::Secret>& after,
    DiffContext context
) {
    return by_key<model::Secret>(
        {.name = "Secret",
         .texts =
             [](const model::Secret& s) {
                 Texts out = texts_of(s);
                 for (auto& [name, value] : flattened(ValueMap{{"Config", Value(s.config)}})) {
                     out.emplace(name, value);
                 }
                 return out;
             },
         .context = context},
        before,
        after,
        [](const model::Secret& s) { return s.name; }
    );
}

Objects actions(
    const std::vector<model::Action>& before,
    const std::vector<model::Action>& after,
    DiffContext context
) {
    return by_place<model::Action>(
        {.name = "Action",
         .parts = [context](
                      const model::Action& old, const model::Action& now, Objects& out
                  ) { add(text_set("Args", old.args, now.args, context), out); },
         .context = context},
        before,
        after
    );
}

const Box<model::TaskScheduleCron>& cron_of(const Box<model::TaskSchedule>& schedule) {
    static const Box<model::TaskScheduleCron> kNo;
    return schedule ? schedule->cron : kNo;
}

model::TaskDiff task_diff(
    const std::string& name, const Task* before, const Task* after, DiffContext context
) {
    model::TaskDiff out{.type = kind_of(before, after), .name = name};
    own_fields<Task>(before, after, {"Name"}, nullptr, out.fields);
    static const Task kEmpty{};
    const Task& old = before != nullptr ? *before : kEmpty;
    const Task& now = after != nullptr ? *after : kEmpty;
    Objects& to = out.objects;
    add(constraints(old.constraints, now.constraints, context), to);
    add(affinities(old.affinities, now.affinities, context), to);
    add(config("Config", old.config, now.config, context), to);
    add(resources(old.resources, now.resources, context), to);
    add(plain("LogConfig", old.log_config, now.log_config, context), to);
    add(plain("DispatchPayload", old.dispatch_payload, now.dispatch_payload, context), to);
    add(by_likeness<model::TaskArtifact>(
            {.name = "Artifact", .context = context},
            old.artifacts,
            now.artifacts,
            [](const model::TaskArtifact& a, std::size_t, const model::TaskArtifact& b, std::size_t
            ) { return a.relative_dest == b.relative_dest ? 1 : 0; }
        ),
        to);
    add(services(old.services, now.services, context), to);
    add(object<model::Vault>({.name = "Vault", .context = context}, old.vault, now.vault), to);
    add(secrets(old.secrets, now.secrets, context), to);
    add(plain("Consul", old.consul, now.consul, context), to);
    add(templates(old.templates, now.templates, context), to);
    add(object(identity_form(context), old.identity, now.identity), to);
    add(identities(old.identities, now.identities, context), to);
    add(actions(old.actions, now.actions, context), to);
    add(volume_mounts(old.volume_mounts, now.volume_mounts, context), to);
    add(plain("Schedule", cron_of(old.schedule), cron_of(now.schedule), context), to);
    if (before != nullptr && after != nullptr) {
        add(object<model::TaskLifecycleConfig>(
                {.name = "Lifecycle", .context = context}, old.lifecycle, now.lifecycle
            ),
            to);
        add(object<model::RestartPolicy>(
                {.name = "RestartPolicy", .context = context},
                old.restart_policy,
                now.restart_policy
            ),
            to);
        add(object<model::TaskCSIPluginConfig>(
                {.name = "CSIPluginConfig", .context = context},
                old.csi_plugin_config,
                now.csi_plugin_config
            ),
            to);
    }
    return out;
}

model::TaskGroupDiff group_diff(
    const std::string& name, const TaskGroup* before, const TaskGroup* after, DiffContext context
) {
    model::TaskGroupDiff out{.type = kind_of(before, after), .name = name};
    own_fields<TaskGroup>(
        before,
        after,
        {"Name"},
        [](const TaskGroup& group, Texts& to) {
            const auto time = [&](const char* field, const std::optional<Duration>& value) {
                to.emplace(field, value ? text_of(*value) : "");
            };
            time("ShutdownDelay", group.shutdown_delay);
            time("MaxRunDuration", group.max_run_duration);
            time("StopAfterClientDisconnect", group.stop_after_client_disconnect);
            time("MaxClientDisconnect", group.max_client_disconnect);
        },
        out.fields
    );
    static const TaskGroup kEmpty{};
    const TaskGroup& old = before != nullptr ? *before : kEmpty;
    const TaskGroup& now = after != nullptr ? *after : kEmpty;
    Objects& to = out.objects;
    add(constraints(old.constraints, now.constraints, context), to);
    add(affinities(old.affinities, now.affinities, context), to);
    if (before != nullptr && after != nullptr) {
        add(spreads(old.spreads, now.spreads, context), to);
    }
    add(plain("RestartPolicy", old.restart_policy, now.restart_policy, context), to);
    add(plain("Migrate", old.migrate, now.migrate, context), to);
    add(plain("ReschedulePolicy", old.reschedule_policy, now.reschedule_policy, context), to);
    add(plain("EphemeralDisk", old.ephemeral_disk, now.ephemeral_disk, context), to);
    add(plain("Consul", old.consul, now.consul, context), to);
    add(plain("Update", old.update, now.update, context, {"Stagger"}), to);
    add(object<model::DisconnectStrategy>(
            {.name = "Disconnect",
             .texts = [](const model::DisconnectStrategy& d
                      ) { return texts_of(d, {}, Absent::Shown); },
             .context = context},
            old.disconnect,
            now.disconnect
        ),
        to);
    add(networks(old.networks, now.networks, context), to);
    add(scaling(old.scaling, now.scaling), to);
    add(services(old.services, now.services, context), to);
    add(volumes(old.volumes, now.volumes, context), to);
    by_name(old.tasks, now.tasks, [&](const std::string& task, const Task* a, const Task* b) {
        out.tasks.push_back(task_diff(task, a, b, context));
    });
    return out;
}

std::optional<ObjectDiff> periodic(const Job& old, const Job& now, DiffContext context) {
    using model::PeriodicConfig;
    return object(
        Form<PeriodicConfig>{
            .name = "Periodic",
            .parts =
                [](const PeriodicConfig& a, const PeriodicConfig& b, Objects& out) {
                    if (a.specs != b.specs) {
                        add(text_set("Specs", a.specs, b.specs, DiffContext::WholeObjects), out);
                    }
                },
            .context = context
        },
        old.periodic,
        now.periodic
    );
}

std::optional<ObjectDiff> parameterized(const Job& old, const Job& now, DiffContext context) {
    using model::ParameterizedJobConfig;
    return object(
        Form<ParameterizedJobConfig>{
            .name = "ParameterizedJob",
            .parts =
                [context](
                    const ParameterizedJobConfig& a, const ParameterizedJobConfig& b, Objects& out
                ) {
                    add(text_set("MetaOptional", a.meta_optional, b.meta_optional, context), out);
                    add(text_set("MetaRequired", a.meta_required, b.meta_required, context), out);
                },
            .context = context
        },
        old.parameterized_job,
        now.parameterized_job
    );
}

std::optional<ObjectDiff> multiregion(const Job& old, const Job& now, DiffContext context) {
    using model::Multiregion;
    using model::MultiregionRegion;
    const Form<MultiregionRegion> region{
        .name = "Region",
        .parts =
            [](const MultiregionRegion& a, const MultiregionRegion& b, Objects& out) {
                if (a.datacenters != b.datacenters) {
                    add(text_set(
                            "Datacenters", a.datacenters, b.datacenters, DiffContext::WholeObjects
                        ),
                        out);
                }
            },
        .context = context
    };
    return object(
        Form<Multiregion>{
            .name = "Multiregion",
            .parts =
                [&](const Multiregion& a, const Multiregion& b, Objects& out) {
                    add(plain("Strategy", a.strategy, b.strategy, context), out);
                    add(by_key(
                            region,
                            a.regions,
                            b.regions,
                            [](const MultiregionRegion& r) { return r.name; }
                        ),
                        out);
                    sort(out);
                },
            .context = context
        },
        old.multiregion,
        now.multiregion
    );
}

std::optional<ObjectDiff> ui(const Job& old, const Job& now, DiffContext context) {
    using model::JobUIConfig;
    const Form<model::JobUILink> link{.name = "Link", .context = context};
    return object(
        Form<JobUIConfig>{
            .name = "UI",
            .parts = [&](const JobUIConfig& a, const JobUIConfig& b, Objects& out
                     ) { add(by_place(link, a.links, b.links), out); },
            .context = context
        },
        old.ui,
        now.ui
    );
}

std::int64_t number(const std::string& text) {
    std::int64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

/// Whether a running task can take the change of this object.
bool in_place(const ObjectDiff& o) {
    if (o.name == "LogConfig") {
        // Whether there is a logger at all is decided when the task starts.
        return std::ranges::none_of(o.fields, [](const FieldDiff& f) {
            return f.name == "Disabled" && f.type != kNone;
        });
    }
    return o.name == "Service" || o.name == "Constraint" || o.name == "Affinity" ||
           o.name == "Spread" || o.name == "RestartPolicy";
}

void annotate_task(model::TaskDiff& task, const model::TaskGroupDiff& group) {
    if (task.type == kNone) {
        return;
    }
    if (group.type == kAdded || group.type == kDeleted) {
        task.annotations.emplace_back(group.type == kAdded ? "forces create" : "forces destroy");
        return;
    }
    bool destructive = task.type != kEdited;
    for (const FieldDiff& f : task.fields) {
        destructive = destructive ||
                      (f.type != kNone && f.name != "KillTimeout" && f.name != "ShutdownDelay");
    }
    for (const ObjectDiff& o : task.objects) {
        destructive = destructive || (o.type != kNone && !in_place(o));
    }
    task.annotations.emplace_back(
        destructive ? "forces create/destroy update" : "forces in-place update"
    );
}

}  // namespace

model::JobDiff diff(const Job* before, const Job* after, DiffContext context) {
    NL_ASSERT(before != nullptr || after != nullptr);
    model::JobDiff out{.id = after != nullptr ? after->id : before->id};
    own_fields<Job>(
        before,
        after,
        {"ID",
         "Status",
         "StatusDescription",
         "Version",
         "Stable",
         "CreateIndex",
         "ModifyIndex",
         "JobModifyIndex",
         "SubmitTime",
         "NomadTokenID",
         "Payload"},
        nullptr,
        out.fields
    );
    static const Job kEmpty{};
    const Job& old = before != nullptr ? *before : kEmpty;
    const Job& now = after != nullptr ? *after : kEmpty;
    Objects& to = out.objects;
    if (std::set(old.datacenters.begin(), old.datacenters.end()) !=
        std::set(now.datacenters.begin(), now.datacenters.end())) {
        add(text_set("Datacenters", old.datacenters, now.datacenters, context), to);
    }
    add(constraints(old.constraints, now.constraints, context), to);
    add(affinities(old.affinities, now.affinities, context), to);
    if (before != nullptr && after != nullptr) {
        add(spreads(old.spreads, now.spreads, context), to);
    }
    by_name(
        old.task_groups,
        now.task_groups,
        [&](const std::string& name, const TaskGroup* a, const TaskGroup* b) {
            out.task_groups.push_back(group_diff(name, a, b, context));
        }
    );
    add(periodic(old, now, context), to);
    add(parameterized(old, now, context), to);
    add(multiregion(old, now, context), to);
    add(ui(old, now, context), to);
    out.type = before == nullptr                                   ? kAdded
               : after == nullptr                                  ? kDeleted
               : changed(out.fields, out.objects, out.task_groups) ? kEdited
                                                                   : kNone;
    return out;
}

void annotate(model::JobDiff& diff, const model::PlanAnnotations& annotations) {
    for (model::TaskGroupDiff& group : diff.task_groups) {
        if (const auto found = annotations.desired_tg_updates.find(group.name);
            found != annotations.desired_tg_updates.end()) {
            const model::DesiredUpdates& u = found->second;
            const auto count = [&](const char* what, std::int64_t n) {
                if (n != 0) {
                    group.updates.insert_or_assign(what, n);
                }
            };
            count("ignore", u.ignore);
            count("create", u.place);
            count("migrate", u.migrate);
            count("destroy", u.stop);
            count("in-place update", u.in_place_update);
            count("create/destroy update", u.destructive_update);
            count("canary", u.canary);
        }
        for (FieldDiff& field : group.fields) {
            if (field.name != "Count" || field.type == kNone) {
                continue;
            }
            const std::int64_t old = number(field.old);
            const std::int64_t now = number(field.new_);
            if (now != old) {
                field.annotations.emplace_back(now > old ? "forces create" : "forces destroy");
            }
        }
        for (model::TaskDiff& task : group.tasks) {
            annotate_task(task, group);
        }
    }
}

}  // namespace nl::jobspec
