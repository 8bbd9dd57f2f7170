#include "base/codec.h"

namespace nl::codec {
namespace {

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
            write_item(w, item);
        }
    }
    void operator()(const Value::Map& v) const {
        w.varint(static_cast<std::uint64_t>(Shape::Map));
        w.varint(v.size());
        for (const auto& [key, item] : v) {
            w.sized(key);
            write_item(w, item);
        }
    }
    template <class T>
    void put(Shape shape, const T& v) const {
        w.varint(static_cast<std::uint64_t>(shape));
        write_item(w, v);
    }
};

template <class T>
Value read_as(Reader& r) {
    T v{};
    read_item(r, v);
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
                read_item(r, list.emplace_back());
            }
            v = std::move(list);
            return;
        }
        case Shape::Map: {
            const std::uint64_t count = r.varint();
            Value::Map map;
            for (std::uint64_t i = 0; i < count && !r.failed(); ++i) {
                std::string key(r.sized());
                read_item(r, map[std::move(key)]);
            }
            v = std::move(map);
            return;
        }
    }
    r.fail();
}

}  // namespace nl::codec
