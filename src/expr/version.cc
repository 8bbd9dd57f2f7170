#include "expr/version.h"

#include "base/check.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace nl::expr {
namespace {

constexpr std::size_t kMaxVersionLength = 256;

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_identifier(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '.' || c == '~';
    });
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return n;
}

std::string_view take_until(std::string_view& rest, char separator) {
    const auto at = rest.find(separator);
    const auto head = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    return head;
}

/// Semver item 11.4: numbers below words, numbers as numbers, a longer list wins a tie.
int compare_prerelease(std::string_view a, std::string_view b) {
    if (a.empty() || b.empty()) {
        // No pre-release comes after any pre-release.
        return static_cast<int>(a.empty()) - static_cast<int>(b.empty());
    }
    while (!a.empty() && !b.empty()) {
        const auto x = take_until(a, '.');
        const auto y = take_until(b, '.');
        if (x == y) {
            continue;
        }
        const auto nx = parse_number(x);
        const auto ny = parse_number(y);
        if (nx && ny) {
            return *nx < *ny ? -1 : 1;
        }
        if (nx || ny) {
            return nx ? -1 : 1;
        }
        return x < y ? -1 : 1;
    }
    return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
}

}  // namespace

std::optional<Version> parse_version(std::string_view text, VersionSyntax syntax) {
    text = trim(text);
    if (text.size() > kMaxVersionLength) {
        return std::nullopt;
    }
    if (syntax == VersionSyntax::Lenient && text.starts_with('v')) {
        text.remove_prefix(1);
    }
    Version version;
    const auto plus = text.find('+');
    if (plus != std::string_view::npos) {
        if (!is_identifier(text.substr(plus + 1))) {
            return std::nullopt;
        }
        text = text.substr(0, plus);
    }
    const auto dash = text.find('-');
    if (dash != std::string_view::npos) {
        if (!is_identifier(text.substr(dash + 1))) {
            return std::nullopt;
        }
        version.prerelease = text.substr(dash + 1);
        text = text.substr(0, dash);
    } else if (syntax == VersionSyntax::Lenient) {
        // "1.2beta3" means "1.2-beta3".
        const auto word = text.find_first_not_of("0123456789.");
        if (word != std::string_view::npos) {
            if (!is_identifier(text.substr(word))) {
                return std::nullopt;
            }
            version.prerelease = text.substr(word);
            text = text.substr(0, word);
        }
    }
    bool more = true;
    while (more) {
        more = text.find('.') != std::string_view::npos;
        const auto part = parse_number(take_until(text, '.'));
        if (!part) {
            return std::nullopt;
        }
        version.parts.push_back(*part);
    }
    version.written = version.parts.size();
    if (syntax == VersionSyntax::Strict && version.written != 3) {
        return std::nullopt;
    }
    while (version.parts.size() < 3) {
        version.parts.push_back(0);
    }
    return version;
}

int compare(const Version& a, const Version& b) {
    const std::size_t n = std::max(a.parts.size(), b.parts.size());
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t x = i < a.parts.size() ? a.parts[i] : 0;
        const std::uint64_t y = i < b.parts.size() ? b.parts[i] : 0;
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return compare_prerelease(a.prerelease, b.prerelease);
}

std::optional<VersionConstraint> VersionConstraint::parse(
    std::string_view text, VersionSyntax syntax
) {
    static constexpr std::array<std::pair<std::string_view, Operator>, 7> kOperators{{
        {"~>", Operator::Pessimistic},
        {">=", Operator::GreaterEqual},
        {"<=", Operator::LessEqual},
        {"!=", Operator::NotEqual},
        {"=", Operator::Equal},
        {">", Operator::Greater},
        {"<", Operator::Less},
    }};
    VersionConstraint constraint;
    bool more = true;
    while (more) {
        more = text.find(',') != std::string_view::npos;
        std::string_view piece = trim(take_until(text, ','));
        Part part{Operator::Equal, {}};
        for (const auto& [spelling, op] : kOperators) {
            if (piece.starts_with(spelling)) {
                piece.remove_prefix(spelling.size());
                part.op = op;
                break;
            }
        }
        if (part.op == Operator::Pessimistic && syntax == VersionSyntax::Strict) {
            return std::nullopt;
        }
        // A bound may be short ("< 2") in both syntaxes; only the node's own version is strict.
        auto bound = parse_version(piece, VersionSyntax::Lenient);
        if (!bound) {
            return std::nullopt;
        }
        part.bound = std::move(*bound);
        constraint.parts_.push_back(std::move(part));
    }
    NL_ASSERT(!constraint.parts_.empty());
    return constraint;
}

bool VersionConstraint::allows(const Part& part, const Version& version) {
    const int order = compare(version, part.bound);
    switch (part.op) {
        case Operator::Equal:
            return order == 0;
        case Operator::NotEqual:
            return order != 0;
        case Operator::Greater:
            return order > 0;
        case Operator::Less:
            return order < 0;
        case Operator::GreaterEqual:
            return order >= 0;
        case Operator::LessEqual:
            return order <= 0;
        case Operator::Pessimistic: {
            if (order < 0) {
                return false;
            }
            // All written numbers but the last must agree: "~> 1.2" is >= 1.2 and < 2.
            const std::size_t fixed = part.bound.written > 1 ? part.bound.written - 1 : 1;
            for (std::size_t i = 0; i < fixed; ++i) {
                if (i >= version.parts.size() || version.parts[i] != part.bound.parts[i]) {
                    return false;
                }
            }
            return true;
        }
    }
    NL_UNREACHABLE();
}

bool VersionConstraint::allows(const Version& version) const {
    return std::ranges::all_of(parts_, [&](const Part& part) { return allows(part, version); });
}

}  // namespace nl::expr
