#include "hcl/source.h"

#include "hcl/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::hcl {

Range between(const Range& a, const Range& b) {
    return {.start = a.start, .end = b.end, .file = a.file};
}

std::uint32_t SourceNames::add(std::string name) {
    names_.push_back(std::move(name));
    return static_cast<std::uint32_t>(names_.size() - 1);
}

std::string_view SourceNames::name(std::uint32_t file) const {
    return file < names_.size() ? std::string_view(names_[file]) : std::string_view("<unknown>");
}

void Diagnostics::error(std::string summary, std::string detail, const Range& subject) {
    ++errors_;
    if (items_.size() < kMaxDiagnostics) {
        items_.push_back({Severity::Error, std::move(summary), std::move(detail), subject});
    }
}

void Diagnostics::warning(std::string summary, std::string detail, const Range& subject) {
    if (items_.size() < kMaxDiagnostics) {
        items_.push_back({Severity::Warning, std::move(summary), std::move(detail), subject});
    }
}

void Diagnostics::append(const Diagnostics& others) {
    for (const Diagnostic& d : others.items_) {
        if (items_.size() < kMaxDiagnostics) {
            items_.push_back(d);
        }
    }
    errors_ += others.errors_;
}

std::string to_string(const Range& range, const SourceNames& names) {
    const std::string_view name = names.name(range.file);
    if (range.start.line == range.end.line) {
        return fmt::format(
            "{}:{},{}-{}", name, range.start.line, range.start.column, range.end.column
        );
    }
    return fmt::format(
        "{}:{},{}-{},{}",
        name,
        range.start.line,
        range.start.column,
        range.end.line,
        range.end.column
    );
}

std::string to_string(const Diagnostic& diagnostic, const SourceNames& names) {
    return fmt::format(
        "{}: {}; {}", to_string(diagnostic.subject, names), diagnostic.summary, diagnostic.detail
    );
}

std::string all_errors(const Diagnostics& diagnostics, const SourceNames& names) {
    std::string out;
    for (const Diagnostic& d : diagnostics.items()) {
        if (d.severity == Severity::Error) {
            out += (out.empty() ? "" : "\n") + to_string(d, names);
        }
    }
    return out;
}

std::string first_error(const Diagnostics& diagnostics, const SourceNames& names) {
    for (const Diagnostic& d : diagnostics.items()) {
        if (d.severity == Severity::Error) {
            std::string text = to_string(d, names);
            if (diagnostics.error_count() > 1) {
                text += fmt::format(", and {} other diagnostic(s)", diagnostics.error_count() - 1);
            }
            return text;
        }
    }
    return "no diagnostics";
}

namespace {

// Names longer than this are never suggested, so the distance costs little.
constexpr std::size_t kMaxSuggestedLength = 64;

/// Between texts of characters, whatever the number of bytes in each.
std::size_t edit_distance(std::u32string_view a, std::u32string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] =
                std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::string_view nearest_name(
    std::string_view given, const std::vector<std::string_view>& candidates
) {
    constexpr std::size_t kFarthest = 2;  // Beyond two edits a suggestion misleads.
    std::string_view best;
    std::size_t best_distance = kFarthest + 1;
    if (given.size() > kMaxSuggestedLength) {
        return best;
    }
    const auto characters = [](std::string_view text) {
        std::u32string out;
        while (!text.empty()) {
            const CodePoint c = decode(text);
            out += c.value;
            text.remove_prefix(std::max<std::size_t>(c.length, 1));
        }
        return out;
    };
    const std::u32string wanted = characters(given);
    for (const std::string_view candidate : candidates) {
        if (candidate.size() > kMaxSuggestedLength) {
            continue;
        }
        const std::size_t distance = edit_distance(wanted, characters(candidate));
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

}  // namespace nl::hcl
