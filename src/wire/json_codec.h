#pragma once
// The templates behind json.h: which `JsonType` belongs to a C++ type. Include only in the .cc
// files that instantiate them.

#include "base/codec.h"
#include "model/alloc_list_stub.h"
#include "model/alloc_metric.h"
#include "model/allocation.h"
#include "model/deployment.h"
#include "model/enums.h"
#include "model/evaluation.h"
#include "model/job.h"
#include "model/job_diff.h"
#include "model/node.h"
#include "model/plan_annotations.h"
#include "model/task_state.h"
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

    std::string schema(JsonSchemas&, [[maybe_unused]] bool duration_text) const override {
        if constexpr (std::is_same_v<T, bool>) {
            return "{\"type\":\"boolean\"}";
        } else if constexpr (ModelEnum<T> || std::is_same_v<T, std::string>) {
            return "{\"type\":\"string\"}";
        } else if constexpr (std::is_same_v<T, Duration>) {
            return duration_text
                       ? "{\"type\":\"string\",\"description\":\"a duration such as 30m0s\"}"
                       : "{\"type\":\"integer\",\"format\":\"int64\",\"description\":\"nanoseconds\"}";
        } else if constexpr (std::is_same_v<T, WallTime>) {
            return "{\"type\":\"string\",\"format\":\"date-time\"}";
        } else if constexpr (std::is_same_v<T, Uuid>) {
            return "{\"type\":\"string\",\"format\":\"uuid\"}";
        } else if constexpr (std::is_same_v<T, Blob>) {
            return "{\"type\":\"string\",\"format\":\"byte\",\"nullable\":true}";
        } else if constexpr (std::is_same_v<T, double>) {
            return "{\"type\":\"number\"}";
        } else if constexpr (std::is_same_v<T, Value>) {
            return "{}";
        } else {
            return "{\"type\":\"integer\",\"format\":\"int64\"}";
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
        static const JsonNullable kType(
            codec::detail::kNullable<T>,
            json_type<std::remove_cvref_t<decltype(*std::declval<T&>())>>
        );
        return kType;
    } else if constexpr (kIsVector<T>) {
        static const JsonList kType(codec::detail::kList<T>, json_type<typename T::value_type>);
        return kType;
    } else if constexpr (kIsStringMap<T>) {
        static const JsonMap kType(codec::detail::kMap<T>, json_type<typename T::mapped_type>);
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

// What many answers hold; each is compiled with its own noun.
extern template const JsonType& json_type<model::Allocation>();
extern template const JsonType& json_type<model::AllocListStub>();
extern template const JsonType& json_type<model::AllocMetric>();
extern template const JsonType& json_type<model::Deployment>();
extern template const JsonType& json_type<model::DesiredUpdates>();
extern template const JsonType& json_type<model::Evaluation>();
extern template const JsonType& json_type<model::Job>();
extern template const JsonType& json_type<model::JobDiff>();
extern template const JsonType& json_type<model::JobSpec>();
extern template const JsonType& json_type<model::Node>();
extern template const JsonType& json_type<model::TaskState>();

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
    template const nl::wire::JsonType& nl::wire::json_type<T>();    \
    template void nl::wire::append_json<T>(std::string&, const T&); \
    template nl::Value nl::wire::to_value<T>(const T&);
#define NL_WIRE_BOTH(T)                                               \
    NL_WIRE_WRITE(T)                                                  \
    template nl::Result<T> nl::wire::from_value<T>(const nl::Value&); \
    template nl::Result<T> nl::wire::from_json<T>(std::string_view);
