#pragma once
// Versions and version constraints as the operators `version` and `semver` of job files compare
// them. A version is one or more numbers, an optional pre-release and optional build metadata
// (ignored when comparing). Lenient syntax takes "v1.2" and any number of parts; strict syntax is
// Semantic Versioning 2.0. Source: jobspec reference, constraint operators; semver.org, item 11.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nl::expr {

enum class VersionSyntax { Lenient, Strict };

struct Version {
    std::vector<std::uint64_t> parts;
    std::string prerelease;
    /// How many numbers were written; "1.2" has 2 (the pessimistic operator looks at it).
    std::size_t written{0};
};

/// nullopt if the text is no version in that syntax.
std::optional<Version> parse_version(std::string_view text, VersionSyntax syntax);

/// Below, at or above 0 as `a` comes before, with or after `b`.
int compare(const Version& a, const Version& b);

/// A conjunction such as ">= 1.2, < 2".
class VersionConstraint {
public:
    /// nullopt if the text is no constraint: operators are = != > < >= <= and, in lenient syntax
    /// only, ~>.
    static std::optional<VersionConstraint> parse(std::string_view text, VersionSyntax syntax);

    bool allows(const Version& version) const;

private:
    enum class Operator { Equal, NotEqual, Greater, Less, GreaterEqual, LessEqual, Pessimistic };
    struct Part {
        Operator op;
        Version bound;
    };

    static bool allows(const Part& part, const Version& version);

    std::vector<Part> parts_;
};

}  // namespace nl::expr
