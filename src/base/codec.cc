#include "base/codec.h"

#include "base/check.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace nl::codec {
namespace {

/// Writes what `body` appends as one length-delimited value. Most are shorter than 128 bytes, so
/// one byte is kept for the length and the rest is moved only when it needs more.
template <class Body>
void write_sized(Writer& w, const Body& body) {
    Bytes& out = w.out();
    const std::size_t at = out.size();
    out.push_back('\0');
    body();
    std::uint64_t size = out.size() - at - 1;
    if (size < 0x80) {
        out[at] = static_cast<char>(size);
        return;
    }
    Bytes length;
    Writer(length).varint(size);
    out.replace(at, 1, length);
}

/// Reads one length-delimited value with `body(inner)`.
template <class Body>
void read_sized(Reader& r, const Body& body) {
    Reader inner(r.sized(), r.depth() + 1);
    if (r.failed() || inner.depth() > kMaxDepth) {
        r.fail();
        return;
    }
    body(inner);
    if (inner.failed()) {
        r.fail();
    }
}

void skip(Reader& r, Kind kind) {
    switch (kind) {
        case Kind::Varint:
            r.varint();
            return;
        case Kind::Fixed64:
            r.fixed64();
            return;
        case Kind::Sized:
            r.sized();
            return;
    }
    r.fail();
}

template <class T>
const T& as(const void* value) {
    return *static_cast<const T*>(value);
}
template <class T>
T& as(void* value) {
    return *static_cast<T*>(value);
}

template <class T>
constexpr Type kZigzag{
    Kind::Varint,
    [](const Type&, Writer& w, const void* value) { w.varint(zigzag(as<T>(value))); },
    [](const Type&, Reader& r, void* value) {
        as<T>(value) = static_cast<T>(unzigzag(r.varint()));
    },
    [](const Type&, const void* value) { return as<T>(value) == 0; },
};

/// A number as it stands, a negative one sign extended.
template <class T>
constexpr Type kPlain{
    Kind::Varint,
    [](const Type&, Writer& w, const void* value) {
        w.varint(static_cast<std::uint64_t>(as<T>(value)));
    },
    [](const Type&, Reader& r, void* value) { as<T>(value) = static_cast<T>(r.varint()); },
    [](const Type&, const void* value) { return as<T>(value) == 0; },
};

const Type& by_size(
    std::size_t size, const Type& one, const Type& two, const Type& four, const Type& eight
) {
    switch (size) {
        case 1:
            return one;
        case 2:
            return two;
        case 4:
            return four;
        case 8:
            return eight;
        default:
            break;
    }
    NL_UNREACHABLE();
}

void write_one(Writer& w, const Type& type, const void* value) {
    type.write(type, w, value);
}

// The alternatives of Value::Variant in order; the number is part of the format.
enum class Shape : std::uint64_t {
    Null = 0,
    Bool = 1,
    Int = 2,
    Double = 3,
    String = 4,
    List = 5,
    Map = 6
};

struct ValueWriter {
    Writer& w;

    void operator()(std::monostate) const { w.varint(static_cast<std::uint64_t>(Shape::Null)); }
    void operator()(bool v) const { put(Shape::Bool, v); }
    void operator()(std::int64_t v) const { put(Shape::Int, v); }
    void operator()(double v) const { put(Shape::Double, v); }
    void operator()(const std::string& v) const { put(Shape::String, v); }
    void operator()(const Value::List& v) const {
        w.varint(static_cast<std::uint64_t>(Shape::List));
        w.varint(v.size());
        for (const Value& item : v) {
            write_one(w, detail::kValue, &item);
        }
    }
    void operator()(const Value::Map& v) const {
        w.varint(static_cast<std::uint64_t>(Shape::Map));
        w.varint(v.size());
        for (const auto& [key, item] : v) {
            w.sized(key);
            write_one(w, detail::kValue, &item);
        }
    }
    template <class T>
    void put(Shape shape, const T& v) const {
        w.varint(static_cast<std::uint64_t>(shape));
        write_one(w, type_of<T>(), &v);
    }
};

template <class T>
Value read_as(Reader& r) {
    T v{};
    const Type& type = type_of<T>();
    type.read(type, r, &v);
    return Value(std::move(v));
}

}  // namespace

void write_value(Writer& w, const Value& v) {
    std::visit(ValueWriter{w}, v.data());
}

void read_value(Reader& r, Value& v) {
    switch (static_cast<Shape>(r.varint())) {
        case Shape::Null:
            v = Value();
            return;
        case Shape::Bool:
            v = read_as<bool>(r);
            return;
        case Shape::Int:
            v = read_as<std::int64_t>(r);
            return;
        case Shape::Double:
            v = read_as<double>(r);
            return;
        case Shape::String:
            v = read_as<std::string>(r);
            return;
        case Shape::List: {
            const std::uint64_t count = r.varint();
            Value::List list;
            for (std::uint64_t i = 0; i < count && !r.failed(); ++i) {
                detail::kValue.read(detail::kValue, r, &list.emplace_back());
            }
            v = std::move(list);
            return;
        }
        case Shape::Map: {
            const std::uint64_t count = r.varint();
            Value::Map map;
            for (std::uint64_t i = 0; i < count && !r.failed(); ++i) {
                std::string key(r.sized());
                detail::kValue.read(detail::kValue, r, &map[std::move(key)]);
            }
            v = std::move(map);
            return;
        }
    }
    r.fail();
}

StructType::StructType(const std::vector<Seed>& seeds)
    : Type{
          Kind::Sized,
          [](const Type& self, Writer& w, const void* value) {
              write_sized(w, [&] { write_fields(static_cast<const StructType&>(self), w, value); });
          },
          [](const Type& self, Reader& r, void* value) {
              read_sized(r, [&](Reader& inner) {
                  read_fields(static_cast<const StructType&>(self), inner, value);
              });
          },
          // A struct inside a struct is always written.
          [](const Type&, const void*) { return false; },
      } {
    for (const Seed& seed : seeds) {
        const auto number = static_cast<std::size_t>(seed.number);
        NL_ASSERT(seed.number > 0 && fields.size() < std::numeric_limits<std::uint16_t>::max());
        by_number.resize(std::max(by_number.size(), number + 1));
        NL_ASSERT(by_number[number] == 0);
        fields.push_back({
            number << 2 | static_cast<std::uint64_t>(seed.type->kind),
            seed.offset,
            seed.type,
        });
        by_number[number] = static_cast<std::uint16_t>(fields.size());
    }
}

void write_fields(const StructType& type, Writer& w, const void* object) {
    for (const StructType::Field& field : type.fields) {
        const void* member = static_cast<const char*>(object) + field.offset;
        // A field whose C++ default is not T{} would have to be written always: structs here use
        // zero defaults by rule.
        if (!field.type->is_default(*field.type, member)) {
            w.varint(field.tag);
            field.type->write(*field.type, w, member);
        }
    }
}

void read_fields(const StructType& type, Reader& r, void* object) {
    while (!r.done() && !r.failed()) {
        const std::uint64_t tag = r.varint();
        const std::uint64_t number = tag >> 2;
        const std::size_t place = number < type.by_number.size() ? type.by_number[number] : 0;
        if (place == 0) {
            skip(r, static_cast<Kind>(tag & 3));
            continue;
        }
        const StructType::Field& field = type.fields[place - 1];
        if (field.tag != tag) {
            r.fail();
            return;
        }
        field.type->read(*field.type, r, static_cast<char*>(object) + field.offset);
    }
}

namespace detail {

constinit const Type kBool{
    Kind::Varint,
    [](const Type&, Writer& w, const void* value) { w.varint(as<bool>(value) ? 1 : 0); },
    [](const Type&, Reader& r, void* value) { as<bool>(value) = r.varint() != 0; },
    [](const Type&, const void* value) { return !as<bool>(value); },
};

constinit const Type kDouble{
    Kind::Fixed64,
    [](const Type&, Writer& w, const void* value) {
        w.fixed64(std::bit_cast<std::uint64_t>(as<double>(value)));
    },
    [](const Type&, Reader& r, void* value) {
        as<double>(value) = std::bit_cast<double>(r.fixed64());
    },
    [](const Type&, const void* value) { return as<double>(value) == 0.0; },
};

constinit const Type kText{
    Kind::Sized,
    [](const Type&, Writer& w, const void* value) { w.sized(as<std::string>(value)); },
    [](const Type&, Reader& r, void* value) { as<std::string>(value) = r.sized(); },
    [](const Type&, const void* value) { return as<std::string>(value).empty(); },
};

constinit const Type kUuid{
    Kind::Sized,
    [](const Type&, Writer& w, const void* value) {
        const Uuid& id = as<Uuid>(value);
        w.sized(BytesView(reinterpret_cast<const char*>(id.bytes.data()), id.is_nil() ? 0 : 16));
    },
    [](const Type&, Reader& r, void* value) {
        Uuid& id = as<Uuid>(value);
        const BytesView raw = r.sized();
        id = Uuid{};
        if (raw.size() == 16) {
            std::memcpy(id.bytes.data(), raw.data(), 16);
        } else if (!raw.empty()) {
            r.fail();
        }
    },
    [](const Type&, const void* value) { return as<Uuid>(value).is_nil(); },
};

constinit const Type kValue{
    Kind::Sized,
    [](const Type&, Writer& w, const void* value) {
        write_sized(w, [&] { write_value(w, as<Value>(value)); });
    },
    [](const Type&, Reader& r, void* value) {
        read_sized(r, [&](Reader& inner) { read_value(inner, as<Value>(value)); });
    },
    [](const Type&, const void* value) { return as<Value>(value).is_null(); },
};

const Type& zigzag_type(std::size_t size) {
    return by_size(
        size,
        kZigzag<std::int8_t>,
        kZigzag<std::int16_t>,
        kZigzag<std::int32_t>,
        kZigzag<std::int64_t>
    );
}

const Type& unsigned_type(std::size_t size) {
    return by_size(
        size,
        kPlain<std::uint8_t>,
        kPlain<std::uint16_t>,
        kPlain<std::uint32_t>,
        kPlain<std::uint64_t>
    );
}

const Type& enum_type(std::size_t size, bool is_signed) {
    return is_signed ? by_size(
                           size,
                           kPlain<std::int8_t>,
                           kPlain<std::int16_t>,
                           kPlain<std::int32_t>,
                           kPlain<std::int64_t>
                       )
                     : unsigned_type(size);
}

void write_list(const Type& self, Writer& w, const void* value) {
    const auto& type = static_cast<const ListType&>(self);
    const Type& item = type.item();
    write_sized(w, [&] {
        std::size_t count = 0;
        const char* at = static_cast<const char*>(type.items(value, count));
        w.varint(count);
        for (std::size_t i = 0; i < count; ++i, at += type.stride) {
            item.write(item, w, at);
        }
    });
}

void read_list(const Type& self, Reader& r, void* value) {
    const auto& type = static_cast<const ListType&>(self);
    const Type& item = type.item();
    read_sized(r, [&](Reader& inner) {
        const std::uint64_t count = inner.varint();
        // Each item takes at least one byte, so the count is bounded by what is left.
        if (count > inner.left()) {
            inner.fail();
            return;
        }
        type.start(value, static_cast<std::size_t>(count));
        for (std::uint64_t i = 0; i < count && !inner.failed(); ++i) {
            item.read(item, inner, type.add(value));
        }
    });
}

bool list_is_default(const Type& self, const void* value) {
    std::size_t count = 0;
    static_cast<const ListType&>(self).items(value, count);
    return count == 0;
}

void write_map(const Type& self, Writer& w, const void* value) {
    const auto& type = static_cast<const MapType&>(self);
    struct Context {
        const Type& item;
        Writer& w;
    } context{type.item(), w};
    write_sized(w, [&] {
        w.varint(type.size(value));
        type.each(value, &context, [](void* raw, std::string_view key, const void* item) {
            const auto& [item_type, writer] = *static_cast<const Context*>(raw);
            writer.sized(key);
            item_type.write(item_type, writer, item);
        });
    });
}

void read_map(const Type& self, Reader& r, void* value) {
    const auto& type = static_cast<const MapType&>(self);
    const Type& item = type.item();
    read_sized(r, [&](Reader& inner) {
        type.clear(value);
        const std::uint64_t count = inner.varint();
        for (std::uint64_t i = 0; i < count && !inner.failed(); ++i) {
            std::string key(inner.sized());
            item.read(item, inner, type.put(value, std::move(key)));
        }
    });
}

bool map_is_default(const Type& self, const void* value) {
    return static_cast<const MapType&>(self).size(value) == 0;
}

void write_nullable(const Type& self, Writer& w, const void* value) {
    const auto& type = static_cast<const NullableType&>(self);
    const Type& held = type.held();
    write_sized(w, [&] {
        if (const void* object = type.get(value); object != nullptr) {
            w.varint(1);
            held.write(held, w, object);
        }
    });
}

void read_nullable(const Type& self, Reader& r, void* value) {
    const auto& type = static_cast<const NullableType&>(self);
    const Type& held = type.held();
    read_sized(r, [&](Reader& inner) {
        type.reset(value);
        if (!inner.done() && inner.varint() == 1) {
            held.read(held, inner, type.make(value));
        }
    });
}

bool nullable_is_default(const Type& self, const void* value) {
    return static_cast<const NullableType&>(self).get(value) == nullptr;
}

Result<void> decode_into(
    const StructType& type, void* object, BytesView bytes, std::string_view name
) {
    Reader r(bytes);
    read_fields(type, r, object);
    if (r.failed()) {
        return fail(
            ErrorCode::Corruption,
            "{} of {} bytes is damaged or not of this format",
            name,
            bytes.size()
        );
    }
    return {};
}

}  // namespace detail
}  // namespace nl::codec
