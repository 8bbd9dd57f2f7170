#include "sched/operators.h"

#include "expr/version.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace nl::sched {
namespace {

using Text = std::optional<std::string_view>;

Text find(const StringMap& map, std::string_view key) {
    const auto at = map.find(key);
    return at == map.end() ? Text{} : Text{at->second};
}

template <class T>
std::optional<T> parse(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

/// Integers if both are, else floating point if both are, else text.
int compare_ordered(std::string_view a, std::string_view b) {
    const auto three_way = [](auto x, auto y) { return x < y ? -1 : (y < x ? 1 : 0); };
    if (const auto x = parse<std::int64_t>(a), y = parse<std::int64_t>(b); x && y) {
        return three_way(*x, *y);
    }
    if (const auto x = parse<double>(a), y = parse<double>(b); x && y) {
        return three_way(*x, *y);
    }
    return three_way(a, b);
}

std::vector<std::string_view> items(std::string_view list) {
    std::vector<std::string_view> out;
    while (true) {
        const auto comma = list.find(',');
        std::string_view item = list.substr(0, comma);
        const auto first = item.find_first_not_of(" \t");
        if (first != std::string_view::npos) {
            item = item.substr(first, item.find_last_not_of(" \t") - first + 1);
        } else {
            item = {};
        }
        out.push_back(item);
        if (comma == std::string_view::npos) {
            return out;
        }
        list.remove_prefix(comma + 1);
    }
}

enum class SetMatch { All, Any };

bool set_contains(std::string_view have, std::string_view want, SetMatch match) {
    const auto held = items(have);
    const auto is_held = [&](std::string_view item) {
        return std::ranges::find(held, item) != held.end();
    };
    const auto wanted = items(want);
    return match == SetMatch::All ? std::ranges::all_of(wanted, is_held)
                                  : std::ranges::any_of(wanted, is_held);
}

using expr::VersionConstraint;
using expr::VersionSyntax;

bool version_holds(std::string_view have, std::string_view want, VersionSyntax syntax) {
    const auto version = expr::parse_version(have, syntax);
    const auto constraint = VersionConstraint::parse(want, syntax);
    return version && constraint && constraint->allows(*version);
}

}  // namespace

Text resolve_target(std::string_view target, const model::Node& node, std::string& scratch) {
    if (target == "${node.unique.id}") {
        scratch = node.id.str();
        return scratch;
    }
    return resolve_target(target, node);
}

Text resolve_target(std::string_view target, const model::Node& node) {
    if (!target.starts_with("${")) {
        return target;
    }
    if (!target.ends_with('}')) {
        return std::nullopt;
    }
    const std::string_view name = target.substr(2, target.size() - 3);
    if (name == "node.unique.name") {
        return node.name;
    }
    if (name == "node.datacenter") {
        return node.datacenter;
    }
    if (name == "node.class") {
        return node.node_class;
    }
    if (name == "node.pool") {
        return node.node_pool;
    }
    if (name.starts_with("attr.")) {
        return find(node.attributes, name.substr(5));
    }
    if (name.starts_with("meta.")) {
        return find(node.meta, name.substr(5));
    }
    return std::nullopt;
}

bool is_unique_target(std::string_view target) {
    return target.starts_with("${node.unique.") || target.starts_with("${attr.unique.") ||
           target.starts_with("${meta.unique.");
}

bool holds(std::string_view operand, Text left, Text right, RegexCache& regexes) {
    if (operand == "is_set") {
        return left.has_value();
    }
    if (operand == "is_not_set") {
        return !left.has_value();
    }
    if (operand == "!=" || operand == "not") {
        return left.value_or("") != right.value_or("");
    }
    if (!left || !right) {
        return false;
    }
    if (operand.empty() || operand == "=" || operand == "==" || operand == "is") {
        return *left == *right;
    }
    if (operand == "<") {
        return compare_ordered(*left, *right) < 0;
    }
    if (operand == "<=") {
        return compare_ordered(*left, *right) <= 0;
    }
    if (operand == ">") {
        return compare_ordered(*left, *right) > 0;
    }
    if (operand == ">=") {
        return compare_ordered(*left, *right) >= 0;
    }
    if (operand == "version") {
        return version_holds(*left, *right, VersionSyntax::Lenient);
    }
    if (operand == "semver") {
        return version_holds(*left, *right, VersionSyntax::Strict);
    }
    if (operand == "regexp") {
        return regexes.matches(*right, *left);
    }
    if (operand == "set_contains" || operand == "set_contains_all") {
        return set_contains(*left, *right, SetMatch::All);
    }
    if (operand == "set_contains_any") {
        return set_contains(*left, *right, SetMatch::Any);
    }
    return false;
}

bool glob_matches(std::string_view pattern, std::string_view text) {
    // Greedy with one point of return: linear in text times stars.
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

}  // namespace nl::sched
