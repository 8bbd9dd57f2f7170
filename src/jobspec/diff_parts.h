#pragma once
// The pieces differences between two versions of a job are put together from: a noun's plain fields
// as text, two sets of such texts compared, lists matched by key, by place or by content. Not part
// of the module's interface.

#include "base/bytes.h"
#include "base/fields.h"
#include "base/time.h"
#include "jobspec/diff.h"
#include "wire/names.h"

#include <algorithm>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace nl::jobspec::differences {

using model::FieldDiff;
using model::ObjectDiff;

inline constexpr std::string_view kNone = "None";
inline constexpr std::string_view kAdded = "Added";
inline constexpr std::string_view kDeleted = "Deleted";
inline constexpr std::string_view kEdited = "Edited";

/// Field names to values; a field that is missing is the same as one that is empty.
using Texts = std::map<std::string, std::string, std::less<>>;
using Objects = std::vector<ObjectDiff>;

/// Appends what differs, in order of name.
void compare_texts(
    const Texts& before, const Texts& after, DiffContext context, std::vector<FieldDiff>& out
);
/// "args[0]", "labels[0][k]": every leaf of a free-form value.
Texts flattened(const ValueMap& value);
Texts flattened(const Map<std::vector<std::string>>& value);
/// The order in which differences of one list are shown: by name, edited ones first, added before
/// deleted.
void sort(Objects& objects);

/// A thing whose kind of change follows from its fields; nothing if none changed.
std::optional<ObjectDiff> by_fields(
    std::string_view name, const Texts& before, const Texts& after, DiffContext context
);
/// A list of texts whose order has no meaning. With context, an unchanged list is shown too.
std::optional<ObjectDiff> text_set(
    std::string_view name,
    const std::vector<std::string>& before,
    const std::vector<std::string>& after,
    DiffContext context
);

inline void add(std::optional<ObjectDiff> one, Objects& to) {
    if (one) {
        to.push_back(std::move(*one));
    }
}
void add(Objects many, Objects& to);

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

enum class Absent : unsigned char { Skipped, Shown };

/// The plain fields of a noun and its maps of text (as Name[key]), without the fields named.
/// Optional scalars are no plain fields unless they are asked for; then an absent one is "nil".
template <class T>
Texts texts_of(
    const T& noun,
    std::initializer_list<std::string_view> without = {},
    Absent optionals = Absent::Skipped
) {
    Texts out;
    visit_fields(noun, [&](FieldInfo info, const auto& member) {
        using M = std::remove_cvref_t<decltype(member)>;
        if (wire::only_as_written(T::kNlTypeName, info.name)) {
            return;
        }
        const std::string name = wire::json_name(T::kNlTypeName, info.name);
        for (const std::string_view skipped : without) {
            if (skipped == name) {
                return;
            }
        }
        if constexpr (Scalar<M>) {
            out.emplace(name, text_of(member));
        } else if constexpr (std::is_same_v<M, StringMap>) {
            for (const auto& [key, value] : member) {
                out.emplace(name + "[" + key + "]", value);
            }
        } else if constexpr (kIsOptional<M>) {
            if constexpr (Scalar<typename M::value_type>) {
                if (optionals == Absent::Shown) {
                    out.emplace(name, member ? text_of(*member) : "nil");
                }
            }
        }
    });
    return out;
}

/// How one noun becomes an object of the difference.
template <class T>
struct Form {
    std::string_view name;
    std::function<Texts(const T&)> texts = [](const T& noun) { return texts_of(noun); };
    /// What it holds besides plain fields; a missing noun is an empty one.
    std::function<void(const T& before, const T& after, Objects& out)> parts = nullptr;
    DiffContext context{DiffContext::OnlyChanges};
};

/// A noun that is there or not; null is not there.
template <class T>
std::optional<ObjectDiff> object(const Form<T>& form, const T* before, const T* after) {
    if (before == after || (before != nullptr && after != nullptr && *before == *after)) {
        return std::nullopt;
    }
    static const T kEmpty{};
    ObjectDiff out;
    out.type = before == nullptr ? kAdded : after == nullptr ? kDeleted : kEdited;
    out.name = form.name;
    compare_texts(
        before != nullptr ? form.texts(*before) : Texts{},
        after != nullptr ? form.texts(*after) : Texts{},
        form.context,
        out.fields
    );
    if (form.parts) {
        form.parts(
            before != nullptr ? *before : kEmpty, after != nullptr ? *after : kEmpty, out.objects
        );
    }
    return out;
}

template <class T>
std::optional<ObjectDiff> object(const Form<T>& form, const Box<T>& before, const Box<T>& after) {
    return object(form, before.get(), after.get());
}

/// Whether neither side is missing. Parts that Nomad does not compare are shown where something was
/// edited, so that no change is silent, but not where a whole noun comes or goes.
template <class T>
bool both(const T& before, const T& after) {
    static const T kEmpty{};
    return !(before == kEmpty) && !(after == kEmpty);
}

/// Matched by key; those of equal keys count once.
template <class T, class Key>
Objects by_key(
    const Form<T>& form, const std::vector<T>& before, const std::vector<T>& after, Key key
) {
    std::map<std::string, std::pair<const T*, const T*>> all;
    for (const T& item : before) {
        all[key(item)].first = &item;
    }
    for (const T& item : after) {
        all[key(item)].second = &item;
    }
    Objects out;
    for (const auto& [name, pair] : all) {
        add(object(form, pair.first, pair.second), out);
    }
    sort(out);
    return out;
}

/// Matched by their place in the list.
template <class T>
Objects by_place(const Form<T>& form, const std::vector<T>& before, const std::vector<T>& after) {
    Objects out;
    for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
        add(object(
                form,
                i < before.size() ? &before[i] : nullptr,
                i < after.size() ? &after[i] : nullptr
            ),
            out);
    }
    sort(out);
    return out;
}

/// Matched only if they are equal: items are added or deleted, never edited.
template <class T>
Objects by_content(const Form<T>& form, const std::vector<T>& before, const std::vector<T>& after) {
    const auto among = [](const T& item, const std::vector<T>& list) {
        return std::ranges::find(list, item) != list.end();
    };
    Objects out;
    for (std::size_t i = 0; i < before.size(); ++i) {
        const auto seen = before.begin() + static_cast<std::ptrdiff_t>(i);
        if (!among(before[i], after) && std::find(before.begin(), seen, before[i]) == seen) {
            add(object<T>(form, &before[i], nullptr), out);
        }
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
        const auto seen = after.begin() + static_cast<std::ptrdiff_t>(i);
        if (!among(after[i], before) && std::find(after.begin(), seen, after[i]) == seen) {
            add(object<T>(form, nullptr, &after[i]), out);
        }
    }
    sort(out);
    return out;
}

/// Matched pairwise: each old item takes the free new item that `score` likes best; a score of 0 is
/// no match. A list of one against a list of one is always a match.
template <class T, class Score>
Objects by_likeness(
    const Form<T>& form, const std::vector<T>& before, const std::vector<T>& after, Score score
) {
    if (before.size() == 1 && after.size() == 1) {
        Objects out;
        add(object(form, &before[0], &after[0]), out);
        return out;
    }
    std::vector<bool> taken(after.size(), false);
    Objects out;
    for (std::size_t i = 0; i < before.size(); ++i) {
        int best = 0;
        std::size_t match = after.size();
        for (std::size_t j = 0; j < after.size(); ++j) {
            const int likeness = taken[j] ? 0 : score(before[i], i, after[j], j);
            if (likeness > best) {
                best = likeness;
                match = j;
            }
        }
        if (match < after.size()) {
            taken[match] = true;
        }
        add(object(form, &before[i], match < after.size() ? &after[match] : nullptr), out);
    }
    for (std::size_t j = 0; j < after.size(); ++j) {
        if (!taken[j]) {
            add(object<T>(form, nullptr, &after[j]), out);
        }
    }
    sort(out);
    return out;
}

// Blocks that stand at more than one level, and large ones (diff_blocks.cc, diff_services.cc).

std::optional<ObjectDiff> config(
    std::string_view name, const ValueMap& before, const ValueMap& after, DiffContext context
);
Objects constraints(
    const std::vector<model::Constraint>& before,
    const std::vector<model::Constraint>& after,
    DiffContext context
);
Objects affinities(
    const std::vector<model::Affinity>& before,
    const std::vector<model::Affinity>& after,
    DiffContext context
);
Objects spreads(
    const std::vector<model::Spread>& before,
    const std::vector<model::Spread>& after,
    DiffContext context
);
Objects networks(
    const std::vector<model::NetworkResource>& before,
    const std::vector<model::NetworkResource>& after,
    DiffContext context
);
std::optional<ObjectDiff> resources(
    const Box<model::Resources>& before, const Box<model::Resources>& after, DiffContext context
);
Form<model::WorkloadIdentity> identity_form(DiffContext context);
Objects identities(
    const std::vector<model::WorkloadIdentity>& before,
    const std::vector<model::WorkloadIdentity>& after,
    DiffContext context
);
Objects volume_mounts(
    const std::vector<model::VolumeMount>& before,
    const std::vector<model::VolumeMount>& after,
    DiffContext context
);
/// Of two blocks of plain fields.
template <class T>
std::optional<ObjectDiff> plain(
    std::string_view name,
    const Box<T>& before,
    const Box<T>& after,
    DiffContext context,
    std::initializer_list<std::string_view> without = {}
) {
    return by_fields(
        name,
        before ? texts_of(*before, without) : Texts{},
        after ? texts_of(*after, without) : Texts{},
        context
    );
}
Objects services(
    const std::vector<model::Service>& before,
    const std::vector<model::Service>& after,
    DiffContext context
);
Objects templates(
    const std::vector<model::Template>& before,
    const std::vector<model::Template>& after,
    DiffContext context
);
Objects volumes(
    const Map<model::VolumeRequest>& before,
    const Map<model::VolumeRequest>& after,
    DiffContext context
);
std::optional<ObjectDiff> scaling(
    const Box<model::ScalingPolicy>& before, const Box<model::ScalingPolicy>& after
);

}  // namespace nl::jobspec::differences
