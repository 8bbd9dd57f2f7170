#include "expr/filter_regex_adapter.h"

#include <re2/re2.h>

namespace nl::expr {

Result<FilterRegex> FilterRegex::compile(std::string_view pattern) {
    constexpr std::int64_t kProgramBytesMax = 1 << 20;
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kProgramBytesMax);
    auto compiled =
        std::make_shared<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
    if (!compiled->ok()) {
        return fail(
            ErrorCode::InvalidArgument,
            "failed to compile regular expression \"{}\": {}",
            pattern,
            compiled->error()
        );
    }
    FilterRegex out;
    out.compiled_ = std::move(compiled);
    return out;
}

bool FilterRegex::found_in(std::string_view text) const {
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

}  // namespace nl::expr
