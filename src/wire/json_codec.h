#pragma once
// The templates behind json.h: which `JsonType` belongs to a C++ type. Include only in the .cc
// files that instantiate them.

#include "base/codec.h"
#include "model/enums.h"
#include "wire/json.h"
#include "wire/json_type.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace nl::wire {

/// The one description of T, made on first use.
template <class T>
const JsonType& json_type();

namespace detail {

/// Whether T is the as-written form: known by having an optional scalar where the other form has a
/// plain one.
template <class T>
struct IsWritten : std::false_type {};
template <template <template <class> class> class Noun>
struct IsWritten<Noun<Opt>> : std::true_type {};

template <class T>
concept ModelEnum = std::is_enum_v<T> && requires(T v) {
    { model::to_string(v) };
};

template <class T>
concept SharedPointer = requires { typename T::element_type; };

/// Anything that is one JSON value.
template <class T>
class JsonScalar final : public JsonType {
public:
    void append(std::string& out, const void* object, bool, const JsonField* how) const override {
        const T& v = *static_cast<const T*>(object);
        if constexpr (std::is_same_v<T, bool>) {
            out += v ? "true" : "false";
        } else if constexpr (ModelEnum<T>) {
            append_json_string(out, model::to_string(v));
        } else if constexpr (std::is_integral_v<T>) {
            const fmt::format_int text(v);
            out.append(text.data(), text.size());
        } else if constexpr (codec::IsStrong<T>::value) {
            const fmt::format_int text(v.value);
            out.append(text.data(), text.size());
        } else if constexpr (std::is_same_v<T, double>) {
            append_json_number(out, v);
        } else if constexpr (std::is_same_v<T, Duration>) {
            if (how != nullptr && how->duration_text) {
                append_json_string(out, to_string(v));
            } else {
                const fmt::format_int text(v.ns);
                out.append(text.data(), text.size());
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
        } else {
            static_assert(std::is_same_v<T, Value>, "this type has no JSON form");
            out += write_json(v);
        }
    }

    Result<void> read(const Value& v, void* object, std::string_view where) const override {
        T& out = *static_cast<T*>(object);
        if constexpr (std::is_same_v<T, Value>) {
            out = v;
        } else if constexpr (std::is_same_v<T, bool>) {
            if (v.as_bool() == nullptr) {
                return json_mismatch(v, where, "bool");
            }
            out = *v.as_bool();
        } else if constexpr (ModelEnum<T>) {
            const auto parsed =
                v.as_string() != nullptr ? model::parse_enum<T>(*v.as_string()) : std::nullopt;
            if (!parsed) {
                return json_mismatch(v, where, "string");
            }
            out = *parsed;
        } else if constexpr (std::is_integral_v<T>) {
            if (v.as_int() == nullptr || !std::in_range<T>(*v.as_int())) {
                return json_mismatch(v, where, std::is_signed_v<T> ? "int" : "uint64");
            }
            out = static_cast<T>(*v.as_int());
        } else if constexpr (codec::IsStrong<T>::value) {
            return json_type<decltype(out.value)>().read(v, &out.value, where);
        } else if constexpr (std::is_same_v<T, double>) {
            if (v.as_int() != nullptr) {
                out = static_cast<double>(*v.as_int());
            } else if (v.as_double() != nullptr) {
                out = *v.as_double();
            } else {
                return json_mismatch(v, where, "float64");
            }
        } else if constexpr (std::is_same_v<T, Duration>) {
            return read_duration(v, out, where);
        } else if constexpr (std::is_same_v<T, WallTime>) {
            if (v.as_string() == nullptr) {
                return json_mismatch(v, where, "time.Time");
            }
            NL_TRY(out, parse_rfc3339(*v.as_string()));
        } else if constexpr (std::is_same_v<T, std::string>) {
            if (v.as_string() == nullptr) {
                return json_mismatch(v, where, "string");
            }
            out = *v.as_string();
        } else if constexpr (std::is_same_v<T, Blob>) {
            if (v.as_string() == nullptr) {
                return json_mismatch(v, where, "[]uint8");
            }
            NL_TRY(out.bytes, base64_decode(*v.as_string()));
        } else {
            static_assert(std::is_same_v<T, Uuid>, "this type has no JSON form");
            if (v.as_string() == nullptr) {
                return json_mismatch(v, where, "string");
            }
            NL_TRY(out, Uuid::parse(*v.as_string()));
        }
        return {};
    }

    bool is_default(const void* object) const override {
        // A status is never left out: its first state has a name ("pending") like the others.
        if constexpr (ModelEnum<T>) {
            return false;
        } else {
            return codec::is_default(*static_cast<const T*>(object));
        }
    }

private:
    static Result<void> read_duration(const Value& v, Duration& out, std::string_view where) {
        if (v.as_int() != nullptr) {
            out = Duration{*v.as_int()};
            return {};
        }
        const bool text_allowed =
            v.as_string() != nullptr && where.find('.') != std::string_view::npos &&
            (where.ends_with("TTL") || where.ends_with("Leeway") || where.ends_with("LockDelay") ||
             where.starts_with("AutopilotConfiguration."));
        if (!text_allowed) {
            return json_mismatch(v, where, "time.Duration");
        }
        if (v.as_string()->empty()) {
            out = Duration{};
            return {};
        }
        NL_TRY(out, parse_duration(*v.as_string()));
        return {};
    }
};

/// Box, std::optional and std::shared_ptr: null or what they hold.
template <class T>
class JsonNullable final : public JsonType {
public:
    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override {
        const T& v = *static_cast<const T*>(object);
        if (v) {
            json_type<Held>().append(out, &*v, written, how);
        } else {
            out += "null";
        }
    }
    Result<void> read(const Value& v, void* object, std::string_view where) const override {
        T& out = *static_cast<T*>(object);
        if (v.is_null()) {
            out = T{};
            return {};
        }
        if constexpr (SharedPointer<T>) {
            auto held = std::make_shared<Held>();
            NL_TRY_VOID(json_type<Held>().read(v, held.get(), where));
            out = std::move(held);
        } else {
            Held held{};
            NL_TRY_VOID(json_type<Held>().read(v, &held, where));
            out = std::move(held);
        }
        return {};
    }
    bool is_default(const void* object) const override { return !*static_cast<const T*>(object); }

private:
    using Held = std::remove_cvref_t<decltype(*std::declval<T&>())>;
};

template <class T>
class JsonList final : public JsonType {
public:
    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override {
        const T& v = *static_cast<const T*>(object);
        if (v.empty() && (how == nullptr || !how->empty_not_null)) {
            out += "null";
            return;
        }
        const JsonType& type = json_type<Item>();
        out += '[';
        for (std::size_t i = 0; i < v.size(); ++i) {
            if (i > 0) {
                out += ',';
            }
            if constexpr (std::is_same_v<Item, bool>) {
                const bool item = v[i];
                type.append(out, &item, written, nullptr);
            } else {
                type.append(out, &v[i], written, nullptr);
            }
        }
        out += ']';
    }
    Result<void> read(const Value& v, void* object, std::string_view where) const override {
        T& out = *static_cast<T*>(object);
        const Value::List* list = v.as_list();
        if (list == nullptr) {
            return json_mismatch(v, where, "[]");
        }
        out.clear();
        out.reserve(list->size());
        const JsonType& type = json_type<Item>();
        for (const Value& from : *list) {
            Item item{};
            if (!from.is_null()) {
                NL_TRY_VOID(type.read(from, &item, where));
            }
            out.push_back(std::move(item));
        }
        return {};
    }
    bool is_default(const void* object) const override {
        return static_cast<const T*>(object)->empty();
    }

private:
    using Item = typename T::value_type;
};

template <class T>
class JsonMap final : public JsonType {
public:
    void append(std::string& out, const void* object, bool written, const JsonField* how)
        const override {
        const T& v = *static_cast<const T*>(object);
        if (v.empty() && (how == nullptr || !how->empty_not_null)) {
            out += "null";
            return;
        }
        const JsonType& type = json_type<Item>();
        out += '{';
        bool first = true;
        for (const auto& [key, item] : v) {
            if (!first) {
                out += ',';
            }
            first = false;
            append_json_string(out, key);
            out += ':';
            type.append(out, &item, written, nullptr);
        }
        out += '}';
    }
    Result<void> read(const Value& v, void* object, std::string_view where) const override {
        T& out = *static_cast<T*>(object);
        const Value::Map* map = v.as_map();
        if (map == nullptr) {
            return json_mismatch(v, where, "map[string]");
        }
        out.clear();
        const JsonType& type = json_type<Item>();
        for (const auto& [key, from] : *map) {
            Item item{};
            if (!from.is_null()) {
                NL_TRY_VOID(type.read(from, &item, where));
            }
            out.insert_or_assign(key, std::move(item));
        }
        return {};
    }
    bool is_default(const void* object) const override {
        return static_cast<const T*>(object)->empty();
    }

private:
    using Item = typename T::mapped_type;
};

/// The field list as a table. Offsets are taken from a live object, so that any layout works.
template <class T>
std::vector<JsonStruct::Seed> json_seeds() {
    std::vector<JsonStruct::Seed> seeds;
    const T probe{};
    visit_fields(probe, [&](FieldInfo info, const auto& member) {
        const auto offset = static_cast<std::size_t>(
            reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(&probe)
        );
        seeds.push_back({info.name, offset, &json_type<std::remove_cvref_t<decltype(member)>>});
    });
    return seeds;
}

}  // namespace detail

template <class T>
const JsonType& json_type() {
    if constexpr (kIsBox<T> || kIsOptional<T> || detail::SharedPointer<T>) {
        static const detail::JsonNullable<T> kType;
        return kType;
    } else if constexpr (kIsVector<T>) {
        static const detail::JsonList<T> kType;
        return kType;
    } else if constexpr (kIsStringMap<T>) {
        static const detail::JsonMap<T> kType;
        return kType;
    } else if constexpr (HasFields<T>) {
        static const JsonStruct kType(
            T::kNlTypeName, detail::IsWritten<T>::value, detail::json_seeds<T>()
        );
        return kType;
    } else {
        static const detail::JsonScalar<T> kType;
        return kType;
    }
}

template <class T>
void append_json(std::string& out, const T& object) {
    json_type<T>().append(out, &object, false, nullptr);
}

template <class T>
Value to_value(const T& object) {
    // One spelling for text and tree: what is read back is exactly what was written.
    auto parsed = parse_json(to_json(object));
    NL_ASSERT(parsed.has_value());
    return std::move(*parsed);
}

template <class T>
Result<T> from_value(const Value& value) {
    T object{};
    NL_TRY_VOID(json_type<T>().read(value, &object, T::kNlTypeName));
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
