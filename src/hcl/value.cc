#include "hcl/value.h"

#include "base/check.h"
#include "hcl/text.h"

#include <algorithm>

namespace nl::hcl {

struct Type::Detail {
    Type element;
    std::vector<Type> elements;
    std::map<std::string, Type, std::less<>> attributes;
};

Type Type::list(Type element) {
    Type t(Kind::List);
    t.detail_ = std::make_shared<const Detail>(Detail{.element = std::move(element)});
    return t;
}

Type Type::set(Type element) {
    Type t = list(std::move(element));
    t.kind_ = Kind::Set;
    return t;
}

Type Type::map(Type element) {
    Type t = list(std::move(element));
    t.kind_ = Kind::Map;
    return t;
}

Type Type::tuple(std::vector<Type> elements) {
    Type t(Kind::Tuple);
    t.detail_ = std::make_shared<const Detail>(Detail{.elements = std::move(elements)});
    return t;
}

Type Type::object(std::map<std::string, Type, std::less<>> attributes) {
    Type t(Kind::Object);
    t.detail_ = std::make_shared<const Detail>(Detail{.attributes = std::move(attributes)});
    return t;
}

const Type& Type::element() const {
    NL_ASSERT(detail_ != nullptr);
    return detail_->element;
}

const std::vector<Type>& Type::elements() const {
    NL_ASSERT(kind_ == Kind::Tuple);
    return detail_->elements;
}

const std::map<std::string, Type, std::less<>>& Type::attributes() const {
    NL_ASSERT(kind_ == Kind::Object);
    return detail_->attributes;
}

bool Type::has_dynamic() const {
    switch (kind_) {
        case Kind::Dynamic:
            return true;
        case Kind::String:
        case Kind::Number:
        case Kind::Bool:
            return false;
        case Kind::List:
        case Kind::Set:
        case Kind::Map:
            return detail_->element.has_dynamic();
        case Kind::Tuple:
            return std::ranges::any_of(detail_->elements, &Type::has_dynamic);
        case Kind::Object:
            return std::ranges::any_of(detail_->attributes, [](const auto& a) {
                return a.second.has_dynamic();
            });
    }
    NL_UNREACHABLE();
}

std::string Type::friendly() const {
    switch (kind_) {
        case Kind::Dynamic:
            return "dynamic";
        case Kind::String:
            return "string";
        case Kind::Number:
            return "number";
        case Kind::Bool:
            return "bool";
        case Kind::List:
            return "list of " + detail_->element.friendly();
        case Kind::Set:
            return "set of " + detail_->element.friendly();
        case Kind::Map:
            return "map of " + detail_->element.friendly();
        case Kind::Tuple:
            return "tuple";
        case Kind::Object:
            return "object";
    }
    NL_UNREACHABLE();
}

bool operator==(const Type& a, const Type& b) {
    if (a.kind_ != b.kind_) {
        return false;
    }
    if (a.detail_ == b.detail_) {
        return true;
    }
    if (a.detail_ == nullptr || b.detail_ == nullptr) {
        return false;
    }
    return a.detail_->element == b.detail_->element && a.detail_->elements == b.detail_->elements &&
           a.detail_->attributes == b.detail_->attributes;
}

Value Value::string(std::string_view text) {
    Value v(State::Known, Kind::String);
    v.data_ = normalized(text);
    return v;
}

Value Value::boolean(bool b) {
    Value v(State::Known, Kind::Bool);
    v.data_ = b;
    return v;
}

Value Value::number(Number n) {
    Value v(State::Known, Kind::Number);
    v.data_ = std::move(n);
    return v;
}

Value Value::list(Type element, Items items) {
    Value v(State::Known, std::move(element));
    v.kind_ = Kind::List;
    v.data_ = std::make_shared<const Items>(std::move(items));
    return v;
}

Value Value::set(Type element, Items items) {
    std::sort(items.begin(), items.end(), [](const Value& a, const Value& b) {
        return order(a, b) < 0;
    });
    items.erase(std::unique(items.begin(), items.end()), items.end());
    Value v = list(std::move(element), std::move(items));
    v.kind_ = Kind::Set;
    return v;
}

Value Value::map(Type element, Attributes items) {
    Value v(State::Known, std::move(element));
    v.kind_ = Kind::Map;
    v.data_ = std::make_shared<const Attributes>(std::move(items));
    return v;
}

Value Value::tuple(Items items) {
    Value v(State::Known, {});
    v.kind_ = Kind::Tuple;
    v.data_ = std::make_shared<const Items>(std::move(items));
    return v;
}

Value Value::object(Attributes attributes) {
    Value v(State::Known, {});
    v.kind_ = Kind::Object;
    v.data_ = std::make_shared<const Attributes>(std::move(attributes));
    return v;
}

Type Value::type() const {
    if (state_ != State::Known) {
        return type_;
    }
    switch (kind_) {
        case Kind::List:
            return Type::list(type_);
        case Kind::Set:
            return Type::set(type_);
        case Kind::Map:
            return Type::map(type_);
        case Kind::Tuple: {
            std::vector<Type> elements;
            for (const Value& v : items()) {
                elements.push_back(v.type());
            }
            return Type::tuple(std::move(elements));
        }
        case Kind::Object: {
            std::map<std::string, Type, std::less<>> all;
            for (const auto& [name, v] : attributes()) {
                all.emplace(name, v.type());
            }
            return Type::object(std::move(all));
        }
        case Kind::Dynamic:
        case Kind::String:
        case Kind::Number:
        case Kind::Bool:
            return kind_;
    }
    NL_UNREACHABLE();
}

bool Value::is_wholly_known() const {
    if (state_ != State::Known) {
        return state_ == State::Null;
    }
    if (is_sequence()) {
        return std::ranges::all_of(items(), &Value::is_wholly_known);
    }
    if (is_mapping()) {
        return std::ranges::all_of(attributes(), [](const auto& a) {
            return a.second.is_wholly_known();
        });
    }
    return true;
}

std::size_t Value::length() const {
    return is_sequence() ? items().size() : attributes().size();
}

bool operator==(const Value& a, const Value& b) {
    if (a.is_null() || b.is_null()) {
        return a.is_null() && b.is_null();
    }
    if (a.is_unknown() || b.is_unknown()) {
        return a.is_unknown() && b.is_unknown();
    }
    if (a.kind_ != b.kind_) {
        return false;
    }
    switch (a.kind_) {
        case Kind::Bool:
            return a.as_bool() == b.as_bool();
        case Kind::Number:
            return a.as_number() == b.as_number();
        case Kind::String:
            return a.as_string() == b.as_string();
        case Kind::List:
        case Kind::Set:
            return (a.type_ == b.type_ || (a.items().empty() && b.items().empty())) &&
                   a.items() == b.items();
        case Kind::Tuple:
            return a.items() == b.items();
        case Kind::Map:
        case Kind::Object:
            return a.attributes() == b.attributes();
        case Kind::Dynamic:
            return true;
    }
    NL_UNREACHABLE();
}

int order(const Value& a, const Value& b) {
    if (a.is_usable() && b.is_usable() && a.kind() == b.kind()) {
        if (a.kind() == Kind::Number) {
            return compare(a.as_number(), b.as_number());
        }
        if (a.kind() == Kind::String) {
            return a.as_string().compare(b.as_string());
        }
        if (a.kind() == Kind::Bool) {
            return static_cast<int>(a.as_bool()) - static_cast<int>(b.as_bool());
        }
        const std::size_t length = std::min(a.length(), b.length());
        if (a.is_sequence()) {
            for (std::size_t i = 0; i < length; ++i) {
                if (const int o = order(a.items()[i], b.items()[i]); o != 0) {
                    return o;
                }
            }
        } else {
            auto other = b.attributes().begin();
            for (const auto& [key, v] : a.attributes()) {
                if (other == b.attributes().end()) {
                    return 1;
                }
                if (const int o = key.compare(other->first); o != 0) {
                    return o;
                }
                if (const int o = order(v, other->second); o != 0) {
                    return o;
                }
                ++other;
            }
        }
        return a.length() < b.length() ? -1 : (a.length() > b.length() ? 1 : 0);
    }
    const auto rank = [](const Value& v) {
        return v.is_unknown() ? 100 : (v.is_null() ? 99 : static_cast<int>(v.kind()));
    };
    return rank(a) - rank(b);
}

namespace {

std::unexpected<Error> refuse(std::string message) {
    return std::unexpected(Error{ErrorCode::InvalidArgument, std::move(message)});
}

/// What a value is told that no rule brings to that type. What it is instead tells nothing where it
/// is a structure as well.
std::string required(const Type& type, const Value& value) {
    const Type have = value.type();
    const bool both_structures = !type.is_primitive() && !have.is_primitive() &&
                                 (type.kind() != Kind::Object || have.kind() == Kind::Object);
    return both_structures
               ? fmt::format("{} required", type.friendly())
               : fmt::format("{} required, but have {}", type.friendly(), have.friendly());
}

/// A part's mistake with its place in the whole. A text that reads as no number or bool is found
/// after all types have been seen to fit, and is told without.
std::unexpected<Error> refuse_part(const std::string& where, const Error& part) {
    return refuse(
        part.message.starts_with("a ") ? part.message : fmt::format("{}: {}", where, part.message)
    );
}

Result<Value> to_primitive(const Value& value, const Type& type) {
    if (value.kind() == type.kind()) {
        return value;
    }
    if (type.kind() == Kind::String) {
        if (value.kind() == Kind::Number) {
            return Value::string(value.as_number().str());
        }
        if (value.kind() == Kind::Bool) {
            return Value::string(value.as_bool() ? "true" : "false");
        }
    } else if (value.kind() == Kind::String) {
        const std::string& text = value.as_string();
        if (type.kind() == Kind::Number) {
            if (auto n = Number::parse(text)) {
                return Value::number(std::move(*n));
            }
        } else {
            if (text == "true" || text == "1") {
                return Value::boolean(true);
            }
            if (text == "false" || text == "0") {
                return Value::boolean(false);
            }
            std::string lower = text;
            std::ranges::transform(lower, lower.begin(), [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            });
            if (lower == "true" || lower == "false") {
                return refuse(fmt::format(
                    "a bool is required; to convert from string, use lowercase \"{}\"", lower
                ));
            }
        }
    }
    if (value.kind() == Kind::String) {
        return refuse(fmt::format("a {} is required", type.friendly()));
    }
    return refuse(required(type, value));
}

Result<Value> to_sequence(const Value& value, const Type& type) {
    if (!value.is_sequence()) {
        return refuse(required(type, value));
    }
    Type element = type.element();
    if (element.kind() == Kind::Dynamic && !value.items().empty()) {
        std::vector<Type> types;
        for (const Value& v : value.items()) {
            types.push_back(v.type());
        }
        auto common = unify(types);
        if (!common) {
            return refuse(fmt::format(
                "all {} elements must have the same type", type.kind() == Kind::Set ? "set" : "list"
            ));
        }
        element = *common;
    }
    Value::Items items;
    items.reserve(value.items().size());
    std::size_t at = 0;
    for (const Value& v : value.items()) {
        auto converted = convert(v, element);
        if (!converted) {
            return refuse_part(
                value.kind() == Kind::Tuple
                    ? fmt::format("element {}", at)
                    : fmt::format(
                          "incorrect {} element type", type.kind() == Kind::Set ? "set" : "list"
                      ),
                converted.error()
            );
        }
        items.push_back(std::move(*converted));
        ++at;
    }
    return type.kind() == Kind::List ? Value::list(element, std::move(items))
                                     : Value::set(element, std::move(items));
}

Result<Value> to_map(const Value& value, const Type& type) {
    if (!value.is_mapping()) {
        return refuse(required(type, value));
    }
    Type element = type.element();
    if (element.kind() == Kind::Dynamic && !value.attributes().empty()) {
        std::vector<Type> types;
        for (const auto& [key, v] : value.attributes()) {
            types.push_back(v.type());
        }
        auto common = unify(types);
        if (!common) {
            return refuse("all map elements must have the same type");
        }
        element = *common;
    }
    Value::Attributes items;
    for (const auto& [key, v] : value.attributes()) {
        auto converted = convert(v, element);
        if (!converted) {
            return refuse_part(
                value.kind() == Kind::Object ? fmt::format("element \"{}\"", key)
                                             : std::string("incorrect map element type"),
                converted.error()
            );
        }
        items.emplace(key, std::move(*converted));
    }
    return Value::map(element, std::move(items));
}

Result<Value> to_object(const Value& value, const Type& type) {
    if (!value.is_mapping()) {
        return refuse(required(type, value));
    }
    Value::Attributes all;
    std::vector<std::string> missing;
    for (const auto& [name, wanted] : type.attributes()) {
        const auto found = value.attributes().find(name);
        if (found == value.attributes().end()) {
            if (value.kind() == Kind::Map) {
                return refuse(
                    fmt::format("map has no element for required attribute \"{}\"", name)
                );
            }
            missing.push_back(fmt::format("\"{}\"", name));
            continue;
        }
        auto converted = convert(found->second, wanted);
        if (!converted) {
            return refuse_part(fmt::format("attribute \"{}\"", name), converted.error());
        }
        all.emplace(name, std::move(*converted));
    }
    if (missing.size() == 1) {
        return refuse(fmt::format("attribute {} is required", missing[0]));
    }
    if (!missing.empty()) {
        const std::string last = missing.back();
        missing.pop_back();
        return refuse(fmt::format(
            "attributes {}{} and {} are required",
            fmt::join(missing, ", "),
            missing.size() > 1 ? "," : "",
            last
        ));
    }
    return Value::object(std::move(all));
}

Result<Value> to_tuple(const Value& value, const Type& type) {
    if (!value.is_sequence() || value.kind() == Kind::Set) {
        return refuse(required(type, value));
    }
    const auto& wanted = type.elements();
    if (value.items().size() != wanted.size()) {
        return refuse("tuple required");
    }
    Value::Items items;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto converted = convert(value.items()[i], wanted[i]);
        if (!converted) {
            return converted.error().message.starts_with("a ") ? converted
                                                               : refuse("tuple required");
        }
        items.push_back(std::move(*converted));
    }
    return Value::tuple(std::move(items));
}

}  // namespace

Result<Value> convert(const Value& value, const Type& type) {
    if (type.kind() == Kind::Dynamic) {
        return value;
    }
    if (value.is_null()) {
        return Value::null(type);
    }
    if (value.is_unknown()) {
        return Value::unknown(type);
    }
    switch (type.kind()) {
        case Kind::String:
        case Kind::Number:
        case Kind::Bool:
            return to_primitive(value, type);
        case Kind::List:
        case Kind::Set:
            return to_sequence(value, type);
        case Kind::Map:
            return to_map(value, type);
        case Kind::Tuple:
            return to_tuple(value, type);
        case Kind::Object:
            return to_object(value, type);
        case Kind::Dynamic:
            break;
    }
    NL_UNREACHABLE();
}

bool converts_safely(const Type& from, const Type& to) {
    if (to.kind() == Kind::Dynamic || from.kind() == Kind::Dynamic || from == to) {
        return true;
    }
    if (to.kind() == Kind::String) {
        return from.kind() == Kind::Number || from.kind() == Kind::Bool;
    }
    const auto all_elements = [&](const Type& element) {
        if (from.kind() == Kind::Tuple) {
            return std::ranges::all_of(from.elements(), [&](const Type& t) {
                return converts_safely(t, element);
            });
        }
        return converts_safely(from.element(), element);
    };
    const bool from_sequence =
        from.kind() == Kind::List || from.kind() == Kind::Set || from.kind() == Kind::Tuple;
    switch (to.kind()) {
        case Kind::List:
        case Kind::Set:
            return from_sequence && all_elements(to.element());
        case Kind::Map:
            if (from.kind() == Kind::Object) {
                return std::ranges::all_of(from.attributes(), [&](const auto& a) {
                    return converts_safely(a.second, to.element());
                });
            }
            return from.kind() == Kind::Map && converts_safely(from.element(), to.element());
        case Kind::Tuple:
            return from.kind() == Kind::Tuple && from.elements().size() == to.elements().size() &&
                   std::ranges::equal(from.elements(), to.elements(), converts_safely);
        case Kind::Object:
            return from.kind() == Kind::Object &&
                   std::ranges::all_of(to.attributes(), [&](const auto& a) {
                       const auto found = from.attributes().find(a.first);
                       return found != from.attributes().end() &&
                              converts_safely(found->second, a.second);
                   });
        case Kind::String:
        case Kind::Number:
        case Kind::Bool:
        case Kind::Dynamic:
            return false;
    }
    NL_UNREACHABLE();
}

namespace {

std::optional<Type> unify_objects(const std::vector<Type>& types) {
    const auto& first = types.front().attributes();
    const bool same_names = std::ranges::all_of(types, [&](const Type& t) {
        return std::ranges::equal(t.attributes(), first, [](const auto& a, const auto& b) {
            return a.first == b.first;
        });
    });
    if (same_names) {
        std::map<std::string, Type, std::less<>> all;
        for (const auto& [name, unused] : first) {
            std::vector<Type> each;
            for (const Type& t : types) {
                each.push_back(t.attributes().find(name)->second);
            }
            auto common = unify(each);
            if (!common) {
                return std::nullopt;
            }
            all.emplace(name, *common);
        }
        return Type::object(std::move(all));
    }
    std::vector<Type> each;
    for (const Type& t : types) {
        for (const auto& [name, attribute] : t.attributes()) {
            each.push_back(attribute);
        }
    }
    auto common = unify(each);
    return common ? std::optional(Type::map(*common)) : std::nullopt;
}

std::optional<Type> unify_tuples(const std::vector<Type>& types) {
    const std::size_t length = types.front().elements().size();
    const bool same_length =
        std::ranges::all_of(types, [&](const Type& t) { return t.elements().size() == length; });
    std::vector<Type> each;
    if (same_length) {
        for (std::size_t i = 0; i < length; ++i) {
            std::vector<Type> column;
            for (const Type& t : types) {
                column.push_back(t.elements()[i]);
            }
            auto common = unify(column);
            if (!common) {
                return std::nullopt;
            }
            each.push_back(*common);
        }
        return Type::tuple(std::move(each));
    }
    for (const Type& t : types) {
        each.insert(each.end(), t.elements().begin(), t.elements().end());
    }
    auto common = unify(each);
    return common ? std::optional(Type::list(*common)) : std::nullopt;
}

}  // namespace

std::optional<Type> unify(const std::vector<Type>& all) {
    std::vector<Type> types;
    for (const Type& t : all) {
        if (t.kind() != Kind::Dynamic && std::ranges::find(types, t) == types.end()) {
            types.push_back(t);
        }
    }
    if (types.empty()) {
        return Type{};
    }
    if (types.size() == 1) {
        return types.front();
    }
    const auto all_of_kind = [&](Kind kind) {
        return std::ranges::all_of(types, [kind](const Type& t) { return t.kind() == kind; });
    };
    if (all_of_kind(Kind::Object)) {
        return unify_objects(types);
    }
    if (all_of_kind(Kind::Tuple)) {
        return unify_tuples(types);
    }
    if (all_of_kind(Kind::List) || all_of_kind(Kind::Set) || all_of_kind(Kind::Map)) {
        std::vector<Type> each;
        for (const Type& t : types) {
            each.push_back(t.element());
        }
        if (auto common = unify(each)) {
            return all_of_kind(Kind::List)  ? Type::list(*common)
                   : all_of_kind(Kind::Set) ? Type::set(*common)
                                            : Type::map(*common);
        }
        return std::nullopt;
    }
    const auto all_of_kinds = [&](Kind a, Kind b) {
        return std::ranges::all_of(types, [&](const Type& t) {
            return t.kind() == a || t.kind() == b;
        });
    };
    const bool lists = all_of_kinds(Kind::List, Kind::Tuple);
    const bool maps = all_of_kinds(Kind::Map, Kind::Object);
    if (lists || maps || all_of_kinds(Kind::Set, Kind::Tuple)) {
        // Structures beside collections become collections.
        std::vector<Type> each;
        for (const Type& t : types) {
            if (t.kind() == Kind::Tuple) {
                each.insert(each.end(), t.elements().begin(), t.elements().end());
            } else if (t.kind() == Kind::Object) {
                for (const auto& [name, attribute] : t.attributes()) {
                    each.push_back(attribute);
                }
            } else {
                each.push_back(t.element());
            }
        }
        const auto common = unify(each);
        if (!common) {
            return std::nullopt;
        }
        return lists ? Type::list(*common) : (maps ? Type::map(*common) : Type::set(*common));
    }
    for (const Type& candidate : types) {
        if (std::ranges::all_of(types, [&](const Type& t) {
                return converts_safely(t, candidate);
            })) {
            return candidate;
        }
    }
    return std::nullopt;
}

nl::Value to_plain(const Value& value) {
    if (!value.is_usable()) {
        return {};
    }
    switch (value.kind()) {
        case Kind::String:
            return value.as_string();
        case Kind::Bool:
            return value.as_bool();
        case Kind::Number:
            if (const auto whole = value.as_number().as_int()) {
                return *whole;
            }
            return value.as_number().as_double();
        case Kind::List:
        case Kind::Set:
        case Kind::Tuple: {
            nl::Value::List list;
            for (const Value& v : value.items()) {
                list.push_back(to_plain(v));
            }
            return list;
        }
        case Kind::Map:
        case Kind::Object: {
            nl::Value::Map map;
            for (const auto& [key, v] : value.attributes()) {
                map.emplace(key, to_plain(v));
            }
            return map;
        }
        case Kind::Dynamic:
            return {};
    }
    NL_UNREACHABLE();
}

Value from_plain(const nl::Value& value) {
    if (const bool* b = value.as_bool()) {
        return Value::boolean(*b);
    }
    if (const std::int64_t* i = value.as_int()) {
        return Value::number(*i);
    }
    if (const double* d = value.as_double()) {
        return Value::number(Number::from_double(*d));
    }
    if (const std::string* s = value.as_string()) {
        return Value::string(*s);
    }
    if (const nl::Value::List* list = value.as_list()) {
        Value::Items items;
        for (const nl::Value& v : *list) {
            items.push_back(from_plain(v));
        }
        return Value::tuple(std::move(items));
    }
    if (const nl::Value::Map* map = value.as_map()) {
        Value::Attributes attributes;
        for (const auto& [key, v] : *map) {
            attributes.emplace(key, from_plain(v));
        }
        return Value::object(std::move(attributes));
    }
    return {};
}

}  // namespace nl::hcl
