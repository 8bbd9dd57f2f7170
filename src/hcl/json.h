#pragma once
// JSON with places: the JSON form of HCL needs to say where a mistake is, and numbers keep all
// their digits. Source: RFC 8259; HCL JSON syntax specification.

#include "hcl/number.h"
#include "hcl/source.h"
#include "hcl/value.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::hcl {

struct JsonMember;

struct JsonNode {
    enum class Kind : unsigned char { Null, Bool, Number, String, Array, Object } kind{Kind::Null};
    bool boolean{false};
    Number number;
    std::string text;
    std::vector<JsonNode> items;
    std::vector<JsonMember> members;
    Range range;
    Range open_range;
};

struct JsonMember {
    std::string name;
    Range name_range;
    JsonNode value;
};

inline constexpr std::size_t kMaxJsonNesting = 200;

/// nullopt after a syntax error, which ends the reading.
std::optional<JsonNode> parse_json(
    std::string_view source, std::uint32_t file, Diagnostics& diagnostics
);

/// As jsondecode gives it: arrays become tuples, objects objects.
Value to_value(const JsonNode& node);

/// Compact, keys sorted, `<`, `>` and `&` escaped as Go escapes them.
void append_json(std::string& out, const Value& value);
void append_json_text(std::string& out, std::string_view text);

}  // namespace nl::hcl
