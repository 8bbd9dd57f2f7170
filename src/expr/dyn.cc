#include "expr/dyn.h"

#include <array>
#include <charconv>
#include <cmath>

namespace nl::expr {
namespace {

/// Deeper than that a value is cut: templates build no trees.
constexpr int kMaxDepth = 64;

/// From this exponent on Go writes 1e+21.
constexpr int kBigExponent = 21;

void write(std::string& out, const Dyn& value, int depth);  // NOLINT(misc-no-recursion): bounded

void write_object(
    std::string& out, const DynObject& object, int depth
) {  // NOLINT(misc-no-recursion)
    if (object.shown) {
        out += *object.shown;
        return;
    }
    out += object.is_struct ? "{" : "map[";
    bool first = true;
    for (const auto& [key, item] : object.fields) {
        out += first ? "" : " ";
        first = false;
        if (!object.is_struct) {
            out += key + ":";
        }
        write(out, item, depth + 1);
    }
    out += object.is_struct ? "}" : "]";
}

void write(std::string& out, const Dyn& value, int depth) {  // NOLINT(misc-no-recursion)
    if (depth > kMaxDepth) {
        out += "...";
    } else if (value.is_nil()) {
        out += "<nil>";
    } else if (const bool* flag = value.as_bool()) {
        out += *flag ? "true" : "false";
    } else if (const std::int64_t* number = value.as_int()) {
        out += std::to_string(*number);
    } else if (const double* real = value.as_float()) {
        out += float_text(*real);
    } else if (const std::string* text = value.as_string()) {
        out += *text;
    } else if (const DynList* list = value.as_list()) {
        out += "[";
        for (std::size_t i = 0; i < list->size(); ++i) {
            out += i > 0 ? " " : "";
            write(out, (*list)[i], depth + 1);
        }
        out += "]";
    } else if (const DynObject* object = value.as_object()) {
        write_object(out, *object, depth);
    }
}

}  // namespace

bool Dyn::truth() const {
    if (const bool* flag = as_bool()) {
        return *flag;
    }
    if (const std::int64_t* number = as_int()) {
        return *number != 0;
    }
    if (const double* real = as_float()) {
        return *real != 0;
    }
    if (const std::string* text = as_string()) {
        return !text->empty();
    }
    if (const DynList* list = as_list()) {
        return !list->empty();
    }
    if (const DynObject* object = as_object()) {
        return object->is_struct || !object->fields.empty() || !object->methods.empty();
    }
    return false;
}

std::string_view Dyn::kind() const {
    if (as_bool() != nullptr) {
        return "bool";
    }
    if (as_int() != nullptr) {
        return "int";
    }
    if (as_float() != nullptr) {
        return "float64";
    }
    if (as_string() != nullptr) {
        return "string";
    }
    if (as_list() != nullptr) {
        return "slice";
    }
    if (const DynObject* object = as_object()) {
        return object->is_struct ? "struct" : "map";
    }
    return "invalid";
}

std::string Dyn::text() const {
    std::string out;
    write(out, *this, 0);
    return out;
}

Dyn make_map(std::map<std::string, Dyn, std::less<>> fields) {
    auto object = std::make_shared<DynObject>();
    object->fields = std::move(fields);
    return object;
}

Dyn make_struct(std::map<std::string, Dyn, std::less<>> fields) {
    auto object = std::make_shared<DynObject>();
    object->fields = std::move(fields);
    object->is_struct = true;
    return object;
}

Dyn to_dyn(const Value& value) {  // NOLINT(misc-no-recursion): depth is bounded by who read it
    if (const bool* flag = value.as_bool()) {
        return *flag;
    }
    if (const std::int64_t* number = value.as_int()) {
        return *number;
    }
    if (const double* real = value.as_double()) {
        return *real;
    }
    if (const std::string* text = value.as_string()) {
        return *text;
    }
    if (const Value::List* list = value.as_list()) {
        DynList out;
        for (const Value& item : *list) {
            out.push_back(to_dyn(item));
        }
        return out;
    }
    if (const Value::Map* map = value.as_map()) {
        std::map<std::string, Dyn, std::less<>> out;
        for (const auto& [key, item] : *map) {
            out.emplace(key, to_dyn(item));
        }
        return make_map(std::move(out));
    }
    return {};
}

Value to_value(const Dyn& value) {  // NOLINT(misc-no-recursion)
    if (const bool* flag = value.as_bool()) {
        return *flag;
    }
    if (const std::int64_t* number = value.as_int()) {
        return *number;
    }
    if (const double* real = value.as_float()) {
        return *real;
    }
    if (const std::string* text = value.as_string()) {
        return *text;
    }
    if (const DynList* list = value.as_list()) {
        Value::List out;
        for (const Dyn& item : *list) {
            out.push_back(to_value(item));
        }
        return out;
    }
    if (const DynObject* object = value.as_object()) {
        Value::Map out;
        for (const auto& [key, item] : object->fields) {
            out.emplace(key, to_value(item));
        }
        return out;
    }
    return {};
}

std::string float_text(double value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    std::array<char, 400> buffer{};
    const double size = std::fabs(value);
    const bool plain = size == 0 || (size >= 1e-4 && size < std::pow(10.0, kBigExponent));
    const auto end = std::to_chars(
        buffer.data(),
        buffer.data() + buffer.size(),
        value,
        plain ? std::chars_format::fixed : std::chars_format::scientific
    );
    return {buffer.data(), end.ptr};
}

}  // namespace nl::expr
