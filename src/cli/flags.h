#pragma once
// Flags as Go's flag package reads them, because scripts written for Nomad rely on it: -x and --x
// are the same, a value follows "=" or a space, a boolean needs none, the first word that is no
// flag ends them, and "--" ends them as well. The seed's commands take flags between and after
// their arguments too (FlagOrder::Anywhere) and one-letter names with the value attached.

#include "base/error.h"
#include "base/time.h"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::cli {

enum class FlagKind : unsigned char { Bool, Text, Integer, Duration, List };

struct FlagSpec {
    std::string name;
    FlagKind kind{FlagKind::Bool};
    /// One or two sentences for the help page.
    std::string help;
    /// The value when the flag is absent, as it would be typed.
    std::string fallback{};
    /// A second name, for example "a" for "addr".
    std::string alias{};
    /// Read and checked, but not shown in the help page.
    bool hidden{false};
};

enum class FlagOrder : unsigned char {
    /// Flags stand before the arguments, as in Nomad.
    First,
    /// Flags may stand anywhere, as in the seed's commands.
    Anywhere,
};

struct ParsedLine;

/// The flags of one call. Asking for a name that the command did not declare is our own mistake.
class FlagValues {
public:
    FlagValues() = default;

    bool given(std::string_view name) const;
    bool on(std::string_view name) const;
    std::string text(std::string_view name) const;
    std::int64_t integer(std::string_view name) const;
    Duration duration(std::string_view name) const;
    const std::vector<std::string>& list(std::string_view name) const;

private:
    friend Result<ParsedLine> parse_flags(
        std::span<const FlagSpec>, std::span<const std::string>, FlagOrder
    );
    struct Slot {
        FlagKind kind{FlagKind::Bool};
        bool given{false};
        std::vector<std::string> values;
    };
    const Slot& slot(std::string_view name, FlagKind kind) const;

    std::map<std::string, Slot, std::less<>> slots_;
};

struct ParsedLine {
    FlagValues flags;
    std::vector<std::string> arguments;
};

/// Errors: InvalidArgument, one sentence, with the nearest flag where one is near.
Result<ParsedLine> parse_flags(
    std::span<const FlagSpec> specs, std::span<const std::string> words, FlagOrder order
);

/// True for a word that stands for a flag of that name: -x, --x, -x=v.
bool is_flag_word(std::string_view word, std::string_view name);

/// Go's strconv.ParseBool. Errors: InvalidArgument.
Result<bool> parse_bool(std::string_view text);
/// A whole decimal number. Errors: InvalidArgument.
Result<std::int64_t> parse_integer(std::string_view text);

/// The candidate that was probably meant: at most a third of its letters differ. "" when none.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace nl::cli
