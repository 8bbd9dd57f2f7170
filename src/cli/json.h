#pragma once
// JSON for the commands: text to Value, Value to text, a view that reads fields by name without
// caring whether they are there, and an indenter that keeps the server's own order of keys.
// Commands read what they print and ignore what they do not know, so a newer server does no harm.

#include "base/error.h"
#include "base/value.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace nl::cli {

/// Errors: InvalidArgument with the place of the mistake.
Result<Value> parse_json(std::string_view text);

enum class JsonStyle : unsigned char { Compact, Indented };

/// Keys in sorted order; Indented means four spaces.
std::string write_json(const Value& value, JsonStyle style);

/// Re-indents valid JSON without touching keys, their order or numbers. Empty objects and arrays
/// stay on one line.
std::string indent_json(std::string_view text, int spaces);

/// A look at a Value that never fails: a missing field is null, and null reads as "", 0, false or
/// an empty list. Valid while the Value lives.
class Doc {
public:
    Doc() = default;
    Doc(const Value& value) : value_(&value) {}  // NOLINT(google-explicit-constructor)

    Doc operator[](std::string_view key) const;
    /// The element at that place, null past the end.
    Doc at(std::size_t index) const;

    bool is_null() const { return value_ == nullptr || value_->is_null(); }
    std::string text() const;
    std::int64_t integer() const;
    double number() const;
    bool flag() const;
    const Value::List& list() const;
    const Value::Map& map() const;
    const Value& value() const;
    /// The text, or the fallback where it is empty.
    std::string text_or(std::string_view fallback) const;

private:
    const Value* value_{nullptr};
};

}  // namespace nl::cli
