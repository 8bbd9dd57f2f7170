// consul-template's functions that need neither Consul nor Vault.

#include "expr/template_functions.h"

#include "base/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace nl::expr {
namespace {

using Args = TemplateArguments;

constexpr std::size_t kMaxLoop = 1'000'000;

std::unexpected<Error> wrong(std::string message) {
    return std::unexpected(Error{ErrorCode::InvalidArgument, std::move(message)});
}

Result<void> want(const Args& a, std::size_t least, std::size_t most) {
    if (a.size() < least || a.size() > most) {
        return wrong(
            least == most
                ? fmt::format("wrong number of args: want {} got {}", least, a.size())
                : fmt::format("wrong number of args: want {} to {} got {}", least, most, a.size())
        );
    }
    return {};
}

std::string str(const Dyn& value) {
    return value.as_string() != nullptr ? *value.as_string() : value.is_nil() ? "" : value.text();
}

template <class F>
TemplateFunction text_to(F f) {
    return [f](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return Dyn(f(str(a[0])));
    };
}
/// Of an argument and, last (where a pipeline puts it), the text.
template <class F>
TemplateFunction text_with(F f) {
    return [f](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        return Dyn(f(str(a[0]), str(a[1])));
    };
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}
std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text;
}
std::string title(std::string text) {
    bool start = true;
    for (char& c : text) {
        c = start && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        start = c == ' ' || c == '\t' || c == '\n';
    }
    return text;
}

std::string trim_set(const std::string& text, std::string_view set) {
    const std::size_t first = text.find_first_not_of(set);
    if (first == std::string::npos) {
        return "";
    }
    return text.substr(first, text.find_last_not_of(set) - first + 1);
}

std::string replace_all(const std::string& from, const std::string& to, const std::string& text) {
    if (from.empty()) {
        return text;
    }
    std::string out;
    std::size_t at = 0;
    for (std::size_t found = text.find(from); found != std::string::npos;
         found = text.find(from, at)) {
        out.append(text, at, found - at).append(to);
        at = found + from.size();
    }
    return out + text.substr(at);
}

DynList split(const std::string& by, const std::string& text) {
    DynList out;
    if (text.empty()) {
        return out;
    }
    if (by.empty()) {
        for (const char c : text) {
            out.emplace_back(std::string(1, c));
        }
        return out;
    }
    std::size_t at = 0;
    for (std::size_t found = text.find(by); found != std::string::npos; found = text.find(by, at)) {
        out.emplace_back(text.substr(at, found - at));
        at = found + by.size();
    }
    out.emplace_back(text.substr(at));
    return out;
}

Result<Dyn> arithmetic(char operation, const Args& a) {
    NL_TRY_VOID(want(a, 2, 2));
    // A pipeline puts the first operand last: {{ 6 | divide 2 }} is 3.
    const Dyn& right = a[0];
    const Dyn& left = a[1];
    for (const Dyn* operand : {&left, &right}) {
        if (operand->as_int() == nullptr && operand->as_float() == nullptr) {
            return wrong(fmt::format("unknown type for {} ({})", operand->text(), operand->kind()));
        }
    }
    if (left.as_float() != nullptr || right.as_float() != nullptr) {
        const double x = to_float(left);
        const double y = to_float(right);
        switch (operation) {
            case '+':
                return x + y;
            case '-':
                return x - y;
            case '*':
                return x * y;
            case '/':
                return x / y;
            case '<':
                return std::min(x, y);
            case '>':
                return std::max(x, y);
            default:
                return wrong("modulo: floats have none");
        }
    }
    const std::int64_t x = *left.as_int();
    const std::int64_t y = *right.as_int();
    if ((operation == '/' || operation == '%') && y == 0) {
        return wrong("division by zero");
    }
    if ((operation == '/' || operation == '%') && y == -1) {
        return operation == '/' ? Dyn(static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(x)))
                                : Dyn(0);
    }
    const auto ux = static_cast<std::uint64_t>(x);
    const auto uy = static_cast<std::uint64_t>(y);
    switch (operation) {
        case '+':
            return static_cast<std::int64_t>(ux + uy);
        case '-':
            return static_cast<std::int64_t>(ux - uy);
        case '*':
            return static_cast<std::int64_t>(ux * uy);
        case '/':
            return x / y;
        case '%':
            return x % y;
        case '<':
            return std::min(x, y);
        default:
            return std::max(x, y);
    }
}

Result<Dyn> loop(Args& a) {
    NL_TRY_VOID(want(a, 1, 2));
    std::array<std::int64_t, 2> bounds{0, 0};
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].as_list() != nullptr || a[i].as_object() != nullptr || a[i].is_nil()) {
            return wrong(fmt::format("loop: bad argument type {}", a[i].kind()));
        }
        bounds[a.size() == 1 ? 1 : i] = to_int(a[i]);
    }
    if (bounds[1] - bounds[0] > static_cast<std::int64_t>(kMaxLoop)) {
        return wrong(fmt::format("loop: more than {} rounds", kMaxLoop));
    }
    DynList out;
    for (std::int64_t i = bounds[0]; i < bounds[1]; ++i) {
        out.emplace_back(i);
    }
    return out;
}

bool member(const Dyn& item, const Dyn& of) {
    if (const DynList* list = of.as_list()) {
        return std::ranges::any_of(*list, [&](const Dyn& one) {
            return one.text() == item.text();
        });
    }
    if (const DynObject* map = of.as_object()) {
        return map->fields.contains(str(item));
    }
    return of.as_string() != nullptr && of.as_string()->find(str(item)) != std::string::npos;
}

/// contains… of a list of wanted items (first) and a list.
template <class Decide>
TemplateFunction contains_some(Decide decide) {
    return [decide](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        std::size_t wanted = 0;
        std::size_t found = 0;
        if (const DynList* list = a[0].as_list()) {
            for (const Dyn& item : *list) {
                ++wanted;
                found += member(item, a[1]) ? 1U : 0U;
            }
        } else {
            wanted = 1;
            found = member(a[0], a[1]) ? 1U : 0U;
        }
        return decide(wanted, found);
    };
}

Dyn field_of(const Dyn& item, std::string_view name) {
    const DynObject* object = item.as_object();
    if (object == nullptr) {
        return {};
    }
    const auto at = object->fields.find(name);
    return at == object->fields.end() ? Dyn() : at->second;
}

/// Groups of a list: under each key (the last argument is the list).
template <class Keys>
Result<Dyn> group(const Dyn& list, Keys keys_of) {
    std::map<std::string, DynList, std::less<>> groups;
    if (const DynList* items = list.as_list()) {
        for (const Dyn& item : *items) {
            for (const std::string& key : keys_of(item)) {
                groups[key].push_back(item);
            }
        }
    }
    std::map<std::string, Dyn, std::less<>> out;
    for (auto& [key, items] : groups) {
        out.emplace(key, Dyn(std::move(items)));
    }
    return make_map(std::move(out));
}

/// Key-value pairs into a tree of maps, by '/'.
Result<Dyn> explode(const std::map<std::string, Dyn, std::less<>>& pairs) {
    Value::Map tree;
    for (const auto& [path, value] : pairs) {
        Value::Map* at = &tree;
        const DynList parts = split("/", trim_set(path, "/"));
        for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
            Value& next = (*at)[*parts[i].as_string()];
            if (next.as_map() == nullptr) {
                next = Value::Map{};
            }
            at = next.as_map();
        }
        if (!parts.empty()) {
            (*at)[*parts.back().as_string()] = to_value(value);
        }
    }
    return to_dyn(Value(std::move(tree)));
}

void merge_into(
    DynObject& into, const DynObject& from, bool override_old, int depth
) {  // NOLINT(misc-no-recursion)
    for (const auto& [key, value] : from.fields) {
        const auto at = into.fields.find(key);
        if (at == into.fields.end()) {
            into.fields.emplace(key, value);
            continue;
        }
        DynObject* mine = at->second.as_object();
        const DynObject* theirs = value.as_object();
        if (mine != nullptr && theirs != nullptr && depth < kMaxTemplateDepth) {
            auto copy = std::make_shared<DynObject>(*mine);
            merge_into(*copy, *theirs, override_old, depth + 1);
            at->second = Dyn(std::move(copy));
        } else if (override_old) {
            at->second = value;
        }
    }
}

TemplateFunction merge(bool override_old) {
    // mergeMap dst: the map in the pipeline gets what it does not have.
    return [override_old](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 3));
        const DynObject* from = a[0].as_object();
        const DynObject* into = a.back().as_object();
        if (from == nullptr || into == nullptr) {
            return wrong("mergeMap: both must be maps");
        }
        auto out = std::make_shared<DynObject>(*into);
        merge_into(*out, *from, override_old, 0);
        return Dyn(std::move(out));
    };
}

Dyn make_scratch() {
    auto scratch = std::make_shared<DynObject>();
    // The methods are the scratch's own: they may not keep it alive.
    const std::weak_ptr<DynObject> weak = scratch;
    const auto with = [weak](auto act) -> DynObject::Method {
        return [weak, act](const std::vector<Dyn>& a) -> Result<Dyn> {
            const auto self = weak.lock();
            if (self == nullptr) {
                return wrong("the scratch is gone");
            }
            return act(*self, a);
        };
    };
    using Given = std::vector<Dyn>;
    scratch->methods["Key"] = with([](DynObject& s, const Given& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return s.fields.contains(str(a[0]));
    });
    scratch->methods["Get"] = with([](DynObject& s, const Given& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const auto at = s.fields.find(str(a[0]));
        return at == s.fields.end() ? Dyn() : at->second;
    });
    scratch->methods["Set"] = with([](DynObject& s, const Given& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        s.fields.insert_or_assign(str(a[0]), a[1]);
        return Dyn("");
    });
    scratch->methods["SetX"] = with([](DynObject& s, const Given& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        s.fields.emplace(str(a[0]), a[1]);
        return Dyn("");
    });
    const auto map_set = [](bool keep) {
        return [keep](DynObject& s, const Given& a) -> Result<Dyn> {
            NL_TRY_VOID(want(a, 3, 3));
            const auto at = s.fields.find(str(a[0]));
            std::map<std::string, Dyn, std::less<>> fields;
            if (at != s.fields.end()) {
                if (at->second.as_object() == nullptr) {
                    return wrong(fmt::format("\"{}\" is not a map", str(a[0])));
                }
                fields = at->second.as_object()->fields;
            }
            if (keep) {
                fields.emplace(str(a[1]), a[2]);
            } else {
                fields.insert_or_assign(str(a[1]), a[2]);
            }
            s.fields.insert_or_assign(str(a[0]), make_map(std::move(fields)));
            return Dyn("");
        };
    };
    scratch->methods["MapSet"] = with(map_set(false));
    scratch->methods["MapSetX"] = with(map_set(true));
    scratch->methods["MapValues"] = with([](DynObject& s, const Given& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const auto at = s.fields.find(str(a[0]));
        DynList out;
        if (at != s.fields.end() && at->second.as_object() != nullptr) {
            for (const auto& [key, value] : at->second.as_object()->fields) {
                out.push_back(value);
            }
        }
        return Dyn(std::move(out));
    });
    // Nothing but what is set shows.
    return Dyn(std::move(scratch));
}

Result<Dyn> parse_number(const std::string& text, std::string_view function, bool is_unsigned) {
    if (text.empty()) {
        return Dyn(0);
    }
    std::string_view digits = text;
    if (digits.starts_with('+')) {
        digits.remove_prefix(1);
    }
    std::int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc{} || stop != end || (is_unsigned && value < 0)) {
        return wrong(
            fmt::format("{}: strconv.Parse: parsing {}: invalid syntax", function, go_quote(text))
        );
    }
    return value;
}

std::string base64_url(std::string text) {
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return text;
}

/// Go's reference time, as consul-template's `timestamp` takes it: the common parts.
std::string format_time(WallTime at, std::string_view layout) {
    const CivilTime t = to_civil(at);
    constexpr std::array<std::string_view, 12> kMonths{
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December"
    };
    constexpr std::array<std::string_view, 7> kDays{
        "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"
    };
    const std::int64_t days = at.unix_ns / 86'400'000'000'000;
    const std::string_view day = kDays[static_cast<std::size_t>(((days % 7) + 7) % 7)];
    const std::string_view month = kMonths[static_cast<std::size_t>(t.month - 1)];
    const int twelve = t.hour % 12 == 0 ? 12 : t.hour % 12;
    const std::vector<std::pair<std::string_view, std::string>> parts{
        {"2006", fmt::format("{:04}", t.year)},
        {"January", std::string(month)},
        {"Jan", std::string(month.substr(0, 3))},
        {"Monday", std::string(day)},
        {"Mon", std::string(day.substr(0, 3))},
        {"MST", "UTC"},
        {"Z07:00", "Z"},
        {"-0700", "+0000"},
        {"-07:00", "+00:00"},
        {"01", fmt::format("{:02}", t.month)},
        {"02", fmt::format("{:02}", t.day)},
        {"_2", fmt::format("{:>2}", t.day)},
        {"03", fmt::format("{:02}", twelve)},
        {"04", fmt::format("{:02}", t.minute)},
        {"05", fmt::format("{:02}", t.second)},
        {"06", fmt::format("{:02}", t.year % 100)},
        {"15", fmt::format("{:02}", t.hour)},
        {"PM", t.hour >= 12 ? "PM" : "AM"},
        {"pm", t.hour >= 12 ? "pm" : "am"},
        {".000000000", fmt::format(".{:09}", t.nanosecond)},
        {".000000", fmt::format(".{:06}", t.nanosecond / 1000)},
        {".000", fmt::format(".{:03}", t.nanosecond / 1'000'000)},
        {"1", std::to_string(t.month)},
        {"2", std::to_string(t.day)},
        {"3", std::to_string(twelve)},
        {"4", std::to_string(t.minute)},
        {"5", std::to_string(t.second)},
    };
    std::string out;
    while (!layout.empty()) {
        const auto part =
            std::ranges::find_if(parts, [&](const auto& p) { return layout.starts_with(p.first); });
        if (part == parts.end()) {
            out.push_back(layout.front());
            layout.remove_prefix(1);
        } else {
            out += part->second;
            layout.remove_prefix(part->first.size());
        }
    }
    return out;
}

TemplateFunction missing(std::string needs) {
    return [needs](Args&) -> Result<Dyn> {
        return wrong(needs + " is not there for templates of this cluster");
    };
}

void add_text(TemplateFunctions& f) {
    f["toLower"] = text_to([](const std::string& s) { return lower(s); });
    f["toUpper"] = text_to([](const std::string& s) { return upper(s); });
    f["toTitle"] = text_to([](const std::string& s) { return title(s); });
    f["trimSpace"] = text_to([](const std::string& s) { return trim_set(s, " \t\r\n\v\f"); });
    f["trim"] =
        text_with([](const std::string& set, const std::string& s) { return trim_set(s, set); });
    f["trimPrefix"] = text_with([](const std::string& p, const std::string& s) {
        return s.starts_with(p) ? s.substr(p.size()) : s;
    });
    f["trimSuffix"] = text_with([](const std::string& p, const std::string& s) {
        return s.ends_with(p) ? s.substr(0, s.size() - p.size()) : s;
    });
    f["split"] =
        text_with([](const std::string& by, const std::string& s) { return split(by, s); });
    f["join"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        std::string out;
        const DynList* list = a[1].as_list();
        for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
            out += (i > 0 ? str(a[0]) : "") + str((*list)[i]);
        }
        return out;
    };
    f["splitToMap"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 3, 3));
        std::map<std::string, Dyn, std::less<>> out;
        for (const Dyn& item : split(str(a[0]), str(a[2]))) {
            const std::string text = str(item);
            const std::size_t at = text.find(str(a[1]));
            out.insert_or_assign(
                text.substr(0, at),
                at == std::string::npos ? Dyn("") : Dyn(text.substr(at + str(a[1]).size()))
            );
        }
        return make_map(std::move(out));
    };
    f["replaceAll"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 3, 3));
        return replace_all(str(a[0]), str(a[1]), str(a[2]));
    };
    f["regexReplaceAll"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 3, 3));
        NL_TRY(std::string out, regex_replace(str(a[0]), str(a[1]), str(a[2]), false));
        return Dyn(std::move(out));
    };
    f["regexMatch"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        NL_TRY(const bool out, regex_matches(str(a[0]), str(a[1])));
        return Dyn(out);
    };
    f["indent"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        const std::int64_t spaces = to_int(a[0]);
        if (spaces < 0 || spaces > 1000) {
            return wrong("indent: the number of spaces is 0 to 1000");
        }
        const std::string prefix(static_cast<std::size_t>(spaces), ' ');
        const std::string text = str(a[1]);
        std::string out;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            out += (end > at ? prefix : "") + text.substr(at, end - at) +
                   (end < text.size() ? "\n" : "");
            at = end + 1;
        }
        return out;
    };
    f["sha256Hex"] =
        text_to([](const std::string& s) { return hex_encode(template_digest("sha256", s)); });
    f["md5sum"] =
        text_to([](const std::string& s) { return hex_encode(template_digest("md5", s)); });
    f["hmacSHA256Hex"] = text_with([](const std::string& text, const std::string& key) {
        return hex_encode(template_hmac_sha256(key, text));
    });
    f["base64Encode"] = text_to([](const std::string& s) { return base64_encode(s); });
    f["base64URLEncode"] =
        text_to([](const std::string& s) { return base64_url(base64_encode(s)); });
    const auto decode = [](bool url) {
        return [url](Args& a) -> Result<Dyn> {
            NL_TRY_VOID(want(a, 1, 1));
            std::string text = str(a[0]);
            if (url) {
                std::ranges::replace(text, '-', '+');
                std::ranges::replace(text, '_', '/');
            }
            auto bytes = base64_decode(text);
            if (!bytes) {
                return wrong("base64Decode: illegal base64 data");
            }
            return Dyn(std::string(bytes->begin(), bytes->end()));
        };
    };
    f["base64Decode"] = decode(false);
    f["base64URLDecode"] = decode(true);
}

void add_numbers(TemplateFunctions& f) {
    const auto calculate = [](char operation) {
        return [operation](Args& a) { return arithmetic(operation, a); };
    };
    f["add"] = calculate('+');
    f["subtract"] = calculate('-');
    f["multiply"] = calculate('*');
    f["divide"] = calculate('/');
    f["modulo"] = calculate('%');
    f["minimum"] = calculate('<');
    f["maximum"] = calculate('>');
    f["loop"] = loop;
    f["parseBool"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const std::string text = str(a[0]);
        constexpr std::array<std::string_view, 6> kYes{"1", "t", "T", "true", "TRUE", "True"};
        constexpr std::array<std::string_view, 6> kNo{"0", "f", "F", "false", "FALSE", "False"};
        if (text.empty() || std::ranges::find(kNo, text) != kNo.end()) {
            return false;
        }
        if (std::ranges::find(kYes, text) != kYes.end()) {
            return true;
        }
        return wrong(
            fmt::format("parseBool: strconv.ParseBool: parsing {}: invalid syntax", go_quote(text))
        );
    };
    f["parseFloat"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const std::string text = str(a[0]);
        double value = 0;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (!text.empty() && (error != std::errc{} || stop != end)) {
            return wrong(fmt::format(
                "parseFloat: strconv.ParseFloat: parsing {}: invalid syntax", go_quote(text)
            ));
        }
        return value;
    };
    f["parseInt"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return parse_number(str(a[0]), "parseInt", false);
    };
    f["parseUint"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return parse_number(str(a[0]), "parseUint", true);
    };
}

void add_lists(TemplateFunctions& f) {
    f["in"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        return member(a[1], a[0]);
    };
    f["contains"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        return member(a[0], a[1]);
    };
    f["containsAll"] = contains_some([](std::size_t w, std::size_t n) { return w == n; });
    f["containsAny"] = contains_some([](std::size_t, std::size_t n) { return n > 0; });
    f["containsNone"] = contains_some([](std::size_t, std::size_t n) { return n == 0; });
    f["containsNotAll"] = contains_some([](std::size_t w, std::size_t n) { return n < w; });
    f["byKey"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return group(a[0], [](const Dyn& item) {
            const std::string key = str(field_of(item, "Key"));
            return std::vector<std::string>{key.substr(0, key.find('/'))};
        });
    };
    f["byTag"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return group(a[0], [](const Dyn& item) {
            std::vector<std::string> keys;
            const Dyn tags = field_of(item, "Tags");
            for (const Dyn& tag : tags.as_list() != nullptr ? *tags.as_list() : DynList{}) {
                keys.push_back(str(tag));
            }
            return keys;
        });
    };
    f["byPort"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return group(a[0], [](const Dyn& item) {
            return std::vector<std::string>{field_of(item, "Port").text()};
        });
    };
    f["byMeta"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        const DynList keys = split(",", str(a[0]));
        return group(a[1], [&keys](const Dyn& item) {
            std::string key;
            const Dyn meta = field_of(item, "Meta");
            for (const Dyn& part : keys) {
                std::string name = str(part);
                name = name.substr(0, name.find('|'));
                key += (key.empty() ? "" : "_") + str(field_of(meta, name));
            }
            return std::vector<std::string>{key};
        });
    };
    f["explode"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        std::map<std::string, Dyn, std::less<>> pairs;
        for (const Dyn& item : a[0].as_list() != nullptr ? *a[0].as_list() : DynList{}) {
            pairs.insert_or_assign(str(field_of(item, "Key")), field_of(item, "Value"));
        }
        return explode(pairs);
    };
    f["explodeMap"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        if (a[0].as_object() == nullptr) {
            return wrong("explodeMap: only a map can be exploded");
        }
        return explode(a[0].as_object()->fields);
    };
    f["mergeMap"] = merge(false);
    f["mergeMapWithOverride"] = merge(true);
    f["scratch"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 0, 0));
        return make_scratch();
    };
}

void add_debugging(TemplateFunctions& f) {
    const auto dump = [](Args& a) -> Result<Dyn> {
        std::string out;
        for (const Dyn& value : a) {
            out += fmt::format("({}) {}\n", value.kind(), go_sprintf("%#v", {value}));
        }
        return out;
    };
    f["spew_dump"] = dump;
    f["spew_sdump"] = dump;
    const auto print = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1000));
        return go_sprintf(str(a[0]), {a.begin() + 1, a.end()});
    };
    f["spew_printf"] = print;
    f["spew_sprintf"] = print;
}

template <class T>
Result<Dyn> or_nothing(const std::optional<Result<T>>& found, Dyn nothing) {
    if (!found) {
        return nothing;
    }
    if (!*found) {
        return std::unexpected(found->error());
    }
    return Dyn(**found);
}

void add_world(TemplateFunctions& f, const TemplateWorld& w) {
    const auto find = [&w](const std::string& name) -> std::optional<std::string> {
        if (w.env == nullptr) {
            return std::nullopt;
        }
        const auto at = w.env->find(name);
        return at == w.env->end() ? std::nullopt : std::optional(at->second);
    };
    f["env"] = [find](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return find(str(a[0])).value_or("");
    };
    f["mustEnv"] = [find](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const auto value = find(str(a[0]));
        return value ? Result<Dyn>(*value)
                     : wrong(fmt::format("environment variable {} is missing", str(a[0])));
    };
    f["envOrDefault"] = [find](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 2, 2));
        return find(str(a[0])).value_or(str(a[1]));
    };
    f["timestamp"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 0, 1));
        const std::string layout = a.empty() ? "2006-01-02T15:04:05Z07:00" : str(a[0]);
        if (layout == "unix") {
            return std::to_string(w.now.unix_ns / 1'000'000'000);
        }
        return format_time(w.now, layout);
    };
    f["file"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return w.file ? or_nothing(w.file(str(a[0])), "") : wrong("file: no files here");
    };
    f["nomadVar"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return w.variable ? or_nothing(w.variable(str(a[0])), {})
                          : wrong("nomadVar: no variables here");
    };
    f["nomadVarExists"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return w.variable_exists ? or_nothing(w.variable_exists(str(a[0])), false)
                                 : wrong("nomadVarExists: no variables here");
    };
    const auto list = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 0, 1));
        return w.variable_list ? or_nothing(w.variable_list(a.empty() ? "" : str(a[0])), DynList{})
                               : wrong("nomadVarList: no variables here");
    };
    f["nomadVarList"] = list;
    f["nomadVarListSafe"] = list;
    f["nomadServices"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 0, 1));
        return w.services ? or_nothing(w.services(), DynList{})
                          : wrong("nomadServices: no services here");
    };
    f["nomadService"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 3));
        if (a.size() == 2) {
            return wrong("nomadService: want a name, or a number, a key and a name");
        }
        if (!w.service) {
            return wrong("nomadService: no services here");
        }
        const auto found = w.service(str(a.back()));
        if (!found || !*found || a.size() == 1) {
            return or_nothing(found, DynList{});
        }
        // Rendezvous hashing: each key has its own stable order of the instances.
        DynList rows = **found;
        const std::string key = str(a[1]);
        std::ranges::sort(rows, {}, [&](const Dyn& row) {
            const std::string id = str(field_of(row, "ID"));
            return std::pair(crc32c(id, crc32c(key)), id);
        });
        const std::int64_t most = to_int(a[0]);
        if (most >= 0 && static_cast<std::size_t>(most) < rows.size()) {
            rows.resize(static_cast<std::size_t>(most));
        }
        return Dyn(std::move(rows));
    };
    f["sockaddr"] = [&w](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const std::string text = str(a[0]);
        if (text.starts_with("GetPrivateIP") || text.starts_with("GetPublicIP") ||
            text.starts_with("GetDefaultInterfaces") || text.starts_with("GetPrivateInterfaces")) {
            return w.private_ip;
        }
        return wrong(fmt::format("sockaddr: \"{}\" is not understood here", text));
    };
    for (const char* name :
         {"key",
          "keyExists",
          "keyOrDefault",
          "ls",
          "safeLs",
          "tree",
          "safeTree",
          "service",
          "services",
          "connect",
          "caRoots",
          "caLeaf",
          "node",
          "nodes",
          "datacenters",
          "partitions",
          "peerings",
          "exportedServices",
          "importedServices"}) {
        f[name] = missing("Consul");
    }
    for (const char* name : {"secret", "secrets", "pkiCert"}) {
        f[name] = missing("Vault");
    }
}

}  // namespace

TemplateFunctions pure_template_functions() {
    static const TemplateWorld kNoWorld;
    TemplateFunctions f;
    add_text(f);
    add_numbers(f);
    add_lists(f);
    add_debugging(f);
    add_data_functions(f);
    add_sprig_functions(f, kNoWorld);
    return f;
}

TemplateFunctions template_functions(const TemplateWorld& world) {
    TemplateFunctions f;
    add_text(f);
    add_numbers(f);
    add_lists(f);
    add_debugging(f);
    add_data_functions(f);
    add_world(f, world);
    add_sprig_functions(f, world);
    // Allowed or not, these reach outside of the task: they are known so that the refusal is clear.
    for (const char* name : {"executeTemplate", "plugin", "writeToFile"}) {
        f[name] = [name = std::string(name)](Args&) -> Result<Dyn> {
            return wrong(fmt::format("function \"{}\" is not run by this node", name));
        };
    }
    for (const std::string& name : world.denied) {
        f[name] = [](Args&) -> Result<Dyn> { return wrong("function is disabled"); };
    }
    return f;
}

void add_data_functions(TemplateFunctions& f) {
    f["parseJSON"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const std::string text = str(a[0]);
        if (text.empty()) {
            return make_map({});
        }
        auto value = parse_json(text);
        return value ? value : wrong("parseJSON: " + value.error().message);
    };
    f["parseYAML"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        const std::string text = str(a[0]);
        if (text.empty()) {
            return make_map({});
        }
        auto value = parse_yaml(text);
        return value ? value : wrong("parseYAML: " + value.error().message);
    };
    const auto json = [](bool pretty, bool escape) {
        return [pretty, escape](Args& a) -> Result<Dyn> {
            NL_TRY_VOID(want(a, 1, 1));
            return to_json(a[0], pretty, escape);
        };
    };
    f["toJSON"] = json(false, true);
    f["toJSONPretty"] = json(true, true);
    f["toUnescapedJSON"] = json(false, false);
    f["toUnescapedJSONPretty"] = json(true, false);
    f["toYAML"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        return to_yaml(a[0]);
    };
    f["toTOML"] = [](Args& a) -> Result<Dyn> {
        NL_TRY_VOID(want(a, 1, 1));
        NL_TRY(std::string out, to_toml(a[0]));
        return Dyn(std::move(out));
    };
}

}  // namespace nl::expr
