#pragma once
// A free-form value, as JSON and HCL give them: driver configuration, scaling policies, anything a
// client may send without a schema. Maps keep their keys sorted, so that equal values have equal
// encodings on every server.

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace nl {

class Value {
public:
    using List = std::vector<Value>;
    using Map = std::map<std::string, Value, std::less<>>;
    using Variant =
        std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Map>;

    Value() = default;
    Value(bool v) : data_(v) {}                            // NOLINT(google-explicit-constructor)
    Value(std::int64_t v) : data_(v) {}                    // NOLINT(google-explicit-constructor)
    Value(int v) : data_(static_cast<std::int64_t>(v)) {}  // NOLINT(google-explicit-constructor)
    Value(double v) : data_(v) {}                          // NOLINT(google-explicit-constructor)
    Value(std::string v) : data_(std::move(v)) {}          // NOLINT(google-explicit-constructor)
    Value(const char* v) : data_(std::string(v)) {}        // NOLINT(google-explicit-constructor)
    Value(List v) : data_(std::move(v)) {}                 // NOLINT(google-explicit-constructor)
    Value(Map v) : data_(std::move(v)) {}                  // NOLINT(google-explicit-constructor)

    bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
    const bool* as_bool() const { return std::get_if<bool>(&data_); }
    const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&data_); }
    const double* as_double() const { return std::get_if<double>(&data_); }
    const std::string* as_string() const { return std::get_if<std::string>(&data_); }
    const List* as_list() const { return std::get_if<List>(&data_); }
    const Map* as_map() const { return std::get_if<Map>(&data_); }
    List* as_list() { return std::get_if<List>(&data_); }
    Map* as_map() { return std::get_if<Map>(&data_); }

    const Variant& data() const { return data_; }

    friend bool operator==(const Value&, const Value&) = default;

private:
    Variant data_;
};

using ValueMap = Value::Map;
using StringMap = std::map<std::string, std::string, std::less<>>;
template <class T>
using Map = std::map<std::string, T, std::less<>>;

}  // namespace nl
