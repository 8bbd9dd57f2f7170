#include "cli/flags.h"

#include "base/check.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace nl::cli {

namespace {

constexpr std::size_t kMaxWords = 100'000;

const FlagSpec* find_spec(std::span<const FlagSpec> specs, std::string_view name) {
    for (const FlagSpec& spec : specs) {
        if (spec.name == name || (!spec.alias.empty() && spec.alias == name)) {
            return &spec;
        }
    }
    return nullptr;
}

Error unknown_flag(std::span<const FlagSpec> specs, std::string_view name) {
    std::vector<std::string> names;
    for (const FlagSpec& spec : specs) {
        names.push_back(spec.name);
    }
    const std::string near = nearest(name, names);
    if (near.empty()) {
        return {ErrorCode::InvalidArgument, fmt::format("unknown flag -{}", name)};
    }
    return {
        ErrorCode::InvalidArgument, fmt::format("unknown flag -{}; did you mean -{}?", name, near)
    };
}

Result<void> check_value(const FlagSpec& spec, std::string_view value) {
    switch (spec.kind) {
        case FlagKind::Bool:
            if (!parse_bool(value)) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "flag -{} takes true or false, not \"{}\"",
                    spec.name,
                    value
                );
            }
            return {};
        case FlagKind::Integer:
            if (!parse_integer(value)) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "flag -{} takes a whole number, not \"{}\"",
                    spec.name,
                    value
                );
            }
            return {};
        case FlagKind::Duration:
            if (!parse_duration(value)) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "flag -{} takes a duration such as 90s or 1h30m, not \"{}\"",
                    spec.name,
                    value
                );
            }
            return {};
        case FlagKind::Text:
        case FlagKind::List:
            return {};
    }
    NL_UNREACHABLE();
}

struct Word {
    std::string name;
    std::string value;
    bool has_value{false};
};

Word split_word(std::string_view word) {
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) {
        return {.name = std::string(word), .value = {}, .has_value = false};
    }
    return {
        .name = std::string(word.substr(0, equals)),
        .value = std::string(word.substr(equals + 1)),
        .has_value = true
    };
}

}  // namespace

Result<bool> parse_bool(std::string_view text) {
    constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
    constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
    if (std::ranges::find(kTrue, text) != kTrue.end()) {
        return true;
    }
    if (std::ranges::find(kFalse, text) != kFalse.end()) {
        return false;
    }
    return fail(ErrorCode::InvalidArgument, "\"{}\" is neither true nor false", text);
}

Result<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    if (text.starts_with('+')) {
        text.remove_prefix(1);
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" is not a whole number", text);
    }
    return value;
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
    std::string best;
    std::size_t best_distance = 0;
    for (const std::string& candidate : candidates) {
        // Edit distance with transpositions of neighbours, over three rows.
        const std::size_t columns = candidate.size() + 1;
        std::vector<std::size_t> before(columns);
        std::vector<std::size_t> above(columns);
        std::vector<std::size_t> row(columns);
        for (std::size_t j = 0; j < columns; ++j) {
            above[j] = j;
        }
        for (std::size_t i = 1; i <= word.size(); ++i) {
            row[0] = i;
            for (std::size_t j = 1; j < columns; ++j) {
                const std::size_t cost = word[i - 1] == candidate[j - 1] ? 0 : 1;
                row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + cost});
                if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] &&
                    word[i - 2] == candidate[j - 1]) {
                    row[j] = std::min(row[j], before[j - 2] + 1);
                }
            }
            before = above;
            above = row;
        }
        const std::size_t distance = above[columns - 1];
        const std::size_t limit = std::max<std::size_t>(1, std::max(word.size(), columns - 1) / 3);
        // Two unrelated one-letter flags are a single edit apart; suggesting one helps nobody.
        if (distance > limit || distance >= std::max(word.size(), candidate.size())) {
            continue;
        }
        if (best.empty() || distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

bool is_flag_word(std::string_view word, std::string_view name) {
    if (word.size() < 2 || word[0] != '-' || word == "--") {
        return false;
    }
    return split_word(word).name == name;
}

Result<ParsedLine> parse_flags(
    std::span<const FlagSpec> specs, std::span<const std::string> words, FlagOrder order
) {
    NL_ASSERT(words.size() < kMaxWords);
    ParsedLine line;
    for (const FlagSpec& spec : specs) {
        auto& slot = line.flags.slots_[spec.name];
        slot.kind = spec.kind;
        if (!spec.fallback.empty()) {
            slot.values.push_back(spec.fallback);
        }
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& text = words[i];
        if (text == "--") {
            line.arguments.insert(
                line.arguments.end(),
                words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                words.end()
            );
            break;
        }
        if (text.size() < 2 || text[0] != '-') {
            if (order == FlagOrder::First) {
                line.arguments.insert(
                    line.arguments.end(),
                    words.begin() + static_cast<std::ptrdiff_t>(i),
                    words.end()
                );
                break;
            }
            line.arguments.push_back(text);
            continue;
        }
        Word word = split_word(text);
        const FlagSpec* spec = find_spec(specs, word.name);
        if (spec == nullptr && order == FlagOrder::Anywhere && text[1] != '-') {
            // -ojson: a one-letter name with its value attached.
            const FlagSpec* letter = find_spec(specs, std::string_view(text).substr(1, 1));
            if (letter != nullptr && letter->kind != FlagKind::Bool && text.size() > 2) {
                spec = letter;
                word.value = text.substr(2);
                word.has_value = true;
            }
        }
        if (spec == nullptr) {
            return std::unexpected(unknown_flag(specs, word.name));
        }
        if (!word.has_value) {
            if (spec->kind == FlagKind::Bool) {
                word.value = "true";
            } else if (i + 1 < words.size()) {
                word.value = words[++i];
            } else {
                return fail(ErrorCode::InvalidArgument, "flag -{} needs a value", word.name);
            }
        }
        NL_TRY_VOID(check_value(*spec, word.value));
        auto& slot = line.flags.slots_.find(spec->name)->second;
        if (spec->kind != FlagKind::List || !slot.given) {
            slot.values.clear();
        }
        slot.values.push_back(std::move(word.value));
        slot.given = true;
    }
    return line;
}

const FlagValues::Slot& FlagValues::slot(std::string_view name, FlagKind kind) const {
    const auto found = slots_.find(name);
    NL_ASSERT(found != slots_.end());
    NL_ASSERT(found->second.kind == kind);
    return found->second;
}

bool FlagValues::given(std::string_view name) const {
    const auto found = slots_.find(name);
    NL_ASSERT(found != slots_.end());
    return found->second.given;
}

bool FlagValues::on(std::string_view name) const {
    const Slot& found = slot(name, FlagKind::Bool);
    return !found.values.empty() && parse_bool(found.values.back()).value_or(false);
}

std::string FlagValues::text(std::string_view name) const {
    const Slot& found = slot(name, FlagKind::Text);
    return found.values.empty() ? std::string() : found.values.back();
}

std::int64_t FlagValues::integer(std::string_view name) const {
    const Slot& found = slot(name, FlagKind::Integer);
    return found.values.empty() ? 0 : parse_integer(found.values.back()).value_or(0);
}

Duration FlagValues::duration(std::string_view name) const {
    const Slot& found = slot(name, FlagKind::Duration);
    return found.values.empty() ? Duration{}
                                : parse_duration(found.values.back()).value_or(Duration{});
}

const std::vector<std::string>& FlagValues::list(std::string_view name) const {
    return slot(name, FlagKind::List).values;
}

}  // namespace nl::cli
