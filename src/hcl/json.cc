#include "hcl/json.h"

#include "hcl/text.h"

#include <fmt/format.h>

namespace nl::hcl {
namespace {

class JsonReader {
public:
    JsonReader(std::string_view source, std::uint32_t file, Diagnostics& diagnostics)
        : source_(source), file_(file), diagnostics_(diagnostics) {}

    std::optional<JsonNode> document() {
        skip_space();
        JsonNode node;
        if (!value(node, 0)) {
            return std::nullopt;
        }
        skip_space();
        if (at_ < source_.size()) {
            refuse("Extraneous data after value", "Extra characters appear after the JSON value.");
            return std::nullopt;
        }
        return node;
    }

private:
    char peek() const { return at_ < source_.size() ? source_[at_] : '\0'; }

    void advance(std::size_t n) {
        const std::string_view text = source_.substr(at_, n);
        std::size_t i = 0;
        while (i < text.size()) {
            if (text[i] == '\n') {
                ++pos_.line;
                pos_.column = 1;
                ++i;
                continue;
            }
            const bool lone =
                i + 1 >= text.size() || static_cast<unsigned char>(text[i + 1]) < 0x80;
            i += static_cast<unsigned char>(text[i]) < 0x80 && lone
                     ? 1
                     : first_grapheme(text.substr(i));
            ++pos_.column;
        }
        at_ += text.size();
        pos_.byte = static_cast<std::uint32_t>(at_);
    }

    void skip_space() {
        std::size_t n = 0;
        while (at_ + n < source_.size() && (source_[at_ + n] == ' ' || source_[at_ + n] == '\t' ||
                                            source_[at_ + n] == '\n' || source_[at_ + n] == '\r')) {
            ++n;
        }
        advance(n);
    }

    Range here(std::size_t length = 1) const {
        Range r{pos_, pos_, file_};
        r.end.column += static_cast<std::uint32_t>(length);
        r.end.byte += static_cast<std::uint32_t>(length);
        return r;
    }

    bool refuse(std::string summary, std::string detail) {
        diagnostics_.error(std::move(summary), std::move(detail), here());
        return false;
    }

    Range since(const Pos& start) const { return {start, pos_, file_}; }

    bool value(JsonNode& node, std::size_t depth) {
        if (depth > kMaxJsonNesting) {
            return refuse(
                "Nesting too deep",
                fmt::format("JSON may be nested at most {} levels deep.", kMaxJsonNesting)
            );
        }
        const Pos start = pos_;
        const char c = peek();
        bool fine = true;
        if (c == '{') {
            fine = object(node, depth);
        } else if (c == '[') {
            fine = array(node, depth);
        } else if (c == '"') {
            node.kind = JsonNode::Kind::String;
            fine = string(node.text);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            fine = number(node);
        } else if (source_.substr(at_).starts_with("true")) {
            node.kind = JsonNode::Kind::Bool;
            node.boolean = true;
            advance(4);
        } else if (source_.substr(at_).starts_with("false")) {
            node.kind = JsonNode::Kind::Bool;
            advance(5);
        } else if (source_.substr(at_).starts_with("null")) {
            advance(4);
        } else if (at_ >= source_.size()) {
            return refuse("Missing value", "A JSON value must start here.");
        } else {
            return refuse(
                "Invalid start of value",
                fmt::format("A JSON value must not begin with {:?}.", std::string_view(&c, 1))
            );
        }
        node.range = since(start);
        return fine;
    }

    bool number(JsonNode& node) {
        std::size_t n = 0;
        while (at_ + n < source_.size() &&
               std::string_view("+-.eE0123456789").find(source_[at_ + n]) != std::string_view::npos
        ) {
            ++n;
        }
        auto parsed = Number::parse(source_.substr(at_, n));
        if (!parsed) {
            return refuse("Invalid JSON number", "This is not a number as JSON writes it.");
        }
        node.kind = JsonNode::Kind::Number;
        node.number = std::move(*parsed);
        advance(n);
        return true;
    }

    bool string(std::string& out) {
        std::size_t n = 1;
        while (true) {
            if (at_ + n >= source_.size() || source_[at_ + n] == '\n') {
                return refuse(
                    "Invalid JSON string", "The string is not closed on the line it began on."
                );
            }
            const char c = source_[at_ + n];
            if (c == '"') {
                break;
            }
            if (static_cast<unsigned char>(c) < 0x20) {
                return refuse(
                    "Invalid JSON string", "Control characters must be escaped in a string."
                );
            }
            if (c != '\\') {
                out += c;
                ++n;
                continue;
            }
            const std::string_view rest = source_.substr(at_ + n);
            const char selector = rest.size() > 1 ? rest[1] : '\0';
            static constexpr std::string_view kFrom = "\"\\/bfnrt";
            static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
            if (const std::size_t known = kFrom.find(selector);
                selector != '\0' && known != std::string_view::npos) {
                out += kTo[known];
                n += 2;
                continue;
            }
            auto unit = selector == 'u' ? hex4(rest.substr(2)) : std::nullopt;
            if (!unit) {
                return refuse("Invalid JSON string", "The string has an invalid escape sequence.");
            }
            n += 6;
            if (*unit >= 0xD800 && *unit < 0xDC00 && source_.substr(at_ + n, 2) == "\\u") {
                const auto low = hex4(source_.substr(at_ + n + 2));
                if (low && *low >= 0xDC00 && *low < 0xE000) {
                    *unit = 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00);
                    n += 6;
                }
            }
            append_utf8(out, *unit);
        }
        advance(n + 1);
        return true;
    }

    static std::optional<char32_t> hex4(std::string_view text) {
        if (text.size() < 4) {
            return std::nullopt;
        }
        char32_t value = 0;
        for (const char d : text.substr(0, 4)) {
            const int digit = d >= '0' && d <= '9'   ? d - '0'
                              : d >= 'a' && d <= 'f' ? d - 'a' + 10
                              : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                                     : -1;
            if (digit < 0) {
                return std::nullopt;
            }
            value = value * 16 + static_cast<char32_t>(digit);
        }
        return value;
    }

    bool array(JsonNode& node, std::size_t depth) {
        node.kind = JsonNode::Kind::Array;
        node.open_range = here();
        advance(1);
        skip_space();
        while (peek() != ']') {
            if (!value(node.items.emplace_back(), depth + 1)) {
                return false;
            }
            skip_space();
            if (peek() == ',') {
                advance(1);
                skip_space();
                if (peek() == ']') {
                    return refuse(
                        "Trailing comma in array",
                        "JSON does not permit a trailing comma after the final value in an array."
                    );
                }
            } else if (peek() != ']') {
                return refuse(
                    at_ >= source_.size() ? "Unclosed array" : "Missing item separator",
                    at_ >= source_.size() ? "The array has no closing bracket."
                                          : "A comma must separate each array element."
                );
            }
        }
        advance(1);
        return true;
    }

    bool object(JsonNode& node, std::size_t depth) {
        node.kind = JsonNode::Kind::Object;
        node.open_range = here();
        advance(1);
        skip_space();
        while (peek() != '}') {
            JsonMember member;
            if (peek() != '"') {
                return refuse(
                    at_ >= source_.size() ? "Unclosed object" : "Invalid object property name",
                    at_ >= source_.size() ? "The object has no closing brace."
                                          : "A JSON object property name must be a string."
                );
            }
            const Pos start = pos_;
            if (!string(member.name)) {
                return false;
            }
            // Names are compared, so they are brought to normal form, as texts are.
            member.name = normalized(member.name);
            member.name_range = since(start);
            skip_space();
            if (peek() != ':') {
                return refuse(
                    "Missing property value colon",
                    "A colon must appear between an object property's name and its value."
                );
            }
            advance(1);
            skip_space();
            if (!value(member.value, depth + 1)) {
                return false;
            }
            node.members.push_back(std::move(member));
            skip_space();
            if (peek() == ',') {
                advance(1);
                skip_space();
                if (peek() == '}') {
                    return refuse(
                        "Trailing comma in object",
                        "JSON does not permit a trailing comma after the final property in an "
                        "object."
                    );
                }
            } else if (peek() != '}') {
                return refuse(
                    at_ >= source_.size() ? "Unclosed object" : "Missing attribute separator",
                    at_ >= source_.size() ? "The object has no closing brace."
                                          : "A comma must separate each object property."
                );
            }
        }
        advance(1);
        return true;
    }

    std::string_view source_;
    std::uint32_t file_;
    Diagnostics& diagnostics_;
    std::size_t at_{0};
    Pos pos_;
};

}  // namespace

std::optional<JsonNode> parse_json(
    std::string_view source, std::uint32_t file, Diagnostics& diagnostics
) {
    return JsonReader(source, file, diagnostics).document();
}

Value to_value(const JsonNode& node) {
    switch (node.kind) {
        case JsonNode::Kind::Null:
            return {};
        case JsonNode::Kind::Bool:
            return Value::boolean(node.boolean);
        case JsonNode::Kind::Number:
            return Value::number(node.number);
        case JsonNode::Kind::String:
            return Value::string(node.text);
        case JsonNode::Kind::Array: {
            Value::Items items;
            for (const JsonNode& item : node.items) {
                items.push_back(to_value(item));
            }
            return Value::tuple(std::move(items));
        }
        case JsonNode::Kind::Object: {
            Value::Attributes attributes;
            for (const JsonMember& member : node.members) {
                attributes.insert_or_assign(member.name, to_value(member.value));
            }
            return Value::object(std::move(attributes));
        }
    }
    return {};
}

void append_json_text(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const CodePoint c = decode(text);
        const std::size_t length = c.length == 0 ? 1 : c.length;
        const std::string_view piece = text.substr(0, length);
        text.remove_prefix(length);
        if (c.length == 0) {
            out += "\\ufffd";
        } else if (piece == "\"" || piece == "\\") {
            out += '\\';
            out += piece;
        } else if (piece == "\n") {
            out += "\\n";
        } else if (piece == "\r") {
            out += "\\r";
        } else if (piece == "\t") {
            out += "\\t";
        } else if (c.value < 0x20 || piece == "<" || piece == ">" || piece == "&" ||
                   c.value == 0x2028 || c.value == 0x2029) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c.value));
        } else {
            out += piece;
        }
    }
    out += '"';
}

void append_json(std::string& out, const Value& value) {
    if (!value.is_usable()) {
        out += "null";
        return;
    }
    switch (value.kind()) {
        case Kind::String:
            append_json_text(out, value.as_string());
            return;
        case Kind::Number:
            out += value.as_number().str();
            return;
        case Kind::Bool:
            out += value.as_bool() ? "true" : "false";
            return;
        case Kind::List:
        case Kind::Set:
        case Kind::Tuple: {
            out += '[';
            bool first = true;
            for (const Value& v : value.items()) {
                out += first ? "" : ",";
                first = false;
                append_json(out, v);
            }
            out += ']';
            return;
        }
        case Kind::Map:
        case Kind::Object: {
            out += '{';
            bool first = true;
            for (const auto& [key, v] : value.attributes()) {
                out += first ? "" : ",";
                first = false;
                append_json_text(out, key);
                out += ':';
                append_json(out, v);
            }
            out += '}';
            return;
        }
        case Kind::Dynamic:
            out += "null";
            return;
    }
}

}  // namespace nl::hcl
