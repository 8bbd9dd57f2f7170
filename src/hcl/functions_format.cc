#include "hcl/internal/function_groups.h"
#include "hcl/json.h"
#include "hcl/text.h"

#include <algorithm>

namespace nl::hcl::internal {
namespace {

// Widths and precisions beyond this are refused: they only make text longer.
constexpr int kMaxWidth = 10'000;

struct Verb {
    std::string_view text;
    char letter{0};
    bool minus{false};
    bool plus{false};
    bool space{false};
    bool sharp{false};
    bool zero{false};
    int width{0};
    std::optional<int> precision;
    std::optional<std::size_t> argument;
};

/// `lead` is what goes before zeros that fill up: a sign, 0x.
std::string padded(std::string text, const Verb& verb, std::size_t lead = 0) {
    const auto length = static_cast<int>(grapheme_count(text));
    if (verb.width <= length) {
        return text;
    }
    const auto missing = static_cast<std::size_t>(verb.width - length);
    if (verb.minus) {
        return text + std::string(missing, ' ');
    }
    if (verb.zero) {
        text.insert(lead, missing, '0');
        return text;
    }
    return std::string(missing, ' ') + text;
}

using Text = std::expected<std::string, std::string>;

Text number_text(const Value& value, const Verb& verb) {
    auto converted = convert(value, Kind::Number);
    if (!converted) {
        return std::unexpected(converted.error().message);
    }
    const Number& n = converted->as_number();
    const bool whole = std::string_view("dboxX").find(verb.letter) != std::string_view::npos;
    if (whole && !n.is_whole()) {
        return std::unexpected("an integer is required");
    }
    std::string text;
    std::string_view base;
    switch (verb.letter) {
        case 'd':
            text = n.str();
            break;
        case 'b':
            text = n.str_in_base(2);
            base = "0b";
            break;
        case 'o':
            text = n.str_in_base(8);
            base = "0";
            break;
        case 'x':
            text = n.str_in_base(16);
            base = "0x";
            break;
        case 'X':
            text = to_upper(n.str_in_base(16));
            base = "0X";
            break;
        default:
            text = n.formatted(verb.letter, verb.precision);
            break;
    }
    std::size_t lead = n.sign() < 0 ? 1 : 0;
    if (verb.sharp) {
        text.insert(lead, base);
        lead += base.size();
    }
    if (n.sign() >= 0 && (verb.plus || verb.space)) {
        text.insert(0, 1, verb.plus ? '+' : ' ');
        ++lead;
    }
    return padded(std::move(text), verb, lead);
}

std::string shown(const Value& value, const Verb& verb) {
    if (verb.sharp) {
        std::string out;
        append_json(out, value);
        return out;
    }
    if (value.is_null()) {
        return "null";
    }
    if (auto text = convert(value, Kind::String)) {
        return text->as_string();
    }
    std::string out;
    append_json(out, value);
    return out;
}

Text one(const Value& value, const Verb& verb) {
    if (verb.letter != 'v' && value.is_null()) {
        return std::unexpected("null value cannot be formatted");
    }
    switch (verb.letter) {
        case 'v': {
            if (!verb.sharp && value.is_usable() && value.kind() == Kind::Number) {
                Verb general = verb;
                general.letter = 'g';
                general.precision.reset();
                return number_text(value, general);
            }
            return padded(shown(value, verb), verb);
        }
        case 't': {
            auto b = convert(value, Kind::Bool);
            if (!b) {
                return std::unexpected(b.error().message);
            }
            return b->as_bool() ? "true" : "false";
        }
        case 's':
        case 'q': {
            auto text = convert(value, Kind::String);
            if (!text) {
                return std::unexpected(text.error().message);
            }
            std::string out = text->as_string();
            if (verb.precision) {
                std::size_t bytes = 0;
                for (int i = 0; i < *verb.precision && bytes < out.size(); ++i) {
                    bytes += first_grapheme(std::string_view(out).substr(bytes));
                }
                out.resize(bytes);
            }
            if (verb.letter == 'q') {
                std::string quoted;
                append_json_text(quoted, out);
                out = std::move(quoted);
            }
            return padded(std::move(out), verb);
        }
        default:
            return number_text(value, verb);
    }
}

/// The verb at the beginning of the text, or where it stops to be one.
std::expected<Verb, std::size_t> read_verb(std::string_view text) {
    Verb verb;
    std::size_t i = 1;
    const auto number = [&]() -> std::optional<int> {
        int n = 0;
        const std::size_t from = i;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            n = std::min(n * 10 + (text[i] - '0'), kMaxWidth + 1);
            ++i;
        }
        return i > from ? std::optional(n) : std::nullopt;
    };
    for (; i < text.size(); ++i) {
        if (text[i] == '-') {
            verb.minus = true;
        } else if (text[i] == '+') {
            verb.plus = true;
        } else if (text[i] == ' ') {
            verb.space = true;
        } else if (text[i] == '#') {
            verb.sharp = true;
        } else if (text[i] == '0') {
            verb.zero = true;
        } else {
            break;
        }
    }
    verb.width = number().value_or(0);
    if (i < text.size() && text[i] == '.') {
        ++i;
        verb.precision = number().value_or(0);
    }
    if (i < text.size() && text[i] == '[') {
        const std::size_t digits = ++i;
        const auto n = number();
        if (!n || *n < 1) {
            return std::unexpected(digits);
        }
        if (i >= text.size() || text[i] != ']') {
            return std::unexpected(i);
        }
        ++i;
        verb.argument = static_cast<std::size_t>(*n);
    }
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if (i >= text.size() || !letter(text[i])) {
        return std::unexpected(i);
    }
    verb.letter = text[i];
    verb.text = text.substr(0, i + 1);
    return verb;
}

FunctionResult formatted(std::string_view pattern, Arguments values) {
    std::string out;
    std::size_t next = 1;
    std::size_t highest = 0;
    std::size_t offset = 0;
    while (offset < pattern.size()) {
        const std::size_t percent = pattern.find('%', offset);
        out += pattern.substr(offset, percent - offset);
        if (percent == std::string_view::npos) {
            break;
        }
        if (pattern.substr(percent, 2) == "%%") {
            out += '%';
            offset = percent + 2;
            continue;
        }
        const auto verb = read_verb(pattern.substr(percent));
        if (!verb) {
            const std::size_t at = percent + verb.error();
            if (at >= pattern.size()) {
                return wrong(fmt::format("invalid format string starting at offset {}", at));
            }
            const std::string_view rest = pattern.substr(at);
            return wrong(fmt::format(
                "unrecognized format character '{}' at offset {}",
                rest.substr(0, std::max<std::size_t>(decode(rest).length, 1)),
                at
            ));
        }
        if (verb->width > kMaxWidth || verb->precision.value_or(0) > kMaxWidth) {
            return wrong(fmt::format(
                "\"{}\" at {} asks for more than {} characters", verb->text, percent, kMaxWidth
            ));
        }
        if (std::string_view("vtsqdboxXeEfgG").find(verb->letter) == std::string_view::npos) {
            return wrong(fmt::format(
                "unsupported format verb '{}' in \"{}\" at offset {}",
                verb->letter,
                verb->text,
                percent
            ));
        }
        const std::size_t number = verb->argument.value_or(next);
        next = number + 1;
        highest = std::max(highest, number);
        if (number > values.size()) {
            return wrong(fmt::format(
                "not enough arguments for \"{}\" at {}: need index {} but have {} total",
                verb->text,
                percent,
                number,
                values.size()
            ));
        }
        auto text = one(values[number - 1], *verb);
        if (!text) {
            return wrong(fmt::format(
                "unsupported value for \"{}\" at {}: {}", verb->text, percent, text.error()
            ));
        }
        out += *text;
        offset = percent + verb->text.size();
    }
    if (highest < values.size()) {
        return wrong(
            highest == 0 ? std::string("too many arguments; no verbs in format string")
                         : fmt::format(
                               "too many arguments; only {} used by format string", highest
                           ),
            static_cast<int>(highest) + 1
        );
    }
    return Value::string(out);
}

}  // namespace

void add_format_functions(FunctionTable& table) {
    const Parameter format{.name = "format", .type = Kind::String};
    const Parameter args{.name = "args", .type = {}, .allow_null = true};
    table["format"] = {
        .parameters = {format},
        .rest = args,
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            return formatted(a[0].as_string(), a.subspan(1));
        }
    };
    table["formatlist"] = {
        .parameters = {format},
        .rest = args,
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            std::optional<std::size_t> rounds;
            int at = 0;
            int first = 0;
            for (const Value& v : a.subspan(1)) {
                ++at;
                if (v.is_usable() && v.is_sequence()) {
                    if (rounds && *rounds != v.items().size()) {
                        return wrong(
                            fmt::format(
                                "argument {} has length {}, which is inconsistent with argument {} "
                                "of length {}",
                                at,
                                v.items().size(),
                                first,
                                *rounds
                            ),
                            at
                        );
                    }
                    first = rounds ? first : at;
                    rounds = v.items().size();
                }
            }
            Value::Items items;
            for (std::size_t i = 0; i < rounds.value_or(1); ++i) {
                Value::Items row;
                for (const Value& v : a.subspan(1)) {
                    row.push_back(v.is_usable() && v.is_sequence() ? v.items()[i] : v);
                }
                auto text = formatted(a[0].as_string(), row);
                if (!text) {
                    return wrong(
                        fmt::format("error on format iteration {}: {}", i, text.error().message)
                    );
                }
                items.push_back(std::move(*text));
            }
            return Value::list(Kind::String, std::move(items));
        }
    };
}

}  // namespace nl::hcl::internal
