#include "jobspec/diff_parts.h"

#include "wire/value_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace nl::jobspec::differences {
namespace {

int rank(std::string_view type) {
    return type == kEdited ? 0 : type == kAdded ? 1 : type == kDeleted ? 2 : 3;
}

int compare(const FieldDiff& a, const FieldDiff& b) {
    const auto of = [](const FieldDiff& f) { return std::tie(f.name, f.old, f.new_); };
    return of(a) < of(b) ? -1 : of(b) < of(a) ? 1 : 0;
}

int compare(const ObjectDiff& a, const ObjectDiff& b) {
    if (const int by_name = a.name.compare(b.name); by_name != 0) {
        return by_name;
    }
    if (a.type != b.type) {
        return rank(a.type) - rank(b.type);
    }
    if (a.fields.size() != b.fields.size()) {
        return a.fields.size() < b.fields.size() ? -1 : 1;
    }
    if (a.objects.size() != b.objects.size()) {
        return a.objects.size() < b.objects.size() ? -1 : 1;
    }
    for (std::size_t i = 0; i < a.fields.size(); ++i) {
        if (const int c = compare(a.fields[i], b.fields[i]); c != 0) {
            return c;
        }
    }
    for (std::size_t i = 0; i < a.objects.size(); ++i) {
        if (const int c = compare(a.objects[i], b.objects[i]); c != 0) {
            return c;
        }
    }
    return 0;
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
    } else {
        out.emplace(name, value.is_null() ? "nil" : wire::write_json(value));
    }
}

FieldDiff field(
    std::string_view type, std::string_view name, std::string_view old, std::string_view now
) {
    return {
        .type = std::string(type),
        .name = std::string(name),
        .old = std::string(old),
        .new_ = std::string(now)
    };
}

}  // namespace

void compare_texts(
    const Texts& before, const Texts& after, DiffContext context, std::vector<FieldDiff>& out
) {
    std::set<std::string_view> names;
    for (const Texts* side : {&before, &after}) {
        for (const auto& [name, unused] : *side) {
            names.insert(name);
        }
    }
    const auto value = [](const Texts& side, std::string_view name) -> std::string_view {
        const auto found = side.find(name);
        return found == side.end() ? std::string_view() : found->second;
    };
    for (const std::string_view name : names) {
        const std::string_view old = value(before, name);
        const std::string_view now = value(after, name);
        if (old != now) {
            out.push_back(field(
                old.empty()   ? kAdded
                : now.empty() ? kDeleted
                              : kEdited,
                name,
                old,
                now
            ));
        } else if (context == DiffContext::WholeObjects) {
            out.push_back(field(kNone, name, old, now));
        }
    }
}

Texts flattened(const ValueMap& value) {
    Texts out;
    flatten(Value(value), "", out);
    return out;
}

Texts flattened(const Map<std::vector<std::string>>& value) {
    Texts out;
    for (const auto& [key, items] : value) {
        for (std::size_t i = 0; i < items.size(); ++i) {
            out.emplace(fmt::format("{}[{}]", key, i), items[i]);
        }
    }
    return out;
}

void sort(Objects& objects) {
    std::ranges::stable_sort(objects, [](const ObjectDiff& a, const ObjectDiff& b) {
        return compare(a, b) < 0;
    });
}

void add(Objects many, Objects& to) {
    to.insert(to.end(), std::make_move_iterator(many.begin()), std::make_move_iterator(many.end()));
}

std::optional<ObjectDiff> by_fields(
    std::string_view name, const Texts& before, const Texts& after, DiffContext context
) {
    ObjectDiff out{.name = std::string(name)};
    compare_texts(before, after, context, out.fields);
    const auto has = [&](std::string_view type) {
        return std::ranges::any_of(out.fields, [&](const FieldDiff& f) { return f.type == type; });
    };
    const bool added = has(kAdded);
    const bool deleted = has(kDeleted);
    if (has(kEdited) || (added && deleted)) {
        out.type = kEdited;
    } else if (added || deleted) {
        out.type = added ? kAdded : kDeleted;
    } else {
        return std::nullopt;
    }
    return out;
}

std::optional<ObjectDiff> text_set(
    std::string_view name,
    const std::vector<std::string>& before,
    const std::vector<std::string>& after,
    DiffContext context
) {
    const std::set<std::string> old(before.begin(), before.end());
    const std::set<std::string> now(after.begin(), after.end());
    std::set<std::string> all = old;
    all.insert(now.begin(), now.end());
    ObjectDiff out{.name = std::string(name)};
    bool added = false;
    bool deleted = false;
    for (const std::string& text : all) {
        const bool here = now.contains(text);
        if (here && old.contains(text)) {
            if (context == DiffContext::WholeObjects) {
                out.fields.push_back(field(kNone, name, text, text));
            }
            continue;
        }
        (here ? added : deleted) = true;
        out.fields.push_back(
            here ? field(kAdded, name, "", text) : field(kDeleted, name, text, "")
        );
    }
    std::ranges::stable_sort(out.fields, [](const FieldDiff& a, const FieldDiff& b) {
        return compare(a, b) < 0;
    });
    if (out.fields.empty()) {
        return std::nullopt;
    }
    out.type = added && deleted ? kEdited : added ? kAdded : deleted ? kDeleted : kNone;
    return out;
}

std::optional<ObjectDiff> config(
    std::string_view name, const ValueMap& before, const ValueMap& after, DiffContext context
) {
    if (before == after) {
        return std::nullopt;
    }
    ObjectDiff out{.name = std::string(name)};
    out.type = before.empty() ? kAdded : after.empty() ? kDeleted : kEdited;
    compare_texts(flattened(before), flattened(after), context, out.fields);
    return out;
}

}  // namespace nl::jobspec::differences
