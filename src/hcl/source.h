#pragma once
// Places in a document and what is wrong there. Columns count grapheme clusters, lines start at 1.
// Diagnostics are collected, many to a run, and worded as HCL words them, because people and
// programs compare them: `input.hcl:3,5-9: Unsupported argument; An argument named "x" is ...`.
// Source: HCL2 native syntax specification; Nomad jobspec reference.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nl::hcl {

struct Pos {
    std::uint32_t line{1};
    std::uint32_t column{1};
    std::uint32_t byte{0};

    friend bool operator==(const Pos&, const Pos&) = default;
};

/// Half open. `file` indexes SourceNames.
struct Range {
    Pos start;
    Pos end;
    std::uint32_t file{0};

    friend bool operator==(const Range&, const Range&) = default;
};

/// From the beginning of `a` to the end of `b`.
Range between(const Range& a, const Range& b);

/// The names under which documents are shown; a Range holds the position in this list.
class SourceNames {
public:
    std::uint32_t add(std::string name);
    std::string_view name(std::uint32_t file) const;

private:
    std::vector<std::string> names_;
};

enum class Severity : unsigned char { Error, Warning };

struct Diagnostic {
    Severity severity{Severity::Error};
    std::string summary;
    std::string detail;
    Range subject;
};

/// More than these are counted but not kept.
inline constexpr std::size_t kMaxDiagnostics = 200;

class Diagnostics {
public:
    void error(std::string summary, std::string detail, const Range& subject);
    void warning(std::string summary, std::string detail, const Range& subject);
    void append(const Diagnostics& others);

    bool has_errors() const { return errors_ > 0; }
    std::size_t error_count() const { return errors_; }
    bool empty() const { return items_.empty(); }
    const std::vector<Diagnostic>& items() const { return items_; }

private:
    std::vector<Diagnostic> items_;
    std::size_t errors_{0};
};

/// `file:3,5-9`, or `file:3,5-4,1` over several lines.
std::string to_string(const Range& range, const SourceNames& names);
std::string to_string(const Diagnostic& diagnostic, const SourceNames& names);
/// One line for each error.
std::string all_errors(const Diagnostics& diagnostics, const SourceNames& names);
/// The first error, and how many others there are.
std::string first_error(const Diagnostics& diagnostics, const SourceNames& names);

/// The candidate nearest to `given`, "" if none is near enough to be meant.
std::string_view nearest_name(
    std::string_view given, const std::vector<std::string_view>& candidates
);

}  // namespace nl::hcl
