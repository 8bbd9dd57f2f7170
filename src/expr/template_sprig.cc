// Sprig's functions, under "sprig_". Left out are those that read the environment, the network or
// make keys. Source: Sprig's documentation.

#include "base/bytes.h"
#include "expr/template_functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

namespace nl::expr {
namespace {

using Args = TemplateArguments;
using Fields = std::map<std::string, Dyn, std::less<>>;

constexpr std::int64_t kMaxItems = 1'000'000;
constexpr int kMaxDepth = 100;

std::unexpected<Error> wrong(std::string message) {
    return std::unexpected(Error{ErrorCode::InvalidArgument, std::move(message)});
}

std::string str(const Dyn& value) {
    return value.as_string() != nullptr ? *value.as_string() : value.is_nil() ? "" : value.text();
}

using Body = Result<Dyn> (*)(Args&);

struct Entry {
    const char* name;
    std::size_t least;
    std::size_t most;
    Body body;
};
constexpr std::size_t kAny = SIZE_MAX;

char low(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
char up(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_alnum(char c) {
    return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string map_text(std::string text, char (*change)(char)) {
    std::ranges::transform(text, text.begin(), change);
    return text;
}

std::string trim_set(const std::string& text, std::string_view set, bool left, bool right) {
    std::size_t first = left ? text.find_first_not_of(set) : 0;
    if (first == std::string::npos) {
        return "";
    }
    std::size_t end = right ? text.find_last_not_of(set) : text.size() - 1;
    return text.empty() || end == std::string::npos ? "" : text.substr(first, end - first + 1);
}

DynList split(const std::string& by, const std::string& text, std::int64_t most) {
    DynList out;
    std::size_t at = 0;
    if (by.empty()) {
        for (const char c : text) {
            out.emplace_back(std::string(1, c));
        }
        return out;
    }
    for (std::size_t found = text.find(by); found != std::string::npos; found = text.find(by, at)) {
        if (most > 0 && static_cast<std::int64_t>(out.size()) + 1 >= most) {
            break;
        }
        out.emplace_back(text.substr(at, found - at));
        at = found + by.size();
    }
    out.emplace_back(text.substr(at));
    return out;
}

Dyn numbered(const DynList& parts) {
    Fields out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        out.emplace("_" + std::to_string(i), parts[i]);
    }
    return make_map(std::move(out));
}

std::string replace_all(const std::string& from, const std::string& to, const std::string& text) {
    std::string out;
    std::size_t at = 0;
    for (std::size_t found = from.empty() ? std::string::npos : text.find(from);
         found != std::string::npos;
         found = text.find(from, at)) {
        out.append(text, at, found - at).append(to);
        at = found + from.size();
    }
    return out + text.substr(at);
}

std::string indent(std::int64_t spaces, const std::string& text) {
    const std::string pad(static_cast<std::size_t>(std::clamp<std::int64_t>(spaces, 0, 1000)), ' ');
    return pad + replace_all("\n", "\n" + pad, text);
}

std::string snake(const std::string& text, char joint) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == ' ' || c == '-' || c == '_' || c == '.') {
            if (!out.empty() && out.back() != joint) {
                out.push_back(joint);
            }
            continue;
        }
        const bool begins =
            is_upper(c) && i > 0 &&
            (!is_upper(text[i - 1]) ||
             (i + 1 < text.size() && is_alnum(text[i + 1]) && !is_upper(text[i + 1])));
        if (begins && !out.empty() && out.back() != joint) {
            out.push_back(joint);
        }
        out.push_back(low(c));
    }
    return out;
}

std::string camel(const std::string& text) {
    std::string out;
    bool start = true;
    for (const char c : text) {
        if (c == '_' || c == '-' || c == ' ') {
            start = true;
            continue;
        }
        out.push_back(start ? up(c) : c);
        start = false;
    }
    return out;
}

std::string wrap(std::int64_t width, const std::string& joint, const std::string& text) {
    std::string out;
    std::size_t column = 0;
    for (const Dyn& word : split(" ", text, -1)) {
        const std::string item = str(word);
        if (!out.empty() || column > 0) {
            if (static_cast<std::int64_t>(column + 1 + item.size()) > width) {
                out += joint;
                column = 0;
            } else {
                out += " ";
                ++column;
            }
        }
        out += item;
        column += item.size();
    }
    return out;
}

const DynList& list_of(const Dyn& value) {
    static const DynList kEmpty;
    return value.as_list() != nullptr ? *value.as_list() : kEmpty;
}
const Fields& fields_of(const Dyn& value) {
    static const Fields kEmpty;
    return value.as_object() != nullptr ? value.as_object()->fields : kEmpty;
}

bool same(const Dyn& a, const Dyn& b, int depth = 0) {  // NOLINT(misc-no-recursion): bounded
    if (a.kind() != b.kind() || depth > kMaxDepth) {
        return false;
    }
    if (a.as_list() != nullptr) {
        return std::ranges::equal(list_of(a), list_of(b), [&](const Dyn& x, const Dyn& y) {
            return same(x, y, depth + 1);
        });
    }
    if (a.as_object() != nullptr) {
        return std::ranges::equal(fields_of(a), fields_of(b), [&](const auto& x, const auto& y) {
            return x.first == y.first && same(x.second, y.second, depth + 1);
        });
    }
    return a.data() == b.data();
}

Result<Dyn> fold(
    Args& a, double (*reals)(double, double), std::int64_t (*whole)(std::int64_t, std::int64_t)
) {
    if (whole != nullptr) {
        std::int64_t out = to_int(a[0]);
        for (std::size_t i = 1; i < a.size(); ++i) {
            out = whole(out, to_int(a[i]));
        }
        return out;
    }
    double out = to_float(a[0]);
    for (std::size_t i = 1; i < a.size(); ++i) {
        out = reals(out, to_float(a[i]));
    }
    return out;
}

std::int64_t wrap_add(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t wrap_mul(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

Result<Dyn> steps(std::int64_t from, std::int64_t to, std::int64_t step) {
    if (step == 0 || (to > from && step < 0) || (to < from && step > 0)) {
        return DynList{};
    }
    if (std::abs((to - from) / step) > kMaxItems) {
        return wrong(fmt::format("more than {} numbers", kMaxItems));
    }
    DynList out;
    for (std::int64_t i = from; step > 0 ? i < to : i > to; i += step) {
        out.emplace_back(i);
    }
    return out;
}

void merge_into(
    Fields& into, const Fields& from, bool override_old, int depth
) {  // NOLINT(misc-no-recursion)
    for (const auto& [key, value] : from) {
        const auto at = into.find(key);
        if (at == into.end()) {
            into.emplace(key, value);
        } else if (at->second.as_object() != nullptr && value.as_object() != nullptr &&
                   depth < kMaxDepth) {
            Fields inner = fields_of(at->second);
            merge_into(inner, fields_of(value), override_old, depth + 1);
            at->second = make_map(std::move(inner));
        } else if (override_old || !at->second.truth()) {
            at->second = value;
        }
    }
}

Result<Dyn> merge(Args& a, bool override_old) {
    DynObject* into = a[0].as_object();
    if (into == nullptr) {
        return wrong("merge: the first must be a dict");
    }
    for (std::size_t i = 1; i < a.size(); ++i) {
        // A copy, since a dict may be merged into itself.
        const Fields from = fields_of(a[i]);
        merge_into(into->fields, from, override_old, 0);
    }
    return a[0];
}

Dyn deep_copy(const Dyn& value, int depth) {  // NOLINT(misc-no-recursion)
    if (depth > kMaxDepth) {
        return value;
    }
    if (value.as_list() != nullptr) {
        DynList out;
        for (const Dyn& item : list_of(value)) {
            out.push_back(deep_copy(item, depth + 1));
        }
        return out;
    }
    if (value.as_object() != nullptr) {
        Fields out;
        for (const auto& [key, item] : fields_of(value)) {
            out.emplace(key, deep_copy(item, depth + 1));
        }
        return make_map(std::move(out));
    }
    return value;
}

std::string base32(std::string_view data) {
    constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    std::string out;
    std::uint64_t bits = 0;
    int have = 0;
    for (const char c : data) {
        bits = (bits << 8U) | static_cast<unsigned char>(c);
        have += 8;
        while (have >= 5) {
            out.push_back(kLetters[(bits >> static_cast<unsigned>(have - 5)) & 31U]);
            have -= 5;
        }
    }
    if (have > 0) {
        out.push_back(kLetters[(bits << static_cast<unsigned>(5 - have)) & 31U]);
    }
    while (out.size() % 8 != 0) {
        out.push_back('=');
    }
    return out;
}

Result<Dyn> unbase32(const std::string& text) {
    constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    std::string out;
    std::uint64_t bits = 0;
    int have = 0;
    for (const char c : text) {
        if (c == '=') {
            break;
        }
        const std::size_t value = kLetters.find(c);
        if (value == std::string_view::npos) {
            return wrong("illegal base32 data");
        }
        bits = (bits << 5U) | value;
        have += 5;
        if (have >= 8) {
            out.push_back(static_cast<char>((bits >> static_cast<unsigned>(have - 8)) & 255U));
            have -= 8;
        }
    }
    return out;
}

std::string clean_path(const std::string& path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string> parts;
    for (const Dyn& piece : split("/", path, -1)) {
        const std::string part = str(piece);
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == ".." && !parts.empty() && parts.back() != "..") {
            parts.pop_back();
        } else if (part != ".." || !absolute) {
            parts.push_back(part);
        }
    }
    std::string out = absolute ? "/" : "";
    for (std::size_t i = 0; i < parts.size(); ++i) {
        out += (i > 0 ? "/" : "") + parts[i];
    }
    return out.empty() ? "." : out;
}

Dyn last_of(const Args& a) {
    return a.back();
}

Result<Dyn> version_of(const std::string& text) {
    std::string rest = text.starts_with('v') ? text.substr(1) : text;
    Fields out;
    out.emplace("Original", Dyn(text));
    std::string metadata;
    std::string pre;
    if (const std::size_t at = rest.find('+'); at != std::string::npos) {
        metadata = rest.substr(at + 1);
        rest.resize(at);
    }
    if (const std::size_t at = rest.find('-'); at != std::string::npos) {
        pre = rest.substr(at + 1);
        rest.resize(at);
    }
    const DynList parts = split(".", rest, -1);
    constexpr std::array<const char*, 3> kNames{"Major", "Minor", "Patch"};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        std::int64_t value = 0;
        if (i < parts.size()) {
            const std::string digits = str(parts[i]);
            const char* end = digits.data() + digits.size();
            const auto [stop, error] = std::from_chars(digits.data(), end, value);
            if (error != std::errc{} || stop != end) {
                return wrong("Invalid Semantic Version");
            }
        }
        out.emplace(kNames[i], Dyn(value));
    }
    out.emplace("Prerelease", Dyn(pre));
    out.emplace("Metadata", Dyn(metadata));
    auto object = std::make_shared<DynObject>();
    object->fields = std::move(out);
    object->is_struct = true;
    object->shown = text;
    return Dyn(std::move(object));
}

Result<Dyn> dig(Args& a) {
    if (a.size() < 3) {
        return wrong("dig needs at least three arguments");
    }
    Dyn at = a.back();
    for (std::size_t i = 0; i + 2 < a.size(); ++i) {
        const Fields& fields = fields_of(at);
        const auto found = fields.find(str(a[i]));
        if (found == fields.end()) {
            return a[a.size() - 2];
        }
        const Dyn next = found->second;
        at = next;
    }
    return at;
}

// The functions that ask nothing of the world.
const Entry kEntries[] = {
    // Strings.
    {"upper", 1, 1, [](Args& a) -> Result<Dyn> { return map_text(str(a[0]), up); }},
    {"lower", 1, 1, [](Args& a) -> Result<Dyn> { return map_text(str(a[0]), low); }},
    {"title", 1, 1, [](Args& a) -> Result<Dyn> {
         std::string out = str(a[0]);
         bool start = true;
         for (char& c : out) {
             c = start ? up(c) : c;
             start = c == ' ';
         }
         return out;
     }},
    {"untitle", 1, 1, [](Args& a) -> Result<Dyn> {
         std::string out = str(a[0]);
         bool start = true;
         for (char& c : out) {
             c = start ? low(c) : c;
             start = c == ' ';
         }
         return out;
     }},
    {"trim", 1, 1, [](Args& a) -> Result<Dyn> { return trim_set(str(a[0]), " \t\r\n\v\f", true, true); }},
    {"trimAll", 2, 2, [](Args& a) -> Result<Dyn> { return trim_set(str(a[1]), str(a[0]), true, true); }},
    {"trimall", 2, 2, [](Args& a) -> Result<Dyn> { return trim_set(str(a[1]), str(a[0]), true, true); }},
    {"trimPrefix", 2, 2, [](Args& a) -> Result<Dyn> {
         return str(a[1]).starts_with(str(a[0])) ? str(a[1]).substr(str(a[0]).size()) : str(a[1]);
     }},
    {"trimSuffix", 2, 2, [](Args& a) -> Result<Dyn> {
         return str(a[1]).ends_with(str(a[0])) ? str(a[1]).substr(0, str(a[1]).size() - str(a[0]).size())
                                               : str(a[1]);
     }},
    {"repeat", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::int64_t count = to_int(a[0]);
         const std::string text = str(a[1]);
         if (count < 0 || count * static_cast<std::int64_t>(text.size() + 1) > kMaxItems * 8) {
             return wrong("repeat: the result is too long");
         }
         std::string out;
         for (std::int64_t i = 0; i < count; ++i) {
             out += text;
         }
         return out;
     }},
    {"substr", 3, 3, [](Args& a) -> Result<Dyn> {
         const std::string text = str(a[2]);
         const auto size = static_cast<std::int64_t>(text.size());
         const std::int64_t from = std::clamp<std::int64_t>(to_int(a[0]), 0, size);
         const std::int64_t end = to_int(a[1]) < 0 || to_int(a[1]) > size ? size : to_int(a[1]);
         return text.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(std::max<std::int64_t>(end - from, 0)));
     }},
    {"nospace", 1, 1, [](Args& a) -> Result<Dyn> {
         std::string out = str(a[0]);
         std::erase_if(out, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
         return out;
     }},
    {"trunc", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::string text = str(a[1]);
         const std::int64_t count = to_int(a[0]);
         const auto size = static_cast<std::int64_t>(text.size());
         if (count < 0) {
             return size + count > 0 ? text.substr(static_cast<std::size_t>(size + count)) : text;
         }
         return text.substr(0, static_cast<std::size_t>(count));
     }},
    {"abbrev", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::string text = str(a[1]);
         const std::int64_t width = to_int(a[0]);
         return width < 4 || static_cast<std::int64_t>(text.size()) <= width
                    ? text
                    : text.substr(0, static_cast<std::size_t>(width - 3)) + "...";
     }},
    {"initials", 1, 1, [](Args& a) -> Result<Dyn> {
         std::string out;
         for (const Dyn& word : split(" ", str(a[0]), -1)) {
             out += str(word).substr(0, 1);
         }
         return out;
     }},
    {"wrap", 2, 2, [](Args& a) -> Result<Dyn> { return wrap(to_int(a[0]), "\n", str(a[1])); }},
    {"wrapWith", 3, 3, [](Args& a) -> Result<Dyn> { return wrap(to_int(a[0]), str(a[1]), str(a[2])); }},
    {"contains", 2, 2, [](Args& a) -> Result<Dyn> { return str(a[1]).find(str(a[0])) != std::string::npos; }},
    {"hasPrefix", 2, 2, [](Args& a) -> Result<Dyn> { return str(a[1]).starts_with(str(a[0])); }},
    {"hasSuffix", 2, 2, [](Args& a) -> Result<Dyn> { return str(a[1]).ends_with(str(a[0])); }},
    {"quote", 0, kAny, [](Args& a) -> Result<Dyn> {
         std::string out;
         for (const Dyn& item : a) {
             out += item.is_nil() ? "" : (out.empty() ? "" : " ") + go_quote(str(item));
         }
         return out;
     }},
    {"squote", 0, kAny, [](Args& a) -> Result<Dyn> {
         std::string out;
         for (const Dyn& item : a) {
             out += item.is_nil() ? "" : (out.empty() ? "'" : " '") + str(item) + "'";
         }
         return out;
     }},
    {"cat", 0, kAny, [](Args& a) -> Result<Dyn> {
         std::string out;
         for (const Dyn& item : a) {
             out += (out.empty() ? "" : " ") + str(item);
         }
         return out;
     }},
    {"indent", 2, 2, [](Args& a) -> Result<Dyn> { return indent(to_int(a[0]), str(a[1])); }},
    {"nindent", 2, 2, [](Args& a) -> Result<Dyn> { return "\n" + indent(to_int(a[0]), str(a[1])); }},
    {"replace", 3, 3, [](Args& a) -> Result<Dyn> { return replace_all(str(a[0]), str(a[1]), str(a[2])); }},
    {"plural", 3, 3, [](Args& a) -> Result<Dyn> { return to_int(a[2]) == 1 ? a[0] : a[1]; }},
    {"snakecase", 1, 1, [](Args& a) -> Result<Dyn> { return snake(str(a[0]), '_'); }},
    {"kebabcase", 1, 1, [](Args& a) -> Result<Dyn> { return snake(str(a[0]), '-'); }},
    {"camelcase", 1, 1, [](Args& a) -> Result<Dyn> { return camel(str(a[0])); }},
    {"swapcase", 1, 1, [](Args& a) -> Result<Dyn> {
         return map_text(str(a[0]), [](char c) { return is_upper(c) ? low(c) : up(c); });
     }},
    {"toString", 1, 1, [](Args& a) -> Result<Dyn> { return str(a[0]); }},
    {"toStrings", 1, 1, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (const Dyn& item : list_of(a[0])) {
             out.emplace_back(str(item));
         }
         return out;
     }},
    {"join", 2, 2, [](Args& a) -> Result<Dyn> {
         std::string out;
         bool first = true;
         for (const Dyn& item : a[1].as_list() != nullptr ? list_of(a[1]) : DynList{a[1]}) {
             out += (first ? "" : str(a[0])) + str(item);
             first = false;
         }
         return out;
     }},
    {"splitList", 2, 2, [](Args& a) -> Result<Dyn> { return split(str(a[0]), str(a[1]), -1); }},
    {"split", 2, 2, [](Args& a) -> Result<Dyn> { return numbered(split(str(a[0]), str(a[1]), -1)); }},
    {"splitn", 3, 3, [](Args& a) -> Result<Dyn> { return numbered(split(str(a[0]), str(a[2]), to_int(a[1]))); }},
    {"sortAlpha", 1, 1, [](Args& a) -> Result<Dyn> {
         std::vector<std::string> items;
         for (const Dyn& item : list_of(a[0])) {
             items.push_back(str(item));
         }
         std::ranges::sort(items);
         return DynList(items.begin(), items.end());
     }},
    {"b64enc", 1, 1, [](Args& a) -> Result<Dyn> { return base64_encode(str(a[0])); }},
    {"b64dec", 1, 1, [](Args& a) -> Result<Dyn> {
         const auto bytes = base64_decode(str(a[0]));
         return bytes ? Dyn(std::string(bytes->begin(), bytes->end())) : Dyn("illegal base64 data");
     }},
    {"b32enc", 1, 1, [](Args& a) -> Result<Dyn> { return base32(str(a[0])); }},
    {"b32dec", 1, 1, [](Args& a) -> Result<Dyn> { return unbase32(str(a[0])); }},
    // Regular expressions.
    {"regexMatch", 2, 2, [](Args& a) -> Result<Dyn> {
         NL_TRY(const bool out, regex_matches(str(a[0]), str(a[1])));
         return Dyn(out);
     }},
    {"regexFind", 2, 2, [](Args& a) -> Result<Dyn> {
         NL_TRY(const auto found, regex_find_all(str(a[0]), str(a[1]), 1));
         return Dyn(found.empty() ? "" : found[0]);
     }},
    {"regexFindAll", 3, 3, [](Args& a) -> Result<Dyn> {
         NL_TRY(const auto found, regex_find_all(str(a[0]), str(a[1]), to_int(a[2])));
         return Dyn(DynList(found.begin(), found.end()));
     }},
    {"regexReplaceAll", 3, 3, [](Args& a) -> Result<Dyn> {
         NL_TRY(std::string out, regex_replace(str(a[0]), str(a[2]), str(a[1]), false));
         return Dyn(std::move(out));
     }},
    {"regexReplaceAllLiteral", 3, 3, [](Args& a) -> Result<Dyn> {
         NL_TRY(std::string out, regex_replace(str(a[0]), str(a[2]), str(a[1]), true));
         return Dyn(std::move(out));
     }},
    {"regexSplit", 3, 3, [](Args& a) -> Result<Dyn> {
         NL_TRY(const auto parts, regex_split(str(a[0]), str(a[1]), to_int(a[2])));
         return Dyn(DynList(parts.begin(), parts.end()));
     }},
    {"regexQuoteMeta", 1, 1, [](Args& a) -> Result<Dyn> { return regex_quote(str(a[0])); }},
    // Numbers.
    {"add", 1, kAny, [](Args& a) { return fold(a, nullptr, wrap_add); }},
    {"add1", 1, 1, [](Args& a) -> Result<Dyn> { return wrap_add(to_int(a[0]), 1); }},
    {"sub", 2, 2, [](Args& a) -> Result<Dyn> { return wrap_add(to_int(a[0]), wrap_mul(to_int(a[1]), -1)); }},
    {"mul", 1, kAny, [](Args& a) { return fold(a, nullptr, wrap_mul); }},
    {"div", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::int64_t by = to_int(a[1]);
         return by == 0    ? Result<Dyn>(wrong("division by zero"))
                : by == -1 ? Dyn(wrap_mul(to_int(a[0]), -1))
                           : Dyn(to_int(a[0]) / by);
     }},
    {"mod", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::int64_t by = to_int(a[1]);
         return by == 0 ? Result<Dyn>(wrong("division by zero")) : by == -1 ? Dyn(0) : Dyn(to_int(a[0]) % by);
     }},
    {"max", 1, kAny, [](Args& a) { return fold(a, nullptr, [](std::int64_t x, std::int64_t y) { return std::max(x, y); }); }},
    {"biggest", 1, kAny, [](Args& a) { return fold(a, nullptr, [](std::int64_t x, std::int64_t y) { return std::max(x, y); }); }},
    {"min", 1, kAny, [](Args& a) { return fold(a, nullptr, [](std::int64_t x, std::int64_t y) { return std::min(x, y); }); }},
    {"addf", 1, kAny, [](Args& a) { return fold(a, [](double x, double y) { return x + y; }, nullptr); }},
    {"subf", 1, kAny, [](Args& a) { return fold(a, [](double x, double y) { return x - y; }, nullptr); }},
    {"mulf", 1, kAny, [](Args& a) { return fold(a, [](double x, double y) { return x * y; }, nullptr); }},
    {"divf", 1, kAny, [](Args& a) { return fold(a, [](double x, double y) { return x / y; }, nullptr); }},
    {"maxf", 1, kAny, [](Args& a) { return fold(a, [](double x, double y) { return std::max(x, y); }, nullptr); }},
    {"minf", 1, kAny, [](Args& a) { return fold(a, [](double x, double y) { return std::min(x, y); }, nullptr); }},
    {"floor", 1, 1, [](Args& a) -> Result<Dyn> { return std::floor(to_float(a[0])); }},
    {"ceil", 1, 1, [](Args& a) -> Result<Dyn> { return std::ceil(to_float(a[0])); }},
    {"round", 2, 3, [](Args& a) -> Result<Dyn> {
         const double scale = std::pow(10.0, static_cast<double>(to_int(a[1])));
         const double on = a.size() > 2 ? to_float(a[2]) : 0.5;
         const double digit = to_float(a[0]) * scale;
         const double part = digit - std::trunc(digit);
         return (part >= on ? std::ceil(digit) : std::floor(digit)) / scale;
     }},
    {"int", 1, 1, [](Args& a) -> Result<Dyn> { return to_int(a[0]); }},
    {"int64", 1, 1, [](Args& a) -> Result<Dyn> { return to_int(a[0]); }},
    {"atoi", 1, 1, [](Args& a) -> Result<Dyn> { return to_int(a[0]); }},
    {"float64", 1, 1, [](Args& a) -> Result<Dyn> { return to_float(a[0]); }},
    {"toDecimal", 1, 1, [](Args& a) -> Result<Dyn> {
         const std::string text = str(a[0]);
         std::int64_t out = 0;
         std::from_chars(text.data(), text.data() + text.size(), out, 8);
         return out;
     }},
    {"until", 1, 1, [](Args& a) { return steps(0, to_int(a[0]), to_int(a[0]) < 0 ? -1 : 1); }},
    {"untilStep", 3, 3, [](Args& a) { return steps(to_int(a[0]), to_int(a[1]), to_int(a[2])); }},
    {"seq", 0, 3, [](Args& a) -> Result<Dyn> {
         std::int64_t from = a.size() > 1 ? to_int(a[0]) : 1;
         const std::int64_t to = a.empty() ? 0 : to_int(a.back());
         const std::int64_t step = a.size() > 2 ? to_int(a[1]) : from <= to ? 1 : -1;
         NL_TRY(const Dyn numbers, steps(from, a.empty() ? from : to + (step > 0 ? 1 : -1), step));
         std::string out;
         for (const Dyn& item : list_of(numbers)) {
             out += (out.empty() ? "" : " ") + str(item);
         }
         return out;
     }},
    // Defaults and choice.
    {"default", 1, 2, [](Args& a) -> Result<Dyn> { return a.size() > 1 && a[1].truth() ? a[1] : a[0]; }},
    {"empty", 1, 1, [](Args& a) -> Result<Dyn> { return !a[0].truth(); }},
    {"coalesce", 0, kAny, [](Args& a) -> Result<Dyn> {
         const auto at = std::ranges::find_if(a, [](const Dyn& v) { return v.truth(); });
         return at == a.end() ? Dyn() : *at;
     }},
    {"all", 0, kAny, [](Args& a) -> Result<Dyn> { return std::ranges::all_of(a, [](const Dyn& v) { return v.truth(); }); }},
    {"any", 0, kAny, [](Args& a) -> Result<Dyn> { return std::ranges::any_of(a, [](const Dyn& v) { return v.truth(); }); }},
    {"ternary", 3, 3, [](Args& a) -> Result<Dyn> { return a[2].truth() ? a[0] : a[1]; }},
    {"fail", 1, 1, [](Args& a) -> Result<Dyn> { return wrong(str(a[0])); }},
    // Data.
    {"toJson", 1, 1, [](Args& a) -> Result<Dyn> { return to_json(a[0], false, true); }},
    {"mustToJson", 1, 1, [](Args& a) -> Result<Dyn> { return to_json(a[0], false, true); }},
    {"toPrettyJson", 1, 1, [](Args& a) -> Result<Dyn> { return to_json(a[0], true, true); }},
    {"toRawJson", 1, 1, [](Args& a) -> Result<Dyn> { return to_json(a[0], false, false); }},
    {"fromJson", 1, 1, [](Args& a) -> Result<Dyn> { return parse_json(str(a[0])).value_or(Dyn()); }},
    {"mustFromJson", 1, 1, [](Args& a) -> Result<Dyn> { return parse_json(str(a[0])); }},
    // Lists.
    {"list", 0, kAny, [](Args& a) -> Result<Dyn> { return DynList(a); }},
    {"tuple", 0, kAny, [](Args& a) -> Result<Dyn> { return DynList(a); }},
    {"first", 1, 1, [](Args& a) -> Result<Dyn> { return list_of(a[0]).empty() ? Dyn() : list_of(a[0]).front(); }},
    {"last", 1, 1, [](Args& a) -> Result<Dyn> { return list_of(a[0]).empty() ? Dyn() : list_of(a[0]).back(); }},
    {"rest", 1, 1, [](Args& a) -> Result<Dyn> {
         const DynList& items = list_of(a[0]);
         return items.empty() ? DynList{} : DynList(items.begin() + 1, items.end());
     }},
    {"initial", 1, 1, [](Args& a) -> Result<Dyn> {
         const DynList& items = list_of(a[0]);
         return items.empty() ? DynList{} : DynList(items.begin(), items.end() - 1);
     }},
    {"append", 2, 2, [](Args& a) -> Result<Dyn> {
         DynList out = list_of(a[0]);
         out.push_back(a[1]);
         return out;
     }},
    {"push", 2, 2, [](Args& a) -> Result<Dyn> {
         DynList out = list_of(a[0]);
         out.push_back(a[1]);
         return out;
     }},
    {"prepend", 2, 2, [](Args& a) -> Result<Dyn> {
         DynList out = list_of(a[0]);
         out.insert(out.begin(), a[1]);
         return out;
     }},
    {"concat", 0, kAny, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (const Dyn& list : a) {
             out.insert(out.end(), list_of(list).begin(), list_of(list).end());
         }
         return out;
     }},
    {"reverse", 1, 1, [](Args& a) -> Result<Dyn> {
         return DynList(list_of(a[0]).rbegin(), list_of(a[0]).rend());
     }},
    {"uniq", 1, 1, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (const Dyn& item : list_of(a[0])) {
             if (std::ranges::none_of(out, [&](const Dyn& o) { return same(o, item); })) {
                 out.push_back(item);
             }
         }
         return out;
     }},
    {"without", 1, kAny, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (const Dyn& item : list_of(a[0])) {
             if (std::none_of(a.begin() + 1, a.end(), [&](const Dyn& o) { return same(o, item); })) {
                 out.push_back(item);
             }
         }
         return out;
     }},
    {"has", 2, 2, [](Args& a) -> Result<Dyn> {
         return std::ranges::any_of(list_of(a[1]), [&](const Dyn& item) { return same(item, a[0]); });
     }},
    {"compact", 1, 1, [](Args& a) -> Result<Dyn> {
         DynList out;
         std::ranges::copy_if(list_of(a[0]), std::back_inserter(out), [](const Dyn& v) { return v.truth(); });
         return out;
     }},
    {"slice", 1, 3, [](Args& a) -> Result<Dyn> {
         const DynList& items = list_of(a[0]);
         const auto size = static_cast<std::int64_t>(items.size());
         const std::int64_t from = a.size() > 1 ? std::clamp<std::int64_t>(to_int(a[1]), 0, size) : 0;
         const std::int64_t end = a.size() > 2 ? std::clamp<std::int64_t>(to_int(a[2]), from, size) : size;
         return DynList(items.begin() + from, items.begin() + end);
     }},
    {"chunk", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::int64_t size = to_int(a[0]);
         if (size <= 0) {
             return wrong("chunk: the size must be above 0");
         }
         DynList out;
         DynList part;
         for (const Dyn& item : list_of(a[1])) {
             part.push_back(item);
             if (static_cast<std::int64_t>(part.size()) == size) {
                 out.emplace_back(std::exchange(part, {}));
             }
         }
         if (!part.empty()) {
             out.emplace_back(std::move(part));
         }
         return out;
     }},
    // Dictionaries.
    {"dict", 0, kAny, [](Args& a) -> Result<Dyn> {
         Fields out;
         for (std::size_t i = 0; i < a.size(); i += 2) {
             out.insert_or_assign(str(a[i]), i + 1 < a.size() ? a[i + 1] : Dyn(""));
         }
         return make_map(std::move(out));
     }},
    {"get", 2, 2, [](Args& a) -> Result<Dyn> {
         const auto at = fields_of(a[0]).find(str(a[1]));
         return at == fields_of(a[0]).end() ? Dyn("") : at->second;
     }},
    {"set", 3, 3, [](Args& a) -> Result<Dyn> {
         if (a[0].as_object() == nullptr) {
             return wrong("set: the first must be a dict");
         }
         a[0].as_object()->fields.insert_or_assign(str(a[1]), a[2]);
         return a[0];
     }},
    {"unset", 2, 2, [](Args& a) -> Result<Dyn> {
         if (a[0].as_object() == nullptr) {
             return wrong("unset: the first must be a dict");
         }
         a[0].as_object()->fields.erase(str(a[1]));
         return a[0];
     }},
    {"hasKey", 2, 2, [](Args& a) -> Result<Dyn> { return fields_of(a[0]).contains(str(a[1])); }},
    {"pluck", 1, kAny, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (std::size_t i = 1; i < a.size(); ++i) {
             const auto at = fields_of(a[i]).find(str(a[0]));
             if (at != fields_of(a[i]).end()) {
                 out.push_back(at->second);
             }
         }
         return out;
     }},
    {"keys", 0, kAny, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (const Dyn& dict : a) {
             for (const auto& [key, value] : fields_of(dict)) {
                 out.emplace_back(key);
             }
         }
         return out;
     }},
    {"values", 1, 1, [](Args& a) -> Result<Dyn> {
         DynList out;
         for (const auto& [key, value] : fields_of(a[0])) {
             out.push_back(value);
         }
         return out;
     }},
    {"pick", 1, kAny, [](Args& a) -> Result<Dyn> {
         Fields out;
         for (std::size_t i = 1; i < a.size(); ++i) {
             const auto at = fields_of(a[0]).find(str(a[i]));
             if (at != fields_of(a[0]).end()) {
                 out.insert(*at);
             }
         }
         return make_map(std::move(out));
     }},
    {"omit", 1, kAny, [](Args& a) -> Result<Dyn> {
         Fields out = fields_of(a[0]);
         for (std::size_t i = 1; i < a.size(); ++i) {
             out.erase(str(a[i]));
         }
         return make_map(std::move(out));
     }},
    {"merge", 1, kAny, [](Args& a) { return merge(a, false); }},
    {"mustMerge", 1, kAny, [](Args& a) { return merge(a, false); }},
    {"mergeOverwrite", 1, kAny, [](Args& a) { return merge(a, true); }},
    {"mustMergeOverwrite", 1, kAny, [](Args& a) { return merge(a, true); }},
    {"deepCopy", 1, 1, [](Args& a) -> Result<Dyn> { return deep_copy(a[0], 0); }},
    {"dig", 3, kAny, dig},
    // Kinds.
    {"kindOf", 1, 1, [](Args& a) -> Result<Dyn> { return std::string(a[0].kind()); }},
    {"typeOf", 1, 1, [](Args& a) -> Result<Dyn> { return go_sprintf("%T", {a[0]}); }},
    {"kindIs", 2, 2, [](Args& a) -> Result<Dyn> { return str(a[0]) == a[1].kind(); }},
    {"typeIs", 2, 2, [](Args& a) -> Result<Dyn> { return str(a[0]) == go_sprintf("%T", {a[1]}); }},
    {"typeIsLike", 2, 2, [](Args& a) -> Result<Dyn> {
         const std::string type = go_sprintf("%T", {a[1]});
         return str(a[0]) == type || "*" + str(a[0]) == type;
     }},
    {"deepEqual", 2, 2, [](Args& a) -> Result<Dyn> { return same(a[0], a[1]); }},
    // Paths.
    {"base", 1, 1, [](Args& a) -> Result<Dyn> {
         const std::string path = trim_set(str(a[0]), "/", false, true);
         return path.empty() ? (str(a[0]).empty() ? Dyn(".") : Dyn("/")) : Dyn(path.substr(path.rfind('/') + 1));
     }},
    {"dir", 1, 1, [](Args& a) -> Result<Dyn> {
         const std::string path = str(a[0]);
         const std::size_t slash = path.rfind('/');
         return clean_path(slash == std::string::npos ? "." : path.substr(0, slash + 1));
     }},
    {"clean", 1, 1, [](Args& a) -> Result<Dyn> { return clean_path(str(a[0])); }},
    {"ext", 1, 1, [](Args& a) -> Result<Dyn> {
         const std::string path = str(a[0]);
         const std::size_t dot = path.rfind('.');
         return dot == std::string::npos || path.find('/', dot) != std::string::npos ? "" : path.substr(dot);
     }},
    {"isAbs", 1, 1, [](Args& a) -> Result<Dyn> { return str(a[0]).starts_with('/'); }},
    // Sums.
    {"sha1sum", 1, 1, [](Args& a) -> Result<Dyn> { return hex_encode(template_digest("sha1", str(a[0]))); }},
    {"sha256sum", 1, 1, [](Args& a) -> Result<Dyn> { return hex_encode(template_digest("sha256", str(a[0]))); }},
    {"sha512sum", 1, 1, [](Args& a) -> Result<Dyn> { return hex_encode(template_digest("sha512", str(a[0]))); }},
    {"md5sum", 1, 1, [](Args& a) -> Result<Dyn> { return hex_encode(template_digest("md5", str(a[0]))); }},
    {"adler32sum", 1, 1, [](Args& a) -> Result<Dyn> {
         std::uint32_t low_sum = 1;
         std::uint32_t high_sum = 0;
         for (const char c : str(a[0])) {
             low_sum = (low_sum + static_cast<unsigned char>(c)) % 65521;
             high_sum = (high_sum + low_sum) % 65521;
         }
         return std::to_string((high_sum << 16U) | low_sum);
     }},
    {"semver", 1, 1, [](Args& a) { return version_of(str(a[0])); }},
    {"duration", 1, 1, [](Args& a) -> Result<Dyn> { return to_string(Duration{to_int(a[0]) * 1'000'000'000}); }},
    {"hello", 0, 0, [](Args&) -> Result<Dyn> { return "Hello!"; }},
};

std::string random_text(const TemplateWorld& world, std::size_t size, std::string_view letters) {
    std::string out;
    for (std::size_t i = 0; i < size; ++i) {
        out.push_back(letters[world.entropy() % letters.size()]);
    }
    return out;
}

}  // namespace

void add_sprig_functions(TemplateFunctions& functions, const TemplateWorld& world) {
    for (const Entry& entry : kEntries) {
        functions[std::string("sprig_") + entry.name] = [&entry](Args& a) -> Result<Dyn> {
            if (a.size() < entry.least || a.size() > entry.most) {
                return wrong(fmt::format(
                    "wrong number of args for {}: want at least {} got {}",
                    entry.name,
                    entry.least,
                    a.size()
                ));
            }
            return entry.body(a);
        };
    }
    for (const char* name : {"env", "expandenv", "getHostByName"}) {
        functions[std::string("sprig_") + name] = [](Args&) -> Result<Dyn> {
            return wrong("function is disabled");
        };
    }
    functions["sprig_unixEpoch"] = [&world](Args&) -> Result<Dyn> {
        return std::to_string(world.now.unix_ns / 1'000'000'000);
    };
    functions["sprig_now"] = [&world](Args&) -> Result<Dyn> { return to_rfc3339(world.now); };
    if (!world.entropy) {
        return;
    }
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const auto random = [&world](std::string_view letters) {
        return [&world, letters](Args& a) -> Result<Dyn> {
            const std::int64_t size = a.empty() ? 0 : to_int(last_of(a));
            if (size < 0 || size > kMaxItems) {
                return wrong("the length is out of range");
            }
            return random_text(world, static_cast<std::size_t>(size), letters);
        };
    };
    functions["sprig_randAlphaNum"] = random(kLetters);
    functions["sprig_randAlpha"] = random(kLetters.substr(0, 52));
    functions["sprig_randNumeric"] = random(kLetters.substr(52));
    functions["sprig_randInt"] = [&world](Args& a) -> Result<Dyn> {
        if (a.size() != 2 || to_int(a[1]) <= to_int(a[0])) {
            return wrong("randInt: want a lower and a higher bound");
        }
        const auto span = static_cast<std::uint64_t>(to_int(a[1]) - to_int(a[0]));
        return to_int(a[0]) + static_cast<std::int64_t>(world.entropy() % span);
    };
    functions["sprig_uuidv4"] = [&world](Args&) -> Result<Dyn> {
        std::uint64_t high = world.entropy();
        std::uint64_t low_half = world.entropy();
        high = (high & ~0xF000ULL) | 0x4000ULL;
        low_half = (low_half & ~(3ULL << 62U)) | (2ULL << 62U);
        return fmt::format(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32U,
            (high >> 16U) & 0xFFFFU,
            high & 0xFFFFU,
            low_half >> 48U,
            low_half & 0xFFFFFFFFFFFFULL
        );
    };
}

}  // namespace nl::expr
