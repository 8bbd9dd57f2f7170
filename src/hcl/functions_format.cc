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

std::string padded(std::string text, const Verb& verb) {
    const auto length = static_cast<int>(grapheme_count(text));
    if (verb.width <= length) {
        return text;
    }
    const auto missing = static_cast<std::size_t>(verb.width - length);
    if (verb.minus) {
        return text + std::string(missing, ' ');
    }
    if (verb.zero) {
        const std::size_t at = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
        text.insert(at, missing, '0');
        return text;
    }
    return std::string(missing, ' ') + text;
}

std::expected<std::string, std::string> number_text(const Value& value, const Verb& verb) {
    auto converted = convert(value, Kind::Number);
    if (!converted || !converted->is_usable()) {
        return std::unexpected("number required");
    }
    const Number& n = converted->as_number();
    std::string text;
    switch (verb.letter) {
        case 'd':
            text = n.sign() < 0 ? n.ceil().str() : n.floor().str();
            break;
        case 'b':
            text = n.str_in_base(2);
            break;
        case 'o':
            text = n.str_in_base(8);
            break;
        case 'x':
            text = n.str_in_base(16);
            break;
        case 'X':
            text = to_upper(n.str_in_base(16));
            break;
        default:
            text = n.formatted(verb.letter, verb.precision);
            break;
    }
    if (n.sign() >= 0 && verb.plus) {
        text.insert(0, 1, '+');
    } else if (n.sign() >= 0 && verb.space) {
        text.insert(0, 1, ' ');
    }
    return padded(std::move(text), verb);
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

std::expected<std::string, std::string> one(const Value& value, const Verb& verb) {
    switch (verb.letter) {
        case 'v': {
            if (!verb.sharp && value.is_usable() && value.kind() == Kind::Number) {
                Verb general = verb;
                general.letter = 'g';
                return number_text(value, general);
            }
            return padded(shown(value, verb), verb);
        }
        case 't': {
            auto b = convert(value, Kind::Bool);
            if (!b || !b->is_usable()) {
                return std::unexpected("bool required");
            }
            return padded(b->as_bool() ? "true" : "false", verb);
        }
        case 's':
        case 'q': {
            auto text = convert(value, Kind::String);
            if (!text || !text->is_usable()) {
                return std::unexpected("string required");
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
        case 'd':
        case 'b':
        case 'o':
        case 'x':
        case 'X':
        case 'e':
        case 'E':
        case 'f':
        case 'g':
        case 'G':
            return number_text(value, verb);
        default:
            return std::unexpected(fmt::format("unsupported format verb '{}'", verb.letter));
    }
}

std::optional<Verb> read_verb(std::string_view text) {
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
        ++i;
        const auto n = number();
        if (!n || *n < 1 || i >= text.size() || text[i] != ']') {
            return std::nullopt;
        }
        ++i;
        verb.argument = static_cast<std::size_t>(*n);
    }
    if (i >= text.size() || verb.width > kMaxWidth || verb.precision.value_or(0) > kMaxWidth) {
        return std::nullopt;
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
            return wrong(fmt::format("unrecognized format character at offset {}", percent), 0);
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
        return wrong(fmt::format("too many arguments; only {} used by format string", highest));
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
            for (const Value& v : a.subspan(1)) {
                ++at;
                if (v.is_usable() && v.is_sequence()) {
                    if (rounds && *rounds != v.items().size()) {
                        return wrong(
                            fmt::format(
                                "argument {} has length {}, which is inconsistent with an earlier "
                                "list of length {}",
                                at,
                                v.items().size(),
                                *rounds
                            ),
                            at
                        );
                    }
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
                    return text;
                }
                items.push_back(std::move(*text));
            }
            return Value::list(Kind::String, std::move(items));
        }
    };
}

}  // namespace nl::hcl::internal
