// The functions Go's templates have by themselves, and fmt.Sprintf.

#include "expr/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace nl::expr {
namespace {

constexpr std::size_t kMaxWidth = 100'000;

std::unexpected<Error> wrong(std::string message) {
    return std::unexpected(Error{ErrorCode::InvalidArgument, std::move(message)});
}

struct Rune {
    std::uint32_t value{};
    std::size_t bytes{1};
};

/// The code point at the front; an invalid byte is U+FFFD of one byte.
Rune rune_at(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80) {
        return {first, 1};
    }
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    if (size == 0 || text.size() < size || first > 0xF4) {
        return {0xFFFD, 1};
    }
    std::uint32_t value = first & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xC0U) != 0x80U) {
            return {0xFFFD, 1};
        }
        value = (value << 6U) | (next & 0x3FU);
    }
    return {value, size};
}

std::size_t rune_count(std::string_view text) {
    std::size_t out = 0;
    while (!text.empty()) {
        text.remove_prefix(rune_at(text).bytes);
        ++out;
    }
    return out;
}

struct Flags {
    bool minus{};
    bool plus{};
    bool sharp{};
    bool space{};
    bool zero{};
    std::size_t width{};
    int precision{-1};
};

std::string pad(const std::string& text, const Flags& flags) {
    const std::size_t size = rune_count(text);
    if (size >= flags.width) {
        return text;
    }
    const std::size_t missing = flags.width - size;
    if (flags.minus) {
        return text + std::string(missing, ' ');
    }
    if (flags.zero) {
        const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
        return text.substr(0, sign) + std::string(missing, '0') + text.substr(sign);
    }
    return std::string(missing, ' ') + text;
}

std::string signed_text(std::string digits, bool negative, const Flags& flags) {
    return (negative ? "-" : flags.plus ? "+" : flags.space ? " " : "") + std::move(digits);
}

std::string integer(std::int64_t value, int base, bool upper, const Flags& flags) {
    std::array<char, 80> buffer{};
    const std::uint64_t size =
        value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), size, base);
    std::string digits(buffer.data(), end.ptr);
    if (upper) {
        std::ranges::transform(digits, digits.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
    }
    if (flags.precision > 0 && digits.size() < static_cast<std::size_t>(flags.precision)) {
        digits.insert(0, static_cast<std::size_t>(flags.precision) - digits.size(), '0');
    }
    if (flags.sharp) {
        digits.insert(
            0,
            base == 16  ? (upper ? "0X" : "0x")
            : base == 8 ? "0"
            : base == 2 ? "0b"
                        : ""
        );
    }
    return signed_text(std::move(digits), value < 0, flags);
}

std::string real(double value, char verb, const Flags& flags) {
    if (!std::isfinite(value)) {
        std::string text = float_text(value);
        return text == "+Inf" && !flags.plus ? "+Inf" : text;
    }
    std::array<char, 512> buffer{};
    const bool upper = verb == 'E' || verb == 'G';
    const char low = upper ? static_cast<char>(verb - 'A' + 'a') : verb;
    const auto format = low == 'e'   ? std::chars_format::scientific
                        : low == 'f' ? std::chars_format::fixed
                                     : std::chars_format::general;
    std::string digits;
    const double size = std::fabs(value);
    if (low == 'g' && flags.precision < 0) {
        digits = float_text(size);
    } else {
        const auto end = std::to_chars(
            buffer.data(),
            buffer.data() + buffer.size(),
            size,
            format,
            flags.precision < 0 ? 6 : std::min(flags.precision, 300)
        );
        digits.assign(buffer.data(), end.ptr);
    }
    if (upper) {
        std::ranges::replace(digits, 'e', 'E');
    }
    return signed_text(std::move(digits), std::signbit(value), flags);
}

std::string go_syntax(const Dyn& value, int depth) {  // NOLINT(misc-no-recursion): bounded
    if (depth > 32) {
        return "...";
    }
    if (const std::string* text = value.as_string()) {
        return go_quote(*text);
    }
    if (const DynList* list = value.as_list()) {
        std::string out = "[]interface {}{";
        for (std::size_t i = 0; i < list->size(); ++i) {
            out += (i > 0 ? ", " : "") + go_syntax((*list)[i], depth + 1);
        }
        return out + "}";
    }
    if (const DynObject* object = value.as_object(); object != nullptr && !object->shown) {
        std::string out = "map[string]interface {}{";
        bool first = true;
        for (const auto& [key, item] : object->fields) {
            out += (first ? "" : ", ") + go_quote(key) + ":" + go_syntax(item, depth + 1);
            first = false;
        }
        return out + "}";
    }
    return value.text();
}

std::string type_of(const Dyn& value) {
    if (value.is_nil()) {
        return "<nil>";
    }
    if (value.as_list() != nullptr) {
        return "[]interface {}";
    }
    if (value.as_object() != nullptr) {
        return "map[string]interface {}";
    }
    return std::string(value.kind());
}

std::string hex_of(std::string_view text, bool upper, bool spaced) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += spaced && i > 0 ? " " : "";
        out += fmt::format(
            fmt::runtime(upper ? "{:02X}" : "{:02x}"), static_cast<unsigned char>(text[i])
        );
    }
    return out;
}

std::string bad_verb(char verb, const Dyn& value) {
    if (value.is_nil()) {
        return fmt::format("%!{}(<nil>)", verb);
    }
    return fmt::format("%!{}({}={})", verb, type_of(value), value.text());
}

std::string one(char verb, const Dyn& value, const Flags& flags) {
    switch (verb) {
        case 'v':
            if (flags.sharp) {
                return pad(go_syntax(value, 0), flags);
            }
            if (const double* number = value.as_float();
                number != nullptr && flags.precision >= 0) {
                return pad(real(*number, 'g', flags), flags);
            }
            if (const std::int64_t* number = value.as_int()) {
                return pad(integer(*number, 10, false, flags), flags);
            }
            return pad(value.text(), flags);
        case 'T':
            return pad(type_of(value), flags);
        case 't':
            return value.as_bool() != nullptr ? pad(value.text(), flags) : bad_verb(verb, value);
        case 'd':
        case 'b':
        case 'o':
        case 'O':
            if (const std::int64_t* number = value.as_int()) {
                const int base = verb == 'd' ? 10 : verb == 'b' ? 2 : 8;
                std::string text = integer(*number, base, false, flags);
                return pad(verb == 'O' ? "0o" + text : text, flags);
            }
            return bad_verb(verb, value);
        case 'c':
        case 'U':
            if (const std::int64_t* number = value.as_int()) {
                if (verb == 'U') {
                    return pad(fmt::format("U+{:04X}", *number), flags);
                }
                std::string text;
                const auto rune = static_cast<std::uint32_t>(*number);
                if (rune < 0x80) {
                    text.push_back(static_cast<char>(rune));
                } else {
                    fmt::memory_buffer buffer;
                    const std::size_t extra = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
                    text.push_back(static_cast<char>(
                        (extra == 1   ? 0xC0U
                         : extra == 2 ? 0xE0U
                                      : 0xF0U) |
                        (rune >> (6 * extra))
                    ));
                    for (std::size_t i = extra; i-- > 0;) {
                        text.push_back(static_cast<char>(0x80U | ((rune >> (6 * i)) & 0x3FU)));
                    }
                }
                return pad(text, flags);
            }
            return bad_verb(verb, value);
        case 'x':
        case 'X':
            if (const std::int64_t* number = value.as_int()) {
                return pad(integer(*number, 16, verb == 'X', flags), flags);
            }
            if (const std::string* text = value.as_string()) {
                return pad(hex_of(*text, verb == 'X', flags.space), flags);
            }
            return bad_verb(verb, value);
        case 's': {
            if (value.as_int() != nullptr || value.as_float() != nullptr ||
                value.as_bool() != nullptr || value.is_nil()) {
                return bad_verb(verb, value);
            }
            std::string text = value.text();
            if (flags.precision >= 0) {
                std::string_view rest = text;
                std::size_t bytes = 0;
                for (int i = 0; i < flags.precision && !rest.empty(); ++i) {
                    bytes += rune_at(rest).bytes;
                    rest.remove_prefix(rune_at(rest).bytes);
                }
                text.resize(bytes);
            }
            return pad(text, flags);
        }
        case 'q':
            if (const std::string* text = value.as_string()) {
                return pad(
                    flags.sharp && text->find('`') == std::string::npos ? "`" + *text + "`"
                                                                        : go_quote(*text),
                    flags
                );
            }
            if (value.as_int() != nullptr) {
                return pad("'" + one('c', value, {}) + "'", flags);
            }
            if (const DynList* list = value.as_list()) {
                std::string out = "[";
                for (std::size_t i = 0; i < list->size(); ++i) {
                    out += (i > 0 ? " " : "") + one('q', (*list)[i], {});
                }
                return pad(out + "]", flags);
            }
            return bad_verb(verb, value);
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G':
            if (const double* number = value.as_float()) {
                return pad(real(*number, verb == 'F' ? 'f' : verb, flags), flags);
            }
            return bad_verb(verb, value);
        default:
            return bad_verb(verb, value);
    }
}

// ---- functions

Result<void> want(const TemplateArguments& a, std::size_t least, std::size_t most) {
    if (a.size() < least || a.size() > most) {
        return wrong(fmt::format(
            "wrong number of args: want {}{} got {}",
            least == most ? "" : "at least ",
            least,
            a.size()
        ));
    }
    return {};
}
constexpr std::size_t kAny = SIZE_MAX;

/// As fmt.Sprint: a blank between two where neither is a string.
std::string sprint(const TemplateArguments& a) {
    std::string out;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (i > 0 && a[i].as_string() == nullptr && a[i - 1].as_string() == nullptr) {
            out += " ";
        }
        out += a[i].text();
    }
    return out;
}

Result<Dyn> index_one(const Dyn& base, const Dyn& key) {
    if (base.is_nil()) {
        return wrong("index of untyped nil");
    }
    if (const DynList* list = base.as_list()) {
        const std::int64_t* at = key.as_int();
        if (at == nullptr) {
            return wrong(fmt::format("cannot index slice/array with type {}", key.kind()));
        }
        if (*at < 0 || static_cast<std::size_t>(*at) >= list->size()) {
            return wrong(fmt::format("index out of range: {}", *at));
        }
        return (*list)[static_cast<std::size_t>(*at)];
    }
    if (const std::string* text = base.as_string()) {
        const std::int64_t* at = key.as_int();
        if (at == nullptr || *at < 0 || static_cast<std::size_t>(*at) >= text->size()) {
            return wrong(fmt::format("index out of range: {}", key.text()));
        }
        return static_cast<std::int64_t>(static_cast<unsigned char>((*text
        )[static_cast<std::size_t>(*at)]));
    }
    if (const DynObject* object = base.as_object()) {
        if (key.as_string() == nullptr) {
            return wrong(fmt::format("value has type {}; should be string", key.kind()));
        }
        const auto at = object->fields.find(*key.as_string());
        return at == object->fields.end() ? object->zero.value_or(Dyn()) : at->second;
    }
    return wrong(fmt::format("can't index item of type {}", base.kind()));
}

Result<Dyn> slice_of(const TemplateArguments& a) {
    NL_TRY_VOID(want(a, 1, 4));
    const std::string* text = a[0].as_string();
    const DynList* list = a[0].as_list();
    if (text == nullptr && list == nullptr) {
        return wrong(fmt::format("can't slice item of type {}", a[0].kind()));
    }
    const std::size_t size = text != nullptr ? text->size() : list->size();
    std::array<std::size_t, 3> bounds{0, size, size};
    for (std::size_t i = 1; i < a.size(); ++i) {
        const std::int64_t* at = a[i].as_int();
        if (at == nullptr || *at < 0 || static_cast<std::size_t>(*at) > size) {
            return wrong(fmt::format("index out of range: {}", a[i].text()));
        }
        bounds[i - 1] = static_cast<std::size_t>(*at);
    }
    if (bounds[0] > bounds[1]) {
        return wrong(fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
    }
    if (text != nullptr) {
        return text->substr(bounds[0], bounds[1] - bounds[0]);
    }
    return DynList(
        list->begin() + static_cast<std::ptrdiff_t>(bounds[0]),
        list->begin() + static_cast<std::ptrdiff_t>(bounds[1])
    );
}

Result<Dyn> length(const TemplateArguments& a) {
    NL_TRY_VOID(want(a, 1, 1));
    if (const std::string* text = a[0].as_string()) {
        return static_cast<std::int64_t>(text->size());
    }
    if (const DynList* list = a[0].as_list()) {
        return static_cast<std::int64_t>(list->size());
    }
    if (const DynObject* object = a[0].as_object(); object != nullptr && !object->is_struct) {
        return static_cast<std::int64_t>(object->fields.size());
    }
    if (a[0].is_nil()) {
        return wrong("len of nil pointer");
    }
    return wrong(fmt::format("len of type {}", a[0].kind()));
}

std::string escape_html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "&#34;";
                break;
            case '\'':
                out += "&#39;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '\0':
                out += "\xEF\xBF\xBD";
                break;
            default:
                out.push_back(c);
        }
    }
    return out;
}

std::string escape_js(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '\\':
                out += "\\\\";
                break;
            case '\'':
                out += "\\'";
                break;
            case '"':
                out += "\\\"";
                break;
            case '<':
            case '>':
            case '&':
            case '=':
                out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
                } else {
                    out.push_back(c);
                }
        }
    }
    return out;
}

std::string escape_query(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            out.push_back(c);
        } else if (c == ' ') {
            out.push_back('+');
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

TemplateFunction ordered(bool (*decide)(bool less, bool equal)) {
    return [decide](TemplateArguments& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        NL_TRY(const bool less, go_less(a[0], a[1]));
        NL_TRY(const bool equal, go_equal(a[0], a[1]));
        return decide(less, equal);
    };
}

TemplateFunctions make_builtins() {
    TemplateFunctions f;
    f["not"] = [](TemplateArguments& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return !a[0].truth();
    };
    f["len"] = length;
    f["index"] = [](TemplateArguments& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, kAny));
        Dyn value = a[0];
        for (std::size_t i = 1; i < a.size(); ++i) {
            NL_TRY(value, index_one(value, a[i]));
        }
        return value;
    };
    f["slice"] = slice_of;
    f["print"] = [](TemplateArguments& a) -> Result<Dyn> { return sprint(a); };
    f["println"] = [](TemplateArguments& a) -> Result<Dyn> {
        std::string out;
        for (std::size_t i = 0; i < a.size(); ++i) {
            out += (i > 0 ? " " : "") + a[i].text();
        }
        return out + "\n";
    };
    f["printf"] = [](TemplateArguments& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, kAny));
        if (a[0].as_string() == nullptr) {
            return wrong("the format of printf must be a string");
        }
        return go_sprintf(*a[0].as_string(), {a.begin() + 1, a.end()});
    };
    f["html"] = [](TemplateArguments& a) -> Result<Dyn> { return escape_html(sprint(a)); };
    f["js"] = [](TemplateArguments& a) -> Result<Dyn> { return escape_js(sprint(a)); };
    f["urlquery"] = [](TemplateArguments& a) -> Result<Dyn> { return escape_query(sprint(a)); };
    f["eq"] = [](TemplateArguments& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, kAny));
        for (std::size_t i = 1; i < a.size(); ++i) {
            NL_TRY(const bool same, go_equal(a[0], a[i]));
            if (same) {
                return true;
            }
        }
        return false;
    };
    f["ne"] = [](TemplateArguments& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        NL_TRY(const bool same, go_equal(a[0], a[1]));
        return !same;
    };
    f["lt"] = ordered([](bool less, bool) { return less; });
    f["le"] = ordered([](bool less, bool equal) { return less || equal; });
    f["gt"] = ordered([](bool less, bool equal) { return !less && !equal; });
    f["ge"] = ordered([](bool less, bool) { return !less; });
    return f;
}

}  // namespace

const TemplateFunctions& builtin_functions() {
    static const TemplateFunctions functions = make_builtins();
    return functions;
}

std::string go_quote(std::string_view text) {
    std::string out = "\"";
    constexpr std::string_view kFrom = "\a\b\f\n\r\t\v\\\"";
    constexpr std::string_view kTo = "abfnrtv\\\"";
    while (!text.empty()) {
        const Rune rune = rune_at(text);
        const char c = text.front();
        if (const std::size_t known = kFrom.find(c);
            rune.value < 0x80 && known != std::string_view::npos) {
            out.push_back('\\');
            out.push_back(kTo[known]);
        } else if (rune.value < 0x20 || rune.value == 0x7F) {
            out += fmt::format("\\x{:02x}", rune.value);
        } else if (rune.value == 0xFFFD && rune.bytes == 1) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            out += text.substr(0, rune.bytes);
        }
        text.remove_prefix(rune.bytes);
    }
    return out + "\"";
}

std::string go_sprintf(std::string_view format, const std::vector<Dyn>& arguments) {
    std::string out;
    std::size_t used = 0;
    bool reordered = false;
    for (std::size_t i = 0; i < format.size();) {
        if (format[i] != '%') {
            out.push_back(format[i++]);
            continue;
        }
        ++i;
        Flags flags;
        for (; i < format.size(); ++i) {
            const char c = format[i];
            if (c == '-') {
                flags.minus = true;
            } else if (c == '+') {
                flags.plus = true;
            } else if (c == '#') {
                flags.sharp = true;
            } else if (c == ' ') {
                flags.space = true;
            } else if (c == '0') {
                flags.zero = true;
            } else {
                break;
            }
        }
        const auto number = [&](std::int64_t otherwise) -> std::int64_t {
            if (i < format.size() && format[i] == '*') {
                ++i;
                const std::int64_t* given =
                    used < arguments.size() ? arguments[used].as_int() : nullptr;
                ++used;
                return given != nullptr ? *given : otherwise;
            }
            std::int64_t value = otherwise;
            while (i < format.size() && format[i] >= '0' && format[i] <= '9' && value < 1'000'000) {
                value = std::max<std::int64_t>(value, 0) * 10 + (format[i++] - '0');
            }
            return value;
        };
        if (i < format.size() && format[i] == '[') {
            const std::size_t end = format.find(']', i);
            std::size_t position = 0;
            if (end != std::string_view::npos) {
                std::from_chars(format.data() + i + 1, format.data() + end, position);
                i = end + 1;
                used = position > 0 ? position - 1 : arguments.size();
                reordered = true;
            }
        }
        const std::int64_t width = number(0);
        flags.minus = flags.minus || width < 0;
        flags.width = std::min(static_cast<std::size_t>(std::abs(width)), kMaxWidth);
        if (i < format.size() && format[i] == '.') {
            ++i;
            flags.precision =
                static_cast<int>(std::min<std::int64_t>(std::max<std::int64_t>(number(0), 0), 1000)
                );
        }
        if (i >= format.size()) {
            out += "%!(NOVERB)";
            break;
        }
        const char verb = format[i++];
        if (verb == '%') {
            out.push_back('%');
        } else if (used >= arguments.size()) {
            out += fmt::format("%!{}(MISSING)", verb);
            ++used;
        } else {
            out += one(verb, arguments[used++], flags);
        }
        if (out.size() > kMaxTemplateOutput) {
            break;
        }
    }
    if (!reordered && used < arguments.size()) {
        out += "%!(EXTRA ";
        for (std::size_t i = used; i < arguments.size(); ++i) {
            out += (i > used ? ", " : "") + type_of(arguments[i]) + "=" + arguments[i].text();
        }
        out += ")";
    }
    return out;
}

Result<bool> go_equal(const Dyn& a, const Dyn& b) {
    const auto number = [](const Dyn& v) -> std::optional<double> {
        return v.as_float() != nullptr ? std::optional(*v.as_float()) : std::nullopt;
    };
    if (a.is_nil() || b.is_nil()) {
        return a.is_nil() && b.is_nil();
    }
    const DynObject* left = a.as_object();
    const DynObject* right = b.as_object();
    if (left != nullptr && left->shown && b.as_string() != nullptr) {
        return *left->shown == *b.as_string();
    }
    if (right != nullptr && right->shown && a.as_string() != nullptr) {
        return *right->shown == *a.as_string();
    }
    if (a.as_list() != nullptr || b.as_list() != nullptr || left != nullptr || right != nullptr) {
        return wrong("non-comparable type " + a.text());
    }
    if (a.kind() != b.kind()) {
        return wrong("incompatible types for comparison");
    }
    if (number(a)) {
        return *number(a) == *number(b);
    }
    return a.data() == b.data();
}

Result<bool> go_less(const Dyn& a, const Dyn& b) {
    if (a.kind() != b.kind()) {
        return wrong("incompatible types for comparison");
    }
    if (a.as_int() != nullptr) {
        return *a.as_int() < *b.as_int();
    }
    if (a.as_float() != nullptr) {
        return *a.as_float() < *b.as_float();
    }
    if (a.as_string() != nullptr) {
        return *a.as_string() < *b.as_string();
    }
    return wrong("invalid type for comparison");
}

}  // namespace nl::expr
