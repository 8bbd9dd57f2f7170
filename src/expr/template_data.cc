// JSON, YAML and TOML for templates.

#include "expr/template_functions.h"
#include "hcl/functions.h"
#include "hcl/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace nl::expr {
namespace {

constexpr int kMaxDepth = 100;

class JsonReader {
public:
    explicit JsonReader(std::string_view text) : text_(text) {}
    Result<Dyn> document() {
        NL_TRY(Dyn value, this->value(0));
        space();
        if (at_ != text_.size()) {
            return wrong("invalid character after top-level value");
        }
        return value;
    }

private:
    std::unexpected<Error> wrong(std::string_view what) const {
        return fail(ErrorCode::InvalidArgument, "{} at byte {}", what, at_);
    }
    void space() {
        while (at_ < text_.size() &&
               std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
            ++at_;
        }
    }
    bool take(std::string_view word) {
        if (text_.substr(at_).starts_with(word)) {
            at_ += word.size();
            return true;
        }
        return false;
    }
    Result<Dyn> value(int depth) {  // NOLINT(misc-no-recursion): bounded
        space();
        if (depth > kMaxDepth) {
            return wrong("nested too deep");
        }
        if (at_ >= text_.size()) {
            return wrong("unexpected end of JSON input");
        }
        const char c = text_[at_];
        if (c == '{') {
            return object(depth);
        }
        if (c == '[') {
            return list(depth);
        }
        if (c == '"') {
            NL_TRY(std::string text, string());
            return Dyn(std::move(text));
        }
        if (take("true")) {
            return Dyn(true);
        }
        if (take("false")) {
            return Dyn(false);
        }
        if (take("null")) {
            return Dyn();
        }
        double number = 0;
        const char* end = text_.data() + text_.size();
        const auto [stop, error] = std::from_chars(text_.data() + at_, end, number);
        if (error != std::errc{} || (c != '-' && (c < '0' || c > '9'))) {
            return wrong("invalid character looking for beginning of value");
        }
        at_ = static_cast<std::size_t>(stop - text_.data());
        return Dyn(number);
    }
    Result<Dyn> object(int depth) {  // NOLINT(misc-no-recursion)
        ++at_;
        std::map<std::string, Dyn, std::less<>> out;
        space();
        if (take("}")) {
            return make_map(std::move(out));
        }
        while (true) {
            space();
            if (at_ >= text_.size() || text_[at_] != '"') {
                return wrong("invalid character looking for beginning of object key string");
            }
            NL_TRY(std::string key, string());
            space();
            if (!take(":")) {
                return wrong("invalid character after object key");
            }
            NL_TRY(Dyn item, value(depth + 1));
            out.insert_or_assign(std::move(key), std::move(item));
            space();
            if (take("}")) {
                return make_map(std::move(out));
            }
            if (!take(",")) {
                return wrong("invalid character after object key:value pair");
            }
        }
    }
    Result<Dyn> list(int depth) {  // NOLINT(misc-no-recursion)
        ++at_;
        DynList out;
        space();
        if (take("]")) {
            return Dyn(std::move(out));
        }
        while (true) {
            NL_TRY(Dyn item, value(depth + 1));
            out.push_back(std::move(item));
            space();
            if (take("]")) {
                return Dyn(std::move(out));
            }
            if (!take(",")) {
                return wrong("invalid character after array element");
            }
        }
    }
    Result<std::string> string() {
        ++at_;
        std::string out;
        while (at_ < text_.size() && text_[at_] != '"') {
            const char c = text_[at_++];
            if (static_cast<unsigned char>(c) < 0x20) {
                return wrong("invalid character in string literal");
            }
            if (c != '\\') {
                out.push_back(c);
                continue;
            }
            if (at_ >= text_.size()) {
                break;
            }
            const char kind = text_[at_++];
            constexpr std::string_view kFrom = "\"\\/bfnrt";
            constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
            if (const std::size_t known = kFrom.find(kind); known != std::string_view::npos) {
                out.push_back(kTo[known]);
            } else if (kind == 'u') {
                NL_TRY(std::uint32_t rune, hex());
                if (rune >= 0xD800 && rune < 0xDC00 && take("\\u")) {
                    NL_TRY(const std::uint32_t low, hex());
                    rune = 0x10000 + ((rune - 0xD800) << 10U) + (low - 0xDC00);
                }
                encode(out, rune);
            } else {
                return wrong("invalid character in string escape code");
            }
        }
        if (at_ >= text_.size()) {
            return wrong("unexpected end of JSON input");
        }
        ++at_;
        return out;
    }
    Result<std::uint32_t> hex() {
        std::uint32_t value = 0;
        const char* from = text_.data() + at_;
        const auto [end, error] =
            std::from_chars(from, text_.data() + std::min(at_ + 4, text_.size()), value, 16);
        if (error != std::errc{} || end != from + 4) {
            return wrong("invalid character in \\u hexadecimal character escape");
        }
        at_ += 4;
        return value;
    }
    static void encode(std::string& out, std::uint32_t rune) {
        if (rune < 0x80) {
            out.push_back(static_cast<char>(rune));
            return;
        }
        const unsigned extra = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
        out.push_back(static_cast<char>(
            (extra == 1   ? 0xC0U
             : extra == 2 ? 0xE0U
                          : 0xF0U) |
            (rune >> (6 * extra))
        ));
        for (unsigned i = extra; i-- > 0;) {
            out.push_back(static_cast<char>(0x80U | ((rune >> (6 * i)) & 0x3FU)));
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::string json_string(std::string_view text, bool escape_html) {
    std::string out = "\"";
    for (const char c : text) {
        constexpr std::string_view kFrom = "\"\\\b\f\n\r\t";
        constexpr std::string_view kTo = "\"\\bfnrt";
        if (const std::size_t known = kFrom.find(c); known != std::string_view::npos) {
            out.push_back('\\');
            out.push_back(kTo[known]);
        } else if (static_cast<unsigned char>(c) < 0x20 ||
                   (escape_html && (c == '<' || c == '>' || c == '&'))) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
            out.push_back(c);
        }
    }
    return out + "\"";
}

/// Go writes floats in JSON plainly from 1e-6 up to 1e21.
std::string json_number(double value) {
    if (!std::isfinite(value)) {
        return "null";
    }
    std::string text = float_text(value);
    if (const double size = std::fabs(value); size != 0 && size >= 1e-6 && size < 1e-4) {
        std::array<char, 64> buffer{};
        const auto end = std::to_chars(
            buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed
        );
        text.assign(buffer.data(), end.ptr);
    }
    return text;
}

void write_json(  // NOLINT(misc-no-recursion): bounded
    std::string& out,
    const Dyn& value,
    bool pretty,
    bool escape_html,
    int depth
) {
    const auto line = [&](int level) {
        if (pretty) {
            out += "\n" + std::string(static_cast<std::size_t>(level) * 2, ' ');
        }
    };
    if (depth > kMaxDepth || value.is_nil()) {
        out += "null";
    } else if (const std::string* text = value.as_string()) {
        out += json_string(*text, escape_html);
    } else if (const double* number = value.as_float()) {
        out += json_number(*number);
    } else if (const DynList* list = value.as_list()) {
        out += "[";
        for (std::size_t i = 0; i < list->size(); ++i) {
            out += i > 0 ? "," : "";
            line(depth + 1);
            write_json(out, (*list)[i], pretty, escape_html, depth + 1);
        }
        if (!list->empty()) {
            line(depth);
        }
        out += "]";
    } else if (const DynObject* object = value.as_object()) {
        if (object->shown && object->is_struct) {
            out += json_string(*object->shown, escape_html);
            return;
        }
        out += "{";
        bool first = true;
        for (const auto& [key, item] : object->fields) {
            out += first ? "" : ",";
            first = false;
            line(depth + 1);
            out += json_string(key, escape_html) + (pretty ? ": " : ":");
            write_json(out, item, pretty, escape_html, depth + 1);
        }
        if (!object->fields.empty()) {
            line(depth);
        }
        out += "}";
    } else {
        out += value.text();
    }
}

bool plain_yaml(const std::string& text) {
    if (text.empty() || text.front() == ' ' || text.back() == ' ') {
        return false;
    }
    constexpr std::array<std::string_view, 14> kWords{
        "true",
        "false",
        "null",
        "~",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "True",
        "False",
        "Null",
        "NO"
    };
    if (std::ranges::find(kWords, text) != kWords.end()) {
        return false;
    }
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
        return false;
    }
    if (std::string_view("-?:,[]{}#&*!|>'\"%@`").find(text.front()) != std::string_view::npos) {
        return false;
    }
    return text.find(": ") == std::string::npos && text.find(" #") == std::string::npos &&
           text.find_first_of("\n\t\r\\") == std::string::npos && text.back() != ':';
}

void write_yaml(
    std::string& out, const Dyn& value, int depth, bool in_list
) {  // NOLINT(misc-no-recursion)
    const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
    if (depth > kMaxDepth) {
        out += " null\n";
        return;
    }
    if (const DynList* list = value.as_list()) {
        if (list->empty()) {
            out += " []\n";
            return;
        }
        out += in_list ? "" : "\n";
        bool first = true;
        // A list stands at the level of its key.
        const std::string own(
            static_cast<std::size_t>(std::max(depth - (in_list ? 0 : 1), 0)) * 2, ' '
        );
        for (const Dyn& item : *list) {
            out += (in_list && first ? std::string(" ") : own) + "-";
            first = false;
            write_yaml(out, item, std::max(depth - (in_list ? 0 : 1), 0) + 1, true);
        }
        return;
    }
    if (const DynObject* object = value.as_object();
        object != nullptr && !(object->shown && object->is_struct)) {
        if (object->fields.empty()) {
            out += " {}\n";
            return;
        }
        bool first = true;
        out += in_list ? "" : "\n";
        for (const auto& [key, item] : object->fields) {
            out += in_list && first ? " " : indent;
            first = false;
            out += (plain_yaml(key) ? key : json_string(key, false)) + ":";
            write_yaml(out, item, depth + 1, false);
        }
        return;
    }
    std::string text = value.is_nil() ? "null" : value.text();
    if (value.as_string() != nullptr && text.find('\n') != std::string::npos) {
        out += text.ends_with('\n') ? " |\n" : " |-\n";
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            out += indent + text.substr(at, end - at) + "\n";
            at = end + 1;
        }
        return;
    }
    if (value.as_string() != nullptr && !plain_yaml(text)) {
        text = json_string(text, false);
    }
    out += " " + text + "\n";
}

Result<void> write_toml(
    std::string& out, const DynObject& table, const std::string& path, int depth
);

std::string toml_key(const std::string& key) {
    const bool bare = !key.empty() && std::ranges::all_of(key, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
    return bare ? key : json_string(key, false);
}

std::string toml_scalar(const Dyn& value, int depth) {  // NOLINT(misc-no-recursion)
    if (const std::string* text = value.as_string()) {
        return json_string(*text, false);
    }
    if (const double* number = value.as_float()) {
        std::string text = float_text(*number);
        return text.find_first_of(".eIN") == std::string::npos ? text + ".0" : text;
    }
    if (const DynList* list = value.as_list()) {
        std::string out = "[";
        for (std::size_t i = 0; i < list->size() && depth < kMaxDepth; ++i) {
            out += (i > 0 ? ", " : "") + toml_scalar((*list)[i], depth + 1);
        }
        return out + "]";
    }
    if (const DynObject* object = value.as_object()) {
        std::string out = "{";
        bool first = true;
        for (const auto& [key, item] : object->fields) {
            out += (first ? "" : ", ") + toml_key(key) + " = " + toml_scalar(item, depth + 1);
            first = false;
        }
        return out + "}";
    }
    return value.text();
}

Result<void> write_toml(  // NOLINT(misc-no-recursion)
    std::string& out,
    const DynObject& table,
    const std::string& path,
    int depth
) {
    if (depth > kMaxDepth) {
        return fail(ErrorCode::InvalidArgument, "toTOML: nested too deep");
    }
    for (const auto& [key, item] : table.fields) {
        if (item.as_object() == nullptr && !item.is_nil()) {
            out += toml_key(key) + " = " + toml_scalar(item, depth) + "\n";
        }
    }
    for (const auto& [key, item] : table.fields) {
        if (const DynObject* object = item.as_object()) {
            const std::string name = path.empty() ? toml_key(key) : path + "." + toml_key(key);
            out += (out.empty() ? "[" : "\n[") + name + "]\n";
            NL_TRY_VOID(write_toml(out, *object, name, depth + 1));
        }
    }
    return {};
}

}  // namespace

Result<Dyn> parse_json(std::string_view text) {
    return JsonReader(text).document();
}

std::string to_json(const Dyn& value, bool pretty, bool escape_html) {
    std::string out;
    write_json(out, value, pretty, escape_html, 0);
    return out;
}

Result<Dyn> parse_yaml(const std::string& text) {
    static const hcl::FunctionTable functions = hcl::standard_functions();
    const auto decode = functions.find("yamldecode");
    if (decode == functions.end()) {
        return fail(ErrorCode::Unimplemented, "YAML is not read here");
    }
    hcl::FunctionEnvironment environment;
    const std::vector<hcl::Value> given{hcl::Value::string(text)};
    const auto value = decode->second.call(given, environment);
    if (!value) {
        return fail(ErrorCode::InvalidArgument, "{}", value.error().message);
    }
    std::string json;
    hcl::append_json(json, *value);
    return parse_json(json);
}

std::string to_yaml(const Dyn& value) {
    std::string out;
    write_yaml(out, value, 0, false);
    // Without what stands before a nested value.
    out.erase(0, std::min(out.find_first_not_of(" \n"), out.size()));
    while (out.ends_with('\n')) {
        out.pop_back();
    }
    return out;
}

Result<std::string> to_toml(const Dyn& value) {
    const DynObject* table = value.as_object();
    if (table == nullptr) {
        return fail(ErrorCode::InvalidArgument, "toTOML: only a map can be the top of a document");
    }
    std::string out;
    NL_TRY_VOID(write_toml(out, *table, "", 0));
    while (out.ends_with('\n')) {
        out.pop_back();
    }
    return out;
}

std::int64_t to_int(const Dyn& value) {
    if (const std::int64_t* number = value.as_int()) {
        return *number;
    }
    if (const double* real = value.as_float()) {
        return std::fabs(*real) < 9.2e18 ? static_cast<std::int64_t>(*real) : 0;
    }
    if (const bool* flag = value.as_bool()) {
        return *flag ? 1 : 0;
    }
    if (const std::string* text = value.as_string()) {
        std::int64_t number = 0;
        const char* end = text->data() + text->size();
        if (const auto [stop, error] = std::from_chars(text->data(), end, number);
            error == std::errc{} && stop == end) {
            return number;
        }
        return static_cast<std::int64_t>(to_float(value));
    }
    return 0;
}

double to_float(const Dyn& value) {
    if (const double* real = value.as_float()) {
        return *real;
    }
    if (const std::string* text = value.as_string()) {
        double number = 0;
        const char* end = text->data() + text->size();
        const auto [stop, error] = std::from_chars(text->data(), end, number);
        return error == std::errc{} && stop == end ? number : 0;
    }
    if (const std::int64_t* number = value.as_int()) {
        return static_cast<double>(*number);
    }
    return value.truth() && value.as_bool() != nullptr ? 1 : 0;
}

}  // namespace nl::expr
