#pragma once
// The protobuf form (proto3) of the structs of seed_types.h, made from their field lists, whose
// numbers are those of proto/scheduler.proto. Saves a hand-written copy in each direction for every
// message; seed_wire_test holds it against protobuf's own. Source: protobuf.dev, "Encoding".

#include "base/codec.h"
#include "base/fields.h"

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace nl::io::seed {

namespace wire {

inline constexpr int kDepthMax = 16;

enum class Type : std::uint8_t { Varint = 0, Fixed64 = 1, Sized = 2, Fixed32 = 5 };

template <class T>
constexpr bool kIsVarint = std::is_integral_v<T> || std::is_enum_v<T>;

template <class T>
void write(codec::Writer& w, const T& object);
template <class T>
void read(codec::Reader& r, T& object, int depth);

inline void tag(codec::Writer& w, int number, Type type) {
    w.varint(static_cast<std::uint64_t>(number) << 3 | static_cast<std::uint64_t>(type));
}

/// A value that is present, whatever it is.
template <class T>
void write_value(codec::Writer& w, int number, const T& value) {
    if constexpr (kIsVarint<T>) {
        tag(w, number, Type::Varint);
        // Negative numbers take ten bytes, sign-extended, as int32 and int64 do.
        if constexpr (std::is_signed_v<T>) {
            w.varint(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
        } else {
            w.varint(static_cast<std::uint64_t>(value));
        }
    } else if constexpr (std::is_same_v<T, std::string>) {
        tag(w, number, Type::Sized);
        w.sized(value);
    } else {
        tag(w, number, Type::Sized);
        Bytes inner;
        codec::Writer iw(inner);
        write(iw, value);
        w.sized(inner);
    }
}

template <class T>
void write(codec::Writer& w, const T& object) {
    visit_fields(object, [&](FieldInfo info, const auto& member) {
        using M = std::remove_cvref_t<decltype(member)>;
        if constexpr (kIsOptional<M> || kIsBox<M>) {
            if (member) {
                write_value(w, info.number, *member);
            }
        } else if constexpr (kIsVector<M>) {
            static_assert(!kIsVarint<typename M::value_type>, "packed lists are not needed");
            for (const auto& item : member) {
                write_value(w, info.number, item);
            }
        } else if (!(member == M{})) {
            write_value(w, info.number, member);
        }
    });
}

template <class T>
void read_value(codec::Reader& r, Type type, T& value, int depth) {
    if constexpr (kIsVarint<T>) {
        if (type != Type::Varint) {
            r.fail();
            return;
        }
        value = static_cast<T>(r.varint());
    } else {
        if (type != Type::Sized || depth >= kDepthMax) {
            r.fail();
            return;
        }
        if constexpr (std::is_same_v<T, std::string>) {
            value = std::string(r.sized());
        } else {
            codec::Reader inner(r.sized());
            read(inner, value, depth + 1);
            if (inner.failed()) {
                r.fail();
            }
        }
    }
}

inline void skip(codec::Reader& r, Type type) {
    switch (type) {
        case Type::Varint:
            r.varint();
            return;
        case Type::Fixed64:
            r.fixed64();
            return;
        case Type::Sized:
            r.sized();
            return;
        case Type::Fixed32:
            r.take(4);
            return;
    }
    r.fail();
}

template <class T>
void read(codec::Reader& r, T& object, int depth) {
    while (!r.done() && !r.failed()) {
        const std::uint64_t key = r.varint();
        const auto type = static_cast<Type>(key & 7);
        const std::uint64_t number = key >> 3;
        bool is_known = false;
        visit_fields(object, [&](FieldInfo info, auto& member) {
            using M = std::remove_cvref_t<decltype(member)>;
            if (is_known || static_cast<std::uint64_t>(info.number) != number) {
                return;
            }
            is_known = true;
            if constexpr (kIsOptional<M>) {
                read_value(r, type, member.emplace(), depth);
            } else if constexpr (kIsBox<M>) {
                read_value(r, type, member.ensure(), depth);
            } else if constexpr (kIsVector<M>) {
                read_value(r, type, member.emplace_back(), depth);
            } else {
                read_value(r, type, member, depth);
            }
        });
        if (!is_known) {
            skip(r, type);
        }
    }
}

}  // namespace wire

/// `text` with U+FFFD in place of what is not UTF-8, which protobuf's strings cannot carry.
std::string to_utf8(std::string_view text);

/// to_utf8 on every string in `object`: what a job printed may be anything.
template <class T>
void repair_text(T& object) {
    if constexpr (std::is_same_v<T, std::string>) {
        object = to_utf8(object);
    } else if constexpr (kIsOptional<T> || kIsBox<T>) {
        if (object) {
            repair_text(*object);
        }
    } else if constexpr (kIsVector<T>) {
        for (auto& item : object) {
            repair_text(item);
        }
    } else if constexpr (HasFields<T>) {
        visit_fields(object, [](FieldInfo, auto& member) { repair_text(member); });
    }
}

template <class T>
Bytes to_protobuf(const T& object) {
    Bytes out;
    codec::Writer w(out);
    wire::write(w, object);
    return out;
}

/// Fields of unknown numbers are skipped. Errors: Corruption.
template <class T>
Result<T> from_protobuf(BytesView bytes) {
    T object{};
    codec::Reader r(bytes);
    wire::read(r, object, 0);
    if (r.failed()) {
        return fail(ErrorCode::Corruption, "{} is not of its protobuf form", T::kNlTypeName);
    }
    return object;
}

}  // namespace nl::io::seed
