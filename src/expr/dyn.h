#pragma once
// A value of a Go text template: what a pipeline holds. Like base's Value, but with what Go's
// templates tell apart: structs (a missing field is an error) from maps (a missing key has no
// value), values that print as something else than they hold, and things with methods. Copies
// share lists and objects; objects with methods (scratch) are the only ones that change.

#include "base/error.h"
#include "base/value.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nl::expr {

class Dyn;
using DynList = std::vector<Dyn>;
struct DynObject;

class Dyn {
public:
    using Variant = std::variant<
        std::monostate,
        bool,
        std::int64_t,
        double,
        std::string,
        std::shared_ptr<const DynList>,
        std::shared_ptr<DynObject>>;

    Dyn() = default;
    Dyn(bool v) : data_(v) {}                            // NOLINT(google-explicit-constructor)
    Dyn(std::int64_t v) : data_(v) {}                    // NOLINT(google-explicit-constructor)
    Dyn(int v) : data_(static_cast<std::int64_t>(v)) {}  // NOLINT(google-explicit-constructor)
    Dyn(double v) : data_(v) {}                          // NOLINT(google-explicit-constructor)
    Dyn(std::string v) : data_(std::move(v)) {}          // NOLINT(google-explicit-constructor)
    Dyn(const char* v) : data_(std::string(v)) {}        // NOLINT(google-explicit-constructor)
    Dyn(DynList v)                                       // NOLINT(google-explicit-constructor)
        : data_(std::make_shared<const DynList>(std::move(v))) {}
    Dyn(std::shared_ptr<DynObject> v)  // NOLINT(google-explicit-constructor)
        : data_(std::move(v)) {}

    bool is_nil() const { return std::holds_alternative<std::monostate>(data_); }
    const bool* as_bool() const { return std::get_if<bool>(&data_); }
    const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&data_); }
    const double* as_float() const { return std::get_if<double>(&data_); }
    const std::string* as_string() const { return std::get_if<std::string>(&data_); }
    const DynList* as_list() const {
        const auto* held = std::get_if<std::shared_ptr<const DynList>>(&data_);
        return held == nullptr ? nullptr : held->get();
    }
    DynObject* as_object() const {
        const auto* held = std::get_if<std::shared_ptr<DynObject>>(&data_);
        return held == nullptr ? nullptr : held->get();
    }
    const Variant& data() const { return data_; }

    /// Go's truth: not false, 0, "", nil, and no empty list or map. A struct is always true.
    bool truth() const;
    /// Go's kind: "bool", "int", "float64", "string", "slice", "map", "struct", "invalid".
    std::string_view kind() const;
    /// As fmt.Print writes it ("%v"): "[a b]", "map[k:v]", "<nil>".
    std::string text() const;

private:
    Variant data_;
};

struct DynObject {
    std::map<std::string, Dyn, std::less<>> fields;
    /// A missing field is an error.
    bool is_struct{};
    /// What a missing key of a map is worth, where that is not "no value".
    std::optional<Dyn> zero;
    /// How it prints; nullopt as Go prints a map or struct.
    std::optional<std::string> shown;
    using Method = std::function<Result<Dyn>(const std::vector<Dyn>&)>;
    std::map<std::string, Method, std::less<>> methods;
};

Dyn make_map(std::map<std::string, Dyn, std::less<>> fields);
Dyn make_struct(std::map<std::string, Dyn, std::less<>> fields);
Dyn to_dyn(const Value& value);
/// Objects with methods become maps of their fields.
Value to_value(const Dyn& value);

/// Go's shortest form of a float ("%v").
std::string float_text(double value);

}  // namespace nl::expr
