#include "hcl/internal/function_groups.h"
#include "hcl/text.h"

#include <algorithm>

namespace nl::hcl::internal {
namespace {

std::vector<std::string_view> clusters(std::string_view text) {
    std::vector<std::string_view> all;
    while (!text.empty()) {
        const std::size_t n = first_grapheme(text);
        all.push_back(text.substr(0, n));
        text.remove_prefix(n);
    }
    return all;
}

FunctionResult reversed(Arguments a, FunctionEnvironment&) {
    std::string out;
    const auto all = clusters(a[0].as_string());
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        out += *it;
    }
    return Value::string(out);
}

FunctionResult substring(Arguments a, FunctionEnvironment&) {
    const auto offset = a[1].as_number().as_int();
    const auto length = a[2].as_number().as_int();
    if (!offset) {
        return not_whole();
    }
    if (!length) {
        return not_whole();
    }
    const auto all = clusters(a[0].as_string());
    const auto size = static_cast<std::int64_t>(all.size());
    const std::int64_t begin =
        std::clamp<std::int64_t>(*offset < 0 ? size + *offset : *offset, 0, size);
    const std::int64_t end = *length < 0 || *length > size - begin ? size : begin + *length;
    std::string out;
    for (std::int64_t i = begin; i < end; ++i) {
        out += all[static_cast<std::size_t>(i)];
    }
    return Value::string(out);
}

/// Whether the code point at the front of `text` is in `set`.
std::size_t matching_front(std::string_view text, std::string_view set) {
    const CodePoint c = decode(text);
    if (c.length == 0) {
        return 0;
    }
    return set.find(text.substr(0, c.length)) != std::string_view::npos ? c.length : 0;
}

std::string_view trimmed(std::string_view text, std::string_view set) {
    while (!text.empty()) {
        const std::size_t n = matching_front(text, set);
        if (n == 0) {
            break;
        }
        text.remove_prefix(n);
    }
    while (!text.empty()) {
        std::size_t start = text.size() - 1;
        while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) {
            --start;
        }
        if (matching_front(text.substr(start), set) == 0) {
            break;
        }
        text.remove_suffix(text.size() - start);
    }
    return text;
}

std::string_view trimmed_space(std::string_view text) {
    while (!text.empty()) {
        const CodePoint c = decode(text);
        if (c.length == 0 || !is_space(c.value)) {
            break;
        }
        text.remove_prefix(c.length);
    }
    while (!text.empty()) {
        std::size_t start = text.size() - 1;
        while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) {
            --start;
        }
        const CodePoint c = decode(text.substr(start));
        if (c.length == 0 || !is_space(c.value)) {
            break;
        }
        text.remove_suffix(text.size() - start);
    }
    return text;
}

FunctionResult joined(Arguments a, FunctionEnvironment&) {
    std::string out;
    bool first = true;
    std::size_t list = 0;
    for (const Value& items : a.subspan(1)) {
        ++list;
        std::size_t at = 0;
        for (const Value& item : items.items()) {
            if (item.is_null()) {
                return wrong(
                    a.size() > 2
                        ? fmt::format(
                              "element {} of list {} is null; cannot concatenate null values",
                              at,
                              list
                          )
                        : fmt::format("element {} is null; cannot concatenate null values", at),
                    static_cast<int>(list)
                );
            }
            if (!first) {
                out += a[0].as_string();
            }
            first = false;
            out += item.as_string();
            ++at;
        }
    }
    return Value::string(out);
}

FunctionResult split(Arguments a, FunctionEnvironment&) {
    const std::string& separator = a[0].as_string();
    std::string_view rest = a[1].as_string();
    Value::Items items;
    if (separator.empty()) {
        while (!rest.empty()) {
            const CodePoint c = decode(rest);
            const std::size_t n = c.length == 0 ? 1 : c.length;
            items.push_back(Value::string(rest.substr(0, n)));
            rest.remove_prefix(n);
        }
        return Value::list(Kind::String, std::move(items));
    }
    while (true) {
        const std::size_t found = rest.find(separator);
        items.push_back(Value::string(rest.substr(0, found)));
        if (found == std::string_view::npos) {
            return Value::list(Kind::String, std::move(items));
        }
        rest.remove_prefix(found + separator.size());
    }
}

FunctionResult replaced(Arguments a, FunctionEnvironment&) {
    const std::string& text = a[0].as_string();
    const std::string& from = a[1].as_string();
    const std::string& to = a[2].as_string();
    constexpr std::size_t kMaxResult = 64 * 1024 * 1024;
    std::string out;
    if (from.empty()) {
        // Between all characters, as Go does it.
        out = to;
        std::string_view rest = text;
        while (!rest.empty()) {
            const std::size_t n = std::max<std::size_t>(decode(rest).length, 1);
            out += rest.substr(0, n);
            out += to;
            rest.remove_prefix(n);
            if (out.size() > kMaxResult) {
                return wrong("the result is too long");
            }
        }
        return Value::string(out);
    }
    std::size_t at = 0;
    while (true) {
        const std::size_t found = text.find(from, at);
        out.append(text, at, found - at);
        if (found == std::string::npos) {
            return Value::string(out);
        }
        out += to;
        at = found + from.size();
        if (out.size() > kMaxResult) {
            return wrong("the result is too long");
        }
    }
}

}  // namespace

void add_text_functions(FunctionTable& table) {
    const Parameter str{.name = "str", .type = Kind::String};
    const auto one = [&](std::string_view name,
                         FunctionResult (*call)(Arguments, FunctionEnvironment&)) {
        table[name] = {.parameters = {str}, .call = call};
    };
    one("lower", [](Arguments a, FunctionEnvironment&) -> FunctionResult {
        return Value::string(to_lower(a[0].as_string()));
    });
    one("upper", [](Arguments a, FunctionEnvironment&) -> FunctionResult {
        return Value::string(to_upper(a[0].as_string()));
    });
    one("title", [](Arguments a, FunctionEnvironment&) -> FunctionResult {
        return Value::string(to_title(a[0].as_string()));
    });
    one("strlen", [](Arguments a, FunctionEnvironment&) -> FunctionResult {
        return Value::number(static_cast<std::int64_t>(grapheme_count(a[0].as_string())));
    });
    one("strrev", reversed);
    one("reverse", reversed);
    one("chomp", [](Arguments a, FunctionEnvironment&) -> FunctionResult {
        std::string_view text = a[0].as_string();
        while (text.ends_with('\n') || text.ends_with('\r')) {
            text.remove_suffix(1);
        }
        return Value::string(text);
    });
    one("trimspace", [](Arguments a, FunctionEnvironment&) -> FunctionResult {
        return Value::string(trimmed_space(a[0].as_string()));
    });
    table["trim"] = {
        .parameters = {str, {.name = "cutset", .type = Kind::String}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            return Value::string(trimmed(a[0].as_string(), a[1].as_string()));
        }
    };
    table["trimprefix"] = {
        .parameters = {str, {.name = "prefix", .type = Kind::String}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            std::string_view text = a[0].as_string();
            if (text.starts_with(a[1].as_string())) {
                text.remove_prefix(a[1].as_string().size());
            }
            return Value::string(text);
        }
    };
    table["trimsuffix"] = {
        .parameters = {str, {.name = "suffix", .type = Kind::String}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            std::string_view text = a[0].as_string();
            if (text.ends_with(a[1].as_string())) {
                text.remove_suffix(a[1].as_string().size());
            }
            return Value::string(text);
        }
    };
    table["substr"] = {
        .parameters =
            {str, {.name = "offset", .type = Kind::Number}, {.name = "length", .type = Kind::Number}
            },
        .call = substring
    };
    table["join"] = {
        .parameters = {{.name = "separator", .type = Kind::String}},
        .rest = Parameter{.name = "lists", .type = Type::list(Kind::String)},
        .call = [](Arguments a, FunctionEnvironment& e) -> FunctionResult {
            if (a.size() < 2) {
                return wrong("at least one list is required");
            }
            return joined(a, e);
        }
    };
    table["split"] = {
        .parameters =
            {{.name = "separator", .type = Kind::String}, {.name = "str", .type = Kind::String}},
        .call = split
    };
    table["replace"] = {
        .parameters =
            {str,
             {.name = "substr", .type = Kind::String},
             {.name = "replace", .type = Kind::String}},
        .call = replaced
    };
    table["indent"] = {
        .parameters = {{.name = "spaces", .type = Kind::Number}, str},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            constexpr std::int64_t kMaxSpaces = 10'000;
            const auto spaces = a[0].as_number().as_int();
            if (!spaces || *spaces < 0 || *spaces > kMaxSpaces) {
                return spaces ? wrong(fmt::format(
                                    "a whole number from 0 to {} is required", kMaxSpaces
                                ))
                              : not_whole();
            }
            const std::string pad = "\n" + std::string(static_cast<std::size_t>(*spaces), ' ');
            std::string out;
            for (const char c : a[1].as_string()) {
                if (c == '\n') {
                    out += pad;
                } else {
                    out += c;
                }
            }
            return Value::string(out);
        }
    };
}

}  // namespace nl::hcl::internal
