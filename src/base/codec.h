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
void write_struct(Writer& w, const T& object);
template <class T>
void read_struct(Reader& r, T& object);

void write_value(Writer& w, const Value& v);
void read_value(Reader& r, Value& v);

template <class T>
struct IsStrong : std::false_type {};
template <class Tag, class Rep>
struct IsStrong<StrongInt<Tag, Rep>> : std::true_type {};

/// Writes a value without its field number.
template <class T>
void write_item(Writer& w, const T& v) {
    if constexpr (std::is_same_v<T, bool>) {
        w.varint(v ? 1 : 0);
    } else if constexpr (std::is_enum_v<T>) {
        w.varint(static_cast<std::uint64_t>(v));
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        w.varint(zigzag(v));
    } else if constexpr (std::is_integral_v<T>) {
        w.varint(v);
    } else if constexpr (IsStrong<T>::value) {
        w.varint(v.value);
    } else if constexpr (std::is_same_v<T, double>) {
        w.fixed64(std::bit_cast<std::uint64_t>(v));
    } else if constexpr (std::is_same_v<T, Duration>) {
        w.varint(zigzag(v.ns));
    } else if constexpr (std::is_same_v<T, WallTime>) {
        w.varint(zigzag(v.unix_ns));
    } else if constexpr (std::is_same_v<T, std::string>) {
        w.sized(v);
    } else if constexpr (std::is_same_v<T, Blob>) {
        w.sized(v.bytes);
    } else if constexpr (std::is_same_v<T, Uuid>) {
        w.sized(BytesView(reinterpret_cast<const char*>(v.bytes.data()), v.is_nil() ? 0 : 16));
    } else if constexpr (std::is_same_v<T, Value>) {
        Bytes inner;
        Writer iw(inner);
        write_value(iw, v);
        w.sized(inner);
    } else if constexpr (kIsBox<T> || kIsOptional<T>) {
        Bytes inner;
        Writer iw(inner);
        if (v) {
            iw.varint(1);
            write_item(iw, *v);
        }
        w.sized(inner);
    } else if constexpr (kIsVector<T>) {
        Bytes inner;
        Writer iw(inner);
        iw.varint(v.size());
        for (const auto& item : v) {
            write_item<typename T::value_type>(iw, item);
        }
        w.sized(inner);
    } else if constexpr (kIsStringMap<T>) {
        Bytes inner;
        Writer iw(inner);
        iw.varint(v.size());
        for (const auto& [key, item] : v) {
            iw.sized(key);
            write_item(iw, item);
        }
        w.sized(inner);
    } else if constexpr (requires { typename T::element_type; }) {
        // std::shared_ptr<const X>: written like the object it points to; null like a missing one.
        Bytes inner;
        Writer iw(inner);
        if (v) {
            iw.varint(1);
            write_item(iw, *v);
        }
        w.sized(inner);
    } else {
        static_assert(HasFields<T>, "this type has no binary form");
        Bytes inner;
        Writer iw(inner);
        write_struct(iw, v);
        w.sized(inner);
    }
}

template <class T>
void read_item(Reader& r, T& v) {
    if constexpr (std::is_same_v<T, bool>) {
        v = r.varint() != 0;
    } else if constexpr (std::is_enum_v<T>) {
        v = static_cast<T>(r.varint());
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        v = static_cast<T>(unzigzag(r.varint()));
    } else if constexpr (std::is_integral_v<T>) {
        v = static_cast<T>(r.varint());
    } else if constexpr (IsStrong<T>::value) {
        v.value = static_cast<decltype(v.value)>(r.varint());
    } else if constexpr (std::is_same_v<T, double>) {
        v = std::bit_cast<double>(r.fixed64());
    } else if constexpr (std::is_same_v<T, Duration>) {
        v.ns = unzigzag(r.varint());
    } else if constexpr (std::is_same_v<T, WallTime>) {
        v.unix_ns = unzigzag(r.varint());
    } else if constexpr (std::is_same_v<T, std::string>) {
        v = std::string(r.sized());
    } else if constexpr (std::is_same_v<T, Blob>) {
        v.bytes = std::string(r.sized());
    } else if constexpr (std::is_same_v<T, Uuid>) {
        const BytesView raw = r.sized();
        v = Uuid{};
        if (raw.size() == 16) {
            std::memcpy(v.bytes.data(), raw.data(), 16);
        } else if (!raw.empty()) {
            r.fail();
        }
    } else {
        Reader inner(r.sized(), r.depth() + 1);
        if (r.failed() || inner.depth() > kMaxDepth) {
            r.fail();
            return;
        }
        if constexpr (std::is_same_v<T, Value>) {
            read_value(inner, v);
        } else if constexpr (kIsBox<T> || kIsOptional<T>) {
            v = T{};
            if (!inner.done() && inner.varint() == 1) {
                using Held = std::remove_cvref_t<decltype(*v)>;
                Held held{};
                read_item(inner, held);
                v = std::move(held);
            }
        } else if constexpr (kIsVector<T>) {
            v.clear();
            const std::uint64_t count = inner.varint();
            // Each item takes at least one byte, so the count is bounded by what is left.
            if (count > inner.left()) {
                r.fail();
                return;
            }
            v.reserve(static_cast<std::size_t>(count));
            for (std::uint64_t i = 0; i < count && !inner.failed(); ++i) {
                typename T::value_type item{};
                read_item(inner, item);
                v.push_back(std::move(item));
            }
        } else if constexpr (kIsStringMap<T>) {
            v.clear();
            const std::uint64_t count = inner.varint();
            for (std::uint64_t i = 0; i < count && !inner.failed(); ++i) {
                std::string key(inner.sized());
                typename T::mapped_type item{};
                read_item(inner, item);
                v.insert_or_assign(std::move(key), std::move(item));
            }
        } else if constexpr (requires { typename T::element_type; }) {
            v = nullptr;
            if (!inner.done() && inner.varint() == 1) {
                auto held = std::make_shared<std::remove_const_t<typename T::element_type>>();
                read_item(inner, *held);
                v = std::move(held);
            }
        } else {
            static_assert(HasFields<T>, "this type has no binary form");
            read_struct(inner, v);
        }
        if (inner.failed()) {
            r.fail();
        }
    }
}

template <class T>
constexpr Kind kind_of() {
    if constexpr (std::is_same_v<T, double>) {
        return Kind::Fixed64;
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T> || IsStrong<T>::value ||
                         std::is_same_v<T, Duration> || std::is_same_v<T, WallTime>) {
        return Kind::Varint;
    } else {
        return Kind::Sized;
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

template <class T>
void write_struct(Writer& w, const T& object) {
    visit_fields(object, [&](FieldInfo info, const auto& member) {
        using M = std::remove_cvref_t<decltype(member)>;
        // A field whose C++ default is not T{} must be written always; those are few, so compare
        // with a fresh object's member only through is_default: structs here use zero defaults by
        // rule.
        if (!is_default(member)) {
            w.varint(
                static_cast<std::uint64_t>(info.number) << 2 |
                static_cast<std::uint64_t>(kind_of<M>())
            );
            write_item(w, member);
        }
    });
}

inline void skip(Reader& r, Kind kind) {
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
void read_struct(Reader& r, T& object) {
    while (!r.done() && !r.failed()) {
        const std::uint64_t tag = r.varint();
        const auto number = static_cast<int>(tag >> 2);
        const auto kind = static_cast<Kind>(tag & 3);
        bool known = false;
        visit_fields(object, [&](FieldInfo info, auto& member) {
            using M = std::remove_cvref_t<decltype(member)>;
            if (!known && info.number == number) {
                known = true;
                if (kind != kind_of<M>()) {
                    r.fail();
                    return;
                }
                read_item(r, member);
            }
        });
        if (!known) {
            skip(r, kind);
        }
    }
}

}  // namespace nl::codec

namespace nl {

/// The binary form of `object`.
template <HasFields T>
Bytes encode(const T& object) {
    Bytes out;
    codec::Writer w(out);
    codec::write_struct(w, object);
    return out;
}

/// Reads what `encode` wrote, by this or another version. Errors: Corruption.
template <HasFields T>
Result<T> decode(BytesView bytes) {
    T object{};
    codec::Reader r(bytes);
    codec::read_struct(r, object);
    if (r.failed()) {
        return fail(
            ErrorCode::Corruption,
            "{} of {} bytes is damaged or not of this format",
            T::kNlTypeName,
            bytes.size()
        );
    }
    return object;
}

}  // namespace nl
