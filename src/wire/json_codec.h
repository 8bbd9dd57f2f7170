#pragma once
// The templates behind json.h. Include only in the .cc files that instantiate them: they are costly
// to compile.

#include "base/codec.h"
#include "model/enums.h"
#include "wire/json.h"
#include "wire/names.h"
#include "wire/value_json.h"

#include <concepts>
#include <memory>
#include <optional>

namespace nl::wire {
namespace detail {

/// What is known of each field of a type before any object is seen.
struct Spelling {
    std::string name;  // Job
    std::string key;   // "Job":
    bool omit_empty;
    bool only_as_written;
    bool duration_text;
    bool empty_not_null;
};

template <class T>
const std::vector<Spelling>& spellings() {
    static const std::vector<Spelling> kAll = [] {
        std::vector<Spelling> all;
        const T probe{};
        visit_fields(probe, [&](FieldInfo info, const auto&) {
            std::string name = json_name(T::kNlTypeName, info.name);
            std::string key;
            append_json_string(key, name);
            key += ':';
            all.push_back(
                {.name = std::move(name),
                 .key = std::move(key),
                 .omit_empty = omits_empty(T::kNlTypeName, info.name),
                 .only_as_written = only_as_written(T::kNlTypeName, info.name),
                 .duration_text = duration_as_text(T::kNlTypeName, info.name),
                 .empty_not_null = empty_not_null(T::kNlTypeName, info.name)}
            );
        });
        return all;
    }();
    return kAll;
}

/// Whether T is the as-written form: known by having an optional scalar where the other form has a
/// plain one.
template <class T>
struct IsWritten : std::false_type {};
template <template <template <class> class> class Noun>
struct IsWritten<Noun<Opt>> : std::true_type {};

template <class T>
struct IsStrong : std::false_type {};
template <class Tag, class Rep>
struct IsStrong<StrongInt<Tag, Rep>> : std::true_type {};

template <class T>
concept ModelEnum = std::is_enum_v<T> && requires(T v) {
    { model::to_string(v) };
};

template <class T>
concept SharedPointer = requires { typename T::element_type; };

}  // namespace detail

/// Written: inside a job as written, where Nomad's client types leave nothing out.
template <bool Written, class T>
void append_item(std::string& out, const T& v, const detail::Spelling* how);

template <bool Outer, class T>
void append_struct(std::string& out, const T& object) {
    constexpr bool kWritten = Outer || detail::IsWritten<T>::value;
    const auto& spellings = detail::spellings<T>();
    std::size_t at = 0;
    bool first = true;
    out += '{';
    visit_fields(object, [&](FieldInfo, const auto& member) {
        const detail::Spelling& s = spellings[at++];
        if (s.only_as_written && !kWritten) {
            return;
        }
        // A status is never left out: its first state has a name ("pending") like the others.
        constexpr bool kEnum = std::is_enum_v<std::remove_cvref_t<decltype(member)>>;
        if (!kWritten && !kEnum && s.omit_empty && codec::is_default(member)) {
            return;
        }
        if (!first) {
            out += ',';
        }
        first = false;
        out += s.key;
        append_item<kWritten>(out, member, &s);
    });
    out += '}';
}

template <bool Written, class T>
void append_item(std::string& out, const T& v, const detail::Spelling* how) {
    if constexpr (std::is_same_v<T, bool>) {
        out += v ? "true" : "false";
    } else if constexpr (detail::ModelEnum<T>) {
        append_json_string(out, model::to_string(v));
    } else if constexpr (std::is_integral_v<T>) {
        fmt::format_to(std::back_inserter(out), "{}", v);
    } else if constexpr (detail::IsStrong<T>::value) {
        fmt::format_to(std::back_inserter(out), "{}", v.value);
    } else if constexpr (std::is_same_v<T, double>) {
        append_json_number(out, v);
    } else if constexpr (std::is_same_v<T, Duration>) {
        if (how != nullptr && how->duration_text) {
            append_json_string(out, to_string(v));
        } else {
            fmt::format_to(std::back_inserter(out), "{}", v.ns);
        }
    } else if constexpr (std::is_same_v<T, WallTime>) {
        append_json_string(out, to_rfc3339(v));
    } else if constexpr (std::is_same_v<T, std::string>) {
        append_json_string(out, v);
    } else if constexpr (std::is_same_v<T, Blob>) {
        if (v.bytes.empty()) {
            out += "null";
        } else {
            append_json_string(out, base64_encode(v.bytes));
        }
    } else if constexpr (std::is_same_v<T, Uuid>) {
        append_json_string(out, v.str());
    } else if constexpr (std::is_same_v<T, Value>) {
        out += write_json(v);
    } else if constexpr (kIsBox<T> || kIsOptional<T> || detail::SharedPointer<T>) {
        if (v) {
            append_item<Written>(out, *v, how);
        } else {
            out += "null";
        }
    } else if constexpr (kIsVector<T>) {
        if (v.empty() && (how == nullptr || !how->empty_not_null)) {
            out += "null";
            return;
        }
        out += '[';
        for (std::size_t i = 0; i < v.size(); ++i) {
            if (i > 0) {
                out += ',';
            }
            append_item<Written, typename T::value_type>(out, v[i], nullptr);
        }
        out += ']';
    } else if constexpr (kIsStringMap<T>) {
        if (v.empty() && (how == nullptr || !how->empty_not_null)) {
            out += "null";
            return;
        }
        out += '{';
        bool first = true;
        for (const auto& [key, item] : v) {
            if (!first) {
                out += ',';
            }
            first = false;
            append_json_string(out, key);
            out += ':';
            append_item<Written>(out, item, nullptr);
        }
        out += '}';
    } else {
        append_struct<Written>(out, v);
    }
}

template <class T>
void append_json(std::string& out, const T& object) {
    append_item<false>(out, object, nullptr);
}

template <class T>
Value to_value(const T& object) {
    // One spelling for text and tree: what is read back is exactly what was written.
    auto parsed = parse_json(to_json(object));
    NL_ASSERT(parsed.has_value());
    return std::move(*parsed);
}

namespace detail {

/// Go's word for what a JSON value is, for error texts.
inline std::string_view json_kind(const Value& v) {
    if (v.is_null()) {
        return "null";
    }
    if (v.as_bool() != nullptr) {
        return "bool";
    }
    if (v.as_int() != nullptr || v.as_double() != nullptr) {
        return "number";
    }
    if (v.as_string() != nullptr) {
        return "string";
    }
    return v.as_list() != nullptr ? "array" : "object";
}

inline std::unexpected<Error> mismatch(
    const Value& v, std::string_view where, std::string_view wanted
) {
    return fail(
        ErrorCode::InvalidArgument,
        "json: cannot unmarshal {} into Go struct field {} of type {}",
        json_kind(v),
        where,
        wanted
    );
}

inline bool equal_fold(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

}  // namespace detail

template <class T>
Result<void> read_item(const Value& v, T& out, std::string_view where);

template <class T>
Result<void> read_struct(const Value& v, T& object, std::string_view where) {
    const Value::Map* map = v.as_map();
    if (map == nullptr) {
        return detail::mismatch(v, where, T::kNlTypeName);
    }
    const auto& spellings = detail::spellings<T>();
    std::size_t at = 0;
    Result<void> result;
    visit_fields(object, [&](FieldInfo, auto& member) {
        const detail::Spelling& s = spellings[at++];
        if (!result) {
            return;
        }
        const Value* found = nullptr;
        if (const auto exact = map->find(s.name); exact != map->end()) {
            found = &exact->second;
        } else {
            for (const auto& [key, item] : *map) {
                if (detail::equal_fold(key, s.name)) {
                    found = &item;
                }
            }
        }
        if (found != nullptr && !found->is_null()) {
            result = read_item(*found, member, fmt::format("{}.{}", T::kNlTypeName, s.name));
        }
    });
    return result;
}

template <class T>
Result<void> read_item(const Value& v, T& out, std::string_view where) {
    if constexpr (std::is_same_v<T, Value>) {
        out = v;
        return {};
    } else if constexpr (kIsBox<T> || kIsOptional<T>) {
        if (v.is_null()) {
            out = T{};
            return {};
        }
        std::remove_cvref_t<decltype(*out)> held{};
        NL_TRY_VOID(read_item(v, held, where));
        out = std::move(held);
        return {};
    } else if constexpr (detail::SharedPointer<T>) {
        auto held = std::make_shared<std::remove_const_t<typename T::element_type>>();
        NL_TRY_VOID(read_item(v, *held, where));
        out = std::move(held);
        return {};
    } else if constexpr (std::is_same_v<T, bool>) {
        if (v.as_bool() == nullptr) {
            return detail::mismatch(v, where, "bool");
        }
        out = *v.as_bool();
        return {};
    } else if constexpr (detail::ModelEnum<T>) {
        const auto parsed =
            v.as_string() != nullptr ? model::parse_enum<T>(*v.as_string()) : std::nullopt;
        if (!parsed) {
            return detail::mismatch(v, where, "string");
        }
        out = *parsed;
        return {};
    } else if constexpr (std::is_integral_v<T>) {
        if (v.as_int() == nullptr || !std::in_range<T>(*v.as_int())) {
            return detail::mismatch(v, where, std::is_signed_v<T> ? "int" : "uint64");
        }
        out = static_cast<T>(*v.as_int());
        return {};
    } else if constexpr (detail::IsStrong<T>::value) {
        return read_item(v, out.value, where);
    } else if constexpr (std::is_same_v<T, double>) {
        if (v.as_int() != nullptr) {
            out = static_cast<double>(*v.as_int());
        } else if (v.as_double() != nullptr) {
            out = *v.as_double();
        } else {
            return detail::mismatch(v, where, "float64");
        }
        return {};
    } else if constexpr (std::is_same_v<T, Duration>) {
        if (v.as_int() != nullptr) {
            out = Duration{*v.as_int()};
            return {};
        }
        const std::size_t dot = where.rfind('.');
        const bool text_allowed =
            v.as_string() != nullptr && dot != std::string_view::npos &&
            (where.ends_with("TTL") || where.ends_with("Leeway") || where.ends_with("LockDelay") ||
             where.starts_with("AutopilotConfiguration."));
        if (!text_allowed) {
            return detail::mismatch(v, where, "time.Duration");
        }
        if (v.as_string()->empty()) {
            out = Duration{};
            return {};
        }
        NL_TRY(out, parse_duration(*v.as_string()));
        return {};
    } else if constexpr (std::is_same_v<T, WallTime>) {
        if (v.as_string() == nullptr) {
            return detail::mismatch(v, where, "time.Time");
        }
        NL_TRY(out, parse_rfc3339(*v.as_string()));
        return {};
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (v.as_string() == nullptr) {
            return detail::mismatch(v, where, "string");
        }
        out = *v.as_string();
        return {};
    } else if constexpr (std::is_same_v<T, Blob>) {
        if (v.as_string() == nullptr) {
            return detail::mismatch(v, where, "[]uint8");
        }
        NL_TRY(out.bytes, base64_decode(*v.as_string()));
        return {};
    } else if constexpr (std::is_same_v<T, Uuid>) {
        if (v.as_string() == nullptr) {
            return detail::mismatch(v, where, "string");
        }
        NL_TRY(out, Uuid::parse(*v.as_string()));
        return {};
    } else if constexpr (kIsVector<T>) {
        const Value::List* list = v.as_list();
        if (list == nullptr) {
            return detail::mismatch(v, where, "[]");
        }
        out.clear();
        for (const Value& item : *list) {
            typename T::value_type held{};
            if (!item.is_null()) {
                NL_TRY_VOID(read_item(item, held, where));
            }
            out.push_back(std::move(held));
        }
        return {};
    } else if constexpr (kIsStringMap<T>) {
        const Value::Map* map = v.as_map();
        if (map == nullptr) {
            return detail::mismatch(v, where, "map[string]");
        }
        out.clear();
        for (const auto& [key, item] : *map) {
            typename T::mapped_type held{};
            if (!item.is_null()) {
                NL_TRY_VOID(read_item(item, held, where));
            }
            out.insert_or_assign(key, std::move(held));
        }
        return {};
    } else {
        return read_struct(v, out, where);
    }
}

template <class T>
Result<T> from_value(const Value& value) {
    T object{};
    NL_TRY_VOID(read_item(value, object, T::kNlTypeName));
    return object;
}

template <class T>
Result<T> from_json(std::string_view text) {
    NL_TRY(const Value value, parse_json(text));
    return from_value<T>(value);
}

}  // namespace nl::wire

#define NL_WIRE_WRITE(T)                                            \
    template void nl::wire::append_json<T>(std::string&, const T&); \
    template nl::Value nl::wire::to_value<T>(const T&);
#define NL_WIRE_BOTH(T)                                               \
    NL_WIRE_WRITE(T)                                                  \
    template nl::Result<T> nl::wire::from_value<T>(const nl::Value&); \
    template nl::Result<T> nl::wire::from_json<T>(std::string_view);
