#pragma once
// The binary form of structs with a field list: what the Raft log, snapshots, client state and node
// streams carry. Layout (docs/formats/codec.md): a struct is a sequence of fields, each
// `varint(number << 2 | kind)` and its payload; kind 0 varint (zig-zag for signed), 1 fixed 8 bytes
// little endian, 2 length-delimited. A field with its default value is left out; a reader skips
// numbers it does not know. Lists and maps are one length-delimited field holding a count and the
// items. Reading never trusts a length: it is checked against what is left, and nesting is bounded.

#include "base/bytes.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "base/value.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace nl::codec {

/// How deep structs, lists and free-form values may nest when read.
inline constexpr int kMaxDepth = 64;

class Writer {
public:
    explicit Writer(Bytes& out) : out_(out) {}

    void varint(std::uint64_t v) {
        while (v >= 0x80) {
            out_.push_back(static_cast<char>(v | 0x80));
            v >>= 7;
        }
        out_.push_back(static_cast<char>(v));
    }
    void fixed64(std::uint64_t v) {
        char raw[8];
        for (int i = 0; i < 8; ++i) {
            raw[i] = static_cast<char>(v >> (8 * i) & 0xff);
        }
        out_.append(raw, 8);
    }
    void raw(BytesView bytes) { out_.append(bytes); }
    void sized(BytesView bytes) {
        varint(bytes.size());
        raw(bytes);
    }
    Bytes& out() { return out_; }

private:
    Bytes& out_;
};

class Reader {
public:
    explicit Reader(BytesView in, int depth = 0) : in_(in), depth_(depth) {}

    bool done() const { return in_.empty(); }
    bool failed() const { return failed_; }
    int depth() const { return depth_; }
    void fail() {
        failed_ = true;
        in_ = {};
    }
    std::size_t left() const { return in_.size(); }

    std::uint64_t varint() {
        std::uint64_t v = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (in_.empty()) {
                fail();
                return 0;
            }
            const auto b = static_cast<std::uint8_t>(in_.front());
            in_.remove_prefix(1);
            v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
            if ((b & 0x80) == 0) {
                return v;
            }
        }
        fail();
        return 0;
    }
    std::uint64_t fixed64() {
        if (in_.size() < 8) {
            fail();
            return 0;
        }
        std::uint64_t v = 0;
        for (int i = 0; i < 8; ++i) {
            v |= static_cast<std::uint64_t>(
                     static_cast<std::uint8_t>(in_[static_cast<std::size_t>(i)])
                 )
                 << (8 * i);
        }
        in_.remove_prefix(8);
        return v;
    }
    BytesView take(std::uint64_t n) {
        if (n > in_.size()) {
            fail();
            return {};
        }
        const BytesView out = in_.substr(0, static_cast<std::size_t>(n));
        in_.remove_prefix(static_cast<std::size_t>(n));
        return out;
    }
    BytesView sized() { return take(varint()); }

private:
    BytesView in_;
    int depth_;
    bool failed_ = false;
};

enum class Kind : unsigned { Varint = 0, Fixed64 = 1, Sized = 2 };

constexpr std::uint64_t zigzag(std::int64_t v) {
    return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

template <class T>
struct IsStrong : std::false_type {};
template <class Tag, class Rep>
struct IsStrong<StrongInt<Tag, Rep>> : std::true_type {};

/// How a C++ type is written and read, without its type: one object for each type that occurs in a
/// field list, found through `type_of<T>()`. Structs are tables of fields with offsets, so that one
/// loop serves them all; this keeps the compiled code small and the compile time of what encodes
/// bounded. Objects live for the whole program and hold no state that changes.
struct Type {
    Kind kind;
    /// Writes a value without its field number.
    void (*write)(const Type& self, Writer& w, const void* value);
    /// Reads into a value; damage fails the reader.
    void (*read)(const Type& self, Reader& r, void* value);
    /// Whether a struct leaves the value out.
    bool (*is_default)(const Type& self, const void* value);
};

/// std::vector<X>.
struct ListType : Type {
    const Type& (*item)();
    std::size_t stride;
    const void* (*items)(const void* list, std::size_t& count);
    void (*start)(void* list, std::size_t count);  ///< empties it and makes room
    void* (*add)(void* list);                      ///< a new last item with its defaults
};

/// std::map<std::string, X>.
struct MapType : Type {
    using Visit = void (*)(void* context, std::string_view key, const void* item);
    const Type& (*item)();
    std::size_t (*size)(const void* map);
    void (*each)(const void* map, void* context, Visit visit);
    void (*clear)(void* map);
    void* (*put)(void* map, std::string&& key);  ///< the item of that key with its defaults
};

/// Box, std::optional and std::shared_ptr to const.
struct NullableType : Type {
    const Type& (*held)();
    const void* (*get)(const void* nullable);  ///< null if it holds nothing
    void (*reset)(void* nullable);
    void* (*make)(void* nullable);  ///< what it then holds, with its defaults
};

/// A struct with a field list.
struct StructType : Type {
    struct Field {
        std::uint64_t tag;  ///< number << 2 | kind
        std::size_t offset;
        const Type* type;
    };
    /// What the field list says of one field.
    struct Seed {
        int number;
        std::size_t offset;
        const Type* type;
    };
    explicit StructType(const std::vector<Seed>& seeds);

    std::vector<Field> fields;
    /// Field number to its place in `fields` plus one, 0 for a number that is not used.
    std::vector<std::uint16_t> by_number;
};

void write_fields(const StructType& type, Writer& w, const void* object);
void read_fields(const StructType& type, Reader& r, void* object);
void write_value(Writer& w, const Value& v);
void read_value(Reader& r, Value& v);

namespace detail {
extern const Type kBool;
extern const Type kDouble;
extern const Type kText;
extern const Type kUuid;
extern const Type kValue;
/// Integers by size (1, 2, 4, 8 bytes) and how they are written.
const Type& zigzag_type(std::size_t size);
const Type& unsigned_type(std::size_t size);
/// Enums: their number as an unsigned one, sign extended.
const Type& enum_type(std::size_t size, bool is_signed);

void write_list(const Type& self, Writer& w, const void* value);
void read_list(const Type& self, Reader& r, void* value);
void write_map(const Type& self, Writer& w, const void* value);
void read_map(const Type& self, Reader& r, void* value);
void write_nullable(const Type& self, Writer& w, const void* value);
void read_nullable(const Type& self, Reader& r, void* value);
bool list_is_default(const Type& self, const void* value);
bool map_is_default(const Type& self, const void* value);
bool nullable_is_default(const Type& self, const void* value);
}  // namespace detail

/// The one description of T. Structs make theirs on first use.
template <class T>
const Type& type_of();

namespace detail {

template <class T>
inline constexpr ListType kList{
    {Kind::Sized, write_list, read_list, list_is_default},
    type_of<typename T::value_type>,
    sizeof(typename T::value_type),
    [](const void* list, std::size_t& count) -> const void* {
        const T& v = *static_cast<const T*>(list);
        count = v.size();
        return v.data();
    },
    [](void* list, std::size_t count) {
        T& v = *static_cast<T*>(list);
        v.clear();
        v.reserve(count);
    },
    [](void* list) -> void* { return &static_cast<T*>(list)->emplace_back(); },
};

template <class T>
inline constexpr MapType kMap{
    {Kind::Sized, write_map, read_map, map_is_default},
    type_of<typename T::mapped_type>,
    [](const void* map) { return static_cast<const T*>(map)->size(); },
    [](const void* map, void* context, MapType::Visit visit) {
        for (const auto& [key, item] : *static_cast<const T*>(map)) {
            visit(context, key, &item);
        }
    },
    [](void* map) { static_cast<T*>(map)->clear(); },
    [](void* map, std::string&& key) -> void* {
        auto& item = (*static_cast<T*>(map))[std::move(key)];
        item = {};
        return &item;
    },
};

template <class T>
inline constexpr NullableType kNullable{
    {Kind::Sized, write_nullable, read_nullable, nullable_is_default},
    type_of<std::remove_cvref_t<decltype(*std::declval<T&>())>>,
    [](const void* nullable) -> const void* {
        const T& v = *static_cast<const T*>(nullable);
        return v ? &*v : nullptr;
    },
    [](void* nullable) { static_cast<T*>(nullable)->reset(); },
    [](void* nullable) -> void* {
        T& v = *static_cast<T*>(nullable);
        if constexpr (kIsBox<T> || kIsOptional<T>) {
            return &v.emplace();
        } else {
            auto held = std::make_shared<std::remove_const_t<typename T::element_type>>();
            void* raw = held.get();
            v = std::move(held);
            return raw;
        }
    },
};

}  // namespace detail

/// The field list as a table. Offsets are taken from a live object, so that any layout works.
template <HasFields T>
const StructType& struct_type() {
    static const StructType kType([] {
        std::vector<StructType::Seed> seeds;
        const T probe{};
        visit_fields(probe, [&](FieldInfo info, const auto& member) {
            const auto offset = static_cast<std::size_t>(
                reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(&probe)
            );
            seeds.push_back(
                {info.number, offset, &type_of<std::remove_cvref_t<decltype(member)>>()}
            );
        });
        return seeds;
    }());
    return kType;
}

template <class T>
const Type& type_of() {
    if constexpr (std::is_same_v<T, bool>) {
        return detail::kBool;
    } else if constexpr (std::is_enum_v<T>) {
        return detail::enum_type(sizeof(T), std::is_signed_v<std::underlying_type_t<T>>);
    } else if constexpr (std::is_integral_v<T>) {
        return std::is_signed_v<T> ? detail::zigzag_type(sizeof(T))
                                   : detail::unsigned_type(sizeof(T));
    } else if constexpr (IsStrong<T>::value) {
        static_assert(
            sizeof(T) == sizeof(decltype(T::value)) && std::is_unsigned_v<decltype(T::value)>
        );
        return detail::unsigned_type(sizeof(T));
    } else if constexpr (std::is_same_v<T, double>) {
        return detail::kDouble;
    } else if constexpr (std::is_same_v<T, Duration> || std::is_same_v<T, WallTime>) {
        static_assert(sizeof(T) == sizeof(std::int64_t));
        return detail::zigzag_type(sizeof(T));
    } else if constexpr (std::is_same_v<T, std::string>) {
        return detail::kText;
    } else if constexpr (std::is_same_v<T, Blob>) {
        static_assert(sizeof(T) == sizeof(std::string));
        return detail::kText;
    } else if constexpr (std::is_same_v<T, Uuid>) {
        return detail::kUuid;
    } else if constexpr (std::is_same_v<T, Value>) {
        return detail::kValue;
    } else if constexpr (kIsVector<T>) {
        return detail::kList<T>;
    } else if constexpr (kIsStringMap<T>) {
        return detail::kMap<T>;
    } else if constexpr (HasFields<T>) {
        return struct_type<T>();
    } else {
        return detail::kNullable<T>;
    }
}

template <class T>
bool is_default(const T& v) {
    if constexpr (kIsBox<T> || kIsOptional<T> || requires { typename T::element_type; }) {
        return !v;
    } else if constexpr (kIsVector<T> || kIsStringMap<T> || std::is_same_v<T, std::string>) {
        return v.empty();
    } else if constexpr (std::is_same_v<T, Blob>) {
        return v.bytes.empty();
    } else if constexpr (std::is_same_v<T, Value>) {
        return v.is_null();
    } else if constexpr (HasFields<T>) {
        return false;
    } else {
        return v == T{};
    }
}

}  // namespace nl::codec

namespace nl {

namespace codec::detail {
/// Reads into `object`, which has its defaults. Errors: Corruption naming `name`.
Result<void> decode_into(
    const StructType& type, void* object, BytesView bytes, std::string_view name
);
}  // namespace codec::detail

/// The binary form of `object`.
template <HasFields T>
Bytes encode(const T& object) {
    Bytes out;
    codec::Writer w(out);
    codec::write_fields(codec::struct_type<T>(), w, &object);
    return out;
}

/// Reads what `encode` wrote, by this or another version. Errors: Corruption.
template <HasFields T>
Result<T> decode(BytesView bytes) {
    T object{};
    NL_TRY_VOID(
        codec::detail::decode_into(codec::struct_type<T>(), &object, bytes, T::kNlTypeName)
    );
    return object;
}

}  // namespace nl
