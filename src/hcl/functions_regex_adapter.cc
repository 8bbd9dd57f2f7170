#include "hcl/internal/function_groups.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

namespace nl::hcl::internal {
namespace {

/// Appends `pattern` with $1, ${1}, $name and ${name} replaced, as Go's Expand does.
void expand(
    std::string& out,
    std::string_view pattern,
    const RE2& re,
    const std::vector<re2::StringPiece>& groups
) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '$' || i + 1 >= pattern.size()) {
            out += pattern[i];
            continue;
        }
        if (pattern[i + 1] == '$') {
            out += '$';
            ++i;
            continue;
        }
        const bool braces = pattern[i + 1] == '{';
        std::size_t end = i + 1 + (braces ? 1 : 0);
        const std::size_t begin = end;
        const auto word = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '_';
        };
        while (end < pattern.size() && word(pattern[end])) {
            ++end;
        }
        const std::string name(pattern.substr(begin, end - begin));
        if (name.empty() || (braces && (end >= pattern.size() || pattern[end] != '}'))) {
            out += '$';
            continue;
        }
        int number = -1;
        if (name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6) {
            number = std::stoi(name);
        } else if (const auto found = re.NamedCapturingGroups().find(name);
                   found != re.NamedCapturingGroups().end()) {
            number = found->second;
        }
        if (number >= 0 && static_cast<std::size_t>(number) < groups.size()) {
            const auto& g = groups[static_cast<std::size_t>(number)];
            out.append(g.data(), g.size());
        }
        i = end - (braces ? 0 : 1);
    }
}

/// RE2's complaint as Go words it.
std::string go_wording(const RE2& re) {
    const std::string& own = re.error();
    const std::string part = re.error_arg();
    std::string what = own.substr(0, own.find(": "));
    constexpr std::pair<std::string_view, std::string_view> kWords[] = {
        {"missing )", "missing closing )"},
        {"missing ]", "missing closing ]"},
        {"no argument for repetition operator", "missing argument to repetition operator"},
        {"bad repetition operator", "invalid nested repetition operator"},
        {"invalid repetition size", "invalid repeat count"},
        {"trailing \\", "trailing backslash at end of expression"},
        {"invalid named capture group", "invalid named capture"},
    };
    for (const auto& [theirs, go] : kWords) {
        if (what == theirs) {
            what = go;
        }
    }
    return fmt::format("{}: `{}`", what, part);
}

FunctionResult replaced(Arguments a, FunctionEnvironment&) {
    const std::string& text = a[0].as_string();
    RE2::Options options;
    options.set_log_errors(false);
    const RE2 re(a[1].as_string(), options);
    if (!re.ok()) {
        return wrong("error parsing regexp: " + go_wording(re));
    }
    std::string out;
    std::size_t at = 0;
    std::size_t copied = 0;  // To here, where the last match ended.
    std::vector<re2::StringPiece> groups(
        static_cast<std::size_t>(re.NumberOfCapturingGroups()) + 1
    );
    while (
        at <= text.size() &&
        re.Match(
            text, at, text.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size())
        )
    ) {
        const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
        const std::size_t end = begin + groups[0].size();
        out.append(text, copied, begin - copied);
        // An empty match right behind the last one is none.
        if (end > copied || begin == 0) {
            expand(out, a[2].as_string(), re, groups);
        }
        copied = end;
        // On by a character at least.
        std::size_t next = at + 1;
        while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0) == 0x80) {
            ++next;
        }
        at = std::max(next, end);
    }
    if (copied < text.size()) {
        out.append(text, copied);
    }
    return Value::string(out);
}

}  // namespace

void add_regex_functions(FunctionTable& table) {
    table["regex_replace"] = {
        .parameters =
            {{.name = "str", .type = Kind::String},
             {.name = "substr", .type = Kind::String},
             {.name = "replace", .type = Kind::String}},
        .call = replaced
    };
}

}  // namespace nl::hcl::internal
