#include "jobspec/diff.h"

#include "base/check.h"
#include "wire/names.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace nl::jobspec {
namespace {

using model::FieldDiff;
using model::ObjectDiff;

constexpr std::string_view kNone = "None";
constexpr std::string_view kAdded = "Added";
constexpr std::string_view kDeleted = "Deleted";
constexpr std::string_view kEdited = "Edited";

using Texts = std::map<std::string, std::string>;

/// What is looked at of a noun, and what one of a list of them is called.
struct Naming {
    std::string_view list;
    std::string_view one;
};

constexpr std::array kListNames{
    Naming{"Constraints", "Constraint"},
    Naming{"Affinities", "Affinity"},
    Naming{"Spreads", "Spread"},
    Naming{"SpreadTarget", "SpreadTarget"},
    Naming{"Networks", "Network"},
    Naming{"Services", "Service"},
    Naming{"Checks", "Check"},
    Naming{"Templates", "Template"},
    Naming{"Artifacts", "Artifact"},
    Naming{"VolumeMounts", "VolumeMount"},
    Naming{"Volumes", "Volume"},
    Naming{"Devices", "Device"},
    Naming{"DynamicPorts", "Dynamic Port"},
    Naming{"ReservedPorts", "Static Port"},
    Naming{"Identities", "Identity"},
    Naming{"Secrets", "Secret"},
    Naming{"Actions", "Action"},
    Naming{"ScalingPolicies", "Scaling"},
    Naming{"Upstreams", "ConsulUpstreams"},
    Naming{"Regions", "Region"},
    Naming{"Links", "Link"},
    Naming{"ParameterizedJob", "ParameterizedJob"},
};

std::string one_of_list(const std::string& list) {
    for (const Naming& n : kListNames) {
        if (n.list == list) {
            return std::string(n.one);
        }
    }
    return list;
}

/// Fields that differ between versions without the job being another.
bool is_book_keeping(std::string_view noun, std::string_view name) {
    static constexpr std::array<std::string_view, 14> kJob{
        "ID",
        "Status",
        "StatusDescription",
        "Version",
        "Stable",
        "CreateIndex",
        "ModifyIndex",
        "JobModifyIndex",
        "SubmitTime",
        "NomadTokenID",
        "DispatchIdempotencyToken",
        "Update",
        "VersionTag",
        "TaskGroups"
    };
    if (noun == "Job") {
        return std::ranges::find(kJob, name) != kJob.end();
    }
    if (noun == "ScalingPolicy") {
        return name == "ID" || name == "CreateIndex" || name == "ModifyIndex" || name == "Target";
    }
    return (noun == "TaskGroup" && (name == "Name" || name == "Tasks")) ||
           (noun == "Task" && name == "Name");
}

void sort(std::vector<FieldDiff>& fields) {
    std::ranges::stable_sort(fields, {}, &FieldDiff::name);
}

bool changed(const std::vector<FieldDiff>& fields, const std::vector<ObjectDiff>& objects) {
    const auto differs = [](const auto& d) { return d.type != kNone; };
    return std::ranges::any_of(fields, differs) || std::ranges::any_of(objects, differs);
}

void compare_texts(
    const Texts& before, const Texts& after, DiffContext context, std::vector<FieldDiff>& out
) {
    const auto add = [&](std::string_view type,
                         const std::string& name,
                         const std::string& old,
                         const std::string& now) {
        out.push_back({.type = std::string(type), .name = name, .old = old, .new_ = now});
    };
    for (const auto& [name, old] : before) {
        const auto found = after.find(name);
        if (found == after.end()) {
            add(kDeleted, name, old, "");
        } else if (found->second != old) {
            add(old.empty()             ? kAdded
                : found->second.empty() ? kDeleted
                                        : kEdited,
                name,
                old,
                found->second);
        } else if (context == DiffContext::WholeObjects) {
            add(kNone, name, old, old);
        }
    }
    for (const auto& [name, now] : after) {
        if (!before.contains(name)) {
            add(kAdded, name, "", now);
        }
    }
    sort(out);
}

void flatten(const Value& value, const std::string& name, Texts& out) {
    if (const auto* list = value.as_list()) {
        for (std::size_t i = 0; i < list->size(); ++i) {
            flatten((*list)[i], fmt::format("{}[{}]", name, i), out);
        }
    } else if (const auto* map = value.as_map()) {
        for (const auto& [key, item] : *map) {
            flatten(item, name.empty() ? key : fmt::format("{}[{}]", name, key), out);
        }
    } else if (const auto* text = value.as_string()) {
        out.emplace(name, *text);
    } else if (!value.is_null()) {
        out.emplace(name, wire::write_json(value));
    }
}

template <class T>
concept Scalar =
    std::is_same_v<T, bool> || std::is_integral_v<T> || std::is_same_v<T, std::string> ||
    std::is_same_v<T, Duration> || std::is_same_v<T, Blob>;

template <Scalar T>
std::string text_of(const T& v) {
    if constexpr (std::is_same_v<T, bool>) {
        return v ? "true" : "false";
    } else if constexpr (std::is_integral_v<T>) {
        return std::to_string(v);
    } else if constexpr (std::is_same_v<T, Duration>) {
        return std::to_string(v.ns);
    } else if constexpr (std::is_same_v<T, Blob>) {
        return base64_encode(v.bytes);
    } else {
        return v;
    }
}

/// The plain fields of a noun as text, maps of text as Name[key]; for a list of blocks' items.
template <class T>
Texts texts_of(const T& noun) {
    Texts out;
    visit_fields(noun, [&](FieldInfo info, const auto& member) {
        using M = std::remove_cvref_t<decltype(member)>;
        const std::string name = wire::json_name(T::kNlTypeName, info.name);
        if (is_book_keeping(T::kNlTypeName, name)) {
            return;
        }
        if constexpr (Scalar<M>) {
            out.emplace(name, text_of(member));
        } else if constexpr (kIsOptional<M>) {
            if constexpr (Scalar<typename M::value_type>) {
                if (member) {
                    out.emplace(name, text_of(*member));
                }
            }
        } else if constexpr (std::is_same_v<M, StringMap>) {
            for (const auto& [key, value] : member) {
                out.emplace(fmt::format("{}[{}]", name, key), value);
            }
        }
    });
    // Empty text says nothing of a thing that comes or goes.
    return out;
}

template <class T>
std::vector<ObjectDiff> objects_of(const T* before, const T* after, DiffContext context);

template <class T>
std::optional<ObjectDiff> object_diff(
    std::string name, const T* before, const T* after, DiffContext context
) {
    if (before == nullptr && after == nullptr) {
        return std::nullopt;
    }
    if (before != nullptr && after != nullptr && *before == *after) {
        return std::nullopt;
    }
    ObjectDiff out{.name = std::move(name)};
    Texts old = before != nullptr ? texts_of(*before) : Texts{};
    Texts now = after != nullptr ? texts_of(*after) : Texts{};
    if (before == nullptr || after == nullptr) {
        std::erase_if(before == nullptr ? now : old, [](const auto& t) {
            return t.second.empty();
        });
    }
    compare_texts(old, now, context, out.fields);
    out.objects = objects_of(before, after, context);
    out.type = before == nullptr ? kAdded : after == nullptr ? kDeleted : kEdited;
    return out;
}

/// What two items of a list must share to be one item that was edited; "" where items have no
/// identity and are only ever added or deleted.
template <class T>
std::string key_of(const T& item) {
    if constexpr (requires { item.dest_path; }) {
        return item.dest_path;
    } else if constexpr (std::is_same_v<T, model::RequestedDevice> ||
                         std::is_same_v<T, model::Service> ||
                         std::is_same_v<T, model::ServiceCheck> ||
                         std::is_same_v<T, model::WorkloadIdentity> ||
                         std::is_same_v<T, model::Secret> || std::is_same_v<T, model::Action>) {
        return item.name;
    } else if constexpr (std::is_same_v<T, model::Port>) {
        return item.label;
    } else {
        return "";
    }
}

template <class T>
void list_diff(
    const std::string& name,
    const std::vector<T>& before,
    const std::vector<T>& after,
    DiffContext context,
    std::vector<ObjectDiff>& out
) {
    std::vector<bool> matched(after.size(), false);
    const auto take = [&](const T& old, auto same) -> const T* {
        for (std::size_t i = 0; i < after.size(); ++i) {
            if (!matched[i] && same(old, after[i])) {
                matched[i] = true;
                return &after[i];
            }
        }
        return nullptr;
    };
    std::vector<const T*> gone;
    for (const T& old : before) {
        if (take(old, std::equal_to<T>()) == nullptr) {
            gone.push_back(&old);
        }
    }
    // A single network is the same network, changed.
    const bool sole =
        std::is_same_v<T, model::NetworkResource> && before.size() == 1 && after.size() == 1;
    for (const T* old : gone) {
        const T* now = take(*old, [&](const T& a, const T& b) {
            const std::string key = key_of(a);
            return sole || (!key.empty() && key == key_of(b));
        });
        if (auto d = object_diff(name, old, now, context)) {
            out.push_back(std::move(*d));
        }
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
        if (!matched[i]) {
            if (auto d = object_diff<T>(name, nullptr, &after[i], context)) {
                out.push_back(std::move(*d));
            }
        }
    }
}

void text_set_diff(
    const std::string& name,
    const std::vector<std::string>& before,
    const std::vector<std::string>& after,
    DiffContext context,
    std::vector<ObjectDiff>& out
) {
    const std::set<std::string> old(before.begin(), before.end());
    const std::set<std::string> now(after.begin(), after.end());
    if (old == now) {
        return;
    }
    ObjectDiff d{.name = name};
    for (const std::string& text : old) {
        if (!now.contains(text)) {
            d.fields.push_back(
                {.type = std::string(kDeleted), .name = name, .old = text, .new_ = ""}
            );
        } else if (context == DiffContext::WholeObjects) {
            d.fields.push_back({.type = std::string(kNone), .name = name, .old = text, .new_ = text}
            );
        }
    }
    for (const std::string& text : now) {
        if (!old.contains(text)) {
            d.fields.push_back({.type = std::string(kAdded), .name = name, .new_ = text});
        }
    }
    d.type = old.empty() ? kAdded : now.empty() ? kDeleted : kEdited;
    out.push_back(std::move(d));
}

template <class M>
void member_diff(
    const std::string& name,
    const M& before,
    const M& after,
    DiffContext context,
    std::vector<ObjectDiff>& out
) {
    if constexpr (kIsBox<M>) {
        if (auto d = object_diff(name, before.get(), after.get(), context)) {
            out.push_back(std::move(*d));
        }
    } else if constexpr (std::is_same_v<M, std::vector<std::string>>) {
        text_set_diff(name, before, after, context, out);
    } else if constexpr (std::is_same_v<M, ValueMap>) {
        Texts old;
        Texts now;
        flatten(Value(before), "", old);
        flatten(Value(after), "", now);
        if (old != now) {
            ObjectDiff d{
                .type = std::string(
                    old.empty()   ? kAdded
                    : now.empty() ? kDeleted
                                  : kEdited
                ),
                .name = name
            };
            compare_texts(old, now, context, d.fields);
            out.push_back(std::move(d));
        }
    } else if constexpr (kIsVector<M>) {
        if constexpr (HasFields<typename M::value_type>) {
            list_diff(one_of_list(name), before, after, context, out);
        }
    } else if constexpr (std::is_same_v<M, Map<model::VolumeRequest>>) {
        std::set<std::string> keys;
        for (const auto* map : {&before, &after}) {
            for (const auto& [key, unused] : *map) {
                keys.insert(key);
            }
        }
        for (const std::string& key : keys) {
            const auto old = before.find(key);
            const auto now = after.find(key);
            if (auto d = object_diff(
                    one_of_list(name),
                    old == before.end() ? nullptr : &old->second,
                    now == after.end() ? nullptr : &now->second,
                    context
                )) {
                out.push_back(std::move(*d));
            }
        }
    }
}

template <class T>
std::vector<ObjectDiff> objects_of(const T* before, const T* after, DiffContext context) {
    std::vector<ObjectDiff> out;
    static const T kEmpty{};
    const T& old = before != nullptr ? *before : kEmpty;
    const T& now = after != nullptr ? *after : kEmpty;
    std::vector<const void*> members;
    visit_fields(now, [&](FieldInfo, const auto& member) { members.push_back(&member); });
    std::size_t at = 0;
    visit_fields(old, [&](FieldInfo info, const auto& member) {
        using M = std::remove_cvref_t<decltype(member)>;
        const void* other = members[at++];
        const std::string name = wire::json_name(T::kNlTypeName, info.name);
        if (!is_book_keeping(T::kNlTypeName, name)) {
            member_diff(name, member, *static_cast<const M*>(other), context, out);
        }
    });
    std::ranges::stable_sort(out, {}, &ObjectDiff::name);
    return out;
}

/// The kind of change of a whole noun.
std::string kind_of(bool before, bool after, bool differs) {
    return std::string(!before ? kAdded : !after ? kDeleted : differs ? kEdited : kNone);
}

template <class T>
void plain_diff(
    const T* before,
    const T* after,
    DiffContext context,
    std::vector<FieldDiff>& fields,
    std::vector<ObjectDiff>& objects
) {
    Texts old = before != nullptr ? texts_of(*before) : Texts{};
    Texts now = after != nullptr ? texts_of(*after) : Texts{};
    if (before == nullptr || after == nullptr) {
        std::erase_if(before == nullptr ? now : old, [](const auto& t) {
            return t.second.empty();
        });
    }
    compare_texts(old, now, DiffContext::OnlyChanges, fields);
    objects = objects_of(before, after, context);
}

/// Calls with every pair of the same name, null where one side has none; in order of name.
template <class T, class F>
void by_name(const std::vector<T>* before, const std::vector<T>* after, F each) {
    std::map<std::string_view, std::pair<const T*, const T*>> all;
    if (before != nullptr) {
        for (const T& t : *before) {
            all[t.name].first = &t;
        }
    }
    if (after != nullptr) {
        for (const T& t : *after) {
            all[t.name].second = &t;
        }
    }
    for (const auto& [name, pair] : all) {
        each(std::string(name), pair.first, pair.second);
    }
}

model::TaskDiff task_diff(
    const std::string& name,
    const model::Task* before,
    const model::Task* after,
    DiffContext context
) {
    model::TaskDiff out{.name = name};
    plain_diff(before, after, context, out.fields, out.objects);
    out.type = kind_of(before != nullptr, after != nullptr, changed(out.fields, out.objects));
    return out;
}

model::TaskGroupDiff group_diff(
    const std::string& name,
    const model::TaskGroup* before,
    const model::TaskGroup* after,
    DiffContext context
) {
    model::TaskGroupDiff out{.name = name};
    plain_diff(before, after, context, out.fields, out.objects);
    by_name(
        before != nullptr ? &before->tasks : nullptr,
        after != nullptr ? &after->tasks : nullptr,
        [&](const std::string& task, const model::Task* old, const model::Task* now) {
            out.tasks.push_back(task_diff(task, old, now, context));
        }
    );
    const bool differs =
        changed(out.fields, out.objects) ||
        std::ranges::any_of(out.tasks, [](const auto& t) { return t.type != kNone; });
    out.type = kind_of(before != nullptr, after != nullptr, differs);
    return out;
}

std::int64_t number(const std::string& text) {
    std::int64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

/// Changes that a running task can take.
bool in_place_object(std::string_view name) {
    return name == "LogConfig" || name == "Service" || name == "Constraint" || name == "Affinity" ||
           name == "RestartPolicy";
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
        destructive = destructive || (o.type != kNone && !in_place_object(o.name));
    }
    task.annotations.emplace_back(
        destructive ? "forces create/destroy update" : "forces in-place update"
    );
}

}  // namespace

model::JobDiff diff(const model::Job* before, const model::Job* after, DiffContext context) {
    NL_ASSERT(before != nullptr || after != nullptr);
    model::JobDiff out{.id = after != nullptr ? after->id : before->id};
    plain_diff(before, after, context, out.fields, out.objects);
    by_name(
        before != nullptr ? &before->task_groups : nullptr,
        after != nullptr ? &after->task_groups : nullptr,
        [&](const std::string& name, const model::TaskGroup* old, const model::TaskGroup* now) {
            out.task_groups.push_back(group_diff(name, old, now, context));
        }
    );
    const bool differs =
        changed(out.fields, out.objects) ||
        std::ranges::any_of(out.task_groups, [](const auto& g) { return g.type != kNone; });
    out.type = kind_of(before != nullptr, after != nullptr, differs);
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
            count("preemptions", u.preemptions);
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
