#include "expr/pattern_adapter.h"

#include <re2/re2.h>

namespace nl::expr {
namespace {

std::string_view wording(re2::RE2::ErrorCode code) {
    switch (code) {
        case re2::RE2::ErrorBadEscape:
            return "invalid escape sequence";
        case re2::RE2::ErrorBadCharClass:
            return "invalid character class";
        case re2::RE2::ErrorBadCharRange:
            return "invalid character class range";
        case re2::RE2::ErrorMissingBracket:
            return "missing closing ]";
        case re2::RE2::ErrorMissingParen:
            return "missing closing )";
        case re2::RE2::ErrorUnexpectedParen:
            return "unexpected )";
        case re2::RE2::ErrorTrailingBackslash:
            return "trailing backslash at end of expression";
        case re2::RE2::ErrorRepeatArgument:
            return "missing argument to repetition operator";
        case re2::RE2::ErrorRepeatSize:
            return "invalid repeat count";
        case re2::RE2::ErrorRepeatOp:
            return "invalid nested repetition operator";
        case re2::RE2::ErrorBadPerlOp:
            return "invalid or unsupported Perl syntax";
        case re2::RE2::ErrorBadUTF8:
            return "invalid UTF-8";
        case re2::RE2::ErrorBadNamedCapture:
            return "invalid named capture";
        case re2::RE2::ErrorPatternTooLarge:
            return "expression too large";
        case re2::RE2::NoError:
        case re2::RE2::ErrorInternal:
            break;
    }
    return "regexp/syntax: internal error";
}

}  // namespace

std::string pattern_error(std::string_view pattern) {
    constexpr std::int64_t kProgramBytesMax = 1 << 20;
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kProgramBytesMax);
    const re2::RE2 re(re2::StringPiece(pattern.data(), pattern.size()), options);
    if (re.ok()) {
        return "";
    }
    std::string out = "error parsing regexp: ";
    out += wording(re.error_code());
    // Go names the expression itself where a parenthesis is missing.
    const bool whole = re.error_code() == re2::RE2::ErrorMissingParen ||
                       re.error_code() == re2::RE2::ErrorUnexpectedParen;
    const std::string shown = whole ? std::string(pattern) : re.error_arg();
    if (!shown.empty()) {
        out += ": `" + shown + "`";
    }
    return out;
}

}  // namespace nl::expr
