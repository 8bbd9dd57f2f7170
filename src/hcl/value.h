#pragma once
// HCL's types and values: the primitives, collections of one type, structural types, null and
// unknown. Values are immutable and cheap to copy; what went wrong is unknown rather than absent,
// so that one mistake does not hide the next. Conversion and unification follow the HCL2
// specification's "Types and Values"; the wording of refusals is HCL's.

#include "base/error.h"
#include "base/value.h"
#include "hcl/number.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nl::hcl {

enum class Kind : unsigned char { Dynamic, String, Number, Bool, List, Set, Map, Tuple, Object };

class Type {
public:
    Type() = default;                           // Dynamic: any type.
    Type(Kind primitive) : kind_(primitive) {}  // NOLINT(google-explicit-constructor)
    static Type list(Type element);
    static Type set(Type element);
    static Type map(Type element);
    static Type tuple(std::vector<Type> elements);
    static Type object(std::map<std::string, Type, std::less<>> attributes);

    Kind kind() const { return kind_; }
    bool is_primitive() const {
        return kind_ == Kind::String || kind_ == Kind::Number || kind_ == Kind::Bool;
    }
    /// Of a list, set or map.
    const Type& element() const;
    /// Of a tuple.
    const std::vector<Type>& elements() const;
    /// Of an object.
    const std::map<std::string, Type, std::less<>>& attributes() const;
    /// Whether Dynamic stands anywhere in it.
    bool has_dynamic() const;
    /// "string", "list of number", "object": as messages name it.
    std::string friendly() const;

    friend bool operator==(const Type& a, const Type& b);

private:
    struct Detail;
    Kind kind_{Kind::Dynamic};
    std::shared_ptr<const Detail> detail_;
};

class Value {
public:
    using Items = std::vector<Value>;
    using Attributes = std::map<std::string, Value, std::less<>>;

    /// Null of any type.
    Value() = default;
    static Value null(Type type = {}) { return Value(State::Null, std::move(type)); }
    static Value unknown(Type type = {}) { return Value(State::Unknown, std::move(type)); }
    /// Text is brought to normal form C.
    static Value string(std::string_view text);
    static Value boolean(bool v);
    static Value number(Number v);
    static Value list(Type element, Items items);
    /// Sorted, and equal items once.
    static Value set(Type element, Items items);
    static Value map(Type element, Attributes items);
    static Value tuple(Items items);
    static Value object(Attributes attributes);

    Kind kind() const { return kind_; }
    Type type() const;
    bool is_null() const { return state_ == State::Null; }
    bool is_unknown() const { return state_ == State::Unknown; }
    bool is_known() const { return state_ != State::Unknown; }
    /// Known down to the last element.
    bool is_wholly_known() const;
    bool is_usable() const { return state_ == State::Known; }

    /// These ask for a usable value of that kind.
    const std::string& as_string() const { return std::get<std::string>(data_); }
    bool as_bool() const { return std::get<bool>(data_); }
    const Number& as_number() const { return std::get<Number>(data_); }
    const Items& items() const { return *std::get<std::shared_ptr<const Items>>(data_); }
    const Attributes& attributes() const {
        return *std::get<std::shared_ptr<const Attributes>>(data_);
    }
    /// Of a list, set or map; Dynamic otherwise.
    const Type& element_type() const { return type_; }

    bool is_sequence() const {
        return kind_ == Kind::List || kind_ == Kind::Set || kind_ == Kind::Tuple;
    }
    bool is_mapping() const { return kind_ == Kind::Map || kind_ == Kind::Object; }
    /// Number of elements of a usable sequence or mapping.
    std::size_t length() const;

    /// Same type and same value; nulls are equal whatever their type.
    friend bool operator==(const Value& a, const Value& b);

private:
    enum class State : unsigned char { Known, Null, Unknown };
    Value(State state, Type type) : kind_(type.kind()), state_(state), type_(std::move(type)) {}

    Kind kind_{Kind::Dynamic};
    State state_{State::Null};
    Type type_;  // Null, unknown: the whole type. List, set, map: the element's.
    std::variant<
        std::monostate,
        bool,
        Number,
        std::string,
        std::shared_ptr<const Items>,
        std::shared_ptr<const Attributes>>
        data_;
};

/// A total order: numbers by value, text by bytes, others by their text form.
int order(const Value& a, const Value& b);

/// The value as that type, or why not ("a number is required").
Result<Value> convert(const Value& value, const Type& type);
/// Whether every value of the one type has a counterpart in the other.
bool converts_safely(const Type& from, const Type& to);
/// One type that all convert to without loss; nullopt if there is none.
std::optional<Type> unify(const std::vector<Type>& types);

/// As JSON numbers, strings, lists and maps; whole numbers that fit become integers. Unknown parts
/// become null.
nl::Value to_plain(const Value& value);
Value from_plain(const nl::Value& value);

}  // namespace nl::hcl
